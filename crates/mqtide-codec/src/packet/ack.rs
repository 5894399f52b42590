//! PUBACK, PUBREC, PUBREL and PUBCOMP: the same fields in four packets.

use alloc::boxed::Box;

use bytestring::ByteString;

use crate::{PacketIdentifier, ReasonCode, UserProperties};

/// The content of PUBACK, PUBREC, PUBREL and PUBCOMP (MQTT 5.0 §3.4 to §3.7).
///
/// MQTT 3.1 and 3.1.1 write the identifier alone: reason and properties are dropped, as there is no
/// negative acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The identifier of the PUBLISH that is acknowledged.
    pub packet_identifier: PacketIdentifier,
    /// Success or why not; allowed reasons differ by packet.
    pub reason: ReasonCode,
    /// Rarely present.
    pub properties: Option<Box<AckProperties>>,
}

impl Ack {
    /// A positive acknowledgement.
    pub const fn new(packet_identifier: PacketIdentifier) -> Self {
        Self::with_reason(packet_identifier, ReasonCode::Success)
    }

    /// An acknowledgement with this reason.
    pub const fn with_reason(packet_identifier: PacketIdentifier, reason: ReasonCode) -> Self {
        Self {
            packet_identifier,
            reason,
            properties: None,
        }
    }
}

/// The properties of PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK and UNSUBACK.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AckProperties {
    /// Text for diagnostics, never to be parsed (MQTT 5.0 §3.4.2.2.2).
    pub reason_string: Option<ByteString>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
}
