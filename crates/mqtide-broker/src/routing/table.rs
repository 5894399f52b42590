//! Which filters have which subscribers.

use std::ops::ControlFlow;
use std::sync::Arc;

use hashbrown::HashMap;
use mqtide_topic::{FilterIndex, SubscriptionFilter, TopicFilter};

use super::group::Group;
use super::target::{Grant, Target};
use crate::in_process::LocalSubscriber;

/// The subscriptions of all sessions, of shared groups and of in-process subscribers.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(super) index: FilterIndex<Target, Grant>,
    groups: HashMap<Box<str>, Arc<Group>>,
    /// The groups of each member, as the index knows nothing of them.
    memberships: HashMap<Target, Vec<Arc<Group>>>,
    shared: usize,
}

impl Table {
    /// Adds or replaces a subscription; tells whether the subscriber had it already `[MQTT-3.8.4-3]`.
    pub(crate) fn subscribe(
        &mut self,
        target: &Target,
        filter: &SubscriptionFilter,
        grant: Grant,
    ) -> bool {
        match filter.share_name() {
            None => self
                .index
                .insert(filter.filter(), target.clone(), grant)
                .is_some(),
            Some(_) => self.join(target, filter, grant),
        }
    }

    /// Removes the subscription with just this filter `[MQTT-3.10.4-1]`; tells whether there was one.
    pub(crate) fn unsubscribe(&mut self, target: &Target, filter: &SubscriptionFilter) -> bool {
        if filter.share_name().is_none() {
            return self.index.remove(filter.filter(), target).is_some();
        }
        let Some(group) = self.groups.get(filter.to_string().as_str()).cloned() else {
            return false;
        };
        if let Some(groups) = self.memberships.get_mut(target) {
            groups.retain(|other| !Arc::ptr_eq(other, &group));
            if groups.is_empty() {
                self.memberships.remove(target);
            }
        }
        self.leave(target, &group)
    }

    /// Whether the subscriber has just this subscription.
    pub(crate) fn has(&self, target: &Target, filter: &SubscriptionFilter) -> bool {
        if filter.share_name().is_none() {
            return self.index.get(filter.filter(), target).is_some();
        }
        let name = filter.to_string();
        let groups = self.memberships.get(target);
        groups.is_some_and(|groups| groups.iter().any(|group| *group.name == *name))
    }

    /// Removes all subscriptions of a subscriber.
    pub(crate) fn remove(&mut self, target: &Target) {
        self.index.remove_key(target);
        for group in self.memberships.remove(target).unwrap_or_default() {
            self.leave(target, &group);
        }
    }

    /// Subscriptions, each member of a group counted.
    pub(crate) fn len(&self) -> usize {
        self.index.len() - self.groups.len() + self.shared
    }

    /// Memberships in groups.
    pub(crate) fn shared_len(&self) -> usize {
        self.shared
    }

    /// Shows the subscribers within this process.
    pub(crate) fn for_each_local(&self, look: impl Fn(&LocalSubscriber)) {
        let _: ControlFlow<()> = self.index.visit_all(|_, target, _| {
            if let Target::Local(local) = target {
                look(local);
            }
            ControlFlow::Continue(())
        });
        for target in self.memberships.keys() {
            if let Target::Local(local) = target {
                look(local);
            }
        }
    }

    fn join(&mut self, target: &Target, filter: &SubscriptionFilter, grant: Grant) -> bool {
        let name = filter.to_string();
        let group = match self.groups.get(name.as_str()) {
            Some(group) => Arc::clone(group),
            None => self.found(name, filter.filter()),
        };
        let existed = group.join(target.clone(), grant);
        if !existed {
            self.shared += 1;
            self.memberships
                .entry(target.clone())
                .or_default()
                .push(group);
        }
        existed
    }

    fn found(&mut self, name: String, filter: &TopicFilter) -> Arc<Group> {
        let group = Arc::new(Group::new(&name, filter.detached()));
        self.groups.insert(name.into(), Arc::clone(&group));
        self.index
            .insert(filter, Target::Group(Arc::clone(&group)), Grant::default());
        group
    }

