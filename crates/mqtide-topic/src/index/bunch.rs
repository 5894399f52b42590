use alloc::vec::Vec;

use hashbrown::HashTable;

/// Few or many items in one piece of memory, each found in constant time: by looking at all while
/// they are few, by a table of positions when they are many.
#[derive(Clone)]
pub(crate) struct Bunch<T> {
    items: Vec<T>,
    /// Empty while the items are few.
    positions: HashTable<u32>,
}

/// From here on a table pays.
const MANY: usize = 17;

impl<T> Bunch<T> {
    pub(crate) fn of(items: Vec<T>) -> Self {
        debug_assert!(items.len() < MANY);
        Self {
            items,
            positions: HashTable::new(),
        }
    }

    #[inline]
    pub(crate) fn items(&self) -> &[T] {
        &self.items
    }

    pub(crate) fn into_items(self) -> Vec<T> {
        self.items
    }

    /// The item for which `is_it` says yes; `hash` is asked if a table is there.
    pub(crate) fn find(
        &self,
        hash: impl FnOnce() -> u64,
        is_it: impl Fn(&T) -> bool,
    ) -> Option<usize> {
        if self.positions.is_empty() {
            return self.items.iter().position(is_it);
        }
        let found = self
            .positions
            .find(hash(), |&at| is_it(&self.items[at as usize]));
        found.map(|&at| at as usize)
    }

    pub(crate) fn item_mut(&mut self, at: usize) -> &mut T {
        &mut self.items[at]
    }

    /// Adds an item that is not there.
    pub(crate) fn push(&mut self, item: T, hash: impl Fn(&T) -> u64) {
        self.items.push(item);
        let first = match self.items.len() {
            ..MANY if self.positions.is_empty() => return,
            _ if self.positions.is_empty() => 0,
            len => len - 1,
        };
        for at in first..self.items.len() {
            let position = position(at);
            let items = &self.items;
            let hash_at = |at: &u32| hash(&items[*at as usize]);
            self.positions
                .insert_unique(hash_at(&position), position, hash_at);
        }
    }

    /// Removes an item; the last one takes its position.
    pub(crate) fn swap_remove(&mut self, at: usize, hash: impl Fn(&T) -> u64) -> T {
        if self.positions.is_empty() {
            return self.items.swap_remove(at);
        }
        let last = self.items.len() - 1;
        let removed = hash(&self.items[at]);
        if let Ok(entry) = self
            .positions
            .find_entry(removed, |&other| other == position(at))
        {
            entry.remove();
        }
        let moved = hash(&self.items[last]);
        if let Some(entry) = self
            .positions
            .find_mut(moved, |&other| other == position(last))
        {
            *entry = position(at);
        }
        let item = self.items.swap_remove(at);
        self.shrink(&hash);
        item
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>() + self.positions.allocation_size()
    }

    /// Gives memory back once three quarters lie idle.
    fn shrink(&mut self, hash: &impl Fn(&T) -> u64) {
        let len = self.items.len();
        if len < MANY / 2 {
            self.positions = HashTable::new();
        }
        if len < self.items.capacity() / 4 {
            self.items.shrink_to(len * 2);
        }
        let items = &self.items;
        shrink_table(&mut self.positions, |&at| hash(&items[at as usize]));
    }
}

/// Gives memory back once seven eighths of a table lie idle.
pub(crate) fn shrink_table<T>(table: &mut HashTable<T>, hash: impl Fn(&T) -> u64) {
    if table.len() < table.capacity() / 8 || table.is_empty() {
        table.shrink_to(table.len() * 2, hash);
    }
}

#[allow(clippy::cast_possible_truncation)] // arenas number entries and keys by u32
fn position(at: usize) -> u32 {
    at as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hash(item: &u32) -> u64 {
        u64::from(*item).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    proptest! {
        #[test]
        fn items_are_found_after_any_sequence(
            steps in proptest::collection::vec((any::<bool>(), 0u32..60), 0..400),
        ) {
            let mut bunch = Bunch::of(Vec::new());
            let mut model = std::collections::BTreeSet::new();
            for (add, item) in steps {
                let found = bunch.find(|| hash(&item), |other| *other == item);
                prop_assert_eq!(found.is_some(), model.contains(&item));
                match (add, found) {
                    (true, None) => {
                        bunch.push(item, hash);
                        model.insert(item);
                    }
                    (false, Some(at)) => {
                        prop_assert_eq!(bunch.swap_remove(at, hash), item);
                        model.remove(&item);
                    }
                    _ => {}
                }
                prop_assert_eq!(bunch.items().len(), model.len());
            }
        }
    }
}
