//! A publisher and a subscriber that are cut off at random and lose nothing.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::Course;
use crate::notation::{bytes, hex};
use crate::raw::{Heard, PATIENCE, Peer};

/// Both ends, until the course is over and the subscriber has all that was acknowledged.
pub(super) fn run(
    broker: SocketAddr,
    number: u64,
    qos: u8,
    seed: u64,
    course: &Course,
) -> Result<(), String> {
    let sent = AtomicU64::new(0);
    let finished = AtomicBool::new(false);
    let subscriber = Subscriber::new(broker, number, qos, seed)?;
    thread::scope(|scope| {
        let receiving = scope.spawn(|| subscriber.receive(&sent, &finished, course));
        let publisher = Publisher {
            broker,
            number,
            qos,
            random: StdRng::seed_from_u64(!seed),
        };
        let published = publisher.publish(&sent, course);
        finished.store(true, Ordering::Release);
        let received = receiving
            .join()
            .unwrap_or_else(|_| Err("a subscriber panicked".to_owned()));
        published
            .and(received)
            .map_err(|error| format!("pair {number} at QoS {qos}: {error}"))
    })
}

struct Publisher {
    broker: SocketAddr,
    number: u64,
    qos: u8,
    random: StdRng,
}

/// How far the message under way has come.
#[derive(Clone, Copy, PartialEq)]
enum Stage {
    Publish { again: bool },
    Release,
    Done,
}

impl Publisher {
    /// One message at a time; what a cut leaves open is taken up on the next connection.
    fn publish(mut self, sent: &AtomicU64, course: &Course) -> Result<(), String> {
        let mut peer = self.connect(course)?;
        let mut sequence = 0;
        while !course.is_over() {
            let identifier = u16::try_from(sequence % 60_000).unwrap_or_default() + 1;
            let mut stage = Stage::Publish { again: false };
            while stage != Stage::Done {
                peer.send(&self.packet(stage, sequence, identifier))
                    .map_err(|error| error.to_string())?;
                if self.random.random_bool(CUT) {
                    peer.reset();
                    peer = self.connect(course)?;
                    stage = match stage {
                        Stage::Publish { .. } => Stage::Publish { again: true },
                        other => other,
                    };
                    continue;
                }
                stage = self.answered(&mut peer, stage, identifier)?;
            }
            sequence += 1;
            sent.store(sequence, Ordering::Release);
            thread::sleep(Duration::from_micros(self.random.random_range(0..2000)));
        }
        peer.write("E0 00");
        end_session(self.broker, &self.name())
    }

    fn name(&self) -> String {
        format!("soak-publisher-{}", self.number)
    }

    fn connect(&self, course: &Course) -> Result<Peer, String> {
        course.connected();
        connect(self.broker, &self.name())
    }

    fn packet(&self, stage: Stage, sequence: u64, identifier: u16) -> Vec<u8> {
        let first = match stage {
            Stage::Publish { again } => 0x30 | self.qos << 1 | u8::from(again) << 3,
            _ => 0x62,
        };
        let text = if first == 0x62 {
            format!("62 {{ u16:{identifier} }}")
        } else {
            format!(
                "{first:02X} {{ \"soak/pair/{}\" u16:{identifier} '{sequence}' }}",
                self.number
            )
        };
        bytes(&text).unwrap_or_default()
    }

    fn answered(&self, peer: &mut Peer, stage: Stage, identifier: u16) -> Result<Stage, String> {
        let (first, next) = match (self.qos, stage) {
            (1, _) => (0x40, Stage::Done),
            (_, Stage::Publish { .. }) => (0x50, Stage::Release),
            _ => (0x70, Stage::Done),
        };
        let [high, low] = identifier.to_be_bytes();
        match peer.hear(PATIENCE) {
            Heard::Packet(packet) if packet == [first, 2, high, low] => Ok(next),
            other => Err(format!("publisher heard: {other}")),
        }
    }
}

struct Subscriber {
    broker: SocketAddr,
    number: u64,
    qos: u8,
    random: StdRng,
    peer: Peer,
    next: u64,
    unreleased: BTreeSet<[u8; 2]>,
}

impl Subscriber {
    fn new(broker: SocketAddr, number: u64, qos: u8, seed: u64) -> Result<Self, String> {
        let mut peer = connect(broker, &format!("soak-subscriber-{number}"))?;
        peer.write(&format!("82 {{ 0001 \"soak/pair/{number}\" 0{qos} }}"));
        match peer.hear(PATIENCE) {
            Heard::Packet(packet) if packet == [0x90, 3, 0, 1, qos] => {}
            other => return Err(format!("subscriber heard: {other}")),
        }
        let random = StdRng::seed_from_u64(seed);
        Ok(Self {
            broker,
            number,
            qos,
            random,
            peer,
            next: 0,
            unreleased: BTreeSet::new(),
        })
    }

