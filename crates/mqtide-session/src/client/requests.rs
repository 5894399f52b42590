//! SUBSCRIBE and UNSUBSCRIBE: from the wish to its answer.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytestring::ByteString;
use mqtide_codec::{
    AckProperties, Connack, Packet, PacketIdentifier, PacketType, ReasonCode, Subscribe,
    SubscribeProperties, Subscription, Unsubscribe, UserProperties, Version,
};
use mqtide_topic::SubscriptionFilter;

use super::{ClientEvent, ClientSession, Operation, Outcome};
use crate::limits::v5;
use crate::{Deliverable, DropReason, Refused, Violation};

/// What kinds of subscription the server takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct SubscriptionSupport {
    wildcards: bool,
    identifiers: bool,
    shared: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Request {
    Subscribe(Vec<Subscription>, Option<Box<SubscribeProperties>>),
    Unsubscribe(Vec<ByteString>, UserProperties),
}

#[derive(Debug)]
pub(super) struct SentRequest {
    pub(super) operation: Operation,
    packet_identifier: PacketIdentifier,
    answer: PacketType,
    filters: usize,
}

impl<M: Deliverable + Clone> ClientSession<M> {
    pub(super) fn answer(
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
    pub(super) fn send_requests(&mut self) {
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
}

impl SubscriptionSupport {
    pub(super) const ALL: Self = Self {
        wildcards: true,
        identifiers: true,
        shared: true,
    };

    pub(super) fn of(connack: &Connack) -> Self {
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
