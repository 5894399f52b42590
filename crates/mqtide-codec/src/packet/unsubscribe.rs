//! UNSUBSCRIBE.

use alloc::vec::Vec;

use bytestring::ByteString;

use crate::{PacketIdentifier, UserProperties};

/// UNSUBSCRIBE: a request to end subscriptions (MQTT 5.0 §3.10). MQTT 3.1 and 3.1.1 drop the user
/// properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    /// The identifier that UNSUBACK repeats.
    pub packet_identifier: PacketIdentifier,
    /// The filters, as text, since they are compared character by character (MQTT-3.10.4-1); at
    /// least one, or the encoder refuses (MQTT-3.10.3-2).
    pub filters: Vec<ByteString>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
}

impl Unsubscribe {
    /// An UNSUBSCRIBE without properties.
    pub const fn new(packet_identifier: PacketIdentifier, filters: Vec<ByteString>) -> Self {
        Self {
            packet_identifier,
            filters,
            user_properties: UserProperties::new(),
        }
    }
}
