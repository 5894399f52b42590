//! A session as the server keeps it, with or without a connection.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use mqtide_codec::{
    Ack, AckProperties, Auth, Connect, Disconnect, Packet, PacketIdentifier, PacketType, Publish,
    PublishRef, PublishTopic, QoS, ReasonCode, Sender, Suback, Subscribe, Unsuback, Unsubscribe,
    Version, Will,
};
use mqtide_topic::SubscriptionFilter;

use super::event::{
    ClientDisconnect, Departure, InboundPublish, ReceivedPublish, ServerEvent, SubscribeRequest,
    SubscriptionRequest, UnsubscribeRequest,
};
use super::{Acceptance, Accepted};
use crate::auth::Exchange;
use crate::control::AckKind;
use crate::endpoint::{Endpoint, Line, PublishHead, Terms};
use crate::inbound::{AckToken, Arrival};
use crate::keep_alive::Watch;
use crate::limits::v5;
use crate::packet_size::Fit;
use crate::time::earliest;
use crate::will::Testament;
use crate::{
    DeliverOutcome, Deliverable, Delivery, Drops, Instant, Limits, Outgoing, Refused, ServerState,
    SessionState, Settings, StoreOp, Ticket, Undelivered, Violation,
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
    watch: Watch,
    pub(super) will: Testament,
    pub(super) expiry: Expiry,
    auth: Option<Box<Exchange>>,
    requests: Vec<PendingRequest>,
    drops: Drops,
}

/// How long the session outlives its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry {
    /// What CONNECT carried, in seconds.
    pub(super) asked: u32,
    pub(super) granted: u32,
    pub(super) maximum: u32,
    pub(super) end: End,
}

/// When the session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Not while it is connected, or never.
    Open,
    At(Instant),
    /// It has.
    Past,
}

/// A SUBSCRIBE or UNSUBSCRIBE that the owner has not answered.
#[derive(Debug)]
struct PendingRequest {
    packet_identifier: PacketIdentifier,
    kind: PacketType,
    filters: usize,
    /// The QoS asked for: MQTT 3.1 cannot refuse a filter, and is told this instead.
    requested: Vec<QoS>,
}

impl<M: Deliverable + Clone> ServerSession<M> {
    /// Begins, or goes on with, the session of a client whose CONNECT is accepted.
    pub(crate) fn accept(
        now: Instant,
        connect: Connect,
        acceptance: Acceptance,
        auth: Option<Exchange>,
        parked: Option<Self>,
    ) -> Accepted<M> {
        let (endpoint, will, session_present) = match parked {
            Some(parked) => parked.hand_over(now, connect.clean_start),
            None => {
                let endpoint = Endpoint::new(Sender::Server, connect.version, acceptance.settings);
                (endpoint, None, false)
            }
        };
        let (asked, granted) = acceptance.session_expiry(&connect);
        let maximum = acceptance
            .maximum_session_expiry_interval
            .unwrap_or(u32::MAX);
        let keep_alive = acceptance.server_keep_alive.unwrap_or(connect.keep_alive);
        let mut session = Self {
            endpoint,
            watch: Watch::new(now, keep_alive),
            will: Testament::None,
            expiry: Expiry {
                asked,
                granted,
                maximum,
                end: End::Open,
            },
            auth: auth.map(|mut exchange| {
                exchange.finish();
                Box::new(exchange)
            }),
            requests: Vec::new(),
            drops: Drops::default(),
        };
        session.open(connect, acceptance, session_present);
        Accepted {
            session,
            session_present,
            will,
        }
    }

    fn open(&mut self, mut connect: Connect, acceptance: Acceptance, session_present: bool) {
        let asks_for_silence = connect
            .properties
            .as_deref()
            .and_then(|p| p.request_problem_information);
        self.endpoint.open(Terms {
            version: connect.version,
            settings: acceptance.settings,
            peer: Limits::of_client(&connect),
            explain: asks_for_silence != Some(false),
            lasting: self.expiry.granted > 0,
        });
        self.will = Testament::new(connect.will.take());
        let connack = acceptance.connack(&connect, session_present);
        if self.endpoint.push_first(Packet::Connack(connack)).is_err() {
            self.endpoint.close();
        }
    }

