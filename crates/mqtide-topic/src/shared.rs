use core::fmt;
use core::str::FromStr;

use alloc::string::String;

use bytes::Bytes;
use bytestring::ByteString;
use memchr::memchr;

use crate::{MAX_TOPIC_BYTES, TopicError, TopicFilter};

/// What a SUBSCRIBE or UNSUBSCRIBE packet asks for: a topic filter, alone or shared by a group.
///
/// Text that begins with `$share/` must be `$share/{ShareName}/{filter}` (MQTT 5.0 §4.8.2); all other
/// text is a topic filter. The 65,535 bytes of the protocol count for the whole text.
///
/// ```
/// use mqtide_topic::{SubscriptionFilter, TopicError};
///
/// let shared = SubscriptionFilter::try_from("$share/workers/jobs/#")?;
/// assert_eq!(shared.share_name().unwrap(), "workers");
/// assert_eq!(shared.filter(), "jobs/#");
/// assert_eq!(shared.to_string(), "$share/workers/jobs/#");
/// assert_eq!(SubscriptionFilter::try_from("$share//jobs"), Err(TopicError::ShareNameEmpty));
/// # Ok::<(), TopicError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SubscriptionFilter {
    /// A topic filter, for the subscriber alone.
    Plain(TopicFilter),
    /// A topic filter whose messages the members of a group share.
    Shared {
        /// The group's name.
        group: ShareName,
        /// What the group subscribes to.
        filter: TopicFilter,
    },
}

impl SubscriptionFilter {
    /// The topic filter, without `$share/` and the share name.
    #[must_use]
    pub const fn filter(&self) -> &TopicFilter {
        match self {
            Self::Plain(filter) | Self::Shared { filter, .. } => filter,
        }
    }

    /// The share name, if the subscription is shared.
    #[must_use]
    pub const fn share_name(&self) -> Option<&ShareName> {
        match self {
            Self::Plain(_) => None,
            Self::Shared { group, .. } => Some(group),
        }
    }

    /// The same filter in buffers of its own; see [`TopicFilter::detached`].
    #[must_use]
    pub fn detached(&self) -> Self {
        match self {
            Self::Plain(filter) => Self::Plain(filter.detached()),
            Self::Shared { group, filter } => Self::Shared {
                group: group.detached(),
                filter: filter.detached(),
            },
        }
    }
}

impl TryFrom<ByteString> for SubscriptionFilter {
    type Error = TopicError;

    /// Checks the text; does not copy it.
    fn try_from(text: ByteString) -> Result<Self, Self::Error> {
        let Some(behind_prefix) = text.strip_prefix(PREFIX) else {
            return TopicFilter::try_from(text).map(Self::Plain);
        };
        if text.len() > MAX_TOPIC_BYTES {
            return Err(TopicError::TooLong {
                len: text.len(),
                max: MAX_TOPIC_BYTES,
            });
        }
        let name_len = memchr(b'/', behind_prefix.as_bytes()).unwrap_or(behind_prefix.len());
        let name = &behind_prefix[..name_len];
        let group = ShareName::try_from(text.slice_ref(name))
            .map_err(|error| error.shifted(PREFIX.len()))?;
        let filter_at = PREFIX.len() + name_len + 1;
        if filter_at >= text.len() {
            return Err(TopicError::ShareFilterMissing { at: text.len() });
        }
        let filter = TopicFilter::try_from(text.slice_ref(&text[filter_at..]))
            .map_err(|error| error.shifted(filter_at))?;
        Ok(Self::Shared { group, filter })
    }
}

impl TryFrom<Bytes> for SubscriptionFilter {
    type Error = TopicError;

    /// Checks UTF-8 and the text; does not copy it.
    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        match ByteString::try_from(bytes) {
            Ok(text) => Self::try_from(text),
            Err(error) => Err(TopicError::NotUtf8 {
                at: error.valid_up_to(),
            }),
        }
    }
}

impl TryFrom<String> for SubscriptionFilter {
    type Error = TopicError;

    /// Checks the text; does not copy it.
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::try_from(ByteString::from(text))
    }
}

impl TryFrom<&str> for SubscriptionFilter {
    type Error = TopicError;

    /// Checks and copies the text.
    fn try_from(text: &str) -> Result<Self, Self::Error> {
        Self::try_from(ByteString::from(text))
    }
}

impl FromStr for SubscriptionFilter {
    type Err = TopicError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text)
    }
}

impl From<TopicFilter> for SubscriptionFilter {
    fn from(filter: TopicFilter) -> Self {
        Self::Plain(filter)
    }
}

impl fmt::Display for SubscriptionFilter {
    /// The text as a SUBSCRIBE packet carries it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(filter) => fmt::Display::fmt(filter, f),
            Self::Shared { group, filter } => write!(f, "{PREFIX}{group}/{filter}"),
        }
    }
}

/// The proven name of a group of shared subscriptions (MQTT 5.0 §4.8.2): at least one character,
/// none of `/`, `+`, `#` and U+0000.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShareName(ByteString);

proven_text!(ShareName, check_share_name);

const PREFIX: &str = "$share/";

fn check_share_name(bytes: &[u8]) -> Result<(), TopicError> {
    if bytes.len() > MAX_TOPIC_BYTES {
        return Err(TopicError::TooLong {
            len: bytes.len(),
            max: MAX_TOPIC_BYTES,
        });
    }
    if bytes.is_empty() {
        return Err(TopicError::ShareNameEmpty);
    }
    match bytes
        .iter()
        .position(|byte| matches!(byte, 0 | b'/' | b'+' | b'#'))
    {
        None => Ok(()),
        Some(at) if bytes[at] == 0 => Err(TopicError::NullCharacter { at }),
        Some(at) => Err(TopicError::ShareNameCharacter {
            character: bytes[at].into(),
            at,
        }),
    }
}
