//! Client: CONNECT, CONNACK, keep alive, authentication, and the end.

use core::time::Duration;

use mqtide_codec::{
    Connack, ConnackProperties, Connect, Disconnect, Packet, PacketType, QoS, ReasonCode, Version,
};
use mqtide_session::{ClientEvent, ClientSettings, Operation, Outcome, Refused, Violation};

use crate::script::*;

const Q1: QoS = QoS::AtLeastOnce;

pub(crate) fn accepted(change: impl FnOnce(&mut ConnackProperties)) -> Connack {
    let mut connack = Connack::accepted(false);
    change(connack.properties.get_or_insert_default());
    connack
}

fn settled(event: Option<ClientEvent>) -> (Operation, Outcome) {
    match event {
        Some(ClientEvent::Settled(operation, outcome)) => (operation, outcome),
        other => panic!("{other:?} settles nothing"),
    }
}

#[test]
fn nothing_but_connect_leaves_before_connack() {
    let mut client = Client::offline(ClientSettings::default());
    let operation = client.publishes(Q1, "a");
    client.dials(connect());
    client
        .session
        .subscribe(vec![mqtide_codec::Subscription::new("b", Q1)], None)
        .unwrap();
    assert_eq!(client.sends(), ["CONNECT"]);
    assert_eq!(
        client.session.handle_connected(at(0), connect()),
        Err(Refused::AlreadyConnected)
    );
    client.hears(connack(false));
    assert!(matches!(client.event(), Some(ClientEvent::Connected(_))));
    assert_eq!(client.sends(), ["SUBSCRIBE #1 b", "PUBLISH q1 #2 a"]);
    client.hears(puback(2));
    assert_eq!(
        settled(client.event()),
        (operation, Outcome::Delivered(SUCCESS))
    );
}

fn with_method() -> Connect {
    let mut connect = connect();
    connect.properties.as_mut().unwrap().authentication_method = Some("M".into());
    connect.keep_alive = 1;
    connect
}

fn connack_of_method(method: Option<&str>) -> Connack {
    accepted(|properties| properties.authentication_method = method.map(|m| m.to_string().into()))
}

/// MQTT-3.1.2-30, MQTT-4.12.0-3
#[test]
fn during_authentication_the_client_sends_auth_alone() {
    let mut client = Client::offline(ClientSettings::default());
    client.publishes(Q1, "a");
    client.dials(with_method());
    assert_eq!(client.sends(), ["CONNECT"]);
    client.now = at(10);
    client.session.handle_timeout(at(10));
    assert!(client.sends().is_empty(), "no ping");
    client.hears(auth(ReasonCode::ContinueAuthentication, "M"));
    assert!(matches!(client.event(), Some(ClientEvent::Authenticate(_))));
    assert!(client.sends().is_empty());
    client.session.authenticate(Some("proof".into())).unwrap();
    assert_eq!(client.sends(), ["AUTH 0x18 M"]);
    client.hears(connack_of_method(Some("M")).into());
    assert_eq!(client.sends(), ["PUBLISH q1 #1 a"]);
}

/// MQTT-4.12.0-5
#[test]
fn connack_and_auth_must_repeat_the_method() {
    for wrong in [None, Some("N")] {
        let mut client = Client::offline(ClientSettings::default());
        client.dials(with_method());
        let violation = client.rejects(connack_of_method(wrong).into());
        assert_eq!(violation, Violation::AuthenticationMethodChanged);
    }
    let mut client = Client::offline(ClientSettings::default());
    client.dials(with_method());
    client.rejects(auth(ReasonCode::ContinueAuthentication, "N"));
    assert_eq!(client.sends(), ["CONNECT", "DISCONNECT 0x82"]);
}

