//! Attacks by sessions and their takeover.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use mqtide_testkit::raw::{Heard, PATIENCE, Peer};

use crate::arena::{Arena, MIB};

/// IBM APAR IT28897: one ClientID taken over again and again leaves one session.
#[test]
fn takeovers_leave_nothing_behind() {
    let arena = Arena::open();
    let mut last: Option<Peer> = None;
    for _ in 0..2000 {
        let peer = arena.client("taken");
        if let Some(mut displaced) = last.replace(peer) {
            displaced.expect_closed();
        }
    }
    last.expect("the last one").expect_alive();
    arena.close(8 * MIB);
}

/// nats#3315: takeover with CONNECT, SUBSCRIBE and PUBLISH in one segment.
#[test]
fn takeovers_with_packets_behind_connect() {
    let arena = Arena::open();
    let mut peers: Vec<Peer> = (0..50)
        .map(|at| {
            Peer::opening(
                arena.address(),
                &format!(
                    "10 {{ \"MQTT\" 04 02 003C \"rush\" }} 82 {{ 0001 \"rush/t\" 00 }} 32 {{ \"rush/t\" 0002 '{at}' }}"
                ),
            )
        })
        .collect();
    // Each is answered, or displaced before it could be.
    peers.iter_mut().for_each(|peer| drop(peer.hear(PATIENCE)));
    let alive = peers
        .iter_mut()
        .map(is_alive_at_last)
        .filter(|alive| *alive)
        .count();
    assert_eq!(alive, 1, "one connection of a ClientID stays");
    arena.close(8 * MIB);
}

/// CVE-2025-59946, CVE-2026-22040, CVE-2026-32134: one ClientID from many sockets that subscribe, unsubscribe and
/// resume, under publishing.
#[test]
fn one_identifier_from_many_sockets() {
    let arena = Arena::open();
    let address = arena.address();
    thread::scope(|scope| {
        for worker in 0..8 {
            scope.spawn(move || fight(address, worker));
        }
        scope.spawn(move || {
            let mut publisher = Peer::opening(address, "10 { \"MQTT\" 04 02 0000 \"publisher\" }");
            publisher.expect("20 02 00 00");
            for _ in 0..100 {
                publisher.write("(32 { \"fight/t\" 0001 'x' })*20");
                for _ in 0..20 {
                    publisher.expect("40 02 0001");
                }
            }
        });
    });
    // What the last fighters sent may still be read: whoever comes later wins.
    thread::sleep(Duration::from_millis(500));
    arena.client("contested").expect_alive();
    arena.close(16 * MIB);
}

/// emqx#18565: takeover for every Session Expiry Interval and Clean Start. Session Present and the will are as the
/// standard says in every single run.
#[test]
fn takeover_is_the_same_every_time() {
    let arena = Arena::open();
    let mut watcher = arena.client("watcher");
    watcher.write("82 { 0001 \"will/#\" 00 }");
    watcher.expect("90 { 0001 00 }");
    for (case, (expiry, clean, present)) in [
        ("", "00", "00"),
        ("11 u32:0", "00", "00"),
        ("11 u32:10", "00", "01"),
        ("11 u32:10", "02", "00"),
    ]
    .iter()
    .enumerate()
    {
        for run in 0..50 {
            let name = format!("over{case}x{run}");
            let mut old = Peer::opening(
                arena.address(),
                &format!(
                    "10 {{ \"MQTT\" 05 06 0000 {{ {expiry} }} \"{name}\" {{}} \"will/{name}\" \"gone\" }}"
                ),
            );
            old.expect("20 { 00 00 ** }");
            let mut new = Peer::opening(
                arena.address(),
                &format!("10 {{ \"MQTT\" 05 {clean} 0000 {{}} \"{name}\" }}"),
            );
            new.expect(&format!("20 {{ {present} 00 ** }}"));
            old.expect("E0 { 8E ** }");
            old.expect_closed();
            watcher.expect(&format!("30 {{ \"will/{name}\" 'gone' }}"));
        }
    }
    watcher.expect_alive();
    drop(watcher);
    arena.close(12 * MIB);
}

/// Session exhaustion: what a session whose client is away costs is known and small.
#[test]
fn sessions_whose_clients_are_away_cost_little() {
    let mut arena = Arena::open();
    for at in 0..3000 {
        let mut peer = Peer::opening(
            arena.address(),
            &format!(
                "10 {{ \"MQTT\" 04 00 003C \"away{at}\" }} 82 {{ 0001 \"away/{at}\" 01 }} E0 00"
            ),
        );
        peer.expect("20 02 00 00");
        // SUBACK may be lost behind DISCONNECT, the subscription is not.
        while peer.hear(PATIENCE) != Heard::Closed {}
    }
    arena.assert_grown_at_most(3000 * 4096 + 4 * MIB);
    for at in 0..3000 {
        let mut peer = Peer::opening(
            arena.address(),
            &format!("10 {{ \"MQTT\" 04 02 003C \"away{at}\" }} E0 00"),
        );
        peer.expect("20 02 00 00");
    }
    arena.close(12 * MIB);
}

/// One of many sockets that want to be the same client. It is thrown out all the time and comes back.
fn fight(address: SocketAddr, worker: usize) {
    for round in 0..40 {
        let clean = if (worker + round).is_multiple_of(3) {
            "02"
        } else {
            "00"
        };
        let mut peer = Peer::opening(
            address,
            &format!(
                "10 {{ \"MQTT\" 04 {clean} 003C \"contested\" }} 82 {{ 0001 \"fight/t\" 01 \"fight/{worker}\" 02 }} \
                 A2 {{ 0002 \"fight/t\" }} 82 {{ 0003 \"$share/g/fight/t\" 01 }}"
            ),
        );
        peer.discard(Duration::from_millis(5));
        if round.is_multiple_of(2) {
            peer.reset();
        }
    }
}

/// Reads to the end: whether the connection still answers a PINGREQ.
fn is_alive_at_last(peer: &mut Peer) -> bool {
    peer.write("C0 00");
    loop {
        match peer.hear(PATIENCE) {
            Heard::Packet(packet) if packet[0] == 0xD0 => return true,
            Heard::Packet(_) => {}
            Heard::Closed | Heard::Broken(_) => return false,
            Heard::Silence => panic!("neither alive nor closed"),
        }
    }
}
