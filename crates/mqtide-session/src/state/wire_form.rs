//! How the codec's types stand in a serialised state: numbers as numbers, a will as its parts.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use mqtide_codec::{
    PacketIdentifier, PayloadFormat, PublishProperties, QoS, SubscriptionIdentifier,
    UserProperties, Will, WillProperties,
};
use mqtide_topic::TopicName;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Progress, StoredMessage, StoredWill};
use crate::{Delivery, DeliveryKey, Instant, Message};

/// Packet identifiers as numbers.
pub(super) mod identifiers {
    use super::*;

    pub(in crate::state) fn serialize<S: Serializer>(
        ids: &[PacketIdentifier],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ids.iter().map(|id| id.as_u16()))
    }

    pub(in crate::state) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<PacketIdentifier>, D::Error> {
        let numbers = Vec::<u16>::deserialize(deserializer)?;
        numbers.into_iter().map(identifier).collect()
    }
}

/// Keys with packet identifiers as pairs of numbers.
pub(super) mod released {
    use super::*;

    pub(in crate::state) fn serialize<S: Serializer>(
        released: &[(DeliveryKey, PacketIdentifier)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(released.iter().map(|(key, id)| (key, id.as_u16())))
    }

    pub(in crate::state) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(DeliveryKey, PacketIdentifier)>, D::Error> {
        let pairs = Vec::<(DeliveryKey, u16)>::deserialize(deserializer)?;
        pairs
            .into_iter()
            .map(|(key, id)| Ok((key, identifier(id)?)))
            .collect()
    }
}

fn identifier<E: serde::de::Error>(number: u16) -> Result<PacketIdentifier, E> {
    PacketIdentifier::new(number).ok_or_else(|| E::custom("a packet identifier of zero"))
}

fn qos<E: serde::de::Error>(bits: u8) -> Result<QoS, E> {
    QoS::from_bits(bits).ok_or_else(|| E::custom("a quality of service above 2"))
}

#[derive(Serialize, Deserialize)]
struct MessageForm<M> {
    key: DeliveryKey,
    message: M,
    qos: u8,
    retain: bool,
    subscription_identifiers: Vec<u32>,
    packet_identifier: Option<u16>,
    sent: bool,
}

impl<M: Serialize> Serialize for StoredMessage<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Delivery {
            message,
            qos,
            retain,
            subscription_identifiers,
        } = &self.delivery;
        let ids = subscription_identifiers.as_slice();
        MessageForm {
            key: self.key,
            message,
            qos: qos.bits(),
            retain: *retain,
            subscription_identifiers: ids.iter().map(|id| id.as_u32()).collect(),
            packet_identifier: self.progress.identifier().map(PacketIdentifier::as_u16),
            sent: matches!(self.progress, Progress::Assigned { sent: true, .. }),
        }
        .serialize(serializer)
    }
}

impl<'de, M: Deserialize<'de>> Deserialize<'de> for StoredMessage<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = MessageForm::<M>::deserialize(deserializer)?;
        let subscription = |number| {
            let wrong = || D::Error::custom("a subscription identifier out of range");
            SubscriptionIdentifier::new(number).ok_or_else(wrong)
        };
        let ids = form.subscription_identifiers.into_iter().map(subscription);
        let delivery = Delivery {
            message: form.message,
            qos: qos(form.qos)?,
            retain: form.retain,
            subscription_identifiers: ids.collect::<Result<_, _>>()?,
        };
        let progress = match form.packet_identifier {
            None => Progress::Waiting,
            Some(number) => Progress::Assigned {
                packet_identifier: identifier(number)?,
                sent: form.sent,
            },
        };
        Ok(Self {
            key: form.key,
            delivery,
            progress,
        })
    }
}

/// The properties that a message and a will have in common.
#[derive(Serialize, Deserialize)]
struct PropertiesForm {
    is_text: Option<bool>,
    message_expiry_interval: Option<u32>,
    response_topic: Option<TopicName>,
    correlation_data: Option<Bytes>,
    content_type: Option<String>,
    user_properties: Vec<(String, String)>,
}

