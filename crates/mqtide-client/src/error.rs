//! What can go wrong, one enum per operation.

use std::io;
use std::sync::Arc;

use mqtide_codec::{DecodeError, ReasonCode, Version};
use mqtide_session::Violation;
use mqtide_topic::{SubscriptionFilter, TopicError};

/// An error of the application's own code, such as a source of credentials.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a text is not a URL of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// It does not have the form of a URL with a host.
    #[error("expected mqtt://[USER[:PASSWORD]@]HOST[:PORT]")]
    Malformed,
    /// The scheme is not one that this client speaks.
    #[error("{0:?} is not a scheme that can be connected to, only mqtt:// is")]
    Scheme(String),
    /// It has a path or a fragment, which mean nothing here.
    #[error("a server's URL has neither path nor fragment")]
    Superfluous,
    /// The query has a key that means nothing here.
    #[error(
        "unknown key {0:?}, expected client_id, keep_alive, clean_start, session_expiry or version"
    )]
    Key(String),
    /// The query has a value that its key does not take.
    #[error("{value:?} is no value for {key}")]
    Value {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
}

/// Why options cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The version has no such thing.
    #[error("{version} cannot express {option}")]
    NotInVersion {
        /// What was asked for.
        option: &'static str,
        /// The version that was chosen.
        version: Version,
    },
    /// MQTT 3.1 always needs a client identifier, 3.1.1 needs one to keep a session (v3.1.1 MQTT-3.1.3-7).
    #[error("this version needs a client identifier here")]
    ClientIdentifier,
    /// The Keep Alive is longer than 65,535 seconds.
    #[error("the keep alive is longer than 65535 seconds")]
    KeepAlive,
}

/// Why a connection could not be made, or was lost.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The options cannot be used.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The network said no: the name does not resolve, nobody listens, the connection broke.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
    /// The server ended the connection without a reason.
    #[error("the server closed the connection")]
    ClosedByServer,
    /// No CONNACK came in time.
    #[error("the server did not answer in time")]
    Timeout,
    /// The server did not answer a ping in time.
    #[error("the server no longer answers")]
    KeepAlive,
    /// The server refused the connection.
    #[error("the server refused the connection: {reason}{}", with_text(text.as_deref()))]
    Refused {
        /// Its reason; the return codes of MQTT 3.x are given as the reasons that they correspond to.
        reason: ReasonCode,
        /// Its own words, if it gave any.
        text: Option<String>,
    },
    /// The server ended the connection and said why (MQTT 5.0 §3.14).
    #[error("the server ended the connection: {reason}{}", with_text(text.as_deref()))]
    Disconnected {
        /// Its reason.
        reason: ReasonCode,
        /// Its own words, if it gave any.
        text: Option<String>,
    },
    /// The server sent what is no MQTT packet, or one larger than allowed.
    #[error("the server sent what cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// The server broke a rule of the protocol.
    #[error("the server broke the protocol: {0}")]
    Protocol(#[from] Violation),
    /// The source of credentials failed.
    #[error("no credentials: {0}")]
    Credentials(Arc<BoxError>),
    /// CONNECT cannot be expressed within the version or its limits.
    #[error("the connect request cannot be sent: {0}")]
    Request(Arc<BoxError>),
    /// The client was closed before it was connected.
    #[error("the client is closed")]
    Closed,
}

impl ConnectError {
    /// Whether another attempt may succeed without anyone changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            ConnectError::Options(_) | ConnectError::Request(_) | ConnectError::Closed => false,
            // Whoever took the session over would be thrown out in turn, and again.
            ConnectError::Disconnected { reason, .. } => *reason != ReasonCode::SessionTakenOver,
            _ => true,
        }
    }
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        ConnectError::Io(Arc::new(error))
    }
}

/// Why a publish was not sent. Nothing of it has left, and nothing will.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic name breaks a rule.
    #[error("the topic name is not valid: {0}")]
    Topic(#[from] TopicError),
    /// The queue is full, and the policy is not to wait.
    #[error("the queue is full")]
    QueueFull,
    /// The message gave way to a newer one ([`QueuePolicy::DropOldest`](crate::QueuePolicy::DropOldest)).
    #[error("the message was dropped from the full queue")]
    Dropped,
    /// The message is larger than the server accepts, or than the queue can ever hold.
    #[error("the message is too large")]
    TooLarge,
    /// The message expired before it could be sent.
    #[error("the message expired before it could be sent")]
    Expired,
    /// The server does not support the QoS (MQTT 5.0 §3.2.2.3.4).
    #[error("the server does not support this QoS")]
    QoSNotSupported,
    /// The server does not support retained messages (MQTT 5.0 §3.2.2.3.5).
    #[error("the server does not support retained messages")]
    RetainNotSupported,
    /// A property was given that the version cannot express.
    #[error("the protocol version has no properties")]
    NotInVersion,
    /// The client is closed, or its driver has ended.
    #[error("the client is closed")]
    Closed,
}

/// Why a subscription was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// A topic filter breaks a rule.
    #[error("the topic filter is not valid: {0}")]
    Filter(#[from] TopicError),
    /// The server refused a filter; those that it granted have been given back.
    #[error("the server refused {filter}: {reason}")]
    Refused {
        /// The filter.
        filter: SubscriptionFilter,
        /// The server's reason; in MQTT 3.x always [`ReasonCode::UnspecifiedError`].
        reason: ReasonCode,
    },
    /// The server does not support this kind of subscription, or the request is larger than it accepts.
    #[error("the server does not support this subscription")]
    NotSupported,
    /// An option was given that the version cannot express.
    #[error("{0}")]
    Options(#[from] OptionsError),
    /// The client is closed, or its driver has ended.
    #[error("the client is closed")]
    Closed,
}

/// Why an unsubscribe failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsubscribeError {
    /// The topic filter breaks a rule.
    #[error("the topic filter is not valid: {0}")]
    Filter(#[from] TopicError),
    /// The server refused.
    #[error("the server refused to unsubscribe: {0}")]
    Refused(ReasonCode),
    /// The client is closed, or its driver has ended.
    #[error("the client is closed")]
    Closed,
}

/// Why a graceful close was not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseError {
    /// Some publishes were not settled when the time was over; the client is closed all the same.
    #[error("{unsettled} messages were not settled in time")]
    Undrained {
        /// How many publishes were neither delivered nor refused.
        unsettled: usize,
    },
}

fn with_text(text: Option<&str>) -> String {
    text.map(|text| format!(": {text}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_takeover_is_not_retried() {
        let disconnected = |reason| ConnectError::Disconnected { reason, text: None };
        assert!(!disconnected(ReasonCode::SessionTakenOver).is_retryable());
        assert!(disconnected(ReasonCode::ServerShuttingDown).is_retryable());
        assert!(ConnectError::Timeout.is_retryable());
    }

    #[test]
    fn the_words_of_the_server_are_shown() {
        let refused = ConnectError::Refused {
            reason: ReasonCode::Banned,
            text: Some("ask Ada".into()),
        };
        assert_eq!(
            refused.to_string(),
            "the server refused the connection: Banned (0x8A): ask Ada"
        );
    }
}
