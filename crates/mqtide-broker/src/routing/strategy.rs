//! Which member of a shared subscription gets the next message.

use std::fmt;

/// Chooses among the members of a shared subscription (`MQTT 5.0 §4.8.2`).
///
/// A strategy is asked once per message and group. It is shared by all groups and threads.
pub trait SharedStrategy: fmt::Debug + Send + Sync + 'static {
    /// The index of the member to try first, less than `members`, which is at least 1.
    ///
    /// `turn` counts the messages of this group. A member that cannot take the message at once (it is offline,
    /// or its Receive Maximum is used up) is passed over for the next one that can; if none can, the message
    /// waits for the member chosen here. An index that is out of range is taken modulo `members`.
    fn choose(&self, turn: u64, members: usize) -> usize;
}

/// One after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin;

impl SharedStrategy for RoundRobin {
    fn choose(&self, turn: u64, members: usize) -> usize {
        usize::try_from(turn % members.max(1) as u64).unwrap_or(0)
    }
}

/// Any, at random.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random;

impl SharedStrategy for Random {
    fn choose(&self, _turn: u64, members: usize) -> usize {
        rand::random_range(0..members.max(1))
    }
}
