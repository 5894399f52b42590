//! CONNACK.

use alloc::boxed::Box;
use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use bytestring::ByteString;

use super::ack::reason;
use crate::buffer::Writer;
use crate::decode::{collect, parse_frame};
use crate::encode::{self, Encode, Lengths, block_len, encode_methods, properties_len, put_block};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, Field};
use crate::frame::{Frame, FrameRef};
use crate::options::DecodeOptions;
use crate::packet::PacketType;
use crate::property::{Place, PropertiesRef, Property, parse_block, property_set};
use crate::wire::{self, Parsed, fail};
use crate::{QoS, ReasonCode, UserProperties, Version};

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

property_set!(ConnackProperties {
    one session_expiry_interval: SessionExpiryInterval,
    one assigned_client_identifier: AssignedClientIdentifier,
    one server_keep_alive: ServerKeepAlive,
    one authentication_method: AuthenticationMethod,
    one authentication_data: AuthenticationData,
    one response_information: ResponseInformation,
    one server_reference: ServerReference,
    one reason_string: ReasonString,
    one receive_maximum: ReceiveMaximum,
    one topic_alias_maximum: TopicAliasMaximum,
    one maximum_qos: MaximumQoS,
    one retain_available: RetainAvailable,
    pairs user_properties: UserProperty,
    one maximum_packet_size: MaximumPacketSize,
    one wildcard_subscription_available: WildcardSubscriptionAvailable,
    one subscription_identifiers_available: SubscriptionIdentifiersAvailable,
    one shared_subscription_available: SharedSubscriptionAvailable,
});

/// CONNACK, borrowed; [`Connack`] is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnackRef<'a> {
    /// Whether the server resumes a stored session.
    pub session_present: bool,
    /// Success, or why the connection is refused.
    pub reason: ReasonCode,
    /// What the server announces.
    pub properties: PropertiesRef<'a>,
}

impl<'a> ConnackRef<'a> {
    /// Reads a CONNACK.
    ///
    /// # Errors
    ///
    /// What is wrong with the packet.
    pub fn decode(
        frame: FrameRef<'a>,
        options: impl Into<DecodeOptions>,
    ) -> Result<Self, DecodeError> {
        parse(frame, &options.into(), |_| {})
    }
}

impl Connack {
    pub(crate) fn decode(frame: &Frame, options: DecodeOptions) -> Result<Self, DecodeError> {
        let mut properties = None;
        let connack = parse(frame.as_frame(), &options, |property| {
            collect(&mut properties, property, frame.body());
        })?;
        Ok(Self {
            session_present: connack.session_present,
            reason: connack.reason,
            properties,
        })
    }
}

fn parse<'a>(
    frame: FrameRef<'a>,
    options: &DecodeOptions,
    visit: impl FnMut(Property<'a>),
) -> Result<ConnackRef<'a>, DecodeError> {
    parse_frame(frame, options, |body| {
        let (rest, session_present) = session_present(body, options.version)?;
        let (rest, reason) = match options.version {
            Version::V5 => reason(rest, PacketType::Connack, options)?,
            Version::V31 | Version::V311 => return_code(rest)?,
        };
        let (rest, block) = parse_block(rest, Place::Connack, options, visit)?;
        let properties = PropertiesRef::new(block);
        Ok((
            rest,
            ConnackRef {
                session_present,
                reason,
                properties,
            },
        ))
    })
}

/// The Connect Acknowledge Flags (MQTT 5.0 §3.2.2.1); MQTT 3.1 has none and leaves the byte unused.
fn session_present(input: &[u8], version: Version) -> Parsed<'_, bool> {
    match wire::byte(input, Field::ConnackFlags)? {
        (rest, _) if version == Version::V31 => Ok((rest, false)),
        (rest, flags @ 0..=1) => Ok((rest, flags == 1)),
        _ => fail(DecodeErrorKind::ReservedBits, Field::ConnackFlags, input),
    }
}

