//! A connection with a session: read, drive the session, route, sleep.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use super::deferred::{self, Deferred};
use super::input::Input;
use super::link::{Doorbell, Written};
use super::process::{self, Next};
use super::scratch::Scratch;
use super::subscriptions::replay;
use super::transport::Reader;
use crate::admission::Admission;
use crate::core::Core;
use crate::hooks::{AuthenticationExchange, ClientInfo};
use crate::slot::Slot;
use crate::stats::Count;
use crate::worker::Worker;

/// The task of a connection that has a session.
///
/// It reads, and writes only what sockets did not take from those who wrote directly: see
/// [`Link`](super::Link). As a future it is small, for there are many that do nothing.
pub(crate) struct Online {
    pub(super) core: Arc<Core>,
    pub(super) worker: Arc<Worker>,
    pub(super) slot: Arc<Slot>,
    pub(super) epoch: u32,
    pub(super) reader: Reader,
    pub(super) input: Input,
    pub(super) bell: Arc<Doorbell>,
    /// Something waits until the transport can take it.
    pub(super) is_blocked: bool,
    /// Nothing that the client sends is listened to any more.
    pub(super) is_deaf: bool,
    /// Nothing that the client sends is read until something has been stored.
    pub(super) is_waiting: bool,
    /// What hooks need; absent if none may ask.
    pub(super) hooked: Option<Box<Hooked>>,
    /// Held for as long as the connection exists.
    pub(super) _admission: Admission,
}

/// What a connection has if hooks may ask about it.
pub(super) struct Hooked {
    /// Who the client is.
    pub(super) info: Arc<ClientInfo>,
    /// An answer that is awaited; the client waits with it.
    pub(super) deferred: Option<Deferred>,
    /// A re-authentication under way.
    pub(super) exchange: Option<Box<dyn AuthenticationExchange>>,
}

/// How a turn ends.
enum Turn {
    /// There may be more to read.
    Again,
    /// Nothing to do until something happens.
    Sleep,
    /// The connection is over.
    Leave,
}

