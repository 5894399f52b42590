//! User Properties: ordered pairs of text.

use alloc::vec::Vec;
use core::slice;

use bytestring::ByteString;

/// The User Properties of a packet: name and value pairs, in order; names may repeat
/// (MQTT 5.0 §2.2.2.2, property 0x26).
///
/// Empty sets own no memory. Each text is at most 65,535 bytes and free of U+0000; the encoder
/// refuses others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct UserProperties(Vec<(ByteString, ByteString)>);

impl UserProperties {
    /// No properties.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Appends a pair.
    #[inline]
    pub fn push(&mut self, name: impl Into<ByteString>, value: impl Into<ByteString>) {
        self.0.push((name.into(), value.into()));
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs in order.
    pub fn iter(&self) -> slice::Iter<'_, (ByteString, ByteString)> {
        self.0.iter()
    }

    /// The values of a name, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ByteString> {
        self.iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value)
    }

    /// Removes all pairs.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl<N: Into<ByteString>, V: Into<ByteString>> FromIterator<(N, V)> for UserProperties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl<N: Into<ByteString>, V: Into<ByteString>> Extend<(N, V)> for UserProperties {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, pairs: I) {
        self.0.extend(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
    }
}

impl IntoIterator for UserProperties {
    type Item = (ByteString, ByteString);
    type IntoIter = alloc::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a UserProperties {
    type Item = &'a (ByteString, ByteString);
    type IntoIter = slice::Iter<'a, (ByteString, ByteString)>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
