//! AUTH.

use bytes::Bytes;
use bytestring::ByteString;

use super::ack::{optional_block, optional_reason};
use crate::buffer::Writer;
use crate::decode::parse_frame;
use crate::encode::{self, Encode, Lengths, block_len, encode_methods, put_block};
use crate::error::{DecodeError, DecodeErrorKind, EncodeError, Field};
use crate::frame::{Frame, FrameRef};
use crate::options::DecodeOptions;
use crate::packet::PacketType;
use crate::property::{Owned, Place, PropertiesRef, Property, PropertySet, Visit};
use crate::text::Text;
use crate::wire::fail;
use crate::{ReasonCode, UserProperties, Version};

/// AUTH: one step of an authentication exchange (MQTT 5.0 §3.15). MQTT 3.1 and 3.1.1 have no AUTH;
/// the encoder refuses it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Auth {
    /// Success, Continue authentication or Re-authenticate.
    pub reason: ReasonCode,
    /// The method, the same for the whole connection; a packet without it is a Protocol Error
    /// (MQTT 5.0 §3.15.2.2.2).
    pub authentication_method: ByteString,
    /// Data of the method, at most 65,535 bytes.
    pub authentication_data: Option<Bytes>,
    /// Text for diagnostics, never to be parsed.
    pub reason_string: Option<ByteString>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
}

impl Auth {
    /// A step without data.
    pub fn new(reason: ReasonCode, authentication_method: impl Into<ByteString>) -> Self {
        Self {
            reason,
            authentication_method: authentication_method.into(),
            authentication_data: None,
            reason_string: None,
            user_properties: UserProperties::new(),
        }
    }
}

/// AUTH, borrowed; [`Auth`] is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthRef<'a> {
    /// Success, Continue authentication or Re-authenticate.
    pub reason: ReasonCode,
    /// The method, the same for the whole connection.
    pub authentication_method: Text<'a>,
    /// All properties, the method included.
    pub properties: PropertiesRef<'a>,
}

impl<'a> AuthRef<'a> {
    /// Reads an AUTH.
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

impl Auth {
    pub(crate) fn decode(frame: &Frame, options: DecodeOptions) -> Result<Self, DecodeError> {
        let mut auth = Self::new(ReasonCode::Success, ByteString::new());
        auth.reason = parse(frame.as_frame(), &options, |property| {
            auth.set(property, frame.body());
        })?
        .reason;
        Ok(auth)
    }
}

fn parse<'a>(
    frame: FrameRef<'a>,
    options: &DecodeOptions,
    mut visit: impl FnMut(Property<'a>),
) -> Result<AuthRef<'a>, DecodeError> {
    parse_frame(frame, options, |body| {
        let (rest, reason) = optional_reason(body, PacketType::Auth, options)?;
        let mut method = None;
        let (rest, block) = optional_block(rest, Place::Auth, options, |property| {
            if let Property::AuthenticationMethod(name) = property {
                method = Some(name);
            }
            visit(property);
        })?;
        let Some(authentication_method) = method else {
            let kind = DecodeErrorKind::MissingAuthenticationMethod;
            return fail(kind, Field::AuthenticationMethod, rest);
        };
        let properties = PropertiesRef::new(block);
        Ok((
            rest,
            AuthRef {
                reason,
                authentication_method,
                properties,
            },
        ))
    })
}

impl PropertySet for Auth {
    fn set(&mut self, property: Property<'_>, owner: &Bytes) {
        match property {
            Property::AuthenticationMethod(method) => {
                self.authentication_method = Owned::share(method, owner);
            }
            Property::AuthenticationData(data) => {
                self.authentication_data = Some(Owned::share(data, owner));
            }
            Property::ReasonString(text) => self.reason_string = Some(Owned::share(text, owner)),
            Property::UserProperty((name, value)) => {
                self.user_properties.push_received(name, value, owner);
            }
            _ => {}
        }
    }

    fn each(&self, mut visitor: impl for<'a> Visit<'a>) {
        visitor.visit(Property::AuthenticationMethod(
            self.authentication_method.borrow(),
        ));
        if let Some(data) = &self.authentication_data {
            visitor.visit(Property::AuthenticationData(data));
        }
        if let Some(text) = &self.reason_string {
            visitor.visit(Property::ReasonString(text.borrow()));
        }
        self.user_properties.show(&mut visitor);
    }
}

