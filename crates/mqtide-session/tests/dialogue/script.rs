//! The scripted peer: packets in short form, and both machines behind a wire of bytes.

use core::time::Duration;
use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use mqtide_codec::{
    Ack, Auth, Connack, Connect, Disconnect, Framer, Packet, PacketIdentifier, Publish, QoS,
    ReasonCode, Sender, Subscribe, Subscription, TopicAlias, Unsubscribe, UserProperties, Version,
};
use mqtide_session::{
    Acceptance, Accepted, AckToken, ClientEvent, ClientSession, ClientSettings, DeliverOutcome,
    Delivery, Handshake, Instant, Message, Outgoing, ServerEvent, ServerSession, Violation,
};
use mqtide_topic::TopicName;

pub(crate) const V5: Version = Version::V5;
pub(crate) const V311: Version = Version::V311;
pub(crate) const SUCCESS: ReasonCode = ReasonCode::Success;

/// A packet as the other side reads it.
pub(crate) fn over_the_wire(packet: &Packet, version: Version, sender: Sender) -> Packet {
    let mut bytes = BytesMut::new();
    let len =
        mqtide_codec::encode(packet, version, &mut bytes).expect("the version has the packet");
    assert_eq!(len, bytes.len());
    let mut framer = Framer::new(version);
    let frame = framer
        .next_frame(&mut bytes)
        .expect("a frame")
        .expect("a whole frame");
    let options = mqtide_codec::DecodeOptions::new(version).from_sender(sender);
    mqtide_codec::decode(frame, options).expect("a packet")
}

pub(crate) fn size_of_packet(packet: &Packet, version: Version) -> usize {
    mqtide_codec::encoded_len(packet, version).expect("the version has the packet")
}

/// A packet in short form.
pub(crate) fn show(packet: &Packet) -> String {
    let kind = format!("{:?}", packet.packet_type()).to_uppercase();
    let mut text = kind;
    match packet {
        Packet::Connack(connack) => {
            show_reason(&mut text, connack.reason);
            if connack.session_present {
                text.push_str(" present");
            }
        }
        Packet::Publish(publish) => show_publish(&mut text, publish),
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            let _ = write!(text, " #{}", ack.packet_identifier);
            show_reason(&mut text, ack.reason);
            if let Some(properties) = &ack.properties {
                let _ = write!(
                    text,
                    " {:?}",
                    properties.reason_string.as_deref().unwrap_or("")
                );
                let _ = write!(text, " +{}", properties.user_properties.len());
            }
        }
        Packet::Subscribe(subscribe) => {
            let _ = write!(text, " #{}", subscribe.packet_identifier);
            for subscription in &subscribe.subscriptions {
                let _ = write!(text, " {}", subscription.filter);
            }
        }
        Packet::Suback(suback) => {
            let _ = write!(text, " #{}", suback.packet_identifier);
            show_reasons(&mut text, &suback.reasons);
        }
        Packet::Unsubscribe(unsubscribe) => {
            let _ = write!(text, " #{}", unsubscribe.packet_identifier);
        }
        Packet::Unsuback(unsuback) => {
            let _ = write!(text, " #{}", unsuback.packet_identifier);
            show_reasons(&mut text, &unsuback.reasons);
        }
        Packet::Disconnect(disconnect) => show_reason(&mut text, disconnect.reason),
        Packet::Auth(auth) => {
            let _ = write!(
                text,
                " 0x{:02X} {}",
                auth.reason.as_u8(),
                auth.authentication_method
            );
        }
        Packet::Connect(_) | Packet::Pingreq | Packet::Pingresp => {}
    }
    text
}

fn show_publish(text: &mut String, publish: &Publish) {
    let _ = write!(text, " q{}", publish.qos().bits());
    if let Some(id) = publish.packet_identifier() {
        let _ = write!(text, " #{id}");
    }
    for (flag, name) in [(publish.dup(), " dup"), (publish.retain, " retain")] {
        text.push_str(if flag { name } else { "" });
    }
    let _ = write!(
        text,
        " {}",
        publish.topic.name().map_or("-", TopicName::as_str)
    );
    if let Some(alias) = publish.topic.alias() {
        let _ = write!(text, " alias={alias}");
    }
    let Some(properties) = publish.properties.as_deref() else {
        return;
    };
    if let Some(expiry) = properties.message_expiry_interval {
        let _ = write!(text, " expiry={expiry}");
    }
    for id in &properties.subscription_identifiers {
        let _ = write!(text, " sub={id}");
    }
}

