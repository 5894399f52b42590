//! Clients that come and go in every way.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::Course;
use crate::raw::{Heard, PATIENCE, Peer};

/// One client after the other, until the course is over.
pub(super) fn run(
    broker: SocketAddr,
    number: u64,
    seed: u64,
    course: &Course,
) -> Result<(), String> {
    let mut random = StdRng::seed_from_u64(seed);
    while !course.is_over() {
        let kind = KINDS[random.random_range(0..KINDS.len())];
        visit(broker, number, kind, &mut random)
            .map_err(|error| format!("{kind:?} of churner {number}: {error}"))?;
        course.connected();
    }
    Ok(())
}

/// Each kind of client once, so that what a broker allocates once is allocated.
pub(super) fn round_of_each(broker: SocketAddr, seed: u64) -> Result<(), String> {
    let mut random = StdRng::seed_from_u64(seed);
    for kind in KINDS {
        visit(broker, 0, kind, &mut random)?;
    }
    clear_retained(broker)
}

/// Deletes what the churners left retained.
pub(super) fn clear_retained(broker: SocketAddr) -> Result<(), String> {
    let mut peer = join(broker, "soak-sweeper", "02", "")?;
    for at in 0..RETAINED {
        peer.write(&format!("31 {{ \"soak/retained/{at}\" }}"));
    }
    peer.write("C0 00");
    wait_for(&mut peer, 0xD0)
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Subscriber,
    Retainer,
    Reader,
    Rival,
    WillBearer,
    Lasting,
    Wrong,
}

fn visit(broker: SocketAddr, number: u64, kind: Kind, random: &mut StdRng) -> Result<(), String> {
    let name = format!("soak-churner-{number}");
    match kind {
        Kind::Subscriber => {
            let mut peer = join(broker, &name, "02", "")?;
            for at in 0..random.random_range(1..20) {
                peer.write(&format!(
                    "82 {{ 0001 \"soak/{number}/{at}/+\" 01 \"$share/g/soak/{number}/{at}/#\" 02 }}"
                ));
                wait_for(&mut peer, 0x90)?;
            }
            peer.write("82 { 0002 \"soak/pair/+\" 00 }");
            wait_for(&mut peer, 0x90)?;
            peer.discard(Duration::from_millis(random.random_range(1..50)));
            leave(peer, random);
        }
        Kind::Retainer => {
            let mut peer = join(broker, &name, "02", "")?;
            for _ in 0..50 {
                let (at, size) = (
                    random.random_range(0..RETAINED),
                    random.random_range(1..2000),
                );
                peer.write(&format!("31 {{ \"soak/retained/{at}\" ('x'*{size}) }}"));
            }
            peer.write("82 { 0001 \"soak/retained/#\" 00 }");
            wait_for(&mut peer, 0x90)?;
            leave(peer, random);
        }
        Kind::Reader => {
            let mut peer = join(broker, &name, "02", "")?;
            peer.write("82 { 0001 \"soak/pair/#\" 01 \"soak/retained/#\" 00 }");
            wait_for(&mut peer, 0x90)?;
            thread::sleep(Duration::from_millis(random.random_range(100..500)));
            leave(peer, random);
        }
        Kind::Rival => {
            let shared = format!("soak-rival-{}", number % 2);
            let mut peer = join(broker, &shared, "00", "")?;
            peer.write("82 { 0001 \"soak/pair/0\" 02 }");
            peer.discard(Duration::from_millis(random.random_range(1..30)));
            leave(peer, random);
            sweep(broker, &shared);
        }
        Kind::WillBearer => {
            let peer = join(broker, &name, "26", "\"soak/retained/0\" \"gone\"")?;
            leave(peer, random);
        }
        Kind::Lasting => {
            let mut peer = join(broker, &name, "00", "")?;
            peer.write("82 { 0001 \"soak/pair/+\" 02 }");
            wait_for(&mut peer, 0x90)?;
            leave(peer, random);
            thread::sleep(Duration::from_millis(random.random_range(1..100)));
            let mut peer = join(broker, &name, "00", "")?;
            peer.discard(Duration::from_millis(20));
            sweep(broker, &name);
        }
        Kind::Wrong => {
            let mut peer = join(broker, &name, "02", "")?;
            peer.write("30 FF FF FF FF 7F");
            while !matches!(peer.hear(PATIENCE), Heard::Closed | Heard::Broken(_)) {}
        }
    }
    Ok(())
}

/// Ends a lasting session. A rival may come between, so the outcome does not matter.
fn sweep(broker: SocketAddr, name: &str) {
    if let Ok(mut peer) = join(broker, name, "02", "") {
        peer.write("E0 00");
    }
}

/// A rival may take the connection over before CONNACK: that is an answer too.
fn join(broker: SocketAddr, name: &str, flags: &str, will: &str) -> Result<Peer, String> {
    let mut peer = Peer::connect(broker).map_err(|error| error.to_string())?;
    peer.write(&format!(
        "10 {{ \"MQTT\" 04 {flags} 003C \"{name}\" {will} }}"
    ));
    match peer.hear(PATIENCE) {
        Heard::Packet(packet) if matches!(packet[..], [0x20, 2, _, 0]) => Ok(peer),
        Heard::Closed if name.contains("rival") => Ok(peer),
        other => Err(format!("CONNECT of {name} heard: {other}")),
    }
}

fn wait_for(peer: &mut Peer, first: u8) -> Result<(), String> {
    loop {
        match peer.hear(PATIENCE) {
            Heard::Packet(packet) if packet[0] == first => return Ok(()),
            Heard::Packet(_) => {}
            other => return Err(format!("instead of {first:02X} heard: {other}")),
        }
    }
}

fn leave(mut peer: Peer, random: &mut StdRng) {
    match random.random_range(0..3) {
        0 => peer.write("E0 00"),
        1 => peer.reset(),
        _ => drop(peer),
    }
}

const KINDS: [Kind; 7] = [
    Kind::Subscriber,
    Kind::Retainer,
    Kind::Reader,
    Kind::Rival,
    Kind::WillBearer,
    Kind::Lasting,
    Kind::Wrong,
];

const RETAINED: usize = 200;
