//! Client: publications both ways.

use mqtide_codec::{Connack, PublishTopic, QoS, ReasonCode};
use mqtide_session::{
    ClientEvent, ClientSettings, DropReason, Operation, Outcome, Overflow, Refused, Violation,
};

use crate::client_connect::accepted;
use crate::script::*;

const Q0: QoS = QoS::AtMostOnce;
const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

fn outcomes(client: &mut Client) -> Vec<(Operation, Outcome)> {
    let settled = |event| match event {
        ClientEvent::Settled(operation, outcome) => Some((operation, outcome)),
        _ => None,
    };
    client.events().into_iter().filter_map(settled).collect()
}

fn receive_maximum(maximum: u16) -> Connack {
    accepted(|properties| properties.receive_maximum = maximum.try_into().ok())
}

/// MQTT-4.3.1-1, MQTT-4.3.2-2, MQTT-4.3.3-2, MQTT-2.2.1-5, v3.1.1 MQTT-4.3.1-1,
/// v3.1.1 MQTT-4.3.2-1, v3.1.1 MQTT-2.3.1-6
#[test]
fn each_qos_settles_with_its_last_answer() {
    for connect in [connect(), connect_v311(false)] {
        let mut client = Client::new(connect);
        let [zero, one, two] = [Q0, Q1, Q2].map(|qos| client.publishes(qos, "a"));
        assert_eq!(
            client.sends(),
            ["PUBLISH q0 a", "PUBLISH q1 #1 a", "PUBLISH q2 #2 a"]
        );
        assert_eq!(outcomes(&mut client), [(zero, Outcome::Delivered(SUCCESS))]);
        client.hears(puback(1));
        client.hears(pubrec(2));
        assert_eq!(outcomes(&mut client), [(one, Outcome::Delivered(SUCCESS))]);
        assert_eq!(client.sends(), ["PUBREL #2"]);
        client.hears(pubcomp(2));
        assert_eq!(outcomes(&mut client), [(two, Outcome::Delivered(SUCCESS))]);
        assert!(client.session.is_settled());
    }
}

/// MQTT-4.3.3-4
#[test]
fn a_positive_pubrec_is_answered_and_a_negative_one_settles() {
    let mut client = Client::new(connect());
    let [matched, refused] = ["a", "b"].map(|name| client.publishes(Q2, name));
    client.sends();
    client.hears(refusing(pubrec(1), ReasonCode::NoMatchingSubscribers));
    client.hears(refusing(pubrec(2), ReasonCode::NotAuthorized));
    assert_eq!(client.sends(), ["PUBREL #1"]);
    assert_eq!(
        outcomes(&mut client),
        [(refused, Outcome::Refused(ReasonCode::NotAuthorized))]
    );
    client.hears(pubcomp(1));
    assert_eq!(
        outcomes(&mut client),
        [(matched, Outcome::Delivered(SUCCESS))]
    );
}

/// MQTT-4.4.0-2
#[test]
fn a_refused_message_is_not_repeated() {
    let mut client = Client::new(connect());
    let operation = client.publishes(Q1, "a");
    client.sends();
    client.hears(refusing(puback(1), ReasonCode::QuotaExceeded));
    let refused = Outcome::Refused(ReasonCode::QuotaExceeded);
    assert_eq!(outcomes(&mut client), [(operation, refused)]);
    client.reconnects(connect(), true);
    assert!(client.sends().is_empty());
}

/// MQTT-4.4.0-1, MQTT-4.6.0-1, MQTT-3.3.1-1, MQTT-4.3.2-3, MQTT-4.3.3-3, MQTT-4.3.3-5,
/// MQTT-4.3.3-6, v3.1.1 MQTT-4.4.0-1, v3.1.1 MQTT-4.6.0-1, v3.1.1 MQTT-3.3.1-1,
/// v3.1.1 MQTT-2.3.1-3, v3.1.1 MQTT-4.3.2-1, v3.1.1 MQTT-4.3.3-1
#[test]
fn a_resumed_session_repeats_in_the_original_order_under_the_same_identifiers() {
    for connect in [connect(), connect_v311(false)] {
        let mut client = Client::new(connect.clone());
        for (qos, name) in [(Q1, "x"), (Q2, "b"), (Q1, "c"), (Q2, "r")] {
            client.publishes(qos, name);
        }
        client.sends();
        client.hears(puback(1));
        client.publishes(Q1, "late");
        assert_eq!(client.sends(), ["PUBLISH q1 #1 late"]);
        client.hears(pubrec(4));
        client.sends();
        client.publishes(Q1, "new");
        client.reconnects(connect, true);
        assert_eq!(
            client.sends(),
            [
                "PUBREL #4",
                "PUBLISH q2 #2 dup b",
                "PUBLISH q1 #3 dup c",
                "PUBLISH q1 #1 dup late",
                "PUBLISH q1 #5 new",
            ]
        );
        client.now = at(10_000);
        assert!(client.sends().is_empty(), "and at no other time");
    }
}

