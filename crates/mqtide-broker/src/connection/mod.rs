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

use std::sync::Arc;

use tokio::net::TcpStream;

pub(crate) use encode::put_packet;
pub(crate) use link::{Doorbell, Link, Written};
pub(crate) use output::Output;
pub(crate) use scratch::{Event, Scratch};

use crate::admission::Admission;
use crate::core::Core;
use crate::listener::Peer;
use crate::worker::Worker;

/// Serves a connection until it ends.
///
/// What only the handshake needs is gone once it is over: an idle connection is a small task.
pub(crate) async fn serve(
    core: Arc<Core>,
    worker: Arc<Worker>,
    stream: TcpStream,
    peer: Peer,
    admission: Admission,
) {
    let handshake = Box::pin(handshake::run(core, worker, stream, peer, admission));
    if let Some(mut online) = handshake.await {
        online.serve().await;
        Box::pin(online.close()).await;
    }
}
