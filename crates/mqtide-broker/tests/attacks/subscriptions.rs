//! Attacks by subscriptions.

use std::collections::BTreeSet;
use std::time::Duration;

use mqtide_testkit::raw::{Heard, Peer};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::arena::{Arena, MIB};

/// CVE-2025-68699, nanomq#1038: incomplete shared filters are refused, and publishing afterwards harms nothing.
#[test]
fn incomplete_shared_filters() {
    let arena = Arena::open();
    for filter in [
        "$share",
        "$share/",
        "$share//a",
        "$share/g",
        "$share/g/",
        "$share/+/a",
        "$share/#/a",
    ] {
        let mut peer = arena.client5("shared", "");
        peer.write(&format!("82 {{ 0001 {{}} \"{filter}\" 01 }}"));
        match peer.packet()[..] {
            [0x90, .., code] => assert!(code >= 0x80 || filter == "$share", "{filter}: {code:02X}"),
            [0xE0, ..] => {}
            ref other => panic!("{filter}: {other:02X?}"),
        }
        let mut publisher = arena.client("publisher");
        publisher.write("32 { \"a\" 0001 'x' } 32 { \"g\" 0002 'x' } 32 { \"$share/g\" 0003 'x' }");
        publisher.packet();
        publisher.packet();
    }
    arena.close(8 * MIB);
}

/// CVE-2024-8376: random subscribing and unsubscribing, plain and shared, against a model.
#[test]
fn plain_and_shared_subscriptions_follow_a_model() {
    let seed = rand::rng().random();
    let mut random = StdRng::seed_from_u64(seed);
    let arena = Arena::open();
    let mut peer = arena.client("member");
    let mut publisher = arena.client("publisher");
    let filters = [
        "m/a",
        "$share/g/m/a",
        "$share/g/m/#",
        "m/#",
        "$share/h/m/a",
        "m/+",
    ];
    let mut subscribed = BTreeSet::new();
    for round in 0..300 {
        let filter = filters[random.random_range(0..filters.len())];
        if random.random_bool(0.5) {
            peer.write(&format!("82 {{ 0001 \"{filter}\" 00 }}"));
            peer.expect("90 { 0001 00 }");
            subscribed.insert(filter);
        } else {
            peer.write(&format!("A2 {{ 0001 \"{filter}\" }}"));
            peer.expect("B0 02 0001");
            subscribed.remove(filter);
        }
        publisher.write(&format!("32 {{ \"m/a\" 0001 '{round}' }}"));
        publisher.expect("40 02 0001");
        peer.write("C0 00");
        let shared = subscribed
            .iter()
            .filter(|filter| filter.starts_with('$'))
            .count();
        let plain = usize::from(subscribed.len() > shared);
        let copies = std::iter::from_fn(|| Some(peer.packet()))
            .take_while(|packet| packet[0] != 0xD0)
            .count();
        let late = std::iter::from_fn(|| match peer.hear(Duration::from_millis(2)) {
            Heard::Packet(packet) => Some(packet),
            _ => None,
        });
        assert_eq!(
            copies + late.count(),
            shared + plain,
            "seed {seed}, round {round}: {subscribed:?}"
        );
    }
    drop((peer, publisher));
    arena.close(8 * MIB);
}

/// Filters made so that a naive tree visits 2^n nodes for one topic, none of them a match.
#[test]
fn filters_that_branch_at_every_level() {
    let arena = Arena::open();
    let mut peer = arena.client("brancher");
    let levels = 10;
    for mask in 0..1_u32 << levels {
        let filter: Vec<&str> = (0..levels)
            .map(|bit| if mask >> bit & 1 == 0 { "a" } else { "+" })
            .collect();
        peer.write(&format!("82 {{ 0001 \"{}/end\" 00 }}", filter.join("/")));
        peer.expect("90 { 0001 00 }");
    }
    let topic = vec!["a"; levels].join("/");
    for _ in 0..200 {
        peer.write(&format!("32 {{ \"{topic}/other\" 0001 'x' }}"));
        peer.expect("40 02 0001");
    }
    peer.expect_alive();
    drop(peer);
    arena.close(8 * MIB);
}

/// A storm of SUBSCRIBE and UNSUBSCRIBE with a thousand filters each; what it took is given back.
#[test]
fn a_storm_of_subscriptions() {
    let arena = Arena::open();
    let mut peer = arena.client("stormer");
    let filters: String = (0..1000)
        .map(|at| format!("\"storm/{at}/+\" 01 "))
        .collect();
    let names: String = (0..1000).map(|at| format!("\"storm/{at}/+\" ")).collect();
    for _ in 0..20 {
        peer.write(&format!("82 {{ 0001 {filters} }}"));
        assert_eq!(peer.packet()[0], 0x90);
        peer.write(&format!("A2 {{ 0002 {names} }}"));
        peer.expect("B0 02 0002");
    }
    drop(peer);
    arena.close(12 * MIB);
}

/// Many clients with `#` and overlapping filters: every message goes to each once.
#[test]
fn many_clients_with_the_widest_filters() {
    let arena = Arena::open();
    let mut peers: Vec<Peer> = (0..100)
        .map(|at| {
            let mut peer = arena.client(&format!("wide{at}"));
            peer.write("82 { 0001 \"wide/#\" 00 \"wide/+/+\" 00 \"wide/a/#\" 00 }");
            peer.expect("90 { 0001 00 00 00 }");
            peer
        })
        .collect();
    let mut publisher = arena.client("publisher");
    for message in 0..50 {
        publisher.write(&format!("30 {{ \"wide/a/b\" '{message}' }}"));
    }
    for peer in &mut peers {
        for message in 0..50 {
            peer.expect(&format!("30 {{ \"wide/a/b\" '{message}' }}"));
        }
        peer.expect_alive();
    }
    drop((peers, publisher));
    arena.close(12 * MIB);
}
