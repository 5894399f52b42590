//! rmqtt-codec 0.3.1, through its `tokio_util` codec, which takes packets to write by value.

use bytes::BytesMut;
use rmqtt_codec::{v3, v5};
use tokio_util::codec::{Decoder, Encoder};

use crate::buffer::Stateful;
use crate::case::Version;
use crate::codec::Codec;

pub(super) struct V311;
pub(super) struct V5;

impl Codec for V311 {
    const NAME: &'static str = "rmqtt-codec";
    const VERSION: Version = Version::V311;
    type Input = Stateful<v3::Codec, BytesMut>;
    type Packet = v3::Packet;
    type Output = Stateful<v3::Codec, BytesMut>;

    fn decode(input: &mut Self::Input) -> v3::Packet {
        let decoded = input
            .state
            .decode(&mut input.buffer)
            .expect("a valid packet");
        decoded.expect("a whole packet").0
    }

    fn encode(packet: &v3::Packet, output: &mut Self::Output) {
        output
            .state
            .encode(packet.clone(), &mut output.buffer)
            .expect("a packet that can be written");
    }
}

impl Codec for V5 {
    const NAME: &'static str = "rmqtt-codec";
    const VERSION: Version = Version::V5;
    type Input = Stateful<v5::Codec, BytesMut>;
    type Packet = v5::Packet;
    type Output = Stateful<v5::Codec, BytesMut>;

    fn decode(input: &mut Self::Input) -> v5::Packet {
        let decoded = input
            .state
            .decode(&mut input.buffer)
            .expect("a valid packet");
        decoded.expect("a whole packet").0
    }

    fn encode(packet: &v5::Packet, output: &mut Self::Output) {
        output
            .state
            .encode(packet.clone(), &mut output.buffer)
            .expect("a packet that can be written");
    }
}
