//! Sending publications: what waits, what is in flight, and what is sent again on resumption.
//!
//! ```text
//! QoS 0:  Queued -> written
//! QoS 1:  Queued -> Published -> (PUBACK) free
//! QoS 2:  Queued -> Published -> (PUBREC) Released -> (PUBCOMP) free
//! ```
//!
//! A flight counts against the send quota from the moment its PUBLISH is written on this connection;
//! a released one that was carried over from an earlier connection counts from the start, so that the
//! peer can never count more than it allows, whichever way it counts (MQTT 5.0 §4.9).

mod carry_over;
mod flight;
mod measure;
mod queue;

use mqtide_codec::{PacketIdentifier, PacketType, QoS, ReasonCode};

pub use self::flight::{DropReason, Dropped, OutgoingPublish, Settled, Undelivered};
pub(crate) use self::flight::{Fate, Flight, Queued};
pub(crate) use self::measure::Wire;
use self::queue::Queue;
use crate::packet_id::{Lane, PacketIdentifiers};
use crate::store::StoreLog;
use crate::{
    Deliverable, Delivery, DeliveryKey, Overflow, QueueLimits, StoreOp, Ticket, Violation,
};

/// The sending half of a session.
#[derive(Debug)]
pub(crate) struct Outbound<M> {
    at_most_once: Queue<M>,
    pub(crate) acknowledged: Queue<M>,
    queued_bytes: u64,
    pub(crate) next_key: u64,
    pub(crate) flights: PacketIdentifiers<Flight<M>>,
    /// The first flight whose PUBLISH has not been written on this connection; all behind it in the
    /// lane have not either.
    unwritten: Option<PacketIdentifier>,
    open: u16,
    maximum: u16,
    /// Whether flights keep their message, to send it again or give it to somebody else.
    keep: bool,
}

/// What a lost session means for a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The receiver may have it or not.
    Unknown(DeliveryKey),
    /// The receiver has said that it owns it.
    Owned(DeliveryKey),
}

/// What a PUBREC asks for.
pub(crate) enum PubrecStep {
    /// The flow is over.
    Settled(Settled),
    /// Send PUBREL, once this ticket is durable.
    Release(Ticket),
    /// Nothing is known of the identifier.
    Unknown,
}

/// The outcome of one attempt to write something.
enum Step<M> {
    Write(OutgoingPublish<M>),
    /// A message was dropped or moved on; try again.
    Again,
    /// Nothing of this kind can be written now.
    Blocked,
}

impl<M: Deliverable + Clone> Outbound<M> {
    /// An empty half whose keys will follow `next_key`.
    pub(crate) const fn new(next_key: u64) -> Self {
        Self {
            at_most_once: Queue::new(),
            acknowledged: Queue::new(),
            queued_bytes: 0,
            next_key,
            flights: PacketIdentifiers::new(),
            unwritten: None,
            open: 0,
            maximum: 0,
            keep: true,
        }
    }

    /// Takes a message over, within the bounds.
    pub(crate) fn enqueue(
        &mut self,
        delivery: Delivery<M>,
        limits: &QueueLimits,
        store: &mut StoreLog<M>,
        fates: &mut impl FnMut(Fate),
    ) -> Result<DeliveryKey, DropReason> {
        let queued = Queued {
            key: DeliveryKey(self.next_key),
            delivery,
        };
        self.make_room(&queued, limits, store, fates)?;
        self.next_key = self.next_key.saturating_add(1);
        self.queued_bytes += queued.bytes();
        let key = queued.key;
        match queued.delivery.qos {
            QoS::AtMostOnce => self.at_most_once.push_back(queued),
            _ => {
                store.record(|| queued.enqueue_operation());
                self.acknowledged.push_back(queued);
            }
        }
        Ok(key)
    }

