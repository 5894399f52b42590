//! Shared subscriptions (`MQTT 5.0 §4.8.2`).

use std::sync::Arc;

use mqtide_topic::TopicFilter;
use parking_lot::Mutex;

use super::strategy::SharedStrategy;
use super::target::{Grant, Target};

/// The members of one `$share/name/filter`, and whose turn it is.
#[derive(Debug)]
pub(crate) struct Group {
    /// The whole text, which is the identity of the group.
    pub(crate) name: Box<str>,
    /// What the group subscribes to.
    pub(crate) filter: TopicFilter,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    list: Vec<(Target, Grant)>,
    turn: u64,
}

/// What a member did with a message that it was offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Taken,
    /// It cannot take it now, but would let it wait.
    NotNow,
}

impl Group {
    pub(crate) fn new(name: &str, filter: TopicFilter) -> Self {
        Group {
            name: name.into(),
            filter,
            members: Mutex::default(),
        }
    }

    /// Adds a member, or changes its terms; tells whether it was one already.
    pub(crate) fn join(&self, member: Target, grant: Grant) -> bool {
        let list = &mut self.members.lock().list;
        match list.iter_mut().find(|(other, _)| *other == member) {
            Some((_, old)) => {
                *old = grant;
                true
            }
            None => {
                list.push((member, grant));
                false
            }
        }
    }

    /// Removes a member; tells whether it was one, and whether the group is empty now.
    pub(crate) fn leave(&self, member: &Target) -> (bool, bool) {
        let list = &mut self.members.lock().list;
        let before = list.len();
        list.retain(|(other, _)| other != member);
        (list.len() < before, list.is_empty())
    }

    /// Offers a message to one member after the other, the one whose turn it is first, until one takes it. If
    /// none can at once, it `waits` with the first that was asked.
    ///
    /// The lock on the members is held meanwhile: a member cannot leave between its choice and the delivery.
    pub(crate) fn deliver(
        &self,
        strategy: &dyn SharedStrategy,
        mut offer: impl FnMut(&Target, &Grant) -> Offer,
        waits: impl FnOnce(&Target, &Grant),
    ) {
        let mut members = self.members.lock();
        let count = members.list.len();
        if count == 0 {
            return;
        }
        let start = strategy.choose(members.turn, count) % count;
        members.turn += 1;
        let (before, after) = members.list.split_at(start);
        let mut in_turn = after.iter().chain(before);
        if !in_turn.any(|(member, grant)| offer(member, grant) == Offer::Taken) {
            let (member, grant) = &members.list[start];
            waits(member, grant);
        }
    }
}

/// A reference that a session keeps to the group that a message came through.
pub(crate) type GroupRef = Arc<Group>;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::strategy::RoundRobin;
    use super::*;
    use crate::in_process::LocalSubscriber;

    fn member() -> Target {
        Target::Local(Arc::new(LocalSubscriber::new(1)))
    }

    fn group(members: &[Target]) -> Group {
        let group = Group::new("$share/g/a", TopicFilter::from_static("a"));
        members
            .iter()
            .for_each(|member| assert!(!group.join(member.clone(), Grant::default())));
        group
    }

    /// Delivers once; returns who took it, and whether it has to wait.
    fn deliver(group: &Group, members: &[Target], able: &[bool]) -> (usize, bool) {
        let index = |target: &Target| members.iter().position(|other| other == target).unwrap();
        let taker = RefCell::new(None);
        group.deliver(
            &RoundRobin,
            |target, _| {
                if able[index(target)] {
                    *taker.borrow_mut() = Some((index(target), false));
                    return Offer::Taken;
                }
                Offer::NotNow
            },
            |target, _| *taker.borrow_mut() = Some((index(target), true)),
        );
        taker.into_inner().unwrap()
    }

    #[test]
    fn members_take_turns_and_step_in_for_each_other() {
        let members = [member(), member(), member()];
        let group = group(&members);
        let takers: Vec<_> = (0..6)
            .map(|_| deliver(&group, &members, &[true; 3]).0)
            .collect();
        assert_eq!(takers, [0, 1, 2, 0, 1, 2]);
        assert_eq!(deliver(&group, &members, &[false, true, true]), (1, false));
        assert_eq!(deliver(&group, &members, &[false, false, false]), (1, true));
    }

    #[test]
    fn joining_again_is_still_one_membership() {
        let members = [member(), member()];
        let group = group(&members);
        assert!(group.join(members[0].clone(), Grant::default()));
        assert_eq!(group.leave(&members[0]), (true, false));
        assert_eq!(group.leave(&members[0]), (false, false));
        assert_eq!(group.leave(&members[1]), (true, true));
    }
}
