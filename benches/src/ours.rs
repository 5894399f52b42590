//! mqtide-codec in its forms: packets that own their fields, and packets that borrow.

use std::marker::PhantomData;

use bytes::BytesMut;
use mqtide_codec::{ChunkedBuf, Framer, Packet, PacketRef, encode};

use crate::buffer::{Output, Stateful};
use crate::case::{Case, Version};
use crate::codec::{Codec, Ownership};

/// `next_packet` off a `BytesMut`, and `encode`.
pub(crate) struct Owned<V>(PhantomData<V>);

/// `encode` to a buffer that keeps large payloads for vectored writes.
pub(crate) struct Chunked<V>(PhantomData<V>);

/// `next_packet_ref` off a slice.
pub(crate) struct Borrowed<V>(PhantomData<V>);

/// MQTT 3.1.1.
pub(crate) struct V311;

/// MQTT 5.0.
pub(crate) struct V5;

pub(crate) trait Speaks: 'static {
    const CASE: Version;
    const CODEC: mqtide_codec::Version;
}

impl Speaks for V311 {
    const CASE: Version = Version::V311;
    const CODEC: mqtide_codec::Version = mqtide_codec::Version::V311;
}

impl Speaks for V5 {
    const CASE: Version = Version::V5;
    const CODEC: mqtide_codec::Version = mqtide_codec::Version::V5;
}

impl<V: Speaks> Codec for Owned<V> {
    const NAME: &'static str = "mqtide";
    const VERSION: Version = V::CASE;
    type Input = Stateful<Frames<V>, BytesMut>;
    type Packet = Packet;
    type Output = BytesMut;

    fn decode(input: &mut Self::Input) -> Packet {
        let framer = &mut input.state.framer;
        let packet = framer.next_packet(&mut input.buffer, V::CODEC);
        packet.expect("a valid packet").expect("a whole packet")
    }

    fn encode(packet: &Packet, output: &mut BytesMut) {
        encode(packet, V::CODEC, output).expect("a packet that can be written");
    }
}

impl<V: Speaks> Codec for Chunked<V> {
    const NAME: &'static str = "mqtide chunked";
    const VERSION: Version = V::CASE;
    type Input = Stateful<Frames<V>, BytesMut>;
    type Packet = Packet;
    type Output = ChunkedBuf;

    fn decode(input: &mut Self::Input) -> Packet {
        Owned::<V>::decode(input)
    }

    fn encode(packet: &Packet, output: &mut ChunkedBuf) {
        encode(packet, V::CODEC, output).expect("a packet that can be written");
    }

    fn reads(_: &Case) -> bool {
        false
    }

    fn writes(case: &Case) -> bool {
        case.bytes.len() > ChunkedBuf::SHARED_FROM
    }
}

/// Room for all that is copied, and for as many payloads as a pass has.
impl Output for ChunkedBuf {
    fn with_room(capacity: usize) -> ChunkedBuf {
        ChunkedBuf::with_capacity(capacity, capacity / ChunkedBuf::SHARED_FROM)
    }

    fn written(&self) -> usize {
        self.len()
    }
}

impl<V: Speaks> Codec for Borrowed<V> {
    const NAME: &'static str = "mqtide borrowed";
    const VERSION: Version = V::CASE;
    const OWNERSHIP: Ownership = Ownership::Borrowed;
    type Input = Stateful<Frames<V>, &'static [u8]>;
    type Packet = PacketRef<'static>;
    type Output = BytesMut;

    fn decode(input: &mut Self::Input) -> PacketRef<'static> {
        let framer = &mut input.state.framer;
        let next = framer.next_packet_ref(input.buffer, V::CODEC);
        let (packet, rest) = next.expect("a valid packet").expect("a whole packet");
        input.buffer = rest;
        packet
    }

    fn encode(_: &PacketRef<'static>, _: &mut BytesMut) {}

    fn writes(_: &Case) -> bool {
        false
    }
}

/// A framer for the version.
pub(crate) struct Frames<V> {
    framer: Framer,
    version: PhantomData<V>,
}

impl<V: Speaks> Default for Frames<V> {
    fn default() -> Frames<V> {
        Frames {
            framer: Framer::new(V::CODEC),
            version: PhantomData,
        }
    }
}
