//! Server: messages to the client.

use mqtide_codec::{Packet, QoS, ReasonCode, SubscriptionIdentifier};
use mqtide_session::{
    Acceptance, DeliverOutcome, Delivery, DropReason, Overflow, ServerEvent,
    SubscriptionIdentifiers, Violation,
};

use crate::script::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

fn limited(change: impl FnOnce(&mut mqtide_codec::ConnectProperties)) -> mqtide_codec::Connect {
    let mut connect = connect();
    change(connect.properties.as_mut().unwrap());
    connect
}

fn receive_maximum(maximum: u16) -> mqtide_codec::Connect {
    limited(|properties| properties.receive_maximum = maximum.try_into().ok())
}

fn deliver_all(server: &mut Server, qos: QoS, names: &[&str]) {
    for name in names {
        assert!(matches!(
            server.delivers(qos, name),
            DeliverOutcome::Queued { .. }
        ));
    }
}

/// MQTT-4.3.1-1, MQTT-4.3.2-2, MQTT-4.3.3-2, v3.1.1 MQTT-4.3.1-1
#[test]
fn first_packets_have_no_dup() {
    for connect in [connect(), connect_v311(false)] {
        let mut server = Server::new(connect);
        for qos in [Q0, Q1, Q2] {
            deliver_all(&mut server, qos, &["a"]);
        }
        assert_eq!(
            server.sends(),
            ["PUBLISH q0 a", "PUBLISH q1 #1 a", "PUBLISH q2 #2 a"]
        );
    }
}

/// MQTT-3.3.1-3, v3.1.1 MQTT-3.3.1-3
#[test]
fn dup_of_the_publisher_is_not_passed_on() {
    for connect in [connect(), connect_v311(false)] {
        let mut publisher = Server::new(connect.clone());
        let event = publisher.hears(again(publish(1, 5, "a")));
        let Some(ServerEvent::Publish(received)) = event else {
            panic!()
        };
        assert!(received.publish.dup());
        let mut subscriber = Server::new(connect);
        let name = received.publish.topic.name().unwrap().as_str().to_string();
        deliver_all(&mut subscriber, received.publish.qos(), &[&name]);
        assert_eq!(subscriber.sends(), ["PUBLISH q1 #1 a"]);
    }
}

#[test]
fn qos_2_runs_through_its_four_packets() {
    let mut server = Server::new(connect());
    let DeliverOutcome::Queued { key, wake: true } = server.delivers(Q2, "a") else {
        panic!()
    };
    assert_eq!(server.sends(), ["PUBLISH q2 #1 a"]);
    assert_eq!(server.hears(pubrec(1)), None);
    assert_eq!(server.sends(), ["PUBREL #1"]);
    let Some(ServerEvent::Settled(settled)) = server.hears(pubcomp(1)) else {
        panic!()
    };
    assert_eq!((settled.key, settled.reason), (key, SUCCESS));
    assert_eq!(server.session.in_flight(), 0);
}

/// MQTT-4.4.0-1, MQTT-3.3.1-1, MQTT-4.3.2-3, MQTT-4.3.3-3, MQTT-4.3.3-5, MQTT-4.3.3-6, MQTT-2.2.1-4,
/// v3.1.1 MQTT-4.4.0-1, v3.1.1 MQTT-3.3.1-1, v3.1.1 MQTT-2.3.1-4, v3.1.1 MQTT-4.3.2-1,
/// v3.1.1 MQTT-4.3.3-1, v3.1.1 MQTT-4.6.0-1
#[test]
fn unacknowledged_flows_are_resumed_in_order_under_their_identifiers() {
    for connect in [connect(), connect_v311(false)] {
        let mut server = Server::new(connect.clone());
        deliver_all(&mut server, Q1, &["a", "b"]);
        deliver_all(&mut server, Q2, &["c", "d", "e"]);
        assert_eq!(server.sends().len(), 5);
        server.now = at(3600);
        assert!(
            server.sends().is_empty(),
            "nothing is repeated while connected"
        );
        server.hears(puback(1));
        server.hears(pubrec(5));
        server.hears(pubrec(3));
        server.sends();
        let mut server = server.reconnects(connect);
        deliver_all(&mut server, Q1, &["new"]);
        assert_eq!(
            server.sends(),
            [
                "CONNACK present",
                "PUBREL #5",
                "PUBREL #3",
                "PUBLISH q1 #2 dup b",
                "PUBLISH q2 #4 dup d",
                "PUBLISH q1 #1 new",
            ]
        );
        server.now = at(7200);
        assert!(server.sends().is_empty());
    }
}

