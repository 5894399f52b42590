//! How much memory is asked for: none on the paths of messages and acknowledgements, and never more
//! than a small multiple of what was received.

use bytes::{Bytes, BytesMut};
use mqtide_codec::{
    Ack, DecodeOptions, Delivery, Framer, Packet, PacketIdentifier, Publish, PublishParts,
    PublishProperties, PublishRef, Version, decode, decode_ref, encode,
};
use mqtide_topic::TopicName;
use proptest::collection::vec;
use proptest::prelude::*;

/// Calls of the allocator and bytes asked for while `work` runs.
fn allocations<T>(work: impl FnOnce() -> T) -> (u64, u64, T) {
    let mut result = None;
    let info = allocation_counter::measure(|| result = Some(work()));
    let result = result.expect("the work was done");
    (info.count_total, info.bytes_total, result)
}

fn publish(delivery: Delivery) -> Publish {
    let topic = TopicName::from_static("site/berlin/line-07/press-3/temperature");
    let mut publish = Publish::new(topic, vec![7; 256]);
    publish.delivery = delivery;
    publish
}

fn deliveries() -> [Delivery; 2] {
    let packet_identifier = PacketIdentifier::MIN;
    [
        Delivery::AtMostOnce,
        Delivery::AtLeastOnce {
            packet_identifier,
            dup: false,
        },
    ]
}

/// The bytes of a packet, shared already: the first clone of a `Bytes` made of a vector allocates
/// the counter, which belongs to the buffer and not to the packet.
fn wire(packet: &Packet, version: Version) -> (Bytes, Bytes) {
    let mut wire = Vec::new();
    encode(packet, version, &mut wire).expect("valid");
    let wire = Bytes::from(wire);
    (wire.clone(), wire)
}

#[test]
fn decoding_a_publish_allocates_nothing() {
    for version in [Version::V31, Version::V311, Version::V5] {
        for delivery in deliveries() {
            let (_shared, mut bytes) = wire(&publish(delivery).into(), version);
            let (calls, _, packet) = allocations(|| {
                let frame = Framer::new(version).next_frame_of(&mut bytes);
                decode(frame.expect("framed").expect("whole"), version)
            });
            assert_eq!(packet, Ok(publish(delivery).into()));
            assert_eq!(calls, 0, "{version} {delivery:?}");
        }
    }
}

#[test]
fn taking_packets_off_a_buffer_allocates_nothing() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let ack = Packet::Puback(Ack::new(PacketIdentifier::MAX));
        let publishes = deliveries().map(|delivery| Packet::Publish(publish(delivery)));
        for packet in publishes.iter().chain([&ack]) {
            let mut buffer = BytesMut::new();
            encode(packet, version, &mut buffer).expect("valid");
            // The first split makes the counter, which belongs to the buffer.
            let _shared = buffer.split_off(buffer.len());
            let (calls, _, read) =
                allocations(|| Framer::new(version).next_packet(&mut buffer, version));
            assert_eq!(read.as_ref(), Ok(&Some(packet.clone())));
            assert_eq!((calls, buffer.len()), (0, 0), "{version} {packet:?}");
        }
    }
}

#[test]
fn decoding_a_borrowed_publish_allocates_nothing_whatever_its_properties() {
    let mut publish = publish(deliveries()[1]);
    let properties = PublishProperties {
        message_expiry_interval: Some(60),
        content_type: Some("text/plain".into()),
        response_topic: Some(TopicName::from_static("reply")),
        correlation_data: Some(Bytes::from_static(b"7")),
        user_properties: [("name", "value")].into_iter().collect(),
        ..PublishProperties::default()
    };
    publish.properties = Some(Box::new(properties));
    let (bytes, _shared) = wire(&publish.into(), Version::V5);
    let (calls, _, seen) = allocations(|| {
        let mut framer = Framer::new(Version::V5);
        let (frame, _) = framer
            .next_frame_ref(&bytes)
            .expect("framed")
            .expect("whole");
        let publish = PublishRef::decode(frame, Version::V5).expect("valid");
        publish.properties.iter().count()
    });
    assert_eq!((calls, seen), (0, 5));
}

#[test]
fn encoding_into_a_buffer_with_room_allocates_nothing() {
    let mut buffer = BytesMut::with_capacity(4096);
    for version in [Version::V31, Version::V311, Version::V5] {
        let ack = Ack::new(PacketIdentifier::MAX);
        let acks = [
            Packet::Puback,
            Packet::Pubrec,
            Packet::Pubrel,
            Packet::Pubcomp,
        ];
        let publishes = deliveries().map(|delivery| Packet::Publish(publish(delivery)));
        let acks = acks.map(|packet| packet(ack.clone()));
        for packet in publishes.iter().chain(&acks) {
            buffer.clear();
            let (calls, _, written) = allocations(|| encode(packet, version, &mut buffer));
            assert!(written.is_ok());
            assert_eq!(calls, 0, "{version} {packet:?}");
        }
        buffer.clear();
        let name = TopicName::from_static("a/b");
        let parts = PublishParts::new(name.as_name().into(), b"payload");
        let (calls, _, written) = allocations(|| parts.encode(version, &mut buffer));
        assert_eq!((calls, written.is_ok()), (0, true));
    }
}

/// The most that a packet may take for each byte of it. A filter of no characters, three bytes on the
/// wire, becomes an entry of 40 bytes in a list that doubles as it grows.
const BYTES_PER_BYTE: u64 = 64;

fn check_bound(version: Version, first: u8, body: &[u8]) {
    let [low, high] = u16::try_from(body.len()).expect("short").to_le_bytes();
    let length = match (low & 0x80, high) {
        (0, 0) => vec![low],
        _ => vec![low | 0x80, high << 1 | low >> 7],
    };
    let bytes = [vec![first], length, body.to_vec()].concat();
    let received = bytes.len() as u64;
    let (mut bytes, _shared) = (Bytes::from(bytes.clone()), Bytes::from(bytes));
    let options = DecodeOptions::new(version);
    let (_, taken, _) = allocations(|| {
        let frame = Framer::new(version).next_frame_of(&mut bytes).ok()??;
        let borrowed = allocations(|| decode_ref(frame.as_frame(), options).is_ok());
        assert_eq!(borrowed.0, 0, "the borrowed form allocates nothing");
        decode(frame, options).ok()
    });
    assert!(
        taken <= 512 + BYTES_PER_BYTE * received,
        "{taken} for {received}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn memory_is_bounded_by_what_was_received(
        first in any::<u8>(),
        zeros in any::<bool>(),
        v5 in any::<bool>(),
        body in vec(any::<u8>(), 0..600),
    ) {
        let version = if v5 { Version::V5 } else { Version::V311 };
        check_bound(version, first, &body);
        // Many empty filters behind an identifier, and what else zeros may mean.
        if zeros {
            let body = [vec![0, 1], vec![0; body.len()]].concat();
            check_bound(version, first & 0xF0 | 2, &body);
        }
    }
}
