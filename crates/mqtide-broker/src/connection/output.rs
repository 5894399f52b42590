//! Bytes on their way to a socket.

use std::io::{self, IoSlice};

use bytes::Bytes;

/// What one turn has for one receiver: small packets copied behind each other, large payloads chained between
/// them, so that all of it leaves with one write.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
    chained: Vec<Chained>,
    chained_len: usize,
}

/// A payload that follows after the first `at` bytes of the buffer.
#[derive(Debug)]
struct Chained {
    at: usize,
    payload: Bytes,
}

/// From this size on a payload is chained instead of copied. Below, a copy into warm memory is cheaper than
/// a further slice in the system call and the count of its references.
pub(crate) const CHAIN_FROM: usize = 8 * 1024;

/// As much as one turn gathers for one receiver before it writes.
pub(crate) const TURN_BYTES: usize = 64 * 1024;

/// The operating system takes no more slices in one call.
const MAX_SLICES: usize = 64;

impl Output {
    /// The buffer to append packets to.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Appends a payload without copying it.
    pub(crate) fn chain(&mut self, payload: Bytes) {
        self.chained_len += payload.len();
        self.chained.push(Chained {
            at: self.bytes.len(),
            payload,
        });
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() + self.chained_len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this turn has gathered enough.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= TURN_BYTES || self.chained.len() >= MAX_SLICES / 2
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.chained.clear();
        self.chained_len = 0;
    }

    /// Gives everything to `write` with as few calls as it takes; returns how much it took before it would
    /// have blocked.
    pub(crate) fn write_to(
        &self,
        write: &mut dyn FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut written = 0;
        while written < self.len() {
            let taken = if self.chained.is_empty() {
                write(&[IoSlice::new(&self.bytes[written..])])
            } else {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let count = self.slices_from(written, &mut slices);
                write(&slices[..count])
            };
            match taken {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => written += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// What is left after the first `written` bytes, for later.
    pub(crate) fn rest_after(&self, written: usize) -> Rest {
        let mut rest = Rest::default();
        self.pieces_from(written, &mut |piece, payload| match payload {
            Some(payload) => rest.push(payload.slice_ref(piece)),
            None => rest.push(Bytes::copy_from_slice(piece)),
        });
        rest
    }

    fn slices_from<'a>(&'a self, skip: usize, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        self.pieces_from(skip, &mut |piece, _| {
            if let Some(slot) = slices.get_mut(count) {
                *slot = IoSlice::new(piece);
                count += 1;
            }
        });
        count
    }

    /// Shows the non-empty pieces in order, without the first `skip` bytes; a chained one with its payload.
    fn pieces_from<'a>(
        &'a self,
        mut skip: usize,
        show: &mut dyn FnMut(&'a [u8], Option<&'a Bytes>),
    ) {
        let mut show = |piece: &'a [u8], payload| {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            if skipped < piece.len() {
                show(&piece[skipped..], payload);
            }
        };
        let mut start = 0;
        for Chained { at, payload } in &self.chained {
            show(&self.bytes[start..*at], None);
            show(payload, Some(payload));
            start = *at;
        }
        show(&self.bytes[start..], None);
    }
}

/// What a socket did not take.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    pieces: std::collections::VecDeque<Bytes>,
    len: usize,
}

impl Rest {
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        self.pieces.push_back(piece);
    }

    pub(crate) fn append(&mut self, mut other: Rest) {
        self.len += other.len;
        self.pieces.append(&mut other.pieces);
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first bytes.
    pub(crate) fn front(&self) -> Option<&Bytes> {
        self.pieces.front()
    }

    /// Gives as much as possible to `write`; returns how much that was.
    pub(crate) fn write_to(
        &mut self,
        write: &mut dyn FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let mut written = 0;
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = self.pieces.len().min(MAX_SLICES);
            for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
                *slice = IoSlice::new(piece);
            }
            match write(&slices[..count]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => {
                    self.advance(taken);
                    written += taken;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Drops the first bytes.
    pub(crate) fn advance(&mut self, mut taken: usize) {
        self.len -= taken;
        while let Some(first) = self.pieces.front_mut() {
            if taken < first.len() {
                drop(first.split_to(taken));
                return;
            }
            taken -= first.len();
            self.pieces.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket that takes `room` bytes in calls of at most `step`.
    fn socket(
        taken: &mut Vec<u8>,
        mut room: usize,
        step: usize,
    ) -> impl FnMut(&[IoSlice<'_>]) -> io::Result<usize> {
        move |slices| {
            let all: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
            let count = all.len().min(room).min(step);
            if count == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            room -= count;
            taken.extend_from_slice(&all[..count]);
            Ok(count)
        }
    }

    #[test]
    fn every_split_of_a_write_keeps_the_bytes_in_order() {
        let mut output = Output::default();
        output.bytes().extend_from_slice(b"one ");
        output.chain(Bytes::from_static(b"TWO "));
        output.chain(Bytes::from_static(b"THREE "));
        output.bytes().extend_from_slice(b"four");
        let whole = b"one TWO THREE four";
        assert_eq!(output.len(), whole.len());
        for room in 0..=whole.len() {
            for step in 1..=whole.len() {
                let mut taken = Vec::new();
                let written = output
                    .write_to(&mut socket(&mut taken, room, step))
                    .unwrap();
                assert_eq!(written, room);
                let mut rest = output.rest_after(written);
                rest.write_to(&mut socket(&mut taken, 3, step)).unwrap();
                rest.write_to(&mut socket(&mut taken, whole.len(), step))
                    .unwrap();
                assert_eq!(taken, whole, "room {room}, step {step}");
                assert!(rest.is_empty());
            }
        }
    }

    #[test]
    fn a_socket_that_takes_nothing_is_broken() {
        let mut output = Output::default();
        output.bytes().push(0);
        let error = output.write_to(&mut |_| Ok(0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}
