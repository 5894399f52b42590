//! From packets to bytes.

use crate::Version;
use crate::buffer::{PacketBuf, Writer};
use crate::error::EncodeError;
use crate::packet::{Packet, PacketType};
use crate::property::{PropertiesRef, Property, PropertySet, Visit};
use crate::wire;

/// The length of the packet on the wire in bytes, fixed header included: what Maximum Packet Size
/// limits (MQTT 5.0 §3.1.2.11.4).
///
/// # Errors
///
/// The same errors as [`encode`].
pub fn encoded_len(packet: &Packet, version: Version) -> Result<usize, EncodeError> {
    match packet {
        Packet::Connect(packet) => packet.encoded_len(version),
        Packet::Connack(packet) => packet.encoded_len(version),
        Packet::Publish(packet) => packet.encoded_len(version),
        Packet::Puback(ack) => ack.encoded_len(PacketType::Puback, version),
        Packet::Pubrec(ack) => ack.encoded_len(PacketType::Pubrec, version),
        Packet::Pubrel(ack) => ack.encoded_len(PacketType::Pubrel, version),
        Packet::Pubcomp(ack) => ack.encoded_len(PacketType::Pubcomp, version),
        Packet::Subscribe(packet) => packet.encoded_len(version),
        Packet::Suback(packet) => packet.encoded_len(version),
        Packet::Unsubscribe(packet) => packet.encoded_len(version),
        Packet::Unsuback(packet) => packet.encoded_len(version),
        Packet::Pingreq | Packet::Pingresp => Ok(2),
        Packet::Disconnect(packet) => packet.encoded_len(version),
        Packet::Auth(packet) => packet.encoded_len(version),
    }
}

/// Writes a packet behind what the buffer holds, and returns its length in bytes.
///
/// The length is known before the first byte is written, so the packet is written in one pass. A
/// buffer that grows (`Vec<u8>`, `BytesMut`) grows; one that does not is left alone if the packet
/// does not fit.
///
/// # Errors
///
/// What the version cannot express, or what no packet may hold. Nothing is written then.
#[inline]
pub fn encode(
    packet: &Packet,
    version: Version,
    buf: &mut impl PacketBuf,
) -> Result<usize, EncodeError> {
    match packet {
        Packet::Connect(packet) => packet.encode(version, buf),
        Packet::Connack(packet) => packet.encode(version, buf),
        Packet::Publish(packet) => packet.encode(version, buf),
        Packet::Puback(ack) => ack.encode(PacketType::Puback, version, buf),
        Packet::Pubrec(ack) => ack.encode(PacketType::Pubrec, version, buf),
        Packet::Pubrel(ack) => ack.encode(PacketType::Pubrel, version, buf),
        Packet::Pubcomp(ack) => ack.encode(PacketType::Pubcomp, version, buf),
        Packet::Subscribe(packet) => packet.encode(version, buf),
        Packet::Suback(packet) => packet.encode(version, buf),
        Packet::Unsubscribe(packet) => packet.encode(version, buf),
        Packet::Unsuback(packet) => packet.encode(version, buf),
        Packet::Pingreq => put_empty(PacketType::Pingreq, buf),
        Packet::Pingresp => put_empty(PacketType::Pingresp, buf),
        Packet::Disconnect(packet) => packet.encode(version, buf),
        Packet::Auth(packet) => packet.encode(version, buf),
    }
}

fn put_empty(packet_type: PacketType, buf: &mut impl PacketBuf) -> Result<usize, EncodeError> {
    buf.make_room(2)?;
    buf.put_piece(&[first_byte(packet_type), 0]);
    Ok(2)
}

/// The lengths that stand in a packet, computed before it is written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lengths {
    /// Bytes after the fixed header.
    pub(crate) remaining: usize,
    /// Bytes of the properties, without their own length.
    pub(crate) properties: usize,
    /// Bytes of the will's properties, without their own length.
    pub(crate) will_properties: usize,
}

