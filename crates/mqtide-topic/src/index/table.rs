use alloc::boxed::Box;
use core::ops::Range;

use super::arena::NIL;

/// What a [`Table`] holds: a few numbers that know their own hash.
pub(crate) trait Slot: Copy {
    /// A slot that holds nothing.
    const EMPTY: Self;

    /// Whether the slot holds nothing.
    fn is_empty(&self) -> bool;

    /// The hash by which the slot is found; it must spread over the high bits.
    fn hash(&self) -> u32;
}

/// A hash table of small slots, with linear probing: a look-up mostly touches one cache line, where
/// tables with separate control bytes touch two.
///
/// A slot's home is its hash as a fraction of the table. So the table may have any size, and growing
/// reads and writes in order.
#[derive(Clone)]
pub(crate) struct Table<T> {
    slots: Box<[T]>,
    len: usize,
}

impl<T: Slot> Table<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Box::default(),
            len: 0,
        }
    }

    /// How many slots there are, with and without content.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.slots.len()
    }

    /// The slot at which looking for a hash begins.
    #[inline]
    pub(crate) fn first(&self, hash: u32) -> T {
        let first = self.slots.get(home(hash, self.slots.len()));
        first.copied().unwrap_or(T::EMPTY)
    }

    /// The slot with this hash for which `is_it` says yes.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is_it: impl FnMut(&T) -> bool) -> Option<T> {
        self.position(hash, is_it).map(|at| self.slots[at])
    }

    /// [`find`](Self::find), to be changed in everything but its hash.
    pub(crate) fn find_mut(&mut self, hash: u32, is_it: impl FnMut(&T) -> bool) -> Option<&mut T> {
        self.position(hash, is_it).map(|at| &mut self.slots[at])
    }

    /// Adds a slot that is not there.
    pub(crate) fn insert(&mut self, slot: T) {
        // At most seven tenths full, so that runs stay short.
        if (self.len + 1) * 10 > self.slots.len() * 7 {
            self.resize(self.slots.len() / 2 * 3 + 8);
        }
        self.put(slot);
        self.len += 1;
    }

    /// Removes the slot with this hash for which `is_it` says yes.
    pub(crate) fn remove(&mut self, hash: u32, is_it: impl FnMut(&T) -> bool) {
        let Some(mut gap) = self.position(hash, is_it) else {
            return;
        };
        // Slots behind the gap move up, unless they are already where they want to be.
        let size = self.slots.len();
        let distance = |from: usize, to: usize| {
            if to < from {
                to + size - from
            } else {
                to - from
            }
        };
        let mut at = self.following(gap);
        while !self.slots[at].is_empty() {
            let wanted = home(self.slots[at].hash(), size);
            if distance(wanted, at) >= distance(gap, at) {
                self.slots[gap] = self.slots[at];
                gap = at;
            }
            at = self.following(at);
        }
        self.slots[gap] = T::EMPTY;
        self.len -= 1;
        if self.len == 0 {
            *self = Self::new();
        } else if self.len * 8 < size {
            self.resize(self.len * 2 + 8);
        }
    }

    /// The slots that have their home in a range of the table.
    pub(crate) fn homed_in(&self, homes: Range<usize>) -> impl Iterator<Item = &T> {
        let size = self.slots.len();
        let (before, from) = self.slots.split_at(homes.start);
        // They lie there, or in the run that begins there.
        let near = from.iter().chain(before).enumerate();
        let near = near.take_while({
            let homes = homes.clone();
            move |(at, slot)| *at < homes.len() || !slot.is_empty()
        });
        near.map(|(_, slot)| slot)
            .filter(move |slot| !slot.is_empty() && homes.contains(&home(slot.hash(), size)))
    }

    /// All slots with content.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter(|slot| !slot.is_empty())
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }

    #[inline]
    fn position(&self, hash: u32, mut is_it: impl FnMut(&T) -> bool) -> Option<usize> {
        let mut at = home(hash, self.slots.len());
        loop {
            let slot = self.slots.get(at)?;
            if slot.is_empty() {
                return None;
            }
            if is_it(slot) {
                return Some(at);
            }
            at = self.following(at);
        }
    }

    #[inline]
    fn following(&self, at: usize) -> usize {
        if at + 1 == self.slots.len() {
            0
        } else {
            at + 1
        }
    }

    fn resize(&mut self, size: usize) {
        let old = core::mem::replace(&mut self.slots, alloc::vec![T::EMPTY; size].into());
        for slot in old.iter().filter(|slot| !slot.is_empty()) {
            self.put(*slot);
        }
    }

    fn put(&mut self, slot: T) {
        let mut at = home(slot.hash(), self.slots.len());
        while !self.slots[at].is_empty() {
            at = self.following(at);
        }
        self.slots[at] = slot;
    }
}

