//! Server: publications of the client.

use mqtide_codec::{AckProperties, PublishTopic, QoS, ReasonCode};
use mqtide_session::{Acceptance, Refused, ServerEvent, Violation};

use crate::script::*;

fn server_with(change: impl FnOnce(&mut Acceptance)) -> Server {
    let mut acceptance = Acceptance::default();
    change(&mut acceptance);
    Server::with(connect(), acceptance)
}

/// The topic under which a PUBLISH reaches the owner.
fn topic_of(event: Option<ServerEvent>) -> String {
    match event {
        Some(ServerEvent::Publish(received)) => {
            let PublishTopic::Named { name, alias: None } = received.publish.topic else {
                panic!("an unresolved topic")
            };
            name.as_str().to_string()
        }
        other => panic!("{other:?} is no message"),
    }
}

/// MQTT-3.3.4-1, MQTT-2.2.1-5, MQTT-4.3.2-4, MQTT-4.3.3-8, MQTT-4.3.3-11,
/// v3.1.1 MQTT-3.3.4-1, v3.1.1 MQTT-2.3.1-6, v3.1.1 MQTT-4.3.2-2, v3.1.1 MQTT-4.3.3-2
#[test]
fn each_qos_has_its_answer_under_the_same_identifier() {
    for connect in [connect(), connect_v311(false)] {
        let mut server = Server::new(connect);
        assert!(matches!(
            server.hears(publish(0, 0, "a")),
            Some(ServerEvent::Publish(_))
        ));
        assert!(server.sends().is_empty());
        let token = server.hears_publish(publish(1, 7, "a"));
        assert!(server.sends().is_empty(), "not before the owner has it");
        server.completes(token);
        assert_eq!(server.sends(), ["PUBACK #7"]);
        let token = server.hears_publish(publish(2, 9, "a"));
        assert!(server.sends().is_empty(), "not before the owner has it");
        server.completes(token);
        assert_eq!(server.sends(), ["PUBREC #9"]);
        server.hears(pubrel(9));
        assert_eq!(server.sends(), ["PUBCOMP #9"]);
    }
}

/// MQTT-4.3.2-5, v3.1.1 MQTT-4.3.2-2
#[test]
fn after_puback_the_identifier_is_a_new_message_whatever_dup_says() {
    for connect in [connect(), connect_v311(false)] {
        let mut server = Server::new(connect);
        let token = server.hears_publish(publish(1, 1, "a"));
        server.completes(token);
        let token = server.hears_publish(again(publish(1, 1, "a")));
        server.completes(token);
        assert_eq!(server.sends(), ["PUBACK #1", "PUBACK #1"]);
    }
}

/// MQTT-4.3.3-10, MQTT-4.3.3-12, v3.1.1 MQTT-4.3.3-2
#[test]
fn a_repeated_qos_2_message_is_answered_and_not_delivered_until_pubcomp() {
    for connect in [connect(), connect_v311(false)] {
        let mut server = Server::new(connect.clone());
        let token = server.hears_publish(publish(2, 4, "a"));
        server.completes(token);
        assert_eq!(server.hears(again(publish(2, 4, "a"))), None);
        assert_eq!(server.sends(), ["PUBREC #4", "PUBREC #4"]);
        let mut server = server.reconnects(connect);
        assert_eq!(server.sends(), ["CONNACK present"]);
        assert_eq!(server.hears(again(publish(2, 4, "a"))), None);
        assert_eq!(server.sends(), ["PUBREC #4"]);
        server.hears(pubrel(4));
        assert_eq!(server.sends(), ["PUBCOMP #4"]);
        server.hears_publish(publish(2, 4, "a")).packet_identifier();
    }
}

/// MQTT-4.3.3-10
#[test]
fn a_repetition_before_the_owner_is_done_is_answered_once() {
    let mut server = Server::new(connect());
    let token = server.hears_publish(publish(2, 4, "a"));
    assert_eq!(server.hears(again(publish(2, 4, "a"))), None);
    server.completes(token);
    assert_eq!(server.sends(), ["PUBREC #4"]);
}

/// MQTT-4.3.3-10
#[test]
fn a_qos_2_message_completed_after_the_connection_broke_is_not_delivered_again() {
    let mut server = Server::new(connect());
    let token = server.hears_publish(publish(2, 4, "a"));
    let mut server = server.reconnects(connect());
    assert_eq!(server.sends(), ["CONNACK present"]);
    server.completes(token);
    assert!(
        server.sends().is_empty(),
        "the client has not asked on this connection"
    );
    assert_eq!(server.hears(again(publish(2, 4, "a"))), None);
    assert_eq!(server.sends(), ["PUBREC #4"]);
}

