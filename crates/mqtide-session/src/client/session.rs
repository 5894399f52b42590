//! A session as the client keeps it, with or without a connection.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_codec::{
    Ack, AckProperties, Auth, Connack, Connect, Disconnect, Packet, PacketIdentifier, PacketType,
    Publish, PublishTopic, ReasonCode, Sender, Subscribe, SubscribeProperties, Subscription,
    Unsubscribe, UserProperties, Version,
};
use mqtide_topic::SubscriptionFilter;

use super::{ClientEvent, ClientSettings, Operation, Outcome};
use crate::auth::Exchange;
use crate::control::AckKind;
use crate::endpoint::{Endpoint, Line, PublishHead, Terms};
use crate::inbound::{AckToken, Arrival};
use crate::keep_alive::{PingDuty, Pinger};
use crate::limits::v5;
use crate::outbound::{Fate, Lost};
use crate::{
    ClientState, Deliverable, Delivery, DropReason, Instant, Limits, Message, Outgoing,
    ReceivedPublish, Refused, SessionState, Settled, StoreOp, Ticket, Violation,
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
    endpoint: Endpoint<M>,
    settings: ClientSettings,
    stage: Stage,
    /// What the last CONNECT said.
    connect: ConnectTerms,
    /// Whether the server may have a session of ours.
    established: bool,
    session_expiry: u32,
    subscriptions: SubscriptionSupport,
    auth: Option<Exchange>,
    waiting: VecDeque<(Operation, Request)>,
    sent: Vec<SentRequest>,
    events: VecDeque<ClientEvent>,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    Offline,
    /// CONNECT is on its way; give up at this time.
    Connecting(Instant),
    Online(Pinger),
}

#[derive(Clone, Copy, Debug, Default)]
struct ConnectTerms {
    clean_start: bool,
    keep_alive: u16,
    session_expiry: u32,
}

/// What kinds of subscription the server takes.
#[derive(Clone, Copy, Debug)]
struct SubscriptionSupport {
    wildcards: bool,
    identifiers: bool,
    shared: bool,
}

#[derive(Clone, Debug)]
enum Request {
    Subscribe(Vec<Subscription>, Option<Box<SubscribeProperties>>),
    Unsubscribe(Vec<ByteString>, UserProperties),
}

