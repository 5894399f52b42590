//! MQTT over WebSocket (`MQTT 5.0 §6`): the upgrade, then frames as a plain stream of bytes.
//!
//! MQTT gives frame boundaries no meaning, so no message is ever gathered: payload bytes are handed on as they
//! arrive, unmasked in place, and a connection holds no more than a partial header and one frame on its way out.

use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_tungstenite::accept_hdr_async_with_config;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

/// The server's end of a WebSocket connection, as the bytes within its binary frames.
#[derive(Debug)]
pub(crate) struct WsStream {
    tcp: TcpStream,
    input: Deframer,
    /// Frames on their way out; room only while there are any.
    out: BytesMut,
    closing: bool,
}

impl WsStream {
    /// Answers the upgrade request for `path`.
    ///
    /// A client must offer the subprotocol `mqtt` `[MQTT-6.0.0-3]`, or `mqttv3.1` as clients of MQTT 3.1 do.
    pub(crate) async fn accept(tcp: TcpStream, path: &str) -> io::Result<Self> {
        let config = WebSocketConfig::default().read_buffer_size(UPGRADE_BUFFER);
        // The closure's type is given by the library.
        #[allow(clippy::result_large_err)]
        let answer = |request: &Request, response: Response| upgrade(path, request, response);
        let socket = accept_hdr_async_with_config(tcp, answer, Some(config))
            .await
            .map_err(io::Error::other)?;
        // The library refuses bytes that come along with the request, so none can be lost here.
        let tcp = socket.into_inner();
        Ok(WsStream {
            tcp,
            input: Deframer::default(),
            out: BytesMut::new(),
            closing: false,
        })
    }

    /// Appends what the peer is owed for its control frames, one pong at most.
    fn answer(&mut self, answer: Answer) {
        match answer {
            Answer::Pong(data) if self.out.len() < PENDING_PONGS => {
                frame(&mut self.out, OpCode::Control(Control::Pong), &data);
            }
            // The peer pings without reading: it gets no more pongs until it does.
            Answer::Pong(_) => {}
            Answer::Close(code) => {
                if !std::mem::replace(&mut self.closing, true) {
                    let code = u16::from(code).to_be_bytes();
                    frame(&mut self.out, OpCode::Control(Control::Close), &code);
                }
            }
        }
    }

