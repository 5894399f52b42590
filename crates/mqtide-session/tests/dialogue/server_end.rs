//! Server: how connections and sessions end.

use mqtide_codec::{Disconnect, DisconnectProperties, Packet, QoS, ReasonCode, Will};
use mqtide_session::{Acceptance, DeliverOutcome, DropReason, Refused, ServerEvent, Violation};

use crate::script::*;

fn with_will(seconds: u32) -> mqtide_codec::Connect {
    let mut connect = lasting(seconds);
    connect.will = Some(Will::new(topic("gone"), "x"));
    connect
}

fn goodbye(reason: ReasonCode, session_expiry_interval: Option<u32>) -> Packet {
    let mut disconnect = Disconnect::new(reason);
    let properties = DisconnectProperties {
        session_expiry_interval,
        ..Default::default()
    };
    disconnect.properties = session_expiry_interval.map(|_| Box::new(properties));
    disconnect.into()
}

#[test]
fn a_normal_goodbye_deletes_the_will_and_no_other_does() {
    for (reason, published) in [
        (ReasonCode::NORMAL_DISCONNECTION, false),
        (ReasonCode::DisconnectWithWillMessage, true),
        (ReasonCode::UnspecifiedError, true),
    ] {
        let mut server = Server::new(with_will(60));
        let event = server.hears(goodbye(reason, None));
        assert!(matches!(event, Some(ServerEvent::Disconnected(_))));
        assert!(server.session.is_closing());
        assert_eq!(
            server.session.handle_disconnected(at(0)).will.is_some(),
            published
        );
    }
    let mut connect = connect_v311(false);
    connect.will = Some(Will::new(topic("gone"), "x"));
    let mut server = Server::new(connect.clone());
    server.hears(goodbye(ReasonCode::NORMAL_DISCONNECTION, None));
    assert_eq!(server.session.handle_disconnected(at(0)).will, None);
    assert!(
        Server::new(connect)
            .session
            .handle_disconnected(at(0))
            .will
            .is_some()
    );
}

#[test]
fn nothing_is_listened_to_and_nothing_said_after_a_goodbye() {
    let mut server = Server::new(connect());
    server.hears(Packet::Pingreq);
    server.hears(goodbye(ReasonCode::NORMAL_DISCONNECTION, None));
    let _ = server.delivers(QoS::AtLeastOnce, "a");
    assert_eq!(server.hears(publish(0, 0, "late")), None);
    assert!(server.sends().is_empty());
}

#[test]
fn a_goodbye_may_change_how_long_the_session_lives() {
    let end = |connect, interval| {
        let mut server = Server::new(connect);
        server.hears(goodbye(ReasonCode::NORMAL_DISCONNECTION, interval));
        let ended = server.session.handle_disconnected(at(100)).ended;
        (ended, server.session.poll_timeout())
    };
    assert_eq!(end(lasting(60), None), (false, Some(at(160))));
    assert_eq!(end(lasting(60), Some(10)), (false, Some(at(110))));
    assert_eq!(end(lasting(60), Some(0)), (true, None));
    assert_eq!(end(lasting(60), Some(u32::MAX)), (false, None));
    assert_eq!(end(lasting(0), Some(0)), (true, None));
}

#[test]
fn a_session_without_lifetime_cannot_get_one_at_goodbye() {
    let mut server = Server::new(with_will(0));
    let violation = server.rejects(goodbye(ReasonCode::NORMAL_DISCONNECTION, Some(10)));
    assert_eq!(violation, Violation::SessionExpiryNotAllowed);
    assert_eq!(server.sends(), ["DISCONNECT 0x82"]);
    let departure = server.session.handle_disconnected(at(0));
    assert!(departure.will.is_some() && departure.ended);
}

#[test]
fn the_lifetime_at_goodbye_is_bounded_by_the_servers_maximum() {
    let maximum_session_expiry_interval = Some(30);
    let acceptance = Acceptance {
        maximum_session_expiry_interval,
        ..Acceptance::default()
    };
    let mut server = Server::with(lasting(20), acceptance);
    server.hears(goodbye(ReasonCode::NORMAL_DISCONNECTION, Some(1000)));
    let _ = server.session.handle_disconnected(at(0));
    assert_eq!(server.session.poll_timeout(), Some(at(30)));
}

#[test]
fn a_session_expires_and_takes_its_will_along() {
    let mut connect = with_will(10);
    let will = connect.will.as_mut().unwrap();
    will.properties.get_or_insert_default().will_delay_interval = Some(100);
    let mut server = Server::new(connect);
    let departure = server.session.handle_disconnected(at(0));
    assert!(departure.will.is_none() && !departure.ended);
    assert_eq!(server.session.poll_timeout(), Some(at(10)));
    assert_eq!(server.session.handle_timeout(at(9)), None);
    assert!(matches!(
        server.session.handle_timeout(at(10)),
        Some(ServerEvent::Will(_))
    ));
    assert_eq!(
        server.session.handle_timeout(at(10)),
        Some(ServerEvent::Expired)
    );
    assert_eq!(server.session.handle_timeout(at(10)), None);
    assert!(server.session.has_ended());
    let late = server.delivers(QoS::AtLeastOnce, "a");
    assert_eq!(late, DeliverOutcome::Dropped(DropReason::Offline));
}

