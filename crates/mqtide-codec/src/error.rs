//! What can be wrong with bytes received, and with packets to send.

use core::fmt;

use crate::packet::PacketType;
use crate::{ReasonCode, Version};

/// Why bytes are not a packet.
///
/// Small and `Copy`: what is wrong, in which field, at which byte. [`reason`](Self::reason) is the
/// code to answer with in MQTT 5.0; in MQTT 3.1 and 3.1.1 every error is answered by closing the
/// connection, but for [`refusal_version`](Self::refusal_version).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecodeError {
    kind: DecodeErrorKind,
    field: Field,
    offset: u32,
}

impl DecodeError {
    /// An error of this kind in this field, `offset` bytes from the start of the packet.
    pub const fn new(kind: DecodeErrorKind, field: Field, offset: u32) -> Self {
        Self {
            kind,
            field,
            offset,
        }
    }

    /// What is wrong.
    pub const fn kind(&self) -> DecodeErrorKind {
        self.kind
    }

    /// The field that it is wrong in.
    pub const fn field(&self) -> Field {
        self.field
    }

    /// Bytes from the start of the packet to the place of the fault. For a field whose bytes are
    /// complete but whose value is wrong, this is the start or the end of the field.
    pub const fn offset(&self) -> usize {
        self.offset as usize
    }

    /// The kind of failure in the words of the standard.
    pub const fn class(&self) -> ErrorClass {
        self.kind.class()
    }

    /// The reason code to put into CONNACK or DISCONNECT (MQTT 5.0 §4.13).
    pub const fn reason(&self) -> ReasonCode {
        self.kind.reason()
    }

    /// For a CONNECT of an unsupported version: the version in whose form CONNACK
    /// [`UnsupportedProtocolVersion`](ReasonCode::UnsupportedProtocolVersion) is to be written, so
    /// that the peer can read it. Levels up to 4 get the form of MQTT 3.1.1, others that of 5.0.
    /// `None` for other errors, and for a wrong protocol name: then close.
    pub const fn refusal_version(&self) -> Option<Version> {
        match self.kind {
            DecodeErrorKind::UnsupportedProtocolLevel(level) if level & 0x7F <= 4 => {
                Some(Version::V311)
            }
            DecodeErrorKind::UnsupportedProtocolLevel(_) => Some(Version::V5),
            _ => None,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {} at byte {}", self.kind, self.field, self.offset)
    }
}

impl core::error::Error for DecodeError {}

/// The classes of failure that the standard tells apart (MQTT 5.0 §1.2, §4.13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// The bytes cannot be parsed by the format.
    Malformed,
    /// The bytes can be parsed, but what they say is not allowed.
    Protocol,
    /// The packet is larger than the receiver accepts.
    TooLarge,
    /// The packet opens a protocol or a version that this crate does not know.
    UnsupportedVersion,
}

/// One row per kind: name, class, reason code for MQTT 5.0, text.
macro_rules! decode_error_kinds {
    ($($(#[$doc:meta])* $variant:ident $class:ident $reason:ident $text:literal,)*) => {
        /// What is wrong with bytes received. Each kind has one class and one reason code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum DecodeErrorKind {
            $($(#[$doc])* $variant,)*
            /// CONNECT names a known protocol, but a level that goes with another name, or that this
            /// crate does not know.
            UnsupportedProtocolLevel(u8),
        }

        impl DecodeErrorKind {
            /// The class.
            pub const fn class(self) -> ErrorClass {
                match self {
                    $(Self::$variant => ErrorClass::$class,)*
                    Self::UnsupportedProtocolLevel(_) => ErrorClass::UnsupportedVersion,
                }
            }

            /// The reason code to answer with in MQTT 5.0.
            pub const fn reason(self) -> ReasonCode {
                match self {
                    $(Self::$variant => ReasonCode::$reason,)*
                    Self::UnsupportedProtocolLevel(_) => ReasonCode::UnsupportedProtocolVersion,
                }
            }
        }

        impl fmt::Display for DecodeErrorKind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant => f.write_str($text),)*
                    Self::UnsupportedProtocolLevel(level) => {
                        write!(f, "unsupported protocol level {level}")
                    }
                }
            }
        }
    };
}

