//! One network connection: bytes in, packets out, and the other way round.

use std::future::pending;
use std::io;

use bytes::BytesMut;
use mqtide_codec::{DecodeError, DecodeOptions, EncodeError, Framer, Packet, Sender, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::outbox::Outbox;
use crate::transport::Transport;

/// A connected transport with what has been read and not yet understood, and what is to be written.
pub(crate) struct Connection {
    reader: Reader,
    writer: Writer,
    framer: Framer,
    rules: DecodeOptions,
    input: BytesMut,
    output: Outbox,
    unflushed: bool,
}

/// What [`Connection::transfer`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transferred {
    /// Some bytes have moved.
    Bytes,
    /// The server has ended its side.
    End,
}

impl Connection {
    pub(crate) fn new(
        transport: Box<dyn Transport>,
        version: Version,
        maximum_packet_size: u32,
    ) -> Self {
        let (reader, writer) = tokio::io::split(transport);
        let mut framer = Framer::new(version);
        framer.set_max_packet_size(maximum_packet_size);
        Connection {
            reader,
            writer,
            framer,
            rules: DecodeOptions::new(version).from_sender(Sender::Server),
            input: BytesMut::new(),
            output: Outbox::default(),
            unflushed: false,
        }
    }

    /// The next whole packet of what has been read.
    pub(crate) fn next_packet(&mut self) -> Result<Option<Packet>, DecodeError> {
        self.framer.next_packet(&mut self.input, self.rules)
    }

    /// Adds a packet to what is to be written.
    pub(crate) fn push(&mut self, packet: &Packet) -> Result<(), EncodeError> {
        self.output.push(packet, self.rules.version)
    }

    /// Whether enough is to be written: more would only wait here.
    pub(crate) fn is_congested(&self) -> bool {
        self.output.len() >= OUTPUT_HIGH_WATER
    }

    /// Whether everything has been written.
    pub(crate) fn is_flushed(&self) -> bool {
        self.output.is_empty() && !self.unflushed
    }

    /// Waits until some bytes have been written, or, if `read` is set, read. Cancel safe.
    pub(crate) async fn transfer(&mut self, read: bool) -> io::Result<Transferred> {
        if read {
            self.input
                .reserve(self.framer.needed().clamp(SMALLEST_READ, LARGEST_READ));
        }
        let writes = !self.is_flushed();
        tokio::select! {
            count = self.reader.read_buf(&mut self.input), if read => match count? {
                0 => Ok(Transferred::End),
                _ => Ok(Transferred::Bytes),
            },
            written = write(&mut self.writer, &mut self.output, &mut self.unflushed), if writes => {
                written.map(|()| Transferred::Bytes)
            }
            () = pending(), if !read && !writes => Ok(Transferred::End),
        }
    }

    /// Writes what is to be written, ends this side, and waits for the server to end its side.
    ///
    /// To close a socket in which bytes wait unread resets the connection, and what has just been written may
    /// be lost with it.
    pub(crate) async fn finish(mut self) -> io::Result<()> {
        while !self.is_flushed() {
            self.transfer(false).await?;
        }
        self.writer.shutdown().await?;
        tokio::io::copy(&mut self.reader, &mut tokio::io::sink())
            .await
            .map(drop)
    }
}

/// Writes some of the output, or flushes when all has been written. Cancel safe.
async fn write(writer: &mut Writer, output: &mut Outbox, unflushed: &mut bool) -> io::Result<()> {
    if output.is_empty() {
        writer.flush().await?;
        *unflushed = false;
        return Ok(());
    }
    if writer.write_buf(output).await? == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    *unflushed = true;
    Ok(())
}

type Reader = ReadHalf<Box<dyn Transport>>;
type Writer = WriteHalf<Box<dyn Transport>>;

/// One read takes at least this much if it is there: many small packets with one system call.
const SMALLEST_READ: usize = 16 * 1024;
/// A buffer grows with what arrives, whatever length a packet announces.
const LARGEST_READ: usize = 64 * 1024;
/// As much as the kernel takes at a time, roughly.
const OUTPUT_HIGH_WATER: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use mqtide_codec::QoS;
    use tokio::io::duplex;

    use super::*;

    fn connection(transport: tokio::io::DuplexStream) -> Connection {
        Connection::new(Box::new(transport), Version::V311, 1024)
    }

    #[tokio::test]
    async fn packets_come_whole_however_the_bytes_come() {
        let (near, mut far) = duplex(1024);
        let mut connection = connection(near);
        for byte in [0x30, 0x04, 0x00, 0x01, b'a', b'!'] {
            assert_eq!(connection.next_packet().unwrap(), None);
            far.write_all(&[byte]).await.unwrap();
            assert_eq!(connection.transfer(true).await.unwrap(), Transferred::Bytes);
        }
        let Some(Packet::Publish(publish)) = connection.next_packet().unwrap() else {
            panic!("no PUBLISH");
        };
        assert_eq!(
            (publish.qos(), &publish.payload[..]),
            (QoS::AtMostOnce, &b"!"[..])
        );
        drop(far);
        assert_eq!(connection.transfer(true).await.unwrap(), Transferred::End);
    }

    #[tokio::test]
    async fn finishing_writes_everything_first() {
        let (near, mut far) = duplex(3);
        let mut connection = connection(near);
        connection.push(&Packet::Pingreq).unwrap();
        connection.push(&Packet::Pingreq).unwrap();
        assert!(!connection.is_flushed());
        let mut written = Vec::new();
        let server = async {
            far.read_to_end(&mut written).await.unwrap();
            drop(far);
        };
        let (finished, ()) = tokio::join!(connection.finish(), server);
        finished.unwrap();
        assert_eq!(written, [0xC0, 0, 0xC0, 0]);
    }

    #[tokio::test]
    async fn a_packet_of_the_wrong_end_or_size_is_an_error() {
        for bytes in [&[0xC0, 0][..], &[0x30, 0xFF, 0x7F]] {
            let (near, mut far) = duplex(64);
            let mut connection = connection(near);
            far.write_all(bytes).await.unwrap();
            connection.transfer(true).await.unwrap();
            assert!(connection.next_packet().is_err(), "{bytes:x?}");
        }
    }
}
