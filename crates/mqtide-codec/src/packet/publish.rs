//! PUBLISH.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_topic::TopicName;

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
