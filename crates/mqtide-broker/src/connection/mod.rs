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
mod transport;

use std::pin::Pin;
use std::sync::Arc;

use tokio::net::TcpStream;

pub(crate) use encode::put_packet;
pub(crate) use link::{Doorbell, Link, Written};
pub(crate) use online::Online;
pub(crate) use output::Output;
pub(crate) use scratch::{Event, Scratch};

use crate::admission::Admission;
use crate::core::Core;
use crate::listener::Peer;
use crate::worker::Worker;

/// A connection that is being accepted.
pub(crate) type Handshake = Pin<Box<dyn Future<Output = Option<Online>> + Send>>;

/// Begins to serve a connection.
pub(crate) fn accept(
    core: Arc<Core>,
    worker: Arc<Worker>,
    stream: TcpStream,
    peer: Peer,
    admission: Admission,
) -> Handshake {
    Box::pin(handshake::run(core, worker, stream, peer, admission))
}

/// Serves a connection until it ends.
///
/// What only the handshake needs is gone once it is over: an idle connection is a small task.
pub(crate) async fn serve(handshake: Handshake) {
    if let Some(mut online) = handshake.await {
        online.serve().await;
        Box::pin(online.close()).await;
    }
}