/// MQTT-4.6.0-4, v3.1.1 MQTT-4.6.0-4
#[test]
fn pubrels_follow_the_order_of_the_pubrecs() {
    for connect in [connect(), connect_v311(false)] {
        let mut client = Client::new(connect.clone());
        client.publishes(Q2, "a");
        client.publishes(Q2, "b");
        client.sends();
        client.hears(pubrec(2));
        client.hears(pubrec(1));
        assert_eq!(client.sends(), ["PUBREL #2", "PUBREL #1"]);
        client.reconnects(connect, true);
        assert_eq!(client.sends(), ["PUBREL #2", "PUBREL #1"]);
    }
}

/// MQTT-4.6.0-2, MQTT-4.6.0-3, v3.1.1 MQTT-4.6.0-2, v3.1.1 MQTT-4.6.0-3
#[test]
fn acknowledgements_follow_the_order_of_the_messages() {
    for (qos, kind) in [(1, "PUBACK"), (2, "PUBREC")] {
        for connect in [connect(), connect_v311(false)] {
            let mut client = Client::new(connect);
            let one = client.hears_publish(publish(qos, 1, "a"));
            let two = client.hears_publish(publish(qos, 2, "a"));
            client.completes(two);
            assert!(client.sends().is_empty());
            client.completes(one);
            assert_eq!(client.sends(), [format!("{kind} #1"), format!("{kind} #2")]);
        }
    }
}

/// MQTT-4.5.0-2, MQTT-3.3.4-1, MQTT-4.3.2-4, MQTT-4.3.3-8, MQTT-4.3.3-10, MQTT-4.3.3-11,
/// v3.1.1 MQTT-4.5.0-2, v3.1.1 MQTT-3.3.4-1, v3.1.1 MQTT-4.3.2-2, v3.1.1 MQTT-4.3.3-2
#[test]
fn every_message_is_acknowledged_whether_it_was_asked_for_or_not() {
    for connect in [connect(), connect_v311(false)] {
        let mut client = Client::new(connect);
        let one = client.hears_publish(publish(1, 1, "never/subscribed"));
        client.completes(one);
        let two = client.hears_publish(publish(2, 2, "never/subscribed"));
        client.completes(two);
        client.hears(again(publish(2, 2, "never/subscribed")));
        assert_eq!(client.event(), None, "one delivery");
        client.hears(pubrel(2));
        assert_eq!(
            client.sends(),
            ["PUBACK #1", "PUBREC #2", "PUBREC #2", "PUBCOMP #2"]
        );
    }
}

/// MQTT-3.3.4-7, MQTT-4.9.0-1, MQTT-4.9.0-2
#[test]
fn no_more_publications_are_open_than_the_server_takes() {
    let mut client = Client::with(connect(), receive_maximum(2));
    for (qos, name) in [(Q2, "a"), (Q1, "b"), (Q1, "c"), (Q2, "d"), (Q1, "e")] {
        client.publishes(qos, name);
    }
    assert_eq!(client.sends(), ["PUBLISH q2 #1 a", "PUBLISH q1 #2 b"]);
    client.hears(pubrec(1));
    assert_eq!(client.sends(), ["PUBREL #1"]);
    client.hears(pubcomp(1));
    assert_eq!(client.sends(), ["PUBLISH q1 #1 c"]);
    client.hears(puback(2));
    assert_eq!(client.sends(), ["PUBLISH q2 #2 d"]);
    client.hears(refusing(pubrec(2), ReasonCode::QuotaExceeded));
    assert_eq!(client.sends(), ["PUBLISH q1 #2 e"]);
}

/// MQTT-3.3.4-8, MQTT-4.9.0-3
#[test]
fn an_exhausted_quota_holds_back_publish_alone() {
    let mut connect = connect();
    connect.keep_alive = 10;
    let mut client = Client::with(connect, receive_maximum(1));
    client.publishes(Q2, "a");
    client.publishes(Q1, "b");
    client.sends();
    client.hears(pubrec(1));
    let token = client.hears_publish(publish(1, 9, "c"));
    client.completes(token);
    client.session.handle_timeout(at(9));
    client
        .session
        .subscribe(vec![mqtide_codec::Subscription::new("s", Q1)], None)
        .unwrap();
    let lines = client.sends();
    assert_eq!(
        lines,
        ["PUBREL #1", "PUBACK #9", "PINGREQ", "SUBSCRIBE #2 s"]
    );
    client.session.disconnect(Default::default()).unwrap();
    assert_eq!(client.sends(), ["DISCONNECT"]);
}

