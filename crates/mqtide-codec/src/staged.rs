//! Writing in pieces to a buffer for which each call has its price.

use bytes::BufMut;

/// Gathers short pieces and passes them on together: a buffer that may grow checks its room at each
/// call, which costs more than the few bytes of a field. Long pieces are passed on as they are.
///
/// What was gathered last is passed on by [`flush`](Self::flush).
pub(crate) struct Staged<'b, B> {
    buf: &'b mut B,
    bytes: [u8; CAPACITY],
    len: usize,
}

/// Enough for nearly all packets but their payloads, and little to clear.
const CAPACITY: usize = 256;

impl<'b, B: BufMut> Staged<'b, B> {
    #[inline]
    pub(crate) fn new(buf: &'b mut B) -> Self {
        Self {
            buf,
            bytes: [0; CAPACITY],
            len: 0,
        }
    }

    #[inline]
    pub(crate) fn put_u8(&mut self, byte: u8) {
        self.put_slice(&[byte]);
    }

    #[inline]
    pub(crate) fn put_u16(&mut self, number: u16) {
        self.put_slice(&number.to_be_bytes());
    }

    #[inline]
    pub(crate) fn put_u32(&mut self, number: u32) {
        self.put_slice(&number.to_be_bytes());
    }

    #[inline]
    pub(crate) fn put_slice(&mut self, piece: &[u8]) {
        if let Some(space) = self.bytes.get_mut(self.len..)
            && let Some(space) = space.get_mut(..piece.len())
        {
            space.copy_from_slice(piece);
            self.len += piece.len();
        } else {
            self.flush();
            self.buf.put_slice(piece);
        }
    }

    /// Binary data or text: its length in two bytes, then itself.
    pub(crate) fn put_binary(&mut self, bytes: &[u8]) {
        self.put_binary_inline(bytes);
    }

    /// [`put_binary`](Self::put_binary) for where it stands once.
    #[inline(always)]
    pub(crate) fn put_binary_inline(&mut self, bytes: &[u8]) {
        let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
        if let Some(space) = self.bytes.get_mut(self.len..)
            && let Some((front, space)) = space.split_first_chunk_mut()
            && let Some(space) = space.get_mut(..bytes.len())
        {
            *front = len;
            space.copy_from_slice(bytes);
            self.len += len.len() + bytes.len();
        } else {
            self.put_slice(&len);
            self.put_slice(bytes);
        }
    }

    /// Passes on what was gathered, and the last piece behind it.
    #[inline]
    pub(crate) fn finish(&mut self, last: &[u8]) {
        self.put_slice(last);
        if self.len > 0 {
            self.flush();
        }
    }

    /// Passes on what was gathered.
    #[inline]
    pub(crate) fn flush(&mut self) {
        self.buf.put_slice(&self.bytes[..self.len]);
        self.len = 0;
    }
}
