//! PUBLISH, borrowed: the path that a broker takes for each message.

use bytes::BufMut;
use mqtide_topic::TopicNameRef;

use super::ack::packet_identifier;
use super::publish::{Delivery, PublishTopic};
use crate::decode::parse_frame;
use crate::error::{DecodeError, DecodeErrorKind, Field};
use crate::frame::{FrameHeader, FrameRef};
use crate::options::DecodeOptions;
use crate::packet::PacketType;
use crate::property::{Place, Properties, PropertiesRef, Property, Visit, parse_block};
use crate::wire::{self, Parsed, fail};
use crate::{PacketIdentifier, QoS, TopicAlias, Version};

/// PUBLISH, borrowed; [`Publish`](crate::Publish) is the owned form.
///
/// Reading it allocates nothing, whatever properties there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishRef<'a> {
    /// QoS, and what goes with it.
    pub delivery: Delivery,
    /// Whether the message is, or is to be, retained.
    pub retain: bool,
    /// Where to publish.
    pub topic: PublishTopicRef<'a>,
    /// All properties, checked.
    pub properties: PublishPropertiesRef<'a>,
    /// The message.
    pub payload: &'a [u8],
}

impl<'a> PublishRef<'a> {
    /// Reads a PUBLISH.
    ///
    /// # Errors
    ///
    /// What is wrong with the packet. Of a frame of another type, that it is no PUBLISH
    /// ([`InvalidHeaderFlags`](DecodeErrorKind::InvalidHeaderFlags) in the fixed header).
    #[inline(always)]
    pub fn decode(
        frame: FrameRef<'a>,
        options: impl Into<DecodeOptions>,
    ) -> Result<Self, DecodeError> {
        Self::parse(frame, &options.into(), |_| {})
    }

    /// Reads a PUBLISH and shows each property to `visitor`.
    #[inline(always)]
    pub(crate) fn parse(
        frame: FrameRef<'a>,
        options: &DecodeOptions,
        visitor: impl Visit<'a>,
    ) -> Result<Self, DecodeError> {
        match Self::parse_plain(frame, options.version) {
            Some(publish) => Ok(publish),
            None => Self::parse_any(frame, options, visitor),
        }
    }

    /// A message that is [`Plain`] and without fault.
    #[inline(always)]
    pub(crate) fn parse_plain(frame: FrameRef<'a>, version: Version) -> Option<Self> {
        let plain = Plain::parse(frame, version)?;
        let name = TopicNameRef::try_from(plain.topic).ok()?;
        Some(Self {
            delivery: plain.delivery,
            retain: plain.retain,
            topic: PublishTopicRef::Named { name, alias: None },
            properties: PublishPropertiesRef::default(),
            payload: plain.payload,
        })
    }

    /// Any message, by the general parsers.
    #[inline(never)]
    pub(crate) fn parse_any(
        frame: FrameRef<'a>,
        options: &DecodeOptions,
        visitor: impl Visit<'a>,
    ) -> Result<Self, DecodeError> {
        if frame.packet_type() != PacketType::Publish {
            let kind = DecodeErrorKind::InvalidHeaderFlags;
            return Err(DecodeError::new(kind, Field::FixedHeader, 0));
        }
        parse_frame(frame, options, |body| {
            let (rest, name) = topic(body)?;
            let (rest, id) = match frame.header().flags() & QOS_BITS {
                0 => (rest, None),
                _ => packet_identifier(rest).map(|(rest, id)| (rest, Some(id)))?,
            };
            let mut noted = Noted {
                alias: None,
                properties: PublishPropertiesRef::default(),
                visitor,
            };
            let (payload, block) = parse_block(rest, Place::Publish, options, &mut noted)?;
            let Noted {
                alias,
                mut properties,
                ..
            } = noted;
            properties.all = PropertiesRef::new(block);
            let topic = match (name, alias) {
                (Some(name), alias) => PublishTopicRef::Named { name, alias },
                (None, Some(alias)) => PublishTopicRef::Alias(alias),
                (None, None) => return fail(DecodeErrorKind::EmptyTopic, Field::TopicName, body),
            };
            let publish = Self {
                delivery: delivery(frame.header(), id),
                retain: frame.header().flags() & RETAIN != 0,
                topic,
                properties,
                payload,
            };
            Ok((&[], publish))
        })
    }
}

/// Notes what the borrowed form knows of its properties, and shows them to another visitor.
struct Noted<'a, V> {
    alias: Option<TopicAlias>,
    properties: PublishPropertiesRef<'a>,
    visitor: V,
}

