use core::iter::FusedIterator;

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
        let Some(end) = separator(rest.as_bytes()) else {
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

/// The place of the first `/`.
///
/// Levels are short: eight bytes at a time in one register beat wider vectors, which cost a call.
#[inline]
fn separator(text: &[u8]) -> Option<usize> {
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        if let Some(bits) = separator_in(u64::from_le_bytes(*word)) {
            return Some(at * 8 + bits as usize / 8);
        }
    }
    let found = rest.iter().position(|&byte| byte == b'/')?;
    Some(words.len() * 8 + found)
}

/// How many bits are below the first `/` in eight bytes.
#[inline]
pub(crate) const fn separator_in(word: u64) -> Option<u32> {
    // A byte that is `/` becomes 0, and the lowest byte that is 0 is the lowest marked one.
    let word = word ^ (ONES * b'/' as u64);
    let marks = word.wrapping_sub(ONES) & !word & (ONES << 7);
    if marks == 0 {
        return None;
    }
    Some(marks.trailing_zeros() & !7)
}

/// 1 in each byte.
const ONES: u64 = u64::MAX / 255;

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
    fn a_separator_is_found_wherever_it_is() {
        for len in 0..40 {
            let mut text = alloc::vec![b'.'; len]; // one less than `/`
            assert_eq!(separator(&text), None);
            for at in (0..len).rev() {
                text[at] = b'/';
                assert_eq!(separator(&text), Some(at));
                text[at + 1..].fill(b'0'); // one more
            }
            let foreign = [0xAF, 0x2E, 0x30, 0x00, 0xFF, 0x80, 0x2E, 0xB0];
            assert_eq!(separator(&foreign), None);
        }
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
