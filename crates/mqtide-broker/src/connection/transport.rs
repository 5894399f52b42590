//! What a connection runs over.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
#[cfg(feature = "ws")]
use std::{sync::Arc, task::ready};

#[cfg(feature = "ws")]
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;

use super::link::Writer;
#[cfg(feature = "ws")]
use super::output::Rest;
#[cfg(feature = "ws")]
use crate::listener::WsStream;

/// A connection before there is a session.
#[derive(Debug)]
pub(crate) enum Transport {
    Tcp(TcpStream),
    #[cfg(feature = "ws")]
    Ws(Box<WsStream>),
}

/// The part of a connection that its own task keeps once it is online.
#[derive(Debug)]
pub(crate) enum Reader {
    /// Sessions write to the socket themselves.
    Tcp(OwnedReadHalf),
    /// Sessions write to the queue, and the task writes what is in it: frames have a state that only one can
    /// have.
    #[cfg(feature = "ws")]
    Ws(Box<WsStream>, Arc<Mutex<Rest>>),
}

impl Transport {
    /// Splits off what sessions write to.
    pub(crate) fn split(self) -> (Reader, Writer) {
        match self {
            Transport::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (Reader::Tcp(read), Writer::Socket(write, None))
            }
            #[cfg(feature = "ws")]
            Transport::Ws(stream) => {
                let queue = Arc::new(Mutex::default());
                (Reader::Ws(stream, Arc::clone(&queue)), Writer::Queue(queue))
            }
        }
    }
}

impl Reader {
    /// Moves on what sessions have written, as far as it is up to the connection's task; ready when a blocked
    /// link may try again. The number says how much has left.
    pub(crate) fn poll_write_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self {
            Reader::Tcp(read) => read.as_ref().poll_write_ready(cx).map_ok(|()| 0),
            #[cfg(feature = "ws")]
            Reader::Ws(stream, queue) => poll_drain(stream, queue, cx),
        }
    }

    /// Writes what is left, and says goodbye the way the transport does.
    pub(crate) async fn shut_down(&mut self) -> io::Result<()> {
        match self {
            // The write half has gone with the link, and has shut the socket down.
            Reader::Tcp(_) => Ok(()),
            #[cfg(feature = "ws")]
            Reader::Ws(stream, queue) => {
                std::future::poll_fn(|cx| poll_drain(stream, queue, cx)).await?;
                tokio::io::AsyncWriteExt::shutdown(stream).await
            }
        }
    }
}

/// Writes the queue to the stream; ready when all of it has been handed over.
#[cfg(feature = "ws")]
fn poll_drain(
    stream: &mut WsStream,
    queue: &Mutex<Rest>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut written = 0;
    loop {
        let Some(piece) = queue.lock().front().cloned() else {
            ready!(Pin::new(&mut *stream).poll_flush(cx))?;
            return Poll::Ready(Ok(written));
        };
        let taken = ready!(Pin::new(&mut *stream).poll_write(cx, &piece))?;
        queue.lock().advance(taken);
        written += taken;
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(feature = "ws")]
            Transport::Ws(stream) => Pin::new(stream).poll_read(cx, buf),
        }
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
            #[cfg(feature = "ws")]
            Reader::Ws(stream, _) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(feature = "ws")]
            Transport::Ws(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "ws")]
            Transport::Ws(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Transport::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "ws")]
            Transport::Ws(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
