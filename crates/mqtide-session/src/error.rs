//! Whose fault it is: the peer's ([`Violation`]) or the caller's ([`Refused`]).

use mqtide_codec::{PacketType, ReasonCode};

/// The peer broke a rule of the protocol. The connection cannot go on.
///
/// The machine that reports a violation is closing already: it has queued the DISCONNECT that MQTT
/// 5.0 foresees, or nothing for MQTT 3.1 and 3.1.1. The caller writes what `poll_transmit` still
/// gives, closes the network connection and calls `handle_disconnected`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A packet of this type may not come here: a second CONNECT `[MQTT-3.1.0-2]`, a packet that
    /// only the other end sends, or an AUTH nobody asked for.
    #[error("{0:?} may not come here")]
    UnexpectedPacket(PacketType),
    /// More QoS 1 and 2 publications are open than the Receive Maximum allows (MQTT 5.0 §3.3.4).
    #[error("more publications are open than the Receive Maximum allows")]
    ReceiveMaximumExceeded,
    /// A PUBLISH has a higher QoS than announced `[MQTT-3.2.2-11]`.
    #[error("the QoS is above the announced maximum")]
    QoSNotSupported,
    /// A PUBLISH is retained although that is not available `[MQTT-3.2.2-14]`.
    #[error("retained messages were announced as unavailable")]
    RetainNotSupported,
    /// A topic alias is above the announced maximum `[MQTT-3.2.2-17]`.
    #[error("the topic alias is above the announced maximum")]
    TopicAliasInvalid,
    /// A PUBLISH names its topic by an alias that stands for nothing (MQTT 5.0 §3.3.2.3.4).
    #[error("the topic alias stands for no topic on this connection")]
    TopicAliasUnknown,
    /// A client sent a PUBLISH with a Subscription Identifier `[MQTT-3.3.4-6]`.
    #[error("a client may not send a Subscription Identifier in PUBLISH")]
    SubscriptionIdentifierFromClient,
    /// An acknowledgement of this type does not fit the QoS or the step of its flow.
    #[error("{0:?} does not fit the flow of its identifier")]
    WrongAcknowledgement(PacketType),
    /// A shared subscription asks for No Local `[MQTT-3.8.3-4]`.
    #[error("a shared subscription may not ask for No Local")]
    SharedNoLocal,
    /// A packet identifier of a request is in use, where the version has no answer but closing.
    #[error("the packet identifier is in use")]
    PacketIdentifierInUse,
    /// A DISCONNECT sets a Session Expiry Interval after a CONNECT without one, or comes from a
    /// server with one (MQTT 5.0 §3.14.2.2.2).
    #[error("this DISCONNECT may not carry a Session Expiry Interval")]
    SessionExpiryNotAllowed,
    /// An authentication method differs from that of CONNECT `[MQTT-4.12.0-5]`.
    #[error("the authentication method differs from that of CONNECT")]
    AuthenticationMethodChanged,
    /// CONNACK says that a session is present, and the client has none `[MQTT-3.2.2-4]`.
    #[error("the server resumes a session that the client does not have")]
    SessionPresentWithoutState,
    /// SUBACK or UNSUBACK does not have one reason per filter `[MQTT-3.8.4-6]`.
    #[error("the number of reasons differs from the number of filters")]
    ReasonCountMismatch,
    /// A reason that this packet may not carry.
    #[error("the packet may not carry the reason {0}")]
    ReasonNotAllowed(ReasonCode),
    /// The peer sends requests faster than it reads the answers.
    #[error("too many answers wait for the peer to read them")]
    TooManyRequests,
    /// The Maximum Packet Size of the peer is too small for a packet that must be sent.
    #[error("the peer's Maximum Packet Size leaves no room for a mandatory packet")]
    MaximumPacketSizeTooSmall,
}

impl Violation {
    /// The reason for the wire: in DISCONNECT, or in CONNACK before there is a session.
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::ReceiveMaximumExceeded => ReasonCode::ReceiveMaximumExceeded,
            Self::QoSNotSupported => ReasonCode::QoSNotSupported,
            Self::RetainNotSupported => ReasonCode::RetainNotSupported,
            Self::TopicAliasInvalid => ReasonCode::TopicAliasInvalid,
            Self::TooManyRequests => ReasonCode::QuotaExceeded,
            Self::MaximumPacketSizeTooSmall => ReasonCode::PacketTooLarge,
            Self::UnexpectedPacket(_)
            | Self::TopicAliasUnknown
            | Self::SubscriptionIdentifierFromClient
            | Self::WrongAcknowledgement(_)
            | Self::SharedNoLocal
            | Self::PacketIdentifierInUse
            | Self::SessionExpiryNotAllowed
            | Self::AuthenticationMethodChanged
            | Self::SessionPresentWithoutState
            | Self::ReasonCountMismatch
            | Self::ReasonNotAllowed(_) => ReasonCode::ProtocolError,
        }
    }
}

/// The caller asked for what cannot be done now. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// There is no connection, or it is closing.
    #[error("there is no open connection")]
    NotConnected,
    /// There is a connection already.
    #[error("there is a connection already")]
    AlreadyConnected,
    /// The queue is at its bound of messages or bytes.
    #[error("the queue is full")]
    QueueFull,
    /// The packet would be larger than the peer accepts `[MQTT-3.2.2-15]`.
    #[error("the packet is larger than the peer accepts")]
    PacketTooLarge,
    /// The message has expired already.
    #[error("the message has expired")]
    Expired,
    /// The QoS is above what the server supports `[MQTT-3.2.2-11]`.
    #[error("the server does not support this QoS")]
    QoSNotSupported,
    /// The server does not support retained messages `[MQTT-3.2.2-14]`.
    #[error("the server does not support retained messages")]
    RetainNotSupported,
    /// The server does not support this kind of subscription.
    #[error("the server does not support this kind of subscription")]
    SubscriptionNotSupported,
    /// A filter breaks the rules of topic filters, or the request has none.
    #[error("the topic filter is not valid")]
    TopicFilterInvalid,
    /// A shared subscription cannot have No Local `[MQTT-3.8.3-4]`.
    #[error("a shared subscription cannot have No Local")]
    SharedNoLocal,
    /// No request with this packet identifier waits for an answer.
    #[error("no request with this packet identifier waits for an answer")]
    UnknownRequest,
    /// An answer needs one reason per filter `[MQTT-3.8.4-6]`.
    #[error("an answer needs one reason per filter")]
    ReasonCountMismatch,
    /// The packet may not carry this reason.
    #[error("the packet may not carry this reason")]
    ReasonNotAllowed,
    /// The connection has no authentication method, or it is not this side's turn
    /// `[MQTT-4.12.0-6]`, `[MQTT-4.12.0-7]`.
    #[error("no authentication exchange allows this now")]
    NotAuthenticating,
    /// A client without an identifier needs a clean session in MQTT 3.1.1, and cannot exist in
    /// MQTT 3.1 `[v3.1.1 MQTT-3.1.3-7]`.
    #[error("the version needs a client identifier here")]
    ClientIdentifierRequired,
    /// The Session Expiry Interval cannot be set now (MQTT 5.0 §3.14.2.2.2).
    #[error("the Session Expiry Interval cannot be set now")]
    SessionExpiryNotAllowed,
    /// The version of the connection has no such thing.
    #[error("the protocol version has no such thing")]
    NotInThisVersion,
    /// An identifier occurs twice in the state to be restored.
    #[error("an identifier occurs twice in the state")]
    DuplicateIdentifier,
    /// The state was exported by a version of this crate that is not understood.
    #[error("the format of the state is unknown")]
    UnknownStateFormat,
}