fn return_code(input: &[u8]) -> Parsed<'_, ReasonCode> {
    let (rest, code) = wire::byte(input, Field::Reason)?;
    match ReasonCode::from_return_code(code) {
        Some(reason) => Ok((rest, reason)),
        None => fail(DecodeErrorKind::InvalidReason, Field::Reason, input),
    }
}

encode_methods!(Connack);

impl Connack {
    /// The byte for the reason.
    fn code(&self, version: Version) -> Result<u8, EncodeError> {
        let (packet, reason) = (PacketType::Connack, self.reason);
        if !reason.allowed_in(packet) {
            return Err(EncodeError::ReasonNotAllowed { packet, reason });
        }
        match version {
            Version::V5 => Ok(reason.as_u8()),
            Version::V31 | Version::V311 => {
                reason.to_return_code().ok_or(EncodeError::NotInVersion {
                    packet,
                    field: Field::Reason,
                    version,
                })
            }
        }
    }
}

impl Encode for Connack {
    fn first_byte(&self) -> u8 {
        encode::first_byte(PacketType::Connack)
    }

    fn lengths(&self, version: Version) -> Result<Lengths, EncodeError> {
        self.code(version)?;
        let properties = properties_len(version, self.properties.as_deref())?;
        let remaining = 2 + block_len(version, properties);
        Ok(Lengths {
            remaining,
            properties,
            ..Lengths::default()
        })
    }

