//! What client and server have in common: one end of a connection, and the flows over it.

use alloc::boxed::Box;

use mqtide_codec::{
    Ack, AckProperties, Disconnect, Packet, PacketIdentifier, PacketType, Property, Publish,
    PublishRef, QoS, ReasonCode, Sender, TopicAlias, Version,
};
use mqtide_topic::{TopicName, TopicNameRef};

use crate::alias::{InboundAliases, OutboundAliases};
use crate::control::{AckKind, Acknowledgement, ClosesPublication, Control, ControlQueue};
use crate::inbound::{AckToken, Arrival, Inbound};
use crate::limits::v5;
use crate::outbound::{Fate, Lost, Outbound, PubrecStep, Wire};
use crate::packet_size::{self, Fit};
use crate::store::StoreLog;
use crate::{
    Deliverable, Delivery, DeliveryKey, DropReason, Instant, Limits, Outgoing, Refused,
    SessionState, Settings, Settled, StoreOp, Ticket, Violation,
};

/// One end of a connection.
#[derive(Debug)]
pub(crate) struct Endpoint<M> {
    pub(crate) role: Sender,
    pub(crate) version: Version,
    pub(crate) settings: Settings,
    pub(crate) peer: Limits,
    /// Whether acknowledgements may carry Reason Strings and User Properties `[MQTT-3.1.2-29]`.
    pub(crate) explain: bool,
    line: Line,
    pub(crate) outbound: Outbound<M>,
    pub(crate) inbound: Inbound,
    pub(crate) store: StoreLog<M>,
    control: ControlQueue,
    inbound_aliases: InboundAliases,
    outbound_aliases: Option<Box<OutboundAliases>>,
}

/// The state of the network connection.
///
/// ```text
/// Down -> Open -> Closing -> Down
///           `-----------------^
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// There is none.
    Down,
    /// Packets go both ways.
    Open,
    /// What waits in the control queue is the last that leaves; what comes is ignored.
    Closing,
}

/// The terms of a connection.
pub(crate) struct Terms {
    pub(crate) version: Version,
    pub(crate) settings: Settings,
    pub(crate) peer: Limits,
    pub(crate) explain: bool,
    /// Whether the session outlives the connection.
    pub(crate) lasting: bool,
}

/// A PUBLISH as far as the protocol looks at it.
pub(crate) struct PublishHead<'a> {
    pub(crate) delivery: mqtide_codec::Delivery,
    pub(crate) retain: bool,
    pub(crate) name: Option<TopicNameRef<'a>>,
    pub(crate) alias: Option<TopicAlias>,
    pub(crate) has_subscription_identifier: bool,
}

/// What a PUBLISH comes to.
pub(crate) struct Received {
    pub(crate) arrival: Arrival,
    /// The topic, if the packet names it by an alias alone.
    pub(crate) aliased: Option<TopicName>,
}

impl<'a> PublishHead<'a> {
    pub(crate) fn of_ref(publish: &PublishRef<'a>) -> Self {
        let is_id = |property| matches!(property, Property::SubscriptionIdentifier(_));
        Self {
            delivery: publish.delivery,
            retain: publish.retain,
            name: publish.topic.name(),
            alias: publish.topic.alias(),
            has_subscription_identifier: publish.properties.iter().any(is_id),
        }
    }

    pub(crate) fn of(publish: &'a Publish) -> Self {
        let ids = publish
            .properties
            .as_deref()
            .map(|p| p.subscription_identifiers.as_slice());
        Self {
            delivery: publish.delivery,
            retain: publish.retain,
            name: publish.topic.name().map(TopicName::as_name),
            alias: publish.topic.alias(),
            has_subscription_identifier: ids.is_some_and(|ids| !ids.is_empty()),
        }
    }
}

impl<M: Deliverable + Clone> Endpoint<M> {
    pub(crate) const fn new(role: Sender, version: Version, settings: Settings) -> Self {
        Self {
            role,
            version,
            settings,
            peer: Limits::UNLIMITED,
            explain: true,
            line: Line::Down,
            outbound: Outbound::new(0),
            inbound: Inbound::new(),
            store: StoreLog::off_after(0),
            control: ControlQueue::new(),
            inbound_aliases: InboundAliases::new(0),
            outbound_aliases: None,
        }
    }

