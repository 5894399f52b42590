use bytes::Bytes;
use bytestring::ByteString;

use crate::level::NameLevels;
use crate::{TopicError, scan};

/// A proven topic name: what a message is published to (MQTT 5.0 §4.7).
///
/// It has 1 to 65,535 bytes of UTF-8 without U+0000 and without the wildcards `+` and `#`. Text is
/// kept as it came: there is no normalisation, case matters, and `a`, `/a` and `a/` are three names.
///
/// Cloning is cheap: clones share one buffer.
///
/// ```
/// use mqtide_topic::{TopicError, TopicName};
///
/// const STATUS: TopicName = TopicName::from_static("site/berlin/status");
///
/// let name = TopicName::try_from("site/berlin/status")?;
/// assert_eq!(name, STATUS);
/// assert_eq!(
///     TopicName::try_from("site/+/status"),
///     Err(TopicError::WildcardInName { wildcard: '+', at: 5 }),
/// );
/// # Ok::<(), TopicError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(ByteString);

impl TopicName {
    /// A topic name from a literal, without allocation.
    ///
    /// # Panics
    ///
    /// Panics if the text is not a valid topic name; in a `const` or `static` that is an error of
    /// compilation. Use [`TryFrom`] for text that is not known when you write the program.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        assert!(
            scan::name_in_detail(text.as_bytes()).is_ok(),
            "not a valid topic name"
        );
        Self(ByteString::from_static(text))
    }

    /// The borrowed form.
    #[inline]
    #[must_use]
    pub fn as_name(&self) -> TopicNameRef<'_> {
        TopicNameRef(&self.0)
    }

    /// The levels: what stands between the `/` characters, and may be empty.
    #[inline]
    #[must_use]
    pub fn levels(&self) -> NameLevels<'_> {
        self.as_name().levels()
    }

    /// Whether the first character is `$`, so that no filter with a leading wildcard matches
    /// (MQTT 5.0 §4.7.2).
    #[inline]
    #[must_use]
    pub fn starts_with_dollar(&self) -> bool {
        self.as_name().starts_with_dollar()
    }
}

proven_text!(TopicName, scan::name);

/// A proven topic name, borrowed. [`TopicName`] is the owned form and has the rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicNameRef<'a>(&'a str);

impl<'a> TopicNameRef<'a> {
    /// Checks a text, also in a `const`.
    ///
    /// [`TryFrom`] does the same faster at run time.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and where.
    pub const fn new(text: &'a str) -> Result<Self, TopicError> {
        match scan::name_in_detail(text.as_bytes()) {
            Ok(()) => Ok(Self(text)),
            Err(error) => Err(error),
        }
    }

    /// A text that is proven already.
    #[cfg(feature = "index")]
    pub(crate) const fn proven(text: &'a str) -> Self {
        Self(text)
    }

    /// The text.
    #[inline]
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The owned form; copies the text.
    #[must_use]
    pub fn to_topic_name(self) -> TopicName {
        TopicName(self.0.into())
    }

    /// The owned form, sharing the memory of `owner` in which the text lies, as of a received packet:
    /// neither copied nor checked again. Text that lies elsewhere is copied.
    #[inline]
    #[must_use]
    pub fn to_topic_name_in(self, owner: &Bytes) -> TopicName {
        let start = self.0.as_ptr().addr().wrapping_sub(owner.as_ptr().addr());
        let end = start.wrapping_add(self.0.len());
        if start > end || end > owner.len() {
            return self.to_topic_name();
        }
        // These are the bytes of the text, so they are UTF-8.
        ByteString::try_from(owner.slice(start..end)).map_or_else(|_| self.into(), TopicName)
    }

    /// The levels: what stands between the `/` characters, and may be empty.
    #[inline]
    #[must_use]
    pub const fn levels(self) -> NameLevels<'a> {
        NameLevels::new(self.0)
    }

    /// Whether the first character is `$`, so that no filter with a leading wildcard matches
    /// (MQTT 5.0 §4.7.2).
    #[inline]
    #[must_use]
    pub const fn starts_with_dollar(self) -> bool {
        self.0.as_bytes()[0] == b'$'
    }
}

impl<'a> TryFrom<&'a str> for TopicNameRef<'a> {
    type Error = TopicError;

    #[inline]
    fn try_from(text: &'a str) -> Result<Self, Self::Error> {
        scan::name(text.as_bytes())?;
        Ok(Self(text))
    }
}

impl<'a> TryFrom<&'a [u8]> for TopicNameRef<'a> {
    type Error = TopicError;

    /// Checks UTF-8 and the text.
    #[inline(always)]
    fn try_from(bytes: &'a [u8]) -> Result<Self, Self::Error> {
        scan::name(bytes)?;
        Ok(Self(scan::utf8(bytes)?))
    }
}

impl<'a> From<&'a TopicName> for TopicNameRef<'a> {
    #[inline]
    fn from(name: &'a TopicName) -> Self {
        name.as_name()
    }
}

impl From<TopicNameRef<'_>> for TopicName {
    fn from(name: TopicNameRef<'_>) -> Self {
        name.to_topic_name()
    }
}

impl AsRef<str> for TopicNameRef<'_> {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl_display_and_eq!(TopicNameRef<'a>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_shares_the_packet_that_it_came_in() {
        let packet = Bytes::from_static(b"\x00\x03a/bpayload");
        let name = TopicNameRef::try_from(&packet[2..5]).unwrap();
        let owned = name.to_topic_name_in(&packet);
        assert_eq!(owned, "a/b");
        assert_eq!(owned.as_str().as_ptr(), packet[2..].as_ptr());
    }

    #[test]
    fn a_name_from_elsewhere_is_copied() {
        let name = TopicNameRef::new("a/b").unwrap();
        for owner in [Bytes::new(), Bytes::from_static(b"another")] {
            assert_eq!(name.to_topic_name_in(&owner), "a/b");
        }
    }
}
