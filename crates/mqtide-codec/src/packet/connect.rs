//! CONNECT.

use alloc::boxed::Box;
use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_topic::TopicName;

use super::connect_ref::{ConnectRef, Flags};
use super::publish::PayloadFormat;
use crate::buffer::Writer;
use crate::decode::collect;
use crate::encode::{self, Encode, Lengths, block_len, encode_methods, properties_len, put_block};
use crate::error::{DecodeError, EncodeError, Field};
use crate::frame::Frame;
use crate::options::Leniency;
use crate::packet::PacketType;
use crate::property::property_set;
use crate::wire;
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

property_set!(ConnectProperties {
    one session_expiry_interval: SessionExpiryInterval,
    one authentication_method: AuthenticationMethod,
    one authentication_data: AuthenticationData,
    one request_problem_information: RequestProblemInformation,
    one request_response_information: RequestResponseInformation,
    one receive_maximum: ReceiveMaximum,
    one topic_alias_maximum: TopicAliasMaximum,
    pairs user_properties: UserProperty,
    one maximum_packet_size: MaximumPacketSize,
});

property_set!(WillProperties {
    one payload_format_indicator: PayloadFormatIndicator,
    one message_expiry_interval: MessageExpiryInterval,
    one content_type: ContentType,
    one response_topic: ResponseTopic,
    one correlation_data: CorrelationData,
    one will_delay_interval: WillDelayInterval,
    pairs user_properties: UserProperty,
});

impl Connect {
    pub(crate) fn decode(frame: &Frame, leniency: Leniency) -> Result<Self, DecodeError> {
        let (mut properties, mut will_properties) = (None, None);
        let owner = frame.body();
        let connect = ConnectRef::parse(
            frame.as_frame(),
            leniency,
            |property| collect(&mut properties, property, owner),
            |property| collect(&mut will_properties, property, owner),
        )?;
        Ok(Self {
            version: connect.version,
            clean_start: connect.clean_start,
            keep_alive: connect.keep_alive,
            client_identifier: wire::share_text(owner, connect.client_identifier),
            will: connect.will.map(|will| Will {
                topic: will.topic.to_topic_name_in(owner),
                payload: wire::share(owner, will.payload),
                qos: will.qos,
                retain: will.retain,
                properties: will_properties,
            }),
            user_name: connect.user_name.map(|name| wire::share_text(owner, name)),
            password: connect
                .password
                .map(|password| wire::share(owner, password)),
            properties,
        })
    }
}

encode_methods!(Connect);

impl Connect {
    fn flags(&self) -> u8 {
        let set = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        let will = self.will.as_ref().map_or(0, |will| {
            Flags::WILL | will.qos.bits() << 3 | set(Flags::WILL_RETAIN, will.retain)
        });
        will | set(Flags::CLEAN_START, self.clean_start)
            | set(Flags::PASSWORD, self.password.is_some())
            | set(Flags::USER_NAME, self.user_name.is_some())
    }

    fn check_version(&self, version: Version) -> Result<(), EncodeError> {
        let packet = PacketType::Connect;
        if self.version != version {
            let field = Field::ProtocolLevel;
            return Err(EncodeError::NotInVersion {
                packet,
                field,
                version,
            });
        }
        let is_password_alone = self.password.is_some() && self.user_name.is_none();
        if is_password_alone && version != Version::V5 {
            let field = Field::Password;
            return Err(EncodeError::NotInVersion {
                packet,
                field,
                version,
            });
        }
        Ok(())
    }

    fn check_authentication(&self) -> Result<(), EncodeError> {
        match self.properties.as_deref() {
            Some(ConnectProperties {
                authentication_method: None,
                authentication_data: Some(_),
                ..
            }) => Err(EncodeError::Empty(Field::AuthenticationMethod)),
            _ => Ok(()),
        }
    }
}

impl Encode for Connect {
    fn first_byte(&self) -> u8 {
        encode::first_byte(PacketType::Connect)
    }

