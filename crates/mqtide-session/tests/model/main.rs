//! The server's session against a naive reference: the same commands go to both, and after each one
//! they must agree in every packet, event, settled message, count and drop.
//!
//! The identifier of a new PUBLISH is the machine's choice: the reference checks that it is free, and
//! takes it over.

#![allow(clippy::unwrap_used, reason = "what a test unwraps, it asserts")]
#![allow(
    clippy::cast_possible_truncation,
    reason = "packets of tests are short"
)]

mod reference;
#[allow(dead_code, reason = "the dialogues use the rest")]
#[path = "../dialogue/script.rs"]
mod script;

use std::collections::{HashMap, HashSet};

use mqtide_codec::{Ack, Disconnect, Packet, PacketIdentifier, QoS, ReasonCode, Sender};
use mqtide_session::{
    Acceptance, AckToken, DeliverOutcome, DeliveryKey, Message, Overflow, ServerEvent,
    ServerSession,
};
use proptest::prelude::*;
use proptest::sample::Index;

use self::reference::{Drops, Habits, Line, Reference, Said, Told, Written};
use self::script::{V5, accept, at, delivery, id, lasting, over_the_wire, publish, show};

#[derive(Clone, Debug)]
enum Command {
    Deliver(QoS, Option<u64>),
    /// The client gives one of the answers that are due.
    Answer(Index),
    /// The client refuses, if a PUBACK or PUBREC is due.
    Refuse(Index),
    /// The client says something about an identifier in flight, or one of its own.
    Say(fn(u16) -> Said, Index),
    Publish(QoS, u16),
    Release(u16),
    Complete {
        token: Index,
        refuse: bool,
        /// The owner completes it again later.
        again: bool,
    },
    Write(u8),
    Pass(u64),
    /// The time that has passed is told.
    Timeout,
    Cut,
    Goodbye {
        forget: bool,
    },
    Connect {
        clean: bool,
        lifetime: u32,
        receive_maximum: u16,
    },
}

fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![
        1 => Just(QoS::AtMostOnce),
        1 => Just(QoS::AtLeastOnce),
        2 => Just(QoS::ExactlyOnce)
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let saying = prop_oneof![
        1 => Just((|id| Said::Puback(id, SUCCESS)) as fn(u16) -> Said),
        2 => Just((|id| Said::Pubrec(id, SUCCESS)) as fn(u16) -> Said),
        1 => Just((|id| Said::Pubrec(id, FAILURE)) as fn(u16) -> Said),
        1 => Just(Said::Pubcomp as fn(u16) -> Said),
    ];
    let expiry = prop_oneof![4 => Just(None), 1 => (1u64..20).prop_map(Some)];
    let connect = (prop::bool::weighted(0.1), 0u32..10, 1u16..4);
    prop_oneof![
        10 => (qos(), expiry).prop_map(|(qos, expiry)| Command::Deliver(qos, expiry)),
        10 => any::<Index>().prop_map(Command::Answer),
        1 => any::<Index>().prop_map(Command::Refuse),
        1 => (saying, any::<Index>()).prop_map(|(said, index)| Command::Say(said, index)),
        8 => (qos(), 1u16..6).prop_map(|(qos, id)| Command::Publish(qos, id)),
        3 => (1u16..6).prop_map(Command::Release),
        8 => (any::<Index>(), prop::bool::weighted(0.1), prop::bool::weighted(0.1)).prop_map(
            |(token, refuse, again)| Command::Complete { token, refuse, again }
        ),
        12 => (1u8..6).prop_map(Command::Write),
        2 => (1u64..12).prop_map(Command::Pass),
        1 => Just(Command::Timeout),
        1 => Just(Command::Cut),
        1 => any::<bool>().prop_map(|forget| Command::Goodbye { forget }),
        4 => connect.prop_map(|(clean, lifetime, receive_maximum)| Command::Connect {
            clean,
            lifetime: lifetime * 5,
            receive_maximum
        }),
    ]
}

