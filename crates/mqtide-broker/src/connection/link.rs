//! The way from a session to its socket, as others than the connection's own task see it.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::Waker;

use mqtide_codec::Version;
use mqtide_session::Instant;
use parking_lot::Mutex;
use tokio::net::tcp::OwnedWriteHalf;

use super::output::{Output, Rest, TURN_BYTES};

/// The write half of an online session.
///
/// Whoever has the session's lock may write: a socket's write half works from any thread, so a message costs no
/// wake-up of the receiver's task. The task comes in only when the socket does not take everything.
#[derive(Debug)]
pub(crate) struct Link {
    writer: Writer,
    bell: Arc<Doorbell>,
    is_blocked: bool,
    /// Means something only while it is blocked.
    stalled_since: Instant,
    pub(crate) version: Version,
}

#[derive(Debug)]
pub(crate) enum Writer {
    /// A socket, and what it did not take.
    Socket(OwnedWriteHalf, Option<Box<Rest>>),
    /// A queue that the connection's own task empties into a transport with a state of its own.
    Queue(Arc<Mutex<Rest>>),
}

/// What came of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// There is room for more.
    All,
    /// There is no room; the connection's task has been told to make some.
    Blocked,
}

impl Link {
    pub(crate) fn new(writer: Writer, bell: Arc<Doorbell>, version: Version) -> Self {
        Link {
            writer,
            bell,
            is_blocked: false,
            stalled_since: Instant::ZERO,
            version,
        }
    }

    pub(crate) fn bell(&self) -> &Arc<Doorbell> {
        &self.bell
    }

    /// Whether what was given earlier has not left yet.
    pub(crate) fn is_blocked(&self) -> bool {
        self.is_blocked
    }

    /// Since when the peer has taken nothing, although something waits for it.
    pub(crate) fn stalled_since(&self) -> Option<Instant> {
        self.is_blocked.then_some(self.stalled_since)
    }

    fn block(&mut self, now: Instant) {
        (self.is_blocked, self.stalled_since) = (true, now);
    }

    /// Gives the output to the transport. Must not be called while blocked, which would break the order.
    pub(crate) fn write(&mut self, output: &Output, now: Instant) -> io::Result<Written> {
        match &mut self.writer {
            Writer::Socket(socket, rest) => {
                let written = output.write_to(&mut |slices| try_write(socket, slices))?;
                if written < output.len() {
                    *rest = Some(Box::new(output.rest_after(written)));
                    self.block(now);
                    self.bell.ring(Doorbell::MAKE_ROOM);
                    return Ok(Written::Blocked);
                }
                Ok(Written::All)
            }
            Writer::Queue(queue) => {
                let mut queue = queue.lock();
                queue.append(output.rest_after(0));
                let is_full = queue.len() >= TURN_BYTES;
                drop(queue);
                if is_full {
                    self.block(now);
                }
                self.bell.ring(Doorbell::MAKE_ROOM);
                Ok(if is_full {
                    Written::Blocked
                } else {
                    Written::All
                })
            }
        }
    }

    /// Tries again to give away what was left. Called by the connection's own task.
    pub(crate) fn write_rest(&mut self, now: Instant) -> io::Result<Written> {
        let is_done = match &mut self.writer {
            Writer::Socket(_, None) => true,
            Writer::Socket(socket, Some(rest)) => {
                if rest.write_to(&mut |slices| try_write(socket, slices))? > 0 {
                    self.stalled_since = now;
                }
                rest.is_empty()
            }
            Writer::Queue(queue) => queue.lock().len() < TURN_BYTES,
        };
        if !is_done {
            return Ok(Written::Blocked);
        }
        if let Writer::Socket(_, rest) = &mut self.writer {
            *rest = None;
        }
        self.is_blocked = false;
        Ok(Written::All)
    }

    /// The transport is broken: nothing more is written, and the connection ends.
    pub(crate) fn fail(&mut self, now: Instant) {
        self.block(now);
        self.bell.ring(Doorbell::LEAVE);
    }

    /// The transport behind the queue has taken something.
    pub(crate) fn progressed(&mut self, now: Instant) {
        self.stalled_since = now;
    }
}

/// One slice is the common case, and cheaper for the kernel as such.
fn try_write(socket: &OwnedWriteHalf, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    match slices {
        [slice] => socket.try_write(slice),
        slices => socket.try_write_vectored(slices),
    }
}

/// How others get the attention of a connection's task.
#[derive(Debug)]
pub(crate) struct Doorbell {
    reasons: AtomicU8,
    task: Waker,
}

impl Doorbell {
    /// Something could not be written, or a queue has something in it.
    pub(crate) const MAKE_ROOM: u8 = 1;
    /// The connection is to end: write what is left, and go.
    pub(crate) const LEAVE: u8 = 2;
    /// Retained messages can be continued.
    pub(crate) const REPLAY: u8 = 4;
    /// Something has been stored.
    pub(crate) const STORED: u8 = 8;

    pub(crate) fn new(task: Waker) -> Self {
        Doorbell {
            reasons: AtomicU8::new(0),
            task,
        }
    }

    /// Wakes the task, unless it has been woken for the same reason already.
    pub(crate) fn ring(&self, reason: u8) {
        if self.reasons.fetch_or(reason, Ordering::AcqRel) & reason == 0 {
            self.task.wake_by_ref();
        }
    }

    /// Why it was rung since it was last answered.
    pub(crate) fn answer(&self) -> u8 {
        match self.reasons.load(Ordering::Acquire) {
            0 => 0,
            _ => self.reasons.swap(0, Ordering::AcqRel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_six_words() {
        assert!(size_of::<Link>() <= 48, "{}", size_of::<Link>());
    }
}
