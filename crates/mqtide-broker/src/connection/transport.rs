//! What a connection runs over.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::link::Writer;
use super::output::Rest;

/// A connection before there is a session.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    /// WebSocket, or what the program around the broker has brought.
    Stream(Stream),
}

/// A stream that only one task can write to: it has a state of its own, such as frames.
pub(crate) struct Stream(Pin<Box<dyn Duplex>>);

trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// The part of a connection that its own task keeps once it is online.
#[derive(Debug)]
pub(crate) enum Reader {
    /// Sessions write to the socket themselves.
    Tcp(OwnedReadHalf),
    /// Sessions write to the queue, and the task writes what is in it.
    Stream(Box<Queued>),
}

#[derive(Debug)]
pub(crate) struct Queued {
    stream: Stream,
    queue: Arc<Mutex<Rest>>,
}

impl Transport {
    /// Splits off what sessions write to.
    pub(crate) fn split(self) -> (Reader, Writer) {
        match self {
            Transport::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (Reader::Tcp(read), Writer::Socket(write, None))
            }
            Transport::Stream(stream) => {
                let queue = Arc::new(Mutex::default());
                let queued = Queued {
                    stream,
                    queue: Arc::clone(&queue),
                };
                (Reader::Stream(Box::new(queued)), Writer::Queue(queue))
            }
        }
    }

    fn as_duplex(self: Pin<&mut Self>) -> Pin<&mut (dyn Duplex + 'static)> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::<&mut TcpStream>::new(stream),
            Transport::Stream(Stream(stream)) => stream.as_mut(),
        }
    }
}

impl Stream {
    pub(crate) fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Stream(Box::pin(stream))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}

impl Reader {
    /// Moves on what sessions have written, as far as it is up to the connection's task; ready when a blocked
    /// link may try again. The number says how much has left.
    pub(crate) fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self {
            Reader::Tcp(read) => read.as_ref().poll_write_ready(cx).map_ok(|()| 0),
            Reader::Stream(queued) => queued.poll_drain(cx),
        }
    }

    /// Writes what is left, and says goodbye the way the transport does.
    pub(crate) async fn shut_down(&mut self) -> io::Result<()> {
        match self {
            // The write half has gone with the link, and has shut the socket down.
            Reader::Tcp(_) => Ok(()),
            Reader::Stream(queued) => {
                poll_fn(|cx| queued.poll_drain(cx)).await?;
                queued.stream.0.shutdown().await
            }
        }
    }
}

impl Queued {
    /// Writes the queue to the stream; ready when all of it has been handed over.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Queued { stream, queue } = self;
        let mut written = 0;
        loop {
            let Some(piece) = queue.lock().front().cloned() else {
                ready!(stream.0.as_mut().poll_flush(cx))?;
                return Poll::Ready(Ok(written));
            };
            let taken = ready!(stream.0.as_mut().poll_write(cx, &piece))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            queue.lock().advance(taken);
            written += taken;
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.as_duplex().poll_read(cx, buf)
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Reader::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Reader::Stream(queued) => queued.stream.0.as_mut().poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.as_duplex().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_duplex().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.as_duplex().poll_shutdown(cx)
    }
}
