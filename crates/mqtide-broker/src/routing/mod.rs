//! From a published message to its subscribers.

mod group;
mod merge;
mod retained;
mod strategy;
mod table;
mod target;

use std::sync::Arc;

use mqtide_codec::{QoS, ReasonCode};
use mqtide_session::{Delivery, Instant};
use mqtide_topic::{SubscriptionFilter, TopicFilter, TopicNameRef};
use parking_lot::{RwLock, RwLockReadGuard};

pub(crate) use group::{GroupRef, Offer};
pub(crate) use merge::Merged;
pub(crate) use retained::{Replay, Retained, RetainedChange};
pub use strategy::{Random, RoundRobin, SharedStrategy};
pub(crate) use table::Table;
pub(crate) use target::{Grant, Target};

use crate::connection::is_reserved;
use crate::publication::Publication;
use crate::slot::Outlets;

/// Routes messages.
#[derive(Debug)]
pub(crate) struct Router {
    table: RwLock<Table>,
    pub(crate) retained: Retained,
    strategy: Arc<dyn SharedStrategy>,
}

/// A message with what routing must know of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Message<'a> {
    pub(crate) topic: TopicNameRef<'a>,
    pub(crate) publication: &'a Publication,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// The client identifier of the publisher, for No Local; `None` if it is no client.
    pub(crate) publisher: Option<&'a Arc<str>>,
}

impl Router {
    pub(crate) fn new(retained: Retained, strategy: Arc<dyn SharedStrategy>) -> Self {
        Router {
            table: RwLock::default(),
            retained,
            strategy,
        }
    }

    /// The subscriptions as they are now. They do not change while this is held, so it is held for a turn at
    /// most.
    pub(crate) fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read()
    }

    /// Subscriptions, and how many of them are shared.
    pub(crate) fn size(&self) -> (u64, u64) {
        let table = self.table.read();
        (table.len() as u64, table.shared_len() as u64)
    }

    /// Whether the subscriber has just this subscription.
    pub(crate) fn has(&self, target: &Target, filter: &SubscriptionFilter) -> bool {
        self.table.read().has(target, filter)
    }

    /// Adds or replaces a subscription; tells whether the subscriber had it already. `note` is called while no
    /// other subscription can be made.
    pub(crate) fn subscribe(
        &self,
        target: &Target,
        filter: &SubscriptionFilter,
        grant: Grant,
        note: impl FnOnce(),
    ) -> bool {
        let mut table = self.table.write();
        note();
        table.subscribe(target, filter, grant)
    }

    /// Removes a subscription; tells whether there was one. `note` is called if so, while no other can be made.
    pub(crate) fn unsubscribe(
        &self,
        target: &Target,
        filter: &SubscriptionFilter,
        note: impl FnOnce(),
    ) -> bool {
        let mut table = self.table.write();
        let existed = table.unsubscribe(target, filter);
        if existed {
            note();
        }
        existed
    }

    /// Removes all subscriptions of a subscriber.
    pub(crate) fn remove(&self, target: &Target) {
        self.table.write().remove(target);
    }

    /// Tells in-process subscribers that nothing more will come.
    pub(crate) fn close_local(&self) {
        self.table.read().for_each_local(|local| local.close());
    }

    /// Stores the message if it is to be retained, then gives it to every subscriber; returns what the
    /// publisher is told.
    ///
    /// It is stored first: a subscriber that comes meanwhile gets it in either way, or in both.
    pub(crate) fn publish(
        &self,
        table: &Table,
        message: Message<'_>,
        outlets: &mut Outlets<'_>,
    ) -> ReasonCode {
        let Message {
            topic,
            retain,
            publisher,
            ..
        } = message;
        let note = |change| outlets.note_retained(&message, change);
        if retain && self.retained.apply(&message, note).is_err() {
            outlets.tally.add(crate::stats::Count::PublishesDropped, 1);
            return ReasonCode::QuotaExceeded;
        }
        let is_own = |target: &Target, grant: &Grant| {
            grant.options.no_local
                && matches!(target, Target::Session(slot) if Some(slot.client_id()) == publisher)
        };
        let subscribers = merge::for_each_subscriber(
            &table.index,
            topic,
            |target, grant| !is_own(target, grant),
            |target, merged| self.deliver(target, merged, &message, outlets),
        );
        match subscribers {
            0 => ReasonCode::NoMatchingSubscribers,
            _ => ReasonCode::Success,
        }
    }

    /// Gives a message to a group again, after the member that had it is gone.
    pub(crate) fn redeliver(
        &self,
        group: &GroupRef,
        publication: &Publication,
        qos: QoS,
        retain: bool,
        outlets: &mut Outlets<'_>,
    ) {
        self.deliver_shared(group, publication, qos, retain, outlets);
    }

    fn deliver(
        &self,
        target: &Target,
        merged: Merged,
        message: &Message<'_>,
        outlets: &mut Outlets<'_>,
    ) {
        let Message {
            publication,
            qos,
            retain,
            ..
        } = *message;
        match target {
            Target::Session(slot) => {
                slot.deliver(merged.delivery(publication, qos, retain), outlets)
            }
            Target::Local(local) => local.deliver(merged.delivery(publication, qos, retain)),
            Target::Group(group) => self.deliver_shared(group, publication, qos, retain, outlets),
        }
    }

    fn deliver_shared(
        &self,
        group: &GroupRef,
        publication: &Publication,
        qos: QoS,
        retain: bool,
        outlets: &mut Outlets<'_>,
    ) {
        let delivery = |grant: &Grant| Merged::of(grant).delivery(publication, qos, retain);
        let outlets = std::cell::RefCell::new(outlets);
        group.deliver(
            &*self.strategy,
            |member, grant| match member {
                Target::Session(slot) => {
                    slot.offer(&delivery(grant), group, &mut outlets.borrow_mut())
                }
                Target::Local(local) => {
                    local.deliver(delivery(grant));
                    Offer::Taken
                }
                Target::Group(_) => Offer::NotNow,
            },
            |member, grant| {
                if let Target::Session(slot) = member {
                    slot.keep(delivery(grant), group, &mut outlets.borrow_mut());
                }
            },
        );
    }
}

