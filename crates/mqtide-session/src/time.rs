//! Time as a plain value that the caller supplies.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in time: microseconds since an origin that the caller chooses.
///
/// The machines never read a clock. The caller passes `now` with each input, from any monotonic
/// source, and may let years pass in a test. Arithmetic saturates: a deadline beyond the end of
/// the range never comes.
///
/// ```
/// use core::time::Duration;
/// use mqtide_session::Instant;
///
/// let start = Instant::from_micros(1_000_000);
/// assert_eq!(start + Duration::from_secs(2), Instant::from_micros(3_000_000));
/// assert_eq!(start - (start + Duration::from_secs(1)), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Instant(u64);

impl Instant {
    /// The origin of the caller's clock.
    pub const ZERO: Self = Self(0);

    /// The instant `micros` microseconds after the origin.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the origin.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time that has passed since `earlier`; zero if `earlier` is later.
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds left until this instant, rounded up; zero once it has come.
    ///
    /// Rounding up makes this "the interval minus the whole seconds that have passed", which is
    /// how a Message Expiry Interval shrinks (MQTT 5.0 §3.3.2.3.3).
    pub fn seconds_left(self, now: Self) -> u32 {
        let micros = self.0.saturating_sub(now.0);
        u32::try_from(micros.div_ceil(MICROS_PER_SECOND)).unwrap_or(u32::MAX)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

/// The earlier of two deadlines, either of which may be absent.
pub(crate) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

const MICROS_PER_SECOND: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_left_round_up_and_end_at_zero() {
        let end = Instant::from_micros(10_000_000);
        assert_eq!(end.seconds_left(Instant::from_micros(7_500_000)), 3);
        assert_eq!(end.seconds_left(Instant::from_micros(9_999_999)), 1);
        assert_eq!(end.seconds_left(end), 0);
        assert_eq!(end.seconds_left(end + Duration::from_secs(1)), 0);
    }

    #[test]
    fn arithmetic_saturates() {
        let late = Instant::from_micros(u64::MAX - 1);
        assert_eq!(late + Duration::MAX, Instant::from_micros(u64::MAX));
        assert_eq!(Instant::ZERO - late, Duration::ZERO);
    }

    #[test]
    fn earliest_ignores_the_absent() {
        let soon = Some(Instant::from_micros(1));
        let late = Some(Instant::from_micros(2));
        assert_eq!(earliest(late, soon), soon);
        assert_eq!(earliest(None, late), late);
        assert_eq!(earliest(None, None), None);
    }
}