/// Where a hash wants to be in a table of a size.
#[inline]
#[allow(clippy::cast_possible_truncation)] // less than the size
pub(crate) fn home(hash: u32, size: usize) -> usize {
    ((u64::from(hash) * size as u64) >> 32) as usize
}

/// The number of a text, by the hash of the text.
///
/// The hash lies beside the number: a look-up touches a text only if all 32 bits agree, and growing
/// touches none.
#[derive(Clone, Copy)]
pub(crate) struct TextSlot {
    hash: u32,
    id: u32,
}

impl Slot for TextSlot {
    const EMPTY: Self = Self { hash: 0, id: NIL };

    #[inline]
    fn is_empty(&self) -> bool {
        self.id == NIL
    }

    #[inline]
    fn hash(&self) -> u32 {
        self.hash
    }
}

/// Numbers of texts, found by the hash of the text.
#[derive(Clone)]
pub(crate) struct TextTable(Table<TextSlot>);

impl TextTable {
    pub(crate) fn new() -> Self {
        Self(Table::new())
    }

    /// The number with this hash for which `is_it` says yes.
    #[inline]
    pub(crate) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let found = self
            .0
            .find(hash, |slot| slot.hash == hash && is_it(slot.id))?;
        Some(found.id)
    }

    /// The first number with a hash, given the [`first`](Table::first) slot: a caller who has many
    /// hashes reads these beforehand, so that none waits for another.
    #[inline]
    pub(crate) fn find_from(&self, first: TextSlot, hash: u32) -> Option<u32> {
        if first.is_empty() {
            return None;
        }
        if first.hash == hash {
            return Some(first.id);
        }
        self.find(hash, |_| true)
    }

    /// [`Table::first`].
    #[inline]
    pub(crate) fn first(&self, hash: u32) -> TextSlot {
        self.0.first(hash)
    }

    /// Adds a number that is not there.
    pub(crate) fn insert(&mut self, hash: u32, id: u32) {
        self.0.insert(TextSlot { hash, id });
    }

    /// Removes a number.
    pub(crate) fn remove(&mut self, hash: u32, id: u32) {
        self.0.remove(hash, |slot| slot.id == id);
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few hashes, at both ends of the table, so that runs are long and wrap around.
        #[test]
        fn a_table_equals_a_set(
            steps in proptest::collection::vec((any::<bool>(), 0..9u32, 0..7u32), 0..400),
        ) {
            let mut table = TextTable::new();
            let mut model = BTreeSet::new();
            for (add, hash, id) in steps {
                let (hash, id) = (hash.wrapping_sub(4), hash * 7 + id);
                prop_assert_eq!(table.find(hash, |own| own == id), model.get(&id).copied());
                if add && model.insert(id) {
                    table.insert(hash, id);
                } else if !add {
                    table.remove(hash, id);
                    model.remove(&id);
                }
                prop_assert_eq!(table.0.len, model.len());
            }
            for id in 0..63u32 {
                let hash = (id / 7).wrapping_sub(4);
                prop_assert_eq!(table.find(hash, |own| own == id), model.get(&id).copied());
            }
        }
    }
}
