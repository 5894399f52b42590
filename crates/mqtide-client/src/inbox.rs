//! The bounded queue between the driver and one stream.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use mqtide_codec::QoS;

use crate::error::SubscribeError;
use crate::queue::Queue;
use crate::received::Received;

/// What happens to QoS 0 messages when a stream is full. Messages of QoS 1 and 2 are never dropped: they hold
/// the window that the [Receive Maximum](crate::Options::receive_maximum) is, and so slow the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The client stops reading from the server until the stream has room: nothing is lost here, but
    /// everything else that arrives waits, too.
    #[default]
    Backpressure,
    /// The oldest QoS 0 message of the stream is dropped, and [counted](crate::Subscription::dropped).
    DropOldest,
}

/// One stream's messages.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    capacity: usize,
    overflow: Overflow,
    pub(crate) manual_ack: bool,
    gate: Arc<Gate>,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Received>,
    /// How many of them are QoS 0: only these are bounded by the capacity.
    unacknowledged: usize,
    dropped: u64,
    shuts_gate: bool,
    end: Option<End>,
    waker: Option<Waker>,
}

/// Why a stream has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client was closed, or the filters were unsubscribed.
    Closed,
    /// The server refused a filter when it was subscribed to again.
    Refused(SubscribeError),
}

impl Inbox {
    pub(crate) fn new(
        capacity: usize,
        overflow: Overflow,
        manual_ack: bool,
        gate: Arc<Gate>,
    ) -> Self {
        Inbox {
            state: Mutex::default(),
            capacity: capacity.max(1),
            overflow,
            manual_ack,
            gate,
        }
    }

    /// Adds a message. An ended stream lets go of it, which acknowledges it.
    pub(crate) fn push(&self, message: Received) {
        let mut state = self.lock();
        if state.end.is_some() {
            drop(state);
            return drop(message);
        }
        let mut overflowing = None;
        if message.qos() == QoS::AtMostOnce {
            if state.unacknowledged >= self.capacity && self.overflow == Overflow::DropOldest {
                overflowing = state.drop_oldest();
            }
            state.unacknowledged += 1;
        }
        state.messages.push_back(message);
        self.mind_the_gate(&mut state);
        let waker = state.waker.take();
        drop(state);
        drop(overflowing);
        waker.into_iter().for_each(Waker::wake);
    }

    /// The next message; `None` when the stream has ended and is drained.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        let mut state = self.lock();
        if let Some(message) = self.pop(&mut state) {
            return Poll::Ready(Some(message));
        }
        if state.end.is_some() {
            return Poll::Ready(None);
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The next message if there is one.
    pub(crate) fn try_next(&self) -> Option<Received> {
        self.pop(&mut self.lock())
    }

    fn pop(&self, state: &mut State) -> Option<Received> {
        let message = state.messages.pop_front()?;
        if message.qos() == QoS::AtMostOnce {
            state.unacknowledged -= 1;
            self.mind_the_gate(state);
        }
        Some(message)
    }

    /// Lets no more messages in; those that are there can still be taken.
    pub(crate) fn end(&self, end: End) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        let waker = state.waker.take();
        self.mind_the_gate(&mut state);
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// Ends the stream and takes what nobody will read any more.
    pub(crate) fn abandon(&self) -> VecDeque<Received> {
        self.end(End::Closed);
        let mut state = self.lock();
        state.unacknowledged = 0;
        self.mind_the_gate(&mut state);
        std::mem::take(&mut state.messages)
    }

    /// Why the stream has ended, if it has.
    pub(crate) fn ended(&self) -> Option<End> {
        self.lock().end.clone()
    }

    /// How many messages gave way to newer ones.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn mind_the_gate(&self, state: &mut State) {
        let full = self.overflow == Overflow::Backpressure
            && state.unacknowledged >= self.capacity
            && state.end.is_none();
        if full != state.shuts_gate {
            state.shuts_gate = full;
            if full {
                self.gate.shut()
            } else {
                self.gate.open()
            }
        }
    }

    /// A panic in between leaves the counts as they were before or after one message.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn drop_oldest(&mut self) -> Option<Received> {
        let oldest = self
            .messages
            .iter()
            .position(|message| message.qos() == QoS::AtMostOnce)?;
        self.unacknowledged -= 1;
        self.dropped += 1;
        self.messages.remove(oldest)
    }
}

/// Whether the driver may read: not while a stream with back-pressure is full.
#[derive(Debug)]
pub(crate) struct Gate {
    full_streams: AtomicUsize,
    queue: Arc<Queue>,
}

impl Gate {
    pub(crate) fn new(queue: Arc<Queue>) -> Self {
        Gate {
            full_streams: AtomicUsize::new(0),
            queue,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.full_streams.load(Ordering::Acquire) == 0
    }

    fn shut(&self) {
        self.full_streams.fetch_add(1, Ordering::AcqRel);
    }

    fn open(&self) {
        if self.full_streams.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.queue.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use mqtide_session::Message;
    use mqtide_topic::TopicName;

    use super::*;
    use crate::queue::QueuePolicy;

    fn inbox(capacity: usize, overflow: Overflow) -> Inbox {
        let queue = Arc::new(Queue::new(QueuePolicy::Wait, 1, 1));
        Inbox::new(capacity, overflow, false, Arc::new(Gate::new(queue)))
    }

    fn message(text: &'static str, qos: QoS) -> Received {
        Received::new(
            Message::new(TopicName::from_static("t"), text),
            qos,
            false,
            None,
        )
    }

    async fn next(inbox: &Inbox) -> Option<String> {
        let message = poll_fn(|cx| inbox.poll_next(cx)).await?;
        Some(String::from_utf8(message.payload().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_full_stream_shuts_the_gate_until_it_is_read() {
        let inbox = inbox(2, Overflow::Backpressure);
        inbox.push(message("1", QoS::AtMostOnce));
        assert!(inbox.gate.is_open());
        inbox.push(message("2", QoS::AtMostOnce));
        assert!(!inbox.gate.is_open());
        assert_eq!(next(&inbox).await.as_deref(), Some("1"));
        assert!(inbox.gate.is_open());
    }

    #[tokio::test]
    async fn acknowledged_messages_are_bounded_by_the_window_alone() {
        let inbox = inbox(1, Overflow::DropOldest);
        for text in ["1", "2"] {
            inbox.push(message(text, QoS::AtLeastOnce));
            inbox.push(message("zero", QoS::AtMostOnce));
        }
        assert_eq!(inbox.dropped(), 1);
        inbox.end(End::Closed);
        let mut rest = Vec::new();
        while let Some(text) = next(&inbox).await {
            rest.push(text);
        }
        assert_eq!(rest, ["1", "2", "zero"]);
    }

    #[tokio::test]
    async fn a_stream_that_ends_while_full_opens_the_gate() {
        let inbox = inbox(1, Overflow::Backpressure);
        inbox.push(message("1", QoS::AtMostOnce));
        inbox.end(End::Closed);
        assert!(inbox.gate.is_open());
        inbox.push(message("2", QoS::AtMostOnce));
        assert_eq!(next(&inbox).await.as_deref(), Some("1"));
        assert_eq!(next(&inbox).await, None);
    }
}
