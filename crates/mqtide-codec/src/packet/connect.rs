//! CONNECT.

use alloc::boxed::Box;
use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_topic::TopicName;

use super::publish::PayloadFormat;
use crate::{QoS, UserProperties, Version};

/// CONNECT: the client's first packet (MQTT 5.0 §3.1).
///
/// MQTT 3.1 and 3.1.1 drop the properties of the connection and of the will, and refuse a password
/// without a user name (v3.1.1 MQTT-3.1.2-22).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The version of this packet and of the connection that it opens.
    pub version: Version,
    /// Clean Start; Clean Session in MQTT 3.1 and 3.1.1.
    pub clean_start: bool,
    /// Seconds between packets of the client that the server may rely on; 0 turns the check off.
    pub keep_alive: u16,
    /// May be empty: the server then assigns one, or refuses.
    pub client_identifier: ByteString,
    /// The message to publish when the connection ends without a normal DISCONNECT.
    pub will: Option<Will>,
    /// The user name.
    pub user_name: Option<ByteString>,
    /// The password, at most 65,535 bytes of any content.
    pub password: Option<Bytes>,
    /// What the client announces and asks for.
    pub properties: Option<Box<ConnectProperties>>,
}

impl Connect {
    /// A CONNECT with a clean start, keep alive off, and nothing optional.
    pub fn new(version: Version, client_identifier: impl Into<ByteString>) -> Self {
        Self {
            version,
            clean_start: true,
            keep_alive: 0,
            client_identifier: client_identifier.into(),
            will: None,
            user_name: None,
            password: None,
            properties: None,
        }
    }
}

/// The properties of CONNECT (MQTT 5.0 §3.1.2.11). `None` means absent; the meaning of absence
/// stands at each field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectProperties {
    /// Seconds that the session outlives the connection; `u32::MAX` for ever. Absent: 0.
    pub session_expiry_interval: Option<u32>,
    /// How many QoS 1 and 2 publications the client takes concurrently. Absent: 65,535.
    pub receive_maximum: Option<NonZeroU16>,
    /// The largest packet that the client accepts, in bytes, fixed header included. Absent: no limit.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// The highest alias that the client accepts. Absent: 0, no aliases.
    pub topic_alias_maximum: Option<u16>,
    /// Whether the client asks for Response Information. Absent: no.
    pub request_response_information: Option<bool>,
    /// Whether the client wants Reason Strings and User Properties on acknowledgements. Absent: yes.
    pub request_problem_information: Option<bool>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
    /// The method of enhanced authentication. Absent: none.
    pub authentication_method: Option<ByteString>,
    /// Data of the method, at most 65,535 bytes; a Protocol Error without the method.
    pub authentication_data: Option<Bytes>,
}

/// The will of a client (MQTT 5.0 §3.1.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Will {
    /// Where to publish it.
    pub topic: TopicName,
    /// The message, at most 65,535 bytes.
    pub payload: Bytes,
    /// The QoS to publish it at.
    pub qos: QoS,
    /// Whether to publish it as a retained message.
    pub retain: bool,
    /// Delay and properties of the message.
    pub properties: Option<Box<WillProperties>>,
}

impl Will {
    /// A will of QoS 0, not retained, without properties.
    pub fn new(topic: TopicName, payload: impl Into<Bytes>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: None,
        }
    }
}

/// The properties of a will (MQTT 5.0 §3.1.3.2). `None` means absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WillProperties {
    /// Seconds to wait before publishing. Absent: 0.
    pub will_delay_interval: Option<u32>,
    /// What the payload is. Absent: unspecified bytes.
    pub payload_format_indicator: Option<PayloadFormat>,
    /// Seconds that the message lives from its publication. Absent: it does not expire.
    pub message_expiry_interval: Option<u32>,
    /// The content type, defined by the applications.
    pub content_type: Option<ByteString>,
    /// Where to answer.
    pub response_topic: Option<TopicName>,
    /// What the answer must carry, at most 65,535 bytes.
    pub correlation_data: Option<Bytes>,
    /// Application-defined pairs, forwarded with the message.
    pub user_properties: UserProperties,
}
