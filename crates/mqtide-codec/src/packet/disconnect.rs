//! DISCONNECT.

use alloc::boxed::Box;

use bytestring::ByteString;

use super::ack::{optional_block, optional_len, optional_reason, put_optional};
use crate::buffer::Writer;
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

    fn put(&self, version: Version, lengths: Lengths, buf: &mut Writer<'_>) {
        let properties = self.properties.as_deref();
        put_optional(version, self.reason, lengths.properties, properties, buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{VERSIONS, golden, read, reads_as, refused, write};
    use crate::{DecodeErrorKind, Sender};

    #[test]
    fn golden_bytes() {
        for version in VERSIONS {
            golden("E0 00", version, Disconnect::default());
        }
        let with_will = Disconnect::new(ReasonCode::DisconnectWithWillMessage);
        golden("E0 01 04", Version::V5, with_will);
        let mut end_session = Disconnect::new(ReasonCode::NORMAL_DISCONNECTION);
        end_session.properties = Some(Box::new(DisconnectProperties {
            session_expiry_interval: Some(0),
            ..DisconnectProperties::default()
        }));
        golden("E0 07 00 05 11 00 00 00 00", Version::V5, end_session);
        let mut moved = Disconnect::new(ReasonCode::ServerMoved);
        moved.properties = Some(Box::new(DisconnectProperties {
            reason_string: Some("r".into()),
            user_properties: [("k", "v")].into_iter().collect(),
            server_reference: Some("s".into()),
            ..DisconnectProperties::default()
        }));
        golden(
            "E0 11 9D 0F 1C 0001 73 1F 0001 72 26 0001 6B 0001 76",
            Version::V5,
            moved,
        );
    }

    #[test]
    fn short_forms() {
        reads_as("E0 01 00", Version::V5, Disconnect::default());
        reads_as("E0 02 00 00", Version::V5, Disconnect::default());
        let kind = DecodeErrorKind::Truncated;
        refused(
            "E0 02 00 01",
            Version::V5,
            kind,
            0x81,
            Field::PropertyLength,
        );
    }

    /// MQTT-3.14.1-1, v3.1.1 MQTT-3.14.1-1
    #[test]
    fn flags_are_zero() {
        for flags in 1..16 {
            let digits = std::format!("E{flags:x} 00");
            for version in [Version::V311, Version::V5] {
                let kind = DecodeErrorKind::InvalidHeaderFlags;
                refused(&digits, version, kind, 0x81, Field::FixedHeader);
            }
            reads_as(&digits, Version::V31, Disconnect::default());
        }
    }

    /// MQTT-3.14.2-1
    #[test]
    fn reasons_are_those_of_the_packet_and_the_sender() {
        let both = [
            0x00, 0x80, 0x81, 0x82, 0x83, 0x8C, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
            0x9B,
        ];
        let server = [
            0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, 0x9A, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
        ];
        let from = |sender| DecodeOptions::new(Version::V5).from_sender(sender);
        for code in 0..=255 {
            let digits = std::format!("E0 01 {code:02x}");
            let (is_both, is_server) = (both.contains(&code), server.contains(&code));
            let is_client = code == 0x04;
            let is_any = is_both || is_server || is_client;
            assert_eq!(read(&digits, Version::V5).is_ok(), is_any, "{digits}");
            let by_client = read(&digits, from(Sender::Client)).is_ok();
            assert_eq!(by_client, is_both || is_client, "{digits}");
            let by_server = read(&digits, from(Sender::Server)).is_ok();
            assert_eq!(by_server, is_both || is_server, "{digits}");
            if !is_any {
                let kind = DecodeErrorKind::InvalidReason;
                refused(&digits, Version::V5, kind, 0x82, Field::Reason);
                let reason = ReasonCode::from_u8(code);
                let written = reason.map(|reason| Disconnect::new(reason).encoded_len(Version::V5));
                assert!(!matches!(written, Some(Ok(_))), "{digits}");
            }
        }
        let kind = DecodeErrorKind::WrongSender;
        refused("E0 01 8E", from(Sender::Client), kind, 0x82, Field::Reason);
        refused("E0 01 04", from(Sender::Server), kind, 0x82, Field::Reason);
    }

    #[test]
    fn properties_are_those_of_the_sender() {
        let from = |sender| DecodeOptions::new(Version::V5).from_sender(sender);
        let (kind, field) = (DecodeErrorKind::WrongSender, Field::PropertyIdentifier);
        refused(
            "E0 07 00 05 11 00000000",
            from(Sender::Server),
            kind,
            0x82,
            field,
        );
        refused(
            "E0 06 9D 04 1C 0001 73",
            Version::V311,
            DecodeErrorKind::TrailingBytes,
            0x81,
            Field::Packet,
        );
        refused(
            "E0 06 00 04 1C 0001 73",
            from(Sender::Client),
            kind,
            0x82,
            field,
        );
        assert!(read("E0 07 00 05 11 00000000", from(Sender::Client)).is_ok());
        assert!(read("E0 06 9D 04 1C 0001 73", from(Sender::Server)).is_ok());
    }

    #[test]
    fn earlier_versions_only_end_normally_and_from_the_client() {
        let taken_over = Disconnect::new(ReasonCode::SessionTakenOver);
        for version in [Version::V31, Version::V311] {
            assert!(taken_over.encoded_len(version).is_err());
            let options = DecodeOptions::new(version).from_sender(Sender::Server);
            let kind = DecodeErrorKind::WrongSender;
            refused("E0 00", options, kind, 0x82, Field::FixedHeader);
            assert_eq!(write(&Disconnect::default().into(), version), [0xE0, 0]);
        }
    }
}
