use core::hash::{BuildHasher, Hash};

use rapidhash::fast::SeedableState;
use rapidhash::v3::{RapidSecrets, rapidhash_v3_nano_inline};

use crate::{Level, TopicFilterRef};

/// The secret of an index's hash functions.
///
/// Strangers choose levels and topics. Every multiplication of the hash has a secret in both
/// factors, so who does not know the seed cannot choose texts that collide.
#[derive(Clone)]
pub(crate) struct Seed(RapidSecrets);

/// The hash of a beginning of a filter, level by level.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Path(u64);

impl Seed {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(RapidSecrets::seed(seed))
    }

    /// The hash of a whole topic.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // the low half of a hash is a hash
    pub(crate) fn text(&self, text: &str) -> u32 {
        rapidhash_v3_nano_inline::<true, false>(text.as_bytes(), &self.0) as u32
    }

    /// The hash of a filter: of its text, or level by level if it has wildcards.
    pub(crate) fn filter(&self, filter: TopicFilterRef<'_>) -> u32 {
        if !filter.has_wildcards() {
            return self.text(filter.as_str());
        }
        let mut path = self.root();
        for level in filter.levels() {
            path = match level {
                Level::Multi => return self.multi(path),
                Level::Single => self.single(path),
                Level::Literal(text) => self.literal(path, self.level(text.as_bytes())),
            };
        }
        self.end(path)
    }

    /// The hash of a level: eight bytes at a time.
    #[inline]
    pub(crate) fn level(&self, text: &[u8]) -> u64 {
        let mut hash = self.level_start();
        let mut rest = text;
        while rest.len() >= 8 {
            hash = self.level_word(hash, first_word(rest));
            rest = &rest[8..];
        }
        self.level_word(hash, first_word(rest))
    }

    /// The hash of a level of which nothing is read yet.
    #[inline]
    pub(crate) const fn level_start(&self) -> u64 {
        self.0.secrets[5]
    }

    /// The hash of a level of which eight more bytes are read, or the rest that has fewer. Text has no
    /// zero bytes, so those behind the rest tell its length.
    #[inline]
    pub(crate) fn level_word(&self, hash: u64, word: u64) -> u64 {
        fold(hash ^ self.0.secrets[0], word ^ self.0.secrets[1])
    }

    /// The beginning without levels.
    #[inline]
    pub(crate) const fn root(&self) -> Path {
        Path(self.0.secrets[2])
    }

    /// A beginning and one more literal level, given by its hash.
    #[inline]
    pub(crate) fn literal(&self, path: Path, level: u64) -> Path {
        Path(fold(path.0 ^ self.0.secrets[3], level ^ self.0.secrets[4]))
    }

    /// A beginning and `+`.
    #[inline]
    pub(crate) fn single(&self, path: Path) -> Path {
        self.literal(path, self.0.secrets[5])
    }

    /// The hash of a filter with wildcards that ends after a beginning.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // the low half of a hash is a hash
    pub(crate) const fn end(&self, path: Path) -> u32 {
        path.0 as u32
    }

    /// The hash of a filter with `#` after a beginning.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // the low half of a hash is a hash
    pub(crate) const fn multi(&self, path: Path) -> u32 {
        (path.0 ^ self.0.secrets[6]) as u32
    }

    /// The hash of a caller's key.
    pub(crate) fn key<K: Hash>(&self, key: &K) -> u64 {
        SeedableState::custom(self.0.seed, &self.0.secrets).hash_one(key)
    }

    /// The hash of a number, spread over 64 bits.
    pub(crate) fn number(&self, number: u32) -> u64 {
        (u64::from(number) ^ self.0.secrets[0]).wrapping_mul(self.0.secrets[1] | 1)
    }
}

/// The first eight bytes of a text, or all with zeros behind, as a number that begins with the lowest.
#[inline]
pub(crate) fn first_word(text: &[u8]) -> u64 {
    match text.first_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => text
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u64::from(byte)),
    }
}

/// Both halves of a product: each bit depends on all bits of the factors.
#[inline]
#[allow(clippy::cast_possible_truncation)] // both halves are used
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

impl Path {
    /// The half that [`Seed::end`] does not use.
    #[inline]
    pub(crate) const fn high(self) -> u32 {
        (self.0 >> 32) as u32
    }
}
