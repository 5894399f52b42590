//! Properties: one table, one parse loop, for all packets (MQTT 5.0 §2.2.2).

use core::num::{NonZeroU16, NonZeroU32};

use bytes::{BufMut, Bytes};
use bytestring::ByteString;
use mqtide_topic::{TopicName, TopicNameRef};

use crate::error::{DecodeErrorKind, EncodeError, Field};
use crate::options::DecodeOptions;
use crate::packet::PayloadFormat;
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

            /// Reads the value of the property with this identifier.
            #[inline]
            fn parse_value(id: u8, input: &'a [u8]) -> Parsed<'a, Self> {
                match id {
                    $($id => <$value>::parse(input, Field::$name)
                        .map(|(rest, value)| (rest, Self::$name(value))),)*
                    _ => fail(DecodeErrorKind::UnknownProperty, Field::PropertyIdentifier, input),
                }
            }

            /// Bytes on the wire with the identifier, if the value can be written.
            #[inline]
            pub(crate) fn encoded_len(&self) -> Result<usize, EncodeError> {
                match self {
                    $(Self::$name(value) => Ok(1 + value.len(Field::$name)?),)*
                }
            }

            /// Writes identifier and value.
            #[inline]
            pub(crate) fn put(&self, buf: &mut impl BufMut) {
                match self {
                    $(Self::$name(value) => {
                        buf.put_u8($id);
                        value.put(buf);
                    })*
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
    0x03 ContentType(&'a str) [Publish Will],
    0x08 ResponseTopic(TopicNameRef<'a>) [Publish Will],
    0x09 CorrelationData(&'a [u8]) [Publish Will],
    0x0B SubscriptionIdentifier(SubscriptionIdentifier) [Publish Subscribe],
    0x11 SessionExpiryInterval(u32) [Connect Connack Disconnect],
    0x12 AssignedClientIdentifier(&'a str) [Connack],
    0x13 ServerKeepAlive(u16) [Connack],
    0x15 AuthenticationMethod(&'a str) [Connect Connack Auth],
    0x16 AuthenticationData(&'a [u8]) [Connect Connack Auth],
    0x17 RequestProblemInformation(bool) [Connect],
    0x18 WillDelayInterval(u32) [Will],
    0x19 RequestResponseInformation(bool) [Connect],
    0x1A ResponseInformation(&'a str) [Connack],
    0x1C ServerReference(&'a str) [Connack Disconnect],
    0x1F ReasonString(&'a str) [Connack Ack Disconnect Auth],
    0x21 ReceiveMaximum(NonZeroU16) [Connect Connack],
    0x22 TopicAliasMaximum(u16) [Connect Connack],
    0x23 TopicAlias(TopicAlias) [Publish],
    0x24 MaximumQoS(QoS) [Connack],
    0x25 RetainAvailable(bool) [Connack],
    0x26 UserProperty((&'a str, &'a str))
        [Connect Will Connack Publish Ack Subscribe Unsubscribe Disconnect Auth],
    0x27 MaximumPacketSize(NonZeroU32) [Connect Connack],
    0x28 WildcardSubscriptionAvailable(bool) [Connack],
    0x29 SubscriptionIdentifiersAvailable(bool) [Connack],
    0x2A SharedSubscriptionAvailable(bool) [Connack],
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

/// Reads a property length and the properties, and shows each to `visit`. The result is the block
/// without its length. Versions without properties have no block at all.
#[inline]
pub(crate) fn parse_block<'a>(
    input: &'a [u8],
    place: Place,
    options: &DecodeOptions,
    mut visit: impl FnMut(Property<'a>),
) -> Parsed<'a, &'a [u8]> {
    if !options.version.has_properties() {
        return Ok((input, &[]));
    }
    let (input, len) = wire::variable_byte_integer(input, Field::PropertyLength)?;
    let (rest, block) = wire::slice(input, len as usize, Field::PropertyLength)?;
    if !block.is_empty() {
        parse_properties(block, place, options, &mut visit)?;
    }
    Ok((rest, block))
}

fn parse_properties<'a>(
    block: &'a [u8],
    place: Place,
    options: &DecodeOptions,
    visit: &mut impl FnMut(Property<'a>),
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
        let (after, property) = Property::parse_value(id as u8, value)?;
        visit(property);
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
    pub(crate) fn next_with_bytes(&mut self) -> Option<(Property<'a>, &'a [u8])> {
        let start = self.rest;
        let (&id, value) = start.split_first()?;
        // The block was checked before, so this does not fail.
        let (rest, property) = Property::parse_value(id, value).ok()?;
        self.rest = rest;
        Some((property, &start[..start.len() - rest.len()]))
    }
}

impl<'a> Iterator for Properties<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        self.next_with_bytes().map(|(property, _)| property)
    }
}

/// The type of a property's value on the wire.
trait Value<'a>: Sized {
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self>;
    fn len(&self, field: Field) -> Result<usize, EncodeError>;
    fn put(&self, buf: &mut impl BufMut);
}

impl<'a> Value<'a> for u16 {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        wire::two_bytes(input, field)
    }

    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(2)
    }

    fn put(&self, buf: &mut impl BufMut) {
        buf.put_u16(*self);
    }
}

impl<'a> Value<'a> for u32 {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        wire::four_bytes(input, field)
    }

    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(4)
    }

    fn put(&self, buf: &mut impl BufMut) {
        buf.put_u32(*self);
    }
}

impl<'a> Value<'a> for bool {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        match wire::byte(input, field)? {
            (rest, 0) => Ok((rest, false)),
            (rest, 1) => Ok((rest, true)),
            _ => fail(DecodeErrorKind::InvalidValue, field, input),
        }
    }

    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(1)
    }

    fn put(&self, buf: &mut impl BufMut) {
        buf.put_u8((*self).into());
    }
}

impl<'a> Value<'a> for PayloadFormat {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        bool::parse(input, field).map(|(rest, is_utf8)| {
            let format = if is_utf8 {
                Self::Utf8
            } else {
                Self::Unspecified
            };
            (rest, format)
        })
    }

    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(1)
    }

    fn put(&self, buf: &mut impl BufMut) {
        buf.put_u8(*self as u8);
    }
}

/// Maximum QoS, the only property of this type: 2 is told by absence (MQTT 5.0 §3.2.2.3.4).
impl<'a> Value<'a> for QoS {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        bool::parse(input, field).map(|(rest, is_one)| {
            let qos = if is_one {
                Self::AtLeastOnce
            } else {
                Self::AtMostOnce
            };
            (rest, qos)
        })
    }

    fn len(&self, field: Field) -> Result<usize, EncodeError> {
        match self {
            Self::ExactlyOnce => Err(EncodeError::InvalidValue(field)),
            _ => Ok(1),
        }
    }

    fn put(&self, buf: &mut impl BufMut) {
        buf.put_u8(self.bits());
    }
}

