//! The index of retained topics; see [`TopicMap`].

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt;
use core::ops::{Bound, ControlFlow};

use self::key::{write_key, write_name};
use self::pattern::{Pattern, Verdict};
use crate::{TopicFilter, TopicFilterRef, TopicNameRef};

mod key;
mod pattern;

/// Values by topic name, found by topic filter: which retained messages does a subscription get?
///
/// It is the counterpart of [`FilterIndex`](crate::FilterIndex): here the names stay and the filters
/// come by.
///
/// ```
/// use mqtide_topic::{TopicFilter, TopicMap, TopicName, TopicScan};
///
/// let mut retained = TopicMap::new();
/// retained.insert(&TopicName::from_static("site/berlin/status"), "up");
/// retained.insert(&TopicName::from_static("site/rome/status"), "down");
///
/// // A few names at a time, so that a wide filter does not hold up others.
/// let mut scan = TopicScan::new(TopicFilter::from_static("site/+/status"));
/// let mut found = Vec::new();
/// while !scan.is_finished() {
///     retained.for_each_step(&mut scan, 1_000, |name, value| found.push((name.to_string(), *value)));
/// }
/// assert_eq!(found[0], ("site/berlin/status".to_owned(), "up"));
/// assert_eq!(found[1], ("site/rome/status".to_owned(), "down"));
/// ```
///
/// # Cost
///
/// The names lie in order, `/` before all other characters, so that the names below a level follow it.
/// Setting, finding and removing a value costs a search, logarithmic in the number of names. A filter
/// without wildcards costs the same. A literal level of a filter narrows the range of names; a `+`
/// visits the levels that are in its place, and skips what is below those that cannot match; a `#`
/// reads on in order. There is no recursion, and a [scan](TopicScan) can stop after any number of
/// names and go on later, whatever has changed.
#[derive(Clone)]
pub struct TopicMap<V> {
    names: BTreeMap<Box<str>, V>,
    /// Bytes of all names.
    text_bytes: usize,
    /// Where keys of look-ups are written.
    key: String,
}

/// Where a look-up in a [`TopicMap`] is: a filter, and what of the names it has done.
///
/// It borrows nothing: the map may change between steps. A name that is there during the whole scan
/// is visited exactly once; one that comes or goes meanwhile is visited at most once.
#[derive(Debug, Clone)]
pub struct TopicScan {
    filter: TopicFilter,
    pattern: Pattern,
    /// All keys before this one are done; `None` if all are.
    from: Option<String>,
}

