use mqtt_topic_engine::topic_matcher::{Len, TopicMatcherNode};
use mqtt_topic_engine::{CacheStrategy, TopicPath, TopicPatternPath};

use super::Matcher;

/// The crate mqtt-topic-engine.
pub struct TopicEngine(TopicMatcherNode<Values>);

#[derive(Default, Debug)]
struct Values(Vec<u32>);

impl Len for Values {
    fn len(&self) -> usize {
        self.0.len()
    }
}

impl Matcher for TopicEngine {
    const NAME: &'static str = "mqtt-topic-engine";

    fn new() -> TopicEngine {
        TopicEngine(TopicMatcherNode::new())
    }

    fn insert(&mut self, filter: &str, value: u32) {
        self.0
            .get_or_create_subscription_table(&pattern(filter))
            .0
            .push(value);
    }

    fn remove(&mut self, filter: &str, value: u32) {
        let remove = |values: &mut Values| values.0.retain(|other| *other != value);
        self.0
            .update_node(pattern(filter).slice(), remove)
            .expect("the filter was inserted");
    }

    fn matches(&self, topic: &str) -> (u32, u64) {
        let path = TopicPath::new(topic).expect("a name");
        let values = self
            .0
            .find_by_path(&path)
            .into_iter()
            .flat_map(|values| &values.0);
        values.fold((0, 0), |(count, sum), value| {
            (count + 1, sum + u64::from(*value))
        })
    }
}

fn pattern(filter: &str) -> TopicPatternPath {
    TopicPatternPath::new_from_string(filter, CacheStrategy::NoCache).expect("a filter")
}
