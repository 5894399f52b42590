//! The life of a session on this broker: opened, taken over, left, ended.

use std::sync::Arc;
use std::time;

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_session::{
    Accepted, ConnectRequest, Departure, Instant, Outgoing, ServerEvent, ServerSession,
};

use crate::connection::{Doorbell, Link, put_packet};
use crate::core::Core;
use crate::hooks::ClientInfo;
use crate::legacy::{Aftermath, Estate};
use crate::publication::Publication;
use crate::routing::Target;
use crate::slot::{Life, Slot, State};
use crate::store::Journal;
use crate::worker::{Tick, Worker};

/// A client that is let in and has no session yet.
pub(crate) struct Opening {
    pub(crate) request: ConnectRequest,
    pub(crate) info: ClientInfo,
    pub(crate) assigned: Option<ByteString>,
    pub(crate) authentication_data: Option<Bytes>,
    pub(crate) link: Link,
}

/// What the slot says that a client wants to have its session in.
enum Opened {
    /// The session is there, in this slot or in one that has taken its place; this is the number of the
    /// connection.
    In(Arc<Slot>, u32),
    /// The slot is leaving the registry: look again.
    Gone(Box<Opening>),
    /// Another connection of the client was faster.
    Lost,
}

impl Core {
    /// Gives a client its session, a new one or the one that it had, and takes it away from whoever has it now
    /// (`MQTT 5.0 §3.1.4`). Returns the slot and the number of this connection. `None` if there is no room, or
    /// another connection of the client was faster.
    pub(crate) fn open(
        self: &Arc<Self>,
        opening: Opening,
        worker: &Arc<Worker>,
    ) -> Option<(Arc<Slot>, u32)> {
        let client_id = Arc::clone(&opening.info.client_id);
        let mut opening = Box::new(opening);
        loop {
            let new = || Arc::new(Slot::new(Arc::clone(&client_id)));
            let slot = self.registry.find_or_insert(&client_id, new).ok()?;
            match self.open_in(slot, opening, worker) {
                Opened::In(slot, epoch) => return Some((slot, epoch)),
                Opened::Gone(back) => opening = back,
                Opened::Lost => return None,
            }
        }
    }

    fn open_in(
        self: &Arc<Self>,
        slot: Arc<Slot>,
        opening: Box<Opening>,
        worker: &Arc<Worker>,
    ) -> Opened {
        let now = self.now();
        let mut state = slot.lock();
        if state.life == Life::Ended {
            drop(state);
            self.registry.remove(&slot);
            return Opened::Gone(opening);
        }
        let Opening {
            request,
            info,
            assigned,
            authentication_data,
            link,
        } = *opening;
        self.displace(&mut state, now);
        let old_info = state.info();
        let number = state.number();
        let mut parked = state.session.take();
        let clean_start = request.connect().clean_start;
        let estate = parked
            .as_mut()
            .filter(|parked| clean_start || parked.session_expiry_interval() == 0)
            .map(|parked| Estate::of(parked, &mut state.extras));
        let had_session = parked.is_some();
        let acceptance = self.acceptance(&request, assigned, authentication_data);
        let Accepted {
            session,
            session_present,
            will,
        } = request.accept(now, acceptance, parked.map(|parked| *parked));
        let mut aftermath = Aftermath::default();
        aftermath.wills.extend(will.map(|will| (will, old_info)));
        let info = self.hooks.interest().publish.then(|| Arc::new(info));
        if session_present || !had_session {
            let epoch = self.install(&slot, &mut state, session, link, info, worker);
            drop(state);
            self.settle(&slot, aftermath, worker);
            return Opened::In(slot, epoch);
        }
        // The old session has ended: its slot goes, with all routes to it, and cannot be mistaken for the new one.
        let mut estate = estate.unwrap_or_default();
        estate.number = number;
        state.life = Life::Ended;
        state.forget(&slot, worker);
        drop(state);
        self.settle(&slot, aftermath, worker);
        self.router.remove(&Target::Session(Arc::clone(&slot)));
        let _whole = self.journal.as_ref().map(Journal::whole);
        self.note_end(&estate);
        let fresh = Arc::new(Slot::new(Arc::clone(slot.client_id())));
        let mut state = fresh.lock();
        // Whoever finds the new slot waits for its lock; nothing is sent to the client before.
        let is_first = self.registry.replace(&slot, &fresh);
        let epoch = is_first.then(|| self.install(&fresh, &mut state, session, link, info, worker));
        drop(state);
        self.inherit(estate, worker);
        epoch.map_or(Opened::Lost, |epoch| Opened::In(fresh, epoch))
    }

