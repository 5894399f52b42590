//! The data types of the wire (MQTT 5.0 §1.5): parsers by nom, lengths, writers.

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_topic::{TopicError, TopicNameRef};
use nom::bytes::complete::take;
use nom::error::{ErrorKind, ParseError};
use nom::number::complete::{be_u8, be_u32};
use nom::{Err, IResult};

use crate::buffer::Writer;
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, Field};
use crate::text::{Text, has_nul};

/// The largest number that a variable byte integer holds (MQTT 5.0 §1.5.5).
pub(crate) const MAX_VARIABLE_BYTE_INTEGER: usize = 268_435_455;

/// The longest text and binary data (MQTT 5.0 §1.5.4, §1.5.6).
const MAX_DATA: usize = 65_535;

/// What a parser over the body of a packet returns.
pub(crate) type Parsed<'a, T> = IResult<&'a [u8], T, Fault>;

/// A fault and where: the address tells the offset once the start of the packet is at hand, however
/// deep the slice that it was found in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    kind: DecodeErrorKind,
    field: Field,
    address: usize,
}

impl Fault {
    pub(crate) fn new(kind: DecodeErrorKind, field: Field, at: &[u8]) -> Self {
        Self {
            kind,
            field,
            address: at.as_ptr().addr(),
        }
    }

    /// The error for a packet whose body is this and whose header has `header_len` bytes.
    pub(crate) fn locate(self, body: &[u8], header_len: usize) -> DecodeError {
        let offset = self.address.wrapping_sub(body.as_ptr().addr());
        let offset = u32::try_from(offset.min(body.len()) + header_len).unwrap_or(u32::MAX);
        DecodeError::new(self.kind, self.field, offset)
    }
}

impl From<Err<Self>> for Fault {
    fn from(error: Err<Self>) -> Self {
        match error {
            Err::Error(fault) | Err::Failure(fault) => fault,
            // Parsers over complete input never ask for more.
            Err::Incomplete(_) => Self {
                kind: DecodeErrorKind::Truncated,
                field: Field::Packet,
                address: 0,
            },
        }
    }
}

/// The only way in which a combinator over complete input fails here is to run out of bytes.
impl ParseError<&[u8]> for Fault {
    fn from_error_kind(input: &[u8], _: ErrorKind) -> Self {
        Self::new(DecodeErrorKind::Truncated, Field::Packet, input)
    }

    fn append(_: &[u8], _: ErrorKind, other: Self) -> Self {
        other
    }
}

/// Fails with this fault.
#[cold]
pub(crate) fn fail<T>(kind: DecodeErrorKind, field: Field, at: &[u8]) -> Parsed<'_, T> {
    Err(Err::Error(Fault::new(kind, field, at)))
}

/// Names the field that a combinator failed in.
#[inline(always)]
fn named<T>(field: Field, parsed: Parsed<'_, T>) -> Parsed<'_, T> {
    parsed.map_err(|error| {
        error.map(|mut fault| {
            fault.field = field;
            fault
        })
    })
}

#[inline(always)]
pub(crate) fn byte(input: &[u8], field: Field) -> Parsed<'_, u8> {
    named(field, be_u8(input))
}

#[inline(always)]
pub(crate) fn two_bytes(input: &[u8], field: Field) -> Parsed<'_, u16> {
    match input.split_first_chunk() {
        Some((bytes, rest)) => Ok((rest, u16::from_be_bytes(*bytes))),
        None => fail(DecodeErrorKind::Truncated, field, input),
    }
}

#[inline(always)]
pub(crate) fn four_bytes(input: &[u8], field: Field) -> Parsed<'_, u32> {
    named(field, be_u32(input))
}

/// Exactly this many bytes.
#[inline(always)]
pub(crate) fn slice(input: &[u8], len: usize, field: Field) -> Parsed<'_, &[u8]> {
    named(field, take(len)(input))
}

/// Binary Data (MQTT 5.0 §1.5.6).
#[inline(always)]
pub(crate) fn binary(input: &[u8], field: Field) -> Parsed<'_, &[u8]> {
    let (input, len) = two_bytes(input, field)?;
    // As `slice`, without its error on the way.
    match input.split_at_checked(len.into()) {
        Some((bytes, rest)) => Ok((rest, bytes)),
        None => fail(DecodeErrorKind::Truncated, field, input),
    }
}

/// A UTF-8 Encoded String (MQTT 5.0 §1.5.4).
#[inline]
pub(crate) fn text(input: &[u8], field: Field) -> Parsed<'_, Text<'_>> {
    let (rest, bytes) = binary(input, field)?;
    match Text::check(bytes) {
        Ok(text) => Ok((rest, text)),
        Err((kind, at)) => fail(kind, field, &bytes[at..]),
    }
}

/// A topic name (MQTT 5.0 §4.7). An empty one, and one with wildcards, are of the kind `invalid`.
#[inline]
pub(crate) fn topic_name(
    input: &[u8],
    field: Field,
    invalid: DecodeErrorKind,
) -> Parsed<'_, TopicNameRef<'_>> {
    let (rest, bytes) = binary(input, field)?;
    match TopicNameRef::try_from(bytes) {
        Ok(name) => Ok((rest, name)),
        Err(error) => invalid_topic(bytes, error, field, invalid),
    }
}

