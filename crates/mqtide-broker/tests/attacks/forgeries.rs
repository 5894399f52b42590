//! Attacks that would make somebody else suffer: what one client sends wrongly ends at its own connection.

use std::time::Duration;

use mqtide_testkit::raw::Peer;

use crate::arena::{Arena, MIB};

/// CVE-2017-7653: topics that are no UTF-8, or hold U+0000. The sender is closed, never a subscriber.
#[test]
fn ill_formed_topics_end_their_sender_alone() {
    let arena = Arena::open();
    let mut watcher = watcher(&arena);
    for topic in [
        "61 C3 28",
        "ED A0 80",
        "C0 80",
        "F4 90 80 80",
        "FF",
        "61 00",
        "61 2F C3",
    ] {
        for (connect, publish) in [
            (CONNECT_311, format!("30 {{ [ {topic} ] 'x' }}")),
            (CONNECT_311, format!("33 {{ [ {topic} ] 0001 'x' }}")),
            (CONNECT_5, format!("31 {{ [ {topic} ] {{}} 'x' }}")),
            (CONNECT_5, format!("82 {{ 0001 {{}} [ {topic} ] 01 }}")),
        ] {
            let mut peer = let_in(&arena, connect);
            peer.write(&publish);
            peer.expect_end(0xE0);
        }
        let will = format!("10 {{ \"MQTT\" 04 06 003C \"forger\" [ {topic} ] \"x\" }}");
        Peer::opening(arena.address(), &will).expect_end(0x20);
    }
    watcher.expect_alive();
    drop(watcher);
    arena.close(8 * MIB);
}

/// CVE-2025-66168, CVE-2026-40046: a length of more than four bytes; the packets behind it are never seen.
#[test]
fn nothing_behind_an_overlong_length_is_interpreted() {
    let arena = Arena::open();
    let watcher = watcher(&arena);
    let smuggled = "30 { \"smuggled\" 'x' } 31 { \"smuggled\" 'x' } E0 00";
    for length in [
        "80 80 80 80 00",
        "8A 80 80 80 80 00",
        "FF FF FF FF 01",
        "80 80 80 80 80 80 00",
    ] {
        for first in ["30", "32", "82", "E0"] {
            let mut peer = let_in(&arena, CONNECT_311);
            peer.write(&format!("{first} {length} {smuggled}"));
            peer.expect_closed();
        }
        // The same within a packet: Property Length and Subscription Identifier.
        for packet in [
            format!("30 {{ \"t\" {length} 'x' }}"),
            format!("82 {{ 0001 {{ 0B {length} }} \"t\" 01 }}"),
        ] {
            let mut peer = let_in(&arena, CONNECT_5);
            peer.write(&format!("{packet} 30 {{ \"smuggled\" 00 'x' }}"));
            peer.expect("E0 { 81 ** }");
            peer.expect_closed();
        }
    }
    close_unheard(arena, watcher);
}

/// CVE-2021-34432: an empty topic, without an alias and with each kind of it.
#[test]
fn empty_topics() {
    let arena = Arena::open();
    let watcher = watcher(&arena);
    for publish in ["30 { 0000 'x' }", "32 { 0000 0001 'x' }"] {
        let mut peer = let_in(&arena, CONNECT_311);
        peer.write(publish);
        peer.expect_closed();
    }
    for (properties, reason) in [
        ("", "82"),
        ("23 0000", "94"),
        ("23 0001", "82"),
        ("23 0010", "82"),
        ("23 0011", "94"),
        ("23 FFFF", "94"),
    ] {
        for head in ["30 { 0000", "31 { 0000", "32 { 0000 0001", "35 { 0000 0001"] {
            let mut peer = let_in(&arena, CONNECT_5);
            peer.write(&format!("{head} {{ {properties} }} 'x' }}"));
            peer.expect(&format!("E0 {{ {reason} ** }}"));
            peer.expect_closed();
        }
    }
    close_unheard(arena, watcher);
}

/// mosquitto#1244: a will with each of its properties first and last, and then no more of its client.
#[test]
fn wills_with_their_properties_in_every_place() {
    let arena = Arena::open();
    let mut watcher = watcher(&arena);
    let properties = [
        "18 00000000",
        "01 01",
        "02 0000003C",
        "03 \"type\"",
        "08 \"answers\"",
        "09 [ 01 02 ]",
        "26 \"k\" \"v\"",
    ];
    for (at, property) in properties.iter().enumerate() {
        let mut others = properties.to_vec();
        others.remove(at);
        let others = others.join(" ");
        for all in [
            (*property).to_owned(),
            format!("{property} {others}"),
            format!("{others} {property}"),
        ] {
            let connect = format!(
                "10 {{ \"MQTT\" 05 06 003C {{}} \"dying\" {{ {all} }} \"wills\" \"gone\" }}"
            );
            let mut peer = Peer::opening(arena.address(), &connect);
            peer.expect("20 { 00 00 ** }");
            peer.reset();
            watcher.expect("30 { \"wills\" 'gone' }");
        }
    }
    watcher.expect_alive();
    drop(watcher);
    arena.close(8 * MIB);
}

/// A client of MQTT 3.1.1 that receives everything but the messages of the canary.
fn watcher(arena: &Arena) -> Peer {
    let mut watcher = arena.client("watcher");
    watcher.write("82 { 0001 \"smuggled\" 00 \"wills\" 00 \"t\" 00 \"a/#\" 00 }");
    watcher.expect("90 { 0001 00 00 00 00 }");
    watcher
}

/// The attack is over: the watcher has heard nothing of it, and nobody else noticed.
fn close_unheard(arena: Arena, mut watcher: Peer) {
    watcher.expect_silence(Duration::from_millis(100));
    watcher.expect_alive();
    drop(watcher);
    arena.close(8 * MIB);
}

fn let_in(arena: &Arena, connect: &str) -> Peer {
    let mut peer = Peer::opening(arena.address(), connect);
    peer.expect("20 { 00 00 ** }");
    peer
}

const CONNECT_311: &str = "10 { \"MQTT\" 04 02 003C \"forger\" }";

const CONNECT_5: &str = "10 { \"MQTT\" 05 02 003C {} \"forger\" }";
