//! Durability as data: what to store, in order, and what waits for it.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use mqtide_codec::{PacketIdentifier, QoS};

use crate::SubscriptionIdentifiers;

/// A point in the order of store operations.
///
/// `handle_durable(ticket)` reports that the operation with this ticket, and every one before it,
/// can no longer be lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Ticket(pub(crate) u64);

/// The number of a message within its session, in the order in which messages were taken over.
/// Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DeliveryKey(pub u64);

/// A change of the session's state, to be applied to the stored session in order.
///
/// Only sessions that outlive their connection, and clients, emit operations, and only if
/// [`Settings::durable`](crate::Settings::durable) is set. [`SessionState::apply`](crate::SessionState::apply)
/// follows them, and gives the state to restore after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreOp<M> {
    /// A message waits to be sent; or it waits again, without an identifier, because the session in
    /// which it had one was lost before it was sent.
    Enqueue {
        /// Names the message in later operations.
        key: DeliveryKey,
        /// The message.
        message: M,
        /// Its effective QoS.
        qos: QoS,
        /// The RETAIN flag to send it with.
        retain: bool,
        /// The subscription identifiers to send it with.
        subscription_identifiers: SubscriptionIdentifiers,
    },
    /// The message is about to be sent under this identifier, and keeps it. From here on it is sent
    /// again on resumption.
    Assign {
        /// The message.
        key: DeliveryKey,
        /// Its packet identifier.
        packet_identifier: PacketIdentifier,
    },
    /// The receiver owns the QoS 2 message: its content can go, its identifier must stay.
    Release {
        /// The message.
        key: DeliveryKey,
    },
    /// The message is done with: acknowledged, refused, expired or dropped.
    Remove {
        /// The message.
        key: DeliveryKey,
    },
    /// A QoS 2 message has arrived under this identifier. Make it durable in the same transaction
    /// as what the message caused, so that neither is ever without the other.
    Hold {
        /// The identifier that the sender keeps until PUBCOMP.
        packet_identifier: PacketIdentifier,
    },
    /// The identifier of an arrived QoS 2 message is free again.
    Forget {
        /// The identifier.
        packet_identifier: PacketIdentifier,
    },
    /// The whole state of the session is gone.
    Clear,
    /// Nothing of the session's own: a place in the order for something that the owner stores beside it. See
    /// [`ServerSession::mark`](crate::ServerSession::mark).
    Mark,
}

/// The operations that nobody has taken yet, and how far the store has come.
#[derive(Debug)]
pub(crate) struct StoreLog<M> {
    /// Tickets given so far. They never start again, so that a late one stays harmless.
    recorded: u64,
    /// Absent while nothing of the session needs to be durable.
    log: Option<Box<Log<M>>>,
}

#[derive(Debug)]
struct Log<M> {
    operations: VecDeque<StoreOp<M>>,
    durable: u64,
    /// What must be durable before anything leaves on this connection.
    held_back: u64,
}

impl<M> StoreLog<M> {
    /// A log that is off, and whose tickets will follow those of another.
    pub(crate) const fn off_after(recorded: u64) -> Self {
        Self {
            recorded,
            log: None,
        }
    }

    /// Starts or stops recording.
    pub(crate) fn enable(&mut self, durable: bool) {
        if !durable {
            self.log = None;
        } else if self.log.is_none() {
            let log = Log {
                operations: VecDeque::new(),
                durable: self.recorded,
                held_back: 0,
            };
            self.log = Some(Box::new(log));
        }
    }

    pub(crate) const fn is_on(&self) -> bool {
        self.log.is_some()
    }

    pub(crate) const fn recorded(&self) -> u64 {
        self.recorded
    }

    /// Records an operation; what depends on it may leave once the ticket
    /// [is durable](Self::is_durable).
    pub(crate) fn record(&mut self, operation: impl FnOnce() -> StoreOp<M>) -> Ticket {
        let Some(log) = &mut self.log else {
            return Ticket(0);
        };
        log.operations.push_back(operation());
        self.recorded += 1;
        Ticket(self.recorded)
    }

    pub(crate) fn poll(&mut self) -> Option<(Ticket, StoreOp<M>)> {
        let log = self.log.as_mut()?;
        let ticket = Ticket(self.recorded + 1 - log.operations.len() as u64);
        log.operations
            .pop_front()
            .map(|operation| (ticket, operation))
    }

    pub(crate) fn handle_durable(&mut self, ticket: Ticket) {
        if let Some(log) = &mut self.log {
            log.durable = log.durable.max(ticket.0.min(self.recorded));
        }
    }

    pub(crate) fn is_durable(&self, ticket: Ticket) -> bool {
        self.log.as_ref().is_none_or(|log| ticket.0 <= log.durable)
    }

    /// Holds back all packets until everything recorded so far is durable.
    pub(crate) fn hold_back(&mut self) {
        if let Some(log) = &mut self.log {
            log.held_back = self.recorded;
        }
    }

    /// Holds nothing back any more.
    pub(crate) fn let_go(&mut self) {
        if let Some(log) = &mut self.log {
            log.held_back = 0;
        }
    }

    pub(crate) fn holds_back(&self) -> bool {
        let log = self.log.as_ref();
        log.is_some_and(|log| log.held_back > log.durable)
    }

    pub(crate) fn shrink(&mut self) {
        if let Some(log) = &mut self.log {
            log.operations.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remove(key: u64) -> StoreOp<()> {
        StoreOp::Remove {
            key: DeliveryKey(key),
        }
    }

    #[test]
    fn tickets_follow_the_order_of_the_operations() {
        let mut log = StoreLog::off_after(0);
        log.enable(true);
        let first = log.record(|| remove(1));
        let second = log.record(|| remove(2));
        assert_eq!(log.poll(), Some((first, remove(1))));
        assert!(!log.is_durable(first));
        log.handle_durable(first);
        assert!(log.is_durable(first) && !log.is_durable(second));
        assert_eq!(log.poll(), Some((second, remove(2))));
        assert_eq!(log.poll(), None);
    }

    #[test]
    fn a_ticket_from_the_future_proves_nothing() {
        let mut log = StoreLog::off_after(0);
        log.enable(true);
        log.handle_durable(Ticket(9));
        let ticket = log.record(|| remove(1));
        assert!(!log.is_durable(ticket));
    }

    #[test]
    fn without_durability_nothing_waits() {
        let mut log = StoreLog::off_after(0);
        let ticket = log.record(|| remove(1));
        assert!(log.is_durable(ticket));
        assert_eq!(log.poll(), None);
    }
}
