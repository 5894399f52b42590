//! A codec for `tokio_util::codec::Framed`.

use ::tokio_util::codec::{Decoder, Encoder};
use bytes::BytesMut;

use crate::{
    Connect, DecodeError, DecodeOptions, EncodeError, Framer, Leniency, Packet, Sender, Version,
    decode_connect, encode,
};

/// Reads and writes packets over a byte stream with `tokio_util::codec::Framed`.
///
/// A server starts with [`server`](Self::server), which learns the version from CONNECT; a client
/// with [`client`](Self::client), which knows it.
///
/// ```
/// use bytes::BytesMut;
/// use mqtide_codec::{Connect, Packet, PacketCodec, Version};
/// use tokio_util::codec::{Decoder, Encoder};
///
/// let mut wire = BytesMut::new();
/// let connect = Packet::from(Connect::new(Version::V5, "press-3"));
/// PacketCodec::client(Version::V5).encode(&connect, &mut wire)?;
///
/// let mut server = PacketCodec::server();
/// assert_eq!(server.decode(&mut wire)?, Some(connect));
/// assert_eq!(server.version(), Some(Version::V5));
/// # Ok::<(), mqtide_codec::CodecError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PacketCodec {
    framer: Framer,
    version: Option<Version>,
    sender: Sender,
    leniency: Leniency,
}

impl PacketCodec {
    /// The codec of a server: reads packets of a client, of which the first is CONNECT.
    pub const fn server() -> Self {
        Self {
            framer: Framer::unknown_version(),
            version: None,
            sender: Sender::Client,
            leniency: Leniency::NONE,
        }
    }

    /// The codec of a client of this version: reads packets of a server.
    pub const fn client(version: Version) -> Self {
        Self {
            framer: Framer::new(version),
            version: Some(version),
            sender: Sender::Server,
            leniency: Leniency::NONE,
        }
    }

    /// The same with these faults of the peer overlooked.
    #[must_use]
    pub const fn with_leniency(mut self, leniency: Leniency) -> Self {
        self.framer.set_leniency(leniency);
        self.leniency = leniency;
        self
    }

    /// Sets the receiver's Maximum Packet Size in bytes, fixed header included.
    pub const fn set_max_packet_size(&mut self, bytes: u32) {
        self.framer.set_max_packet_size(bytes);
    }

    /// The version of the connection; `None` before CONNECT.
    pub const fn version(&self) -> Option<Version> {
        self.version
    }
}

impl PacketCodec {
    /// The first packet of a connection, which tells the version.
    fn connect(&mut self, buffer: &mut BytesMut) -> Result<Option<Connect>, CodecError> {
        let Some(frame) = self.framer.next_frame(buffer)? else {
            return Ok(None);
        };
        let connect = decode_connect(&frame, self.leniency)?;
        self.version = Some(connect.version);
        self.framer.set_version(connect.version);
        Ok(Some(connect))
    }
}

impl Decoder for PacketCodec {
    type Item = Packet;
    type Error = CodecError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Packet>, CodecError> {
        let packet = match self.version {
            Some(version) => {
                let options = DecodeOptions::new(version)
                    .from_sender(self.sender)
                    .with_leniency(self.leniency);
                self.framer.next_packet(buffer, options)?
            }
            None => self.connect(buffer)?.map(Packet::from),
        };
        if packet.is_none() {
            // In steps: what a peer announces is not what it sends.
            buffer.reserve(self.framer.needed().min(LARGEST_STEP));
        }
        Ok(packet)
    }
}

/// The buffer grows by at most this many bytes before more have arrived.
const LARGEST_STEP: usize = 64 * 1024;

impl Encoder<&Packet> for PacketCodec {
    type Error = CodecError;

    /// Writes a packet. A server that refuses a CONNECT before it knows the version writes in that
    /// of MQTT 5.0.
    fn encode(&mut self, packet: &Packet, buffer: &mut BytesMut) -> Result<(), CodecError> {
        encode(packet, self.version.unwrap_or(Version::V5), buffer)?;
        Ok(())
    }
}

impl Encoder<Packet> for PacketCodec {
    type Error = CodecError;

    fn encode(&mut self, packet: Packet, buffer: &mut BytesMut) -> Result<(), CodecError> {
        Encoder::<&Packet>::encode(self, &packet, buffer)
    }
}

/// What can go wrong with a [`PacketCodec`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The stream failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The peer sent bytes that are no packet.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The packet cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DecodeErrorKind;

    #[test]
    fn the_first_packet_tells_the_version() {
        let mut wire = BytesMut::new();
        let connect = Packet::from(Connect::new(Version::V311, "a"));
        PacketCodec::client(Version::V311)
            .encode(&connect, &mut wire)
            .unwrap();
        wire.extend_from_slice(&[0xC0, 0, 0xD0, 0]);
        let mut server = PacketCodec::server();
        assert_eq!(server.decode(&mut wire).unwrap(), Some(connect));
        assert_eq!(server.decode(&mut wire).unwrap(), Some(Packet::Pingreq));
        assert_eq!(server.version(), Some(Version::V311));
        let Err(CodecError::Decode(error)) = server.decode(&mut wire) else {
            panic!("a client sends no PINGRESP");
        };
        assert_eq!(error.kind(), DecodeErrorKind::WrongSender);
    }

    #[test]
    fn an_announced_length_does_not_grow_the_buffer() {
        let mut buffer = BytesMut::from(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F][..]);
        let mut codec = PacketCodec::client(Version::V311);
        assert!(codec.decode(&mut buffer).unwrap().is_none());
        assert!(buffer.capacity() <= 2 * LARGEST_STEP);
        codec.set_max_packet_size(1000);
    }
}
