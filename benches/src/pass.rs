//! Running a codec over a case, many packets at a time.

use std::hint::black_box;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::buffer::{Input, Output};
use crate::case::Case;
use crate::codec::Codec;

/// A codec bound to a case: first [`prepare`](Pass::prepare), then [`measured`](Pass::measured).
pub trait Pass {
    /// How many packets one pass handles.
    fn packets(&self) -> u64;
    /// Sets up input and output for one pass. Its cost is nobody's.
    fn prepare(&mut self);
    /// Handles the packets. Never inlined, so that callgrind can be told to count in here alone.
    fn measured(&mut self);

    /// Time for one pass.
    fn time(&mut self) -> Duration {
        self.prepare();
        let start = Instant::now();
        self.measured();
        start.elapsed()
    }

    /// Time for `packets` packets, taken from the passes that hold at least as many.
    fn time_packets(&mut self, packets: u64) -> Duration {
        let passes = packets.div_ceil(self.packets()).max(1);
        let total: Duration = (0..passes).map(|_| self.time()).sum();
        total.mul_f64(packets as f64 / (passes * self.packets()) as f64)
    }
}

/// Decodes a buffer full of the case.
pub(crate) struct Decode<C: Codec> {
    bytes: &'static [u8],
    packets: usize,
    input: Option<C::Input>,
}

impl<C: Codec> Decode<C> {
    pub(crate) fn new(case: &Case) -> Decode<C> {
        let copies = copies(case);
        let bytes = case.bytes.repeat(copies).leak();
        Decode {
            bytes,
            packets: copies * case.packets,
            input: None,
        }
    }
}

impl<C: Codec> Pass for Decode<C> {
    fn packets(&self) -> u64 {
        self.packets as u64
    }

    fn prepare(&mut self) {
        self.input = Some(C::Input::load(self.bytes));
    }

    #[inline(never)]
    fn measured(&mut self) {
        let input = self
            .input
            .as_mut()
            .expect("a pass is prepared before it is measured");
        for _ in 0..self.packets {
            black_box(&C::decode(input));
        }
    }
}

/// Encodes a packet again and again behind itself.
pub(crate) struct Encode<C: Codec> {
    packet: C::Packet,
    copies: usize,
    capacity: usize,
    output: Option<C::Output>,
    codec: PhantomData<C>,
}

impl<C: Codec> Encode<C> {
    pub(crate) fn new(case: &Case) -> Encode<C> {
        let packet = C::decode(&mut C::Input::load(case.bytes));
        let mut output = C::Output::with_room(2 * case.bytes.len());
        C::encode(&packet, &mut output);
        // Some write out a reason code and a property length that may be left away.
        let lengths = case.bytes.len()..=case.bytes.len() + 2;
        assert!(
            lengths.contains(&output.written()),
            "{} writes {} in {} bytes",
            C::NAME,
            case.name,
            output.written()
        );
        let copies = copies(case);
        Encode {
            packet,
            copies,
            capacity: (copies + 1) * (case.bytes.len() + 2),
            output: None,
            codec: PhantomData,
        }
    }
}

impl<C: Codec> Pass for Encode<C> {
    fn packets(&self) -> u64 {
        self.copies as u64
    }

    fn prepare(&mut self) {
        self.output = Some(C::Output::with_room(self.capacity));
    }

    #[inline(never)]
    fn measured(&mut self) {
        let output = self
            .output
            .as_mut()
            .expect("a pass is prepared before it is measured");
        for _ in 0..self.copies {
            C::encode(black_box(&self.packet), output);
        }
        black_box(output);
    }
}

/// About 64 KiB, as a receive buffer holds, but at least 16 packets and at most 1024.
fn copies(case: &Case) -> usize {
    if case.is_single() {
        (65_536 / case.bytes.len()).clamp(16, 1024)
    } else {
        1
    }
}
