//! Attacks before CONNECT is answered.

use std::thread;
use std::time::Duration;

use mqtide_testkit::notation::bytes;
use mqtide_testkit::raw::{Heard, Peer};
use mqtide_testkit::websocket::WebSocket;

use crate::arena::{Arena, MIB};

/// CVE-2017-7651: 256 MiB are announced and one byte is sent. The connection ends at the header.
#[test]
fn announced_lengths_allocate_nothing() {
    let mut arena = Arena::open();
    let mut peers: Vec<Peer> = (0..200)
        .map(|_| Peer::opening(arena.address(), "10 FF FF FF 7F 00"))
        .collect();
    for peer in &mut peers {
        peer.expect_end(0x20);
    }
    arena.assert_grown_at_most(8 * MIB);
    drop(peers);
    arena.close(8 * MIB);
}

/// GHSA-r72h-j7qq-v6qg: a CONNECT within the limit, all but its last byte, held open. What is kept is what was sent.
#[test]
fn partial_connects_cost_what_was_sent() {
    let mut arena = Arena::open();
    let connect =
        bytes("10 { \"MQTT\" 04 C2 003C \"partial\" \"u\" [ 'x'*50000 ] }").expect("notation");
    let peers: Vec<Peer> = (0..200)
        .map(|_| {
            let mut peer = Peer::to(arena.address());
            peer.send(&connect[..connect.len() - 1]).expect("sent");
            peer
        })
        .collect();
    thread::sleep(Duration::from_millis(500));
    arena.assert_grown_at_most(200 * 140 * 1024);
    drop(peers);
    arena.close(16 * MIB);
}

/// CVE-2023-0809: a large first packet that is no CONNECT ends the connection at its first byte.
#[test]
fn other_first_packets_are_not_read() {
    let arena = Arena::open();
    for kind in (0..16).filter(|kind| *kind != 1) {
        let mut peer = Peer::opening(arena.address(), &format!("{kind:X}0 FF FF FF 7F"));
        peer.expect_closed();
    }
    arena.close(8 * MIB);
}

/// CVE-2017-7654: CONNECT cut at every byte, and closed.
#[test]
fn truncated_connects_leave_nothing() {
    let arena = Arena::open();
    let connect = bytes(FULL_CONNECT).expect("notation");
    for _ in 0..20 {
        for cut in 0..connect.len() {
            let mut peer = Peer::to(arena.address());
            peer.send(&connect[..cut]).expect("sent");
        }
    }
    arena.close(8 * MIB);
}

/// CVE-2021-34431, CVE-2023-3592: every property identifier, in CONNECT and in the will. No wrong one is let in.
#[test]
fn wrong_properties_leave_nothing() {
    let arena = Arena::open();
    for identifier in 0..=255_u8 {
        for will in [false, true] {
            let property = format!("vbi:{identifier} 00000001");
            let (flags, own, of_will) = if will {
                ("06", "", property.as_str())
            } else {
                ("02", property.as_str(), "")
            };
            let body = if will {
                format!("{{ {of_will} }} \"w\" [ 'x' ]")
            } else {
                String::new()
            };
            let mut peer = Peer::opening(
                arena.address(),
                &format!("10 {{ \"MQTT\" 05 {flags} 003C {{ {own} }} \"wrong\" {body} }}"),
            );
            match peer.hear(mqtide_testkit::raw::PATIENCE) {
                Heard::Packet(packet) => assert_eq!(packet[0], 0x20, "{identifier:02X}"),
                Heard::Closed => {}
                other => panic!("{identifier:02X}: heard {other}"),
            }
        }
    }
    arena.close(8 * MIB);
}

/// CVE-2021-41039, CVE-2026-21888: as many user properties as a CONNECT may hold, many times.
#[test]
fn user_properties_of_connect_cost_in_proportion() {
    let arena = Arena::open();
    let connect =
        bytes("10 { \"MQTT\" 05 02 0000 { (26 \"a\" \"b\")*9000 } \"many\" }").expect("notation");
    for _ in 0..20 {
        let mut peer = Peer::to(arena.address());
        peer.send(&connect).expect("sent");
        peer.expect("20 { 00 00 ** }");
    }
    arena.close(16 * MIB);
}