impl Online {
    /// Serves the client; ready when the connection is over and the session has been told.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut reads = TURNS;
        loop {
            match self.turn(cx, &mut reads) {
                Turn::Again if reads > 0 => {}
                Turn::Again => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Turn::Sleep => return Poll::Pending,
                Turn::Leave => {
                    self.core.leave(&self.slot, self.epoch, &self.worker);
                    return Poll::Ready(());
                }
            }
        }
    }

    /// Takes in what the client has sent behind its CONNECT.
    pub(super) fn begin_with(&mut self, bytes: BytesMut) {
        if bytes.is_empty() {
            return;
        }
        self.input.rest = bytes;
        let worker = Arc::clone(&self.worker);
        let next = worker.with_scratch(|scratch| {
            let taken = self.take_in(scratch, None);
            self.act(taken, scratch)
        });
        if matches!(self.follow(next), Turn::Leave) {
            self.bell.ring(Doorbell::LEAVE);
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>, reads: &mut usize) -> Turn {
        let reasons = self.bell.answer();
        if reasons & Doorbell::LEAVE != 0 {
            return Turn::Leave;
        }
        if reasons & Doorbell::REPLAY != 0 {
            self.replay();
        }
        if reasons & Doorbell::STORED != 0 {
            self.look_again();
        }
        self.is_blocked |= reasons & Doorbell::MAKE_ROOM != 0;
        if self.is_blocked {
            match self.make_room(cx) {
                Poll::Ready(Ok(())) => self.is_blocked = false,
                // Whoever does not read cannot keep a connection open that is to end.
                Poll::Pending if self.is_deaf => return Turn::Leave,
                Poll::Pending => {}
                Poll::Ready(Err(_)) => return Turn::Leave,
            }
        }
        if let Some(hooked) = &mut self.hooked
            && let Some(deferred) = &mut hooked.deferred
        {
            let Poll::Ready(answer) = Pin::new(deferred).poll(cx) else {
                return Turn::Sleep;
            };
            hooked.deferred = None;
            hooked.exchange = answer.exchange.or(hooked.exchange.take());
            return self.follow(answer.next);
        }
        if self.is_deaf || self.is_waiting {
            return Turn::Sleep;
        }
        let worker = Arc::clone(&self.worker);
        worker.with_scratch(|scratch| {
            while *reads > 0 {
                *reads -= 1;
                match self.poll_input(cx, scratch) {
                    Poll::Pending => return Turn::Sleep,
                    Poll::Ready(Ok(Next::Read)) => {}
                    Poll::Ready(Ok(next)) => return self.follow(next),
                    Poll::Ready(Err(_)) => return Turn::Leave,
                }
            }
            Turn::Again
        })
    }

    fn follow(&mut self, next: Next) -> Turn {
        match next {
            Next::Read => Turn::Again,
            Next::Await => {
                self.is_waiting = true;
                self.look_again();
                Turn::Again
            }
            Next::Deaf => {
                self.is_deaf = true;
                Turn::Again
            }
            Next::Leave => Turn::Leave,
            Next::Defer(deferred) => {
                if let Some(hooked) = &mut self.hooked {
                    hooked.deferred = Some(deferred);
                }
                Turn::Again
            }
            Next::Authenticate(auth) => {
                if let Some(hooked) = &mut self.hooked {
                    let exchange = hooked.exchange.take();
                    let (core, worker, slot) = (&self.core, &self.worker, &self.slot);
                    let info = &hooked.info;
                    let deferred =
                        deferred::reauthenticate(core, worker, slot, info, *auth, exchange);
                    hooked.deferred = Some(deferred);
                }
                Turn::Again
            }
        }
    }

    /// Reads once, and does what the packets ask for.
    fn poll_input(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut Scratch,
    ) -> Poll<io::Result<Next>> {
        let taken = if self.input.expected() > LARGE {
            let read = ready!(self.poll_read_large(cx))?;
            scratch.tally.add(Count::BytesReceived, read);
            self.take_in(scratch, None)
        } else {
            let kept = self.input.rest.len();
            scratch.input[..kept].copy_from_slice(&self.input.rest);
            let mut buf = ReadBuf::new(&mut scratch.input[kept..]);
            ready!(Pin::new(&mut self.reader).poll_read(cx, &mut buf))?;
            let read = buf.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(Next::Leave));
            }
            scratch.tally.add(Count::BytesReceived, read);
            self.take_in(scratch, Some(kept + read))
        };
        Poll::Ready(Ok(self.act(taken, scratch)))
    }

    /// Does what the packets of a turn ask for.
    fn act(&self, taken: Taken, scratch: &mut Scratch) -> Next {
        match taken {
            Taken::Packets => self.process(scratch),
            Taken::Fault => {
                // What came before the fault is done in full; then the connection closes.
                match self.process(scratch) {
                    Next::Read | Next::Await => Next::Deaf,
                    next => next,
                }
            }
            Taken::NotOurs => Next::Leave,
        }
    }

    /// Finds out whether the client must still wait for the store.
    fn look_again(&mut self) {
        self.is_waiting &= self.core.journal.as_ref().is_some_and(|journal| {
            process::must_wait(&self.core, journal, &self.slot.lock())
                && journal.await_progress(&self.bell)
        });
    }

    fn info(&self) -> Option<&Arc<ClientInfo>> {
        self.hooked.as_ref().map(|hooked| &hooked.info)
    }

    fn process(&self, scratch: &mut Scratch) -> Next {
        process::process(&self.core, &self.worker, &self.slot, self.info(), scratch)
    }

    /// Reads on in a packet that is too long for the shared buffer, and not beyond its end.
    fn poll_read_large(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let missing = self.input.framer.needed();
        let rest = &mut self.input.rest;
        if rest.capacity() == rest.len() {
            rest.reserve(missing.min(STEP));
        }
        let mut limited = (&mut *rest).limit(missing);
        let read = ready!(pin!(self.reader.read_buf(&mut limited)).poll(cx))?;
        match read {
            0 => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            read => Poll::Ready(Ok(read)),
        }
    }

    /// Gives what has been read to the session: the first bytes of the shared buffer, or the gathered packet.
    fn take_in(&mut self, scratch: &mut Scratch, filled: Option<usize>) -> Taken {
        let now = self.core.now();
        scratch.read_at = Some(now);
        let mut state = self.slot.lock();
        if state.epoch != self.epoch {
            return Taken::NotOurs;
        }
        let state = &mut *state;
        let Some(session) = &mut state.session else {
            return Taken::NotOurs;
        };
        let limits = &self.core.topic_limits;
        let (input, mut intake) = scratch.intake(now, limits, session, &mut state.extras);
        let result = match filled {
            Some(filled) => self
                .input
                .take_in(&input[..filled], &mut intake)
                .map(|rest| {
                    self.input.rest = match rest {
                        [] => BytesMut::new(),
                        rest => BytesMut::from(rest),
                    };
                }),
            None => self.input.take_in_rest(&mut intake),
        };
        let taken = match result {
            Ok(()) => Taken::Packets,
            Err(fault) => {
                tracing::debug!(client = %self.slot.client_id(), %fault, "closing the connection");
                fault.answer(session);
                self.input.rest = BytesMut::new();
                Taken::Fault
            }
        };
        if let Some(journal) = &self.core.journal {
            state.record_intake(&self.slot, journal, &mut scratch.events);
        }
        taken
    }

    /// Moves on what a session could not write, then lets the session go on.
    fn make_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let moved = ready!(self.reader.poll_write_ready(cx))?;
            let now = self.core.now();
            let mut state = self.slot.lock();
            if state.epoch != self.epoch {
                return Poll::Ready(Ok(()));
            }
            let Some(link) = &mut state.link else {
                return Poll::Ready(Ok(()));
            };
            if moved > 0 {
                link.progressed(now);
            }
            if link.write_rest(now)? == Written::All {
                let mut dirty = Vec::new();
                state.list(&self.slot, &mut dirty);
                drop(state);
                self.worker.flush_later(&mut dirty);
                return Poll::Ready(Ok(()));
            }
        }
    }

    fn replay(&mut self) {
        let worker = Arc::clone(&self.worker);
        worker.with_scratch(|scratch| {
            let outlets = &mut scratch.outlets(self.core.journal.as_ref());
            replay(&self.core, &self.slot, outlets);
        });
    }

    /// Closes the connection, such that the last packet has a chance to be read: a socket that is closed while
    /// something unread lies in it is reset, and the client may lose what it has not read yet.
    pub(super) async fn close(mut self) {
        let farewell = async {
            self.reader.shut_down().await?;
            let mut sink = [0; 512];
            let mut left = LINGER_BYTES;
            while left > 0 {
                match self.reader.read(&mut sink).await? {
                    0 => break,
                    read => left = left.saturating_sub(read),
                }
            }
            io::Result::Ok(())
        };
        // Either way the connection is dropped now.
        let _ = tokio::time::timeout(LINGER, farewell).await;
    }
}

/// What came of the bytes of a turn.
enum Taken {
    Packets,
    Fault,
    /// Another connection has the session now.
    NotOurs,
}

/// Reads in a row before other connections get a turn.
const TURNS: usize = 4;

/// A packet longer than this is gathered in a buffer of its own; shorter ones fit into the shared one together
/// with what follows.
const LARGE: usize = 32 * 1024;

/// How much a buffer grows at a time: by what has arrived, never by what was announced.
const STEP: usize = 64 * 1024;

/// How long, and for how much, a connection that has been closed is still read.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;
