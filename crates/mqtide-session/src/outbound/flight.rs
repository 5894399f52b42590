//! A message that waits, a message in flight, and what becomes of them.

use mqtide_codec::{self as codec, PacketIdentifier, QoS, ReasonCode};

use super::measure::{Plan, Wire};
use crate::packet_id::Lane;
use crate::{
    AliasUse, Deliverable, Delivery, DeliveryKey, StoreOp, SubscriptionIdentifiers, Ticket,
};

/// A message that waits for its turn.
#[derive(Debug)]
pub(crate) struct Queued<M> {
    pub(crate) key: DeliveryKey,
    pub(crate) delivery: Delivery<M>,
}

impl<M: Deliverable + Clone> Queued<M> {
    /// What it counts against the bound of bytes.
    pub(crate) fn bytes(&self) -> u64 {
        let message = &self.delivery.message;
        (message.topic_len() + message.properties_len() + message.payload_len()) as u64
    }

    pub(crate) fn enqueue_operation(&self) -> StoreOp<M> {
        let Delivery {
            message,
            qos,
            retain,
            subscription_identifiers,
        } = self.delivery.clone();
        StoreOp::Enqueue {
            key: self.key,
            message,
            qos,
            retain,
            subscription_identifiers,
        }
    }

    pub(crate) fn dropped(&self, reason: DropReason) -> Fate {
        Fate::Dropped(Dropped {
            key: self.key,
            reason,
            sent: false,
        })
    }

    pub(crate) fn into_undelivered(self) -> Undelivered<M> {
        let Self { key, delivery } = self;
        let Delivery {
            message,
            qos,
            retain,
            ..
        } = delivery;
        Undelivered {
            key,
            message: Some(message),
            qos,
            retain,
            sent: false,
        }
    }
}

/// A QoS 1 or 2 publication under a packet identifier; or a request, which has no message.
#[derive(Debug)]
pub(crate) struct Flight<M> {
    pub(crate) key: DeliveryKey,
    /// Gone once the receiver owns it, or if it will never be sent again.
    pub(crate) message: Option<M>,
    pub(crate) subscription_identifiers: SubscriptionIdentifiers,
    /// What must be durable before the next packet of the flow leaves.
    pub(crate) gate: Ticket,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Whether the PUBLISH was ever written: the next one has DUP set.
    pub(crate) sent: bool,
    /// Whether the flight takes a place in the quota of this connection.
    pub(crate) counted: bool,
}

impl<M: Deliverable + Clone> Flight<M> {
    pub(crate) fn new(queued: Queued<M>) -> Self {
        let Delivery {
            message,
            qos,
            retain,
            subscription_identifiers,
        } = queued.delivery;
        Self {
            key: queued.key,
            message: Some(message),
            subscription_identifiers,
            gate: Ticket(0),
            qos,
            retain,
            sent: false,
            counted: false,
        }
    }

    pub(crate) fn into_queued(self) -> Option<Queued<M>> {
        let Self {
            key,
            message,
            subscription_identifiers,
            qos,
            retain,
            ..
        } = self;
        let delivery = Delivery {
            message: message?,
            qos,
            retain,
            subscription_identifiers,
        };
        Some(Queued { key, delivery })
    }

    /// How the PUBLISH can be written; `None` if there is no message to write.
    pub(crate) fn plan(&self, wire: &Wire<'_>, started: bool) -> Option<Result<Plan, DropReason>> {
        let message = self.message.as_ref()?;
        Some(wire.plan_for(message, self.qos, &self.subscription_identifiers, started))
    }

    /// The PUBLISH. The message stays only if it may be needed again.
    pub(crate) fn write(
        &mut self,
        id: PacketIdentifier,
        plan: Plan,
        keep: bool,
    ) -> Option<OutgoingPublish<M>> {
        let (message, subscription_identifiers) = match keep {
            true => (self.message.clone(), self.subscription_identifiers.clone()),
            false => (
                self.message.take(),
                core::mem::take(&mut self.subscription_identifiers),
            ),
        };
        let dup = core::mem::replace(&mut self.sent, true);
        self.counted = true;
        let delivery = match self.qos {
            QoS::ExactlyOnce => codec::Delivery::ExactlyOnce {
                packet_identifier: id,
                dup,
            },
            _ => codec::Delivery::AtLeastOnce {
                packet_identifier: id,
                dup,
            },
        };
        Some(OutgoingPublish {
            message: message?,
            delivery,
            retain: self.retain,
            alias: plan.alias,
            message_expiry_interval: plan.expiry,
            subscription_identifiers,
        })
    }

