//! Stores that fail, and machines that stop.

use super::common::disk::{Disk, Mode};
use super::*;

/// A client of the version with a session, subscribed and gone; what it would be sent is to be stored.
fn absent_subscriber(broker: &Running) {
    let mut subscriber = joined(broker.tcp(), "subscriber", false);
    subscribed(&mut subscriber, "a", 2);
}

fn takes(broker: &Running, expected: &[&str]) -> Peer {
    let mut subscriber = joined(broker.tcp(), "subscriber", true);
    for packet in expected {
        subscriber.expect(packet);
    }
    subscriber
}

/// MQTT-3.4.2-1: a publisher is told what went wrong; nothing is acknowledged that is not so.
#[test]
fn a_publisher_is_told_why_its_message_is_not_stored() {
    for (mode, reason) in [
        (Mode::Full, "97"),
        (Mode::Broken, "83"),
        (Mode::Abandon, "83"),
    ] {
        let disk = Disk::default();
        let broker = broker(&disk);
        absent_subscriber(&broker);
        let mut publisher = passing(broker.tcp(), "publisher");
        disk.await_idle();
        disk.set(mode);
        publisher.write("32 { \"a\" 0001 00 'x' }");
        publisher.expect(&format!("40 {{ 0001 {reason} }}"));
        publisher.expect_alive();
        // What waits is tried again, in order, as what comes later builds on it.
        disk.set(Mode::AtOnce);
        publisher.write("32 { \"a\" 0001 00 'y' }");
        publisher.expect("40 { 0001 }");
        takes(
            &broker,
            &["32 { \"a\" 0001 00 'x' }", "32 { \"a\" 0002 00 'y' }"],
        );
    }
}

/// v3.1.1 MQTT-3.3.5-2: older clients have no refusal, so they lose their connection. So does a client that
/// publishes at QoS 2: told of a failure, it would publish again what is stored after all.
#[test]
fn whoever_cannot_be_told_loses_the_connection() {
    let disk = Disk::default();
    let broker = broker(&disk);
    absent_subscriber(&broker);
    let mut old = Peer::opening(broker.tcp(), "10 { \"MQTT\" 04 02 0000 \"old\" }");
    old.expect("20 02 00 00");
    let mut exact = joined(broker.tcp(), "exact", false);
    disk.await_idle();
    disk.set(Mode::Broken);
    old.write("32 { \"a\" 0001 'old' }");
    old.expect_closed();
    exact.write("34 { \"a\" 0001 00 'exact' }");
    exact.expect("E0 { 83 ** }");
    exact.expect_closed();
    disk.set(Mode::AtOnce);
    // The client repeats the message. It is recognised, and acknowledged as what it is: stored.
    let mut exact = until_joined(&broker, "exact");
    exact.write("3C { \"a\" 0001 00 'exact' }");
    exact.expect("50 { 0001 }");
    takes(
        &broker,
        &["32 { \"a\" ???? 00 'old' }", "34 { \"a\" ???? 00 'exact' }"],
    )
    .expect_silence(A_WHILE);
}

/// A session that should outlive its connection is not begun while that cannot be promised; others are.
#[test]
fn sessions_are_refused_while_the_store_fails_and_others_go_on() {
    let disk = Disk::default();
    let broker = broker(&disk);
    absent_subscriber(&broker);
    let mut publisher = passing(broker.tcp(), "publisher");
    disk.await_idle();
    disk.set(Mode::Broken);
    publisher.write("32 { \"a\" 0001 00 'x' }");
    publisher.expect("40 { 0001 83 }");
    let mut refused = lasting(broker.tcp(), "another");
    refused.expect("20 { 00 88 ** }");
    refused.expect_closed();
    let mut old = Peer::opening(broker.tcp(), "10 { \"MQTT\" 04 00 0000 \"old\" }");
    old.expect("20 02 00 03");
    let mut listener = passing(broker.tcp(), "listener");
    subscribed(&mut listener, "b", 1);
    publisher.write("32 { \"b\" 0002 00 'not stored' }");
    listener.expect("32 { \"b\" ???? 00 'not stored' }");
    publisher.expect("40 { 0002 }");
}

