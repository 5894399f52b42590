//! Attacks by the form of packets.

use std::time::Duration;

use mqtide_testkit::notation::bytes;
use mqtide_testkit::raw::{Heard, PATIENCE, Peer};

use crate::arena::{Arena, MIB};

/// CVE-2018-12543: topics that begin with `$`, published, subscribed and as wills.
#[test]
fn topics_of_the_broker_harm_nothing() {
    let arena = Arena::open();
    for topic in [
        "$",
        "$x",
        "$/",
        "$share",
        "$share/",
        "$share/g",
        "$CONTROL",
        "$SYS",
        "$SYS/x",
        "$delayed/",
        "$queue/x",
    ] {
        let will = format!("10 {{ \"MQTT\" 04 26 003C \"dollar\" \"{topic}\" \"x\" }}");
        let mut peer = Peer::opening(arena.address(), &will);
        peer.write(&format!("31 {{ \"{topic}\" 'x' }}"));
        peer.discard(Duration::from_millis(20));
        peer.reset();
        let mut peer = arena.client("subscriber");
        peer.write(&format!(
            "82 {{ 0001 \"{topic}\" 01 }} A2 {{ 0002 \"{topic}\" }}"
        ));
        peer.discard(Duration::from_millis(20));
    }
    arena.close(8 * MIB);
}

/// CVE-2019-11779: as many levels as a topic can have, in every packet that carries one.
#[test]
fn topics_of_slashes_neither_recurse_nor_crash() {
    let arena = Arena::open();
    let slashes = "[ '/'*65535 ]";
    let pluses = "[ ('+/')*32767 ]";
    for packet in [
        format!("82 {{ 0001 {slashes} 00 }}"),
        format!("82 {{ 0001 {pluses} 00 }}"),
        "82 { 0001 [ '$share/g/' ('+/')*32700 ] 00 }".to_owned(),
        format!("A2 {{ 0001 {slashes} }}"),
        format!("A2 {{ 0001 {pluses} }}"),
        format!("32 {{ {slashes} 0001 'x' }}"),
        format!("33 {{ {slashes} 0001 'x' }}"),
    ] {
        let mut peer = arena.client("deep");
        peer.write(&packet);
        peer.discard(Duration::from_millis(100));
    }
    let will = "10 { \"MQTT\" 04 06 003C \"deep\" [ '/'*60000 ] \"x\" }";
    Peer::opening(arena.address(), will).discard(Duration::from_millis(100));
    arena.close(16 * MIB);
}

/// CVE-2021-33175, CVE-2021-33176, CVE-2019-0222: every field of every packet as long as it can be, as the first packet
/// and as later ones, again and again.
#[test]
fn fields_at_their_longest_leave_nothing() {
    let mut arena = Arena::open();
    let long = "[ 'x'*65535 ]";
    let properties = format!("{{ 03 {long} 08 {long} 09 {long} 26 {long} {long} }}");
    let reasons = format!("{{ 1F {long} 26 {long} {long} }}");
    let connects = [
        format!("10 {{ \"MQTT\" 05 02 0000 {{}} {long} }}"),
        format!("10 {{ \"MQTT\" 05 02 0000 {{ 15 {long} 16 {long} 26 {long} {long} }} \"long\" }}"),
        format!("10 {{ \"MQTT\" 05 06 0000 {{}} \"long\" {properties} {long} {long} }}"),
        format!("10 {{ \"MQTT\" 05 C2 0000 {{}} \"long\" {long} {long} }}"),
    ];
    let packets = [
        format!("30 {{ {long} {{}} 'x' }}"),
        format!("31 {{ {long} {properties} 'x' }}"),
        format!("32 {{ \"t\" 0001 {properties} 'x' }}"),
        format!("82 {{ 0001 {{}} {long} 00 }}"),
        format!("82 {{ 0001 {{ 26 {long} {long} }} \"f\" 00 }}"),
        format!("A2 {{ 0001 {{}} {long} }}"),
        format!("A2 {{ 0001 {{ 26 {long} {long} }} \"f\" }}"),
        format!("40 {{ 0001 00 {reasons} }}"),
        format!("50 {{ 0001 00 {reasons} }}"),
        format!("62 {{ 0001 00 {reasons} }}"),
        format!("70 {{ 0001 00 {reasons} }}"),
        format!("E0 {{ 00 {reasons} }}"),
        format!("F0 {{ 19 {{ 15 {long} 16 {long} 26 {long} {long} }} }}"),
    ];
    for _ in 0..6 {
        for connect in &connects {
            Peer::opening(arena.address(), connect).discard(Duration::from_millis(10));
        }
        for packet in &packets {
            let mut peer = arena.client5("long", "");
            peer.write(&format!("{packet} {packet}"));
            peer.discard(Duration::from_millis(10));
        }
    }
    arena.assert_grown_at_most(16 * MIB);
    let mut peer = arena.client5("long", "");
    peer.write(&format!("31 {{ {long} {{}} }}"));
    peer.discard(Duration::from_millis(10));
    arena.close(2 * MIB);
}

