//! Many at once, on several threads.

use std::thread;

use super::common::disk::{Disk, Mode};
use super::*;

/// MQTT-4.6.0-5, MQTT-4.6.0-6, v3.1.1 MQTT-4.6.0-6: with a slow store, every subscriber gets the messages of every
/// publisher, each once and in order, and every message is acknowledged.
#[test]
fn a_crowd_is_served_in_order() {
    let disk = Disk::default();
    disk.set(Mode::Late(Duration::from_millis(1)));
    let broker = broker(&disk);
    let address = broker.tcp();
    let subscribers: Vec<_> = (0..4)
        .map(|number| {
            let mut peer = joined(address, &format!("subscriber {number}"), false);
            subscribed(&mut peer, "a", if number % 2 == 0 { 1 } else { 2 });
            thread::spawn(move || collect(&mut peer))
        })
        .collect();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|number| thread::spawn(move || publish(address, number)))
        .collect();
    publishers
        .into_iter()
        .for_each(|publisher| publisher.join().unwrap());
    for subscriber in subscribers {
        let numbers = subscriber.join().unwrap();
        for publisher in 0..PUBLISHERS {
            let of_this = numbers.iter().filter(|(from, _)| *from == publisher);
            let order: Vec<_> = of_this.map(|(_, number)| *number).collect();
            assert_eq!(
                order,
                (1..=MESSAGES).collect::<Vec<_>>(),
                "of publisher {publisher}"
            );
        }
    }
}

fn publish(address: SocketAddr, publisher: u8) {
    let mut peer = joined(address, &format!("publisher {publisher}"), false);
    for number in 1..=MESSAGES {
        peer.write(&format!(
            "34 {{ \"a\" u16:{number} 00 u8:{publisher} u16:{number} }}"
        ));
    }
    for number in 1..=MESSAGES {
        peer.expect(&format!("50 {{ u16:{number} }}"));
    }
}

/// Takes all messages, and answers them: from whom they are, and which.
fn collect(peer: &mut Peer) -> Vec<(u8, u16)> {
    let mut numbers = Vec::new();
    while numbers.len() < usize::from(PUBLISHERS) * usize::from(MESSAGES) {
        let packet = peer.packet();
        match packet[0] {
            0x32 => peer.write(&format!("40 {{ {:02X}{:02X} }}", packet[5], packet[6])),
            0x34 => peer.write(&format!("50 {{ {:02X}{:02X} }}", packet[5], packet[6])),
            _ => {
                peer.write(&format!("70 {{ {:02X}{:02X} }}", packet[2], packet[3]));
                continue;
            }
        }
        numbers.push((packet[8], u16::from_be_bytes([packet[9], packet[10]])));
    }
    numbers
}

const PUBLISHERS: u8 = 6;
const MESSAGES: u16 = 200;
