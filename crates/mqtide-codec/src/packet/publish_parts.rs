//! PUBLISH written from its parts: what a broker does for each delivery.

use super::publish::Delivery;
use super::publish_encode::{Message, publish_methods};
use super::publish_ref::PublishTopicRef;
use crate::SubscriptionIdentifier;
use crate::buffer::{PacketBuf, Writer};
use crate::error::EncodeError;
use crate::property::Property;

/// The parts of a PUBLISH to write, without a [`Publish`](crate::Publish) being made of them.
///
/// MQTT 3.1 and 3.1.1 drop the properties and a topic alias that comes with the topic name; a topic
/// alias alone is refused.
///
/// ```
/// use mqtide_codec::{PublishParts, Version};
/// use mqtide_topic::TopicNameRef;
///
/// let topic = TopicNameRef::new("a/b")?;
/// let parts = PublishParts::new(topic.into(), b"hi");
/// let mut wire = Vec::new();
/// parts.encode(Version::V5, &mut wire)?;
/// assert_eq!(wire, b"\x30\x08\x00\x03a/b\x00hi");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishParts<'a> {
    /// QoS, and what goes with it.
    pub delivery: Delivery,
    /// Whether the message is, or is to be, retained.
    pub retain: bool,
    /// The topic name, or the alias that stands for it, or both.
    pub topic: PublishTopicRef<'a>,
    /// The seconds that are left of the message's life.
    pub message_expiry_interval: Option<u32>,
    /// The receiver's subscriptions that the message matched.
    pub subscription_identifiers: &'a [SubscriptionIdentifier],
    /// Properties as they came from a publisher, encoded: what
    /// [`PublishPropertiesRef::forwarded`](crate::PublishPropertiesRef::forwarded) gave. They are
    /// written as they are, so nothing else belongs here.
    pub forwarded: &'a [u8],
    /// The message.
    pub payload: &'a [u8],
}

impl<'a> PublishParts<'a> {
    /// A PUBLISH of QoS 0, not retained, without properties.
    pub const fn new(topic: PublishTopicRef<'a>, payload: &'a [u8]) -> Self {
        Self {
            delivery: Delivery::AtMostOnce,
            retain: false,
            topic,
            message_expiry_interval: None,
            subscription_identifiers: &[],
            forwarded: &[],
            payload,
        }
    }

    /// The properties that differ by receiver, or by the time of sending.
    #[inline]
    fn each_local(&self, mut visit: impl FnMut(Property<'_>)) {
        if let Some(seconds) = self.message_expiry_interval {
            visit(Property::MessageExpiryInterval(seconds));
        }
        for &id in self.subscription_identifiers {
            visit(Property::SubscriptionIdentifier(id));
        }
        if let Some(alias) = self.topic.alias() {
            visit(Property::TopicAlias(alias));
        }
    }
}

publish_methods!(PublishParts<'_>);

impl Message for PublishParts<'_> {
    #[inline]
    fn delivery(&self) -> Delivery {
        self.delivery
    }

    #[inline]
    fn retain(&self) -> bool {
        self.retain
    }

    #[inline]
    fn topic(&self) -> PublishTopicRef<'_> {
        self.topic
    }

    #[inline]
    fn payload(&self) -> &[u8] {
        self.payload
    }

    #[inline]
    fn put_payload(&self, buf: &mut impl PacketBuf) {
        buf.put_piece(self.payload);
    }

    #[inline]
    fn properties_len(&self) -> Result<usize, EncodeError> {
        let mut len = Ok(self.forwarded.len());
        self.each_local(|property| {
            if let Ok(sum) = &mut len {
                match property.encoded_len() {
                    Ok(more) => *sum += more,
                    Err(error) => len = Err(error),
                }
            }
        });
        len
    }

    #[inline]
    fn put_properties(&self, buf: &mut Writer<'_>) {
        self.each_local(|property| property.put(buf));
        buf.put_slice(self.forwarded);
    }
}
