//! What comes in over a connection: publications and acknowledgements of the peer.

use alloc::boxed::Box;

use mqtide_codec::{
    Ack, AckProperties, PacketIdentifier, PacketType, Property, Publish, PublishRef, PublishTopic,
    QoS, ReasonCode, Sender, TopicAlias,
};
use mqtide_topic::{TopicName, TopicNameRef};

use super::{Endpoint, Line};
use crate::control::{AckKind, Acknowledgement, ClosesPublication, Control};
use crate::inbound::{AckToken, Answer, Arrival};
use crate::limits::v5;
use crate::outbound::PubrecStep;
use crate::{Deliverable, ReceivedPublish, Refused, Settled, StoreOp, Ticket, Violation};

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
    /// Takes in an owned PUBLISH. Nothing comes of a repetition.
    pub(crate) fn receive(
        &mut self,
        mut publish: Publish,
    ) -> Result<Option<ReceivedPublish>, Violation> {
        let received = self.receive_publish(&PublishHead::of(&publish))?;
        let ack = match received.arrival {
            Arrival::Unanswered => None,
            Arrival::New(token) => Some(token),
            Arrival::Repeated => return Ok(None),
        };
        publish.topic = match (received.aliased, publish.topic) {
            (Some(name), _) | (None, PublishTopic::Named { name, .. }) => name.into(),
            (None, alias) => alias,
        };
        Ok(Some(ReceivedPublish { publish, ack }))
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
            // Nothing leaves behind DISCONNECT [MQTT-3.14.4-1].
            if self.line == Line::Open {
                self.control.push(control, ClosesPublication::Yes);
            }
        }
    }

    fn release_pubrecs(&mut self) {
        while let Some((id, reason, answer)) = self.inbound.next_pubrec() {
            let closes = match self.refuse_held(id, reason) {
                true => ClosesPublication::Yes,
                false => ClosesPublication::No,
            };
            if self.line != Line::Open {
                continue;
            }
            if let Some(answer) = answer {
                let control = self.acknowledgement(AckKind::Pubrec, answer);
                self.push_durable(control, closes);
            }
            // PUBREL is answered even if the PUBLISH was not repeated on this connection.
            if self.inbound.is_released(id) {
                self.end_flow(id);
            }
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

    fn acknowledgement(&self, kind: AckKind, answer: Answer) -> Control {
        let Answer {
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

    /// Tells the peer that nothing is known of an identifier: once it is certain that nothing will be
    /// known of it after a crash either, as the peer may use it anew.
    fn push_not_found(&mut self, kind: AckKind, packet_identifier: PacketIdentifier) {
        let ack = Acknowledgement {
            kind,
            packet_identifier,
            reason: ReasonCode::PacketIdentifierNotFound,
        };
        self.push_durable(Control::Ack(ack), ClosesPublication::No);
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
                    self.push_not_found(AckKind::Pubrel, id);
                }
                Ok(None)
            }
        }
    }

    /// `[MQTT-4.3.3-11]`
    fn receive_pubrel(&mut self, id: PacketIdentifier) {
        // A peer that does not wait for PUBREC still gets it, and before PUBCOMP.
        if !self.inbound.release_early(id) {
            self.end_flow(id);
        }
    }

    fn end_flow(&mut self, id: PacketIdentifier) {
        let Some(held) = self.inbound.forget(id) else {
            return self.push_not_found(AckKind::Pubcomp, id);
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
}
