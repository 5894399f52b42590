//! A session and its way to its client, behind one lock.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use hashbrown::HashMap;
use mqtide_codec::QoS;
use mqtide_session::{DeliverOutcome, Delivery, DeliveryKey, DropReason, Instant, ServerSession};
use parking_lot::{Mutex, MutexGuard};

use crate::connection::{Doorbell, Link, Scratch, Written, put_packet};
use crate::core::Core;
use crate::hooks::ClientInfo;
use crate::publication::Publication;
use crate::registry::Identified;
use crate::routing::{GroupRef, Offer, Replay};
use crate::stats::{Count, Tally};
use crate::store::{Journal, Memo, SessionNumber};
use crate::worker::{Tick, Worker};

/// One session, online or offline: what the registry and the route table point to.
///
/// Publishers lock it for as long as it takes to put a message into a queue. Nobody who holds this lock takes
/// another one of the broker's, except for the lists that a [`Worker`] keeps and the journal.
#[derive(Debug)]
pub(crate) struct Slot {
    client_id: Arc<str>,
    /// How many subscriptions it has, to be held against the limit.
    pub(crate) subscriptions: AtomicUsize,
    state: Mutex<State>,
}

/// What the lock of a [`Slot`] guards.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) life: Life,
    /// Counts the connections that have claimed the session; an older one has nothing to say any more.
    pub(crate) epoch: u32,
    /// Whether the slot is on a list to be flushed.
    is_listed: bool,
    /// The deadline that some worker's timer has of it.
    armed: Tick,
    /// Apart, so that it can go as soon as it has ended, whoever holds on to the slot.
    pub(crate) session: Option<Box<ServerSession<Publication>>>,
    pub(crate) link: Option<Box<Link>>,
    pub(crate) extras: Option<Box<Extras>>,
}

/// What few sessions have.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// What the session is stored as, if it is.
    pub(crate) number: Option<SessionNumber>,
    /// The groups that unsettled messages came through.
    pub(crate) shared: HashMap<DeliveryKey, GroupRef>,
    /// Retained messages that new subscriptions are still owed.
    pub(crate) replays: VecDeque<Replay>,
    /// Who the client is, if the authorizer will want to know at the time of the will.
    pub(crate) info: Option<Arc<ClientInfo>>,
}

impl Extras {
    pub(crate) fn is_empty(&self) -> bool {
        self.number.is_none()
            && self.shared.is_empty()
            && self.replays.is_empty()
            && self.info.is_none()
    }
}

/// ```text
/// Claimed -> Alive -> Ended      (an ended slot is never used again: another takes its place)
///    `------------------^
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Life {
    /// A connection has taken the identifier and is about to put a session here.
    #[default]
    Claimed,
    /// There is a session.
    Alive,
    /// The session is gone, and the slot leaves registry and routes.
    Ended,
}

/// The buffers of a turn that a delivery touches.
pub(crate) struct Outlets<'a> {
    pub(crate) dirty: &'a mut Vec<Arc<Slot>>,
    pub(crate) tally: &'a mut Tally,
    /// Where it is noted what must be stored; absent if nothing can.
    pub(crate) journal: Option<&'a Journal>,
    pub(crate) memo: Memo,
    /// Whether something was noted.
    pub(crate) is_noted: bool,
}

impl Slot {
    pub(crate) fn new(client_id: Arc<str>) -> Self {
        Slot {
            client_id,
            subscriptions: AtomicUsize::new(0),
            state: Mutex::default(),
        }
    }