/// The machine, the reference, and what both must agree in.
struct Bench {
    machine: Option<ServerSession<Message>>,
    reference: Reference,
    now: u64,
    names: usize,
    keys: HashMap<String, DeliveryKey>,
    tokens: Vec<(AckToken, usize)>,
    drops: Drops,
    /// What the client counts against the Receive Maximum that it has announced.
    unanswered: HashSet<u16>,
    receive_maximum: usize,
}

impl Bench {
    fn new(habits: Habits) -> Self {
        Self {
            machine: None,
            reference: Reference::new(habits),
            now: 0,
            names: 0,
            keys: HashMap::new(),
            tokens: Vec::new(),
            drops: Drops::default(),
            unanswered: HashSet::new(),
            receive_maximum: 0,
        }
    }

    fn run(&mut self, command: Command) {
        match command {
            Command::Connect {
                clean,
                lifetime,
                receive_maximum,
            } => {
                self.connect(clean, lifetime, receive_maximum);
            }
            Command::Pass(seconds) => self.now += seconds,
            command => {
                if self.machine.is_some() {
                    self.run_in_session(command);
                }
            }
        }
        self.compare();
    }

    fn run_in_session(&mut self, command: Command) {
        match command {
            Command::Deliver(qos, expiry) => self.deliver(qos, expiry),
            Command::Answer(index) => self.say_one_of(&self.reference.due(), index),
            Command::Refuse(index) => {
                let refusals = self.reference.due().into_iter().filter_map(refusal);
                self.say_one_of(&refusals.collect::<Vec<_>>(), index);
            }
            Command::Say(said, index) => {
                let mut ids = self.reference.in_flight();
                ids.push(FOREIGN);
                self.say(said(*index.get(&ids)));
            }
            Command::Publish(qos, id) => self.say(Said::Publish(qos, id)),
            Command::Release(id) => self.say(Said::Pubrel(id)),
            Command::Goodbye { forget } => self.say(Said::Goodbye { forget }),
            Command::Complete {
                token,
                refuse,
                again,
            } => self.complete(token, refuse, again),
            Command::Write(count) => {
                for _ in 0..count {
                    self.write();
                }
            }
            Command::Timeout => self.timeout(),
            Command::Cut => self.cut(),
            Command::Connect { .. } | Command::Pass(_) => {}
        }
    }

    fn machine(&mut self) -> &mut ServerSession<Message> {
        self.machine.as_mut().unwrap()
    }

    fn connect(&mut self, clean: bool, lifetime: u32, receive_maximum: u16) {
        let mut connect = lasting(lifetime);
        connect.clean_start = clean;
        let properties = connect.properties.as_mut().unwrap();
        properties.receive_maximum = receive_maximum.try_into().ok();
        let habits = self.reference.habits;
        let mut acceptance = Acceptance::default();
        acceptance.settings.limits.receive_maximum = habits.receive_maximum as u16;
        acceptance.settings.queue.messages = habits.queue as u32;
        acceptance.settings.queue.overflow = habits.overflow;
        acceptance.settings.queue.at_most_once_offline = habits.at_most_once_offline;
        let accepted = accept(at(self.now), connect, acceptance, self.machine.take());
        self.receive_maximum = receive_maximum.into();
        let maximum = self.receive_maximum;
        let present = self
            .reference
            .connect(self.now, clean, lifetime.into(), maximum);
        assert_eq!(accepted.session_present, present);
        self.machine = Some(accepted.session);
        self.unanswered.clear();
    }

    fn cut(&mut self) {
        let now = at(self.now);
        let departure = self.machine().handle_disconnected(now);
        assert_eq!(departure.ended, self.reference.disconnect(self.now));
    }

    fn timeout(&mut self) {
        let now = at(self.now);
        let event = self.machine().handle_timeout(now);
        let expired = self.reference.expire(self.now);
        assert_eq!(event, expired.then_some(ServerEvent::Expired));
        assert_eq!(self.machine().handle_timeout(now), None);
    }