/// MQTT-4.3.2-1, MQTT-4.3.3-1
#[test]
fn identifiers_stay_taken_until_the_last_answer() {
    let mut client = Client::new(connect());
    client.publishes(Q2, "a");
    client.sends();
    client.hears(pubrec(1));
    client.publishes(Q1, "b");
    assert_eq!(client.sends(), ["PUBREL #1", "PUBLISH q1 #2 b"]);
    client.hears(pubcomp(1));
    client.publishes(Q1, "c");
    assert_eq!(client.sends(), ["PUBLISH q1 #1 c"]);
}

/// MQTT-2.2.1-3, v3.1.1 MQTT-2.3.1-2
#[test]
fn all_identifiers_in_use_make_messages_and_requests_wait() {
    let mut settings = ClientSettings::default();
    settings.session.send_maximum = u16::MAX;
    settings.session.queue.messages = 100_000;
    let mut client = Client::with_settings(connect(), Connack::accepted(false), settings);
    for _ in 0..65_536 {
        client.publishes(Q1, "a");
    }
    assert_eq!(client.sends().len(), 65_535);
    let wish = vec![mqtide_codec::Subscription::new("s", Q1)];
    client.session.subscribe(wish, None).unwrap();
    assert!(client.sends().is_empty());
    client.hears(puback(77));
    assert_eq!(client.sends(), ["SUBSCRIBE #77 s"]);
    client.hears(puback(78));
    assert_eq!(client.sends(), ["PUBLISH q1 #78 a"]);
}

/// MQTT-3.2.2-11, MQTT-3.2.2-14
#[test]
fn what_the_server_does_not_take_is_refused_here() {
    let limited = || {
        accepted(|properties| {
            properties.maximum_qos = Some(QoS::AtMostOnce);
            properties.retain_available = Some(false);
        })
    };
    let mut client = Client::with(connect(), limited());
    let mut retained = delivery(Q0, "a");
    retained.retain = true;
    let session = &mut client.session;
    assert_eq!(
        session.publish(at(0), delivery(Q1, "a")),
        Err(Refused::QoSNotSupported)
    );
    assert_eq!(
        session.publish(at(0), retained.clone()),
        Err(Refused::RetainNotSupported)
    );
    assert!(client.sends().is_empty());

    let mut client = Client::offline(ClientSettings::default());
    retained.qos = Q1;
    let queued = client.session.publish(at(0), retained).unwrap();
    client.connects(connect(), limited());
    assert!(client.sends().is_empty());
    let dropped = Outcome::Dropped(DropReason::QoSNotSupported);
    assert_eq!(outcomes(&mut client), [(queued, dropped)]);
}

/// MQTT-3.2.2-15
#[test]
fn what_is_too_large_for_the_server_is_refused_here_and_takes_no_identifier() {
    let exact = size_of_packet(&publish(1, 1, "a/b"), V5) as u32;
    let limited = || accepted(|properties| properties.maximum_packet_size = exact.try_into().ok());
    let mut client = Client::with(connect(), limited());
    let large = client.session.publish(at(0), delivery(Q1, "a/bc"));
    assert_eq!(large, Err(Refused::PacketTooLarge));
    client.publishes(Q1, "a/b");
    assert_eq!(client.sends(), ["PUBLISH q1 #1 a/b"]);

    let mut client = Client::offline(ClientSettings::default());
    let [large, small] = ["a/bc", "a/b"].map(|name| client.publishes(Q1, name));
    client.connects(connect(), limited());
    assert_eq!(client.sends(), ["PUBLISH q1 #1 a/b"]);
    client.hears(puback(1));
    let dropped = Outcome::Dropped(DropReason::PacketTooLarge);
    let expected = [(large, dropped), (small, Outcome::Delivered(SUCCESS))];
    assert_eq!(outcomes(&mut client), expected);
}

/// MQTT-3.2.2-17, MQTT-3.3.2-9
#[test]
fn aliases_stay_within_the_servers_maximum() {
    let connack = accepted(|properties| properties.topic_alias_maximum = Some(3));
    let mut client = Client::with(connect(), connack);
    for name in ["a", "b", "c", "d", "a", "d"] {
        client.publishes(Q0, name);
    }
    let lines = client.sends();
    assert_eq!(
        lines[3..],
        [
            "PUBLISH q0 d alias=1",
            "PUBLISH q0 a alias=2",
            "PUBLISH q0 - alias=1"
        ]
    );
}

