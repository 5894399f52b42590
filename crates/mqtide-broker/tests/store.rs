//! With a store: what is acknowledged is stored, what is stored comes back, and whoever has nothing to do with it
//! notices nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

#[path = "store/acknowledged.rs"]
mod acknowledged;
mod common;
#[path = "store/crashes.rs"]
mod crashes;
#[path = "store/crowd.rs"]
mod crowd;
#[path = "store/failing.rs"]
mod failing;
#[path = "store/restored.rs"]
mod restored;
#[cfg(feature = "store-suite")]
#[path = "store/suite.rs"]
mod suite;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use mqtide_broker::{Broker, Config};
use mqtide_testkit::raw::Peer;

use common::Running;
use common::disk::Disk;

fn broker(disk: &Disk) -> Running {
    broker_with(disk, |_| {})
}

fn broker_with(disk: &Disk, change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config::default();
    // What is stored comes together from several threads.
    config.workers = NonZeroUsize::new(3);
    change(&mut config);
    Running::start(Broker::builder().config(config).store(disk.open()))
}

/// An MQTT 5.0 client with a session that outlives its connection by an hour.
fn lasting(address: SocketAddr, name: &str) -> Peer {
    Peer::opening(
        address,
        &format!("10 {{ \"MQTT\" 05 00 0000 {{ 11 u32:3600 }} \"{name}\" }}"),
    )
}

/// The same, whose session is a new one, or goes on.
fn joined(address: SocketAddr, name: &str, is_present: bool) -> Peer {
    let mut peer = lasting(address, name);
    peer.expect(match is_present {
        true => "20 { 01 00 { ** } }",
        false => "20 { 00 00 { ** } }",
    });
    peer
}

/// An MQTT 5.0 client whose session ends with its connection.
fn passing(address: SocketAddr, name: &str) -> Peer {
    let mut peer = Peer::opening(
        address,
        &format!("10 {{ \"MQTT\" 05 02 0000 00 \"{name}\" }}"),
    );
    peer.expect("20 { 00 00 { ** } }");
    peer
}

/// Subscribes to the topic filter, and is told so.
fn subscribed(peer: &mut Peer, filter: &str, qos: u8) {
    peer.write(&format!("82 {{ 7777 00 \"{filter}\" u8:{qos} }}"));
    peer.expect(&format!("90 {{ 7777 00 u8:{qos} }}"));
}

/// Long enough to notice what should not come, short enough for a test.
const A_WHILE: Duration = Duration::from_millis(150);