    /// Reads at most `room` bytes until some of them are payload, which is then at the front of the region; none
    /// at the end of the stream. The region holds a header more than `room`, or more than a header.
    fn poll_payload(
        &mut self,
        cx: &mut Context<'_>,
        region: &mut [u8],
        room: usize,
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.closing {
                let _ = self.poll_drain(cx)?;
                return Poll::Ready(Ok(0));
            }
            let kept = self.input.restore(region);
            let end = region.len().min(kept + room);
            let mut raw = ReadBuf::new(&mut region[kept..end]);
            if Pin::new(&mut self.tcp)
                .poll_read(cx, &mut raw)?
                .is_pending()
            {
                self.input.keep(&region[..kept]);
                return Poll::Pending;
            }
            let read = raw.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(0));
            }
            let mut answers = Vec::new();
            let payload = self.input.deframe(&mut region[..kept + read], &mut answers);
            answers.into_iter().for_each(|answer| self.answer(answer));
            // What is owed leaves now if the socket takes it, and otherwise with the next write.
            let _ = self.poll_drain(cx)?;
            if payload > 0 {
                return Poll::Ready(Ok(payload));
            }
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let written = ready!(Pin::new(&mut self.tcp).poll_write(cx, &self.out))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.out.advance(written);
        }
        self.out = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for WsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() > MAX_HEADER {
            let region = buf.initialize_unfilled();
            let room = region.len();
            let payload = ready!(this.poll_payload(cx, region, room))?;
            buf.advance(payload);
            return Poll::Ready(Ok(()));
        }
        // A header that came in pieces, put together, has no place in so little room.
        let mut region = [0; 2 * MAX_HEADER];
        let payload = ready!(this.poll_payload(cx, &mut region, buf.remaining()))?;
        buf.put_slice(&region[..payload]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WsStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        ready!(this.poll_drain(cx))?;
        if this.closing {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let data = &data[..data.len().min(FRAME_PAYLOAD)];
        frame(&mut this.out, OpCode::Data(Data::Binary), data);
        let _ = this.poll_drain(cx)?;
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.answer(Answer::Close(CloseCode::Normal));
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// Takes the payload out of the client's frames.
#[derive(Debug, Default)]
struct Deframer {
    /// The beginning of a header whose end has not come yet.
    partial: [u8; MAX_HEADER],
    partial_len: u8,
    frame: Option<Incoming>,
    /// A message has begun and not ended: only continuations may follow.
    fragmented: bool,
}

/// A frame that is being received.
#[derive(Debug)]
struct Incoming {
    left: u64,
    mask: [u8; 4],
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Data,
    /// Control frames are at most 125 bytes, and whole only at their end.
    Ping(Vec<u8>),
    Ignored,
}

/// What a control frame, or a fault, calls for.
#[derive(Debug, PartialEq)]
enum Answer {
    Pong(Vec<u8>),
    Close(CloseCode),
}

impl Deframer {
    /// Puts the partial header back in front of what is read next.
    fn restore(&mut self, region: &mut [u8]) -> usize {
        let kept = usize::from(std::mem::take(&mut self.partial_len));
        region[..kept].copy_from_slice(&self.partial[..kept]);
        kept
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.partial[..bytes.len()].copy_from_slice(bytes);
        self.partial_len = u8::try_from(bytes.len()).unwrap_or(0);
    }

    /// Moves the payload to the front of the region and returns its length.
    fn deframe(&mut self, region: &mut [u8], answers: &mut Vec<Answer>) -> usize {
        let (mut from, mut to) = (0, 0);
        while from < region.len() {
            let Some(frame) = &mut self.frame else {
                match self.header(&region[from..]) {
                    Ok(0) => {
                        self.keep(&region[from..]);
                        break;
                    }
                    Ok(len) => from += len,
                    Err(code) => {
                        answers.push(Answer::Close(code));
                        break;
                    }
                }
                self.end_of_frame(answers);
                continue;
            };
            let left = usize::try_from(frame.left).unwrap_or(usize::MAX);
            let len = left.min(region.len() - from);
            unmask(&mut region[from..from + len], &mut frame.mask);
            match &mut frame.kind {
                Kind::Data => {
                    region.copy_within(from..from + len, to);
                    to += len;
                }
                Kind::Ping(data) => data.extend_from_slice(&region[from..from + len]),
                Kind::Ignored => {}
            }
            frame.left -= len as u64;
            from += len;
            self.end_of_frame(answers);
        }
        to
    }

    /// Reads a header; returns its length, 0 if it is not complete.
    fn header(&mut self, bytes: &[u8]) -> Result<usize, CloseCode> {
        let mut cursor = Cursor::new(bytes);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| CloseCode::Protocol)?;
        let Some((header, len)) = parsed else {
            return Ok(0);
        };
        let reserved = header.rsv1 || header.rsv2 || header.rsv3;
        let mask = header
            .mask
            .filter(|_| !reserved)
            .ok_or(CloseCode::Protocol)?;
        let kind = match header.opcode {
            OpCode::Data(Data::Text) => return Err(CloseCode::Unsupported),
            OpCode::Data(Data::Binary) if !self.fragmented => Kind::Data,
            OpCode::Data(Data::Continue) if self.fragmented => Kind::Data,
            OpCode::Control(_) if !header.is_final || len > MAX_CONTROL => {
                return Err(CloseCode::Protocol);
            }
            OpCode::Control(Control::Ping) => Kind::Ping(Vec::new()),
            OpCode::Control(Control::Pong) => Kind::Ignored,
            OpCode::Control(Control::Close) => return Err(CloseCode::Normal),
            _ => return Err(CloseCode::Protocol),
        };
        if matches!(kind, Kind::Data) {
            self.fragmented = !header.is_final;
        }
        self.frame = Some(Incoming {
            left: len,
            mask,
            kind,
        });
        Ok(usize::try_from(cursor.position()).unwrap_or(MAX_HEADER))
    }

    fn end_of_frame(&mut self, answers: &mut Vec<Answer>) {
        if self.frame.as_ref().is_some_and(|frame| frame.left == 0)
            && let Some(Incoming {
                kind: Kind::Ping(data),
                ..
            }) = self.frame.take()
        {
            // However many pings come in one read, the last one is answered.
            answers.retain(|answer| !matches!(answer, Answer::Pong(_)));
            answers.push(Answer::Pong(data));
        }
    }
}

/// Removes the mask, and turns it to where the next bytes of the frame need it.
fn unmask(bytes: &mut [u8], mask: &mut [u8; 4]) {
    let mut words = bytes.chunks_exact_mut(4);
    for word in &mut words {
        word.iter_mut()
            .zip(&*mask)
            .for_each(|(byte, mask)| *byte ^= mask);
    }
    let rest = words.into_remainder();
    rest.iter_mut()
        .zip(&*mask)
        .for_each(|(byte, mask)| *byte ^= mask);
    mask.rotate_left(rest.len());
}

fn frame(out: &mut BytesMut, opcode: OpCode, payload: &[u8]) {
    let header = FrameHeader {
        opcode,
        ..FrameHeader::default()
    };
    let mut head = Cursor::new([0; MAX_HEADER]);
    // A cursor over enough bytes cannot fail to take a header.
    let _ = header.format(payload.len() as u64, &mut head);
    let len = usize::try_from(head.position()).unwrap_or(MAX_HEADER);
    out.extend_from_slice(&head.get_ref()[..len]);
    out.extend_from_slice(payload);
}

/// The HTTP side: the path must be ours, and the subprotocol one that we speak.
#[allow(clippy::result_large_err)]
fn upgrade(
    path: &str,
    request: &Request,
    mut response: Response,
) -> Result<Response, ErrorResponse> {
    if request.uri().path() != path {
        return Err(refusal(StatusCode::NOT_FOUND, "no MQTT at this path"));
    }
    let offered = || {
        let values = request
            .headers()
            .get_all(header::SEC_WEBSOCKET_PROTOCOL)
            .into_iter();
        values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
    };
    let selected = SUBPROTOCOLS
        .iter()
        .find(|ours| offered().any(|theirs| theirs.trim() == **ours));
    let Some(selected) = selected else {
        return Err(refusal(
            StatusCode::BAD_REQUEST,
            "the subprotocol must be mqtt",
        ));
    };
    response.headers_mut().insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(selected),
    );
    Ok(response)
}

