//! SUBACK.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::ack::AckProperties;
use crate::{PacketIdentifier, ReasonCode};

/// SUBACK: the answer to SUBSCRIBE (MQTT 5.0 §3.9).
///
/// MQTT 3.1.1 drops the properties and writes every failure as 0x80. MQTT 3.1 has no failure: the
/// encoder refuses one, as the server must answer with the requested QoS there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suback {
    /// The identifier of the SUBSCRIBE.
    pub packet_identifier: PacketIdentifier,
    /// One reason per filter, in the order of the request.
    pub reasons: Vec<ReasonCode>,
    /// Rarely present.
    pub properties: Option<Box<AckProperties>>,
}

impl Suback {
    /// A SUBACK without properties.
    pub const fn new(packet_identifier: PacketIdentifier, reasons: Vec<ReasonCode>) -> Self {
        Self {
            packet_identifier,
            reasons,
            properties: None,
        }
    }
}