    /// The state for the next connection, the will that the last one leaves, and whether the session
    /// goes on (behaviour on takeover: MQTT 5.0 §3.1.4, §3.1.3.2.2).
    fn hand_over(
        mut self,
        now: Instant,
        clean_start: bool,
    ) -> (Endpoint<M>, Option<Box<Will>>, bool) {
        let departure = self.handle_disconnected(now);
        let ended = match self.expiry.end {
            End::Open => false,
            End::At(end) => end <= now,
            End::Past => true,
        };
        let will = departure.will.or_else(|| match ended || clean_start {
            true => self.will.take(),
            false => self.will.take_due(now),
        });
        if ended || clean_start {
            self.endpoint.clear();
        }
        (self.endpoint, will, !ended && !clean_start)
    }

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

    fn publish(&mut self, mut publish: Publish) -> Result<Option<ServerEvent>, Violation> {
        let received = self.endpoint.receive_publish(&PublishHead::of(&publish))?;
        let ack = match received.arrival {
            Arrival::Unanswered => None,
            Arrival::New(token) => Some(token),
            Arrival::Repeated => return Ok(None),
        };
        publish.topic = match (received.aliased, publish.topic) {
            (Some(name), _) | (None, PublishTopic::Named { name, .. }) => name.into(),
            (None, alias) => alias,
        };
        Ok(Some(ServerEvent::Publish(ReceivedPublish { publish, ack })))
    }

    fn ack(&mut self, kind: AckKind, ack: &Ack) -> Result<Option<ServerEvent>, Violation> {
        let settled = self
            .endpoint
            .receive_ack(kind, ack.packet_identifier, ack.reason)?;
        Ok(settled.map(ServerEvent::Settled))
    }

    fn subscribe(&mut self, subscribe: Subscribe) -> Result<Option<ServerEvent>, Violation> {
        let Subscribe {
            packet_identifier,
            subscriptions,
            properties,
        } = subscribe;
        if self.is_busy(packet_identifier) {
            let refused = alloc::vec![ReasonCode::PacketIdentifierInUse; subscriptions.len()];
            let suback = Packet::Suback(Suback::new(packet_identifier, refused));
            return self.answer_busy(suback);
        }
        let requested = match self.endpoint.version {
            Version::V31 => subscriptions
                .iter()
                .map(|s| s.options.maximum_qos)
                .collect(),
            _ => Vec::new(),
        };
        let mut requests = Vec::with_capacity(subscriptions.len());
        for subscription in subscriptions {
            let (filter, options) = (subscription.parse_filter(), subscription.options);
            let shared = matches!(filter, Ok(SubscriptionFilter::Shared { .. }));
            if shared && options.no_local {
                return Err(Violation::SharedNoLocal);
            }
            requests.push(SubscriptionRequest { filter, options });
        }
        let filters = requests.len();
        self.expect_answer(packet_identifier, PacketType::Subscribe, filters, requested)?;
        let properties = properties.map(|properties| *properties).unwrap_or_default();
        Ok(Some(ServerEvent::Subscribe(SubscribeRequest {
            packet_identifier,
            subscriptions: requests,
            subscription_identifier: properties.subscription_identifier,
            user_properties: properties.user_properties,
        })))
    }

