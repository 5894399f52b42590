use std::collections::HashSet;

/// Filters and topics, the same in every run.
pub struct Data {
    /// 70 % without wildcards, 20 % with one or two `+`, 10 % with `#`; 5 to 7 levels. All different,
    /// but for what [`Population::Results`] adds.
    pub filters: Vec<String>,
    /// Names to match; half of them are one of the filters.
    pub topics: Vec<String>,
}

/// What the filters ask for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Population {
    /// What devices and applications of a company ask for.
    Mixed,
    /// As `Mixed`, and this many values more match each of the topics: on up to 62 filters, one value
    /// each or, when there are more values, several.
    Results(usize),
}

impl Data {
    /// As many filters, and 4096 topics (64 if a topic has many results).
    pub fn new(filters: usize, population: Population) -> Data {
        let mut random = Random(0x6D71_7469_6465);
        let mut seen = HashSet::new();
        let mut all = Vec::with_capacity(filters);
        while all.len() < filters {
            let filter = filter(&mut random);
            if seen.insert(filter.clone()) {
                all.push(filter);
            }
        }
        let exact: Vec<&String> = all
            .iter()
            .filter(|text| !text.contains(['+', '#']))
            .collect();
        let mut topics = Vec::new();
        while topics.len() < TOPICS {
            topics.push(exact[random.below(exact.len())].clone());
            topics.push(name(&mut random));
        }
        if let Population::Results(results) = population {
            topics.truncate(HOT_TOPICS);
            for topic in &topics {
                all.extend(widened(topic).into_iter().cycle().take(results));
            }
        }
        Data {
            filters: all,
            topics,
        }
    }
}

const TOPICS: usize = 4096;
const HOT_TOPICS: usize = 64;

/// Filters that match a topic of at least five levels: all ways to set levels to `+`, in the whole
/// topic and in the four levels of its beginning before a `#`.
fn widened(topic: &str) -> Vec<String> {
    let levels: Vec<&str> = topic.split('/').collect();
    let whole = (0..32).map(|mask| widen(&levels, mask));
    let beginnings = (1..5).flat_map(|kept| (0..1 << kept).map(move |mask| (kept, mask)));
    whole
        .chain(beginnings.map(|(kept, mask)| widen(&levels[..kept], mask) + "/#"))
        .collect()
}

/// Sets the levels to `+` whose bit is in the mask.
fn widen(levels: &[&str], mask: u32) -> String {
    let levels = levels.iter().enumerate();
    let widened = levels.map(|(at, level)| if mask >> at & 1 == 1 { "+" } else { *level });
    widened.collect::<Vec<_>>().join("/")
}

fn filter(random: &mut Random) -> String {
    let mut levels = levels(random);
    match random.below(10) {
        0..7 => {}
        7..9 => {
            for _ in 0..=random.below(2) {
                let at = random.below(levels.len());
                levels[at] = "+".to_owned();
            }
        }
        _ => {
            let kept = 2 + random.below(levels.len() - 2);
            levels.truncate(kept);
            levels.push("#".to_owned());
        }
    }
    levels.join("/")
}

fn name(random: &mut Random) -> String {
    levels(random).join("/")
}

/// Five to seven levels; in each, few words are frequent and many are rare.
fn levels(random: &mut Random) -> Vec<String> {
    let depth = 5 + random.below(3);
    let levels = VOCABULARY[..depth].iter();
    levels
        .map(|(word, count)| format!("{word}{}", random.skewed(*count)))
        .collect()
}

const VOCABULARY: [(&str, usize); 7] = [
    ("region", 12),
    ("site-", 30),
    ("building", 20),
    ("line-", 12),
    ("device-", 2000),
    ("sensor", 30),
    ("value", 8),
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Below `end`, low numbers more often.
    fn skewed(&mut self, end: usize) -> usize {
        let unit = (self.next() >> 11) as f64 / (1u64 << 53) as f64;
        (unit * unit * end as f64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_are_what_they_are_said_to_be() {
        let data = Data::new(20_000, Population::Mixed);
        let share =
            |test: fn(&&String) -> bool| data.filters.iter().filter(test).count() as f64 / 20_000.0;
        assert!((share(|text| text.contains('+')) - 0.2).abs() < 0.02);
        assert!((share(|text| text.contains('#')) - 0.1).abs() < 0.02);
        let bytes: usize = data.filters.iter().map(String::len).sum();
        assert!((40..56).contains(&(bytes / 20_000)), "{}", bytes / 20_000);
    }
}
