//! Server: from CONNECT to CONNACK, and what becomes of an earlier session.

use core::time::Duration;
use std::collections::BTreeMap;

use mqtide_codec::{
    Connect, Packet, PacketType, QoS, ReasonCode, Sender, Version, Will, WillProperties,
};
use mqtide_session::{
    Acceptance, AuthenticationStep, Handshake, Refusal, Refused, ServerEvent, Violation,
};

use crate::script::*;

fn request(connect: Connect) -> mqtide_session::ConnectRequest {
    let version = connect.version;
    let packet = over_the_wire(&connect.into(), version, Sender::Client);
    Handshake::new(at(0), Duration::from_secs(5))
        .handle_packet(packet)
        .unwrap()
}

/// A session of `connect` with one message waiting, as its connection breaks.
fn parked(connect: Connect) -> mqtide_session::ServerSession<mqtide_session::Message> {
    let mut server = Server::new(connect);
    let _ = server.delivers(QoS::AtLeastOnce, "a");
    let _ = server.session.handle_disconnected(at(0));
    server.session
}

fn first_lines(
    connect: Connect,
    session: mqtide_session::ServerSession<mqtide_session::Message>,
    now: mqtide_session::Instant,
) -> (bool, Vec<String>) {
    let version = connect.version;
    let mut accepted = accept(now, connect, Acceptance::default(), Some(session));
    let lines = core::iter::from_fn(|| accepted.session.poll_transmit(now))
        .map(|outgoing| {
            show(&over_the_wire(
                &outgoing.into_packet(),
                version,
                Sender::Server,
            ))
        })
        .collect();
    (accepted.session_present, lines)
}

/// MQTT-3.14.0-1
#[test]
fn anything_but_connect_at_the_start_gets_no_answer() {
    let handshake = Handshake::new(at(0), Duration::from_secs(5));
    assert_eq!(handshake.poll_timeout(), at(5));
    let violation = handshake.handle_packet(Packet::Pingreq).unwrap_err();
    assert_eq!(violation, Violation::UnexpectedPacket(PacketType::Pingreq));
}

/// MQTT-3.2.2-6, MQTT-3.14.0-1
#[test]
fn a_refusal_is_a_connack_without_session() {
    let connack = request(connect()).refuse(Refusal::new(ReasonCode::BadUserNameOrPassword));
    assert_eq!(show(&connack.unwrap()), "CONNACK 0x86");
}

/// v3.1.1 MQTT-3.2.2-4
#[test]
fn mqtt_311_knows_five_refusals_and_otherwise_closes() {
    let refuse = |reason| request(connect_v311(false)).refuse(Refusal::new(reason));
    let connack = refuse(ReasonCode::NotAuthorized).unwrap();
    assert_eq!(
        show(&over_the_wire(&connack, V311, Sender::Server)),
        "CONNACK 0x87"
    );
    assert_eq!(refuse(ReasonCode::QuotaExceeded), None);
    assert_eq!(refuse(ReasonCode::Success), None);
}

/// MQTT-3.2.2-19, MQTT-3.2.2-20
#[test]
fn a_refusal_leaves_out_what_does_not_fit() {
    let refuse = |limit: u32| {
        let mut connect = connect();
        let properties = connect.properties.as_mut().unwrap();
        properties.maximum_packet_size = limit.try_into().ok();
        let refusal = Refusal {
            reason_string: Some("because".into()),
            user_properties: user_properties(3),
            ..Refusal::new(ReasonCode::Banned)
        };
        let Some(Packet::Connack(connack)) = request(connect).refuse(refusal) else {
            panic!()
        };
        assert!(size_of_packet(&connack.clone().into(), V5) <= limit as usize);
        let properties = connack.properties.unwrap();
        (
            properties.reason_string.is_some(),
            properties.user_properties.len(),
        )
    };
    assert_eq!(refuse(200), (true, 3));
    assert_eq!(refuse(20), (true, 0));
    assert_eq!(refuse(10), (false, 0));
}

/// MQTT-3.1.2-6, MQTT-3.2.2-3, v3.1.1 MQTT-3.2.2-3
#[test]
fn without_a_stored_session_a_new_one_begins() {
    for (connect, version) in [(connect(), V5), (connect_v311(false), V311)] {
        let mut accepted = accept(at(0), connect, Acceptance::default(), None);
        assert!(!accepted.session_present);
        let connack = accepted.session.poll_transmit(at(0)).unwrap().into_packet();
        assert_eq!(
            show(&over_the_wire(&connack, version, Sender::Server)),
            "CONNACK"
        );
    }
}

