//! What the machines give to the network.

use alloc::boxed::Box;

use mqtide_codec::{
    EncodeError, Packet, PacketBuf, Publish, PublishParts, PublishTopic, PublishTopicRef, Version,
};
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

impl<M: Content> Outgoing<M> {
    /// Writes the packet behind what the buffer holds, and returns its length in bytes. No packet is
    /// built on the way.
    ///
    /// # Errors
    ///
    /// The packet cannot be written: see [`mqtide_codec::encode`]. Nothing is written then.
    pub fn encode(&self, version: Version, buf: &mut impl PacketBuf) -> Result<usize, EncodeError> {
        match self {
            Self::Publish(publish) => publish.parts().encode(version, buf),
            Self::Ack(ack) => mqtide_codec::encode(&ack.into_packet(), version, buf),
            Self::Pingreq => mqtide_codec::encode(&Packet::Pingreq, version, buf),
            Self::Pingresp => mqtide_codec::encode(&Packet::Pingresp, version, buf),
            Self::Packet(packet) => mqtide_codec::encode(packet, version, buf),
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

#[cfg(test)]
mod tests {
    use super::*;

    use alloc::vec::Vec;
    use mqtide_codec::{Delivery, QoS, SubscriptionIdentifier, TopicAlias};
    use mqtide_topic::TopicNameRef;

    use crate::{Deliverable, Instant, SubscriptionIdentifiers};

    /// Content as a broker keeps it: the properties encoded once for all receivers.
    struct Stored;

    /// Content Type "t".
    const PROPERTIES: &[u8] = b"\x03\x00\x01t";

    impl Deliverable for Stored {
        fn topic(&self) -> &str {
            "a/b"
        }

        fn payload_len(&self) -> usize {
            2
        }

        fn properties_len(&self) -> usize {
            PROPERTIES.len()
        }

        fn expires_at(&self) -> Option<Instant> {
            None
        }
    }

    impl Content for Stored {
        fn name(&self) -> TopicNameRef<'_> {
            TopicNameRef::new(self.topic()).unwrap()
        }

        fn payload(&self) -> &[u8] {
            b"hi"
        }

        fn properties(&self) -> &[u8] {
            PROPERTIES
        }
    }

    fn encoded(outgoing: &Outgoing<impl Content>) -> Vec<u8> {
        let mut bytes = Vec::new();
        outgoing.encode(Version::V5, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn content_is_written_from_its_parts_as_a_packet_would_be() {
        let alias = TopicAlias::new(3).unwrap();
        for used in [
            AliasUse::None,
            AliasUse::Define(alias),
            AliasUse::Known(alias),
        ] {
            let ids = [7, 8].into_iter().filter_map(SubscriptionIdentifier::new);
            let subscription_identifiers: SubscriptionIdentifiers = ids.collect();
            let mut message = Message::new(TopicName::from_static("a/b"), "hi");
            message.properties.get_or_insert_default().content_type = Some("t".into());
            let publish = OutgoingPublish {
                message: alloc::sync::Arc::new(Stored),
                delivery: Delivery::AtMostOnce,
                retain: true,
                alias: used,
                message_expiry_interval: Some(5),
                subscription_identifiers: subscription_identifiers.clone(),
            };
            assert_eq!(publish.delivery.qos(), QoS::AtMostOnce);
            let plain = OutgoingPublish {
                message,
                delivery: publish.delivery,
                retain: true,
                alias: used,
                message_expiry_interval: Some(5),
                subscription_identifiers,
            };
            let decode = |bytes: Vec<u8>| {
                let mut framer = mqtide_codec::Framer::new(Version::V5);
                let frame = framer
                    .next_frame(&mut bytes.as_slice().into())
                    .unwrap()
                    .unwrap();
                mqtide_codec::decode(frame, Version::V5).unwrap()
            };
            let by_parts = decode(encoded(&Outgoing::Publish(publish)));
            assert_eq!(by_parts, Packet::Publish(plain.into_publish()));
        }
        assert_eq!(
            encoded(&Outgoing::<alloc::sync::Arc<Stored>>::Pingresp),
            [0xD0, 0]
        );
    }
}
