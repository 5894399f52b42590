//! UNSUBACK.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::ack::AckProperties;
use super::answer::{self, AnswerParts};
use crate::buffer::Writer;
use crate::decode::collect;
use crate::encode::{self, Encode, Lengths, encode_methods};
use crate::error::{DecodeError, EncodeError};
use crate::frame::{Frame, FrameRef};
use crate::options::DecodeOptions;
use crate::packet::PacketType;
use crate::property::{PropertiesRef, Property};
use crate::{PacketIdentifier, ReasonCode, Version};

/// UNSUBACK: the answer to UNSUBSCRIBE (MQTT 5.0 §3.11). MQTT 3.1 and 3.1.1 write the identifier
/// alone; what they receive has no reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsuback {
    /// The identifier of the UNSUBSCRIBE.
    pub packet_identifier: PacketIdentifier,
    /// One reason per filter, in the order of the request; empty when read in MQTT 3.1 or 3.1.1.
    pub reasons: Vec<ReasonCode>,
    /// Rarely present.
    pub properties: Option<Box<AckProperties>>,
}

impl Unsuback {
    /// An UNSUBACK without properties.
    pub const fn new(packet_identifier: PacketIdentifier, reasons: Vec<ReasonCode>) -> Self {
        Self {
            packet_identifier,
            reasons,
            properties: None,
        }
    }
}

/// UNSUBACK, borrowed; [`Unsuback`] is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsubackRef<'a> {
    /// The identifier of the UNSUBSCRIBE.
    pub packet_identifier: PacketIdentifier,
    /// Rarely present.
    pub properties: PropertiesRef<'a>,
    codes: &'a [u8],
}

impl<'a> UnsubackRef<'a> {
    /// Reads an UNSUBACK.
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

    /// One reason per filter, in the order of the request; none in MQTT 3.1 and 3.1.1.
    pub fn reasons(&self) -> impl ExactSizeIterator<Item = ReasonCode> + 'a {
        answer::reasons(self.codes)
    }
}

impl Unsuback {
    pub(crate) fn decode(frame: &Frame, options: DecodeOptions) -> Result<Self, DecodeError> {
        let mut properties = None;
        let unsuback = parse(frame.as_frame(), &options, |property| {
            collect(&mut properties, property, frame.body());
        })?;
        Ok(Self {
            packet_identifier: unsuback.packet_identifier,
            reasons: unsuback.reasons().collect(),
            properties,
        })
    }
}

fn parse<'a>(
    frame: FrameRef<'a>,
    options: &DecodeOptions,
    visit: impl FnMut(Property<'a>),
) -> Result<UnsubackRef<'a>, DecodeError> {
    let answer = answer::parse(frame, PacketType::Unsuback, options, visit)?;
    Ok(UnsubackRef {
        packet_identifier: answer.packet_identifier,
        properties: answer.properties,
        codes: answer.codes,
    })
}

encode_methods!(Unsuback);

impl Unsuback {
    fn parts(&self) -> AnswerParts<'_> {
        AnswerParts {
            packet: PacketType::Unsuback,
            packet_identifier: self.packet_identifier,
            reasons: &self.reasons,
            properties: self.properties.as_deref(),
        }
    }
}

impl Encode for Unsuback {
    fn first_byte(&self) -> u8 {
        encode::first_byte(PacketType::Unsuback)
    }

    fn lengths(&self, version: Version) -> Result<Lengths, EncodeError> {
        self.parts().lengths(version)
    }

    fn put(&self, version: Version, lengths: Lengths, buf: &mut Writer<'_>) {
        self.parts().put(version, lengths, buf);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::testing::{golden, read, refused, write};
    use crate::{DecodeErrorKind, Field};

    fn unsuback(reasons: &[ReasonCode]) -> Unsuback {
        Unsuback::new(PacketIdentifier::new(11).unwrap(), reasons.to_vec())
    }

    #[test]
    fn golden_bytes() {
        golden(
            "B0 04 00 0B 00 00",
            Version::V5,
            unsuback(&[ReasonCode::Success]),
        );
        golden("B0 02 00 0B", Version::V311, unsuback(&[]));
        let mixed = unsuback(&[ReasonCode::NoSubscriptionExisted, ReasonCode::Success]);
        golden("B0 05 00 0B 00 11 00", Version::V5, mixed.clone());
        assert_eq!(write(&mixed.into(), Version::V31), [0xB0, 2, 0, 11]);
    }

    /// MQTT-3.11.3-2
    #[test]
    fn reasons_are_those_of_the_packet() {
        let allowed = [0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91];
        for code in 0..=255 {
            let digits = std::format!("B0 04 00 0B 00 {code:02x}");
            if allowed.contains(&code) {
                assert!(read(&digits, Version::V5).is_ok(), "{digits}");
            } else {
                let kind = DecodeErrorKind::InvalidReason;
                refused(&digits, Version::V5, kind, 0x82, Field::Reason);
            }
        }
        for &reason in ReasonCode::ALL {
            let is_written = unsuback(&[reason]).encoded_len(Version::V5).is_ok();
            assert_eq!(is_written, allowed.contains(&reason.as_u8()), "{reason}");
        }
    }

    #[test]
    fn there_is_a_reason_in_mqtt_5_only() {
        let kind = DecodeErrorKind::EmptyPayload;
        refused("B0 03 00 0B 00", Version::V5, kind, 0x82, Field::Reason);
        let error = EncodeError::Empty(Field::Reason);
        assert_eq!(unsuback(&[]).encode(Version::V5, &mut vec![]), Err(error));
        let kind = DecodeErrorKind::TrailingBytes;
        refused("B0 03 00 0B 00", Version::V311, kind, 0x81, Field::Packet);
    }
}