impl<'a, V: Visit<'a>> Visit<'a> for &mut Noted<'a, V> {
    #[inline(always)]
    fn visit(&mut self, property: Property<'a>) {
        if let Property::TopicAlias(number) = property {
            self.alias = Some(number);
        }
        self.properties.note(property);
        self.visitor.visit(property);
    }
}

/// What nearly all messages are: a topic name and no properties. It is read in a straight line; what
/// is otherwise, or wrong, goes through [`PublishRef::parse_any`], which names the fault.
#[derive(Clone, Copy)]
pub(crate) struct Plain<'a> {
    /// The topic name, not yet judged.
    pub(crate) topic: &'a [u8],
    pub(crate) delivery: Delivery,
    pub(crate) retain: bool,
    pub(crate) payload: &'a [u8],
}

impl<'a> Plain<'a> {
    /// The message of a frame, if it is plain and the header without fault in all versions.
    #[inline(always)]
    pub(crate) fn parse(frame: FrameRef<'a>, version: Version) -> Option<Self> {
        if frame.packet_type() != PacketType::Publish || !frame.header().is_faultless() {
            return None;
        }
        Self::parse_head(frame)?.without_properties(version)
    }

    /// What stands before the properties. They are taken for a part of the payload.
    #[inline(always)]
    pub(crate) fn parse_head(frame: FrameRef<'a>) -> Option<Self> {
        let (len, rest) = frame.body().split_first_chunk()?;
        let (topic, mut payload) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
        if topic.is_empty() {
            return None;
        }
        let mut packet_identifier = None;
        if frame.header().flags() & QOS_BITS != 0 {
            let (id, rest) = payload.split_first_chunk()?;
            packet_identifier = Some(PacketIdentifier::new(u16::from_be_bytes(*id))?);
            payload = rest;
        }
        Some(Self {
            topic,
            delivery: delivery(frame.header(), packet_identifier),
            retain: frame.header().flags() & RETAIN != 0,
            payload,
        })
    }

    /// What it is, if there are no properties.
    #[inline(always)]
    pub(crate) fn without_properties(mut self, version: Version) -> Option<Self> {
        if version.has_properties() {
            let (&0, payload) = self.payload.split_first()? else {
                return None;
            };
            self.payload = payload;
        }
        Some(self)
    }
}

/// Where a message that is [`Plain`] is to be cut.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    /// Bytes of the packet before the topic name.
    pub(crate) topic_at: usize,
    pub(crate) topic_len: usize,
    /// Bytes between topic name and payload.
    pub(crate) gap: usize,
    pub(crate) payload_len: usize,
    pub(crate) delivery: Delivery,
    pub(crate) retain: bool,
}

impl Plain<'_> {
    /// Where to cut the packet of this header.
    #[inline(always)]
    pub(crate) fn cut(&self, header: FrameHeader) -> Cut {
        let topic_at = header.header_len() + 2;
        let (topic_len, payload_len) = (self.topic.len(), self.payload.len());
        Cut {
            topic_at,
            topic_len,
            gap: header.packet_len() - topic_at - topic_len - payload_len,
            payload_len,
            delivery: self.delivery,
            retain: self.retain,
        }
    }
}

const RETAIN: u8 = 0b0001;
const QOS_BITS: u8 = 0b0110;
const DUP: u8 = 0b1000;

/// The topic name; `None` if it is empty.
fn topic(body: &[u8]) -> Parsed<'_, Option<TopicNameRef<'_>>> {
    if let (rest, []) = wire::binary(body, Field::TopicName)? {
        return Ok((rest, None));
    }
    let invalid = DecodeErrorKind::InvalidTopicName;
    wire::topic_name(body, Field::TopicName, invalid).map(|(rest, name)| (rest, Some(name)))
}

/// What the flags and the packet identifier say; framing has refused QoS 3.
#[inline]
fn delivery(header: FrameHeader, id: Option<PacketIdentifier>) -> Delivery {
    let dup = header.flags() & DUP != 0;
    match id {
        None => Delivery::AtMostOnce,
        Some(packet_identifier) if header.flags() & QOS_BITS == QoS::AtLeastOnce.bits() << 1 => {
            Delivery::AtLeastOnce {
                packet_identifier,
                dup,
            }
        }
        Some(packet_identifier) => Delivery::ExactlyOnce {
            packet_identifier,
            dup,
        },
    }
}

