//! Server: SUBSCRIBE, UNSUBSCRIBE, PINGREQ.

use mqtide_codec::{
    AckProperties, Packet, QoS, ReasonCode, Subscribe, Subscription, SubscriptionOptions, Version,
};
use mqtide_session::{Refused, ServerEvent, Violation};

use crate::script::*;

/// MQTT-2.2.1-6, MQTT-3.8.4-2, MQTT-3.8.4-6, v3.1.1 MQTT-2.3.1-7, v3.1.1 MQTT-3.8.4-2
#[test]
fn suback_repeats_the_identifier_and_has_one_reason_per_filter() {
    for connect in [connect(), connect_v311(false)] {
        let mut server = Server::new(connect);
        let event = server.hears(subscribe(65_535, &["a", "b/+", "$share/g/c"]));
        let Some(ServerEvent::Subscribe(request)) = event else {
            panic!()
        };
        assert_eq!(request.packet_identifier, id(65_535));
        assert!(request.subscriptions.iter().all(|s| s.filter.is_ok()));
        let reasons = vec![
            SUCCESS,
            ReasonCode::GrantedQoS2,
            ReasonCode::UnspecifiedError,
        ];
        let answer = server
            .session
            .suback(request.packet_identifier, reasons, None);
        assert_eq!(answer, Ok(()));
        assert_eq!(server.sends(), ["SUBACK #65535 00 02 80"]);
    }
}

/// MQTT-2.2.1-6, v3.1.1 MQTT-2.3.1-7
#[test]
fn unsuback_repeats_the_identifier() {
    for (connect, line) in [
        (connect(), "UNSUBACK #300 00 11"),
        (connect_v311(false), "UNSUBACK #300"),
    ] {
        let mut server = Server::new(connect);
        let event = server.hears(unsubscribe(300, &["a", "b"]));
        let Some(ServerEvent::Unsubscribe(request)) = event else {
            panic!()
        };
        assert_eq!(request.filters, ["a", "b"]);
        let reasons = vec![SUCCESS, ReasonCode::NoSubscriptionExisted];
        server
            .session
            .unsuback(request.packet_identifier, reasons, None)
            .unwrap();
        assert_eq!(server.sends(), [line]);
    }
}

/// MQTT-3.8.4-6
#[test]
fn a_wrong_answer_is_refused_and_changes_nothing() {
    let mut server = Server::new(connect());
    server.hears(subscribe(1, &["a", "b"]));
    let session = &mut server.session;
    assert_eq!(
        session.suback(id(2), vec![SUCCESS; 2], None),
        Err(Refused::UnknownRequest)
    );
    assert_eq!(
        session.unsuback(id(1), vec![SUCCESS; 2], None),
        Err(Refused::UnknownRequest)
    );
    assert_eq!(
        session.suback(id(1), vec![SUCCESS], None),
        Err(Refused::ReasonCountMismatch)
    );
    let wrong = vec![ReasonCode::NoSubscriptionExisted; 2];
    assert_eq!(
        session.suback(id(1), wrong, None),
        Err(Refused::ReasonNotAllowed)
    );
    assert_eq!(session.suback(id(1), vec![SUCCESS; 2], None), Ok(()));
    assert_eq!(server.sends(), ["SUBACK #1 00 00"]);
}

#[test]
fn an_invalid_filter_is_told_apart() {
    let mut server = Server::new(connect());
    let Some(ServerEvent::Subscribe(request)) = server.hears(subscribe(1, &["a/#/b", "ok"])) else {
        panic!()
    };
    let valid: Vec<bool> = request
        .subscriptions
        .iter()
        .map(|s| s.filter.is_ok())
        .collect();
    assert_eq!(valid, [false, true]);
}

/// MQTT-3.8.3-4
#[test]
fn no_local_on_a_shared_filter_ends_the_connection() {
    let mut server = Server::new(connect());
    let options = SubscriptionOptions {
        no_local: true,
        ..SubscriptionOptions::default()
    };
    let subscription = Subscription::new("$share/g/t", options);
    let packet = Packet::Subscribe(Subscribe::new(id(1), vec![subscription]));
    assert_eq!(
        server.session.handle_packet(at(0), packet),
        Err(Violation::SharedNoLocal)
    );
    assert_eq!(server.sends(), ["DISCONNECT 0x82"]);
}

fn explanation() -> Option<Box<AckProperties>> {
    let reason_string = Some("no".into());
    Some(Box::new(AckProperties {
        reason_string,
        user_properties: user_properties(1),
    }))
}