    /// Throws the session state away, such that nothing named by it can be mistaken for something
    /// of the new one.
    pub(crate) fn clear(&mut self) {
        self.store.record(|| StoreOp::Clear);
        self.outbound = Outbound::new(self.outbound.next_key);
        self.inbound = Inbound::after(&self.inbound);
        self.control.clear();
    }

    /// Takes the flows of an exported session, and goes on recording.
    pub(crate) fn restore(&mut self, state: SessionState<M>) -> Result<(), Refused> {
        (self.outbound, self.inbound) = state.into_halves()?;
        self.store.enable(self.settings.durable);
        Ok(())
    }

    /// Begins to send before the terms are known: CONNECT and AUTH.
    pub(crate) fn dial(&mut self, version: Version) {
        (self.version, self.peer) = (version, Limits::UNLIMITED);
        self.line = Line::Open;
        self.control.clear();
    }

    /// Whether the message could be sent on this connection.
    pub(crate) fn check(&self, now: Instant, delivery: &Delivery<M>) -> Result<(), DropReason> {
        let properties = v5(self.version);
        let wire = Wire {
            now,
            properties,
            limits: &self.peer,
            aliases: None,
        };
        wire.plan(delivery, false).map(|_| ())
    }

    /// The peer has lost the session: nothing of it is known any more on either side.
    pub(crate) fn lose(&mut self, lost: impl FnMut(Lost)) {
        self.outbound.lose(&mut self.store, lost);
        let inbound = Inbound::after(&self.inbound);
        for packet_identifier in core::mem::replace(&mut self.inbound, inbound).held() {
            self.store.record(|| StoreOp::Forget { packet_identifier });
        }
    }

    /// Opens the connection. Aliases and quotas begin anew `[MQTT-3.3.2-7]`.
    pub(crate) fn open(&mut self, terms: Terms) {
        let Terms {
            version,
            settings,
            peer,
            explain,
            lasting,
        } = terms;
        (self.version, self.settings, self.peer) = (version, settings, peer);
        self.explain = explain;
        self.line = Line::Open;
        self.control.clear();
        self.store.enable(settings.durable && lasting);
        let own = settings.limits.in_force(version);
        let alias_maximum = peer.topic_alias_maximum.min(settings.send_alias_maximum);
        self.outbound_aliases =
            (alias_maximum > 0).then(|| Box::new(OutboundAliases::new(alias_maximum)));
        self.inbound_aliases = InboundAliases::new(own.topic_alias_maximum);
        self.inbound.connect(own.receive_maximum);
        let send_maximum = peer.receive_maximum.min(settings.send_maximum);
        self.outbound
            .connect(send_maximum, lasting || settings.retain_in_flight);
        self.repeat_released();
    }

    /// PUBRELs that were not answered on the last connection go first: they need no quota.
    fn repeat_released(&mut self) {
        for (packet_identifier, gate) in self.outbound.released() {
            let control = Control::Ack(Acknowledgement {
                kind: AckKind::Pubrel,
                packet_identifier,
                reason: ReasonCode::Success,
            });
            let durable = self.store.is_durable(gate);
            self.control
                .push_after(gate, durable, control, ClosesPublication::No);
        }
    }

    /// The connection is gone.
    pub(crate) fn disconnect(&mut self, fates: &mut impl FnMut(Fate)) {
        self.line = Line::Down;
        self.control.clear();
        self.inbound_aliases = InboundAliases::new(0);
        self.outbound_aliases = None;
        self.inbound.disconnect();
        self.outbound
            .disconnect(self.settings.queue.at_most_once_offline, fates);
        self.outbound.drop_requests();
        self.shrink();
    }

    pub(crate) fn line(&self) -> Line {
        self.line
    }

    /// Nothing new leaves, and nothing is listened to any more.
    pub(crate) fn close(&mut self) {
        if self.line == Line::Open {
            self.line = Line::Closing;
        }
    }

    /// The peer has said its last word: nothing leaves any more, nothing is listened to.
    pub(crate) fn hang_up(&mut self) {
        self.close();
        self.control.clear();
    }

