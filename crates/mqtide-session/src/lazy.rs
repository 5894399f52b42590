//! A value that takes room only while it is used.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

/// A collection in a box of its own, absent until something is put in. Most sessions are idle most of
/// the time, and a collection by value takes four words even when it is empty.
#[derive(Debug)]
pub(crate) struct Lazy<T>(Option<Box<T>>);

impl<T> Lazy<T> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    pub(crate) fn get(&self) -> Option<&T> {
        self.0.as_deref()
    }

    pub(crate) fn get_mut(&mut self) -> Option<&mut T> {
        self.0.as_deref_mut()
    }

    /// Drops the value.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl<T: Default> Lazy<T> {
    /// The value, to put something in.
    pub(crate) fn fill(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T> Lazy<VecDeque<T>> {
    pub(crate) fn len(&self) -> usize {
        self.get().map_or(0, VecDeque::len)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.get().into_iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.get_mut().into_iter().flatten()
    }

    pub(crate) fn front(&self) -> Option<&T> {
        self.get()?.front()
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        self.get_mut()?.pop_front()
    }

    /// Gives back the room that is not used.
    pub(crate) fn shrink(&mut self) {
        match self.get_mut() {
            Some(list) if !list.is_empty() => list.shrink_to_fit(),
            _ => self.clear(),
        }
    }
}