impl Delivery {
    /// The first byte of a PUBLISH.
    #[inline]
    pub(crate) const fn first_byte(self, retain: bool) -> u8 {
        let dup = if self.dup() { DUP } else { 0 };
        PacketType::Publish.as_u8() << 4 | dup | self.qos().bits() << 1 | retain as u8
    }
}

/// What names the topic of a PUBLISH, borrowed; [`PublishTopic`] is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PublishTopicRef<'a> {
    /// The name in full. With an alias, the receiver notes what the alias stands for.
    Named {
        /// The name.
        name: TopicNameRef<'a>,
        /// The alias that shall stand for it from now on.
        alias: Option<TopicAlias>,
    },
    /// An alias noted earlier.
    Alias(TopicAlias),
}

impl<'a> PublishTopicRef<'a> {
    /// The name, if the packet carries it.
    pub const fn name(&self) -> Option<TopicNameRef<'a>> {
        match self {
            Self::Named { name, .. } => Some(*name),
            Self::Alias(_) => None,
        }
    }

    /// The alias, if the packet carries one.
    pub const fn alias(&self) -> Option<TopicAlias> {
        match self {
            Self::Named { alias, .. } => *alias,
            Self::Alias(alias) => Some(*alias),
        }
    }
}

impl<'a> From<TopicNameRef<'a>> for PublishTopicRef<'a> {
    fn from(name: TopicNameRef<'a>) -> Self {
        Self::Named { name, alias: None }
    }
}

impl PublishTopic {
    /// The borrowed form.
    pub fn as_topic(&self) -> PublishTopicRef<'_> {
        match self {
            Self::Named { name, alias } => PublishTopicRef::Named {
                name: name.as_name(),
                alias: *alias,
            },
            Self::Alias(alias) => PublishTopicRef::Alias(*alias),
        }
    }
}

/// The properties of a PUBLISH, borrowed: a checked block, of which a server needs to know little.
///
/// What belongs to one hop only, Topic Alias, Subscription Identifier and the Message Expiry Interval
/// (which shrinks while the message waits), is told apart from what a server forwards unchanged and
/// in order (MQTT 5.0 §3.3.2.3): [`forwarded`](Self::forwarded).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublishPropertiesRef<'a> {
    all: PropertiesRef<'a>,
    message_expiry_interval: Option<u32>,
    /// Bytes of the properties that are not forwarded.
    local_len: usize,
}

impl<'a> PublishPropertiesRef<'a> {
    /// Takes note of a property of the block.
    #[inline(always)]
    fn note(&mut self, property: Property<'a>) {
        if let Property::MessageExpiryInterval(seconds) = property {
            self.message_expiry_interval = Some(seconds);
        }
        if !is_forwarded(property) {
            // What was read has a length.
            self.local_len += property.encoded_len().unwrap_or_default();
        }
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All properties in the order of the packet, Topic Alias included.
    pub const fn iter(&self) -> Properties<'a> {
        self.all.iter()
    }

    /// Seconds that the message lives, from its arrival.
    pub const fn message_expiry_interval(&self) -> Option<u32> {
        self.message_expiry_interval
    }

    /// Bytes of the properties that a server forwards unchanged.
    pub const fn forwarded_len(&self) -> usize {
        self.all.as_bytes().len() - self.local_len
    }

    /// The encoded properties that a server forwards unchanged, in their order, as runs of bytes:
    /// one run unless a property of this hop stands between. Put together they are what
    /// [`PublishParts::forwarded`](crate::PublishParts::forwarded) takes.
    pub fn forwarded(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut whole = (self.local_len == 0 && !self.is_empty()).then_some(self.all.as_bytes());
        let mut properties = if self.local_len == 0 {
            PropertiesRef::default().iter()
        } else {
            self.all.iter()
        };
        core::iter::from_fn(move || {
            whole.take().or_else(|| {
                loop {
                    let (property, bytes) = properties.next_with_bytes()?;
                    if is_forwarded(property) {
                        break Some(bytes);
                    }
                }
            })
        })
    }

    /// Copies [`forwarded`](Self::forwarded) into a buffer that grows or has room for
    /// [`forwarded_len`](Self::forwarded_len) bytes.
    pub fn copy_forwarded(&self, buf: &mut impl BufMut) {
        for run in self.forwarded() {
            buf.put_slice(run);
        }
    }
}

const fn is_forwarded(property: Property<'_>) -> bool {
    !matches!(
        property,
        Property::TopicAlias(_)
            | Property::SubscriptionIdentifier(_)
            | Property::MessageExpiryInterval(_)
    )
}