    fn put(&self, version: Version, lengths: Lengths, buf: &mut Writer<'_>) {
        let session_present = self.session_present && version != Version::V31;
        buf.put_u8(session_present.into());
        // `lengths` has refused what has no code.
        buf.put_u8(self.code(version).unwrap_or(u8::MAX));
        put_block(version, lengths.properties, self.properties.as_deref(), buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{golden, read, reads_as, refused, write};

    #[test]
    fn golden_bytes() {
        golden("20 03 00 00 00", Version::V5, Connack::accepted(false));
        golden("20 02 00 00", Version::V311, Connack::accepted(false));
        golden("20 02 01 00", Version::V311, Connack::accepted(true));
        let mut resumed = Connack::accepted(true);
        resumed.properties = Some(Box::new(ConnackProperties {
            receive_maximum: NonZeroU16::new(20),
            topic_alias_maximum: Some(10),
            ..ConnackProperties::default()
        }));
        golden("20 09 01 00 06 21 00 14 22 00 0A", Version::V5, resumed);
    }

    #[test]
    fn all_properties() {
        let mut connack = Connack::accepted(false);
        connack.properties = Some(Box::new(ConnackProperties {
            session_expiry_interval: Some(1),
            receive_maximum: NonZeroU16::new(2),
            maximum_qos: Some(QoS::AtLeastOnce),
            retain_available: Some(false),
            maximum_packet_size: NonZeroU32::new(3),
            assigned_client_identifier: Some("i".into()),
            topic_alias_maximum: Some(4),
            reason_string: Some("r".into()),
            user_properties: [("k", "v")].into_iter().collect(),
            wildcard_subscription_available: Some(false),
            subscription_identifiers_available: Some(true),
            shared_subscription_available: Some(false),
            server_keep_alive: Some(5),
            response_information: Some("s".into()),
            server_reference: Some("t".into()),
            authentication_method: Some("m".into()),
            authentication_data: Some(Bytes::from_static(b"d")),
        }));
        let bytes = "20 3F 00 00 3C 11 00000001 12 0001 69 13 0005 15 0001 6D 16 0001 64 1A 0001 73 \
                     1C 0001 74 1F 0001 72 21 0002 22 0004 24 01 25 00 26 0001 6B 0001 76 27 00000003 \
                     28 00 29 01 2A 00";
        golden(bytes, Version::V5, connack);
    }

    /// v3.1.1 §3.2.2.3 and behaviour of refusals: what has no return code cannot be written.
    #[test]
    fn return_codes() {
        for code in 0..=255 {
            let digits = std::format!("20 02 00 {code:02x}");
            match ReasonCode::from_return_code(code) {
                Some(reason) => golden(&digits, Version::V311, Connack::refused(reason)),
                None => {
                    let kind = DecodeErrorKind::InvalidReason;
                    refused(&digits, Version::V311, kind, 0x82, Field::Reason);
                }
            }
        }
        let busy = Connack::refused(ReasonCode::ServerBusy).into();
        assert_eq!(write(&busy, Version::V31), [0x20, 2, 0, 3]);
        let banned = Connack::refused(ReasonCode::Banned).into();
        assert_eq!(write(&banned, Version::V311), [0x20, 2, 0, 5]);
        let too_large = Connack::refused(ReasonCode::PacketTooLarge);
        let version = Version::V311;
        let (packet, field) = (PacketType::Connack, Field::Reason);
        let error = EncodeError::NotInVersion {
            packet,
            field,
            version,
        };
        assert_eq!(too_large.encoded_len(version), Err(error));
    }

    /// MQTT-3.2.2-1
    #[test]
    fn reserved_flags_are_zero() {
        for flags in 2..=255 {
            let digits = std::format!("20 03 {flags:02x} 00 00");
            let kind = DecodeErrorKind::ReservedBits;
            refused(&digits, Version::V5, kind, 0x81, Field::ConnackFlags);
        }
        // The byte is unused in MQTT 3.1.
        reads_as("20 02 01 00", Version::V31, Connack::accepted(false));
        assert_eq!(
            write(&Connack::accepted(true).into(), Version::V31),
            [0x20, 2, 0, 0]
        );
    }

    /// MQTT-3.2.2-8
    #[test]
    fn reasons_are_those_of_the_packet() {
        let allowed = [
            0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A, 0x8C, 0x90,
            0x95, 0x97, 0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9F,
        ];
        for code in 0..=255 {
            let digits = std::format!("20 03 00 {code:02x} 00");
            assert_eq!(
                read(&digits, Version::V5).is_ok(),
                allowed.contains(&code),
                "{digits}"
            );
        }
        let kind = DecodeErrorKind::InvalidReason;
        refused("20 03 00 8E 00", Version::V5, kind, 0x82, Field::Reason);
        for reason in [
            ReasonCode::DisconnectWithWillMessage,
            ReasonCode::SessionTakenOver,
        ] {
            let packet = PacketType::Connack;
            let error = EncodeError::ReasonNotAllowed { packet, reason };
            assert_eq!(
                Connack::refused(reason).encoded_len(Version::V5),
                Err(error)
            );
        }
    }

    /// MQTT-2.2.2-1
    #[test]
    fn there_is_no_short_form() {
        let kind = DecodeErrorKind::Truncated;
        refused(
            "20 02 00 00",
            Version::V5,
            kind,
            0x81,
            Field::PropertyLength,
        );
        refused("20 01 00", Version::V5, kind, 0x81, Field::Reason);
        refused("20 00", Version::V311, kind, 0x81, Field::ConnackFlags);
        let kind = DecodeErrorKind::TrailingBytes;
        refused("20 03 00 00 00", Version::V311, kind, 0x81, Field::Packet);
    }

    #[test]
    fn values_out_of_range() {
        let cases = [
            ("24 02", Field::MaximumQoS),
            ("25 02", Field::RetainAvailable),
            ("28 02", Field::WildcardSubscriptionAvailable),
            ("29 02", Field::SubscriptionIdentifiersAvailable),
            ("2A FF", Field::SharedSubscriptionAvailable),
            ("21 0000", Field::ReceiveMaximum),
            ("27 00000000", Field::MaximumPacketSize),
        ];
        for (property, field) in cases {
            let len = crate::testing::hex(property).len();
            let digits = std::format!("20 {:02x} 00 00 {len:02x} {property}", 3 + len);
            refused(
                &digits,
                Version::V5,
                DecodeErrorKind::InvalidValue,
                0x82,
                field,
            );
        }
        let mut connack = Connack::accepted(false);
        connack.properties = Some(Box::new(ConnackProperties {
            maximum_qos: Some(QoS::ExactlyOnce),
            ..ConnackProperties::default()
        }));
        let error = EncodeError::InvalidValue(Field::MaximumQoS);
        assert_eq!(connack.encoded_len(Version::V5), Err(error));
    }
}
