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
