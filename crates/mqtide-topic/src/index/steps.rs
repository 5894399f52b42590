use alloc::boxed::Box;

use super::seed::{Path, Seed};
use super::table::{Slot, Table, home};
use crate::{Level, TopicFilterRef};

/// What follows the beginnings of filters with wildcards, counted: a trie whose nodes are known by the
/// hash of the levels that lead to them.
///
/// A filter `a/+/#` takes three steps: a literal after nothing, `+` after `a`, `#` after `a/+`. For
/// each beginning and step the table counts the filters that take it. Which nodes exist, and where to
/// go on from there, a match reads in a summary: few bits for each step, so that the summary of a
/// million filters lies in the processor's cache, where the nodes themselves would not.
///
/// Beginnings that collide share counts and bits, and bits of steps may look like one more step. So
/// the answer may hold a step that no filter takes, and never lacks one: who finds the end of a filter
/// compares its text.
#[derive(Clone)]
pub(crate) struct Steps {
    table: Table<StepCount>,
    /// For each eight slots of the table the bits of the steps that have their home there.
    summary: Box<[u64]>,
    /// No filter has more levels before its end or `#`.
    deepest: usize,
}

/// Steps from a beginning: a bit for each kind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct StepSet(u32);

/// How many filters take a step.
#[derive(Clone, Copy)]
struct StepCount {
    /// Of the levels before the step.
    hash: u32,
    /// The number of the kind in the low bits, the count above.
    kind_and_count: u32,
}

/// The slots of a word of the summary. Fewer would make the summary large, more would make steps look
/// like others.
const SLOTS_PER_WORD: usize = 8;

/// A bit for each kind of step.
const KINDS: u32 = (1 << 11) - 1;

const KIND_BITS: u32 = 4;
const ONE: u32 = 1 << KIND_BITS;
/// A count that is not known any more: it stays. No memory holds so many filters.
const FULL: u32 = u32::MAX >> KIND_BITS;

impl StepSet {
    pub(crate) const NONE: Self = Self(0);
    /// The filter ends.
    pub(crate) const END: Self = Self(1);
    /// `#`.
    pub(crate) const MULTI: Self = Self(1 << 1);
    /// `+`.
    pub(crate) const SINGLE: Self = Self(1 << 2);
    /// All literal steps.
    pub(crate) const LITERALS: Self = Self(0xFF << 3);

    pub(crate) const END_OR_MULTI: Self = Self::END.or(Self::MULTI);
    pub(crate) const ALL: Self = Self(KINDS);

    /// The literal step of a level: of eight kinds by hash, so that most levels that do not follow are
    /// told from those that do.
    #[inline]
    pub(crate) const fn literal(level: u64) -> Self {
        Self(1 << (3 + (level >> 61)))
    }

    #[inline]
    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline]
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    #[inline]
    pub(crate) const fn has(self, any_of: Self) -> bool {
        self.0 & any_of.0 != 0
    }

    /// The number of the only kind in the set.
    const fn kind(self) -> u32 {
        self.0.trailing_zeros()
    }
}

impl StepCount {
    const fn kind(self) -> u32 {
        self.kind_and_count & (ONE - 1)
    }

    const fn count(self) -> u32 {
        self.kind_and_count >> KIND_BITS
    }

    /// The bits that stand for the step in its word of the summary.
    const fn bits(self) -> u64 {
        let (first, second) = turns(self.hash);
        let kind = 1u64 << self.kind();
        kind.rotate_left(first) | kind.rotate_left(second)
    }
}

impl Slot for StepCount {
    const EMPTY: Self = Self {
        hash: 0,
        kind_and_count: 0,
    };

    #[inline]
    fn is_empty(&self) -> bool {
        self.count() == 0
    }

    #[inline]
    fn hash(&self) -> u32 {
        self.hash
    }
}

