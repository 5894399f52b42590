//! Deadlines of many, kept coarsely.

use std::collections::BTreeSet;

use mqtide_session::Instant;

/// What falls due when. A deadline is a hint: who set it looks again at what is really due, and sets the next
/// one. So a packet that moves a keep-alive costs nothing here.
#[derive(Debug)]
pub(crate) struct Deadlines<T>(BTreeSet<(Tick, T)>);

impl<T> Default for Deadlines<T> {
    fn default() -> Self {
        Deadlines(BTreeSet::new())
    }
}

impl<T: Ord> Deadlines<T> {
    /// Adds a deadline; tells whether it is now the earliest.
    pub(crate) fn add(&mut self, at: Tick, target: T) -> bool {
        let earliest = self.next().is_none_or(|first| at < first);
        self.0.insert((at, target));
        earliest
    }

    /// Takes a deadline back, if it is there: nobody else holds on to what is gone.
    pub(crate) fn remove(&mut self, at: Tick, target: T) {
        self.0.remove(&(at, target));
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Tick> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes out one entry that is due at `now`.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Tick, T)> {
        match self.next()?.start() > now {
            true => None,
            false => self.0.pop_first(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn tick(at: u64) -> Tick {
        Tick::at_or_after(millis(at))
    }

    #[test]
    fn deadlines_come_in_order_and_never_early() {
        let mut deadlines = Deadlines::default();
        assert!(deadlines.add(tick(2_050), "later"));
        assert!(deadlines.add(tick(1_000), "soon"));
        assert!(!deadlines.add(tick(5_000), "last"));
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
        assert_eq!(deadlines.next(), Some(tick(5_000)));
    }

    #[test]
    fn what_is_taken_back_does_not_come() {
        let mut deadlines = Deadlines::default();
        for name in ["one", "other"] {
            deadlines.add(tick(1_000), name);
        }
        deadlines.remove(tick(1_000), "one");
        deadlines.remove(tick(2_000), "other");
        let due = std::iter::from_fn(|| deadlines.pop_due(millis(3_000)));
        assert_eq!(due.map(|(_, name)| name).collect::<Vec<_>>(), ["other"]);
    }
}