/// CVE-2016-10523, mosquitto 2.0.21, CVE-2023-34488: every packet cut at every byte, in both versions.
#[test]
fn truncated_packets_leave_nothing() {
    let arena = Arena::open();
    for (connect, packets) in [
        ("10 { \"MQTT\" 04 02 003C \"cut\" }", PACKETS_311),
        ("10 { \"MQTT\" 05 02 003C {} \"cut\" }", PACKETS_5),
    ] {
        let connect = bytes(connect).expect("notation");
        for packet in packets {
            let packet = bytes(packet).expect("notation");
            for cut in 1..packet.len() {
                let mut peer = Peer::to(arena.address());
                peer.send(&[&connect, &packet[..cut]].concat())
                    .expect("sent");
            }
        }
    }
    arena.close(8 * MIB);
}

/// CVE-2021-28166, CVE-2025-66168: after CONNECT every first byte, with a body that fits and one that does not.
#[test]
fn every_first_byte_after_connect() {
    let arena = Arena::open();
    for first in 0..=255_u8 {
        for body in [
            "00",
            "02 0001",
            "05 0001 'abc'",
            "FF FF FF FF 7F",
            "80 80 80 80 80 01",
        ] {
            let mut peer = Peer::to(arena.address());
            peer.write(&format!(
                "10 {{ \"MQTT\" 05 02 003C {{}} \"bytes\" }} {first:02X} {body}"
            ));
        }
    }
    arena.close(8 * MIB);
}

/// CVE-2025-59947, CVE-2026-25627: several packets in one segment, split at every byte.
#[test]
fn packets_split_anywhere_are_the_same_packets() {
    let arena = Arena::open();
    let packets = bytes("82 { 0001 \"split\" 02 } 34 { \"split\" 0007 'one' } 32 { \"split\" 0009 'two' } 62 02 0008 C0 00")
        .expect("notation");
    for cut in 1..packets.len() {
        let mut peer = arena.client("splitter");
        peer.send(&packets[..cut]).expect("sent");
        std::thread::sleep(Duration::from_millis(2));
        peer.send(&packets[cut..]).expect("sent");
        let mut kinds: Vec<u8> = std::iter::from_fn(|| match peer.hear(PATIENCE) {
            Heard::Packet(packet) => Some(packet[0]),
            _ => None,
        })
        .take(7)
        .collect();
        kinds.sort_unstable();
        assert_eq!(
            kinds,
            [0x32, 0x34, 0x40, 0x50, 0x70, 0x90, 0xD0],
            "split at {cut}"
        );
    }
    arena.close(8 * MIB);
}

/// CVE-2021-41039, emqx#17569: PUBLISH and SUBSCRIBE with 60,000 user properties.
#[test]
fn user_properties_cost_in_proportion() {
    let arena = Arena::open();
    let mut peer = arena.client5("many", "");
    let publish = bytes("32 { \"many\" 0001 { (26 \"a\" \"b\")*60000 } 'x' }").expect("notation");
    let subscribe = bytes("82 { 0002 { (26 \"a\" \"b\")*60000 } \"many\" 00 }").expect("notation");
    for _ in 0..10 {
        peer.send(&publish).expect("sent");
        peer.expect("40 { 0001 ** }");
    }
    peer.send(&subscribe).expect("sent");
    peer.expect("90 { 0002 { ** } 00 }");
    drop(peer);
    arena.close(32 * MIB);
}

