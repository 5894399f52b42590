//! SUBSCRIBE.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_topic::{SubscriptionFilter, TopicError};

use super::ack::packet_identifier;
use super::answer::not_empty;
use crate::buffer::Writer;
use crate::decode::{collect, parse_frame};
use crate::encode::{self, Encode, Lengths, block_len, encode_methods, properties_len, put_block};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, Field};
use crate::frame::{Frame, FrameRef};
use crate::options::DecodeOptions;
use crate::packet::PacketType;
use crate::property::{Place, PropertiesRef, Property, parse_block, property_set};
use crate::text::{Text, Texts};
use crate::wire::{self, Parsed, fail};
use crate::{PacketIdentifier, QoS, SubscriptionIdentifier, UserProperties, Version};

/// SUBSCRIBE: a request for subscriptions (MQTT 5.0 §3.8).
///
/// MQTT 3.1 and 3.1.1 drop the properties and write the maximum QoS alone of the options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// The identifier that SUBACK repeats.
    pub packet_identifier: PacketIdentifier,
    /// The subscriptions asked for; at least one, or the encoder refuses (MQTT-3.8.3-2).
    pub subscriptions: Vec<Subscription>,
    /// Rarely present.
    pub properties: Option<Box<SubscribeProperties>>,
}

impl Subscribe {
    /// A SUBSCRIBE without properties.
    pub const fn new(
        packet_identifier: PacketIdentifier,
        subscriptions: Vec<Subscription>,
    ) -> Self {
        Self {
            packet_identifier,
            subscriptions,
            properties: None,
        }
    }
}

/// One filter of a SUBSCRIBE with its options.
///
/// The filter is kept as the text that was received: it is well-formed UTF-8, but may break the
/// rules of topic filters. Whether that refuses one filter (SUBACK 0x8F) or ends the connection is
/// the receiver's policy, so [`parse_filter`](Self::parse_filter) tells per filter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// The filter as text.
    pub filter: ByteString,
    /// How to deliver.
    pub options: SubscriptionOptions,
}

impl Subscription {
    /// A subscription with these options.
    pub fn new(filter: impl Into<ByteString>, options: impl Into<SubscriptionOptions>) -> Self {
        Self {
            filter: filter.into(),
            options: options.into(),
        }
    }

    /// The filter proven, or the rule that it breaks.
    ///
    /// # Errors
    ///
    /// What is wrong with the filter (MQTT 5.0 §4.7, §4.8.2).
    pub fn parse_filter(&self) -> Result<SubscriptionFilter, TopicError> {
        SubscriptionFilter::try_from(self.filter.clone())
    }
}

/// The Subscription Options (MQTT 5.0 §3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SubscriptionOptions {
    /// The highest QoS at which messages may be sent.
    pub maximum_qos: QoS,
    /// Whether messages of the subscriber itself are left out.
    pub no_local: bool,
    /// Whether forwarded messages keep the RETAIN flag of the publisher.
    pub retain_as_published: bool,
    /// What to do with retained messages when the subscription is made.
    pub retain_handling: RetainHandling,
}

impl From<QoS> for SubscriptionOptions {
    fn from(maximum_qos: QoS) -> Self {
        Self {
            maximum_qos,
            ..Self::default()
        }
    }
}

/// When retained messages are sent for a new subscription (MQTT 5.0 §3.8.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[repr(u8)]
pub enum RetainHandling {
    /// At each subscribe.
    #[default]
    SendAtSubscribe = 0,
    /// Only if the subscription did not exist.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

/// The properties of SUBSCRIBE (MQTT 5.0 §3.8.2.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SubscribeProperties {
    /// What messages for these subscriptions shall carry. Absent: nothing.
    pub subscription_identifier: Option<SubscriptionIdentifier>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
}

property_set!(SubscribeProperties {
    one subscription_identifier: SubscriptionIdentifier,
    pairs user_properties: UserProperty,
});

