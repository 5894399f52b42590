//! What has changed and is not stored yet.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use mqtide_codec::{PacketIdentifier, QoS, ReasonCode};
use mqtide_session::{AckToken, Instant, ServerSession, StoreOp, Ticket};
use mqtide_topic::TopicNameRef;
use parking_lot::{Mutex, MutexGuard, RwLock, RwLockReadGuard};
use tokio::sync::Notify;

use super::batch::{Change, MessageNumber, SessionNumber, StoreBatch};
use super::body::MessageBody;
use super::clock::Clock;
use super::record::{QueueEntry, RetainedRecord};
use super::{Store, StoreError};
use crate::connection::Doorbell;
use crate::notice::Notice;
use crate::publication::Publication;
use crate::routing::Replay;
use crate::slot::Slot;

/// Gathers what changes, and remembers who waits for it to be stored. Absent if the store is volatile.
///
/// Changes of one session come here under the lock of its slot, so in order. Its own lock is the last of all.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Clock,
    /// Held, shared, while something happens that must be stored as a whole.
    whole: RwLock<()>,
    pending: Mutex<Pending>,
    /// The next number of a session, a message or a release.
    next: AtomicU64,
    max_bytes: usize,
    is_failing: AtomicBool,
    failures: Notice,
    /// Something has been gathered.
    pub(super) gathered: Notify,
    /// Nothing is left to be stored.
    pub(super) idle: Notify,
}

#[derive(Debug, Default)]
struct Pending {
    gathered: Cut,
    /// Bytes that are being stored.
    bytes_under_way: usize,
    is_under_way: bool,
    is_woken: bool,
    /// Connections that are not read until something has been stored.
    waiting: Vec<Arc<Doorbell>>,
}

/// A batch and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    pub(super) batch: StoreBatch,
    pub(super) tickets: Vec<(Arc<Slot>, Ticket)>,
    pub(super) receipts: Vec<Receipt>,
    bytes: usize,
}

/// What is acknowledged once everything before it is stored.
#[derive(Debug)]
pub(crate) enum Receipt {
    /// A message of this session.
    Publish {
        slot: Arc<Slot>,
        token: AckToken,
        reason: ReasonCode,
    },
    /// A SUBSCRIBE on this connection of the session.
    Subscribe {
        slot: Arc<Slot>,
        epoch: u32,
        packet_identifier: PacketIdentifier,
        reasons: Vec<ReasonCode>,
        replays: Vec<Replay>,
    },
    /// An UNSUBSCRIBE on this connection of the session.
    Unsubscribe {
        slot: Arc<Slot>,
        epoch: u32,
        packet_identifier: PacketIdentifier,
        reasons: Vec<ReasonCode>,
    },
}

impl Receipt {
    /// Whose it is.
    pub(super) fn slot(&self) -> &Arc<Slot> {
        match self {
            Receipt::Publish { slot, .. }
            | Receipt::Subscribe { slot, .. }
            | Receipt::Unsubscribe { slot, .. } => slot,
        }
    }
}

/// The message that was stored last, so that it is stored once for all its receivers.
#[derive(Debug, Default)]
pub(crate) struct Memo(Option<(Publication, MessageNumber)>);

/// While it exists nothing is cut off: what happens meanwhile is stored as a whole.
///
/// It is taken after the route table and before every other lock.
#[must_use = "what happens while it exists is stored as a whole"]
pub(crate) struct Whole<'a>(#[expect(dead_code, reason = "held")] RwLockReadGuard<'a, ()>);

