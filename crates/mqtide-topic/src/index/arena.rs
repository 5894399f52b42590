use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// The number of no item.
pub(crate) const NIL: u32 = u32::MAX;

/// Items by number, in one piece of memory. Numbers of removed items are given out again.
#[derive(Clone)]
pub(crate) struct Arena<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T> Arena<T> {
    pub(crate) const fn new() -> Self {
        Self {
            items: Vec::new(),
            free: Vec::new(),
        }
    }

    /// Stores an item and returns its number.
    ///
    /// # Panics
    ///
    /// At 2^32 - 2 items, which is more than 100 GB of any item that is stored here.
    pub(crate) fn insert(&mut self, item: T) -> u32 {
        if let Some(id) = self.free.pop() {
            self[id] = item;
            return id;
        }
        let id = u32::try_from(self.items.len())
            .ok()
            .filter(|&id| id < NIL - 1);
        let id = id.expect("an arena holds fewer than 2^32 - 1 items");
        if self.items.len() == self.items.capacity() {
            // By a quarter, not by doubling: half of a large arena would lie idle.
            self.items.reserve_exact(self.items.len() / 4 + 8);
        }
        self.items.push(item);
        id
    }

    /// Removes an item and leaves `vacant` in its place.
    pub(crate) fn remove(&mut self, id: u32, vacant: T) -> T {
        let item = core::mem::replace(&mut self[id], vacant);
        self.free.push(id);
        if self.free.len() == self.items.len() {
            *self = Self::new();
        }
        item
    }

    /// The number of items.
    pub(crate) fn len(&self) -> usize {
        self.items.len() - self.free.len()
    }

    /// All places in the order of their numbers, also vacant ones.
    pub(crate) fn places(&self) -> impl Iterator<Item = &T> {
        self.items.iter()
    }

    /// Bytes on the heap, without what items point to.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.items.capacity() * size_of::<T>() + self.free.capacity() * size_of::<u32>()
    }
}

impl<T> Index<u32> for Arena<T> {
    type Output = T;

    #[inline]
    fn index(&self, id: u32) -> &T {
        &self.items[id as usize]
    }
}

impl<T> IndexMut<u32> for Arena<T> {
    #[inline]
    fn index_mut(&mut self, id: u32) -> &mut T {
        &mut self.items[id as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_out_again_and_an_empty_arena_holds_no_memory() {
        let mut arena = Arena::new();
        let (a, b) = (arena.insert('a'), arena.insert('b'));
        assert_eq!(arena.remove(a, '-'), 'a');
        assert_eq!((arena.len(), arena[b]), (1, 'b'));
        assert_eq!(arena.insert('c'), a);
        arena.remove(a, '-');
        arena.remove(b, '-');
        assert_eq!((arena.len(), arena.heap_bytes()), (0, 0));
    }
}
