//! Promises wait for the store; what the store has seen is what a crash leaves.

use mqtide_codec::QoS;
use mqtide_session::{
    Acceptance, ClientEvent, ClientSettings, Message, Outcome, ServerSession, SessionState,
    StoreOp, Ticket,
};

use crate::script::*;

fn durable() -> Acceptance {
    let mut acceptance = Acceptance::default();
    acceptance.settings.durable = true;
    acceptance
}

fn operations(server: &mut Server) -> Vec<(Ticket, StoreOp<Message>)> {
    core::iter::from_fn(|| server.session.poll_store()).collect()
}

fn commit(server: &mut Server) -> usize {
    let operations = operations(server);
    let last = operations.last().map(|(ticket, _)| *ticket);
    last.into_iter()
        .for_each(|ticket| server.session.handle_durable(ticket));
    operations.len()
}

#[test]
fn a_pubrec_waits_until_its_identifier_is_durable_and_nothing_else_does() {
    let mut server = Server::with(connect(), durable());
    let token = server.hears_publish(publish(2, 7, "a"));
    let held = operations(&mut server);
    let [(ticket, StoreOp::Hold { packet_identifier })] = &held[..] else {
        panic!("{held:?}")
    };
    assert_eq!(*packet_identifier, id(7));
    server.completes(token);
    let token = server.hears_publish(publish(1, 8, "a"));
    server.completes(token);
    assert_eq!(server.sends(), ["PUBACK #8"]);
    server.session.handle_durable(*ticket);
    assert_eq!(server.sends(), ["PUBREC #7"]);
}

#[test]
fn both_gates_must_be_open() {
    let mut server = Server::with(connect(), durable());
    let token = server.hears_publish(publish(2, 7, "a"));
    assert_eq!(commit(&mut server), 1);
    assert!(
        server.sends().is_empty(),
        "durable, but not the owner's yet"
    );
    server.completes(token);
    assert_eq!(server.sends(), ["PUBREC #7"]);
}

#[test]
fn a_pubcomp_waits_until_the_identifier_is_durably_free() {
    let mut server = Server::with(connect(), durable());
    let token = server.hears_publish(publish(2, 7, "a"));
    server.completes(token);
    commit(&mut server);
    server.sends();
    server.hears(pubrel(7));
    assert!(server.sends().is_empty());
    assert_eq!(commit(&mut server), 1);
    assert_eq!(server.sends(), ["PUBCOMP #7"]);
}

#[test]
fn a_qos_2_publish_waits_for_its_identifier_and_pubrel_for_its_release() {
    let mut server = Server::with(connect(), durable());
    let _ = server.delivers(QoS::ExactlyOnce, "a");
    let _ = server.delivers(QoS::AtLeastOnce, "b");
    let _ = server.delivers(QoS::AtMostOnce, "c");
    assert_eq!(server.sends(), ["PUBLISH q0 c"]);
    commit(&mut server);
    assert_eq!(server.sends(), ["PUBLISH q2 #1 a", "PUBLISH q1 #2 b"]);
    server.hears(pubrec(1));
    assert!(server.sends().is_empty());
    commit(&mut server);
    assert_eq!(server.sends(), ["PUBREL #1"]);
}

#[test]
fn a_session_that_ends_with_its_connection_stores_nothing() {
    let mut server = Server::with(lasting(0), durable());
    let _ = server.delivers(QoS::ExactlyOnce, "a");
    assert!(operations(&mut server).is_empty());
    assert_eq!(server.sends(), ["PUBLISH q2 #1 a"]);
}

/// MQTT-4.3.2-4
#[test]
fn after_a_crash_the_stored_operations_are_the_session() {
    let mut server = Server::with(connect(), durable());
    let mut stored = SessionState::new();
    for (qos, name) in [(1, "a"), (2, "b"), (2, "c")] {
        let _ = server.delivers(QoS::from_bits(qos).unwrap(), name);
    }
    let mut follow = |server: &mut Server| {
        for (ticket, operation) in operations(server) {
            stored.apply(operation);
            server.session.handle_durable(ticket);
        }
        server.sends()
    };
    follow(&mut server);
    assert_eq!(follow(&mut server), ["PUBLISH q2 #2 b", "PUBLISH q2 #3 c"]);
    server.hears(pubrec(3));
    let token = server.hears_publish(publish(2, 9, "in"));
    follow(&mut server);
    server.completes(token);
    assert_eq!(follow(&mut server), ["PUBREC #9"]);

    let mut state = server.session.export();
    assert_eq!(
        state.session, stored,
        "snapshot and operations tell the same"
    );
    state.session = stored;
    let settings = durable().settings;
    let session = ServerSession::restore(at(1), state, settings).unwrap();
    let mut server = Server {
        session,
        now: at(1),
        ..Server::new(connect())
    };
    server = server.reconnects_with(connect(), durable());
    let lines = server.sends();
    assert_eq!(
        lines,
        [
            "CONNACK present",
            "PUBREL #3",
            "PUBLISH q1 #1 dup a",
            "PUBLISH q2 #2 dup b"
        ]
    );
    assert_eq!(server.hears(again(publish(2, 9, "in"))), None);
}

