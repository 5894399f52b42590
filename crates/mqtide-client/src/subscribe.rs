//! Subscribing, from the builder to the stream.

use std::future::{Future, IntoFuture, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use mqtide_codec::{QoS, ReasonCode, RetainHandling, Version};
use mqtide_topic::{SubscriptionFilter, TopicError};
use tokio::sync::oneshot;

use crate::command::{Command, FilterRequest, SubscribeCommand};
use crate::error::{OptionsError, SubscribeError};
use crate::handle::{Client, Keeper};
use crate::inbox::{End, Inbox, Overflow};
use crate::received::Received;

/// A subscription about to be made: set what it needs, then await it.
///
/// Made by [`Client::subscribe`]. No Local, Retain As Published and Retain Handling are an error with MQTT 3.x.
#[derive(Debug)]
#[must_use = "nothing is subscribed to until this is awaited"]
pub struct Subscribe<'a> {
    client: &'a Client,
    filters: Vec<Result<SubscriptionFilter, TopicError>>,
    maximum_qos: QoS,
    no_local: bool,
    retain_as_published: bool,
    retain_handling: RetainHandling,
    capacity: usize,
    overflow: Overflow,
    manual_ack: bool,
    with_unclaimed: bool,
}

impl<'a> Subscribe<'a> {
    pub(crate) fn new(client: &'a Client, filter: Result<SubscriptionFilter, TopicError>) -> Self {
        Subscribe {
            client,
            filters: vec![filter],
            maximum_qos: QoS::AtMostOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::default(),
            capacity: 256,
            overflow: Overflow::default(),
            manual_ack: false,
            with_unclaimed: false,
        }
    }

    /// Adds a filter to the same stream. A message that several filters match comes once.
    pub fn and(mut self, filter: impl AsRef<str>) -> Self {
        self.filters
            .push(SubscriptionFilter::try_from(filter.as_ref()));
        self
    }

    /// Sets the highest QoS that messages are delivered with. Default: 0.
    pub fn qos(mut self, maximum_qos: QoS) -> Self {
        self.maximum_qos = maximum_qos;
        self
    }

    /// Leaves out messages that this client publishes itself. MQTT 5.0 only.
    pub fn no_local(mut self) -> Self {
        self.no_local = true;
        self
    }

    /// Keeps the RETAIN flag as the publisher set it. MQTT 5.0 only.
    pub fn retain_as_published(mut self) -> Self {
        self.retain_as_published = true;
        self
    }

    /// Sets which retained messages come first. MQTT 5.0 only. Default: all.
    pub fn retain_handling(mut self, retain_handling: RetainHandling) -> Self {
        self.retain_handling = retain_handling;
        self
    }

    /// Sets how many QoS 0 messages may wait in the stream, at least one; see [`Overflow`]. Default: 256.
    pub fn capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity;
        self
    }

    /// Sets what happens to QoS 0 messages when the stream is full. Default: [`Overflow::Backpressure`].
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// Acknowledges messages only by [`Received::ack`]; one that is dropped without it stays unacknowledged,
    /// holds its place in the window, and comes again when the session is resumed.
    pub fn manual_ack(mut self) -> Self {
        self.manual_ack = true;
        self
    }

    /// Takes also what no subscription of this client claims, in place of [`Client::messages`]: what a resumed
    /// session brings comes in this one stream, in the order in which the server sends it, whether it matches the
    /// filters or those of an earlier run.
    pub fn with_unclaimed(mut self) -> Self {
        self.with_unclaimed = true;
        self
    }

    async fn subscribed(self) -> Result<Subscription, SubscribeError> {
        self.check_version()?;
        let client = self.client;
        let filters = self.requests()?;
        let inbox = Arc::new(Inbox::new(
            self.capacity,
            self.overflow,
            self.manual_ack,
            client.gate(),
        ));
        let subscription = Subscription {
            inbox: Arc::clone(&inbox),
            keeper: client.keeper(),
            granted: Vec::new(),
        };
        let room = client
            .queue()
            .room_for_request()
            .await
            .map_err(|_| SubscribeError::Closed)?;
        let (reply, answer) = oneshot::channel();
        client.queue().push(Command::Subscribe(SubscribeCommand {
            filters,
            inbox,
            with_unclaimed: self.with_unclaimed,
            reply,
            room,
        }));
        let granted = answer.await.unwrap_or(Err(SubscribeError::Closed))?;
        Ok(subscription.granted_as(granted))
    }

    fn check_version(&self) -> Result<(), OptionsError> {
        let version = self.client.version();
        let option = match self {
            _ if version == Version::V5 => return Ok(()),
            Subscribe { no_local: true, .. } => "No Local",
            Subscribe {
                retain_as_published: true,
                ..
            } => "Retain As Published",
            _ if self.retain_handling != RetainHandling::default() => "Retain Handling",
            _ => return Ok(()),
        };
        Err(OptionsError::NotInVersion { option, version })
    }

    fn requests(&self) -> Result<Vec<FilterRequest>, TopicError> {
        let request = |filter: &Result<SubscriptionFilter, TopicError>| {
            Ok(FilterRequest {
                filter: filter.clone()?,
                maximum_qos: self.maximum_qos,
                no_local: self.no_local,
                retain_as_published: self.retain_as_published,
                retain_handling: self.retain_handling,
            })
        };
        self.filters.iter().map(request).collect()
    }
}

