//! From a listening socket to connections on workers.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::{ListenAddress, ListenProtocol};
use crate::admission::Admission;
use crate::connection::{Connection, Stream, Transport};
use crate::core::Core;
use crate::worker::Worker;

/// A listening socket with what is known about it.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: TcpListener,
    pub(crate) address: ListenAddress,
}

/// The other end of a connection, and the listener that it came through.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Whether the listener is bound to a loopback address; without a listener, whether the address is one.
    pub(crate) loopback: bool,
    pub(crate) protocol: ListenProtocol,
    #[cfg_attr(
        not(feature = "ws"),
        expect(dead_code, reason = "only WebSocket has a use for it")
    )]
    pub(crate) path: Arc<str>,
}

impl Listener {
    /// Accepts until the task is dropped. Connections go to the workers in turn.
    pub(crate) async fn serve(self, core: Arc<Core>) {
        let loopback = self
            .socket
            .local_addr()
            .is_ok_and(|address| address.ip().is_loopback());
        let listener = match tokio::net::TcpListener::from_std(self.socket) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(listener = %self.address, %error, "cannot listen");
                return;
            }
        };
        let path: Arc<str> = self.address.path().into();
        loop {
            let (stream, address) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_about_one_connection(&error) => continue,
                Err(error) => {
                    tracing::warn!(listener = %self.address, %error, "cannot accept connections");
                    let pause = async { tokio::time::sleep(RETRY).await };
                    // It fails when the clock has stopped, and so has the broker.
                    let _ = core.workers[0].clock().spawn(pause).await;
                    continue;
                }
            };
            let Some(admission) = core.admit() else {
                continue;
            };
            let peer = Peer {
                address,
                loopback,
                protocol: self.address.protocol(),
                path: Arc::clone(&path),
            };
            let worker = core.next_worker();
            if let Err(error) = hand_over(&core, worker, stream, peer, admission) {
                tracing::debug!(%error, "a connection could not be handed over");
            }
        }
    }
}

/// Serves a client over a stream that no listener has accepted.
pub(crate) fn serve(
    core: &Arc<Core>,
    stream: impl AsyncRead + AsyncWrite + Send + 'static,
    address: SocketAddr,
) {
    let Some(admission) = core.admit() else {
        return;
    };
    let peer = Peer {
        address,
        loopback: address.ip().is_loopback(),
        protocol: ListenProtocol::Tcp,
        path: Arc::default(),
    };
    let worker = core.next_worker();
    let transport = Transport::Stream(Stream::new(stream));
    let connection = Connection::new(
        Arc::clone(core),
        Arc::clone(worker),
        transport,
        peer,
        admission,
    );
    worker.runtime().spawn(connection);
}

/// Starts the connection on its worker. The socket moves to that worker's event loop if it is another one.
fn hand_over(
    core: &Arc<Core>,
    worker: &Arc<Worker>,
    stream: TcpStream,
    peer: Peer,
    admission: Admission,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (core, runtime, worker) = (
        Arc::clone(core),
        worker.runtime().clone(),
        Arc::clone(worker),
    );
    if runtime.id() == Handle::current().id() {
        let transport = Transport::Tcp(stream);
        runtime.spawn(Connection::new(core, worker, transport, peer, admission));
        return Ok(());
    }
    let stream = stream.into_std()?;
    runtime.clone().spawn(async move {
        let Ok(stream) = TcpStream::from_std(stream) else {
            return;
        };
        let transport = Transport::Tcp(stream);
        runtime.spawn(Connection::new(core, worker, transport, peer, admission));
    });
    Ok(())
}

/// Errors of one connection that ended before it was accepted.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// When the process has no descriptors left, only time helps.
const RETRY: Duration = Duration::from_millis(100);
