//! rumqttc 0.25.1: one crate, a packet model per version.

use bytes::BytesMut;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5;

use crate::case::Version;
use crate::codec::Codec;

pub(super) struct V311;
pub(super) struct V5;

impl Codec for V311 {
    const NAME: &'static str = "rumqttc";
    const VERSION: Version = Version::V311;
    type Input = BytesMut;
    type Packet = v4::Packet;
    type Output = BytesMut;

    fn decode(input: &mut BytesMut) -> v4::Packet {
        v4::Packet::read(input, usize::MAX).expect("a valid packet")
    }

    fn encode(packet: &v4::Packet, output: &mut BytesMut) {
        packet
            .write(output, usize::MAX)
            .expect("a packet that can be written");
    }
}

impl Codec for V5 {
    const NAME: &'static str = "rumqttc";
    const VERSION: Version = Version::V5;
    type Input = BytesMut;
    type Packet = v5::Packet;
    type Output = BytesMut;

    fn decode(input: &mut BytesMut) -> v5::Packet {
        v5::Packet::read(input, None).expect("a valid packet")
    }

    fn encode(packet: &v5::Packet, output: &mut BytesMut) {
        packet
            .write(output, None)
            .expect("a packet that can be written");
    }
}