    fn leave(&mut self, target: &Target, group: &Arc<Group>) -> bool {
        let (was_member, is_empty) = group.leave(target);
        if was_member {
            self.shared -= 1;
        }
        if is_empty && self.groups.remove(&group.name).is_some() {
            self.index
                .remove(&group.filter, &Target::Group(Arc::clone(group)));
        }
        was_member
    }
}

#[cfg(test)]
mod tests {
    use super::super::merge::{Merged, for_each_subscriber};
    use super::*;
    use crate::in_process::LocalSubscriber;
    use mqtide_codec::{QoS, SubscriptionIdentifier, SubscriptionOptions};
    use mqtide_session::SubscriptionIdentifiers;
    use mqtide_topic::TopicNameRef;

    fn target() -> Target {
        Target::Local(Arc::new(LocalSubscriber::new(1)))
    }

    fn filter(text: &str) -> SubscriptionFilter {
        SubscriptionFilter::try_from(text).unwrap()
    }

    fn grant(qos: QoS, identifier: u32) -> Grant {
        let options = SubscriptionOptions::from(qos);
        Grant {
            options,
            identifier: SubscriptionIdentifier::new(identifier),
        }
    }

    fn matches(table: &Table, topic: &str) -> Vec<(Target, Merged)> {
        let mut found = Vec::new();
        let topic = TopicNameRef::new(topic).unwrap();
        for_each_subscriber(
            &table.index,
            topic,
            |_, _| true,
            |target, merged| {
                found.push((target.clone(), merged));
            },
        );
        found
    }

    /// MQTT-3.3.4-2, MQTT-3.3.4-4
    #[test]
    fn overlapping_subscriptions_are_one_match_with_the_most_that_any_grants() {
        let mut table = Table::default();
        let (one, other) = (target(), target());
        table.subscribe(&one, &filter("a/b"), grant(QoS::AtMostOnce, 1));
        table.subscribe(&one, &filter("a/+"), grant(QoS::ExactlyOnce, 2));
        table.subscribe(&one, &filter("#"), grant(QoS::AtLeastOnce, 0));
        table.subscribe(&other, &filter("a/#"), grant(QoS::AtMostOnce, 9));
        let found = matches(&table, "a/b");
        assert_eq!(found.len(), 2);
        let of = |target: &Target| found.iter().find(|(t, _)| t == target).unwrap().1.clone();
        assert_eq!(of(&one).maximum_qos, QoS::ExactlyOnce);
        assert_eq!(of(&one).identifiers.as_slice().len(), 2);
        let id = SubscriptionIdentifier::new(9).unwrap();
        assert_eq!(of(&other).identifiers, SubscriptionIdentifiers::One(id));
    }

    /// MQTT-3.8.4-3
    #[test]
    fn the_same_filter_again_replaces_the_subscription() {
        let mut table = Table::default();
        let one = target();
        for text in ["a", "$share/g/a"] {
            assert!(!table.subscribe(&one, &filter(text), grant(QoS::AtMostOnce, 1)));
            assert!(table.subscribe(&one, &filter(text), grant(QoS::AtLeastOnce, 2)));
            assert!(!table.unsubscribe(&one, &filter("$share/other/a")));
            assert!(table.unsubscribe(&one, &filter(text)));
            assert!(!table.unsubscribe(&one, &filter(text)));
        }
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_group_ends_with_its_last_member() {
        let mut table = Table::default();
        let (one, other) = (target(), target());
        table.subscribe(&one, &filter("$share/g/a/#"), grant(QoS::AtMostOnce, 0));
        table.subscribe(&other, &filter("$share/g/a/#"), grant(QoS::AtMostOnce, 0));
        table.subscribe(&one, &filter("a/#"), grant(QoS::AtMostOnce, 0));
        assert_eq!((table.len(), table.shared_len()), (3, 2));
        assert_eq!(matches(&table, "a/b").len(), 2, "the group is one match");
        table.remove(&one);
        assert_eq!(matches(&table, "a/b").len(), 1);
        table.remove(&other);
        assert_eq!(matches(&table, "a/b").len(), 0);
        assert_eq!((table.len(), table.shared_len()), (0, 0));
        assert!(table.groups.is_empty() && table.memberships.is_empty());
    }
}
