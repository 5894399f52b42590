//! Packets for vectored writes.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::buffer::PacketBuf;
use crate::error::EncodeError;

/// A buffer of packets for vectored writes: what is short is copied behind each other, and the large
/// payload of a [`Publish`](crate::Publish) is kept as it is, at the cost of one more slice to write.
///
/// ```
/// use bytes::Bytes;
/// use mqtide_codec::{ChunkedBuf, Packet, Publish, Version, encode};
/// use mqtide_topic::TopicName;
///
/// let payload = Bytes::from(vec![7; 16 * 1024]);
/// let publish = Publish::new(TopicName::from_static("a/b"), payload.clone());
/// let mut buf = ChunkedBuf::new();
/// encode(&publish.into(), Version::V311, &mut buf)?;
/// encode(&Packet::Pingreq, Version::V311, &mut buf)?;
///
/// let chunks: Vec<&[u8]> = buf.chunks().collect();
/// assert_eq!(chunks[0], b"\x30\x85\x80\x01\x00\x03a/b");
/// assert_eq!(chunks[1].as_ptr(), payload.as_ptr());
/// assert_eq!(chunks[2], b"\xC0\x00");
/// # Ok::<(), mqtide_codec::EncodeError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct ChunkedBuf {
    copied: Vec<u8>,
    shared: Vec<Shared>,
    shared_len: usize,
}

/// A payload that stands behind the first `at` bytes of what was copied.
#[derive(Debug, Clone)]
struct Shared {
    at: usize,
    payload: Bytes,
}

impl ChunkedBuf {
    /// From this length in bytes on, a payload is kept instead of copied: 4 KiB. A copy of less costs
    /// no more than a further slice in the system call and the count of references.
    pub const SHARED_FROM: usize = 4 * 1024;

    /// An empty buffer, which allocates when it is written to.
    pub const fn new() -> Self {
        Self {
            copied: Vec::new(),
            shared: Vec::new(),
            shared_len: 0,
        }
    }

    /// An empty buffer with room for this many bytes that are copied, and payloads that are kept.
    pub fn with_capacity(copied: usize, shared: usize) -> Self {
        Self {
            copied: Vec::with_capacity(copied),
            shared: Vec::with_capacity(shared),
            shared_len: 0,
        }
    }

    /// Bytes of all chunks.
    pub const fn len(&self) -> usize {
        self.copied.len() + self.shared_len
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes all bytes; the room that was allocated stays.
    pub fn clear(&mut self) {
        self.copied.clear();
        self.shared.clear();
        self.shared_len = 0;
    }

    /// What to write, in order: at most one chunk more than twice the payloads that are kept, and none
    /// of them empty.
    pub fn chunks(&self) -> impl Iterator<Item = &[u8]> {
        let starts = core::iter::once(0).chain(self.shared.iter().map(|shared| shared.at));
        let pieces = self.shared.iter().zip(starts).flat_map(|(shared, start)| {
            let copied = self.copied.get(start..shared.at).unwrap_or_default();
            [copied, &shared.payload]
        });
        let last = self.shared.last().map_or(0, |shared| shared.at);
        let rest = self.copied.get(last..).unwrap_or_default();
        pieces
            .chain(core::iter::once(rest))
            .filter(|chunk| !chunk.is_empty())
    }
}

impl PacketBuf for ChunkedBuf {
    /// Makes none: what is kept needs no room, and the length says not how much that will be.
    #[inline]
    fn make_room(&mut self, _: usize) -> Result<(), EncodeError> {
        Ok(())
    }

    #[inline]
    fn claim(&mut self, len: usize) -> &mut [u8] {
        self.copied.claim(len)
    }

    #[inline]
    fn put_piece(&mut self, piece: &[u8]) {
        self.copied.put_piece(piece);
    }

    #[inline]
    fn put_shared(&mut self, piece: &Bytes) {
        if piece.len() < Self::SHARED_FROM {
            return self.put_piece(piece);
        }
        self.shared_len += piece.len();
        self.shared.push(Shared {
            at: self.copied.len(),
            payload: piece.clone(),
        });
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use mqtide_topic::TopicName;

    use super::*;
    use crate::{Packet, Publish, Version, encode, encoded_len};

    fn publish(len: usize) -> Packet {
        Publish::new(TopicName::from_static("a/b"), vec![b'x'; len]).into()
    }

    #[test]
    fn the_chunks_are_the_packets() {
        const LARGE: usize = ChunkedBuf::SHARED_FROM;
        let (mut chunked, mut whole) = (ChunkedBuf::with_capacity(64, 1), Vec::new());
        for len in [LARGE, LARGE + 1, 3, LARGE, LARGE - 1, 0, 2 * LARGE] {
            for packet in [publish(len), Packet::Pingreq] {
                let before = chunked.len();
                let len = encode(&packet, Version::V5, &mut chunked).unwrap();
                assert_eq!(encoded_len(&packet, Version::V5), Ok(len));
                assert_eq!(chunked.len(), before + len);
                encode(&packet, Version::V5, &mut whole).unwrap();
                assert_eq!(chunked.chunks().collect::<Vec<_>>().concat(), whole);
            }
        }
        assert!(chunked.chunks().all(|chunk| !chunk.is_empty()));
        assert_eq!(chunked.chunks().count(), 9);
        chunked.clear();
        assert!(chunked.is_empty() && chunked.chunks().next().is_none());
    }

    #[test]
    fn a_large_payload_is_not_copied() {
        let payload = Bytes::from(vec![7; ChunkedBuf::SHARED_FROM]);
        let publish = Publish::new(TopicName::from_static("a/b"), payload.clone());
        let mut chunked = ChunkedBuf::new();
        publish.encode(Version::V311, &mut chunked).unwrap();
        let last = chunked.chunks().last().unwrap();
        assert_eq!(last.as_ptr(), payload.as_ptr());
    }
}
