//! The subscription index; see [`FilterIndex`].

use core::fmt;
use core::hash::Hash;
use core::ops::ControlFlow;

use smallvec::SmallVec;

use self::arena::Arena;
use self::candidate::{Candidate, Pattern};
use self::entry::Entry;
use self::keys::Keys;
use self::levels::Levels;
use self::seed::Seed;
use self::steps::Steps;
use self::table::{Slot as _, TextSlot, TextTable};
use crate::{TopicFilterRef, TopicNameRef};

mod arena;
mod bunch;
mod candidate;
mod entry;
mod filter_text;
mod keys;
mod levels;
mod seed;
mod steps;
mod table;
mod walk;

/// Values by topic filter and key: which subscriptions does a topic name match?
///
/// A key is a subscriber: each filter has at most one value per key, as a session has at most one
/// subscription per filter (MQTT 5.0 §3.8.4). One filter may have a million keys, and one key a million
/// filters.
///
/// ```
/// use core::ops::ControlFlow;
///
/// use mqtide_topic::{FilterIndex, TopicFilter, TopicName};
///
/// let seed = 0x5EED; // draw yours at random
/// let mut index = FilterIndex::with_seed(seed);
/// index.insert(&TopicFilter::from_static("site/+/temperature"), "client 1", 2);
/// index.insert(&TopicFilter::from_static("site/berlin/#"), "client 2", 0);
///
/// let mut subscribers = Vec::new();
/// index.for_each_match(&TopicName::from_static("site/berlin/temperature"), |client, qos| {
///     subscribers.push((*client, *qos));
/// });
/// subscribers.sort();
/// assert_eq!(subscribers, [("client 1", 2), ("client 2", 0)]);
/// ```
///
/// # Cost
///
/// All filters are in one hash table; one without wildcards is found by one hash of the topic. Those
/// with wildcards are also a tree of levels, whose nodes are known by the hash of the levels that lead to
/// them: a summary has a few bits for each, which tell where filters go on. A match follows them from
/// level to level, and looks into the table only where a filter ends that matches; there the filter's
/// text decides.
///
/// Besides visiting values and comparing the texts of filters that match, a match of a name with `L`
/// levels looks up no more than `2 + L + 4 N` things, where `N` counts the nodes whose path matches a
/// beginning of the name: the whole name, each level, and for each node two that may follow and two
/// filters that may end there. Bits that two nodes share add a few percent, which nobody can choose who
/// does not know the seed. `N` is at most 2^(L + 1) - 1, as each level doubles the paths by at most one
/// `+`, and at most the nodes that there are: one, and one for each level of a filter with wildcards. So
/// only who holds the filters for it makes `N` large, and filters in other branches cost nothing.
/// [`match_cost`](Self::match_cost) counts. There is no recursion. There is no allocation unless the name
/// and some filter both have more than 128 levels, the default of
/// [`TopicLimits`](crate::TopicLimits).
///
/// Removing all of a key costs as much as that key has filters.
///
/// # Sharing between threads
///
/// The index is plain data: matching takes `&self` and writes nothing, so any number of threads may
/// match at once. Put it behind a read-write lock: a change takes about a microsecond, so even a
/// subscriber who brings a hundred filters at once holds up matching for a tenth of a millisecond;
/// release the lock between batches of that size. Two copies with a log of changes, so that readers
/// never wait, would double memory and every change; the bench `topic` (`shared`) measures matching
/// beside a writer, for who wants to know whether that would pay.
///
/// # Memory
///
/// What a removed filter took is used again for the next one; tables shrink with what they hold, and
/// the last filter gives back everything.
#[derive(Clone)]
pub struct FilterIndex<K, V> {
    seed: Seed,
    entries: Arena<Entry<K, V>>,
    /// All filters, by the hash of their text or, with wildcards, of their levels.
    filters: TextTable,
    steps: Steps,
    keys: Keys<K>,
    values: usize,
}

impl<K: Hash + Eq + Clone, V> FilterIndex<K, V> {
    /// An empty index.
    ///
    /// Clients choose the topics that the index hashes. Draw the seed at random, and keep it from
    /// them: then they cannot choose topics that collide.
    #[must_use]
    pub fn with_seed(seed: u64) -> Self {
        Self {
            seed: Seed::new(seed),
            entries: Arena::new(),
            filters: TextTable::new(),
            steps: Steps::new(),
            keys: Keys::new(),
            values: 0,
        }
    }

