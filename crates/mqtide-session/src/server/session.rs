//! A session as the server keeps it, with or without a connection.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use bytes::Bytes;
use mqtide_codec::{
    Ack, AckProperties, Auth, Packet, PacketType, Publish, PublishRef, ReasonCode, Version,
};

use super::event::{InboundPublish, ServerEvent};
use super::lifetime::{End, Expiry};
use super::requests::PendingRequest;
use crate::auth::Exchange;
use crate::control::AckKind;
use crate::endpoint::{Endpoint, Line, PublishHead};
use crate::inbound::AckToken;
use crate::keep_alive::Watch;
use crate::lazy::Lazy;
use crate::will::Testament;
use crate::{
    DeliverOutcome, Deliverable, Delivery, Drops, Instant, Limits, Outgoing, Refused, Settings,
    StoreOp, StoredWill, Ticket, Undelivered, Violation,
};

/// A session on a server: the half of the protocol that serves one client.
///
/// ```text
/// Online -> Closing -> Offline -> Online (taken by the client's next connection)
///                         `-----> ended
/// ```
///
/// It comes into being by [`ConnectRequest::accept`](crate::ConnectRequest::accept), and goes by
/// value from one connection of its client to the next. The crate's page tells how to drive it.
#[derive(Debug)]
pub struct ServerSession<M> {
    pub(super) endpoint: Endpoint<M>,
    pub(super) watch: Watch,
    pub(super) will: Testament,
    pub(super) expiry: Expiry,
    pub(super) auth: Option<Box<Exchange>>,
    pub(super) requests: Lazy<VecDeque<PendingRequest>>,
    pub(super) drops: Drops,
}

impl<M: Deliverable + Clone> ServerSession<M> {
    /// Takes in a packet of the client.
    ///
    /// At most one event comes of it. Packets that come while the session is closing are ignored
    /// (MQTT 5.0 §3.14.4).
    ///
    /// # Errors
    ///
    /// The client broke the protocol. The session is closing then: see [`Violation`].
    pub fn handle_packet(
        &mut self,
        now: Instant,
        packet: Packet,
    ) -> Result<Option<ServerEvent>, Violation> {
        if self.endpoint.line() != Line::Open {
            return Ok(None);
        }
        self.watch.heard(now);
        let event = self
            .endpoint
            .check_answers()
            .and_then(|()| self.take_in(packet));
        event.map_err(|violation| self.endpoint.fail(violation))
    }

