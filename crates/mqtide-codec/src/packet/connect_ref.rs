//! CONNECT, borrowed, and the parser of both forms.

use mqtide_topic::TopicNameRef;

use crate::decode::parse_body;
use crate::error::{DecodeError, DecodeErrorKind, Field};
use crate::frame::FrameRef;
use crate::options::{DecodeOptions, Leniency};
use crate::property::{Place, PropertiesRef, Property, parse_block};
use crate::text::Text;
use crate::wire::{self, Parsed, fail};
use crate::{QoS, Version};

/// CONNECT, borrowed; [`Connect`](crate::Connect) is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectRef<'a> {
    /// The version of this packet and of the connection that it opens.
    pub version: Version,
    /// Clean Start; Clean Session in MQTT 3.1 and 3.1.1.
    pub clean_start: bool,
    /// Seconds; 0 turns the check off.
    pub keep_alive: u16,
    /// May be empty.
    pub client_identifier: Text<'a>,
    /// The will.
    pub will: Option<WillRef<'a>>,
    /// The user name.
    pub user_name: Option<Text<'a>>,
    /// The password.
    pub password: Option<&'a [u8]>,
    /// What the client announces and asks for.
    pub properties: PropertiesRef<'a>,
}

/// A will, borrowed; [`Will`](crate::Will) is the owned form.
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
        Self::parse(frame, leniency, |_| {}, |_| {})
    }

    /// Reads a CONNECT and shows each property of it and of its will.
    pub(crate) fn parse(
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
            let (rest, block) =
                parse_block(rest, Place::Connect, &options, |property: Property<'a>| {
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
pub(crate) struct Flags {
    bits: u8,
    will_qos: QoS,
    version: Version,
}

impl Flags {
    const RESERVED: u8 = 1;
    pub(crate) const CLEAN_START: u8 = 1 << 1;
    pub(crate) const WILL: u8 = 1 << 2;
    const WILL_QOS: u8 = 3 << 3;
    pub(crate) const WILL_RETAIN: u8 = 1 << 5;
    pub(crate) const PASSWORD: u8 = 1 << 6;
    pub(crate) const USER_NAME: u8 = 1 << 7;

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

#[cfg(test)]
mod tests {
    use crate::testing::{VERSIONS, read, refused};
    use crate::{DecodeErrorKind as Kind, DecodeOptions, Field, Leniency, Packet, Sender, Version};

    /// The protocol name and level as they stand in CONNECT.
    fn prefix(version: Version) -> &'static str {
        match version {
            Version::V31 => "0006 4D5149736470 03",
            Version::V311 => "0004 4D515454 04",
            Version::V5 => "0004 4D515454 05",
        }
    }

    /// A CONNECT of these flags, and of this payload behind an empty property block.
    fn connect(version: Version, flags: u8, payload: &str) -> std::string::String {
        let block = if version == Version::V5 { "00" } else { "" };
        let body = std::format!("{} {flags:02x} 003C {block} {payload}", prefix(version));
        std::format!("10 {:02x} {body}", crate::testing::hex(&body).len())
    }

    /// MQTT-3.1.2-3, v3.1.1 MQTT-3.1.2-3
    #[test]
    fn the_reserved_flag_is_zero() {
        for version in [Version::V311, Version::V5] {
            let digits = connect(version, 0x03, "0001 61");
            refused(
                &digits,
                version,
                Kind::ReservedBits,
                0x81,
                Field::ConnectFlags,
            );
        }
        assert!(read(&connect(Version::V31, 0x03, "0001 61"), Version::V31).is_ok());
    }

    /// MQTT-3.1.2-11, MQTT-3.1.2-13, v3.1.1 MQTT-3.1.2-11, v3.1.1 MQTT-3.1.2-13, v3.1.1 MQTT-3.1.2-15
    #[test]
    fn without_a_will_its_flags_are_zero() {
        for flags in [0x0A, 0x12, 0x22, 0x2A] {
            for version in [Version::V311, Version::V5] {
                let digits = connect(version, flags, "0001 61");
                refused(
                    &digits,
                    version,
                    Kind::InvalidFlags,
                    0x81,
                    Field::ConnectFlags,
                );
            }
            // MQTT 3.1 disregards them.
            assert!(read(&connect(Version::V31, flags, "0001 61"), Version::V31).is_ok());
        }
    }

    /// MQTT-3.1.2-12, v3.1.1 MQTT-3.1.2-14
    #[test]
    fn the_will_qos_is_0_1_or_2() {
        for version in VERSIONS {
            let block = if version == Version::V5 { "00" } else { "" };
            let payload = std::format!("0001 61 {block} 0001 77 0000");
            for flags in [0x06, 0x0E, 0x16] {
                assert!(read(&connect(version, flags, &payload), version).is_ok());
            }
            let digits = connect(version, 0x1E, &payload);
            refused(
                &digits,
                version,
                Kind::InvalidQoS,
                0x81,
                Field::ConnectFlags,
            );
        }
    }

    /// MQTT-3.1.2-9, v3.1.1 MQTT-3.1.2-9
    #[test]
    fn an_announced_will_is_there() {
        refused(
            &connect(Version::V5, 0x06, "0001 61"),
            Version::V5,
            Kind::Truncated,
            0x81,
            Field::PropertyLength,
        );
        for version in [Version::V31, Version::V311] {
            let digits = connect(version, 0x06, "0001 61");
            refused(&digits, version, Kind::Truncated, 0x81, Field::WillTopic);
            let digits = connect(version, 0x06, "0001 61 0001 77");
            refused(&digits, version, Kind::Truncated, 0x81, Field::WillPayload);
        }
    }

    /// MQTT-3.1.2-16, MQTT-3.1.2-18, v3.1.1 MQTT-3.1.2-18, v3.1.1 MQTT-3.1.2-20
    #[test]
    fn what_is_not_announced_is_not_there() {
        for version in VERSIONS {
            let digits = connect(version, 0x02, "0001 61 0001 75");
            refused(&digits, version, Kind::TrailingBytes, 0x81, Field::Packet);
            let digits = connect(version, 0x82, "0001 61 0001 75 0001 70");
            refused(&digits, version, Kind::TrailingBytes, 0x81, Field::Packet);
        }
    }

    /// MQTT-3.1.2-17, MQTT-3.1.2-19, v3.1.1 MQTT-3.1.2-19, v3.1.1 MQTT-3.1.2-21
    #[test]
    fn announced_credentials_are_there() {
        for version in [Version::V311, Version::V5] {
            let digits = connect(version, 0x82, "0001 61");
            refused(&digits, version, Kind::Truncated, 0x81, Field::UserName);
            let digits = connect(version, 0xC2, "0001 61 0001 75");
            refused(&digits, version, Kind::Truncated, 0x81, Field::Password);
        }
        // In MQTT 3.1 they may be missing at the very end.
        for payload in ["0001 61", "0001 61 0001 75"] {
            let Ok(Packet::Connect(connect)) =
                read(&connect(Version::V31, 0xC2, payload), Version::V31)
            else {
                panic!("valid in MQTT 3.1");
            };
            assert_eq!(connect.user_name.is_some(), payload.len() > 7);
            assert_eq!(connect.password, None);
        }
        let digits = connect(Version::V31, 0xC2, "0001 61 00");
        refused(
            &digits,
            Version::V31,
            Kind::Truncated,
            0x81,
            Field::UserName,
        );
    }

    /// MQTT-3.1.2-19, v3.1.1 MQTT-3.1.2-22
    #[test]
    fn a_password_alone_is_for_mqtt_5() {
        for version in [Version::V31, Version::V311] {
            let digits = connect(version, 0x42, "0001 61 0001 70");
            refused(
                &digits,
                version,
                Kind::InvalidFlags,
                0x81,
                Field::ConnectFlags,
            );
        }
        let Ok(Packet::Connect(connect)) =
            read(&connect(Version::V5, 0x42, "0001 61 0001 70"), Version::V5)
        else {
            panic!("valid in MQTT 5.0");
        };
        assert_eq!(
            (connect.user_name, connect.password.as_deref()),
            (None, Some(&b"p"[..]))
        );
    }

    /// MQTT-3.1.3-3, MQTT-3.1.3-4, v3.1.1 MQTT-3.1.3-3, v3.1.1 MQTT-3.1.3-4
    #[test]
    fn the_client_identifier_is_there_and_text() {
        for version in VERSIONS {
            let field = Field::ClientIdentifier;
            refused(
                &connect(version, 0x02, ""),
                version,
                Kind::Truncated,
                0x81,
                field,
            );
            refused(
                &connect(version, 0x02, "0002 FFFE"),
                version,
                Kind::InvalidUtf8,
                0x81,
                field,
            );
            refused(
                &connect(version, 0x02, "0001 00"),
                version,
                Kind::NulCharacter,
                0x81,
                field,
            );
            assert!(read(&connect(version, 0x02, "0000"), version).is_ok());
        }
    }

    /// MQTT-3.1.3-11, MQTT-3.1.3-12, v3.1.1 MQTT-3.1.3-10, v3.1.1 MQTT-3.1.3-11
    #[test]
    fn will_topic_and_user_name_are_text() {
        for version in VERSIONS {
            let block = if version == Version::V5 { "00" } else { "" };
            let will =
                |topic| connect(version, 0x06, &std::format!("0001 61 {block} {topic} 0000"));
            refused(
                &will("0002 C328"),
                version,
                Kind::InvalidUtf8,
                0x81,
                Field::WillTopic,
            );
            refused(
                &will("0001 00"),
                version,
                Kind::NulCharacter,
                0x81,
                Field::WillTopic,
            );
            refused(
                &will("0001 23"),
                version,
                Kind::InvalidTopicName,
                0x90,
                Field::WillTopic,
            );
            refused(
                &will("0000"),
                version,
                Kind::InvalidTopicName,
                0x90,
                Field::WillTopic,
            );
            let digits = connect(version, 0x82, "0001 61 0002 C328");
            refused(&digits, version, Kind::InvalidUtf8, 0x81, Field::UserName);
        }
    }

    #[test]
    fn unknown_protocols_and_levels() {
        let cases = [
            (
                "10 0C 0004 6D717474 05 02 003C 0000",
                Kind::UnsupportedProtocolName,
                None,
            ),
            ("10 06 0000 05 02 003C", Kind::UnsupportedProtocolName, None),
            (
                "10 0C 0004 4D515454 06 02 003C 0000",
                Kind::UnsupportedProtocolLevel(6),
                Some(Version::V5),
            ),
            (
                "10 0C 0004 4D515454 03 02 003C 0000",
                Kind::UnsupportedProtocolLevel(3),
                Some(Version::V311),
            ),
            (
                "10 0E 0006 4D5149736470 04 02 003C 0000",
                Kind::UnsupportedProtocolLevel(4),
                Some(Version::V311),
            ),
            (
                "10 0E 0006 4D5149736470 83 02 003C 0000",
                Kind::UnsupportedProtocolLevel(0x83),
                Some(Version::V311),
            ),
        ];
        for (digits, kind, refusal) in cases {
            let error = read(digits, Version::V5).expect_err(digits);
            assert_eq!(
                (error.kind(), error.reason().as_u8()),
                (kind, 0x84),
                "{digits}"
            );
            assert_eq!(error.refusal_version(), refusal, "{digits}");
        }
    }

    #[test]
    fn bridges_are_let_in_on_request() {
        let leniency = Leniency {
            bridge_levels: true,
            ..Leniency::NONE
        };
        let options = DecodeOptions::new(Version::V311).with_leniency(leniency);
        for (digits, version) in [
            ("10 0F 0006 4D5149736470 83 02 003C 0001 61", Version::V31),
            ("10 0D 0004 4D515454 84 02 003C 0001 61", Version::V311),
        ] {
            let Ok(Packet::Connect(connect)) = read(digits, options) else {
                panic!("{digits}");
            };
            assert_eq!(connect.version, version);
        }
        let digits = "10 0E 0004 4D515454 85 02 003C 00 0001 61";
        assert!(
            read(digits, options).is_err(),
            "MQTT 5.0 has no such bridges"
        );
    }

    /// MQTT-2.2.2-1
    #[test]
    fn the_property_length_is_there() {
        let digits = "10 0A 0004 4D515454 05 02 003C";
        refused(
            digits,
            Version::V5,
            Kind::Truncated,
            0x81,
            Field::PropertyLength,
        );
    }

    #[test]
    fn values_out_of_range() {
        for (property, field) in [
            ("17 02", Field::RequestProblemInformation),
            ("19 FF", Field::RequestResponseInformation),
            ("21 0000", Field::ReceiveMaximum),
            ("27 00000000", Field::MaximumPacketSize),
        ] {
            let len = crate::testing::hex(property).len();
            let body = std::format!("{} 02 003C {len:02x} {property} 0000", prefix(Version::V5));
            let digits = std::format!("10 {:02x} {body}", crate::testing::hex(&body).len());
            refused(&digits, Version::V5, Kind::InvalidValue, 0x82, field);
        }
    }

    #[test]
    fn authentication_data_needs_a_method() {
        let digits = "10 11 0004 4D515454 05 02 003C 04 16 0001 64 0000";
        let kind = Kind::MissingAuthenticationMethod;
        refused(digits, Version::V5, kind, 0x82, Field::AuthenticationData);
    }

    #[test]
    fn properties_of_the_will_and_of_the_connection_are_apart() {
        let digits = "10 12 0004 4D515454 05 02 003C 05 18 00000001 0000";
        let kind = Kind::PropertyNotAllowed;
        refused(digits, Version::V5, kind, 0x81, Field::PropertyIdentifier);
        let digits = connect(Version::V5, 0x06, "0001 61 05 11 00000001 0001 77 0000");
        refused(&digits, Version::V5, kind, 0x81, Field::PropertyIdentifier);
    }

    #[test]
    fn a_server_sends_no_connect() {
        let options = DecodeOptions::new(Version::V5).from_sender(Sender::Server);
        let digits = connect(Version::V5, 0x02, "0001 61");
        refused(
            &digits,
            options,
            Kind::WrongSender,
            0x82,
            Field::FixedHeader,
        );
    }
}