/// MQTT-2.2.1-4, v3.1.1 MQTT-2.3.1-4
#[test]
fn identifiers_that_are_in_use_are_not_given_again() {
    let mut server = Server::new(connect());
    deliver_all(&mut server, Q1, &["a", "b"]);
    assert_eq!(server.sends(), ["PUBLISH q1 #1 a", "PUBLISH q1 #2 b"]);
    let mut server = server.reconnects(connect());
    server.sends();
    deliver_all(&mut server, Q1, &["c"]);
    assert_eq!(server.sends(), ["PUBLISH q1 #3 c"]);
}

/// MQTT-4.4.0-2
#[test]
fn a_refused_message_is_not_sent_again() {
    let mut server = Server::new(connect());
    deliver_all(&mut server, Q1, &["a"]);
    deliver_all(&mut server, Q2, &["b"]);
    server.sends();
    let refused = server.hears(refusing(puback(1), ReasonCode::QuotaExceeded));
    assert!(matches!(refused, Some(ServerEvent::Settled(s)) if s.reason.is_error()));
    server.hears(refusing(pubrec(2), ReasonCode::NotAuthorized));
    assert!(server.sends().is_empty(), "no PUBREL after a refusal");
    let mut server = server.reconnects(connect());
    assert_eq!(server.sends(), ["CONNACK present"]);
}

/// MQTT-3.10.4-3, v3.1.1 MQTT-3.10.4-3
#[test]
fn what_was_started_is_finished_after_unsubscribe() {
    for connect in [connect(), connect_v311(false)] {
        let mut server = Server::new(connect.clone());
        deliver_all(&mut server, Q2, &["a"]);
        server.sends();
        server.hears(unsubscribe(9, &["a"]));
        server.session.unsuback(id(9), vec![SUCCESS], None).unwrap();
        server.hears(pubrec(1));
        let lines = server.sends();
        assert_eq!(lines[1], "PUBREL #1");
        let mut server = server.reconnects(connect);
        assert_eq!(server.sends(), ["CONNACK present", "PUBREL #1"]);
    }
}

#[test]
fn acknowledgements_that_fit_no_flow() {
    let mut server = Server::new(connect());
    assert_eq!(server.hears(puback(9)), None);
    assert_eq!(server.hears(pubcomp(9)), None);
    server.hears(pubrec(9));
    assert_eq!(server.sends(), ["PUBREL #9 0x92"]);
    deliver_all(&mut server, Q2, &["a"]);
    server.sends();
    server.hears(pubrec(1));
    server.hears(pubrec(1));
    assert_eq!(
        server.sends(),
        ["PUBREL #1", "PUBREL #1"],
        "a repeated PUBREC"
    );
    for (qos, wrong) in [
        (Q2, puback(1)),
        (Q1, pubrec(1)),
        (Q1, pubcomp(1)),
        (Q2, pubcomp(1)),
    ] {
        let mut server = Server::new(connect());
        deliver_all(&mut server, qos, &["a"]);
        server.sends();
        assert!(matches!(
            server.rejects(wrong),
            Violation::WrongAcknowledgement(_)
        ));
        assert_eq!(server.sends(), ["DISCONNECT 0x82"]);
    }
}

/// MQTT-3.3.4-9, MQTT-4.9.0-1, MQTT-4.9.0-2
#[test]
fn no_more_publications_are_open_than_the_client_takes() {
    let mut server = Server::new(receive_maximum(2));
    deliver_all(&mut server, Q1, &["a"]);
    deliver_all(&mut server, Q2, &["b"]);
    deliver_all(&mut server, Q1, &["c", "d", "e"]);
    assert_eq!(server.sends(), ["PUBLISH q1 #1 a", "PUBLISH q2 #2 b"]);
    server.hears(pubrec(2));
    assert_eq!(server.sends(), ["PUBREL #2"], "PUBREC frees no place");
    server.hears(puback(1));
    assert_eq!(server.sends(), ["PUBLISH q1 #1 c"]);
    server.hears(pubcomp(2));
    assert_eq!(server.sends(), ["PUBLISH q1 #2 d"]);
    server.hears(pubcomp(77));
    server.hears(puback(78));
    assert!(server.sends().is_empty(), "unknown answers free no place");
}

