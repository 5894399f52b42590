//! CONNACK.

use alloc::boxed::Box;
use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;

use crate::{QoS, ReasonCode, UserProperties};

/// CONNACK: the server's answer to CONNECT (MQTT 5.0 §3.2).
///
/// MQTT 3.1 and 3.1.1 drop the properties and write the reason as a return code
/// ([`ReasonCode::to_return_code`]); a reason without one is refused. MQTT 3.1 drops Session Present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connack {
    /// Whether the server resumes a stored session.
    pub session_present: bool,
    /// Success, or why the connection is refused.
    pub reason: ReasonCode,
    /// What the server announces.
    pub properties: Option<Box<ConnackProperties>>,
}

impl Connack {
    /// An acceptance.
    pub const fn accepted(session_present: bool) -> Self {
        Self {
            session_present,
            reason: ReasonCode::Success,
            properties: None,
        }
    }

    /// A refusal. No session is present then (MQTT-3.2.2-6).
    pub const fn refused(reason: ReasonCode) -> Self {
        Self {
            session_present: false,
            reason,
            properties: None,
        }
    }
}

/// The properties of CONNACK (MQTT 5.0 §3.2.2.3). `None` means absent; the meaning of absence
/// stands at each field.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnackProperties {
    /// Seconds that the session outlives the connection. Absent: the client's value stands.
    pub session_expiry_interval: Option<u32>,
    /// How many QoS 1 and 2 publications the server takes concurrently. Absent: 65,535.
    pub receive_maximum: Option<NonZeroU16>,
    /// The highest QoS that the server supports, 0 or 1; the encoder refuses 2. Absent: 2.
    pub maximum_qos: Option<QoS>,
    /// Whether the server supports retained messages. Absent: yes.
    pub retain_available: Option<bool>,
    /// The largest packet that the server accepts, in bytes, fixed header included. Absent: no limit.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// The identifier that the server gave to a client which sent an empty one.
    pub assigned_client_identifier: Option<ByteString>,
    /// The highest alias that the server accepts. Absent: 0, no aliases.
    pub topic_alias_maximum: Option<u16>,
    /// Text for diagnostics, never to be parsed.
    pub reason_string: Option<ByteString>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
    /// Whether the server supports wildcards in filters. Absent: yes.
    pub wildcard_subscription_available: Option<bool>,
    /// Whether the server supports Subscription Identifiers. Absent: yes.
    pub subscription_identifiers_available: Option<bool>,
    /// Whether the server supports shared subscriptions. Absent: yes.
    pub shared_subscription_available: Option<bool>,
    /// Keep alive in seconds that replaces the client's, 0 for off. Absent: the client's value stands.
    pub server_keep_alive: Option<u16>,
    /// The basis for response topics, if the client asked for it.
    pub response_information: Option<ByteString>,
    /// Other servers to use, space separated (MQTT 5.0 §4.11).
    pub server_reference: Option<ByteString>,
    /// The authentication method, the same as in CONNECT.
    pub authentication_method: Option<ByteString>,
    /// Data of the authentication method, at most 65,535 bytes.
    pub authentication_data: Option<Bytes>,
}
