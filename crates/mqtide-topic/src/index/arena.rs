use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

/// The number of no item.
pub(crate) const NIL: u32 = u32::MAX;

/// Items by number. Numbers of removed items are given out again.
///
/// They lie in pieces that do not move: growing neither copies them nor leaves behind, for a while, the memory of the
/// copy before.
#[derive(Clone)]
pub(crate) struct Arena<T> {
    /// All but the last are full.
    pieces: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T> Arena<T> {
    pub(crate) const fn new() -> Self {
        Self {
            pieces: Vec::new(),
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
        let id = u32::try_from(self.places_len())
            .ok()
            .filter(|&id| id < NIL - 1);
        let id = id.expect("an arena holds fewer than 2^32 - 1 items");
        self.last_piece().push(item);
        id
    }

    /// The piece that has room for another item.
    fn last_piece(&mut self) -> &mut Vec<T> {
        let is_full = self.pieces.last().is_none_or(|piece| piece.len() == PIECE);
        if is_full {
            // The first grows with what it holds, as most arenas are small.
            let room = if self.pieces.is_empty() { 8 } else { PIECE };
            self.pieces.push(Vec::with_capacity(room));
        }
        let at = self.pieces.len() - 1;
        let piece = &mut self.pieces[at];
        if piece.len() == piece.capacity() {
            let more = (piece.len() / 4 + 8).min(PIECE - piece.len());
            piece.reserve_exact(more);
        }
        piece
    }

    /// Removes an item and leaves `vacant` in its place.
    pub(crate) fn remove(&mut self, id: u32, vacant: T) -> T {
        let item = core::mem::replace(&mut self[id], vacant);
        self.free.push(id);
        if self.free.len() == self.places_len() {
            *self = Self::new();
        }
        item
    }

    /// The number of items.
    pub(crate) fn len(&self) -> usize {
        self.places_len() - self.free.len()
    }

    /// All places in the order of their numbers, also vacant ones.
    pub(crate) fn places(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    fn places_len(&self) -> usize {
        let last = self.pieces.last().map_or(0, Vec::len);
        self.pieces.len().saturating_sub(1) * PIECE + last
    }

    /// Bytes on the heap, without what items point to.
    pub(crate) fn heap_bytes(&self) -> usize {
        let items: usize = self.pieces.iter().map(Vec::capacity).sum();
        items * size_of::<T>()
            + self.pieces.capacity() * size_of::<Vec<T>>()
            + self.free.capacity() * size_of::<u32>()
    }
}

/// Items of a piece: few enough that the room of the last does not matter.
const PIECE: usize = 4096;

impl<T> Index<u32> for Arena<T> {
    type Output = T;

    #[inline]
    fn index(&self, id: u32) -> &T {
        &self.pieces[id as usize / PIECE][id as usize % PIECE]
    }
}

impl<T> IndexMut<u32> for Arena<T> {
    #[inline]
    fn index_mut(&mut self, id: u32) -> &mut T {
        &mut self.pieces[id as usize / PIECE][id as usize % PIECE]
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

    #[test]
    fn items_of_many_pieces_are_found_by_their_numbers() {
        let mut arena = Arena::new();
        let count = 3 * PIECE + 1;
        let ids: Vec<u32> = (0..count).map(|item| arena.insert(item)).collect();
        assert!(ids.iter().enumerate().all(|(item, &id)| arena[id] == item));
        assert!(arena.places().copied().eq(0..count));
        assert_eq!(arena.len(), count);
        let room = arena.heap_bytes() / size_of::<usize>();
        assert!(room < count + PIECE + 100, "{room}");
    }
}
