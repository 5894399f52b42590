use alloc::vec;
use core::hash::Hash;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::arena::Arena;
use super::bunch::{Bunch, shrink_table};
use super::seed::Seed;

/// The entries of each key, so that all of a key can be found without the others.
#[derive(Clone)]
pub(crate) struct Keys<K> {
    keys: HashTable<(K, Entries)>,
    lists: Arena<Bunch<u32>>,
}

/// The numbers of a key's entries. Many keys have one.
#[derive(Clone, Copy)]
enum Entries {
    One(u32),
    /// The number of a list.
    Many(u32),
}

impl<K: Hash + Eq> Keys<K> {
    pub(crate) const fn new() -> Self {
        Self {
            keys: HashTable::new(),
            lists: Arena::new(),
        }
    }

    /// The number of keys.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Adds an entry that the key does not have.
    pub(crate) fn add(&mut self, seed: &Seed, key: K, entry: u32) {
        let slot = self.keys.entry(
            seed.key(&key),
            |(own, _)| *own == key,
            |(own, _)| seed.key(own),
        );
        match slot {
            Entry::Vacant(slot) => {
                slot.insert((key, Entries::One(entry)));
            }
            Entry::Occupied(mut slot) => match slot.get().1 {
                Entries::One(first) => {
                    let list = self.lists.insert(Bunch::of(vec![first, entry]));
                    slot.get_mut().1 = Entries::Many(list);
                }
                Entries::Many(list) => {
                    self.lists[list].push(entry, |&entry| seed.number(entry));
                }
            },
        }
    }

    /// Removes an entry that the key has.
    pub(crate) fn remove(&mut self, seed: &Seed, key: &K, entry: u32) {
        let Ok(mut slot) = self.keys.find_entry(seed.key(key), |(own, _)| own == key) else {
            return;
        };
        let Entries::Many(list) = slot.get().1 else {
            slot.remove();
            self.shrink(seed);
            return;
        };
        let hash = |&entry: &u32| seed.number(entry);
        let bunch = &mut self.lists[list];
        if let Some(at) = bunch.find(|| hash(&entry), |&other| other == entry) {
            bunch.swap_remove(at, hash);
        }
        if let &[last] = bunch.items() {
            slot.get_mut().1 = Entries::One(last);
            self.lists.remove(list, Bunch::of(vec![]));
        }
    }

    /// Removes a key and returns its entries.
    pub(crate) fn take(&mut self, seed: &Seed, key: &K) -> Bunch<u32> {
        let Ok(slot) = self.keys.find_entry(seed.key(key), |(own, _)| own == key) else {
            return Bunch::of(vec![]);
        };
        let ((_, entries), _) = slot.remove();
        self.shrink(seed);
        match entries {
            Entries::One(entry) => Bunch::of(vec![entry]),
            Entries::Many(list) => self.lists.remove(list, Bunch::of(vec![])),
        }
    }

    /// The entries of a key.
    pub(crate) fn entries(&self, seed: &Seed, key: &K) -> impl Iterator<Item = u32> {
        let entries = self
            .keys
            .find(seed.key(key), |(own, _)| own == key)
            .map(|(_, own)| *own);
        let (one, many) = match entries {
            None => (None, &[][..]),
            Some(Entries::One(entry)) => (Some(entry), &[][..]),
            Some(Entries::Many(list)) => (None, self.lists[list].items()),
        };
        one.into_iter().chain(many.iter().copied())
    }

    fn shrink(&mut self, seed: &Seed) {
        shrink_table(&mut self.keys, |(key, _)| seed.key(key));
    }
}

impl<K> Keys<K> {
    pub(crate) fn heap_bytes(&self) -> usize {
        let lists: usize = self.lists.places().map(Bunch::heap_bytes).sum();
        lists + self.lists.heap_bytes() + self.keys.allocation_size()
    }
}
