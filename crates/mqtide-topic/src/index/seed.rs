use core::hash::{BuildHasher, Hash};

use rapidhash::fast::SeedableState;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};

/// The secret of an index's hash functions.
///
/// Strangers choose levels and topics. Every multiplication of the hash has a secret in both
/// factors, so who does not know the seed cannot choose texts that collide.
#[derive(Clone)]
pub(crate) struct Seed(RapidSecrets);

impl Seed {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(RapidSecrets::seed(seed))
    }

    /// The hash of a topic or of a level.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // the low half of a hash is a hash
    pub(crate) fn text(&self, text: &str) -> u32 {
        rapidhash_v3_nano_inline::<true, false>(text.as_bytes(), &self.0) as u32
    }

    /// The hash of a caller's key.
    pub(crate) fn key<K: Hash>(&self, key: &K) -> u64 {
        SeedableState::custom(self.0.seed, &self.0.secrets).hash_one(key)
    }

    /// The hash of a pair of numbers.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // any part of a hash is a hash
    pub(crate) fn pair(&self, first: u32, second: u32) -> u32 {
        let pair = u64::from(first) << 32 | u64::from(second);
        let product = u128::from(pair ^ self.0.secrets[0]) * u128::from(self.0.secrets[1]);
        product as u32 ^ (product >> 64) as u32
    }

    /// The hash of a number, spread over 64 bits.
    pub(crate) fn number(&self, number: u32) -> u64 {
        (u64::from(number) ^ self.0.secrets[0]).wrapping_mul(self.0.secrets[1] | 1)
    }
}
