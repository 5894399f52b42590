//! The one way from the handles to the driver: a bounded queue with a single wake-up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, TryAcquireError};

use crate::command::{Command, PublishCommand};
use crate::error::PublishError;
use crate::received::AckToken;

/// What a publish does when the queue is at its bound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueuePolicy {
    /// It waits until there is room.
    #[default]
    Wait,
    /// It fails with [`PublishError::QueueFull`].
    Reject,
    /// The oldest message that has not been sent yet gives way, and fails with [`PublishError::Dropped`]. If
    /// all are in flight already, the new one fails with [`PublishError::QueueFull`].
    DropOldest,
}

/// Shared by the handles and the driver of one client.
///
/// Everything in it is bounded: publishes and requests by permits that live until they are settled, releases by
/// the number of streams, acknowledgements by the Receive Maximum.
#[derive(Debug)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    wake: Notify,
    policy: QueuePolicy,
    messages: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    byte_limit: usize,
}

#[derive(Debug, Default)]
struct Inner {
    publishes: VecDeque<PublishCommand>,
    commands: VecDeque<Command>,
    acks: Vec<AckToken>,
    closed: bool,
}

impl Queue {
    pub(crate) fn new(policy: QueuePolicy, messages: usize, bytes: usize) -> Self {
        let byte_limit = bytes.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Queue {
            inner: Mutex::default(),
            wake: Notify::new(),
            policy,
            messages: Arc::new(Semaphore::new(messages.min(Semaphore::MAX_PERMITS))),
            bytes: Arc::new(Semaphore::new(byte_limit)),
            byte_limit,
        }
    }

    /// Room for a message of this size, by the policy.
    pub(crate) async fn room(&self, size: usize) -> Result<Room, PublishError> {
        match self.try_room(size) {
            Err(PublishError::QueueFull) if self.policy == QueuePolicy::Wait => {
                self.wait_for_room(size).await
            }
            done => done,
        }
    }

    /// Room for a message of this size now, with older messages giving way if that is the policy.
    pub(crate) fn try_room(&self, size: usize) -> Result<Room, PublishError> {
        loop {
            match self.free_room(size) {
                Err(PublishError::QueueFull) if self.policy == QueuePolicy::DropOldest => {
                    let oldest = self
                        .lock()
                        .publishes
                        .pop_front()
                        .ok_or(PublishError::QueueFull)?;
                    oldest.settle(Err(PublishError::Dropped));
                }
                done => return done,
            }
        }
    }

    /// Room for a request, which always waits. Fails only when the queue is closed.
    pub(crate) async fn room_for_request(&self) -> Result<Room, PublishError> {
        self.wait_for_room(0).await
    }

    fn free_room(&self, size: usize) -> Result<Room, PublishError> {
        let size = self.permits(size)?;
        let refused = |error| match error {
            TryAcquireError::Closed => PublishError::Closed,
            TryAcquireError::NoPermits => PublishError::QueueFull,
        };
        Ok(Room {
            _message: Arc::clone(&self.messages)
                .try_acquire_owned()
                .map_err(refused)?,
            _bytes: Arc::clone(&self.bytes)
                .try_acquire_many_owned(size)
                .map_err(refused)?,
        })
    }

    async fn wait_for_room(&self, size: usize) -> Result<Room, PublishError> {
        let size = self.permits(size)?;
        let message = Arc::clone(&self.messages).acquire_owned().await;
        let bytes = Arc::clone(&self.bytes).acquire_many_owned(size).await;
        match (message, bytes) {
            (Ok(message), Ok(bytes)) => Ok(Room {
                _message: message,
                _bytes: bytes,
            }),
            _ => Err(PublishError::Closed),
        }
    }

    fn permits(&self, size: usize) -> Result<u32, PublishError> {
        u32::try_from(size)
            .ok()
            .filter(|_| size <= self.byte_limit)
            .ok_or(PublishError::TooLarge)
    }

    /// Hands a publish to the driver.
    pub(crate) fn push_publish(&self, publish: PublishCommand) {
        let mut inner = self.lock();
        if inner.closed {
            drop(inner);
            return publish.settle(Err(PublishError::Closed));
        }
        inner.publishes.push_back(publish);
        self.unlock_and_wake(inner);
    }

    /// Hands a request to the driver. A closed queue drops it, which its caller sees as the end of its answer.
    pub(crate) fn push(&self, command: Command) {
        let mut inner = self.lock();
        if !inner.closed {
            inner.commands.push_back(command);
            self.unlock_and_wake(inner);
        }
    }

    /// Tells the driver that the application is done with a message.
    pub(crate) fn push_ack(&self, token: AckToken) {
        let mut inner = self.lock();
        if !inner.closed {
            inner.acks.push(token);
            self.unlock_and_wake(inner);
        }
    }

