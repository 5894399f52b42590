//! A message inside the broker: stored once, shared by all who get it.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use mqtide_codec::{
    EncodeError, Framer, Packet, Publish, PublishParts, PublishProperties, PublishRef, Version,
    Will, decode,
};
use mqtide_session::{Deliverable, Instant};
use mqtide_topic::TopicNameRef;
use triomphe::{Arc, ThinArc};

use crate::routing::expiry;

/// A message in one allocation behind one pointer: its topic, the MQTT 5.0 properties that every receiver gets
/// as they came (encoded), and its payload, one after the other.
///
/// What differs per receiver (packet identifier, alias, subscription identifiers, the expiry that is left) is
/// not in here.
#[derive(Clone, Debug)]
pub(crate) struct Publication(ThinArc<Header, u8>);

/// The payload is what is left of the allocation.
#[derive(Debug, Default)]
struct Header {
    rare: Option<Box<Rare>>,
    properties_len: u32,
    topic_len: u16,
    /// Bytes at the end that are not used.
    spare: u16,
}

/// What few messages have.
#[derive(Debug, Default)]
struct Rare {
    expires_at: Option<Instant>,
    /// A payload that is not copied into the allocation.
    shared: Option<Bytes>,
}

/// What a publication is made of.
#[derive(Clone, Debug)]
pub(crate) struct Content<'a> {
    pub(crate) topic: &'a str,
    /// Encoded MQTT 5.0 properties, but for expiry, alias and subscription identifiers.
    pub(crate) properties: &'a [u8],
    pub(crate) payload: Payload<'a>,
    pub(crate) expires_at: Option<Instant>,
}

/// A payload, to be copied or shared.
#[derive(Clone, Debug)]
pub(crate) enum Payload<'a> {
    /// It lies in a buffer that will be used again.
    Borrowed(&'a [u8]),
    /// It may be kept where it is, without pinning much else.
    Shared(Bytes),
}

impl Publication {
    /// A publication in an allocation of just its size.
    pub(crate) fn new(content: &Content<'_>) -> Self {
        let mut bytes = Vec::with_capacity(content.inline_len());
        content
            .parts()
            .iter()
            .for_each(|part| bytes.extend_from_slice(part));
        Publication(ThinArc::from_header_and_slice(content.header(0), &bytes))
    }

    /// A message in the codec's form, which arrives `now`.
    ///
    /// Its properties are encoded and read back, so that only the codec knows how they lie on the wire.
    pub(crate) fn of_publish(publish: &Publish, now: Instant) -> Result<Self, EncodeError> {
        let mut bytes = BytesMut::with_capacity(publish.encoded_len(Version::V5)?);
        publish.encode(Version::V5, &mut bytes)?;
        let frame = Framer::new(Version::V5)
            .next_frame(&mut bytes)
            .ok()
            .flatten();
        let read = frame.as_ref().and_then(|frame| {
            let publish = PublishRef::decode(frame.as_frame(), Version::V5).ok()?;
            let mut properties = Vec::with_capacity(publish.properties.forwarded_len());
            publish.properties.copy_forwarded(&mut properties);
            Some(Publication::new(&Content {
                topic: publish.topic.name()?.as_str(),
                properties: &properties,
                payload: Payload::Borrowed(publish.payload),
                expires_at: expiry(now, publish.properties.message_expiry_interval()),
            }))
        });
        // What was encoded can be read, unless it has no topic.
        read.ok_or(EncodeError::PacketTooLarge)
    }

    /// A will, published `now`.
    pub(crate) fn of_will(will: &Will, now: Instant) -> Result<Self, EncodeError> {
        let mut publish = Publish::new(will.topic.clone(), will.payload.clone());
        publish.properties = will.properties.as_deref().map(|properties| {
            Box::new(PublishProperties {
                payload_format_indicator: properties.payload_format_indicator,
                message_expiry_interval: properties.message_expiry_interval,
                content_type: properties.content_type.clone(),
                response_topic: properties.response_topic.clone(),
                correlation_data: properties.correlation_data.clone(),
                user_properties: properties.user_properties.clone(),
                ..PublishProperties::default()
            })
        });
        Publication::of_publish(&publish, now)
    }

