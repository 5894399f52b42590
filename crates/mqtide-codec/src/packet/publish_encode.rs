//! Writing a PUBLISH, whatever it is made of.

use super::publish::Delivery;
use super::publish_ref::PublishTopicRef;
use crate::Version;
use crate::buffer::{PacketBuf, Writer};
use crate::encode::{Lengths, block_len};
use crate::error::{EncodeError, Field};
use crate::packet::PacketType;
use crate::wire;

/// What a PUBLISH is written from. Its forms differ in what they hold properties as.
pub(crate) trait Message {
    fn delivery(&self) -> Delivery;

    fn retain(&self) -> bool;

    fn topic(&self) -> PublishTopicRef<'_>;

    fn payload(&self) -> &[u8];

    fn put_payload(&self, buf: &mut impl PacketBuf);

    /// Bytes of the properties, topic alias included, if they can be written.
    fn properties_len(&self) -> Result<usize, EncodeError>;

    /// Writes the properties, topic alias included.
    fn put_properties(&self, buf: &mut Writer<'_>);
}

/// The length of the packet on the wire.
#[inline]
pub(crate) fn encoded_len(message: &impl Message, version: Version) -> Result<usize, EncodeError> {
    lengths(message, version)?.packet()
}

/// Writes the packet, and returns its length.
#[inline]
pub(crate) fn put(
    message: &impl Message,
    version: Version,
    buf: &mut impl PacketBuf,
) -> Result<usize, EncodeError> {
    let lengths = lengths(message, version)?;
    let len = lengths.packet()?;
    buf.make_room(len)?;
    put_fields(message, version, lengths, buf);
    message.put_payload(buf);
    Ok(len)
}

/// Writes all of the packet but the payload, and returns the length of that.
#[inline]
pub(crate) fn put_head(
    message: &impl Message,
    version: Version,
    buf: &mut impl PacketBuf,
) -> Result<usize, EncodeError> {
    let lengths = lengths(message, version)?;
    let head = lengths.packet()? - message.payload().len();
    buf.make_room(head)?;
    put_fields(message, version, lengths, buf);
    Ok(head)
}

#[inline(always)]
fn lengths(message: &impl Message, version: Version) -> Result<Lengths, EncodeError> {
    let topic = message.topic().name().map_or(0, |name| name.as_str().len());
    if topic == 0 && !version.has_properties() {
        return Err(EncodeError::NotInVersion {
            packet: PacketType::Publish,
            field: Field::TopicAlias,
            version,
        });
    }
    let mut properties = 0;
    if version.has_properties() {
        properties = message.properties_len()?;
    }
    let packet_identifier = match message.delivery() {
        Delivery::AtMostOnce => 0,
        _ => 2,
    };
    let block = block_len(version, properties);
    Ok(Lengths {
        remaining: 2 + topic + packet_identifier + block + message.payload().len(),
        properties,
        ..Lengths::default()
    })
}

/// In few pieces whose length the compiler knows, and the topic name: that is all of most messages.
#[inline(always)]
fn put_fields(
    message: &impl Message,
    version: Version,
    lengths: Lengths,
    buf: &mut impl PacketBuf,
) {
    let delivery = message.delivery();
    let first = delivery.first_byte(message.retain());
    let name = message.topic().name();
    let name: &[u8] = name.map_or(&[], |name| name.as_str().as_bytes());
    put_fixed_header(first, lengths.remaining, wire::len_of(name), buf);
    buf.put_piece(name);
    if let Some(id) = delivery.packet_identifier() {
        buf.put_piece(&id.as_u16().to_be_bytes());
    }
    if version.has_properties() {
        match lengths.properties {
            0 => buf.put_piece(&[0]),
            len => put_block(message, len, buf),
        }
    }
}

/// Writes the fixed header and the length of the topic name.
#[inline(always)]
fn put_fixed_header(first: u8, remaining: usize, name_len: [u8; 2], buf: &mut impl PacketBuf) {
    let [high, low] = name_len;
    let [a, b, ..] = wire::seven_bits_each(remaining);
    match remaining {
        0..=127 => buf.put_piece(&[first, a, high, low]),
        128..=16_383 => buf.put_piece(&[first, a | wire::MORE, b, high, low]),
        _ => {
            buf.put_piece(&[first]);
            let len = wire::variable_byte_integer_len(remaining);
            wire::put_variable_byte_integer(&mut Writer::new(buf.claim(len)), remaining);
            buf.put_piece(&name_len);
        }
    }
}

/// Writes properties with their length in front.
#[inline(never)]
fn put_block(message: &impl Message, len: usize, buf: &mut impl PacketBuf) {
    let block = buf.claim(wire::variable_byte_integer_len(len) + len);
    let mut writer = Writer::new(block);
    wire::put_variable_byte_integer(&mut writer, len);
    message.put_properties(&mut writer);
    debug_assert!(
        writer.is_full(),
        "the length of properties is what is written"
    );
}

/// Gives a form of PUBLISH its public methods of writing.
macro_rules! publish_methods {
    ($message:ty) => {
        impl $message {
            /// The length of the packet on the wire in bytes, fixed header included.
            ///
            /// # Errors
            ///
            /// The same errors as [`encode`](Self::encode).
            #[inline]
            pub fn encoded_len(
                &self,
                version: $crate::Version,
            ) -> Result<usize, $crate::EncodeError> {
                $crate::packet::publish_encode::encoded_len(self, version)
            }

            /// Writes the packet behind what the buffer holds, and returns its length in bytes.
            ///
            /// # Errors
            ///
            /// What the version cannot express, or what no packet may hold. Nothing is written then.
            #[inline]
            pub fn encode(
                &self,
                version: $crate::Version,
                buf: &mut impl $crate::PacketBuf,
            ) -> Result<usize, $crate::EncodeError> {
                $crate::packet::publish_encode::put(self, version, buf)
            }

            /// Writes all of the packet but the payload, and returns how many bytes that is. The
            /// payload is to follow as it is: with a vectored write, without a copy.
            ///
            /// # Errors
            ///
            /// The same errors as [`encode`](Self::encode).
            #[inline]
            pub fn encode_head(
                &self,
                version: $crate::Version,
                buf: &mut impl $crate::PacketBuf,
            ) -> Result<usize, $crate::EncodeError> {
                $crate::packet::publish_encode::put_head(self, version, buf)
            }
        }
    };
}
pub(crate) use publish_methods;
