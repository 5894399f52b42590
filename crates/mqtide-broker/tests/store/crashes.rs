//! Machines that stop again and again, at any moment.

use std::collections::VecDeque;

use mqtide_testkit::raw::Heard;

use super::common::disk::{Disk, Mode};
use super::*;

/// A message that is not through yet.
struct Flow {
    id: u16,
    number: u32,
    is_received: bool,
}

/// MQTT-4.3.3-1, MQTT-4.4.0-1, MQTT-4.6.0-1, MQTT-4.1.0-1, v3.1.1 MQTT-4.1.0-1: a client that repeats what was not
/// acknowledged, as it must, has each QoS 2 message delivered once and in order, wherever the broker crashes.
#[test]
fn every_message_arrives_once_and_in_order_over_many_crashes() {
    for seed in 1..=4 {
        play(&mut Random(seed));
    }
}

fn play(random: &mut Random) {
    let disk = Disk::default();
    let first = broker(&disk);
    subscribed(&mut joined(first.tcp(), "subscriber", false), "a", 2);
    drop(joined(first.tcp(), "publisher", false));
    first.stop();

    let (mut flows, mut numbers) = (VecDeque::new(), 0);
    for _ in 0..12 {
        disk.set(Mode::Late(Duration::from_millis(random.below(4).into())));
        let broker = broker(&disk);
        let mut publisher = joined(broker.tcp(), "publisher", true);
        repeat(&mut publisher, &flows);
        publish(&mut publisher, &mut flows, &mut numbers, random.below(5));
        let answers = random.below(8);
        hear(&mut publisher, &mut flows, answers);
        disk.set(Mode::Hold);
        publish(&mut publisher, &mut flows, &mut numbers, random.below(3));
        hear(&mut publisher, &mut flows, random.below(2));
        match random.below(2) {
            0 => disk.crash(),
            _ => disk.crash_after_writing(),
        }
        drop(broker);
    }
    let last = broker(&disk);
    let mut publisher = joined(last.tcp(), "publisher", true);
    repeat(&mut publisher, &flows);
    hear(&mut publisher, &mut flows, u32::MAX);
    assert!(
        flows.is_empty(),
        "seed {random:?}: {} flows are left",
        flows.len()
    );

    let mut subscriber = joined(last.tcp(), "subscriber", true);
    let arrived: Vec<_> = std::iter::from_fn(|| match subscriber.hear(A_WHILE) {
        Heard::Packet(packet) => Some(packet),
        _ => None,
    })
    .map(|packet| u32::from_be_bytes(packet[packet.len() - 4..].try_into().unwrap()))
    .collect();
    assert_eq!(arrived, (0..numbers).collect::<Vec<_>>(), "seed {random:?}");
}

/// MQTT-4.3.3-6, MQTT-4.3.3-7, MQTT-4.4.0-1, MQTT-4.6.0-6: a receiver that tells a repeated message by its identifier,
/// as it must, owns each QoS 2 message once and in order, wherever the broker crashes.
#[test]
fn every_message_is_received_once_and_in_order_over_many_crashes() {
    for seed in 1..=4 {
        receive(&mut Random(seed));
    }
}

fn receive(random: &mut Random) {
    let disk = Disk::default();
    let first = broker(&disk);
    subscribed(&mut joined(first.tcp(), "subscriber", false), "a", 2);
    let mut publisher = passing(first.tcp(), "publisher");
    let (mut flows, mut numbers) = (VecDeque::new(), 0);
    publish(&mut publisher, &mut flows, &mut numbers, 20);
    hear(&mut publisher, &mut flows, u32::MAX);
    first.stop();

    let (mut held, mut owned) = (Vec::new(), Vec::new());
    for _ in 0..12 {
        disk.set(Mode::Late(Duration::from_millis(random.below(4).into())));
        let broker = broker(&disk);
        let mut subscriber = joined(broker.tcp(), "subscriber", true);
        take(&mut subscriber, &mut held, &mut owned, random.below(16));
        disk.set(Mode::Hold);
        take(&mut subscriber, &mut held, &mut owned, random.below(4));
        match random.below(2) {
            0 => disk.crash(),
            _ => disk.crash_after_writing(),
        }
        drop(broker);
    }
    let last = broker(&disk);
    let mut subscriber = joined(last.tcp(), "subscriber", true);
    take(&mut subscriber, &mut held, &mut owned, u32::MAX);
    assert_eq!(owned, (0..numbers).collect::<Vec<_>>(), "seed {random:?}");
    assert!(
        held.is_empty(),
        "seed {random:?}: {held:?} are not released"
    );
}

/// Takes in up to this many packets as a receiver of QoS 2 messages.
fn take(subscriber: &mut Peer, held: &mut Vec<u16>, owned: &mut Vec<u32>, packets: u32) {
    for _ in 0..packets {
        let Heard::Packet(packet) = subscriber.hear(A_WHILE) else {
            return;
        };
        if packet[0] == 0x62 {
            let id = u16::from_be_bytes([packet[2], packet[3]]);
            held.retain(|other| *other != id);
            subscriber.write(&format!("70 {{ u16:{id} }}"));
            continue;
        }
        assert_eq!(packet[0] & 0xF7, 0x34, "{packet:02X?}");
        let id = u16::from_be_bytes([packet[5], packet[6]]);
        if !held.contains(&id) {
            held.push(id);
            owned.push(u32::from_be_bytes(packet[8..12].try_into().unwrap()));
        }
        subscriber.write(&format!("50 {{ u16:{id} }}"));
    }
}

/// What a client does that comes back.
fn repeat(publisher: &mut Peer, flows: &VecDeque<Flow>) {
    for Flow {
        id,
        number,
        is_received,
    } in flows
    {
        match is_received {
            true => publisher.write(&format!("62 {{ u16:{id} }}")),
            false => publisher.write(&format!("3C {{ \"a\" u16:{id} 00 u32:{number} }}")),
        }
    }
}

fn publish(publisher: &mut Peer, flows: &mut VecDeque<Flow>, numbers: &mut u32, count: u32) {
    for _ in 0..count {
        let number = *numbers;
        let id = u16::try_from(number + 1).unwrap();
        publisher.write(&format!("34 {{ \"a\" u16:{id} 00 u32:{number} }}"));
        flows.push_back(Flow {
            id,
            number,
            is_received: false,
        });
        *numbers += 1;
    }
}

/// Takes in up to this many answers.
fn hear(publisher: &mut Peer, flows: &mut VecDeque<Flow>, answers: u32) {
    for _ in 0..answers {
        let Heard::Packet(packet) = publisher.hear(A_WHILE) else {
            return;
        };
        let id = u16::from_be_bytes([packet[2], packet[3]]);
        // PUBCOMP may say that the identifier is unknown (0x92): it was free for good when the broker crashed.
        match (packet[0], packet.get(4)) {
            (0x50, None) => {
                flows
                    .iter_mut()
                    .filter(|flow| flow.id == id)
                    .for_each(|flow| flow.is_received = true);
                publisher.write(&format!("62 {{ u16:{id} }}"));
            }
            (0x70, None | Some(0x92)) => flows.retain(|flow| flow.id != id),
            _ => panic!("{packet:02X?} is no answer"),
        }
    }
}

/// Knuth's generator: a test that fails must fail again.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(limit)).unwrap()
    }
}