    pub(crate) fn client_id(&self) -> &Arc<str> {
        &self.client_id
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Puts a message into the session.
    pub(crate) fn deliver(
        self: &Arc<Self>,
        delivery: Delivery<Publication>,
        outlets: &mut Outlets<'_>,
    ) {
        self.lock().deliver(self, delivery, None, outlets);
    }

    /// Puts a message of a shared subscription into the session, if it can leave at once.
    pub(crate) fn offer(
        self: &Arc<Self>,
        delivery: &Delivery<Publication>,
        group: &GroupRef,
        outlets: &mut Outlets<'_>,
    ) -> Offer {
        let mut state = self.lock();
        if !state.has_room(delivery.qos) {
            return Offer::NotNow;
        }
        match state.deliver(self, delivery.clone(), Some(group), outlets) {
            true => Offer::Taken,
            false => Offer::NotNow,
        }
    }

    /// Puts a message of a shared subscription into the session, to wait there.
    pub(crate) fn keep(
        self: &Arc<Self>,
        delivery: Delivery<Publication>,
        group: &GroupRef,
        outlets: &mut Outlets<'_>,
    ) {
        self.lock().deliver(self, delivery, Some(group), outlets);
    }

    /// Writes what the session has for its client, as far as the socket takes it.
    pub(crate) fn flush(
        self: &Arc<Self>,
        now: Instant,
        core: &Core,
        worker: &Worker,
        scratch: &mut Scratch,
    ) {
        let mut state = self.lock();
        state.is_listed = false;
        state.flush(self, now, core, worker, scratch);
    }
}

/// How far a flush has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Everything has left.
    Done,
    /// This turn has written enough.
    More,
    /// The socket takes no more.
    Blocked,
}

impl State {
    /// Writes what the session has for its client, as far as the socket takes it.
    pub(crate) fn flush(
        &mut self,
        slot: &Arc<Slot>,
        now: Instant,
        core: &Core,
        worker: &Worker,
        scratch: &mut Scratch,
    ) {
        let Scratch {
            output,
            tally,
            dirty,
            ..
        } = scratch;
        match self.write(now, output, tally) {
            Progress::Done => {}
            Progress::More => self.list(slot, dirty),
            Progress::Blocked => {
                self.arm(slot, now + core.config.limits.write_stall, now, worker);
            }
        }
        if let Some(journal) = &core.journal {
            self.record(slot, journal, &mut Memo::default());
        }
        self.count_drops(tally);
    }

    /// Has the slot flushed, if there is a socket that takes something.
    pub(crate) fn list(&mut self, slot: &Arc<Slot>, dirty: &mut Vec<Arc<Slot>>) {
        let is_open = self.link.as_ref().is_some_and(|link| !link.is_blocked());
        if is_open && !self.is_listed {
            self.is_listed = true;
            dirty.push(Arc::clone(slot));
        }
    }

    /// The same, if there is something to write or the connection is to end.
    pub(crate) fn list_if_ready(&mut self, slot: &Arc<Slot>, dirty: &mut Vec<Arc<Slot>>) {
        if self
            .session
            .as_ref()
            .is_some_and(|session| session.has_transmit() || session.is_closing())
        {
            self.list(slot, dirty);
        }
    }

    pub(crate) fn deliver(
        &mut self,
        slot: &Arc<Slot>,
        delivery: Delivery<Publication>,
        group: Option<&GroupRef>,
        outlets: &mut Outlets<'_>,
    ) -> bool {
        let Some(session) = &mut self.session else {
            return false;
        };
        let is_tracked = delivery.qos != QoS::AtMostOnce;
        let outcome = session.deliver(delivery);
        if let Some(journal) = outlets.journal {
            outlets.is_noted |= self.record(slot, journal, &mut outlets.memo);
        }
        match outcome {
            DeliverOutcome::Queued { key, wake } => {
                if let Some(group) = group.filter(|_| is_tracked) {
                    self.extras
                        .get_or_insert_default()
                        .shared
                        .insert(key, Arc::clone(group));
                }
                if wake {
                    self.list(slot, outlets.dirty);
                }
                true
            }
            DeliverOutcome::Dropped(reason) => {
                if reason != DropReason::Offline {
                    self.count_drops(outlets.tally);
                }
                false
            }
        }
    }

