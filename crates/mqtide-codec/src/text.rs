//! Text of a packet, borrowed, and taken out of it.

use core::ops::{Deref, Range};
use core::{fmt, str};

use bytes::{Buf, Bytes};
use bytestring::ByteString;

use crate::error::DecodeErrorKind;
use crate::wire;

/// A UTF-8 Encoded String of a packet, borrowed from it (MQTT 5.0 §1.5.4): well-formed UTF-8 of at
/// most 65,535 bytes without U+0000, checked when the packet was read.
///
/// Reading checks plain ASCII eight bytes at a time and does not make a `str` of it, as most texts are
/// not looked at: [`as_str`](Self::as_str), which all other access goes through, does that.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    /// Checks bytes. The error is the kind of fault and its place.
    #[inline]
    pub(crate) fn check(bytes: &'a [u8]) -> Result<Self, (DecodeErrorKind, usize)> {
        if is_plain(bytes) {
            return Ok(Self(bytes));
        }
        Self::check_any(bytes)
    }

    fn check_any(bytes: &'a [u8]) -> Result<Self, (DecodeErrorKind, usize)> {
        if let Err(error) = str::from_utf8(bytes) {
            return Err((DecodeErrorKind::InvalidUtf8, error.valid_up_to()));
        }
        match memchr::memchr(0, bytes) {
            Some(at) => Err((DecodeErrorKind::NulCharacter, at)),
            None => Ok(Self(bytes)),
        }
    }

    /// A text to write: that it is without U+0000 and not too long is checked when it is measured.
    #[inline]
    pub(crate) const fn of(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    /// The text.
    pub fn as_str(self) -> &'a str {
        // It was checked, so this does not fail.
        str::from_utf8(self.0).unwrap_or_default()
    }

    /// The bytes of the text.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for Text<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Bytes to take checked texts out of, sharing the buffer. If all of them are ASCII, as what stands
/// between texts mostly is too, that is found out once, not for each text.
pub(crate) enum Texts {
    Ascii(ByteString),
    Mixed(Bytes),
}

impl Texts {
    #[inline]
    pub(crate) fn new(bytes: Bytes) -> Self {
        if is_ascii(&bytes) {
            // So this does not fail.
            Self::Ascii(ByteString::try_from(bytes).unwrap_or_default())
        } else {
            Self::Mixed(bytes)
        }
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Ascii(text) => text.as_bytes(),
            Self::Mixed(bytes) => bytes,
        }
    }

    /// Where a part of the bytes lies.
    #[inline]
    pub(crate) fn range_of(&self, part: &[u8]) -> Range<usize> {
        let start = wire::offset_in(self.as_bytes(), part);
        start..start + part.len()
    }

    /// A text that lies inside the bytes and was checked.
    #[inline]
    pub(crate) fn share(&self, part: &[u8]) -> ByteString {
        let shared = match self {
            Self::Ascii(text) => text
                .get(self.range_of(part))
                .map(|part| text.slice_ref(part)),
            Self::Mixed(bytes) => ByteString::try_from(wire::share(bytes, part)).ok(),
        };
        // There is one, as it was checked.
        shared.unwrap_or_default()
    }

    /// [`share`](Self::share) for the last text that is taken.
    #[inline]
    pub(crate) fn into_text(self, range: Range<usize>) -> ByteString {
        if range.is_empty() {
            return ByteString::new();
        }
        let mut bytes = match self {
            Self::Ascii(text) => text.into_bytes(),
            Self::Mixed(bytes) => bytes,
        };
        bytes.truncate(range.end);
        bytes.advance(range.start);
        ByteString::try_from(bytes).unwrap_or_default()
    }
}

/// Whether all bytes are ASCII, without a loop over the bytes behind the last whole word.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    let Some(last) = bytes.last_chunk() else {
        return bytes.is_ascii();
    };
    let (words, _) = bytes.as_chunks::<8>();
    let found = words.iter().fold(u64::from_le_bytes(*last), |found, word| {
        found | u64::from_le_bytes(*word)
    });
    found & HIGH_BITS == 0
}

