use core::iter::FusedIterator;

use memchr::memchr;

/// One level of a topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Level<'a> {
    /// Text that a name must have in this place; may be empty.
    Literal(&'a str),
    /// `+`: any one level.
    Single,
    /// `#`: the parent and any number of levels below it. Always the last.
    Multi,
}

/// The levels of a topic name, from the left: at least one, each may be empty.
#[derive(Debug, Clone)]
pub struct NameLevels<'a> {
    rest: Option<&'a str>,
}

impl<'a> NameLevels<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { rest: Some(text) }
    }
}

impl<'a> Iterator for NameLevels<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest?;
        let Some(end) = memchr(b'/', rest.as_bytes()) else {
            self.rest = None;
            return Some(rest);
        };
        self.rest = Some(&rest[end + 1..]);
        Some(&rest[..end])
    }
}

impl FusedIterator for NameLevels<'_> {}

/// The levels of a topic filter, from the left: at least one, each may be empty.
#[derive(Debug, Clone)]
pub struct FilterLevels<'a> {
    texts: NameLevels<'a>,
}

impl<'a> FilterLevels<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self {
            texts: NameLevels::new(text),
        }
    }
}

impl<'a> Iterator for FilterLevels<'a> {
    type Item = Level<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.texts.next()? {
            "+" => Level::Single,
            "#" => Level::Multi,
            text => Level::Literal(text),
        })
    }
}

impl FusedIterator for FilterLevels<'_> {}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::{TopicFilter, TopicName};

    #[test]
    fn empty_levels_are_levels() {
        let name = TopicName::from_static("/a//");
        assert_eq!(name.levels().collect::<Vec<_>>(), ["", "a", "", ""]);
        assert_eq!(TopicName::from_static("/").levels().count(), 2);
    }

    #[test]
    fn filter_levels_tell_wildcards_from_text() {
        let filter = TopicFilter::from_static("/+/b/#");
        let levels: Vec<_> = filter.levels().collect();
        assert_eq!(
            levels,
            [
                Level::Literal(""),
                Level::Single,
                Level::Literal("b"),
                Level::Multi
            ]
        );
    }
}