    /// Makes room for a newcomer, if the policy lets others give way: QoS 0 first, and QoS 1 and 2
    /// never for a message of QoS 0.
    fn make_room(
        &mut self,
        newcomer: &Queued<M>,
        limits: &QueueLimits,
        store: &mut StoreLog<M>,
        fates: &mut impl FnMut(Fate),
    ) -> Result<(), DropReason> {
        let bytes = newcomer.bytes();
        if bytes > u64::from(limits.bytes) {
            return Err(DropReason::QueueFull);
        }
        while self.queued() >= limits.messages as usize
            || self.queued_bytes + bytes > u64::from(limits.bytes)
        {
            let gives_way = match (limits.overflow, newcomer.delivery.qos) {
                (Overflow::DropNewest, _) => None,
                (Overflow::DropOldest, QoS::AtMostOnce) => self.at_most_once.pop_front(),
                (Overflow::DropOldest, _) => self
                    .at_most_once
                    .pop_front()
                    .or_else(|| self.acknowledged.pop_front()),
            };
            let oldest = gives_way.ok_or(DropReason::QueueFull)?;
            self.queued_bytes = self.queued_bytes.saturating_sub(oldest.bytes());
            self.drop_queued(&oldest, DropReason::QueueFull, store, fates);
        }
        Ok(())
    }

    fn pop_oldest(&mut self) -> Option<Queued<M>> {
        let queue = match self.at_most_once_is_next() {
            true => &mut self.at_most_once,
            false => &mut self.acknowledged,
        };
        let queued = queue.pop_front()?;
        self.queued_bytes = self.queued_bytes.saturating_sub(queued.bytes());
        Some(queued)
    }

    /// Whether the oldest message that waits has QoS 0.
    fn at_most_once_is_next(&self) -> bool {
        match (self.at_most_once.first(), self.acknowledged.first()) {
            (Some(a), Some(b)) => a < b,
            (a, _) => a.is_some(),
        }
    }

    /// Messages that wait, without those in flight.
    pub(crate) fn queued(&self) -> usize {
        self.at_most_once.len() + self.acknowledged.len()
    }

    /// Bytes of topics and payloads that wait.
    pub(crate) fn queued_bytes(&self) -> u64 {
        self.queued_bytes
    }

