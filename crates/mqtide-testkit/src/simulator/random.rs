//! The only source of chance: the same seed gives the same schedule.

use core::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Choices drawn from a seed.
#[derive(Debug)]
pub(super) struct Random(SmallRng);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// A number below `bound`, which is not zero.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    /// One of the values.
    pub(super) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// True in `percent` of a hundred cases.
    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.0.random_ratio(percent, 100)
    }

    /// A duration up to `longest`, with short ones as likely as long ones on a logarithmic scale, so
    /// that near-simultaneous and far-apart events both come often.
    pub(super) fn delay(&mut self, longest: Duration) -> Duration {
        let longest = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX >> 1);
        let magnitude = self.0.random_range(0..=u64::BITS - longest.leading_zeros());
        let bound = (1_u64 << magnitude.min(62)).min(longest + 1);
        Duration::from_micros(self.0.random_range(0..bound))
    }
}
