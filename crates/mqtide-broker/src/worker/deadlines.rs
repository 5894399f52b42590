//! Deadlines of many sessions, kept coarsely.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use mqtide_session::Instant;

/// What falls due when. A deadline is a hint: who set it looks again at what is really due, and sets the next
/// one. So nothing is ever removed before its time, and a packet that moves a keep-alive costs nothing here.
#[derive(Debug)]
pub(crate) struct Deadlines<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
}

impl<T> Default for Deadlines<T> {
    fn default() -> Self {
        Deadlines {
            heap: BinaryHeap::new(),
        }
    }
}

impl<T> Deadlines<T> {
    /// Adds a deadline; tells whether it is now the earliest.
    pub(crate) fn add(&mut self, at: Tick, target: T) -> bool {
        let earliest = self.heap.peek().is_none_or(|Reverse(first)| at < first.at);
        self.heap.push(Reverse(Entry { at, target }));
        earliest
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.heap.peek().map(|Reverse(first)| first.at)
    }

    /// Takes out one entry that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Tick, T)> {
        if self.next()?.start() > now {
            self.shrink();
            return None;
        }
        self.heap
            .pop()
            .map(|Reverse(entry)| (entry.at, entry.target))
    }

    /// After a crowd has left, its room goes too.
    fn shrink(&mut self) {
        if self.heap.capacity() > 1024 && self.heap.len() < self.heap.capacity() / 4 {
            self.heap.shrink_to(self.heap.len() * 2);
        }
    }
}

/// A point in time, counted in [`Tick::LENGTH_MICROS`] from the broker's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u32);

impl Tick {
    /// Fine enough for deadlines that are counted in seconds, coarse enough that many fall due together.
    const LENGTH_MICROS: u64 = 100_000;

    pub(crate) const NEVER: Tick = Tick(u32::MAX);

    /// The first tick that does not lie before `instant`.
    pub(crate) fn at_or_after(instant: Instant) -> Tick {
        let ticks = instant.as_micros().div_ceil(Self::LENGTH_MICROS);
        Tick(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    pub(crate) fn start(self) -> Instant {
        Instant::from_micros(u64::from(self.0) * Self::LENGTH_MICROS)
    }
}

impl Default for Tick {
    fn default() -> Self {
        Tick::NEVER
    }
}

#[derive(Debug)]
struct Entry<T> {
    at: Tick,
    target: T,
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    #[test]
    fn deadlines_come_in_order_and_never_early() {
        let mut deadlines = Deadlines::default();
        assert!(deadlines.add(Tick::at_or_after(millis(2_050)), "later"));
        assert!(deadlines.add(Tick::at_or_after(millis(1_000)), "soon"));
        assert!(!deadlines.add(Tick::at_or_after(millis(5_000)), "last"));
        assert_eq!(deadlines.pop_due(millis(999)), None);
        assert_eq!(
            deadlines.pop_due(millis(1_000)).map(|(_, t)| t),
            Some("soon")
        );
        assert_eq!(
            deadlines.pop_due(millis(2_060)),
            None,
            "a tick is never early"
        );
        assert_eq!(
            deadlines.pop_due(millis(2_100)).map(|(_, t)| t),
            Some("later")
        );
        assert_eq!(deadlines.next(), Some(Tick::at_or_after(millis(5_000))));
    }
}
