//! Published attacks on MQTT brokers, each against a broker in a process of its own beside a healthy client that
//! must notice nothing, with a bound on the memory of that process.
//!
//! Names such as CVE-2017-7651 are those of other brokers' published vulnerabilities.

#[path = "attacks/arena.rs"]
mod arena;
mod common;
#[path = "attacks/deliveries.rs"]
mod deliveries;
#[path = "attacks/dialogues.rs"]
mod dialogues;
#[path = "attacks/forgeries.rs"]
mod forgeries;
#[path = "attacks/handshakes.rs"]
mod handshakes;
#[path = "attacks/packets.rs"]
mod packets;
#[path = "attacks/sessions.rs"]
mod sessions;
#[path = "attacks/subscriptions.rs"]
mod subscriptions;

/// Counts what is in use: what an allocator keeps of it for later depends on too much.
#[global_allocator]
static HEAP: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

#[test]
fn the_broker_of_these_tests_runs_and_ends() {
    common::child::serve_or_show();
}