impl Lengths {
    /// Bytes of the whole packet.
    #[inline]
    pub(crate) fn packet(&self) -> Result<usize, EncodeError> {
        if self.remaining > wire::MAX_VARIABLE_BYTE_INTEGER {
            return Err(EncodeError::PacketTooLarge);
        }
        Ok(1 + wire::variable_byte_integer_len(self.remaining) + self.remaining)
    }
}

/// A packet that can be measured and written: the two stand side by side in each packet's file.
pub(crate) trait Encode {
    /// The first byte of the packet.
    fn first_byte(&self) -> u8;

    /// All lengths in the packet, if the version can express it.
    fn lengths(&self, version: Version) -> Result<Lengths, EncodeError>;

    /// Writes what follows the fixed header.
    fn put(&self, version: Version, lengths: Lengths, buf: &mut Writer<'_>);
}

/// The length of a packet on the wire.
pub(crate) fn packet_len(packet: &impl Encode, version: Version) -> Result<usize, EncodeError> {
    packet.lengths(version)?.packet()
}

/// Measures and writes a packet. Out of line, so that [`encode`] stays small where it stands.
#[inline(never)]
pub(crate) fn put_packet(
    packet: &impl Encode,
    version: Version,
    buf: &mut impl PacketBuf,
) -> Result<usize, EncodeError> {
    let lengths = packet.lengths(version)?;
    let len = lengths.packet()?;
    buf.make_room(len)?;
    let mut writer = Writer::new(buf.claim(len));
    writer.put_u8(packet.first_byte());
    wire::put_variable_byte_integer(&mut writer, lengths.remaining);
    packet.put(version, lengths, &mut writer);
    debug_assert!(
        writer.is_full(),
        "the length of a packet is what is written"
    );
    Ok(len)
}

/// The first byte of a packet other than PUBLISH.
#[inline]
pub(crate) const fn first_byte(packet_type: PacketType) -> u8 {
    packet_type.as_u8() << 4 | packet_type.flags()
}

/// Bytes of a property block with its length in front; versions without properties have none.
pub(crate) fn block_len(version: Version, properties: usize) -> usize {
    if version.has_properties() {
        wire::variable_byte_integer_len(properties) + properties
    } else {
        0
    }
}

/// Bytes of properties that are perhaps absent, or dropped by the version.
pub(crate) fn properties_len(
    version: Version,
    properties: Option<&impl PropertySet>,
) -> Result<usize, EncodeError> {
    match properties {
        Some(properties) if version.has_properties() => properties.encoded_len(),
        _ => Ok(0),
    }
}

/// Writes a property block of this length.
pub(crate) fn put_block(
    version: Version,
    len: usize,
    properties: Option<&impl PropertySet>,
    buf: &mut Writer<'_>,
) {
    if !version.has_properties() {
        return;
    }
    wire::put_variable_byte_integer(buf, len);
    if let Some(properties) = properties {
        properties.each(Written(buf));
    }
}

/// Writes properties as they are shown to it.
struct Written<'w, 'b>(&'w mut Writer<'b>);

impl Visit<'_> for Written<'_, '_> {
    #[inline(always)]
    fn visit(&mut self, property: Property<'_>) {
        property.put(self.0);
    }

    #[inline]
    fn visit_pairs(&mut self, pairs: PropertiesRef<'_>) {
        self.0.put_slice(pairs.as_bytes());
    }
}

/// Gives a packet its public methods of writing.
macro_rules! encode_methods {
    ($packet:ident) => {
        impl $packet {
            /// The length of the packet on the wire in bytes, fixed header included.
            ///
            /// # Errors
            ///
            /// The same errors as [`encode`](Self::encode).
            pub fn encoded_len(
                &self,
                version: $crate::Version,
            ) -> Result<usize, $crate::EncodeError> {
                $crate::encode::packet_len(self, version)
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
                $crate::encode::put_packet(self, version, buf)
            }
        }
    };
}
pub(crate) use encode_methods;
