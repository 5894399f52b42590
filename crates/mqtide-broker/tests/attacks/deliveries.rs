//! Attacks by what is delivered, kept and not acknowledged.

use std::time::Duration;

use mqtide_testkit::notation::bytes;
use mqtide_testkit::raw::Peer;

use crate::arena::{Arena, MIB};

/// CVE-2023-28366: one QoS 2 identifier published over and over, never released. Each is answered, one is kept.
#[test]
fn one_identifier_published_for_ever() {
    let mut arena = Arena::open();
    let mut peer = arena.client("repeater");
    let publish = bytes("34 { \"repeat\" 0007 ('x'*1024) }").expect("notation");
    for _ in 0..200 {
        peer.send(&publish.repeat(100)).expect("sent");
        peer.write("C0 00");
        // Repeats that arrive together may be answered together.
        let answers =
            std::iter::from_fn(|| Some(peer.packet())).take_while(|packet| packet[0] != 0xD0);
        assert!(
            answers
                .inspect(|packet| assert_eq!(packet[..], [0x50, 2, 0, 7]))
                .count()
                <= 100
        );
    }
    peer.write("62 02 0007");
    while peer.packet()[0] != 0x70 {}
    arena.assert_grown_at_most(8 * MIB);
    drop(peer);
    arena.close(8 * MIB);
}

/// Every QoS 2 identifier is opened and never released: in 5.0 Receive Maximum ends it, in 3.1.1 it costs little each.
#[test]
fn all_identifiers_opened_and_never_released() {
    let mut arena = Arena::open();
    let mut peer = arena.client("hoarder");
    for block in 0..64_u32 {
        let first = block * 1000 + 1;
        let all: String = (first..first + 1000)
            .map(|id| format!("34 {{ \"hoard\" u16:{id} ('x'*64) }} "))
            .collect();
        peer.write(&all);
        for id in first..first + 1000 {
            peer.expect(&format!("50 {{ u16:{id} }}"));
        }
    }
    arena.assert_grown_at_most(64_000 * 128 + 8 * MIB);
    drop(peer);
    arena.close(12 * MIB);
}

/// A subscriber that never reads (TCP window 0) while others publish: its queue is bounded, nobody waits for it.
#[test]
fn a_subscriber_that_never_reads() {
    let mut arena = Arena::open();
    let mut deaf = arena.client("deaf");
    deaf.write("82 { 0001 \"loud\" 00 }");
    deaf.expect("90 { 0001 00 }");
    let mut publisher = arena.client("publisher");
    let message = bytes("30 { \"loud\" ('x'*16384) }").expect("notation");
    for _ in 0..16 {
        for _ in 0..512 {
            publisher
                .send(&message)
                .expect("the publisher is not held up");
        }
        publisher.expect_alive();
    }
    // 128 MiB were published; a session's queue holds 64.
    arena.assert_grown_at_most(64 * MIB + 24 * MIB);
    arena.assert_idle();
    deaf.reset();
    drop(publisher);
    arena.close(24 * MIB);
}

/// A subscriber that acknowledges nothing: what waits behind its window is bounded, and gone with it.
#[test]
fn a_subscriber_that_never_acknowledges() {
    let mut arena = Arena::open();
    let mut mute = arena.client("mute");
    mute.write("82 { 0001 \"pinned\" 01 }");
    mute.expect("90 { 0001 01 }");
    let mut publisher = arena.client("publisher");
    let message = bytes("32 { \"pinned\" 0001 ('x'*4096) }").expect("notation");
    for _ in 0..200 {
        publisher.send(&message.repeat(100)).expect("sent");
        for _ in 0..100 {
            publisher.expect("40 02 0001");
        }
    }
    arena.assert_grown_at_most(64 * MIB + 24 * MIB);
    mute.reset();
    drop(publisher);
    arena.close(24 * MIB);
}

