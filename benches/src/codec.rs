//! What a codec must offer to take part.

use crate::buffer::{Input, Output};
use crate::case::{Case, Version};
use crate::pass::{Decode, Encode, Pass};

/// A codec for one protocol version, behind the thinnest adapter that its own documentation
/// recommends.
pub trait Codec: 'static {
    /// The crate's name.
    const NAME: &'static str;
    /// The version that this adapter speaks.
    const VERSION: Version;
    /// Whether packets own their fields or borrow from the input.
    const OWNERSHIP: Ownership = Ownership::Owned;

    /// The form in which the codec wants its input.
    type Input: Input;
    /// A decoded packet.
    type Packet;
    /// What the codec writes to.
    type Output: Output;

    /// Reads the next packet, framing included. Cases hold whole and valid packets only, so an
    /// adapter panics where its codec refuses one.
    fn decode(input: &mut Self::Input) -> Self::Packet;

    /// Appends a packet.
    fn encode(packet: &Self::Packet, output: &mut Self::Output);

    /// Whether the codec can read the case at all.
    fn reads(_case: &Case) -> bool {
        true
    }

    /// Whether the codec can write the case's packet.
    fn writes(case: &Case) -> bool {
        Self::reads(case)
    }
}

/// Who holds a decoded packet's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// The packet itself, by copies or by shared buffers: it can be sent to another task.
    Owned,
    /// The input: the packet must go before the input does.
    Borrowed,
}

/// Reading or writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Bytes to packets.
    Decode,
    /// Packets to bytes.
    Encode,
}

impl Direction {
    /// Both, in the order in which tables show them.
    pub const ALL: [Direction; 2] = [Direction::Decode, Direction::Encode];

    /// `decode` or `encode`, as it stands in the names of benches.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Decode => "decode",
            Direction::Encode => "encode",
        }
    }
}

/// A codec as a row of a table.
pub struct Contender {
    /// The crate's name.
    pub name: &'static str,
    /// The version that it speaks here.
    pub version: Version,
    /// Whether its packets borrow.
    pub ownership: Ownership,
    decode: fn(&Case) -> Option<Box<dyn Pass>>,
    encode: fn(&Case) -> Option<Box<dyn Pass>>,
}

impl Contender {
    /// The row of codec `C`.
    pub const fn of<C: Codec>() -> Contender {
        Contender {
            name: C::NAME,
            version: C::VERSION,
            ownership: C::OWNERSHIP,
            decode: |case| C::reads(case).then(|| Box::new(Decode::<C>::new(case)) as _),
            encode: |case| {
                let able = case.is_single() && C::writes(case);
                able.then(|| Box::new(Encode::<C>::new(case)) as _)
            },
        }
    }

    /// Whether it is mqtide, in one of its forms.
    pub fn is_ours(&self) -> bool {
        self.name.starts_with("mqtide")
    }

    /// The codec ready to run over a case, or `None` if it cannot.
    pub fn pass(&self, direction: Direction, case: &Case) -> Option<Box<dyn Pass>> {
        match direction {
            Direction::Decode => (self.decode)(case),
            Direction::Encode => (self.encode)(case),
        }
    }
}
