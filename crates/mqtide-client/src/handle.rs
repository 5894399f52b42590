//! The handle that applications hold.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mqtide_codec::{ReasonCode, Version};
use mqtide_topic::{SubscriptionFilter, TopicName};
use tokio::sync::{oneshot, watch};

use crate::command::{CloseCommand, Command, Farewell, UnsubscribeCommand};
use crate::driver::{Driver, FirstOutcome};
use crate::error::{CloseError, ConnectError, UnsubscribeError};
use crate::inbox::{Gate, Inbox, Overflow};
use crate::options::Options;
use crate::publish::Publish;
use crate::queue::Queue;
use crate::state::{State, StateWatch};
use crate::subscribe::{Subscribe, Subscription};

/// A client of one server: a cheap handle on one task that does all the work.
///
/// The task owns the connection and the session. It reconnects, subscribes again, answers pings and keeps the
/// order that the standard demands, whether or not anyone awaits anything. Clones share it. It ends when
/// [`close`](Self::close) says so, or when the last handle and the last stream are gone.
#[derive(Clone, Debug)]
pub struct Client {
    keeper: Arc<Keeper>,
}

impl Client {
    /// Connects, and resolves on the server's acceptance. Later failures are handled by reconnecting.
    ///
    /// # Errors
    ///
    /// Why the first attempt failed. There is no second one then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the attempt.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time and I/O enabled.
    pub async fn connect(options: Options) -> Result<Self, ConnectError> {
        let (first, accepted) = oneshot::channel();
        let client = Client::spawn(options, Some(first));
        accepted.await.unwrap_or(Err(ConnectError::Closed))?;
        Ok(client)
    }

    /// Starts to connect in the background, and keeps trying as [`Options::reconnect`] says. What is asked
    /// of the client meanwhile waits; [`state`](Self::state) tells how it goes.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time and I/O enabled.
    pub fn start(options: Options) -> Self {
        Client::spawn(options, None)
    }

    fn spawn(options: Options, first: Option<FirstOutcome>) -> Self {
        let queue = Arc::new(Queue::new(
            options.queue,
            options.queue_messages,
            options.queue_bytes,
        ));
        let gate = Arc::new(Gate::new(Arc::clone(&queue)));
        let (announce, state) = watch::channel(State::Connecting);
        let version = options.version;
        let driver = Driver::new(
            options,
            Arc::clone(&queue),
            Arc::clone(&gate),
            announce,
            first,
        );
        tokio::spawn(driver.run());
        Client {
            keeper: Arc::new(Keeper {
                queue,
                gate,
                state,
                version,
            }),
        }
    }