#[derive(Debug)]
struct SentRequest {
    operation: Operation,
    packet_identifier: PacketIdentifier,
    answer: PacketType,
    filters: usize,
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
    /// restores it learns what became of a message by its [key](Operation::key).
    pub fn export(&self) -> ClientState<M> {
        ClientState {
            session: SessionState::of(&self.endpoint.outbound, &self.endpoint.inbound),
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

    /// A network connection stands: the first output is this CONNECT.
    ///
    /// The packet may differ from one connection to the next, such as in its credentials. What it
    /// announces binds the server.
    ///
    /// # Errors
    ///
    /// There is a connection already, or the version needs a client identifier
    /// `[v3.1.1 MQTT-3.1.3-7]`. Nothing has changed.
    pub fn handle_connected(&mut self, now: Instant, connect: Connect) -> Result<(), Refused> {
        if self.endpoint.line() != Line::Down {
            return Err(Refused::AlreadyConnected);
        }
        let needs_name = match connect.version {
            Version::V31 => true,
            Version::V311 => !connect.clean_start,
            Version::V5 => false,
        };
        if needs_name && connect.client_identifier.is_empty() {
            return Err(Refused::ClientIdentifierRequired);
        }
        self.connect = ConnectTerms::of(&connect);
        self.session_expiry = self.connect.session_expiry;
        let properties = connect
            .properties
            .as_deref()
            .filter(|_| v5(connect.version));
        let method = properties.and_then(|p| p.authentication_method.clone());
        self.auth = method.map(|method| Exchange::new(method, Sender::Client));
        self.settings.session.limits = Limits::of_client(&connect);
        self.endpoint.dial(connect.version);
        self.stage = Stage::Connecting(now + self.settings.connect_timeout);
        self.endpoint
            .push(Packet::Connect(Box::new(connect)))
            .map_err(|_| Refused::PacketTooLarge)
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
        taken.map_err(|violation| self.endpoint.fail(violation))
    }

    fn take_in_before_connack(&mut self, now: Instant, packet: Packet) -> Result<(), Violation> {
        match packet {
            Packet::Connack(connack) => self.connack(now, connack),
            Packet::Auth(auth) => {
                self.stage = Stage::Connecting(now + self.settings.connect_timeout);
                self.receive_auth(auth)
            }
            other => Err(Violation::UnexpectedPacket(other.packet_type())),
        }
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

    fn connack(&mut self, now: Instant, connack: Connack) -> Result<(), Violation> {
        if connack.reason.is_error() {
            self.endpoint.hang_up();
            self.events
                .push_back(ClientEvent::ConnectionRefused(Box::new(connack)));
            return Ok(());
        }
        self.check_method(&connack)?;
        self.settle_session(&connack)?;
        let properties = connack.properties.as_deref();
        if let Some(granted) = properties.and_then(|p| p.session_expiry_interval) {
            self.session_expiry = granted;
        }
        self.subscriptions = SubscriptionSupport::of(&connack);
        self.endpoint.open(Terms {
            version: self.endpoint.version,
            settings: self.settings.session,
            peer: Limits::of_server(&connack),
            explain: true,
            // What the client keeps, it keeps for itself: also messages that were never sent.
            lasting: true,
        });
        let announced = properties.and_then(|p| p.server_keep_alive);
        let keep_alive = announced.unwrap_or(self.connect.keep_alive);
        self.stage = Stage::Online(Pinger::new(now, keep_alive, self.settings.ping_timeout));
        self.events
            .push_back(ClientEvent::Connected(Box::new(connack)));
        Ok(())
    }

    /// `[MQTT-4.12.0-5]`
    fn check_method(&mut self, connack: &Connack) -> Result<(), Violation> {
        let properties = connack.properties.as_deref();
        let theirs = properties.and_then(|p| p.authentication_method.as_ref());
        if theirs != self.auth.as_ref().map(Exchange::method) {
            return Err(Violation::AuthenticationMethodChanged);
        }
        self.auth.iter_mut().for_each(Exchange::finish);
        Ok(())
    }

    /// Compares what the server has of the session with what is here `[MQTT-3.2.2-4]`,
    /// `[MQTT-3.2.2-5]`.
    fn settle_session(&mut self, connack: &Connack) -> Result<(), Violation> {
        let ours = self.established && !self.connect.clean_start;
        if connack.session_present && !ours {
            return Err(Violation::SessionPresentWithoutState);
        }
        // MQTT 3.1 cannot say whether the session is present, so it is taken to be.
        let present = match self.endpoint.version {
            Version::V31 => ours,
            _ => connack.session_present,
        };
        if !present {
            self.lose_session();
        }
        self.established = true;
        Ok(())
    }

    fn lose_session(&mut self) {
        self.established = false;
        let events = &mut self.events;
        self.endpoint.lose(|lost| {
            let (key, outcome) = match lost {
                Lost::Unknown(key) => (key, Outcome::Unknown),
                Lost::Owned(key) => (key, Outcome::Delivered(ReasonCode::Success)),
            };
            events.push_back(ClientEvent::Settled(Operation(key), outcome));
        });
    }

    fn receive_publish(&mut self, mut publish: Publish) -> Result<(), Violation> {
        let received = self.endpoint.receive_publish(&PublishHead::of(&publish))?;
        let ack = match received.arrival {
            Arrival::Unanswered => None,
            Arrival::New(token) => Some(token),
            Arrival::Repeated => return Ok(()),
        };
        publish.topic = match (received.aliased, publish.topic) {
            (Some(name), _) | (None, PublishTopic::Named { name, .. }) => name.into(),
            (None, alias) => alias,
        };
        self.events
            .push_back(ClientEvent::Publish(ReceivedPublish { publish, ack }));
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

    fn answer(
        &mut self,
        answer: PacketType,
        id: PacketIdentifier,
        reasons: Vec<ReasonCode>,
        properties: Option<Box<AckProperties>>,
    ) -> Result<(), Violation> {
        let found = self
            .sent
            .iter()
            .position(|sent| sent.packet_identifier == id);
        // An answer to nothing: the standard does not say; it changes nothing.
        let Some(index) = found else { return Ok(()) };
        if self.sent[index].answer != answer {
            return Err(Violation::WrongAcknowledgement(answer));
        }
        let reasonless = answer == PacketType::Unsuback && !v5(self.endpoint.version);
        if reasons.len() != self.sent[index].filters && !reasonless {
            return Err(Violation::ReasonCountMismatch);
        }
        let sent = self.sent.swap_remove(index);
        self.endpoint.outbound.answer(id);
        let outcome = Outcome::Answered {
            reasons,
            properties,
        };
        self.events
            .push_back(ClientEvent::Settled(sent.operation, outcome));
        Ok(())
    }

    fn server_disconnect(&mut self, disconnect: Disconnect) -> Result<(), Violation> {
        if !v5(self.endpoint.version) {
            return Err(Violation::UnexpectedPacket(PacketType::Disconnect));
        }
        let properties = disconnect.properties.as_deref();
        if properties.is_some_and(|p| p.session_expiry_interval.is_some()) {
            return Err(Violation::SessionExpiryNotAllowed);
        }
        self.endpoint.hang_up();
        self.events.push_back(ClientEvent::Disconnected(disconnect));
        Ok(())
    }

    fn receive_auth(&mut self, auth: Box<Auth>) -> Result<(), Violation> {
        let connecting = matches!(self.stage, Stage::Connecting(_));
        let exchange = self.auth.as_mut();
        exchange
            .ok_or(Violation::UnexpectedPacket(PacketType::Auth))?
            .receive(&auth)?;
        if connecting && auth.reason == ReasonCode::Success {
            return Err(Violation::ReasonNotAllowed(auth.reason));
        }
        self.events.push_back(ClientEvent::Authenticate(auth));
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

    /// Asks for subscriptions. The operation settles with one reason per filter, or as unknown when
    /// the connection is lost: requests are not part of the session.
    ///
    /// # Errors
    ///
    /// There is no connection, a filter is not valid, the server has announced that it does not take
    /// such subscriptions, or too many requests wait. Nothing has changed.
    pub fn subscribe(
        &mut self,
        subscriptions: Vec<Subscription>,
        properties: Option<Box<SubscribeProperties>>,
    ) -> Result<Operation, Refused> {
        if subscriptions.is_empty() {
            return Err(Refused::TopicFilterInvalid);
        }
        for subscription in &subscriptions {
            self.check_subscription(subscription)?;
        }
        let identifier = properties
            .as_deref()
            .and_then(|p| p.subscription_identifier);
        if identifier.is_some() && !self.subscriptions.identifiers {
            return Err(Refused::SubscriptionNotSupported);
        }
        self.request(Request::Subscribe(subscriptions, properties))
    }

    fn check_subscription(&self, subscription: &Subscription) -> Result<(), Refused> {
        let filter = subscription
            .parse_filter()
            .map_err(|_| Refused::TopicFilterInvalid)?;
        let shared = matches!(filter, SubscriptionFilter::Shared { .. });
        if shared && subscription.options.no_local {
            return Err(Refused::SharedNoLocal);
        }
        let wildcards = filter.filter().has_wildcards();
        if shared && !self.subscriptions.shared || wildcards && !self.subscriptions.wildcards {
            return Err(Refused::SubscriptionNotSupported);
        }
        Ok(())
    }

    /// Asks for the end of subscriptions. Settles like [`subscribe`](Self::subscribe).
    ///
    /// # Errors
    ///
    /// There is no connection, a filter is not valid, or too many requests wait. Nothing has changed.
    pub fn unsubscribe(
        &mut self,
        filters: Vec<ByteString>,
        user_properties: UserProperties,
    ) -> Result<Operation, Refused> {
        let valid = |filter: &ByteString| SubscriptionFilter::try_from(filter.clone()).is_ok();
        if filters.is_empty() || !filters.iter().all(valid) {
            return Err(Refused::TopicFilterInvalid);
        }
        self.request(Request::Unsubscribe(filters, user_properties))
    }

    fn request(&mut self, request: Request) -> Result<Operation, Refused> {
        self.endpoint.require_open()?;
        if self.waiting.len() >= self.settings.waiting_requests {
            return Err(Refused::QueueFull);
        }
        self.check_size(&request)?;
        let operation = Operation(self.endpoint.outbound.take_key());
        self.waiting.push_back((operation, request));
        Ok(operation)
    }

    /// `[MQTT-3.2.2-15]`
    fn check_size(&self, request: &Request) -> Result<(), Refused> {
        let len = request.encoded_len(self.endpoint.version);
        match len.is_some_and(|len| len <= self.endpoint.peer.maximum_packet_size as usize) {
            true => Ok(()),
            false => Err(Refused::PacketTooLarge),
        }
    }

    /// Sends the requests that wait, as far as there are identifiers `[MQTT-2.2.1-3]`.
    fn send_requests(&mut self) {
        while !self.waiting.is_empty() {
            let Some((id, _)) = self.endpoint.outbound.request() else {
                return;
            };
            let Some((operation, request)) = self.waiting.pop_front() else {
                return;
            };
            let (answer, filters) = request.expects();
            if self.endpoint.push(request.into_packet(id)).is_err() {
                self.endpoint.outbound.answer(id);
                let outcome = Outcome::Dropped(DropReason::PacketTooLarge);
                self.events
                    .push_back(ClientEvent::Settled(operation, outcome));
                continue;
            }
            self.sent.push(SentRequest {
                operation,
                packet_identifier: id,
                answer,
                filters,
            });
        }
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

    /// Answers the server's step of an authentication `[MQTT-4.12.0-3]`.
    ///
    /// # Errors
    ///
    /// [`Refused::NotAuthenticating`] if it is not the client's turn.
    pub fn authenticate(&mut self, data: Option<Bytes>) -> Result<(), Refused> {
        self.step_authentication(|exchange| exchange.proceed(data))
    }

    /// Begins a re-authentication with the method of CONNECT `[MQTT-4.12.1-1]`.
    ///
    /// # Errors
    ///
    /// [`Refused::NotAuthenticating`] if CONNECT had no method `[MQTT-4.12.0-7]`, or an authentication
    /// is going on.
    pub fn reauthenticate(&mut self, data: Option<Bytes>) -> Result<(), Refused> {
        self.step_authentication(|exchange| exchange.begin(data))
    }

    fn step_authentication(
        &mut self,
        step: impl FnOnce(&mut Exchange) -> Result<Auth, Refused>,
    ) -> Result<(), Refused> {
        self.endpoint.require_open()?;
        let auth = step(self.auth.as_mut().ok_or(Refused::NotAuthenticating)?)?;
        self.endpoint
            .push(Packet::Auth(Box::new(auth)))
            .map_err(|_| Refused::PacketTooLarge)
    }

    /// Says goodbye: DISCONNECT is the last packet that leaves `[MQTT-3.14.4-1]`. What waits in the
    /// queue stays there.
    ///
    /// # Errors
    ///
    /// There is no connection, or a client may not send this packet, such as one that gives a
    /// lifetime to a session that began without (MQTT 5.0 §3.14.2.2.2). Nothing has changed.
    pub fn disconnect(&mut self, disconnect: Disconnect) -> Result<(), Refused> {
        self.endpoint.require_open()?;
        if !disconnect
            .reason
            .allowed_from(PacketType::Disconnect, Sender::Client)
        {
            return Err(Refused::ReasonNotAllowed);
        }
        let properties = disconnect.properties.as_deref();
        if let Some(interval) = properties.and_then(|p| p.session_expiry_interval) {
            if self.connect.session_expiry == 0 && interval > 0 {
                return Err(Refused::SessionExpiryNotAllowed);
            }
            self.session_expiry = interval;
        }
        self.endpoint.close_with(disconnect);
        Ok(())
    }

    /// The network connection is gone, for whatever reason.
    pub fn handle_disconnected(&mut self) {
        if self.endpoint.line() == Line::Down {
            return;
        }
        self.stage = Stage::Offline;
        self.auth = None;
        let events = &mut self.events;
        self.endpoint.disconnect(&mut |fate| settle(events, fate));
        let sent = self
            .sent
            .drain(..)
            .map(|sent| (sent.operation, Outcome::Unknown));
        let waiting = self.waiting.drain(..);
        let unsent = waiting.map(|(id, _)| (id, Outcome::Dropped(DropReason::Offline)));
        let settled = sent
            .chain(unsent)
            .map(|(id, outcome)| ClientEvent::Settled(id, outcome));
        self.events.extend(settled);
        if self.session_expiry == 0 {
            self.lose_session();
        }
    }

    /// The time has come that [`poll_timeout`](Self::poll_timeout) told, or any other: handling it
    /// early is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.endpoint.line() != Line::Open {
            return;
        }
        let duty = match &mut self.stage {
            Stage::Offline => PingDuty::Rest,
            Stage::Connecting(deadline) if *deadline <= now => PingDuty::GiveUp,
            Stage::Connecting(_) => PingDuty::Rest,
            Stage::Online(pinger) => pinger.duty(now),
        };
        match duty {
            PingDuty::Rest => {}
            PingDuty::Ping => self.endpoint.push_pingreq(),
            PingDuty::GiveUp => {
                self.endpoint.hang_up();
                self.events.push_back(ClientEvent::TimedOut);
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.stage {
            _ if self.endpoint.line() != Line::Open => None,
            Stage::Offline => None,
            Stage::Connecting(deadline) => Some(*deadline),
            Stage::Online(pinger) => pinger.deadline(),
        }
    }

    /// The next packet to write, in order. `None` when there is nothing to write, for now.
    ///
    /// Message Expiry, Receive Maximum, Maximum Packet Size and topic aliases are decided here, so
    /// take a packet only when the network has room for it.
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

    /// All store operations up to this ticket are durable.
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

impl ConnectTerms {
    fn of(connect: &Connect) -> Self {
        let properties = connect.properties.as_deref();
        let session_expiry = match (v5(connect.version), connect.clean_start) {
            (true, _) => properties
                .and_then(|p| p.session_expiry_interval)
                .unwrap_or(0),
            (false, true) => 0,
            (false, false) => u32::MAX,
        };
        let Connect {
            clean_start,
            keep_alive,
            ..
        } = *connect;
        Self {
            clean_start,
            keep_alive,
            session_expiry,
        }
    }
}

impl SubscriptionSupport {
    const ALL: Self = Self {
        wildcards: true,
        identifiers: true,
        shared: true,
    };

    fn of(connack: &Connack) -> Self {
        let Some(properties) = connack.properties.as_deref() else {
            return Self::ALL;
        };
        Self {
            wildcards: properties.wildcard_subscription_available.unwrap_or(true),
            identifiers: properties
                .subscription_identifiers_available
                .unwrap_or(true),
            shared: properties.shared_subscription_available.unwrap_or(true),
        }
    }
}

impl Request {
    fn encoded_len(&self, version: Version) -> Option<usize> {
        let packet = self.clone().into_packet(PacketIdentifier::MIN);
        mqtide_codec::encoded_len(&packet, version).ok()
    }

    fn into_packet(self, id: PacketIdentifier) -> Packet {
        match self {
            Self::Subscribe(subscriptions, properties) => Packet::Subscribe(Subscribe {
                packet_identifier: id,
                subscriptions,
                properties,
            }),
            Self::Unsubscribe(filters, user_properties) => Packet::Unsubscribe(Unsubscribe {
                packet_identifier: id,
                filters,
                user_properties,
            }),
        }
    }

    fn expects(&self) -> (PacketType, usize) {
        match self {
            Self::Subscribe(subscriptions, _) => (PacketType::Suback, subscriptions.len()),
            Self::Unsubscribe(filters, _) => (PacketType::Unsuback, filters.len()),
        }
    }
}

fn settle(events: &mut VecDeque<ClientEvent>, fate: Fate) {
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
