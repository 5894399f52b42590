//! What may be left out of a packet so that the peer can take it (MQTT 5.0 §3.1.2.11.4, §3.1.2.11.7).

use alloc::boxed::Box;

use bytestring::ByteString;
use mqtide_codec::{AckProperties, Packet, ReasonCode, UserProperties, Version};

use crate::limits::v5;
use crate::{Acknowledgement, Violation};

/// What the peer can take.
pub(crate) struct Fit {
    pub(crate) version: Version,
    pub(crate) maximum_packet_size: u32,
    /// Whether the peer wants to be told more than reasons `[MQTT-3.1.2-29]`.
    pub(crate) explain: bool,
}

impl Fit {
    /// The packet without what the peer does not want or has no room for: User Properties go first,
    /// then the Reason String. Fails if the bare packet is still too large.
    pub(crate) fn apply(&self, mut packet: Packet) -> Result<Packet, Violation> {
        if !self.explain && !always_explained(&packet) {
            strip_user_properties(&mut packet);
            strip_reason_string(&mut packet);
        }
        for strip in [strip_user_properties, strip_reason_string] {
            if self.fits(&packet) {
                return Ok(packet);
            }
            strip(&mut packet);
        }
        match self.fits(&packet) {
            true => Ok(packet),
            false => Err(Violation::MaximumPacketSizeTooSmall),
        }
    }

    fn fits(&self, packet: &Packet) -> bool {
        self.maximum_packet_size == u32::MAX
            || mqtide_codec::encoded_len(packet, self.version)
                .is_ok_and(|len| len <= self.maximum_packet_size as usize)
    }
}

/// CONNACK and DISCONNECT may explain themselves whatever the peer asked for.
fn always_explained(packet: &Packet) -> bool {
    matches!(packet, Packet::Connack(_) | Packet::Disconnect(_))
}

fn strip_user_properties(packet: &mut Packet) {
    let (_, user_properties) = explanation(packet);
    user_properties.into_iter().for_each(UserProperties::clear);
}

fn strip_reason_string(packet: &mut Packet) {
    let (reason_string, _) = explanation(packet);
    reason_string
        .into_iter()
        .for_each(|reason_string| *reason_string = None);
}

type Explanation<'a> = (
    Option<&'a mut Option<ByteString>>,
    Option<&'a mut UserProperties>,
);

/// The parts of a packet that only explain. A client's CONNECT, SUBSCRIBE and UNSUBSCRIBE have none:
/// what they carry is the caller's.
fn explanation(packet: &mut Packet) -> Explanation<'_> {
    macro_rules! parts {
        ($properties:expr) => {{
            let properties = $properties;
            (
                Some(&mut properties.reason_string),
                Some(&mut properties.user_properties),
            )
        }};
    }
    match packet {
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            of_ack(&mut ack.properties)
        }
        Packet::Suback(suback) => of_ack(&mut suback.properties),
        Packet::Unsuback(unsuback) => of_ack(&mut unsuback.properties),
        Packet::Connack(connack) => match connack.properties.as_deref_mut() {
            Some(properties) => parts!(properties),
            None => (None, None),
        },
        Packet::Disconnect(disconnect) => match disconnect.properties.as_deref_mut() {
            Some(properties) => parts!(properties),
            None => (None, None),
        },
        Packet::Auth(auth) => parts!(auth),
        _ => (None, None),
    }
}

fn of_ack(properties: &mut Option<Box<AckProperties>>) -> Explanation<'_> {
    match properties.as_deref_mut() {
        Some(properties) => (
            Some(&mut properties.reason_string),
            Some(&mut properties.user_properties),
        ),
        None => (None, None),
    }
}

/// The length of an acknowledgement without properties (MQTT 5.0 §3.4.2.1: a successful one carries
/// no reason).
pub(crate) fn ack_len(ack: Acknowledgement, version: Version) -> usize {
    match v5(version) && ack.reason != ReasonCode::Success {
        true => 5,
        false => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use mqtide_codec::{Ack, PacketIdentifier};

    use crate::AckKind;

    const KINDS: [AckKind; 4] = [
        AckKind::Puback,
        AckKind::Pubrec,
        AckKind::Pubrel,
        AckKind::Pubcomp,
    ];

    #[test]
    fn acknowledgements_are_as_long_as_the_codec_writes_them() {
        for kind in KINDS {
            for reason in [ReasonCode::Success, ReasonCode::PacketIdentifierNotFound] {
                for version in [Version::V311, Version::V5] {
                    let packet_identifier = PacketIdentifier::MAX;
                    let ack = Acknowledgement {
                        kind,
                        packet_identifier,
                        reason,
                    };
                    let written = mqtide_codec::encoded_len(&ack.into_packet(), version);
                    // Two kinds of acknowledgement cannot carry this reason at all.
                    if let Ok(written) = written {
                        assert_eq!(ack_len(ack, version), written, "{ack:?} {version}");
                    }
                }
            }
        }
    }

    /// MQTT-3.4.2-2, MQTT-3.4.2-3, MQTT-3.5.2-2, MQTT-3.5.2-3, MQTT-3.6.2-2, MQTT-3.6.2-3,
    /// MQTT-3.7.2-2, MQTT-3.7.2-3
    #[test]
    fn user_properties_give_way_first_and_then_the_reason_string() {
        for kind in KINDS {
            let fitted = |maximum_packet_size| {
                let mut ack = Ack::new(PacketIdentifier::MAX);
                let user_properties = [("a", "b")].into_iter().collect();
                let reason_string = Some(ByteString::from_static("why"));
                ack.properties = Some(Box::new(AckProperties {
                    reason_string,
                    user_properties,
                }));
                let fit = Fit {
                    version: Version::V5,
                    maximum_packet_size,
                    explain: true,
                };
                let packet = fit.apply(kind.packet(ack)).ok()?;
                let len = mqtide_codec::encoded_len(&packet, Version::V5).ok()?;
                assert!(len <= maximum_packet_size as usize);
                let mut packet = packet;
                let (reason_string, user_properties) = explanation(&mut packet);
                let has_text = reason_string.is_some_and(|text| text.is_some());
                Some((
                    has_text,
                    user_properties.is_some_and(|pairs| !pairs.is_empty()),
                ))
            };
            assert_eq!(fitted(100), Some((true, true)), "{kind:?}");
            assert_eq!(fitted(14), Some((true, false)), "{kind:?}");
            assert_eq!(fitted(8), Some((false, false)), "{kind:?}");
            assert_eq!(fitted(3), None, "{kind:?}");
        }
    }

    /// MQTT-3.15.2-2, MQTT-3.15.2-3
    #[test]
    fn auth_gives_way_likewise() {
        let fitted = |maximum_packet_size| {
            let mut auth = mqtide_codec::Auth::new(ReasonCode::ContinueAuthentication, "M");
            auth.reason_string = Some("why".into());
            auth.user_properties = [("a", "b")].into_iter().collect();
            let fit = Fit {
                version: Version::V5,
                maximum_packet_size,
                explain: true,
            };
            let Ok(Packet::Auth(auth)) = fit.apply(auth.into()) else {
                return None;
            };
            Some((
                auth.reason_string.is_some(),
                !auth.user_properties.is_empty(),
            ))
        };
        assert_eq!(fitted(100), Some((true, true)));
        assert_eq!(fitted(16), Some((true, false)));
        assert_eq!(fitted(9), Some((false, false)));
        assert_eq!(fitted(5), None);
    }
}
