use std::collections::HashMap;

use super::Matcher;

/// What one writes first: a tree with a hash map in each node.
#[derive(Default)]
pub struct Naive {
    children: HashMap<String, Naive>,
    values: Vec<u32>,
}

impl Matcher for Naive {
    const NAME: &'static str = "naive trie";

    fn new() -> Naive {
        Naive::default()
    }

    fn insert(&mut self, filter: &str, value: u32) {
        let mut node = self;
        for level in filter.split('/') {
            if !node.children.contains_key(level) {
                node.children.insert(level.to_owned(), Naive::default());
            }
            node = node.children.get_mut(level).expect("it was inserted");
        }
        node.values.push(value);
    }

    fn remove(&mut self, filter: &str, value: u32) {
        let mut node = self;
        for level in filter.split('/') {
            let Some(child) = node.children.get_mut(level) else {
                return;
            };
            node = child;
        }
        node.values.retain(|other| *other != value);
    }

    fn matches(&self, topic: &str) -> (u32, u64) {
        let levels: Vec<&str> = topic.split('/').collect();
        let mut found = (0, 0);
        self.collect(&levels, true, &mut found);
        found
    }
}

impl Naive {
    fn collect(&self, levels: &[&str], first: bool, found: &mut (u32, u64)) {
        let wildcards = !(first && levels[0].starts_with('$'));
        if wildcards && let Some(multi) = self.children.get("#") {
            multi.visit(found);
        }
        let Some((level, rest)) = levels.split_first() else {
            self.visit(found);
            return;
        };
        if wildcards && let Some(single) = self.children.get("+") {
            single.collect(rest, false, found);
        }
        if let Some(child) = self.children.get(*level) {
            child.collect(rest, false, found);
        }
    }

    fn visit(&self, (count, sum): &mut (u32, u64)) {
        for value in &self.values {
            *count += 1;
            *sum += u64::from(*value);
        }
    }
}
