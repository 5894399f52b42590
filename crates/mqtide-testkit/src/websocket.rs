//! A WebSocket peer by hand (RFC 6455), for frames that a library would not send.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::raw::PATIENCE;

/// One WebSocket connection, or what the server made of the attempt.
#[derive(Debug)]
pub struct WebSocket {
    stream: TcpStream,
    received: Vec<u8>,
}

/// A frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The operation code: 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl WebSocket {
    /// Connects and asks for `path` with the sub-protocols offered; returns the status line and headers of the answer.
    ///
    /// # Errors
    /// Those of the socket, and an answer that ends early.
    pub fn connect(
        address: SocketAddr,
        path: &str,
        protocols: Option<&str>,
    ) -> io::Result<(Self, String)> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut socket = Self {
            stream,
            received: Vec::new(),
        };
        let offer = protocols.map_or(String::new(), |names| {
            format!("Sec-WebSocket-Protocol: {names}\r\n")
        });
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{offer}\r\n"
        );
        socket.stream.write_all(request.as_bytes())?;
        let head = socket.head()?;
        Ok((socket, head))
    }

    /// Connects as an MQTT client does and fails the test if the server does not agree.
    ///
    /// # Panics
    /// When the server answers anything but 101 with the sub-protocol `mqtt`.
    #[track_caller]
    pub fn mqtt(address: SocketAddr) -> Self {
        let (socket, head) =
            Self::connect(address, "/mqtt", Some("mqtt")).unwrap_or_else(|error| panic!("{error}"));
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(head.contains(ACCEPT), "{head}");
        assert!(
            head.to_ascii_lowercase()
                .contains("sec-websocket-protocol: mqtt\r\n"),
            "{head}"
        );
        socket
    }

    /// Sends one frame, masked as a client must.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&mut self, is_final: bool, opcode: u8, payload: &[u8]) -> io::Result<()> {
        let mut frame = vec![opcode | if is_final { 0x80 } else { 0 }];
        match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(length @ 0..=125), _) => frame.push(0x80 | length),
            (_, Ok(length)) => {
                frame.push(0x80 | 126);
                frame.extend(length.to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend((payload.len() as u64).to_be_bytes());
            }
        }
        frame.extend(MASK);
        frame.extend(
            payload
                .iter()
                .zip(MASK.iter().cycle())
                .map(|(byte, mask)| byte ^ mask),
        );
        self.stream.write_all(&frame)
    }

    /// Sends bytes of MQTT in one binary frame; a connection that was closed swallows them.
    pub fn binary(&mut self, bytes: &[u8]) {
        let _ = self.send(true, 2, bytes);
    }

    /// Takes the next frame; `None` when the connection ends or nothing comes in time.
    pub fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.cut() {
                return Some(frame);
            }
            self.fill().ok()?;
        }
    }

    /// Collects bytes of MQTT from binary frames until there are this many.
    ///
    /// # Panics
    /// When the connection ends before, or another kind of frame comes.
    #[track_caller]
    pub fn expect_bytes(&mut self, expected: &[u8]) {
        let mut bytes = Vec::new();
        while bytes.len() < expected.len() {
            let frame = self
                .frame()
                .unwrap_or_else(|| panic!("ended behind {bytes:02X?}"));
            assert_eq!(frame.opcode, 2, "{frame:?}");
            bytes.extend(frame.payload);
        }
        assert!(
            bytes == expected,
            "expected {expected:02X?}, heard {bytes:02X?}"
        );
    }

    /// Waits for the close frame, passing over data, and for the end; tells the status of the close frame if one came.
    ///
    /// # Panics
    /// When the connection does not end.
    #[track_caller]
    pub fn expect_closed(&mut self) -> Option<u16> {
        let mut status = None;
        loop {
            if let Some(frame) = self.cut() {
                if frame.opcode == 8 && frame.payload.len() >= 2 {
                    status = Some(u16::from_be_bytes([frame.payload[0], frame.payload[1]]));
                    let _ = self.send(true, 8, &frame.payload);
                }
                continue;
            }
            match self.fill() {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    panic!("the connection does not end")
                }
                Err(_) => return status,
            }
        }
    }

    /// The socket, for bytes that are no frames.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    fn head(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self
                .received
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
            {
                let head: Vec<u8> = self.received.drain(..end + 4).collect();
                return Ok(String::from_utf8_lossy(&head).into_owned());
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.received.extend_from_slice(&chunk[..length]);
                Ok(())
            }
        }
    }

    /// Servers do not mask.
    fn cut(&mut self) -> Option<Frame> {
        let [first, second, ..] = *self.received.as_slice() else {
            return None;
        };
        let (start, length) = match second {
            126 => (
                4,
                usize::from(u16::from_be_bytes([
                    *self.received.get(2)?,
                    *self.received.get(3)?,
                ])),
            ),
            127 => {
                let bytes: [u8; 8] = self.received.get(2..10)?.try_into().ok()?;
                (10, usize::try_from(u64::from_be_bytes(bytes)).ok()?)
            }
            length => (2, usize::from(length)),
        };
        let payload = self.received.get(start..start + length)?.to_vec();
        self.received.drain(..start + length);
        Some(Frame {
            opcode: first & 0x0F,
            payload,
        })
    }
}

/// The example of RFC 6455 §1.3, whose answer is known without computing it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