/// SUBSCRIBE, borrowed; [`Subscribe`] is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SubscribeRef<'a> {
    /// The identifier that SUBACK repeats.
    pub packet_identifier: PacketIdentifier,
    /// Rarely present.
    pub properties: PropertiesRef<'a>,
    payload: &'a [u8],
    version: Version,
}

impl<'a> SubscribeRef<'a> {
    /// Reads a SUBSCRIBE.
    ///
    /// # Errors
    ///
    /// What is wrong with the packet.
    pub fn decode(
        frame: FrameRef<'a>,
        options: impl Into<DecodeOptions>,
    ) -> Result<Self, DecodeError> {
        parse(frame, &options.into(), |_| {}, || {})
    }

    /// The filters as text with their options, in order.
    pub fn subscriptions(&self) -> impl Iterator<Item = (Text<'a>, SubscriptionOptions)> + use<'a> {
        let (mut rest, version) = (self.payload, self.version);
        core::iter::from_fn(move || {
            // The payload was checked when the packet was read.
            let (after, entry) = subscription(rest, version).ok()?;
            rest = after;
            Some(entry)
        })
    }
}

impl Subscribe {
    pub(crate) fn decode(frame: Frame, options: DecodeOptions) -> Result<Self, DecodeError> {
        let (mut properties, mut count) = (None, 0);
        let owner: &Bytes = frame.body();
        let subscribe = parse(
            frame.as_frame(),
            &options,
            |property| collect(&mut properties, property, owner),
            || count += 1,
        )?;
        let packet_identifier = subscribe.packet_identifier;
        let payload_at = owner.len() - subscribe.payload.len();
        let payload = Texts::new(frame.into_body_from(payload_at));
        let subscriptions = share_subscriptions(payload, count, options.version);
        Ok(Self {
            packet_identifier,
            subscriptions,
            properties,
        })
    }
}

/// The subscriptions of a payload that was checked and has this many. The last to share the buffer
/// takes the place of the payload, which spares counting one user more.
fn share_subscriptions(payload: Texts, count: usize, version: Version) -> Vec<Subscription> {
    let mut subscriptions = Vec::with_capacity(count);
    let mut last = None;
    for (filter, options) in entries(payload.as_bytes(), version) {
        if subscriptions.len() + 1 == count {
            last = Some((payload.range_of(filter), options));
        } else {
            let filter = payload.share(filter);
            subscriptions.push(Subscription { filter, options });
        }
    }
    if let Some((range, options)) = last {
        let filter = payload.into_text(range);
        subscriptions.push(Subscription { filter, options });
    }
    subscriptions
}

/// The filters of a payload that was checked, with their options.
#[inline(always)]
fn entries(
    mut rest: &[u8],
    version: Version,
) -> impl Iterator<Item = (&[u8], SubscriptionOptions)> {
    core::iter::from_fn(move || {
        let (after, filter) = wire::binary(rest, Field::TopicFilter).ok()?;
        let (byte, after) = after.split_first()?;
        rest = after;
        Some((filter, subscription_options(*byte, version).ok()?))
    })
}

/// Shows each property to `visit`, and tells `visit_filter` of each filter.
fn parse<'a>(
    frame: FrameRef<'a>,
    options: &DecodeOptions,
    visit: impl FnMut(Property<'a>),
    mut visit_filter: impl FnMut(),
) -> Result<SubscribeRef<'a>, DecodeError> {
    let version = options.version;
    parse_frame(frame, options, |body| {
        let (rest, packet_identifier) = packet_identifier(body)?;
        let (payload, block) = parse_block(rest, Place::Subscribe, options, visit)?;
        not_empty(payload, Field::TopicFilter)?;
        let mut rest = payload;
        while !rest.is_empty() {
            (rest, _) = subscription(rest, version)?;
            visit_filter();
        }
        let properties = PropertiesRef::new(block);
        Ok((
            rest,
            SubscribeRef {
                packet_identifier,
                properties,
                payload,
                version,
            },
        ))
    })
}

