use alloc::boxed::Box;
use alloc::vec;
use core::hash::Hash;
use core::mem;

use super::bunch::Bunch;
use super::filter_text::FilterText;
use super::seed::Seed;

/// A filter of the index and the values that hang on it.
#[derive(Clone)]
#[repr(align(32))] // small ones lie in few cache lines
pub(crate) struct Entry<K, V> {
    pub(crate) values: Values<K, V>,
    pub(crate) filter: FilterText,
}

/// The values of a filter, by key. Most filters have one.
#[derive(Clone)]
pub(crate) enum Values<K, V> {
    None,
    One(K, V),
    Many(Box<Bunch<(K, V)>>),
}

impl<K, V> Entry<K, V> {
    /// What is left in the place of a removed entry.
    pub(crate) const VACANT: Self = Self {
        values: Values::None,
        filter: FilterText::NONE,
    };

    pub(crate) fn new(filter: &str) -> Self {
        Self {
            values: Values::None,
            filter: FilterText::new(filter),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let values = match &self.values {
            Values::Many(bunch) => size_of::<Bunch<(K, V)>>() + bunch.heap_bytes(),
            Values::None | Values::One(..) => 0,
        };
        self.filter.heap_bytes() + values
    }
}

impl<K, V> Values<K, V> {
    pub(crate) const fn is_empty(&self) -> bool {
        matches!(self, Self::None)
    }

    #[inline]
    pub(crate) fn for_each<'a, B>(
        &'a self,
        visit: &mut impl FnMut(&'a K, &'a V) -> core::ops::ControlFlow<B>,
    ) -> core::ops::ControlFlow<B> {
        match self {
            Self::None => core::ops::ControlFlow::Continue(()),
            Self::One(key, value) => visit(key, value),
            Self::Many(bunch) => bunch
                .items()
                .iter()
                .try_for_each(|(key, value)| visit(key, value)),
        }
    }
}

impl<K: Hash + Eq, V> Values<K, V> {
    pub(crate) fn get(&self, seed: &Seed, key: &K) -> Option<&V> {
        match self {
            Self::None => None,
            Self::One(own, value) => (own == key).then_some(value),
            Self::Many(bunch) => {
                let at = bunch.find(|| seed.key(key), |(own, _)| own == key)?;
                Some(&bunch.items()[at].1)
            }
        }
    }

    /// Sets the value of a key and returns the one that it replaces.
    pub(crate) fn insert(&mut self, seed: &Seed, key: K, value: V) -> Option<V> {
        match self {
            Self::One(own, old) if *own == key => Some(mem::replace(old, value)),
            Self::Many(bunch) => {
                if let Some(at) = bunch.find(|| seed.key(&key), |(own, _)| *own == key) {
                    return Some(mem::replace(&mut bunch.item_mut(at).1, value));
                }
                bunch.push((key, value), |(key, _)| seed.key(key));
                None
            }
            Self::None | Self::One(..) => {
                *self = match mem::replace(self, Self::None) {
                    Self::One(own, old) => {
                        Self::Many(Box::new(Bunch::of(vec![(own, old), (key, value)])))
                    }
                    _ => Self::One(key, value),
                };
                None
            }
        }
    }

    /// Removes the value of a key.
    pub(crate) fn remove(&mut self, seed: &Seed, key: &K) -> Option<V> {
        match self {
            Self::One(own, _) if own == key => match mem::replace(self, Self::None) {
                Self::One(_, value) => Some(value),
                _ => None,
            },
            Self::Many(bunch) => {
                let at = bunch.find(|| seed.key(key), |(own, _)| own == key)?;
                let (_, value) = bunch.swap_remove(at, |(key, _)| seed.key(key));
                if bunch.items().len() == 1 {
                    self.settle_for_one();
                }
                Some(value)
            }
            Self::None | Self::One(..) => None,
        }
    }

    fn settle_for_one(&mut self) {
        if let Self::Many(bunch) = mem::replace(self, Self::None)
            && let Some((key, value)) = bunch.into_items().pop()
        {
            *self = Self::One(key, value);
        }
    }
}
