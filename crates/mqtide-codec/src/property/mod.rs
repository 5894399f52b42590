//! Properties: one table, one parse loop, for all packets (MQTT 5.0 §2.2.2).

mod set;
mod value;

use core::num::{NonZeroU16, NonZeroU32};

use mqtide_topic::TopicNameRef;

pub(crate) use self::set::{Owned, PropertySet, property_set};
use self::value::Value;
use crate::buffer::Writer;
use crate::error::{DecodeErrorKind, EncodeError, Field};
use crate::options::DecodeOptions;
use crate::packet::PayloadFormat;
use crate::text::Text;
use crate::wire::{self, Fault, Parsed, fail};
use crate::{QoS, Sender, SubscriptionIdentifier, TopicAlias};

/// One row per property: identifier, name, type of the value, places where it may stand.
macro_rules! properties {
    ($($id:literal $name:ident($value:ty) [$($place:ident)*],)*) => {
        /// A property as it stands in a packet, with its value borrowed from it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Property<'a> {
            $(#[doc = concat!("The ", stringify!($name), ", identifier `", stringify!($id), "`.")]
            $name($value),)*
        }

        impl<'a> Property<'a> {
            /// The identifier on the wire.
            pub const fn identifier(&self) -> u8 {
                match self {
                    $(Self::$name(_) => $id,)*
                }
            }

            /// The field that errors name.
            pub const fn field(&self) -> Field {
                match self {
                    $(Self::$name(_) => Field::$name,)*
                }
            }

            /// Reads the value of the property with this identifier and shows it. Each kind has an arm
            /// of its own up to the end, so that a visitor which is inlined knows what it sees.
            #[inline(always)]
            fn parse_value(
                id: u8,
                input: &'a [u8],
                visitor: &mut impl Visit<'a>,
            ) -> Parsed<'a, ()> {
                match id {
                    $($id => {
                        let (rest, value) = <$value>::parse(input, Field::$name)?;
                        visitor.visit(Self::$name(value));
                        Ok((rest, ()))
                    })*
                    _ => fail(DecodeErrorKind::UnknownProperty, Field::PropertyIdentifier, input),
                }
            }

            /// Bytes on the wire with the identifier, if the value can be written.
            #[inline(always)]
            pub(crate) fn encoded_len(&self) -> Result<usize, EncodeError> {
                match self {
                    $(Self::$name(value) => Ok(1 + value.len(Field::$name)?),)*
                }
            }

            /// Writes identifier and value.
            #[inline(always)]
            pub(crate) fn put(&self, buf: &mut Writer<'_>) {
                match self {
                    $(Self::$name(value) => value.put($id, buf),)*
                }
            }
        }

        impl Place {
            /// Bit n: the property with identifier n may stand here.
            const fn allowed(self) -> u64 {
                const fn includes(places: &[Place], place: Place) -> bool {
                    let mut at = 0;
                    while at < places.len() {
                        if places[at] as u8 == place as u8 {
                            return true;
                        }
                        at += 1;
                    }
                    false
                }
                let mut allowed = 0;
                $(if includes(&[$(Place::$place),*], self) {
                    allowed |= 1 << $id;
                })*
                allowed
            }
        }

        /// Bit n: a property with identifier n exists.
        const KNOWN: u64 = 0 $(| 1 << $id)*;
    };
}

