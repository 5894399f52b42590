use hashbrown::HashTable;

/// Numbers of texts, found by the hash of the text.
///
/// The hash lies beside the number: a look-up touches a text only if all 32 bits agree, and growing
/// touches none.
#[derive(Clone)]
pub(crate) struct TextTable {
    slots: HashTable<Slot>,
}

#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    id: u32,
}

impl TextTable {
    pub(crate) const fn new() -> Self {
        Self {
            slots: HashTable::new(),
        }
    }

    /// The number with this hash for which `is_it` says yes.
    #[inline]
    pub(crate) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let found = self
            .slots
            .find(spread(hash), |slot| slot.hash == hash && is_it(slot.id));
        found.map(|slot| slot.id)
    }

    /// Adds a number that is not there.
    pub(crate) fn insert(&mut self, hash: u32, id: u32) {
        self.slots
            .insert_unique(spread(hash), Slot { hash, id }, |slot| spread(slot.hash));
    }

    /// Removes a number.
    pub(crate) fn remove(&mut self, hash: u32, id: u32) {
        if let Ok(slot) = self.slots.find_entry(spread(hash), |slot| slot.id == id) {
            slot.remove();
        }
        shrink_table(&mut self.slots, |slot| spread(slot.hash));
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.slots.allocation_size()
    }
}

/// Gives memory back once seven eighths of a table lie idle.
pub(crate) fn shrink_table<T>(table: &mut HashTable<T>, hash: impl Fn(&T) -> u64) {
    if table.len() < table.capacity() / 8 || table.is_empty() {
        table.shrink_to(table.len() * 2, hash);
    }
}

/// The hash table takes bits from both ends of 64.
#[inline]
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}
