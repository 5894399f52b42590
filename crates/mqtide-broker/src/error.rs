use std::io;

use crate::listener::ListenAddress;

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// A listener could not be opened: the port is in use, the address is not ours, the name does not resolve.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address that was asked for.
        address: ListenAddress,
        /// What the operating system said.
        source: io::Error,
    },
    /// A configuration value makes no sense.
    #[error("configuration: {field} {problem}")]
    Config {
        /// The path of the value, such as `limits.receive_maximum`.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A worker thread or its runtime could not be created.
    #[error("cannot start a worker: {0}")]
    Worker(#[source] io::Error),
    /// What the store holds cannot be read.
    #[error("cannot take back what is stored: {0}")]
    Store(#[from] crate::store::StoreError),
    /// [`Flavour::Ambient`](crate::Flavour::Ambient) was asked for outside of a tokio runtime.
    #[error("the ambient flavour needs a running tokio runtime")]
    NoRuntime,
}

/// The broker has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the broker has stopped")]
pub struct Stopped;

/// Why a message was not published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The message cannot be expressed in a packet.
    #[error("the message cannot be encoded: {0}")]
    Encode(#[from] mqtide_codec::EncodeError),
    /// The topic is longer or deeper than the limits allow.
    #[error("the topic is beyond the limits: {0}")]
    Topic(#[from] mqtide_topic::TopicError),
    /// There is no room for another retained message.
    #[error("there is no room for another retained message")]
    NoRoom,
    /// The broker has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}
