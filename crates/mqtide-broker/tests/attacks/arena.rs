//! The broker under attack, its canary, and its memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mqtide_testkit::canary::Canary;
use mqtide_testkit::memory::processor_ticks;
use mqtide_testkit::raw::Peer;

use crate::common::child::ChildBroker;

pub(crate) const MIB: usize = 1024 * 1024;

/// A broker in its own process, with a canary.
pub(crate) struct Arena {
    broker: ChildBroker,
    canary: Canary,
    at_rest: usize,
}

impl Arena {
    pub(crate) fn open() -> Self {
        let mut broker = ChildBroker::start();
        let address = broker.tcp;
        warm_up(address);
        let canary = Canary::start(address, "canary");
        let at_rest = broker.memory();
        Self {
            broker,
            canary,
            at_rest,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.broker.tcp
    }

    pub(crate) fn websocket(&self) -> SocketAddr {
        self.broker.websocket
    }

    /// How many bytes the process holds more than at rest.
    pub(crate) fn grown(&mut self) -> usize {
        self.broker.memory().saturating_sub(self.at_rest)
    }

    /// The process may hold so much more than at rest, now.
    #[track_caller]
    pub(crate) fn assert_grown_at_most(&mut self, bytes: usize) {
        let grown = self.grown();
        assert!(
            grown <= bytes,
            "{grown} bytes more than at rest, not {bytes}"
        );
    }

    /// The process spends less than a tenth of a core while nobody asks for more than the canary.
    #[track_caller]
    pub(crate) fn assert_idle(&self) {
        std::thread::sleep(Duration::from_millis(200));
        let before = processor_ticks(self.broker.process()).expect("its time");
        std::thread::sleep(Duration::from_secs(1));
        let used = processor_ticks(self.broker.process()).expect("its time") - before;
        assert!(used < 30, "{used} % of a core while nothing happens");
    }

    /// A client of MQTT 3.1.1 that is let in.
    pub(crate) fn client(&self, identifier: &str) -> Peer {
        let mut peer = Peer::opening(
            self.broker.tcp,
            &format!("10 {{ \"MQTT\" 04 02 0000 \"{identifier}\" }}"),
        );
        peer.expect("20 02 00 00");
        peer
    }

    /// A client of MQTT 5.0 that is let in, with these properties.
    pub(crate) fn client5(&self, identifier: &str, properties: &str) -> Peer {
        let connect = format!("10 {{ \"MQTT\" 05 02 0000 {{ {properties} }} \"{identifier}\" }}");
        let mut peer = Peer::opening(self.broker.tcp, &connect);
        peer.expect("20 { 00 00 ** }");
        peer
    }

    /// The attack is over: memory returns to this much above rest, the canary noticed nothing, the broker lives.
    #[track_caller]
    pub(crate) fn close(mut self, bytes: usize) {
        let begun = Instant::now();
        while self.grown() > bytes && begun.elapsed() < RETURN {
            std::thread::sleep(Duration::from_millis(50));
        }
        self.assert_grown_at_most(bytes);
        self.canary.assert_unharmed();
        self.broker.end();
    }
}

/// What every broker allocates once is allocated before the memory is measured.
fn warm_up(address: SocketAddr) {
    for round in 0..20 {
        let mut peer = Peer::opening(
            address,
            &format!(
                "10 {{ \"MQTT\" 04 02 003C \"warm{round}\" }} 82 {{ 0001 \"warm/{round}\" 01 }}"
            ),
        );
        peer.expect("20 02 00 00");
        peer.expect("90 { 0001 01 }");
        peer.write(&format!("32 {{ \"warm/{round}\" 0001 ('x'*1000) }}"));
        peer.packet();
    }
}

const RETURN: Duration = Duration::from_secs(20);