    fn unsubscribe(&mut self, unsubscribe: Unsubscribe) -> Result<Option<ServerEvent>, Violation> {
        let Unsubscribe {
            packet_identifier,
            filters,
            user_properties,
        } = unsubscribe;
        if self.is_busy(packet_identifier) {
            let refused = alloc::vec![ReasonCode::PacketIdentifierInUse; filters.len()];
            let unsuback = Packet::Unsuback(Unsuback::new(packet_identifier, refused));
            return self.answer_busy(unsuback);
        }
        let count = filters.len();
        self.expect_answer(
            packet_identifier,
            PacketType::Unsubscribe,
            count,
            Vec::new(),
        )?;
        let request = UnsubscribeRequest {
            packet_identifier,
            filters,
            user_properties,
        };
        Ok(Some(ServerEvent::Unsubscribe(request)))
    }

    /// MQTT 3.1 lets clients repeat requests, so nothing is busy there.
    fn is_busy(&self, id: PacketIdentifier) -> bool {
        self.endpoint.version != Version::V31
            && (self.endpoint.inbound.uses(id)
                || self
                    .requests
                    .iter()
                    .any(|request| request.packet_identifier == id))
    }

    fn answer_busy(&mut self, refusal: Packet) -> Result<Option<ServerEvent>, Violation> {
        match v5(self.endpoint.version) {
            true => self.endpoint.push(refusal).map(|()| None),
            false => Err(Violation::PacketIdentifierInUse),
        }
    }

    fn expect_answer(
        &mut self,
        packet_identifier: PacketIdentifier,
        kind: PacketType,
        filters: usize,
        requested: Vec<QoS>,
    ) -> Result<(), Violation> {
        if self.requests.len() >= PENDING_REQUESTS {
            return Err(Violation::TooManyRequests);
        }
        self.requests.push(PendingRequest {
            packet_identifier,
            kind,
            filters,
            requested,
        });
        Ok(())
    }

