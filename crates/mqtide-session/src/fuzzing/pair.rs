//! A client and a server under an arbitrary schedule, with a network that loses connections.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::num::NonZeroU16;
use core::time::Duration;

use ::arbitrary::{Result, Unstructured};
use mqtide_codec::{Connect, ConnectProperties, Packet, QoS, ReasonCode, Version};
use mqtide_topic::TopicName;

use crate::{
    Acceptance, AckToken, ClientEvent, ClientSession, ClientSettings, DeliverOutcome, Delivery,
    Handshake, Instant, Message, ServerEvent, ServerSession,
};

/// However two machines take turns and connections are lost: QoS 1 arrives, QoS 2 arrives once, in
/// order, neither accuses the other, and all comes to rest.
pub fn session_pair(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(mut pair) = Pair::new(&mut u) else {
        return;
    };
    while !u.is_empty() && pair.step(&mut u).is_ok() {}
    pair.finish();
}

struct Pair {
    version: Version,
    receive_maximum: [u16; 2],
    now: Instant,
    client: ClientSession<Message>,
    server: Option<ServerSession<Message>>,
    up: VecDeque<Packet>,
    down: VecDeque<Packet>,
    client_tokens: Vec<AckToken>,
    server_tokens: Vec<AckToken>,
    /// What each side has sent, and how often it arrived.
    books: [Book; 2],
}

/// The messages of one direction.
#[derive(Default)]
struct Book {
    sent: Vec<QoS>,
    arrived: BTreeMap<usize, usize>,
    newest: BTreeMap<QoS, usize>,
}

impl Pair {
    fn new(u: &mut Unstructured<'_>) -> Result<Self> {
        let mut pair = Self {
            version: *u.choose(&[Version::V5, Version::V5, Version::V311, Version::V31])?,
            receive_maximum: [u.int_in_range(1..=4)?, u.int_in_range(1..=4)?],
            now: Instant::from_micros(1),
            client: ClientSession::new(ClientSettings::default()),
            server: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            client_tokens: Vec::new(),
            server_tokens: Vec::new(),
            books: Default::default(),
        };
        pair.connect();
        Ok(pair)
    }

    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=11)? {
            0 | 1 => self.publish(qos(u)?),
            2 | 3 => self.deliver(qos(u)?),
            4 => self.write_up(u.int_in_range(1..=5)?),
            5 => self.write_down(u.int_in_range(1..=5)?),
            6 | 7 => self.read_up(),
            8 | 9 => self.read_down(),
            10 => {
                let (client, server) = (u.arbitrary()?, u.arbitrary()?);
                self.complete(client, server);
            }
            _ if u.ratio(1, 4)? => self.reconnect(),
            _ => self.now = self.now + Duration::from_millis(u.int_in_range(0..=1000)?),
        }
        Ok(())
    }

    /// Everything that is under way is lost.
    fn reconnect(&mut self) {
        self.up.clear();
        self.down.clear();
        self.client.handle_disconnected();
        if let Some(server) = &mut self.server {
            let _ = server.handle_disconnected(self.now);
        }
        self.connect();
    }

    /// Connects, up to CONNACK.
    fn connect(&mut self) {
        let connect = self.connect_packet();
        self.client
            .handle_connected(self.now, connect)
            .expect("there is no connection");
        self.write_up(1);
        let packet = self.up.pop_front().expect("CONNECT comes first");
        let handshake = Handshake::new(self.now, Duration::from_secs(1));
        let request = handshake
            .handle_packet(packet)
            .expect("CONNECT comes first");
        let mut acceptance = Acceptance::default();
        acceptance.settings.limits.receive_maximum = self.receive_maximum[1];
        acceptance.settings.limits.topic_alias_maximum = 2;
        let accepted = request.accept(self.now, acceptance, self.server.take());
        self.server = Some(accepted.session);
        self.write_down(1);
        self.read_down();
        assert!(self.client.is_online());
    }

    fn connect_packet(&self) -> Connect {
        let mut connect = Connect::new(self.version, "fuzzed");
        connect.clean_start = self.version == Version::V5 && self.server.is_none();
        if self.version == Version::V5 {
            connect.properties = Some(Box::new(ConnectProperties {
                session_expiry_interval: Some(u32::MAX),
                receive_maximum: NonZeroU16::new(self.receive_maximum[0]),
                topic_alias_maximum: Some(2),
                ..ConnectProperties::default()
            }));
        }
        connect
    }

    fn publish(&mut self, qos: QoS) {
        let delivery = self.books[0].next(qos);
        self.client
            .publish(self.now, delivery)
            .expect("the queue has room");
        self.books[0].sent.push(qos);
    }

    fn deliver(&mut self, qos: QoS) {
        let delivery = self.books[1].next(qos);
        let outcome = self.server.as_mut().map(|server| server.deliver(delivery));
        assert!(
            matches!(outcome, Some(DeliverOutcome::Queued { .. })),
            "{outcome:?}"
        );
        self.books[1].sent.push(qos);
    }

    fn write_up(&mut self, packets: usize) {
        for _ in 0..packets {
            let outgoing = self.client.poll_transmit(self.now);
            self.up
                .extend(outgoing.map(|outgoing| outgoing.into_packet()));
        }
    }

    fn write_down(&mut self, packets: usize) {
        for _ in 0..packets {
            let outgoing = self
                .server
                .as_mut()
                .and_then(|server| server.poll_transmit(self.now));
            self.down
                .extend(outgoing.map(|outgoing| outgoing.into_packet()));
        }
    }

    fn read_up(&mut self) {
        let (Some(server), Some(packet)) = (&mut self.server, self.up.pop_front()) else {
            return;
        };
        let event = server
            .handle_packet(self.now, packet)
            .expect("the client keeps the rules");
        if let Some(ServerEvent::Publish(received)) = event {
            self.books[0].arrive(&received.publish.payload);
            self.server_tokens.extend(received.ack);
        }
    }

    fn read_down(&mut self) {
        let Some(packet) = self.down.pop_front() else {
            return;
        };
        let taken = self.client.handle_packet(self.now, packet);
        taken.expect("the server keeps the rules");
        while let Some(event) = self.client.poll_event() {
            if let ClientEvent::Publish(received) = event {
                self.books[1].arrive(&received.publish.payload);
                self.client_tokens.extend(received.ack);
            }
        }
    }

    /// Completes a message of each side, in any order.
    fn complete(&mut self, client: usize, server: usize) {
        if let Some(token) = take(&mut self.client_tokens, client) {
            let done = self.client.complete(token, ReasonCode::Success, None);
            done.expect("success is allowed");
        }
        if let (Some(token), Some(session)) =
            (take(&mut self.server_tokens, server), &mut self.server)
        {
            let done = session.complete(token, ReasonCode::Success, None);
            done.expect("success is allowed");
        }
    }

    fn is_quiet(&self) -> bool {
        let server = self.server.as_ref();
        let busy = server.is_some_and(|server| server.queued() + server.in_flight() > 0);
        !busy && self.client.is_settled() && self.up.is_empty() && self.down.is_empty()
    }

    /// Leaves both in peace, and judges.
    fn finish(&mut self) {
        for _ in 0..ROUNDS {
            self.write_up(1);
            self.write_down(1);
            self.read_up();
            self.read_down();
            self.complete(0, 0);
            if self.is_quiet() {
                break;
            }
        }
        let server = self.server.as_ref().expect("it was connected");
        assert!(self.client.is_settled(), "the client does not come to rest");
        assert_eq!((server.queued(), server.in_flight()), (0, 0));
        assert!(server.export().session.held.is_empty(), "identifiers leak");
        self.books.iter().for_each(Book::judge);
    }
}

