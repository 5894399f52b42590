//! What a server session has to do, in the plainest way: lists that are searched from the start.

use std::collections::HashMap;

use mqtide_codec::{PacketType, QoS, ReasonCode};
use mqtide_session::{DropReason, Overflow, Violation};

/// The delivery side and the receiving side of one client's session, and its connection.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) habits: Habits,
    pub(crate) line: Line,
    pub(crate) ended: bool,
    ends_at: Option<u64>,
    lifetime: u64,
    receive_maximum: usize,
    /// What waits or is in flight, in the order in which it was delivered.
    outbound: Vec<Outbound>,
    /// What the client has answered by PUBREC, in the order of the PUBRECs.
    released: Vec<Outbound>,
    /// Everything besides PUBLISH that waits to be written.
    answers: Vec<Answer>,
    at_least_once: Vec<Arrived>,
    exactly_once: Vec<Arrived>,
    held: HashMap<u16, Held>,
    /// Publications of the client that count against the server's Receive Maximum.
    open: usize,
    arrivals: usize,
    pub(crate) drops: Drops,
}

/// The settings that matter here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habits {
    pub(crate) queue: usize,
    pub(crate) overflow: Overflow,
    pub(crate) at_most_once_offline: bool,
    pub(crate) receive_maximum: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Down,
    Open,
    Closing,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Drops {
    pub(crate) queue_full: u32,
    pub(crate) offline: u32,
    pub(crate) expired: u32,
}

/// A message for the client.
#[derive(Clone, Debug)]
struct Outbound {
    name: String,
    qos: QoS,
    expires_at: Option<u64>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    /// Sent on an earlier connection, and not on this one.
    Repeat(u16),
    Sent(u16),
}

#[derive(Clone, Debug)]
struct Answer {
    text: String,
    closes: bool,
}

/// A message of the client whose answer has not had its turn.
#[derive(Clone, Debug)]
struct Arrived {
    serial: usize,
    id: u16,
    /// Whether the client sent it on this connection.
    asked: bool,
    completed: Option<ReasonCode>,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    counted: bool,
    /// PUBREL came before PUBREC left.
    released: bool,
}

/// What the client says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said {
    Publish(QoS, u16),
    Puback(u16, ReasonCode),
    Pubrec(u16, ReasonCode),
    Pubrel(u16),
    Pubcomp(u16),
    /// DISCONNECT, with or without a Session Expiry Interval of zero.
    Goodbye {
        forget: bool,
    },
}

/// What comes of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    /// A message, and a number for its token if it has one.
    Arrived(Option<usize>),
    Settled {
        name: String,
        qos: QoS,
        id: u16,
        reason: ReasonCode,
    },
    Goodbye,
}

/// The next packet.
#[derive(Debug)]
pub(crate) enum Written {
    Answer(String),
    Publish {
        name: String,
        qos: QoS,
        /// `None` if the machine has to choose one.
        id: Option<u16>,
        expiry: Option<u64>,
    },
}

impl Outbound {
    fn id(&self) -> Option<u16> {
        match self.state {
            State::Waiting => None,
            State::Repeat(id) | State::Sent(id) => Some(id),
        }
    }
}

impl Reference {
    pub(crate) fn new(habits: Habits) -> Self {
        Self {
            habits,
            line: Line::Down,
            ended: true,
            ends_at: None,
            lifetime: 0,
            receive_maximum: 0,
            outbound: Vec::new(),
            released: Vec::new(),
            answers: Vec::new(),
            at_least_once: Vec::new(),
            exactly_once: Vec::new(),
            held: HashMap::new(),
            open: 0,
            arrivals: 0,
            drops: Drops::default(),
        }
    }

    pub(crate) fn queued(&self) -> usize {
        let waits = |message: &&Outbound| message.state == State::Waiting;
        self.outbound.iter().filter(waits).count()
    }

    /// The identifiers in use for what was sent.
    pub(crate) fn in_flight(&self) -> Vec<u16> {
        let all = self.outbound.iter().chain(&self.released);
        all.filter_map(Outbound::id).collect()
    }