    fn client_disconnect(
        &mut self,
        disconnect: Disconnect,
    ) -> Result<Option<ServerEvent>, Violation> {
        let properties = disconnect.properties.as_deref();
        if let Some(interval) = properties.and_then(|p| p.session_expiry_interval) {
            if self.expiry.asked == 0 && interval > 0 {
                return Err(Violation::SessionExpiryNotAllowed);
            }
            self.expiry.granted = interval.min(self.expiry.maximum);
        }
        if disconnect.reason == ReasonCode::NORMAL_DISCONNECTION {
            self.will = Testament::None;
        }
        self.endpoint.hang_up();
        Ok(Some(ServerEvent::Disconnected(ClientDisconnect {
            packet: disconnect,
        })))
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

    /// Answers a SUBSCRIBE with one reason per filter `[MQTT-3.8.4-6]`.
    ///
    /// MQTT 3.1 has no refusal: there the client is told the QoS that it asked for.
    ///
    /// # Errors
    ///
    /// The request is unknown, a reason is missing, or cannot stand here. Nothing has changed.
    pub fn suback(
        &mut self,
        packet_identifier: PacketIdentifier,
        mut reasons: Vec<ReasonCode>,
        properties: Option<Box<AckProperties>>,
    ) -> Result<(), Refused> {
        let request = self.take_request(PacketType::Subscribe, packet_identifier, &reasons)?;
        for (reason, qos) in reasons.iter_mut().zip(request.requested) {
            if reason.is_error() {
                *reason = ReasonCode::granted(qos);
            }
        }
        self.answer(Packet::Suback(Suback {
            packet_identifier,
            reasons,
            properties,
        }));
        Ok(())
    }

    /// Answers an UNSUBSCRIBE with one reason per filter.
    ///
    /// # Errors
    ///
    /// The request is unknown, a reason is missing, or cannot stand here. Nothing has changed.
    pub fn unsuback(
        &mut self,
        packet_identifier: PacketIdentifier,
        reasons: Vec<ReasonCode>,
        properties: Option<Box<AckProperties>>,
    ) -> Result<(), Refused> {
        self.take_request(PacketType::Unsubscribe, packet_identifier, &reasons)?;
        self.answer(Packet::Unsuback(Unsuback {
            packet_identifier,
            reasons,
            properties,
        }));
        Ok(())
    }

    fn take_request(
        &mut self,
        kind: PacketType,
        id: PacketIdentifier,
        reasons: &[ReasonCode],
    ) -> Result<PendingRequest, Refused> {
        let answer = match kind {
            PacketType::Subscribe => PacketType::Suback,
            _ => PacketType::Unsuback,
        };
        let asked = |r: &PendingRequest| r.packet_identifier == id && r.kind == kind;
        let index = self
            .requests
            .iter()
            .position(asked)
            .ok_or(Refused::UnknownRequest)?;
        if self.requests[index].filters != reasons.len() {
            return Err(Refused::ReasonCountMismatch);
        }
        if !reasons
            .iter()
            .all(|reason| reason.allowed_from(answer, Sender::Server))
        {
            return Err(Refused::ReasonNotAllowed);
        }
        Ok(self.requests.swap_remove(index))
    }

    /// Sends a packet that must reach the client; if it cannot take it, the connection must end.
    fn answer(&mut self, packet: Packet) {
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

    /// Ends the connection from the server's side. The will stays in force.
    ///
    /// MQTT 5.0 clients are told by DISCONNECT, the last packet that leaves; others are not.
    ///
    /// # Errors
    ///
    /// There is no open connection, or a server may not send this packet `[MQTT-3.14.2-2]`. Nothing
    /// has changed.
    pub fn disconnect(&mut self, disconnect: Disconnect) -> Result<(), Refused> {
        self.endpoint.require_open()?;
        if !disconnect
            .reason
            .allowed_from(PacketType::Disconnect, Sender::Server)
        {
            return Err(Refused::ReasonNotAllowed);
        }
        let properties = disconnect.properties.as_deref();
        if properties.is_some_and(|p| p.session_expiry_interval.is_some()) {
            return Err(Refused::SessionExpiryNotAllowed);
        }
        self.endpoint.close_with(disconnect);
        Ok(())
    }

    /// The packet with which to end this connection because the client has opened another one; none
    /// in MQTT 3.1 and 3.1.1. Write it to the old connection, then give the session to
    /// [`ConnectRequest::accept`](crate::ConnectRequest::accept) (MQTT 5.0 §3.1.4).
    pub fn take_over(&mut self) -> Option<Packet> {
        let open = self.endpoint.line() == Line::Open;
        self.endpoint.hang_up();
        let fit = Fit {
            version: self.endpoint.version,
            maximum_packet_size: self.endpoint.peer.maximum_packet_size,
            explain: true,
        };
        let packet = Packet::Disconnect(Disconnect::new(ReasonCode::SessionTakenOver));
        (open && v5(self.endpoint.version))
            .then(|| fit.apply(packet).ok())
            .flatten()
    }

    /// The network connection is gone, for whatever reason. The session goes on without one, unless
    /// it ends with it.
    pub fn handle_disconnected(&mut self, now: Instant) -> Departure {
        if self.endpoint.line() == Line::Down {
            return Departure::default();
        }
        let drops = &mut self.drops;
        self.endpoint.disconnect(&mut |fate| drops.note(&fate));
        self.requests = Vec::new();
        self.auth = None;
        let end = match self.expiry.granted {
            u32::MAX => None,
            seconds => Some(now + Duration::from_secs(seconds.into())),
        };
        self.will.connection_lost(now, end);
        let ended = self.expiry.granted == 0;
        if ended {
            self.endpoint.store.record(|| StoreOp::Clear);
        }
        self.expiry.end = match (ended, end) {
            (true, _) => End::Past,
            (false, Some(end)) => End::At(end),
            (false, None) => End::Open,
        };
        Departure {
            will: self.will.take_due(now),
            ended,
        }
    }

    /// The time has come that [`poll_timeout`](Self::poll_timeout) told, or any other: handling it
    /// early is harmless. Call again until it returns `None`.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<ServerEvent> {
        match self.endpoint.line() {
            Line::Open => self.check_silence(now),
            Line::Closing => None,
            Line::Down => {
                let will = self.will.take_due(now);
                will.map(ServerEvent::Will).or_else(|| self.check_end(now))
            }
        }
    }

    fn check_silence(&mut self, now: Instant) -> Option<ServerEvent> {
        self.watch.deadline().filter(|deadline| *deadline <= now)?;
        self.endpoint
            .close_with(Disconnect::new(ReasonCode::KeepAliveTimeout));
        Some(ServerEvent::KeepAliveTimeout)
    }

    fn check_end(&mut self, now: Instant) -> Option<ServerEvent> {
        let End::At(end) = self.expiry.end else {
            return None;
        };
        (end <= now).then(|| {
            self.expiry.end = End::Past;
            self.endpoint.store.record(|| StoreOp::Clear);
            ServerEvent::Expired
        })
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called at the latest. A packet does not
    /// move it forward at once: a deadline that comes early costs one call.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.endpoint.line() {
            Line::Open => self.watch.deadline(),
            Line::Closing => None,
            Line::Down => {
                let end = match self.expiry.end {
                    End::At(end) => Some(end),
                    End::Open | End::Past => None,
                };
                earliest(self.will.deadline(), end)
            }
        }
    }