    fn take_in(&mut self, packet: Packet) -> Result<Option<ServerEvent>, Violation> {
        let packet_type = packet.packet_type();
        match packet {
            Packet::Publish(publish) => self.publish(publish),
            Packet::Puback(ack) => self.ack(AckKind::Puback, &ack),
            Packet::Pubrec(ack) => self.ack(AckKind::Pubrec, &ack),
            Packet::Pubrel(ack) => self.ack(AckKind::Pubrel, &ack),
            Packet::Pubcomp(ack) => self.ack(AckKind::Pubcomp, &ack),
            Packet::Subscribe(subscribe) => self.subscribe(subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(unsubscribe),
            Packet::Pingreq => {
                self.endpoint.push_pingresp();
                Ok(None)
            }
            Packet::Disconnect(disconnect) => self.client_disconnect(disconnect),
            Packet::Auth(auth) => self.authenticate(auth),
            Packet::Connect(_)
            | Packet::Connack(_)
            | Packet::Suback(_)
            | Packet::Unsuback(_)
            | Packet::Pingresp => Err(Violation::UnexpectedPacket(packet_type)),
        }
    }

    /// Takes in a PUBLISH that is still in the receive buffer: the same as
    /// [`handle_packet`](Self::handle_packet), without an owned packet.
    ///
    /// # Errors
    ///
    /// The client broke the protocol. The session is closing then: see [`Violation`].
    pub fn handle_publish<'a>(
        &mut self,
        now: Instant,
        publish: &PublishRef<'a>,
    ) -> Result<InboundPublish<'a>, Violation> {
        let head = PublishHead::of_ref(publish);
        if self.endpoint.line() != Line::Open {
            return Ok(InboundPublish::IGNORED);
        }
        self.watch.heard(now);
        let received = self
            .endpoint
            .check_answers()
            .and_then(|()| self.endpoint.receive_publish(&head));
        match received {
            Ok(received) => Ok(InboundPublish::new(head.name, received)),
            Err(violation) => Err(self.endpoint.fail(violation)),
        }
    }

    fn publish(&mut self, publish: Publish) -> Result<Option<ServerEvent>, Violation> {
        Ok(self.endpoint.receive(publish)?.map(ServerEvent::Publish))
    }

    fn ack(&mut self, kind: AckKind, ack: &Ack) -> Result<Option<ServerEvent>, Violation> {
        let settled = self
            .endpoint
            .receive_ack(kind, ack.packet_identifier, ack.reason)?;
        Ok(settled.map(ServerEvent::Settled))
    }

    fn authenticate(&mut self, auth: Box<Auth>) -> Result<Option<ServerEvent>, Violation> {
        let exchange = self.auth.as_mut();
        exchange
            .ok_or(Violation::UnexpectedPacket(PacketType::Auth))?
            .receive(&auth)?;
        Ok(Some(ServerEvent::Authenticate(auth)))
    }

    /// Delivers a message to the client, now or when it comes back.
    ///
    /// With [`DeliverOutcome::Queued`]`{ wake: true, .. }` the session has something to write and
    /// had nothing before: somebody must call [`poll_transmit`](Self::poll_transmit).
    pub fn deliver(&mut self, delivery: Delivery<M>) -> DeliverOutcome {
        if self.has_ended() {
            return DeliverOutcome::Dropped(crate::DropReason::Offline);
        }
        let had_output = self.endpoint.has_transmit();
        let drops = &mut self.drops;
        let outcome = self
            .endpoint
            .enqueue(delivery, &mut |fate| drops.note(&fate));
        match outcome {
            Ok(key) => DeliverOutcome::Queued {
                key,
                wake: !had_output && self.endpoint.has_transmit(),
            },
            Err(reason) => {
                self.drops.count(reason);
                DeliverOutcome::Dropped(reason)
            }
        }
    }

    /// The owner of a message that arrived has taken it over, or refuses it by an error.
    ///
    /// The acknowledgement leaves once it is its turn. A token of an earlier connection is harmless.
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

    /// Sends a packet that must reach the client; if it cannot take it, the connection must end.
    pub(super) fn answer(&mut self, packet: Packet) {
        if let Err(violation) = self.endpoint.push(packet) {
            self.endpoint.fail(violation);
        }
    }

    /// Asks for the next step of a re-authentication.
    ///
    /// # Errors
    ///
    /// [`Refused::NotAuthenticating`] if it is not the server's turn `[MQTT-4.12.0-6]`.
    pub fn challenge(&mut self, data: Option<Bytes>) -> Result<(), Refused> {
        self.step_authentication(|exchange| exchange.proceed(data))
    }

    /// Accepts a re-authentication.
    ///
    /// # Errors
    ///
    /// [`Refused::NotAuthenticating`] if it is not the server's turn.
    pub fn authenticated(&mut self, data: Option<Bytes>) -> Result<(), Refused> {
        self.step_authentication(|exchange| exchange.accept(data))
    }

    fn step_authentication(
        &mut self,
        step: impl FnOnce(&mut Exchange) -> Result<Auth, Refused>,
    ) -> Result<(), Refused> {
        self.endpoint.require_open()?;
        let exchange = self.auth.as_mut().ok_or(Refused::NotAuthenticating)?;
        let auth = step(exchange)?;
        self.answer(Packet::Auth(Box::new(auth)));
        Ok(())
    }

    /// The next packet to write, in order. `None` when nothing is ready to be written.
    ///
    /// Message Expiry, Receive Maximum, Maximum Packet Size and topic aliases are decided here, so
    /// take a packet only when the network has room for it. This may record store operations: with
    /// [`Settings::durable`], drain [`poll_store`](Self::poll_store) afterwards.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Outgoing<M>> {
        let drops = &mut self.drops;
        self.endpoint
            .poll_transmit(now, true, &mut |fate| drops.note(&fate))
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) is worth a call.
    pub fn has_transmit(&self) -> bool {
        self.endpoint.has_transmit()
    }

    /// The next store operation, in order, with the ticket that reports it durable.
    pub fn poll_store(&mut self) -> Option<(Ticket, StoreOp<M>)> {
        self.endpoint.store.poll()
    }

    /// Whether changes of this session leave as store operations: with
    /// [`Settings::durable`](crate::Settings::durable) those of a session that outlives its connection, and of
    /// one that has taken the place of such a session.
    pub fn is_recorded(&self) -> bool {
        self.endpoint.store.is_on()
    }

    /// Puts a [`StoreOp::Mark`] behind the operations so far, and holds back every packet until it is durable.
    ///
    /// For something that the owner stores of the session, such as its expiry and its will, and that CONNACK
    /// promises. Without durability nothing happens.
    pub fn mark(&mut self) {
        self.endpoint.store.record(|| StoreOp::Mark);
        self.endpoint.hold_back();
    }

    /// All store operations up to this ticket are durable. What they held back can leave now: see
    /// [`has_transmit`](Self::has_transmit).
    pub fn handle_durable(&mut self, ticket: Ticket) {
        self.endpoint.handle_durable(ticket);
    }

    /// Everything the client has not acknowledged, oldest first; the session forgets it, without
    /// store operations.
    ///
    /// For a session that has ended: messages of shared subscriptions can go to another member.
    pub fn take_undelivered(&mut self) -> VecDeque<Undelivered<M>> {
        self.endpoint.outbound.take_undelivered()
    }

    /// Whether the network connection should be closed as soon as everything is written.
    pub fn is_closing(&self) -> bool {
        self.endpoint.line() == Line::Closing
    }

    /// Whether there is a network connection.
    pub fn is_connected(&self) -> bool {
        self.endpoint.line() != Line::Down
    }

    /// Whether the session has ended: nothing can resume it.
    pub fn has_ended(&self) -> bool {
        self.expiry.end == End::Past
    }

    /// The protocol version of the connection, or of the last one.
    pub fn version(&self) -> Version {
        self.endpoint.version
    }

    /// What the client takes on this connection.
    pub fn peer_limits(&self) -> &Limits {
        &self.endpoint.peer
    }

    /// The limits and bounds in force.
    pub fn settings(&self) -> &Settings {
        &self.endpoint.settings
    }

    /// Seconds that the session outlives its connection; `u32::MAX` for ever.
    pub fn session_expiry_interval(&self) -> u32 {
        self.expiry.granted
    }

    /// When the session ends; `None` while it is connected, or if it never does.
    pub fn ends_at(&self) -> Option<Instant> {
        match self.expiry.end {
            End::At(end) => Some(end),
            End::Open | End::Past => None,
        }
    }

    /// The will that may still have to be published.
    pub fn will(&self) -> Option<StoredWill> {
        self.will.export()
    }

    /// QoS 1 and 2 messages of the client whose acknowledgement waits for [`complete`](Self::complete), of this
    /// message or of an earlier one.
    pub fn uncompleted(&self) -> usize {
        self.endpoint.inbound.uncompleted()
    }

    /// Messages that wait to be sent, without those in flight.
    pub fn queued(&self) -> usize {
        self.endpoint.outbound.queued()
    }

    /// Bytes of topics and payloads that wait to be sent.
    pub fn queued_bytes(&self) -> u64 {
        self.endpoint.outbound.queued_bytes()
    }

    /// QoS 1 and 2 messages that are sent and not acknowledged.
    pub fn in_flight(&self) -> usize {
        self.endpoint.outbound.in_flight()
    }

    /// The messages dropped since the last call, by reason.
    pub fn take_drops(&mut self) -> Drops {
        core::mem::take(&mut self.drops)
    }

    /// Gives back memory that bursts have left behind.
    pub fn shrink(&mut self) {
        self.endpoint.shrink();
        self.requests.shrink();
    }
}
