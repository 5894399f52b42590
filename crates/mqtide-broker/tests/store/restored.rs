//! What comes back when a broker starts again.

use std::thread;

use super::common::disk::{Disk, Mode};
use super::*;

/// MQTT-3.1.2-5, MQTT-3.2.2-3, v3.1.1 MQTT-3.1.2-5: sessions of all versions are present after a restart.
#[test]
fn sessions_and_their_subscriptions_come_back() {
    let disk = Disk::default();
    let first = broker(&disk);
    let mut five = joined(first.tcp(), "five", false);
    five.write("82 { 0001 { 0B u8:5 } \"a/+\" 09 }");
    five.expect("90 { 0001 00 01 }");
    subscribed(&mut five, "gone", 1);
    five.write("A2 { 0002 00 \"gone\" }");
    five.expect("B0 { 0002 00 00 }");
    let mut three = Peer::opening(first.tcp(), "10 { \"MQTT\" 04 00 0000 \"three\" }");
    three.expect("20 02 00 00");
    three.write("82 { 0001 \"$share/g/b\" 01 }");
    three.expect("90 { 0001 01 }");
    first.stop();

    let second = broker(&disk);
    let mut five = joined(second.tcp(), "five", true);
    let mut three = Peer::opening(second.tcp(), "10 { \"MQTT\" 04 00 0000 \"three\" }");
    three.expect("20 02 01 00");
    let mut publisher = passing(second.tcp(), "publisher");
    publisher.write("31 { \"a/b\" 00 'x' } 30 { \"gone\" 00 'x' } 32 { \"b\" 0001 00 'y' }");
    publisher.expect("40 { 0001 }");
    // With its identifier (5) and Retain As Published.
    five.expect("31 { \"a/b\" { 0B u8:5 } 'x' }");
    five.expect_silence(A_WHILE);
    three.expect("32 { \"b\" 0001 'y' }");
}

/// MQTT-3.1.2-4, MQTT-3.1.2-23: a session that was ended, or has run out, does not come back.
#[test]
fn sessions_that_have_ended_do_not_come_back() {
    let disk = Disk::default();
    let first = broker(&disk);
    let mut ended = joined(first.tcp(), "ended", false);
    subscribed(&mut ended, "a", 1);
    drop(ended);
    let mut fresh = Peer::opening(first.tcp(), "10 { \"MQTT\" 05 02 0000 00 \"ended\" }");
    fresh.expect("20 { 00 00 { ** } }");
    let mut short = Peer::opening(
        first.tcp(),
        "10 { \"MQTT\" 05 00 0000 { 11 u32:1 } \"short\" }",
    );
    short.expect("20 { 00 00 { ** } }");
    subscribed(&mut short, "a", 1);
    let mut until_disconnect = joined(first.tcp(), "leaving", false);
    until_disconnect.write("E0 { 00 { 11 u32:0 } }");
    until_disconnect.expect_closed();
    first.stop();
    thread::sleep(Duration::from_millis(1200));

    let second = broker(&disk);
    for name in ["ended", "short", "leaving"] {
        drop(joined(second.tcp(), name, false));
    }
}

/// MQTT-4.6.0-6, MQTT-3.3.2-6: what waits comes back in order, with its properties, its identifiers and what is
/// left of its life.
#[test]
fn queues_come_back_in_order() {
    let disk = Disk::default();
    let first = broker(&disk);
    let mut subscriber = joined(first.tcp(), "subscriber", false);
    subscriber.write("82 { 0001 { 0B u8:5 } \"a\" 02 }");
    subscriber.expect("90 { 0001 00 02 }");
    drop(subscriber);
    let mut publisher = passing(first.tcp(), "publisher");
    publisher.write("32 { \"a\" 0001 { 26 \"k\" \"v\" } 'one' }");
    publisher.expect("40 { 0001 }");
    publisher.write("34 { \"a\" 0002 { 02 u32:100 } 'two' }");
    publisher.expect("50 { 0002 }");
    publisher.write("32 { \"a\" 0003 { 02 u32:1 } 'expires' }");
    publisher.expect("40 { 0003 }");
    publisher.write("32 { \"a\" 0004 00 'x'*50000 }");
    publisher.expect("40 { 0004 }");
    first.stop();
    thread::sleep(Duration::from_millis(1500));

    let second = broker(&disk);
    let mut subscriber = joined(second.tcp(), "subscriber", true);
    subscriber.expect("32 { \"a\" 0001 { 0B u8:5 26 \"k\" \"v\" } 'one' }");
    let two = subscriber.packet();
    assert_eq!((two[0], two.ends_with(b"two")), (0x34, true));
    let left = two
        .windows(4)
        .position(|bytes| bytes == [2, 0, 0, 0])
        .map(|at| two[at + 4]);
    assert!(
        left.is_some_and(|left| (80..100).contains(&left)),
        "{left:?}"
    );
    subscriber.expect("32 { \"a\" 0003 { 0B u8:5 } 'x'*50000 }");
    subscriber.expect_silence(A_WHILE);
}

