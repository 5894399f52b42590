//! A session as the client keeps it, with or without a connection.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use mqtide_codec::{Ack, AckProperties, Packet, Publish, ReasonCode, Sender, Version};

use super::connection::{ConnectTerms, Stage};
use super::requests::{Request, SentRequest, SubscriptionSupport};
use super::{ClientEvent, ClientSettings, Operation, Outcome};
use crate::auth::Exchange;
use crate::control::AckKind;
use crate::endpoint::{Endpoint, Line};
use crate::inbound::AckToken;
use crate::outbound::Fate;
use crate::{
    ClientState, Deliverable, Delivery, DropReason, Instant, Limits, Message, Outgoing, Refused,
    SessionState, Settled, StoreOp, Ticket, Violation,
};

/// A session on a client: the half of the protocol that talks to a server.
///
/// ```text
/// Offline -> Connecting -> Online -> Closing -> Offline
/// ```
///
/// It outlives its connections: messages wait in it while there is none, and what the server has not
/// acknowledged is sent again when the server still has the session. The crate's page tells how to
/// drive it.
#[derive(Debug)]
pub struct ClientSession<M = Message> {
    pub(super) endpoint: Endpoint<M>,
    pub(super) settings: ClientSettings,
    pub(super) stage: Stage,
    /// What the last CONNECT said.
    pub(super) connect: ConnectTerms,
    /// Whether the server may have a session of ours.
    pub(super) established: bool,
    pub(super) session_expiry: u32,
    pub(super) subscriptions: SubscriptionSupport,
    pub(super) auth: Option<Exchange>,
    pub(super) waiting: VecDeque<(Operation, Request)>,
    pub(super) sent: Vec<SentRequest>,
    pub(super) events: VecDeque<ClientEvent>,
}

impl<M: Deliverable + Clone> ClientSession<M> {
    /// A session without a connection and without a past.
    pub fn new(settings: ClientSettings) -> Self {
        let mut endpoint = Endpoint::new(Sender::Client, Version::V5, settings.session);
        endpoint.store.enable(settings.session.durable);
        Self {
            endpoint,
            settings,
            stage: Stage::Offline,
            connect: ConnectTerms::default(),
            established: false,
            session_expiry: 0,
            subscriptions: SubscriptionSupport::ALL,
            auth: None,
            waiting: VecDeque::new(),
            sent: Vec::new(),
            events: VecDeque::new(),
        }
    }

    /// The session as a value, also in the middle of its flows. Operations do not survive in it: who
    /// restores it learns what became of a message by its [key](Operation::key). A message that
    /// arrived and is not completed will be delivered again.
    pub fn export(&self) -> ClientState<M> {
        ClientState {
            session: SessionState::of(&self.endpoint.outbound, self.endpoint.inbound.owned()),
            established: self.established,
            session_expiry_interval: self.session_expiry,
        }
    }

    /// A session without a connection, as it was exported or stored.
    ///
    /// # Errors
    ///
    /// The state cannot be what a session left: see [`SessionState::check`].
    pub fn restore(settings: ClientSettings, state: ClientState<M>) -> Result<Self, Refused> {
        let mut session = Self::new(settings);
        session.endpoint.restore(state.session)?;
        session.established = state.established;
        session.session_expiry = state.session_expiry_interval;
        Ok(session)
    }

    /// Takes in a packet of the server. What comes of it is told by
    /// [`poll_event`](Self::poll_event).
    ///
    /// # Errors
    ///
    /// The server broke the protocol. The session is closing then: see [`Violation`].
    pub fn handle_packet(&mut self, now: Instant, packet: Packet) -> Result<(), Violation> {
        if self.endpoint.line() != Line::Open {
            return Ok(());
        }
        let taken = match self.stage {
            Stage::Offline => Ok(()),
            Stage::Connecting(_) => self.take_in_before_connack(now, packet),
            Stage::Online(_) => self
                .endpoint
                .check_answers()
                .and_then(|()| self.take_in(packet)),
        };
        taken.map_err(|violation| {
            if let Stage::Connecting(_) = self.stage {
                self.stage = Stage::Offline;
            }
            self.endpoint.fail(violation)
        })
    }

