//! mqtt-codec-kit 1.0.5, through its `tokio_util` decoder; its encoder takes packets by value, the
//! trait below it does not.

use bytes::{BufMut, BytesMut};
use mqtt_codec_kit::common::Encodable;
use mqtt_codec_kit::{v4, v5};
use tokio_util::codec::Decoder;

use crate::buffer::Stateful;
use crate::case::Version;
use crate::codec::Codec;

pub(super) struct V311;
pub(super) struct V5;

impl Codec for V311 {
    const NAME: &'static str = "mqtt-codec-kit";
    const VERSION: Version = Version::V311;
    type Input = Stateful<v4::packet::MqttDecoder, BytesMut>;
    type Packet = v4::packet::VariablePacket;
    type Output = BytesMut;

    fn decode(input: &mut Self::Input) -> v4::packet::VariablePacket {
        input
            .state
            .decode(&mut input.buffer)
            .expect("a valid packet")
            .expect("a whole packet")
    }

    fn encode(packet: &v4::packet::VariablePacket, output: &mut BytesMut) {
        packet
            .encode(&mut output.writer())
            .expect("a packet that can be written");
    }
}

impl Codec for V5 {
    const NAME: &'static str = "mqtt-codec-kit";
    const VERSION: Version = Version::V5;
    type Input = Stateful<v5::packet::MqttDecoder, BytesMut>;
    type Packet = v5::packet::VariablePacket;
    type Output = BytesMut;

    fn decode(input: &mut Self::Input) -> v5::packet::VariablePacket {
        input
            .state
            .decode(&mut input.buffer)
            .expect("a valid packet")
            .expect("a whole packet")
    }

    fn encode(packet: &v5::packet::VariablePacket, output: &mut BytesMut) {
        packet
            .encode(&mut output.writer())
            .expect("a packet that can be written");
    }
}
