//! What is stored, as a value.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use mqtide_codec::PacketIdentifier;
use mqtide_session::DeliveryKey;
use mqtide_topic::TopicName;

use super::batch::{Change, MessageNumber, SessionNumber, StoreBatch};
use super::body::MessageBody;
use super::record::{QueueEntry, Record, RetainedRecord, SessionRecord, Subscription};

/// Everything that a sequence of batches leaves in a store, as a value in memory: what the changes mean, in code.
///
/// Stores are tested against it, and a store that keeps little can be built around it.
#[derive(Clone, Debug, Default)]
pub struct Image {
    sessions: BTreeMap<SessionNumber, Session>,
    messages: HashMap<MessageNumber, Counted>,
    retained: BTreeMap<TopicName, RetainedRecord>,
}

#[derive(Clone, Debug)]
struct Session {
    record: Box<SessionRecord>,
    subscriptions: BTreeMap<String, Box<Subscription>>,
    queue: BTreeMap<DeliveryKey, (QueueEntry, Option<PacketIdentifier>)>,
    released: BTreeMap<DeliveryKey, (PacketIdentifier, u64)>,
    held: BTreeSet<PacketIdentifier>,
}

/// A message, and how many refer to it.
#[derive(Clone, Debug)]
struct Counted {
    body: MessageBody,
    uses: usize,
}

impl Image {
    /// What it is after this batch. Applying it again changes nothing.
    pub fn apply(&mut self, batch: &StoreBatch) {
        for (number, body) in batch.messages() {
            // The packet by itself: the broker's copy of the message is not held on to.
            let body = match body.encode() {
                Ok(packet) => MessageBody::from_encoded(packet, body.expires_at()),
                Err(_) => body.clone(),
            };
            let counted = Counted { body, uses: 0 };
            self.messages.entry(*number).or_insert(counted);
        }
        for change in batch.changes() {
            self.change(change);
        }
        for (number, _) in batch.messages() {
            self.forget_unused(*number);
        }
    }

    /// Everything, in an order that [`Store::load`](super::Store::load) may give it in.
    pub fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        records.extend(
            self.messages
                .iter()
                .map(|(number, counted)| Record::Message {
                    number: *number,
                    body: counted.body.clone(),
                }),
        );
        for (number, session) in &self.sessions {
            session.append_to(*number, &mut records);
        }
        records.extend(self.retained.values().map(|record| Record::Retained {
            record: Box::new(record.clone()),
        }));
        records
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Session { session, record } => self.put_session(*session, record),
            Change::EndSession { session } => {
                let ended = self.sessions.remove(session);
                let queue = ended.into_iter().flat_map(|session| session.queue);
                for (_, (entry, _)) in queue {
                    self.release_use(entry.message);
                }
            }
            Change::Retain { record } => {
                self.add_use(record.message);
                let old = self
                    .retained
                    .insert(record.topic.clone(), (**record).clone());
                old.into_iter()
                    .for_each(|old| self.release_use(old.message));
            }
            Change::ClearRetained { topic } => {
                let old = self.retained.remove(topic);
                old.into_iter()
                    .for_each(|old| self.release_use(old.message));
            }
            Change::Enqueue { session, entry } => {
                let Some(owner) = self.sessions.get_mut(session) else {
                    return;
                };
                let old = owner.queue.insert(entry.key, (entry.clone(), None));
                owner.released.remove(&entry.key);
                self.add_use(entry.message);
                old.into_iter()
                    .for_each(|(old, _)| self.release_use(old.message));
            }
            Change::Release { session, key, .. } | Change::Remove { session, key } => {
                let Some(owner) = self.sessions.get_mut(session) else {
                    return;
                };
                let old = owner.queue.remove(key);
                match (change, &old) {
                    (Change::Release { order, .. }, Some((_, Some(id)))) => {
                        owner.released.insert(*key, (*id, *order));
                    }
                    (Change::Remove { .. }, _) => drop(owner.released.remove(key)),
                    _ => {}
                }
                old.into_iter()
                    .for_each(|(old, _)| self.release_use(old.message));
            }
            _ => self.change_session(change),
        }
    }

    /// The changes that concern no message.
    fn change_session(&mut self, change: &Change) {
        let Some(owner) = session_of(change).and_then(|session| self.sessions.get_mut(session))
        else {
            return;
        };
        match change {
            Change::Subscribe { subscription, .. } => {
                let text = subscription.filter.to_string();
                owner.subscriptions.insert(text, subscription.clone());
            }
            Change::Unsubscribe { filter, .. } => {
                owner.subscriptions.remove(&filter.to_string());
            }
            Change::Assign {
                key,
                packet_identifier,
                ..
            } => {
                if let Some((_, id)) = owner.queue.get_mut(key) {
                    *id = Some(*packet_identifier);
                }
            }
            Change::Hold {
                packet_identifier, ..
            } => {
                owner.held.insert(*packet_identifier);
            }
            Change::Forget {
                packet_identifier, ..
            } => {
                owner.held.remove(packet_identifier);
            }
            _ => {}
        }
    }

    fn put_session(&mut self, number: SessionNumber, record: &SessionRecord) {
        let record = Box::new(record.clone());
        match self.sessions.get_mut(&number) {
            Some(session) => session.record = record,
            None => {
                let session = Session {
                    record,
                    subscriptions: BTreeMap::new(),
                    queue: BTreeMap::new(),
                    released: BTreeMap::new(),
                    held: BTreeSet::new(),
                };
                self.sessions.insert(number, session);
            }
        }
    }

    fn add_use(&mut self, number: MessageNumber) {
        if let Some(counted) = self.messages.get_mut(&number) {
            counted.uses += 1;
        }
    }

    fn release_use(&mut self, number: MessageNumber) {
        if let Some(counted) = self.messages.get_mut(&number) {
            counted.uses = counted.uses.saturating_sub(1);
        }
        self.forget_unused(number);
    }

    fn forget_unused(&mut self, number: MessageNumber) {
        if self
            .messages
            .get(&number)
            .is_some_and(|counted| counted.uses == 0)
        {
            self.messages.remove(&number);
        }
    }
}

/// The session that a change concerns, if it concerns no message.
const fn session_of(change: &Change) -> Option<&SessionNumber> {
    match change {
        Change::Subscribe { session, .. }
        | Change::Unsubscribe { session, .. }
        | Change::Assign { session, .. }
        | Change::Hold { session, .. }
        | Change::Forget { session, .. } => Some(session),
        _ => None,
    }
}

impl Session {
    fn append_to(&self, session: SessionNumber, records: &mut Vec<Record>) {
        let record = self.record.clone();
        records.push(Record::Session { session, record });
        records.extend(self.subscriptions.values().map(|subscription| {
            let subscription = subscription.clone();
            Record::Subscription {
                session,
                subscription,
            }
        }));
        records.extend(
            self.queue
                .values()
                .map(|(entry, packet_identifier)| Record::Queued {
                    session,
                    entry: entry.clone(),
                    packet_identifier: *packet_identifier,
                }),
        );
        records.extend(
            self.released
                .iter()
                .map(|(key, (packet_identifier, order))| Record::Released {
                    session,
                    key: *key,
                    packet_identifier: *packet_identifier,
                    order: *order,
                }),
        );
        records.extend(self.held.iter().map(|packet_identifier| Record::Held {
            session,
            packet_identifier: *packet_identifier,
        }));
    }
}
