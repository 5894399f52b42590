//! Bodies of the fuzz targets. They panic where the crate breaks its promises.

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;

use crate::{
    FilterIndex, Level, ShareName, SubscriptionFilter, TopicError, TopicFilter, TopicFilterRef,
    TopicMap, TopicName, TopicNameRef, TopicScan,
};

/// Any bytes as a name, a filter and a subscription: all ways to read them agree, and what is read
/// keeps the rules.
pub fn topic_parse(data: &[u8]) {
    let bytes = Bytes::copy_from_slice(data);
    let name = TopicName::try_from(bytes.clone());
    assert_eq!(
        name.clone().map(|name| name.to_string()),
        text(TopicNameRef::try_from(data))
    );
    let filter = TopicFilter::try_from(bytes.clone());
    assert_eq!(
        filter.clone().map(|filter| filter.to_string()),
        text(TopicFilterRef::try_from(data))
    );
    let subscription = SubscriptionFilter::try_from(bytes);
    let Ok(text) = core::str::from_utf8(data) else {
        assert!(name.is_err() && filter.is_err() && subscription.is_err());
        return;
    };
    // The rule as constants have it, without the fast scan.
    assert_eq!(name.as_ref().err(), TopicNameRef::new(text).err().as_ref());
    assert_eq!(
        filter.as_ref().err(),
        TopicFilterRef::new(text).err().as_ref()
    );
    if let Ok(name) = &name {
        let own = filter.as_ref().expect("a name is a filter");
        assert!(own.matches(name) && !own.has_wildcards());
        assert_eq!(
            name.levels().collect::<Vec<_>>(),
            text.split('/').collect::<Vec<_>>()
        );
    }
    if let Ok(filter) = &filter {
        let levels: Vec<_> = filter.levels().collect();
        assert!(!levels[..levels.len() - 1].contains(&Level::Multi));
    }
    match subscription {
        Ok(subscription) => check_subscription(&subscription, text),
        Err(_) => assert!(filter.is_err() || text.starts_with("$share/")),
    }
}

/// Any sequence of operations on both indexes: they equal trying every filter and every name.
pub fn topic_index(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let mut models = Models {
        index: FilterIndex::with_seed(u.arbitrary().unwrap_or(0)),
        filters: BTreeMap::new(),
        map: TopicMap::new(),
        names: BTreeMap::new(),
    };
    while let Ok(operation) = Operation::arbitrary(&mut u) {
        models.apply(operation);
        if u.is_empty() {
            break;
        }
    }
}

#[derive(Arbitrary)]
enum Operation {
    Insert(TopicFilter, u8, u16),
    Remove(TopicFilter, u8),
    RemoveKey(u8),
    Match(TopicName),
    InsertName(TopicName, u16),
    RemoveName(TopicName),
    Scan(TopicFilter, u8),
}

struct Models {
    index: FilterIndex<u8, u16>,
    filters: BTreeMap<(TopicFilter, u8), u16>,
    map: TopicMap<u16>,
    names: BTreeMap<TopicName, u16>,
}

impl Models {
    fn apply(&mut self, operation: Operation) {
        match operation {
            Operation::Insert(filter, key, value) => {
                let replaced = self.index.insert(&filter, key, value);
                assert_eq!(replaced, self.filters.insert((filter, key), value));
            }
            Operation::Remove(filter, key) => {
                let removed = self.index.remove(&filter, &key);
                assert_eq!(removed, self.filters.remove(&(filter, key)));
            }
            Operation::RemoveKey(key) => {
                let before = self.filters.len();
                self.filters.retain(|(_, other), _| *other != key);
                assert_eq!(self.index.remove_key(&key), before - self.filters.len());
            }
            Operation::Match(name) => self.check_match(&name),
            Operation::InsertName(name, value) => {
                assert_eq!(
                    self.map.insert(&name, value),
                    self.names.insert(name, value)
                );
            }
            Operation::RemoveName(name) => {
                assert_eq!(self.map.remove(&name), self.names.remove(&name));
            }
            Operation::Scan(filter, budget) => self.check_scan(filter, budget),
        }
        assert_eq!(self.index.len(), self.filters.len());
        assert_eq!(self.map.len(), self.names.len());
    }

    fn check_match(&self, name: &TopicName) {
        let mut found = Vec::new();
        self.index
            .for_each_match(name, |key, value| found.push((*key, *value)));
        let matching = self
            .filters
            .iter()
            .filter(|((filter, _), _)| filter.matches(name));
        let mut expected: Vec<_> = matching.map(|((_, key), value)| (*key, *value)).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{name}");
    }

    fn check_scan(&self, filter: TopicFilter, budget: u8) {
        let mut scan = TopicScan::new(filter.clone());
        let mut found = Vec::new();
        while !scan.is_finished() {
            self.map
                .for_each_step(&mut scan, budget.into(), |name, value| {
                    found.push((name.to_topic_name(), *value));
                });
        }
        found.sort();
        let matching = self.names.iter().filter(|(name, _)| filter.matches(*name));
        let expected: Vec<_> = matching
            .map(|(name, value)| (name.clone(), *value))
            .collect();
        assert_eq!(found, expected, "{filter}");
    }
}

fn text<T: AsRef<str>>(text: Result<T, TopicError>) -> Result<alloc::string::String, TopicError> {
    text.map(|text| text.as_ref().to_string())
}

fn check_subscription(subscription: &SubscriptionFilter, text: &str) {
    assert_eq!(subscription.to_string(), text);
    let group = subscription.share_name().map(ShareName::as_str);
    assert_eq!(group.is_some(), text.starts_with("$share/"));
    if let Some(group) = group {
        assert!(!group.is_empty() && !group.contains(['/', '+', '#', '\0']));
        assert!(ShareName::try_from(group).is_ok());
    }
    assert!(TopicFilter::try_from(subscription.filter().as_str()).is_ok());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_of_any_kind_parses_alike(text in "(\\$share/)?[+#/a\u{0}é$]{0,12}") {
            topic_parse(text.as_bytes());
        }

        #[test]
        fn bytes_of_any_kind_parse_alike(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            topic_parse(&bytes);
        }

        #[test]
        fn operations_of_any_kind_agree(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            topic_index(&bytes);
        }
    }
}
