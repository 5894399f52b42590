//! Reason codes: one enum for all packets, and the return codes of MQTT 3.1 and 3.1.1.

use core::fmt;

use crate::packet::PacketType;

/// Which end of the connection sent a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Sender {
    /// The end that opened the connection and sends CONNECT.
    Client,
    /// The end that answers with CONNACK.
    Server,
}

/// One row per reason: value, variant, name in the standard, packets that may carry it (as in
/// MQTT 5.0 §2.4 and the table of each packet). DISCONNECT and AUTH name the sender: `C`, `S`, `B`oth.
macro_rules! reason_codes {
    ($($value:literal $variant:ident $name:literal [$($packet:ident)*] $disconnect:ident $auth:ident,)*) => {
        /// Why something succeeded or failed (MQTT 5.0 §2.4).
        ///
        /// Values below 0x80 are success, the others failure. Zero has three names in the standard;
        /// the two others are the constants [`NORMAL_DISCONNECTION`](Self::NORMAL_DISCONNECTION) and
        /// [`GRANTED_QOS_0`](Self::GRANTED_QOS_0). The set is closed: the standard is frozen.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
        #[repr(u8)]
        pub enum ReasonCode {
            $(#[doc = concat!("`", stringify!($value), "`: ", $name, ".")]
            $variant = $value,)*
        }

        impl ReasonCode {
            /// All reason codes, in ascending order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The reason with this value, if the standard defines one.
            pub const fn from_u8(value: u8) -> Option<Self> {
                match value {
                    $($value => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The name of the reason in the standard.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            const fn permission(self) -> Permission {
                match self {
                    $(Self::$variant => Permission {
                        packets: 0 $(| 1 << (PacketType::$packet as u8))*,
                        disconnect: Senders::$disconnect,
                        auth: Senders::$auth,
                    },)*
                }
            }
        }
    };
}

reason_codes! {
    0x00 Success "Success" [Connack Puback Pubrec Pubrel Pubcomp Suback Unsuback] B S,
    0x01 GrantedQoS1 "Granted QoS 1" [Suback] N N,
    0x02 GrantedQoS2 "Granted QoS 2" [Suback] N N,
    0x04 DisconnectWithWillMessage "Disconnect with Will Message" [] C N,
    0x10 NoMatchingSubscribers "No matching subscribers" [Puback Pubrec] N N,
    0x11 NoSubscriptionExisted "No subscription existed" [Unsuback] N N,
    0x18 ContinueAuthentication "Continue authentication" [] N B,
    0x19 ReAuthenticate "Re-authenticate" [] N C,
    0x80 UnspecifiedError "Unspecified error" [Connack Puback Pubrec Suback Unsuback] B N,
    0x81 MalformedPacket "Malformed Packet" [Connack] B N,
    0x82 ProtocolError "Protocol Error" [Connack] B N,
    0x83 ImplementationSpecificError "Implementation specific error"
        [Connack Puback Pubrec Suback Unsuback] B N,
    0x84 UnsupportedProtocolVersion "Unsupported Protocol Version" [Connack] N N,
    0x85 ClientIdentifierNotValid "Client Identifier not valid" [Connack] N N,
    0x86 BadUserNameOrPassword "Bad User Name or Password" [Connack] N N,
    0x87 NotAuthorized "Not authorized" [Connack Puback Pubrec Suback Unsuback] S N,
    0x88 ServerUnavailable "Server unavailable" [Connack] N N,
    0x89 ServerBusy "Server busy" [Connack] S N,
    0x8A Banned "Banned" [Connack] N N,
    0x8B ServerShuttingDown "Server shutting down" [] S N,
    // Table 2-6 lists DISCONNECT for 0x8C, table 3-10 does not: accepted from both ends.
    0x8C BadAuthenticationMethod "Bad authentication method" [Connack] B N,
    0x8D KeepAliveTimeout "Keep Alive timeout" [] S N,
    0x8E SessionTakenOver "Session taken over" [] S N,
    0x8F TopicFilterInvalid "Topic Filter invalid" [Suback Unsuback] S N,
    0x90 TopicNameInvalid "Topic Name invalid" [Connack Puback Pubrec] B N,
    0x91 PacketIdentifierInUse "Packet Identifier in use" [Puback Pubrec Suback Unsuback] N N,
    0x92 PacketIdentifierNotFound "Packet Identifier not found" [Pubrel Pubcomp] N N,
    0x93 ReceiveMaximumExceeded "Receive Maximum exceeded" [] B N,
    0x94 TopicAliasInvalid "Topic Alias invalid" [] B N,
    0x95 PacketTooLarge "Packet too large" [Connack] B N,
    0x96 MessageRateTooHigh "Message rate too high" [] B N,
    0x97 QuotaExceeded "Quota exceeded" [Connack Puback Pubrec Suback] B N,
    0x98 AdministrativeAction "Administrative action" [] B N,
    0x99 PayloadFormatInvalid "Payload format invalid" [Connack Puback Pubrec] B N,
    0x9A RetainNotSupported "Retain not supported" [Connack] S N,
    // Table 3-10 says server, but §3.3.4 tells a client to use it: accepted from both ends.
    0x9B QoSNotSupported "QoS not supported" [Connack] B N,
    0x9C UseAnotherServer "Use another server" [Connack] S N,
    0x9D ServerMoved "Server moved" [Connack] S N,
    0x9E SharedSubscriptionsNotSupported "Shared Subscriptions not supported" [Suback] S N,
    0x9F ConnectionRateExceeded "Connection rate exceeded" [Connack] S N,
    0xA0 MaximumConnectTime "Maximum connect time" [] S N,
    0xA1 SubscriptionIdentifiersNotSupported "Subscription Identifiers not supported" [Suback] S N,
    0xA2 WildcardSubscriptionsNotSupported "Wildcard Subscriptions not supported" [Suback] S N,
}

impl ReasonCode {
    /// Zero in a DISCONNECT: the will is not to be published (MQTT 5.0 §3.14.2.1).
    pub const NORMAL_DISCONNECTION: Self = Self::Success;
    /// Zero in a SUBACK (MQTT 5.0 §3.9.3).
    pub const GRANTED_QOS_0: Self = Self::Success;

    /// The value on the wire.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Whether the reason is a failure: 0x80 or above (MQTT 5.0 §2.4).
    pub const fn is_error(self) -> bool {
        self.as_u8() >= 0x80
    }

    /// Whether a packet of this type may carry the reason, sent by either end (MQTT 5.0 §2.4).
    pub const fn allowed_in(self, packet: PacketType) -> bool {
        self.allowed_from(packet, Sender::Client) || self.allowed_from(packet, Sender::Server)
    }

    /// Whether a packet of this type from this end may carry the reason: some reasons of DISCONNECT
    /// and AUTH belong to one end only (MQTT 5.0 §3.14.2.1, §3.15.2.1).
    pub const fn allowed_from(self, packet: PacketType, sender: Sender) -> bool {
        let permission = self.permission();
        match packet {
            PacketType::Disconnect => permission.disconnect.include(sender),
            PacketType::Auth => permission.auth.include(sender),
            _ => permission.packets & (1 << packet as u8) != 0,
        }
    }

    /// The SUBACK reason that grants a maximum QoS (MQTT 5.0 §3.9.3).
    pub const fn granted(qos: crate::QoS) -> Self {
        match qos {
            crate::QoS::AtMostOnce => Self::Success,
            crate::QoS::AtLeastOnce => Self::GrantedQoS1,
            crate::QoS::ExactlyOnce => Self::GrantedQoS2,
        }
    }

    /// The maximum QoS that a SUBACK reason grants; `None` if it is no grant.
    pub const fn granted_qos(self) -> Option<crate::QoS> {
        crate::QoS::from_bits(self.as_u8())
    }

    /// The CONNACK return code of MQTT 3.1 and 3.1.1 for this reason (MQTT 3.1.1 §3.2.2.3).
    ///
    /// `None` where no code fits: the server then closes the connection without a CONNACK
    /// (v3.1.1 MQTT-3.2.2-6).
    pub const fn to_return_code(self) -> Option<u8> {
        Some(match self {
            Self::Success => 0,
            Self::UnsupportedProtocolVersion => 1,
            Self::ClientIdentifierNotValid => 2,
            Self::ServerUnavailable | Self::ServerBusy => 3,
            Self::BadUserNameOrPassword => 4,
            Self::NotAuthorized | Self::Banned => 5,
            _ => return None,
        })
    }

    /// The reason for a CONNACK return code of MQTT 3.1 and 3.1.1; `None` for reserved codes.
    pub const fn from_return_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Success,
            1 => Self::UnsupportedProtocolVersion,
            2 => Self::ClientIdentifierNotValid,
            3 => Self::ServerUnavailable,
            4 => Self::BadUserNameOrPassword,
            5 => Self::NotAuthorized,
            _ => return None,
        })
    }
}

impl Default for ReasonCode {
    /// Success.
    fn default() -> Self {
        Self::Success
    }
}

impl From<ReasonCode> for u8 {
    fn from(reason: ReasonCode) -> Self {
        reason.as_u8()
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:02X})", self.name(), self.as_u8())
    }
}

struct Permission {
    /// Bit n: the packet type with number n.
    packets: u16,
    disconnect: Senders,
    auth: Senders,
}

/// Who may send a reason; the letters of the table above.
enum Senders {
    /// Nobody.
    N,
    /// The client.
    C,
    /// The server.
    S,
    /// Both.
    B,
}

impl Senders {
    const fn include(&self, sender: Sender) -> bool {
        matches!(
            (self, sender),
            (Self::B, _) | (Self::C, Sender::Client) | (Self::S, Sender::Server)
        )
    }
}