impl Outlets<'_> {
    /// Notes what is retained. The broker's own topics are made anew after each start.
    fn note_retained(&mut self, message: &Message<'_>, change: RetainedChange) {
        let topic = message.topic;
        let Some(journal) = self.journal.filter(|_| !is_reserved(topic)) else {
            return;
        };
        match change {
            RetainedChange::Kept => journal.retain(
                topic,
                message.publication,
                message.qos,
                message.publisher,
                &mut self.memo,
            ),
            RetainedChange::Cleared => journal.clear_retained(topic),
        }
        self.is_noted = true;
    }
}

impl Merged {
    /// The message on these terms `[MQTT-3.8.4-8]`, `[MQTT-3.3.1-12]`, `[MQTT-3.3.1-13]`.
    fn delivery(self, publication: &Publication, qos: QoS, retain: bool) -> Delivery<Publication> {
        Delivery {
            message: publication.clone(),
            qos: qos.min(self.maximum_qos),
            retain: retain && self.retain_as_published,
            subscription_identifiers: self.identifiers,
        }
    }
}

/// What a new subscription starts with: the retained messages that match, unless it wants none, or is shared.
pub(crate) fn replay_of(
    filter: &SubscriptionFilter,
    grant: &Grant,
    existed: bool,
    subscriber: &Arc<str>,
) -> Option<Replay> {
    use mqtide_codec::RetainHandling;

    let wanted = match grant.options.retain_handling {
        RetainHandling::SendAtSubscribe => true,
        RetainHandling::SendIfNew => !existed,
        RetainHandling::DoNotSend => false,
    };
    let filter: &TopicFilter = match filter {
        SubscriptionFilter::Plain(filter) if wanted => filter,
        _ => return None,
    };
    Some(Replay::new(filter.detached(), *grant, subscriber))
}

/// When a message with this Message Expiry Interval expires.
pub(crate) fn expiry(now: Instant, interval: Option<u32>) -> Option<Instant> {
    interval.map(|seconds| now + std::time::Duration::from_secs(seconds.into()))
}