    /// Wakes the driver without anything new: a full stream has room again.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Resolves when something has been pushed since the last time. Cancel safe.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// The next request.
    pub(crate) fn pop(&self) -> Option<Command> {
        self.lock().commands.pop_front()
    }

    /// The oldest publish, to be taken only when it can be sent: until then it may give way to newer ones.
    pub(crate) fn pop_publish(&self) -> Option<PublishCommand> {
        self.lock().publishes.pop_front()
    }

    /// Moves the acknowledgements into `acks`.
    pub(crate) fn take_acks(&self, acks: &mut Vec<AckToken>) {
        acks.append(&mut self.lock().acks);
    }

    /// How many publishes have not been taken yet.
    pub(crate) fn waiting_publishes(&self) -> usize {
        self.lock().publishes.len()
    }

    /// Refuses new publishes and requests from now on; what has been accepted stays.
    pub(crate) fn seal(&self) {
        self.messages.close();
        self.bytes.close();
    }

    /// Refuses everything from now on, and settles what waits.
    pub(crate) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let abandoned = std::mem::take(&mut *inner);
        inner.closed = true;
        drop(inner);
        self.seal();
        for publish in abandoned.publishes {
            publish.settle(Err(PublishError::Closed));
        }
    }

    fn unlock_and_wake(&self, inner: MutexGuard<'_, Inner>) {
        drop(inner);
        self.wake.notify_one();
    }

    /// A panic in between leaves the queues whole: each change is a single push or pop.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue, given back when dropped.
#[derive(Debug)]
pub(crate) struct Room {
    _message: OwnedSemaphorePermit,
    _bytes: OwnedSemaphorePermit,
}

#[cfg(test)]
mod tests {
    use mqtide_codec::QoS;
    use mqtide_session::Message;
    use mqtide_topic::TopicName;
    use tokio::sync::oneshot;

    use super::*;
    use crate::publish::Outcome;

    type Answer = oneshot::Receiver<Result<Outcome, PublishError>>;

    fn publish(room: Room) -> (PublishCommand, Answer) {
        let (reply, answer) = oneshot::channel();
        let message = Message::new(TopicName::from_static("t"), "p");
        let command = PublishCommand {
            message,
            qos: QoS::AtMostOnce,
            retain: false,
            expiry: None,
            room,
            reply,
        };
        (command, answer)
    }

    #[test]
    fn messages_and_bytes_are_bounded() {
        let queue = Queue::new(QueuePolicy::Reject, 2, 10);
        let first = queue.try_room(6).unwrap();
        assert_eq!(queue.try_room(5).unwrap_err(), PublishError::QueueFull);
        let second = queue.try_room(4).unwrap();
        assert_eq!(queue.try_room(0).unwrap_err(), PublishError::QueueFull);
        drop((first, second));
        assert_eq!(queue.try_room(11).unwrap_err(), PublishError::TooLarge);
        assert!(queue.try_room(10).is_ok());
    }

    #[test]
    fn the_oldest_gives_way_when_asked() {
        let queue = Queue::new(QueuePolicy::DropOldest, 1, 100);
        let (first, mut first_answer) = publish(queue.try_room(2).unwrap());
        queue.push_publish(first);
        let (second, mut second_answer) = publish(queue.try_room(2).unwrap());
        assert_eq!(first_answer.try_recv().unwrap(), Err(PublishError::Dropped));
        queue.push_publish(second);
        let in_flight = queue.pop_publish().unwrap();
        assert_eq!(queue.try_room(2).unwrap_err(), PublishError::QueueFull);
        in_flight.settle(Ok(Outcome::Sent));
        assert_eq!(second_answer.try_recv().unwrap(), Ok(Outcome::Sent));
        assert!(queue.try_room(2).is_ok());
    }

    #[tokio::test]
    async fn waiting_ends_when_room_is_given_back() {
        let queue = Queue::new(QueuePolicy::Wait, 1, 10);
        let room = queue.room(1).await.unwrap();
        let mut waiting = std::pin::pin!(queue.room(1));
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("there was no room"),
            () = tokio::task::yield_now() => {}
        }
        drop(room);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn closing_settles_what_waits() {
        let queue = Queue::new(QueuePolicy::Wait, 1, 10);
        let (command, answer) = publish(queue.room(1).await.unwrap());
        queue.push_publish(command);
        queue.close();
        assert_eq!(answer.await.unwrap(), Err(PublishError::Closed));
        assert_eq!(queue.room(1).await.unwrap_err(), PublishError::Closed);
        assert_eq!(
            queue.room_for_request().await.unwrap_err(),
            PublishError::Closed
        );
    }
}