encode_methods!(Auth);

impl Encode for Auth {
    fn first_byte(&self) -> u8 {
        encode::first_byte(PacketType::Auth)
    }

    fn lengths(&self, version: Version) -> Result<Lengths, EncodeError> {
        let (packet, reason) = (PacketType::Auth, self.reason);
        if !version.has_properties() {
            return Err(EncodeError::NotInVersion {
                packet,
                field: Field::Packet,
                version,
            });
        }
        if !reason.allowed_in(packet) {
            return Err(EncodeError::ReasonNotAllowed { packet, reason });
        }
        let properties = PropertySet::encoded_len(self)?;
        let remaining = 1 + block_len(version, properties);
        Ok(Lengths {
            remaining,
            properties,
            ..Lengths::default()
        })
    }

    fn put(&self, version: Version, lengths: Lengths, buf: &mut Writer<'_>) {
        buf.put_u8(self.reason.as_u8());
        put_block(version, lengths.properties, Some(self), buf);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Sender;
    use crate::testing::{golden, refused};

    #[test]
    fn golden_bytes() {
        let mut auth = Auth::new(ReasonCode::ContinueAuthentication, "X");
        golden("F0 06 18 04 15 00 01 58", Version::V5, auth.clone());
        auth.authentication_data = Some(Bytes::from_static(b"d"));
        auth.reason_string = Some("r".into());
        auth.user_properties.push("k", "v");
        let bytes = "F0 15 18 13 15 00 01 58 16 00 01 64 1F 00 01 72 26 00 01 6B 00 01 76";
        golden(bytes, Version::V5, auth);
    }

    /// MQTT-3.15.2-1
    #[test]
    fn reasons_are_those_of_the_packet_and_the_sender() {
        let from = |sender| DecodeOptions::new(Version::V5).from_sender(sender);
        for code in 0..=255 {
            let digits = std::format!("F0 06 {code:02x} 04 15 00 01 58");
            let is_allowed = [0x00, 0x18, 0x19].contains(&code);
            assert_eq!(
                crate::testing::read(&digits, Version::V5).is_ok(),
                is_allowed
            );
            assert_eq!(
                crate::testing::read(&digits, from(Sender::Client)).is_ok(),
                [0x18, 0x19].contains(&code)
            );
            assert_eq!(
                crate::testing::read(&digits, from(Sender::Server)).is_ok(),
                [0x00, 0x18].contains(&code)
            );
        }
        let wrong = DecodeErrorKind::WrongSender;
        refused(
            "F006000415000158",
            from(Sender::Client),
            wrong,
            0x82,
            Field::Reason,
        );
        refused(
            "F006190415000158",
            from(Sender::Server),
            wrong,
            0x82,
            Field::Reason,
        );
        let mut wire = alloc::vec![];
        let auth = Auth::new(ReasonCode::UnspecifiedError, "X");
        assert!(auth.encode(Version::V5, &mut wire).is_err());
    }

    #[test]
    fn the_method_is_compulsory() {
        let kind = DecodeErrorKind::MissingAuthenticationMethod;
        for digits in [
            "F0 00",
            "F0 01 18",
            "F0 02 18 00",
            "F0 06 18 04 16 00 01 58",
        ] {
            refused(digits, Version::V5, kind, 0x82, Field::AuthenticationMethod);
        }
    }

    /// MQTT-3.15.1-1
    #[test]
    fn flags_are_zero_and_only_mqtt_5_has_auth() {
        let kind = DecodeErrorKind::InvalidHeaderFlags;
        refused(
            "F1 06 18 04 15 00 01 58",
            Version::V5,
            kind,
            0x81,
            Field::FixedHeader,
        );
        for version in [Version::V31, Version::V311] {
            let kind = DecodeErrorKind::ReservedPacketType;
            refused("F0 00", version, kind, 0x81, Field::FixedHeader);
            let auth = Auth::new(ReasonCode::Success, "X");
            assert!(auth.encoded_len(version).is_err());
        }
    }
}
