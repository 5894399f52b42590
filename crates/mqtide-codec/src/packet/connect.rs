//! CONNECT.

use alloc::boxed::Box;
use core::num::{NonZeroU16, NonZeroU32};

use bytes::{BufMut, Bytes};
use bytestring::ByteString;
use mqtide_topic::{TopicName, TopicNameRef};

use super::publish::PayloadFormat;
use crate::decode::{collect, parse_body};
use crate::encode::{self, Encode, Lengths, block_len, encode_methods, properties_len, put_block};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, Field};
use crate::frame::{Frame, FrameRef};
use crate::options::{DecodeOptions, Leniency};
use crate::packet::PacketType;
use crate::property::{Place, PropertiesRef, Property, parse_block, property_set};
use crate::wire::{self, Parsed, fail};
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

/// CONNECT, borrowed; [`Connect`] is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectRef<'a> {
    /// The version of this packet and of the connection that it opens.
    pub version: Version,
    /// Clean Start; Clean Session in MQTT 3.1 and 3.1.1.
    pub clean_start: bool,
    /// Seconds; 0 turns the check off.
    pub keep_alive: u16,
    /// May be empty.
    pub client_identifier: &'a str,
    /// The will.
    pub will: Option<WillRef<'a>>,
    /// The user name.
    pub user_name: Option<&'a str>,
    /// The password.
    pub password: Option<&'a [u8]>,
    /// What the client announces and asks for.
    pub properties: PropertiesRef<'a>,
}

/// A will, borrowed; [`Will`] is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WillRef<'a> {
    /// Where to publish it.
    pub topic: TopicNameRef<'a>,
    /// The message.
    pub payload: &'a [u8],
    /// The QoS to publish it at.
    pub qos: QoS,
    /// Whether to publish it as a retained message.
    pub retain: bool,
    /// Delay and properties of the message.
    pub properties: PropertiesRef<'a>,
}

impl<'a> ConnectRef<'a> {
    /// Reads a CONNECT, in the version that it names.
    ///
    /// # Errors
    ///
    /// What is wrong with the packet.
    pub fn decode(frame: FrameRef<'a>, leniency: Leniency) -> Result<Self, DecodeError> {
        parse(frame, leniency, |_| {}, |_| {})
    }
}