decode_error_kinds! {
    /// The packet, or the property block, ends inside the field.
    Truncated Malformed MalformedPacket "bytes missing",
    /// Bytes are left over after the last field.
    TrailingBytes Malformed MalformedPacket "bytes left over",
    /// Packet type 0, or AUTH in MQTT 3.1 or 3.1.1.
    ReservedPacketType Malformed MalformedPacket "reserved packet type",
    /// The low four bits of the first byte are not those of the packet type (MQTT-2.1.3-1).
    InvalidHeaderFlags Malformed MalformedPacket "wrong fixed header flags",
    /// A variable byte integer has more than four bytes.
    VariableByteIntegerTooLong Malformed MalformedPacket "variable byte integer of more than four bytes",
    /// A variable byte integer is not in its shortest form (MQTT-1.5.5-1).
    VariableByteIntegerNotShortest Malformed MalformedPacket "variable byte integer not in its shortest form",
    /// Text is not well-formed UTF-8 (MQTT-1.5.4-1).
    InvalidUtf8 Malformed MalformedPacket "ill-formed UTF-8",
    /// Text contains U+0000 (MQTT-1.5.4-2).
    NulCharacter Malformed MalformedPacket "U+0000",
    /// A reserved bit is set.
    ReservedBits Malformed MalformedPacket "reserved bits set",
    /// Flags contradict one another, such as a will QoS without a will, or DUP with QoS 0.
    InvalidFlags Malformed MalformedPacket "contradicting flags",
    /// QoS 3 in PUBLISH or in the flags of CONNECT (MQTT-3.3.1-4, MQTT-3.1.2-12).
    InvalidQoS Malformed MalformedPacket "QoS 3",
    /// No property has this identifier.
    UnknownProperty Malformed MalformedPacket "unknown property",
    /// The property has no place in this packet.
    PropertyNotAllowed Malformed MalformedPacket "property of another packet",
    /// A property that may appear once appears again.
    RepeatedProperty Protocol ProtocolError "repeated property",
    /// The property, packet or reason is not for this end of the connection to send.
    WrongSender Protocol ProtocolError "sent by the wrong end",
    /// The value is outside the range that the field allows.
    InvalidValue Protocol ProtocolError "value out of range",
    /// The reason code is not one of this packet.
    InvalidReason Protocol ProtocolError "reason code of another packet",
    /// A packet identifier of 0 (MQTT-2.2.1-3).
    ZeroPacketIdentifier Protocol ProtocolError "packet identifier 0",
    /// QoS 3 or Retain Handling 3 in the options of SUBSCRIBE, or No Local on a shared subscription
    /// (MQTT-3.8.3-4).
    InvalidOptions Protocol ProtocolError "invalid subscription options",
    /// SUBSCRIBE, UNSUBSCRIBE or an answer to them without any entry (MQTT-3.8.3-2, MQTT-3.10.3-2).
    EmptyPayload Protocol ProtocolError "no entry",
    /// PUBLISH has neither topic name nor alias.
    EmptyTopic Protocol ProtocolError "neither topic name nor alias",
    /// A topic name is empty or has a wildcard (MQTT-3.3.2-2, MQTT-4.7.3-1).
    InvalidTopicName Protocol TopicNameInvalid "invalid topic name",
    /// A topic alias of 0 (MQTT-3.3.2-8).
    ZeroTopicAlias Protocol TopicAliasInvalid "topic alias 0",
    /// Authentication data, or AUTH, without an authentication method.
    MissingAuthenticationMethod Protocol ProtocolError "no authentication method",
    /// The packet is larger than the receiver's Maximum Packet Size.
    PacketTooLarge TooLarge PacketTooLarge "packet too large",
    /// CONNECT names another protocol (MQTT-3.1.2-1).
    UnsupportedProtocolName UnsupportedVersion UnsupportedProtocolVersion "unknown protocol name",
}

