use std::time::{Duration, Instant};

use super::Data;

/// An index of filters, each with one number as its value.
pub trait Matcher {
    /// Its name in tables.
    const NAME: &'static str;

    /// An empty index.
    fn new() -> Self;

    /// Adds a filter.
    fn insert(&mut self, filter: &str, value: u32);

    /// Removes a filter and its value.
    fn remove(&mut self, filter: &str, value: u32);

    /// How many values the filters have that match a topic, and their sum: from the text of the topic
    /// to every value.
    fn matches(&self, topic: &str) -> (u32, u64);

    /// Matches every topic. Never inlined, so that callgrind can be told to count in here alone.
    #[inline(never)]
    fn measured(&self, topics: &[String]) -> (u32, u64) {
        topics.iter().fold((0, 0), |(count, sum), topic| {
            let (more, values) = self.matches(topic);
            (count + more, sum.wrapping_add(values))
        })
    }
}

/// An index with all filters of the data, and the time that it took.
pub fn fill<M: Matcher>(data: &Data) -> (M, Duration) {
    let mut matcher = M::new();
    let start = Instant::now();
    for (value, filter) in (0..).zip(&data.filters) {
        matcher.insert(filter, value);
    }
    (matcher, start.elapsed())
}

/// Removes all filters of the data, and returns the time that it took.
pub fn empty<M: Matcher>(matcher: &mut M, data: &Data) -> Duration {
    let start = Instant::now();
    for (value, filter) in (0..).zip(&data.filters) {
        matcher.remove(filter, value);
    }
    start.elapsed()
}

#[cfg(test)]
mod tests {
    use crate::topic::{Population, Run, each};

    use super::*;

    struct Compare {
        data: Data,
        found: Vec<(&'static str, Vec<(u32, u64)>)>,
    }

    impl Run for Compare {
        fn run<M: Matcher + 'static>(&mut self) {
            let (mut matcher, _) = fill::<M>(&self.data);
            let found = self
                .data
                .topics
                .iter()
                .map(|topic| matcher.matches(topic))
                .collect();
            self.found.push((M::NAME, found));
            for (value, filter) in (0..).zip(&self.data.filters) {
                matcher.remove(filter, value);
            }
            assert_eq!(matcher.measured(&self.data.topics), (0, 0), "{}", M::NAME);
        }
    }

    #[test]
    fn all_find_the_same() {
        for population in [Population::Mixed, Population::Results(100)] {
            let mut compare = Compare {
                data: Data::new(20_000, population),
                found: Vec::new(),
            };
            each(&mut compare);
            let (_, ours) = &compare.found[0];
            assert!(ours.iter().any(|(count, _)| *count > 1));
            for (name, found) in &compare.found {
                assert!(found == ours, "{name}");
            }
        }
    }
}
