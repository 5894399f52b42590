use thiserror::Error;

/// What is wrong with a topic name, a topic filter or a share name, and where.
///
/// Positions (`at`) are byte offsets into the text that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum TopicError {
    /// There is no character at all (MQTT 5.0 §4.7.3).
    #[error("the topic is empty")]
    Empty,
    /// The text has more bytes than allowed: the protocol carries at most
    /// [`MAX_TOPIC_BYTES`](crate::MAX_TOPIC_BYTES), and [`TopicLimits`](crate::TopicLimits) may
    /// allow fewer.
    #[error("the topic has {len} bytes, more than {max}")]
    TooLong {
        /// Bytes of the text.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The text has more levels than [`TopicLimits`](crate::TopicLimits) allow.
    #[error("the topic has {levels} levels, more than {max}")]
    TooDeep {
        /// Levels of the text.
        levels: usize,
        /// Levels allowed.
        max: usize,
    },
    /// The bytes are not well-formed UTF-8 (MQTT 5.0 §1.5.4).
    #[error("the topic is not well-formed UTF-8 at byte {at}")]
    NotUtf8 {
        /// Where the first ill-formed sequence starts.
        at: usize,
    },
    /// The text contains the null character U+0000 (MQTT 5.0 §4.7.3).
    #[error("the topic contains the null character U+0000 at byte {at}")]
    NullCharacter {
        /// Where the character is.
        at: usize,
    },
    /// A topic name, which messages are published to, contains a wildcard (MQTT 5.0 §4.7.1).
    #[error("a topic name must not contain the wildcard '{wildcard}' (byte {at})")]
    WildcardInName {
        /// The wildcard, `+` or `#`.
        wildcard: char,
        /// Where the wildcard is.
        at: usize,
    },
    /// A `+` shares its level with other characters (MQTT 5.0 §4.7.1.3).
    #[error("the wildcard '+' at byte {at} must be alone in its level")]
    SingleLevelNotAlone {
        /// Where the wildcard is.
        at: usize,
    },
    /// A `#` shares its level with other characters (MQTT 5.0 §4.7.1.2).
    #[error("the wildcard '#' at byte {at} must be alone in its level")]
    MultiLevelNotAlone {
        /// Where the wildcard is.
        at: usize,
    },
    /// A `#` is not in the last level (MQTT 5.0 §4.7.1.2).
    #[error("the wildcard '#' at byte {at} must be the last character of the filter")]
    MultiLevelNotLast {
        /// Where the wildcard is.
        at: usize,
    },
    /// The share name between `$share/` and the next `/` is empty (MQTT 5.0 §4.8.2).
    #[error("the share name is empty")]
    ShareNameEmpty,
    /// A share name contains `/`, `+` or `#` (MQTT 5.0 §4.8.2).
    #[error("a share name must not contain '{character}' (byte {at})")]
    ShareNameCharacter {
        /// The character that is not allowed.
        character: char,
        /// Where it is.
        at: usize,
    },
    /// A filter that begins with `$share/` has no `/` and no topic filter behind its share name
    /// (MQTT 5.0 §4.8.2).
    #[error("the shared subscription has no topic filter behind its share name (byte {at})")]
    ShareFilterMissing {
        /// Where the `/` or the topic filter should be.
        at: usize,
    },
}

impl TopicError {
    /// The same fault in a text that begins `by` bytes further left.
    pub(crate) const fn shifted(self, by: usize) -> Self {
        match self {
            Self::NotUtf8 { at } => Self::NotUtf8 { at: at + by },
            Self::NullCharacter { at } => Self::NullCharacter { at: at + by },
            Self::WildcardInName { wildcard, at } => Self::WildcardInName {
                wildcard,
                at: at + by,
            },
            Self::SingleLevelNotAlone { at } => Self::SingleLevelNotAlone { at: at + by },
            Self::MultiLevelNotAlone { at } => Self::MultiLevelNotAlone { at: at + by },
            Self::MultiLevelNotLast { at } => Self::MultiLevelNotLast { at: at + by },
            Self::ShareNameCharacter { character, at } => Self::ShareNameCharacter {
                character,
                at: at + by,
            },
            Self::ShareFilterMissing { at } => Self::ShareFilterMissing { at: at + by },
            Self::Empty | Self::TooLong { .. } | Self::TooDeep { .. } | Self::ShareNameEmpty => {
                self
            }
        }
    }
}
