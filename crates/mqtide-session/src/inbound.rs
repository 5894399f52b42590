//! Receiving publications: what the owner has not taken yet, and which QoS 2 identifiers are held.
//!
//! ```text
//! QoS 1:  Arrived -> completed by the owner -> PUBACK
//! QoS 2:  Arrived -> completed by the owner -> PUBREC -> (PUBREL) -> PUBCOMP
//! ```
//!
//! PUBACKs leave in the order in which their PUBLISHes came `[MQTT-4.6.0-2]`, PUBRECs likewise
//! `[MQTT-4.6.0-3]`; the two streams do not wait for each other. A completion that comes early waits
//! for those before it.

mod arrivals;
mod held;

use alloc::boxed::Box;

use mqtide_codec::{AckProperties, PacketIdentifier, QoS, ReasonCode};

pub use self::arrivals::AckToken;
pub(crate) use self::arrivals::Arrivals;
pub(crate) use self::held::{Held, HeldIdentifiers};
use crate::Violation;

/// The receiving half of a session.
#[derive(Debug)]
pub(crate) struct Inbound {
    at_least_once: Arrivals,
    exactly_once: Arrivals,
    held: HeldIdentifiers,
    /// Publications that count against this side's Receive Maximum.
    open: u16,
    maximum: u16,
}

/// What a PUBLISH is to its receiver.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// QoS 0: nothing to answer.
    Unanswered,
    /// A message to be taken over, and the token to say so.
    New(AckToken),
    /// A repetition of a QoS 2 message that was handed over before.
    Repeated,
}

/// An answer that is ready to leave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) packet_identifier: PacketIdentifier,
    pub(crate) reason: ReasonCode,
    pub(crate) properties: Option<Box<AckProperties>>,
}

impl Inbound {
    pub(crate) const fn new() -> Self {
        Self {
            at_least_once: Arrivals::new(QoS::AtLeastOnce, 0),
            exactly_once: Arrivals::new(QoS::ExactlyOnce, 0),
            held: HeldIdentifiers::new(),
            open: 0,
            maximum: u16::MAX,
        }
    }

    /// An empty half in which the tokens of `other` mean nothing.
    pub(crate) fn after(other: &Self) -> Self {
        Self {
            at_least_once: Arrivals::new(QoS::AtLeastOnce, other.at_least_once.end()),
            exactly_once: Arrivals::new(QoS::ExactlyOnce, other.exactly_once.end()),
            held: HeldIdentifiers::new(),
            open: 0,
            maximum: u16::MAX,
        }
    }

    /// A connection begins: nothing is open on it (MQTT 5.0 §4.9).
    pub(crate) fn connect(&mut self, maximum: u16) {
        self.maximum = maximum;
        self.open = 0;
        for held in self.held.iter_mut() {
            *held = Held::new(held.id, false);
        }
    }

    /// The connection is gone: QoS 1 messages will come again as new ones; QoS 2 messages will be
    /// recognised.
    pub(crate) fn disconnect(&mut self) {
        self.at_least_once.clear();
        self.exactly_once.withhold();
    }

    /// A PUBLISH has arrived.
    pub(crate) fn publish(
        &mut self,
        delivery: mqtide_codec::Delivery,
    ) -> Result<Arrival, Violation> {
        let Some(id) = delivery.packet_identifier() else {
            return Ok(Arrival::Unanswered);
        };
        if delivery.qos() == QoS::AtLeastOnce {
            self.count()?;
            return Ok(Arrival::New(self.at_least_once.push(id)));
        }
        if self.held.lookup(id).is_some() {
            return self.repeated(id).map(|()| Arrival::Repeated);
        }
        self.count()?;
        self.held.insert(Held::new(id, true));
        Ok(Arrival::New(self.exactly_once.push(id)))
    }

    /// `[MQTT-4.3.3-10]`: a repetition gets a PUBREC, in its turn, and no second place.
    fn repeated(&mut self, id: PacketIdentifier) -> Result<(), Violation> {
        let counted = self.held.lookup(id).is_some_and(|held| held.counted);
        if !counted {
            self.count()?;
            self.held
                .lookup(id)
                .into_iter()
                .for_each(|held| held.counted = true);
        }
        if !self.exactly_once.answer_again(id) {
            self.exactly_once.push_completed(id);
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Violation> {
        if self.open >= self.maximum {
            return Err(Violation::ReceiveMaximumExceeded);
        }
        self.open += 1;
        Ok(())
    }

    /// The answer that closed a publication has been written.
    pub(crate) fn closed(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// The owner has taken the message of the token, or refuses it. False if the token has no
    /// meaning any more.
    pub(crate) fn complete(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
        properties: Option<Box<AckProperties>>,
    ) -> bool {
        let arrivals = match token.qos() {
            QoS::ExactlyOnce => &mut self.exactly_once,
            _ => &mut self.at_least_once,
        };
        arrivals.complete(token, reason, properties)
    }

    /// The next PUBACK that may leave.
    pub(crate) fn next_puback(&mut self) -> Option<Answer> {
        self.at_least_once.pop().and_then(|(answer, _)| answer)
    }

    /// The next PUBREC whose turn has come. The second part is the answer, unless the peer has not
    /// asked on this connection.
    pub(crate) fn next_pubrec(&mut self) -> Option<(PacketIdentifier, ReasonCode, Option<Answer>)> {
        let (id, reason) = self.exactly_once.front()?;
        let (answer, _) = self.exactly_once.pop()?;
        Some((id, reason, answer))
    }

    /// Messages that wait for their owner, or behind one that does.
    pub(crate) fn uncompleted(&self) -> usize {
        self.at_least_once.len() + self.exactly_once.len()
    }

    /// The identifier means nothing any more; returns what was known of it.
    pub(crate) fn forget(&mut self, id: PacketIdentifier) -> Option<Held> {
        self.held.remove(id)
    }

    /// Whether the identifier belongs to a QoS 2 flow or a pending PUBACK.
    pub(crate) fn uses(&self, id: PacketIdentifier) -> bool {
        self.held.contains(id) || self.at_least_once.contains(id)
    }

    /// Notes a PUBREL that came before the turn of its PUBREC; false if that has had its turn.
    pub(crate) fn release_early(&mut self, id: PacketIdentifier) -> bool {
        if !self.exactly_once.contains(id) {
            return false;
        }
        self.held.lookup(id).is_some_and(|held| {
            held.released = true;
            true
        })
    }

    /// Whether PUBREL has come for the identifier already.
    pub(crate) fn is_released(&mut self, id: PacketIdentifier) -> bool {
        self.held.lookup(id).is_some_and(|held| held.released)
    }

    /// The identifiers held for QoS 2 whose messages their owner has taken over.
    pub(crate) fn owned(&self) -> impl Iterator<Item = PacketIdentifier> {
        self.held().filter(|id| !self.exactly_once.is_pending(*id))
    }

    /// The identifiers held for QoS 2.
    pub(crate) fn held(&self) -> impl Iterator<Item = PacketIdentifier> {
        self.held.iter().map(|held| held.id)
    }

    /// Takes back an identifier of an exported session.
    pub(crate) fn restore(&mut self, held: Held) {
        self.held.insert(held);
    }

    pub(crate) fn shrink(&mut self) {
        self.at_least_once.shrink();
        self.exactly_once.shrink();
        self.held.shrink();
    }
}