    /// Says goodbye to the connection that has the session `[MQTT-3.1.4-3]`.
    fn displace(&self, state: &mut State, now: Instant) {
        let Some(mut link) = state.link.take() else {
            return;
        };
        self.count_offline();
        let version = link.version;
        if let Some(packet) = state
            .session
            .as_mut()
            .and_then(|session| session.take_over())
            && !link.is_blocked()
        {
            let (mut output, mut tally) = Default::default();
            put_packet(
                Outgoing::Packet(Box::new(packet)),
                version,
                &mut output,
                &mut tally,
            );
            // Whether it arrives does not matter: the connection ends.
            let _ = link.write(&output, now);
        }
        link.bell().ring(Doorbell::LEAVE);
    }

    /// Puts a session and its link into the slot, and sends the CONNACK.
    fn install(
        &self,
        slot: &Arc<Slot>,
        state: &mut State,
        session: ServerSession<Publication>,
        link: Link,
        info: Option<Arc<ClientInfo>>,
        worker: &Worker,
    ) -> u32 {
        state.life = Life::Alive;
        state.epoch += 1;
        state.session = Some(Box::new(session));
        state.link = Some(Box::new(link));
        if info.is_some() {
            state.extras.get_or_insert_default().info = info;
        }
        if let Some(journal) = &self.journal {
            state.record_opening(slot, journal);
        }
        self.count_online();
        let now = self.now();
        worker.with_scratch(|scratch| state.flush(slot, now, self, worker, scratch));
        let deadline = state
            .session
            .as_ref()
            .and_then(|session| session.poll_timeout());
        let settled = now + SETTLED;
        let first = deadline.map_or(settled, |deadline| deadline.min(settled));
        state.arm(slot, first, now, worker);
        state.epoch
    }

    /// The connection with this number is over.
    pub(crate) fn leave(self: &Arc<Self>, slot: &Arc<Slot>, epoch: u32, worker: &Arc<Worker>) {
        let now = self.now();
        let mut state = slot.lock();
        if state.epoch != epoch || state.life != Life::Alive {
            return;
        }
        let was_online = state.link.take().is_some();
        let info = state.info();
        let mut aftermath = Aftermath::default();
        if let Some(session) = &mut state.session {
            let Departure { will, ended } = session.handle_disconnected(now);
            aftermath.wills.extend(will.map(|will| (will, info)));
            if ended {
                aftermath.ended = state.end(slot, worker);
            } else {
                if let Some(journal) = &self.journal {
                    state.record_terms(slot, journal);
                }
                state.rearm(slot, now, worker);
            }
        }
        drop(state);
        self.settle(slot, aftermath, worker);
        if was_online {
            self.count_offline();
        }
    }

    /// The timer has come to a deadline of the slot.
    pub(crate) fn handle_deadline(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        at: Tick,
        worker: &Arc<Worker>,
    ) {
        let now = self.now();
        let mut state = slot.lock();
        if !state.disarm(at) {
            return;
        }
        self.check_stall(slot, &mut state, now, worker);
        state.tidy();
        let mut aftermath = Aftermath::default();
        let mut dirty = Vec::new();
        while let Some(event) = state.session.as_mut().and_then(|s| s.handle_timeout(now)) {
            match event {
                ServerEvent::Will(will) => aftermath.wills.push((will, state.info())),
                ServerEvent::Expired => aftermath.ended = state.end(slot, worker),
                // Silent for too long: what is left is written, if the client takes it at once.
                _ => match state.link.as_ref() {
                    Some(link) if link.is_blocked() => link.bell().ring(Doorbell::LEAVE),
                    _ => state.list(slot, &mut dirty),
                },
            }
        }
        state.rearm(slot, now, worker);
        drop(state);
        if aftermath.ended.is_some() {
            worker.counters.count(crate::stats::Count::ClientsExpired);
        }
        worker.flush_later(&mut dirty);
        self.settle(slot, aftermath, worker);
    }

    /// Ends the connection of a client that has not read for too long.
    fn check_stall(&self, slot: &Arc<Slot>, state: &mut State, now: Instant, worker: &Worker) {
        let Some(link) = &state.link else { return };
        let Some(since) = link.stalled_since() else {
            return;
        };
        let until = since + self.config.limits.write_stall;
        if until <= now {
            self.stalls.note("a client does not read what waits for it");
            link.bell().ring(Doorbell::LEAVE);
        } else {
            state.arm(slot, until, now, worker);
        }
    }
}

/// After this time a connection has begun, and is looked at for the first time.
const SETTLED: time::Duration = time::Duration::from_secs(2);
