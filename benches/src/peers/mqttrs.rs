//! mqttrs 0.4.1: MQTT 3.1.1, borrowed. It does not tell where a packet ended.

use mqttrs::{Packet, decode_slice, encode_slice};

use crate::buffer::{Slice, packet_length};
use crate::case::Version;
use crate::codec::{Codec, Ownership};

pub(super) struct V311;

impl Codec for V311 {
    const NAME: &'static str = "mqttrs";
    const VERSION: Version = Version::V311;
    const OWNERSHIP: Ownership = Ownership::Borrowed;
    type Input = &'static [u8];
    type Packet = Packet<'static>;
    type Output = Slice;

    fn decode(input: &mut &'static [u8]) -> Packet<'static> {
        let packet = decode_slice(input)
            .expect("a valid packet")
            .expect("a whole packet");
        *input = &input[packet_length(input)..];
        packet
    }

    fn encode(packet: &Packet<'static>, output: &mut Slice) {
        let written = encode_slice(packet, output.free()).expect("a packet that can be written");
        output.advance(written);
    }
}
