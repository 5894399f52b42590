//! User Properties: ordered pairs of text.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};
use core::{fmt, slice};

use bytes::Bytes;
use bytestring::ByteString;

use crate::property::{Properties, PropertiesRef, Property, Visit};
use crate::text::Text;
use crate::wire;

/// The User Properties of a packet: name and value pairs, in order; names may repeat
/// (MQTT 5.0 §2.2.2.2, property 0x26).
///
/// Empty sets own no memory. Those of a packet that was read stay in it, however many they are: one
/// share of the received buffer, which [`detached`](Self::detached) gives back. Each text is at most
/// 65,535 bytes and free of U+0000; the encoder refuses others.
#[derive(Clone, Default)]
pub struct UserProperties {
    /// Those of a packet.
    received: Option<Received>,
    /// Those that were added behind them.
    added: Vec<(ByteString, ByteString)>,
}

/// A checked part of a property block, from the first pair on.
#[derive(Clone)]
struct Received {
    /// Begins with the first pair and goes on behind the last.
    bytes: Bytes,
    /// Where the last pair ends. Properties of other kinds may stand between.
    end: u32,
    /// How many pairs there are.
    count: u32,
    /// Whether nothing stands between them, so that they can be written as they lie.
    is_packed: bool,
}

impl UserProperties {
    /// No properties.
    pub const fn new() -> Self {
        Self {
            received: None,
            added: Vec::new(),
        }
    }

    /// Appends a pair.
    #[inline]
    pub fn push(&mut self, name: impl Into<ByteString>, value: impl Into<ByteString>) {
        self.added.push((name.into(), value.into()));
    }

    /// The number of pairs.
    pub const fn len(&self) -> usize {
        match &self.received {
            None => self.added.len(),
            Some(received) => received.count as usize + self.added.len(),
        }
    }

    /// Whether there is no pair.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pairs in order.
    pub fn iter(&self) -> UserPropertiesIter<'_> {
        UserPropertiesIter(self.texts())
    }

    /// The values of a name, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.texts()
            .filter(move |(n, _)| *n == name)
            .map(|(_, value)| value.as_str())
    }

    /// Removes all pairs.
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// The same pairs in memory of their own.
    ///
    /// Pairs that were decoded from a packet are a slice of the receive buffer and keep that buffer
    /// alive; use this before storing them for long.
    #[must_use]
    pub fn detached(&self) -> Self {
        let added = self.added.iter();
        Self {
            received: self.received.as_ref().map(Received::detached),
            added: added
                .map(|(name, value)| (ByteString::from(&**name), ByteString::from(&**value)))
                .collect(),
        }
    }

    /// Appends a pair that lies in `owner` as a property. All pairs of a packet cost one share of it.
    #[inline]
    pub(crate) fn push_received(&mut self, name: Text<'_>, value: Text<'_>, owner: &Bytes) {
        if self.added.is_empty() {
            let is_taken = match &mut self.received {
                Some(received) => received.append(name, value),
                none => {
                    *none = Received::begin(name, value, owner);
                    none.is_some()
                }
            };
            if is_taken {
                return;
            }
        }
        let share = |text| wire::share_text(owner, text);
        self.added.push((share(name), share(value)));
    }

    /// Shows the pairs as properties; those of a packet at once, if nothing stands between them.
    #[inline]
    pub(crate) fn show<'a>(&'a self, visitor: &mut impl Visit<'a>) {
        match &self.received {
            Some(received) if received.is_packed && self.added.is_empty() => {
                visitor.visit_pairs(received.block());
            }
            _ => self
                .texts()
                .for_each(|pair| visitor.visit(Property::UserProperty(pair))),
        }
    }

    /// The pairs as checked text.
    #[inline]
    pub(crate) fn texts(&self) -> Texts<'_> {
        let block = self.received.as_ref().map(Received::block);
        Texts {
            received: block.unwrap_or_default().iter(),
            added: self.added.iter(),
        }
    }
}

impl Received {
    /// One pair, which lies in `owner` as a property.
    #[inline]
    fn begin(name: Text<'_>, value: Text<'_>, owner: &Bytes) -> Option<Self> {
        let address = name.as_bytes().as_ptr().addr();
        let start = address.checked_sub(owner.as_ptr().addr() + BEFORE_NAME)?;
        owner.get(start..)?;
        let mut received = Self {
            bytes: owner.slice(start..),
            end: 0,
            count: 0,
            is_packed: true,
        };
        received.append(name, value).then_some(received)
    }

    /// Takes in a pair if it lies behind the others in the same packet; otherwise returns false.
    #[inline]
    fn append(&mut self, name: Text<'_>, value: Text<'_>) -> bool {
        let base = self.bytes.as_ptr().addr();
        let value = value.as_bytes();
        let end = (value.as_ptr().addr() + value.len()).wrapping_sub(base);
        let Ok(behind) = u32::try_from(end) else {
            return false;
        };
        if behind <= self.end || end > self.bytes.len() {
            return false;
        }
        let start = name
            .as_bytes()
            .as_ptr()
            .addr()
            .wrapping_sub(base + BEFORE_NAME);
        self.is_packed &= start == self.end as usize;
        self.end = behind;
        self.count += 1;
        true
    }