impl Connect {
    pub(crate) fn decode(frame: &Frame, leniency: Leniency) -> Result<Self, DecodeError> {
        let (mut properties, mut will_properties) = (None, None);
        let owner = frame.body();
        let connect = parse(
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

fn parse<'a>(
    frame: FrameRef<'a>,
    leniency: Leniency,
    mut visit: impl FnMut(Property<'a>),
    visit_will: impl FnMut(Property<'a>),
) -> Result<ConnectRef<'a>, DecodeError> {
    let version = parse_prefix(frame, leniency)?;
    let options = DecodeOptions::new(version).with_leniency(leniency);
    frame.header().check(version, leniency)?;
    parse_body(frame, |body| {
        let (rest, _) = self::version(body, leniency)?;
        let (rest, flags) = Flags::parse(rest, version)?;
        let (rest, keep_alive) = wire::two_bytes(rest, Field::KeepAlive)?;
        let (mut has_method, mut has_data) = (false, false);
        let (rest, block) = parse_block(rest, Place::Connect, &options, |property| {
            has_method |= matches!(property, Property::AuthenticationMethod(_));
            has_data |= matches!(property, Property::AuthenticationData(_));
            visit(property);
        })?;
        if has_data && !has_method {
            let kind = DecodeErrorKind::MissingAuthenticationMethod;
            return fail(kind, Field::AuthenticationData, rest);
        }
        let (rest, client_identifier) = wire::text(rest, Field::ClientIdentifier)?;
        let (rest, will) = flags.parse_will(rest, &options, visit_will)?;
        let (rest, user_name) = flags.credential(rest, Flags::USER_NAME, |rest| {
            wire::text(rest, Field::UserName)
        })?;
        let (rest, password) = flags.credential(rest, Flags::PASSWORD, |rest| {
            wire::binary(rest, Field::Password)
        })?;
        let connect = ConnectRef {
            version,
            clean_start: flags.has(Flags::CLEAN_START),
            keep_alive,
            client_identifier,
            will,
            user_name,
            password,
            properties: PropertiesRef::new(block),
        };
        Ok((rest, connect))
    })
}

/// The version that a CONNECT names, by which the rest is judged.
fn parse_prefix(frame: FrameRef<'_>, leniency: Leniency) -> Result<Version, DecodeError> {
    match version(frame.body(), leniency) {
        Ok((_, version)) => Ok(version),
        Err(error) => {
            let fault = wire::Fault::from(error);
            Err(fault.locate(frame.body(), frame.header().header_len()))
        }
    }
}

/// Protocol name and level (MQTT 5.0 §3.1.2.1, §3.1.2.2).
fn version(body: &[u8], leniency: Leniency) -> Parsed<'_, Version> {
    let (input, name) = wire::binary(body, Field::ProtocolName)?;
    if name != b"MQTT" && name != b"MQIsdp" {
        return fail(
            DecodeErrorKind::UnsupportedProtocolName,
            Field::ProtocolName,
            body,
        );
    }
    let (rest, level) = wire::byte(input, Field::ProtocolLevel)?;
    let plain = match level {
        0x83 | 0x84 if leniency.bridge_levels => level & 0x7F,
        _ => level,
    };
    match Version::from_name_and_level(name, plain) {
        Some(version) => Ok((rest, version)),
        None => fail(
            DecodeErrorKind::UnsupportedProtocolLevel(level),
            Field::ProtocolLevel,
            input,
        ),
    }
}

/// The Connect Flags (MQTT 5.0 §3.1.2.3).
#[derive(Clone, Copy)]
struct Flags {
    bits: u8,
    will_qos: QoS,
    version: Version,
}

impl Flags {
    const RESERVED: u8 = 1;
    const CLEAN_START: u8 = 1 << 1;
    const WILL: u8 = 1 << 2;
    const WILL_QOS: u8 = 3 << 3;
    const WILL_RETAIN: u8 = 1 << 5;
    const PASSWORD: u8 = 1 << 6;
    const USER_NAME: u8 = 1 << 7;

    const fn has(self, flag: u8) -> bool {
        self.bits & flag != 0
    }

    /// Reads the flags and judges how they fit together. MQTT 3.1 checks neither the reserved bit
    /// nor the flags of a will that is not there.
    fn parse(input: &[u8], version: Version) -> Parsed<'_, Self> {
        let (rest, bits) = wire::byte(input, Field::ConnectFlags)?;
        let is_strict = version != Version::V31;
        let has_will = bits & Self::WILL != 0;
        let will_bits = bits & (Self::WILL_QOS | Self::WILL_RETAIN);
        let is_will_missing = is_strict && !has_will && will_bits != 0;
        let is_password_alone = bits & (Self::PASSWORD | Self::USER_NAME) == Self::PASSWORD;
        let will_qos = match QoS::from_bits(bits >> 3 & 3) {
            Some(qos) => Ok(qos),
            None if has_will || is_strict => Err(DecodeErrorKind::InvalidQoS),
            None => Ok(QoS::AtMostOnce),
        };
        let fault = if is_strict && bits & Self::RESERVED != 0 {
            DecodeErrorKind::ReservedBits
        } else if is_will_missing || (version != Version::V5 && is_password_alone) {
            DecodeErrorKind::InvalidFlags
        } else {
            match will_qos {
                Ok(will_qos) => {
                    return Ok((
                        rest,
                        Self {
                            bits,
                            will_qos,
                            version,
                        },
                    ));
                }
                Err(kind) => kind,
            }
        };
        fail(fault, Field::ConnectFlags, input)
    }

    fn parse_will<'a>(
        self,
        input: &'a [u8],
        options: &DecodeOptions,
        visit: impl FnMut(Property<'a>),
    ) -> Parsed<'a, Option<WillRef<'a>>> {
        if !self.has(Self::WILL) {
            return Ok((input, None));
        }
        let (rest, block) = parse_block(input, Place::Will, options, visit)?;
        let invalid = DecodeErrorKind::InvalidTopicName;
        let (rest, topic) = wire::topic_name(rest, Field::WillTopic, invalid)?;
        let (rest, payload) = wire::binary(rest, Field::WillPayload)?;
        let will = WillRef {
            topic,
            payload,
            qos: self.will_qos,
            retain: self.has(Self::WILL_RETAIN),
            properties: PropertiesRef::new(block),
        };
        Ok((rest, Some(will)))
    }

    /// Reads a user name or password if it is announced. In MQTT 3.1 a packet that ends right there
    /// is valid, and the field absent.
    fn credential<'a, T>(
        self,
        input: &'a [u8],
        flag: u8,
        parse: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
    ) -> Parsed<'a, Option<T>> {
        let may_be_missing = self.version == Version::V31 && input.is_empty();
        if !self.has(flag) || may_be_missing {
            return Ok((input, None));
        }
        parse(input).map(|(rest, value)| (rest, Some(value)))
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
        lengths.remaining += wire::text_len(&self.client_identifier, Field::ClientIdentifier)?;
        if let Some(will) = &self.will {
            lengths.will_properties = properties_len(version, will.properties.as_deref())?;
            lengths.remaining += block_len(version, lengths.will_properties)
                + 2
                + will.topic.len()
                + wire::binary_len(&will.payload, Field::WillPayload)?;
        }
        if let Some(user_name) = &self.user_name {
            lengths.remaining += wire::text_len(user_name, Field::UserName)?;
        }
        if let Some(password) = &self.password {
            lengths.remaining += wire::binary_len(password, Field::Password)?;
        }
        Ok(lengths)
    }

    fn put(&self, version: Version, lengths: Lengths, buf: &mut impl BufMut) {
        wire::put_binary(buf, version.protocol_name().as_bytes());
        buf.put_u8(version.level());
        buf.put_u8(self.flags());
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
