//! Where packets are written to.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use crate::error::EncodeError;

/// A buffer that packets are written to: `Vec<u8>`, `BytesMut`, a slice that is filled from the front,
/// [`ChunkedBuf`](crate::ChunkedBuf), or yours.
///
/// A trait of its own, not `bytes::BufMut`: a packet consists of many short fields, and a buffer that
/// gives all of their bytes at once is filled faster than one that takes them one by one.
pub trait PacketBuf {
    /// Makes room for a packet. Called once, before the first byte of it.
    ///
    /// # Errors
    ///
    /// [`EncodeError::BufferTooSmall`] if the buffer cannot grow so far. It is left alone then.
    fn make_room(&mut self, len: usize) -> Result<(), EncodeError>;

    /// Appends this many bytes, and gives exactly these to be overwritten. Room was made for them.
    fn claim(&mut self, len: usize) -> &mut [u8];

    /// Appends a copy of this piece. Room was made for it.
    #[inline]
    fn put_piece(&mut self, piece: &[u8]) {
        Writer::new(self.claim(piece.len())).put_slice(piece);
    }

    /// Appends a piece that may be kept instead of copied: the payload of a
    /// [`Publish`](crate::Publish). Room was made for it.
    #[inline]
    fn put_shared(&mut self, piece: &Bytes) {
        self.put_piece(piece);
    }
}

macro_rules! growing {
    ($($buffer:ty)*) => {$(
        impl PacketBuf for $buffer {
            #[inline(always)]
            fn make_room(&mut self, len: usize) -> Result<(), EncodeError> {
                self.reserve(len);
                Ok(())
            }

            #[inline(always)]
            fn claim(&mut self, len: usize) -> &mut [u8] {
                let start = self.len();
                if len <= SHORT && self.capacity() - start >= SHORT {
                    // A few stores, where a length that is not known takes a call.
                    self.extend_from_slice(&[0; SHORT]);
                    self.truncate(start + len);
                } else {
                    self.resize(start + len, 0);
                }
                self.get_mut(start..).unwrap_or_default()
            }

            #[inline(always)]
            fn put_piece(&mut self, piece: &[u8]) {
                self.extend_from_slice(piece);
            }
        }
    )*};
}

growing! { Vec<u8> BytesMut }

/// Nearly all packets without their payload are shorter.
const SHORT: usize = 128;

/// Filled from the front: what is left of the slice is the room that is left.
impl PacketBuf for &mut [u8] {
    #[inline]
    fn make_room(&mut self, len: usize) -> Result<(), EncodeError> {
        if self.len() < len {
            return Err(EncodeError::BufferTooSmall { needed: len });
        }
        Ok(())
    }

    #[inline]
    fn claim(&mut self, len: usize) -> &mut [u8] {
        let (claimed, left) = core::mem::take(self)
            .split_at_mut_checked(len)
            .unwrap_or_default();
        *self = left;
        claimed
    }
}

/// Writes one field behind the other. The space is as long as all of them: what is too much for it is
/// left out.
pub(crate) struct Writer<'a> {
    space: &'a mut [u8],
}

impl<'a> Writer<'a> {
    #[inline(always)]
    pub(crate) const fn new(space: &'a mut [u8]) -> Self {
        Self { space }
    }

    /// Whether all of the space is written.
    #[inline(always)]
    pub(crate) const fn is_full(&self) -> bool {
        self.space.is_empty()
    }

    #[inline(always)]
    pub(crate) fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some((front, left)) = core::mem::take(&mut self.space).split_first_chunk_mut() {
            *front = bytes;
            self.space = left;
        }
    }

    #[inline(always)]
    pub(crate) fn put_u8(&mut self, number: u8) {
        self.put([number]);
    }

    #[inline(always)]
    pub(crate) fn put_u16(&mut self, number: u16) {
        self.put(number.to_be_bytes());
    }

    #[inline(always)]
    pub(crate) fn put_slice(&mut self, bytes: &[u8]) {
        let space = core::mem::take(&mut self.space);
        if let Some((front, left)) = space.split_at_mut_checked(bytes.len()) {
            copy(bytes, front);
            self.space = left;
        }
    }
}

/// Copies bytes to as many others. Two pieces that overlap make every length up to twice theirs: less
/// than what a call costs.
#[inline(always)]
fn copy(from: &[u8], to: &mut [u8]) {
    match from.len() {
        16..=32 => copy_ends::<16>(from, to),
        33..=64 => copy_ends::<32>(from, to),
        8..=15 => copy_ends::<8>(from, to),
        4..=7 => copy_ends::<4>(from, to),
        _ => to.copy_from_slice(from),
    }
}

#[inline(always)]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) {
    if let (Some(from), Some(to)) = (from.first_chunk::<N>(), to.first_chunk_mut::<N>()) {
        *to = *from;
    }
    if let (Some(from), Some(to)) = (from.last_chunk::<N>(), to.last_chunk_mut::<N>()) {
        *to = *from;
    }
}
