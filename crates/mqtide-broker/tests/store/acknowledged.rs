//! Acknowledgements wait for the store, and nothing else does.

use super::common::disk::{Disk, Mode};
use super::*;

/// A subscriber whose session is stored, offline, and a publisher that is not.
fn stage(disk: &Disk, broker: &Running) -> Peer {
    let mut subscriber = joined(broker.tcp(), "subscriber", false);
    subscribed(&mut subscriber, "a", 2);
    drop(subscriber);
    let publisher = passing(broker.tcp(), "publisher");
    disk.set(Mode::Hold);
    publisher
}

/// MQTT-3.3.4-1, MQTT-4.1.0-1, v3.1.1 MQTT-4.1.0-1: PUBACK says that the message is stored for everyone who needs
/// it to be.
#[test]
fn puback_and_pubrec_wait_until_the_message_is_stored() {
    let disk = Disk::default();
    let broker = broker(&disk);
    let mut publisher = stage(&disk, &broker);
    publisher.write("32 { \"a\" 0001 00 'one' }");
    disk.await_held();
    publisher.write("34 { \"a\" 0002 00 'two' }");
    publisher.expect_silence(A_WHILE);
    disk.set(Mode::AtOnce);
    publisher.expect("40 { 0001 }");
    publisher.expect("50 { 0002 }");
    publisher.write("62 { 0002 }");
    publisher.expect("70 { 0002 }");
}

/// MQTT-4.6.0-2: the order of acknowledgements is that of the messages, also if some need no store.
#[test]
fn acknowledgements_keep_their_order() {
    let disk = Disk::default();
    let broker = broker(&disk);
    let mut publisher = stage(&disk, &broker);
    publisher.write("32 { \"a\" 0001 00 'stored' } 32 { \"nobody\" 0002 00 'not' }");
    publisher.expect_silence(A_WHILE);
    disk.set(Mode::AtOnce);
    publisher.expect("40 { 0001 }");
    publisher.expect("40 { 0002 10 }");
}

#[test]
fn what_concerns_no_stored_session_is_acknowledged_at_once() {
    let disk = Disk::default();
    let broker = broker(&disk);
    let mut publisher = stage(&disk, &broker);
    let mut other = passing(broker.tcp(), "other");
    subscribed(&mut other, "b", 2);
    publisher.write("32 { \"b\" 0001 00 'x' }");
    publisher.expect("40 { 0001 }");
    other.expect("32 { \"b\" ???? 00 'x' }");
}

/// While a publisher waits, QoS 0 flows, also on its own connection, and everybody else is served.
#[test]
fn a_store_that_never_answers_blocks_nothing_else() {
    let disk = Disk::default();
    let broker = broker(&disk);
    let mut publisher = stage(&disk, &broker);
    let mut listener = passing(broker.tcp(), "listener");
    subscribed(&mut listener, "#", 0);
    publisher.write("32 { \"a\" 0001 00 'stored' }");
    listener.expect("30 { \"a\" 00 'stored' }");
    disk.await_held();
    publisher.write("30 { \"b\" 00 'at most once' }");
    listener.expect("30 { \"b\" 00 'at most once' }");
    publisher.expect_alive();
    let mut late = passing(broker.tcp(), "late");
    late.write("30 { \"c\" 00 'x' }");
    listener.expect("30 { \"c\" 00 'x' }");
}

/// MQTT-3.3.1-5: a message is retained for good before its publisher is told.
#[test]
fn a_retained_message_is_acknowledged_when_it_is_stored() {
    let disk = Disk::default();
    let broker = broker(&disk);
    let mut publisher = passing(broker.tcp(), "publisher");
    disk.set(Mode::Hold);
    publisher.write("33 { \"state\" 0001 00 'on' }");
    publisher.expect_silence(A_WHILE);
    disk.set(Mode::AtOnce);
    publisher.expect("40 { 0001 10 }");
}

/// MQTT-3.8.4-1, MQTT-3.10.4-4: SUBACK and UNSUBACK of a session that is stored say that the change is.
#[test]
fn requests_are_answered_when_their_effect_is_stored() {
    let disk = Disk::default();
    let broker = broker(&disk);
    let mut client = joined(broker.tcp(), "client", false);
    disk.set(Mode::Hold);
    client.write("82 { 0001 00 \"a\" 01 }");
    client.expect_silence(A_WHILE);
    disk.set(Mode::AtOnce);
    client.expect("90 { 0001 00 01 }");
    disk.set(Mode::Hold);
    client.write("A2 { 0002 00 \"a\" }");
    client.expect_silence(A_WHILE);
    client.expect_alive();
    disk.set(Mode::AtOnce);
    client.expect("B0 { 0002 00 00 }");
}