/// CVE-2020-13410: a subscriber that goes away while it is being written to.
#[test]
fn subscribers_that_vanish_within_a_write() {
    let arena = Arena::open();
    let mut publisher = arena.client("publisher");
    for round in 0..50 {
        let mut peer = arena.client(&format!("vanishing{round}"));
        peer.write("82 { 0001 \"vanish\" 01 }");
        peer.expect("90 { 0001 01 }");
        publisher.write("30 { \"vanish\" ('x'*200000) }");
        peer.reset();
        publisher.expect_alive();
    }
    drop(publisher);
    arena.close(24 * MIB);
}

/// mosquitto#3188, emqx#2620: many retained messages, asked for by `#` again and again.
#[test]
fn a_flood_of_retained_messages() {
    let mut arena = Arena::open();
    let mut publisher = arena.client("publisher");
    for block in 0..20 {
        let all: String = (0..1000)
            .map(|at| format!("31 {{ \"flood/{block}/{at}\" ('x'*64) }} "))
            .collect();
        publisher.write(&all);
        publisher.expect_alive();
    }
    arena.assert_grown_at_most(20_000 * 600 + 8 * MIB);
    for round in 0..3 {
        let mut peer = arena.client(&format!("asker{round}"));
        peer.write("82 { 0001 \"flood/#\" 00 }");
        let mut retained = 0;
        while retained < 20_000 {
            retained += usize::from(peer.packet()[0] == 0x31);
        }
    }
    for block in 0..20 {
        let all: String = (0..1000)
            .map(|at| format!("31 {{ \"flood/{block}/{at}\" }} "))
            .collect();
        publisher.write(&all);
        publisher.expect_alive();
    }
    drop(publisher);
    arena.close(16 * MIB);
}

/// mosquitto#3221: retained messages that expire are freed, though nobody asks for them.
#[test]
fn expired_retained_messages_are_freed() {
    let arena = Arena::open();
    let mut publisher = arena.client5("publisher", "");
    for block in 0..20 {
        let all: String = (0..500)
            .map(|at| format!("31 {{ \"fading/{block}/{at}\" {{ 02 u32:1 }} ('x'*4096) }} "))
            .collect();
        publisher.write(&all);
        publisher.expect_alive();
    }
    drop(publisher);
    arena.close(16 * MIB);
}

/// A will storm: many clients with a will on one topic are cut at once. Each will arrives once.
#[test]
fn a_storm_of_wills() {
    let arena = Arena::open();
    let mut watcher = arena.client("watcher");
    watcher.write("82 { 0001 \"storm/will\" 00 }");
    watcher.expect("90 { 0001 00 }");
    let dying: Vec<Peer> = (0..300)
        .map(|at| {
            let connect =
                format!("10 {{ \"MQTT\" 04 06 003C \"dying{at}\" \"storm/will\" \"gone\" }}");
            let mut peer = Peer::opening(arena.address(), &connect);
            peer.expect("20 02 00 00");
            peer
        })
        .collect();
    dying.into_iter().for_each(Peer::reset);
    for _ in 0..300 {
        watcher.expect("30 { \"storm/will\" 'gone' }");
    }
    watcher.expect_silence(Duration::from_millis(200));
    drop(watcher);
    arena.close(8 * MIB);
}

/// CVE-2024-42645, CVE-2025-65953: retained messages of every odd kind, while others join.
#[test]
fn odd_retained_messages() {
    let arena = Arena::open();
    for odd in [
        "31 { \"odd\" {} }",
        "31 { \"odd\" { 02 u32:0 } 'x' }",
        "31 { \"odd\" { 23 u16:1 } 'x' } 31 { \"\" { 23 u16:1 } }",
        "33 { \"odd\" 0001 { 02 u32:4294967295 } 'x' }",
        "35 { \"odd\" 0001 { 0B 05 } 'x' }",
        "31 { \"odd\" { 7E 01 } 'x' }",
        "31 { \"$odd\" {} 'x' }",
    ] {
        let mut publisher = arena.client5("odd", "");
        publisher.write(odd);
        let mut joining = arena.client("joining");
        joining.write("82 { 0001 \"odd/#\" 02 }");
        joining.packet();
        publisher.discard(Duration::from_millis(10));
    }
    arena.close(8 * MIB);
}
