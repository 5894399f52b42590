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
    pub(crate) fn commit<M: Deliverable>(&mut self, message: &M, plan: Plan) {
        if let Some(aliases) = &mut self.aliases {
            aliases.commit(message.topic(), plan.alias);
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
            message.topic_len()
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

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::string::String;
    use mqtide_codec::{
        self as codec, Packet, PacketIdentifier, SubscriptionIdentifier, TopicAlias, Version,
    };
    use mqtide_topic::TopicName;
    use proptest::prelude::*;

    use crate::{Message, OutgoingPublish};

    fn message() -> impl Strategy<Value = Message> {
        let texts = prop::collection::vec(("[a-z]{0,9}", "[a-z]{0,200}"), 0..4);
        ("[a-z/]{1,300}", 0usize..20_000, any::<bool>(), texts).prop_map(
            |(topic, payload, has_type, texts)| {
                let topic = TopicName::try_from(topic).unwrap();
                let mut message = Message::new(topic, alloc::vec![0; payload]);
                let properties = message.properties.get_or_insert_default();
                properties.content_type = has_type.then(|| "text/plain".into());
                properties.correlation_data = has_type.then(|| "7".into());
                properties.payload_format_indicator =
                    has_type.then_some(codec::PayloadFormat::Utf8);
                properties.response_topic = has_type.then(|| TopicName::from_static("answers"));
                properties.user_properties = texts
                    .into_iter()
                    .map(|(a, b): (String, String)| (a, b))
                    .collect();
                message
            },
        )
    }

    fn alias_use() -> impl Strategy<Value = AliasUse> {
        let alias = TopicAlias::new(7).unwrap();
        prop_oneof![
            Just(AliasUse::None),
            Just(AliasUse::Define(alias)),
            Just(AliasUse::Known(alias))
        ]
    }

    proptest! {
        /// MQTT-3.1.2-24
        #[test]
        fn what_is_measured_is_what_the_codec_writes(
            message in message(),
            alias in alias_use(),
            expiry in prop::option::of(any::<u32>()),
            qos in 0u8..3,
            ids in prop::collection::vec(1u32..268_435_455, 0..3),
            version in prop_oneof![Just(Version::V5), Just(Version::V311)],
        ) {
            let properties = version.has_properties();
            let plan = Plan {
                alias: if properties { alias } else { AliasUse::None },
                expiry: expiry.filter(|_| properties),
            };
            let ids = ids.into_iter().filter_map(SubscriptionIdentifier::new);
            let subscription_identifiers: SubscriptionIdentifiers = ids.collect();
            let limits = Limits::UNLIMITED;
            let wire = Wire { now: Instant::ZERO, properties, limits: &limits, aliases: None };
            let qos = QoS::from_bits(qos).unwrap();
            let measured = wire.len(&message, qos, &subscription_identifiers, plan);
            let (packet_identifier, dup) = (PacketIdentifier::MIN, false);
            let publish = OutgoingPublish {
                message,
                delivery: match qos {
                    QoS::AtMostOnce => codec::Delivery::AtMostOnce,
                    QoS::AtLeastOnce => codec::Delivery::AtLeastOnce { packet_identifier, dup },
                    QoS::ExactlyOnce => codec::Delivery::ExactlyOnce { packet_identifier, dup },
                },
                retain: false,
                alias: plan.alias,
                message_expiry_interval: plan.expiry,
                subscription_identifiers,
            };
            let packet = Packet::Publish(publish.into_publish());
            prop_assert_eq!(codec::encoded_len(&packet, version), Ok(measured));
        }
    }
}