/// CVE-2018-11615, CVE-2020-13821, CVE-2026-44838: names that mean something elsewhere are plain text here.
#[test]
fn names_are_never_interpreted() {
    let arena = Arena::open();
    for (at, text) in [
        ".*",
        "a|b",
        "(?i)",
        "\\",
        "<img src=x onerror=alert(1)>",
        "%u/%c",
        "' OR 1=1 --",
        "x${jndi:x}",
        "((((((((((a*)*)*)*",
    ]
    .iter()
    .enumerate()
    {
        let hex: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
        let mut peer = Peer::opening(
            arena.address(),
            &format!("10 {{ \"MQTT\" 04 C2 003C [{hex}] [{hex}] [{hex}] }}"),
        );
        peer.expect("20 02 00 00");
        peer.write(&format!("82 {{ 0001 [{hex} '/{at}'] 00 }}"));
        peer.packet();
        peer.write(&format!("30 {{ [{hex} '/{at}'] 'x' }}"));
        peer.expect(&format!("30 {{ [{hex} '/{at}'] 'x' }}"));
    }
    arena.close(8 * MIB);
}

/// CVE-2017-7650: wildcards as client identifiers are identifiers.
#[test]
fn wildcards_as_identifiers_match_nobody() {
    let arena = Arena::open();
    for identifier in ["#", "+", "a/b", "+/x", "$SYS"] {
        let mut peer = arena.client(identifier);
        peer.expect_alive();
    }
    arena.close(8 * MIB);
}

/// A flood of PINGREQ is answered, one by one, and holds nobody up.
#[test]
fn a_flood_of_pings() {
    let arena = Arena::open();
    let mut peer = arena.client("pinger");
    let pings = bytes("(C0 00)*5000").expect("notation");
    for _ in 0..20 {
        peer.send(&pings).expect("sent");
        for _ in 0..5000 {
            peer.expect("D0 00");
        }
    }
    arena.close(8 * MIB);
}

/// Every alias that the broker offers, each set to the longest topic, costs what was sent and ends with the connection.
#[test]
fn aliases_to_the_longest_topics() {
    let mut arena = Arena::open();
    let peers: Vec<Peer> = (0..10)
        .map(|at| {
            let mut peer = arena.client5(&format!("alias{at}"), "");
            for alias in 1..=16 {
                peer.write(&format!("30 {{ [ 'x'*65535 ] {{ 23 u16:{alias} }} 'x' }}"));
            }
            peer.expect_alive();
            peer
        })
        .collect();
    arena.assert_grown_at_most(10 * 16 * 65535 + 16 * MIB);
    drop(peers);
    arena.close(16 * MIB);
}

const PACKETS_311: &[&str] = &[
    "33 { \"cut/t\" 0001 'x' }",
    "40 02 0001",
    "50 02 0001",
    "62 02 0001",
    "70 02 0001",
    "82 { 0001 \"cut/#\" 01 \"cut/b\" 02 }",
    "A2 { 0001 \"cut/#\" \"cut/b\" }",
    "C0 00",
    "E0 00",
];

const PACKETS_5: &[&str] = &[
    "35 { \"cut/t\" 0001 { 01 01 02 u32:1 03 \"c\" 08 \"r\" 09 [ 01 ] 23 u16:1 26 \"k\" \"v\" } 'x' }",
    "40 { 0001 00 { 1F \"r\" 26 \"k\" \"v\" } }",
    "50 { 0001 00 { 1F \"r\" 26 \"k\" \"v\" } }",
    "62 { 0001 00 { 1F \"r\" 26 \"k\" \"v\" } }",
    "70 { 0001 00 { 1F \"r\" 26 \"k\" \"v\" } }",
    "82 { 0001 { 0B 05 26 \"k\" \"v\" } \"cut/#\" 01 \"$share/g/cut\" 02 }",
    "A2 { 0001 { 26 \"k\" \"v\" } \"cut/#\" \"cut/b\" }",
    "E0 { 04 { 11 u32:1 1F \"r\" 26 \"k\" \"v\" } }",
    "F0 { 18 { 15 \"M\" 16 [ 01 ] 1F \"r\" 26 \"k\" \"v\" } }",
];
