//! From records back to sessions.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hashbrown::HashMap;
use mqtide_codec::PacketIdentifier;
use mqtide_session::{
    Delivery, DeliveryKey, Progress, ServerSession, ServerState, SessionState, StoredMessage,
    StoredWill,
};

use super::StoreError;
use super::batch::{MessageNumber, SessionNumber};
use super::journal::Journal;
use super::record::{QueueEntry, Record, RetainedRecord, SessionRecord, Subscription};
use crate::core::Core;
use crate::publication::Publication;
use crate::routing::{Grant, Target};
use crate::slot::{Life, Slot};

impl Core {
    /// Takes back what is stored, on a thread that may block.
    pub(crate) async fn restore(self: &Arc<Self>) -> Result<(), StoreError> {
        if self.journal.is_none() {
            return Ok(());
        }
        let core = Arc::clone(self);
        let restoring = self.workers[0].clock().spawn_blocking(move || {
            let journal = core.journal.as_ref();
            journal.map_or(Ok(()), |journal| restore(&core, journal))
        });
        let restored = restoring.await;
        restored.unwrap_or_else(|panic| Err(StoreError::Other(panic.into())))
    }
}

/// Takes back everything that is stored. Nobody is connected yet.
///
/// A session that was connected when the broker ended counts as disconnected now.
fn restore(core: &Core, journal: &Journal) -> Result<(), StoreError> {
    let mut loading = Loading::default();
    for record in journal.store.load()? {
        loading.take(core, journal, record?)?;
    }
    journal.skip_numbers(loading.highest);
    for (number, session) in loading.sessions {
        session.restore(core, journal, number)?;
    }
    Ok(())
}

#[derive(Default)]
struct Loading {
    messages: HashMap<MessageNumber, Publication>,
    sessions: HashMap<SessionNumber, Loaded>,
    highest: u64,
}

/// A session, record by record.
struct Loaded {
    record: Box<SessionRecord>,
    state: SessionState<Publication>,
    released: Vec<(u64, DeliveryKey, PacketIdentifier)>,
    subscriptions: Vec<Subscription>,
}

impl Loading {
    fn take(&mut self, core: &Core, journal: &Journal, record: Record) -> Result<(), StoreError> {
        match record {
            Record::Session { session, record } => {
                self.highest = self.highest.max(session.0);
                self.sessions.insert(session, Loaded::new(record));
            }
            Record::Message { number, body } => {
                self.highest = self.highest.max(number.0);
                let expires_at = body.expires_at().map(|at| journal.clock.to_broker(at));
                self.messages.insert(number, body.publication(expires_at)?);
            }
            Record::Retained { record } => self.retain(core, *record)?,
            Record::Queued {
                session,
                entry,
                packet_identifier,
            } => {
                let message = self.message(entry.message)?;
                if let Some(owner) = self.sessions.get_mut(&session) {
                    owner.enqueue(message, entry, packet_identifier);
                }
            }
            Record::Released {
                session,
                key,
                packet_identifier,
                order,
            } => {
                self.highest = self.highest.max(order);
                if let Some(owner) = self.sessions.get_mut(&session) {
                    owner.released.push((order, key, packet_identifier));
                }
            }
            Record::Subscription {
                session,
                subscription,
            } => {
                if let Some(owner) = self.sessions.get_mut(&session) {
                    owner.subscriptions.push(*subscription);
                }
            }
            Record::Held {
                session,
                packet_identifier,
            } => {
                if let Some(owner) = self.sessions.get_mut(&session) {
                    owner.state.held.push(packet_identifier);
                }
            }
        }
        Ok(())
    }

    fn message(&self, number: MessageNumber) -> Result<Publication, StoreError> {
        let message = self.messages.get(&number).cloned();
        message.ok_or_else(|| StoreError::Corrupt(format!("message {} is missing", number.0)))
    }

    fn retain(&self, core: &Core, record: RetainedRecord) -> Result<(), StoreError> {
        let publication = self.message(record.message)?;
        let retained = &core.router.retained;
        retained.restore(
            record.topic.as_name(),
            publication,
            record.qos,
            record.publisher,
        );
        Ok(())
    }
}

impl Loaded {
    fn new(record: Box<SessionRecord>) -> Self {
        Loaded {
            record,
            state: SessionState::new(),
            released: Vec::new(),
            subscriptions: Vec::new(),
        }
    }

    fn enqueue(&mut self, message: Publication, entry: QueueEntry, id: Option<PacketIdentifier>) {
        let delivery = Delivery {
            message,
            qos: entry.qos,
            retain: entry.retain,
            subscription_identifiers: entry.subscription_identifiers,
        };
        let progress = match id {
            None => Progress::Waiting,
            Some(packet_identifier) => Progress::Assigned {
                packet_identifier,
                // It may have been, so the client is told that it may know it: DUP.
                sent: true,
            },
        };
        self.state.messages.push(StoredMessage {
            key: entry.key,
            delivery,
            progress,
        });
    }

    fn restore(
        mut self,
        core: &Core,
        journal: &Journal,
        number: SessionNumber,
    ) -> Result<(), StoreError> {
        self.state
            .messages
            .sort_unstable_by_key(|message| message.key);
        self.released.sort_unstable();
        let released = self.released.into_iter().map(|(_, key, id)| (key, id));
        self.state.released.extend(released);
        let SessionRecord {
            client_id,
            session_expiry_interval,
            ends_at,
            will,
        } = *self.record;
        let corrupt = |why: &dyn std::fmt::Display| {
            StoreError::Corrupt(format!("session {client_id}: {why}"))
        };
        let was_connected = ends_at.is_none();
        let state = ServerState {
            session: self.state,
            session_expiry_interval,
            ends_at: ends_at.map(|at| journal.clock.to_broker(at)),
            will: will.map(|stored| StoredWill {
                will: Box::new(stored.will),
                due_at: stored.due_at.map(|at| journal.clock.to_broker(at)),
            }),
        };
        let now = core.now();
        let session = ServerSession::restore(now, state, core.settings())
            .map_err(|refused| corrupt(&refused))?;
        let slot = Arc::new(Slot::new(Arc::clone(&client_id)));
        if !core.registry.insert(&slot) {
            return Err(corrupt(&"it is there twice"));
        }
        let target = Target::Session(Arc::clone(&slot));
        for subscription in self.subscriptions {
            let grant = Grant {
                options: subscription.options,
                identifier: subscription.identifier,
            };
            let filter = subscription.filter.detached();
            if !core.router.subscribe(&target, &filter, grant, || {}) {
                slot.subscriptions.fetch_add(1, Relaxed);
            }
        }
        let mut state = slot.lock();
        state.life = Life::Alive;
        state.session = Some(Box::new(session));
        state.extras.get_or_insert_default().number = Some(number);
        if was_connected {
            // From now on its time runs, also over further restarts.
            state.record_terms(&slot, journal);
        }
        state.rearm(&slot, now, core.next_worker());
        Ok(())
    }
}
