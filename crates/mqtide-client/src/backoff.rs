//! How long to wait before the next attempt to connect.

use std::ops::RangeInclusive;
use std::time::Duration;

/// When to connect again after a connection was lost or could not be made.
///
/// Waits grow with decorrelated jitter: each is drawn at random between [`min`](Self::min) and three times
/// the previous one, and never exceeds [`max`](Self::max). So a thousand clients that lose the same server
/// do not come back in step. The wait starts small again only after a connection has *lasted* for
/// [`stable_after`](Self::stable_after): a server that accepts and drops at once is not hammered.
///
/// ```
/// use std::time::Duration;
/// use mqtide_client::Backoff;
///
/// let patient = Backoff::default().min(Duration::from_secs(1)).max(Duration::from_secs(300));
/// # let _ = patient;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    stable_after: Duration,
    attempts: Option<u32>,
}

impl Backoff {
    /// Sets the shortest wait. Default: 500 ms.
    #[must_use]
    pub fn min(mut self, min: Duration) -> Self {
        self.min = min;
        self
    }

    /// Sets the longest wait. Default: 60 s.
    #[must_use]
    pub fn max(mut self, max: Duration) -> Self {
        self.max = max;
        self
    }

    /// Sets how long a connection must have been up for the waits to start over. Default: 10 s.
    #[must_use]
    pub fn stable_after(mut self, stable_after: Duration) -> Self {
        self.stable_after = stable_after;
        self
    }

    /// Sets how many attempts in a row may fail before the client gives up and closes. Default: no limit.
    #[must_use]
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff {
            min: Duration::from_millis(500),
            max: Duration::from_secs(60),
            stable_after: Duration::from_secs(10),
            attempts: None,
        }
    }
}

/// The waits of one client: a [`Backoff`] and where it stands.
#[derive(Debug)]
pub(crate) struct Waits {
    policy: Backoff,
    previous: Duration,
    failures: u32,
}

impl Waits {
    pub(crate) fn new(policy: Backoff) -> Self {
        Waits {
            previous: policy.min,
            failures: 0,
            policy,
        }
    }

    /// Notes how long a connection was up when it was lost.
    pub(crate) fn connection_lasted(&mut self, time: Duration) {
        if time >= self.policy.stable_after {
            self.previous = self.policy.min;
            self.failures = 0;
        }
    }

    /// The wait before the next attempt, drawn by `random`; `None` if there shall be none.
    pub(crate) fn next(
        &mut self,
        random: impl FnOnce(RangeInclusive<Duration>) -> Duration,
    ) -> Option<Duration> {
        if self
            .policy
            .attempts
            .is_some_and(|attempts| self.failures >= attempts)
        {
            return None;
        }
        self.failures = self.failures.saturating_add(1);
        let longest = self.previous.saturating_mul(3).min(self.policy.max);
        let shortest = self.policy.min.min(longest);
        self.previous = random(shortest..=longest);
        Some(self.previous)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn waits() -> Waits {
        Waits::new(
            Backoff::default()
                .min(seconds(1))
                .max(seconds(20))
                .stable_after(seconds(10)),
        )
    }

    #[test]
    fn waits_grow_up_to_the_maximum() {
        let mut waits = waits();
        let longest: Vec<_> = (0..5)
            .map(|_| waits.next(|range| *range.end()).unwrap().as_secs())
            .collect();
        assert_eq!(longest, [3, 9, 20, 20, 20]);
        assert_eq!(waits.next(|range| *range.start()), Some(seconds(1)));
    }

    #[test]
    fn only_a_lasting_connection_starts_over() {
        let mut waits = waits();
        for _ in 0..3 {
            waits.next(|range| *range.end());
        }
        waits.connection_lasted(seconds(9));
        assert_eq!(waits.next(|range| *range.end()), Some(seconds(20)));
        waits.connection_lasted(seconds(10));
        assert_eq!(waits.next(|range| *range.end()), Some(seconds(3)));
    }

    #[test]
    fn attempts_are_bounded_when_asked() {
        let mut waits = Waits::new(Backoff::default().attempts(2).stable_after(seconds(10)));
        assert!(waits.next(|range| *range.end()).is_some());
        assert!(waits.next(|range| *range.end()).is_some());
        assert_eq!(waits.next(|range| *range.end()), None);
        waits.connection_lasted(seconds(10));
        assert!(waits.next(|range| *range.end()).is_some());
    }

    #[test]
    fn a_minimum_above_the_maximum_is_the_maximum() {
        let mut waits = Waits::new(Backoff::default().min(seconds(30)).max(seconds(5)));
        assert_eq!(waits.next(|range| *range.start()), Some(seconds(5)));
    }
}
