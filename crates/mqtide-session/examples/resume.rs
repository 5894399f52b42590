//! A connection breaks in the middle of a QoS 2 flow, and the next one finishes it: the message
//! arrives once.
//!
//! ```text
//! cargo run -p mqtide-session --example resume
//! ```

use core::time::Duration;
use std::error::Error;

use bytes::BytesMut;
use mqtide_codec::{Connect, Framer, Packet, QoS, ReasonCode, Version};
use mqtide_session::{
    Acceptance, ClientEvent, ClientSession, ClientSettings, Delivery, Handshake, Instant, Message,
    Outgoing, ServerEvent, ServerSession,
};
use mqtide_topic::TopicName;

/// What has left one side and not reached the other.
struct Pipe(&'static str, BytesMut);

impl Pipe {
    fn write(&mut self, outgoing: Outgoing<Message>) -> Result<(), Box<dyn Error>> {
        let packet = outgoing.into_packet();
        say(&format!("{} {:?}", self.0, packet.packet_type()));
        mqtide_codec::encode(&packet, Version::V5, &mut self.1)?;
        Ok(())
    }

    fn read(&mut self) -> Result<Option<Packet>, Box<dyn Error>> {
        match Framer::new(Version::V5).next_frame(&mut self.1)? {
            Some(frame) => Ok(Some(mqtide_codec::decode(frame, Version::V5)?)),
            None => Ok(None),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut client = ClientSession::<Message>::new(ClientSettings::default());
    let message = Message::new(TopicName::from_static("orders"), "one coffee");
    let order = client.publish(at(0), Delivery::new(message, QoS::ExactlyOnce))?;

    let mut orders = 0;
    let mut parked = None;
    for (second, packets_until_the_break) in [(0, 2), (10, usize::MAX)] {
        say(&format!("-- a connection at {second} s"));
        let now = at(second);
        let session = connection(
            now,
            &mut client,
            parked,
            packets_until_the_break,
            &mut orders,
        )?;
        while let Some(event) = client.poll_event() {
            if let ClientEvent::Settled(operation, outcome) = event {
                assert_eq!(operation, order);
                say(&format!("the order is settled: {outcome:?}"));
            }
        }
        parked = Some(session);
    }
    assert_eq!(orders, 1);
    assert!(client.is_settled());
    Ok(())
}

/// Drives both sides until nothing moves, or until the client has written so many packets.
fn connection(
    now: Instant,
    client: &mut ClientSession,
    parked: Option<ServerSession<Message>>,
    mut packets: usize,
    orders: &mut usize,
) -> Result<ServerSession<Message>, Box<dyn Error>> {
    let (mut up, mut down) = (
        Pipe("client:", BytesMut::new()),
        Pipe("server:", BytesMut::new()),
    );
    let mut connect = Connect::new(Version::V5, "counter 7");
    connect.clean_start = false;
    connect
        .properties
        .get_or_insert_default()
        .session_expiry_interval = Some(3600);
    client.handle_connected(now, connect)?;
    up.write(client.poll_transmit(now).ok_or("CONNECT")?)?;
    packets -= 1;
    let handshake = Handshake::new(now, Duration::from_secs(10));
    let request = handshake.handle_packet(up.read()?.ok_or("CONNECT")?)?;
    let mut server = request.accept(now, Acceptance::default(), parked).session;

    while server.has_transmit() {
        while let Some(outgoing) = server.poll_transmit(now) {
            down.write(outgoing)?;
        }
        while let Some(packet) = down.read()? {
            client.handle_packet(now, packet)?;
        }
        while packets > 0
            && let Some(outgoing) = client.poll_transmit(now)
        {
            up.write(outgoing)?;
            packets -= 1;
        }
        while let Some(packet) = up.read()? {
            if let Some(ServerEvent::Publish(message)) = server.handle_packet(now, packet)? {
                *orders += 1;
                let token = message.ack.ok_or("QoS 2 is acknowledged")?;
                server.complete(token, ReasonCode::Success, None)?;
            }
        }
        if packets == 0 {
            break;
        }
    }
    client.handle_disconnected();
    let _ = server.handle_disconnected(now);
    Ok(server)
}

fn at(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

#[allow(clippy::print_stdout, reason = "an example shows what happens")]
fn say(line: &str) {
    println!("{line}");
}