/// Whether well-formed text contains U+0000.
#[inline(always)]
pub(crate) fn has_nul(text: &[u8]) -> bool {
    // Two pieces that overlap hold every length up to twice theirs.
    let found = match text.len() {
        33..=64 => ends::<32>(text).map(|[first, last]| zeros_in(first) | zeros_in(last)),
        16..=32 => ends::<16>(text).map(|[first, last]| zeros_in(first) | zeros_in(last)),
        8..=15 => ends::<8>(text).map(|[first, last]| zeros_in(first) | zeros_in(last)),
        4..=7 => ends::<4>(text).map(|[first, last]| {
            let [[a, b, c, d], [e, f, g, h]] = [*first, *last];
            zeros_in(&[a, b, c, d, e, f, g, h])
        }),
        _ => None,
    };
    match found {
        Some(found) => found & HIGH_BITS != 0,
        None => memchr::memchr(0, text).is_some(),
    }
}

/// The first and the last bytes.
#[inline(always)]
fn ends<const N: usize>(bytes: &[u8]) -> Option<[&[u8; N]; 2]> {
    Some([bytes.first_chunk()?, bytes.last_chunk()?])
}

/// Has a high bit set if, and only if, any of the bytes, whole words of eight, is 0.
#[inline(always)]
fn zeros_in<const N: usize>(bytes: &[u8; N]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().fold(0, |found, word| {
        let word = u64::from_le_bytes(*word);
        found | (word.wrapping_sub(LOW_BITS) & !word)
    })
}

/// Whether all bytes are ASCII and none is 0: what nearly all texts are.
#[inline]
fn is_plain(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<8>() {
        let (words, _) = bytes.as_chunks::<8>();
        // The last word overlaps the one before it: cheaper than a loop over what is left.
        let found = words
            .iter()
            .fold(odd_in(last), |found, word| found | odd_in(word));
        return found & HIGH_BITS == 0;
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        let word =
            u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
        return odd_in(&word.to_le_bytes()) & HIGH_BITS == 0;
    }
    bytes.iter().all(|byte| (1..0x80).contains(byte))
}

/// A word with a high bit set if any byte is 0 or above 0x7F. Which bytes have it is exact up to the
/// first 0, whose borrow may reach further: whether there is one is exact.
#[inline]
const fn odd_in(word: &[u8; 8]) -> u64 {
    let word = u64::from_le_bytes(*word);
    word | word.wrapping_sub(LOW_BITS)
}

const LOW_BITS: u64 = u64::from_ne_bytes([0x01; 8]);
const HIGH_BITS: u64 = u64::from_ne_bytes([0x80; 8]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_byte_that_is_not_plain_is_found_at_every_place_of_every_length() {
        for len in 0..140 {
            let mut text = std::vec![b'a'; len];
            assert!(is_plain(&text) && is_ascii(&text) && !has_nul(&text));
            for at in 0..len {
                for odd in [0, 0x80, 0x81, 0xFF] {
                    text[at] = odd;
                    assert!(!is_plain(&text), "{odd} at {at} of {len}");
                    assert_eq!(has_nul(&text), odd == 0, "{odd} at {at} of {len}");
                    assert_eq!(is_ascii(&text), odd == 0, "{odd} at {at} of {len}");
                }
                text[at] = [0x01, 0x7F][at % 2];
            }
        }
    }

    proptest! {
        #[test]
        fn the_check_is_that_of_the_standard_library(
            bytes in proptest::collection::vec(prop_oneof![9 => 1u8..0x80, 1 => any::<u8>()], 0..40),
        ) {
            let expected = str::from_utf8(&bytes).is_ok_and(|text| !text.contains('\0'));
            prop_assert_eq!(Text::check(&bytes).is_ok(), expected);
        }
    }
}
