//! One connection, from accept to close.

mod deferred;
mod encode;
mod handshake;
mod input;
mod link;
mod online;
mod output;
mod process;
mod scratch;
mod subscriptions;
mod transport;

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pub(crate) use encode::put_packet;
pub(crate) use input::is_reserved;
pub(crate) use link::{Doorbell, Link, Written};
pub(crate) use output::Output;
pub(crate) use scratch::{Event, Scratch};
pub(crate) use subscriptions::{answer_subscribe, answer_unsubscribe};
pub(crate) use transport::{Stream, Transport};

use online::Online;

use crate::admission::Admission;
use crate::core::Core;
use crate::listener::Peer;
use crate::worker::{OnClock, Worker};

/// The task of a connection, from accept to close.
///
/// What only the beginning and the end need lies apart, and is gone in between: an idle connection is a small
/// task.
#[must_use = "a connection is served by spawning it"]
pub(crate) enum Connection {
    /// There is no session yet.
    Connecting(OnClock<Option<Online>>),
    /// A session is served.
    Online(Online),
    /// The session has gone on without the connection.
    Closing(OnClock<()>),
    /// Nothing is left.
    Closed,
}

impl Connection {
    /// A connection that has just been accepted.
    pub(crate) fn new(
        core: Arc<Core>,
        worker: Arc<Worker>,
        transport: Transport,
        peer: Peer,
        admission: Admission,
    ) -> Self {
        let clock = worker.clock().clone();
        let handshake = handshake::run(core, worker, transport, peer, admission);
        Connection::Connecting(OnClock::new(&clock, handshake))
    }
}

impl Future for Connection {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            *self = match &mut *self {
                Connection::Connecting(handshake) => match ready!(Pin::new(handshake).poll(cx)) {
                    Some(online) => Connection::Online(online),
                    None => Connection::Closed,
                },
                Connection::Online(online) => {
                    ready!(online.poll(cx));
                    match mem::replace(&mut *self, Connection::Closed) {
                        Connection::Online(online) => {
                            let clock = online.worker.clock().clone();
                            Connection::Closing(OnClock::new(&clock, online.close()))
                        }
                        other => other,
                    }
                }
                Connection::Closing(closing) => {
                    ready!(Pin::new(closing).poll(cx));
                    Connection::Closed
                }
                Connection::Closed => return Poll::Ready(()),
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_a_small_task() {
        assert!(size_of::<Connection>() <= 240);
        assert!(size_of::<crate::slot::Slot>() <= 72);
    }
}
