use mqtide_topic::{FilterIndex, TopicFilterRef, TopicNameRef};

use super::Matcher;

/// Ours, with a hundred thousand clients: each has ten of a million filters.
pub struct Mqtide(pub FilterIndex<u32, u32>);

impl Matcher for Mqtide {
    const NAME: &'static str = "mqtide";

    fn new() -> Mqtide {
        Mqtide(FilterIndex::with_seed(0x5EED))
    }

    fn insert(&mut self, filter: &str, value: u32) {
        let filter = TopicFilterRef::try_from(filter).expect("a filter");
        self.0.insert(filter, client(value), value);
    }

    fn remove(&mut self, filter: &str, value: u32) {
        let filter = TopicFilterRef::try_from(filter).expect("a filter");
        self.0.remove(filter, &client(value));
    }

    fn matches(&self, topic: &str) -> (u32, u64) {
        let name = TopicNameRef::try_from(topic).expect("a name");
        let mut found = (0, 0);
        self.0.for_each_match(name, |_, value| {
            found = (found.0 + 1, found.1 + u64::from(*value))
        });
        found
    }
}

fn client(value: u32) -> u32 {
    value % 100_000
}
