//! The server's session machine, without sockets: `cargo bench --bench session`.
//!
//! What the codec costs is left out: packets are decoded before, and what leaves is not encoded.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mqtide_codec::{
    Ack, Connect, Framer, Packet, PacketIdentifier, Publish, PublishRef, QoS, ReasonCode, Version,
};
use mqtide_session::{Acceptance, Delivery, Handshake, Instant, Message, ServerSession};
use mqtide_topic::TopicName;

type Session = ServerSession<Arc<Message>>;

const NOW: Instant = Instant::ZERO;
const TOPIC: &str = "sensors/1/temperature";

/// A session of MQTT 5.0 that takes so many topic aliases.
fn session(topic_alias_maximum: u16) -> Session {
    let mut connect = Connect::new(Version::V5, "client");
    connect.keep_alive = 60;
    let properties = connect.properties.get_or_insert_default();
    properties.topic_alias_maximum = Some(topic_alias_maximum);
    let handshake = Handshake::new(NOW, Duration::from_secs(5));
    let request = handshake.handle_packet(connect.into()).expect("a CONNECT");
    let mut session = request.accept(NOW, Acceptance::default(), None).session;
    black_box(session.poll_transmit(NOW));
    session
}

/// A PUBLISH as it lies in the receive buffer.
fn wire(delivery: mqtide_codec::Delivery) -> Vec<u8> {
    let mut publish = Publish::new(TopicName::from_static(TOPIC), "21.5");
    publish.delivery = delivery;
    let mut bytes = Vec::new();
    publish
        .encode(Version::V5, &mut bytes)
        .expect("a valid packet");
    bytes
}

fn decode(bytes: &[u8]) -> PublishRef<'_> {
    let frame = Framer::new(Version::V5).next_frame_ref(bytes);
    let (frame, _) = frame.expect("a frame").expect("a whole frame");
    PublishRef::decode(frame, Version::V5).expect("a PUBLISH")
}

fn in_and_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("session");
    group.throughput(Throughput::Elements(1));
    let message = Arc::new(Message::new(TopicName::from_static(TOPIC), "21.5"));

    for aliases in [0, 16] {
        let (mut publisher, mut subscriber) = (session(0), session(aliases));
        let bytes = wire(mqtide_codec::Delivery::AtMostOnce);
        let publish = decode(&bytes);
        group.bench_function(format!("QoS 0 in and out, {aliases} aliases"), |bencher| {
            bencher.iter(|| {
                black_box(
                    publisher
                        .handle_publish(NOW, &publish)
                        .expect("no violation"),
                );
                let delivery = Delivery::new(Arc::clone(&message), QoS::AtMostOnce);
                let _ = subscriber.deliver(delivery);
                black_box(subscriber.poll_transmit(NOW))
            });
        });
    }

    let mut publisher = session(0);
    let packet_identifier = PacketIdentifier::MIN;
    let bytes = wire(mqtide_codec::Delivery::AtLeastOnce {
        packet_identifier,
        dup: false,
    });
    let publish = decode(&bytes);
    group.bench_function("QoS 1 in, PUBACK out", |bencher| {
        bencher.iter(|| {
            let inbound = publisher
                .handle_publish(NOW, &publish)
                .expect("no violation");
            let token = inbound.ack.expect("QoS 1 is acknowledged");
            publisher
                .complete(token, ReasonCode::Success, None)
                .expect("a reason that fits");
            black_box(publisher.poll_transmit(NOW))
        });
    });

    let mut subscriber = session(0);
    group.bench_function("QoS 1 out, PUBACK in", |bencher| {
        bencher.iter(|| {
            let _ = subscriber.deliver(Delivery::new(Arc::clone(&message), QoS::AtLeastOnce));
            black_box(subscriber.poll_transmit(NOW));
            let puback = Packet::Puback(Ack::new(packet_identifier));
            black_box(subscriber.handle_packet(NOW, puback).expect("no violation"))
        });
    });
    group.finish();
}

criterion_group!(benches, in_and_out);
criterion_main!(benches);