    /// The next packet to write, in order. `None` when there is nothing to write, for now.
    ///
    /// Message Expiry, Receive Maximum, Maximum Packet Size and topic aliases are decided here, so
    /// take a packet only when the network has room for it.
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

    /// All store operations up to this ticket are durable.
    pub fn handle_durable(&mut self, ticket: Ticket) {
        self.endpoint.handle_durable(ticket);
    }

    /// Everything the client has not acknowledged, oldest first; the session forgets it.
    ///
    /// For a session that has ended: messages of shared subscriptions can go to another member.
    pub fn take_undelivered(&mut self) -> VecDeque<Undelivered<M>> {
        self.endpoint.outbound.take_undelivered()
    }

    /// The session as a value, also in the middle of its flows. See [`ServerState`] for its times.
    pub fn export(&self) -> ServerState<M> {
        ServerState {
            session: SessionState::of(&self.endpoint.outbound, &self.endpoint.inbound),
            session_expiry_interval: self.expiry.granted,
            ends_at: match self.expiry.end {
                End::At(end) => Some(end),
                End::Open | End::Past => None,
            },
            will: self.will.export(),
        }
    }

    /// A session without a connection, as it was exported or stored. One that was connected then
    /// counts as disconnected `now`.
    ///
    /// # Errors
    ///
    /// The state cannot be what a session left: see [`SessionState::check`].
    pub fn restore(
        now: Instant,
        state: ServerState<M>,
        settings: Settings,
    ) -> Result<Self, Refused> {
        let ServerState {
            session,
            session_expiry_interval,
            ends_at,
            will,
        } = state;
        let mut endpoint = Endpoint::new(Sender::Server, Version::V5, settings);
        endpoint.restore(session)?;
        let granted = session_expiry_interval;
        let end = match (ends_at, granted) {
            (Some(end), _) => End::At(end),
            (None, u32::MAX) => End::Open,
            (None, seconds) => End::At(now + Duration::from_secs(seconds.into())),
        };
        let mut will = Testament::restore(will);
        will.connection_lost(
            now,
            match end {
                End::At(end) => Some(end),
                End::Open | End::Past => None,
            },
        );
        Ok(Self {
            endpoint,
            watch: Watch::new(now, 0),
            will,
            expiry: Expiry {
                asked: granted,
                granted,
                maximum: u32::MAX,
                end,
            },
            auth: None,
            requests: Vec::new(),
            drops: Drops::default(),
        })
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
        self.requests.shrink_to_fit();
    }
}

/// SUBSCRIBEs and UNSUBSCRIBEs that may wait for the owner's answer.
const PENDING_REQUESTS: usize = 1024;