    /// Sets the value of a key at a filter, and returns the value that it replaces.
    ///
    /// # Panics
    ///
    /// If the index had to hold more than 2^32 - 2 filters or nodes, which take more than 100 GB.
    pub fn insert<'f>(
        &mut self,
        filter: impl Into<TopicFilterRef<'f>>,
        key: K,
        value: V,
    ) -> Option<V> {
        let entry = self.entry_or_insert(filter.into());
        let replaced = self.entries[entry]
            .values
            .insert(&self.seed, key.clone(), value);
        if replaced.is_none() {
            self.values += 1;
            self.keys.add(&self.seed, key, entry);
        }
        replaced
    }

    /// Removes the value of a key at a filter.
    pub fn remove<'f>(&mut self, filter: impl Into<TopicFilterRef<'f>>, key: &K) -> Option<V> {
        let entry = self.find(filter.into())?;
        let value = self.remove_value(entry, key)?;
        self.keys.remove(&self.seed, key, entry);
        Some(value)
    }

    /// Removes all values of a key, and returns how many they were.
    ///
    /// The cost is that of removing them one by one; other keys do not matter.
    pub fn remove_key(&mut self, key: &K) -> usize {
        let entries = self.keys.take(&self.seed, key);
        for &entry in entries.items() {
            self.remove_value(entry, key);
        }
        entries.items().len()
    }

    /// The value of a key at a filter.
    #[must_use]
    pub fn get<'f>(&self, filter: impl Into<TopicFilterRef<'f>>, key: &K) -> Option<&V> {
        let entry = self.find(filter.into())?;
        self.entries[entry].values.get(&self.seed, key)
    }

    /// Calls `visit` with each filter of a key, in no particular order, until it breaks.
    pub fn visit_key<B>(
        &self,
        key: &K,
        mut visit: impl FnMut(TopicFilterRef<'_>, &V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        for entry in self.keys.entries(&self.seed, key) {
            let entry = &self.entries[entry];
            if let Some(value) = entry.values.get(&self.seed, key) {
                visit(entry.filter.as_filter(), value)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The number of keys that have a value.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }
}

impl<K, V> FilterIndex<K, V> {
    /// Calls `visit` with each key and value whose filter matches a topic name, in no particular
    /// order, until it breaks.
    ///
    /// A key that has several matching filters is visited once for each.
    #[inline]
    pub fn matches<'a, 'n, B>(
        &'a self,
        name: impl Into<TopicNameRef<'n>>,
        visit: impl FnMut(&'a K, &'a V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        self.matches_at_cost(name.into(), &mut 0, visit)
    }

    /// [`matches`](Self::matches) to the end.
    #[inline]
    pub fn for_each_match<'a, 'n>(
        &'a self,
        name: impl Into<TopicNameRef<'n>>,
        mut visit: impl FnMut(&'a K, &'a V),
    ) {
        let _: ControlFlow<()> = self.matches(name, |key, value| {
            visit(key, value);
            ControlFlow::Continue(())
        });
    }

    /// The work that matching a topic name is, apart from visiting values: what is hashed and looked
    /// up. See [Cost](#cost) for its bound.
    #[must_use]
    pub fn match_cost<'n>(&self, name: impl Into<TopicNameRef<'n>>) -> usize {
        let mut cost = 0;
        let _: ControlFlow<()> =
            self.matches_at_cost(name.into(), &mut cost, |_, _| ControlFlow::Continue(()));
        cost
    }

    /// Calls `visit` with each filter, key and value, in no particular order, until it breaks.
    pub fn visit_all<B>(
        &self,
        mut visit: impl FnMut(TopicFilterRef<'_>, &K, &V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        for entry in self
            .entries
            .places()
            .filter(|entry| !entry.values.is_empty())
        {
            let filter = entry.filter.as_filter();
            entry
                .values
                .for_each(&mut |key, value| visit(filter, key, value))?;
        }
        ControlFlow::Continue(())
    }

    /// The number of values.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.values
    }

    /// Whether there is no value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.values == 0
    }

    /// The number of different filters.
    #[must_use]
    pub fn filter_count(&self) -> usize {
        self.entries.len()
    }

    /// Bytes that the index asks of the allocator, without what keys and values point to.
    ///
    /// This looks at every filter.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let entries: usize = self.entries.places().map(Entry::heap_bytes).sum();
        entries
            + self.entries.heap_bytes()
            + self.filters.heap_bytes()
            + self.steps.heap_bytes()
            + self.keys.heap_bytes()
    }

    #[inline]
    fn matches_at_cost<'a, B>(
        &'a self,
        name: TopicNameRef<'_>,
        cost: &mut usize,
        mut visit: impl FnMut(&'a K, &'a V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut batch = Batch::new();
        *cost += 1;
        batch.push(Candidate {
            hash: self.seed.text(name.as_str()),
            pattern: Pattern::Name,
        });
        let mut levels = Levels::new(name);
        if !self.steps.is_empty() {
            levels.read(&self.seed, self.steps.deepest());
            let (levels, ways) = (&levels, levels.as_slice());
            let mut candidates = ways.len() - 1;
            walk::walk(&self.steps, &self.seed, ways, cost, |candidate, deep| {
                candidates += 1;
                if !deep.is_empty() {
                    return self.visit_batch(&[candidate], levels, deep, &mut visit);
                }
                if batch.len() == BATCH {
                    self.visit_batch(&batch, levels, &[], &mut visit)?;
                    batch.clear();
                }
                batch.push(candidate);
                ControlFlow::Continue(())
            })?;
            *cost += candidates;
        }
        self.visit_batch(&batch, &levels, &[], &mut visit)
    }

    /// Visits the values of those candidates that the index has.
    ///
    /// What misses the cache is read for all before it is needed for one.
    #[inline]
    fn visit_batch<'a, B>(
        &'a self,
        candidates: &[Candidate],
        levels: &Levels<'_>,
        deep: &[u64],
        visit: &mut impl FnMut(&'a K, &'a V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut firsts = [TextSlot::EMPTY; BATCH];
        for (first, candidate) in firsts.iter_mut().zip(candidates) {
            *first = self.filters.first(candidate.hash);
        }
        let mut found = SmallVec::<[(&Candidate, u32, &[u8]); BATCH]>::new();
        for (first, candidate) in firsts.iter().zip(candidates) {
            if let Some(entry) = self.filters.find_from(*first, candidate.hash) {
                found.push((candidate, entry, self.entries[entry].filter.as_bytes()));
            }
        }
        for &(candidate, entry, filter) in &found {
            let Candidate { hash, pattern } = candidate;
            let entry = if pattern.is(filter, levels, deep) {
                Some(entry)
            } else {
                // Another has the same hash.
                let is_it = |entry| pattern.is(self.entries[entry].filter.as_bytes(), levels, deep);
                self.filters.find(*hash, is_it)
            };
            if let Some(entry) = entry {
                self.entries[entry].values.for_each(visit)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn find(&self, filter: TopicFilterRef<'_>) -> Option<u32> {
        self.find_hashed(self.seed.filter(filter), filter)
    }

    fn find_hashed(&self, hash: u32, filter: TopicFilterRef<'_>) -> Option<u32> {
        let text = filter.as_str().as_bytes();
        let is_it = |entry| self.entries[entry].filter.as_bytes() == text;
        self.filters.find(hash, is_it)
    }

    fn entry_or_insert(&mut self, filter: TopicFilterRef<'_>) -> u32 {
        let hash = self.seed.filter(filter);
        if let Some(entry) = self.find_hashed(hash, filter) {
            return entry;
        }
        let entry = self.entries.insert(Entry::new(filter.as_str()));
        self.filters.insert(hash, entry);
        if filter.has_wildcards() {
            self.steps.add(&self.seed, filter);
        }
        entry
    }
}

#[cfg(feature = "std")]
impl<K: Hash + Eq + Clone, V> Default for FilterIndex<K, V> {
    /// An empty index with a seed drawn at random.
    fn default() -> Self {
        use std::hash::{BuildHasher, RandomState};

        Self::with_seed(RandomState::new().hash_one(()))
    }
}

impl<K: Hash + Eq, V> FilterIndex<K, V> {
    /// Removes a value, and the filter with its last value.
    fn remove_value(&mut self, id: u32, key: &K) -> Option<V> {
        let value = self.entries[id].values.remove(&self.seed, key)?;
        self.values -= 1;
        if self.entries[id].values.is_empty() {
            let entry = self.entries.remove(id, Entry::VACANT);
            let filter = entry.filter.as_filter();
            self.filters.remove(self.seed.filter(filter), id);
            if filter.has_wildcards() {
                self.steps.remove(&self.seed, filter);
            }
        }
        Some(value)
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for FilterIndex<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        let _: ControlFlow<()> = self.visit_all(|filter, key, value| {
            list.entry(&(filter, key, value));
            ControlFlow::Continue(())
        });
        list.finish()
    }
}

/// Candidates that are looked up together: enough that the processor overlaps their cache misses.
const BATCH: usize = 16;

type Batch = SmallVec<[Candidate; BATCH]>;

#[cfg(test)]
mod tests;

#[cfg(test)]
mod adversarial_tests;
