//! PUBACK, PUBREC, PUBREL and PUBCOMP: the same fields in four packets.

use alloc::boxed::Box;

use bytestring::ByteString;

use crate::buffer::{PacketBuf, Writer};
use crate::decode::{collect, parse_frame};
use crate::encode::{self, Encode, Lengths, block_len, properties_len, put_block};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, Field};
use crate::frame::{Frame, FrameRef};
use crate::options::DecodeOptions;
use crate::packet::PacketType;
use crate::property::{Place, PropertiesRef, Property, parse_block, property_set};
use crate::wire::{self, Parsed, fail};
use crate::{PacketIdentifier, ReasonCode, UserProperties, Version};

/// The content of PUBACK, PUBREC, PUBREL and PUBCOMP (MQTT 5.0 §3.4 to §3.7).
///
/// MQTT 3.1 and 3.1.1 write the identifier alone: reason and properties are dropped, as there is no
/// negative acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The identifier of the PUBLISH that is acknowledged.
    pub packet_identifier: PacketIdentifier,
    /// Success or why not; allowed reasons differ by packet.
    pub reason: ReasonCode,
    /// Rarely present.
    pub properties: Option<Box<AckProperties>>,
}

impl Ack {
    /// A positive acknowledgement.
    pub const fn new(packet_identifier: PacketIdentifier) -> Self {
        Self::with_reason(packet_identifier, ReasonCode::Success)
    }

    /// An acknowledgement with this reason.
    pub const fn with_reason(packet_identifier: PacketIdentifier, reason: ReasonCode) -> Self {
        Self {
            packet_identifier,
            reason,
            properties: None,
        }
    }
}

/// The properties of PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AckProperties {
    /// Text for diagnostics, never to be parsed (MQTT 5.0 §3.4.2.2.2).
    pub reason_string: Option<ByteString>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
}

property_set!(AckProperties {
    one reason_string: ReasonString,
    pairs user_properties: UserProperty,
});

/// An acknowledgement, borrowed; [`Ack`] is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckRef<'a> {
    /// The identifier of the PUBLISH that is acknowledged.
    pub packet_identifier: PacketIdentifier,
    /// Success or why not.
    pub reason: ReasonCode,
    /// Reason String and User Properties, rarely present.
    pub properties: PropertiesRef<'a>,
}

impl<'a> AckRef<'a> {
    /// Reads a PUBACK, PUBREC, PUBREL or PUBCOMP.
    ///
    /// # Errors
    ///
    /// What is wrong with the packet. Of a frame of another type, that it is none of the four
    /// ([`InvalidHeaderFlags`](DecodeErrorKind::InvalidHeaderFlags) in the fixed header).
    #[inline]
    pub fn decode(
        frame: FrameRef<'a>,
        options: impl Into<DecodeOptions>,
    ) -> Result<Self, DecodeError> {
        match Self::parse_plain(frame) {
            Some(ack) => Ok(ack),
            None => parse(frame, &options.into(), |_| {}),
        }
    }

    /// What nearly all acknowledgements are: an identifier alone, the same in all versions. What is
    /// otherwise, or wrong, is for [`parse`].
    #[inline(always)]
    pub(crate) fn parse_plain(frame: FrameRef<'a>) -> Option<Self> {
        Some(Self {
            packet_identifier: Self::plain_identifier(frame)?,
            reason: ReasonCode::Success,
            properties: PropertiesRef::default(),
        })
    }

    /// The identifier of an acknowledgement that has nothing else.
    #[inline(always)]
    pub(crate) fn plain_identifier(frame: FrameRef<'a>) -> Option<PacketIdentifier> {
        let &[high, low] = frame.body() else {
            return None;
        };
        if !frame.header().is_faultless() || !is_ack(frame.packet_type()) {
            return None;
        }
        PacketIdentifier::new(u16::from_be_bytes([high, low]))
    }
}

impl Ack {
    pub(crate) fn decode(frame: &Frame, options: DecodeOptions) -> Result<Self, DecodeError> {
        let mut properties = None;
        let ack = parse(frame.as_frame(), &options, |property| {
            collect(&mut properties, property, frame.body());
        })?;
        Ok(Self {
            packet_identifier: ack.packet_identifier,
            reason: ack.reason,
            properties,
        })
    }
}