#[test]
fn a_qos_1_token_of_an_earlier_connection_answers_nothing() {
    let mut server = Server::new(connect());
    let old = server.hears_publish(publish(1, 1, "a"));
    let mut server = server.reconnects(connect());
    assert_eq!(server.sends(), ["CONNACK present"]);
    let new = server.hears_publish(again(publish(1, 1, "a")));
    server.completes(old);
    assert!(server.sends().is_empty());
    server.completes(new);
    assert_eq!(server.sends(), ["PUBACK #1"]);
}

/// MQTT-4.3.3-9
#[test]
fn after_a_refusal_the_identifier_is_a_new_message() {
    let mut server = Server::new(connect());
    let token = server.hears_publish(publish(2, 3, "a"));
    server
        .session
        .complete(token, ReasonCode::NotAuthorized, None)
        .unwrap();
    assert_eq!(server.sends(), ["PUBREC #3 0x87"]);
    let token = server.hears_publish(publish(2, 3, "a"));
    server.completes(token);
    assert_eq!(server.sends(), ["PUBREC #3"]);
}

/// MQTT-4.3.3-11
#[test]
fn an_unknown_pubrel_is_answered_and_the_connection_stays() {
    let mut server = Server::new(connect());
    server.hears(pubrel(8));
    assert_eq!(server.sends(), ["PUBCOMP #8 0x92"]);
    let mut server = Server::new(connect_v311(false));
    server.hears(pubrel(8));
    assert_eq!(server.sends(), ["PUBCOMP #8"]);
    assert!(!server.session.is_closing());
}

/// MQTT-4.3.3-13
#[test]
fn the_handshake_ends_whatever_became_of_the_message() {
    let mut server = Server::new(connect());
    let expiring = publish_with(2, 5, "a", |publish| {
        publish
            .properties
            .get_or_insert_default()
            .message_expiry_interval = Some(1);
    });
    let token = server.hears_publish(expiring);
    server.completes(token);
    server.now = at(10);
    server.hears(pubrel(5));
    assert_eq!(server.sends(), ["PUBREC #5", "PUBCOMP #5"]);
}

#[test]
fn acknowledgements_leave_in_the_order_of_the_messages() {
    let mut server = Server::new(connect());
    let one = server.hears_publish(publish(1, 1, "a"));
    let two = server.hears_publish(publish(1, 2, "a"));
    let three = server.hears_publish(publish(2, 3, "a"));
    server.completes(two);
    server.completes(three);
    assert_eq!(
        server.sends(),
        ["PUBREC #3"],
        "the streams do not wait for each other"
    );
    server.completes(one);
    assert_eq!(server.sends(), ["PUBACK #1", "PUBACK #2"]);
}

/// MQTT-3.3.2-12
#[test]
fn every_alias_up_to_the_announced_maximum_works_and_can_be_set_anew() {
    let mut server = server_with(|a| a.settings.limits.topic_alias_maximum = 10);
    for number in 1..=10 {
        let name = format!("t/{number}");
        let define = publish_with(0, 0, &name, |publish| {
            publish.topic = PublishTopic::Named {
                name: topic(&name),
                alias: Some(alias(number)),
            };
        });
        assert_eq!(topic_of(server.hears(define)), name);
    }
    let known = publish_with(0, 0, "-", |p| p.topic = PublishTopic::Alias(alias(1)));
    assert_eq!(topic_of(server.hears(known.clone())), "t/1");
    let anew = publish_with(0, 0, "-", |publish| {
        publish.topic = PublishTopic::Named {
            name: topic("new"),
            alias: Some(alias(1)),
        };
    });
    server.hears(anew);
    assert_eq!(topic_of(server.hears(known)), "new");
}

/// MQTT-3.2.2-17
#[test]
fn an_alias_above_the_maximum_ends_the_connection() {
    let mut server = server_with(|a| a.settings.limits.topic_alias_maximum = 3);
    let alias = publish_with(0, 0, "-", |p| p.topic = PublishTopic::Alias(alias(4)));
    assert_eq!(server.rejects(alias), Violation::TopicAliasInvalid);
    assert_eq!(server.sends(), ["DISCONNECT 0x94"]);
}