properties! {
    0x01 PayloadFormatIndicator(PayloadFormat) [Publish Will],
    0x02 MessageExpiryInterval(u32) [Publish Will],
    0x03 ContentType(Text<'a>) [Publish Will],
    0x08 ResponseTopic(TopicNameRef<'a>) [Publish Will],
    0x09 CorrelationData(&'a [u8]) [Publish Will],
    0x0B SubscriptionIdentifier(SubscriptionIdentifier) [Publish Subscribe],
    0x11 SessionExpiryInterval(u32) [Connect Connack Disconnect],
    0x12 AssignedClientIdentifier(Text<'a>) [Connack],
    0x13 ServerKeepAlive(u16) [Connack],
    0x15 AuthenticationMethod(Text<'a>) [Connect Connack Auth],
    0x16 AuthenticationData(&'a [u8]) [Connect Connack Auth],
    0x17 RequestProblemInformation(bool) [Connect],
    0x18 WillDelayInterval(u32) [Will],
    0x19 RequestResponseInformation(bool) [Connect],
    0x1A ResponseInformation(Text<'a>) [Connack],
    0x1C ServerReference(Text<'a>) [Connack Disconnect],
    0x1F ReasonString(Text<'a>) [Connack Ack Disconnect Auth],
    0x21 ReceiveMaximum(NonZeroU16) [Connect Connack],
    0x22 TopicAliasMaximum(u16) [Connect Connack],
    0x23 TopicAlias(TopicAlias) [Publish],
    0x24 MaximumQoS(QoS) [Connack],
    0x25 RetainAvailable(bool) [Connack],
    0x26 UserProperty((Text<'a>, Text<'a>))
        [Connect Will Connack Publish Ack Subscribe Unsubscribe Disconnect Auth],
    0x27 MaximumPacketSize(NonZeroU32) [Connect Connack],
    0x28 WildcardSubscriptionAvailable(bool) [Connack],
    0x29 SubscriptionIdentifiersAvailable(bool) [Connack],
    0x2A SharedSubscriptionAvailable(bool) [Connack],
}

/// Is shown properties one by one: a closure, or, where speed counts, a type whose method is inlined
/// where the kind of the property is known.
pub(crate) trait Visit<'a> {
    fn visit(&mut self, property: Property<'a>);

    /// Is shown User Properties, and nothing else, that were checked when they were read.
    #[inline]
    fn visit_pairs(&mut self, pairs: PropertiesRef<'a>) {
        pairs.into_iter().for_each(|property| self.visit(property));
    }
}

impl<'a, F: FnMut(Property<'a>)> Visit<'a> for F {
    #[inline]
    fn visit(&mut self, property: Property<'a>) {
        self(property);
    }
}

/// Where a property block stands. PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK allow the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Connect,
    Will,
    Connack,
    Publish,
    Ack,
    Subscribe,
    Unsubscribe,
    Disconnect,
    Auth,
}

impl Place {
    /// What may stand here more than once.
    const fn repeatable(self) -> u64 {
        match self {
            Self::Publish => 1 << USER_PROPERTY | 1 << SUBSCRIPTION_IDENTIFIER,
            _ => 1 << USER_PROPERTY,
        }
    }

    /// What the end that sends this packet may not put here.
    fn forbidden(self, options: &DecodeOptions) -> u64 {
        match self {
            Self::Publish if options.is_not_from(Sender::Server) => 1 << SUBSCRIPTION_IDENTIFIER,
            Self::Disconnect if options.is_not_from(Sender::Server) => 1 << SERVER_REFERENCE,
            Self::Disconnect if options.is_not_from(Sender::Client) => 1 << SESSION_EXPIRY_INTERVAL,
            _ => 0,
        }
    }
}

const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
const SERVER_REFERENCE: u8 = 0x1C;
const USER_PROPERTY: u8 = 0x26;

/// Reads a property length and the properties, and shows each to `visitor`. The result is the block
/// without its length. Versions without properties have no block at all.
#[inline]
pub(crate) fn parse_block<'a>(
    input: &'a [u8],
    place: Place,
    options: &DecodeOptions,
    mut visitor: impl Visit<'a>,
) -> Parsed<'a, &'a [u8]> {
    if !options.version.has_properties() {
        return Ok((input, &[]));
    }
    let (input, len) = wire::variable_byte_integer(input, Field::PropertyLength)?;
    let (rest, block) = wire::slice(input, len as usize, Field::PropertyLength)?;
    if !block.is_empty() {
        parse_properties(block, place, options, &mut visitor)?;
    }
    Ok((rest, block))
}

#[inline(always)]
fn parse_properties<'a>(
    block: &'a [u8],
    place: Place,
    options: &DecodeOptions,
    visitor: &mut impl Visit<'a>,
) -> Result<(), nom::Err<Fault>> {
    let (allowed, forbidden) = (place.allowed(), place.forbidden(options));
    let mut once = 0u64;
    let mut rest = block;
    while !rest.is_empty() {
        let (value, id) = wire::variable_byte_integer(rest, Field::PropertyIdentifier)?;
        let bit = 1u64.checked_shl(id).unwrap_or(0);
        if (allowed & !forbidden & !once) & bit == 0 {
            return refuse(rest, bit, allowed, forbidden);
        }
        once |= bit & !place.repeatable();
        #[allow(
            clippy::cast_possible_truncation,
            reason = "allowed identifiers are below 64"
        )]
        let (after, ()) = Property::parse_value(id as u8, value, visitor)?;
        rest = after;
    }
    Ok(())
}

#[cold]
fn refuse(at: &[u8], bit: u64, allowed: u64, forbidden: u64) -> Result<(), nom::Err<Fault>> {
    let kind = if KNOWN & bit == 0 {
        DecodeErrorKind::UnknownProperty
    } else if allowed & bit == 0 {
        DecodeErrorKind::PropertyNotAllowed
    } else if forbidden & bit != 0 {
        DecodeErrorKind::WrongSender
    } else {
        DecodeErrorKind::RepeatedProperty
    };
    fail(kind, Field::PropertyIdentifier, at).map(|(_, ())| ())
}

/// The properties of a packet, borrowed: a block that was checked when the packet was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PropertiesRef<'a> {
    block: &'a [u8],
}

impl<'a> PropertiesRef<'a> {
    /// A block that [`parse_block`] returned.
    pub(crate) const fn new(block: &'a [u8]) -> Self {
        Self { block }
    }

    /// The bytes of the properties, without the length in front.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.block
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.block.is_empty()
    }

    /// The properties in the order of the packet.
    pub const fn iter(&self) -> Properties<'a> {
        Properties { rest: self.block }
    }
}

impl<'a> IntoIterator for PropertiesRef<'a> {
    type Item = Property<'a>;
    type IntoIter = Properties<'a>;

    fn into_iter(self) -> Properties<'a> {
        self.iter()
    }
}

/// An iterator over properties, in the order of the packet. See [`PropertiesRef::iter`].
#[derive(Debug, Clone)]
pub struct Properties<'a> {
    rest: &'a [u8],
}

impl<'a> Properties<'a> {
    /// The next property together with the bytes that it takes.
    #[inline]
    pub(crate) fn next_with_bytes(&mut self) -> Option<(Property<'a>, &'a [u8])> {
        let start = self.rest;
        let (&id, value) = start.split_first()?;
        // The block was checked before, so this does not fail.
        let mut property = None;
        let mut found = |found: Property<'a>| property = Some(found);
        let (rest, ()) = Property::parse_value(id, value, &mut found).ok()?;
        self.rest = rest;
        Some((property?, &start[..start.len() - rest.len()]))
    }
}

impl<'a> Iterator for Properties<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        self.next_with_bytes().map(|(property, _)| property)
    }
}
