//! PUBLISH.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::{Buf, Bytes, BytesMut};
use bytestring::ByteString;
use mqtide_topic::{TopicError, TopicName};

use super::publish_encode::{Message, publish_methods};
use super::publish_ref::{Cut, Plain, PublishRef, PublishTopicRef};
use crate::buffer::{PacketBuf, Writer};
use crate::decode::collect;
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, Field};
use crate::frame::Frame;
use crate::options::DecodeOptions;
use crate::packet::PacketType;
use crate::property::{
    Place, PropertiesRef, Property, PropertySet, Visit, parse_block, property_set,
};
use crate::wire;
use crate::{PacketIdentifier, QoS, SubscriptionIdentifier, TopicAlias, UserProperties};

/// PUBLISH: a message (MQTT 5.0 §3.3).
///
/// MQTT 3.1 and 3.1.1 drop the properties and a topic alias that comes with the topic name; a topic
/// alias alone is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Where to publish.
    pub topic: PublishTopic,
    /// The message; of any length that fits a packet.
    pub payload: Bytes,
    /// `None` when the packet has no property, or a topic alias only.
    pub properties: Option<Box<PublishProperties>>,
    /// QoS, and what goes with it.
    pub delivery: Delivery,
    /// Whether the message is, or is to be, retained.
    pub retain: bool,
}

impl Publish {
    /// A PUBLISH of QoS 0, not retained, without properties.
    pub fn new(topic: TopicName, payload: impl Into<Bytes>) -> Self {
        Self {
            topic: PublishTopic::from(topic),
            payload: payload.into(),
            properties: None,
            delivery: Delivery::AtMostOnce,
            retain: false,
        }
    }

    /// The QoS of the message.
    pub const fn qos(&self) -> QoS {
        self.delivery.qos()
    }

    /// The packet identifier; QoS 0 has none (MQTT-2.2.1-2).
    pub const fn packet_identifier(&self) -> Option<PacketIdentifier> {
        self.delivery.packet_identifier()
    }

    /// Whether this is a repetition of an earlier attempt; never for QoS 0.
    pub const fn dup(&self) -> bool {
        self.delivery.dup()
    }
}

/// The QoS of a PUBLISH with the fields that exist at it: a QoS 0 message has neither identifier
/// (MQTT-2.2.1-2) nor DUP (MQTT-3.3.1-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Delivery {
    /// QoS 0.
    #[default]
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce {
        /// The identifier that PUBACK repeats.
        packet_identifier: PacketIdentifier,
        /// Whether this is a repetition.
        dup: bool,
    },
    /// QoS 2.
    ExactlyOnce {
        /// The identifier that PUBREC, PUBREL and PUBCOMP repeat.
        packet_identifier: PacketIdentifier,
        /// Whether this is a repetition.
        dup: bool,
    },
}

impl Delivery {
    /// The QoS.
    pub const fn qos(self) -> QoS {
        match self {
            Self::AtMostOnce => QoS::AtMostOnce,
            Self::AtLeastOnce { .. } => QoS::AtLeastOnce,
            Self::ExactlyOnce { .. } => QoS::ExactlyOnce,
        }
    }

    /// The packet identifier, for QoS 1 and 2.
    pub const fn packet_identifier(self) -> Option<PacketIdentifier> {
        match self {
            Self::AtMostOnce => None,
            Self::AtLeastOnce {
                packet_identifier, ..
            }
            | Self::ExactlyOnce {
                packet_identifier, ..
            } => Some(packet_identifier),
        }
    }

    /// Whether this is a repetition of an earlier attempt.
    pub const fn dup(self) -> bool {
        matches!(
            self,
            Self::AtLeastOnce { dup: true, .. } | Self::ExactlyOnce { dup: true, .. }
        )
    }
}

/// What names the topic of a PUBLISH (MQTT 5.0 §3.3.2.1, §3.3.2.3.4). A packet with neither name nor
/// alias is a Protocol Error, and does not exist here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PublishTopic {
    /// The name in full. With an alias, the receiver notes what the alias stands for.
    Named {
        /// The name.
        name: TopicName,
        /// The alias that shall stand for it from now on.
        alias: Option<TopicAlias>,
    },
    /// An alias noted earlier.
    Alias(TopicAlias),
}

impl PublishTopic {
    /// The name, if the packet carries it.
    pub const fn name(&self) -> Option<&TopicName> {
        match self {
            Self::Named { name, .. } => Some(name),
            Self::Alias(_) => None,
        }
    }

    /// The alias, if the packet carries one.
    pub const fn alias(&self) -> Option<TopicAlias> {
        match self {
            Self::Named { alias, .. } => *alias,
            Self::Alias(alias) => Some(*alias),
        }
    }
}

impl From<TopicName> for PublishTopic {
    fn from(name: TopicName) -> Self {
        Self::Named { name, alias: None }
    }
}