impl<V> TopicMap<V> {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            names: BTreeMap::new(),
            text_bytes: 0,
            key: String::new(),
        }
    }

    /// Sets the value of a name, and returns the value that it replaces.
    pub fn insert<'n>(&mut self, name: impl Into<TopicNameRef<'n>>, value: V) -> Option<V> {
        let name = name.into().as_str();
        write_key(name, &mut self.key);
        if let Some(old) = self.names.get_mut(self.key.as_str()) {
            return Some(core::mem::replace(old, value));
        }
        self.text_bytes += name.len();
        self.names.insert(self.key.as_str().into(), value)
    }

    /// The value of a name.
    #[must_use]
    pub fn get<'n>(&self, name: impl Into<TopicNameRef<'n>>) -> Option<&V> {
        let mut key = String::new();
        write_key(name.into().as_str(), &mut key);
        self.names.get(key.as_str())
    }

    /// The value of a name, to be changed.
    #[must_use]
    pub fn get_mut<'n>(&mut self, name: impl Into<TopicNameRef<'n>>) -> Option<&mut V> {
        write_key(name.into().as_str(), &mut self.key);
        self.names.get_mut(self.key.as_str())
    }

    /// Removes a name and returns its value.
    pub fn remove<'n>(&mut self, name: impl Into<TopicNameRef<'n>>) -> Option<V> {
        let name = name.into().as_str();
        write_key(name, &mut self.key);
        let value = self.names.remove(self.key.as_str())?;
        self.text_bytes -= name.len();
        Some(value)
    }

    /// Calls `visit` with the names that match a scan's filter and their values, in order, from where
    /// the scan is, until it breaks or `budget` names have been looked at (at least one).
    ///
    /// Looking at a name that does not match counts as well, so a call's work is bounded. The scan
    /// goes on with the next call, also after a break: it will not visit the same name again. It is
    /// at its end when [`is_finished`](TopicScan::is_finished) says so.
    pub fn step<B>(
        &self,
        scan: &mut TopicScan,
        budget: usize,
        mut visit: impl FnMut(TopicNameRef<'_>, &V) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let Some(mut from) = scan.from.take() else {
            return ControlFlow::Continue(());
        };
        let mut name = String::new();
        let mut budget = budget.max(1);
        'seek: loop {
            let mut passed = 0;
            for (key, value) in self
                .names
                .range::<str, _>((Bound::Included(&*from), Bound::Unbounded))
            {
                if budget == 0 {
                    pass(&mut from, key);
                    scan.from = Some(from);
                    return ControlFlow::Continue(());
                }
                budget -= 1;
                if **key < *from {
                    // Next names are near: reading over a few is cheaper than a search.
                    passed += 1;
                    if passed == READ_OVER {
                        continue 'seek;
                    }
                    continue;
                }
                match scan.pattern.judge(key, &mut from) {
                    Verdict::Matches => {
                        write_name(key, &mut name);
                        if let ControlFlow::Break(end) = visit(TopicNameRef::proven(&name), value) {
                            pass_over(&mut from, key);
                            scan.from = Some(from);
                            return ControlFlow::Break(end);
                        }
                    }
                    Verdict::Skip => passed = 0,
                    Verdict::Finished => return ControlFlow::Continue(()),
                }
            }
            return ControlFlow::Continue(());
        }
    }

    /// [`step`](Self::step) with a visitor that does not break.
    pub fn for_each_step(
        &self,
        scan: &mut TopicScan,
        budget: usize,
        mut visit: impl FnMut(TopicNameRef<'_>, &V),
    ) {
        let _: ControlFlow<()> = self.step(scan, budget, |name, value| {
            visit(name, value);
            ControlFlow::Continue(())
        });
    }

    /// The number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no name.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// About how many bytes the map asks of the allocator, without what values point to.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        // Nodes of the tree are two thirds full when names come in any order.
        self.text_bytes + self.len() * size_of::<(Box<str>, V)>() * 3 / 2
    }
}

impl TopicScan {
    /// A scan for the names that a filter matches, by the rules of MQTT 5.0 §4.7.
    #[must_use]
    pub fn new(filter: TopicFilter) -> Self {
        let pattern = Pattern::new(filter.as_filter());
        let from = Some(pattern.start().into());
        Self {
            filter,
            pattern,
            from,
        }
    }

    /// A scan for all names, also those that begin with `$`.
    #[must_use]
    pub fn everything() -> Self {
        let filter = TopicFilter::from_static("#");
        Self {
            filter,
            pattern: Pattern::everything(),
            from: Some(String::new()),
        }
    }

    /// The filter; `#` for [`everything`](Self::everything).
    #[must_use]
    pub fn filter(&self) -> TopicFilterRef<'_> {
        self.filter.as_filter()
    }

    /// Whether all names have been looked at.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.from.is_none()
    }
}

impl<V> Default for TopicMap<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: fmt::Debug> fmt::Debug for TopicMap<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        self.for_each_step(&mut TopicScan::everything(), usize::MAX, |name, value| {
            map.entry(&name, value);
        });
        map.finish()
    }
}

/// How many names a scan reads over before it searches for the one that it wants.
const READ_OVER: usize = 4;

/// Moves `from` up to a key.
fn pass(from: &mut String, key: &str) {
    if key > from.as_str() {
        from.clear();
        from.push_str(key);
    }
}

/// Moves `from` beyond a key.
fn pass_over(from: &mut String, key: &str) {
    from.clear();
    from.push_str(key);
    from.push(key::SEPARATOR);
}

#[cfg(test)]
mod tests;