/// Why a packet cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The version has no such packet, or no way to say this with it.
    #[error("{packet} with {field} does not exist in {version}")]
    NotInVersion {
        /// The packet.
        packet: PacketType,
        /// The field that has no place.
        field: Field,
        /// The version.
        version: Version,
    },
    /// Text or binary data is longer than 65,535 bytes.
    #[error("{0} is longer than 65,535 bytes")]
    TooLong(Field),
    /// Text contains U+0000 (MQTT-1.5.4-2).
    #[error("{0} contains U+0000")]
    NulCharacter(Field),
    /// The value is outside the range that the field allows.
    #[error("{0} is out of range")]
    InvalidValue(Field),
    /// SUBSCRIBE, UNSUBSCRIBE or an answer to them without any entry.
    #[error("no {0}")]
    Empty(Field),
    /// The packet may not carry this reason code (MQTT 5.0 §2.4).
    #[error("{packet} cannot carry {reason}")]
    ReasonNotAllowed {
        /// The packet.
        packet: PacketType,
        /// The reason.
        reason: ReasonCode,
    },
    /// The packet is longer than a Remaining Length can say: 268,435,455 bytes after the header.
    #[error("the packet is longer than 268,435,455 bytes")]
    PacketTooLarge,
    /// The buffer cannot grow and has no room for the packet. Nothing was written.
    #[error("the buffer has no room for the {needed} bytes of the packet")]
    BufferTooSmall {
        /// Bytes of the whole packet.
        needed: usize,
    },
}

macro_rules! fields {
    ($($variant:ident $name:literal,)*) => {
        /// A field of a packet, to say where a fault is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Field {
            $(#[doc = concat!("The ", $name, ".")] $variant,)*
        }

        impl Field {
            /// The name of the field.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

fields! {
    FixedHeader "fixed header",
    RemainingLength "remaining length",
    Packet "packet",
    ProtocolName "protocol name",
    ProtocolLevel "protocol level",
    ConnectFlags "connect flags",
    KeepAlive "keep alive",
    ClientIdentifier "client identifier",
    WillTopic "will topic",
    WillPayload "will payload",
    UserName "user name",
    Password "password",
    ConnackFlags "connect acknowledge flags",
    Reason "reason code",
    PacketIdentifier "packet identifier",
    TopicName "topic name",
    Payload "payload",
    TopicFilter "topic filter",
    SubscriptionOptions "subscription options",
    PropertyLength "property length",
    PropertyIdentifier "property identifier",
    PayloadFormatIndicator "payload format indicator",
    MessageExpiryInterval "message expiry interval",
    ContentType "content type",
    ResponseTopic "response topic",
    CorrelationData "correlation data",
    SubscriptionIdentifier "subscription identifier",
    SessionExpiryInterval "session expiry interval",
    AssignedClientIdentifier "assigned client identifier",
    ServerKeepAlive "server keep alive",
    AuthenticationMethod "authentication method",
    AuthenticationData "authentication data",
    RequestProblemInformation "request problem information",
    WillDelayInterval "will delay interval",
    RequestResponseInformation "request response information",
    ResponseInformation "response information",
    ServerReference "server reference",
    ReasonString "reason string",
    ReceiveMaximum "receive maximum",
    TopicAliasMaximum "topic alias maximum",
    TopicAlias "topic alias",
    MaximumQoS "maximum QoS",
    RetainAvailable "retain available",
    UserProperty "user property",
    MaximumPacketSize "maximum packet size",
    WildcardSubscriptionAvailable "wildcard subscription available",
    SubscriptionIdentifiersAvailable "subscription identifiers available",
    SharedSubscriptionAvailable "shared subscription available",
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