    /// Describes a message to publish; await it, or use [`Publish::accepted`].
    ///
    /// ```no_run
    /// # async fn example(client: mqtide_client::Client) -> Result<(), mqtide_client::PublishError> {
    /// use mqtide_client::QoS;
    ///
    /// client.publish("press/3/temp", "21.5").qos(QoS::AtLeastOnce).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish(&self, topic: impl AsRef<str>, payload: impl Into<Bytes>) -> Publish<'_> {
        Publish::new(self, TopicName::try_from(topic.as_ref()), payload.into())
    }

    /// Describes a subscription to a filter; await it to get its stream of messages.
    ///
    /// ```no_run
    /// # async fn example(client: mqtide_client::Client) -> Result<(), mqtide_client::SubscribeError> {
    /// let mut temperatures = client.subscribe("press/+/temp").await?;
    /// while let Some(message) = temperatures.next().await {
    ///     println!("{}: {:?}", message.topic(), message.payload());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(&self, filter: impl AsRef<str>) -> Subscribe<'_> {
        Subscribe::new(self, SubscriptionFilter::try_from(filter.as_ref()))
    }

    /// Gives up a filter, whether a stream of this client or an earlier run of the application subscribed to
    /// it. Streams of the filter alone end.
    ///
    /// # Errors
    ///
    /// The filter is not valid, the server refused, or the client is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before it resolves may or may not have given up the filter.
    pub async fn unsubscribe(
        &self,
        filter: impl AsRef<str>,
    ) -> Result<ReasonCode, UnsubscribeError> {
        let filter = SubscriptionFilter::try_from(filter.as_ref())?;
        let room = self
            .queue()
            .room_for_request()
            .await
            .map_err(|_| UnsubscribeError::Closed)?;
        let (reply, answer) = oneshot::channel();
        self.queue().push(Command::Unsubscribe(UnsubscribeCommand {
            filter,
            reply,
            _room: room,
        }));
        answer.await.unwrap_or(Err(UnsubscribeError::Closed))
    }

    /// The messages that no subscription of this client claims: those of a session that an earlier run of the
    /// application has left behind. The latest such stream gets them.
    ///
    /// While there is none, QoS 1 and 2 messages of a resumed session wait unacknowledged for a subscription
    /// that claims them or for this stream, and hold their place in the window; QoS 0 messages are dropped.
    pub fn messages(&self) -> Subscription {
        let inbox = Arc::new(Inbox::new(
            UNCLAIMED_CAPACITY,
            Overflow::default(),
            false,
            self.gate(),
        ));
        self.queue().push(Command::ClaimRest(Arc::clone(&inbox)));
        Subscription::of_the_rest(inbox, self.keeper())
    }

    /// Follows what the client is doing.
    pub fn state(&self) -> StateWatch {
        StateWatch::new(self.keeper.state.clone())
    }

    /// Takes leave: await it to send what is queued, wait for what is in flight, and disconnect.
    pub fn close(self) -> Close {
        Close {
            client: self,
            drain: DEFAULT_DRAIN,
            farewell: Farewell::default(),
        }
    }

    pub(crate) fn version(&self) -> Version {
        self.keeper.version
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.keeper.queue
    }

    pub(crate) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.keeper.gate)
    }

    pub(crate) fn keeper(&self) -> Arc<Keeper> {
        Arc::clone(&self.keeper)
    }
}

/// Taking leave of the server: made by [`Client::close`].
#[derive(Debug)]
#[must_use = "nothing is closed until this is awaited"]
pub struct Close {
    client: Client,
    drain: Duration,
    farewell: Farewell,
}

impl Close {
    /// Sets how long to wait until everything is settled. Default: 10 s.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Asks the server to publish the will all the same (MQTT 5.0 §3.14.2.1); MQTT 3.x cannot ask for that,
    /// there the connection is closed without DISCONNECT.
    pub fn with_will(mut self) -> Self {
        self.farewell.with_will = true;
        self
    }

    /// Changes how long the server keeps the session (MQTT 5.0 §3.14.2.2.2). Default: as
    /// [`Options::session_expiry`] says, or not at all. Without effect with MQTT 3.x, and if the client
    /// connected with a session expiry of zero, which cannot be changed any more.
    pub fn session_expiry(mut self, session_expiry: Duration) -> Self {
        self.farewell.session_expiry = Some(session_expiry);
        self
    }
}

impl IntoFuture for Close {
    type Output = Result<(), CloseError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    /// Sends what is queued, waits for what is in flight, disconnects, and ends the client and all its clones.
    /// A client that has ended already is no error.
    ///
    /// Cancel safety: once polled, the client closes even if the future is dropped.
    fn into_future(self) -> Self::IntoFuture {
        let Close {
            client,
            drain,
            farewell,
        } = self;
        let (reply, answer) = oneshot::channel();
        Box::pin(async move {
            client.queue().push(Command::Close(CloseCommand {
                drain,
                farewell,
                reply,
            }));
            answer.await.unwrap_or(Ok(()))
        })
    }
}

/// What handles and streams share. When the last one goes, the driver is told.
#[derive(Debug)]
pub(crate) struct Keeper {
    queue: Arc<Queue>,
    gate: Arc<Gate>,
    state: watch::Receiver<State>,
    version: Version,
}

impl Keeper {
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.queue.push(Command::Abandon);
    }
}

const DEFAULT_DRAIN: Duration = Duration::from_secs(10);
const UNCLAIMED_CAPACITY: usize = 256;
