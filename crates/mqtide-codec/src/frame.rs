//! Framing: where a packet ends, before anything in it is looked at.

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{DecodeError, DecodeErrorKind, Field};
use crate::options::Leniency;
use crate::packet::PacketType;
use crate::{QoS, Version};

/// Cuts a stream of bytes into packets (MQTT 5.0 §2.1).
///
/// It looks at the fixed header alone. Type and flags are judged at the first byte, and the size limit
/// as soon as the length is known, so neither waits for bytes that may never come. The buffer is the
/// caller's and never reserved by what a peer announces: [`needed`](Self::needed) tells how many
/// bytes are missing, and growing by what arrives, 64 KiB at most at a time, is the right way.
///
/// After an error the stream cannot be read further.
///
/// ```
/// use bytes::BytesMut;
/// use mqtide_codec::{Framer, PacketType, Version};
///
/// let mut framer = Framer::new(Version::V5);
/// let mut buffer = BytesMut::from(&[0xC0][..]);
/// assert!(framer.next_frame(&mut buffer)?.is_none());
///
/// buffer.extend_from_slice(&[0x00, 0xD0]);
/// let frame = framer.next_frame(&mut buffer)?.expect("a whole packet is there");
/// assert_eq!(frame.packet_type(), PacketType::Pingreq);
/// # Ok::<(), mqtide_codec::DecodeError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Framer {
    version: Option<Version>,
    max_packet_size: u32,
    leniency: Leniency,
    /// The header of the packet that is arriving, once it is complete.
    pending: Option<FrameHeader>,
    needed: usize,
}

impl Framer {
    /// The largest packet that the protocol can carry, in bytes, fixed header included: no limit.
    pub const MAX_PACKET_SIZE: u32 = 268_435_460;

    /// A framer for a connection of this version, without a size limit.
    pub const fn new(version: Version) -> Self {
        let mut framer = Self::unknown_version();
        framer.version = Some(version);
        framer
    }

    /// A framer for a connection that has not seen its CONNECT: what depends on the version is
    /// judged when the packet is decoded. Call [`set_version`](Self::set_version) after CONNECT.
    pub const fn unknown_version() -> Self {
        Self {
            version: None,
            max_packet_size: Self::MAX_PACKET_SIZE,
            leniency: Leniency::NONE,
            pending: None,
            needed: 2,
        }
    }

    /// Sets the version, once CONNECT has told it.
    pub const fn set_version(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// Sets the receiver's Maximum Packet Size in bytes, fixed header included. A larger packet
    /// gives [`PacketTooLarge`](DecodeErrorKind::PacketTooLarge).
    pub const fn set_max_packet_size(&mut self, bytes: u32) {
        self.max_packet_size = bytes;
    }

    /// Sets the faults to overlook.
    pub const fn set_leniency(&mut self, leniency: Leniency) {
        self.leniency = leniency;
    }

    /// After a call that found no complete packet: how many more bytes are needed at the least.
    /// While the length is unknown that is 1 or 2; afterwards it is what is missing of the packet.
    pub const fn needed(&self) -> usize {
        self.needed
    }

    /// Splits the next packet off the front of the buffer. `None` if it is not complete; the buffer
    /// is then as it was.
    ///
    /// # Errors
    ///
    /// What is wrong with the fixed header. Calls with the same bytes give the same error.
    pub fn next_frame(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, DecodeError> {
        Ok(self.advance(buffer)?.map(|header| header.split_off(buffer)))
    }

    /// [`next_frame`](Self::next_frame) of bytes that are already shared.
    ///
    /// # Errors
    ///
    /// What is wrong with the fixed header.
    pub fn next_frame_of(&mut self, bytes: &mut Bytes) -> Result<Option<Frame>, DecodeError> {
        Ok(self.advance(bytes)?.map(|header| Frame {
            header,
            body: header.body_of(bytes.split_to(header.packet_len())),
        }))
    }

    /// The next packet, borrowed, and the bytes behind it. `None` if it is not complete; the
    /// caller then keeps the bytes and passes them again with more behind them.
    ///
    /// # Errors
    ///
    /// What is wrong with the fixed header.
    #[inline(always)]
    pub fn next_frame_ref<'a>(
        &mut self,
        bytes: &'a [u8],
    ) -> Result<Option<(FrameRef<'a>, &'a [u8])>, DecodeError> {
        Ok(self.advance(bytes)?.map(|header| {
            let (packet, rest) = bytes.split_at(header.packet_len());
            let body = &packet[header.header_len()..];
            (FrameRef { header, body }, rest)
        }))
    }

    /// The header of the next packet if all of it is there and the header is what nearly all are.
    #[inline(always)]
    pub(crate) fn plain_header(&self, bytes: &[u8]) -> Option<FrameHeader> {
        if self.pending.is_some() {
            return None;
        }
        let header = FrameHeader::plain(bytes)?;
        let available = bytes.len().min(self.max_packet_size as usize);
        (header.packet_len() <= available).then_some(header)
    }

    /// The header of the next packet if all of it is there.
    #[inline(always)]
    fn advance(&mut self, bytes: &[u8]) -> Result<Option<FrameHeader>, DecodeError> {
        match self.plain_header(bytes) {
            Some(header) => Ok(Some(header)),
            None => self.advance_any(bytes),
        }
    }

    /// [`advance`](Self::advance) for packets that are incomplete, long or at fault.
    #[inline(never)]
    fn advance_any(&mut self, bytes: &[u8]) -> Result<Option<FrameHeader>, DecodeError> {
        let header = match self.pending {
            Some(header) => header,
            None => match self.header(bytes)? {
                Some(header) => header,
                None => {
                    self.needed = if bytes.is_empty() { 2 } else { 1 };
                    return Ok(None);
                }
            },
        };
        if bytes.len() < header.packet_len() {
            self.needed = header.packet_len() - bytes.len();
            self.pending = Some(header);
            return Ok(None);
        }
        self.pending = None;
        Ok(Some(header))
    }

    #[inline]
    fn header(&self, bytes: &[u8]) -> Result<Option<FrameHeader>, DecodeError> {
        let Some((&first, rest)) = bytes.split_first() else {
            return Ok(None);
        };
        let packet_type = check_first_byte(first, self.version, self.leniency)?;
        let Some(length) = RemainingLength::parse(rest)? else {
            return Ok(None);
        };
        let header = FrameHeader {
            packet_type,
            first,
            length,
        };
        length.check(self.version, self.leniency)?;
        if header.packet_len() > self.max_packet_size as usize {
            let kind = DecodeErrorKind::PacketTooLarge;
            return Err(DecodeError::new(kind, Field::RemainingLength, 1));
        }
        Ok(Some(header))
    }
}

/// The fixed header of a packet (MQTT 5.0 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHeader {
    packet_type: PacketType,
    first: u8,
    length: RemainingLength,
}

