//! Who can subscribe.

use std::hash::{Hash, Hasher};
use std::ptr;
use std::sync::Arc;

use mqtide_codec::{SubscriptionIdentifier, SubscriptionOptions};

use super::group::Group;
use crate::in_process::LocalSubscriber;
use crate::slot::Slot;

/// A subscriber in the route table. Two are the same if they are the same object.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The session of a client.
    Session(Arc<Slot>),
    /// The members of a shared subscription, one of whom gets each message.
    Group(Arc<Group>),
    /// A subscriber within this process.
    Local(Arc<LocalSubscriber>),
}

/// On what terms a subscriber gets the messages that match one of its filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    pub(crate) options: SubscriptionOptions,
    pub(crate) identifier: Option<SubscriptionIdentifier>,
}

impl Target {
    pub(crate) fn address(&self) -> *const () {
        match self {
            Target::Session(slot) => ptr::from_ref::<Slot>(slot).cast(),
            Target::Group(group) => ptr::from_ref::<Group>(group).cast(),
            Target::Local(local) => ptr::from_ref::<LocalSubscriber>(local).cast(),
        }
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for Target {}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address().hash(state);
    }
}
