//! The life of a session on this broker: opened, taken over, left, ended.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time;

use bytes::Bytes;
use bytestring::ByteString;
use hashbrown::HashMap;
use mqtide_codec::{QoS, Will};
use mqtide_session::{
    Accepted, ConnectRequest, DeliveryKey, Departure, Instant, Outgoing, ServerEvent,
    ServerSession, Undelivered,
};

use crate::connection::{Doorbell, Link, put_packet};
use crate::core::Core;
use crate::hooks::{ClientInfo, PublishRequest};
use crate::publication::Publication;
use crate::routing::{GroupRef, Message, Target};
use crate::slot::{Extras, Life, Slot, State};
use crate::store::{self, Change, Journal, SessionNumber, StoreError};
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

/// What is done after the lock of a slot has been released.
#[derive(Default)]
struct Aftermath {
    wills: Vec<(Box<Will>, Option<Arc<ClientInfo>>)>,
    ended: Option<Estate>,
}

/// What a session that has ended leaves behind.
struct Estate {
    number: Option<SessionNumber>,
    undelivered: VecDeque<Undelivered<Publication>>,
    shared: HashMap<DeliveryKey, GroupRef>,
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

    /// Tells the client that the broker stops, and has its connection closed.
    pub(crate) fn dismiss(&self, slot: &Arc<Slot>, worker: &Worker) {
        let now = self.now();
        let mut state = slot.lock();
        let Some(session) = &mut state.session else {
            return;
        };
        let goodbye = mqtide_codec::Disconnect::new(mqtide_codec::ReasonCode::ServerShuttingDown);
        if session.disconnect(goodbye).is_err() {
            return;
        }
        if let Some(link) = &state.link
            && link.is_blocked()
        {
            link.bell().ring(Doorbell::LEAVE);
            return;
        }
        worker.with_scratch(|scratch| state.flush(slot, now, self, worker, scratch));
    }

    /// Tells all clients that the broker stops, and waits until they are gone, for as long as is configured.
    pub(crate) async fn dismiss_all(&self) {
        self.registry
            .for_each(|slot| self.dismiss(slot, self.next_worker()));
        let (gone, all_gone) = tokio::sync::oneshot::channel::<()>();
        let until = time::Instant::now() + self.config.stop_grace;
        let online = Arc::clone(&self.online);
        self.workers[0].clock().spawn(async move {
            while online.load(Relaxed) > 0 && time::Instant::now() < until {
                tokio::time::sleep(POLL_ONLINE).await;
            }
            // Whoever waits may have lost its patience.
            let _ = gone.send(());
        });
        let _ = all_gone.await;
        self.abandon_all();
    }

    /// Takes back what is stored, on a thread that may block.
    pub(crate) async fn restore(self: &Arc<Self>) -> Result<(), StoreError> {
        if self.journal.is_none() {
            return Ok(());
        }
        let core = Arc::clone(self);
        let restoring = self.workers[0].clock().spawn_blocking(move || {
            let journal = core.journal.as_ref();
            journal.map_or(Ok(()), |journal| store::restore(&core, journal))
        });
        let restored = restoring.await;
        restored.unwrap_or_else(|panic| Err(StoreError::Other(panic.into())))
    }

    /// Waits until the store has everything, for as long as is configured.
    pub(crate) async fn close_store(self: &Arc<Self>) {
        if self.journal.is_none() {
            return;
        }
        let core = Arc::clone(self);
        let closing = self.workers[0].clock().spawn(async move {
            if let Some(journal) = &core.journal {
                journal.close(core.config.stop_grace).await;
            }
        });
        // An error means that the workers are gone, and nothing can be waited for.
        let _ = closing.await;
    }

    /// Closes all connections without a word.
    pub(crate) fn abandon_all(&self) {
        self.registry.for_each(|slot| {
            if let Some(link) = &slot.lock().link {
                link.bell().ring(Doorbell::LEAVE);
            }
        });
        self.router.close_local();
    }

    /// Does what the end of a connection or a session leads to, now that the slot is free again.
    fn settle(self: &Arc<Self>, slot: &Arc<Slot>, aftermath: Aftermath, worker: &Arc<Worker>) {
        let Aftermath { wills, ended } = aftermath;
        for (will, info) in wills {
            self.publish_will(slot, *will, info, worker);
        }
        let Some(estate) = ended else {
            return;
        };
        self.registry.remove(slot);
        self.router.remove(&Target::Session(Arc::clone(slot)));
        let _whole = self.journal.as_ref().map(Journal::whole);
        self.note_end(&estate);
        self.inherit(estate, worker);
    }

