use alloc::boxed::Box;

use super::arena::NIL;

/// What a [`Table`] holds: a few numbers that know their own hash.
pub(crate) trait Slot: Copy {
    /// A slot that holds nothing.
    const EMPTY: Self;

    /// Whether the slot holds nothing.
    fn is_empty(&self) -> bool;
}

/// A hash table of small slots, with linear probing: a look-up mostly touches one cache line, where
/// tables with separate control bytes touch two.
///
/// Callers give the hash of a slot, by which it is found again when the table grows. It must spread
/// over the low bits.
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

    /// The slot with this hash for which `is_it` says yes.
    #[inline]
    pub(crate) fn find(&self, hash: u32, is_it: impl FnMut(&T) -> bool) -> Option<T> {
        self.find_from(self.first(hash), hash, is_it)
    }

    /// The slot at which looking for a hash begins: a caller with other work to do reads it early, and
    /// does not wait for it.
    #[inline]
    pub(crate) fn first(&self, hash: u32) -> T {
        // A mask instead of a remainder; the empty table has no first slot.
        let mask = self.slots.len().wrapping_sub(1);
        self.slots
            .get(hash as usize & mask)
            .copied()
            .unwrap_or(T::EMPTY)
    }

    /// The slot with this hash for which `is_it` says yes, given the [`first`](Self::first).
    #[inline]
    pub(crate) fn find_from(
        &self,
        first: T,
        hash: u32,
        mut is_it: impl FnMut(&T) -> bool,
    ) -> Option<T> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        let mut slot = first;
        loop {
            if slot.is_empty() {
                return None;
            }
            if is_it(&slot) {
                return Some(slot);
            }
            at = (at + 1) & mask;
            slot = *self.slots.get(at)?;
        }
    }

    /// Adds a slot that is not there.
    pub(crate) fn insert(&mut self, slot: T, hash: impl Fn(&T) -> u32) {
        // At most seven tenths full, so that runs stay short.
        if (self.len + 1) * 10 > self.slots.len() * 7 {
            self.resize((self.slots.len() * 2).max(8), &hash);
        }
        self.put(slot, &hash);
        self.len += 1;
    }

    /// Removes the slot with this hash for which `is_it` says yes.
    pub(crate) fn remove(
        &mut self,
        hash_of_slot: u32,
        is_it: impl Fn(&T) -> bool,
        hash: impl Fn(&T) -> u32,
    ) {
        let mask = self.slots.len().wrapping_sub(1);
        let mut gap = hash_of_slot as usize & mask;
        while self.slots.get(gap).is_some_and(|slot| !is_it(slot)) {
            if self.slots[gap].is_empty() {
                return;
            }
            gap = (gap + 1) & mask;
        }
        if self.slots.is_empty() {
            return;
        }
        // Slots behind the gap move up, unless they are already where they want to be.
        let mut at = (gap + 1) & mask;
        while !self.slots[at].is_empty() {
            let wanted = hash(&self.slots[at]) as usize & mask;
            if at.wrapping_sub(wanted) & mask >= at.wrapping_sub(gap) & mask {
                self.slots[gap] = self.slots[at];
                gap = at;
            }
            at = (at + 1) & mask;
        }
        self.slots[gap] = T::EMPTY;
        self.len -= 1;
        if self.len == 0 {
            *self = Self::new();
        } else if self.len * 8 < self.slots.len() {
            self.resize(self.slots.len() / 4, &hash);
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }

    /// `size` is a power of two.
    fn resize(&mut self, size: usize, hash: &impl Fn(&T) -> u32) {
        let old = core::mem::replace(&mut self.slots, alloc::vec![T::EMPTY; size].into());
        for slot in old.iter().filter(|slot| !slot.is_empty()) {
            self.put(*slot, hash);
        }
    }

    fn put(&mut self, slot: T, hash: &impl Fn(&T) -> u32) {
        let mask = self.slots.len() - 1;
        let mut at = hash(&slot) as usize & mask;
        while !self.slots[at].is_empty() {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }
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
    pub(crate) fn find(&self, hash: u32, is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        self.find_from(self.first(hash), hash, is_it)
    }

    /// [`Table::first`].
    #[inline]
    pub(crate) fn first(&self, hash: u32) -> TextSlot {
        self.0.first(hash)
    }

    /// [`find`](Self::find), with the [`first`](Self::first) slot.
    #[inline]
    pub(crate) fn find_from(
        &self,
        first: TextSlot,
        hash: u32,
        mut is_it: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let found = self
            .0
            .find_from(first, hash, |slot| slot.hash == hash && is_it(slot.id));
        found.map(|slot| slot.id)
    }

    /// Adds a number that is not there.
    pub(crate) fn insert(&mut self, hash: u32, id: u32) {
        self.0.insert(TextSlot { hash, id }, |slot| slot.hash);
    }

    /// Removes a number.
    pub(crate) fn remove(&mut self, hash: u32, id: u32) {
        self.0.remove(hash, |slot| slot.id == id, |slot| slot.hash);
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
        /// Few hashes, near the end of the table as well, so that runs are long and wrap around.
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