fn parse<'a>(
    frame: FrameRef<'a>,
    options: &DecodeOptions,
    visit: impl FnMut(Property<'a>),
) -> Result<AckRef<'a>, DecodeError> {
    let packet = frame.packet_type();
    if !is_ack(packet) {
        let kind = DecodeErrorKind::InvalidHeaderFlags;
        return Err(DecodeError::new(kind, Field::FixedHeader, 0));
    }
    parse_frame(frame, options, |body| {
        let (rest, packet_identifier) = packet_identifier(body)?;
        let (rest, reason) = optional_reason(rest, packet, options)?;
        let (rest, block) = optional_block(rest, Place::Ack, options, visit)?;
        let properties = PropertiesRef::new(block);
        Ok((
            rest,
            AckRef {
                packet_identifier,
                reason,
                properties,
            },
        ))
    })
}

const fn is_ack(packet: PacketType) -> bool {
    matches!(
        packet,
        PacketType::Puback | PacketType::Pubrec | PacketType::Pubrel | PacketType::Pubcomp
    )
}

/// Reads a packet identifier; 0 does not exist.
#[inline]
pub(crate) fn packet_identifier(input: &[u8]) -> Parsed<'_, PacketIdentifier> {
    let (rest, number) = wire::two_bytes(input, Field::PacketIdentifier)?;
    match PacketIdentifier::new(number) {
        Some(id) => Ok((rest, id)),
        None => fail(
            DecodeErrorKind::ZeroPacketIdentifier,
            Field::PacketIdentifier,
            input,
        ),
    }
}

/// Reads a reason code that may be left out when it is 0 and nothing follows
/// (MQTT 5.0 §3.4.2.1, §3.14.2.1, §3.15.2.1). Versions without reasons have none.
#[inline]
pub(crate) fn optional_reason<'a>(
    input: &'a [u8],
    packet: PacketType,
    options: &DecodeOptions,
) -> Parsed<'a, ReasonCode> {
    if input.is_empty() || !options.version.has_properties() {
        return Ok((input, ReasonCode::Success));
    }
    reason(input, packet, options)
}

/// Reads a reason code, one of those that the packet may carry.
#[inline]
pub(crate) fn reason<'a>(
    input: &'a [u8],
    packet: PacketType,
    options: &DecodeOptions,
) -> Parsed<'a, ReasonCode> {
    let (rest, byte) = wire::byte(input, Field::Reason)?;
    let Some(reason) = ReasonCode::from_u8(byte).filter(|reason| reason.allowed_in(packet)) else {
        return fail(DecodeErrorKind::InvalidReason, Field::Reason, input);
    };
    match options.sender {
        Some(sender) if !reason.allowed_from(packet, sender) => {
            fail(DecodeErrorKind::WrongSender, Field::Reason, input)
        }
        _ => Ok((rest, reason)),
    }
}

/// Reads a property block that may be left out altogether when it is empty.
#[inline]
pub(crate) fn optional_block<'a>(
    input: &'a [u8],
    place: Place,
    options: &DecodeOptions,
    visit: impl FnMut(Property<'a>),
) -> Parsed<'a, &'a [u8]> {
    if input.is_empty() {
        return Ok((input, &[]));
    }
    parse_block(input, place, options, visit)
}

impl Ack {
    /// The length on the wire in bytes, fixed header included, as a packet of this type: PUBACK,
    /// PUBREC, PUBREL or PUBCOMP.
    ///
    /// # Errors
    ///
    /// The same errors as [`encode`](Self::encode).
    pub fn encoded_len(&self, packet: PacketType, version: Version) -> Result<usize, EncodeError> {
        encode::packet_len(&TypedAck { ack: self, packet }, version)
    }

    /// Writes a packet of this type, PUBACK, PUBREC, PUBREL or PUBCOMP, behind what the buffer
    /// holds, in the shortest form. Returns its length in bytes.
    ///
    /// # Errors
    ///
    /// What no packet of this type may hold. Nothing is written then.
    #[inline]
    pub fn encode(
        &self,
        packet: PacketType,
        version: Version,
        buf: &mut impl PacketBuf,
    ) -> Result<usize, EncodeError> {
        if self.reason == ReasonCode::Success && self.properties.is_none() && is_ack(packet) {
            return self.put_plain(packet, buf);
        }
        encode::put_packet(&TypedAck { ack: self, packet }, version, buf)
    }