    /// The message in the codec's form, as of `now`.
    pub(crate) fn to_publish(&self, now: Instant) -> Option<Publish> {
        let name = TopicNameRef::try_from(self.topic_bytes()).ok()?;
        let mut parts = PublishParts::new(name.into(), self.payload());
        parts.forwarded = self.properties();
        parts.message_expiry_interval = self.expires_at().map(|at| at.seconds_left(now));
        let mut bytes = BytesMut::new();
        parts.encode(Version::V5, &mut bytes).ok()?;
        let frame = Framer::new(Version::V5)
            .next_frame(&mut bytes)
            .ok()
            .flatten()?;
        match decode(frame, Version::V5).ok()? {
            Packet::Publish(publish) => Some(publish),
            _ => None,
        }
    }

    pub(crate) fn topic_bytes(&self) -> &[u8] {
        &self.0.slice[..self.topic_len()]
    }

    /// The encoded properties that every receiver gets.
    pub(crate) fn properties(&self) -> &[u8] {
        &self.0.slice[self.topic_len()..][..self.header().properties_len as usize]
    }

    pub(crate) fn payload(&self) -> &[u8] {
        match self.shared_payload() {
            Some(payload) => payload,
            None => {
                let start = self.topic_len() + self.header().properties_len as usize;
                &self.0.slice[start..self.0.slice.len() - usize::from(self.header().spare)]
            }
        }
    }

    /// The payload, if it is kept by itself.
    pub(crate) fn shared_payload(&self) -> Option<&Bytes> {
        self.header().rare.as_ref()?.shared.as_ref()
    }

    /// The bytes that it takes, as the limits count them.
    pub(crate) fn size(&self) -> usize {
        self.topic_len() + self.properties_len() + self.payload_len()
    }

    /// The same message in an allocation of just its size, to be kept for long.
    pub(crate) fn compact(&self) -> Self {
        Publication::new(&Content {
            topic: self.topic(),
            properties: self.properties(),
            payload: match self.shared_payload() {
                Some(payload) => Payload::Shared(payload.clone()),
                None => Payload::Borrowed(self.payload()),
            },
            expires_at: self.expires_at(),
        })
    }

    fn header(&self) -> &Header {
        &self.0.header.header
    }

    /// Puts other content into the allocation, if nobody else has it and it is of about the right size.
    fn refill(&mut self, content: &Content<'_>) -> bool {
        let needed = content.inline_len();
        self.0.with_arc_mut(|arc| {
            let Some(inner) = Arc::get_mut(arc) else {
                return false;
            };
            let room = inner.slice().len();
            if room < needed || room > needed * 2 + POOL_GRANULE {
                return false;
            }
            *inner.header_mut() = content.header(room - needed);
            let mut rest = inner.slice_mut();
            for part in content.parts() {
                let (place, behind) = rest.split_at_mut(part.len());
                place.copy_from_slice(part);
                rest = behind;
            }
            true
        })
    }
}

impl Deliverable for Publication {
    fn topic(&self) -> &str {
        // It was text when it was put in.
        std::str::from_utf8(self.topic_bytes()).unwrap_or_default()
    }

    fn topic_len(&self) -> usize {
        usize::from(self.header().topic_len)
    }

    fn payload_len(&self) -> usize {
        self.payload().len()
    }

    fn properties_len(&self) -> usize {
        self.header().properties_len as usize
    }

    fn expires_at(&self) -> Option<Instant> {
        self.header().rare.as_ref()?.expires_at
    }
}

impl Content<'_> {
    fn header(&self, spare: usize) -> Header {
        let shared = match &self.payload {
            Payload::Borrowed(_) => None,
            Payload::Shared(bytes) => Some(bytes.clone()),
        };
        let expires_at = self.expires_at;
        let is_rare = shared.is_some() || expires_at.is_some();
        // No packet is longer than 256 MiB, and no topic longer than 65,535 bytes. Only small allocations of the
        // pool have bytes to spare.
        Header {
            rare: is_rare.then(|| Box::new(Rare { expires_at, shared })),
            properties_len: u32::try_from(self.properties.len()).unwrap_or(u32::MAX),
            topic_len: u16::try_from(self.topic.len()).unwrap_or(u16::MAX),
            spare: u16::try_from(spare).unwrap_or(u16::MAX),
        }
    }

    fn parts(&self) -> [&[u8]; 3] {
        let payload = match self.payload {
            Payload::Borrowed(bytes) => bytes,
            Payload::Shared(_) => &[],
        };
        [self.topic.as_bytes(), self.properties, payload]
    }

    fn inline_len(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }
}

