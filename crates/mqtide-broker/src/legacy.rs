//! What a connection or a session leaves behind: its will, and messages for others.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;
use mqtide_codec::{QoS, Will};
use mqtide_session::{DeliveryKey, ServerSession, Undelivered};

use crate::core::Core;
use crate::hooks::{ClientInfo, PublishRequest};
use crate::publication::Publication;
use crate::routing::{GroupRef, Message, Target};
use crate::slot::{Extras, Life, Slot, State};
use crate::store::{Change, Journal, SessionNumber};
use crate::worker::Worker;

/// What is done after the lock of a slot has been released.
#[derive(Default)]
pub(crate) struct Aftermath {
    pub(crate) wills: Vec<(Box<Will>, Option<Arc<ClientInfo>>)>,
    pub(crate) ended: Option<Estate>,
}

/// What a session that has ended leaves behind.
pub(crate) struct Estate {
    pub(crate) number: Option<SessionNumber>,
    pub(crate) undelivered: VecDeque<Undelivered<Publication>>,
    pub(crate) shared: HashMap<DeliveryKey, GroupRef>,
}

impl Core {
    /// Does what the end of a connection or a session leads to, now that the slot is free again.
    pub(crate) fn settle(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        aftermath: Aftermath,
        worker: &Arc<Worker>,
    ) {
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
    pub(crate) fn note_end(&self, estate: &Estate) {
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
    pub(crate) fn inherit(&self, estate: Estate, worker: &Worker) {
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

impl State {
    /// Ends the session.
    pub(crate) fn end(&mut self, slot: &Arc<Slot>, worker: &Worker) -> Option<Estate> {
        self.life = Life::Ended;
        self.forget(slot, worker);
        let mut session = self.session.take()?;
        Some(Estate::of(&mut session, &mut self.extras))
    }

    /// Who the client is, if it is known still.
    pub(crate) fn info(&self) -> Option<Arc<ClientInfo>> {
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
    /// Takes it out of a session that has ended.
    pub(crate) fn of(
        session: &mut ServerSession<Publication>,
        extras: &mut Option<Box<Extras>>,
    ) -> Self {
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
