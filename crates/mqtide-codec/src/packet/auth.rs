//! AUTH.

use bytes::Bytes;
use bytestring::ByteString;

use crate::{ReasonCode, UserProperties};

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
