//! SUBSCRIBE.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::{BufMut, Bytes};
use bytestring::ByteString;
use mqtide_topic::{SubscriptionFilter, TopicError};

use super::ack::packet_identifier;
use super::suback::not_empty;
use crate::decode::{collect, parse_frame};
use crate::encode::{self, Encode, Lengths, block_len, encode_methods, properties_len, put_block};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, Field};
use crate::frame::{Frame, FrameRef};
use crate::options::DecodeOptions;
use crate::packet::PacketType;
use crate::property::{Place, PropertiesRef, Property, parse_block, property_set};
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
        parse(frame, &options.into(), |_| {}, |_, _| {})
    }

    /// The filters as text with their options, in order.
    pub fn subscriptions(&self) -> impl Iterator<Item = (&'a str, SubscriptionOptions)> + use<'a> {
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
    pub(crate) fn decode(frame: &Frame, options: DecodeOptions) -> Result<Self, DecodeError> {
        let (mut properties, mut subscriptions) = (None, Vec::new());
        let owner: &Bytes = frame.body();
        let subscribe = parse(
            frame.as_frame(),
            &options,
            |property| collect(&mut properties, property, owner),
            |filter, options| {
                let filter = wire::share_text(owner, filter);
                subscriptions.push(Subscription { filter, options });
            },
        )?;
        Ok(Self {
            packet_identifier: subscribe.packet_identifier,
            subscriptions,
            properties,
        })
    }
}

fn parse<'a>(
    frame: FrameRef<'a>,
    options: &DecodeOptions,
    visit: impl FnMut(Property<'a>),
    mut visit_subscription: impl FnMut(&'a str, SubscriptionOptions),
) -> Result<SubscribeRef<'a>, DecodeError> {
    let version = options.version;
    parse_frame(frame, options, |body| {
        let (rest, packet_identifier) = packet_identifier(body)?;
        let (payload, block) = parse_block(rest, Place::Subscribe, options, visit)?;
        not_empty(payload, Field::TopicFilter)?;
        let mut rest = payload;
        while !rest.is_empty() {
            let (after, (filter, options)) = subscription(rest, version)?;
            visit_subscription(filter, options);
            rest = after;
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
#[inline]
fn subscription(input: &[u8], version: Version) -> Parsed<'_, (&str, SubscriptionOptions)> {
    let (input, filter) = wire::text(input, Field::TopicFilter)?;
    let (rest, byte) = wire::byte(input, Field::SubscriptionOptions)?;
    let options = match version {
        // The upper six bits are unused in MQTT 3.1.
        Version::V31 => requested_qos(byte & 3),
        Version::V311 => requested_qos(byte),
        Version::V5 => subscription_options(byte),
    };
    match options {
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

/// The requested QoS of MQTT 3.1 and 3.1.1 (v3.1.1 MQTT-3.8.3-4).
fn requested_qos(byte: u8) -> Result<SubscriptionOptions, DecodeErrorKind> {
    match QoS::from_bits(byte) {
        Some(qos) => Ok(qos.into()),
        None if byte == 3 => Err(DecodeErrorKind::InvalidOptions),
        None => Err(DecodeErrorKind::ReservedBits),
    }
}

/// The Subscription Options of MQTT 5.0 (§3.8.3.1).
fn subscription_options(byte: u8) -> Result<SubscriptionOptions, DecodeErrorKind> {
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
            remaining += wire::text_len(filter, Field::TopicFilter)? + 1;
        }
        Ok(Lengths {
            remaining,
            properties,
            ..Lengths::default()
        })
    }

    fn put(&self, version: Version, lengths: Lengths, buf: &mut impl BufMut) {
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
