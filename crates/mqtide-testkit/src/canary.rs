//! A well-behaved client that must not notice what others do to its broker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::notation::hex;
use crate::raw::{Heard, Peer};

/// A client that publishes to itself at QoS 1, ten times a second, in a thread of its own.
#[derive(Debug)]
pub struct Canary {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Health, String>>,
}

/// How the canary fared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Health {
    /// Messages that went round.
    pub messages: usize,
    /// The longest time that one took.
    pub slowest: Duration,
}

impl Canary {
    /// Connects as `identifier` and begins to sing.
    ///
    /// # Panics
    /// When the broker does not let it in.
    #[track_caller]
    pub fn start(broker: SocketAddr, identifier: &str) -> Self {
        let mut peer = Peer::opening(
            broker,
            &format!("10 {{ \"MQTT\" 04 02 u16:5 \"{identifier}\" }}"),
        );
        peer.expect("20 02 00 00");
        let topic = format!("canary/{identifier}");
        peer.write(&format!("82 {{ 0001 \"{topic}\" 01 }}"));
        peer.expect("90 { 0001 01 }");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || sing(peer, &topic, &stopped));
        Self { stop, thread }
    }

    /// Ends it and tells how it fared.
    ///
    /// # Errors
    /// What went wrong, when a message did not go round or the connection ended.
    pub fn stop(self) -> Result<Health, String> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| "the canary panicked".to_owned())?
    }

    /// Ends it; it must have noticed nothing.
    ///
    /// # Panics
    /// When it lost its connection or a message, or when a message took longer than a second.
    #[track_caller]
    pub fn assert_unharmed(self) {
        let health = self
            .stop()
            .unwrap_or_else(|error| panic!("the canary suffered: {error}"));
        assert!(health.messages > 0, "the canary did not sing");
        assert!(
            health.slowest < NOTICED,
            "a message of the canary took {:?}",
            health.slowest
        );
    }
}

fn sing(mut peer: Peer, topic: &str, stop: &AtomicBool) -> Result<Health, String> {
    let mut health = Health::default();
    let publish = crate::notation::bytes(&format!("32 {{ \"{topic}\" 0001 'tweet' }}"))?;
    while !stop.load(Ordering::Relaxed) || health.messages == 0 {
        let begun = Instant::now();
        peer.send(&publish).map_err(|error| error.to_string())?;
        go_round(&mut peer)?;
        health.slowest = health.slowest.max(begun.elapsed());
        health.messages += 1;
        std::thread::sleep(BETWEEN.saturating_sub(begun.elapsed()));
    }
    Ok(health)
}

/// PUBACK and PUBLISH come in any order; the PUBLISH is acknowledged.
fn go_round(peer: &mut Peer) -> Result<(), String> {
    for _ in 0..2 {
        let packet = match peer.hear(GIVEN_UP) {
            Heard::Packet(packet) => packet,
            other => return Err(format!("heard: {other}")),
        };
        match packet[0] >> 4 {
            4 => {}
            3 => {
                let at = packet.len() - "tweet".len() - 2;
                let ack = [0x40, 2, packet[at], packet[at + 1]];
                peer.send(&ack).map_err(|error| error.to_string())?;
            }
            _ => return Err(format!("heard: packet {}", hex(&packet))),
        }
    }
    Ok(())
}

const BETWEEN: Duration = Duration::from_millis(100);

/// An attack that works stops the broker for good, or for many seconds; a test machine that is busy with something else
/// has been seen to take two.
const NOTICED: Duration = Duration::from_secs(4);

const GIVEN_UP: Duration = Duration::from_secs(5);