    /// What nearly all acknowledgements are: an identifier alone, the same in all versions.
    #[inline]
    fn put_plain(
        &self,
        packet: PacketType,
        buf: &mut impl PacketBuf,
    ) -> Result<usize, EncodeError> {
        let [high, low] = self.packet_identifier.as_u16().to_be_bytes();
        let bytes = [encode::first_byte(packet), 2, high, low];
        buf.make_room(bytes.len())?;
        buf.put_piece(&bytes);
        Ok(bytes.len())
    }
}

/// An acknowledgement that knows which of the four packets it is.
struct TypedAck<'a> {
    ack: &'a Ack,
    packet: PacketType,
}

impl Encode for TypedAck<'_> {
    fn first_byte(&self) -> u8 {
        encode::first_byte(self.packet)
    }

    fn lengths(&self, version: Version) -> Result<Lengths, EncodeError> {
        let reason = self.ack.reason;
        if !is_ack(self.packet) || !reason.allowed_in(self.packet) {
            return Err(EncodeError::ReasonNotAllowed {
                packet: self.packet,
                reason,
            });
        }
        let properties = properties_len(version, self.ack.properties.as_deref())?;
        let remaining = 2 + optional_len(version, reason, properties);
        Ok(Lengths {
            remaining,
            properties,
            ..Lengths::default()
        })
    }

    fn put(&self, version: Version, lengths: Lengths, buf: &mut Writer<'_>) {
        buf.put_u16(self.ack.packet_identifier.as_u16());
        put_optional(
            version,
            self.ack.reason,
            lengths.properties,
            self.ack.properties.as_deref(),
            buf,
        );
    }
}

/// Bytes of a reason and a property block, each left out where the short forms allow it.
pub(crate) fn optional_len(version: Version, reason: ReasonCode, properties: usize) -> usize {
    match (reason, properties) {
        _ if !version.has_properties() => 0,
        (ReasonCode::Success, 0) => 0,
        (_, 0) => 1,
        (_, properties) => 1 + block_len(version, properties),
    }
}