    #[inline]
    fn block(&self) -> PropertiesRef<'_> {
        PropertiesRef::new(&self.bytes[..self.end as usize])
    }

    fn detached(&self) -> Self {
        Self {
            bytes: Bytes::copy_from_slice(self.block().as_bytes()),
            ..*self
        }
    }
}

/// Identifier of the property and length of the name.
const BEFORE_NAME: usize = 3;

impl PartialEq for UserProperties {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.texts().eq(other.texts())
    }
}

impl Eq for UserProperties {}

impl Hash for UserProperties {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.texts().for_each(|pair| pair.hash(state));
    }
}

impl fmt::Debug for UserProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

impl<N: Into<ByteString>, V: Into<ByteString>> FromIterator<(N, V)> for UserProperties {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut made = Self::new();
        made.extend(pairs);
        made
    }
}

impl<N: Into<ByteString>, V: Into<ByteString>> Extend<(N, V)> for UserProperties {
    fn extend<I: IntoIterator<Item = (N, V)>>(&mut self, pairs: I) {
        self.added.extend(
            pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into())),
        );
    }
}

impl IntoIterator for UserProperties {
    type Item = (ByteString, ByteString);
    type IntoIter = alloc::vec::IntoIter<Self::Item>;

    fn into_iter(mut self) -> Self::IntoIter {
        if let Some(received) = self.received.take() {
            let share = |text| wire::share_text(&received.bytes, text);
            let pairs = received.block().into_iter().filter_map(pair);
            let pairs = pairs.map(|(name, value)| (share(name), share(value)));
            self.added.splice(..0, pairs);
        }
        self.added.into_iter()
    }
}

impl<'a> IntoIterator for &'a UserProperties {
    type Item = (&'a str, &'a str);
    type IntoIter = UserPropertiesIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// An iterator over names and values. See [`UserProperties::iter`].
#[derive(Debug, Clone)]
pub struct UserPropertiesIter<'a>(Texts<'a>);

impl<'a> Iterator for UserPropertiesIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.0.next()?;
        Some((name.as_str(), value.as_str()))
    }
}

/// [`UserPropertiesIter`] over text that is not made into `str`.
#[derive(Debug, Clone)]
pub(crate) struct Texts<'a> {
    received: Properties<'a>,
    added: slice::Iter<'a, (ByteString, ByteString)>,
}

impl<'a> Iterator for Texts<'a> {
    type Item = (Text<'a>, Text<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.received.find_map(pair).or_else(|| {
            let (name, value) = self.added.next()?;
            Some((Text::of(name), Text::of(value)))
        })
    }
}

/// The pair that a property is, if it is one.
#[inline]
fn pair(property: Property<'_>) -> Option<(Text<'_>, Text<'_>)> {
    match property {
        Property::UserProperty(pair) => Some(pair),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two pairs, with a Message Expiry Interval between them, in the middle of a packet.
    const PACKET: &[u8] = b"..\x26\x00\x01a\x00\x01b\x02\x00\x00\x00\x07\x26\x00\x00\x00\x01c..";

    fn received(owner: &Bytes) -> UserProperties {
        let mut properties = UserProperties::new();
        let block = PropertiesRef::new(&owner[2..PACKET.len() - 2]);
        for (name, value) in block.into_iter().filter_map(pair) {
            properties.push_received(name, value, owner);
        }
        properties
    }

    #[test]
    fn pairs_of_a_packet_are_those_that_are_made() {
        let owner = Bytes::from_static(PACKET);
        let (received, made) = (
            received(&owner),
            [("a", "b"), ("", "c")].into_iter().collect(),
        );
        assert_eq!(received, made);
        assert!(received.added.is_empty());
        assert!(received.iter().eq([("a", "b"), ("", "c")]));
        assert_eq!(received.values("").collect::<Vec<_>>(), ["c"]);
        assert_eq!((received.len(), made.len()), (2, 2));
        assert_eq!(std::format!("{received:?}"), std::format!("{made:?}"));
        assert_eq!(received.detached(), made);
        assert_eq!(made.detached(), received);
        assert!(received.clone().into_iter().eq(made));
    }

    #[test]
    fn pairs_are_added_to_those_of_a_packet() {
        let mut properties = received(&Bytes::from_static(PACKET));
        properties.push("d", "e");
        assert!(properties.iter().eq([("a", "b"), ("", "c"), ("d", "e")]));
        properties.clear();
        assert!(properties.is_empty());
        assert_eq!(properties, UserProperties::default());
    }

    #[test]
    fn what_is_detached_lies_elsewhere() {
        let owner = Bytes::from(PACKET.to_vec());
        let detached = received(&owner).detached();
        assert!(owner.is_unique());
        assert!(detached.iter().eq([("a", "b"), ("", "c")]));
    }

    #[test]
    fn pairs_of_two_packets_come_together() {
        let mut properties = received(&Bytes::from_static(PACKET));
        let other = Bytes::from(PACKET.to_vec());
        let block = PropertiesRef::new(&other[2..PACKET.len() - 2]);
        for (name, value) in block.into_iter().filter_map(pair) {
            properties.push_received(name, value, &other);
        }
        let twice = [("a", "b"), ("", "c"), ("a", "b"), ("", "c")];
        assert!(properties.iter().eq(twice));
    }
}
