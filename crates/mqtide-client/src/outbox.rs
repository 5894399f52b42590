//! What is to be written: small packets gathered, large payloads as they are.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes, BytesMut};
use mqtide_codec::{EncodeError, Packet, Version, encode};

/// Bytes to write, in order. A write takes as many pieces as it can at once.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// What comes first, in pieces.
    pieces: VecDeque<Bytes>,
    /// What comes last, and still grows.
    open: BytesMut,
    len: usize,
}

impl Outbox {
    /// Adds a packet.
    pub(crate) fn push(&mut self, packet: &Packet, version: Version) -> Result<(), EncodeError> {
        match packet {
            Packet::Publish(publish) if publish.payload.len() >= CHAINED => {
                self.len += publish.encode_head(version, &mut self.open)?;
                self.len += publish.payload.len();
                self.pieces
                    .extend([self.open.split().freeze(), publish.payload.clone()]);
            }
            packet => self.len += encode(packet, version, &mut self.open)?,
        }
        Ok(())
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Buf for Outbox {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        self.pieces.front().map_or(&self.open, Bytes::as_ref)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let open = Some(&self.open[..]).filter(|open| !open.is_empty());
        let pieces = self.pieces.iter().map(Bytes::as_ref).chain(open);
        let filled = slices
            .iter_mut()
            .zip(pieces)
            .map(|(slice, piece)| *slice = IoSlice::new(piece));
        filled.count()
    }

    fn advance(&mut self, mut count: usize) {
        self.len -= count;
        while let Some(piece) = self.pieces.front_mut() {
            if count < piece.len() {
                return piece.advance(count);
            }
            count -= piece.len();
            self.pieces.pop_front();
        }
        self.open.advance(count);
    }
}

/// From here on, a payload is not copied: below, one copy is cheaper than one more piece.
const CHAINED: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use mqtide_codec::Publish;
    use mqtide_topic::TopicName;

    use super::*;

    fn publish(payload: Bytes) -> Packet {
        Packet::Publish(Publish::new(TopicName::from_static("t"), payload))
    }

    #[test]
    fn the_order_holds_whatever_is_written_at_a_time() {
        let large = Bytes::from(vec![7; CHAINED]);
        let packets = [
            Packet::Pingreq,
            publish(large.clone()),
            publish("small".into()),
            publish(large),
            Packet::Pingreq,
        ];
        let mut expected = Vec::new();
        for step in [1, 3, 5000, 1 << 20] {
            expected.clear();
            let mut outbox = Outbox::default();
            for packet in &packets {
                encode(packet, Version::V5, &mut expected).unwrap();
                outbox.push(packet, Version::V5).unwrap();
            }
            assert_eq!(outbox.len(), expected.len());
            let mut written = Vec::new();
            while !outbox.is_empty() {
                let mut slices = [IoSlice::new(&[]); 2];
                let filled = outbox.chunks_vectored(&mut slices);
                let bytes: Vec<u8> = slices[..filled]
                    .iter()
                    .flat_map(|slice| slice.iter().copied())
                    .take(step)
                    .collect();
                outbox.advance(bytes.len());
                written.extend(bytes);
            }
            assert!(written == expected, "in steps of {step}");
        }
    }

    #[test]
    fn a_large_payload_is_not_copied() {
        let payload = Bytes::from(vec![7; CHAINED]);
        let mut outbox = Outbox::default();
        outbox.push(&publish(payload.clone()), Version::V5).unwrap();
        assert_eq!(outbox.pieces[1].as_ptr(), payload.as_ptr());
    }
}
