//! A receive buffer's worth of small PUBLISH packets, as a broker reads them under load.

use super::Version;
use super::wire::Body;

/// As many whole packets as 64 KiB hold, and their number: 32 topics, QoS 0 and 1 mixed, payloads
/// of 8 to 63 bytes.
pub(super) fn publishes(version: Version) -> (Vec<u8>, usize) {
    let topics = topics();
    let mut random = Random(0x5eed);
    let mut stream = Vec::with_capacity(LIMIT);
    let mut packets = 0;
    loop {
        let topic = &topics[random.below(topics.len())];
        let packet = publish(version, topic, random.below(2), 8 + random.below(56));
        if stream.len() + packet.len() > LIMIT {
            return (stream, packets);
        }
        stream.extend(packet);
        packets += 1;
    }
}

fn publish(version: Version, topic: &str, qos: usize, payload: usize) -> Vec<u8> {
    let mut body = Body::default().field(topic);
    if qos == 1 {
        body = body.u16(7);
    }
    let first_byte = if qos == 1 { 0x32 } else { 0x30 };
    body.properties(version, Body::default())
        .raw(&vec![b'x'; payload])
        .packet(first_byte)
}

fn topics() -> Vec<String> {
    let kinds = ["temp", "pressure", "state", "rpm"];
    (0..32)
        .map(|n| {
            format!(
                "site/berlin/line-{:02}/press-{}/{}",
                n / 8,
                n / 4 % 8,
                kinds[n % 4]
            )
        })
        .collect()
}

/// Numbers that look drawn and are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

const LIMIT: usize = 64 * 1024;
