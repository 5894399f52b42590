//! What client and server have in common: one end of a connection, and the flows over it.

mod receive;

use alloc::boxed::Box;

use mqtide_codec::{Disconnect, Packet, PacketType, QoS, ReasonCode, Sender, Version};

pub(crate) use self::receive::{PublishHead, Received};
use crate::alias::{InboundAliases, OutboundAliases};
use crate::control::{AckKind, Acknowledgement, ClosesPublication, Control, ControlQueue};
use crate::inbound::Inbound;
use crate::limits::v5;
use crate::outbound::{Fate, Lost, Outbound, Wire};
use crate::packet_size::{self, Fit};
use crate::store::StoreLog;
use crate::{
    Deliverable, Delivery, DeliveryKey, DropReason, Instant, Limits, Outgoing, Refused,
    SessionState, Settings, StoreOp, Ticket, Violation,
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
        self.store.let_go();
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
        self.store.let_go();
        self.control.clear();
        // What is stored of a session must be cleared from there when it ends.
        self.store
            .enable(settings.durable && (lasting || self.store.is_on()));
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

    /// Nothing leaves before everything recorded so far is durable: CONNECT with Clean Start and CONNACK
    /// without a session present promise that the old session will not come back, neither its messages
    /// nor the identifiers by which new messages would be taken for repetitions.
    pub(crate) fn hold_back(&mut self) {
        self.store.hold_back();
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
            self.control.drop_gated();
        }
    }

    /// Whether CONNACK waits to be written.
    pub(crate) fn owes_connack(&self) -> bool {
        self.control.begins_with(PacketType::Connack)
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
        self.close();
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

    /// Adds a packet to the control queue, without what the peer's limits leave no room for. Nothing is
    /// added behind DISCONNECT `[MQTT-3.14.4-1]`.
    pub(crate) fn push(&mut self, packet: Packet) -> Result<(), Violation> {
        if self.line == Line::Closing {
            return Ok(());
        }
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

    pub(crate) fn handle_durable(&mut self, ticket: Ticket) {
        self.store.handle_durable(ticket);
        let store = &self.store;
        self.control.open(|ticket| store.is_durable(ticket));
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) has something to look at.
    pub(crate) fn has_transmit(&self) -> bool {
        match self.line {
            _ if self.store.holds_back() => false,
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
        if self.store.holds_back() {
            return None;
        }
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
            // What follows these may be a long rest.
            Control::Pingreq => self.and_rest(Outgoing::Pingreq),
            Control::Pingresp => self.and_rest(Outgoing::Pingresp),
            Control::Packet(packet) => self.and_rest(Outgoing::Packet(packet)),
        }
    }

    fn and_rest(&mut self, outgoing: Outgoing<M>) -> Option<Outgoing<M>> {
        self.control.shrink();
        Some(outgoing)
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
