//! Both machines against each other under any schedule: packets move one by one, owners complete
//! late and out of order, connections break anywhere. Afterwards everything comes to rest, and the
//! promises of each QoS were kept.

use std::collections::{BTreeMap, VecDeque};

use mqtide_codec::{Connack, Packet, QoS, Sender};
use mqtide_session::{
    Acceptance, AckToken, ClientEvent, ClientSession, ClientSettings, Message, Operation, Outcome,
    ServerEvent, ServerSession,
};
use proptest::prelude::*;

use crate::script::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish(u8),
    Deliver(u8),
    /// The client, or the server, writes one packet.
    Write(Sender),
    /// The client, or the server, reads one packet.
    Read(Sender),
    /// The owner of that side completes one of its tokens.
    Complete(Sender, u8),
    Cut,
    Connect,
}

fn step() -> impl Strategy<Value = Step> {
    let side = || prop_oneof![Just(Sender::Client), Just(Sender::Server)];
    prop_oneof![
        3 => (0u8..3).prop_map(Step::Publish),
        3 => (0u8..3).prop_map(Step::Deliver),
        8 => side().prop_map(Step::Write),
        8 => side().prop_map(Step::Read),
        4 => (side(), any::<u8>()).prop_map(|(side, which)| Step::Complete(side, which)),
        1 => Just(Step::Cut),
        2 => Just(Step::Connect),
    ]
}

/// One direction: what was handed over, and what came out.
#[derive(Default)]
struct Ledger {
    sent: Vec<(QoS, String)>,
    arrived: Vec<String>,
    tokens: Vec<AckToken>,
}

impl Ledger {
    fn next(&mut self, qos: u8) -> (QoS, String) {
        let qos = QoS::from_bits(qos).unwrap();
        self.sent.push((qos, format!("m/{}", self.sent.len())));
        self.sent.last().unwrap().clone()
    }

    fn take(&mut self, received: mqtide_session::ReceivedPublish) {
        self.arrived
            .push(received.publish.topic.name().unwrap().as_str().to_string());
        self.tokens.extend(received.ack);
    }

    fn check(&self) {
        for (qos, name) in &self.sent {
            let times = self
                .arrived
                .iter()
                .filter(|arrived| *arrived == name)
                .count();
            match qos {
                QoS::AtMostOnce => assert!(times <= 1, "{name} of QoS 0 came {times} times"),
                QoS::AtLeastOnce => assert!(times >= 1, "{name} of QoS 1 was lost"),
                QoS::ExactlyOnce => assert_eq!(times, 1, "{name} of QoS 2"),
            }
        }
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let ours = self
                .sent
                .iter()
                .filter(|(q, _)| *q == qos)
                .map(|(_, name)| name);
            let mut seen = Vec::new();
            for name in self
                .arrived
                .iter()
                .filter(|a| self.sent.contains(&(qos, (*a).clone())))
            {
                if !seen.contains(&name) {
                    seen.push(name);
                }
            }
            assert!(
                seen.into_iter().eq(ours),
                "{qos}: first arrivals are out of order"
            );
        }
    }
}

struct Pair {
    client: ClientSession<Message>,
    server: Option<ServerSession<Message>>,
    up: VecDeque<Packet>,
    down: VecDeque<Packet>,
    to_server: Ledger,
    to_client: Ledger,
    settled: BTreeMap<Operation, u32>,
    operations: Vec<Operation>,
    connected: bool,
}

impl Pair {
    fn new() -> Self {
        Self {
            client: ClientSession::new(ClientSettings::default()),
            server: None,
            up: VecDeque::new(),
            down: VecDeque::new(),
            to_server: Ledger::default(),
            to_client: Ledger::default(),
            settled: BTreeMap::new(),
            operations: Vec::new(),
            connected: false,
        }
    }

    fn connect(&mut self) {
        if self.connected {
            return;
        }
        let mut connect = lasting(u32::MAX);
        let properties = connect.properties.as_mut().unwrap();
        properties.receive_maximum = 3.try_into().ok();
        properties.topic_alias_maximum = Some(2);
        self.client
            .handle_connected(at(0), connect.clone())
            .unwrap();
        assert!(self.client.poll_transmit(at(0)).is_some());
        let mut acceptance = Acceptance::default();
        acceptance.settings.limits.receive_maximum = 2;
        acceptance.settings.limits.topic_alias_maximum = 3;
        let session = accept(at(0), connect, acceptance, self.server.take()).session;
        self.server = Some(session);
        self.connected = true;
    }

    fn cut(&mut self) {
        self.up.clear();
        self.down.clear();
        self.client.handle_disconnected();
        if let Some(server) = &mut self.server {
            let _ = server.handle_disconnected(at(0));
        }
        self.connected = false;
        self.events();
    }

