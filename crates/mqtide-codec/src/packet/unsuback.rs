//! UNSUBACK.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::ack::AckProperties;
use crate::{PacketIdentifier, ReasonCode};

/// UNSUBACK: the answer to UNSUBSCRIBE (MQTT 5.0 §3.11). MQTT 3.1 and 3.1.1 write the identifier
/// alone; what they receive has no reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsuback {
    /// The identifier of the UNSUBSCRIBE.
    pub packet_identifier: PacketIdentifier,
    /// One reason per filter, in the order of the request; empty when read in MQTT 3.1 or 3.1.1.
    pub reasons: Vec<ReasonCode>,
    /// Rarely present.
    pub properties: Option<Box<AckProperties>>,
}

impl Unsuback {
    /// An UNSUBACK without properties.
    pub const fn new(packet_identifier: PacketIdentifier, reasons: Vec<ReasonCode>) -> Self {
        Self {
            packet_identifier,
            reasons,
            properties: None,
        }
    }
}
