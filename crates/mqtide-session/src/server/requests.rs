//! SUBSCRIBE and UNSUBSCRIBE: from the packet to its answer.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mqtide_codec::{
    AckProperties, Packet, PacketIdentifier, PacketType, QoS, ReasonCode, Sender, Suback,
    Subscribe, Unsuback, Unsubscribe, Version,
};
use mqtide_topic::SubscriptionFilter;

use super::ServerSession;
use super::event::{ServerEvent, SubscribeRequest, SubscriptionRequest, UnsubscribeRequest};
use crate::limits::v5;
use crate::{Deliverable, Refused, Violation};

/// A SUBSCRIBE or UNSUBSCRIBE that the owner has not answered.
#[derive(Debug)]
pub(super) struct PendingRequest {
    packet_identifier: PacketIdentifier,
    kind: PacketType,
    filters: usize,
    /// The QoS asked for: MQTT 3.1 cannot refuse a filter, and is told this instead.
    requested: Vec<QoS>,
}

impl<M: Deliverable + Clone> ServerSession<M> {
    pub(super) fn subscribe(
        &mut self,
        subscribe: Subscribe,
    ) -> Result<Option<ServerEvent>, Violation> {
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

    pub(super) fn unsubscribe(
        &mut self,
        unsubscribe: Unsubscribe,
    ) -> Result<Option<ServerEvent>, Violation> {
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
        self.requests.fill().push_back(PendingRequest {
            packet_identifier,
            kind,
            filters,
            requested,
        });
        Ok(())
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
        let requests = self.requests.get_mut().ok_or(Refused::UnknownRequest)?;
        let index = requests
            .iter()
            .position(asked)
            .ok_or(Refused::UnknownRequest)?;
        if requests[index].filters != reasons.len() {
            return Err(Refused::ReasonCountMismatch);
        }
        if !reasons
            .iter()
            .all(|reason| reason.allowed_from(answer, Sender::Server))
        {
            return Err(Refused::ReasonNotAllowed);
        }
        let request = requests.swap_remove_back(index);
        if requests.is_empty() {
            // Sessions subscribe when they begin, and then live long.
            self.requests.clear();
        }
        request.ok_or(Refused::UnknownRequest)
    }
}

/// SUBSCRIBEs and UNSUBSCRIBEs that may wait for the owner's answer.
const PENDING_REQUESTS: usize = 1024;