/// MQTT-4.12.0-7
#[test]
fn without_a_method_the_client_sends_no_auth_and_takes_none() {
    let mut client = Client::new(connect());
    assert_eq!(
        client.session.reauthenticate(None),
        Err(Refused::NotAuthenticating)
    );
    assert_eq!(
        client.session.authenticate(None),
        Err(Refused::NotAuthenticating)
    );
    assert!(client.sends().is_empty());
    let violation = client.rejects(auth(ReasonCode::ContinueAuthentication, "M"));
    assert_eq!(violation, Violation::UnexpectedPacket(PacketType::Auth));
}

/// MQTT-4.12.1-1
#[test]
fn re_authentication_begins_with_the_method_of_connect() {
    let mut client = Client::with(with_method(), connack_of_method(Some("M")));
    client.session.reauthenticate(None).unwrap();
    assert_eq!(
        client.session.reauthenticate(None),
        Err(Refused::NotAuthenticating)
    );
    assert_eq!(client.sends(), ["AUTH 0x19 M"]);
    client.hears(auth(ReasonCode::Success, "M"));
    assert!(matches!(client.event(), Some(ClientEvent::Authenticate(_))));
    client.session.reauthenticate(None).unwrap();
}

/// MQTT-3.1.2-20, v3.1.1 MQTT-3.1.2-23
#[test]
fn an_idle_client_pings_in_time_and_a_busy_one_does_not() {
    for mut connect in [connect(), connect_v311(false)] {
        connect.keep_alive = 10;
        let mut client = Client::new(connect);
        let deadline = client.session.poll_timeout().unwrap();
        assert!(deadline < at(10));
        client.now = at(5);
        client.publishes(QoS::AtMostOnce, "a");
        assert_eq!(client.sends(), ["PUBLISH q0 a"]);
        client.session.handle_timeout(deadline);
        assert!(client.sends().is_empty(), "it spoke since");
        let deadline = client.session.poll_timeout().unwrap();
        assert!(deadline < at(15));
        client.now = deadline;
        client.session.handle_timeout(deadline);
        assert_eq!(client.sends(), ["PINGREQ"]);
    }
    let client = Client::new(connect());
    assert_eq!(client.session.poll_timeout(), None, "a keep alive of 0");
}

/// MQTT-3.1.2-20
#[test]
fn a_client_that_only_listens_pings() {
    let mut connect = connect();
    connect.keep_alive = 10;
    let mut client = Client::new(connect);
    client.now = at(7);
    client.hears(publish(0, 0, "a"));
    client.now = at(9);
    client.session.handle_timeout(at(9));
    assert_eq!(client.sends(), ["PINGREQ"]);
}

/// MQTT-3.1.2-21, MQTT-3.2.2-21
#[test]
fn server_keep_alive_replaces_the_clients_own() {
    let mut connect = connect();
    connect.keep_alive = 60;
    let with = |seconds| accepted(|properties| properties.server_keep_alive = Some(seconds));
    let mut client = Client::with(connect.clone(), with(5));
    let deadline = client.session.poll_timeout().unwrap();
    assert!(deadline < at(5));
    client.now = deadline;
    client.session.handle_timeout(deadline);
    assert_eq!(client.sends(), ["PINGREQ"]);
    let client = Client::with(connect, with(0));
    assert_eq!(client.session.poll_timeout(), None);
}

#[test]
fn a_ping_without_answer_ends_the_connection() {
    let mut connect = connect();
    connect.keep_alive = 10;
    let mut client = Client::new(connect);
    client.session.handle_timeout(at(9));
    client.sends();
    assert_eq!(client.session.poll_timeout(), Some(at(19)));
    client.session.handle_timeout(at(19));
    assert_eq!(client.event(), Some(ClientEvent::TimedOut));
    assert!(client.session.is_closing());
}

#[test]
fn a_server_that_does_not_answer_connect_is_given_up() {
    let mut client = Client::offline(ClientSettings::default());
    client.dials(connect());
    assert_eq!(client.session.poll_timeout(), Some(at(30)));
    client.session.handle_timeout(at(30));
    assert_eq!(client.event(), Some(ClientEvent::TimedOut));
    let mut settings = ClientSettings::default();
    settings.connect_timeout = Duration::from_secs(1);
    let mut hasty = Client::offline(settings);
    hasty.dials(connect());
    assert_eq!(hasty.session.poll_timeout(), Some(at(1)));
}

