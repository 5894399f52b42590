//! What the machines give to the network.

use alloc::boxed::Box;

use mqtide_codec::{Packet, Publish, PublishParts, PublishTopic, PublishTopicRef};
use mqtide_topic::TopicName;

use crate::{Acknowledgement, AliasUse, Content, Message, OutgoingPublish};

/// A packet to write, in the cheapest form that says what is in it.
///
/// Once taken from `poll_transmit`, it must be written before anything taken later, or the connection
/// must be closed: the machine counts it as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outgoing<M> {
    /// PUBLISH. The content is the caller's, so the caller encodes it.
    Publish(OutgoingPublish<M>),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP without properties.
    Ack(Acknowledgement),
    /// PINGREQ.
    Pingreq,
    /// PINGRESP.
    Pingresp,
    /// Any other packet, or an acknowledgement with properties.
    Packet(Box<Packet>),
}

impl Outgoing<Message> {
    /// The packet in the codec's form, ready to be encoded.
    pub fn into_packet(self) -> Packet {
        match self {
            Self::Publish(publish) => Packet::Publish(publish.into_publish()),
            Self::Ack(ack) => ack.into_packet(),
            Self::Pingreq => Packet::Pingreq,
            Self::Pingresp => Packet::Pingresp,
            Self::Packet(packet) => *packet,
        }
    }
}

impl<M: Content> OutgoingPublish<M> {
    /// The packet, ready to be encoded from the parts that the message has at hand.
    pub fn parts(&self) -> PublishParts<'_> {
        let topic = match self.alias {
            AliasUse::Known(alias) => PublishTopicRef::Alias(alias),
            used => PublishTopicRef::Named {
                name: self.message.name(),
                alias: used.alias(),
            },
        };
        PublishParts {
            delivery: self.delivery,
            retain: self.retain,
            message_expiry_interval: self.message_expiry_interval,
            subscription_identifiers: self.subscription_identifiers.as_slice(),
            forwarded: self.message.properties(),
            ..PublishParts::new(topic, self.message.payload())
        }
    }
}

impl OutgoingPublish<Message> {
    /// The packet in the codec's form, ready to be encoded.
    pub fn into_publish(self) -> Publish {
        let Message {
            topic,
            payload,
            mut properties,
            ..
        } = self.message;
        let ids = self.subscription_identifiers.as_slice();
        if self.message_expiry_interval.is_some() || !ids.is_empty() || properties.is_some() {
            let properties = properties.get_or_insert_default();
            properties.message_expiry_interval = self.message_expiry_interval;
            properties.subscription_identifiers = ids.to_vec();
        }
        Publish {
            topic: named(topic, self.alias),
            payload,
            properties,
            delivery: self.delivery,
            retain: self.retain,
        }
    }
}

fn named(name: TopicName, used: AliasUse) -> PublishTopic {
    match used {
        AliasUse::None => PublishTopic::Named { name, alias: None },
        AliasUse::Define(alias) => PublishTopic::Named {
            name,
            alias: Some(alias),
        },
        AliasUse::Known(alias) => PublishTopic::Alias(alias),
    }
}