/// MQTT-4.9.0-2
#[test]
fn what_is_repeated_counts_again_and_pubrel_is_reserved_for() {
    let mut server = Server::new(receive_maximum(3));
    deliver_all(&mut server, Q2, &["a"]);
    deliver_all(&mut server, Q1, &["b", "c", "d"]);
    server.sends();
    server.hears(pubrec(1));
    server.sends();
    let mut server = server.reconnects(receive_maximum(2));
    assert_eq!(
        server.sends(),
        ["CONNACK present", "PUBREL #1", "PUBLISH q1 #2 dup b"]
    );
    server.hears(puback(2));
    assert_eq!(server.sends(), ["PUBLISH q1 #3 dup c"]);
    server.hears(pubcomp(1));
    server.hears(pubcomp(1));
    assert_eq!(server.sends(), ["PUBLISH q1 #1 d"]);
}

/// MQTT-4.9.0-2, MQTT-3.3.4-9
#[test]
fn pubrec_frees_no_place_for_what_is_repeated() {
    let mut server = Server::new(connect());
    deliver_all(&mut server, Q2, &["a", "b"]);
    server.sends();
    let mut server = server.reconnects(receive_maximum(1));
    assert_eq!(server.sends(), ["CONNACK present", "PUBLISH q2 #1 dup a"]);
    server.hears(pubrec(1));
    assert_eq!(server.sends(), ["PUBREL #1"]);
    server.hears(pubcomp(1));
    assert_eq!(server.sends(), ["PUBLISH q2 #2 dup b"]);
}

/// MQTT-3.3.4-10, MQTT-4.9.0-3, MQTT-3.12.4-1
#[test]
fn an_exhausted_quota_holds_back_nothing_else() {
    let mut server = Server::new(receive_maximum(1));
    deliver_all(&mut server, Q2, &["a", "b"]);
    server.sends();
    deliver_all(&mut server, Q0, &["free"]);
    server.hears(pubrec(1));
    server.hears(subscribe(5, &["x"]));
    server.session.suback(id(5), vec![SUCCESS], None).unwrap();
    let token = server.hears_publish(publish(1, 6, "y"));
    server.completes(token);
    server.hears(Packet::Pingreq);
    let lines = server.sends();
    assert_eq!(
        lines,
        [
            "PUBREL #1",
            "SUBACK #5 00",
            "PUBACK #6",
            "PINGRESP",
            "PUBLISH q0 free"
        ]
    );
}

/// MQTT-3.1.2-24, MQTT-3.1.2-25
#[test]
fn what_is_too_large_for_the_client_is_dropped_as_if_it_had_been_delivered() {
    let exact = size_of_packet(&publish(1, 1, "a/b"), V5) as u32;
    let mut server = Server::new(limited(|p| p.maximum_packet_size = exact.try_into().ok()));
    deliver_all(&mut server, Q1, &["a/bc", "a/b"]);
    let packets = server.packets();
    assert_eq!(
        packets.iter().map(show).collect::<Vec<_>>(),
        ["PUBLISH q1 #1 a/b"]
    );
    assert_eq!(size_of_packet(&packets[0], V5), exact as usize);
    assert_eq!(server.session.take_drops().too_large, 1);
    server.hears(puback(1));
    let mut server = server.reconnects(connect());
    assert_eq!(
        server.sends(),
        ["CONNACK present"],
        "nothing was left behind"
    );
}

/// MQTT-3.1.2-26, MQTT-3.3.2-11
#[test]
fn aliases_stay_within_the_clients_maximum() {
    let mut server = Server::new(limited(|p| p.topic_alias_maximum = Some(2)));
    deliver_all(&mut server, Q0, &["a", "b", "a", "c", "a", "b"]);
    assert_eq!(
        server.sends(),
        [
            "PUBLISH q0 a alias=1",
            "PUBLISH q0 b alias=2",
            "PUBLISH q0 - alias=1",
            "PUBLISH q0 c alias=2",
            "PUBLISH q0 - alias=1",
            "PUBLISH q0 b alias=2",
        ]
    );
}

