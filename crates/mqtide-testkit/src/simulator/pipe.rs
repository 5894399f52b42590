//! One direction of a network connection.

use core::time::Duration;
use std::collections::VecDeque;

use bytes::Bytes;
use mqtide_session::Instant;

use super::random::Random;

/// Bytes under way, in order, each piece with the time at which it arrives.
///
/// A piece is whatever the network makes of what was written: packets are cut in the middle and
/// glued together.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    pieces: VecDeque<(Instant, Bytes)>,
    last_arrival: Instant,
    end: Option<Instant>,
}

/// What comes out of a pipe.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// Some bytes, at least one.
    Bytes(Bytes),
    /// The connection is over.
    End,
}

impl Pipe {
    /// A pipe whose bytes arrive behind those of others.
    pub(super) fn behind<'a>(others: impl Iterator<Item = &'a Pipe>) -> Self {
        let last_arrival = others
            .map(|pipe| pipe.last_arrival)
            .max()
            .unwrap_or_default();
        Self {
            last_arrival,
            ..Self::default()
        }
    }

    /// Puts bytes on their way. A closed pipe swallows them.
    pub(super) fn write(&mut self, now: Instant, bytes: &[u8], random: &mut Random) {
        let mut rest = Bytes::copy_from_slice(bytes);
        while !rest.is_empty() && self.end.is_none() {
            let piece = rest.split_to(1 + random.below(rest.len()));
            let at = (now + random.delay(LATENCY)).max(self.last_arrival);
            self.last_arrival = at;
            self.pieces.push_back((at, piece));
        }
    }

    /// Ends the connection. Of the bytes under way, some last ones may be lost.
    pub(super) fn cut(&mut self, now: Instant, random: &mut Random) {
        if self.end.is_some() {
            return;
        }
        let under_way: usize = self.pieces.iter().map(|(_, piece)| piece.len()).sum();
        self.keep(random.below(under_way + 1));
        self.close(now, random);
    }

    /// Ends the connection behind what is under way.
    pub(super) fn close(&mut self, now: Instant, random: &mut Random) {
        let at = (now + random.delay(LATENCY)).max(self.last_arrival);
        self.end.get_or_insert(at);
    }

    /// The next thing to arrive by now.
    pub(super) fn read(&mut self, now: Instant) -> Option<Arrival> {
        if self.next_arrival().is_none_or(|at| now < at) {
            return None;
        }
        Some(match self.pieces.pop_front() {
            Some((_, piece)) => Arrival::Bytes(piece),
            None => Arrival::End,
        })
    }

    /// When [`read`](Self::read) will have something.
    pub(super) fn next_arrival(&self) -> Option<Instant> {
        self.pieces.front().map(|(at, _)| *at).or(self.end)
    }

    fn keep(&mut self, mut bytes: usize) {
        self.pieces.retain_mut(|(_, piece)| {
            piece.truncate(bytes);
            bytes -= piece.len();
            !piece.is_empty()
        });
    }
}

/// The longest that a piece is under way.
const LATENCY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    fn drain(pipe: &mut Pipe) -> (Vec<u8>, bool) {
        let mut bytes = BytesMut::new();
        while let Some(arrival) = pipe.read(Instant::from_micros(u64::MAX)) {
            match arrival {
                Arrival::Bytes(piece) => bytes.extend_from_slice(&piece),
                Arrival::End => return (bytes.to_vec(), true),
            }
        }
        (bytes.to_vec(), false)
    }

    #[test]
    fn bytes_keep_their_order() {
        for seed in 0..100 {
            let mut random = Random::new(seed);
            let mut pipe = Pipe::default();
            pipe.write(Instant::from_micros(5), b"first", &mut random);
            pipe.write(Instant::from_micros(6), b"second", &mut random);
            assert_eq!(drain(&mut pipe), (b"firstsecond".to_vec(), false));
        }
    }

    #[test]
    fn a_cut_loses_the_end_and_nothing_else() {
        let mut lengths = [false; 6];
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let mut pipe = Pipe::default();
            pipe.write(Instant::ZERO, b"bytes", &mut random);
            pipe.cut(Instant::ZERO, &mut random);
            pipe.write(Instant::ZERO, b"more", &mut random);
            let (bytes, ended) = drain(&mut pipe);
            assert!(ended && b"bytes".starts_with(&bytes));
            lengths[bytes.len()] = true;
        }
        assert_eq!(lengths, [true; 6], "every cut occurs");
    }
}
