//! What SUBACK and UNSUBACK share: an identifier, properties, and a reason for each filter.

use super::ack::{AckProperties, packet_identifier, reason};
use crate::buffer::Writer;
use crate::decode::parse_frame;
use crate::encode::{Lengths, block_len, properties_len, put_block};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, Field};
use crate::frame::FrameRef;
use crate::options::DecodeOptions;
use crate::packet::PacketType;
use crate::property::{Place, PropertiesRef, Property, parse_block};
use crate::wire::{Parsed, fail};
use crate::{PacketIdentifier, ReasonCode, Version};

/// One of the two packets as it was read: the codes are checked.
pub(super) struct Answer<'a> {
    pub(super) packet_identifier: PacketIdentifier,
    pub(super) properties: PropertiesRef<'a>,
    pub(super) codes: &'a [u8],
}

/// Reads a SUBACK or UNSUBACK, whichever `packet` is.
pub(super) fn parse<'a>(
    frame: FrameRef<'a>,
    packet: PacketType,
    options: &DecodeOptions,
    visit: impl FnMut(Property<'a>),
) -> Result<Answer<'a>, DecodeError> {
    parse_frame(frame, options, |body| {
        let (rest, packet_identifier) = packet_identifier(body)?;
        let (payload, block) = parse_block(rest, Place::Ack, options, visit)?;
        let (mut rest, mut codes): (_, &[u8]) = (payload, &[]);
        if has_reasons(packet, options.version) {
            not_empty(payload, Field::Reason)?;
            while !rest.is_empty() {
                rest = code(rest, packet, options)?.0;
            }
            codes = payload;
        }
        let properties = PropertiesRef::new(block);
        Ok((
            rest,
            Answer {
                packet_identifier,
                properties,
                codes,
            },
        ))
    })
}

/// The UNSUBACK of MQTT 3.1 and 3.1.1 has none.
fn has_reasons(packet: PacketType, version: Version) -> bool {
    packet == PacketType::Suback || version.has_properties()
}

/// One code; before MQTT 5.0 it is a granted QoS, or in MQTT 3.1.1 the one failure.
fn code<'a>(input: &'a [u8], packet: PacketType, options: &DecodeOptions) -> Parsed<'a, ()> {
    match (options.version, input) {
        (Version::V5, _) => reason(input, packet, options).map(|(rest, _)| (rest, ())),
        (_, [0..=2, rest @ ..]) | (Version::V311, [0x80, rest @ ..]) => Ok((rest, ())),
        _ => fail(DecodeErrorKind::InvalidReason, Field::Reason, input),
    }
}

/// A payload must have an entry (MQTT 5.0 §3.8.3, §3.9.3, §3.10.3, §3.11.3).
pub(super) fn not_empty(payload: &[u8], field: Field) -> Parsed<'_, ()> {
    if payload.is_empty() {
        return fail(DecodeErrorKind::EmptyPayload, field, payload);
    }
    Ok((payload, ()))
}

/// The reasons that were read. Their codes were checked then.
pub(super) fn reasons(codes: &[u8]) -> impl ExactSizeIterator<Item = ReasonCode> {
    codes
        .iter()
        .map(|&code| ReasonCode::from_u8(code).unwrap_or_default())
}

/// A SUBACK or UNSUBACK to write.
pub(super) struct AnswerParts<'a> {
    pub(super) packet: PacketType,
    pub(super) packet_identifier: PacketIdentifier,
    pub(super) reasons: &'a [ReasonCode],
    pub(super) properties: Option<&'a AckProperties>,
}

impl AnswerParts<'_> {
    pub(super) fn lengths(&self, version: Version) -> Result<Lengths, EncodeError> {
        let mut lengths = Lengths {
            remaining: 2,
            ..Lengths::default()
        };
        if has_reasons(self.packet, version) {
            self.check_reasons(version)?;
            lengths.properties = properties_len(version, self.properties)?;
            lengths.remaining += block_len(version, lengths.properties) + self.reasons.len();
        }
        Ok(lengths)
    }

    /// Whether there are reasons, and this packet may carry them in this version.
    fn check_reasons(&self, version: Version) -> Result<(), EncodeError> {
        let packet = self.packet;
        if self.reasons.is_empty() {
            return Err(EncodeError::Empty(Field::Reason));
        }
        let mut reasons = self.reasons.iter();
        if let Some(&reason) = reasons.find(|reason| !reason.allowed_in(packet)) {
            return Err(EncodeError::ReasonNotAllowed { packet, reason });
        }
        if version == Version::V31 && self.reasons.iter().any(|reason| reason.is_error()) {
            return Err(EncodeError::NotInVersion {
                packet,
                field: Field::Reason,
                version,
            });
        }
        Ok(())
    }

    pub(super) fn put(&self, version: Version, lengths: Lengths, buf: &mut Writer<'_>) {
        buf.put_u16(self.packet_identifier.as_u16());
        if has_reasons(self.packet, version) {
            put_block(version, lengths.properties, self.properties, buf);
            for reason in self.reasons {
                let is_any_failure = reason.is_error() && !version.has_properties();
                buf.put_u8(if is_any_failure { 0x80 } else { reason.as_u8() });
            }
        }
    }
}
