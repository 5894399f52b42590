//! Which client identifier belongs to which session.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::Mutex;

/// What can be found by a client identifier.
pub(crate) trait Identified: std::fmt::Debug {
    fn client_id(&self) -> &str;
}

/// All sessions, online and offline.
///
/// Only the shared values are stored, each with its own key, so an entry costs a pointer and a byte.
/// The locks are never held while a value is used.
#[derive(Debug)]
pub(crate) struct Registry<T> {
    shards: Box<[Mutex<HashTable<Arc<T>>>]>,
    hasher: DefaultHashBuilder,
    len: AtomicUsize,
    limit: usize,
}

/// There is no room for another session.
#[derive(Debug)]
pub(crate) struct Full;

impl<T: Identified> Registry<T> {
    pub(crate) fn new(limit: usize) -> Self {
        Registry {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            len: AtomicUsize::new(0),
            limit,
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    pub(crate) fn find(&self, client_id: &str) -> Option<Arc<T>> {
        let hash = self.hasher.hash_one(client_id);
        let shard = self.shard(hash).lock();
        shard
            .find(hash, |value| value.client_id() == client_id)
            .cloned()
    }

    /// What has this identifier, or a new value if nothing has and there is room.
    pub(crate) fn find_or_insert(
        &self,
        client_id: &str,
        new: impl FnOnce() -> Arc<T>,
    ) -> Result<Arc<T>, Full> {
        let hash = self.hasher.hash_one(client_id);
        let mut shard = self.shard(hash).lock();
        if let Some(value) = shard.find(hash, |value| value.client_id() == client_id) {
            return Ok(Arc::clone(value));
        }
        if self.len.fetch_add(1, Relaxed) >= self.limit {
            self.len.fetch_sub(1, Relaxed);
            return Err(Full);
        }
        let value = new();
        shard.insert_unique(hash, Arc::clone(&value), |value| self.hash(value));
        Ok(value)
    }

    /// Puts a value in, whatever the limit; false if there is one with its identifier.
    pub(crate) fn insert(&self, value: &Arc<T>) -> bool {
        let hash = self.hash(value);
        let mut shard = self.shard(hash).lock();
        let is_new = shard
            .find(hash, |other| other.client_id() == value.client_id())
            .is_none();
        if is_new {
            self.len.fetch_add(1, Relaxed);
            shard.insert_unique(hash, Arc::clone(value), |value| self.hash(value));
        }
        is_new
    }

    /// Puts `new` in the place of `old`, which has the same identifier; tells whether `old` was still there.
    pub(crate) fn replace(&self, old: &Arc<T>, new: &Arc<T>) -> bool {
        let hash = self.hash(old);
        let mut shard = self.shard(hash).lock();
        match shard.find_mut(hash, |value| Arc::ptr_eq(value, old)) {
            Some(value) => {
                *value = Arc::clone(new);
                true
            }
            None => false,
        }
    }

    /// Takes this very value out, if it is still there.
    pub(crate) fn remove(&self, value: &Arc<T>) -> bool {
        let hash = self.hash(value);
        let mut shard = self.shard(hash).lock();
        let Ok(entry) = shard.find_entry(hash, |other| Arc::ptr_eq(other, value)) else {
            return false;
        };
        entry.remove();
        self.len.fetch_sub(1, Relaxed);
        let (len, capacity) = (shard.len(), shard.capacity());
        if capacity > 64 && len < capacity / 4 {
            shard.shrink_to(len * 2, |value| self.hash(value));
        }
        true
    }

    /// All values, shard by shard, so that no lock is held while they are looked at.
    pub(crate) fn for_each(&self, mut look: impl FnMut(&Arc<T>)) {
        for shard in &self.shards {
            let values: Vec<_> = shard.lock().iter().cloned().collect();
            values.iter().for_each(&mut look);
        }
    }

    fn hash(&self, value: &Arc<T>) -> u64 {
        self.hasher.hash_one(value.client_id())
    }

    fn shard(&self, hash: u64) -> &Mutex<HashTable<Arc<T>>> {
        // The tables use the low and the highest bits themselves.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

const SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    impl Identified for String {
        fn client_id(&self) -> &str {
            self
        }
    }

    fn named(name: &str) -> Arc<String> {
        Arc::new(name.to_owned())
    }

    #[test]
    fn one_identifier_is_one_value() {
        let registry = Registry::new(10);
        let first = registry.find_or_insert("a", || named("a")).unwrap();
        let again = registry.find_or_insert("a", || unreachable!()).unwrap();
        assert!(Arc::ptr_eq(&first, &again));
        assert!(registry.find("b").is_none());
        assert_eq!(registry.len(), 1);
    }

    #[test]
    fn only_the_value_that_is_meant_is_removed() {
        let registry = Registry::new(10);
        let old = registry.find_or_insert("a", || named("a")).unwrap();
        let new = named("a");
        assert!(registry.replace(&old, &new));
        assert!(!registry.replace(&old, &named("a")));
        assert!(!registry.remove(&old));
        assert!(Arc::ptr_eq(&registry.find("a").unwrap(), &new));
        assert!(registry.remove(&new));
        assert_eq!(registry.len(), 0);
    }

    #[test]
    fn there_is_a_limit() {
        let registry = Registry::new(2);
        for name in ["a", "b"] {
            registry.find_or_insert(name, || named(name)).unwrap();
        }
        assert!(registry.find_or_insert("c", || named("c")).is_err());
        assert!(registry.find_or_insert("a", || unreachable!()).is_ok());
        registry.remove(&registry.find("b").unwrap());
        assert!(registry.find_or_insert("c", || named("c")).is_ok());
        assert!(!registry.insert(&named("c")));
        assert!(registry.insert(&named("d")), "what was there before stays");
        assert_eq!(registry.len(), 3);
    }
}