/// MQTT-3.3.2-7
#[test]
fn aliases_die_with_their_connection() {
    let acceptance = || {
        let mut acceptance = Acceptance::default();
        acceptance.settings.limits.topic_alias_maximum = 3;
        acceptance
    };
    let mut server = Server::with(connect(), acceptance());
    server.hears(publish_with(0, 0, "a", |publish| {
        publish.topic = PublishTopic::Named {
            name: topic("a"),
            alias: Some(alias(1)),
        };
    }));
    let mut server = server.reconnects_with(connect(), acceptance());
    assert_eq!(server.sends(), ["CONNACK present"]);
    let known = publish_with(0, 0, "-", |p| p.topic = PublishTopic::Alias(alias(1)));
    assert_eq!(server.rejects(known), Violation::TopicAliasUnknown);
    assert_eq!(server.sends(), ["DISCONNECT 0x82"]);
}

/// MQTT-3.2.2-11
#[test]
fn a_qos_above_the_announced_maximum_ends_the_connection() {
    let mut server = server_with(|a| a.settings.limits.maximum_qos = QoS::AtMostOnce);
    assert_eq!(
        server.rejects(publish(1, 1, "a")),
        Violation::QoSNotSupported
    );
    assert_eq!(server.sends(), ["DISCONNECT 0x9B"]);
}

/// MQTT-3.2.2-14
#[test]
fn a_retained_message_where_none_are_taken_ends_the_connection() {
    let mut server = server_with(|a| a.settings.limits.retain_available = false);
    let retained = publish_with(0, 0, "a", |publish| publish.retain = true);
    assert_eq!(server.rejects(retained), Violation::RetainNotSupported);
    assert_eq!(server.sends(), ["DISCONNECT 0x9A"]);
}

/// MQTT-3.3.4-6
#[test]
fn a_subscription_identifier_from_a_client_ends_the_connection() {
    let mut server = Server::new(connect());
    let mut packet = publish(0, 0, "a");
    if let mqtide_codec::Packet::Publish(publish) = &mut packet {
        let one = mqtide_codec::SubscriptionIdentifier::MIN;
        publish
            .properties
            .get_or_insert_default()
            .subscription_identifiers
            .push(one);
    }
    let violation = server.session.handle_packet(at(0), packet).unwrap_err();
    assert_eq!(violation, Violation::SubscriptionIdentifierFromClient);
    assert_eq!(server.sends(), ["DISCONNECT 0x82"]);
}

/// MQTT-3.3.4-7, MQTT-3.3.4-9
#[test]
fn one_publication_more_than_receive_maximum_ends_the_connection() {
    let mut server = server_with(|a| a.settings.limits.receive_maximum = 2);
    let one = server.hears_publish(publish(1, 1, "a"));
    let two = server.hears_publish(publish(2, 2, "a"));
    server.completes(one);
    server.completes(two);
    assert_eq!(server.sends(), ["PUBACK #1", "PUBREC #2"]);
    assert_eq!(
        server.hears(again(publish(2, 2, "a"))),
        None,
        "no second place"
    );
    let three = server.hears_publish(publish(1, 3, "a"));
    server.completes(three);
    assert_eq!(
        server.rejects(publish(1, 4, "a")),
        Violation::ReceiveMaximumExceeded
    );
    assert_eq!(
        server.sends(),
        ["PUBREC #2", "PUBACK #3", "DISCONNECT 0x93"]
    );
}

#[test]
fn a_place_is_free_again_when_the_answer_is_written() {
    let mut server = server_with(|a| a.settings.limits.receive_maximum = 1);
    let token = server.hears_publish(publish(2, 1, "a"));
    server
        .session
        .complete(token, ReasonCode::QuotaExceeded, None)
        .unwrap();
    assert_eq!(server.sends(), ["PUBREC #1 0x97"]);
    let token = server.hears_publish(publish(2, 1, "a"));
    server.completes(token);
    server.hears(pubrel(1));
    assert_eq!(server.sends(), ["PUBREC #1", "PUBCOMP #1"]);
    server.hears_publish(publish(1, 1, "a")).packet_identifier();
}

fn explained(server: &mut Server, qos: u8) -> String {
    let token = server.hears_publish(publish(qos, 7, "a"));
    let properties = AckProperties {
        reason_string: Some("no".into()),
        user_properties: user_properties(1),
    };
    server
        .session
        .complete(token, ReasonCode::NotAuthorized, Some(Box::new(properties)))
        .unwrap();
    server.sends().remove(0)
}