    fn deliver(&mut self, qos: QoS, expiry: Option<u64>) {
        let name = format!("m/{}", self.names);
        self.names += 1;
        let expires_at = expiry.map(|seconds| self.now + seconds);
        let mut delivery = delivery(qos, &name);
        delivery.message.expires_at = expires_at.map(at);
        let outcome = self.machine().deliver(delivery);
        match (
            outcome,
            self.reference.deliver(name.clone(), qos, expires_at),
        ) {
            (DeliverOutcome::Queued { key, .. }, Ok(())) => {
                assert!(self.keys.values().all(|earlier| earlier.0 < key.0));
                self.keys.insert(name, key);
            }
            (DeliverOutcome::Dropped(dropped), Err(expected)) => assert_eq!(dropped, expected),
            (outcome, expected) => panic!("{outcome:?}, not {expected:?}"),
        }
    }

    fn say_one_of(&mut self, choices: &[Said], index: Index) {
        if !choices.is_empty() {
            self.say(*index.get(choices));
        }
    }

    fn say(&mut self, said: Said) {
        let packet = over_the_wire(&packet(said), V5, Sender::Client);
        let now = at(self.now);
        let told = self.machine().handle_packet(now, packet);
        match (told, self.reference.hear(said)) {
            (Ok(event), Ok(told)) => self.check_told(event, told),
            (told, expected) => assert_eq!(told.err(), expected.err()),
        }
        match said {
            Said::Puback(id, _) | Said::Pubcomp(id) => self.unanswered.remove(&id),
            Said::Pubrec(id, reason) => reason.is_error() && self.unanswered.remove(&id),
            _ => false,
        };
    }

    fn check_told(&mut self, event: Option<ServerEvent>, told: Told) {
        match (event, told) {
            (None, Told::Nothing) | (Some(ServerEvent::Disconnected(_)), Told::Goodbye) => {}
            (Some(ServerEvent::Publish(received)), Told::Arrived(serial)) => {
                assert_eq!(received.ack.is_some(), serial.is_some());
                self.tokens.extend(received.ack.zip(serial));
            }
            (
                Some(ServerEvent::Settled(settled)),
                Told::Settled {
                    name,
                    qos,
                    id,
                    reason,
                },
            ) => {
                assert_eq!(settled.key, self.keys[&name]);
                assert_eq!(settled.packet_identifier.as_u16(), id);
                assert_eq!((settled.qos, settled.reason), (qos, reason));
            }
            (event, told) => panic!("{event:?}, not {told:?}"),
        }
    }

    fn complete(&mut self, index: Index, refuse: bool, again: bool) {
        if self.tokens.is_empty() {
            return;
        }
        let index = index.index(self.tokens.len());
        let (token, serial) = match again {
            true => self.tokens[index],
            false => self.tokens.remove(index),
        };
        let reason = if refuse { FAILURE } else { SUCCESS };
        self.machine().complete(token, reason, None).unwrap();
        self.reference.complete(serial, reason);
    }

    /// Both write a packet, or both have none.
    fn write(&mut self) -> bool {
        let now = at(self.now);
        let packet = self
            .machine()
            .poll_transmit(now)
            .map(|outgoing| over_the_wire(&outgoing.into_packet(), V5, Sender::Server));
        let expected = self.reference.write(self.now).map(|written| match written {
            Written::Answer(text) => text,
            Written::Publish {
                name,
                qos,
                id,
                expiry,
            } => {
                let chosen = packet
                    .as_ref()
                    .and_then(identifier)
                    .map(PacketIdentifier::as_u16);
                if let (true, None, Some(chosen)) = (qos > QoS::AtMostOnce, id, chosen) {
                    self.reference.adopt(&name, chosen);
                }
                self.unanswered.extend(chosen);
                show_publish(&name, qos, id.or(chosen), id.is_some(), expiry)
            }
        });
        assert_eq!(packet.as_ref().map(show), expected);
        assert!(self.unanswered.len() <= self.receive_maximum);
        packet.is_some()
    }

