//! What a client session tells its owner.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mqtide_codec::{AckProperties, Auth, Connack, Disconnect, ReasonCode};

use crate::{DeliveryKey, DropReason, ReceivedPublish};

/// One publish, subscribe or unsubscribe of a client. Each settles exactly once, by
/// [`ClientEvent::Settled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation(pub(crate) DeliveryKey);

impl Operation {
    /// The name of the message in store operations, if the operation is a publish.
    pub const fn key(self) -> DeliveryKey {
        self.0
    }
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The server has taken the message over, with this reason; for QoS 0, the message was given to
    /// the network.
    Delivered(ReasonCode),
    /// The server has refused the message, for this reason.
    Refused(ReasonCode),
    /// The server has answered a subscribe or unsubscribe, with one reason per filter. MQTT 3.1 and
    /// 3.1.1 give no reasons for an unsubscribe.
    Answered {
        /// The reasons in the order of the filters.
        reasons: Vec<ReasonCode>,
        /// Rarely present.
        properties: Option<Box<AckProperties>>,
    },
    /// It was never sent.
    Dropped(DropReason),
    /// It was sent, and nobody can know what the server did with it: the connection or the session
    /// was lost before the answer came.
    Unknown,
}

/// What has happened to a client session.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The server has accepted the connection. Without a session present, subscriptions are to be
    /// made again.
    Connected(Box<Connack>),
    /// The server has refused the connection, perhaps naming another server (MQTT 5.0 §4.11): close
    /// the network connection.
    ConnectionRefused(Box<Connack>),
    /// A message has arrived. Complete its token, or later messages will not be acknowledged.
    Publish(ReceivedPublish),
    /// An operation is over.
    Settled(Operation, Outcome),
    /// A step of the authentication: answer by
    /// [`authenticate`](crate::ClientSession::authenticate), unless the reason is Success.
    Authenticate(Box<Auth>),
    /// The server has said goodbye, perhaps naming another server (MQTT 5.0 §4.11): close the
    /// network connection.
    Disconnected(Disconnect),
    /// The server was silent for too long, before CONNACK or after a PINGREQ: close the network
    /// connection.
    TimedOut,
}
