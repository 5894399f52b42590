//! A message as a store keeps it.

use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use mqtide_codec::{EncodeError, Framer, PublishParts, PublishRef, Version};
use mqtide_session::Instant;
use mqtide_topic::TopicNameRef;

use super::error::StoreError;
use crate::publication::{Content, Payload, Publication};

/// A message as a store keeps it: an MQTT 5.0 PUBLISH of QoS 0 with topic, properties and payload, and the time
/// when it expires.
///
/// The packet carries no Message Expiry Interval, no alias and no subscription identifier: those differ from one
/// sending to the next.
///
/// It is cheap to clone. Until it is [encoded](Self::encode) it shares the broker's own copy of the message, so a
/// store encodes it where and when that suits, and then lets it go.
#[derive(Clone, Debug)]
pub struct MessageBody {
    content: Kept,
    expires_at: Option<SystemTime>,
}

#[derive(Clone, Debug)]
enum Kept {
    Publication(Publication),
    Encoded(Bytes),
}

impl MessageBody {
    /// A message that was [encoded](Self::encode) before.
    pub const fn from_encoded(packet: Bytes, expires_at: Option<SystemTime>) -> Self {
        MessageBody {
            content: Kept::Encoded(packet),
            expires_at,
        }
    }

    pub(super) const fn new(publication: Publication, expires_at: Option<SystemTime>) -> Self {
        MessageBody {
            content: Kept::Publication(publication),
            expires_at,
        }
    }

    /// The packet.
    ///
    /// # Errors
    ///
    /// The packet is longer than MQTT 5.0 allows, which only a message of 256 MiB from an older client can be.
    pub fn encode(&self) -> Result<Bytes, EncodeError> {
        match &self.content {
            Kept::Encoded(packet) => Ok(packet.clone()),
            Kept::Publication(publication) => {
                let name = TopicNameRef::try_from(publication.topic_bytes());
                // What was a topic name when it came in still is one.
                let name = name.map_err(|_| EncodeError::PacketTooLarge)?;
                let mut parts = PublishParts::new(name.into(), publication.payload());
                parts.forwarded = publication.properties();
                let mut packet = BytesMut::with_capacity(parts.encoded_len(Version::V5)?);
                parts.encode(Version::V5, &mut packet)?;
                Ok(packet.freeze())
            }
        }
    }

    /// When the message expires, if ever (`MQTT 5.0 §3.3.2.3.3`).
    pub const fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    /// The broker's own form of it.
    pub(super) fn publication(
        &self,
        expires_at: Option<Instant>,
    ) -> Result<Publication, StoreError> {
        let corrupt =
            |why: &dyn std::fmt::Display| StoreError::Corrupt(format!("a message: {why}"));
        let packet = self.encode().map_err(|error| corrupt(&error))?;
        let frame = Framer::new(Version::V5)
            .next_frame(&mut BytesMut::from(&packet[..]))
            .map_err(|error| corrupt(&error))?
            .ok_or_else(|| corrupt(&"it is cut off"))?;
        let publish =
            PublishRef::decode(frame.as_frame(), Version::V5).map_err(|error| corrupt(&error))?;
        let name = publish
            .topic
            .name()
            .ok_or_else(|| corrupt(&"it has no topic"))?;
        let mut properties = Vec::with_capacity(publish.properties.forwarded_len());
        publish.properties.copy_forwarded(&mut properties);
        Ok(Publication::new(&Content {
            topic: name.as_str(),
            properties: &properties,
            payload: Payload::Borrowed(publish.payload),
            expires_at,
        }))
    }
}

/// Two are the same if their packets and their ends are.
impl PartialEq for MessageBody {
    fn eq(&self, other: &Self) -> bool {
        self.expires_at == other.expires_at && self.encode() == other.encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use mqtide_session::Deliverable;

    #[test]
    fn what_is_encoded_comes_back() {
        let at = Instant::from_micros(9);
        let publication = Publication::new(&Content {
            topic: "a/b",
            properties: b"\x03\x00\x01t",
            payload: Payload::Borrowed(b"payload"),
            expires_at: Some(at),
        });
        let packet = MessageBody::new(publication, None).encode().unwrap();
        assert_eq!(&packet[..], b"\x30\x11\x00\x03a/b\x04\x03\x00\x01tpayload");
        let body = MessageBody::from_encoded(packet, None);
        let back = body.publication(Some(at)).unwrap();
        assert_eq!((back.topic(), back.payload()), ("a/b", &b"payload"[..]));
        assert_eq!(back.properties(), b"\x03\x00\x01t");
        assert_eq!(back.expires_at(), Some(at));
    }

    #[test]
    fn what_is_no_packet_is_told_to_be_corrupt() {
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x05\x00\x03a/b",
            b"\x30\x02\x00\x00",
            b"\xC0\x00",
        ] {
            let body = MessageBody::from_encoded(Bytes::from_static(bytes), None);
            assert!(matches!(
                body.publication(None),
                Err(StoreError::Corrupt(_))
            ));
        }
    }
}