/// Publications that have been used, to be used again: a message that nobody keeps costs no allocation.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    used: VecDeque<Publication>,
}

impl Pool {
    /// A publication with this content. The one that was put back longest ago is tried; whoever still has it
    /// keeps it.
    pub(crate) fn make(&mut self, content: &Content<'_>) -> Publication {
        if content.inline_len() > POOL_LARGEST {
            return Publication::new(content);
        }
        if let Some(mut publication) = self.used.pop_front()
            && publication.refill(content)
        {
            return publication;
        }
        let room = content.inline_len().next_multiple_of(POOL_GRANULE);
        let mut bytes = Vec::with_capacity(room);
        content
            .parts()
            .iter()
            .for_each(|part| bytes.extend_from_slice(part));
        let spare = room - bytes.len();
        bytes.resize(room, 0);
        Publication(ThinArc::from_header_and_slice(
            content.header(spare),
            &bytes,
        ))
    }

    pub(crate) fn put_back(&mut self, publication: Publication) {
        if self.used.len() < POOL_LENGTH && publication.0.slice.len() <= POOL_LARGEST {
            self.used.push_back(publication);
        }
    }
}

/// As many as one turn can publish, and again as many that are on their way.
const POOL_LENGTH: usize = 2048;
/// Larger ones are rare, and would make the pool large.
const POOL_LARGEST: usize = 1024;
/// Sizes are rounded up to this, so that messages of like size can take each other's place.
const POOL_GRANULE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn content<'a>(topic: &'a str, payload: &'a [u8]) -> Content<'a> {
        Content {
            topic,
            properties: b"pp",
            payload: Payload::Borrowed(payload),
            expires_at: None,
        }
    }

    fn check(publication: &Publication, topic: &str, payload: &[u8]) {
        assert_eq!(publication.topic(), topic);
        assert_eq!(publication.properties(), b"pp");
        assert_eq!(publication.payload(), payload);
        assert_eq!(publication.size(), topic.len() + 2 + payload.len());
    }

    #[test]
    fn parts_come_back_as_they_were_put_in() {
        check(
            &Publication::new(&content("a/b", b"payload")),
            "a/b",
            b"payload",
        );
        check(&Publication::new(&content("a", b"")), "a", b"");
        let shared = Bytes::from_static(b"large");
        let mut large = content("a/b", b"");
        large.payload = Payload::Shared(shared.clone());
        let large = Publication::new(&large);
        check(&large, "a/b", b"large");
        assert_eq!(large.shared_payload(), Some(&shared));
        check(&large.compact(), "a/b", b"large");
    }

    #[test]
    fn a_publication_that_nobody_keeps_is_used_again() {
        let mut pool = Pool::default();
        let first = pool.make(&content("topic/one", b"12345"));
        let place = first.0.slice.as_ptr();
        pool.put_back(first);
        let second = pool.make(&content("topic/2", b"123"));
        assert_eq!(second.0.slice.as_ptr(), place);
        check(&second, "topic/2", b"123");

        let kept = second.clone();
        pool.put_back(second);
        let third = pool.make(&content("topic/3", b"xyz"));
        check(&third, "topic/3", b"xyz");
        check(&kept, "topic/2", b"123");
    }

    #[test]
    fn a_small_message_does_not_keep_a_large_allocation() {
        let mut pool = Pool::default();
        let large = pool.make(&content("t", &[1; 1000]));
        pool.put_back(large);
        assert!(pool.make(&content("t", b"small")).0.slice.len() < 100);
    }

    #[test]
    fn it_is_one_pointer() {
        assert_eq!(size_of::<Publication>(), 8);
        assert_eq!(size_of::<Header>(), 16);
    }
}
