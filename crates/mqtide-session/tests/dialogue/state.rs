//! Sessions as values: exported, written as text, restored elsewhere.

use mqtide_codec::{QoS, Will};
use mqtide_session::{
    Acceptance, ClientSession, ClientSettings, ServerEvent, ServerSession, Settings,
};

use crate::script::*;

/// A server session in the middle of every kind of flow.
fn mid_flight() -> Server {
    let mut connect = connect();
    connect.will = Some(Will::new(topic("gone"), "x"));
    connect
        .will
        .as_mut()
        .unwrap()
        .properties
        .get_or_insert_default()
        .will_delay_interval = Some(30);
    connect.properties.as_mut().unwrap().receive_maximum = 3.try_into().ok();
    let mut server = Server::new(connect);
    for (qos, name) in [(1, "a"), (2, "b"), (2, "c"), (1, "d")] {
        let _ = server.delivers(QoS::from_bits(qos).unwrap(), name);
    }
    server.sends();
    server.hears(pubrec(3));
    let token = server.hears_publish(publish(2, 50, "in"));
    server.completes(token);
    server.sends();
    server
}

fn resumes(session: ServerSession<mqtide_session::Message>) {
    let mut accepted = accept(at(20), connect(), Acceptance::default(), Some(session));
    assert!(accepted.session_present);
    let lines: Vec<_> = core::iter::from_fn(|| accepted.session.poll_transmit(at(20)))
        .map(|outgoing| show(&outgoing.into_packet()))
        .collect();
    assert_eq!(
        lines,
        [
            "CONNACK present",
            "PUBREL #3",
            "PUBLISH q1 #1 dup a",
            "PUBLISH q2 #2 dup b",
            "PUBLISH q1 #4 d",
        ]
    );
    let repeated = accepted
        .session
        .handle_packet(at(20), again(publish(2, 50, "in")));
    assert_eq!(repeated, Ok(None));
}

#[test]
fn an_exported_session_goes_on_where_it_was() {
    let state = mid_flight().session.export();
    resumes(ServerSession::restore(at(10), state, Settings::default()).unwrap());
}

#[test]
fn a_restored_session_keeps_its_deadlines() {
    let mut server = mid_flight();
    let _ = server.session.handle_disconnected(at(0));
    let restored =
        ServerSession::restore(at(20), server.session.export(), Settings::default()).unwrap();
    assert_eq!(restored.poll_timeout(), Some(at(30)), "the will");
    let connected = mid_flight().session.export();
    let mut restored = ServerSession::restore(at(20), connected, Settings::default()).unwrap();
    assert_eq!(
        restored.poll_timeout(),
        Some(at(50)),
        "the connection counts as lost now"
    );
    assert!(matches!(
        restored.handle_timeout(at(50)),
        Some(ServerEvent::Will(_))
    ));
    assert_eq!(restored.handle_timeout(at(80)), Some(ServerEvent::Expired));
}

#[test]
fn a_state_can_be_moved_to_another_clock() {
    let mut server = mid_flight();
    let _ = server.session.handle_disconnected(at(0));
    let mut state = server.session.export();
    let later = |instant| instant + core::time::Duration::from_secs(1000);
    state.rebase(later, |message| {
        message.expires_at = message.expires_at.map(later)
    });
    let restored = ServerSession::restore(at(1000), state, Settings::default()).unwrap();
    assert_eq!(restored.poll_timeout(), Some(at(1030)));
}

#[test]
fn a_client_session_goes_on_where_it_was() {
    let mut client = Client::new(connect());
    for (qos, name) in [(1, "a"), (2, "b"), (2, "c")] {
        client.publishes(QoS::from_bits(qos).unwrap(), name);
    }
    client.sends();
    client.hears(pubrec(2));
    client.publishes(QoS::AtLeastOnce, "d");
    let state = client.session.export();
    let session = ClientSession::restore(ClientSettings::default(), state).unwrap();
    client.session = session;
    client.connects(connect(), mqtide_codec::Connack::accepted(true));
    assert_eq!(
        client.sends(),
        [
            "PUBREL #2",
            "PUBLISH q1 #1 dup a",
            "PUBLISH q2 #3 dup c",
            "PUBLISH q1 #4 d"
        ]
    );
}

#[cfg(feature = "serde")]
#[test]
fn a_state_survives_being_written_down() {
    let state = mid_flight().session.export();
    let text = serde_json::to_string(&state).unwrap();
    let read = serde_json::from_str(&text).unwrap();
    assert_eq!(state, read);
    resumes(ServerSession::restore(at(10), read, Settings::default()).unwrap());
}

#[cfg(feature = "serde")]
#[test]
fn a_message_survives_with_its_properties() {
    let mut message = message("a");
    let properties = message.properties.get_or_insert_default();
    properties.content_type = Some("text".into());
    properties.response_topic = Some(topic("answers"));
    properties.correlation_data = Some("7".into());
    properties.user_properties = user_properties(2);
    properties.payload_format_indicator = Some(mqtide_codec::PayloadFormat::Utf8);
    message.expires_at = Some(at(5));
    let text = serde_json::to_string(&message).unwrap();
    assert_eq!(
        serde_json::from_str::<mqtide_session::Message>(&text).unwrap(),
        message
    );
}