    /// The receiver owns the message.
    pub(crate) fn release(&mut self, gate: Ticket) {
        self.gate = gate;
        self.message = None;
        self.subscription_identifiers = SubscriptionIdentifiers::None;
    }

    pub(crate) fn into_undelivered(self, lane: Lane) -> Undelivered<M> {
        let message = self.message.filter(|_| lane == Lane::Published);
        let Self {
            key,
            qos,
            retain,
            sent,
            ..
        } = self;
        Undelivered {
            key,
            message,
            qos,
            retain,
            sent,
        }
    }
}

impl<M> Flight<M> {
    /// A SUBSCRIBE or UNSUBSCRIBE.
    pub(crate) fn request(key: DeliveryKey) -> Self {
        Self {
            key,
            message: None,
            subscription_identifiers: SubscriptionIdentifiers::None,
            gate: Ticket(0),
            qos: QoS::AtMostOnce,
            retain: false,
            sent: false,
            counted: false,
        }
    }
}

/// A PUBLISH to write, all decisions made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingPublish<M> {
    /// The message.
    pub message: M,
    /// QoS, packet identifier and DUP.
    pub delivery: codec::Delivery,
    /// The RETAIN flag.
    pub retain: bool,
    /// How the topic is named. The topic name is empty on the wire if it is
    /// [`AliasUse::Known`].
    pub alias: AliasUse,
    /// The Message Expiry Interval in seconds that is left, if the message expires.
    pub message_expiry_interval: Option<u32>,
    /// The Subscription Identifiers to write.
    pub subscription_identifiers: SubscriptionIdentifiers,
}

impl<M: Deliverable + Clone> OutgoingPublish<M> {
    pub(crate) fn at_most_once(queued: Queued<M>, plan: Plan) -> Self {
        let Delivery {
            message,
            retain,
            subscription_identifiers,
            ..
        } = queued.delivery;
        Self {
            message,
            delivery: codec::Delivery::AtMostOnce,
            retain,
            alias: plan.alias,
            message_expiry_interval: plan.expiry,
            subscription_identifiers,
        }
    }
}

/// A flow of QoS 1 or 2 is over: the message is acknowledged, or refused if the reason is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The message, as named when it was taken over.
    pub key: DeliveryKey,
    /// The QoS of the flow.
    pub qos: QoS,
    /// The identifier that is free again.
    pub packet_identifier: PacketIdentifier,
    /// What the receiver said.
    pub reason: ReasonCode,
}

/// The end of a message that no packet of the peer announces.
pub(crate) enum Fate {
    /// It will not be sent.
    Dropped(Dropped),
    /// It has QoS 0 and is being written.
    Written(DeliveryKey),
}

/// A message that will not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The message, as named when it was taken over.
    pub key: DeliveryKey,
    /// Why.
    pub reason: DropReason,
    /// Whether it was sent before, on an earlier connection.
    pub sent: bool,
}

/// Why a message is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// The queue was at its bound.
    QueueFull,
    /// There is no connection, and the message does not wait for one.
    Offline,
    /// The packet would be larger than the receiver accepts; the session goes on as if it had been
    /// delivered `[MQTT-3.1.2-25]`.
    PacketTooLarge,
    /// The message has expired.
    Expired,
    /// The server does not take this QoS, as it announced after the message was queued.
    QoSNotSupported,
    /// The server does not take retained messages, as it announced after the message was queued.
    RetainNotSupported,
}

/// A message that was not acknowledged when its session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered<M> {
    /// The message, as named when it was taken over.
    pub key: DeliveryKey,
    /// The message. `None` if the receiver owns it already, or if it was not kept.
    pub message: Option<M>,
    /// The QoS of the flow.
    pub qos: QoS,
    /// The RETAIN flag.
    pub retain: bool,
    /// Whether it was sent: the receiver may have it.
    pub sent: bool,
}