    fn compare(&mut self) {
        let Some(machine) = &mut self.machine else {
            return;
        };
        let drops = machine.take_drops();
        self.drops.queue_full += drops.queue_full;
        self.drops.offline += drops.offline;
        self.drops.expired += drops.expired;
        assert_eq!(self.drops, self.reference.drops);
        assert_eq!(machine.in_flight(), self.reference.in_flight().len());
        assert_eq!(machine.queued(), self.reference.queued());
        assert_eq!(machine.is_closing(), self.reference.line == Line::Closing);
        assert_eq!(machine.is_connected(), self.reference.line != Line::Down);
        assert_eq!(machine.has_ended(), self.reference.ended);
        let held = machine.export().session.held;
        let held: HashSet<u16> = held.into_iter().map(PacketIdentifier::as_u16).collect();
        assert_eq!(held, self.reference.held().into_iter().collect());
        // A session with something to write says so.
        let writes = self.reference.clone().write(self.now).is_some();
        assert!(machine.has_transmit() || !writes);
    }

    /// Owners and client do what they owe until both rest.
    fn settle(&mut self) {
        self.connect(false, 60, 2);
        for _ in 0..1000 {
            while self.write() {}
            let due = self.reference.due();
            if due.is_empty() && self.tokens.is_empty() {
                assert_eq!(
                    (self.machine().in_flight(), self.machine().queued()),
                    (0, 0)
                );
                return;
            }
            if let Some(said) = due.first() {
                self.say(*said);
            }
            if let Some((token, serial)) = self.tokens.pop() {
                self.machine().complete(token, SUCCESS, None).unwrap();
                self.reference.complete(serial, SUCCESS);
            }
            self.compare();
        }
        panic!("no rest");
    }
}

fn refusal(said: Said) -> Option<Said> {
    match said {
        Said::Puback(id, _) => Some(Said::Puback(id, FAILURE)),
        Said::Pubrec(id, _) => Some(Said::Pubrec(id, FAILURE)),
        _ => None,
    }
}

fn packet(said: Said) -> Packet {
    let ack = |number, reason| Ack::with_reason(id(number), reason);
    match said {
        Said::Publish(qos, number) => publish(qos.bits(), number, "in"),
        Said::Puback(number, reason) => Packet::Puback(ack(number, reason)),
        Said::Pubrec(number, reason) => Packet::Pubrec(ack(number, reason)),
        Said::Pubrel(number) => Packet::Pubrel(ack(number, SUCCESS)),
        Said::Pubcomp(number) => Packet::Pubcomp(ack(number, SUCCESS)),
        Said::Goodbye { forget } => {
            let mut disconnect = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
            if forget {
                disconnect
                    .properties
                    .get_or_insert_default()
                    .session_expiry_interval = Some(0);
            }
            Packet::Disconnect(disconnect)
        }
    }
}

fn identifier(packet: &Packet) -> Option<PacketIdentifier> {
    match packet {
        Packet::Publish(publish) => publish.packet_identifier(),
        _ => None,
    }
}

fn show_publish(name: &str, qos: QoS, id: Option<u16>, dup: bool, expiry: Option<u64>) -> String {
    let id = id.map_or(String::new(), |id| format!(" #{id}"));
    let dup = if dup { " dup" } else { "" };
    let expiry = expiry.map_or(String::new(), |seconds| format!(" expiry={seconds}"));
    format!("PUBLISH q{}{id}{dup} {name}{expiry}", qos.bits())
}

fn habits() -> impl Strategy<Value = Habits> {
    let overflow = prop_oneof![Just(Overflow::DropNewest), Just(Overflow::DropOldest)];
    (3usize..8, overflow, any::<bool>(), 2usize..7).prop_map(
        |(queue, overflow, at_most_once_offline, receive_maximum)| Habits {
            queue,
            overflow,
            at_most_once_offline,
            receive_maximum,
        },
    )
}

proptest! {
    #[test]
    fn the_session_does_what_the_reference_does(
        habits in habits(),
        commands in prop::collection::vec(command(), 0..200),
    ) {
        let mut bench = Bench::new(habits);
        bench.connect(false, 30, 2);
        bench.compare();
        for command in commands {
            bench.run(command);
        }
        bench.settle();
    }
}

const SUCCESS: ReasonCode = ReasonCode::Success;
const FAILURE: ReasonCode = ReasonCode::UnspecifiedError;
/// An identifier that the machine has not reached.
const FOREIGN: u16 = 60_000;