fn show_reason(text: &mut String, reason: ReasonCode) {
    if reason != ReasonCode::Success {
        let _ = write!(text, " 0x{:02X}", reason.as_u8());
    }
}

fn show_reasons(text: &mut String, reasons: &[ReasonCode]) {
    for reason in reasons {
        let _ = write!(text, " {:02X}", reason.as_u8());
    }
}

pub(crate) fn at(seconds: u64) -> Instant {
    Instant::from_micros(seconds * 1_000_000)
}

pub(crate) fn id(number: u16) -> PacketIdentifier {
    PacketIdentifier::new(number).expect("not zero")
}

pub(crate) fn alias(number: u16) -> TopicAlias {
    TopicAlias::new(number).expect("not zero")
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName::try_from(Bytes::copy_from_slice(name.as_bytes())).expect("a topic name")
}

pub(crate) fn message(name: &str) -> Message {
    Message::new(topic(name), "hi")
}

pub(crate) fn delivery(qos: QoS, name: &str) -> Delivery<Message> {
    Delivery::new(message(name), qos)
}

/// A PUBLISH; `number` is not used at QoS 0.
pub(crate) fn publish(qos: u8, number: u16, name: &str) -> Packet {
    publish_with(qos, number, name, |_| {})
}

pub(crate) fn publish_with(
    qos: u8,
    number: u16,
    name: &str,
    change: impl FnOnce(&mut Publish),
) -> Packet {
    let mut publish = Publish::new(topic(name), "hi");
    publish.delivery = match qos {
        0 => mqtide_codec::Delivery::AtMostOnce,
        1 => mqtide_codec::Delivery::AtLeastOnce {
            packet_identifier: id(number),
            dup: false,
        },
        _ => mqtide_codec::Delivery::ExactlyOnce {
            packet_identifier: id(number),
            dup: false,
        },
    };
    change(&mut publish);
    Packet::Publish(publish)
}

/// The same packet with DUP set.
pub(crate) fn again(packet: Packet) -> Packet {
    let Packet::Publish(mut publish) = packet else {
        panic!("only PUBLISH has DUP")
    };
    match &mut publish.delivery {
        mqtide_codec::Delivery::AtMostOnce => panic!("QoS 0 has no DUP"),
        mqtide_codec::Delivery::AtLeastOnce { dup, .. }
        | mqtide_codec::Delivery::ExactlyOnce { dup, .. } => *dup = true,
    }
    Packet::Publish(publish)
}

pub(crate) fn puback(number: u16) -> Packet {
    Packet::Puback(Ack::new(id(number)))
}

pub(crate) fn pubrec(number: u16) -> Packet {
    Packet::Pubrec(Ack::new(id(number)))
}

pub(crate) fn pubrel(number: u16) -> Packet {
    Packet::Pubrel(Ack::new(id(number)))
}

pub(crate) fn pubcomp(number: u16) -> Packet {
    Packet::Pubcomp(Ack::new(id(number)))
}

pub(crate) fn refusing(packet: Packet, reason: ReasonCode) -> Packet {
    match packet {
        Packet::Puback(ack) => Packet::Puback(Ack { reason, ..ack }),
        Packet::Pubrec(ack) => Packet::Pubrec(Ack { reason, ..ack }),
        other => panic!("{other:?} refuses nothing"),
    }
}

pub(crate) fn subscribe(number: u16, filters: &[&str]) -> Packet {
    let one = |filter: &&str| Subscription::new(filter.to_string(), QoS::ExactlyOnce);
    Packet::Subscribe(Subscribe::new(
        id(number),
        filters.iter().map(one).collect(),
    ))
}

pub(crate) fn unsubscribe(number: u16, filters: &[&str]) -> Packet {
    let filters = filters.iter().map(|filter| (*filter).into()).collect();
    Packet::Unsubscribe(Unsubscribe::new(id(number), filters))
}

