//! What the broker asks a store to keep.

use mqtide_codec::PacketIdentifier;
use mqtide_session::DeliveryKey;
use mqtide_topic::{SubscriptionFilter, TopicName};

use super::body::MessageBody;
use super::record::{QueueEntry, RetainedRecord, SessionRecord, Subscription};

/// A session, for as long as it lives. The next session of the same client has another number; none is given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionNumber(pub u64);

/// A stored message. None is given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageNumber(pub u64);

/// What has changed: one transaction.
///
/// Messages are stored once; queue entries and retained messages refer to them. A message is needed for as long as
/// something refers to it, which is the store's to find out.
#[derive(Clone, Debug, Default)]
pub struct StoreBatch {
    messages: Vec<(MessageNumber, MessageBody)>,
    changes: Vec<Change>,
}

/// One change, to be applied after those before it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// A session begins, or its record is another one now: its expiry, its end, its will.
    Session {
        /// The session.
        session: SessionNumber,
        /// What is to be remembered.
        record: Box<SessionRecord>,
    },
    /// A session has ended: all that belongs to it goes.
    EndSession {
        /// The session.
        session: SessionNumber,
    },
    /// A subscription is made, or replaces the one with the same filter.
    Subscribe {
        /// The session.
        session: SessionNumber,
        /// The subscription.
        subscription: Box<Subscription>,
    },
    /// A subscription is gone.
    Unsubscribe {
        /// The session.
        session: SessionNumber,
        /// Its filter.
        filter: SubscriptionFilter,
    },
    /// A message waits to be sent. An entry with the same key is replaced, and has no packet identifier then.
    Enqueue {
        /// The session.
        session: SessionNumber,
        /// The message, and how to send it.
        entry: QueueEntry,
    },
    /// A message that waits is about to be sent under this identifier.
    Assign {
        /// The session.
        session: SessionNumber,
        /// The queue entry.
        key: DeliveryKey,
        /// What the client knows it by.
        packet_identifier: PacketIdentifier,
    },
    /// The client owns a QoS 2 message: its content can go, its identifier must stay.
    Release {
        /// The session.
        session: SessionNumber,
        /// The queue entry, which has an identifier.
        key: DeliveryKey,
        /// Tells which came first, and is to be stored with the identifier: releases are repeated in order
        /// `[MQTT-4.6.0-4]`.
        order: u64,
    },
    /// A message is done with, whether it waits, is assigned or released.
    Remove {
        /// The session.
        session: SessionNumber,
        /// The queue entry.
        key: DeliveryKey,
    },
    /// A QoS 2 message of the client has arrived under this identifier.
    Hold {
        /// The session.
        session: SessionNumber,
        /// What the client will release.
        packet_identifier: PacketIdentifier,
    },
    /// The client has released the identifier.
    Forget {
        /// The session.
        session: SessionNumber,
        /// The identifier.
        packet_identifier: PacketIdentifier,
    },
    /// A message is retained, in the place of the one of the same topic.
    Retain {
        /// The message.
        record: Box<RetainedRecord>,
    },
    /// No message is retained for this topic any more.
    ClearRetained {
        /// The topic.
        topic: TopicName,
    },
}

impl StoreBatch {
    /// The new messages.
    pub fn messages(&self) -> &[(MessageNumber, MessageBody)] {
        &self.messages
    }

    /// The changes, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.changes.is_empty()
    }

    /// Adds a message that a later change refers to.
    pub fn add_message(&mut self, number: MessageNumber, body: MessageBody) {
        self.messages.push((number, body));
    }

    /// Adds a change.
    pub fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Adds all of a later batch.
    pub fn append(&mut self, mut later: StoreBatch) {
        self.messages.append(&mut later.messages);
        self.changes.append(&mut later.changes);
    }
}
