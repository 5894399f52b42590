//! DISCONNECT.

use alloc::boxed::Box;

use bytes::BufMut;
use bytestring::ByteString;

use super::ack::{optional_block, optional_len, optional_reason, put_optional};
use crate::decode::{collect, parse_frame};
use crate::encode::{self, Encode, Lengths, encode_methods, properties_len};
use crate::error::{DecodeError, EncodeError, Field};
use crate::frame::{Frame, FrameRef};
use crate::options::DecodeOptions;
use crate::packet::PacketType;
use crate::property::{Place, PropertiesRef, Property, property_set};
use crate::{ReasonCode, UserProperties, Version};

/// DISCONNECT: the end of the connection (MQTT 5.0 §3.14).
///
/// MQTT 3.1 and 3.1.1 have only the client's normal disconnection: the encoder writes that for
/// [`ReasonCode::NORMAL_DISCONNECTION`], dropping the properties, and refuses any other reason.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Disconnect {
    /// Why.
    pub reason: ReasonCode,
    /// Rarely present.
    pub properties: Option<Box<DisconnectProperties>>,
}

impl Disconnect {
    /// A DISCONNECT with this reason.
    pub const fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            properties: None,
        }
    }
}

/// The properties of DISCONNECT (MQTT 5.0 §3.14.2.2). `None` means absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DisconnectProperties {
    /// Seconds that the session lives on, from a client only. Absent: the value in force stands.
    pub session_expiry_interval: Option<u32>,
    /// Text for diagnostics, never to be parsed.
    pub reason_string: Option<ByteString>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
    /// Other servers to use, from a server only (MQTT 5.0 §4.11).
    pub server_reference: Option<ByteString>,
}

property_set!(DisconnectProperties {
    one session_expiry_interval: SessionExpiryInterval,
    one server_reference: ServerReference,
    one reason_string: ReasonString,
    pairs user_properties: UserProperty,
});

/// DISCONNECT, borrowed; [`Disconnect`] is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DisconnectRef<'a> {
    /// Why.
    pub reason: ReasonCode,
    /// Rarely present.
    pub properties: PropertiesRef<'a>,
}

impl<'a> DisconnectRef<'a> {
    /// Reads a DISCONNECT.
    ///
    /// # Errors
    ///
    /// What is wrong with the packet.
    pub fn decode(
        frame: FrameRef<'a>,
        options: impl Into<DecodeOptions>,
    ) -> Result<Self, DecodeError> {
        parse(frame, &options.into(), |_| {})
    }
}

impl Disconnect {
    pub(crate) fn decode(frame: &Frame, options: DecodeOptions) -> Result<Self, DecodeError> {
        let mut properties = None;
        let disconnect = parse(frame.as_frame(), &options, |property| {
            collect(&mut properties, property, frame.body());
        })?;
        Ok(Self {
            reason: disconnect.reason,
            properties,
        })
    }
}

fn parse<'a>(
    frame: FrameRef<'a>,
    options: &DecodeOptions,
    visit: impl FnMut(Property<'a>),
) -> Result<DisconnectRef<'a>, DecodeError> {
    parse_frame(frame, options, |body| {
        let (rest, reason) = optional_reason(body, PacketType::Disconnect, options)?;
        let (rest, block) = optional_block(rest, Place::Disconnect, options, visit)?;
        let properties = PropertiesRef::new(block);
        Ok((rest, DisconnectRef { reason, properties }))
    })
}

encode_methods!(Disconnect);

impl Encode for Disconnect {
    fn first_byte(&self) -> u8 {
        encode::first_byte(PacketType::Disconnect)
    }

    fn lengths(&self, version: Version) -> Result<Lengths, EncodeError> {
        let (packet, reason) = (PacketType::Disconnect, self.reason);
        if !reason.allowed_in(packet) {
            return Err(EncodeError::ReasonNotAllowed { packet, reason });
        }
        if !version.has_properties() && reason != ReasonCode::NORMAL_DISCONNECTION {
            return Err(EncodeError::NotInVersion {
                packet,
                field: Field::Reason,
                version,
            });
        }
        let properties = properties_len(version, self.properties.as_deref())?;
        let remaining = optional_len(version, reason, properties);
        Ok(Lengths {
            remaining,
            properties,
            ..Lengths::default()
        })
    }

    fn put(&self, version: Version, lengths: Lengths, buf: &mut impl BufMut) {
        let properties = self.properties.as_deref();
        put_optional(version, self.reason, lengths.properties, properties, buf);
    }
}
