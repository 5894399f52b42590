//! mqttbytes 0.6.0. It has no writer for a packet of any type, so the adapter tells them apart.

use bytes::BytesMut;
use mqttbytes::{v4, v5};

use crate::case::Version;
use crate::codec::Codec;

pub(super) struct V311;
pub(super) struct V5;

impl Codec for V311 {
    const NAME: &'static str = "mqttbytes";
    const VERSION: Version = Version::V311;
    type Input = BytesMut;
    type Packet = v4::Packet;
    type Output = BytesMut;

    fn decode(input: &mut BytesMut) -> v4::Packet {
        v4::read(input, usize::MAX).expect("a valid packet")
    }

    fn encode(packet: &v4::Packet, output: &mut BytesMut) {
        let written = match packet {
            v4::Packet::Publish(publish) => publish.write(output),
            v4::Packet::PubAck(puback) => puback.write(output),
            v4::Packet::Subscribe(subscribe) => subscribe.write(output),
            v4::Packet::Connect(connect) => connect.write(output),
            other => panic!("no case is {other:?}"),
        };
        written.expect("a packet that can be written");
    }
}

impl Codec for V5 {
    const NAME: &'static str = "mqttbytes";
    const VERSION: Version = Version::V5;
    type Input = BytesMut;
    type Packet = v5::Packet;
    type Output = BytesMut;

    fn decode(input: &mut BytesMut) -> v5::Packet {
        v5::read(input, usize::MAX).expect("a valid packet")
    }

    fn encode(packet: &v5::Packet, output: &mut BytesMut) {
        let written = match packet {
            v5::Packet::Publish(publish) => publish.write(output),
            v5::Packet::PubAck(puback) => puback.write(output),
            v5::Packet::Subscribe(subscribe) => subscribe.write(output),
            v5::Packet::Connect(connect) => connect.write(output),
            other => panic!("no case is {other:?}"),
        };
        written.expect("a packet that can be written");
    }
}
