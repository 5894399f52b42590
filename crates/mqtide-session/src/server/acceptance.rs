//! What a server answers to CONNECT.

use alloc::boxed::Box;

use bytes::Bytes;
use bytestring::ByteString;
use mqtide_codec::{
    Connack, ConnackProperties, Connect, PacketType, QoS, ReasonCode, Sender, UserProperties,
    Version, Will,
};

use super::ServerSession;
use crate::limits::v5;
use crate::{Limits, Settings};

/// The terms on which a server accepts a connection (MQTT 5.0 §3.2.2.3).
///
/// What MQTT 3.1 and 3.1.1 cannot say is not sent there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acceptance {
    /// Limits and bounds. What differs from the defaults of the standard is announced.
    pub settings: Settings,
    /// The longest Session Expiry Interval in seconds that the server grants; `u32::MAX` grants
    /// sessions that never end. Default: `None`, which grants what the client asks.
    pub maximum_session_expiry_interval: Option<u32>,
    /// The identifier given to a client that came without one `[MQTT-3.2.2-16]`.
    pub assigned_client_identifier: Option<ByteString>,
    /// The keep alive in seconds to use instead of the client's. It is enforced in all versions, but
    /// only MQTT 5.0 can tell the client: there it should not be shorter than what the client asked.
    pub server_keep_alive: Option<u16>,
    /// The basis for response topics; sent only if the client asked for it.
    pub response_information: Option<ByteString>,
    /// Text for diagnostics.
    pub reason_string: Option<ByteString>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
    /// The last data of the authentication method; sent only if the client named one.
    pub authentication_data: Option<Bytes>,
    /// Kinds of subscription that the server does not support.
    pub unsupported: UnsupportedSubscriptions,
}

/// Kinds of subscription that a server announces as not supported (MQTT 5.0 §3.2.2.3.11 to 13).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnsupportedSubscriptions {
    /// Filters with wildcards.
    pub wildcards: bool,
    /// Subscription Identifiers.
    pub identifiers: bool,
    /// Shared subscriptions.
    pub shared: bool,
}

/// What [`ConnectRequest::accept`](crate::ConnectRequest::accept) gives.
#[derive(Debug)]
pub struct Accepted<M> {
    /// The session. Its first output is CONNACK `[MQTT-3.2.0-1]`.
    pub session: ServerSession<M>,
    /// Whether the client's stored session goes on. If not, and there was one, the owner removes
    /// what belonged to it, such as subscriptions.
    pub session_present: bool,
    /// A will of the earlier connection to publish now, before anything of the new one.
    pub will: Option<Box<Will>>,
}

impl Acceptance {
    /// The Session Expiry Interval that the client asked for, and the one in force, in seconds.
    pub(crate) fn session_expiry(&self, connect: &Connect) -> (u32, u32) {
        let properties = connect.properties.as_deref();
        let asked = match (v5(connect.version), connect.clean_start) {
            (true, _) => properties
                .and_then(|p| p.session_expiry_interval)
                .unwrap_or(0),
            (false, true) => 0,
            (false, false) => u32::MAX,
        };
        let maximum = self.maximum_session_expiry_interval.unwrap_or(u32::MAX);
        (asked, asked.min(maximum))
    }

    pub(crate) fn connack(self, connect: &Connect, session_present: bool) -> Connack {
        let mut connack = Connack::accepted(session_present && connect.version != Version::V31);
        if v5(connect.version) {
            let properties = self.properties(connect);
            let absent = properties == ConnackProperties::default();
            connack.properties = (!absent).then(|| Box::new(properties));
        }
        connack
    }

    fn properties(self, connect: &Connect) -> ConnackProperties {
        let (asked, granted) = self.session_expiry(connect);
        let asked_of = connect.properties.as_deref();
        let wants_response_information =
            asked_of.and_then(|p| p.request_response_information) == Some(true);
        let authentication_method = asked_of.and_then(|p| p.authentication_method.clone());
        let has_method = authentication_method.is_some();
        let Limits {
            receive_maximum,
            maximum_packet_size,
            topic_alias_maximum,
            maximum_qos,
            retain_available,
        } = self.settings.limits;
        let unless = |unsupported: bool| unsupported.then_some(false);
        ConnackProperties {
            session_expiry_interval: (asked != granted).then_some(granted),
            receive_maximum: receive_maximum
                .max(1)
                .try_into()
                .ok()
                .filter(|n| *n != MAX_U16),
            maximum_qos: (maximum_qos != QoS::ExactlyOnce).then_some(maximum_qos),
            retain_available: unless(!retain_available),
            maximum_packet_size: maximum_packet_size
                .try_into()
                .ok()
                .filter(|n| *n != MAX_U32),
            assigned_client_identifier: self.assigned_client_identifier,
            topic_alias_maximum: (topic_alias_maximum > 0).then_some(topic_alias_maximum),
            reason_string: self.reason_string,
            user_properties: self.user_properties,
            wildcard_subscription_available: unless(self.unsupported.wildcards),
            subscription_identifiers_available: unless(self.unsupported.identifiers),
            shared_subscription_available: unless(self.unsupported.shared),
            server_keep_alive: self.server_keep_alive,
            response_information: self
                .response_information
                .filter(|_| wants_response_information),
            server_reference: None,
            authentication_method,
            authentication_data: self.authentication_data.filter(|_| has_method),
        }
    }
}

/// Why a server refuses a connection (MQTT 5.0 §3.2.2.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: ReasonCode,
    /// Text for diagnostics.
    pub reason_string: Option<ByteString>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
    /// Other servers to use (MQTT 5.0 §4.11).
    pub server_reference: Option<ByteString>,
}

impl Refusal {
    /// A refusal without explanation.
    pub const fn new(reason: ReasonCode) -> Self {
        Self {
            reason,
            reason_string: None,
            user_properties: UserProperties::new(),
            server_reference: None,
        }
    }

    /// The CONNACK, if the version has one for the reason. In MQTT 3.1 and 3.1.1 most reasons have
    /// none: the server only closes the connection (MQTT 3.1.1 §3.2.2.3).
    pub(crate) fn connack(self, version: Version) -> Option<Connack> {
        let Self {
            reason,
            reason_string,
            user_properties,
            server_reference,
        } = self;
        if !v5(version) {
            reason.to_return_code().filter(|code| *code != 0)?;
            return Some(Connack::refused(reason));
        }
        let reason =
            match reason.is_error() && reason.allowed_from(PacketType::Connack, Sender::Server) {
                true => reason,
                false => ReasonCode::UnspecifiedError,
            };
        let properties = ConnackProperties {
            reason_string,
            user_properties,
            server_reference,
            ..ConnackProperties::default()
        };
        let absent = properties == ConnackProperties::default();
        let properties = (!absent).then(|| Box::new(properties));
        Some(Connack {
            properties,
            ..Connack::refused(reason)
        })
    }
}

const MAX_U16: core::num::NonZeroU16 = core::num::NonZeroU16::MAX;
const MAX_U32: core::num::NonZeroU32 = core::num::NonZeroU32::MAX;
