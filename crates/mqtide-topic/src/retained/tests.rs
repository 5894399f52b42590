use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::TopicName;

type Model = BTreeMap<TopicName, u32>;

fn filters() -> impl Strategy<Value = TopicFilter> {
    let text = "(\\+|[ab$é\u{1}]{0,2})(/(\\+|[ab$é\u{1}]{0,2})){0,4}(/#)?|#";
    text.prop_filter_map("empty", |text| TopicFilter::try_from(text).ok())
}

fn names() -> impl Strategy<Value = TopicName> {
    let text = "[ab$é\u{1}]{0,2}(/[ab$é\u{1}]{0,2}){0,5}";
    text.prop_filter_map("empty", |text| TopicName::try_from(text).ok())
}

fn map_of(model: &Model) -> TopicMap<u32> {
    let mut map = TopicMap::new();
    for (name, value) in model {
        assert_eq!(map.insert(name, *value), None);
    }
    map
}

fn found(map: &TopicMap<u32>, filter: &TopicFilter, budget: usize) -> Vec<(String, u32)> {
    let mut scan = TopicScan::new(filter.clone());
    let mut found = Vec::new();
    while !scan.is_finished() {
        map.for_each_step(&mut scan, budget, |name, value| {
            found.push((name.to_string(), *value))
        });
    }
    found.sort();
    found
}

fn found_by_model(model: &Model, filter: &TopicFilter) -> Vec<(String, u32)> {
    let matching = model.iter().filter(|(name, _)| filter.matches(*name));
    matching
        .map(|(name, value)| (name.to_string(), *value))
        .collect()
}

#[derive(Debug, Clone)]
enum Step {
    Insert(TopicName, u32),
    Remove(TopicName),
    Scan(TopicFilter, usize),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (names(), any::<u32>()).prop_map(|(name, value)| Step::Insert(name, value)),
        2 => names().prop_map(Step::Remove),
        4 => (filters(), 0usize..9).prop_map(|(filter, budget)| Step::Scan(filter, budget)),
    ]
}

proptest! {
    #[test]
    fn the_map_equals_trying_every_name(
        model in proptest::collection::btree_map(names(), any::<u32>(), 0..120),
        steps in proptest::collection::vec(steps(), 0..80),
    ) {
        let (mut map, mut model) = (map_of(&model), model);
        for step in steps {
            match step {
                Step::Insert(name, value) => {
                    prop_assert_eq!(map.insert(&name, value), model.insert(name, value));
                }
                Step::Remove(name) => {
                    prop_assert_eq!(map.get(&name), model.get(&name));
                    prop_assert_eq!(map.remove(&name), model.remove(&name));
                }
                Step::Scan(filter, budget) => {
                    prop_assert_eq!(found(&map, &filter, budget), found_by_model(&model, &filter));
                }
            }
            prop_assert_eq!(map.len(), model.len());
            prop_assert_eq!(map.text_bytes, model.keys().map(|name| name.len()).sum::<usize>());
        }
    }

    #[test]
    fn a_scan_survives_changes_between_its_steps(
        stay in proptest::collection::btree_map(names(), any::<u32>(), 0..60),
        change in proptest::collection::vec(names(), 1..60),
        filter in filters(),
        budget in 1usize..4,
    ) {
        let mut map = map_of(&stay);
        let mut changes = change.iter().filter(|name| !stay.contains_key(*name)).cycle();
        let mut scan = TopicScan::new(filter.clone());
        let mut visits = BTreeMap::new();
        while !scan.is_finished() {
            map.for_each_step(&mut scan, budget, |name, _| {
                *visits.entry(name.to_topic_name()).or_insert(0) += 1;
            });
            if let Some(name) = changes.next() && map.remove(name).is_none() {
                map.insert(name, 0);
            }
        }
        for (name, count) in &visits {
            prop_assert!(*count == 1 && filter.matches(name), "{name} {count} times");
        }
        for name in stay.keys().filter(|name| filter.matches(*name)) {
            prop_assert!(visits.contains_key(name), "{name} was not visited");
        }
    }
}

/// MQTT-4.7.2-1, v3.1.1 MQTT-4.7.2-1: also for retained messages.
#[test]
fn a_leading_wildcard_does_not_find_a_dollar_topic() {
    let mut map = TopicMap::new();
    for text in ["$SYS/x", "$", "a/x", "/x", "%/x"] {
        map.insert(&TopicName::from_static(text), 0);
    }
    let names = |text| {
        let found = found(&map, &TopicFilter::from_static(text), 2);
        found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names("#"), ["%/x", "/x", "a/x"]);
    assert_eq!(names("+/x"), ["%/x", "/x", "a/x"]);
    assert_eq!(names("$SYS/#"), ["$SYS/x"]);
    assert_eq!(names("$SYS/+"), ["$SYS/x"]);
    assert_eq!(names("$"), ["$"]);
    let mut all = 0;
    map.for_each_step(&mut TopicScan::everything(), 100, |_, _| all += 1);
    assert_eq!(all, 5);
}

#[test]
fn a_break_does_not_lose_the_place() {
    let model = (0..50u32).map(|n| (TopicName::try_from(alloc::format!("a/{n:02}")).unwrap(), n));
    let map = map_of(&model.collect());
    let mut scan = TopicScan::new(TopicFilter::from_static("a/+"));
    let mut seen = Vec::new();
    while !scan.is_finished() {
        let _ = map.step(&mut scan, 100, |_, value| {
            seen.push(*value);
            ControlFlow::Break(())
        });
    }
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
}

#[test]
fn a_step_looks_at_no_more_than_its_budget() {
    let names = (0..1_000u32).map(|n| (TopicName::try_from(alloc::format!("{n}/x")).unwrap(), n));
    let map = map_of(&names.collect());
    let mut scan = TopicScan::new(TopicFilter::from_static("+/y"));
    let mut steps = 0;
    while !scan.is_finished() {
        map.for_each_step(&mut scan, 10, |_, _| panic!("nothing matches"));
        steps += 1;
    }
    assert!((100..=101).contains(&steps), "{steps}");
}

/// The names between the matches are skipped, not read: a branch costs the name that finds it, the
/// name behind it, and after each the few that are read over before a search.
#[test]
fn the_work_is_the_branches_that_can_match() {
    let mut map = TopicMap::new();
    for site in 0..100 {
        for device in 0..100 {
            let name = alloc::format!("site{site}/device{device}/x");
            map.insert(&TopicName::try_from(name).unwrap(), 0u32);
        }
    }
    for (text, most) in [
        ("site7/#", 101),
        ("site7/device8/x", 2),
        ("+/device7/x", 100 * 11 + 1),
    ] {
        let mut scan = TopicScan::new(TopicFilter::from_static(text));
        map.for_each_step(&mut scan, most, |_, _| {});
        assert!(scan.is_finished(), "{text}");
    }
}