/// By how much the kinds of steps are turned in a word; the low bits, as the high ones choose the word.
#[inline]
const fn turns(hash: u32) -> (u32, u32) {
    (hash & 63, hash >> 6 & 63)
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self {
            table: Table::new(),
            summary: Box::default(),
            deepest: 0,
        }
    }

    /// The most levels that a filter has had before its end or its `#`, since there was none.
    #[inline]
    pub(crate) const fn deepest(&self) -> usize {
        self.deepest
    }

    /// Whether there is no filter.
    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.summary.is_empty()
    }

    /// The steps that filters take after a beginning, and seldom one more.
    #[inline]
    pub(crate) fn after(&self, path: Path) -> StepSet {
        let hash = path.high();
        let word = self
            .summary
            .get(home(hash, self.table.size()) / SLOTS_PER_WORD);
        let word = word.copied().unwrap_or(0);
        let (first, second) = turns(hash);
        let both = word.rotate_right(first) & word.rotate_right(second);
        #[allow(clippy::cast_possible_truncation)] // the lowest bits are the kinds
        StepSet(both as u32 & KINDS)
    }

    /// Counts the steps of a filter.
    pub(crate) fn add(&mut self, seed: &Seed, filter: TopicFilterRef<'_>) {
        let mut steps = 0;
        each_step(seed, filter, |path, step| {
            steps += 1;
            self.add_one(path, step);
        });
        self.deepest = self.deepest.max(steps - 1);
    }

    /// Undoes [`add`](Self::add).
    pub(crate) fn remove(&mut self, seed: &Seed, filter: TopicFilterRef<'_>) {
        each_step(seed, filter, |path, step| self.remove_one(path, step));
        if self.table.size() == 0 {
            self.deepest = 0;
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.table.heap_bytes() + size_of_val(&*self.summary)
    }

    fn add_one(&mut self, path: Path, step: StepSet) {
        let (hash, kind) = (path.high(), step.kind());
        if let Some(slot) = self.table.find_mut(hash, is_it(hash, kind)) {
            if slot.count() < FULL {
                slot.kind_and_count += ONE;
            }
            return;
        }
        let slot = StepCount {
            hash,
            kind_and_count: kind | ONE,
        };
        let size = self.table.size();
        self.table.insert(slot);
        if size == self.table.size() {
            self.summary[home(hash, size) / SLOTS_PER_WORD] |= slot.bits();
        } else {
            self.summarize();
        }
    }

    fn remove_one(&mut self, path: Path, step: StepSet) {
        let (hash, kind) = (path.high(), step.kind());
        let Some(slot) = self.table.find_mut(hash, is_it(hash, kind)) else {
            return;
        };
        match slot.count() {
            FULL => return,
            1 => {}
            _ => {
                slot.kind_and_count -= ONE;
                return;
            }
        }
        let size = self.table.size();
        self.table.remove(hash, is_it(hash, kind));
        if size == self.table.size() {
            self.summarize_word(home(hash, size) / SLOTS_PER_WORD);
        } else {
            self.summarize();
        }
    }

    /// Makes one word of the summary anew: other steps may share bits with one that is gone.
    fn summarize_word(&mut self, word: usize) {
        let size = self.table.size();
        let first = word * SLOTS_PER_WORD;
        let last = (first + SLOTS_PER_WORD).min(size);
        let slots = self.table.homed_in(first..last);
        self.summary[word] = slots.fold(0, |bits, slot| bits | slot.bits());
    }

    fn summarize(&mut self) {
        let size = self.table.size();
        self.summary = alloc::vec![0; size.div_ceil(SLOTS_PER_WORD)].into();
        for slot in self.table.iter() {
            self.summary[home(slot.hash, size) / SLOTS_PER_WORD] |= slot.bits();
        }
    }
}

fn is_it(hash: u32, kind: u32) -> impl Fn(&StepCount) -> bool {
    move |slot| slot.hash == hash && slot.kind() == kind
}

/// Calls `step` with each beginning of a filter and the step that follows.
fn each_step(seed: &Seed, filter: TopicFilterRef<'_>, mut step: impl FnMut(Path, StepSet)) {
    let mut path = seed.root();
    for level in filter.levels() {
        path = match level {
            Level::Multi => return step(path, StepSet::MULTI),
            Level::Single => {
                step(path, StepSet::SINGLE);
                seed.single(path)
            }
            Level::Literal(text) => {
                let level = seed.level(text.as_bytes());
                step(path, StepSet::literal(level));
                seed.literal(path, level)
            }
        };
    }
    step(path, StepSet::END);
}
