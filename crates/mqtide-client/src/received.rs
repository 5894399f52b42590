//! A message that arrived, and the promise that goes with it.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_codec::{PayloadFormat, PublishProperties, QoS, UserProperties};
use mqtide_session::Message;
use mqtide_topic::TopicName;

use crate::queue::Queue;

pub(crate) use mqtide_session::AckToken;

/// A message from a [`Subscription`](crate::Subscription).
///
/// At QoS 1 and 2, the server hears that the message is yours when you let go of it: when this value is dropped,
/// or, on a stream with [manual acknowledgement](crate::Subscribe::manual_ack), when [`ack`](Self::ack) is
/// called. Until then it counts against the Receive Maximum, which is how a slow reader slows the server. The
/// client keeps acknowledgements in the order that the standard demands, whatever order they are given in.
#[must_use = "dropping a message acknowledges it"]
pub struct Received {
    message: Message,
    qos: QoS,
    retain: bool,
    share: Option<AckShare>,
}

impl Received {
    pub(crate) fn new(message: Message, qos: QoS, retain: bool, share: Option<AckShare>) -> Self {
        Received {
            message,
            qos,
            retain,
            share,
        }
    }

    /// The topic it was published to.
    pub fn topic(&self) -> &TopicName {
        &self.message.topic
    }

    /// Its content: a slice of the received bytes, not a copy.
    pub fn payload(&self) -> &Bytes {
        &self.message.payload
    }

    /// The QoS it was delivered with.
    pub fn qos(&self) -> QoS {
        self.qos
    }

    /// Whether it was retained, in other words, published before the subscription was made (or, with
    /// [Retain As Published](crate::Subscribe::retain_as_published), published as retained).
    pub fn is_retained(&self) -> bool {
        self.retain
    }

    /// Its properties, if it has any (MQTT 5.0 §3.3.2.3).
    pub fn properties(&self) -> Option<&PublishProperties> {
        self.message.properties.as_deref()
    }

    /// The content type, if given.
    pub fn content_type(&self) -> Option<&ByteString> {
        self.properties()?.content_type.as_ref()
    }

    /// The topic to answer to, if given.
    pub fn response_topic(&self) -> Option<&TopicName> {
        self.properties()?.response_topic.as_ref()
    }

    /// What an answer must carry, if given.
    pub fn correlation_data(&self) -> Option<&Bytes> {
        self.properties()?.correlation_data.as_ref()
    }

    /// Whether the publisher says that the payload is UTF-8 text.
    pub fn is_text(&self) -> bool {
        let format = self
            .properties()
            .and_then(|properties| properties.payload_format_indicator);
        format == Some(PayloadFormat::Utf8)
    }

    /// The seconds that were left for the message to live when the server sent it, if it expires.
    pub fn message_expiry_interval(&self) -> Option<u32> {
        self.properties()?.message_expiry_interval
    }

    /// The user properties, if it has any.
    pub fn user_properties(&self) -> Option<&UserProperties> {
        self.properties()
            .map(|properties| &properties.user_properties)
    }

    /// Tells the server that the message is yours, and lets go of it.
    pub fn ack(self) {
        self.into_message();
    }

    /// Acknowledges the message, and keeps it.
    pub fn into_message(mut self) -> Message {
        if let Some(share) = self.share.take() {
            share.acknowledge();
        }
        self.message.clone()
    }
}

/// A message that came from nowhere: QoS 0, not retained, with nothing to acknowledge. For tests of code that
/// handles messages.
impl From<Message> for Received {
    fn from(message: Message) -> Self {
        Received::new(message, QoS::AtMostOnce, false, None)
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if let Some(share) = self.share.take().filter(|share| !share.manual) {
            share.acknowledge();
        }
    }
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("topic", &self.message.topic)
            .field("payload", &self.message.payload)
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("properties", &self.message.properties)
            .finish_non_exhaustive()
    }
}

/// One stream's part in the acknowledgement of a message. A part that is dropped without being acknowledged
/// keeps the message unacknowledged.
pub(crate) struct AckShare {
    ack: Arc<PendingAck>,
    manual: bool,
}

impl AckShare {
    pub(crate) fn new(ack: Arc<PendingAck>, manual: bool) -> Self {
        AckShare { ack, manual }
    }

    fn acknowledge(self) {
        self.ack.acknowledge_part();
    }
}

/// The acknowledgement of one message, shared by all streams that received it: it is sent when all have let go.
pub(crate) struct PendingAck {
    token: Mutex<Option<AckToken>>,
    parts: AtomicUsize,
    queue: Arc<Queue>,
}

impl PendingAck {
    pub(crate) fn new(token: AckToken, parts: usize, queue: Arc<Queue>) -> Self {
        PendingAck {
            token: Mutex::new(Some(token)),
            parts: AtomicUsize::new(parts),
            queue,
        }
    }

    fn acknowledge_part(&self) {
        if self.parts.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let token = self
            .token
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        token
            .into_iter()
            .for_each(|token| self.queue.push_ack(token));
    }
}