pub(crate) fn disconnect(reason: ReasonCode) -> Packet {
    Packet::Disconnect(Disconnect::new(reason))
}

pub(crate) fn auth(reason: ReasonCode, method: &str) -> Packet {
    Packet::Auth(Box::new(Auth::new(reason, method.to_string())))
}

pub(crate) fn connack(session_present: bool) -> Packet {
    Packet::Connack(Connack::accepted(session_present))
}

pub(crate) fn user_properties(count: usize) -> UserProperties {
    (0..count).map(|n| (format!("name {n}"), "value")).collect()
}

/// A CONNECT of MQTT 5.0 that keeps its session for a minute.
pub(crate) fn connect() -> Connect {
    lasting(60)
}

/// A CONNECT of MQTT 5.0 that keeps its session for so many seconds.
pub(crate) fn lasting(seconds: u32) -> Connect {
    let mut connect = Connect::new(V5, "c");
    connect.clean_start = false;
    connect
        .properties
        .get_or_insert_default()
        .session_expiry_interval = Some(seconds);
    connect
}

/// A CONNECT of MQTT 3.1.1.
pub(crate) fn connect_v311(clean_session: bool) -> Connect {
    let mut connect = Connect::new(V311, "c");
    connect.clean_start = clean_session;
    connect
}

/// A server session with a scripted client before it.
pub(crate) struct Server {
    pub(crate) session: ServerSession<Message>,
    pub(crate) now: Instant,
    pub(crate) version: Version,
}

/// Feeds CONNECT to a new handshake and accepts it.
pub(crate) fn accept(
    now: Instant,
    connect: Connect,
    acceptance: Acceptance,
    parked: Option<ServerSession<Message>>,
) -> Accepted<Message> {
    let handshake = Handshake::new(now, Duration::from_secs(5));
    let version = connect.version;
    let packet = over_the_wire(&connect.into(), version, Sender::Client);
    handshake
        .handle_packet(packet)
        .expect("a CONNECT")
        .accept(now, acceptance, parked)
}

impl Server {
    /// Has accepted this CONNECT, and sent its CONNACK.
    pub(crate) fn new(connect: Connect) -> Self {
        Self::with(connect, Acceptance::default())
    }

    pub(crate) fn with(connect: Connect, acceptance: Acceptance) -> Self {
        let version = connect.version;
        let session = accept(at(0), connect, acceptance, None).session;
        let mut server = Self {
            session,
            now: at(0),
            version,
        };
        assert_eq!(server.sends(), ["CONNACK"]);
        server
    }

    /// Takes in what the client says.
    pub(crate) fn hears(&mut self, packet: Packet) -> Option<ServerEvent> {
        let packet = over_the_wire(&packet, self.version, Sender::Client);
        self.session
            .handle_packet(self.now, packet)
            .expect("no violation")
    }

    /// Takes in a PUBLISH that must be answered.
    pub(crate) fn hears_publish(&mut self, packet: Packet) -> AckToken {
        match self.hears(packet) {
            Some(ServerEvent::Publish(received)) => received.ack.expect("an acknowledged QoS"),
            other => panic!("{other:?} is no message"),
        }
    }

    /// Takes in what the client must not say.
    pub(crate) fn rejects(&mut self, packet: Packet) -> Violation {
        let packet = over_the_wire(&packet, self.version, Sender::Client);
        self.session
            .handle_packet(self.now, packet)
            .expect_err("a violation")
    }

    pub(crate) fn completes(&mut self, token: AckToken) {
        self.session
            .complete(token, SUCCESS, None)
            .expect("a reason that fits");
    }

    pub(crate) fn delivers(&mut self, qos: QoS, name: &str) -> DeliverOutcome {
        self.session.deliver(delivery(qos, name))
    }

    pub(crate) fn packets(&mut self) -> Vec<Packet> {
        let (session, now, version) = (&mut self.session, self.now, self.version);
        let outgoing = core::iter::from_fn(|| session.poll_transmit(now));
        outgoing
            .map(|outgoing| over_the_wire(&outgoing.into_packet(), version, Sender::Server))
            .collect()
    }

    /// Everything the server says now.
    pub(crate) fn sends(&mut self) -> Vec<String> {
        self.packets().iter().map(show).collect()
    }