    /// The identifiers that PUBACK, PUBREC and PUBCOMP are due for.
    pub(crate) fn due(&self) -> Vec<Said> {
        let published = self.outbound.iter().filter_map(|message| {
            let id = message.id()?;
            Some(match message.qos {
                QoS::ExactlyOnce => Said::Pubrec(id, ReasonCode::Success),
                _ => Said::Puback(id, ReasonCode::Success),
            })
        });
        let released = self.released.iter().filter_map(Outbound::id);
        published.chain(released.map(Said::Pubcomp)).collect()
    }

    pub(crate) fn held(&self) -> Vec<u16> {
        self.held.keys().copied().collect()
    }

    /// The connection begins; whether the session goes on.
    pub(crate) fn connect(&mut self, now: u64, clean: bool, lifetime: u64, maximum: usize) -> bool {
        self.disconnect(now);
        let present = !clean && !self.ended && self.ends_at.is_none_or(|end| end > now);
        if !present {
            self.outbound.clear();
            self.released.clear();
            self.exactly_once.clear();
            self.held.clear();
        }
        (self.line, self.ended, self.ends_at) = (Line::Open, false, None);
        (self.lifetime, self.receive_maximum, self.open) = (lifetime, maximum, 0);
        for held in self.held.values_mut() {
            *held = Held {
                counted: false,
                released: false,
            };
        }
        self.answer(
            if present {
                "CONNACK present"
            } else {
                "CONNACK"
            },
            false,
        );
        for id in self.released.clone().iter().filter_map(Outbound::id) {
            self.answer(format!("PUBREL #{id}"), false);
        }
        present
    }

    /// The connection is gone; whether the session went with it.
    pub(crate) fn disconnect(&mut self, now: u64) -> bool {
        if self.line == Line::Down {
            return false;
        }
        self.line = Line::Down;
        self.answers.clear();
        self.at_least_once.clear();
        for arrived in &mut self.exactly_once {
            arrived.asked = false;
        }
        for message in &mut self.outbound {
            if let State::Sent(id) = message.state {
                message.state = State::Repeat(id);
            }
        }
        if !self.habits.at_most_once_offline {
            let before = self.outbound.len();
            self.outbound.retain(|m| m.qos != QoS::AtMostOnce);
            self.drops.offline += u32::try_from(before - self.outbound.len()).unwrap();
        }
        self.ended = self.lifetime == 0;
        self.ends_at = Some(now + self.lifetime);
        self.ended
    }

    /// Whether the session ends because its time has come.
    pub(crate) fn expire(&mut self, now: u64) -> bool {
        let ends =
            self.line == Line::Down && !self.ended && self.ends_at.is_some_and(|end| end <= now);
        self.ended |= ends;
        ends
    }

    pub(crate) fn deliver(
        &mut self,
        name: String,
        qos: QoS,
        expires_at: Option<u64>,
    ) -> Result<(), DropReason> {
        let waits = self.line == Line::Open || self.habits.at_most_once_offline;
        if self.ended {
            return Err(DropReason::Offline);
        }
        if qos == QoS::AtMostOnce && !waits {
            self.drops.offline += 1;
            return Err(DropReason::Offline);
        }
        if self.queued() >= self.habits.queue {
            self.drops.queue_full += 1;
            let victim = self.gives_way(qos).ok_or(DropReason::QueueFull)?;
            self.outbound.remove(victim);
        }
        self.outbound.push(Outbound {
            name,
            qos,
            expires_at,
            state: State::Waiting,
        });
        Ok(())
    }

    fn gives_way(&self, newcomer: QoS) -> Option<usize> {
        if self.habits.overflow == Overflow::DropNewest {
            return None;
        }
        let first = |wanted: &dyn Fn(&Outbound) -> bool| {
            let waits = |m: &Outbound| m.state == State::Waiting && wanted(m);
            self.outbound.iter().position(waits)
        };
        first(&|m| m.qos == QoS::AtMostOnce).or_else(|| first(&|_| newcomer != QoS::AtMostOnce))
    }

