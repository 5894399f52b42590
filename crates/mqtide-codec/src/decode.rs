//! From frames to packets.

use alloc::boxed::Box;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::{DecodeError, DecodeErrorKind, Field};
use crate::frame::{Frame, FrameRef, Framer};
use crate::options::{DecodeOptions, Leniency};
use crate::packet::{
    Ack, AckRef, Auth, AuthRef, Connack, ConnackRef, Connect, ConnectRef, Disconnect,
    DisconnectRef, Packet, PacketRef, PacketType, Plain, Publish, PublishRef, Suback, SubackRef,
    Subscribe, SubscribeRef, Unsuback, UnsubackRef, Unsubscribe, UnsubscribeRef,
};
use crate::property::{Property, PropertySet};
use crate::wire::{Fault, Parsed};
use crate::{Sender, Version};

/// Reads a packet. Text, topics and payload share the memory of the frame; nothing is copied.
///
/// `options` is a [`Version`] or [`DecodeOptions`]. CONNECT is read in the version that it names.
///
/// # Errors
///
/// What is wrong with the packet, where, and what to answer.
#[inline]
pub fn decode(frame: Frame, options: impl Into<DecodeOptions>) -> Result<Packet, DecodeError> {
    let options = options.into();
    if frame.packet_type() == PacketType::Publish {
        return Ok(Packet::Publish(Publish::decode(frame, options)?));
    }
    if let Some(ack) = plain_ack(frame.as_frame()) {
        return Ok(ack);
    }
    decode_others(frame, options)
}

#[inline(never)]
fn decode_others(frame: Frame, options: DecodeOptions) -> Result<Packet, DecodeError> {
    match frame.packet_type() {
        PacketType::Connect => {
            check_sender(frame.as_frame(), &options)?;
            Connect::decode(&frame, options.leniency)
                .map(|connect| Packet::Connect(Box::new(connect)))
        }
        PacketType::Connack => Connack::decode(&frame, options).map(Packet::Connack),
        PacketType::Publish => Publish::decode(frame, options).map(Packet::Publish),
        PacketType::Puback => Ack::decode(&frame, options).map(Packet::Puback),
        PacketType::Pubrec => Ack::decode(&frame, options).map(Packet::Pubrec),
        PacketType::Pubrel => Ack::decode(&frame, options).map(Packet::Pubrel),
        PacketType::Pubcomp => Ack::decode(&frame, options).map(Packet::Pubcomp),
        PacketType::Subscribe => Subscribe::decode(frame, options).map(Packet::Subscribe),
        PacketType::Suback => Suback::decode(&frame, options).map(Packet::Suback),
        PacketType::Unsubscribe => Unsubscribe::decode(&frame, options).map(Packet::Unsubscribe),
        PacketType::Unsuback => Unsuback::decode(&frame, options).map(Packet::Unsuback),
        PacketType::Pingreq => decode_empty(frame.as_frame(), options).map(|()| Packet::Pingreq),
        PacketType::Pingresp => decode_empty(frame.as_frame(), options).map(|()| Packet::Pingresp),
        PacketType::Disconnect => Disconnect::decode(&frame, options).map(Packet::Disconnect),
        PacketType::Auth => Auth::decode(&frame, options).map(|auth| Packet::Auth(Box::new(auth))),
    }
}

impl Framer {
    /// Reads the next packet off the front of the buffer: [`next_frame`](Self::next_frame) and
    /// [`decode`] in one step, which is the fastest way to packets that own their fields. `None` if
    /// the packet is not complete; the buffer is then as it was.
    ///
    /// Text, topics and payload share the memory of the buffer; nothing is copied. An acknowledgement
    /// without properties does not even count as a user of the buffer.
    ///
    /// # Errors
    ///
    /// What is wrong with the packet, where, and what to answer. The stream cannot be read further.
    #[inline]
    pub fn next_packet(
        &mut self,
        buffer: &mut BytesMut,
        options: impl Into<DecodeOptions>,
    ) -> Result<Option<Packet>, DecodeError> {
        let options = options.into();
        // Each kind is made where it is returned: a packet that moves on the way costs more than it
        // took to read.
        if let Some(header) = self.plain_header(buffer) {
            if header.packet_type() == PacketType::Publish {
                if let Some(plain) = Plain::parse(header.frame_of(buffer), options.version) {
                    let cut = plain.cut(header);
                    return match Publish::split_off(cut, buffer) {
                        Ok(publish) => Ok(Some(Packet::Publish(publish))),
                        Err(error) => Err(error),
                    };
                }
            } else if let Some(id) = AckRef::plain_identifier(header.frame_of(buffer)) {
                buffer.advance(header.packet_len());
                return Ok(Some(match header.packet_type() {
                    PacketType::Puback => Packet::Puback(Ack::new(id)),
                    PacketType::Pubrec => Packet::Pubrec(Ack::new(id)),
                    PacketType::Pubrel => Packet::Pubrel(Ack::new(id)),
                    _ => Packet::Pubcomp(Ack::new(id)),
                }));
            }
        }
        self.next_packet_any(buffer, options)
    }

