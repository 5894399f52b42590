use alloc::string::String;

use super::key::{BEHIND, level_end, write_key};
use crate::TopicFilterRef;

/// A filter as keys see it.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// The filter with the separator of keys.
    text: String,
    /// Whether keys that begin with `$` may match.
    dollar: bool,
}

/// What a pattern says to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The key matches. The next key may match, too.
    Matches,
    /// Neither this key matches, nor any other before the place that was written.
    Skip,
    /// Neither this key matches, nor any behind it.
    Finished,
}

impl Pattern {
    pub(super) fn new(filter: TopicFilterRef<'_>) -> Self {
        let mut text = String::new();
        write_key(filter.as_str(), &mut text);
        let dollar = !text.starts_with(['+', '#']);
        Self { text, dollar }
    }

    /// The pattern of all names, whatever they begin with.
    pub(super) fn everything() -> Self {
        Self {
            text: "#".into(),
            dollar: true,
        }
    }

    /// The first key that may match.
    pub(super) fn start(&self) -> &str {
        self.literals(0)
    }

    /// Judges a key; on [`Verdict::Skip`] writes to `next` where to go on, which is behind the key.
    pub(super) fn judge(&self, key: &str, next: &mut String) -> Verdict {
        if !self.dollar && key.starts_with('$') {
            return skip_to(next, "%", "");
        }
        // Where the level begins in the pattern and in the key, and where the last level ends in the
        // key that a `+` stands for: other keys may match only with another level in that place.
        let (mut own_at, mut key_at, mut last_single) = (0, 0, None);
        loop {
            let (own_end, key_end) = (level_end(&self.text, own_at), level_end(key, key_at));
            let (own, level) = (&self.text[own_at..own_end], &key[key_at..key_end]);
            match own {
                "#" => return Verdict::Matches,
                "+" => last_single = Some(key_end),
                _ if level < own => return skip_to(next, &key[..key_at], self.literals(own_at)),
                _ if level > own => return skip_single(next, key, last_single),
                _ => {}
            }
            match (own_end == self.text.len(), key_end == key.len()) {
                (true, true) => return Verdict::Matches,
                (true, false) => return skip_single(next, key, last_single),
                // `a/#` matches `a`, its parent.
                (false, true) if &self.text[own_end + 1..] == "#" => return Verdict::Matches,
                (false, true) => {
                    skip_to(next, key, "\0");
                    next.push_str(self.literals(own_end + 1));
                    return Verdict::Skip;
                }
                (false, false) => (own_at, key_at) = (own_end + 1, key_end + 1),
            }
        }
    }

    /// The levels from `at` up to the next wildcard.
    fn literals(&self, at: usize) -> &str {
        let (mut begin, mut end) = (at, at);
        loop {
            let level_end = level_end(&self.text, begin);
            if matches!(&self.text[begin..level_end], "+" | "#") {
                break;
            }
            end = level_end;
            if end == self.text.len() {
                break;
            }
            begin = end + 1;
        }
        &self.text[at..end]
    }
}

/// Goes on behind all keys that have the same level in the place of the last `+`.
fn skip_single(next: &mut String, key: &str, last_single: Option<usize>) -> Verdict {
    let Some(end) = last_single else {
        return Verdict::Finished;
    };
    skip_to(next, &key[..end], "");
    next.push(BEHIND);
    Verdict::Skip
}

fn skip_to(next: &mut String, begin: &str, end: &str) -> Verdict {
    next.clear();
    next.push_str(begin);
    next.push_str(end);
    Verdict::Skip
}