    /// The next packet that must be written.
    pub(crate) fn write(&mut self, now: u64) -> Option<Written> {
        if self.line == Line::Down {
            return None;
        }
        if !self.answers.is_empty() {
            let answer = self.answers.remove(0);
            self.open -= usize::from(answer.closes);
            return Some(Written::Answer(answer.text));
        }
        if self.line == Line::Closing {
            return None;
        }
        loop {
            let index = self.next_repeat().or_else(|| self.next_waiting())?;
            let message = &mut self.outbound[index];
            let started = message.qos == QoS::ExactlyOnce && message.state != State::Waiting;
            if !started && message.expires_at.is_some_and(|end| end <= now) {
                self.drops.expired += 1;
                self.outbound.remove(index);
                continue;
            }
            let written = Written::Publish {
                name: message.name.clone(),
                qos: message.qos,
                id: message.id(),
                expiry: message.expires_at.map(|end| end.saturating_sub(now)),
            };
            match message.state {
                State::Repeat(id) => message.state = State::Sent(id),
                _ if message.qos == QoS::AtMostOnce => {
                    self.outbound.remove(index);
                }
                _ => {}
            }
            return Some(written);
        }
    }

    /// The machine has chosen an identifier for a message.
    pub(crate) fn adopt(&mut self, name: &str, id: u16) {
        assert!(id != 0 && !self.in_flight().contains(&id), "#{id} is taken");
        let mut waiting = self.outbound.iter_mut();
        waiting.find(|m| m.name == name).unwrap().state = State::Sent(id);
    }

    fn next_repeat(&self) -> Option<usize> {
        let sent = |m: &&Outbound| matches!(m.state, State::Sent(_));
        let open = self.outbound.iter().filter(sent).count() + self.released.len();
        let repeats = |m: &Outbound| matches!(m.state, State::Repeat(_));
        let has_room = open < self.receive_maximum;
        self.outbound.iter().position(repeats).filter(|_| has_room)
    }

    /// QoS 0 needs no place.
    fn next_waiting(&self) -> Option<usize> {
        let has_room = self.in_flight().len() < self.receive_maximum;
        let may_go =
            |m: &Outbound| m.state == State::Waiting && (m.qos == QoS::AtMostOnce || has_room);
        self.outbound.iter().position(may_go)
    }

    pub(crate) fn hear(&mut self, said: Said) -> Result<Told, Violation> {
        if self.line != Line::Open {
            return Ok(Told::Nothing);
        }
        let told = match said {
            Said::Publish(qos, id) => self.publish(qos, id),
            Said::Puback(id, reason) => self.puback(id, reason),
            Said::Pubrec(id, reason) => self.pubrec(id, reason),
            Said::Pubcomp(id) => self.pubcomp(id),
            Said::Pubrel(id) => {
                self.pubrel(id);
                Ok(Told::Nothing)
            }
            Said::Goodbye { forget } => {
                self.lifetime = if forget { 0 } else { self.lifetime };
                self.answers.clear();
                self.line = Line::Closing;
                Ok(Told::Goodbye)
            }
        };
        told.inspect_err(|violation| {
            let reason = violation.reason().as_u8();
            self.answer(format!("DISCONNECT 0x{reason:02X}"), false);
            self.line = Line::Closing;
        })
    }

    fn position(&self, id: u16) -> Option<usize> {
        self.outbound.iter().position(|m| m.id() == Some(id))
    }

    fn released_position(&self, id: u16) -> Option<usize> {
        self.released.iter().position(|m| m.id() == Some(id))
    }

    fn puback(&mut self, id: u16, reason: ReasonCode) -> Result<Told, Violation> {
        match self.position(id) {
            Some(index) if self.outbound[index].qos == QoS::AtLeastOnce => {
                Ok(settled(&self.outbound.remove(index), id, reason))
            }
            None if self.released_position(id).is_none() => Ok(Told::Nothing),
            _ => Err(Violation::WrongAcknowledgement(PacketType::Puback)),
        }
    }

    fn pubrec(&mut self, id: u16, reason: ReasonCode) -> Result<Told, Violation> {
        let refused = reason.is_error();
        match self.position(id) {
            Some(index) if self.outbound[index].qos == QoS::ExactlyOnce => {
                let message = self.outbound.remove(index);
                if refused {
                    return Ok(settled(&message, id, reason));
                }
                self.released.push(message);
                self.answer(format!("PUBREL #{id}"), false);
            }
            Some(_) => return Err(Violation::WrongAcknowledgement(PacketType::Pubrec)),
            None if self.released_position(id).is_some() => {
                self.answer(format!("PUBREL #{id}"), false);
            }
            None if refused => {}
            None => self.answer(format!("PUBREL #{id} 0x92"), false),
        }
        Ok(Told::Nothing)
    }