/// MQTT-3.2.2-18
#[test]
fn without_an_alias_maximum_the_client_uses_none() {
    for connack in [
        Connack::accepted(false),
        accepted(|p| p.topic_alias_maximum = Some(0)),
    ] {
        let mut client = Client::with(connect(), connack);
        client.publishes(Q0, "a");
        client.publishes(Q0, "a");
        assert_eq!(client.sends(), ["PUBLISH q0 a", "PUBLISH q0 a"]);
    }
}

/// MQTT-3.3.2-10
#[test]
fn the_bound_of_the_servers_aliases_is_what_the_client_announced() {
    let mut connect = connect();
    connect.properties.as_mut().unwrap().topic_alias_maximum = Some(10);
    let connack = accepted(|properties| properties.topic_alias_maximum = Some(100));
    let mut client = Client::with(connect, connack);
    for number in [1, 10] {
        client.hears(publish_with(0, 0, "a", |publish| {
            publish.topic = PublishTopic::Named {
                name: topic("a"),
                alias: Some(alias(number)),
            };
        }));
        client.event();
        client.hears(publish_with(0, 0, "-", |p| {
            p.topic = PublishTopic::Alias(alias(number))
        }));
        let Some(ClientEvent::Publish(received)) = client.event() else {
            panic!()
        };
        assert_eq!(received.publish.topic, PublishTopic::from(topic("a")));
    }
    let above = publish_with(0, 0, "-", |p| p.topic = PublishTopic::Alias(alias(11)));
    assert_eq!(client.rejects(above), Violation::TopicAliasInvalid);
    assert_eq!(client.sends(), ["DISCONNECT 0x94"]);
}

/// MQTT-3.3.2-7
#[test]
fn aliases_of_the_server_die_with_the_connection() {
    let mut connect = connect();
    connect.properties.as_mut().unwrap().topic_alias_maximum = Some(10);
    let mut client = Client::new(connect.clone());
    client.hears(publish_with(0, 0, "a", |publish| {
        publish.topic = PublishTopic::Named {
            name: topic("a"),
            alias: Some(alias(1)),
        };
    }));
    client.reconnects(connect, true);
    let known = publish_with(0, 0, "-", |p| p.topic = PublishTopic::Alias(alias(1)));
    assert_eq!(client.rejects(known), Violation::TopicAliasUnknown);
}

#[test]
fn a_server_may_not_exceed_the_clients_receive_maximum() {
    let mut connect = connect();
    connect.properties.as_mut().unwrap().receive_maximum = 1.try_into().ok();
    let mut client = Client::new(connect);
    client.hears_publish(publish(1, 1, "a")).packet_identifier();
    assert_eq!(
        client.rejects(publish(1, 2, "a")),
        Violation::ReceiveMaximumExceeded
    );
    assert_eq!(client.sends(), ["DISCONNECT 0x93"]);
}

#[test]
fn a_full_queue_refuses_or_settles_the_oldest() {
    let mut settings = ClientSettings::default();
    settings.session.queue.messages = 1;
    let mut client = Client::offline(settings);
    client.publishes(Q1, "a");
    assert_eq!(
        client.session.publish(at(0), delivery(Q1, "b")),
        Err(Refused::QueueFull)
    );
    settings.session.queue.overflow = Overflow::DropOldest;
    let mut client = Client::offline(settings);
    let oldest = client.publishes(Q1, "a");
    client.publishes(Q1, "b");
    let dropped = Outcome::Dropped(DropReason::QueueFull);
    assert_eq!(outcomes(&mut client), [(oldest, dropped)]);
}

#[test]
fn qos_0_waits_for_a_connection_only_if_asked_to() {
    let mut client = Client::offline(ClientSettings::default());
    assert_eq!(
        client.session.publish(at(0), delivery(Q0, "a")),
        Err(Refused::NotConnected)
    );
    let mut settings = ClientSettings::default();
    settings.session.queue.at_most_once_offline = true;
    let mut client = Client::offline(settings);
    let operation = client.publishes(Q0, "a");
    client.connects(connect(), Connack::accepted(false));
    assert_eq!(client.sends(), ["PUBLISH q0 a"]);
    assert_eq!(
        outcomes(&mut client),
        [(operation, Outcome::Delivered(SUCCESS))]
    );
}

#[test]
fn mqtt_31_goes_on_with_the_session_as_it_cannot_know_better() {
    let mut connect = connect_v311(false);
    connect.version = mqtide_codec::Version::V31;
    let mut client = Client::new(connect.clone());
    client.publishes(Q1, "a");
    client.sends();
    client.reconnects(connect, false);
    assert_eq!(client.sends(), ["PUBLISH q1 #1 dup a"]);
}
