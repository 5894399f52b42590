//! Retained messages (`MQTT 5.0 §3.3.1.3`).

use std::ops::ControlFlow;
use std::sync::Arc;

use mqtide_codec::QoS;
use mqtide_session::{Deliverable, Delivery, Instant, SubscriptionIdentifiers};
use mqtide_topic::{TopicFilter, TopicFilterRef, TopicMap, TopicNameRef, TopicScan};
use parking_lot::{RwLock, RwLockReadGuard};

use super::{Grant, Message};
use crate::publication::Publication;
use crate::worker::{Deadlines, Tick};

/// The last retained message of each topic.
#[derive(Debug)]
pub(crate) struct Retained {
    store: RwLock<Store>,
    max_messages: usize,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct Store {
    map: TopicMap<Kept>,
    bytes: usize,
    /// When messages expire.
    expiries: Deadlines<Box<str>>,
}

#[derive(Debug)]
struct Kept {
    publication: Publication,
    qos: QoS,
    /// For No Local.
    publisher: Option<Arc<str>>,
}

/// What has become of the retained message of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetainedChange {
    Kept,
    Cleared,
}

/// There is no room for another retained message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// Retained messages on their way to a new subscription, a few at a time.
#[derive(Debug)]
pub(crate) struct Replay {
    scan: TopicScan,
    grant: Grant,
    /// The subscriber, if it does not want its own messages.
    no_local: Option<Arc<str>>,
}

impl Retained {
    pub(crate) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Retained {
            store: RwLock::default(),
            max_messages,
            max_bytes,
        }
    }

    /// Stores a message, or erases the one that is there if this one is empty `[MQTT-3.3.1-5]`,
    /// `[MQTT-3.3.1-6]`, `[MQTT-3.3.1-7]`. `note` is told what has changed, while nothing else can.
    pub(crate) fn apply(
        &self,
        message: &Message<'_>,
        note: impl FnOnce(RetainedChange),
    ) -> Result<(), NoRoom> {
        let Message {
            topic,
            publication,
            qos,
            publisher,
            ..
        } = *message;
        let mut store = self.store.write();
        let old = store.map.get_mut(topic).map(|kept| kept.publication.size());
        if publication.payload_len() == 0 {
            if store.remove(topic) {
                note(RetainedChange::Cleared);
            }
            return Ok(());
        }
        let bytes = store.bytes - old.unwrap_or(0) + publication.size();
        if bytes > self.max_bytes || (old.is_none() && store.map.len() >= self.max_messages) {
            return Err(NoRoom);
        }
        note(RetainedChange::Kept);
        let kept = Kept {
            publication: publication.compact(),
            qos,
            publisher: publisher.cloned(),
        };
        store.insert(topic, kept, bytes);
        Ok(())
    }

    /// Takes back a message that was stored, whatever the limits are now.
    pub(crate) fn restore(
        &self,
        topic: TopicNameRef<'_>,
        publication: Publication,
        qos: QoS,
        publisher: Option<Arc<str>>,
    ) {
        let mut store = self.store.write();
        store.remove(topic);
        let bytes = store.bytes + publication.size();
        let kept = Kept {
            publication,
            qos,
            publisher,
        };
        store.insert(topic, kept, bytes);
    }

    /// The messages as they are now.
    pub(crate) fn reader(&self) -> Reader<'_> {
        Reader(self.store.read())
    }

    /// Erases what has expired, some of it; tells whether there is more. `note` is told each topic that has no
    /// message any more.
    pub(crate) fn expire(&self, now: Instant, mut note: impl FnMut(TopicNameRef<'_>)) -> bool {
        let mut store = self.store.write();
        for _ in 0..NAMES_PER_STEP {
            let Some((_, topic)) = store.expiries.pop_due(now) else {
                return false;
            };
            let Ok(topic) = TopicNameRef::try_from(&*topic) else {
                continue;
            };
            let expires_at = store
                .map
                .get_mut(topic)
                .and_then(|kept| kept.publication.expires_at());
            if expires_at.is_some_and(|at| at <= now) && store.remove(topic) {
                note(topic);
            }
        }
        true
    }

    /// Messages and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        let store = self.store.read();
        (store.map.len(), store.bytes)
    }
}

