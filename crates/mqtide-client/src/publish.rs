//! Publishing, from the builder to the outcome.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_codec::{PayloadFormat, PublishProperties, QoS, ReasonCode, Version};
use mqtide_session::Message;
use mqtide_topic::{TopicError, TopicName};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::command::PublishCommand;
use crate::error::PublishError;
use crate::handle::Client;
use crate::queue::Room;

/// A message about to be published: set what it needs, then await it.
///
/// Made by [`Client::publish`]. Awaiting it resolves when the publish is *settled*: when the server has
/// answered (QoS 1 and 2) or the message is on its way (QoS 0). [`accepted`](Self::accepted) resolves earlier.
///
/// Properties are an error with MQTT 3.x ([`PublishError::NotInVersion`]).
#[derive(Debug)]
#[must_use = "nothing is published until this is awaited"]
pub struct Publish<'a> {
    client: &'a Client,
    topic: Result<TopicName, TopicError>,
    payload: Bytes,
    qos: QoS,
    retain: bool,
    properties: Option<Box<PublishProperties>>,
    expiry: Option<Duration>,
}

impl<'a> Publish<'a> {
    pub(crate) fn new(
        client: &'a Client,
        topic: Result<TopicName, TopicError>,
        payload: Bytes,
    ) -> Self {
        Publish {
            client,
            topic,
            payload,
            qos: QoS::AtMostOnce,
            retain: false,
            properties: None,
            expiry: None,
        }
    }

    /// Sets the QoS. Default: 0.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Sets whether the server keeps the message for future subscribers. Default: no.
    pub fn retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// Sets how long the message is worth delivering, in whole seconds on the wire; the time that it waits
    /// here counts, too. MQTT 5.0 only.
    pub fn expiry(mut self, expiry: Duration) -> Self {
        self.properties();
        self.expiry = Some(expiry);
        self
    }

    /// Says that the payload is UTF-8 text. MQTT 5.0 only.
    pub fn text(mut self) -> Self {
        self.properties().payload_format_indicator = Some(PayloadFormat::Utf8);
        self
    }

    /// Sets the content type, such as a MIME type. MQTT 5.0 only.
    pub fn content_type(mut self, content_type: impl Into<ByteString>) -> Self {
        self.properties().content_type = Some(content_type.into());
        self
    }

    /// Sets the topic that an answer shall go to. MQTT 5.0 only.
    pub fn response_topic(mut self, topic: TopicName) -> Self {
        self.properties().response_topic = Some(topic);
        self
    }

    /// Sets what an answer shall carry, at most 65,535 bytes. MQTT 5.0 only.
    pub fn correlation_data(mut self, data: impl Into<Bytes>) -> Self {
        self.properties().correlation_data = Some(data.into());
        self
    }

    /// Adds a user property. MQTT 5.0 only.
    pub fn user_property(
        mut self,
        name: impl Into<ByteString>,
        value: impl Into<ByteString>,
    ) -> Self {
        self.properties().user_properties.push(name, value);
        self
    }

    /// Waits until the message is queued, by the [policy](crate::QueuePolicy); its outcome comes later,
    /// by the [`Receipt`].
    ///
    /// # Errors
    ///
    /// The topic or a property is not valid, the message can never fit, the queue is full and the policy is
    /// not to wait, or the client is closed. Nothing has been queued then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it resolves publishes nothing.
    pub async fn accepted(self) -> Result<Receipt, PublishError> {
        let client = self.client;
        let draft = self.check()?;
        let room = client.queue().room(draft.size()).await?;
        Ok(draft.send(client, room))
    }

    /// Queues the message now or never.
    ///
    /// # Errors
    ///
    /// As for [`accepted`](Self::accepted), and [`PublishError::QueueFull`] if it would have to wait.
    pub fn try_accepted(self) -> Result<Receipt, PublishError> {
        let client = self.client;
        let draft = self.check()?;
        let room = client.queue().try_room(draft.size())?;
        Ok(draft.send(client, room))
    }

    fn properties(&mut self) -> &mut PublishProperties {
        self.properties.get_or_insert_default()
    }

    fn check(self) -> Result<Draft, PublishError> {
        let mut message = Message::new(self.topic?, self.payload);
        if self.properties.is_some() && self.client.version() != Version::V5 {
            return Err(PublishError::NotInVersion);
        }
        message.properties = self.properties;
        let expiry = self
            .expiry
            .and_then(|expiry| Instant::now().checked_add(expiry));
        Ok(Draft {
            message,
            qos: self.qos,
            retain: self.retain,
            expiry,
        })
    }
}

impl<'a> IntoFuture for Publish<'a> {
    type Output = Result<Outcome, PublishError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    /// Queues the message and waits until it is settled.
    ///
    /// Cancel safety: dropping the future before the message is queued publishes nothing; afterwards the
    /// message is published all the same, and only its outcome is lost.
    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async { self.accepted().await?.await })
    }
}

/// A message that has been checked.
struct Draft {
    message: Message,
    qos: QoS,
    retain: bool,
    expiry: Option<Instant>,
}

impl Draft {
    fn size(&self) -> usize {
        self.message.topic.len() + self.message.payload.len()
    }

    fn send(self, client: &Client, room: Room) -> Receipt {
        let Draft {
            message,
            qos,
            retain,
            expiry,
        } = self;
        let (reply, answer) = oneshot::channel();
        client.queue().push_publish(PublishCommand {
            message,
            qos,
            retain,
            expiry,
            room,
            reply,
        });
        Receipt { answer }
    }
}

/// What happened to a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// QoS 0: the message was handed to the connection. Nobody will ever confirm it.
    Sent,
    /// QoS 1 and 2: the server has taken over the message.
    Delivered {
        /// [`ReasonCode::Success`], or [`ReasonCode::NoMatchingSubscribers`] if the server says so.
        reason: ReasonCode,
    },
    /// The server refused the message; it will not be sent again.
    #[non_exhaustive]
    Refused {
        /// Its reason, 0x80 or above.
        reason: ReasonCode,
    },
    /// The session was lost while the message was in flight: nobody can know whether it arrived.
    Unknown,
}

impl Outcome {
    /// Whether the message is on its way or has arrived, as far as its QoS can tell.
    pub fn is_success(&self) -> bool {
        matches!(self, Outcome::Sent | Outcome::Delivered { .. })
    }
}

/// A future of the [`Outcome`] of a message that has been accepted.
///
/// It resolves exactly once. A lost connection is no outcome: the message is sent again when the session
/// continues. Dropping the receipt does not take the message back.
#[derive(Debug)]
#[must_use = "the outcome is lost if nobody awaits it"]
pub struct Receipt {
    answer: oneshot::Receiver<Result<Outcome, PublishError>>,
}

impl Future for Receipt {
    type Output = Result<Outcome, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer)
            .poll(cx)
            .map(|answer| answer.unwrap_or(Err(PublishError::Closed)))
    }
}