impl FrameHeader {
    /// What nearly all headers are: without fault in all versions, with a length of up to three bytes.
    #[inline(always)]
    fn plain(bytes: &[u8]) -> Option<Self> {
        let (&first, rest) = bytes.split_first()?;
        if !is_faultless(first) {
            return None;
        }
        Some(Self {
            packet_type: PacketType::from_u8(first >> 4)?,
            first,
            length: RemainingLength::plain(rest)?,
        })
    }

    /// The type of the packet.
    pub const fn packet_type(&self) -> PacketType {
        self.packet_type
    }

    /// The low four bits of the first byte.
    pub const fn flags(&self) -> u8 {
        self.first & 0x0F
    }

    /// Bytes of the fixed header: 2 to 5.
    pub const fn header_len(&self) -> usize {
        1 + self.length.bytes as usize
    }

    /// Bytes after the fixed header.
    pub const fn remaining_length(&self) -> usize {
        self.length.value as usize
    }

    /// Bytes of the whole packet, which is what Maximum Packet Size limits.
    pub const fn packet_len(&self) -> usize {
        self.header_len() + self.remaining_length()
    }

    /// Judges the header by a version that was perhaps unknown to the framer. The first byte of
    /// PUBLISH is the same in all versions.
    #[inline]
    pub(crate) fn check(&self, version: Version, leniency: Leniency) -> Result<(), DecodeError> {
        if self.packet_type != PacketType::Publish {
            check_first_byte(self.first, Some(version), leniency)?;
        }
        self.length.check(Some(version), leniency)
    }

    /// Whether the header is without fault in all versions; [`check`](Self::check) judges others.
    #[inline]
    pub(crate) const fn is_faultless(&self) -> bool {
        self.length.is_shortest && is_faultless(self.first)
    }

    /// The packet of this header at the front of a buffer that holds all of it.
    #[inline(always)]
    pub(crate) fn frame_of<'a>(&self, bytes: &'a [u8]) -> FrameRef<'a> {
        let body = &bytes[self.header_len()..self.packet_len()];
        FrameRef {
            header: *self,
            body,
        }
    }

    /// Splits the packet of this header off a buffer that holds all of it.
    #[inline(always)]
    fn split_off(&self, buffer: &mut BytesMut) -> Frame {
        let packet = buffer.split_to(self.packet_len()).freeze();
        Frame {
            header: *self,
            body: self.body_of(packet),
        }
    }

    #[inline]
    fn body_of(&self, mut packet: Bytes) -> Bytes {
        packet.advance(self.header_len());
        packet
    }
}

/// A complete packet, not looked into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    header: FrameHeader,
    body: Bytes,
}

impl Frame {
    /// The fixed header.
    pub const fn header(&self) -> FrameHeader {
        self.header
    }

    /// The type of the packet.
    pub const fn packet_type(&self) -> PacketType {
        self.header.packet_type
    }

    /// What follows the fixed header.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The borrowed form.
    #[inline]
    pub fn as_frame(&self) -> FrameRef<'_> {
        FrameRef {
            header: self.header,
            body: &self.body,
        }
    }

    /// The body without its first bytes.
    #[inline]
    pub(crate) fn into_body_from(mut self, at: usize) -> Bytes {
        self.body.advance(at);
        self.body
    }
}