/// MQTT-3.1.2-5, MQTT-3.2.2-3, MQTT-3.2.0-1, MQTT-3.1.2-23, MQTT-4.1.0-1,
/// v3.1.1 MQTT-3.1.2-4, v3.1.1 MQTT-3.2.2-2, v3.1.1 MQTT-3.2.0-1, v3.1.1 MQTT-4.1.0-1
#[test]
fn a_stored_session_goes_on_and_connack_comes_first() {
    for connect in [connect(), connect_v311(false)] {
        let session = parked(connect.clone());
        let (present, lines) = first_lines(connect, session, at(5));
        assert!(present);
        assert_eq!(lines, ["CONNACK present", "PUBLISH q1 #1 a"]);
    }
}

/// MQTT-3.1.2-4, MQTT-3.2.2-2, v3.1.1 MQTT-3.1.2-6, v3.1.1 MQTT-3.2.2-1
#[test]
fn a_clean_start_discards_the_stored_session() {
    for mut connect in [connect(), connect_v311(false)] {
        let session = parked(connect.clone());
        connect.clean_start = true;
        let (present, lines) = first_lines(connect, session, at(5));
        assert!(!present);
        assert_eq!(lines, ["CONNACK"]);
    }
}

/// MQTT-3.1.2-23, v3.1.1 MQTT-3.1.2-6
#[test]
fn a_session_that_ended_with_its_connection_or_later_is_not_resumed() {
    let clean = connect_v311(true);
    for (first, next, now) in [
        (lasting(0), connect(), at(0)),
        (lasting(60), connect(), at(60)),
        (clean, connect_v311(false), at(0)),
    ] {
        let (present, lines) = first_lines(next, parked(first), now);
        assert!(!present);
        assert_eq!(lines, ["CONNACK"]);
    }
}

/// v3.1.1 MQTT-4.1.0-2, MQTT-4.1.0-1
#[test]
fn a_session_never_ends_while_it_is_connected() {
    let mut server = Server::new(lasting(1));
    let _ = server.delivers(QoS::AtLeastOnce, "a");
    assert_eq!(server.session.poll_timeout(), None);
    assert_eq!(server.session.handle_timeout(at(1_000_000)), None);
    assert_eq!(server.sends(), ["PUBLISH q1 #1 a"]);
}

/// MQTT-3.1.3-2, v3.1.1 MQTT-3.1.3-2
#[test]
fn each_client_identifier_has_its_own_session() {
    let mut sessions = BTreeMap::new();
    for name in ["one", "two"] {
        let mut connect = connect();
        connect.client_identifier = name.into();
        let mut server = Server::new(connect);
        let _ = server.delivers(QoS::AtLeastOnce, name);
        let _ = server.session.handle_disconnected(at(0));
        sessions.insert(name, server.session);
    }
    for (name, session) in sessions {
        let (_, lines) = first_lines(connect(), session, at(1));
        assert_eq!(lines[1], format!("PUBLISH q1 #1 {name}"));
    }
}

/// MQTT-3.1.0-2, MQTT-3.2.0-2, v3.1.1 MQTT-3.1.0-2
#[test]
fn a_second_connect_ends_the_connection_and_leaves_the_will() {
    for (mut connect, last) in [
        (connect(), vec!["DISCONNECT 0x82"]),
        (connect_v311(false), vec![]),
    ] {
        connect.will = Some(Will::new(topic("gone"), "x"));
        let mut server = Server::new(connect.clone());
        let violation = server.rejects(connect.into());
        assert_eq!(violation, Violation::UnexpectedPacket(PacketType::Connect));
        assert_eq!(server.sends(), last);
        assert!(server.session.is_closing());
        let departure = server.session.handle_disconnected(at(1));
        assert_eq!(departure.will.unwrap().topic, topic("gone"));
    }
}

/// MQTT-3.1.2-22, MQTT-3.2.2-22, v3.1.1 MQTT-3.1.2-24
#[test]
fn silence_for_one_and_a_half_keep_alives_ends_the_connection() {
    for (mut connect, last) in [
        (connect(), vec!["DISCONNECT 0x8D"]),
        (connect_v311(false), vec![]),
    ] {
        connect.keep_alive = 4;
        connect.will = Some(Will::new(topic("gone"), "x"));
        let mut server = Server::new(connect);
        assert_eq!(server.session.poll_timeout(), Some(at(6)));
        server.now = at(5);
        server.hears(Packet::Pingreq);
        assert_eq!(server.sends(), ["PINGRESP"]);
        assert_eq!(server.session.handle_timeout(at(10)), None);
        assert_eq!(server.session.poll_timeout(), Some(at(11)));
        let timeout = server.session.handle_timeout(at(11));
        assert_eq!(timeout, Some(ServerEvent::KeepAliveTimeout));
        assert_eq!(server.sends(), last);
        assert!(server.session.handle_disconnected(at(11)).will.is_some());
    }
}