    #[inline(never)]
    fn next_packet_any(
        &mut self,
        buffer: &mut BytesMut,
        options: DecodeOptions,
    ) -> Result<Option<Packet>, DecodeError> {
        match self.next_frame(buffer)? {
            Some(frame) if frame.packet_type() == PacketType::Publish => {
                let publish = Publish::decode_others(frame, &options)?;
                Ok(Some(Packet::Publish(publish)))
            }
            Some(frame) => decode_others(frame, options).map(Some),
            None => Ok(None),
        }
    }

    /// Reads the next packet, borrowed, and tells the bytes behind it:
    /// [`next_frame_ref`](Self::next_frame_ref) and [`decode_ref`] in one step. `None` if the packet
    /// is not complete; the caller then keeps the bytes and passes them again with more behind them.
    ///
    /// # Errors
    ///
    /// What is wrong with the packet, where, and what to answer. The stream cannot be read further.
    #[inline(always)]
    pub fn next_packet_ref<'a>(
        &mut self,
        bytes: &'a [u8],
        options: impl Into<DecodeOptions>,
    ) -> Result<Option<(PacketRef<'a>, &'a [u8])>, DecodeError> {
        let options = options.into();
        if let Some(header) = self.plain_header(bytes) {
            let frame = header.frame_of(bytes);
            let rest = &bytes[header.packet_len()..];
            if header.packet_type() == PacketType::Publish {
                if let Some(publish) = PublishRef::parse_plain(frame, options.version) {
                    return Ok(Some((PacketRef::Publish(publish), rest)));
                }
            } else if let Some(ack) = AckRef::parse_plain(frame) {
                let packet = match header.packet_type() {
                    PacketType::Puback => PacketRef::Puback(ack),
                    PacketType::Pubrec => PacketRef::Pubrec(ack),
                    PacketType::Pubrel => PacketRef::Pubrel(ack),
                    _ => PacketRef::Pubcomp(ack),
                };
                return Ok(Some((packet, rest)));
            }
        }
        self.next_packet_ref_any(bytes, options)
    }

    #[inline(never)]
    fn next_packet_ref_any<'a>(
        &mut self,
        bytes: &'a [u8],
        options: DecodeOptions,
    ) -> Result<Option<(PacketRef<'a>, &'a [u8])>, DecodeError> {
        match self.next_frame_ref(bytes)? {
            Some((frame, rest)) if frame.packet_type() == PacketType::Publish => {
                let publish = PublishRef::parse_any(frame, &options, |_| {})?;
                Ok(Some((PacketRef::Publish(publish), rest)))
            }
            Some((frame, rest)) => {
                decode_ref_others(frame, options).map(|packet| Some((packet, rest)))
            }
            None => Ok(None),
        }
    }
}

/// What nearly all acknowledgements are: an identifier alone.
#[inline(always)]
fn plain_ack(frame: FrameRef<'_>) -> Option<Packet> {
    let ack = Ack::new(AckRef::plain_identifier(frame)?);
    Some(match frame.packet_type() {
        PacketType::Pubrec => Packet::Pubrec(ack),
        PacketType::Pubrel => Packet::Pubrel(ack),
        PacketType::Pubcomp => Packet::Pubcomp(ack),
        _ => Packet::Puback(ack),
    })
}

/// Reads the first packet of a connection, when the version is unknown yet.
///
/// # Errors
///
/// What is wrong with the packet, where, and what to answer. A packet other than CONNECT is of the
/// wrong sender's: a server closes the connection and answers nothing (MQTT-3.1.0-1).
pub fn decode_connect(frame: &Frame, leniency: Leniency) -> Result<Connect, DecodeError> {
    if frame.packet_type() != PacketType::Connect {
        return Err(DecodeError::new(
            DecodeErrorKind::WrongSender,
            Field::Packet,
            0,
        ));
    }
    Connect::decode(frame, leniency)
}

/// Reads a packet without copying or allocating: what is returned borrows from the frame.
///
/// # Errors
///
/// The same errors as [`decode`].
#[inline(always)]
pub fn decode_ref<'a>(
    frame: FrameRef<'a>,
    options: impl Into<DecodeOptions>,
) -> Result<PacketRef<'a>, DecodeError> {
    if frame.packet_type() == PacketType::Publish {
        return PublishRef::decode(frame, options).map(PacketRef::Publish);
    }
    if let Some(ack) = AckRef::parse_plain(frame) {
        match frame.packet_type() {
            PacketType::Puback => return Ok(PacketRef::Puback(ack)),
            PacketType::Pubrec => return Ok(PacketRef::Pubrec(ack)),
            PacketType::Pubrel => return Ok(PacketRef::Pubrel(ack)),
            PacketType::Pubcomp => return Ok(PacketRef::Pubcomp(ack)),
            _ => {}
        }
    }
    decode_ref_others(frame, options.into())
}

