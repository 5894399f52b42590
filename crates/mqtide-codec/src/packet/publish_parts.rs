//! PUBLISH written from its parts: what a broker does for each delivery.

use bytes::BufMut;

use super::publish::Delivery;
use super::publish_ref::PublishTopicRef;
use crate::encode::{self, Lengths, block_len};
use crate::error::{EncodeError, Field};
use crate::packet::PacketType;
use crate::property::Property;
use crate::staged::Staged;
use crate::wire;
use crate::{PacketIdentifier, SubscriptionIdentifier, TopicAlias, Version};

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

    /// The length of the packet on the wire in bytes, fixed header included.
    ///
    /// # Errors
    ///
    /// The same errors as [`encode`](Self::encode).
    #[inline]
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        self.lengths(self.head(), version)?.packet()
    }

    /// Writes the packet behind what the buffer holds, and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// What the version cannot express, or that the packet is too large. Nothing is written then.
    #[inline]
    pub fn encode(&self, version: Version, buf: &mut impl BufMut) -> Result<usize, EncodeError> {
        let head = self.head();
        let lengths = self.lengths(head, version)?;
        let len = lengths.packet()?;
        encode::check_room(buf, len)?;
        let mut staged = Staged::new(buf);
        self.put_head(head, version, lengths, &mut staged);
        staged.finish(self.payload);
        Ok(len)
    }

    /// Writes all of the packet but the payload, and returns how many bytes that is. The payload is
    /// to follow as it is: with a vectored write, without a copy.
    ///
    /// # Errors
    ///
    /// The same errors as [`encode`](Self::encode).
    #[inline]
    pub fn encode_head(
        &self,
        version: Version,
        buf: &mut impl BufMut,
    ) -> Result<usize, EncodeError> {
        let head = self.head();
        let lengths = self.lengths(head, version)?;
        let len = lengths.packet()? - self.payload.len();
        encode::check_room(buf, len)?;
        let mut staged = Staged::new(buf);
        self.put_head(head, version, lengths, &mut staged);
        staged.flush();
        Ok(len)
    }

    #[inline]
    fn lengths(&self, head: Head<'a>, version: Version) -> Result<Lengths, EncodeError> {
        let mut properties = 0;
        if version.has_properties() {
            properties = self.forwarded.len();
            self.each_local(|property| properties += property.encoded_len().unwrap_or_default());
        }
        head.lengths(properties, self.payload.len(), version)
    }

    #[inline]
    fn put_head(
        &self,
        head: Head<'a>,
        version: Version,
        lengths: Lengths,
        buf: &mut Staged<'_, impl BufMut>,
    ) {
        head.put(version, lengths, buf);
        if lengths.properties > self.forwarded.len() {
            self.each_local(|property| property.put(buf));
        }
        if lengths.properties > 0 {
            buf.put_slice(self.forwarded);
        }
    }

    #[inline]
    fn head(&self) -> Head<'a> {
        Head::new(self.topic, self.delivery, self.retain)
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

/// What stands before the properties of a PUBLISH.
#[derive(Clone, Copy)]
pub(crate) struct Head<'a> {
    first: u8,
    topic: &'a [u8],
    alias: Option<TopicAlias>,
    packet_identifier: Option<PacketIdentifier>,
}

impl<'a> Head<'a> {
    #[inline]
    pub(crate) fn new(topic: PublishTopicRef<'a>, delivery: Delivery, retain: bool) -> Self {
        let name = topic.name();
        Self {
            first: delivery.first_byte(retain),
            topic: name.map_or(&[], |name| name.as_str().as_bytes()),
            alias: topic.alias(),
            packet_identifier: delivery.packet_identifier(),
        }
    }

    /// The lengths of a packet with this many bytes of properties, topic alias included.
    #[inline]
    pub(crate) fn lengths(
        &self,
        properties: usize,
        payload: usize,
        version: Version,
    ) -> Result<Lengths, EncodeError> {
        if self.topic.is_empty() && !version.has_properties() {
            let (packet, field) = (PacketType::Publish, Field::TopicAlias);
            return Err(EncodeError::NotInVersion {
                packet,
                field,
                version,
            });
        }
        let id = if self.packet_identifier.is_some() {
            2
        } else {
            0
        };
        let block = block_len(version, properties);
        let remaining = 2 + self.topic.len() + id + block + payload;
        Ok(Lengths {
            remaining,
            properties,
            ..Lengths::default()
        })
    }

    /// Bytes of the topic alias as a property.
    #[inline]
    pub(crate) const fn alias_len(&self) -> usize {
        if self.alias.is_some() { 3 } else { 0 }
    }

    /// Writes fixed header, topic name, packet identifier and the length of the properties.
    #[inline]
    pub(crate) fn put(
        &self,
        version: Version,
        lengths: Lengths,
        buf: &mut Staged<'_, impl BufMut>,
    ) {
        buf.put_u8(self.first);
        wire::put_variable_byte_integer(buf, lengths.remaining);
        buf.put_binary_inline(self.topic);
        if let Some(id) = self.packet_identifier {
            buf.put_u16(id.as_u16());
        }
        if version.has_properties() {
            wire::put_variable_byte_integer(buf, lengths.properties);
        }
    }
}
