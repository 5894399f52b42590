//! SUBACK.

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

/// SUBACK: the answer to SUBSCRIBE (MQTT 5.0 §3.9).
///
/// MQTT 3.1.1 drops the properties and writes every failure as 0x80. MQTT 3.1 has no failure: the
/// encoder refuses one, as the server must answer with the requested QoS there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suback {
    /// The identifier of the SUBSCRIBE.
    pub packet_identifier: PacketIdentifier,
    /// One reason per filter, in the order of the request.
    pub reasons: Vec<ReasonCode>,
    /// Rarely present.
    pub properties: Option<Box<AckProperties>>,
}

impl Suback {
    /// A SUBACK without properties.
    pub const fn new(packet_identifier: PacketIdentifier, reasons: Vec<ReasonCode>) -> Self {
        Self {
            packet_identifier,
            reasons,
            properties: None,
        }
    }
}

/// SUBACK, borrowed; [`Suback`] is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubackRef<'a> {
    /// The identifier of the SUBSCRIBE.
    pub packet_identifier: PacketIdentifier,
    /// Rarely present.
    pub properties: PropertiesRef<'a>,
    codes: &'a [u8],
}

impl<'a> SubackRef<'a> {
    /// Reads a SUBACK.
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

    /// One reason per filter, in the order of the request.
    pub fn reasons(&self) -> impl ExactSizeIterator<Item = ReasonCode> + 'a {
        answer::reasons(self.codes)
    }
}

impl Suback {
    pub(crate) fn decode(frame: &Frame, options: DecodeOptions) -> Result<Self, DecodeError> {
        let mut properties = None;
        let suback = parse(frame.as_frame(), &options, |property| {
            collect(&mut properties, property, frame.body());
        })?;
        Ok(Self {
            packet_identifier: suback.packet_identifier,
            reasons: suback.reasons().collect(),
            properties,
        })
    }
}

fn parse<'a>(
    frame: FrameRef<'a>,
    options: &DecodeOptions,
    visit: impl FnMut(Property<'a>),
) -> Result<SubackRef<'a>, DecodeError> {
    let answer = answer::parse(frame, PacketType::Suback, options, visit)?;
    Ok(SubackRef {
        packet_identifier: answer.packet_identifier,
        properties: answer.properties,
        codes: answer.codes,
    })
}

encode_methods!(Suback);

impl Suback {
    fn parts(&self) -> AnswerParts<'_> {
        AnswerParts {
            packet: PacketType::Suback,
            packet_identifier: self.packet_identifier,
            reasons: &self.reasons,
            properties: self.properties.as_deref(),
        }
    }
}

impl Encode for Suback {
    fn first_byte(&self) -> u8 {
        encode::first_byte(PacketType::Suback)
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

    fn suback(reasons: &[ReasonCode]) -> Suback {
        Suback::new(PacketIdentifier::new(10).unwrap(), reasons.to_vec())
    }

    #[test]
    fn golden_bytes() {
        let granted = suback(&[ReasonCode::GRANTED_QOS_0, ReasonCode::GrantedQoS1]);
        golden("90 05 00 0A 00 00 01", Version::V5, granted.clone());
        golden("90 04 00 0A 00 01", Version::V311, granted);
        let mut refused = suback(&[ReasonCode::NotAuthorized]);
        refused.properties = Some(Box::new(AckProperties {
            reason_string: Some("no".into()),
            ..AckProperties::default()
        }));
        golden("90 09 00 0A 05 1F 00 02 6E 6F 87", Version::V5, refused);
    }

    /// MQTT-3.9.3-2
    #[test]
    fn reasons_are_those_of_the_packet() {
        let allowed = [
            0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2,
        ];
        for code in 0..=255 {
            let digits = std::format!("90 05 00 0A 00 00 {code:02x}");
            if allowed.contains(&code) {
                assert!(read(&digits, Version::V5).is_ok(), "{digits}");
            } else {
                let kind = DecodeErrorKind::InvalidReason;
                refused(&digits, Version::V5, kind, 0x82, Field::Reason);
            }
        }
        for &reason in ReasonCode::ALL {
            let is_written = suback(&[reason]).encoded_len(Version::V5).is_ok();
            assert_eq!(is_written, allowed.contains(&reason.as_u8()), "{reason}");
        }
    }

    /// v3.1.1 MQTT-3.9.3-2. MQTT 3.1 has no failure.
    #[test]
    fn return_codes_of_the_earlier_versions() {
        for code in 0..=255 {
            let digits = std::format!("90 03 00 0A {code:02x}");
            let in_v311 = [0, 1, 2, 0x80].contains(&code);
            assert_eq!(read(&digits, Version::V311).is_ok(), in_v311, "{digits}");
            assert_eq!(read(&digits, Version::V31).is_ok(), code <= 2, "{digits}");
        }
        for reason in [ReasonCode::QuotaExceeded, ReasonCode::TopicFilterInvalid] {
            let failed = suback(&[reason]);
            assert_eq!(
                write(&failed.clone().into(), Version::V311),
                [0x90, 3, 0, 10, 0x80]
            );
            let (packet, field, version) = (PacketType::Suback, Field::Reason, Version::V31);
            let error = EncodeError::NotInVersion {
                packet,
                field,
                version,
            };
            assert_eq!(failed.encoded_len(version), Err(error));
        }
    }

    #[test]
    fn there_is_a_reason() {
        let kind = DecodeErrorKind::EmptyPayload;
        refused("90 03 00 0A 00", Version::V5, kind, 0x82, Field::Reason);
        refused("90 02 00 0A", Version::V311, kind, 0x82, Field::Reason);
        let error = EncodeError::Empty(Field::Reason);
        assert_eq!(suback(&[]).encode(Version::V5, &mut vec![]), Err(error));
        // The property length may not be left out.
        let kind = DecodeErrorKind::Truncated;
        refused(
            "90 02 00 0A",
            Version::V5,
            kind,
            0x81,
            Field::PropertyLength,
        );
    }
}