/// The retained messages, which cannot change while this is held: so a subscriber that is given some of them
/// meanwhile never gets an older one after a newer one.
pub(crate) struct Reader<'a>(RwLockReadGuard<'a, Store>);

impl Reader<'_> {
    /// Gives the next messages of a replay to `deliver`, which may refuse to go on; tells whether the replay is
    /// done.
    pub(crate) fn replay(
        &self,
        replay: &mut Replay,
        now: Instant,
        mut deliver: impl FnMut(Delivery<Publication>) -> ControlFlow<()>,
    ) -> bool {
        let Replay {
            scan,
            grant,
            no_local,
        } = replay;
        let identifiers = || match grant.identifier {
            Some(identifier) => SubscriptionIdentifiers::One(identifier),
            None => SubscriptionIdentifiers::None,
        };
        let _ = self.0.map.step(scan, NAMES_PER_STEP, |_, kept| {
            let is_expired = kept.publication.expires_at().is_some_and(|at| at <= now);
            let is_own = no_local.is_some() && kept.publisher == *no_local;
            if is_expired || is_own {
                return ControlFlow::Continue(());
            }
            deliver(Delivery {
                message: kept.publication.clone(),
                qos: kept.qos.min(grant.options.maximum_qos),
                retain: true,
                subscription_identifiers: identifiers(),
            })
        });
        scan.is_finished()
    }
}

impl Store {
    fn remove(&mut self, topic: TopicNameRef<'_>) -> bool {
        let removed = self.map.remove(topic);
        if let Some(kept) = &removed {
            self.bytes -= kept.publication.size();
            self.forget_expiry(topic, kept);
        }
        removed.is_some()
    }

    fn insert(&mut self, topic: TopicNameRef<'_>, kept: Kept, bytes: usize) {
        self.bytes = bytes;
        let expires_at = kept.publication.expires_at();
        if let Some(old) = self.map.insert(topic, kept) {
            self.forget_expiry(topic, &old);
        }
        if let Some(at) = expires_at {
            let at = Tick::at_or_after(at);
            self.expiries.add(at, topic.as_str().into());
        }
    }

    /// Whoever replaces a message again and again adds nothing.
    fn forget_expiry(&mut self, topic: TopicNameRef<'_>, kept: &Kept) {
        if let Some(at) = kept.publication.expires_at() {
            let at = Tick::at_or_after(at);
            self.expiries.remove(at, topic.as_str().into());
        }
    }
}

impl Replay {
    pub(crate) fn new(filter: TopicFilter, grant: Grant, subscriber: &Arc<str>) -> Self {
        let no_local = grant.options.no_local.then(|| Arc::clone(subscriber));
        Replay {
            scan: TopicScan::new(filter),
            grant,
            no_local,
        }
    }

    pub(crate) fn filter(&self) -> TopicFilterRef<'_> {
        self.scan.filter()
    }
}

