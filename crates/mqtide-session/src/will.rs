//! The will, its delay, and its meeting with the end of the session (MQTT 5.0 §3.1.2.5, §3.1.3.2.2).

use alloc::boxed::Box;
use core::time::Duration;

use mqtide_codec::Will;

use crate::{Instant, StoredWill};

/// The will of a session.
///
/// ```text
/// Armed -> (connection lost) -> Delayed -> due: published
///   |                              `-> session resumed before: deleted
///   `-> (DISCONNECT 0x00) deleted
/// ```
#[derive(Debug, Default)]
pub(crate) enum Testament {
    /// There is no will, or it was deleted or published.
    #[default]
    None,
    /// The connection stands.
    Armed(Box<Will>),
    /// The connection is gone; the will is due at this time.
    Delayed(Box<Will>, Instant),
}

impl Testament {
    pub(crate) fn new(will: Option<Will>) -> Self {
        will.map_or(Self::None, |will| Self::Armed(Box::new(will)))
    }

    /// The connection has ended, and the session will at `session_end`: the will is due when its
    /// delay has passed or the session ends, whichever is first `[MQTT-3.1.3-9]`.
    pub(crate) fn connection_lost(&mut self, now: Instant, session_end: Option<Instant>) {
        *self = match core::mem::take(self) {
            Self::Armed(will) => {
                let properties = will.properties.as_deref();
                let delay = properties.and_then(|p| p.will_delay_interval).unwrap_or(0);
                let due = now + Duration::from_secs(delay.into());
                Self::Delayed(will, session_end.map_or(due, |end| end.min(due)))
            }
            other => other,
        };
    }

    /// The will, if it is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Box<Will>> {
        match self {
            Self::Delayed(_, due) if *due <= now => self.take(),
            _ => None,
        }
    }

    /// The will, whether due or not: the session ends.
    pub(crate) fn take(&mut self) -> Option<Box<Will>> {
        match core::mem::take(self) {
            Self::None => None,
            Self::Armed(will) | Self::Delayed(will, _) => Some(will),
        }
    }

    pub(crate) fn export(&self) -> Option<StoredWill> {
        match self {
            Self::None => None,
            Self::Armed(will) => Some(StoredWill {
                will: will.clone(),
                due_at: None,
            }),
            Self::Delayed(will, due) => Some(StoredWill {
                will: will.clone(),
                due_at: Some(*due),
            }),
        }
    }

    pub(crate) fn restore(stored: Option<StoredWill>) -> Self {
        match stored {
            None => Self::None,
            Some(StoredWill { will, due_at: None }) => Self::Armed(will),
            Some(StoredWill {
                will,
                due_at: Some(due),
            }) => Self::Delayed(will, due),
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Delayed(_, due) => Some(*due),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use mqtide_codec::WillProperties;
    use mqtide_topic::TopicName;

    fn testament(delay: Option<u32>) -> Testament {
        let mut will = Will::new(TopicName::from_static("gone"), "x");
        let properties = WillProperties {
            will_delay_interval: delay,
            ..WillProperties::default()
        };
        will.properties = Some(Box::new(properties));
        Testament::new(Some(will))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_will_is_due_at_the_earlier_of_delay_and_session_end() {
        let due = |delay, end: Option<u64>| {
            let mut testament = testament(delay);
            testament.connection_lost(at(10), end.map(at));
            testament.deadline()
        };
        assert_eq!(due(None, Some(100)), Some(at(10)));
        assert_eq!(due(Some(5), None), Some(at(15)));
        assert_eq!(due(Some(5), Some(12)), Some(at(12)));
        assert_eq!(due(Some(5), Some(10)), Some(at(10)));
    }

    #[test]
    fn a_will_is_published_once() {
        let mut testament = testament(Some(5));
        assert_eq!(testament.take_due(at(99)), None, "the connection stands");
        testament.connection_lost(at(10), None);
        assert_eq!(testament.take_due(at(14)), None);
        assert!(testament.take_due(at(15)).is_some());
        assert_eq!(testament.take(), None);
    }
}
