//! UNSUBSCRIBE.

use alloc::vec::Vec;

use bytes::Bytes;
use bytestring::ByteString;

use super::ack::packet_identifier;
use super::answer::not_empty;
use crate::buffer::Writer;
use crate::decode::parse_frame;
use crate::encode::{self, Encode, Lengths, block_len, encode_methods, properties_len, put_block};
use crate::error::{DecodeError, EncodeError, Field};
use crate::frame::{Frame, FrameRef};
use crate::options::DecodeOptions;
use crate::packet::PacketType;
use crate::property::{Place, PropertiesRef, Property, PropertySet, parse_block, property_set};
use crate::text::Text;
use crate::wire;
use crate::{PacketIdentifier, UserProperties, Version};

/// UNSUBSCRIBE: a request to end subscriptions (MQTT 5.0 §3.10). MQTT 3.1 and 3.1.1 drop the user
/// properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    /// The identifier that UNSUBACK repeats.
    pub packet_identifier: PacketIdentifier,
    /// The filters, as text, since they are compared character by character (MQTT-3.10.4-1); at
    /// least one, or the encoder refuses (MQTT-3.10.3-2).
    pub filters: Vec<ByteString>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
}

impl Unsubscribe {
    /// An UNSUBSCRIBE without properties.
    pub const fn new(packet_identifier: PacketIdentifier, filters: Vec<ByteString>) -> Self {
        Self {
            packet_identifier,
            filters,
            user_properties: UserProperties::new(),
        }
    }
}

property_set!(Unsubscribe {
    pairs user_properties: UserProperty,
});

/// UNSUBSCRIBE, borrowed; [`Unsubscribe`] is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnsubscribeRef<'a> {
    /// The identifier that UNSUBACK repeats.
    pub packet_identifier: PacketIdentifier,
    /// User Properties, rarely present.
    pub properties: PropertiesRef<'a>,
    payload: &'a [u8],
}

impl<'a> UnsubscribeRef<'a> {
    /// Reads an UNSUBSCRIBE.
    ///
    /// # Errors
    ///
    /// What is wrong with the packet.
    pub fn decode(
        frame: FrameRef<'a>,
        options: impl Into<DecodeOptions>,
    ) -> Result<Self, DecodeError> {
        parse(frame, &options.into(), |_| {}, |_| {})
    }

    /// The filters as text, in order.
    pub fn filters(&self) -> impl Iterator<Item = Text<'a>> + use<'a> {
        let mut rest = self.payload;
        core::iter::from_fn(move || {
            // The payload was checked when the packet was read.
            let (after, filter) = wire::text(rest, Field::TopicFilter).ok()?;
            rest = after;
            Some(filter)
        })
    }
}

impl Unsubscribe {
    pub(crate) fn decode(frame: &Frame, options: DecodeOptions) -> Result<Self, DecodeError> {
        let mut unsubscribe = Self::new(PacketIdentifier::MIN, Vec::new());
        let mut filters = Vec::new();
        let owner: &Bytes = frame.body();
        let parsed = parse(
            frame.as_frame(),
            &options,
            |property| unsubscribe.set(property, owner),
            |filter| filters.push(wire::share_text(owner, filter)),
        )?;
        unsubscribe.packet_identifier = parsed.packet_identifier;
        unsubscribe.filters = filters;
        Ok(unsubscribe)
    }
}

fn parse<'a>(
    frame: FrameRef<'a>,
    options: &DecodeOptions,
    visit: impl FnMut(Property<'a>),
    mut visit_filter: impl FnMut(Text<'a>),
) -> Result<UnsubscribeRef<'a>, DecodeError> {
    parse_frame(frame, options, |body| {
        let (rest, packet_identifier) = packet_identifier(body)?;
        let (payload, block) = parse_block(rest, Place::Unsubscribe, options, visit)?;
        not_empty(payload, Field::TopicFilter)?;
        let mut rest = payload;
        while !rest.is_empty() {
            let (after, filter) = wire::text(rest, Field::TopicFilter)?;
            visit_filter(filter);
            rest = after;
        }
        let properties = PropertiesRef::new(block);
        Ok((
            rest,
            UnsubscribeRef {
                packet_identifier,
                properties,
                payload,
            },
        ))
    })
}

encode_methods!(Unsubscribe);

impl Encode for Unsubscribe {
    fn first_byte(&self) -> u8 {
        encode::first_byte(PacketType::Unsubscribe)
    }