    /// Publications in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.flights.len(Lane::Published) + self.flights.len(Lane::Released)
    }

    /// Whether nothing waits and nothing is in flight.
    pub(crate) fn is_empty(&self) -> bool {
        self.queued() == 0 && self.in_flight() == 0
    }

    /// Whether [`poll`](Self::poll) has something to look at.
    pub(crate) fn can_write(&self, store: &StoreLog<M>) -> bool {
        if !self.at_most_once.is_empty() {
            return true;
        }
        match self.unwritten {
            Some(id) => {
                let gate = self.flights.get(id).map_or(Ticket(0), |flight| flight.gate);
                self.open < self.maximum && store.is_durable(gate)
            }
            None => !self.acknowledged.is_empty() && self.has_room(),
        }
    }

    fn has_room(&self) -> bool {
        self.in_flight() < usize::from(self.maximum)
    }

    /// The next PUBLISH to write.
    pub(crate) fn poll(
        &mut self,
        wire: &mut Wire<'_>,
        store: &mut StoreLog<M>,
        fates: &mut impl FnMut(Fate),
    ) -> Option<OutgoingPublish<M>> {
        loop {
            let step = match self.unwritten {
                Some(id) => self.write_flight(id, wire, store, fates),
                None => Step::Blocked,
            };
            let step = match step {
                Step::Blocked => self.write_queued(wire, store, fates),
                step => step,
            };
            match step {
                Step::Write(publish) => return Some(publish),
                Step::Again => {}
                Step::Blocked => return None,
            }
        }
    }

    fn write_queued(
        &mut self,
        wire: &mut Wire<'_>,
        store: &mut StoreLog<M>,
        fates: &mut impl FnMut(Fate),
    ) -> Step<M> {
        let may_admit = self.has_room() && !self.acknowledged.is_empty();
        if may_admit && !self.at_most_once_is_next() {
            return self.admit(wire, store, fates);
        }
        let Some(queued) = self.at_most_once.pop_front() else {
            return Step::Blocked;
        };
        self.queued_bytes = self.queued_bytes.saturating_sub(queued.bytes());
        match wire.plan(&queued.delivery, false) {
            Err(reason) => {
                fates(queued.dropped(reason));
                Step::Again
            }
            Ok(plan) => {
                wire.commit(&queued.delivery.message, plan);
                fates(Fate::Written(queued.key));
                Step::Write(OutgoingPublish::at_most_once(queued, plan))
            }
        }
    }

    /// Gives the first waiting message an identifier, and writes it if nothing stands before it.
    fn admit(
        &mut self,
        wire: &mut Wire<'_>,
        store: &mut StoreLog<M>,
        fates: &mut impl FnMut(Fate),
    ) -> Step<M> {
        let Some(queued) = self.acknowledged.pop_front() else {
            return Step::Blocked;
        };
        let plan = match wire.plan(&queued.delivery, false) {
            Ok(plan) => plan,
            Err(reason) => {
                self.queued_bytes = self.queued_bytes.saturating_sub(queued.bytes());
                self.drop_queued(&queued, reason, store, fates);
                return Step::Again;
            }
        };
        let (key, qos, bytes) = (queued.key, queued.delivery.qos, queued.bytes());
        let id = match self.flights.allocate(Lane::Published, Flight::new(queued)) {
            Ok(id) => id,
            Err(flight) => {
                flight
                    .into_queued()
                    .into_iter()
                    .for_each(|queued| self.acknowledged.push_front(queued));
                return Step::Blocked;
            }
        };
        self.queued_bytes = self.queued_bytes.saturating_sub(bytes);
        let assigned = store.record(|| StoreOp::Assign {
            key,
            packet_identifier: id,
        });
        // A QoS 2 identifier must be known after a crash, or its message could be sent twice.
        let gate = if qos == QoS::ExactlyOnce {
            assigned
        } else {
            Ticket(0)
        };
        if let Some((_, flight)) = self.flights.lookup(id) {
            flight.gate = gate;
        }
        if self.unwritten.is_none() && store.is_durable(gate) {
            return self.write(id, plan, wire);
        }
        self.unwritten = self.unwritten.or(Some(id));
        Step::Again
    }

    /// Writes a flight that waits for quota or for the store.
    fn write_flight(
        &mut self,
        id: PacketIdentifier,
        wire: &mut Wire<'_>,
        store: &mut StoreLog<M>,
        fates: &mut impl FnMut(Fate),
    ) -> Step<M> {
        let Some((_, flight)) = self.flights.lookup(id) else {
            self.unwritten = None;
            return Step::Again;
        };
        if self.open >= self.maximum || !store.is_durable(flight.gate) {
            return Step::Blocked;
        }
        // [MQTT-4.3.3-7]: a QoS 2 message does not expire once it has been sent.
        let started = flight.sent && flight.qos == QoS::ExactlyOnce;
        let Some(plan) = flight.plan(wire, started) else {
            self.unwritten = self.flights.after(id);
            return Step::Again;
        };
        match plan {
            Ok(plan) => self.write(id, plan, wire),
            Err(reason) => {
                let (key, sent) = (flight.key, flight.sent);
                fates(Fate::Dropped(Dropped { key, reason, sent }));
                self.finish(id, store);
                Step::Again
            }
        }
    }

    fn write(&mut self, id: PacketIdentifier, plan: measure::Plan, wire: &mut Wire<'_>) -> Step<M> {
        if self.unwritten == Some(id) {
            self.unwritten = self.flights.after(id);
        }
        let Some((_, flight)) = self.flights.lookup(id) else {
            return Step::Again;
        };
        let Some(publish) = flight.write(id, plan, self.keep) else {
            return Step::Again;
        };
        wire.commit(&publish.message, plan);
        self.open += 1;
        Step::Write(publish)
    }

    /// PUBACK has arrived. `None` if the identifier is unknown.
    pub(crate) fn puback(
        &mut self,
        id: PacketIdentifier,
        reason: ReasonCode,
        store: &mut StoreLog<M>,
    ) -> Result<Option<Settled>, Violation> {
        match self.flights.lookup(id) {
            Some((Lane::Published, flight)) if flight.qos == QoS::AtLeastOnce && flight.sent => {
                Ok(self.settle(id, reason, store))
            }
            Some((Lane::Published | Lane::Released, flight)) if flight.sent => {
                Err(Violation::WrongAcknowledgement(PacketType::Puback))
            }
            _ => Ok(None),
        }
    }

    /// PUBREC has arrived `[MQTT-4.3.3-4]`.
    pub(crate) fn pubrec(
        &mut self,
        id: PacketIdentifier,
        reason: ReasonCode,
        store: &mut StoreLog<M>,
    ) -> Result<PubrecStep, Violation> {
        match self.flights.lookup(id) {
            Some((Lane::Published, flight)) if flight.qos == QoS::ExactlyOnce && flight.sent => {
                Ok(match reason.is_error() {
                    true => self
                        .settle(id, reason, store)
                        .map_or(PubrecStep::Unknown, PubrecStep::Settled),
                    false => PubrecStep::Release(self.release(id, store)),
                })
            }
            Some((Lane::Released, flight)) => Ok(PubrecStep::Release(flight.gate)),
            Some((Lane::Published, flight)) if flight.sent => {
                Err(Violation::WrongAcknowledgement(PacketType::Pubrec))
            }
            _ => Ok(PubrecStep::Unknown),
        }
    }

    /// The receiver owns the message: from here on only PUBREL is sent `[MQTT-4.3.3-6]`.
    fn release(&mut self, id: PacketIdentifier, store: &mut StoreLog<M>) -> Ticket {
        if self.unwritten == Some(id) {
            self.unwritten = self.flights.after(id);
        }
        let Some((_, flight)) = self.flights.lookup(id) else {
            return Ticket(0);
        };
        let key = flight.key;
        let gate = store.record(|| StoreOp::Release { key });
        flight.release(gate);
        if !core::mem::replace(&mut flight.counted, true) {
            self.open += 1;
        }
        self.flights.move_to(id, Lane::Released);
        gate
    }

    /// PUBCOMP has arrived. `None` if the identifier is unknown.
    pub(crate) fn pubcomp(
        &mut self,
        id: PacketIdentifier,
        reason: ReasonCode,
        store: &mut StoreLog<M>,
    ) -> Result<Option<Settled>, Violation> {
        match self.flights.lookup(id) {
            Some((Lane::Released, _)) => Ok(self.settle(id, reason, store)),
            Some((Lane::Published, flight)) if flight.sent => {
                Err(Violation::WrongAcknowledgement(PacketType::Pubcomp))
            }
            _ => Ok(None),
        }
    }

    fn settle(
        &mut self,
        id: PacketIdentifier,
        reason: ReasonCode,
        store: &mut StoreLog<M>,
    ) -> Option<Settled> {
        let flight = self.finish(id, store)?;
        Some(Settled {
            key: flight.key,
            qos: flight.qos,
            packet_identifier: id,
            reason,
        })
    }

    /// Frees the identifier and, if it counted, a place in the quota.
    fn finish(&mut self, id: PacketIdentifier, store: &mut StoreLog<M>) -> Option<Flight<M>> {
        if self.unwritten == Some(id) {
            self.unwritten = self.flights.after(id);
        }
        let (_, flight) = self.flights.release(id)?;
        if flight.counted {
            self.open = self.open.saturating_sub(1);
        }
        store.record(|| StoreOp::Remove { key: flight.key });
        Some(flight)
    }

    fn drop_queued(
        &mut self,
        queued: &Queued<M>,
        reason: DropReason,
        store: &mut StoreLog<M>,
        fates: &mut impl FnMut(Fate),
    ) {
        if queued.delivery.qos != QoS::AtMostOnce {
            store.record(|| StoreOp::Remove { key: queued.key });
        }
        fates(queued.dropped(reason));
    }

    /// Takes an identifier for a request, which is answered under the same one.
    pub(crate) fn request(&mut self) -> Option<(PacketIdentifier, DeliveryKey)> {
        let key = self.take_key();
        let id = self
            .flights
            .allocate(Lane::Requested, Flight::request(key))
            .ok()?;
        Some((id, key))
    }

    /// The number of the next operation.
    pub(crate) fn take_key(&mut self) -> DeliveryKey {
        self.next_key = self.next_key.saturating_add(1);
        DeliveryKey(self.next_key - 1)
    }

    /// The answer to a request has arrived.
    pub(crate) fn answer(&mut self, id: PacketIdentifier) -> Option<DeliveryKey> {
        let (Lane::Requested, _) = self.flights.lookup(id)? else {
            return None;
        };
        self.flights.release(id).map(|(_, flight)| flight.key)
    }

    /// Frees the identifiers of all requests: they do not outlive the connection.
    pub(crate) fn drop_requests(&mut self) {
        while let Some(id) = self.flights.first(Lane::Requested) {
            self.flights.release(id);
        }
    }

    pub(crate) fn shrink(&mut self) {
        self.at_most_once.shrink();
        self.acknowledged.shrink();
        self.flights.shrink();
    }
}
