use smallvec::SmallVec;

use super::seed::{Seed, first_word};
use super::steps::StepSet;
use crate::TopicNameRef;
use crate::level::separator_in;

/// Levels up to which a match needs no heap, as many as [`TopicLimits`](crate::TopicLimits) allow by
/// default.
pub(super) const DEPTH: usize = 128;

/// The levels of a name: where they are, and their hashes.
pub(super) struct Levels<'n> {
    name: &'n [u8],
    /// As many as filters with wildcards may have, and one for what follows.
    levels: SmallVec<[LevelOfName; DEPTH + 1]>,
}

/// A level of a name, or what follows the last one that matters.
#[derive(Clone, Copy)]
pub(super) struct LevelOfName {
    pub(super) hash: u64,
    /// Where the level ends in the name.
    end: u32,
    /// The steps by which a filter may match here.
    pub(super) steps: StepSet,
}

impl<'n> Levels<'n> {
    /// No level of a name yet.
    #[inline]
    pub(super) fn new(name: TopicNameRef<'n>) -> Self {
        Self {
            name: name.as_str().as_bytes(),
            levels: SmallVec::new(),
        }
    }

    /// Hashes the levels, but not more than the filter with the most levels before its end has.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // a name has at most 65,535 bytes
    pub(super) fn read(&mut self, seed: &Seed, deepest: usize) {
        // A leading wildcard does not match a leading `$` (MQTT 5.0 §4.7.2).
        let mut wildcards = if self.name[0] == b'$' {
            StepSet::NONE
        } else {
            StepSet::SINGLE.or(StepSet::MULTI)
        };
        let mut rest = self.name;
        while self.levels.len() < deepest {
            let mut hash = seed.level_start();
            let separator = loop {
                let Some((word, behind)) = rest.split_first_chunk() else {
                    break self.read_last(seed, &mut hash, rest);
                };
                let word = u64::from_le_bytes(*word);
                if let Some(bits) = separator_in(word) {
                    hash = seed.level_word(hash, word & !(u64::MAX << bits));
                    break rest.get(bits as usize / 8 + 1..);
                }
                hash = seed.level_word(hash, word);
                rest = behind;
            };
            let behind = separator.map_or(0, |behind| behind.len() + 1);
            self.levels.push(LevelOfName {
                hash,
                end: (self.name.len() - behind) as u32,
                steps: StepSet::literal(hash).or(wildcards),
            });
            let Some(behind) = separator else {
                self.levels.push(LevelOfName::END);
                return;
            };
            rest = behind;
            wildcards = StepSet::SINGLE.or(StepSet::MULTI);
        }
        self.levels.push(LevelOfName {
            steps: StepSet::MULTI.and(wildcards),
            ..LevelOfName::END
        });
    }

    /// Hashes up to the separator in the last few bytes of the name; returns what follows it.
    #[inline]
    #[allow(clippy::cast_possible_truncation)] // less than eight bytes
    fn read_last(&self, seed: &Seed, hash: &mut u64, rest: &'n [u8]) -> Option<&'n [u8]> {
        let word = match self.name.last_chunk() {
            None => first_word(rest),
            Some(last) => {
                let before = 64 - 8 * rest.len() as u32;
                u64::from_le_bytes(*last).unbounded_shr(before)
            }
        };
        let Some(bits) = separator_in(word) else {
            *hash = seed.level_word(*hash, word);
            return None;
        };
        *hash = seed.level_word(*hash, word & !(u64::MAX << bits));
        rest.get(bits as usize / 8 + 1..)
    }

    /// The text of the name.
    #[inline]
    pub(super) const fn name(&self) -> &'n [u8] {
        self.name
    }

    /// The levels that matter, and one for what follows.
    #[inline]
    pub(super) fn as_slice(&self) -> &[LevelOfName] {
        &self.levels
    }

    /// Where the first so many levels end in the name.
    #[inline]
    pub(super) fn end(&self, levels: u32) -> usize {
        match levels.checked_sub(1) {
            None => 0,
            Some(last) => self.levels[last as usize].end as usize,
        }
    }
}

impl LevelOfName {
    /// What follows the last level of a name.
    const END: Self = Self {
        hash: 0,
        end: 0,
        steps: StepSet::END.or(StepSet::MULTI),
    };
}