/// The properties of PUBLISH but for the Topic Alias, which is part of [`PublishTopic`]
/// (MQTT 5.0 §3.3.2.3). `None` means absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishProperties {
    /// What the payload is. Absent: unspecified bytes.
    pub payload_format_indicator: Option<PayloadFormat>,
    /// Seconds that the message lives. Absent: it does not expire.
    pub message_expiry_interval: Option<u32>,
    /// Where to answer.
    pub response_topic: Option<TopicName>,
    /// What the answer must carry, at most 65,535 bytes.
    pub correlation_data: Option<Bytes>,
    /// Application-defined pairs, forwarded with the message.
    pub user_properties: UserProperties,
    /// The subscriptions that the message matched, from server to client only.
    pub subscription_identifiers: Vec<SubscriptionIdentifier>,
    /// The content type, defined by the applications.
    pub content_type: Option<ByteString>,
}

/// The Payload Format Indicator (MQTT 5.0 §3.3.2.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[repr(u8)]
pub enum PayloadFormat {
    /// Unspecified bytes.
    #[default]
    Unspecified = 0,
    /// UTF-8 encoded text. That the payload keeps this promise is not checked by the codec.
    Utf8 = 1,
}

property_set!(PublishProperties {
    one payload_format_indicator: PayloadFormatIndicator,
    one message_expiry_interval: MessageExpiryInterval,
    one content_type: ContentType,
    one response_topic: ResponseTopic,
    one correlation_data: CorrelationData,
    many subscription_identifiers: SubscriptionIdentifier,
    pairs user_properties: UserProperty,
});

impl Publish {
    /// Reads a PUBLISH. Topic and payload share the memory of the frame; nothing is copied, and
    /// nothing allocated unless there are properties other than a topic alias.
    ///
    /// # Errors
    ///
    /// What is wrong with the packet. Of a frame of another type, that it is no PUBLISH.
    #[inline(always)]
    pub fn decode(frame: Frame, options: impl Into<DecodeOptions>) -> Result<Self, DecodeError> {
        let options = options.into();
        if let Some(plain) = Plain::parse(frame.as_frame(), options.version)
            && let Ok(name) = TopicName::try_from(wire::share(frame.body(), plain.topic))
        {
            let (delivery, retain) = (plain.delivery, plain.retain);
            let payload_at = frame.body().len() - plain.payload.len();
            return Ok(Self {
                topic: name.into(),
                payload: frame.into_body_from(payload_at),
                properties: None,
                delivery,
                retain,
            });
        }
        Self::decode_others(frame, &options)
    }

    /// Takes a plain message off the front of a buffer. An error is of the topic name.
    #[inline(always)]
    pub(crate) fn split_off(cut: Cut, buffer: &mut BytesMut) -> Result<Self, DecodeError> {
        buffer.advance(cut.topic_at);
        let topic = buffer.split_to(cut.topic_len).freeze();
        buffer.advance(cut.gap);
        let payload = match cut.payload_len {
            0 => Bytes::new(),
            len => buffer.split_to(len).freeze(),
        };
        match TopicName::try_from(topic) {
            Ok(name) => Ok(Self {
                topic: PublishTopic::Named { name, alias: None },
                payload,
                properties: None,
                delivery: cut.delivery,
                retain: cut.retain,
            }),
            Err(error) => Err(invalid_topic(error, cut.topic_at)),
        }
    }

    /// A message that is perhaps not plain.
    #[inline(never)]
    pub(crate) fn decode_others(
        frame: Frame,
        options: &DecodeOptions,
    ) -> Result<Self, DecodeError> {
        let header = frame.header();
        if header.packet_type() == PacketType::Publish
            && header.check(options.version, options.leniency).is_ok()
            && let Some(head) = Plain::parse_head(frame.as_frame())
            && let Some((topic, properties, payload_at)) = Self::named(&frame, head, options)
        {
            let (delivery, retain) = (head.delivery, head.retain);
            return Ok(Self {
                topic,
                payload: frame.into_body_from(payload_at),
                properties,
                delivery,
                retain,
            });
        }
        Self::decode_any(frame, options)
    }

    /// Topic, properties and the place of the payload of a PUBLISH without fault that has a topic
    /// name. The name is checked once, as what it becomes.
    #[inline(always)]
    fn named(
        frame: &Frame,
        head: Plain<'_>,
        options: &DecodeOptions,
    ) -> Option<(PublishTopic, Option<Box<PublishProperties>>, usize)> {
        let owner = frame.body();
        let mut collected = Collected {
            alias: None,
            properties: None,
            owner,
        };
        let (payload, _) =
            parse_block(head.payload, Place::Publish, options, &mut collected).ok()?;
        let name = TopicName::try_from(wire::share(owner, head.topic)).ok()?;
        let alias = collected.alias;
        let topic = PublishTopic::Named { name, alias };
        Some((topic, collected.properties, owner.len() - payload.len()))
    }

