use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{TopicFilter, TopicName};

type Key = u8;
type Model = BTreeMap<(TopicFilter, Key), u32>;

#[derive(Debug, Clone)]
enum Step {
    Insert(TopicFilter, Key, u32),
    Remove(TopicFilter, Key),
    RemoveKey(Key),
    Match(TopicName),
}

fn filters() -> impl Strategy<Value = TopicFilter> {
    let text = "(\\+|[ab$é]{0,2})(/(\\+|[ab$é]{0,2})){0,5}(/#)?|#";
    text.prop_filter_map("empty", |text| TopicFilter::try_from(text).ok())
}

fn names() -> impl Strategy<Value = TopicName> {
    let text = "[ab$é]{0,2}(/[ab$é]{0,2}){0,6}";
    text.prop_filter_map("empty", |text| TopicName::try_from(text).ok())
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (filters(), 0..40u8, any::<u32>()).prop_map(|(f, k, v)| Step::Insert(f, k, v)),
        3 => (filters(), 0..40u8).prop_map(|(f, k)| Step::Remove(f, k)),
        1 => (0..40u8).prop_map(Step::RemoveKey),
        4 => names().prop_map(Step::Match),
    ]
}

fn found(index: &FilterIndex<Key, u32>, name: &TopicName) -> Vec<(Key, u32)> {
    let mut found = Vec::new();
    index.for_each_match(name, |key, value| found.push((*key, *value)));
    found.sort_unstable();
    found
}

fn found_by_model(model: &Model, name: &TopicName) -> Vec<(Key, u32)> {
    let matching = model.iter().filter(|((filter, _), _)| filter.matches(name));
    let mut found: Vec<_> = matching.map(|((_, key), value)| (*key, *value)).collect();
    found.sort_unstable();
    found
}

fn apply(index: &mut FilterIndex<Key, u32>, model: &mut Model, step: Step) {
    match step {
        Step::Insert(filter, key, value) => {
            let replaced = index.insert(&filter, key, value);
            assert_eq!(replaced, model.insert((filter, key), value));
        }
        Step::Remove(filter, key) => {
            assert_eq!(index.remove(&filter, &key), model.remove(&(filter, key)));
        }
        Step::RemoveKey(key) => {
            let before = model.len();
            model.retain(|(_, other), _| *other != key);
            assert_eq!(index.remove_key(&key), before - model.len());
        }
        Step::Match(name) => assert_eq!(found(index, &name), found_by_model(model, &name)),
    }
}

fn contents(index: &FilterIndex<Key, u32>) -> Model {
    let mut contents = Model::new();
    let _: ControlFlow<()> = index.visit_all(|filter, key, value| {
        let filter = TopicFilter::try_from(filter.as_str()).unwrap();
        assert_eq!(contents.insert((filter, *key), *value), None);
        ControlFlow::Continue(())
    });
    contents
}

proptest! {
    #[test]
    fn the_index_equals_trying_every_filter(
        seed in any::<u64>(),
        steps in proptest::collection::vec(steps(), 0..250),
    ) {
        let mut index = FilterIndex::with_seed(seed);
        let mut model = Model::new();
        for step in steps {
            apply(&mut index, &mut model, step);
            prop_assert_eq!(index.len(), model.len());
        }
        prop_assert_eq!(&contents(&index), &model);
        for (filter, key) in model.keys() {
            prop_assert_eq!(index.get(filter, key), model.get(&(filter.clone(), *key)));
        }
        for ((filter, key), _) in model {
            prop_assert!(index.remove(&filter, &key).is_some());
        }
        prop_assert!(index.is_empty());
        prop_assert_eq!(index.filter_count(), 0);
        prop_assert_eq!(index.heap_bytes(), 0);
    }
}

/// A walk keeps the first 64 levels of its way in one place and the others in another.
#[test]
fn filters_of_many_levels_are_each_found_once() {
    const LEVELS: [usize; 8] = [0, 62, 63, 64, 65, 127, 128, 199];
    let mut index = FilterIndex::with_seed(1);
    let mut filters = 0;
    for mask in 0..1u32 << LEVELS.len() {
        let levels: Vec<&str> = (0..200)
            .map(|level| match LEVELS.iter().position(|own| *own == level) {
                Some(at) if mask >> at & 1 == 1 => "+",
                _ => "a",
            })
            .collect();
        for text in [levels.join("/"), levels[..130].join("/") + "/#"] {
            index.insert(&TopicFilter::try_from(text).unwrap(), filters, ());
            filters += 1;
        }
    }
    let (mut found, name) = (Vec::new(), ["a"; 200].join("/"));
    index.for_each_match(&TopicName::try_from(name).unwrap(), |key, ()| {
        found.push(*key)
    });
    found.sort_unstable();
    assert_eq!(found, (0..filters).collect::<Vec<_>>());
    for key in 0..filters {
        assert_eq!(index.remove_key(&key), 1);
    }
    assert_eq!(index.heap_bytes(), 0);
}

#[test]
fn filters_that_collide_are_told_apart() {
    let mut index = FilterIndex::with_seed(1);
    for start in ["", "+/"] {
        let mut by_hash = std::collections::HashMap::new();
        let mut colliding = 0;
        for n in 0..300_000 {
            let text = format!("{start}{n}");
            let filter = TopicFilter::try_from(text).unwrap();
            if let Some(other) = by_hash.insert(index.seed.filter((&filter).into()), n) {
                colliding += 1;
                for key in [n, other] {
                    let text = format!("{start}{key}");
                    index.insert(&TopicFilter::try_from(text).unwrap(), key, 0);
                }
                for key in [n, other] {
                    let name = TopicName::try_from(format!("{start}{key}").replace('+', "x"));
                    let mut found = Vec::new();
                    index.for_each_match(&name.unwrap(), |key, _| found.push(*key));
                    assert_eq!(found, [key]);
                }
            }
        }
        assert!(colliding > 0, "{start}");
    }
}

#[test]
fn a_visitor_may_stop_early() {
    let mut index = FilterIndex::with_seed(1);
    for key in 0..100 {
        index.insert(&TopicFilter::from_static("a/#"), key, ());
    }
    let mut visited = 0;
    let end = index.matches(&TopicName::from_static("a"), |key: &i32, ()| {
        visited += 1;
        if visited == 3 {
            ControlFlow::Break(*key)
        } else {
            ControlFlow::Continue(())
        }
    });
    assert!(end.is_break());
    assert_eq!(visited, 3);
}

#[test]
fn a_key_knows_its_filters() {
    let mut index = FilterIndex::with_seed(1);
    for text in ["a/b", "a/+", "#", "+/b/#"] {
        index.insert(&TopicFilter::from_static(text), 'k', text);
        index.insert(&TopicFilter::from_static(text), 'o', text);
    }
    let mut own = Vec::new();
    let _: ControlFlow<()> = index.visit_key(&'k', |filter, text| {
        assert_eq!(filter, *text);
        own.push(filter.to_string());
        ControlFlow::Continue(())
    });
    own.sort();
    assert_eq!(own, ["#", "+/b/#", "a/+", "a/b"]);
    assert_eq!(index.key_count(), 2);
    assert_eq!(index.remove_key(&'k'), 4);
    assert_eq!(
        (index.key_count(), index.len(), index.filter_count()),
        (1, 4, 4)
    );
}

#[test]
fn an_entry_is_small() {
    assert_eq!(size_of::<Entry<u32, u32>>(), 64);
}
