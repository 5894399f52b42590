//! mqtt-format 0.4.0: MQTT 3.1.1, borrowed, written with nom 7. It cannot read a packet with 128 or
//! more bytes behind the fixed header, and it writes to asynchronous writers only.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use mqtt_format::v3::packet::{MPacket, mpacket};

use crate::case::{Case, Version};
use crate::codec::{Codec, Ownership};

pub(super) struct V311;

impl Codec for V311 {
    const NAME: &'static str = "mqtt-format";
    const VERSION: Version = Version::V311;
    const OWNERSHIP: Ownership = Ownership::Borrowed;
    type Input = &'static [u8];
    type Packet = MPacket<'static>;
    type Output = Vec<u8>;

    fn decode(input: &mut &'static [u8]) -> MPacket<'static> {
        let (rest, packet) = mpacket(input).expect("a valid packet");
        *input = rest;
        packet
    }

    fn encode(packet: &MPacket<'static>, output: &mut Vec<u8>) {
        let writing = pin!(packet.write_to(Pin::new(output)));
        let Poll::Ready(written) = writing.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("a vector is always ready")
        };
        written.expect("a packet that can be written");
    }

    fn reads(case: &Case) -> bool {
        case.bytes.len() / case.packets < 128
    }
}