    fn decode_any(frame: Frame, options: &DecodeOptions) -> Result<Self, DecodeError> {
        let mut collected = Collected {
            alias: None,
            properties: None,
            owner: frame.body(),
        };
        let publish = PublishRef::parse(frame.as_frame(), options, &mut collected)?;
        let properties = collected.properties;
        let topic = match publish.topic {
            PublishTopicRef::Named { name, alias } => PublishTopic::Named {
                name: name.to_topic_name_in(frame.body()),
                alias,
            },
            PublishTopicRef::Alias(alias) => PublishTopic::Alias(alias),
        };
        let (delivery, retain) = (publish.delivery, publish.retain);
        let payload_at = frame.body().len() - publish.payload.len();
        Ok(Self {
            topic,
            payload: frame.into_body_from(payload_at),
            properties,
            delivery,
            retain,
        })
    }
}

publish_methods!(Publish);

impl Message for Publish {
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
        self.topic.as_topic()
    }

    #[inline]
    fn payload(&self) -> &[u8] {
        &self.payload
    }

    #[inline]
    fn put_payload(&self, buf: &mut impl PacketBuf) {
        buf.put_shared(&self.payload);
    }

    #[inline]
    fn properties_len(&self) -> Result<usize, EncodeError> {
        let alias = if self.topic.alias().is_some() { 3 } else { 0 };
        match self.properties.as_deref() {
            None => Ok(alias),
            Some(properties) => len_behind(alias, properties),
        }
    }

    /// In the order of the identifiers, with the topic alias in its place.
    #[inline]
    fn put_properties(&self, buf: &mut Writer<'_>) {
        let mut writer = Properties {
            alias: self.topic.alias(),
            buf,
        };
        if let Some(properties) = self.properties.as_deref() {
            properties.each(&mut writer);
        }
        writer.put_alias();
    }
}

#[cold]
fn invalid_topic(error: TopicError, topic_at: usize) -> DecodeError {
    let (kind, at) = wire::topic_fault(error, DecodeErrorKind::InvalidTopicName);
    let offset = u32::try_from(topic_at + at).unwrap_or(u32::MAX);
    DecodeError::new(kind, Field::TopicName, offset)
}

/// Bytes of the properties behind others. Out of line, as most messages have none.
#[inline(never)]
fn len_behind(others: usize, properties: &PublishProperties) -> Result<usize, EncodeError> {
    Ok(others + properties.encoded_len()?)
}

/// Writes properties as they are shown to it, with a topic alias in its place.
struct Properties<'w, 'b> {
    /// Not written so far.
    alias: Option<TopicAlias>,
    buf: &'w mut Writer<'b>,
}

impl Properties<'_, '_> {
    #[inline]
    fn put_alias(&mut self) {
        if let Some(alias) = self.alias.take() {
            Property::TopicAlias(alias).put(self.buf);
        }
    }
}

impl Visit<'_> for &mut Properties<'_, '_> {
    #[inline(always)]
    fn visit(&mut self, property: Property<'_>) {
        if matches!(property, Property::UserProperty(_)) {
            self.put_alias();
        }
        property.put(self.buf);
    }

    #[inline]
    fn visit_pairs(&mut self, pairs: PropertiesRef<'_>) {
        self.put_alias();
        self.buf.put_slice(pairs.as_bytes());
    }
}

/// Keeps properties as they are shown to it.
struct Collected<'a> {
    alias: Option<TopicAlias>,
    properties: Option<Box<PublishProperties>>,
    owner: &'a Bytes,
}

impl Visit<'_> for &mut Collected<'_> {
    #[inline(always)]
    fn visit(&mut self, property: Property<'_>) {
        match property {
            Property::TopicAlias(alias) => self.alias = Some(alias),
            property => collect(&mut self.properties, property, self.owner),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Version;
    use crate::testing::golden;

    fn topic(text: &'static str) -> TopicName {
        TopicName::from_static(text)
    }

    fn id(number: u16) -> PacketIdentifier {
        PacketIdentifier::new(number).unwrap()
    }

    /// MQTT-2.2.1-2, MQTT-3.3.2-1, v3.1.1 MQTT-2.3.1-5, v3.1.1 MQTT-3.3.2-1
    #[test]
    fn golden_bytes() {
        let mut publish = Publish::new(topic("a/b"), "hi");
        golden(
            "30 08 00 03 61 2F 62 00 68 69",
            Version::V5,
            publish.clone(),
        );
        golden("30 07 00 03 61 2F 62 68 69", Version::V311, publish.clone());
        golden("30 07 00 03 61 2F 62 68 69", Version::V31, publish.clone());
        publish.delivery = Delivery::AtLeastOnce {
            packet_identifier: id(10),
            dup: false,
        };
        golden(
            "32 0A 00 03 61 2F 62 00 0A 00 68 69",
            Version::V5,
            publish.clone(),
        );
        golden(
            "32 09 00 03 61 2F 62 00 0A 68 69",
            Version::V311,
            publish.clone(),
        );
        publish.delivery = Delivery::ExactlyOnce {
            packet_identifier: id(10),
            dup: true,
        };
        publish.retain = true;
        golden(
            "3D 09 00 03 61 2F 62 00 0A 68 69",
            Version::V311,
            publish.clone(),
        );
        assert_eq!(
            (publish.qos(), publish.packet_identifier()),
            (QoS::ExactlyOnce, Some(id(10)))
        );
        assert!(publish.dup());
    }
}
