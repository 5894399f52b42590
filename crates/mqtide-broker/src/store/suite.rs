//! Proves that a store keeps the contract of [`Store`].
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use mqtide_broker::store::{Completion, Image, Records, Store, StoreBatch, StoreError, suite};
//!
//! /// Not a store for anybody's messages: they end with the process.
//! #[derive(Clone, Debug, Default)]
//! struct Paper(Arc<Mutex<Image>>);
//!
//! impl Store for Paper {
//!     fn load(&self) -> Result<Records<'_>, StoreError> {
//!         let records = self.0.lock().map_err(|_| StoreError::Abandoned)?.records();
//!         Ok(Box::new(records.into_iter().map(Ok)))
//!     }
//!
//!     fn submit(&self, batch: Arc<StoreBatch>, completion: Completion) {
//!         let applied = self.0.lock().map(|mut image| image.apply(&batch));
//!         completion.complete(applied.map_err(|_| StoreError::Abandoned));
//!     }
//! }
//!
//! suite::run(|| {
//!     let paper = Paper::default();
//!     move || Arc::new(paper.clone()) as Arc<dyn Store>
//! });
//! ```

mod parts;

use std::sync::Arc;

use mqtide_codec::{QoS, SubscriptionIdentifier};

use self::parts::{
    assign, at, body, end, enqueue, entry, filter, forget, hold, lines, release, remove, retain,
    session, subscribe, topic, will,
};
use super::{
    Change, Completion, Image, MessageBody, MessageNumber, Record, RetainedRecord, SessionNumber,
    Store, StoreBatch, StoreError, Subscription,
};

/// Runs every check on a store of its own. `create` gives a place where nothing is stored; each call of what it gives
/// opens that place again, as a process that starts would, after the store opened before was dropped.
///
/// # Panics
///
/// The store does not keep the contract; the message says in which check.
pub fn run<O: FnMut() -> Arc<dyn Store>>(mut create: impl FnMut() -> O) {
    for (name, check) in CHECKS {
        let mut open = create();
        check(&mut Place {
            name,
            open: &mut open,
            image: Image::default(),
        });
    }
}

/// A place to store, and what should be there.
struct Place<'a> {
    name: &'static str,
    open: &'a mut dyn FnMut() -> Arc<dyn Store>,
    image: Image,
}

/// A check and what it proves.
type Check = (&'static str, fn(&mut Place<'_>));

const CHECKS: [Check; 9] = [
    ("nothing is there at first", |place| place.compare()),
    ("everything comes back", everything_comes_back),
    (
        "what is put again is replaced",
        what_is_put_again_is_replaced,
    ),
    ("a session ends with all that belongs to it", sessions_end),
    ("messages go through their steps", steps_of_messages),
    ("what is applied again changes nothing", applied_again),
    ("what concerns no session is ignored", without_a_session),
    ("a batch may be large", large_batches),
    ("any sequence of changes", any_sequence),
];

impl Place<'_> {
    /// Stores a batch by a store that is then closed, and looks at what is there.
    fn store(&mut self, changes: impl IntoIterator<Item = Change>, messages: &[u64]) {
        let mut batch = StoreBatch::default();
        for number in messages {
            batch.add_message(MessageNumber(*number), body(*number));
        }
        changes.into_iter().for_each(|change| batch.push(change));
        self.submit([batch]);
        self.compare();
    }

    fn submit(&mut self, batches: impl IntoIterator<Item = StoreBatch>) {
        let store = (self.open)();
        // A store may rely on being asked what it has before anything else.
        drop(self.loaded(&*store));
        for batch in batches {
            self.image.apply(&batch);
            let (completion, outcome) = Completion::new();
            store.submit(Arc::new(batch), completion);
            self.succeeded(outcome.wait(), "submit");
        }
        let (completion, outcome) = Completion::new();
        store.flush(completion);
        self.succeeded(outcome.wait(), "flush");
    }

    fn compare(&mut self) {
        let store = (self.open)();
        let records = self.loaded(&*store);
        self.check_order(&records);
        let (found, expected) = (lines(&records), lines(&self.image.records()));
        assert!(
            found == expected,
            "{}: expected {expected:#?}, found {found:#?}",
            self.name
        );
    }

    fn loaded(&self, store: &dyn Store) -> Vec<Record> {
        let records = store.load().and_then(|records| records.collect());
        match records {
            Ok(records) => records,
            Err(error) => panic!("{}: load: {error}", self.name),
        }
    }

    fn succeeded(&self, result: Result<(), StoreError>, what: &str) {
        if let Err(error) = result {
            panic!("{}: {what}: {error}", self.name);
        }
    }

    /// Sessions and messages come before what refers to them.
    fn check_order(&self, records: &[Record]) {
        let (mut sessions, mut messages) = (Vec::new(), Vec::new());
        for record in records {
            let (session, message) = match record {
                Record::Session { session, .. } => {
                    sessions.push(*session);
                    (None, None)
                }
                Record::Message { number, .. } => {
                    messages.push(*number);
                    (None, None)
                }
                Record::Queued { session, entry, .. } => (Some(*session), Some(entry.message)),
                Record::Retained { record } => (None, Some(record.message)),
                Record::Subscription { session, .. }
                | Record::Released { session, .. }
                | Record::Held { session, .. } => (Some(*session), None),
            };
            let is_known = session.is_none_or(|session| sessions.contains(&session))
                && message.is_none_or(|message| messages.contains(&message));
            assert!(is_known, "{}: {record:?} comes too early", self.name);
        }
    }
}