fn refusal(status: StatusCode, why: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(why.to_owned()));
    *response.status_mut() = status;
    response
}

/// What clients may offer, the preferred one first.
const SUBPROTOCOLS: [&str; 2] = ["mqtt", "mqttv3.1"];

/// Enough for the upgrade request; the library gives it back with the handshake.
const UPGRADE_BUFFER: usize = 4 * 1024;

/// The longest header that a client can send.
const MAX_HEADER: usize = 14;

const MAX_CONTROL: u64 = 125;

/// No pong is added behind this much that the peer has not read.
const PENDING_PONGS: usize = 1024;

/// Longer output is cut into several frames, so that no more than this is copied at a time.
const FRAME_PAYLOAD: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn masked(opcode: OpCode, is_final: bool, payload: &[u8]) -> Vec<u8> {
        let mask = [7, 1, 250, 9];
        let header = FrameHeader {
            opcode,
            is_final,
            mask: Some(mask),
            ..FrameHeader::default()
        };
        let mut bytes = Vec::new();
        header.format(payload.len() as u64, &mut bytes).unwrap();
        let mut payload = payload.to_vec();
        unmask(&mut payload, &mut mask.clone());
        bytes.extend(payload);
        bytes
    }

    /// Feeds the stream in pieces of `step` bytes.
    fn deframed(stream: &[u8], step: usize) -> (Vec<u8>, Vec<Answer>) {
        let (mut deframer, mut payload, mut answers) =
            (Deframer::default(), Vec::new(), Vec::new());
        for piece in stream.chunks(step) {
            let mut region = vec![0; MAX_HEADER + piece.len()];
            let kept = deframer.restore(&mut region);
            region[kept..kept + piece.len()].copy_from_slice(piece);
            let len = deframer.deframe(&mut region[..kept + piece.len()], &mut answers);
            payload.extend_from_slice(&region[..len]);
        }
        (payload, answers)
    }

    /// MQTT-6.0.0-2
    #[test]
    fn frames_are_a_stream_of_bytes_however_they_are_cut() {
        let mut stream = masked(OpCode::Data(Data::Binary), true, b"one");
        stream.extend(masked(OpCode::Data(Data::Binary), false, b"tw"));
        stream.extend(masked(OpCode::Control(Control::Ping), true, b"hello"));
        stream.extend(masked(OpCode::Data(Data::Continue), false, b""));
        stream.extend(masked(OpCode::Data(Data::Continue), true, &[b'o'; 300]));
        stream.extend(masked(OpCode::Data(Data::Binary), true, b""));
        stream.extend(masked(OpCode::Data(Data::Binary), true, b"end"));
        let expected = [
            b"one".to_vec(),
            b"tw".to_vec(),
            vec![b'o'; 300],
            b"end".to_vec(),
        ]
        .concat();
        for step in 1..=stream.len() {
            let (payload, answers) = deframed(&stream, step);
            assert_eq!(payload, expected, "in steps of {step}");
            assert_eq!(answers, [Answer::Pong(b"hello".to_vec())]);
        }
    }

    /// A reader may have little room: it reads a large packet to its end and not beyond.
    #[tokio::test]
    async fn any_room_is_room_enough() {
        let payload: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        let mut stream = masked(OpCode::Data(Data::Binary), true, &payload[..200]);
        stream.extend(masked(OpCode::Data(Data::Binary), true, &payload[200..]));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (tcp, _) = listener.accept().await.unwrap();
        let mut server = WsStream {
            tcp,
            input: Deframer::default(),
            out: BytesMut::new(),
            closing: false,
        };
        let sending = tokio::spawn(async move {
            for piece in stream.chunks(1009) {
                client.write_all(piece).await.unwrap();
            }
            client
        });

        let mut received = Vec::new();
        for room in (1..=40).cycle() {
            if received.len() == payload.len() {
                break;
            }
            let mut buffer = vec![0; room];
            let read = server.read(&mut buffer).await.unwrap();
            assert!(read > 0, "the stream goes on");
            received.extend_from_slice(&buffer[..read]);
        }
        assert_eq!(received, payload);
        drop(sending.await.unwrap());
    }

    /// MQTT-6.0.0-1
    #[test]
    fn text_frames_and_faults_close_the_connection() {
        let cases = [
            (
                masked(OpCode::Data(Data::Text), true, b"x"),
                CloseCode::Unsupported,
            ),
            (
                masked(OpCode::Data(Data::Continue), true, b"x"),
                CloseCode::Protocol,
            ),
            (
                masked(OpCode::Data(Data::Reserved(3)), true, b"x"),
                CloseCode::Protocol,
            ),
            (
                masked(OpCode::Control(Control::Ping), false, b"x"),
                CloseCode::Protocol,
            ),
            (
                masked(OpCode::Control(Control::Ping), true, &[0; 126]),
                CloseCode::Protocol,
            ),
            (
                masked(OpCode::Control(Control::Close), true, b""),
                CloseCode::Normal,
            ),
            (vec![0x82, 0x01, b'x'], CloseCode::Protocol),
            (vec![0xC2, 0x81, 0, 0, 0, 0, b'x'], CloseCode::Protocol),
        ];
        for (stream, code) in cases {
            let (payload, answers) = deframed(&stream, stream.len());
            assert_eq!(payload, b"", "{stream:x?}");
            assert_eq!(answers, [Answer::Close(code)], "{stream:x?}");
        }
    }

    #[test]
    fn a_flood_of_pings_is_answered_once() {
        let ping = masked(OpCode::Control(Control::Ping), true, b"p");
        let (_, answers) = deframed(&ping.repeat(500), ping.len() * 500);
        assert_eq!(answers, [Answer::Pong(b"p".to_vec())]);
    }
}
