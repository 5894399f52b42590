//! What an ill-meaning client may send, and the bound of the work that it causes.
//!
//! [`FilterIndex::match_cost`] counts every look-up of a match. Its bound: two, the number of the name's
//! levels, and four for each beginning of a filter that matches a beginning of the name.

use alloc::format;
use alloc::string::String;

use super::*;
use crate::{MAX_TOPIC_BYTES, TopicFilter, TopicName};

fn filter(text: impl Into<String>) -> TopicFilter {
    TopicFilter::try_from(text.into()).unwrap()
}

fn name(text: impl Into<String>) -> TopicName {
    TopicName::try_from(text.into()).unwrap()
}

fn count(index: &FilterIndex<u32, ()>, name: &TopicName) -> usize {
    let mut count = 0;
    index.for_each_match(name, |_, ()| count += 1);
    count
}

#[test]
fn a_name_of_65535_slashes_costs_no_more_than_its_levels() {
    let mut index = FilterIndex::with_seed(1);
    let slashes = "/".repeat(MAX_TOPIC_BYTES);
    index.insert(&filter(slashes.as_str()), 1, ());
    index.insert(&filter("/".repeat(MAX_TOPIC_BYTES - 1) + "#"), 2, ());
    index.insert(&filter("+/".repeat(32_767) + "+"), 3, ());
    let (slashes, levels) = (name(slashes), MAX_TOPIC_BYTES + 1);
    // The first is exact, the second is one node per level, the third ends half-way.
    assert_eq!(count(&index, &slashes), 2);
    assert!(index.match_cost(&slashes) <= 2 + levels + 2 * (levels + 32_768));
    assert_eq!((1..=3).map(|key| index.remove_key(&key)).sum::<usize>(), 3);
    assert_eq!(index.heap_bytes(), 0);
}

#[test]
fn a_filter_of_32767_single_levels_costs_no_more_than_its_levels() {
    let mut index = FilterIndex::with_seed(1);
    let deep = filter("+/".repeat(32_767));
    index.insert(&deep, 1, ());
    let matching = name("/".repeat(32_767));
    assert_eq!(count(&index, &matching), 1);
    assert!(index.match_cost(&matching) <= 2 + 32_768 + 2 * 32_769);
    // A shallow name does not walk the deep filter.
    assert!(index.match_cost(&name("a/b/c")) <= 2 + 3 + 2 * 4);
    assert_eq!(index.remove(&deep, &1), Some(()));
    assert_eq!(index.heap_bytes(), 0);
}

/// Every set of `a` and `+` in thirteen levels: all nodes of the tree match a beginning of the name.
/// That is the most that filters can cost, and never more than the nodes that they hold.
#[test]
fn single_levels_that_explode_cost_no_more_than_the_nodes_there_are() {
    const DEPTH: usize = 13;
    let mut index = FilterIndex::with_seed(1);
    for mask in 0..1u32 << DEPTH {
        let levels = (0..DEPTH).map(|at| if mask >> at & 1 == 1 { "+/" } else { "a/" });
        index.insert(&filter(levels.collect::<String>() + "b"), mask, ());
    }
    // The root and all ways to reach each level, but the last without any `+`: no tree has that filter.
    let nodes = (1 << (DEPTH + 1)) - 2;
    let near_miss = name("a/".repeat(DEPTH) + "c");
    assert_eq!(count(&index, &near_miss), 0);
    let levels = DEPTH + 1;
    let cost = index.match_cost(&near_miss);
    assert!((nodes..2 + levels + 2 * nodes).contains(&cost), "{cost}");
    let hit = name("a/".repeat(DEPTH) + "b");
    assert_eq!(count(&index, &hit), 1 << DEPTH);
    let ends = (1 << DEPTH) - 1;
    // Each end is looked up in two places.
    let cost = index.match_cost(&hit);
    let least = nodes + 2 * ends;
    assert!(
        (least..2 + levels + nodes + least).contains(&cost),
        "{cost}"
    );
    // A name that leaves the tree early pays for what matched until then.
    assert!(
        index.match_cost(&name("a/x/".repeat(DEPTH))) <= 2 + 2 * DEPTH + (1 << (DEPTH / 2 + 4))
    );
}

#[test]
fn a_hundred_thousand_siblings_cost_no_more_than_one() {
    let mut index = FilterIndex::with_seed(1);
    for key in 0..100_000 {
        index.insert(&filter(format!("a/+/{key}")), key, ());
        index.insert(&filter(format!("a/b/{key}")), key, ());
    }
    for last in ["0", "99999", "x"] {
        let name = name(format!("a/b/{last}"));
        assert_eq!(count(&index, &name), if last == "x" { 0 } else { 2 });
        // The root, `a`, `a/+`, and what the last level leads to.
        let nodes = if last == "x" { 3 } else { 4 };
        assert!(index.match_cost(&name) <= 2 + 3 + 2 * nodes, "{last}");
    }
}

/// Levels that collide in a hash without a seed, or under another seed, are nothing special.
#[test]
fn levels_that_collide_under_one_seed_do_not_under_another() {
    let known = Seed::new(1);
    // Twelve equal bits of the hash: what an attacker who knows the seed finds in no time.
    let colliding = (0..)
        .map(|n| format!("{n}"))
        .filter(|text| known.text(text) & 0xFFF == 7);
    let colliding: alloc::vec::Vec<String> = colliding.take(1_000).collect();
    let other = Seed::new(2);
    let mut buckets = alloc::vec![0usize; 4096];
    for text in &colliding {
        buckets[other.text(text) as usize & 0xFFF] += 1;
    }
    // A thousand balls in 4096 buckets: chance puts seldom more than five in one.
    assert!(buckets.iter().max() < Some(&10));
}

#[test]
fn one_filter_of_many_keys_and_one_key_of_many_filters_cost_each_step_the_same() {
    let mut index = FilterIndex::with_seed(1);
    for key in 0..50_000 {
        index.insert(&filter("a/+"), key, ());
        index.insert(&filter(format!("b/{key}")), 0, ());
        index.insert(&filter(format!("+/{key}")), 0, ());
    }
    // Quadratic work would take minutes here.
    for key in 1..50_000 {
        assert_eq!(index.remove(&filter("a/+"), &key), Some(()));
        assert_eq!(index.remove(&filter(format!("b/{key}")), &0), Some(()));
    }
    assert_eq!(index.remove_key(&0), 50_002);
    assert_eq!(index.heap_bytes(), 0);
}