impl<'a> IntoFuture for Subscribe<'a> {
    type Output = Result<Subscription, SubscribeError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    /// Subscribes and waits for the server's answer, over lost connections if need be.
    ///
    /// Cancel safety: dropping the future takes the subscription back.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.subscribed())
    }
}

/// A stream of the messages that match one or more filters.
///
/// It outlives lost connections: the client subscribes again when the server has lost the session. Dropping it
/// unsubscribes; to leave the subscription behind in a session that shall be continued, close the client first.
/// It ends when the client is closed, or when the server refuses to subscribe again
/// ([`refused`](Self::refused)).
///
/// With overlapping subscriptions on one client, each stream gets a message once. (An exception that MQTT 3.x
/// allows to servers: one that sends a copy per overlapping subscription gives each stream all copies.) A session of
/// an earlier run may bring messages for the subscriptions of that run; they are matched by their topic.
#[derive(Debug)]
#[must_use = "dropping a subscription unsubscribes"]
pub struct Subscription {
    inbox: Arc<Inbox>,
    keeper: Arc<Keeper>,
    granted: Vec<ReasonCode>,
}

impl Subscription {
    pub(crate) fn of_the_rest(inbox: Arc<Inbox>, keeper: Arc<Keeper>) -> Self {
        Subscription {
            inbox,
            keeper,
            granted: Vec::new(),
        }
    }

    fn granted_as(mut self, granted: Vec<ReasonCode>) -> Self {
        self.granted = granted;
        self
    }

    /// The next message; `None` when the stream has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no message.
    pub async fn next(&mut self) -> Option<Received> {
        poll_fn(|cx| self.inbox.poll_next(cx)).await
    }

    /// The next message if there is one already.
    pub fn try_next(&mut self) -> Option<Received> {
        self.inbox.try_next()
    }

    /// What the server granted for each filter, in the order in which they were given.
    pub fn granted(&self) -> &[ReasonCode] {
        &self.granted
    }

    /// How many QoS 0 messages were dropped because the stream was full ([`Overflow::DropOldest`]).
    pub fn dropped(&self) -> u64 {
        self.inbox.dropped()
    }

    /// Why the server refused to subscribe again after it had lost the session, if it did.
    pub fn refused(&self) -> Option<SubscribeError> {
        match self.inbox.ended()? {
            End::Refused(error) => Some(error),
            End::Closed => None,
        }
    }
}

impl Stream for Subscription {
    type Item = Received;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        self.inbox.poll_next(cx)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // Acknowledges what nobody will read, unless acknowledgement is manual.
        drop(self.inbox.abandon());
        self.keeper
            .queue()
            .push(Command::Release(Arc::clone(&self.inbox)));
    }
}
