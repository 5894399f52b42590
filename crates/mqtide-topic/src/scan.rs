//! The rules for topic text, as checks over bytes.
//!
//! Each rule exists once, as a `const fn` that says what is wrong and where. At run time a scan that
//! the compiler turns into vector instructions goes first: nearly every topic passes it, and only
//! the others are looked at byte by byte.

use crate::{MAX_TOPIC_BYTES, TopicError};

/// Checks a topic name's length and characters; the caller has checked UTF-8.
#[inline(always)]
pub(crate) fn name(bytes: &[u8]) -> Result<(), TopicError> {
    if !bytes.is_empty() && bytes.len() <= MAX_TOPIC_BYTES && !has_special(bytes) {
        return Ok(());
    }
    name_in_detail(bytes)
}

/// Checks a topic filter's length, characters and placement of wildcards; the caller has checked
/// UTF-8.
#[inline]
pub(crate) fn filter(bytes: &[u8]) -> Result<(), TopicError> {
    if !bytes.is_empty() && bytes.len() <= MAX_TOPIC_BYTES && !has_special(bytes) {
        return Ok(());
    }
    filter_in_detail(bytes)
}

/// Checks that bytes are UTF-8.
#[inline]
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, TopicError> {
    core::str::from_utf8(bytes).map_err(|error| TopicError::NotUtf8 {
        at: error.valid_up_to(),
    })
}

/// [`name`], byte by byte.
#[cold]
pub(crate) const fn name_in_detail(bytes: &[u8]) -> Result<(), TopicError> {
    if let Err(error) = length(bytes) {
        return Err(error);
    }
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            0 => return Err(TopicError::NullCharacter { at }),
            b'+' => return Err(TopicError::WildcardInName { wildcard: '+', at }),
            b'#' => return Err(TopicError::WildcardInName { wildcard: '#', at }),
            _ => at += 1,
        }
    }
    Ok(())
}

/// [`filter`], byte by byte.
pub(crate) const fn filter_in_detail(bytes: &[u8]) -> Result<(), TopicError> {
    if let Err(error) = length(bytes) {
        return Err(error);
    }
    let mut at = 0;
    while at < bytes.len() {
        let starts_level = at == 0 || bytes[at - 1] == b'/';
        let ends_level = at + 1 == bytes.len() || bytes[at + 1] == b'/';
        match bytes[at] {
            0 => return Err(TopicError::NullCharacter { at }),
            b'+' if !(starts_level && ends_level) => {
                return Err(TopicError::SingleLevelNotAlone { at });
            }
            b'#' if !(starts_level && ends_level) => {
                return Err(TopicError::MultiLevelNotAlone { at });
            }
            b'#' if at + 1 != bytes.len() => return Err(TopicError::MultiLevelNotLast { at }),
            _ => at += 1,
        }
    }
    Ok(())
}

const fn length(bytes: &[u8]) -> Result<(), TopicError> {
    match bytes.len() {
        0 => Err(TopicError::Empty),
        len if len > MAX_TOPIC_BYTES => Err(TopicError::TooLong {
            len,
            max: MAX_TOPIC_BYTES,
        }),
        _ => Ok(()),
    }
}

/// Whether any byte is U+0000 or a wildcard.
#[inline(always)]
pub(crate) fn has_special(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk::<CHUNK>() else {
        return short_has_special(bytes);
    };
    let (chunks, _) = bytes.as_chunks::<CHUNK>();
    // The last chunk overlaps the one before it: cheaper than a loop over what is left.
    chunks.iter().any(chunk_has_special) || chunk_has_special(last)
}

/// The same for less than [`CHUNK`] bytes, the length of many topics: two words that overlap.
#[inline]
fn short_has_special(bytes: &[u8]) -> bool {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return word_has_special(*first) | word_has_special(*last);
    }
    bytes
        .iter()
        .fold(false, |found, &byte| found | is_special(byte))
}

/// As wide as the vectors that every 64-bit target has.
const CHUNK: usize = 16;

#[inline]
fn chunk_has_special(chunk: &[u8; CHUNK]) -> bool {
    let found = chunk.map(|byte| u8::from(is_special(byte)));
    u128::from_ne_bytes(found) != 0
}

/// Whether a word holds a byte that [`is_special`].
#[inline]
const fn word_has_special(word: [u8; 8]) -> bool {
    let word = u64::from_ne_bytes(word);
    let wildcards = (word | (ONES * (b'+' ^ b'#') as u64)) ^ (ONES * b'+' as u64);
    zero_bytes(word) | zero_bytes(wildcards) != 0
}

/// Not zero if a byte of the word is: only then the subtraction borrows from a high bit that was not set.
#[inline]
const fn zero_bytes(word: u64) -> u64 {
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    word.wrapping_sub(ONES) & !word & HIGHS
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);

/// The wildcards differ in one bit, so one comparison is enough for both.
#[inline]
const fn is_special(byte: u8) -> bool {
    (byte == 0) | (byte | (b'+' ^ b'#') == b'+')
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_fast_scan_agrees_with_the_exact_one(
            text in proptest::collection::vec(prop_oneof![20 => 1u8..=255, 1 => Just(0u8)], 0..80),
        ) {
            prop_assert_eq!(has_special(&text), text.iter().any(|&byte| is_special(byte)));
        }
    }

    #[test]
    fn a_special_byte_is_found_at_every_place_of_every_length() {
        for len in 1..70 {
            for at in 0..len {
                for special in [0, b'+', b'#'] {
                    let mut text: Vec<u8> = alloc::vec![b'a'; len];
                    assert!(!has_special(&text));
                    text[at] = special;
                    assert!(has_special(&text), "{special} at {at} of {len}");
                }
            }
        }
    }
}