#[test]
fn a_refusal_and_a_goodbye_name_the_other_server() {
    let mut refusal = Connack::refused(ReasonCode::UseAnotherServer);
    refusal.properties.get_or_insert_default().server_reference = Some("other:1883".into());
    let mut client = Client::offline(ClientSettings::default());
    client.connects(connect(), refusal);
    let Some(ClientEvent::ConnectionRefused(connack)) = client.event() else {
        panic!()
    };
    assert_eq!(
        connack.properties.unwrap().server_reference.as_deref(),
        Some("other:1883")
    );
    assert!(client.session.is_closing() && !client.session.is_online());
    let mut client = Client::new(connect());
    client.hears(disconnect(ReasonCode::ServerMoved));
    let goodbye = ClientEvent::Disconnected(Disconnect::new(ReasonCode::ServerMoved));
    assert_eq!(client.event(), Some(goodbye));
    assert!(client.session.is_closing());
}

/// MQTT-3.2.2-4
#[test]
fn a_session_that_the_client_does_not_have_ends_the_connection() {
    let mut client = Client::offline(ClientSettings::default());
    client.dials(connect());
    client.sends();
    assert_eq!(
        client.rejects(connack(true)),
        Violation::SessionPresentWithoutState
    );
    assert_eq!(client.sends(), ["DISCONNECT 0x82"]);
}

#[test]
fn an_mqtt_311_client_goes_on_with_a_session_whose_connack_was_lost() {
    let mut client = Client::offline(ClientSettings::default());
    client.dials(connect_v311(false));
    client.sends();
    client.session.handle_disconnected();
    client.dials(connect_v311(false));
    client.sends();
    client.hears(connack(true));
    assert!(client.session.is_online());
}

/// MQTT-3.2.2-5, MQTT-3.1.2-4
#[test]
fn a_lost_session_is_forgotten_here_too() {
    for clean_start in [false, true] {
        let mut client = Client::new(connect());
        let one = client.publishes(Q1, "a");
        let two = client.publishes(QoS::ExactlyOnce, "b");
        assert_eq!(client.sends().len(), 2);
        client.hears(pubrec(2));
        let token = client.hears_publish(publish(2, 9, "c"));
        client.completes(token);
        client.sends();
        let mut next = connect();
        next.clean_start = clean_start;
        client.reconnects(next, false);
        assert_eq!(
            settled(client.event()),
            (two, Outcome::Delivered(SUCCESS)),
            "it was received"
        );
        assert_eq!(settled(client.event()), (one, Outcome::Unknown));
        assert!(matches!(client.event(), Some(ClientEvent::Connected(_))));
        assert!(client.sends().is_empty(), "nothing is repeated");
        client
            .hears_publish(publish(2, 9, "new"))
            .packet_identifier();
        client.publishes(Q1, "d");
        assert_eq!(client.sends(), ["PUBLISH q1 #1 d"]);
    }
}

/// v3.1.1 MQTT-3.1.2-6
#[test]
fn a_clean_session_ends_with_its_connection() {
    let mut client = Client::new(connect_v311(true));
    let sent = client.publishes(Q1, "a");
    client.sends();
    let waiting = client.publishes(Q1, "b");
    client.session.handle_disconnected();
    assert_eq!(settled(client.event()), (sent, Outcome::Unknown));
    client.connects(connect_v311(true), Connack::accepted(false));
    assert!(matches!(client.event(), Some(ClientEvent::Connected(_))));
    assert_eq!(
        client.sends(),
        ["PUBLISH q1 #1 b"],
        "it was never sent, so it is not lost"
    );
    client.hears(puback(1));
    assert_eq!(
        settled(client.event()),
        (waiting, Outcome::Delivered(SUCCESS))
    );
}