/// MQTT-3.1.2-27
#[test]
fn a_client_without_aliases_gets_none() {
    for connect in [
        connect(),
        limited(|p| p.topic_alias_maximum = Some(0)),
        connect_v311(false),
    ] {
        let mut server = Server::new(connect);
        deliver_all(&mut server, Q0, &["a", "a"]);
        assert_eq!(server.sends(), ["PUBLISH q0 a", "PUBLISH q0 a"]);
    }
}

/// MQTT-3.3.2-7
#[test]
fn repeated_messages_name_their_topic_since_aliases_are_gone() {
    let connect = limited(|p| p.topic_alias_maximum = Some(2));
    let mut server = Server::new(connect.clone());
    deliver_all(&mut server, Q1, &["a", "a"]);
    assert_eq!(
        server.sends(),
        ["PUBLISH q1 #1 a alias=1", "PUBLISH q1 #2 - alias=1"]
    );
    let mut server = server.reconnects(connect);
    assert_eq!(
        server.sends()[1..],
        ["PUBLISH q1 #1 dup a alias=1", "PUBLISH q1 #2 dup - alias=1"]
    );
}

#[test]
fn an_alias_is_not_taken_by_a_message_that_is_dropped() {
    let limit = size_of_packet(&publish(0, 0, "a"), V5) as u32 + 3;
    let mut server = Server::new(limited(|properties| {
        properties.topic_alias_maximum = Some(1);
        properties.maximum_packet_size = limit.try_into().ok();
    }));
    deliver_all(&mut server, Q0, &["too/long", "a"]);
    assert_eq!(server.sends(), ["PUBLISH q0 a alias=1"]);
    deliver_all(&mut server, Q0, &["abcd"]);
    assert_eq!(
        server.sends(),
        ["PUBLISH q0 abcd"],
        "there is room, but not for an alias"
    );
    deliver_all(&mut server, Q0, &["a"]);
    assert_eq!(server.sends(), ["PUBLISH q0 - alias=1"]);
}

fn expiring(qos: QoS, name: &str, seconds: u64) -> Delivery<mqtide_session::Message> {
    let mut delivery = delivery(qos, name);
    delivery.message.expires_at = Some(at(seconds));
    delivery
}

#[test]
fn the_expiry_interval_shrinks_while_a_message_waits() {
    let mut server = Server::new(connect());
    let _ = server.session.handle_disconnected(at(0));
    for (name, seconds) in [("long", 100), ("short", 5)] {
        let _ = server.session.deliver(expiring(Q1, name, seconds));
    }
    server.now = at(7);
    let mut server = server.reconnects(connect());
    assert_eq!(
        server.sends(),
        ["CONNACK present", "PUBLISH q1 #1 long expiry=93"]
    );
    assert_eq!(server.session.take_drops().expired, 1);
}

/// MQTT-4.3.3-7
#[test]
fn a_qos_2_message_that_was_sent_does_not_expire() {
    let mut server = Server::new(connect());
    let _ = server.session.deliver(expiring(Q2, "a", 1));
    assert_eq!(server.sends(), ["PUBLISH q2 #1 a expiry=1"]);
    server.now = at(3);
    let mut server = server.reconnects(connect());
    assert_eq!(
        server.sends(),
        ["CONNACK present", "PUBLISH q2 #1 dup a expiry=0"]
    );
    server.hears(pubrec(1));
    server.hears(pubcomp(1));
    assert_eq!(server.session.in_flight(), 0);
}

#[test]
fn subscription_identifiers_go_with_the_message_and_its_repetition() {
    let mut server = Server::new(connect());
    let mut delivery = delivery(Q1, "a");
    let numbers = [7, 300].map(|n| SubscriptionIdentifier::new(n).unwrap());
    delivery.subscription_identifiers = SubscriptionIdentifiers::from_iter(numbers);
    let _ = server.session.deliver(delivery);
    assert_eq!(server.sends(), ["PUBLISH q1 #1 a sub=7 sub=300"]);
    let mut server = server.reconnects(connect());
    assert_eq!(server.sends()[1], "PUBLISH q1 #1 dup a sub=7 sub=300");
}

