//! What handles ask of the driver.

use std::sync::Arc;
use std::time::Duration;

use mqtide_codec::{QoS, ReasonCode, RetainHandling};
use mqtide_session::Message;
use mqtide_topic::SubscriptionFilter;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::{CloseError, PublishError, SubscribeError, UnsubscribeError};
use crate::inbox::Inbox;
use crate::publish::Outcome;
use crate::queue::Room;

/// A message to send.
#[derive(Debug)]
pub(crate) struct PublishCommand {
    pub(crate) message: Message,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// When the message is no longer worth sending.
    pub(crate) expiry: Option<Instant>,
    pub(crate) room: Room,
    pub(crate) reply: PublishReply,
}

pub(crate) type PublishReply = oneshot::Sender<Result<Outcome, PublishError>>;

impl PublishCommand {
    /// Answers, and gives the room back.
    pub(crate) fn settle(self, result: Result<Outcome, PublishError>) {
        // Whoever published may not care for the outcome.
        let _ = self.reply.send(result);
    }
}

/// Everything else that handles ask for.
#[derive(Debug)]
pub(crate) enum Command {
    Subscribe(SubscribeCommand),
    Unsubscribe(UnsubscribeCommand),
    /// A stream was dropped.
    Release(Arc<Inbox>),
    /// Take what no subscription claims.
    ClaimRest(Arc<Inbox>),
    Close(CloseCommand),
    /// The last handle was dropped.
    Abandon,
}

/// Filters for one stream.
#[derive(Debug)]
pub(crate) struct SubscribeCommand {
    pub(crate) filters: Vec<FilterRequest>,
    pub(crate) inbox: Arc<Inbox>,
    /// Whether the stream also takes what no subscription claims.
    pub(crate) with_unclaimed: bool,
    pub(crate) reply: oneshot::Sender<Result<Vec<ReasonCode>, SubscribeError>>,
    pub(crate) room: Room,
}

/// A filter and how to subscribe to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterRequest {
    pub(crate) filter: SubscriptionFilter,
    pub(crate) maximum_qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) retain_as_published: bool,
    pub(crate) retain_handling: RetainHandling,
}

/// A filter to give up, whoever subscribed to it.
#[derive(Debug)]
pub(crate) struct UnsubscribeCommand {
    pub(crate) filter: SubscriptionFilter,
    pub(crate) reply: oneshot::Sender<Result<ReasonCode, UnsubscribeError>>,
    pub(crate) _room: Room,
}

/// Take leave of the server.
#[derive(Debug)]
pub(crate) struct CloseCommand {
    pub(crate) drain: Duration,
    pub(crate) farewell: Farewell,
    pub(crate) reply: oneshot::Sender<Result<(), CloseError>>,
}

impl CloseCommand {
    /// The way out when nobody is left to wait.
    pub(crate) fn at_once() -> Self {
        let (reply, _) = oneshot::channel();
        CloseCommand {
            drain: Duration::ZERO,
            farewell: Farewell::default(),
            reply,
        }
    }
}

/// What the DISCONNECT says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Farewell {
    pub(crate) with_will: bool,
    pub(crate) session_expiry: Option<Duration>,
}