/// MQTT-4.4.0-1, MQTT-3.3.1-1, MQTT-4.6.0-1, MQTT-4.6.0-4: what was in flight is sent again with the same identifier
/// and DUP, PUBRELs in the order of their PUBRECs.
#[test]
fn flights_come_back_with_their_identifiers() {
    let disk = Disk::default();
    let first = broker(&disk);
    let mut subscriber = joined(first.tcp(), "subscriber", false);
    subscribed(&mut subscriber, "a", 2);
    let mut publisher = passing(first.tcp(), "publisher");
    for number in 1..=4 {
        publisher.write(&format!("34 {{ \"a\" u16:{number} 00 u8:{number} }}"));
        publisher.expect(&format!("50 {{ u16:{number} }}"));
        subscriber.expect(&format!("34 {{ \"a\" u16:{number} 00 u8:{number} }}"));
    }
    publisher.write("32 { \"a\" 0005 00 'one' }");
    subscriber.expect("32 { \"a\" 0005 00 'one' }");
    publisher.expect("40 { 0005 }");
    subscriber.write("50 { 0003 } 50 { 0001 }");
    subscriber.expect("62 { 0003 }");
    subscriber.expect("62 { 0001 }");
    first.stop();

    let second = broker(&disk);
    let mut subscriber = joined(second.tcp(), "subscriber", true);
    subscriber.expect("62 { 0003 }");
    subscriber.expect("62 { 0001 }");
    subscriber.expect("3C { \"a\" 0002 00 02 }");
    subscriber.expect("3C { \"a\" 0004 00 04 }");
    subscriber.expect("3A { \"a\" 0005 00 'one' }");
    subscriber.write("70 { 0003 } 70 { 0001 } 50 { 0002 } 50 { 0004 } 40 { 0005 }");
    subscriber.expect("62 { 0002 }");
    subscriber.expect("62 { 0004 }");
    subscriber.write("70 { 0002 } 70 { 0004 }");
    subscriber.expect_alive();
    second.stop();

    let third = broker(&disk);
    joined(third.tcp(), "subscriber", true).expect_silence(A_WHILE);
}

/// MQTT-4.3.3-10, MQTT-4.3.3-12: an identifier of a client that it has not released is known, until it is.
#[test]
fn held_identifiers_come_back() {
    let disk = Disk::default();
    let first = broker(&disk);
    let mut publisher = joined(first.tcp(), "publisher", false);
    publisher.write("34 { \"a\" 0001 00 'x' }");
    publisher.expect("50 { 0001 10 }");
    first.stop();

    let second = broker(&disk);
    let mut listener = passing(second.tcp(), "listener");
    subscribed(&mut listener, "#", 0);
    let mut publisher = joined(second.tcp(), "publisher", true);
    publisher.write("3C { \"a\" 0001 00 'x' }");
    publisher.expect("50 { 0001 }");
    listener.expect_silence(A_WHILE);
    publisher.write("62 { 0001 }");
    publisher.expect("70 { 0001 }");
    publisher.write("34 { \"a\" 0001 00 'y' }");
    listener.expect("30 { \"a\" 00 'y' }");
}

/// MQTT-3.3.1-5, MQTT-3.3.1-6: retained messages come back, but for those that were erased or have expired.
#[test]
fn retained_messages_come_back() {
    let disk = Disk::default();
    let first = broker(&disk);
    let mut publisher = passing(first.tcp(), "publisher");
    publisher.write(
        "31 { \"a\" 00 'old' } 33 { \"a\" 0001 00 'new' } 31 { \"b\" 00 'gone' } 31 { \"b\" 00 }",
    );
    publisher.write("31 { \"c\" { 02 u32:1 } 'expires' } 31 { \"d\" { 02 u32:100 } 'lives' }");
    publisher.expect("40 { 0001 10 }");
    publisher.expect_alive();
    first.stop();
    thread::sleep(Duration::from_millis(1200));

    let second = broker(&disk);
    let mut subscriber = passing(second.tcp(), "subscriber");
    subscribed(&mut subscriber, "+", 1);
    subscriber.expect("33 { \"a\" 0001 00 'new' }");
    subscriber.expect("31 { \"d\" { 02 000000?? } 'lives' }");
    subscriber.expect_silence(A_WHILE);
}

/// MQTT-3.3.1-7: the publisher of a retained message is known, for No Local.
#[test]
fn no_local_holds_for_what_was_retained_before() {
    let disk = Disk::default();
    let first = broker(&disk);
    let mut client = joined(first.tcp(), "client", false);
    client.write("33 { \"a\" 0001 00 'mine' }");
    client.expect("40 { 0001 10 }");
    first.stop();
    let second = broker(&disk);
    let mut client = joined(second.tcp(), "client", true);
    subscribed(&mut client, "a", 1);
    client.expect("33 { \"a\" ???? 00 'mine' }");
    client.write("82 { 0002 00 \"+\" 05 }");
    client.expect("90 { 0002 00 01 }");
    client.expect_silence(A_WHILE);
}