    /// Whether a message would leave at once.
    fn has_room(&self, qos: QoS) -> bool {
        let (Some(session), Some(link)) = (&self.session, &self.link) else {
            return false;
        };
        let quota = session
            .peer_limits()
            .receive_maximum
            .min(session.settings().send_maximum);
        let has_quota =
            qos == QoS::AtMostOnce || session.in_flight() + session.queued() < usize::from(quota);
        has_quota && !link.is_blocked() && session.is_connected() && !session.is_closing()
    }

    /// Encodes and writes until there is nothing left, the turn is over, or the socket is full.
    pub(crate) fn write(
        &mut self,
        now: Instant,
        output: &mut crate::connection::Output,
        tally: &mut Tally,
    ) -> Progress {
        let (Some(session), Some(link)) = (&mut self.session, &mut self.link) else {
            return Progress::Done;
        };
        if link.is_blocked() {
            return Progress::Blocked;
        }
        let mut written = 0;
        loop {
            output.clear();
            while !output.is_full()
                && let Some(packet) = session.poll_transmit(now)
            {
                put_packet(packet, link.version, output, tally);
            }
            if output.is_empty() {
                break;
            }
            tally.add(Count::BytesSent, output.len());
            match link.write(output, now) {
                Ok(Written::All) => written += output.len(),
                Ok(Written::Blocked) => return Progress::Blocked,
                Err(_) => {
                    link.fail(now);
                    return Progress::Blocked;
                }
            }
            if written >= TURN_BYTES {
                return Progress::More;
            }
        }
        if session.is_closing() {
            link.bell().ring(Doorbell::LEAVE);
        } else if self
            .extras
            .as_ref()
            .is_some_and(|extras| !extras.replays.is_empty())
        {
            link.bell().ring(Doorbell::REPLAY);
        }
        Progress::Done
    }

    /// Has the timer look at the slot at this time, or earlier.
    pub(crate) fn arm(&mut self, slot: &Arc<Slot>, at: Instant, now: Instant, worker: &Worker) {
        let tick = Tick::at_or_after(at.min(now + LONGEST_SLEEP));
        if tick < self.armed {
            self.forget(slot, worker);
            self.armed = tick;
            worker.call_at(tick, Arc::clone(slot));
        }
    }

    /// Has the timer let go of the slot.
    pub(crate) fn forget(&mut self, slot: &Arc<Slot>, worker: &Worker) {
        let armed = mem::replace(&mut self.armed, Tick::NEVER);
        if armed != Tick::NEVER {
            worker.forget_call(armed, Arc::clone(slot));
        }
    }

    /// Whether this call of the timer is the one that was asked for last.
    pub(crate) fn disarm(&mut self, at: Tick) -> bool {
        let is_current = self.armed == at;
        if is_current {
            self.armed = Tick::NEVER;
        }
        is_current
    }

    /// Asks for the next deadline of the session.
    pub(crate) fn rearm(&mut self, slot: &Arc<Slot>, now: Instant, worker: &Worker) {
        if let Some(at) = self
            .session
            .as_ref()
            .and_then(|session| session.poll_timeout())
        {
            self.arm(slot, at, now, worker);
        }
    }

    /// Gives back what a burst has left behind, if the session is at rest.
    pub(crate) fn tidy(&mut self) {
        if let Some(session) = &mut self.session
            && session.queued() == 0
            && session.in_flight() == 0
        {
            session.shrink();
        }
    }

    /// Counts what the session did not send.
    fn count_drops(&mut self, tally: &mut Tally) {
        if let Some(session) = &mut self.session {
            let drops = session.take_drops();
            let dropped = drops.total() - drops.offline;
            if dropped > 0 {
                tally.add(Count::PublishesDropped, dropped as usize);
            }
        }
    }
}

impl Identified for Slot {
    fn client_id(&self) -> &str {
        &self.client_id
    }
}

/// After this much for one receiver the others of the worker get a turn.
const TURN_BYTES: usize = 256 * 1024;

/// A timer holds on to the slot that it will look at, and lets go of one that has ended, unless that has been to
/// another worker meanwhile. So it looks after this time at the latest.
const LONGEST_SLEEP: std::time::Duration = std::time::Duration::from_secs(60);