fn everything_comes_back(place: &mut Place<'_>) {
    let mut ended = session(1, "ünïcode");
    if let Change::Session { record, .. } = &mut ended {
        record.session_expiry_interval = u32::MAX;
        record.ends_at = Some(at(5));
        record.will = Some(will());
    }
    let mut shared = Subscription::new(filter("$share/group/a/#"), QoS::ExactlyOnce);
    shared.identifier = SubscriptionIdentifier::new(268_435_455);
    shared.options.no_local = false;
    shared.options.retain_as_published = true;
    let mut entry = entry(1, 10);
    entry.retain = true;
    entry.subscription_identifiers = [1, 300]
        .into_iter()
        .filter_map(SubscriptionIdentifier::new)
        .collect();
    let mut retained = RetainedRecord::new(topic("a/b"), MessageNumber(10), QoS::ExactlyOnce);
    retained.publisher = Some("ünïcode".into());
    let changes = [
        ended,
        session(2, ""),
        subscribe(1, Subscription::new(filter("+/#"), QoS::AtMostOnce)),
        subscribe(1, shared),
        Change::Enqueue {
            session: SessionNumber(1),
            entry,
        },
        enqueue(1, 2, 11),
        enqueue(1, 3, 12),
        assign(1, 2, 65_535),
        assign(1, 3, 1),
        release(1, 3, 7),
        hold(1, 1),
        hold(1, 65_535),
        Change::Retain {
            record: Box::new(retained),
        },
    ];
    place.store(changes, &[10, 11, 12]);
}

fn what_is_put_again_is_replaced(place: &mut Place<'_>) {
    let first = [
        session(1, "a"),
        subscribe(1, Subscription::new(filter("a"), QoS::AtMostOnce)),
        enqueue(1, 1, 10),
        assign(1, 1, 1),
        hold(1, 1),
        retain("a", 10),
    ];
    place.store(first, &[10]);
    let mut again = session(1, "a");
    if let Change::Session { record, .. } = &mut again {
        record.ends_at = Some(at(9));
    }
    let mut other = Subscription::new(filter("a"), QoS::AtLeastOnce);
    other.identifier = SubscriptionIdentifier::new(1);
    let second = [
        again,
        subscribe(1, other),
        enqueue(1, 1, 11),
        hold(1, 1),
        retain("a", 12),
    ];
    place.store(second, &[11, 12]);
    let third = [
        session(1, "a"),
        Change::Unsubscribe {
            session: SessionNumber(1),
            filter: filter("a"),
        },
        Change::ClearRetained { topic: topic("a") },
    ];
    place.store(third, &[]);
}

fn sessions_end(place: &mut Place<'_>) {
    let begin = |number| {
        [
            session(number, "a"),
            subscribe(number, Subscription::new(filter("a"), QoS::AtMostOnce)),
            enqueue(number, 1, 10),
            enqueue(number, 2, 10),
            assign(number, 2, 1),
            enqueue(number, 3, 10),
            assign(number, 3, 2),
            release(number, 3, number),
            hold(number, 1),
        ]
    };
    place.store([1, 256, 257].into_iter().flat_map(begin), &[10]);
    place.store([end(256)], &[]);
    place.store([end(1), session(300, "a")], &[]);
    place.store([end(257), end(257), end(300)], &[]);
}