/// A complete packet, borrowed, not looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRef<'a> {
    header: FrameHeader,
    body: &'a [u8],
}

impl<'a> FrameRef<'a> {
    /// The fixed header.
    pub const fn header(&self) -> FrameHeader {
        self.header
    }

    /// The type of the packet.
    pub const fn packet_type(&self) -> PacketType {
        self.header.packet_type
    }

    /// What follows the fixed header.
    pub const fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The owned form; copies the body.
    pub fn to_frame(&self) -> Frame {
        Frame {
            header: self.header,
            body: Bytes::copy_from_slice(self.body),
        }
    }
}

/// A Remaining Length as it was received (MQTT 5.0 §2.1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct RemainingLength {
    value: u32,
    /// How many bytes it takes: 1 to 4.
    bytes: u8,
    is_shortest: bool,
}

impl RemainingLength {
    /// A length of up to three bytes in the shortest form: that is any packet below 2 MiB.
    #[inline(always)]
    fn plain(bytes: &[u8]) -> Option<Self> {
        let (value, bytes) = match *bytes {
            [value @ 0..0x80, ..] => (u32::from(value), 1),
            [low, high @ 1..0x80, ..] => (u32::from(low & 0x7F) | u32::from(high) << 7, 2),
            [low, middle @ 0x80..=0xFF, high @ 1..0x80, ..] => {
                let low = u32::from(low & 0x7F) | u32::from(middle & 0x7F) << 7;
                (low | u32::from(high) << 14, 3)
            }
            _ => return None,
        };
        Some(Self {
            value,
            bytes,
            is_shortest: true,
        })
    }

    /// Reads a length in any form; `None` if it is incomplete.
    fn parse(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let (mut value, mut len) = (0, 0);
        for &byte in bytes.iter().take(4) {
            value |= u32::from(byte & 0x7F) << (7 * len);
            len += 1;
            if byte & 0x80 == 0 {
                return Ok(Some(Self {
                    value,
                    bytes: len,
                    is_shortest: byte != 0 || len == 1,
                }));
            }
        }
        if len == 4 {
            let kind = DecodeErrorKind::VariableByteIntegerTooLong;
            return Err(DecodeError::new(kind, Field::RemainingLength, 1));
        }
        Ok(None)
    }

    /// MQTT 5.0 demands the shortest form (MQTT-1.5.5-1), the earlier versions do not.
    #[inline]
    fn check(self, version: Option<Version>, leniency: Leniency) -> Result<(), DecodeError> {
        if self.is_shortest || version != Some(Version::V5) || leniency.long_remaining_length {
            return Ok(());
        }
        let kind = DecodeErrorKind::VariableByteIntegerNotShortest;
        Err(DecodeError::new(kind, Field::RemainingLength, 1))
    }
}

/// Judges type and flags (MQTT 5.0 §2.1.2, §2.1.3).
#[inline]
fn check_first_byte(
    first: u8,
    version: Option<Version>,
    leniency: Leniency,
) -> Result<PacketType, DecodeError> {
    if is_faultless(first)
        && let Some(packet_type) = PacketType::from_u8(first >> 4)
    {
        return Ok(packet_type);
    }
    check_any_first_byte(first, version, leniency)
}

/// Whether type and flags are without fault in all versions.
#[inline]
const fn is_faultless(first: u8) -> bool {
    // By type; bit n: with flags n. AUTH is of MQTT 5.0 alone.
    const FLAGS: [u16; 16] = [
        0,
        1,
        1,
        0b0011_1100_0011_1111,
        1,
        1,
        0b100,
        1,
        0b100,
        1,
        0b100,
        1,
        1,
        1,
        1,
        0,
    ];
    FLAGS[(first >> 4) as usize] >> (first & 0x0F) & 1 != 0
}

#[cold]
fn check_any_first_byte(
    first: u8,
    version: Option<Version>,
    leniency: Leniency,
) -> Result<PacketType, DecodeError> {
    let fail = |kind| Err(DecodeError::new(kind, Field::FixedHeader, 0));
    let Some(packet_type) = PacketType::from_u8(first >> 4) else {
        return fail(DecodeErrorKind::ReservedPacketType);
    };
    let flags = first & 0x0F;
    match packet_type {
        PacketType::Publish => match QoS::from_bits(flags >> 1 & 3) {
            None => fail(DecodeErrorKind::InvalidQoS),
            Some(QoS::AtMostOnce) if flags & 0b1000 != 0 && !leniency.dup_at_most_once => {
                fail(DecodeErrorKind::InvalidFlags)
            }
            Some(_) => Ok(packet_type),
        },
        PacketType::Auth if matches!(version, Some(Version::V31 | Version::V311)) => {
            fail(DecodeErrorKind::ReservedPacketType)
        }
        // MQTT 3.1 leaves the flags unused; CONNECT may turn out to be of MQTT 3.1.
        _ if version == Some(Version::V31) => Ok(packet_type),
        PacketType::Connect if version.is_none() => Ok(packet_type),
        _ if flags == packet_type.flags() => Ok(packet_type),
        _ => fail(DecodeErrorKind::InvalidHeaderFlags),
    }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