    fn pubcomp(&mut self, id: u16) -> Result<Told, Violation> {
        if let Some(index) = self.released_position(id) {
            let message = self.released.remove(index);
            return Ok(settled(&message, id, ReasonCode::Success));
        }
        match self.position(id) {
            None => Ok(Told::Nothing),
            Some(_) => Err(Violation::WrongAcknowledgement(PacketType::Pubcomp)),
        }
    }

    fn publish(&mut self, qos: QoS, id: u16) -> Result<Told, Violation> {
        match qos {
            QoS::AtMostOnce => return Ok(Told::Arrived(None)),
            QoS::AtLeastOnce => self.count()?,
            QoS::ExactlyOnce => {
                if self.held.get(&id).is_none_or(|held| !held.counted) {
                    self.count()?;
                }
                let counted = true;
                let released = self.held.get(&id).is_some_and(|held| held.released);
                if self.held.insert(id, Held { counted, released }).is_some() {
                    self.repeated(id);
                    return Ok(Told::Nothing);
                }
            }
        }
        self.arrivals += 1;
        let arrived = Arrived {
            serial: self.arrivals,
            id,
            asked: true,
            completed: None,
        };
        match qos {
            QoS::ExactlyOnce => self.exactly_once.push(arrived),
            _ => self.at_least_once.push(arrived),
        }
        Ok(Told::Arrived(Some(self.arrivals)))
    }

    fn count(&mut self) -> Result<(), Violation> {
        if self.open == self.habits.receive_maximum {
            return Err(Violation::ReceiveMaximumExceeded);
        }
        self.open += 1;
        Ok(())
    }

    /// Another PUBREC, in its turn.
    fn repeated(&mut self, id: u16) {
        if let Some(arrived) = self.exactly_once.iter_mut().find(|a| a.id == id) {
            arrived.asked = true;
            return;
        }
        let arrived = Arrived {
            serial: 0,
            id,
            asked: true,
            completed: Some(ReasonCode::Success),
        };
        match self.exactly_once.iter().any(|a| a.asked) {
            true => self.exactly_once.push(arrived),
            false => self.exactly_once.insert(0, arrived),
        }
        self.take_turns();
    }

    fn pubrel(&mut self, id: u16) {
        let waits = self.exactly_once.iter().any(|a| a.id == id);
        match self.held.get_mut(&id) {
            Some(held) if waits => held.released = true,
            Some(_) => self.end_flow(id),
            None => self.answer(format!("PUBCOMP #{id} 0x92"), false),
        }
    }

    fn end_flow(&mut self, id: u16) {
        let held = self.held.remove(&id).unwrap();
        self.answer(format!("PUBCOMP #{id}"), held.counted);
    }

    /// The owner of a message has taken it or refuses it.
    pub(crate) fn complete(&mut self, serial: usize, reason: ReasonCode) {
        let all = self.at_least_once.iter_mut().chain(&mut self.exactly_once);
        for arrived in all.filter(|a| a.serial == serial) {
            arrived.completed = arrived.completed.or(Some(reason));
        }
        self.take_turns();
    }

    /// Answers leave in the order in which the messages came.
    fn take_turns(&mut self) {
        while let Some(reason) = self.at_least_once.first().and_then(|a| a.completed) {
            let id = self.at_least_once.remove(0).id;
            self.answer(format!("PUBACK #{id}{}", show(reason)), true);
        }
        while let Some(reason) = self.exactly_once.first().and_then(|a| a.completed) {
            let Arrived { id, asked, .. } = self.exactly_once.remove(0);
            let held = self.held[&id];
            if reason.is_error() {
                self.held.remove(&id);
            }
            if asked {
                let closes = reason.is_error() && held.counted;
                self.answer(format!("PUBREC #{id}{}", show(reason)), closes);
            }
            if held.released && !reason.is_error() && self.line == Line::Open {
                self.end_flow(id);
            }
        }
    }

    fn answer(&mut self, text: impl Into<String>, closes: bool) {
        if self.line == Line::Open {
            let text = text.into();
            self.answers.push(Answer { text, closes });
        }
    }
}

fn settled(message: &Outbound, id: u16, reason: ReasonCode) -> Told {
    Told::Settled {
        name: message.name.clone(),
        qos: message.qos,
        id,
        reason,
    }
}

fn show(reason: ReasonCode) -> String {
    match reason {
        ReasonCode::Success => String::new(),
        reason => format!(" 0x{:02X}", reason.as_u8()),
    }
}