/// MQTT-3.4.2-2, MQTT-3.4.2-3, MQTT-3.5.2-2, MQTT-3.5.2-3
#[test]
fn acknowledgements_leave_out_what_does_not_fit() {
    for (qos, name) in [(1, "PUBACK"), (2, "PUBREC")] {
        let answer = |limit: u32| {
            let mut connect = connect();
            connect.properties.as_mut().unwrap().maximum_packet_size = limit.try_into().ok();
            explained(&mut Server::new(connect), qos)
        };
        assert_eq!(answer(100), format!("{name} #7 0x87 \"no\" +1"));
        assert_eq!(answer(12), format!("{name} #7 0x87 \"no\" +0"));
        assert_eq!(answer(8), format!("{name} #7 0x87"));
    }
}

/// MQTT-3.1.2-29
#[test]
fn a_client_that_wants_no_problem_information_gets_none() {
    for (qos, name) in [(1, "PUBACK"), (2, "PUBREC")] {
        let mut connect = connect();
        connect
            .properties
            .as_mut()
            .unwrap()
            .request_problem_information = Some(false);
        assert_eq!(
            explained(&mut Server::new(connect), qos),
            format!("{name} #7 0x87")
        );
    }
}

/// MQTT-3.6.2-2, MQTT-3.6.2-3, MQTT-3.7.2-2, MQTT-3.7.2-3
#[test]
fn pubrel_and_pubcomp_never_explain_and_always_fit() {
    let mut connect = connect();
    connect.properties.as_mut().unwrap().maximum_packet_size = 20.try_into().ok();
    let mut server = Server::new(connect);
    let _ = server.delivers(QoS::ExactlyOnce, "a");
    server.sends();
    server.hears(pubrec(1));
    server.hears(pubrel(9));
    assert_eq!(server.sends(), ["PUBREL #1", "PUBCOMP #9 0x92"]);
}

#[test]
fn an_acknowledgement_carries_only_its_own_reasons() {
    let mut server = Server::new(connect());
    let token = server.hears_publish(publish(1, 7, "a"));
    let refused = server
        .session
        .complete(token, ReasonCode::PacketIdentifierNotFound, None);
    assert_eq!(refused, Err(Refused::ReasonNotAllowed));
}

#[test]
fn a_pubrel_before_its_turn_waits_for_the_pubrec() {
    let mut server = Server::new(connect());
    let token = server.hears_publish(publish(2, 4, "a"));
    server.hears(pubrel(4));
    assert!(server.sends().is_empty());
    server.completes(token);
    assert_eq!(server.sends(), ["PUBREC #4", "PUBCOMP #4"]);
    server.hears(pubrel(4));
    assert_eq!(server.sends(), ["PUBCOMP #4 0x92"]);
}

/// MQTT-4.3.3-11
#[test]
fn a_pubrel_is_answered_even_if_its_publish_was_not_repeated() {
    let mut server = Server::new(connect());
    let token = server.hears_publish(publish(2, 4, "a"));
    let mut server = server.reconnects(connect());
    server.hears(pubrel(4));
    assert_eq!(server.sends(), ["CONNACK present"]);
    server.completes(token);
    assert_eq!(server.sends(), ["PUBCOMP #4"]);
    server
        .hears_publish(publish(2, 4, "anew"))
        .packet_identifier();
}

#[test]
fn a_second_completion_changes_nothing() {
    let mut server = Server::new(connect());
    let first = server.hears_publish(publish(1, 1, "a"));
    let second = server.hears_publish(publish(1, 2, "a"));
    server.completes(second);
    server
        .session
        .complete(second, ReasonCode::NotAuthorized, None)
        .unwrap();
    server.completes(first);
    server.completes(first);
    assert_eq!(server.sends(), ["PUBACK #1", "PUBACK #2"]);
}

#[test]
fn answers_that_nobody_reads_are_bounded() {
    let mut server = server_with(|acceptance| acceptance.settings.answers = 3);
    for _ in 0..3 {
        server.hears(mqtide_codec::Packet::Pingreq);
    }
    assert_eq!(
        server.rejects(mqtide_codec::Packet::Pingreq),
        Violation::TooManyRequests
    );
    assert_eq!(server.sends().last().unwrap(), "DISCONNECT 0x97");
}