/// One filter with its options.
#[inline(always)]
fn subscription(input: &[u8], version: Version) -> Parsed<'_, (Text<'_>, SubscriptionOptions)> {
    let (input, filter) = wire::text(input, Field::TopicFilter)?;
    let (rest, byte) = wire::byte(input, Field::SubscriptionOptions)?;
    match subscription_options(byte, version) {
        // A shared subscription excludes No Local (MQTT-3.8.3-4).
        Ok(options) if options.no_local && filter.starts_with("$share/") => fail(
            DecodeErrorKind::InvalidOptions,
            Field::SubscriptionOptions,
            input,
        ),
        Ok(options) => Ok((rest, (filter, options))),
        Err(kind) => fail(kind, Field::SubscriptionOptions, input),
    }
}

/// The byte of the options as it is in this version.
#[inline]
fn subscription_options(
    byte: u8,
    version: Version,
) -> Result<SubscriptionOptions, DecodeErrorKind> {
    match version {
        // The upper six bits are unused in MQTT 3.1.
        Version::V31 => requested_qos(byte & 3),
        Version::V311 => requested_qos(byte),
        Version::V5 => all_options(byte),
    }
}

/// The requested QoS of MQTT 3.1 and 3.1.1 (v3.1.1 MQTT-3.8.3-4).
#[inline]
fn requested_qos(byte: u8) -> Result<SubscriptionOptions, DecodeErrorKind> {
    match QoS::from_bits(byte) {
        Some(qos) => Ok(qos.into()),
        None if byte == 3 => Err(DecodeErrorKind::InvalidOptions),
        None => Err(DecodeErrorKind::ReservedBits),
    }
}

/// The Subscription Options of MQTT 5.0 (§3.8.3.1).
#[inline]
fn all_options(byte: u8) -> Result<SubscriptionOptions, DecodeErrorKind> {
    if byte & 0b1100_0000 != 0 {
        return Err(DecodeErrorKind::ReservedBits);
    }
    let maximum_qos = QoS::from_bits(byte & 3).ok_or(DecodeErrorKind::InvalidOptions)?;
    let retain_handling = match byte >> 4 & 3 {
        0 => RetainHandling::SendAtSubscribe,
        1 => RetainHandling::SendIfNew,
        2 => RetainHandling::DoNotSend,
        _ => return Err(DecodeErrorKind::InvalidOptions),
    };
    Ok(SubscriptionOptions {
        maximum_qos,
        no_local: byte & 0b0100 != 0,
        retain_as_published: byte & 0b1000 != 0,
        retain_handling,
    })
}

encode_methods!(Subscribe);

impl Encode for Subscribe {
    fn first_byte(&self) -> u8 {
        encode::first_byte(PacketType::Subscribe)
    }

    fn lengths(&self, version: Version) -> Result<Lengths, EncodeError> {
        if self.subscriptions.is_empty() {
            return Err(EncodeError::Empty(Field::TopicFilter));
        }
        let properties = properties_len(version, self.properties.as_deref())?;
        let mut remaining = 2 + block_len(version, properties);
        for Subscription { filter, options } in &self.subscriptions {
            if version.has_properties() && options.no_local && filter.starts_with("$share/") {
                return Err(EncodeError::InvalidValue(Field::SubscriptionOptions));
            }
            remaining += wire::text_len(filter.as_bytes(), Field::TopicFilter)? + 1;
        }
        Ok(Lengths {
            remaining,
            properties,
            ..Lengths::default()
        })
    }

    fn put(&self, version: Version, lengths: Lengths, buf: &mut Writer<'_>) {
        buf.put_u16(self.packet_identifier.as_u16());
        put_block(version, lengths.properties, self.properties.as_deref(), buf);
        for Subscription { filter, options } in &self.subscriptions {
            wire::put_binary(buf, filter.as_bytes());
            buf.put_u8(options.bits(version));
        }
    }
}