/// MQTT-3.2.2-2: a CONNACK that promises a session, or a fresh start, waits until that is so for good.
#[test]
fn connack_waits_for_the_session_to_be_stored() {
    let disk = Disk::default();
    let broker = broker(&disk);
    disk.set(Mode::Hold);
    let mut client = lasting(broker.tcp(), "client");
    client.expect_silence(A_WHILE);
    passing(broker.tcp(), "passing").expect_alive();
    disk.set(Mode::AtOnce);
    client.expect("20 { 00 00 { ** } }");
    drop(client);
    disk.set(Mode::Hold);
    let mut fresh = Peer::opening(broker.tcp(), "10 { \"MQTT\" 05 02 0000 00 \"client\" }");
    fresh.expect_silence(A_WHILE);
    disk.set(Mode::AtOnce);
    fresh.expect("20 { 00 00 { ** } }");
}

/// MQTT-4.3.3-2, MQTT-4.3.3-5: the packets of a QoS 2 flow whose meaning a crash must not change wait for the store:
/// PUBLISH with its identifier, PUBREL, PUBCOMP.
#[test]
fn the_steps_of_qos_2_wait_for_the_store() {
    let disk = Disk::default();
    let broker = broker(&disk);
    let mut client = joined(broker.tcp(), "client", false);
    subscribed(&mut client, "a", 2);
    let held = |client: &mut Peer, write: &str, expected: &str| {
        disk.set(Mode::Hold);
        client.write(write);
        client.expect_silence(A_WHILE);
        disk.set(Mode::AtOnce);
        client.expect(expected);
    };
    held(&mut client, "34 { \"b\" 0005 00 'in' }", "50 { 0005 10 }");
    held(&mut client, "62 { 0005 }", "70 { 0005 }");
    let mut publisher = passing(broker.tcp(), "publisher");
    disk.set(Mode::Hold);
    publisher.write("34 { \"a\" 0001 00 'out' }");
    client.expect_silence(A_WHILE);
    disk.set(Mode::AtOnce);
    publisher.expect("50 { 0001 }");
    client.expect("34 { \"a\" 0001 00 'out' }");
    held(&mut client, "50 { 0001 }", "62 { 0001 }");
}

/// A client of MQTT 3.1.1 knows no Receive Maximum. It is read until that many of its messages wait.
#[test]
fn a_client_that_sends_more_than_the_store_takes_is_not_read_on() {
    let disk = Disk::default();
    let broker = broker_with(&disk, |config| config.limits.receive_maximum = 3);
    let _ = stage(&disk, &broker);
    let mut listener = passing(broker.tcp(), "listener");
    subscribed(&mut listener, "#", 0);
    let mut publisher = Peer::opening(broker.tcp(), "10 { \"MQTT\" 04 02 0000 \"eager\" }");
    publisher.expect("20 02 00 00");
    for number in 1..=3 {
        publisher.write(&format!("32 {{ \"a\" u16:{number} 'x' }}"));
        listener.expect("30 { \"a\" 00 'x' }");
    }
    publisher.write("30 { \"b\" 'later' }");
    listener.expect_silence(A_WHILE);
    disk.set(Mode::AtOnce);
    for number in 1..=3 {
        publisher.expect(&format!("40 {{ u16:{number} }}"));
    }
    listener.expect("30 { \"b\" 00 'later' }");
}

/// What waits for the store is bounded in bytes over all clients.
#[test]
fn a_store_that_is_behind_stops_those_who_fill_it() {
    let disk = Disk::default();
    let broker = broker_with(&disk, |config| config.limits.unstored_bytes = 1000);
    let mut publisher = stage(&disk, &broker);
    let mut listener = passing(broker.tcp(), "listener");
    subscribed(&mut listener, "#", 0);
    publisher.write("32 { \"a\" 0001 00 'x'*1000 }");
    listener.expect("30 { \"a\" 00 'x'*1000 }");
    publisher.write("30 { \"b\" 00 'waits' }");
    listener.expect_silence(A_WHILE);
    let mut other = passing(broker.tcp(), "other");
    other.write("30 { \"b\" 00 'does not' }");
    listener.expect("30 { \"b\" 00 'does not' }");
    disk.set(Mode::AtOnce);
    publisher.expect("40 { 0001 }");
    listener.expect("30 { \"b\" 00 'waits' }");
}

/// What gathers while a batch is being stored is one batch.
#[test]
fn a_slow_store_is_used_in_batches() {
    let disk = Disk::default();
    let broker = broker(&disk);
    let mut publisher = stage(&disk, &broker);
    disk.set(Mode::Late(Duration::from_millis(100)));
    let started = std::time::Instant::now();
    for number in 1..=100 {
        publisher.write(&format!("32 {{ \"a\" u16:{number} 00 'x' }}"));
    }
    for number in 1..=100 {
        publisher.expect(&format!("40 {{ u16:{number} }}"));
    }
    // One after the other would take ten seconds.
    assert!(started.elapsed() < Duration::from_secs(5));
}
