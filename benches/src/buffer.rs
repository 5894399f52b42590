//! What codecs read from and write to. Making these is not part of what is measured.

use bytes::{Bytes, BytesMut};

/// Received bytes.
pub trait Input {
    /// Takes bytes in, as a read from a socket would.
    fn load(bytes: &'static [u8]) -> Self;
}

/// Bytes to send.
pub trait Output {
    /// Empty, with room for `capacity` bytes.
    fn with_room(capacity: usize) -> Self;
    /// Bytes appended so far.
    fn written(&self) -> usize;
}

impl Input for &'static [u8] {
    fn load(bytes: &'static [u8]) -> &'static [u8] {
        bytes
    }
}

impl Input for BytesMut {
    fn load(bytes: &'static [u8]) -> BytesMut {
        BytesMut::from(bytes)
    }
}

/// Counted, not static: a static buffer would spare its codec the atomics that everyone else pays.
impl Input for Bytes {
    fn load(bytes: &'static [u8]) -> Bytes {
        let mut shared = BytesMut::from(bytes);
        shared.split().freeze()
    }
}

impl Output for BytesMut {
    fn with_room(capacity: usize) -> BytesMut {
        BytesMut::with_capacity(capacity)
    }

    fn written(&self) -> usize {
        self.len()
    }
}

impl Output for Vec<u8> {
    fn with_room(capacity: usize) -> Vec<u8> {
        Vec::with_capacity(capacity)
    }

    fn written(&self) -> usize {
        self.len()
    }
}

/// A codec that keeps state beside its buffer.
pub struct Stateful<S, B> {
    /// The codec.
    pub state: S,
    /// Its buffer.
    pub buffer: B,
}

impl<S: Default, B: Input> Input for Stateful<S, B> {
    fn load(bytes: &'static [u8]) -> Stateful<S, B> {
        Stateful {
            state: S::default(),
            buffer: B::load(bytes),
        }
    }
}

impl<S: Default, B: Output> Output for Stateful<S, B> {
    fn with_room(capacity: usize) -> Stateful<S, B> {
        Stateful {
            state: S::default(),
            buffer: B::with_room(capacity),
        }
    }

    fn written(&self) -> usize {
        self.buffer.written()
    }
}

/// A slice of fixed length, filled from the front, for codecs that append to nothing.
pub struct Slice {
    bytes: Vec<u8>,
    used: usize,
}

impl Slice {
    /// The part that is still free.
    pub fn free(&mut self) -> &mut [u8] {
        &mut self.bytes[self.used..]
    }

    /// Notes that `count` bytes of it were filled.
    pub fn advance(&mut self, count: usize) {
        self.used += count;
    }
}

impl Output for Slice {
    fn with_room(capacity: usize) -> Slice {
        Slice {
            bytes: vec![0; capacity],
            used: 0,
        }
    }

    fn written(&self) -> usize {
        self.used
    }
}

/// The length of the packet at the front, for codecs that decode a packet without saying where it
/// ended.
#[cfg(feature = "peers")]
pub(crate) fn packet_length(bytes: &[u8]) -> usize {
    let mut length = 0;
    for (at, &byte) in bytes.iter().enumerate().skip(1) {
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte & 0x80 == 0 {
            return at + 1 + length;
        }
    }
    panic!("cases hold whole packets")
}
