//! A server made of a script: it says and expects bytes, written in the notation of the testkit.

#![allow(dead_code, reason = "each test file uses its part")]

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use mqtide_client::{Backoff, Client, Connector, Options, Target, Transport, Version};
use mqtide_testkit::notation::{Pattern, bytes, hex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{Mutex, mpsc};

/// Where the connections of a client arrive.
pub(crate) struct Server {
    arriving: Mutex<mpsc::UnboundedReceiver<DuplexStream>>,
}

/// Gives the client one end of a pipe, and the server the other.
struct Pipes {
    arriving: mpsc::UnboundedSender<DuplexStream>,
    capacity: usize,
}

#[async_trait]
impl Connector for Pipes {
    async fn connect(&self, _: &Target) -> io::Result<Box<dyn Transport>> {
        let (near, far) = duplex(self.capacity);
        match self.arriving.send(far) {
            Ok(()) => Ok(Box::new(near)),
            Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}

/// A server, and options that lead to it: MQTT 5.0, client identifier `c`, quick to reconnect.
pub(crate) fn server() -> (Server, Options) {
    server_with_capacity(64 * 1024)
}

/// The same with pipes that hold fewer bytes.
pub(crate) fn server_with_capacity(capacity: usize) -> (Server, Options) {
    let (sender, arriving) = mpsc::unbounded_channel();
    let options = Options::new("scripted")
        .client_identifier("c")
        .reconnect(
            Backoff::default()
                .min(Duration::from_millis(10))
                .max(Duration::from_millis(10)),
        )
        .connector(Pipes {
            arriving: sender,
            capacity,
        });
    (
        Server {
            arriving: Mutex::new(arriving),
        },
        options,
    )
}

impl Server {
    /// The next connection.
    pub(crate) async fn accept(&self) -> Peer {
        let stream = within(async { self.arriving.lock().await.recv().await }).await;
        Peer {
            stream: stream.expect("the client has gone"),
            received: Vec::new(),
        }
    }

    /// The next connection, with CONNECT taken and answered.
    pub(crate) async fn accept_with(&self, connack: &str) -> Peer {
        let mut peer = self.accept().await;
        peer.expect("10 { ** }").await;
        peer.say(connack).await;
        peer
    }
}

/// CONNACK without a session, and with one.
pub(crate) const NEW_SESSION: &str = "20 03 00 00 00";
pub(crate) const SAME_SESSION: &str = "20 03 01 00 00";

/// Connects a client while the server answers with CONNACK.
pub(crate) async fn connected(server: &Server, options: Options) -> (Client, Peer) {
    let connack = match format!("{options:?}").contains("V5") {
        true => NEW_SESSION,
        false => "20 02 00 00",
    };
    let (client, peer) = tokio::join!(Client::connect(options), server.accept_with(connack));
    (client.expect("the server accepts"), peer)
}

/// The server's end of a connection.
pub(crate) struct Peer {
    stream: DuplexStream,
    received: Vec<u8>,
}

impl Peer {
    /// Sends bytes.
    pub(crate) async fn say(&mut self, notation: &str) {
        let bytes = bytes(notation).unwrap_or_else(|error| panic!("{error}"));
        within(self.stream.write_all(&bytes))
            .await
            .expect("the client reads");
    }

    /// Takes the next packet, which must match.
    pub(crate) async fn expect(&mut self, notation: &str) -> Vec<u8> {
        let pattern = Pattern::parse(notation).unwrap_or_else(|error| panic!("{error}"));
        let packet = self
            .packet()
            .await
            .unwrap_or_else(|| panic!("expected {notation}, but the connection ended"));
        assert!(
            pattern.matches(&packet),
            "expected {notation}, heard {}",
            hex(&packet)
        );
        packet
    }

    /// The client ends the connection without another packet.
    pub(crate) async fn expect_end(&mut self) {
        if let Some(packet) = self.packet().await {
            panic!("expected the end, heard {}", hex(&packet));
        }
    }

    /// The client says nothing for a while.
    pub(crate) async fn expect_silence(&mut self) {
        let heard = tokio::time::timeout(Duration::from_millis(100), self.packet()).await;
        assert!(heard.is_err(), "expected silence, heard {heard:?}");
    }

    /// Ends the connection.
    pub(crate) fn hang_up(self) {}

    pub(crate) async fn packet(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(length) = packet_length(&self.received) {
                return Some(self.received.drain(..length).collect());
            }
            if within(self.stream.read_buf(&mut self.received))
                .await
                .unwrap_or(0)
                == 0
            {
                assert!(
                    self.received.is_empty(),
                    "the connection ended within a packet"
                );
                return None;
            }
        }
    }
}

fn packet_length(bytes: &[u8]) -> Option<usize> {
    let (remaining, digits) = mqtide_testkit::notation::variable_byte_integer(bytes.get(1..)?)?;
    Some(1 + digits + remaining).filter(|length| *length <= bytes.len())
}

/// What the test waits for must come; with paused time, this is quick to tell.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(100), future)
        .await
        .expect("nothing comes")
}

/// Options of the older version.
pub(crate) fn v311(options: Options) -> Options {
    options.version(Version::V311)
}
