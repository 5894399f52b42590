//! Dialogues that the files of `tests/wire` cannot tell: with loops, threads, and values that the broker chooses.

mod common;

use std::net::SocketAddr;
use std::thread;

use mqtide_broker::Broker;
use mqtide_testkit::notation::{bytes, push_variable_byte_integer};
use mqtide_testkit::raw::Peer;

use common::Running;

fn running() -> Running {
    Running::start(Broker::builder())
}

fn client(broker: SocketAddr, identifier: &str) -> Peer {
    let mut peer = Peer::opening(
        broker,
        &format!("10 {{ \"MQTT\" 05 02 003C {{}} \"{identifier}\" }}"),
    );
    peer.expect("20 { 00 00 ** }");
    peer
}

/// The value of a property of a CONNACK that holds a string.
fn assigned_identifier(connack: &[u8]) -> String {
    let properties = &connack[5..];
    let at = properties
        .iter()
        .position(|byte| *byte == 0x12)
        .expect("an Assigned Client Identifier");
    let length = usize::from(u16::from_be_bytes([properties[at + 1], properties[at + 2]]));
    String::from_utf8(properties[at + 3..at + 3 + length].to_vec()).expect("UTF-8")
}

/// MQTT-3.1.3-7, MQTT-3.1.3-6, MQTT-3.2.2-16
#[test]
fn the_assigned_identifier_is_unique_and_resumes_the_session() {
    let broker = running();
    let connect = "10 { \"MQTT\" 05 00 003C { 11 u32:60 } \"\" }";
    // 0x12 stands before any value that could hold the same byte: other properties are told by their order.
    let mut peer = Peer::opening(broker.tcp(), connect);
    let first = assigned_identifier(&peer.expect("20 { 00 00 { ** 12 [ ** ] ** } }"));
    let mut other = Peer::opening(broker.tcp(), connect);
    let second = assigned_identifier(&other.expect("20 { 00 00 { ** 12 [ ** ] ** } }"));
    assert!(!first.is_empty() && first != second, "{first} and {second}");
    peer.write("E0 00");
    peer.expect_closed();
    let resume = format!("10 {{ \"MQTT\" 05 00 003C {{ 11 u32:60 }} \"{first}\" }}");
    Peer::opening(broker.tcp(), &resume).expect("20 { 01 00 ** }");
}

/// MQTT-3.8.4-4, MQTT-3.8.4-3, v3.1.1 MQTT-3.8.4-3
#[test]
fn subscribing_again_and_again_loses_nothing() {
    let broker = running();
    let mut subscriber = client(broker.tcp(), "subscriber");
    subscriber.write("82 { 0001 {} \"gapless\" 01 }");
    subscriber.expect("90 { 0001 ** }");
    let address = broker.tcp();
    let publishing = thread::spawn(move || {
        let mut publisher = client(address, "publisher");
        for sequence in 0..MESSAGES {
            publisher.write(&format!("32 {{ \"gapless\" 0001 {{}} '{sequence}' }}"));
            publisher.expect("40 02 0001");
        }
    });
    let mut next = 0;
    while next < MESSAGES {
        subscriber.write(&format!("82 {{ 0002 {{}} \"gapless\" 0{} }}", 1 + next % 2));
        loop {
            let packet = subscriber.packet();
            if packet[0] == 0x90 {
                break;
            }
            next = take_in_order(&mut subscriber, &packet, next);
        }
    }
    publishing.join().expect("the publisher is content");
    subscriber.expect_alive();
}

/// MQTT-4.6.0-5, MQTT-4.6.0-6, v3.1.1 MQTT-4.6.0-6
#[test]
fn many_publishers_keep_their_order_each() {
    let broker = running();
    let mut subscriber = client(broker.tcp(), "subscriber");
    subscriber.write("82 { 0001 {} \"ordered/+\" 01 }");
    subscriber.expect("90 { 0001 ** }");
    let address = broker.tcp();
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|number| {
            thread::spawn(move || {
                let mut publisher = client(address, &format!("publisher{number}"));
                for first in (0..MESSAGES).step_by(100) {
                    let block: String = (first..first + 100)
                        .map(|sequence| {
                            format!(
                                "32 {{ \"ordered/{number}\" u16:{} {{}} '{sequence}' }} ",
                                sequence + 1
                            )
                        })
                        .collect();
                    publisher.write(&block);
                    for sequence in first..first + 100 {
                        publisher.expect(&format!("40 {{ u16:{} ** }}", sequence + 1));
                    }
                }
            })
        })
        .collect();
    let mut next = [0; PUBLISHERS];
    for _ in 0..PUBLISHERS * MESSAGES {
        let packet = subscriber.packet();
        let at = packet
            .windows(8)
            .position(|window| window == b"ordered/")
            .expect("a topic of ours")
            + 8;
        let number = usize::from(packet[at] - b'0');
        next[number] = take_in_order(&mut subscriber, &packet, next[number]);
    }
    publishers
        .into_iter()
        .for_each(|publisher| publisher.join().expect("the publisher is content"));
}

/// MQTT-4.7.3-3, v3.1.1 MQTT-4.7.3-3
#[test]
fn a_topic_of_65535_bytes() {
    let broker = running();
    let mut peer = client(broker.tcp(), "long");
    peer.write("82 { 0001 {} \"+\" 00 }");
    peer.expect("90 { 0001 ** }");
    peer.write("30 { [ 'x'*65535 ] {} 'y' }");
    peer.expect("30 { [ 'x'*65535 ] {} 'y' }");
}

/// MQTT-4.2.0-1, v3.1.1 MQTT-7.1.1-1
#[test]
fn ten_mebibytes_pass() {
    let broker = running();
    let mut peer = client(broker.tcp(), "large");
    peer.write("82 { 0001 {} \"large\" 01 }");
    peer.expect("90 { 0001 ** }");
    let address = broker.tcp();
    let publishing = thread::spawn(move || {
        let mut publisher = client(address, "publisher");
        let head = bytes("\"large\" 0001 {}").expect("notation");
        let mut publish = vec![0x32];
        push_variable_byte_integer(&mut publish, head.len() + LARGE);
        publish.extend(head);
        publish.resize(publish.len() + LARGE, b'x');
        publisher.send(&publish).expect("sent");
        publisher.expect("40 02 0001");
    });
    let packet = peer.packet();
    assert_eq!(packet.len(), 1 + 4 + 2 + 5 + 2 + 1 + LARGE);
    publishing.join().expect("the publisher is content");
}

/// The broker listens on IPv6 as well.
#[test]
fn ipv6() {
    let broker =
        Running::start(Broker::builder().listen("mqtt://[::1]:0".parse().expect("an address")));
    let mut peer = client(broker.tcp_v6(), "six");
    peer.expect_alive();
}

/// Takes a PUBLISH of QoS 1 or 2 whose payload is its number, acknowledges it as QoS 1, and tells the next number.
fn take_in_order(peer: &mut Peer, packet: &[u8], next: usize) -> usize {
    assert_eq!(packet[0], 0x32, "{packet:02X?}");
    let digits = packet
        .iter()
        .rev()
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let (head, payload) = packet.split_at(packet.len() - digits);
    let sequence: usize = String::from_utf8_lossy(payload).parse().expect("a number");
    assert_eq!(sequence, next);
    // Identifier and an empty property length stand before the payload.
    let id = &head[head.len() - 3..head.len() - 1];
    peer.send(&[0x40, 2, id[0], id[1]]).expect("sent");
    next + 1
}

const LARGE: usize = 10 * 1024 * 1024;

const MESSAGES: usize = 1000;

const PUBLISHERS: usize = 4;