/// MQTT-3.2.2-22
#[test]
fn server_keep_alive_replaces_the_clients_value() {
    let mut connect = connect();
    connect.keep_alive = 4;
    let acceptance = Acceptance {
        server_keep_alive: Some(2),
        ..Acceptance::default()
    };
    let server = Server::with(connect, acceptance);
    assert_eq!(server.session.poll_timeout(), Some(at(3)));
    let mut never = lasting(60);
    never.keep_alive = 0;
    assert_eq!(Server::new(never).session.poll_timeout(), None);
}

#[test]
fn connack_announces_what_differs_from_the_defaults() {
    let mut connect = lasting(1000);
    connect
        .properties
        .as_mut()
        .unwrap()
        .request_response_information = Some(true);
    let mut acceptance = Acceptance {
        maximum_session_expiry_interval: Some(600),
        assigned_client_identifier: Some("given".into()),
        response_information: Some("answers/".into()),
        authentication_data: Some("not asked for".into()),
        ..Acceptance::default()
    };
    acceptance.settings.limits.receive_maximum = 20;
    acceptance.settings.limits.maximum_qos = QoS::AtLeastOnce;
    acceptance.unsupported.shared = true;
    let mut session = accept(at(0), connect, acceptance, None).session;
    let packet = session.poll_transmit(at(0)).unwrap().into_packet();
    let Packet::Connack(connack) = over_the_wire(&packet, V5, Sender::Server) else {
        panic!()
    };
    let properties = connack.properties.unwrap();
    assert_eq!(properties.session_expiry_interval, Some(600));
    assert_eq!(properties.receive_maximum.unwrap().get(), 20);
    assert_eq!(properties.maximum_qos, Some(QoS::AtLeastOnce));
    assert_eq!(properties.retain_available, None);
    assert_eq!(properties.maximum_packet_size, None);
    assert_eq!(
        properties.assigned_client_identifier.as_deref(),
        Some("given")
    );
    assert_eq!(properties.response_information.as_deref(), Some("answers/"));
    assert_eq!(properties.shared_subscription_available, Some(false));
    assert_eq!(properties.authentication_method, None);
    assert_eq!(properties.authentication_data, None);
    assert_eq!(session.session_expiry_interval(), 600);
}

fn with_method(method: &str) -> Connect {
    let mut connect = connect();
    connect.properties.as_mut().unwrap().authentication_method = Some(method.to_string().into());
    connect
}

/// MQTT-4.12.0-5, MQTT-3.2.0-1
#[test]
fn authentication_takes_turns_and_ends_with_connack() {
    let mut request = request(with_method("M"));
    let challenge = request.challenge(Some("prove".into())).unwrap();
    assert_eq!(
        show(&over_the_wire(&challenge, V5, Sender::Server)),
        "AUTH 0x18 M"
    );
    assert_eq!(
        request.challenge(None),
        Err(Refused::NotAuthenticating),
        "not its turn"
    );
    let answer = request
        .handle_packet(auth(ReasonCode::ContinueAuthentication, "M"))
        .unwrap();
    assert!(matches!(answer, AuthenticationStep::Answer(_)));
    let acceptance = Acceptance {
        authentication_data: Some("done".into()),
        ..Acceptance::default()
    };
    let mut session = request
        .accept::<mqtide_session::Message>(at(0), acceptance, None)
        .session;
    let packet = session.poll_transmit(at(0)).unwrap().into_packet();
    let Packet::Connack(connack) = over_the_wire(&packet, V5, Sender::Server) else {
        panic!()
    };
    let properties = connack.properties.unwrap();
    assert_eq!(properties.authentication_method.as_deref(), Some("M"));
    assert_eq!(
        properties.authentication_data.as_deref(),
        Some(&b"done"[..])
    );
}

/// MQTT-4.12.0-5
#[test]
fn another_method_is_a_protocol_error() {
    let mut request = request(with_method("M"));
    request.challenge(None).unwrap();
    let violation = request.handle_packet(auth(ReasonCode::ContinueAuthentication, "N"));
    assert_eq!(violation, Err(Violation::AuthenticationMethodChanged));
    assert_eq!(
        Violation::AuthenticationMethodChanged.reason(),
        ReasonCode::ProtocolError
    );
}

