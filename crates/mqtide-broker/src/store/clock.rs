//! Between the broker's clock, which begins with the process, and the one that everybody shares.

use std::time::{Duration, SystemTime};

use mqtide_session::Instant;

/// What the time was when the broker's clock began.
///
/// It is asked once: if the system's clock is set while the broker runs, what is stored then goes by the old time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(SystemTime);

impl Clock {
    /// A clock that begins now.
    pub(crate) fn starting_now() -> Self {
        Clock(SystemTime::now())
    }

    /// The point in time for everybody.
    pub(super) fn to_system(self, instant: Instant) -> SystemTime {
        let since = Duration::from_micros(instant.as_micros());
        self.0.checked_add(since).unwrap_or(self.0)
    }

    /// The point in time for the broker. What was before it began is at its beginning.
    pub(super) fn to_broker(self, time: SystemTime) -> Instant {
        match time.duration_since(self.0) {
            Ok(since) => Instant::ZERO + since,
            Err(_) => Instant::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_back_but_for_those_that_are_past() {
        let clock = Clock::starting_now();
        let later = Instant::from_micros(7_000_001);
        assert_eq!(clock.to_broker(clock.to_system(later)), later);
        assert_eq!(clock.to_broker(SystemTime::UNIX_EPOCH), Instant::ZERO);
        // What lies too far ahead for the system's clock is not needed to be exact.
        let _ = clock.to_system(Instant::from_micros(u64::MAX));
    }
}