#[test]
fn a_full_queue_drops_the_newest_or_the_oldest() {
    let outcome = |overflow, bytes| {
        let mut acceptance = Acceptance::default();
        acceptance.settings.queue.messages = 2;
        acceptance.settings.queue.bytes = bytes;
        acceptance.settings.queue.overflow = overflow;
        let mut server = Server::with(connect(), acceptance);
        let _ = server.session.handle_disconnected(at(0));
        let last = ["a", "b", "c"].map(|name| server.delivers(Q1, name))[2];
        let mut server = server.reconnects(connect());
        let drops = server.session.take_drops().total();
        (
            last == DeliverOutcome::Dropped(DropReason::QueueFull),
            server.sends().len() - 1,
            drops,
        )
    };
    assert!(outcome(Overflow::DropNewest, u32::MAX).0);
    assert_eq!(outcome(Overflow::DropNewest, u32::MAX).1, 2);
    assert!(!outcome(Overflow::DropOldest, u32::MAX).0);
    assert_eq!(outcome(Overflow::DropOldest, u32::MAX).1, 2);
    assert_eq!(outcome(Overflow::DropNewest, 5), (true, 1, 2));
    assert_eq!(
        outcome(Overflow::DropOldest, 2).1,
        0,
        "larger than the whole bound"
    );
}

#[test]
fn qos_0_does_not_wait_for_an_absent_client() {
    let mut server = Server::new(connect());
    deliver_all(&mut server, Q0, &["a"]);
    let _ = server.session.handle_disconnected(at(0));
    assert_eq!(
        server.delivers(Q0, "b"),
        DeliverOutcome::Dropped(DropReason::Offline)
    );
    assert_eq!(server.session.take_drops().offline, 2);
    let mut server = server.reconnects(connect());
    assert_eq!(server.sends(), ["CONNACK present"]);
}

#[test]
fn only_the_first_of_several_deliveries_wakes() {
    let mut server = Server::new(receive_maximum(1));
    let wakes = |server: &mut Server, qos| match server.delivers(qos, "a") {
        DeliverOutcome::Queued { wake, .. } => wake,
        DeliverOutcome::Dropped(reason) => panic!("{reason:?}"),
    };
    assert!(wakes(&mut server, Q1));
    assert!(!wakes(&mut server, Q1));
    server.sends();
    assert!(!wakes(&mut server, Q1), "no quota: nothing to write");
    assert!(wakes(&mut server, Q0));
    assert!(server.session.has_transmit());
    server.sends();
    assert!(!server.session.has_transmit());
}

#[test]
fn a_message_of_qos_0_never_displaces_others_and_is_displaced_first() {
    let mut acceptance = Acceptance::default();
    acceptance.settings.queue.messages = 2;
    acceptance.settings.queue.overflow = Overflow::DropOldest;
    let mut server = Server::with(connect(), acceptance);
    deliver_all(&mut server, Q1, &["a"]);
    deliver_all(&mut server, Q0, &["b", "c"]);
    deliver_all(&mut server, Q1, &["d"]);
    assert_eq!(
        server.delivers(Q0, "e"),
        DeliverOutcome::Dropped(DropReason::QueueFull)
    );
    assert_eq!(server.sends(), ["PUBLISH q1 #1 a", "PUBLISH q1 #2 d"]);
    assert_eq!(server.session.take_drops().queue_full, 3);
}

#[test]
fn a_client_that_takes_nothing_at_all_is_left() {
    let connect = limited(|properties| properties.maximum_packet_size = 1.try_into().ok());
    let session = accept(at(0), connect, Acceptance::default(), None).session;
    assert!(session.is_closing(), "not even CONNACK fits");
    let mut server = Server::new(limited(|p| p.maximum_packet_size = 5.try_into().ok()));
    server.hears(pubrel(9));
    assert_eq!(server.sends(), ["PUBCOMP #9 0x92"]);
    let mut server = Server::new(limited(|p| p.maximum_packet_size = 5.try_into().ok()));
    server.hears(subscribe(9, &["a"]));
    server.session.suback(id(9), vec![SUCCESS], None).unwrap();
    assert_eq!(
        server.sends(),
        ["DISCONNECT 0x95"],
        "a SUBACK takes six bytes"
    );
}

#[test]
fn what_was_dropped_is_told_after_the_next_connect() {
    let mut server = Server::new(connect());
    deliver_all(&mut server, Q0, &["a", "b"]);
    let mut server = server.reconnects(connect());
    assert_eq!(server.session.take_drops().offline, 2);
    assert_eq!(server.session.take_drops().total(), 0);
}
