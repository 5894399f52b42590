//! What a store keeps, record by record.

use std::sync::Arc;
use std::time::SystemTime;

use mqtide_codec::{PacketIdentifier, QoS, SubscriptionIdentifier, SubscriptionOptions, Will};
use mqtide_session::{DeliveryKey, SubscriptionIdentifiers};
use mqtide_topic::{SubscriptionFilter, TopicName};

use super::batch::{MessageNumber, SessionNumber};
use super::body::MessageBody;

/// One thing that is stored, as [`Store::load`](super::Store::load) gives it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Record {
    /// A session.
    Session {
        /// Its number.
        session: SessionNumber,
        /// The record last stored of it.
        record: Box<SessionRecord>,
    },
    /// A message.
    Message {
        /// Its number.
        number: MessageNumber,
        /// The message.
        body: MessageBody,
    },
    /// A subscription.
    Subscription {
        /// Whose it is.
        session: SessionNumber,
        /// The subscription.
        subscription: Box<Subscription>,
    },
    /// A message that waits, or that is sent and not acknowledged.
    Queued {
        /// Whose it is.
        session: SessionNumber,
        /// The message, and how to send it.
        entry: QueueEntry,
        /// What it was sent under, if it was assigned one.
        packet_identifier: Option<PacketIdentifier>,
    },
    /// A QoS 2 message that the client owns and has not completed.
    Released {
        /// Whose it is.
        session: SessionNumber,
        /// What its queue entry was.
        key: DeliveryKey,
        /// What it was sent under.
        packet_identifier: PacketIdentifier,
        /// Tells which was released first.
        order: u64,
    },
    /// The identifier of a QoS 2 message of the client that it has not released.
    Held {
        /// Whose it is.
        session: SessionNumber,
        /// The identifier.
        packet_identifier: PacketIdentifier,
    },
    /// A retained message.
    Retained {
        /// The message.
        record: Box<RetainedRecord>,
    },
}

/// What is to be remembered of a session besides its messages.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SessionRecord {
    /// Whose session it is.
    pub client_id: Arc<str>,
    /// Seconds that it outlives its connection; `u32::MAX` for ever.
    pub session_expiry_interval: u32,
    /// When it ends. `None` while it is connected, or if it never does.
    pub ends_at: Option<SystemTime>,
    /// The message to publish if the client does not come back.
    pub will: Option<WillRecord>,
}

impl SessionRecord {
    /// A session that ends with its connection, without a will.
    pub fn new(client_id: impl Into<Arc<str>>) -> Self {
        SessionRecord {
            client_id: client_id.into(),
            session_expiry_interval: 0,
            ends_at: None,
            will: None,
        }
    }
}

/// A will that has not been published.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WillRecord {
    /// The will, its delay included.
    pub will: Will,
    /// When it is due; `None` while the client is connected.
    pub due_at: Option<SystemTime>,
}

impl WillRecord {
    /// The will of a client that is connected.
    pub const fn new(will: Will) -> Self {
        WillRecord { will, due_at: None }
    }
}

/// A subscription of a session.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Subscription {
    /// What it matches, and the group that it shares it with. A session has one subscription with the same text.
    pub filter: SubscriptionFilter,
    /// How messages are delivered.
    pub options: SubscriptionOptions,
    /// What messages for it carry.
    pub identifier: Option<SubscriptionIdentifier>,
}

impl Subscription {
    /// A subscription without an identifier.
    pub fn new(filter: SubscriptionFilter, options: impl Into<SubscriptionOptions>) -> Self {
        Subscription {
            filter,
            options: options.into(),
            identifier: None,
        }
    }
}

/// A message for one session.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct QueueEntry {
    /// Its place: messages are sent in the order of their keys.
    pub key: DeliveryKey,
    /// The message.
    pub message: MessageNumber,
    /// The QoS to send it at: 1 or 2.
    pub qos: QoS,
    /// The RETAIN flag to send it with.
    pub retain: bool,
    /// The identifiers of the subscriptions that it matched.
    pub subscription_identifiers: SubscriptionIdentifiers,
}

impl QueueEntry {
    /// A message that was not retained, and matched no subscription with an identifier.
    pub const fn new(key: DeliveryKey, message: MessageNumber, qos: QoS) -> Self {
        QueueEntry {
            key,
            message,
            qos,
            retain: false,
            subscription_identifiers: SubscriptionIdentifiers::None,
        }
    }
}

/// The retained message of a topic.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RetainedRecord {
    /// The topic, which the message names too.
    pub topic: TopicName,
    /// The message.
    pub message: MessageNumber,
    /// The QoS that it was published at.
    pub qos: QoS,
    /// The client that published it, for No Local; `None` if it was none.
    pub publisher: Option<Arc<str>>,
}

impl RetainedRecord {
    /// A retained message that no client published.
    pub const fn new(topic: TopicName, message: MessageNumber, qos: QoS) -> Self {
        RetainedRecord {
            topic,
            message,
            qos,
            publisher: None,
        }
    }
}