/// Writes what [`optional_len`] measures.
pub(crate) fn put_optional(
    version: Version,
    reason: ReasonCode,
    len: usize,
    properties: Option<&impl crate::property::PropertySet>,
    buf: &mut Writer<'_>,
) {
    match optional_len(version, reason, len) {
        0 => {}
        1 => buf.put_u8(reason.as_u8()),
        _ => {
            buf.put_u8(reason.as_u8());
            put_block(version, len, properties, buf);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::testing::{golden, read, reads_as, refused, write};
    use crate::{Packet, Text};

    const ID: PacketIdentifier = match PacketIdentifier::new(10) {
        Some(id) => id,
        None => PacketIdentifier::MIN,
    };

    type Make = fn(Ack) -> Packet;

    const TYPES: [(u8, Make); 4] = [
        (0x40, Packet::Puback),
        (0x50, Packet::Pubrec),
        (0x62, Packet::Pubrel),
        (0x70, Packet::Pubcomp),
    ];

    #[test]
    fn golden_bytes() {
        golden("40 02 00 0A", Version::V5, Packet::Puback(Ack::new(ID)));
        golden("62 02 00 0A", Version::V5, Packet::Pubrel(Ack::new(ID)));
        let no_match = Ack::with_reason(ID, ReasonCode::NoMatchingSubscribers);
        golden("40 03 00 0A 10", Version::V5, Packet::Puback(no_match));
        let not_found = Ack::with_reason(ID, ReasonCode::PacketIdentifierNotFound);
        golden("70 03 00 0A 92", Version::V5, Packet::Pubcomp(not_found));
        let properties = AckProperties {
            reason_string: Some("no".into()),
            user_properties: [("k", "v")].into_iter().collect(),
        };
        let mut refused = Ack::with_reason(ID, ReasonCode::QuotaExceeded);
        refused.properties = Some(Box::new(properties));
        let bytes = "50 10 00 0A 97 0C 1F 00 02 6E 6F 26 00 01 6B 00 01 76";
        golden(bytes, Version::V5, Packet::Pubrec(refused));
    }

    /// The three lengths of MQTT 5.0 §3.4.2.1; longer forms of the same are read, not written.
    #[test]
    fn short_forms() {
        for (first, packet) in TYPES {
            let short = vec![first, 2, 0, 10];
            for version in crate::testing::VERSIONS {
                assert_eq!(write(&packet(Ack::new(ID)), version), short);
            }
        }
        reads_as("40 03 00 0A 00", Version::V5, Packet::Puback(Ack::new(ID)));
        reads_as(
            "40 04 00 0A 00 00",
            Version::V5,
            Packet::Puback(Ack::new(ID)),
        );
    }

    #[test]
    fn earlier_versions_drop_reason_and_properties() {
        let ack = Packet::Puback(Ack::with_reason(ID, ReasonCode::NotAuthorized));
        assert_eq!(write(&ack, Version::V311), [0x40, 2, 0, 10]);
    }

    /// MQTT-3.4.2-1, MQTT-3.5.2-1, MQTT-3.6.2-1, MQTT-3.7.2-1
    #[test]
    fn reasons_are_those_of_the_packet() {
        let publisher = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99];
        for (first, packet) in TYPES {
            let allowed: &[u8] = if first < 0x60 {
                &publisher
            } else {
                &[0x00, 0x92]
            };
            for code in 0..=255 {
                let digits = std::format!("{first:02x} 03 00 0A {code:02x}");
                if allowed.contains(&code) {
                    let reason = ReasonCode::from_u8(code).unwrap();
                    reads_as(&digits, Version::V5, packet(Ack::with_reason(ID, reason)));
                } else {
                    let kind = DecodeErrorKind::InvalidReason;
                    refused(&digits, Version::V5, kind, 0x82, Field::Reason);
                }
            }
            for &reason in ReasonCode::ALL {
                let encoded = crate::encode(
                    &packet(Ack::with_reason(ID, reason)),
                    Version::V5,
                    &mut vec![],
                );
                assert_eq!(
                    encoded.is_ok(),
                    allowed.contains(&reason.as_u8()),
                    "{reason}"
                );
            }
        }
    }

    #[test]
    fn faults() {
        use DecodeErrorKind as Kind;
        for (first, _) in TYPES {
            let read_as = |rest: &str, version, kind, reason, field| {
                refused(
                    &std::format!("{first:02x}{rest}"),
                    version,
                    kind,
                    reason,
                    field,
                );
            };
            for version in crate::testing::VERSIONS {
                read_as(
                    "00",
                    version,
                    Kind::Truncated,
                    0x81,
                    Field::PacketIdentifier,
                );
                read_as(
                    "0100",
                    version,
                    Kind::Truncated,
                    0x81,
                    Field::PacketIdentifier,
                );
                let field = Field::PacketIdentifier;
                read_as("020000", version, Kind::ZeroPacketIdentifier, 0x82, field);
            }
            for version in [Version::V31, Version::V311] {
                read_as(
                    "03000A00",
                    version,
                    Kind::TrailingBytes,
                    0x81,
                    Field::Packet,
                );
            }
            let v5 = Version::V5;
            read_as("05000A000026", v5, Kind::TrailingBytes, 0x81, Field::Packet);
            read_as(
                "05000A000226",
                v5,
                Kind::Truncated,
                0x81,
                Field::PropertyLength,
            );
            let field = Field::PropertyIdentifier;
            read_as("06000A00020101", v5, Kind::PropertyNotAllowed, 0x81, field);
            let twice = "0A000A00061F00001F0000";
            read_as(twice, v5, Kind::RepeatedProperty, 0x82, field);
        }
    }

    #[test]
    fn the_borrowed_form_says_the_same() {
        let bytes = "50 10 00 0A 97 0C 1F 00 02 6E 6F 26 00 01 6B 00 01 76";
        crate::testing::read_ref(bytes, Version::V5, |packet| {
            let crate::PacketRef::Pubrec(ack) = packet else {
                panic!("{packet:?}");
            };
            assert_eq!(
                (ack.packet_identifier, ack.reason),
                (ID, ReasonCode::QuotaExceeded)
            );
            let expected = [
                Property::ReasonString(Text::of("no")),
                Property::UserProperty((Text::of("k"), Text::of("v"))),
            ];
            assert!(ack.properties.iter().eq(expected));
        });
        assert!(read("40 02 00 0A", Version::V5).is_ok());
    }

    #[test]
    fn another_packet_is_no_ack() {
        let ping = crate::testing::frame(&[0xC0, 0], Version::V5).unwrap();
        assert!(AckRef::decode(ping.as_frame(), Version::V5).is_err());
        let encoded = Ack::new(ID).encode(PacketType::Connack, Version::V5, &mut vec![]);
        assert!(encoded.is_err());
    }
}
