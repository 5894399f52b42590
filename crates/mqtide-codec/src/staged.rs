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
        let end = self.len + piece.len();
        if let Some(space) = self.bytes.get_mut(self.len..end) {
            space.copy_from_slice(piece);
            self.len = end;
        } else {
            self.flush();
            self.buf.put_slice(piece);
        }
    }

    /// Passes on what was gathered.
    #[inline]
    pub(crate) fn flush(&mut self) {
        self.buf.put_slice(&self.bytes[..self.len]);
        self.len = 0;
    }
}
