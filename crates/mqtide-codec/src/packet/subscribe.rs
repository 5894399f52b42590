//! SUBSCRIBE.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytestring::ByteString;
use mqtide_topic::{SubscriptionFilter, TopicError};

use crate::{PacketIdentifier, QoS, SubscriptionIdentifier, UserProperties};

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
