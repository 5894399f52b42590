//! MQTT over WebSocket: MQTT 5.0 §6, with frames made by hand.

mod common;

use std::time::{Duration, Instant};

use mqtide_broker::Broker;
use mqtide_testkit::notation::bytes;
use mqtide_testkit::raw::{PATIENCE, Peer};
use mqtide_testkit::websocket::{Frame, WebSocket};

use common::Running;

fn running() -> Running {
    Running::start(Broker::builder())
}

fn connect(client: &str) -> Vec<u8> {
    bytes(&format!("10 {{ \"MQTT\" 04 02 003C \"{client}\" }}")).expect("notation")
}

const CONNACK: [u8; 4] = [0x20, 0x02, 0x00, 0x00];
const PINGREQ: [u8; 2] = [0xC0, 0x00];
const PINGRESP: [u8; 2] = [0xD0, 0x00];

/// MQTT-6.0.0-1, v3.1.1 MQTT-6.0.0-1
#[test]
fn a_text_frame_ends_the_connection() {
    let broker = running();
    let mut socket = WebSocket::mqtt(broker.websocket());
    socket.send(true, 1, &connect("text")).expect("sent");
    assert_eq!(socket.expect_closed(), Some(1003));
    let mut socket = WebSocket::mqtt(broker.websocket());
    socket.binary(&connect("text"));
    socket.expect_bytes(&CONNACK);
    socket.send(true, 1, b"hello").expect("sent");
    assert_eq!(socket.expect_closed(), Some(1003));
}

/// MQTT-6.0.0-1: control frames are not MQTT.
#[test]
fn a_ping_is_answered_by_the_same_pong() {
    let broker = running();
    let mut socket = WebSocket::mqtt(broker.websocket());
    socket.binary(&connect("ping"));
    socket.expect_bytes(&CONNACK);
    socket.send(true, 9, b"are you there").expect("sent");
    assert_eq!(
        socket.frame(),
        Some(Frame {
            opcode: 10,
            payload: b"are you there".to_vec()
        })
    );
    socket.send(true, 10, b"unasked").expect("sent");
    socket.binary(&PINGREQ);
    socket.expect_bytes(&PINGRESP);
}

/// MQTT-6.0.0-2, v3.1.1 MQTT-6.0.0-2
#[test]
fn packets_are_split_over_frames() {
    let broker = running();
    let mut socket = WebSocket::mqtt(broker.websocket());
    for byte in connect("split") {
        socket.binary(&[byte]);
    }
    socket.expect_bytes(&CONNACK);
    for byte in PINGREQ {
        socket.binary(&[byte]);
        socket.binary(&[]);
    }
    socket.expect_bytes(&PINGRESP);
}

/// MQTT-6.0.0-2, v3.1.1 MQTT-6.0.0-2
#[test]
fn packets_are_merged_in_a_frame() {
    let broker = running();
    let mut socket = WebSocket::mqtt(broker.websocket());
    let all = [
        connect("merged"),
        PINGREQ.to_vec(),
        PINGREQ.to_vec(),
        PINGREQ[..1].to_vec(),
    ]
    .concat();
    socket.binary(&all);
    socket.expect_bytes(&[CONNACK.as_slice(), &PINGRESP, &PINGRESP].concat());
    socket.binary(&PINGREQ[1..]);
    socket.expect_bytes(&PINGRESP);
}

/// MQTT-6.0.0-2, v3.1.1 MQTT-6.0.0-2
#[test]
fn a_message_of_fragments_with_a_ping_between_them() {
    let broker = running();
    let mut socket = WebSocket::mqtt(broker.websocket());
    let packet = connect("fragments");
    socket.send(false, 2, &packet[..3]).expect("sent");
    socket.send(true, 9, b"").expect("sent");
    socket.send(false, 0, &packet[3..7]).expect("sent");
    socket.send(true, 0, &packet[7..]).expect("sent");
    assert_eq!(
        socket.frame(),
        Some(Frame {
            opcode: 10,
            payload: Vec::new()
        })
    );
    socket.expect_bytes(&CONNACK);
}

/// MQTT-6.0.0-3, MQTT-6.0.0-4, v3.1.1 MQTT-6.0.0-3, v3.1.1 MQTT-6.0.0-4
#[test]
fn the_sub_protocol_is_selected() {
    let broker = running();
    let (_, head) =
        WebSocket::connect(broker.websocket(), "/mqtt", Some("foo, mqtt")).expect("answered");
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    assert!(
        head.to_ascii_lowercase()
            .contains("sec-websocket-protocol: mqtt\r\n"),
        "{head}"
    );
}