#[test]
fn a_clean_start_and_the_end_of_the_session_clear_the_store() {
    let mut server = Server::with(connect(), durable());
    let _ = server.delivers(QoS::AtLeastOnce, "a");
    commit(&mut server);
    let mut clean = connect();
    clean.clean_start = true;
    let mut server = server.reconnects_with(clean, durable());
    let cleared = operations(&mut server);
    assert!(matches!(cleared[..], [(_, StoreOp::Clear)]));
    let _ = server.session.handle_disconnected(at(0));
    server.session.handle_timeout(at(60));
    assert!(matches!(operations(&mut server)[..], [(_, StoreOp::Clear)]));
}

#[test]
fn connack_promises_a_new_session_once_the_old_one_is_durably_gone() {
    let server = Server::with(connect(), durable());
    let mut clean = connect();
    clean.clean_start = true;
    let mut server = server.reconnects_with(clean, durable());
    let _ = server.delivers(QoS::AtMostOnce, "a");
    assert!(!server.session.has_transmit());
    assert!(server.sends().is_empty());
    commit(&mut server);
    assert_eq!(server.sends(), ["CONNACK", "PUBLISH q0 a"]);
}

#[test]
fn a_mark_holds_back_the_connack_until_what_its_owner_stores_is_durable() {
    let mut server = Server::with(connect(), durable()).reconnects_with(connect(), durable());
    assert!(server.session.is_recorded());
    server.session.mark();
    assert!(!server.session.has_transmit());
    assert_eq!(commit(&mut server), 1);
    assert_eq!(server.sends(), ["CONNACK present"]);
    let volatile = Server::with(connect(), Acceptance::default());
    let mut volatile = volatile.reconnects_with(connect(), Acceptance::default());
    volatile.session.mark();
    assert!(!volatile.session.is_recorded());
    assert_eq!(volatile.sends(), ["CONNACK present"]);
}

#[test]
fn an_unknown_identifier_is_answered_once_it_is_durably_unknown() {
    let mut server = Server::with(connect(), durable());
    let token = server.hears_publish(publish(2, 7, "a"));
    server.completes(token);
    commit(&mut server);
    server.sends();
    server.hears(pubrel(7));
    server.hears(pubrel(7));
    assert!(server.sends().is_empty());
    commit(&mut server);
    assert_eq!(server.sends(), ["PUBCOMP #7", "PUBCOMP #7 0x92"]);
}

#[test]
fn a_client_holds_what_its_application_has_taken_over() {
    let mut settings = ClientSettings::default();
    settings.session.durable = true;
    let mut client =
        Client::with_settings(connect(), mqtide_codec::Connack::accepted(false), settings);
    let token = client.hears_publish(publish(2, 7, "a"));
    assert_eq!(
        client.session.poll_store(),
        None,
        "a crash now must deliver it again"
    );
    client.completes(token);
    assert!(client.sends().is_empty());
    let (ticket, operation) = client.session.poll_store().unwrap();
    assert_eq!(
        operation,
        StoreOp::Hold {
            packet_identifier: id(7)
        }
    );
    client.session.handle_durable(ticket);
    assert_eq!(client.sends(), ["PUBREC #7"]);
}

#[test]
fn a_client_stores_what_waits_before_its_first_connection() {
    let mut settings = ClientSettings::default();
    settings.session.durable = true;
    let mut client = Client::offline(settings);
    let operation = client.publishes(QoS::AtLeastOnce, "a");
    let (_, stored) = client.session.poll_store().unwrap();
    assert!(matches!(stored, StoreOp::Enqueue { key, .. } if key == operation.key()));
    client.connects(connect(), mqtide_codec::Connack::accepted(false));
    client.sends();
    client.hears(puback(1));
    let settled = ClientEvent::Settled(operation, Outcome::Delivered(SUCCESS));
    assert_eq!(client.events().pop(), Some(settled));
    let rest: Vec<_> = core::iter::from_fn(|| client.session.poll_store()).collect();
    assert!(matches!(rest.last(), Some((_, StoreOp::Remove { .. }))));
}

#[test]
fn a_client_exports_what_its_operations_tell() {
    let mut settings = ClientSettings::default();
    settings.session.durable = true;
    let mut client =
        Client::with_settings(connect(), mqtide_codec::Connack::accepted(false), settings);
    let mut stored = SessionState::new();
    let one = client.hears_publish(publish(2, 1, "a"));
    client.hears_publish(publish(2, 2, "a")).packet_identifier();
    client.completes(one);
    while let Some((_, operation)) = client.session.poll_store() {
        stored.apply(operation);
    }
    let exported = client.session.export().session;
    assert_eq!(exported.held, [id(1)], "the second will be delivered again");
    assert_eq!(exported.held, stored.held);
}

#[test]
fn a_stored_session_that_goes_on_without_a_lifetime_is_cleared_at_its_end() {
    let server = Server::with(connect(), durable());
    let mut server = server.reconnects_with(lasting(0), durable());
    let _ = server.session.handle_disconnected(at(1));
    assert!(matches!(operations(&mut server)[..], [(_, StoreOp::Clear)]));
}