    fn lengths(&self, version: Version) -> Result<Lengths, EncodeError> {
        if self.filters.is_empty() {
            return Err(EncodeError::Empty(Field::TopicFilter));
        }
        let properties = properties_len(version, Some(self))?;
        let mut remaining = 2 + block_len(version, properties);
        for filter in &self.filters {
            remaining += wire::text_len(filter.as_bytes(), Field::TopicFilter)?;
        }
        Ok(Lengths {
            remaining,
            properties,
            ..Lengths::default()
        })
    }

    fn put(&self, version: Version, lengths: Lengths, buf: &mut Writer<'_>) {
        buf.put_u16(self.packet_identifier.as_u16());
        put_block(version, lengths.properties, Some(self), buf);
        for filter in &self.filters {
            wire::put_binary(buf, filter.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::DecodeErrorKind;
    use crate::testing::{VERSIONS, golden, refused};

    fn unsubscribe(filters: &[&'static str]) -> Unsubscribe {
        let filters = filters
            .iter()
            .map(|&filter| ByteString::from_static(filter))
            .collect();
        Unsubscribe::new(PacketIdentifier::new(11).unwrap(), filters)
    }

    #[test]
    fn golden_bytes() {
        golden(
            "A2 08 00 0B 00 00 03 61 2F 62",
            Version::V5,
            unsubscribe(&["a/b"]),
        );
        golden(
            "A2 07 00 0B 00 03 61 2F 62",
            Version::V311,
            unsubscribe(&["a/b"]),
        );
        let mut two = unsubscribe(&["a", "#"]);
        two.user_properties.push("k", "v");
        golden(
            "A2 10 00 0B 07 26 0001 6B 0001 76 0001 61 0001 23",
            Version::V5,
            two,
        );
    }

    /// MQTT-3.10.1-1, v3.1.1 MQTT-3.10.1-1
    #[test]
    fn flags_are_0010() {
        for flags in (0..16).filter(|&flags| flags != 2) {
            let digits = std::format!("A{flags:x} 07 00 0B 00 03 61 2F 62");
            for version in [Version::V311, Version::V5] {
                let kind = DecodeErrorKind::InvalidHeaderFlags;
                refused(&digits, version, kind, 0x81, Field::FixedHeader);
            }
            crate::testing::reads_as(&digits, Version::V31, unsubscribe(&["a/b"]));
        }
    }

    /// MQTT-3.10.3-1, v3.1.1 MQTT-3.10.3-1
    #[test]
    fn filters_are_text() {
        for version in VERSIONS {
            let block = if version == Version::V5 { "00" } else { "" };
            let len = if version == Version::V5 { 6 } else { 5 };
            let digits = |byte: &str| std::format!("A2 0{len} 00 0B {block} 0001 {byte}");
            let (kind, field) = (DecodeErrorKind::InvalidUtf8, Field::TopicFilter);
            refused(&digits("FF"), version, kind, 0x81, field);
            refused(
                &digits("00"),
                version,
                DecodeErrorKind::NulCharacter,
                0x81,
                field,
            );
            let truncated = std::format!("A2 0{} 00 0B {block} 00", len - 2);
            refused(&truncated, version, DecodeErrorKind::Truncated, 0x81, field);
        }
        let error = EncodeError::NulCharacter(Field::TopicFilter);
        assert_eq!(unsubscribe(&["a\0"]).encoded_len(Version::V5), Err(error));
    }

    /// MQTT-3.10.3-2, v3.1.1 MQTT-3.10.3-2
    #[test]
    fn there_is_a_filter() {
        let (kind, field) = (DecodeErrorKind::EmptyPayload, Field::TopicFilter);
        refused("A2 03 00 0B 00", Version::V5, kind, 0x82, field);
        refused("A2 02 00 0B", Version::V311, kind, 0x82, field);
        let error = EncodeError::Empty(Field::TopicFilter);
        assert_eq!(
            unsubscribe(&[]).encode(Version::V311, &mut vec![]),
            Err(error)
        );
    }

    /// v3.1.1 MQTT-2.3.1-1
    #[test]
    fn the_identifier_is_not_zero() {
        let (kind, field) = (
            DecodeErrorKind::ZeroPacketIdentifier,
            Field::PacketIdentifier,
        );
        refused("A2 05 00 00 00 01 61", Version::V311, kind, 0x82, field);
        refused("A2 06 00 00 00 00 01 61", Version::V5, kind, 0x82, field);
    }
}
