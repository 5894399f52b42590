//! Messages: what the machines must know of one, and the plain form of one.

use alloc::boxed::Box;

use bytes::Bytes;
use mqtide_codec::{PublishProperties, QoS, SubscriptionIdentifier, UserProperties};
use mqtide_topic::{TopicName, TopicNameRef};

use crate::Instant;
#[cfg(doc)]
use crate::OutgoingPublish;

/// What the sending side must know of a message.
///
/// The machines are generic in the message they carry, so that a broker hands the same shared
/// allocation to many sessions. They clone it, so this should be cheap: a message that is in flight
/// is kept until it is acknowledged.
pub trait Deliverable {
    /// The topic name.
    fn topic(&self) -> &str;

    /// The length of the topic name in bytes, for those to whom it costs less than the text.
    fn topic_len(&self) -> usize {
        self.topic().len()
    }

    /// The length of the payload in bytes.
    fn payload_len(&self) -> usize;

    /// The encoded length in bytes of the MQTT 5.0 properties that are the same for every receiver:
    /// all but Message Expiry Interval, Topic Alias and Subscription Identifier, and without the
    /// Property Length in front.
    fn properties_len(&self) -> usize;

    /// When the message expires, if ever (MQTT 5.0 §3.3.2.3.3).
    fn expires_at(&self) -> Option<Instant>;
}

impl<T: Deliverable + ?Sized> Deliverable for alloc::sync::Arc<T> {
    fn topic(&self) -> &str {
        (**self).topic()
    }

    fn topic_len(&self) -> usize {
        (**self).topic_len()
    }

    fn payload_len(&self) -> usize {
        (**self).payload_len()
    }

    fn properties_len(&self) -> usize {
        (**self).properties_len()
    }

    fn expires_at(&self) -> Option<Instant> {
        (**self).expires_at()
    }
}

/// A message whose content is at hand in the form in which it is written, so that
/// [`OutgoingPublish::parts`] can put the packet together without a copy.
pub trait Content: Deliverable {
    /// The topic name.
    fn name(&self) -> TopicNameRef<'_>;

    /// The payload.
    fn payload(&self) -> &[u8];

    /// The encoded properties that are the same for every receiver, without the Property Length in
    /// front: [`properties_len`](Deliverable::properties_len) bytes.
    fn properties(&self) -> &[u8];
}

impl<T: Content + ?Sized> Content for alloc::sync::Arc<T> {
    fn name(&self) -> TopicNameRef<'_> {
        (**self).name()
    }

    fn payload(&self) -> &[u8] {
        (**self).payload()
    }

    fn properties(&self) -> &[u8] {
        (**self).properties()
    }
}

/// A message in plain form: what clients publish and receive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it is published.
    pub topic: TopicName,
    /// Its content.
    pub payload: Bytes,
    /// Its properties. In what is sent, the Message Expiry Interval and the Subscription Identifiers
    /// in here are not used: the machine computes the one and knows the others.
    pub properties: Option<Box<PublishProperties>>,
    /// When it expires, if ever.
    pub expires_at: Option<Instant>,
}

impl Message {
    /// A message without properties, which does not expire.
    pub fn new(topic: TopicName, payload: impl Into<Bytes>) -> Self {
        Self {
            topic,
            payload: payload.into(),
            properties: None,
            expires_at: None,
        }
    }
}

impl Deliverable for Message {
    fn topic(&self) -> &str {
        self.topic.as_str()
    }

    fn payload_len(&self) -> usize {
        self.payload.len()
    }

    fn properties_len(&self) -> usize {
        self.properties.as_deref().map_or(0, properties_len)
    }

    fn expires_at(&self) -> Option<Instant> {
        self.expires_at
    }
}