    fn take_in(&mut self, packet: Packet) -> Result<(), Violation> {
        let packet_type = packet.packet_type();
        match packet {
            Packet::Publish(publish) => self.receive_publish(publish),
            Packet::Puback(ack) => self.ack(AckKind::Puback, &ack),
            Packet::Pubrec(ack) => self.ack(AckKind::Pubrec, &ack),
            Packet::Pubrel(ack) => self.ack(AckKind::Pubrel, &ack),
            Packet::Pubcomp(ack) => self.ack(AckKind::Pubcomp, &ack),
            Packet::Suback(ack) => self.answer(
                packet_type,
                ack.packet_identifier,
                ack.reasons,
                ack.properties,
            ),
            Packet::Unsuback(ack) => self.answer(
                packet_type,
                ack.packet_identifier,
                ack.reasons,
                ack.properties,
            ),
            Packet::Pingresp => {
                if let Stage::Online(pinger) = &mut self.stage {
                    pinger.answered();
                }
                Ok(())
            }
            Packet::Disconnect(disconnect) => self.server_disconnect(disconnect),
            Packet::Auth(auth) => self.receive_auth(auth),
            Packet::Connect(_)
            | Packet::Connack(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::Pingreq => Err(Violation::UnexpectedPacket(packet_type)),
        }
    }

    fn receive_publish(&mut self, publish: Publish) -> Result<(), Violation> {
        let received = self.endpoint.receive(publish)?;
        self.events.extend(received.map(ClientEvent::Publish));
        Ok(())
    }

    fn ack(&mut self, kind: AckKind, ack: &Ack) -> Result<(), Violation> {
        let settled = self
            .endpoint
            .receive_ack(kind, ack.packet_identifier, ack.reason)?;
        if let Some(Settled { key, reason, .. }) = settled {
            let outcome = match reason.is_error() && kind != AckKind::Pubcomp {
                true => Outcome::Refused(reason),
                false => Outcome::Delivered(reason),
            };
            self.events
                .push_back(ClientEvent::Settled(Operation(key), outcome));
        }
        Ok(())
    }

    /// Publishes a message, now or when there is a connection.
    ///
    /// The operation settles when the server has the message, or refuses it, or when it can no
    /// longer be known.
    ///
    /// # Errors
    ///
    /// The queue is full, or the server has announced that it does not take such a message. Nothing
    /// has changed. What the server announces later can still settle the operation as dropped.
    pub fn publish(&mut self, now: Instant, delivery: Delivery<M>) -> Result<Operation, Refused> {
        if let Stage::Online(_) = self.stage {
            self.endpoint.check(now, &delivery).map_err(refusal)?;
        }
        let events = &mut self.events;
        let queued = self
            .endpoint
            .enqueue(delivery, &mut |fate| settle(events, fate));
        queued.map(Operation).map_err(refusal)
    }

    /// The application has taken over a message that arrived, or refuses it by an error.
    ///
    /// Completions may come in any order; acknowledgements leave in the order in which the messages
    /// came `[MQTT-4.6.0-2]`. A token of an earlier connection is harmless.
    ///
    /// # Errors
    ///
    /// [`Refused::ReasonNotAllowed`] if the acknowledgement cannot carry the reason. Nothing has
    /// changed: the token can still be completed.
    pub fn complete(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
        properties: Option<Box<AckProperties>>,
    ) -> Result<(), Refused> {
        self.endpoint.complete(token, reason, properties)
    }

    /// The next packet to write, in order. `None` when nothing is ready to be written.
    ///
    /// Message Expiry, Receive Maximum, Maximum Packet Size and topic aliases are decided here, so
    /// take a packet only when the network has room for it. This may record store operations: with
    /// [`Settings::durable`](crate::Settings::durable), drain [`poll_store`](Self::poll_store)
    /// afterwards.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Outgoing<M>> {
        let online = matches!(self.stage, Stage::Online(_));
        if online && self.endpoint.line() == Line::Open {
            self.send_requests();
        }
        let events = &mut self.events;
        let outgoing = self
            .endpoint
            .poll_transmit(now, online, &mut |fate| settle(events, fate))?;
        if let Stage::Online(pinger) = &mut self.stage {
            pinger.spoke(now);
        }
        Some(outgoing)
    }

    /// What has happened, in order.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// The next store operation, in order, with the ticket that reports it durable.
    pub fn poll_store(&mut self) -> Option<(Ticket, StoreOp<M>)> {
        self.endpoint.store.poll()
    }

    /// All store operations up to this ticket are durable. What they held back can leave now.
    pub fn handle_durable(&mut self, ticket: Ticket) {
        self.endpoint.handle_durable(ticket);
    }

    /// Whether the network connection should be closed as soon as everything is written.
    pub fn is_closing(&self) -> bool {
        self.endpoint.line() == Line::Closing
    }

    /// Whether the server has accepted the connection, and it stands.
    pub fn is_online(&self) -> bool {
        matches!(self.stage, Stage::Online(_)) && self.endpoint.line() == Line::Open
    }

    /// The protocol version of the connection, or of the last one.
    pub fn version(&self) -> Version {
        self.endpoint.version
    }

    /// What the server takes on this connection.
    pub fn peer_limits(&self) -> &Limits {
        &self.endpoint.peer
    }

    /// Messages that wait to be sent, without those in flight.
    pub fn queued(&self) -> usize {
        self.endpoint.outbound.queued()
    }

    /// QoS 1 and 2 messages that are sent and not acknowledged.
    pub fn in_flight(&self) -> usize {
        self.endpoint.outbound.in_flight()
    }

    /// Whether every operation has settled: nothing waits, and nothing is in flight.
    pub fn is_settled(&self) -> bool {
        self.endpoint.outbound.is_empty() && self.waiting.is_empty() && self.sent.is_empty()
    }
}

pub(super) fn settle(events: &mut VecDeque<ClientEvent>, fate: Fate) {
    let (key, outcome) = match fate {
        Fate::Dropped(dropped) if dropped.sent => (dropped.key, Outcome::Unknown),
        Fate::Dropped(dropped) => (dropped.key, Outcome::Dropped(dropped.reason)),
        Fate::Written(key) => (key, Outcome::Delivered(ReasonCode::Success)),
    };
    events.push_back(ClientEvent::Settled(Operation(key), outcome));
}

fn refusal(reason: DropReason) -> Refused {
    match reason {
        DropReason::QueueFull => Refused::QueueFull,
        DropReason::Offline => Refused::NotConnected,
        DropReason::PacketTooLarge => Refused::PacketTooLarge,
        DropReason::Expired => Refused::Expired,
        DropReason::QoSNotSupported => Refused::QoSNotSupported,
        DropReason::RetainNotSupported => Refused::RetainNotSupported,
    }
}