#[test]
fn what_a_session_leaves_undelivered_can_go_to_somebody_else() {
    let mut acceptance = Acceptance::default();
    acceptance.settings.retain_in_flight = true;
    let mut server = Server::with(lasting(0), acceptance);
    for (qos, name) in [(1, "a"), (2, "b"), (2, "c")] {
        let _ = server.delivers(QoS::from_bits(qos).unwrap(), name);
    }
    server.sends();
    let _ = server.delivers(QoS::AtLeastOnce, "d");
    server.hears(pubrec(2));
    assert!(server.session.handle_disconnected(at(0)).ended);
    let left: Vec<_> = server.session.take_undelivered().into_iter().collect();
    let told: Vec<_> = left
        .iter()
        .map(|one| (one.message.as_ref().map(|m| m.topic.as_str()), one.sent))
        .collect();
    assert_eq!(
        told,
        [
            (None, true),
            (Some("a"), true),
            (Some("c"), true),
            (Some("d"), false)
        ]
    );
    assert_eq!(server.session.in_flight() + server.session.queued(), 0);
}

/// MQTT-3.14.2-2
#[test]
fn a_server_cannot_send_a_session_expiry_interval() {
    let mut server = Server::new(connect());
    let mut disconnect = Disconnect::new(ReasonCode::ServerShuttingDown);
    disconnect
        .properties
        .get_or_insert_default()
        .session_expiry_interval = Some(1);
    assert_eq!(
        server.session.disconnect(disconnect),
        Err(Refused::SessionExpiryNotAllowed)
    );
    let wrong = Disconnect::new(ReasonCode::DisconnectWithWillMessage);
    assert_eq!(
        server.session.disconnect(wrong),
        Err(Refused::ReasonNotAllowed)
    );
    assert!(!server.session.is_closing());
}

/// MQTT-3.14.4-1
#[test]
fn a_servers_goodbye_is_the_last_packet() {
    for (connect, lines) in [
        (connect(), vec!["PINGRESP", "DISCONNECT 0x8B"]),
        (connect_v311(false), vec!["PINGRESP"]),
    ] {
        let mut server = Server::new(connect);
        server.hears(Packet::Pingreq);
        let _ = server.delivers(QoS::AtLeastOnce, "a");
        let shutdown = || Disconnect::new(ReasonCode::ServerShuttingDown);
        server.session.disconnect(shutdown()).unwrap();
        let _ = server.delivers(QoS::AtMostOnce, "b");
        assert_eq!(
            server.session.disconnect(shutdown()),
            Err(Refused::NotConnected)
        );
        assert_eq!(server.sends(), lines);
        assert!(server.sends().is_empty());
    }
}

/// MQTT-3.14.2-3, MQTT-3.14.2-4
#[test]
fn a_goodbye_leaves_out_what_does_not_fit() {
    let said = |limit: u32| {
        let mut connect = connect();
        connect.properties.as_mut().unwrap().maximum_packet_size = limit.try_into().ok();
        let mut server = Server::new(connect);
        let mut disconnect = Disconnect::new(ReasonCode::ServerBusy);
        let properties = disconnect.properties.get_or_insert_default();
        properties.reason_string = Some("no".into());
        properties.user_properties = user_properties(1);
        server.session.disconnect(disconnect).unwrap();
        let packets = server.packets();
        let [Packet::Disconnect(disconnect)] = &packets[..] else {
            return None;
        };
        let properties = disconnect.properties.clone().unwrap_or_default();
        Some((
            properties.reason_string.is_some(),
            properties.user_properties.len(),
        ))
    };
    assert_eq!(said(100), Some((true, 1)));
    assert_eq!(said(10), Some((true, 0)));
    assert_eq!(said(5), Some((false, 0)));
}

/// MQTT-3.15.2-2, MQTT-3.15.2-3
#[test]
fn an_auth_of_this_server_explains_nothing_and_so_always_fits() {
    let mut connect = connect();
    let properties = connect.properties.as_mut().unwrap();
    properties.authentication_method = Some("M".into());
    let mut server = Server::new(connect);
    server.hears(auth(ReasonCode::ReAuthenticate, "M"));
    server.session.challenge(None).unwrap();
    let packets = server.packets();
    let [Packet::Auth(auth)] = &packets[..] else {
        panic!()
    };
    assert!(auth.reason_string.is_none() && auth.user_properties.is_empty());
}

/// MQTT-3.2.0-1
#[test]
fn a_connection_that_is_taken_over_before_its_connack_gets_no_packet() {
    let mut session = accept(at(0), connect(), Acceptance::default(), None).session;
    assert_eq!(session.take_over(), None);
    assert!(session.poll_transmit(at(0)).is_none());
}
