//! mqtt-proto 0.4.0. It does not tell where a packet ended, and gives back a vector per packet.

use mqtt_proto::{v3, v5};

use crate::buffer::packet_length;
use crate::case::Version;
use crate::codec::Codec;

pub(super) struct V311;
pub(super) struct V5;

impl Codec for V311 {
    const NAME: &'static str = "mqtt-proto";
    const VERSION: Version = Version::V311;
    type Input = &'static [u8];
    type Packet = v3::Packet;
    type Output = Vec<u8>;

    fn decode(input: &mut &'static [u8]) -> v3::Packet {
        let packet = v3::Packet::decode(input)
            .expect("a valid packet")
            .expect("a whole packet");
        *input = &input[packet_length(input)..];
        packet
    }

    fn encode(packet: &v3::Packet, output: &mut Vec<u8>) {
        let bytes = packet.encode().expect("a packet that can be written");
        output.extend_from_slice(bytes.as_ref());
    }
}

impl Codec for V5 {
    const NAME: &'static str = "mqtt-proto";
    const VERSION: Version = Version::V5;
    type Input = &'static [u8];
    type Packet = v5::Packet;
    type Output = Vec<u8>;

    fn decode(input: &mut &'static [u8]) -> v5::Packet {
        let packet = v5::Packet::decode(input)
            .expect("a valid packet")
            .expect("a whole packet");
        *input = &input[packet_length(input)..];
        packet
    }

    fn encode(packet: &v5::Packet, output: &mut Vec<u8>) {
        let bytes = packet.encode().expect("a packet that can be written");
        output.extend_from_slice(bytes.as_ref());
    }
}