impl Journal {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Clock, max_bytes: usize) -> Self {
        Journal {
            store,
            clock,
            whole: RwLock::default(),
            pending: Mutex::default(),
            next: AtomicU64::new(1),
            max_bytes,
            is_failing: AtomicBool::new(false),
            failures: Notice::new("the store failed"),
            gathered: Notify::new(),
            idle: Notify::new(),
        }
    }

    /// Begins something that is to be stored as a whole.
    pub(crate) fn whole(&self) -> Whole<'_> {
        Whole(self.whole.read())
    }

    /// A number that was not given before.
    pub(super) fn number(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    /// No number up to this one is given any more.
    pub(super) fn skip_numbers(&self, highest: u64) {
        self.next.fetch_max(highest.saturating_add(1), Relaxed);
    }

    /// Notes a change.
    pub(crate) fn push(&self, change: Change) {
        let mut pending = self.pending.lock();
        pending.gathered.push(change);
        self.wake(pending);
    }

    /// Notes everything that a session has recorded, but for what `sets_aside` takes; tells whether there was any.
    pub(super) fn take_operations(
        &self,
        slot: &Arc<Slot>,
        session: &mut ServerSession<Publication>,
        number: SessionNumber,
        memo: &mut Memo,
        mut sets_aside: impl FnMut(Ticket, &StoreOp<Publication>) -> bool,
    ) -> bool {
        let Some(mut next) = session.poll_store() else {
            return false;
        };
        let mut pending = self.pending.lock();
        let mut noted = None;
        loop {
            let (ticket, operation) = next;
            if !sets_aside(ticket, &operation) {
                self.operation(&mut pending.gathered, number, operation, memo);
                noted = Some(ticket);
            }
            match session.poll_store() {
                Some(following) => next = following,
                None => break,
            }
        }
        if let Some(ticket) = noted {
            pending.gathered.await_ticket(slot, ticket);
            self.wake(pending);
        }
        noted.is_some()
    }

    /// Notes that a session holds the identifier of a message that is being routed.
    pub(crate) fn hold(
        &self,
        slot: &Arc<Slot>,
        session: SessionNumber,
        id: PacketIdentifier,
        ticket: Ticket,
    ) {
        let mut pending = self.pending.lock();
        pending.gathered.push(Change::Hold {
            session,
            packet_identifier: id,
        });
        pending.gathered.await_ticket(slot, ticket);
        self.wake(pending);
    }

    /// Notes that a message is retained.
    pub(crate) fn retain(
        &self,
        topic: TopicNameRef<'_>,
        publication: &Publication,
        qos: QoS,
        publisher: Option<&Arc<str>>,
        memo: &mut Memo,
    ) {
        let mut pending = self.pending.lock();
        let message = self.message(&mut pending.gathered, publication, memo);
        let mut record = RetainedRecord::new(topic.into(), message, qos);
        record.publisher = publisher.cloned();
        pending.gathered.push(Change::Retain {
            record: Box::new(record),
        });
        self.wake(pending);
    }

    /// Notes that no message is retained any more.
    pub(crate) fn clear_retained(&self, topic: TopicNameRef<'_>) {
        self.push(Change::ClearRetained {
            topic: topic.into(),
        });
    }

    /// Has something acknowledged when everything up to now is stored.
    pub(crate) fn acknowledge(&self, receipt: Receipt) {
        let mut pending = self.pending.lock();
        pending.gathered.receipts.push(receipt);
        self.wake(pending);
    }

    /// Whether so much waits to be stored that no more should come.
    pub(crate) fn is_congested(&self) -> bool {
        let pending = self.pending.lock();
        pending.gathered.bytes + pending.bytes_under_way > self.max_bytes
    }

    /// Whether the store failed when it was last tried.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing.load(Relaxed)
    }

    /// Has the bell rung when something has been stored; not if nothing is to be stored.
    pub(crate) fn await_progress(&self, bell: &Arc<Doorbell>) -> bool {
        let mut pending = self.pending.lock();
        let comes = pending.is_under_way || !pending.gathered.is_empty();
        if comes {
            pending.waiting.push(Arc::clone(bell));
        }
        comes
    }

    /// Cuts off what has gathered, between two things that are to be stored as a whole.
    pub(super) fn cut(&self) -> Option<Cut> {
        let _between = self.whole.write();
        let mut pending = self.pending.lock();
        pending.is_woken = false;
        if pending.gathered.is_empty() {
            return None;
        }
        pending.is_under_way = true;
        pending.bytes_under_way += pending.gathered.bytes;
        Some(mem::take(&mut pending.gathered))
    }

    /// Notes that everything cut off has been stored; gives those who wait for that.
    pub(super) fn stored(&self) -> Vec<Arc<Doorbell>> {
        let mut pending = self.pending.lock();
        pending.is_under_way = false;
        pending.bytes_under_way = 0;
        mem::take(&mut pending.waiting)
    }

    /// Notes that the store works.
    pub(super) fn succeeded(&self) {
        self.is_failing.store(false, Relaxed);
    }

    /// Notes that the store has failed.
    pub(super) fn failed(&self, error: &StoreError) {
        self.is_failing.store(true, Relaxed);
        self.failures.note(&error.to_string());
    }

    /// Whether nothing is left to be stored.
    pub(super) fn is_idle(&self) -> bool {
        let pending = self.pending.lock();
        !pending.is_under_way && pending.gathered.is_empty()
    }

    fn operation(
        &self,
        gathered: &mut Cut,
        session: SessionNumber,
        operation: StoreOp<Publication>,
        memo: &mut Memo,
    ) {
        let change = match operation {
            StoreOp::Enqueue {
                key,
                message,
                qos,
                retain,
                subscription_identifiers,
            } => {
                let message = self.message(gathered, &message, memo);
                let entry = QueueEntry {
                    key,
                    message,
                    qos,
                    retain,
                    subscription_identifiers,
                };
                Change::Enqueue { session, entry }
            }
            StoreOp::Assign {
                key,
                packet_identifier,
            } => Change::Assign {
                session,
                key,
                packet_identifier,
            },
            StoreOp::Release { key } => Change::Release {
                session,
                key,
                order: self.number(),
            },
            StoreOp::Remove { key } => Change::Remove { session, key },
            StoreOp::Hold { packet_identifier } => Change::Hold {
                session,
                packet_identifier,
            },
            StoreOp::Forget { packet_identifier } => Change::Forget {
                session,
                packet_identifier,
            },
            // A session that ends is noted as such, and a mark stands for what is noted beside it.
            _ => return,
        };
        gathered.push(change);
    }

    fn message(
        &self,
        gathered: &mut Cut,
        publication: &Publication,
        memo: &mut Memo,
    ) -> MessageNumber {
        if let Some((last, number)) = &memo.0
            && last.topic_bytes().as_ptr() == publication.topic_bytes().as_ptr()
        {
            return *number;
        }
        let number = MessageNumber(self.number());
        let expires_at = self.expires_at(publication);
        gathered.bytes += publication.size();
        gathered
            .batch
            .add_message(number, MessageBody::new(publication.clone(), expires_at));
        memo.0 = Some((publication.clone(), number));
        number
    }

    fn expires_at(&self, publication: &Publication) -> Option<std::time::SystemTime> {
        use mqtide_session::Deliverable;

        let at: Instant = publication.expires_at()?;
        Some(self.clock.to_system(at))
    }

    /// Has the batch submitted, if nobody has asked for that yet.
    fn wake(&self, mut pending: MutexGuard<'_, Pending>) {
        if !mem::replace(&mut pending.is_woken, true) && !pending.is_under_way {
            drop(pending);
            self.gathered.notify_one();
        }
    }
}

impl Cut {
    /// Adds all of a later one.
    pub(super) fn append(&mut self, mut later: Cut) {
        self.batch.append(later.batch);
        self.tickets.append(&mut later.tickets);
        self.receipts.append(&mut later.receipts);
        self.bytes += later.bytes;
    }

    fn is_empty(&self) -> bool {
        self.batch.is_empty() && self.tickets.is_empty() && self.receipts.is_empty()
    }

    fn push(&mut self, change: Change) {
        self.bytes += size_of::<Change>();
        self.batch.push(change);
    }

    fn await_ticket(&mut self, slot: &Arc<Slot>, ticket: Ticket) {
        match self.tickets.last_mut() {
            Some((last, latest)) if Arc::ptr_eq(last, slot) => *latest = (*latest).max(ticket),
            _ => self.tickets.push((Arc::clone(slot), ticket)),
        }
    }
}