/// MQTT-4.12.0-6, MQTT-4.12.0-7
#[test]
fn without_a_method_there_is_no_auth() {
    assert_eq!(
        request(connect()).challenge(None),
        Err(Refused::NotAuthenticating)
    );
    let mut server = Server::new(connect());
    let violation = server.rejects(auth(ReasonCode::ReAuthenticate, "M"));
    assert_eq!(violation, Violation::UnexpectedPacket(PacketType::Auth));
    assert_eq!(server.sends(), ["DISCONNECT 0x82"]);
}

#[test]
fn a_client_may_give_up_its_authentication() {
    let mut request = request(with_method("M"));
    request.challenge(None).unwrap();
    let step = request.handle_packet(disconnect(ReasonCode::NORMAL_DISCONNECTION));
    assert_eq!(step, Ok(AuthenticationStep::Disconnected));
    assert!(request.handle_packet(publish(0, 0, "a")).is_err());
}

/// MQTT-4.12.1-1, MQTT-3.2.0-2
#[test]
fn re_authentication_ends_with_auth_and_never_with_connack() {
    let mut server = Server::new(with_method("M"));
    assert_eq!(
        server.session.challenge(None),
        Err(Refused::NotAuthenticating)
    );
    let event = server.hears(auth(ReasonCode::ReAuthenticate, "M"));
    assert!(matches!(event, Some(ServerEvent::Authenticate(_))));
    server.session.challenge(None).unwrap();
    assert_eq!(server.sends(), ["AUTH 0x18 M"]);
    server.hears(publish(0, 0, "meanwhile"));
    server.hears(auth(ReasonCode::ContinueAuthentication, "M"));
    server.session.authenticated(None).unwrap();
    assert_eq!(server.sends(), ["AUTH 0x00 M"]);
    let violation = server.rejects(auth(ReasonCode::ReAuthenticate, "N"));
    assert_eq!(violation, Violation::AuthenticationMethodChanged);
}

#[test]
fn a_will_waits_for_its_delay_and_is_deleted_if_the_client_comes_back() {
    let mut connect = connect();
    let mut will = Will::new(topic("gone"), "x");
    let delay = WillProperties {
        will_delay_interval: Some(10),
        ..WillProperties::default()
    };
    will.properties = Some(Box::new(delay));
    connect.will = Some(will);
    let lose = |clean_start: bool, now| {
        let mut server = Server::new(connect.clone());
        assert_eq!(server.session.handle_disconnected(at(0)).will, None);
        assert_eq!(server.session.poll_timeout(), Some(at(10)));
        let mut next = connect.clone();
        next.clean_start = clean_start;
        accept(now, next, Acceptance::default(), Some(server.session))
            .will
            .is_some()
    };
    assert!(
        !lose(false, at(9)),
        "the session goes on: the will is deleted"
    );
    assert!(
        lose(true, at(9)),
        "the session ends: the will is published before the new one"
    );
    assert!(lose(false, at(10)), "it was due");
}

#[test]
fn a_takeover_follows_the_same_rules_without_a_break_before() {
    let mut first = lasting(0);
    first.will = Some(Will::new(topic("gone"), "x"));
    let mut server = Server::new(first.clone());
    let goodbye = server.session.take_over().unwrap();
    assert_eq!(
        show(&over_the_wire(&goodbye, V5, Sender::Server)),
        "DISCONNECT 0x8E"
    );
    let accepted = accept(
        at(1),
        connect(),
        Acceptance::default(),
        Some(server.session),
    );
    assert!(
        !accepted.session_present,
        "the old session ended with its connection"
    );
    assert!(accepted.will.is_some());
    let mut server = Server::new(connect_v311(false));
    assert_eq!(server.session.take_over(), None);
    let accepted = accept(
        at(1),
        connect_v311(false),
        Acceptance::default(),
        Some(server.session),
    );
    assert!(accepted.session_present);
}

#[test]
fn mqtt_31_is_never_told_that_a_session_is_present() {
    let mut connect = connect_v311(false);
    connect.version = Version::V31;
    let mut accepted = accept(
        at(0),
        connect.clone(),
        Acceptance::default(),
        Some(parked(connect)),
    );
    assert!(accepted.session_present);
    let connack = accepted.session.poll_transmit(at(0)).unwrap().into_packet();
    assert_eq!(show(&connack), "CONNACK");
}
