//! What a PUBLISH measures on the wire of one connection, and whether it may be sent.

use mqtide_codec::QoS;

use super::DropReason;
use crate::alias::OutboundAliases;
use crate::message::varint_len;
use crate::{AliasUse, Deliverable, Delivery, Instant, Limits, SubscriptionIdentifiers};

/// The connection as a PUBLISH sees it.
pub(crate) struct Wire<'a> {
    pub(crate) now: Instant,
    /// Whether packets have properties.
    pub(crate) properties: bool,
    pub(crate) limits: &'a Limits,
    pub(crate) aliases: Option<&'a mut OutboundAliases>,
}

/// The decisions for one PUBLISH.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) alias: AliasUse,
    pub(crate) expiry: Option<u32>,
}

impl Wire<'_> {
    /// How to write a message that was never sent.
    pub(crate) fn plan<M: Deliverable>(
        &self,
        delivery: &Delivery<M>,
        started: bool,
    ) -> Result<Plan, DropReason> {
        if delivery.qos > self.limits.maximum_qos {
            return Err(DropReason::QoSNotSupported);
        }
        if delivery.retain && !self.limits.retain_available {
            return Err(DropReason::RetainNotSupported);
        }
        let Delivery {
            message,
            qos,
            subscription_identifiers,
            ..
        } = delivery;
        self.plan_for(message, *qos, subscription_identifiers, started)
    }

    /// How to write a message; one whose delivery has started does not expire.
    pub(crate) fn plan_for<M: Deliverable>(
        &self,
        message: &M,
        qos: QoS,
        subscription_identifiers: &SubscriptionIdentifiers,
        started: bool,
    ) -> Result<Plan, DropReason> {
        let expires_at = message.expires_at();
        if !started && expires_at.is_some_and(|at| at <= self.now) {
            return Err(DropReason::Expired);
        }
        let expiry = expires_at
            .map(|at| at.seconds_left(self.now))
            .filter(|_| self.properties);
        let proposed = match &self.aliases {
            Some(aliases) => aliases.propose(message.topic()),
            None => AliasUse::None,
        };
        let fits = |alias: AliasUse| {
            let len = self.len(
                message,
                qos,
                subscription_identifiers,
                Plan { alias, expiry },
            );
            len <= self.limits.maximum_packet_size as usize
        };
        match proposed {
            alias if fits(alias) => Ok(Plan { alias, expiry }),
            AliasUse::Define(_) if fits(AliasUse::None) => Ok(Plan {
                alias: AliasUse::None,
                expiry,
            }),
            _ => Err(DropReason::PacketTooLarge),
        }
    }

    /// The PUBLISH is written as planned.
    pub(crate) fn commit(&mut self, topic: &str, plan: Plan) {
        if let Some(aliases) = &mut self.aliases {
            aliases.commit(topic, plan.alias);
        }
    }

    /// The whole packet, fixed header included.
    fn len<M: Deliverable>(
        &self,
        message: &M,
        qos: QoS,
        subscription_identifiers: &SubscriptionIdentifiers,
        plan: Plan,
    ) -> usize {
        let topic = if plan.alias.names_topic() {
            message.topic().len()
        } else {
            0
        };
        let identifier = if qos == QoS::AtMostOnce { 0 } else { 2 };
        let properties = match self.properties {
            true => {
                let len = message.properties_len()
                    + plan.expiry.map_or(0, |_| EXPIRY_LEN)
                    + plan.alias.alias().map_or(0, |_| ALIAS_LEN)
                    + subscription_identifiers.encoded_len();
                varint_len(len) + len
            }
            false => 0,
        };
        let remaining = 2 + topic + identifier + properties + message.payload_len();
        if remaining > MAXIMUM_REMAINING_LENGTH {
            return usize::MAX;
        }
        1 + varint_len(remaining) + remaining
    }
}

const EXPIRY_LEN: usize = 5;
const ALIAS_LEN: usize = 3;
/// The largest Remaining Length (MQTT 5.0 §2.1.4).
const MAXIMUM_REMAINING_LENGTH: usize = 268_435_455;