impl PropertiesForm {
    fn format(&self) -> Option<PayloadFormat> {
        self.is_text.map(|is_text| match is_text {
            true => PayloadFormat::Utf8,
            false => PayloadFormat::Unspecified,
        })
    }
}

fn pairs(properties: &UserProperties) -> Vec<(String, String)> {
    properties
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

impl From<&PublishProperties> for PropertiesForm {
    fn from(properties: &PublishProperties) -> Self {
        Self {
            is_text: properties
                .payload_format_indicator
                .map(|f| f == PayloadFormat::Utf8),
            message_expiry_interval: properties.message_expiry_interval,
            response_topic: properties.response_topic.clone(),
            correlation_data: properties.correlation_data.clone(),
            content_type: properties.content_type.as_deref().map(Into::into),
            user_properties: pairs(&properties.user_properties),
        }
    }
}

impl From<PropertiesForm> for PublishProperties {
    fn from(form: PropertiesForm) -> Self {
        Self {
            payload_format_indicator: form.format(),
            message_expiry_interval: form.message_expiry_interval,
            response_topic: form.response_topic,
            correlation_data: form.correlation_data,
            content_type: form.content_type.map(Into::into),
            user_properties: form.user_properties.into_iter().collect(),
            subscription_identifiers: Vec::new(),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct PlainMessageForm {
    topic: TopicName,
    payload: Bytes,
    properties: Option<PropertiesForm>,
    expires_at: Option<Instant>,
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PlainMessageForm {
            topic: self.topic.clone(),
            payload: self.payload.clone(),
            properties: self.properties.as_deref().map(Into::into),
            expires_at: self.expires_at,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = PlainMessageForm::deserialize(deserializer)?;
        Ok(Self {
            topic: form.topic,
            payload: form.payload,
            properties: form
                .properties
                .map(|properties| Box::new(properties.into())),
            expires_at: form.expires_at,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct WillForm {
    topic: TopicName,
    payload: Bytes,
    qos: u8,
    retain: bool,
    will_delay_interval: Option<u32>,
    properties: Option<PropertiesForm>,
    due_at: Option<Instant>,
}

impl Serialize for StoredWill {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Will {
            topic,
            payload,
            qos,
            retain,
            properties,
        } = &*self.will;
        let properties = properties.as_deref();
        WillForm {
            topic: topic.clone(),
            payload: payload.clone(),
            qos: qos.bits(),
            retain: *retain,
            will_delay_interval: properties.and_then(|p| p.will_delay_interval),
            properties: properties.map(form_of_will),
            due_at: self.due_at,
        }
        .serialize(serializer)
    }
}

fn form_of_will(properties: &WillProperties) -> PropertiesForm {
    PropertiesForm {
        is_text: properties
            .payload_format_indicator
            .map(|f| f == PayloadFormat::Utf8),
        message_expiry_interval: properties.message_expiry_interval,
        response_topic: properties.response_topic.clone(),
        correlation_data: properties.correlation_data.clone(),
        content_type: properties.content_type.as_deref().map(Into::into),
        user_properties: pairs(&properties.user_properties),
    }
}

impl<'de> Deserialize<'de> for StoredWill {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let form = WillForm::deserialize(deserializer)?;
        let delay = form.will_delay_interval;
        let properties = form.properties.map(|properties| {
            Box::new(WillProperties {
                will_delay_interval: delay,
                payload_format_indicator: properties.format(),
                message_expiry_interval: properties.message_expiry_interval,
                content_type: properties.content_type.map(Into::into),
                response_topic: properties.response_topic,
                correlation_data: properties.correlation_data,
                user_properties: properties.user_properties.into_iter().collect(),
            })
        });
        let mut will = Will::new(form.topic, form.payload);
        (will.qos, will.retain, will.properties) = (qos(form.qos)?, form.retain, properties);
        Ok(Self {
            will: Box::new(will),
            due_at: form.due_at,
        })
    }
}