    /// The connection breaks and the client comes back at once with the same CONNECT.
    pub(crate) fn reconnects(self, connect: Connect) -> Self {
        self.reconnects_with(connect, Acceptance::default())
    }

    pub(crate) fn reconnects_with(mut self, connect: Connect, acceptance: Acceptance) -> Self {
        let _ = self.session.handle_disconnected(self.now);
        let version = connect.version;
        let session = accept(self.now, connect, acceptance, Some(self.session)).session;
        Self {
            session,
            now: self.now,
            version,
        }
    }
}

/// A client session with a scripted server before it.
pub(crate) struct Client {
    pub(crate) session: ClientSession<Message>,
    pub(crate) now: Instant,
    pub(crate) version: Version,
}

impl Client {
    /// Has connected with this CONNECT; the server answered without limits.
    pub(crate) fn new(connect: Connect) -> Self {
        Self::with(connect, Connack::accepted(false))
    }

    pub(crate) fn with(connect: Connect, connack: Connack) -> Self {
        Self::with_settings(connect, connack, ClientSettings::default())
    }

    pub(crate) fn with_settings(
        connect: Connect,
        connack: Connack,
        settings: ClientSettings,
    ) -> Self {
        let mut client = Self::offline(settings);
        client.connects(connect, connack);
        assert!(matches!(client.event(), Some(ClientEvent::Connected(_))));
        client
    }

    pub(crate) fn offline(settings: ClientSettings) -> Self {
        Self {
            session: ClientSession::new(settings),
            now: at(0),
            version: V5,
        }
    }

    /// Says CONNECT, and hears CONNACK.
    pub(crate) fn connects(&mut self, connect: Connect, connack: Connack) {
        self.dials(connect);
        assert_eq!(self.sends(), ["CONNECT"]);
        self.hears(Packet::Connack(connack));
    }

    /// Stands before its CONNECT.
    pub(crate) fn dials(&mut self, connect: Connect) {
        self.version = connect.version;
        self.session
            .handle_connected(self.now, connect)
            .expect("no connection before");
    }

    pub(crate) fn hears(&mut self, packet: Packet) {
        let packet = over_the_wire(&packet, self.version, Sender::Server);
        self.session
            .handle_packet(self.now, packet)
            .expect("no violation");
    }

    pub(crate) fn rejects(&mut self, packet: Packet) -> Violation {
        let packet = over_the_wire(&packet, self.version, Sender::Server);
        self.session
            .handle_packet(self.now, packet)
            .expect_err("a violation")
    }

    pub(crate) fn hears_publish(&mut self, packet: Packet) -> AckToken {
        self.hears(packet);
        match self.event() {
            Some(ClientEvent::Publish(received)) => received.ack.expect("an acknowledged QoS"),
            other => panic!("{other:?} is no message"),
        }
    }

    pub(crate) fn completes(&mut self, token: AckToken) {
        self.session
            .complete(token, SUCCESS, None)
            .expect("a reason that fits");
    }

    pub(crate) fn publishes(&mut self, qos: QoS, name: &str) -> mqtide_session::Operation {
        self.session
            .publish(self.now, delivery(qos, name))
            .expect("taken")
    }

    pub(crate) fn event(&mut self) -> Option<ClientEvent> {
        self.session.poll_event()
    }

    pub(crate) fn events(&mut self) -> Vec<ClientEvent> {
        core::iter::from_fn(|| self.session.poll_event()).collect()
    }

    pub(crate) fn packets(&mut self) -> Vec<Packet> {
        let (session, now, version) = (&mut self.session, self.now, self.version);
        let outgoing = core::iter::from_fn(|| session.poll_transmit(now));
        outgoing
            .map(|outgoing: Outgoing<Message>| {
                over_the_wire(&outgoing.into_packet(), version, Sender::Client)
            })
            .collect()
    }

    pub(crate) fn sends(&mut self) -> Vec<String> {
        self.packets().iter().map(show).collect()
    }

    /// The connection breaks, and the next one finds the session present or not.
    pub(crate) fn reconnects(&mut self, connect: Connect, session_present: bool) {
        self.session.handle_disconnected();
        self.connects(connect, Connack::accepted(session_present));
    }
}
