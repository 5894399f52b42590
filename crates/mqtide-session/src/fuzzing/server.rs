//! A server session that is fed by arbitrary packets and times.

use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

use ::arbitrary::{Arbitrary, Result, Unstructured};
use mqtide_codec::{
    Ack, Connect, ConnectProperties, Packet, PacketIdentifier, ReasonCode, Version, encoded_len,
};

use crate::{
    Acceptance, AckToken, Delivery, Handshake, Instant, Message, ServerEvent, ServerSession,
    SessionState, Ticket,
};

/// Whatever a client sends and whenever: what leaves can be written and is not too large, nothing
/// leaves behind DISCONNECT, and the store has what the session exports.
pub fn server_session(data: &[u8]) {
    // The end of the input is the end of the schedule.
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let mut driver = Driver::accept(u, Instant::ZERO, None)?;
    while !u.is_empty() {
        driver.step(u)?;
        driver.drain(u)?;
        driver.check();
    }
    Ok(())
}

struct Driver {
    session: ServerSession<Message>,
    now: Instant,
    version: Version,
    maximum_packet_size: usize,
    tokens: Vec<AckToken>,
    subscribes: Vec<(PacketIdentifier, usize)>,
    stored: SessionState<Message>,
    last: Option<Ticket>,
    said_goodbye: bool,
}

impl Driver {
    fn accept(u: &mut Unstructured<'_>, now: Instant, before: Option<Self>) -> Result<Self> {
        let connect = connect(u)?;
        let (version, maximum_packet_size) = (connect.version, maximum_packet_size(&connect));
        let handshake = Handshake::new(now, Duration::from_secs(1));
        let Ok(request) = handshake.handle_packet(connect.into()) else {
            unreachable!("it is a CONNECT");
        };
        let (parked, stored) = match before {
            Some(before) => (Some(before.session), before.stored),
            None => (None, SessionState::new()),
        };
        let accepted = request.accept(now, acceptance(u)?, parked);
        Ok(Self {
            session: accepted.session,
            now,
            version,
            maximum_packet_size,
            tokens: Vec::new(),
            subscribes: Vec::new(),
            stored,
            last: None,
            said_goodbye: false,
        })
    }

    fn step(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        match u.int_in_range(0..=10)? {
            0 | 1 => self.packet(Packet::arbitrary(u)?),
            2..=4 => self.packet(acknowledgement(u)?),
            5 => {
                let _ = self.session.deliver(Delivery::arbitrary(u)?);
            }
            6 if !self.tokens.is_empty() => {
                let token = self.tokens.swap_remove(u.choose_index(self.tokens.len())?);
                let _ = self
                    .session
                    .complete(token, ReasonCode::arbitrary(u)?, None);
            }
            7 if !self.subscribes.is_empty() => {
                let (id, filters) = self.subscribes.remove(0);
                let _ = self
                    .session
                    .suback(id, vec![ReasonCode::arbitrary(u)?; filters], None);
            }
            8 => {
                self.now = self.now + Duration::from_millis(u.int_in_range(0..=100_000)?);
                while let Some(event) = self.session.handle_timeout(self.now) {
                    self.event(event);
                }
            }
            9 => self
                .last
                .into_iter()
                .for_each(|ticket| self.session.handle_durable(ticket)),
            10 if u.ratio(1, 4)? => self.reconnect(u)?,
            _ => {}
        }
        Ok(())
    }

    fn packet(&mut self, packet: Packet) {
        if let Ok(Some(event)) = self.session.handle_packet(self.now, packet) {
            self.event(event);
        }
    }

    fn event(&mut self, event: ServerEvent) {
        match event {
            ServerEvent::Publish(received) => self.tokens.extend(received.ack),
            ServerEvent::Subscribe(request) => {
                let subscribe = (request.packet_identifier, request.subscriptions.len());
                self.subscribes.push(subscribe);
            }
            _ => {}
        }
    }

    fn reconnect(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        let _ = self.session.take_over();
        let fresh = Self::accept(u, self.now, None)?;
        let before = core::mem::replace(self, fresh);
        *self = Self::accept(u, before.now, Some(before))?;
        Ok(())
    }

