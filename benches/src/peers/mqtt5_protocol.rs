//! mqtt5-protocol 0.16.2: one packet model for both versions. The body of a packet is decoded from a
//! `Bytes` of its own, so that payloads are shared and not copied.

use bytes::{Bytes, BytesMut};
use mqtt5_protocol::packet::{FixedHeader, MqttPacket, Packet};

use crate::case::Version;
use crate::codec::Codec;

pub(super) struct V311;
pub(super) struct V5;

impl Codec for V311 {
    const NAME: &'static str = "mqtt5-protocol";
    const VERSION: Version = Version::V311;
    type Input = Bytes;
    type Packet = Packet;
    type Output = BytesMut;

    fn decode(input: &mut Bytes) -> Packet {
        decode(input, 4)
    }

    fn encode(packet: &Packet, output: &mut BytesMut) {
        encode(packet, output);
    }
}

impl Codec for V5 {
    const NAME: &'static str = "mqtt5-protocol";
    const VERSION: Version = Version::V5;
    type Input = Bytes;
    type Packet = Packet;
    type Output = BytesMut;

    fn decode(input: &mut Bytes) -> Packet {
        decode(input, 5)
    }

    fn encode(packet: &Packet, output: &mut BytesMut) {
        encode(packet, output);
    }
}

fn decode(input: &mut Bytes, version: u8) -> Packet {
    let header = FixedHeader::decode(input).expect("a valid header");
    let mut body = input.split_to(header.remaining_length as usize);
    Packet::decode_from_body_with_version(header.packet_type, &header, &mut body, version)
        .expect("a valid packet")
}

fn encode(packet: &Packet, output: &mut BytesMut) {
    let written = match packet {
        Packet::Publish(publish) => publish.encode(output),
        Packet::PubAck(puback) => puback.encode(output),
        Packet::Subscribe(subscribe) => subscribe.encode(output),
        Packet::Connect(connect) => connect.encode(output),
        other => panic!("no case is {other:?}"),
    };
    written.expect("a packet that can be written");
}