    fn lengths(&self, version: Version) -> Result<Lengths, EncodeError> {
        self.check_version(version)?;
        self.check_authentication()?;
        let properties = properties_len(version, self.properties.as_deref())?;
        let mut lengths = Lengths {
            properties,
            ..Lengths::default()
        };
        lengths.remaining = 2 + version.protocol_name().len() + 4 + block_len(version, properties);
        lengths.remaining +=
            wire::text_len(self.client_identifier.as_bytes(), Field::ClientIdentifier)?;
        if let Some(will) = &self.will {
            lengths.will_properties = properties_len(version, will.properties.as_deref())?;
            lengths.remaining += block_len(version, lengths.will_properties)
                + 2
                + will.topic.len()
                + wire::binary_len(&will.payload, Field::WillPayload)?;
        }
        if let Some(user_name) = &self.user_name {
            lengths.remaining += wire::text_len(user_name.as_bytes(), Field::UserName)?;
        }
        if let Some(password) = &self.password {
            lengths.remaining += wire::binary_len(password, Field::Password)?;
        }
        Ok(lengths)
    }

    fn put(&self, version: Version, lengths: Lengths, buf: &mut Writer<'_>) {
        match version {
            Version::V31 => buf.put(*b"\x00\x06MQIsdp"),
            Version::V311 | Version::V5 => buf.put(*b"\x00\x04MQTT"),
        }
        buf.put([version.level(), self.flags()]);
        buf.put_u16(self.keep_alive);
        put_block(version, lengths.properties, self.properties.as_deref(), buf);
        wire::put_binary(buf, self.client_identifier.as_bytes());
        if let Some(will) = &self.will {
            put_block(
                version,
                lengths.will_properties,
                will.properties.as_deref(),
                buf,
            );
            wire::put_binary(buf, will.topic.as_str().as_bytes());
            wire::put_binary(buf, &will.payload);
        }
        if let Some(user_name) = &self.user_name {
            wire::put_binary(buf, user_name.as_bytes());
        }
        if let Some(password) = &self.password {
            wire::put_binary(buf, password);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{VERSIONS, golden, write};

    /// MQTT-3.1.3-1, MQTT-3.1.2-9, v3.1.1 MQTT-3.1.3-1
    #[test]
    fn golden_bytes() {
        let mut connect = Connect::new(Version::V5, "a");
        connect.keep_alive = 60;
        let bytes = "10 0E 00 04 4D 51 54 54 05 02 00 3C 00 00 01 61";
        golden(bytes, Version::V5, connect.clone());
        connect.version = Version::V311;
        let bytes = "10 0D 00 04 4D 51 54 54 04 02 00 3C 00 01 61";
        golden(bytes, Version::V311, connect.clone());
        connect.version = Version::V31;
        let bytes = "10 0F 00 06 4D 51 49 73 64 70 03 02 00 3C 00 01 61";
        golden(bytes, Version::V31, connect);
    }

    fn full(version: Version) -> Connect {
        let mut connect = Connect::new(version, "c1");
        connect.keep_alive = 10;
        connect.user_name = Some("u".into());
        connect.password = Some(Bytes::from_static(b"p"));
        let mut will = Will::new(TopicName::from_static("w"), "x");
        will.qos = QoS::AtLeastOnce;
        connect.will = Some(will);
        connect
    }

    /// MQTT-3.1.3-1, v3.1.1 MQTT-3.1.3-1
    #[test]
    fn golden_bytes_of_all_fields() {
        let bytes = "10 1A 00 04 4D 51 54 54 04 CE 00 0A 00 02 63 31 00 01 77 00 01 78 00 01 75 \
                     00 01 70";
        golden(bytes, Version::V311, full(Version::V311));
        let mut connect = full(Version::V5);
        connect.properties = Some(Box::new(ConnectProperties {
            session_expiry_interval: Some(10),
            receive_maximum: NonZeroU16::new(20),
            ..ConnectProperties::default()
        }));
        if let Some(will) = &mut connect.will {
            will.properties = Some(Box::new(WillProperties {
                will_delay_interval: Some(5),
                ..WillProperties::default()
            }));
        }
        let bytes = "10 29 00 04 4D 51 54 54 05 CE 00 0A 08 11 00 00 00 0A 21 00 14 00 02 63 31 \
                     05 18 00 00 00 05 00 01 77 00 01 78 00 01 75 00 01 70";
        golden(bytes, Version::V5, connect);
    }

    #[test]
    fn all_properties() {
        let mut connect = full(Version::V5);
        connect.properties = Some(Box::new(ConnectProperties {
            session_expiry_interval: Some(u32::MAX),
            receive_maximum: NonZeroU16::new(1),
            maximum_packet_size: NonZeroU32::new(2),
            topic_alias_maximum: Some(3),
            request_response_information: Some(true),
            request_problem_information: Some(false),
            user_properties: [("a", "b"), ("a", "c")].into_iter().collect(),
            authentication_method: Some("m".into()),
            authentication_data: Some(Bytes::from_static(b"d")),
        }));
        if let Some(will) = &mut connect.will {
            will.retain = true;
            will.properties = Some(Box::new(WillProperties {
                will_delay_interval: Some(1),
                payload_format_indicator: Some(PayloadFormat::Utf8),
                message_expiry_interval: Some(2),
                content_type: Some("t".into()),
                response_topic: Some(TopicName::from_static("r")),
                correlation_data: Some(Bytes::from_static(b"c")),
                user_properties: [("", "")].into_iter().collect(),
            }));
        }
        let bytes = "10 63 0004 4D515454 05 EE 000A 2A 11 FFFFFFFF 15 0001 6D 16 0001 64 17 00 19 01 \
                     21 0001 22 0003 26 0001 61 0001 62 26 0001 61 0001 63 27 00000002 0002 6331 \
                     1D 01 01 02 00000002 03 0001 74 08 0001 72 09 0001 63 18 00000001 26 0000 0000 \
                     0001 77 0001 78 0001 75 0001 70";
        golden(bytes, Version::V5, connect);
    }

    /// MQTT-2.2.2-1, MQTT-3.1.3-3
    #[test]
    fn empty_properties_and_an_empty_client_identifier_are_written() {
        let connect = Connect::new(Version::V5, "").into();
        let bytes = "10 0D 00 04 4D 51 54 54 05 02 00 00 00 00 00";
        assert_eq!(write(&connect, Version::V5), crate::testing::hex(bytes));
    }

    /// v3.1.1 MQTT-3.1.2-22
    #[test]
    fn a_password_alone_is_for_mqtt_5() {
        for version in VERSIONS {
            let mut connect = Connect::new(version, "a");
            connect.password = Some(Bytes::new());
            assert_eq!(connect.encoded_len(version).is_ok(), version == Version::V5);
        }
    }

    #[test]
    fn nothing_that_no_receiver_would_take_is_written() {
        let mut connect = Connect::new(Version::V5, "a\0");
        let error = EncodeError::NulCharacter(Field::ClientIdentifier);
        assert_eq!(connect.encoded_len(Version::V5), Err(error));
        connect.client_identifier = "a".repeat(65_536).into();
        let error = EncodeError::TooLong(Field::ClientIdentifier);
        assert_eq!(connect.encoded_len(Version::V5), Err(error));
        let mut connect = full(Version::V5);
        assert!(
            connect.encoded_len(Version::V311).is_err(),
            "it is of another version"
        );
        connect.properties = Some(Box::new(ConnectProperties {
            authentication_data: Some(Bytes::new()),
            ..ConnectProperties::default()
        }));
        let error = EncodeError::Empty(Field::AuthenticationMethod);
        assert_eq!(connect.encoded_len(Version::V5), Err(error));
    }
}