#[inline(never)]
fn decode_ref_others(
    frame: FrameRef<'_>,
    options: DecodeOptions,
) -> Result<PacketRef<'_>, DecodeError> {
    match frame.packet_type() {
        PacketType::Connect => {
            check_sender(frame, &options)?;
            ConnectRef::decode(frame, options.leniency).map(PacketRef::Connect)
        }
        PacketType::Connack => ConnackRef::decode(frame, options).map(PacketRef::Connack),
        PacketType::Publish => PublishRef::decode(frame, options).map(PacketRef::Publish),
        PacketType::Puback => AckRef::decode(frame, options).map(PacketRef::Puback),
        PacketType::Pubrec => AckRef::decode(frame, options).map(PacketRef::Pubrec),
        PacketType::Pubrel => AckRef::decode(frame, options).map(PacketRef::Pubrel),
        PacketType::Pubcomp => AckRef::decode(frame, options).map(PacketRef::Pubcomp),
        PacketType::Subscribe => SubscribeRef::decode(frame, options).map(PacketRef::Subscribe),
        PacketType::Suback => SubackRef::decode(frame, options).map(PacketRef::Suback),
        PacketType::Unsubscribe => {
            UnsubscribeRef::decode(frame, options).map(PacketRef::Unsubscribe)
        }
        PacketType::Unsuback => UnsubackRef::decode(frame, options).map(PacketRef::Unsuback),
        PacketType::Pingreq => decode_empty(frame, options).map(|()| PacketRef::Pingreq),
        PacketType::Pingresp => decode_empty(frame, options).map(|()| PacketRef::Pingresp),
        PacketType::Disconnect => DisconnectRef::decode(frame, options).map(PacketRef::Disconnect),
        PacketType::Auth => AuthRef::decode(frame, options).map(PacketRef::Auth),
    }
}

/// PINGREQ and PINGRESP have no content (MQTT 5.0 §3.12, §3.13).
fn decode_empty(frame: FrameRef<'_>, options: DecodeOptions) -> Result<(), DecodeError> {
    parse_frame(frame, &options, |body| Ok((body, ())))
}

/// Judges the header and parses the whole body of a frame.
#[inline]
pub(crate) fn parse_frame<'a, T>(
    frame: FrameRef<'a>,
    options: &DecodeOptions,
    parse: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
) -> Result<T, DecodeError> {
    frame.header().check(options.version, options.leniency)?;
    check_sender(frame, options)?;
    parse_body(frame, parse)
}

/// Parses the whole body of a frame: bytes left over are a fault.
#[inline]
pub(crate) fn parse_body<'a, T>(
    frame: FrameRef<'a>,
    parse: impl FnOnce(&'a [u8]) -> Parsed<'a, T>,
) -> Result<T, DecodeError> {
    let fault = match parse(frame.body()) {
        Ok(([], packet)) => return Ok(packet),
        Ok((rest, _)) => Fault::new(DecodeErrorKind::TrailingBytes, Field::Packet, rest),
        Err(error) => Fault::from(error),
    };
    Err(fault.locate(frame.body(), frame.header().header_len()))
}

/// Refuses packets that travel in the wrong direction (MQTT 5.0 §2.1.2).
#[inline]
fn check_sender(frame: FrameRef<'_>, options: &DecodeOptions) -> Result<(), DecodeError> {
    let is_forbidden = match frame.packet_type() {
        PacketType::Connect
        | PacketType::Subscribe
        | PacketType::Unsubscribe
        | PacketType::Pingreq => options.sender == Some(Sender::Server),
        PacketType::Connack | PacketType::Suback | PacketType::Unsuback | PacketType::Pingresp => {
            options.sender == Some(Sender::Client)
        }
        // The server closes without a DISCONNECT in MQTT 3.1 and 3.1.1.
        PacketType::Disconnect => {
            options.sender == Some(Sender::Server) && options.version != Version::V5
        }
        _ => false,
    };
    if is_forbidden {
        return Err(DecodeError::new(
            DecodeErrorKind::WrongSender,
            Field::FixedHeader,
            0,
        ));
    }
    Ok(())
}

/// Puts a property into a set that is made when the first property comes.
#[inline(always)]
pub(crate) fn collect<S: PropertySet + Default>(
    set: &mut Option<Box<S>>,
    property: Property<'_>,
    owner: &Bytes,
) {
    if set.is_none() {
        *set = Some(empty_set());
    }
    if let Some(set) = set {
        set.set(property, owner);
    }
}

/// Out of line, as it stands once per property in [`collect`].
#[cold]
fn empty_set<S: Default>() -> Box<S> {
    Box::default()
}