/// v3.1.1 MQTT-3.1.3-7
#[test]
fn an_empty_client_identifier_needs_a_clean_session() {
    let refused = |version, clean_start| {
        let mut connect = Connect::new(version, "");
        connect.clean_start = clean_start;
        let mut client = Client::offline(ClientSettings::default());
        client.session.handle_connected(at(0), connect).is_err()
    };
    assert!(refused(Version::V311, false));
    assert!(!refused(Version::V311, true));
    assert!(refused(Version::V31, true));
    assert!(!refused(Version::V5, false));
}

/// MQTT-3.14.4-1, v3.1.1 MQTT-3.14.4-2
#[test]
fn nothing_leaves_after_a_goodbye() {
    for connect in [connect(), connect_v311(false)] {
        let mut client = Client::new(connect);
        client.publishes(Q1, "a");
        client.session.disconnect(Disconnect::default()).unwrap();
        let late = client
            .session
            .publish(at(0), delivery(QoS::AtMostOnce, "b"));
        assert_eq!(late, Err(Refused::NotConnected));
        client.publishes(Q1, "b");
        assert_eq!(client.sends(), ["DISCONNECT"]);
        assert!(client.sends().is_empty());
        assert!(client.session.is_closing());
        assert_eq!(
            client.session.disconnect(Disconnect::default()),
            Err(Refused::NotConnected)
        );
    }
}

/// MQTT-3.14.2-3, MQTT-3.14.2-4
#[test]
fn a_goodbye_leaves_out_what_does_not_fit_the_server() {
    let connack = accepted(|properties| properties.maximum_packet_size = 30.try_into().ok());
    let mut client = Client::with(connect(), connack);
    let mut goodbye = Disconnect::new(ReasonCode::DisconnectWithWillMessage);
    goodbye.properties.get_or_insert_default().reason_string = Some("long ".repeat(10).into());
    client.session.disconnect(goodbye).unwrap();
    let packets = client.packets();
    let [Packet::Disconnect(said)] = &packets[..] else {
        panic!()
    };
    assert_eq!(said.reason, ReasonCode::DisconnectWithWillMessage);
    assert!(
        said.properties
            .as_ref()
            .is_none_or(|p| p.reason_string.is_none())
    );
}

#[test]
fn a_goodbye_cannot_give_a_lifetime_to_a_session_without() {
    let mut goodbye = Disconnect::default();
    goodbye
        .properties
        .get_or_insert_default()
        .session_expiry_interval = Some(5);
    let mut client = Client::new(lasting(0));
    assert_eq!(
        client.session.disconnect(goodbye.clone()),
        Err(Refused::SessionExpiryNotAllowed)
    );
    assert_eq!(Client::new(lasting(1)).session.disconnect(goodbye), Ok(()));
    let busy = Disconnect::new(ReasonCode::ServerBusy);
    assert_eq!(
        client.session.disconnect(busy),
        Err(Refused::ReasonNotAllowed)
    );
}

/// MQTT-3.14.2-2
#[test]
fn a_servers_goodbye_with_a_session_expiry_is_a_violation() {
    let mut client = Client::new(connect());
    let mut goodbye = Disconnect::new(ReasonCode::ServerBusy);
    goodbye
        .properties
        .get_or_insert_default()
        .session_expiry_interval = Some(5);
    let violation = client
        .session
        .handle_packet(at(0), goodbye.into())
        .unwrap_err();
    assert_eq!(violation, Violation::SessionExpiryNotAllowed);
    assert_eq!(client.sends(), ["DISCONNECT 0x82"]);
}

#[test]
fn a_second_connack_is_a_violation() {
    let mut client = Client::new(connect());
    let violation = client.rejects(connack(false));
    assert_eq!(violation, Violation::UnexpectedPacket(PacketType::Connack));
}

#[test]
fn mqtt_311_has_one_goodbye() {
    let mut client = Client::new(connect_v311(false));
    let keep_will = Disconnect::new(ReasonCode::DisconnectWithWillMessage);
    assert_eq!(
        client.session.disconnect(keep_will),
        Err(Refused::NotInThisVersion)
    );
    assert!(!client.session.is_closing());
}