/// MQTT-3.1.2-8, MQTT-3.1.3-9: a will whose delay runs when the broker stops is published at its time, or when the
/// broker is back, and not if its client is.
#[test]
fn wills_come_back_with_their_delay() {
    let disk = Disk::default();
    let first = broker(&disk);
    let mut listener = joined(first.tcp(), "listener", false);
    subscribed(&mut listener, "will/#", 1);
    drop(listener);
    let with_will = |name: &str, delay: u32| {
        format!(
            "10 {{ \"MQTT\" 05 0C 0000 {{ 11 u32:3600 }} \"{name}\" {{ 18 u32:{delay} }} \"will/{name}\" ['gone'] }}"
        )
    };
    for (name, delay) in [("soon", 1), ("late", 3600), ("back", 4)] {
        let mut peer = Peer::opening(first.tcp(), &with_will(name, delay));
        peer.expect("20 { 00 00 { ** } }");
        peer.reset();
    }
    let mut polite = Peer::opening(first.tcp(), &with_will("polite", 1));
    polite.expect("20 { 00 00 { ** } }");
    polite.write("E0 00");
    polite.expect_closed();
    thread::sleep(A_WHILE);
    first.stop();

    let second = broker(&disk);
    drop(joined(second.tcp(), "back", true));
    let mut listener = joined(second.tcp(), "listener", true);
    listener.expect("32 { \"will/soon\" 0001 00 'gone' }");
    listener.write("40 { 0001 }");
    listener.expect_silence(Duration::from_millis(4500));
    second.stop();

    let third = broker(&disk);
    joined(third.tcp(), "listener", true).expect_silence(A_WHILE);
}

/// MQTT-3.1.2-8: a broker that crashes has lost the connections of its clients: their wills are due when it is back.
#[test]
fn the_wills_of_those_who_were_connected_in_a_crash_are_published() {
    let disk = Disk::default();
    let first = broker(&disk);
    let mut listener = joined(first.tcp(), "listener", false);
    subscribed(&mut listener, "will", 1);
    let mut client = Peer::opening(
        first.tcp(),
        "10 { \"MQTT\" 05 0C 0000 { 11 u32:3600 } \"client\" 00 \"will\" ['gone'] }",
    );
    client.expect("20 { 00 00 { ** } }");
    disk.await_idle();
    disk.crash();
    drop(first);
    let second = broker(&disk);
    let mut listener = joined(second.tcp(), "listener", true);
    listener.expect("32 { \"will\" ???? 00 'gone' }");
}

/// Once all is delivered and everybody is gone for good, nothing is left behind.
#[test]
fn nothing_is_left_of_what_is_over() {
    let disk = Disk::default();
    let first = broker(&disk);
    let mut subscriber = joined(first.tcp(), "subscriber", false);
    subscribed(&mut subscriber, "a", 2);
    let mut publisher = joined(first.tcp(), "publisher", false);
    publisher.write("34 { \"a\" 0001 00 'two' }");
    publisher.expect("50 { 0001 }");
    publisher.write("62 { 0001 }");
    publisher.expect("70 { 0001 }");
    subscriber.expect("34 { \"a\" 0001 00 'two' }");
    subscriber.write("50 { 0001 }");
    subscriber.expect("62 { 0001 }");
    subscriber.write("70 { 0001 } E0 { 00 { 11 u32:0 } }");
    publisher.write("E0 { 00 { 11 u32:0 } }");
    subscriber.expect_closed();
    publisher.expect_closed();
    first.stop();
    assert_eq!(disk.records(), 0);
    assert_eq!(disk.flushes(), 1);
}

/// A broker that is stopped in good order has stored everything before it ends, also if the store is slow.
#[test]
fn stopping_waits_for_the_store() {
    let disk = Disk::default();
    let first = broker(&disk);
    let mut subscriber = joined(first.tcp(), "subscriber", false);
    subscribed(&mut subscriber, "a", 1);
    drop(subscriber);
    disk.set(Mode::Late(Duration::from_millis(300)));
    let mut publisher = passing(first.tcp(), "publisher");
    publisher.write("32 { \"a\" 0001 00 'x' }");
    publisher.expect_alive();
    first.stop();
    assert_eq!(disk.flushes(), 1);
    let second = broker(&disk);
    joined(second.tcp(), "subscriber", true).expect("32 { \"a\" 0001 00 'x' }");
}

/// A store that cannot be read is no reason to begin with nothing.
#[test]
fn a_broker_does_not_start_without_what_was_stored() {
    use mqtide_broker::store::{Completion, Records, Store, StoreBatch, StoreError};

    #[derive(Debug)]
    struct Unreadable;

    impl Store for Unreadable {
        fn load(&self) -> Result<Records<'_>, StoreError> {
            Err(StoreError::Corrupt("a page".into()))
        }

        fn submit(&self, _: std::sync::Arc<StoreBatch>, completion: Completion) {
            completion.complete(Ok(()));
        }
    }

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let started = runtime.block_on(Broker::builder().store(Unreadable).start());
    let error = started.unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot take back what is stored: what is stored cannot be read: a page"
    );
}
