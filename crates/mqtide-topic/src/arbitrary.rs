//! `Arbitrary` for names and filters: valid ones, rich in empty levels, `$` and shared levels.

use alloc::string::String;

use arbitrary::{Arbitrary, Result, Unstructured};

use crate::{ShareName, SubscriptionFilter, TopicFilter, TopicName};

impl<'a> Arbitrary<'a> for TopicName {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut text = String::new();
        push_levels(u, &mut text, false)?;
        Self::try_from(text).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

impl<'a> Arbitrary<'a> for TopicFilter {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut text = String::new();
        push_levels(u, &mut text, true)?;
        if u.ratio(1, 6)? {
            text.push_str(if text.is_empty() { "#" } else { "/#" });
        }
        Self::try_from(text).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

impl<'a> Arbitrary<'a> for ShareName {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let text: String = <&str>::arbitrary(u)?
            .chars()
            .filter(|c| !matches!(c, '\0' | '/' | '+' | '#'))
            .collect();
        Self::try_from(text).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

impl<'a> Arbitrary<'a> for SubscriptionFilter {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        if u.ratio(1, 3)? {
            return Ok(Self::Shared {
                group: u.arbitrary()?,
                filter: u.arbitrary()?,
            });
        }
        // Plain text that looks shared would be read back as shared.
        let plain: TopicFilter = u.arbitrary()?;
        Self::try_from(plain.into_byte_string()).map_err(|_| arbitrary::Error::IncorrectFormat)
    }
}

/// Levels from a small vocabulary, so that names and filters meet, and now and then any text.
fn push_levels(u: &mut Unstructured<'_>, text: &mut String, wildcards: bool) -> Result<()> {
    const WORDS: [&str; 8] = ["a", "b", "ab", "", "$a", "é", "\u{10FFFF}", "a"];
    let levels = u.int_in_range(1..=MOST_LEVELS)?;
    for level in 0..levels {
        if level > 0 {
            text.push('/');
        }
        match u.int_in_range(0..=15)? {
            0 => text.extend(
                <&str>::arbitrary(u)?
                    .chars()
                    .filter(|c| !matches!(c, '\0' | '+' | '#')),
            ),
            1..=4 if wildcards => text.push('+'),
            _ => text.push_str(u.choose(&WORDS)?),
        }
    }
    Ok(())
}

const MOST_LEVELS: usize = 9;