/// What the client reads of an explained SUBACK and UNSUBACK: reason string, user properties.
fn explained(change: impl FnOnce(&mut mqtide_codec::ConnectProperties)) -> [(bool, usize); 2] {
    let mut connect = connect();
    change(connect.properties.as_mut().unwrap());
    let mut server = Server::new(connect);
    server.hears(subscribe(1, &["a"]));
    server.hears(unsubscribe(2, &["a"]));
    let refused = vec![ReasonCode::NotAuthorized];
    server
        .session
        .suback(id(1), refused.clone(), explanation())
        .unwrap();
    server
        .session
        .unsuback(id(2), refused, explanation())
        .unwrap();
    let properties = server.packets().into_iter().map(|packet| match packet {
        Packet::Suback(suback) => suback.properties,
        Packet::Unsuback(unsuback) => unsuback.properties,
        other => panic!("{other:?}"),
    });
    let seen = properties.map(|properties| {
        let properties = properties.unwrap_or_default();
        (
            properties.reason_string.is_some(),
            properties.user_properties.len(),
        )
    });
    seen.collect::<Vec<_>>().try_into().unwrap()
}

/// MQTT-3.9.2-1, MQTT-3.9.2-2, MQTT-3.11.2-1, MQTT-3.11.2-2
#[test]
fn answers_leave_out_what_does_not_fit() {
    let limit = |limit: u32| explained(|p| p.maximum_packet_size = limit.try_into().ok());
    assert_eq!(limit(100), [(true, 1); 2]);
    assert_eq!(limit(11), [(true, 0); 2]);
    assert_eq!(limit(6), [(false, 0); 2]);
}

/// MQTT-3.1.2-29
#[test]
fn answers_do_not_explain_to_a_client_that_does_not_want_it() {
    let seen = explained(|properties| properties.request_problem_information = Some(false));
    assert_eq!(seen, [(false, 0); 2]);
}

/// MQTT-3.12.4-1, v3.1.1 MQTT-3.12.4-1
#[test]
fn a_ping_is_answered() {
    for connect in [connect(), connect_v311(true)] {
        let mut server = Server::new(connect);
        server.hears(Packet::Pingreq);
        assert_eq!(server.sends(), ["PINGRESP"]);
    }
}

#[test]
fn an_identifier_in_use_is_answered_so_or_ends_the_connection() {
    let mut server = Server::new(connect());
    server.hears_publish(publish(2, 7, "a")).packet_identifier();
    assert_eq!(server.hears(subscribe(7, &["a", "b"])), None);
    server.hears(subscribe(8, &["a"]));
    assert_eq!(server.hears(unsubscribe(8, &["a"])), None);
    assert_eq!(server.sends(), ["SUBACK #7 91 91", "UNSUBACK #8 91"]);
    let mut server = Server::new(connect_v311(false));
    server.hears(subscribe(8, &["a"]));
    assert_eq!(
        server.rejects(subscribe(8, &["b"])),
        Violation::PacketIdentifierInUse
    );
    assert!(server.sends().is_empty());
}

#[test]
fn mqtt_31_is_told_the_qos_it_asked_for_instead_of_a_refusal() {
    let mut connect = connect_v311(false);
    connect.version = Version::V31;
    let mut server = Server::new(connect);
    server.hears(subscribe(1, &["a"]));
    server.hears(subscribe(1, &["a"]));
    let refused = || vec![ReasonCode::NotAuthorized];
    server.session.suback(id(1), refused(), None).unwrap();
    server.session.suback(id(1), refused(), None).unwrap();
    assert_eq!(
        server.sends(),
        ["SUBACK #1 02", "SUBACK #1 02"],
        "requests may be repeated"
    );
}

#[test]
fn a_server_takes_no_packet_of_a_server() {
    for packet in [connack(false), Packet::Pingresp] {
        let mut server = Server::new(connect());
        let packet_type = packet.packet_type();
        let violation = server.session.handle_packet(at(0), packet);
        assert_eq!(violation, Err(Violation::UnexpectedPacket(packet_type)));
    }
}

#[test]
fn the_subscription_identifier_and_options_reach_the_owner() {
    let mut server = Server::new(connect());
    let mut packet = Subscribe::new(id(1), vec![Subscription::new("a", QoS::AtLeastOnce)]);
    let number = mqtide_codec::SubscriptionIdentifier::new(9);
    packet
        .properties
        .get_or_insert_default()
        .subscription_identifier = number;
    let Some(ServerEvent::Subscribe(request)) = server.hears(packet.into()) else {
        panic!()
    };
    assert_eq!(request.subscription_identifier, number);
    assert_eq!(
        request.subscriptions[0].options.maximum_qos,
        QoS::AtLeastOnce
    );
}
