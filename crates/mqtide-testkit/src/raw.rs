//! A peer that writes and reads bytes by hand, independent of the codec, so that the codec is never
//! judged by itself. Blocking, for plain `#[test]` functions.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::notation::{Pattern, bytes, hex, variable_byte_integer};

/// One TCP connection to a broker or client under test.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What the other side did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// One whole MQTT packet, fixed header included.
    Packet(Vec<u8>),
    /// The connection ended, by FIN or by RST.
    Closed,
    /// The connection ended within a packet, or what came has no MQTT fixed header.
    Broken(Vec<u8>),
    /// Nothing came in the time allowed.
    Silence,
}

impl Peer {
    /// Connects over TCP, without delay of small packets.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream,
            received: Vec::new(),
        })
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// Those of the socket; a peer that does not read for ten seconds is an error too.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Waits for one packet, the end of the connection, or the end of the time allowed.
    pub fn hear(&mut self, within: Duration) -> Heard {
        let deadline = Instant::now() + within;
        loop {
            match packet_length(&self.received) {
                Framed::Whole(length) => {
                    return Heard::Packet(self.received.drain(..length).collect());
                }
                Framed::Never => return Heard::Broken(std::mem::take(&mut self.received)),
                Framed::Partial => {}
            }
            match self.read_until(deadline) {
                Read1::Bytes => {}
                Read1::Silence => return Heard::Silence,
                Read1::Closed if self.received.is_empty() => return Heard::Closed,
                Read1::Closed => return Heard::Broken(std::mem::take(&mut self.received)),
            }
        }
    }

    /// Reads what is there and throws it away, for at most `within`; tells how many bytes it was.
    pub fn discard(&mut self, within: Duration) -> usize {
        let deadline = Instant::now() + within;
        let mut count = std::mem::take(&mut self.received).len();
        while let Read1::Bytes = self.read_until(deadline) {
            count += std::mem::take(&mut self.received).len();
        }
        count
    }

    /// Ends the connection with RST, as a crash of the peer would.
    pub fn reset(self) {
        let socket = socket2::Socket::from(self.stream);
        // A linger time of zero makes close() send RST. If that cannot be set, FIN does as well.
        let _ = socket.set_linger(Some(Duration::ZERO));
    }

    /// Ends the sending half with FIN and keeps reading.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn finish(&self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    /// The socket, for options that only a few cases need.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn read_until(&mut self, deadline: Instant) -> Read1 {
        let left = deadline
            .saturating_duration_since(Instant::now())
            .max(SHORTEST);
        // A timeout that cannot be set leaves the one before, which is of the same order.
        let _ = self.stream.set_read_timeout(Some(left));
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Read1::Closed,
            Ok(length) => {
                self.received.extend_from_slice(&chunk[..length]);
                Read1::Bytes
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Read1::Silence
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Read1::Bytes,
            Err(_) => Read1::Closed,
        }
    }
}

/// Steps of a test that fail by panicking, with what was heard instead.
impl Peer {
    /// Connects, or fails the test.
    ///
    /// # Panics
    /// When the address does not take the connection.
    #[track_caller]
    pub fn to(address: SocketAddr) -> Self {
        Self::connect(address)
            .unwrap_or_else(|error| panic!("cannot connect to {address}: {error}"))
    }

    /// Connects and sends bytes in [notation](crate::notation).
    ///
    /// # Panics
    /// When the address does not take the connection.
    #[track_caller]
    pub fn opening(address: SocketAddr, notation: &str) -> Self {
        let mut peer = Self::to(address);
        peer.write(notation);
        peer
    }

    /// Sends bytes in [notation](crate::notation). A connection that the other side has closed
    /// swallows them: that is for the next expectation to find out.
    ///
    /// # Panics
    /// When the notation cannot be read.
    #[track_caller]
    pub fn write(&mut self, notation: &str) {
        let bytes = bytes(notation).unwrap_or_else(|error| panic!("{error}"));
        let _ = self.send(&bytes);
    }