    /// Sends DISCONNECT as the last packet, where the version allows it.
    pub(crate) fn close_with(&mut self, mut disconnect: Disconnect) {
        if self.line != Line::Open {
            return;
        }
        let allowed = v5(self.version) || self.role == Sender::Client;
        if !v5(self.version) {
            disconnect = Disconnect::default();
        }
        if allowed {
            // A DISCONNECT that does not fit is left out: the closing itself must not fail.
            let _ = self.push(Packet::Disconnect(disconnect));
        }
        self.line = Line::Closing;
    }

    /// Closes for a violation, and returns it.
    pub(crate) fn fail(&mut self, violation: Violation) -> Violation {
        if v5(self.version) {
            self.close_with(Disconnect::new(violation.reason()));
        }
        self.close();
        violation
    }

    pub(crate) fn require_open(&self) -> Result<(), Refused> {
        match self.line {
            Line::Open => Ok(()),
            _ => Err(Refused::NotConnected),
        }
    }

    /// Refuses a peer that asks without reading the answers.
    pub(crate) fn check_answers(&self) -> Result<(), Violation> {
        match self.control.len() >= self.settings.answers as usize {
            true => Err(Violation::TooManyRequests),
            false => Ok(()),
        }
    }

    /// Adds a packet to the control queue, without what the peer's limits leave no room for.
    pub(crate) fn push(&mut self, packet: Packet) -> Result<(), Violation> {
        let control = self.fitted(packet)?;
        self.control.push(control, ClosesPublication::No);
        Ok(())
    }

    /// The same, before all others.
    pub(crate) fn push_first(&mut self, packet: Packet) -> Result<(), Violation> {
        let control = self.fitted(packet)?;
        self.control.push_first(control);
        Ok(())
    }

    fn fitted(&self, packet: Packet) -> Result<Control, Violation> {
        let fit = Fit {
            version: self.version,
            maximum_packet_size: self.peer.maximum_packet_size,
            explain: self.explain,
        };
        Ok(Control::Packet(Box::new(fit.apply(packet)?)))
    }

    pub(crate) fn push_pingresp(&mut self) {
        self.control.push(Control::Pingresp, ClosesPublication::No);
    }

    pub(crate) fn push_pingreq(&mut self) {
        self.control.push(Control::Pingreq, ClosesPublication::No);
    }

    /// Takes a message over for the peer.
    pub(crate) fn enqueue(
        &mut self,
        delivery: Delivery<M>,
        fates: &mut impl FnMut(Fate),
    ) -> Result<DeliveryKey, DropReason> {
        let waits = self.line == Line::Open || self.settings.queue.at_most_once_offline;
        if delivery.qos == QoS::AtMostOnce && !waits {
            return Err(DropReason::Offline);
        }
        self.outbound
            .enqueue(delivery, &self.settings.queue, &mut self.store, fates)
    }

    /// Checks a PUBLISH against everything this side has announced, and takes it in.
    pub(crate) fn receive_publish(
        &mut self,
        head: &PublishHead<'_>,
    ) -> Result<Received, Violation> {
        let own = self.settings.limits.in_force(self.version);
        if head.delivery.qos() > own.maximum_qos {
            return Err(Violation::QoSNotSupported);
        }
        if head.retain && !own.retain_available {
            return Err(Violation::RetainNotSupported);
        }
        if head.has_subscription_identifier && self.role == Sender::Server {
            return Err(Violation::SubscriptionIdentifierFromClient);
        }
        let aliased = self.resolve(head)?;
        let arrival = self.inbound.publish(head.delivery)?;
        self.after_arrival(head.delivery, &arrival);
        Ok(Received { arrival, aliased })
    }

    fn resolve(&mut self, head: &PublishHead<'_>) -> Result<Option<TopicName>, Violation> {
        match (head.name, head.alias) {
            (Some(_), None) => Ok(None),
            (Some(name), Some(alias)) => self.inbound_aliases.set(alias, name).map(|()| None),
            (None, Some(alias)) => self
                .inbound_aliases
                .resolve(alias)
                .map(|name| Some(name.clone())),
            (None, None) => Err(Violation::TopicAliasUnknown),
        }
    }