impl<'a> Value<'a> for NonZeroU16 {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        let (rest, number) = wire::two_bytes(input, field)?;
        match Self::new(number) {
            Some(number) => Ok((rest, number)),
            None => fail(DecodeErrorKind::InvalidValue, field, input),
        }
    }

    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(2)
    }

    fn put(&self, buf: &mut impl BufMut) {
        buf.put_u16(self.get());
    }
}

impl<'a> Value<'a> for NonZeroU32 {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        let (rest, number) = wire::four_bytes(input, field)?;
        match Self::new(number) {
            Some(number) => Ok((rest, number)),
            None => fail(DecodeErrorKind::InvalidValue, field, input),
        }
    }

    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(4)
    }

    fn put(&self, buf: &mut impl BufMut) {
        buf.put_u32(self.get());
    }
}

impl<'a> Value<'a> for TopicAlias {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        let (rest, number) = wire::two_bytes(input, field)?;
        match Self::new(number) {
            Some(alias) => Ok((rest, alias)),
            None => fail(DecodeErrorKind::ZeroTopicAlias, field, input),
        }
    }

    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(2)
    }

    fn put(&self, buf: &mut impl BufMut) {
        buf.put_u16(self.as_u16());
    }
}

impl<'a> Value<'a> for SubscriptionIdentifier {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        let (rest, number) = wire::variable_byte_integer(input, field)?;
        match Self::new(number) {
            Some(id) => Ok((rest, id)),
            None => fail(DecodeErrorKind::InvalidValue, field, input),
        }
    }

    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(wire::variable_byte_integer_len(self.as_u32() as usize))
    }

    fn put(&self, buf: &mut impl BufMut) {
        wire::put_variable_byte_integer(buf, self.as_u32() as usize);
    }
}

impl<'a> Value<'a> for &'a str {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        wire::text(input, field)
    }

    fn len(&self, field: Field) -> Result<usize, EncodeError> {
        wire::text_len(self, field)
    }

    fn put(&self, buf: &mut impl BufMut) {
        wire::put_binary(buf, self.as_bytes());
    }
}

impl<'a> Value<'a> for (&'a str, &'a str) {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        let (rest, name) = wire::text(input, field)?;
        let (rest, value) = wire::text(rest, field)?;
        Ok((rest, (name, value)))
    }

    fn len(&self, field: Field) -> Result<usize, EncodeError> {
        Ok(wire::text_len(self.0, field)? + wire::text_len(self.1, field)?)
    }

    fn put(&self, buf: &mut impl BufMut) {
        self.0.put(buf);
        self.1.put(buf);
    }
}

impl<'a> Value<'a> for &'a [u8] {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        wire::binary(input, field)
    }

    fn len(&self, field: Field) -> Result<usize, EncodeError> {
        wire::binary_len(self, field)
    }

    fn put(&self, buf: &mut impl BufMut) {
        wire::put_binary(buf, self);
    }
}