    fn drain(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        for _ in 0..u.int_in_range(0..=20)? {
            let Some(outgoing) = self.session.poll_transmit(self.now) else {
                break;
            };
            let packet = outgoing.into_packet();
            assert!(!self.said_goodbye, "{packet:?} leaves behind DISCONNECT");
            let len = encoded_len(&packet, self.version).expect("what leaves can be written");
            assert!(len <= self.maximum_packet_size, "{packet:?} is too large");
            self.said_goodbye = matches!(packet, Packet::Disconnect(_));
        }
        while let Some((ticket, operation)) = self.session.poll_store() {
            assert!(Some(ticket) > self.last, "tickets rise");
            self.last = Some(ticket);
            self.stored.apply(operation);
        }
        Ok(())
    }

    fn check(&self) {
        let exported = self.session.export().session;
        exported.check().expect("an export can be restored");
        let recorded = self.session.settings().durable && !self.session.has_ended();
        if recorded && self.session.session_expiry_interval() > 0 {
            assert_eq!(flows(&self.stored), flows(&exported));
        }
    }
}

type Flows = (
    Vec<Option<PacketIdentifier>>,
    Vec<PacketIdentifier>,
    Vec<PacketIdentifier>,
);

fn flows(state: &SessionState<Message>) -> Flows {
    let messages = state
        .messages
        .iter()
        .map(|message| message.progress.identifier());
    let released = state.released.iter().map(|(_, id)| *id);
    let mut held = state.held.clone();
    held.sort_unstable();
    (messages.collect(), released.collect(), held)
}

/// Sessions that last, of durable settings throughout: only those have a store to compare with.
fn connect(u: &mut Unstructured<'_>) -> Result<Connect> {
    let mut connect = Connect::new(*u.choose(&VERSIONS)?, "fuzzed");
    connect.clean_start = connect.version == Version::V5 && u.ratio(1, 8)?;
    connect.keep_alive = u.arbitrary()?;
    if connect.version == Version::V5 {
        connect.properties = Some(alloc::boxed::Box::new(ConnectProperties {
            session_expiry_interval: Some(u32::MAX),
            receive_maximum: u.arbitrary()?,
            maximum_packet_size: NonZeroU32::new(u.int_in_range(0..=200)?),
            topic_alias_maximum: Some(u.int_in_range(0..=3)?),
            request_problem_information: u.arbitrary()?,
            ..ConnectProperties::default()
        }));
    }
    Ok(connect)
}

fn maximum_packet_size(connect: &Connect) -> usize {
    let properties = connect.properties.as_deref();
    let maximum = properties.and_then(|properties| properties.maximum_packet_size);
    maximum.map_or(usize::MAX, |bytes| bytes.get() as usize)
}

fn acceptance(u: &mut Unstructured<'_>) -> Result<Acceptance> {
    let mut acceptance = Acceptance::default();
    let settings = &mut acceptance.settings;
    settings.durable = true;
    settings.limits.receive_maximum = u.int_in_range(1..=5)?;
    settings.limits.topic_alias_maximum = u.int_in_range(0..=3)?;
    settings.queue.messages = u.int_in_range(0..=5)?;
    settings.answers = u.int_in_range(1..=20)?;
    Ok(acceptance)
}

/// One with an identifier that is likely to be in use.
fn acknowledgement(u: &mut Unstructured<'_>) -> Result<Packet> {
    let id = PacketIdentifier::new(u.int_in_range(1..=5)?).expect("it is not zero");
    let ack = Ack::with_reason(id, *u.choose(&REASONS)?);
    let packets = [
        Packet::Puback,
        Packet::Pubrec,
        Packet::Pubrel,
        Packet::Pubcomp,
    ];
    Ok(u.choose(&packets)?(ack))
}

const VERSIONS: [Version; 4] = [Version::V5, Version::V5, Version::V311, Version::V31];
const REASONS: [ReasonCode; 3] = [
    ReasonCode::Success,
    ReasonCode::UnspecifiedError,
    ReasonCode::PacketIdentifierNotFound,
];