    fn receive(
        mut self,
        sent: &AtomicU64,
        finished: &AtomicBool,
        course: &Course,
    ) -> Result<(), String> {
        let mut last_heard = Instant::now();
        loop {
            if finished.load(Ordering::Acquire)
                && self.next >= sent.load(Ordering::Acquire)
                && self.unreleased.is_empty()
            {
                break;
            }
            if last_heard.elapsed() > LOST {
                return Err(format!(
                    "message {} of {} is lost",
                    self.next,
                    sent.load(Ordering::Acquire)
                ));
            }
            if self.random.random_bool(CUT) {
                self.come_back(course)?;
            }
            match self.peer.hear(Duration::from_millis(50)) {
                Heard::Packet(packet) => {
                    last_heard = Instant::now();
                    self.take(&packet, course)?;
                }
                Heard::Silence => {}
                other => return Err(format!("subscriber heard: {other}")),
            }
        }
        self.peer.write("E0 00");
        end_session(self.broker, &format!("soak-subscriber-{}", self.number))
    }

    fn take(&mut self, packet: &[u8], course: &Course) -> Result<(), String> {
        match packet {
            [0x62, 2, id @ ..] => {
                self.unreleased.remove(id);
                self.answer(0x70, id)
            }
            [first, _, 0, length, rest @ ..] if first >> 4 == 3 && (first >> 1) & 3 == self.qos => {
                let body = rest.get(usize::from(*length)..).unwrap_or_default();
                let (id, payload) = body.split_at_checked(2).ok_or("a short PUBLISH")?;
                let id = [id[0], id[1]];
                self.deliver(id, payload, first & 8 != 0, course)?;
                self.answer(if self.qos == 1 { 0x40 } else { 0x50 }, &id)
            }
            other => Err(format!("subscriber heard: packet {}", hex(other))),
        }
    }

    fn deliver(
        &mut self,
        id: [u8; 2],
        payload: &[u8],
        again: bool,
        course: &Course,
    ) -> Result<(), String> {
        if self.qos == 2 && !self.unreleased.insert(id) {
            return if again {
                Ok(())
            } else {
                Err(format!("identifier {id:?} is used twice"))
            };
        }
        let sequence: u64 = std::str::from_utf8(payload)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or("a foreign payload")?;
        if sequence == self.next {
            self.next += 1;
            course.delivered();
            return Ok(());
        }
        if self.qos == 1 && sequence < self.next {
            return Ok(());
        }
        Err(format!(
            "message {sequence} came where {} was due",
            self.next
        ))
    }

    fn answer(&mut self, first: u8, id: &[u8]) -> Result<(), String> {
        self.peer
            .send(&[&[first, 2], id].concat())
            .map_err(|error| error.to_string())
    }

    /// By a cut, by taking itself over, or after a while offline.
    fn come_back(&mut self, course: &Course) -> Result<(), String> {
        course.connected();
        let name = format!("soak-subscriber-{}", self.number);
        let pause = self.random.random_range(0..3) * 30;
        if pause > 0 {
            let _ = self.peer.finish();
            thread::sleep(Duration::from_millis(pause));
        }
        let before = std::mem::replace(&mut self.peer, connect(self.broker, &name)?);
        before.reset();
        Ok(())
    }
}

fn connect(broker: SocketAddr, name: &str) -> Result<Peer, String> {
    let mut peer = Peer::connect(broker).map_err(|error| error.to_string())?;
    peer.write(&format!("10 {{ \"MQTT\" 04 00 003C \"{name}\" }}"));
    match peer.hear(PATIENCE) {
        Heard::Packet(packet) if matches!(packet[..], [0x20, 2, _, 0]) => Ok(peer),
        other => Err(format!("CONNECT of {name} heard: {other}")),
    }
}

fn end_session(broker: SocketAddr, name: &str) -> Result<(), String> {
    let mut peer = Peer::connect(broker).map_err(|error| error.to_string())?;
    peer.write(&format!("10 {{ \"MQTT\" 04 02 003C \"{name}\" }}"));
    match peer.hear(PATIENCE) {
        Heard::Packet(packet) if packet == [0x20, 2, 0, 0] => {
            peer.write("E0 00");
            Ok(())
        }
        other => Err(format!("the last CONNECT of {name} heard: {other}")),
    }
}

/// How often a client is cut off, per packet.
const CUT: f64 = 0.01;

const LOST: Duration = Duration::from_secs(20);