    fn after_arrival(&mut self, delivery: mqtide_codec::Delivery, arrival: &Arrival) {
        if *arrival == Arrival::Repeated {
            return self.release_pubrecs();
        }
        if delivery.qos() != QoS::ExactlyOnce || self.role == Sender::Client {
            return;
        }
        // A server makes the identifier durable together with what the message causes.
        let operation = |packet_identifier| StoreOp::Hold { packet_identifier };
        if let Some(id) = delivery.packet_identifier() {
            self.store.record(|| operation(id));
        }
    }

    /// The owner has taken a message over, or refuses it.
    pub(crate) fn complete(
        &mut self,
        token: AckToken,
        reason: ReasonCode,
        properties: Option<Box<AckProperties>>,
    ) -> Result<(), Refused> {
        let (qos, id) = (token.qos(), token.packet_identifier());
        let packet_type = match qos {
            QoS::ExactlyOnce => PacketType::Pubrec,
            _ => PacketType::Puback,
        };
        if !reason.allowed_from(packet_type, self.role) {
            return Err(Refused::ReasonNotAllowed);
        }
        if !self.inbound.complete(token, reason, properties) {
            return Ok(());
        }
        match qos {
            QoS::ExactlyOnce => {
                if self.role == Sender::Client && !reason.is_error() {
                    self.store.record(|| StoreOp::Hold {
                        packet_identifier: id,
                    });
                }
                self.release_pubrecs();
            }
            _ => self.release_pubacks(),
        }
        Ok(())
    }

    fn release_pubacks(&mut self) {
        while let Some(answer) = self.inbound.next_puback() {
            let control = self.acknowledgement(AckKind::Puback, answer);
            self.control.push(control, ClosesPublication::Yes);
        }
    }

    fn release_pubrecs(&mut self) {
        while let Some((id, reason, answer)) = self.inbound.next_pubrec() {
            let closes = match self.refuse_held(id, reason) {
                true => ClosesPublication::Yes,
                false => ClosesPublication::No,
            };
            let Some(answer) = answer.filter(|_| self.line == Line::Open) else {
                continue;
            };
            let control = self.acknowledgement(AckKind::Pubrec, answer);
            self.push_durable(control, closes);
        }
    }

    /// After a PUBREC with an error the identifier is free `[MQTT-4.3.3-9]`; true if it then counted
    /// as an open publication.
    fn refuse_held(&mut self, id: PacketIdentifier, reason: ReasonCode) -> bool {
        if !reason.is_error() {
            return false;
        }
        let held = self.inbound.forget(id);
        if held.is_some() && self.role == Sender::Server {
            self.store.record(|| StoreOp::Forget {
                packet_identifier: id,
            });
        }
        held.is_some_and(|held| held.counted)
    }

    /// Adds a packet that depends on everything recorded so far.
    fn push_durable(&mut self, control: Control, closes: ClosesPublication) {
        let ticket = match self.store.is_on() {
            true => Ticket(self.store.recorded()),
            false => Ticket(0),
        };
        let durable = self.store.is_durable(ticket);
        self.control.push_after(ticket, durable, control, closes);
    }

    fn acknowledgement(&self, kind: AckKind, answer: crate::inbound::Answer) -> Control {
        let crate::inbound::Answer {
            packet_identifier,
            reason,
            properties,
        } = answer;
        let ack = Acknowledgement {
            kind,
            packet_identifier,
            reason,
        };
        let properties = properties.filter(|_| v5(self.version) && self.explain);
        match properties {
            None => Control::Ack(ack),
            Some(properties) => {
                let mut full = Ack::with_reason(packet_identifier, reason);
                full.properties = Some(properties);
                self.fitted(kind.packet(full)).unwrap_or(Control::Ack(ack))
            }
        }
    }

    fn push_ack(&mut self, kind: AckKind, packet_identifier: PacketIdentifier, reason: ReasonCode) {
        let ack = Acknowledgement {
            kind,
            packet_identifier,
            reason,
        };
        self.control.push(Control::Ack(ack), ClosesPublication::No);
    }

