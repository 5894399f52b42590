//! ntex-mqtt 9.0.0, with its own buffers. A PUBLISH is a header and its payload, and packets to
//! write are taken by value.

use ntex_bytes::{BytePages, Bytes, BytesMut};
use ntex_codec::{Decoder, Encoder};
use ntex_mqtt::{v3, v5};

use crate::buffer::{Input, Output, Stateful};
use crate::case::Version;
use crate::codec::Codec;

pub(super) struct V311;
pub(super) struct V5;

impl Codec for V311 {
    const NAME: &'static str = "ntex-mqtt";
    const VERSION: Version = Version::V311;
    type Input = Stateful<v3::codec::Codec, BytesMut>;
    type Packet = v3::codec::Decoded;
    type Output = Stateful<v3::codec::Codec, BytePages>;

    fn decode(input: &mut Self::Input) -> v3::codec::Decoded {
        input
            .state
            .decode(&mut input.buffer)
            .expect("a valid packet")
            .expect("a whole packet")
    }

    fn encode(packet: &v3::codec::Decoded, output: &mut Self::Output) {
        use v3::codec::{Decoded, Encoded};
        let packet = match packet.clone() {
            Decoded::Packet(packet, _) => Encoded::Packet(packet),
            Decoded::Publish(publish, payload, _) => Encoded::Publish(publish, Some(payload)),
            Decoded::PayloadChunk(..) => panic!("cases hold whole packets"),
        };
        output
            .state
            .encodev(packet, &mut output.buffer)
            .expect("a packet that can be written");
    }
}

impl Codec for V5 {
    const NAME: &'static str = "ntex-mqtt";
    const VERSION: Version = Version::V5;
    type Input = Stateful<v5::codec::Codec, BytesMut>;
    type Packet = v5::codec::Decoded;
    type Output = Stateful<v5::codec::Codec, BytePages>;

    fn decode(input: &mut Self::Input) -> v5::codec::Decoded {
        input
            .state
            .decode(&mut input.buffer)
            .expect("a valid packet")
            .expect("a whole packet")
    }

    fn encode(packet: &v5::codec::Decoded, output: &mut Self::Output) {
        use v5::codec::{Decoded, Encoded};
        let packet = match packet.clone() {
            Decoded::Packet(packet, _) => Encoded::Packet(packet),
            Decoded::Publish(publish, payload, _) => Encoded::Publish(publish, Some(payload)),
            Decoded::PayloadChunk(..) => panic!("cases hold whole packets"),
        };
        output
            .state
            .encodev(packet, &mut output.buffer)
            .expect("a packet that can be written");
    }
}

impl Input for BytesMut {
    fn load(bytes: &'static [u8]) -> BytesMut {
        BytesMut::from(Bytes::copy_from_slice(bytes))
    }
}

/// Pages of the codec's own choosing: they cannot be made with room.
impl Output for BytePages {
    fn with_room(_capacity: usize) -> BytePages {
        BytePages::default()
    }

    fn written(&self) -> usize {
        self.len()
    }
}
