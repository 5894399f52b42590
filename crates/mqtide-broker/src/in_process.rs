//! Publishing and subscribing within the process, without a socket.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use mqtide_codec::{Publish, PublishProperties, QoS};
use mqtide_session::{Deliverable, Delivery, Instant};
use mqtide_topic::{SubscriptionFilter, TopicName};
use parking_lot::Mutex;

use crate::core::Core;
use crate::publication::Publication;
use crate::routing::Target;

/// A message that is published or received within the process.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// The topic.
    pub topic: TopicName,
    /// The payload.
    pub payload: Bytes,
    /// The QoS to publish with; of a received message, the one that it was delivered with.
    pub qos: QoS,
    /// Whether it is to be retained; of a received message, whether it was (`MQTT 5.0 §3.3.1.3`).
    pub retain: bool,
    /// The MQTT 5.0 properties. Subscription identifiers in here are not used.
    pub properties: Option<Box<PublishProperties>>,
}

impl Message {
    /// A QoS 0 message, not retained, without properties.
    pub fn new(topic: TopicName, payload: impl Into<Bytes>) -> Self {
        Message {
            topic,
            payload: payload.into(),
            qos: QoS::AtMostOnce,
            retain: false,
            properties: None,
        }
    }

    /// The same message with this QoS.
    #[must_use]
    pub fn with_qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// The same message, to be retained or not.
    #[must_use]
    pub fn with_retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }
}

/// The messages that match a filter, received within the process. Dropping it unsubscribes.
///
/// It holds as many messages as it was made for. A message that comes when it is full is dropped, and counted:
/// a slow reader never holds up a publisher.
pub struct Subscription {
    core: Arc<Core>,
    filter: SubscriptionFilter,
    local: Arc<LocalSubscriber>,
}

impl Subscription {
    pub(crate) fn new(
        core: Arc<Core>,
        filter: SubscriptionFilter,
        local: Arc<LocalSubscriber>,
    ) -> Self {
        Subscription {
            core,
            filter,
            local,
        }
    }

    /// The next message; `None` once the broker has stopped and nothing is left.
    ///
    /// # Cancel safety
    ///
    /// A message is lost only if it has been returned.
    pub async fn next(&mut self) -> Option<Message> {
        loop {
            let delivery = poll_fn(|cx| self.local.poll_next(cx)).await?;
            let now = self.core.now();
            if delivery.message.expires_at().is_none_or(|at| at > now)
                && let Some(message) = Message::received(&delivery, now)
            {
                return Some(message);
            }
        }
    }

    /// How many messages were dropped because nobody took them in time.
    pub fn dropped(&self) -> u64 {
        self.local.dropped.load(Relaxed)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.core
            .router
            .unsubscribe(&Target::Local(Arc::clone(&self.local)), &self.filter, || {});
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}

/// The queue of a [`Subscription`].
#[derive(Debug)]
pub(crate) struct LocalSubscriber {
    queue: Mutex<Queue>,
    capacity: usize,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Delivery<Publication>>,
    reader: Option<Waker>,
    is_closed: bool,
}

impl LocalSubscriber {
    pub(crate) fn new(capacity: usize) -> Self {
        LocalSubscriber {
            queue: Mutex::default(),
            capacity: capacity.max(1),
            dropped: AtomicU64::new(0),
        }
    }

    pub(crate) fn deliver(&self, delivery: Delivery<Publication>) {
        let mut queue = self.queue.lock();
        if queue.waiting.len() >= self.capacity {
            self.dropped.fetch_add(1, Relaxed);
            return;
        }
        queue.waiting.push_back(delivery);
        if let Some(reader) = queue.reader.take() {
            drop(queue);
            reader.wake();
        }
    }

    /// No more messages will come.
    pub(crate) fn close(&self) {
        let mut queue = self.queue.lock();
        queue.is_closed = true;
        if let Some(reader) = queue.reader.take() {
            reader.wake();
        }
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Delivery<Publication>>> {
        let mut queue = self.queue.lock();
        if let Some(delivery) = queue.waiting.pop_front() {
            return Poll::Ready(Some(delivery));
        }
        if queue.is_closed {
            return Poll::Ready(None);
        }
        queue.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Message {
    /// The message in the codec's form.
    pub(crate) fn to_publish(&self) -> Publish {
        let mut publish = Publish::new(self.topic.clone(), self.payload.clone());
        publish.properties.clone_from(&self.properties);
        if let Some(properties) = &mut publish.properties {
            properties.subscription_identifiers.clear();
        }
        publish
    }

    fn received(delivery: &Delivery<Publication>, now: Instant) -> Option<Self> {
        let Publish {
            topic,
            payload,
            properties,
            ..
        } = delivery.message.to_publish(now)?;
        Some(Message {
            topic: topic.name()?.clone(),
            payload,
            qos: delivery.qos,
            retain: delivery.retain,
            properties,
        })
    }
}
