//! rumqttc-v4-next and rumqttc-v5-next 0.34.0: a crate per version.

use bytes::BytesMut;
use rumqttc_v4_next::mqttbytes::v4;
use rumqttc_v5_next::mqttbytes::v5;

use crate::case::Version;
use crate::codec::Codec;

pub(super) struct V311;
pub(super) struct V5;

impl Codec for V311 {
    const NAME: &'static str = "rumqttc-next";
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
    const NAME: &'static str = "rumqttc-next";
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