    /// Takes the next packet, whatever it is.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn packet(&mut self) -> Vec<u8> {
        match self.hear(PATIENCE) {
            Heard::Packet(packet) => packet,
            other => panic!("expected a packet, heard: {other}"),
        }
    }

    /// Takes the next packet, which must match a pattern in [notation](crate::notation).
    ///
    /// # Panics
    /// When another packet comes, or none.
    #[track_caller]
    pub fn expect(&mut self, notation: &str) -> Vec<u8> {
        let pattern = Pattern::parse(notation).unwrap_or_else(|error| panic!("{error}"));
        let packet = self.packet();
        assert!(
            pattern.matches(&packet),
            "expected {notation}, heard: {}",
            hex(&packet)
        );
        packet
    }

    /// The connection ends now, without another packet.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn expect_closed(&mut self) {
        let heard = self.hear(PATIENCE);
        assert!(
            heard == Heard::Closed,
            "expected the end of the connection, heard: {heard}"
        );
    }

    /// The connection ends now, perhaps after a last packet of first byte `last` (CONNACK or DISCONNECT),
    /// whose answer some faults leave open.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn expect_end(&mut self, last: u8) {
        match self.hear(PATIENCE) {
            Heard::Closed => {}
            Heard::Packet(packet) if packet.first() == Some(&last) => self.expect_closed(),
            other => panic!("expected the end of the connection, heard: {other}"),
        }
    }

    /// PINGREQ is answered by PINGRESP, and by that alone.
    ///
    /// # Panics
    /// When another packet comes, or none.
    #[track_caller]
    pub fn expect_alive(&mut self) {
        self.write("C0 00");
        self.expect("D0 00");
    }

    /// Nothing comes for this long.
    ///
    /// # Panics
    /// When something does.
    #[track_caller]
    pub fn expect_silence(&mut self, during: Duration) {
        let heard = self.hear(during);
        assert!(heard == Heard::Silence, "expected silence, heard: {heard}");
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(packet) => write!(f, "packet {}", hex(packet)),
            Self::Closed => f.write_str("the end of the connection"),
            Self::Broken(bytes) => write!(f, "no whole packet: {}", hex(bytes)),
            Self::Silence => f.write_str("silence"),
        }
    }
}

enum Read1 {
    Bytes,
    Closed,
    Silence,
}

enum Framed {
    Whole(usize),
    Partial,
    Never,
}

fn packet_length(bytes: &[u8]) -> Framed {
    let header = bytes.get(1..).unwrap_or_default();
    match variable_byte_integer(header) {
        Some((remaining, taken)) if bytes.len() > taken + remaining => {
            Framed::Whole(1 + taken + remaining)
        }
        None if header.len() >= 4 => Framed::Never,
        _ => Framed::Partial,
    }
}

/// How long a peer waits for what must come. Generous, as the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(10);

const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (Peer, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = Peer::to(listener.local_addr().unwrap());
        (peer, listener.accept().unwrap().0)
    }

    #[test]
    fn packets_are_cut_out_of_the_stream() {
        let (mut peer, mut other) = pair();
        other.write_all(&[0xD0, 0x00, 0x20, 0x03, 0x00]).unwrap();
        peer.expect("D0 00");
        peer.expect_silence(Duration::from_millis(20));
        other.write_all(&[0x00, 0x00]).unwrap();
        drop(other);
        peer.expect("20 { 00 ?? ** }");
        peer.expect_closed();
    }

    #[test]
    fn a_cut_packet_is_told_from_a_clean_end() {
        let (mut peer, mut other) = pair();
        other.write_all(&[0x20, 0x03, 0x00]).unwrap();
        drop(other);
        assert_eq!(peer.hear(PATIENCE), Heard::Broken(vec![0x20, 0x03, 0x00]));
        assert_eq!(peer.hear(PATIENCE), Heard::Closed);
    }
}