    fn events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                ClientEvent::Publish(received) => self.to_client.take(received),
                ClientEvent::Settled(operation, outcome) => {
                    assert!(matches!(
                        outcome,
                        Outcome::Delivered(_) | Outcome::Dropped(_)
                    ));
                    *self.settled.entry(operation).or_default() += 1;
                }
                ClientEvent::Connected(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Whether something happened.
    fn run(&mut self, step: Step) -> bool {
        let happened = match step {
            Step::Publish(qos) => {
                let waits = self.client.is_online() || qos > 0;
                if waits {
                    let (qos, name) = self.to_server.next(qos);
                    let operation = self.client.publish(at(0), delivery(qos, &name));
                    self.operations.push(operation.unwrap());
                }
                waits
            }
            Step::Deliver(qos) => self.server.as_mut().is_some_and(|server| {
                let (qos, name) = self.to_client.next(qos);
                let _ = server.deliver(delivery(qos, &name));
                true
            }),
            Step::Write(Sender::Client) => {
                let outgoing = self.client.poll_transmit(at(0));
                let packet = outgoing.map(|outgoing| outgoing.into_packet());
                packet.map(|packet| self.up.push_back(packet)).is_some()
            }
            Step::Write(Sender::Server) => {
                let outgoing = self
                    .server
                    .as_mut()
                    .and_then(|server| server.poll_transmit(at(0)));
                let packet = outgoing.map(|outgoing| outgoing.into_packet());
                packet.map(|packet| self.down.push_back(packet)).is_some()
            }
            Step::Read(side) => self.read(side),
            Step::Complete(side, which) => self.complete(side, which),
            Step::Cut => {
                self.cut();
                true
            }
            Step::Connect => {
                self.connect();
                true
            }
        };
        self.events();
        happened
    }

    fn read(&mut self, side: Sender) -> bool {
        match side {
            Sender::Client => {
                let Some(packet) = self.down.pop_front() else {
                    return false;
                };
                let packet = over_the_wire(&packet, V5, Sender::Server);
                self.client
                    .handle_packet(at(0), packet)
                    .expect("the server keeps the rules");
            }
            Sender::Server => {
                let Some(packet) = self.up.pop_front() else {
                    return false;
                };
                let packet = over_the_wire(&packet, V5, Sender::Client);
                let server = self.server.as_mut().unwrap();
                let event = server.handle_packet(at(0), packet);
                if let Some(ServerEvent::Publish(received)) =
                    event.expect("the client keeps the rules")
                {
                    self.to_server.take(received);
                }
            }
        }
        true
    }

    fn complete(&mut self, side: Sender, which: u8) -> bool {
        let ledger = match side {
            Sender::Client => &mut self.to_client,
            Sender::Server => &mut self.to_server,
        };
        if ledger.tokens.is_empty() {
            return false;
        }
        let token = ledger
            .tokens
            .remove(usize::from(which) % ledger.tokens.len());
        match (side, &mut self.server) {
            (Sender::Client, _) => self.client.complete(token, SUCCESS, None).unwrap(),
            (Sender::Server, server) => {
                server
                    .as_mut()
                    .unwrap()
                    .complete(token, SUCCESS, None)
                    .unwrap();
            }
        }
        true
    }

    /// Lets everything happen that still can.
    fn settle(&mut self) {
        let everything = [Sender::Client, Sender::Server]
            .into_iter()
            .flat_map(|side| [Step::Write(side), Step::Read(side), Step::Complete(side, 0)]);
        let everything: Vec<_> = everything.collect();
        self.connect();
        let bound = 100 * (10 + self.to_server.sent.len() + self.to_client.sent.len());
        for _ in 0..bound {
            if !everything
                .iter()
                .fold(false, |any, step| self.run(*step) | any)
            {
                return;
            }
        }
        panic!("no rest after {bound} rounds");
    }

    fn check(&self) {
        self.to_server.check();
        self.to_client.check();
        assert!(self.client.is_settled());
        let server = self.server.as_ref().unwrap();
        assert_eq!(server.queued() + server.in_flight(), 0);
        for operation in &self.operations {
            assert_eq!(
                self.settled.get(operation),
                Some(&1),
                "{operation:?} settles once"
            );
        }
        assert_eq!(self.settled.len(), self.operations.len());
    }
}

proptest! {
    #[test]
    fn promises_hold_under_any_schedule(steps in prop::collection::vec(step(), 0..120)) {
        let mut pair = Pair::new();
        for step in steps {
            pair.run(step);
        }
        pair.settle();
        pair.check();
    }
}

#[test]
fn a_refused_session_settles_what_was_sent() {
    let mut client = Client::new(connect());
    let operation = client.publishes(QoS::ExactlyOnce, "a");
    client.sends();
    client.session.handle_disconnected();
    client.connects(connect(), Connack::accepted(false));
    let settled = ClientEvent::Settled(operation, Outcome::Unknown);
    assert_eq!(client.events()[0], settled);
}
