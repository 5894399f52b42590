//! What goes from one connection to the next, and what remains at the end.

use alloc::collections::VecDeque;

use mqtide_codec::PacketIdentifier;

use super::{DropReason, Fate, Flight, Lost, Outbound, Queued, Undelivered};
use crate::packet_id::Lane;
use crate::store::StoreLog;
use crate::{Deliverable, Refused, StoreOp, Ticket};

impl<M: Deliverable + Clone> Outbound<M> {
    /// A connection begins: the quota is fresh, and everything that is in flight will be written
    /// again, in the order in which it was first `[MQTT-4.4.0-1]`, `[MQTT-4.6.0-1]`.
    pub(crate) fn connect(&mut self, maximum: u16, keep: bool) {
        self.maximum = maximum.max(1);
        self.keep = keep;
        self.unwritten = self.flights.first(Lane::Published);
        self.open = u16::try_from(self.flights.len(Lane::Released)).unwrap_or(u16::MAX);
        let mut at = self.flights.first(Lane::Released);
        while let Some(id) = at {
            at = self.flights.after(id);
            self.flights
                .lookup(id)
                .into_iter()
                .for_each(|(_, flight)| flight.counted = true);
        }
    }

    /// The connection is gone.
    pub(crate) fn disconnect(&mut self, keep_at_most_once: bool, fates: &mut impl FnMut(Fate)) {
        self.unwritten = None;
        let mut at = self.flights.first(Lane::Published);
        while let Some(id) = at {
            at = self.flights.after(id);
            self.flights
                .lookup(id)
                .into_iter()
                .for_each(|(_, flight)| flight.counted = false);
        }
        if !keep_at_most_once {
            while let Some(queued) = self.at_most_once.pop_front() {
                self.queued_bytes = self.queued_bytes.saturating_sub(queued.bytes());
                fates(queued.dropped(DropReason::Offline));
            }
        }
    }

    /// The PUBRELs to send again, in the order of their PUBRECs `[MQTT-4.6.0-4]`.
    pub(crate) fn released(&self) -> impl Iterator<Item = (PacketIdentifier, Ticket)> {
        self.flights
            .iter(Lane::Released)
            .map(|(id, flight)| (id, flight.gate))
    }

    /// Takes back a flight of an exported session.
    pub(crate) fn restore_flight(
        &mut self,
        id: PacketIdentifier,
        lane: Lane,
        flight: Flight<M>,
    ) -> Result<(), Refused> {
        self.flights
            .claim(id, lane, flight)
            .map_err(|_| Refused::DuplicateIdentifier)
    }

    /// Takes back a message of an exported session.
    pub(crate) fn restore_queued(&mut self, queued: Queued<M>) {
        self.queued_bytes += queued.bytes();
        self.acknowledged.push_back(queued);
    }

    /// The peer has lost the session: what was sent is gone with it, what was not waits again.
    pub(crate) fn lose(&mut self, store: &mut StoreLog<M>, mut lost: impl FnMut(Lost)) {
        while let Some(id) = self.flights.first(Lane::Released) {
            self.finish(id, store)
                .into_iter()
                .for_each(|flight| lost(Lost::Owned(flight.key)));
        }
        let mut unsent: VecDeque<Queued<M>> = VecDeque::new();
        while let Some(id) = self.flights.first(Lane::Published) {
            match self.flights.release(id).map(|(_, flight)| flight) {
                Some(flight) if !flight.sent => unsent.extend(flight.into_queued()),
                Some(flight) => {
                    store.record(|| StoreOp::Remove { key: flight.key });
                    lost(Lost::Unknown(flight.key));
                }
                None => {}
            }
        }
        for queued in &unsent {
            store.record(|| queued.enqueue_operation());
        }
        for queued in unsent.into_iter().rev() {
            self.queued_bytes += queued.bytes();
            self.acknowledged.push_front(queued);
        }
        (self.unwritten, self.open) = (None, 0);
    }

    /// Everything that was not acknowledged, oldest first, leaving nothing behind.
    pub(crate) fn take_undelivered(&mut self) -> VecDeque<Undelivered<M>> {
        let mut undelivered = VecDeque::new();
        for lane in [Lane::Released, Lane::Published] {
            while let Some(id) = self.flights.first(lane) {
                let flight = self.flights.release(id);
                undelivered.extend(flight.map(|(_, flight)| flight.into_undelivered(lane)));
            }
        }
        while let Some(queued) = self.pop_oldest() {
            undelivered.push_back(queued.into_undelivered());
        }
        (self.unwritten, self.open) = (None, 0);
        undelivered
    }
}