impl Book {
    fn next(&self, qos: QoS) -> Delivery<Message> {
        let number = u32::try_from(self.sent.len()).expect("there are few");
        let message = Message::new(TopicName::from_static("t"), number.to_be_bytes().to_vec());
        Delivery::new(message, qos)
    }

    fn arrive(&mut self, payload: &[u8]) {
        let number = payload.try_into().map(u32::from_be_bytes);
        let number = number.expect("a payload is a number") as usize;
        let qos = self.sent[number];
        let times = self.arrived.entry(number).or_default();
        *times += 1;
        if *times == 1 {
            let newest = self.newest.insert(qos, number);
            assert!(
                newest.is_none_or(|newest| newest < number),
                "{number} comes late"
            );
        }
    }

    fn judge(&self) {
        for (number, qos) in self.sent.iter().enumerate() {
            let times = self.arrived.get(&number).copied().unwrap_or(0);
            let lawful = match qos {
                QoS::AtMostOnce => times <= 1,
                QoS::AtLeastOnce => times >= 1,
                QoS::ExactlyOnce => times == 1,
            };
            assert!(lawful, "{number} of {qos:?} arrived {times} times");
        }
    }
}

fn take(tokens: &mut Vec<AckToken>, at: usize) -> Option<AckToken> {
    let at = at.checked_rem(tokens.len())?;
    Some(tokens.remove(at))
}

fn qos(u: &mut Unstructured<'_>) -> Result<QoS> {
    u.choose(&[QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
        .copied()
}

/// More than any input can ask for: a byte makes at most one message, and a message takes four packets.
const ROUNDS: usize = 20_000;