/// As much as one turn looks at.
const NAMES_PER_STEP: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publication::{Content, Payload};

    fn name(text: &str) -> TopicNameRef<'_> {
        TopicNameRef::new(text).unwrap()
    }

    fn message(topic: &str, payload: &[u8], expires_at: Option<Instant>) -> Publication {
        let payload = Payload::Borrowed(payload);
        Publication::new(&Content {
            topic,
            properties: b"",
            payload,
            expires_at,
        })
    }

    fn store(retained: &Retained, topic: &str, publication: &Publication) -> Result<(), NoRoom> {
        let client: Arc<str> = "publisher".into();
        let message = Message {
            topic: name(topic),
            publication,
            qos: QoS::AtLeastOnce,
            retain: true,
            publisher: Some(&client),
        };
        retained.apply(&message, |_| {})
    }

    fn put(retained: &Retained, topic: &str, payload: &[u8]) -> Result<(), NoRoom> {
        store(retained, topic, &message(topic, payload, None))
    }

    fn found_by(
        retained: &Retained,
        filter: &'static str,
        now: Instant,
        grant: Grant,
        subscriber: &str,
    ) -> Vec<String> {
        let filter = TopicFilter::from_static(filter);
        let mut replay = Replay::new(filter, grant, &subscriber.into());
        let mut topics = Vec::new();
        while !retained.reader().replay(&mut replay, now, |delivery| {
            assert!(delivery.retain);
            topics.push(delivery.message.topic().to_owned());
            ControlFlow::Continue(())
        }) {}
        topics
    }

    fn found(retained: &Retained, filter: &'static str, now: Instant) -> Vec<String> {
        found_by(retained, filter, now, Grant::default(), "subscriber")
    }

    #[test]
    fn no_local_keeps_own_messages_back() {
        let retained = Retained::new(10, 1000);
        put(&retained, "a", b"1").unwrap();
        let mut grant = Grant::default();
        grant.options.no_local = true;
        assert_eq!(
            found_by(&retained, "#", Instant::ZERO, grant, "publisher").len(),
            0
        );
        assert_eq!(
            found_by(&retained, "#", Instant::ZERO, grant, "subscriber").len(),
            1
        );
    }

    /// MQTT-3.3.1-5, MQTT-3.3.1-6, MQTT-3.3.1-7
    #[test]
    fn the_last_message_stays_and_an_empty_one_erases() {
        let retained = Retained::new(10, 1000);
        put(&retained, "a", b"1").unwrap();
        put(&retained, "a", b"two").unwrap();
        put(&retained, "b", b"3").unwrap();
        assert_eq!(retained.size(), (2, 4 + 2));
        put(&retained, "a", b"").unwrap();
        put(&retained, "never", b"").unwrap();
        assert_eq!(retained.size(), (1, 2));
        assert_eq!(found(&retained, "#", Instant::ZERO), ["b"]);
    }

    #[test]
    fn limits_leave_what_is_there() {
        let retained = Retained::new(2, 100);
        put(&retained, "a", b"1").unwrap();
        put(&retained, "b", b"1").unwrap();
        assert_eq!(put(&retained, "c", b"1"), Err(NoRoom));
        assert_eq!(put(&retained, "b", &[0; 98]), Err(NoRoom));
        put(&retained, "b", b"2").unwrap();
        assert_eq!(found(&retained, "+", Instant::ZERO), ["a", "b"]);
    }

    /// MQTT-3.3.2-5
    #[test]
    fn expired_messages_are_not_given_and_go_without_being_asked_for() {
        let retained = Retained::new(10_000, 1_000_000);
        let soon = Instant::from_micros(1_000_000);
        for number in 0..600 {
            let topic = format!("t/{number}");
            let message = message(&topic, b"x", Some(soon));
            store(&retained, &topic, &message).unwrap();
        }
        put(&retained, "t/0", b"for ever").unwrap();
        assert_eq!(found(&retained, "t/#", Instant::ZERO).len(), 600);
        assert_eq!(found(&retained, "t/#", soon), ["t/0"]);
        let mut gone = 0;
        while retained.expire(soon, |_| gone += 1) {}
        assert_eq!(gone, 599);
        assert_eq!(retained.size().0, 1);
    }

    #[test]
    fn a_message_that_is_replaced_or_erased_leaves_no_expiry_behind() {
        let retained = Retained::new(10, 1000);
        for second in 1..100 {
            let at = Instant::from_micros(second * 1_000_000);
            store(&retained, "a", &message("a", b"x", Some(at))).unwrap();
        }
        assert_eq!(retained.store.read().expiries.len(), 1);
        put(&retained, "a", b"").unwrap();
        assert_eq!(retained.store.read().expiries.len(), 0);
    }
}
