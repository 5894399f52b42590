use memchr::memchr_iter;

use crate::{TopicError, TopicFilterRef, TopicNameRef};

/// How long and how deep a topic may be, on top of the rules of the standard.
///
/// The standard bounds a topic's length by 65,535 bytes and its depth not at all. A server that
/// stores what strangers send wants less: a filter of `n` levels may cost `n` nodes of an index.
///
/// ```
/// use mqtide_topic::{TopicError, TopicLimits, TopicName};
///
/// let limits = TopicLimits { max_levels: 3, ..TopicLimits::default() };
/// let name = TopicName::from_static("a/b/c/d");
/// assert_eq!(limits.check_name(&name), Err(TopicError::TooDeep { levels: 4, max: 3 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TopicLimits {
    /// Longest text in bytes of UTF-8; default 65,535, the longest that the protocol can carry.
    pub max_bytes: usize,
    /// Most levels; default 128.
    pub max_levels: usize,
}

impl TopicLimits {
    /// What the standard itself demands: 65,535 bytes, any number of levels.
    pub const STANDARD: Self = Self {
        max_bytes: crate::MAX_TOPIC_BYTES,
        max_levels: usize::MAX,
    };

    /// Checks a topic name against the limits.
    ///
    /// # Errors
    ///
    /// [`TopicError::TooLong`] or [`TopicError::TooDeep`].
    pub fn check_name<'a>(&self, name: impl Into<TopicNameRef<'a>>) -> Result<(), TopicError> {
        self.check(name.into().as_str())
    }

    /// Checks a topic filter against the limits.
    ///
    /// # Errors
    ///
    /// [`TopicError::TooLong`] or [`TopicError::TooDeep`].
    pub fn check_filter<'a>(
        &self,
        filter: impl Into<TopicFilterRef<'a>>,
    ) -> Result<(), TopicError> {
        self.check(filter.into().as_str())
    }

    fn check(&self, text: &str) -> Result<(), TopicError> {
        if text.len() > self.max_bytes {
            return Err(TopicError::TooLong {
                len: text.len(),
                max: self.max_bytes,
            });
        }
        // Short text cannot be deep, and most text is short.
        if text.len() < self.max_levels {
            return Ok(());
        }
        let levels = 1 + memchr_iter(b'/', text.as_bytes()).count();
        if levels > self.max_levels {
            return Err(TopicError::TooDeep {
                levels,
                max: self.max_levels,
            });
        }
        Ok(())
    }
}

impl Default for TopicLimits {
    fn default() -> Self {
        Self {
            max_levels: 128,
            ..Self::STANDARD
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::{TopicFilter, TopicName};

    #[test]
    fn the_default_allows_128_levels() {
        let limits = TopicLimits::default();
        let deep = TopicName::try_from("/".repeat(127)).unwrap();
        assert_eq!(limits.check_name(&deep), Ok(()));
        let deeper = TopicFilter::try_from("/".repeat(128)).unwrap();
        let error = limits.check_filter(&deeper).unwrap_err();
        assert_eq!(
            error,
            TopicError::TooDeep {
                levels: 129,
                max: 128
            }
        );
        assert_eq!(error.to_string(), "the topic has 129 levels, more than 128");
    }

    #[test]
    fn length_is_counted_in_bytes() {
        let limits = TopicLimits {
            max_bytes: 3,
            ..TopicLimits::default()
        };
        let name = TopicName::from_static("éé");
        assert_eq!(
            limits.check_name(&name),
            Err(TopicError::TooLong { len: 4, max: 3 })
        );
        assert_eq!(limits.check_name(&TopicName::from_static("é/")), Ok(()));
    }

    #[test]
    fn the_standard_sets_no_depth() {
        let deep = TopicName::try_from("/".repeat(65_535)).unwrap();
        assert_eq!(TopicLimits::STANDARD.check_name(&deep), Ok(()));
    }
}