/// The Response Topic: what is no topic name there is a Protocol Error without a code of its own.
impl<'a> Value<'a> for TopicNameRef<'a> {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        wire::topic_name(input, field, DecodeErrorKind::InvalidValue)
    }

    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(2 + self.as_str().len())
    }

    fn put(&self, buf: &mut impl BufMut) {
        wire::put_binary(buf, self.as_str().as_bytes());
    }
}

/// A value as packets own it, and as [`Property`] borrows it.
pub(crate) trait Owned {
    type Borrowed<'a>
    where
        Self: 'a;

    /// The value of a part of `owner`, without a copy.
    fn share(borrowed: Self::Borrowed<'_>, owner: &Bytes) -> Self;

    fn borrow(&self) -> Self::Borrowed<'_>;
}

macro_rules! owned_as_is {
    ($($value:ty)*) => {$(
        impl Owned for $value {
            type Borrowed<'a> = Self;

            #[inline]
            fn share(value: Self, _: &Bytes) -> Self {
                value
            }

            #[inline]
            fn borrow(&self) -> Self {
                *self
            }
        }
    )*};
}

owned_as_is! { u16 u32 bool PayloadFormat QoS NonZeroU16 NonZeroU32 SubscriptionIdentifier }

impl Owned for ByteString {
    type Borrowed<'a> = &'a str;

    #[inline]
    fn share(text: &str, owner: &Bytes) -> Self {
        wire::share_text(owner, text)
    }

    #[inline]
    fn borrow(&self) -> &str {
        self
    }
}

impl Owned for Bytes {
    type Borrowed<'a> = &'a [u8];

    #[inline]
    fn share(bytes: &[u8], owner: &Bytes) -> Self {
        wire::share(owner, bytes)
    }

    #[inline]
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl Owned for TopicName {
    type Borrowed<'a> = TopicNameRef<'a>;

    #[inline]
    fn share(name: TopicNameRef<'_>, owner: &Bytes) -> Self {
        name.to_topic_name_in(owner)
    }

    #[inline]
    fn borrow(&self) -> TopicNameRef<'_> {
        self.as_name()
    }
}

/// A struct of properties that a packet owns.
pub(crate) trait PropertySet {
    /// Takes a property of a packet whose bytes `owner` holds. Others than its own are ignored.
    fn set(&mut self, property: Property<'_>, owner: &Bytes);

    /// Shows all properties in the order in which they are written.
    fn each(&self, visit: impl FnMut(Property<'_>));

    /// Bytes of all properties, without the length in front, if they can be written.
    #[inline]
    fn encoded_len(&self) -> Result<usize, EncodeError> {
        let mut total = Ok(0);
        self.each(|property| {
            if let Ok(so_far) = total {
                total = property.encoded_len().map(|len| so_far + len);
            }
        });
        total
    }
}

/// Implements [`PropertySet`]: one row per field, in the order of the identifiers, which is the
/// order of writing.
macro_rules! property_set {
    ($set:ident { $($kind:ident $field:ident: $variant:ident,)* }) => {
        impl $crate::property::PropertySet for $set {
            #[inline]
            fn set(
                &mut self,
                property: $crate::property::Property<'_>,
                owner: &bytes::Bytes,
            ) {
                match property {
                    $($crate::property::Property::$variant(value) => {
                        property_set!(@set $kind self.$field, value, owner);
                    })*
                    _ => {}
                }
            }

            #[inline]
            fn each(&self, mut visit: impl FnMut($crate::property::Property<'_>)) {
                $(property_set!(@each $kind self.$field, visit, $variant);)*
            }
        }
    };
    (@set one $field:expr, $value:ident, $owner:ident) => {
        $field = Some($crate::property::Owned::share($value, $owner))
    };
    (@set many $field:expr, $value:ident, $owner:ident) => {
        $field.push($crate::property::Owned::share($value, $owner))
    };
    (@set pairs $field:expr, $value:ident, $owner:ident) => {
        $field.push(
            $crate::wire::share_text($owner, $value.0),
            $crate::wire::share_text($owner, $value.1),
        )
    };
    (@each one $field:expr, $visit:ident, $variant:ident) => {
        if let Some(value) = &$field {
            let value = $crate::property::Owned::borrow(value);
            $visit($crate::property::Property::$variant(value));
        }
    };
    (@each many $field:expr, $visit:ident, $variant:ident) => {
        for value in &$field {
            let value = $crate::property::Owned::borrow(value);
            $visit($crate::property::Property::$variant(value));
        }
    };
    (@each pairs $field:expr, $visit:ident, $variant:ident) => {
        for (name, value) in &$field {
            $visit($crate::property::Property::$variant((name, value)));
        }
    };
}
pub(crate) use property_set;
