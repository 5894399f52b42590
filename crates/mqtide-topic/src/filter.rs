use bytestring::ByteString;

use crate::level::FilterLevels;
use crate::{TopicError, TopicNameRef, matching, scan};

/// A proven topic filter: what a subscription asks for (MQTT 5.0 §4.7).
///
/// It has 1 to 65,535 bytes of UTF-8 without U+0000. `+` stands for exactly one level, `#` for any
/// number of levels including none; each is alone in its level, and `#` is the last.
///
/// This is a filter without `$share/` in front: text of a SUBSCRIBE packet goes through
/// [`SubscriptionFilter`](crate::SubscriptionFilter), which tells the two apart.
///
/// Cloning is cheap: clones share one buffer.
///
/// ```
/// use mqtide_topic::{TopicError, TopicFilter, TopicName};
///
/// let filter = TopicFilter::try_from("site/+/status/#")?;
/// assert!(filter.matches(&TopicName::try_from("site/berlin/status")?));
/// assert_eq!(
///     TopicFilter::try_from("site/#/status"),
///     Err(TopicError::MultiLevelNotLast { at: 5 }),
/// );
/// # Ok::<(), TopicError>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter(ByteString);

impl TopicFilter {
    /// A topic filter from a literal, without allocation.
    ///
    /// # Panics
    ///
    /// Panics if the text is not a valid topic filter; in a `const` or `static` that is an error of
    /// compilation. Use [`TryFrom`] for text that is not known when you write the program.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        assert!(
            scan::filter_in_detail(text.as_bytes()).is_ok(),
            "not a valid topic filter"
        );
        Self(ByteString::from_static(text))
    }

    /// The borrowed form.
    #[inline]
    #[must_use]
    pub fn as_filter(&self) -> TopicFilterRef<'_> {
        TopicFilterRef(&self.0)
    }

    /// The levels: what stands between the `/` characters.
    #[inline]
    #[must_use]
    pub fn levels(&self) -> FilterLevels<'_> {
        self.as_filter().levels()
    }

    /// Whether the filter has a `+` or a `#`. A filter without them matches one name alone.
    #[inline]
    #[must_use]
    pub fn has_wildcards(&self) -> bool {
        self.as_filter().has_wildcards()
    }

    /// Whether the filter matches a topic name, by the rules of MQTT 5.0 §4.7.
    ///
    /// The cost is linear in the shorter of the two texts.
    #[inline]
    #[must_use]
    pub fn matches<'n>(&self, name: impl Into<TopicNameRef<'n>>) -> bool {
        self.as_filter().matches(name)
    }
}

proven_text!(TopicFilter, scan::filter);

/// A proven topic filter, borrowed. [`TopicFilter`] is the owned form and has the rules.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilterRef<'a>(&'a str);

impl<'a> TopicFilterRef<'a> {
    /// Checks a text, also in a `const`.
    ///
    /// [`TryFrom`] does the same faster at run time.
    ///
    /// # Errors
    ///
    /// What is wrong with the text, and where.
    pub const fn new(text: &'a str) -> Result<Self, TopicError> {
        match scan::filter_in_detail(text.as_bytes()) {
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
    pub fn to_topic_filter(self) -> TopicFilter {
        TopicFilter(self.0.into())
    }

    /// The levels: what stands between the `/` characters.
    #[inline]
    #[must_use]
    pub const fn levels(self) -> FilterLevels<'a> {
        FilterLevels::new(self.0)
    }

    /// Whether the filter has a `+` or a `#`. A filter without them matches one name alone.
    #[inline]
    #[must_use]
    pub fn has_wildcards(self) -> bool {
        scan::has_special(self.0.as_bytes())
    }

    /// Whether the filter matches a topic name, by the rules of MQTT 5.0 §4.7.
    ///
    /// The cost is linear in the shorter of the two texts.
    #[inline]
    #[must_use]
    pub fn matches<'n>(self, name: impl Into<TopicNameRef<'n>>) -> bool {
        matching::matches(self, name.into())
    }
}

impl<'a> TryFrom<&'a str> for TopicFilterRef<'a> {
    type Error = TopicError;

    #[inline]
    fn try_from(text: &'a str) -> Result<Self, Self::Error> {
        scan::filter(text.as_bytes())?;
        Ok(Self(text))
    }
}

impl<'a> TryFrom<&'a [u8]> for TopicFilterRef<'a> {
    type Error = TopicError;

    /// Checks UTF-8 and the text.
    #[inline]
    fn try_from(bytes: &'a [u8]) -> Result<Self, Self::Error> {
        scan::filter(bytes)?;
        Ok(Self(scan::utf8(bytes)?))
    }
}

impl<'a> From<&'a TopicFilter> for TopicFilterRef<'a> {
    #[inline]
    fn from(filter: &'a TopicFilter) -> Self {
        filter.as_filter()
    }
}

impl<'a> From<TopicNameRef<'a>> for TopicFilterRef<'a> {
    /// Every topic name is a filter that matches itself alone.
    #[inline]
    fn from(name: TopicNameRef<'a>) -> Self {
        Self(name.as_str())
    }
}

impl From<TopicFilterRef<'_>> for TopicFilter {
    fn from(filter: TopicFilterRef<'_>) -> Self {
        filter.to_topic_filter()
    }
}

impl AsRef<str> for TopicFilterRef<'_> {
    fn as_ref(&self) -> &str {
        self.0
    }
}

impl_display_and_eq!(TopicFilterRef<'a>);