fn steps_of_messages(place: &mut Place<'_>) {
    let keys = [1, 2, 3, 1 << 40];
    let enqueued = keys.iter().map(|key| enqueue(1, *key, 10 + key % 7));
    place.store(
        [session(1, "a")].into_iter().chain(enqueued),
        &[11, 12, 13, 10 + (1 << 40) % 7],
    );
    place.store(
        keys.iter().zip(1..).map(|(key, id)| assign(1, *key, id)),
        &[],
    );
    place.store([release(1, 3, 20), release(1, 1, 21)], &[]);
    place.store([release(1, 3, 20), remove(1, 2)], &[]);
    place.store([remove(1, 3), assign(1, 3, 9), release(1, 3, 22)], &[]);
    place.store([hold(1, 5), hold(1, 6), forget(1, 5), forget(1, 7)], &[]);
    place.store([remove(1, 1), remove(1, 1 << 40), forget(1, 6)], &[]);
}

fn applied_again(place: &mut Place<'_>) {
    let mut batch = StoreBatch::default();
    batch.add_message(MessageNumber(10), body(10));
    let changes = [
        session(1, "a"),
        enqueue(1, 1, 10),
        enqueue(1, 2, 10),
        assign(1, 1, 1),
        release(1, 1, 5),
        enqueue(1, 3, 10),
        remove(1, 3),
        hold(1, 1),
        retain("a", 10),
        session(2, "b"),
        enqueue(2, 1, 10),
        end(2),
    ];
    changes.into_iter().for_each(|change| batch.push(change));
    for _ in 0..3 {
        place.submit([batch.clone()]);
        place.compare();
    }
    // It is forgotten with the last that refers to it, however often it came.
    place.store([end(1), Change::ClearRetained { topic: topic("a") }], &[]);
}

fn without_a_session(place: &mut Place<'_>) {
    let changes = [
        subscribe(1, Subscription::new(filter("a"), QoS::AtMostOnce)),
        enqueue(1, 1, 10),
        assign(1, 1, 1),
        release(1, 1, 1),
        remove(1, 2),
        hold(1, 1),
        forget(1, 2),
        end(1),
    ];
    place.store(changes, &[10]);
}

fn large_batches(place: &mut Place<'_>) {
    let mut batch = StoreBatch::default();
    let mut packet = b"\x30\x84\x80\x40\x00\x01a\x00".to_vec();
    packet.resize(packet.len() + (1 << 20), b'x');
    batch.add_message(
        MessageNumber(1),
        MessageBody::from_encoded(packet.into(), None),
    );
    for number in 1..=5_000 {
        batch.push(session(number, &number.to_string()));
        batch.push(enqueue(number, 1, 1));
    }
    place.submit([batch]);
    // The order is not looked at here, which takes the square of the number.
    let store = (place.open)();
    let records = place.loaded(&*store);
    drop(store);
    assert!(
        lines(&records) == lines(&place.image.records()),
        "{}",
        place.name
    );
    place.store((1..=5_000).map(end), &[]);
}

fn any_sequence(place: &mut Place<'_>) {
    let mut seed: u64 = 0x5EED;
    let mut below = |limit: u64| {
        // The generator of Knuth's MMIX: a check that fails must fail again.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % limit
    };
    let mut number = 1000;
    for _ in 0..20 {
        let mut batches = Vec::new();
        for _ in 0..10 {
            let mut batch = StoreBatch::default();
            for _ in 0..below(12) {
                let (of, key) = (1 + below(4), 1 + below(6));
                let id = u16::try_from(key).unwrap_or(1);
                number += 1;
                match below(11) {
                    0 | 1 => batch.push(session(of, &of.to_string())),
                    2 => batch.push(end(of)),
                    3 | 4 => {
                        batch.add_message(MessageNumber(number), body(number));
                        batch.push(enqueue(of, key, number));
                        batch.push(enqueue(of % 4 + 1, key, number));
                    }
                    5 => batch.push(assign(of, key, id)),
                    6 => batch.push(release(of, key, number)),
                    7 => batch.push(remove(of, key)),
                    8 => batch.push(hold(of, id)),
                    9 => batch.push(forget(of, id)),
                    _ => {
                        batch.add_message(MessageNumber(number), body(number));
                        batch.push(retain(if key % 2 == 0 { "even" } else { "odd" }, number));
                    }
                }
            }
            batches.push(batch);
        }
        place.submit(batches);
        place.compare();
    }
}