#[cold]
fn invalid_topic<T>(
    bytes: &[u8],
    error: TopicError,
    field: Field,
    invalid: DecodeErrorKind,
) -> Parsed<'_, T> {
    let (kind, at) = topic_fault(error, invalid);
    fail(kind, field, bytes.get(at..).unwrap_or_default())
}

/// What is wrong with a topic name, and at which byte of it.
pub(crate) fn topic_fault(error: TopicError, invalid: DecodeErrorKind) -> (DecodeErrorKind, usize) {
    match error {
        TopicError::NotUtf8 { at } => (DecodeErrorKind::InvalidUtf8, at),
        TopicError::NullCharacter { at } => (DecodeErrorKind::NulCharacter, at),
        TopicError::WildcardInName { at, .. } => (invalid, at),
        _ => (invalid, 0),
    }
}

/// A Variable Byte Integer in its shortest form (MQTT 5.0 §1.5.5).
#[inline]
pub(crate) fn variable_byte_integer(input: &[u8], field: Field) -> Parsed<'_, u32> {
    match input {
        [value @ 0..0x80, rest @ ..] => Ok((rest, u32::from(*value))),
        _ => long_variable_byte_integer(input, field),
    }
}

fn long_variable_byte_integer(input: &[u8], field: Field) -> Parsed<'_, u32> {
    let (mut value, mut rest) = (0, input);
    for shift in [0, 7, 14, 21] {
        let (after, byte) = byte(rest, field)?;
        value |= u32::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            if byte == 0 && shift > 0 {
                return fail(
                    DecodeErrorKind::VariableByteIntegerNotShortest,
                    field,
                    input,
                );
            }
            return Ok((after, value));
        }
        rest = after;
    }
    fail(DecodeErrorKind::VariableByteIntegerTooLong, field, input)
}

/// A part of received bytes as bytes of its own, sharing the buffer. `part` lies inside `owner`.
#[inline]
pub(crate) fn share(owner: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() {
        return Bytes::new();
    }
    let start = offset_in(owner, part);
    owner.slice(start..start + part.len())
}

/// Where a part of bytes starts.
#[inline]
pub(crate) fn offset_in(owner: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().wrapping_sub(owner.as_ptr().addr())
}

/// [`share`] for text.
#[inline]
pub(crate) fn share_text(owner: &Bytes, text: Text<'_>) -> ByteString {
    // Text cannot fail the check; if it did, a copy is as good.
    let shared = ByteString::try_from(share(owner, text.as_bytes()));
    shared.unwrap_or_else(|_| ByteString::from(text.as_str()))
}

/// Bytes that a variable byte integer takes.
#[inline]
pub(crate) const fn variable_byte_integer_len(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

/// Bytes that binary data takes.
#[inline]
pub(crate) fn binary_len(bytes: &[u8], field: Field) -> Result<usize, EncodeError> {
    if bytes.len() > MAX_DATA {
        return Err(EncodeError::TooLong(field));
    }
    Ok(2 + bytes.len())
}

/// Bytes that text takes.
#[inline]
pub(crate) fn text_len(text: &[u8], field: Field) -> Result<usize, EncodeError> {
    if has_nul(text) {
        return Err(EncodeError::NulCharacter(field));
    }
    binary_len(text, field)
}

/// Writes binary data, or text, whose length was checked by [`binary_len`].
#[inline(always)]
pub(crate) fn put_binary(buf: &mut Writer<'_>, bytes: &[u8]) {
    buf.put(len_of(bytes));
    buf.put_slice(bytes);
}

/// Writes a property identifier and [binary data](put_binary).
#[inline(always)]
pub(crate) fn put_binary_property(buf: &mut Writer<'_>, id: u8, bytes: &[u8]) {
    let [high, low] = len_of(bytes);
    buf.put([id, high, low]);
    buf.put_slice(bytes);
}

/// The length that stands in front of binary data, or text.
#[allow(clippy::cast_possible_truncation, reason = "the length was checked")]
#[inline(always)]
pub(crate) const fn len_of(bytes: &[u8]) -> [u8; 2] {
    (bytes.len() as u16).to_be_bytes()
}

/// Writes a variable byte integer of at most [`MAX_VARIABLE_BYTE_INTEGER`].
#[inline(always)]
pub(crate) fn put_variable_byte_integer(buf: &mut Writer<'_>, value: usize) {
    let [a, b, ..] = seven_bits_each(value);
    match value {
        0..=127 => buf.put_u8(a),
        128..=16_383 => buf.put([a | MORE, b]),
        _ => put_long_variable_byte_integer(buf, value),
    }
}

#[inline(never)]
fn put_long_variable_byte_integer(buf: &mut Writer<'_>, value: usize) {
    let [a, b, c, d] = seven_bits_each(value);
    match d {
        0 => buf.put([a | MORE, b | MORE, c]),
        _ => buf.put([a | MORE, b | MORE, c | MORE, d]),
    }
}

/// The bytes of a variable byte integer, without the bits that say whether more follow.
#[allow(clippy::cast_possible_truncation, reason = "seven bits at a time")]
#[inline(always)]
pub(crate) const fn seven_bits_each(value: usize) -> [u8; 4] {
    const LOW: u8 = 0x7F;
    [
        value as u8 & LOW,
        (value >> 7) as u8 & LOW,
        (value >> 14) as u8 & LOW,
        (value >> 21) as u8 & LOW,
    ]
}

/// The bit of a variable byte integer that says that more bytes follow.
pub(crate) const MORE: u8 = 0x80;