/// The encoded length of the properties of a message that are the same for every receiver, as
/// [`Deliverable::properties_len`] wants it.
pub fn properties_len(properties: &PublishProperties) -> usize {
    let text = |len: usize| PROPERTY_IDENTIFIER + LENGTH_PREFIX + len;
    properties
        .payload_format_indicator
        .map_or(0, |_| PROPERTY_IDENTIFIER + 1)
        + properties
            .response_topic
            .as_ref()
            .map_or(0, |topic| text(topic.as_str().len()))
        + properties
            .correlation_data
            .as_ref()
            .map_or(0, |data| text(data.len()))
        + properties
            .content_type
            .as_ref()
            .map_or(0, |content_type| text(content_type.len()))
        + user_properties_len(&properties.user_properties)
}

fn user_properties_len(pairs: &UserProperties) -> usize {
    let pair_len = |(name, value): (&str, &str)| {
        PROPERTY_IDENTIFIER + 2 * LENGTH_PREFIX + name.len() + value.len()
    };
    pairs.iter().map(pair_len).sum()
}

const PROPERTY_IDENTIFIER: usize = 1;
const LENGTH_PREFIX: usize = 2;

/// The identifiers of the subscriptions that a message matched, of one receiver.
///
/// None and one cost no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubscriptionIdentifiers {
    /// No matching subscription has an identifier.
    #[default]
    None,
    /// One has.
    One(SubscriptionIdentifier),
    /// Several have.
    Many(Box<[SubscriptionIdentifier]>),
}

impl SubscriptionIdentifiers {
    /// The identifiers as a slice.
    pub fn as_slice(&self) -> &[SubscriptionIdentifier] {
        match self {
            Self::None => &[],
            Self::One(id) => core::slice::from_ref(id),
            Self::Many(ids) => ids,
        }
    }

    /// The encoded length of the properties in bytes.
    pub fn encoded_len(&self) -> usize {
        let varint = |id: &SubscriptionIdentifier| varint_len(id.as_u32() as usize);
        self.as_slice()
            .iter()
            .map(|id| PROPERTY_IDENTIFIER + varint(id))
            .sum()
    }
}

impl FromIterator<SubscriptionIdentifier> for SubscriptionIdentifiers {
    fn from_iter<I: IntoIterator<Item = SubscriptionIdentifier>>(ids: I) -> Self {
        let mut ids = ids.into_iter();
        match (ids.next(), ids.next()) {
            (None, _) => Self::None,
            (Some(one), None) => Self::One(one),
            (Some(one), Some(two)) => Self::Many([one, two].into_iter().chain(ids).collect()),
        }
    }
}

/// A message for one receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery<M> {
    /// The message.
    pub message: M,
    /// The effective QoS: for a broker, the lower of the publication's and the subscription's.
    pub qos: QoS,
    /// The RETAIN flag to send it with.
    pub retain: bool,
    /// The subscriptions that it matched; empty in what a client sends.
    pub subscription_identifiers: SubscriptionIdentifiers,
}

impl<M> Delivery<M> {
    /// A delivery that is not retained and matched no subscription with an identifier.
    pub const fn new(message: M, qos: QoS) -> Self {
        let subscription_identifiers = SubscriptionIdentifiers::None;
        Self {
            message,
            qos,
            retain: false,
            subscription_identifiers,
        }
    }
}

/// The bytes of a variable byte integer (MQTT 5.0 §1.5.5).
pub(crate) const fn varint_len(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> SubscriptionIdentifier {
        SubscriptionIdentifier::new(number).unwrap()
    }

    #[test]
    fn few_subscription_identifiers_need_no_allocation() {
        assert!(size_of::<SubscriptionIdentifiers>() <= 24);
        let collect = |numbers: &[u32]| numbers.iter().map(|n| id(*n)).collect();
        assert_eq!(SubscriptionIdentifiers::None, collect(&[]));
        assert_eq!(SubscriptionIdentifiers::One(id(7)), collect(&[7]));
        let many: SubscriptionIdentifiers = collect(&[7, 8, 7]);
        assert_eq!(many.as_slice(), [id(7), id(8), id(7)]);
        assert_eq!(collect(&[7, 300]).encoded_len(), 2 + 3);
    }
}
