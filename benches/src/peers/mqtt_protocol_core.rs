//! mqtt-protocol-core 0.7.9: its packet builder frames, and a parser per packet type reads.

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{
    PacketBuildResult, PacketBuilder, PacketData, RawPacket,
};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait, Packet, v3_1_1, v5_0};

use crate::buffer::{Input, Stateful};
use crate::case::Version;
use crate::codec::Codec;

pub(super) struct V311;
pub(super) struct V5;

impl Codec for V311 {
    const NAME: &'static str = "mqtt-protocol-core";
    const VERSION: Version = Version::V311;
    type Input = Stateful<Builder, Cursor<&'static [u8]>>;
    type Packet = Packet;
    type Output = Vec<u8>;

    fn decode(input: &mut Self::Input) -> Packet {
        let raw = frame(input);
        let parsed = match &raw.data {
            PacketData::Publish(body) => {
                v3_1_1::Publish::parse(raw.flags(), body.clone()).map(|(packet, _)| packet.into())
            }
            PacketData::Normal(_) => match raw.packet_type() {
                1 => raw.parse_exact(v3_1_1::Connect::parse).map(Packet::from),
                4 => raw.parse_exact(v3_1_1::Puback::parse).map(Packet::from),
                8 => raw.parse_exact(v3_1_1::Subscribe::parse).map(Packet::from),
                other => panic!("no case is of type {other}"),
            },
        };
        parsed.expect("a valid packet")
    }

    fn encode(packet: &Packet, output: &mut Vec<u8>) {
        encode(packet, output);
    }
}

impl Codec for V5 {
    const NAME: &'static str = "mqtt-protocol-core";
    const VERSION: Version = Version::V5;
    type Input = Stateful<Builder, Cursor<&'static [u8]>>;
    type Packet = Packet;
    type Output = Vec<u8>;

    fn decode(input: &mut Self::Input) -> Packet {
        let raw = frame(input);
        let parsed = match &raw.data {
            PacketData::Publish(body) => {
                v5_0::Publish::parse(raw.flags(), body.clone()).map(|(packet, _)| packet.into())
            }
            PacketData::Normal(_) => match raw.packet_type() {
                1 => raw.parse_exact(v5_0::Connect::parse).map(Packet::from),
                4 => raw.parse_exact(v5_0::Puback::parse).map(Packet::from),
                8 => raw.parse_exact(v5_0::Subscribe::parse).map(Packet::from),
                other => panic!("no case is of type {other}"),
            },
        };
        parsed.expect("a valid packet")
    }

    fn encode(packet: &Packet, output: &mut Vec<u8>) {
        encode(packet, output);
    }
}

fn frame(input: &mut Stateful<Builder, Cursor<&'static [u8]>>) -> RawPacket {
    match input.state.0.feed(&mut input.buffer) {
        PacketBuildResult::Complete(raw) => raw,
        other => panic!("cases hold whole and valid packets: {other:?}"),
    }
}

fn encode(packet: &Packet, output: &mut Vec<u8>) {
    for slice in packet.to_buffers() {
        output.extend_from_slice(&slice);
    }
}

/// The peer's framer, which has no `Default` of its own.
pub(super) struct Builder(PacketBuilder);

impl Default for Builder {
    fn default() -> Builder {
        Builder(PacketBuilder::new())
    }
}

impl Input for Cursor<&'static [u8]> {
    fn load(bytes: &'static [u8]) -> Cursor<&'static [u8]> {
        Cursor::new(bytes)
    }
}