    /// Notes that a session has ended.
    fn note_end(&self, estate: &Estate) {
        if let (Some(journal), Some(session)) = (&self.journal, estate.number) {
            journal.push(Change::EndSession { session });
        }
    }

    /// Publishes a will, if its client still may.
    fn publish_will(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        will: Will,
        info: Option<Arc<ClientInfo>>,
        worker: &Arc<Worker>,
    ) {
        let Some(info) = info.filter(|_| self.hooks.interest().publish) else {
            return self.publish_will_now(slot, &will, worker);
        };
        let (core, slot, worker) = (Arc::clone(self), Arc::clone(slot), Arc::clone(worker));
        worker.clock().clone().spawn(async move {
            let request = PublishRequest {
                topic: will.topic.as_str(),
                qos: will.qos,
                retain: will.retain,
                will: true,
            };
            if core.hooks.may_publish(&info, &request).await {
                core.publish_will_now(&slot, &will, &worker);
            }
        });
    }

    fn publish_will_now(&self, slot: &Slot, will: &Will, worker: &Worker) {
        let Will { qos, retain, .. } = *will;
        let publication = match Publication::of_will(will, self.now()) {
            Ok(publication) => publication,
            Err(error) => {
                return tracing::error!(%error, "a will could not be published");
            }
        };
        let message = Message {
            topic: will.topic.as_name(),
            publication: &publication,
            qos,
            retain,
            publisher: Some(slot.client_id()),
        };
        let table = self.router.table();
        // It is stored as published together with what that leads to.
        let _whole = self.journal.as_ref().map(Journal::whole);
        if let Some(journal) = &self.journal {
            slot.lock().record_terms(slot, journal);
        }
        worker.with_scratch(|scratch| {
            let outlets = &mut scratch.outlets(self.journal.as_ref());
            self.router.publish(&table, message, outlets)
        });
    }

    /// Gives messages of shared subscriptions that nobody has acknowledged to other members. Those of QoS 2 that
    /// were sent go to nobody `[MQTT-4.8.2-5]`.
    fn inherit(&self, estate: Estate, worker: &Worker) {
        let Estate {
            undelivered,
            shared,
            ..
        } = estate;
        if shared.is_empty() {
            return;
        }
        worker.with_scratch(|scratch| {
            for message in undelivered {
                let Undelivered {
                    key,
                    message: Some(publication),
                    qos,
                    retain,
                    sent,
                    ..
                } = message
                else {
                    continue;
                };
                if let Some(group) = shared.get(&key)
                    && !(sent && qos == QoS::ExactlyOnce)
                {
                    let outlets = &mut scratch.outlets(self.journal.as_ref());
                    self.router
                        .redeliver(group, &publication, qos, retain, outlets);
                }
            }
        });
    }
}

/// After this time a connection has begun, and is looked at for the first time.
const SETTLED: time::Duration = time::Duration::from_secs(2);

/// How often it is looked whether all clients are gone.
const POLL_ONLINE: time::Duration = time::Duration::from_millis(5);

impl State {
    /// Ends the session.
    fn end(&mut self, slot: &Arc<Slot>, worker: &Worker) -> Option<Estate> {
        self.life = Life::Ended;
        self.forget(slot, worker);
        let mut session = self.session.take()?;
        Some(Estate::of(&mut session, &mut self.extras))
    }

    fn info(&self) -> Option<Arc<ClientInfo>> {
        self.extras.as_ref()?.info.clone()
    }
}

impl Default for Estate {
    fn default() -> Self {
        Estate {
            number: None,
            undelivered: VecDeque::new(),
            shared: HashMap::new(),
        }
    }
}

impl Estate {
    fn of(session: &mut ServerSession<Publication>, extras: &mut Option<Box<Extras>>) -> Self {
        let Extras { number, shared, .. } = extras.take().map(|extras| *extras).unwrap_or_default();
        let undelivered = match shared.is_empty() {
            true => VecDeque::new(),
            false => session.take_undelivered(),
        };
        Estate {
            number,
            undelivered,
            shared,
        }
    }
}
