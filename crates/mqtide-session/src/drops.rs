//! What became of a delivery, and how many did not get anywhere.

use crate::outbound::Fate;
use crate::{DeliveryKey, DropReason};

/// What became of a message handed to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a session that must be woken may otherwise sleep on its output"]
pub enum DeliverOutcome {
    /// It will be sent.
    Queued {
        /// Names the message in store operations and when it is settled.
        key: DeliveryKey,
        /// Whether there is something to write now where there was nothing before.
        wake: bool,
    },
    /// It will not.
    Dropped(DropReason),
}

/// Messages that were not sent, counted by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drops {
    /// The queue was at its bound.
    pub queue_full: u32,
    /// There was no connection, and the message did not wait for one.
    pub offline: u32,
    /// The packet was larger than the receiver accepts.
    pub too_large: u32,
    /// The message had expired.
    pub expired: u32,
}

impl Drops {
    pub(crate) fn count(&mut self, reason: DropReason) {
        let counter = match reason {
            DropReason::QueueFull => &mut self.queue_full,
            DropReason::Offline => &mut self.offline,
            DropReason::Expired => &mut self.expired,
            DropReason::PacketTooLarge
            | DropReason::QoSNotSupported
            | DropReason::RetainNotSupported => &mut self.too_large,
        };
        *counter = counter.saturating_add(1);
    }

    pub(crate) fn note(&mut self, fate: &Fate) {
        if let Fate::Dropped(dropped) = fate {
            self.count(dropped.reason);
        }
    }

    /// All of them together.
    pub fn total(&self) -> u32 {
        let counters = [self.queue_full, self.offline, self.too_large, self.expired];
        counters.into_iter().fold(0, u32::saturating_add)
    }
}
