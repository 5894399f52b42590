//! DISCONNECT.

use alloc::boxed::Box;

use bytestring::ByteString;

use crate::{ReasonCode, UserProperties};

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