/// MQTT-6.0.0-3, v3.1.1 MQTT-6.0.0-3: a client that offers no sub-protocol, or others, is refused.
#[test]
fn without_the_sub_protocol_there_is_no_connection() {
    let broker = running();
    for offer in [None, Some("foo")] {
        let (_, head) = WebSocket::connect(broker.websocket(), "/mqtt", offer).expect("answered");
        assert!(head.starts_with("HTTP/1.1 4"), "{offer:?}: {head}");
    }
}

#[test]
fn another_path_is_not_found() {
    let broker = running();
    let (_, head) =
        WebSocket::connect(broker.websocket(), "/elsewhere", Some("mqtt")).expect("answered");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}

/// MQTT-4.2.0-1, v3.1.1 MQTT-7.1.1-1: both transports meet in one broker.
#[test]
fn messages_cross_between_tcp_and_websocket() {
    let broker = running();
    let mut tcp = Peer::opening(broker.tcp(), "10 { \"MQTT\" 04 02 003C \"tcp\" }");
    tcp.expect("20 02 00 00");
    tcp.write("82 { 0001 \"cross/+\" 00 }");
    tcp.expect("90 03 0001 00");
    let mut socket = WebSocket::mqtt(broker.websocket());
    socket.binary(&connect("ws"));
    socket.expect_bytes(&CONNACK);
    socket.binary(&bytes("82 { 0001 \"cross/+\" 00 }").expect("notation"));
    socket.expect_bytes(&[0x90, 3, 0, 1, 0]);
    let message = bytes("30 { \"cross/a\" ('x'*70000) }").expect("notation");
    socket.binary(&message);
    socket.expect_bytes(&message);
    tcp.expect("30 { \"cross/a\" ('x'*70000) }");
}

/// MQTT-3.1.2-22: WebSocket pings are no MQTT packets and keep no connection alive.
#[test]
fn pings_of_websocket_do_not_restart_the_keep_alive() {
    let broker = running();
    let mut socket = WebSocket::mqtt(broker.websocket());
    socket.binary(&bytes("10 { \"MQTT\" 04 02 0001 \"ping\" }").expect("notation"));
    socket.expect_bytes(&CONNACK);
    let begun = Instant::now();
    while socket.send(true, 9, b"").is_ok()
        && let Some(Frame { opcode: 10, .. }) = socket.frame()
    {
        assert!(begun.elapsed() < PATIENCE, "the connection stays");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(begun.elapsed() > Duration::from_secs(1));
}

/// MQTT-6.0.0-1: the end of the WebSocket without DISCONNECT fires the will.
#[test]
fn a_close_frame_without_disconnect_publishes_the_will() {
    let broker = running();
    let mut watcher = Peer::opening(
        broker.tcp(),
        "10 { \"MQTT\" 04 02 003C \"watcher\" } 82 { 0001 \"will\" 00 }",
    );
    watcher.expect("20 02 00 00");
    watcher.expect("90 03 0001 00");
    let mut socket = WebSocket::mqtt(broker.websocket());
    socket.binary(&bytes("10 { \"MQTT\" 04 06 003C \"ws\" \"will\" \"gone\" }").expect("notation"));
    socket.expect_bytes(&CONNACK);
    socket.send(true, 8, &1000_u16.to_be_bytes()).expect("sent");
    assert_eq!(socket.expect_closed(), Some(1000));
    watcher.expect("30 { \"will\" 'gone' }");
}

/// A frame that announces more than any packet may have.
#[test]
fn a_frame_beyond_the_packet_size_ends_the_connection() {
    use std::io::Write;

    let broker = running();
    let mut socket = WebSocket::mqtt(broker.websocket());
    let announced = [
        0x82, 0xFF, 0, 0, 1, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56, 0x78, 0x10,
    ];
    socket.stream().write_all(&announced).expect("sent");
    socket.expect_closed();
}

/// Frames of clients must be masked (RFC 6455 §5.1).
#[test]
fn an_unmasked_frame_ends_the_connection() {
    use std::io::Write;

    let broker = running();
    let mut socket = WebSocket::mqtt(broker.websocket());
    socket
        .stream()
        .write_all(&[0x82, 0x02, 0xC0, 0x00])
        .expect("sent");
    socket.expect_closed();
}

/// A header without end is not kept.
#[test]
fn a_flood_of_headers_ends_the_connection() {
    use std::io::Write;
    use std::net::TcpStream;

    let broker = running();
    let mut stream = TcpStream::connect(broker.websocket()).expect("connected");
    stream
        .write_all(b"GET /mqtt HTTP/1.1\r\nHost: x\r\n")
        .expect("sent");
    let header = format!("X-Filler: {}\r\n", "x".repeat(8000));
    let sent = (0..2000)
        .take_while(|_| stream.write_all(header.as_bytes()).is_ok())
        .count();
    assert!(sent < 2000, "16 MiB of headers were taken");
}
