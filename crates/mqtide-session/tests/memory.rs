//! What sessions cost in memory: sizes, and allocations counted.

#![allow(clippy::unwrap_used, reason = "what a test unwraps, it asserts")]

use core::time::Duration;
use std::hint::black_box;
use std::sync::Arc;

use allocation_counter::measure;
use mqtide_codec::{
    Ack, Connect, Framer, Packet, PacketIdentifier, PublishRef, QoS, ReasonCode, Subscribe,
    Subscription, Version,
};
use mqtide_session::{
    Acceptance, Delivery, Handshake, Instant, Message, Outgoing, ServerSession,
    SubscriptionIdentifiers,
};
use mqtide_topic::TopicName;

type Session = ServerSession<Arc<Message>>;

const NOW: Instant = Instant::ZERO;

fn connect() -> Connect {
    let mut connect = Connect::new(Version::V5, "client");
    connect.keep_alive = 60;
    connect
        .properties
        .get_or_insert_default()
        .session_expiry_interval = Some(3600);
    connect
}

fn session(connect: Connect) -> Session {
    let handshake = Handshake::new(NOW, Duration::from_secs(5));
    let request = handshake.handle_packet(connect.into()).unwrap();
    let mut acceptance = Acceptance::default();
    acceptance.settings.limits.topic_alias_maximum = 16;
    let mut session = request.accept(NOW, acceptance, None).session;
    assert!(session.poll_transmit(NOW).is_some(), "CONNACK");
    session
}

fn drain(session: &mut Session) -> usize {
    core::iter::from_fn(|| black_box(session.poll_transmit(NOW))).count()
}

/// A PUBLISH of QoS 1 on the wire, under this identifier.
fn wire(id: u16) -> Vec<u8> {
    let mut publish = mqtide_codec::Publish::new(TopicName::from_static("sensors/1"), "21.5");
    let packet_identifier = PacketIdentifier::new(id).unwrap();
    publish.delivery = mqtide_codec::Delivery::AtLeastOnce {
        packet_identifier,
        dup: false,
    };
    let mut bytes = Vec::new();
    publish.encode(Version::V5, &mut bytes).unwrap();
    bytes
}

/// QoS 1 in, PUBACK out, from the bytes of the PUBLISH.
fn receive(session: &mut Session, bytes: &[u8]) {
    let mut framer = Framer::new(Version::V5);
    let (frame, _) = framer.next_frame_ref(bytes).unwrap().unwrap();
    let publish = PublishRef::decode(frame, Version::V5).unwrap();
    let inbound = session.handle_publish(NOW, &publish).unwrap();
    session
        .complete(inbound.ack.unwrap(), ReasonCode::Success, None)
        .unwrap();
    assert!(matches!(session.poll_transmit(NOW), Some(Outgoing::Ack(_))));
}

/// QoS 1 out, PUBACK in.
fn deliver(session: &mut Session, message: &Arc<Message>) {
    let _ = session.deliver(Delivery::new(Arc::clone(message), QoS::AtLeastOnce));
    let Some(Outgoing::Publish(publish)) = session.poll_transmit(NOW) else {
        panic!()
    };
    let ack = Ack::new(publish.delivery.packet_identifier().unwrap());
    session.handle_packet(NOW, Packet::Puback(ack)).unwrap();
}

#[test]
fn an_idle_session_takes_at_most_320_bytes() {
    let mut kept = None;
    let heap = measure(|| {
        let mut session = session(connect());
        let id = PacketIdentifier::MIN;
        let wish = vec![Subscription::new("a", QoS::AtLeastOnce)];
        session
            .handle_packet(NOW, Subscribe::new(id, wish).into())
            .unwrap();
        session.suback(id, vec![ReasonCode::Success], None).unwrap();
        assert_eq!(drain(&mut session), 1, "SUBACK");
        session.shrink();
        kept = Some(session);
    });
    let size = size_of::<Session>();
    assert!(size <= 320, "{size} bytes by value");
    assert!(
        size as i64 + heap.bytes_current <= 320,
        "{size} + {} bytes",
        heap.bytes_current
    );
    drop(kept);
}

#[test]
fn a_session_that_was_busy_gives_its_memory_back() {
    let mut idle = session(connect());
    let message = Arc::new(Message::new(TopicName::from_static("a"), "x"));
    let heap = measure(|| {
        for id in 1..=1000 {
            let _ = idle.deliver(Delivery::new(Arc::clone(&message), QoS::ExactlyOnce));
            receive(&mut idle, &wire(id));
        }
        drain(&mut idle);
        let _ = idle.take_undelivered();
        idle.shrink();
    });
    assert!(
        heap.bytes_current <= 0,
        "{} bytes are left",
        heap.bytes_current
    );
}

#[test]
fn a_qos_1_round_trip_allocates_nothing_in_the_steady_state() {
    let mut session = session(connect());
    let packets: Vec<_> = (1..=100).map(wire).collect();
    let mut rounds = || {
        packets
            .iter()
            .for_each(|bytes| receive(&mut session, bytes))
    };
    rounds();
    let info = measure(|| (0..10).for_each(|_| rounds()));
    assert_eq!(info.count_total, 0);
}

#[test]
fn a_delivery_allocates_nothing_in_the_steady_state() {
    let mut session = session(connect());
    let message = Arc::new(Message::new(TopicName::from_static("a"), "x"));
    deliver(&mut session, &message);
    let info = measure(|| (0..1000).for_each(|_| deliver(&mut session, &message)));
    assert_eq!(info.count_total, 0);
    let info = measure(|| {
        for _ in 0..1000 {
            let delivery = Delivery {
                subscription_identifiers: SubscriptionIdentifiers::None,
                ..Delivery::new(Arc::clone(&message), QoS::AtMostOnce)
            };
            let _ = session.deliver(delivery);
            assert_eq!(drain(&mut session), 1);
        }
    });
    assert!(
        info.count_total <= 2,
        "the queue of QoS 0 itself: {}",
        info.count_total
    );
}

#[test]
fn waiting_messages_take_little_beside_themselves() {
    let mut session = session(connect());
    let _ = session.handle_disconnected(NOW);
    let message = Arc::new(Message::new(TopicName::from_static("a"), "x"));
    let heap = measure(|| {
        for _ in 0..1000 {
            let _ = session.deliver(Delivery::new(Arc::clone(&message), QoS::AtLeastOnce));
        }
    });
    assert!(
        heap.bytes_current <= 1000 * 24 + 8 * 1024,
        "{} bytes for 1,000",
        heap.bytes_current
    );
}

#[test]
fn an_answer_is_small() {
    assert!(size_of::<Outgoing<Arc<Message>>>() <= 64);
}