/// MQTT-4.1.0-1: whatever was acknowledged before a crash is there after it; what was not was never promised.
#[test]
fn a_crash_loses_nothing_that_was_acknowledged() {
    let disk = Disk::default();
    let first = broker(&disk);
    absent_subscriber(&first);
    let mut publisher = passing(first.tcp(), "publisher");
    publisher.write("32 { \"a\" 0001 00 'acknowledged' }");
    publisher.expect("40 { 0001 }");
    disk.set(Mode::Hold);
    publisher.write("32 { \"a\" 0002 00 'lost' }");
    disk.await_held();
    publisher.expect_silence(A_WHILE);
    disk.crash();
    drop(first);
    let second = broker(&disk);
    takes(&second, &["32 { \"a\" 0001 00 'acknowledged' }"]).expect_silence(A_WHILE);
}

/// MQTT-4.3.3-10, MQTT-4.4.0-1: a publisher that repeats a QoS 2 message after a crash has it delivered once, whether
/// the crash came before or after it was stored.
#[test]
fn a_repeated_message_is_delivered_once_after_a_crash() {
    for is_written in [false, true] {
        let disk = Disk::default();
        let first = broker(&disk);
        absent_subscriber(&first);
        let mut publisher = joined(first.tcp(), "publisher", false);
        disk.await_idle();
        disk.set(Mode::Hold);
        publisher.write("34 { \"a\" 0001 00 'once' }");
        disk.await_held();
        match is_written {
            true => disk.crash_after_writing(),
            false => disk.crash(),
        }
        drop(first);
        let second = broker(&disk);
        let mut publisher = joined(second.tcp(), "publisher", true);
        publisher.write("3C { \"a\" 0001 00 'once' }");
        publisher.expect("50 { 0001 }");
        publisher.write("62 { 0001 }");
        publisher.expect("70 { 0001 }");
        let mut subscriber = takes(&second, &["34 { \"a\" 0001 00 'once' }"]);
        subscriber.expect_silence(A_WHILE);
    }
}

/// MQTT-4.3.3-6, MQTT-4.4.0-1: a receiver that owns a QoS 2 message never gets it again, whatever happens to the
/// broker.
#[test]
fn a_received_message_does_not_come_again_after_a_crash() {
    let disk = Disk::default();
    let first = broker(&disk);
    absent_subscriber(&first);
    passing(first.tcp(), "publisher").write("34 { \"a\" 0001 00 'once' }");
    let mut subscriber = joined(first.tcp(), "subscriber", true);
    subscriber.expect("34 { \"a\" 0001 00 'once' }");
    disk.await_idle();
    disk.set(Mode::Hold);
    subscriber.write("50 { 0001 }");
    disk.await_held();
    disk.crash();
    drop(first);
    // The release was lost: so PUBREL had not left, and the client, which has the identifier, knows the message.
    let second = broker(&disk);
    let mut subscriber = takes(&second, &["3C { \"a\" 0001 00 'once' }"]);
    subscriber.write("50 { 0001 }");
    subscriber.expect("62 { 0001 }");
    disk.await_idle();
    disk.crash();
    drop(second);
    let third = broker(&disk);
    let mut subscriber = takes(&third, &["62 { 0001 }"]);
    subscriber.write("70 { 0001 }");
    subscriber.expect_silence(A_WHILE);
}

/// The client comes back as soon as it is let in.
fn until_joined(broker: &Running, name: &str) -> Peer {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let mut peer = lasting(broker.tcp(), name);
        let answer = peer.packet();
        match answer.get(3) {
            Some(0) => return peer,
            _ => assert!(std::time::Instant::now() < deadline, "{answer:02X?}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