impl SubscriptionOptions {
    /// The byte of the options; the maximum QoS alone in MQTT 3.1 and 3.1.1.
    const fn bits(self, version: Version) -> u8 {
        let qos = self.maximum_qos.bits();
        if !version.has_properties() {
            return qos;
        }
        qos | (self.no_local as u8) << 2
            | (self.retain_as_published as u8) << 3
            | (self.retain_handling as u8) << 4
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::ReasonCode;
    use crate::testing::{VERSIONS, golden, read, reads_as, refused};

    fn subscribe(filter: &'static str, options: SubscriptionOptions) -> Subscribe {
        let id = PacketIdentifier::new(10).unwrap();
        Subscribe::new(id, vec![Subscription::new(filter, options)])
    }

    #[test]
    fn golden_bytes() {
        let mut packet = subscribe("a/b", QoS::AtLeastOnce.into());
        golden(
            "82 08 00 0A 00 03 61 2F 62 01",
            Version::V31,
            packet.clone(),
        );
        packet.properties = Some(Box::new(SubscribeProperties {
            subscription_identifier: SubscriptionIdentifier::new(5),
            ..SubscribeProperties::default()
        }));
        golden(
            "82 0B 00 0A 02 0B 05 00 03 61 2F 62 01",
            Version::V5,
            packet,
        );
        let mut two = subscribe("a/b", QoS::AtLeastOnce.into());
        two.subscriptions
            .push(Subscription::new("c/d", QoS::ExactlyOnce));
        let bytes = "82 0E 00 0A 00 03 61 2F 62 01 00 03 63 2F 64 02";
        golden(bytes, Version::V311, two);
    }

    /// MQTT-3.8.1-1, v3.1.1 MQTT-3.8.1-1
    #[test]
    fn flags_are_0010() {
        for flags in (0..16).filter(|&flags| flags != 2) {
            let digits = std::format!("8{flags:x} 06 00 0A 00 01 61 00");
            for version in [Version::V311, Version::V5] {
                let kind = DecodeErrorKind::InvalidHeaderFlags;
                refused(&digits, version, kind, 0x81, Field::FixedHeader);
            }
            reads_as(
                &digits,
                Version::V31,
                subscribe("a", QoS::AtMostOnce.into()),
            );
        }
    }

    /// MQTT-3.8.3-5, v3.1.1 MQTT-3.8.3-4
    #[test]
    fn every_byte_of_options() {
        for byte in 0..=255u8 {
            let v5 = read(
                &std::format!("82 07 00 0A 00 00 01 61 {byte:02x}"),
                Version::V5,
            );
            let expected = if byte & 0xC0 != 0 {
                Err((DecodeErrorKind::ReservedBits, ReasonCode::MalformedPacket))
            } else if byte & 3 == 3 || byte & 0x30 == 0x30 {
                Err((DecodeErrorKind::InvalidOptions, ReasonCode::ProtocolError))
            } else {
                let packet = v5.clone().unwrap();
                assert_eq!(crate::testing::write(&packet, Version::V5)[8], byte);
                Ok(())
            };
            let seen = v5
                .map(|_| ())
                .map_err(|error| (error.kind(), error.reason()));
            assert_eq!(seen, expected, "{byte:02x}");
            let earlier = std::format!("82 06 00 0A 00 01 61 {byte:02x}");
            assert_eq!(read(&earlier, Version::V311).is_ok(), byte <= 2);
            // The upper six bits are unused in MQTT 3.1.
            assert_eq!(read(&earlier, Version::V31).is_ok(), byte & 3 != 3);
        }
    }

    #[test]
    fn filters_of_any_text_share_the_buffer() {
        let long = "a".repeat(200);
        let cases: [[&str; 3]; 3] = [["a/b", "", "c"], ["ä/+", "b", ""], ["#", &long, "ö"]];
        for filters in cases {
            let subscriptions =
                filters.map(|filter| Subscription::new(ByteString::from(filter), QoS::AtLeastOnce));
            let sent = Subscribe::new(PacketIdentifier::MIN, subscriptions.into());
            let bytes = crate::testing::write(&sent.clone().into(), Version::V311);
            let frame = crate::testing::frame(&bytes, Version::V311).unwrap();
            let memory = frame.body().as_ptr_range();
            let packet = Subscribe::decode(frame, Version::V311.into()).unwrap();
            assert_eq!(packet, sent);
            for Subscription { filter, .. } in packet.subscriptions {
                assert!(filter.is_empty() || memory.contains(&filter.as_ptr()));
            }
        }
    }

    #[test]
    fn shared_subscriptions_exclude_no_local() {
        let bytes = "82 10 00 0A 00 00 0A 24 73 68 61 72 65 2F 67 2F 61 04";
        let (kind, field) = (DecodeErrorKind::InvalidOptions, Field::SubscriptionOptions);
        refused(bytes, Version::V5, kind, 0x82, field);
        let options = SubscriptionOptions {
            no_local: true,
            ..SubscriptionOptions::default()
        };
        let error = EncodeError::InvalidValue(Field::SubscriptionOptions);
        assert_eq!(
            subscribe("$share/g/a", options).encoded_len(Version::V5),
            Err(error)
        );
    }

    /// MQTT-3.8.3-1, v3.1.1 MQTT-3.8.3-1
    #[test]
    fn filters_are_text() {
        let field = Field::TopicFilter;
        for byte in ["FF", "C3"] {
            let kind = DecodeErrorKind::InvalidUtf8;
            refused(
                &std::format!("82 06 00 0A 0001 {byte} 00"),
                Version::V311,
                kind,
                0x81,
                field,
            );
            refused(
                &std::format!("82 07 00 0A 00 0001 {byte} 00"),
                Version::V5,
                kind,
                0x81,
                field,
            );
        }
        refused(
            "82 07 00 0A 00 0001 00 00",
            Version::V5,
            DecodeErrorKind::NulCharacter,
            0x81,
            field,
        );
        refused(
            "82 06 00 0A 00 00 02 61",
            Version::V5,
            DecodeErrorKind::Truncated,
            0x81,
            field,
        );
        let field = Field::SubscriptionOptions;
        refused(
            "82 06 00 0A 00 00 01 61",
            Version::V5,
            DecodeErrorKind::Truncated,
            0x81,
            field,
        );
    }

    /// MQTT-3.8.3-2, v3.1.1 MQTT-3.8.3-3
    #[test]
    fn there_is_a_filter() {
        let (kind, field) = (DecodeErrorKind::EmptyPayload, Field::TopicFilter);
        refused("82 03 00 0A 00", Version::V5, kind, 0x82, field);
        refused("82 02 00 0A", Version::V311, kind, 0x82, field);
        let none = Subscribe::new(PacketIdentifier::MIN, vec![]);
        for version in VERSIONS {
            assert_eq!(none.encoded_len(version), Err(EncodeError::Empty(field)));
        }
    }

    /// v3.1.1 MQTT-2.3.1-1
    #[test]
    fn the_identifier_is_not_zero() {
        let (kind, field) = (
            DecodeErrorKind::ZeroPacketIdentifier,
            Field::PacketIdentifier,
        );
        refused("82 06 00 00 00 01 61 00", Version::V311, kind, 0x82, field);
        refused("82 07 00 00 00 00 01 61 00", Version::V5, kind, 0x82, field);
    }

    #[test]
    fn the_subscription_identifier_is_not_zero_and_comes_once() {
        let (kind, field) = (DecodeErrorKind::InvalidValue, Field::SubscriptionIdentifier);
        refused(
            "82 09 00 0A 02 0B 00 00 01 61 00",
            Version::V5,
            kind,
            0x82,
            field,
        );
        let (kind, field) = (DecodeErrorKind::RepeatedProperty, Field::PropertyIdentifier);
        refused(
            "82 0B 00 0A 04 0B 01 0B 02 00 01 61 00",
            Version::V5,
            kind,
            0x82,
            field,
        );
    }

    #[test]
    fn a_filter_against_the_rules_is_kept_and_told() {
        let Ok(crate::Packet::Subscribe(packet)) =
            read("82 08 00 0A 00 00 02 61 23 00", Version::V5)
        else {
            panic!("the packet is in order");
        };
        assert!(packet.subscriptions[0].parse_filter().is_err());
        assert!(
            Subscription::new("a/#", QoS::AtMostOnce)
                .parse_filter()
                .is_ok()
        );
    }
}