/// aedes#612: a published packet whose property length reads beyond its end.
#[test]
fn a_property_length_beyond_the_packet() {
    let arena = Arena::open();
    let mut peer = Peer::opening(
        arena.address(),
        "101000044d5154540502003c0321001400006202d301e0020020",
    );
    peer.expect("20 { 00 00 ** }");
    peer.expect("70 { D301 92 ** }");
    peer.expect("E0 { 81 ** }");
    peer.expect_closed();
    arena.close(8 * MIB);
}

/// SlowITe (CVE-2020-13849): many connections with the longest keep alive, silent. Others are still let in.
#[test]
fn silent_clients_do_not_keep_others_out() {
    let mut arena = Arena::open();
    let silent: Vec<Peer> = (0..500)
        .map(|at| {
            Peer::opening(
                arena.address(),
                &format!("10 {{ \"MQTT\" 04 02 FFFF \"silent{at}\" }}"),
            )
        })
        .collect();
    arena.client("newcomer").expect_alive();
    arena.assert_grown_at_most(500 * 16 * 1024);
    drop(silent);
    arena.close(8 * MIB);
}

/// SlowTT: connections that trickle bytes. Each costs little, and none of them a core.
#[test]
fn trickling_clients_cost_little() {
    let mut arena = Arena::open();
    let mut slow: Vec<Peer> = (0..300)
        .map(|_| Peer::opening(arena.address(), "10 7F 00"))
        .collect();
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(100));
        for peer in &mut slow {
            peer.write("04");
        }
    }
    arena.assert_grown_at_most(300 * 16 * 1024);
    drop(slow);
    arena.close(8 * MIB);
}

/// CVE-2024-25767: connections that are reset at once, from several threads.
#[test]
fn resets_right_after_connecting() {
    let arena = Arena::open();
    let address = arena.address();
    thread::scope(|scope| {
        for worker in 0..8 {
            scope.spawn(move || {
                for round in 0..200 {
                    let connect = format!("10 {{ \"MQTT\" 04 02 003C \"reset{worker}\" }}");
                    let mut peer = Peer::to(address);
                    if round % 2 == 0 {
                        peer.write(&connect);
                    }
                    peer.reset();
                }
            });
        }
    });
    arena.close(8 * MIB);
}

/// A connect rush: every client is let in, and the others notice nothing.
#[test]
fn a_rush_of_connects() {
    let arena = Arena::open();
    let address = arena.address();
    thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || {
                for round in 0..500 {
                    let mut peer = Peer::opening(
                        address,
                        &format!("10 {{ \"MQTT\" 04 02 003C \"r{worker}x{round}\" }}"),
                    );
                    peer.expect("20 02 00 00");
                }
            });
        }
    });
    arena.close(8 * MIB);
}

/// GHSA-p957-7v2w-g93g: what belongs to one listener, sent to the other.
#[test]
fn the_wrong_protocol_on_a_listener() {
    let arena = Arena::open();
    let mut peer = Peer::opening(arena.websocket(), "10 { \"MQTT\" 04 02 003C \"lost\" }");
    peer.write("0D0A0D0A");
    peer.discard(Duration::from_millis(300));
    assert!(WebSocket::connect(arena.address(), "/mqtt", Some("mqtt")).is_err());
    assert!(WebSocket::connect(arena.websocket(), "/", Some("mqtt")).is_ok());
    arena.close(8 * MIB);
}

/// CVE-2025-56352: every refused CONNECT ends its connection.
#[test]
fn refused_clients_do_not_stay() {
    let arena = Arena::open();
    for refused in [
        "10 { \"MQTT\" 04 00 003C \"\" }",
        "10 { \"MQTT\" 09 02 003C \"a\" }",
        "10 { \"MQTT\" 05 02 003C { 21 0000 } \"a\" }",
        "10 { \"MQTT\" 05 02 003C { 15 \"NOPE\" } \"a\" }",
        "10 { \"MQIsdp\" 03 02 003C \"\" }",
    ] {
        let mut peer = Peer::opening(arena.address(), refused);
        peer.expect_end(0x20);
    }
    arena.close(8 * MIB);
}

const FULL_CONNECT: &str = "10 { \"MQTT\" 05 CE 003C { 11 u32:10 21 u16:20 26 \"k\" \"v\" } \"full\" \
     { 18 u32:5 01 01 02 u32:9 03 \"c\" 08 \"r\" 09 [ 01 ] 26 \"k\" \"v\" } \"w\" [ 'x' ] \"u\" [ 'p' ] }";