    /// PUBACK, PUBREC, PUBREL or PUBCOMP has arrived (MQTT 5.0 §4.3, §4.4).
    pub(crate) fn receive_ack(
        &mut self,
        kind: AckKind,
        id: PacketIdentifier,
        reason: ReasonCode,
    ) -> Result<Option<Settled>, Violation> {
        match kind {
            AckKind::Puback => self.outbound.puback(id, reason, &mut self.store),
            AckKind::Pubrec => self.receive_pubrec(id, reason),
            AckKind::Pubcomp => self.outbound.pubcomp(id, reason, &mut self.store),
            AckKind::Pubrel => {
                self.receive_pubrel(id);
                Ok(None)
            }
        }
    }

    fn receive_pubrec(
        &mut self,
        id: PacketIdentifier,
        reason: ReasonCode,
    ) -> Result<Option<Settled>, Violation> {
        match self.outbound.pubrec(id, reason, &mut self.store)? {
            PubrecStep::Settled(settled) => Ok(Some(settled)),
            PubrecStep::Release(gate) => {
                let kind = AckKind::Pubrel;
                let reason = ReasonCode::Success;
                let control = Control::Ack(Acknowledgement {
                    kind,
                    packet_identifier: id,
                    reason,
                });
                let durable = self.store.is_durable(gate);
                self.control
                    .push_after(gate, durable, control, ClosesPublication::No);
                Ok(None)
            }
            PubrecStep::Unknown => {
                // A PUBREC that refuses ends the flow: there is nothing to release.
                if !reason.is_error() {
                    self.push_ack(AckKind::Pubrel, id, ReasonCode::PacketIdentifierNotFound);
                }
                Ok(None)
            }
        }
    }

    /// `[MQTT-4.3.3-11]`
    fn receive_pubrel(&mut self, id: PacketIdentifier) {
        let Some(held) = self.inbound.forget(id) else {
            return self.push_ack(AckKind::Pubcomp, id, ReasonCode::PacketIdentifierNotFound);
        };
        self.store.record(|| StoreOp::Forget {
            packet_identifier: id,
        });
        let closes = if held.counted {
            ClosesPublication::Yes
        } else {
            ClosesPublication::No
        };
        let ack = Acknowledgement {
            kind: AckKind::Pubcomp,
            packet_identifier: id,
            reason: ReasonCode::Success,
        };
        self.push_durable(Control::Ack(ack), closes);
    }

    pub(crate) fn handle_durable(&mut self, ticket: Ticket) {
        self.store.handle_durable(ticket);
        let store = &self.store;
        self.control.open(|ticket| store.is_durable(ticket));
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has something to look at.
    pub(crate) fn has_transmit(&self) -> bool {
        match self.line {
            Line::Down => false,
            Line::Closing => self.control.has_ready(),
            Line::Open => self.control.has_ready() || self.outbound.can_write(&self.store),
        }
    }

    /// The next packet to write.
    pub(crate) fn poll_transmit(
        &mut self,
        now: Instant,
        publications: bool,
        fates: &mut impl FnMut(Fate),
    ) -> Option<Outgoing<M>> {
        if let Some((control, closes)) = self.control.pop() {
            if closes == ClosesPublication::Yes {
                self.inbound.closed();
            }
            return self.outgoing(control);
        }
        if self.line != Line::Open || !publications {
            return None;
        }
        let mut wire = Wire {
            now,
            properties: v5(self.version),
            limits: &self.peer,
            aliases: self.outbound_aliases.as_deref_mut(),
        };
        let publish = self.outbound.poll(&mut wire, &mut self.store, fates)?;
        Some(Outgoing::Publish(publish))
    }

    fn outgoing(&mut self, control: Control) -> Option<Outgoing<M>> {
        match control {
            Control::Ack(ack) if packet_size::ack_len(ack, self.version) > self.peer_size() => {
                self.control.clear();
                self.close();
                None
            }
            Control::Ack(ack) => Some(Outgoing::Ack(ack)),
            Control::Pingreq => Some(Outgoing::Pingreq),
            Control::Pingresp => Some(Outgoing::Pingresp),
            Control::Packet(packet) => Some(Outgoing::Packet(packet)),
        }
    }

    fn peer_size(&self) -> usize {
        self.peer.maximum_packet_size as usize
    }

    pub(crate) fn shrink(&mut self) {
        self.outbound.shrink();
        self.inbound.shrink();
        self.control.shrink();
        self.store.shrink();
    }
}
