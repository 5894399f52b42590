//! The types of the values of properties (MQTT 5.0 §2.2.2.2).

use core::num::{NonZeroU16, NonZeroU32};

use mqtide_topic::TopicNameRef;

use crate::buffer::Writer;
use crate::error::{DecodeErrorKind, EncodeError, Field};
use crate::packet::PayloadFormat;
use crate::text::Text;
use crate::wire::{self, Parsed, fail};
use crate::{QoS, SubscriptionIdentifier, TopicAlias};

/// The type of a property's value on the wire.
pub(super) trait Value<'a>: Sized {
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self>;
    fn len(&self, field: Field) -> Result<usize, EncodeError>;
    /// Writes the identifier, and the value behind it.
    fn put(&self, id: u8, buf: &mut Writer<'_>);
}

impl<'a> Value<'a> for u16 {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        wire::two_bytes(input, field)
    }

    #[inline]
    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(2)
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        put_two(buf, id, *self);
    }
}

impl<'a> Value<'a> for u32 {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        wire::four_bytes(input, field)
    }

    #[inline]
    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(4)
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        put_four(buf, id, *self);
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

    #[inline]
    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(1)
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        buf.put([id, (*self).into()]);
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

    #[inline]
    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(1)
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        buf.put([id, *self as u8]);
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

    #[inline]
    fn len(&self, field: Field) -> Result<usize, EncodeError> {
        match self {
            Self::ExactlyOnce => Err(EncodeError::InvalidValue(field)),
            _ => Ok(1),
        }
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        buf.put([id, self.bits()]);
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

    #[inline]
    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(2)
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        put_two(buf, id, self.get());
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

    #[inline]
    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(4)
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        put_four(buf, id, self.get());
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

    #[inline]
    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(2)
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        put_two(buf, id, self.as_u16());
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

    #[inline]
    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(wire::variable_byte_integer_len(self.as_u32() as usize))
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        buf.put_u8(id);
        wire::put_variable_byte_integer(buf, self.as_u32() as usize);
    }
}

impl<'a> Value<'a> for Text<'a> {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        wire::text(input, field)
    }

    #[inline]
    fn len(&self, field: Field) -> Result<usize, EncodeError> {
        wire::text_len(self.as_bytes(), field)
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        wire::put_binary_property(buf, id, self.as_bytes());
    }
}

impl<'a> Value<'a> for (Text<'a>, Text<'a>) {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        let (rest, name) = wire::text(input, field)?;
        let (rest, value) = wire::text(rest, field)?;
        Ok((rest, (name, value)))
    }

    #[inline]
    fn len(&self, field: Field) -> Result<usize, EncodeError> {
        Ok(self.0.len(field)? + self.1.len(field)?)
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        self.0.put(id, buf);
        wire::put_binary(buf, self.1.as_bytes());
    }
}

impl<'a> Value<'a> for &'a [u8] {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        wire::binary(input, field)
    }

    #[inline]
    fn len(&self, field: Field) -> Result<usize, EncodeError> {
        wire::binary_len(self, field)
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        wire::put_binary_property(buf, id, self);
    }
}

/// The Response Topic: what is no topic name there is a Protocol Error without a code of its own.
impl<'a> Value<'a> for TopicNameRef<'a> {
    #[inline]
    fn parse(input: &'a [u8], field: Field) -> Parsed<'a, Self> {
        wire::topic_name(input, field, DecodeErrorKind::InvalidValue)
    }

    #[inline]
    fn len(&self, _: Field) -> Result<usize, EncodeError> {
        Ok(2 + self.as_str().len())
    }

    #[inline]
    fn put(&self, id: u8, buf: &mut Writer<'_>) {
        wire::put_binary_property(buf, id, self.as_str().as_bytes());
    }
}

#[inline]
fn put_two(buf: &mut Writer<'_>, id: u8, number: u16) {
    let [high, low] = number.to_be_bytes();
    buf.put([id, high, low]);
}

#[inline]
fn put_four(buf: &mut Writer<'_>, id: u8, number: u32) {
    let [a, b, c, d] = number.to_be_bytes();
    buf.put([id, a, b, c, d]);
}
