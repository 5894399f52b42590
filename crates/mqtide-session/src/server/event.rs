//! What a server session tells its owner.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytestring::ByteString;
use mqtide_codec::{
    Auth, Disconnect, PacketIdentifier, Publish, SubscriptionIdentifier, SubscriptionOptions,
    UserProperties, Will,
};
use mqtide_topic::{SubscriptionFilter, TopicError, TopicName, TopicNameRef};

use crate::endpoint::Received;
use crate::inbound::Arrival;
use crate::{AckToken, Settled};

/// What a packet, or the time, asks of the owner of a server session.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// A message to route. Answer it by [`complete`](crate::ServerSession::complete) once every
    /// receiver owns it.
    Publish(ReceivedPublish),
    /// Answer by [`suback`](crate::ServerSession::suback).
    Subscribe(SubscribeRequest),
    /// Answer by [`unsuback`](crate::ServerSession::unsuback).
    Unsubscribe(UnsubscribeRequest),
    /// The client has settled a message that was delivered to it.
    Settled(Settled),
    /// A step of a re-authentication: answer by
    /// [`challenge`](crate::ServerSession::challenge),
    /// [`authenticated`](crate::ServerSession::authenticated), or
    /// [`disconnect`](crate::ServerSession::disconnect).
    Authenticate(Box<Auth>),
    /// The client has said goodbye: close the network connection, and call
    /// [`handle_disconnected`](crate::ServerSession::handle_disconnected).
    Disconnected(ClientDisconnect),
    /// The client was silent for too long: write what is left, close the network connection, and
    /// call [`handle_disconnected`](crate::ServerSession::handle_disconnected).
    KeepAliveTimeout,
    /// Publish this will now.
    Will(Box<Will>),
    /// The session has ended: remove it and its subscriptions.
    Expired,
}

/// A message that has arrived, with its topic resolved.
#[derive(Debug, PartialEq)]
pub struct ReceivedPublish {
    /// The packet: its topic is named and free of aliases.
    pub publish: Publish,
    /// The token to complete; `None` for QoS 0.
    pub ack: Option<AckToken>,
}

/// What a borrowed PUBLISH comes to: the result of
/// [`handle_publish`](crate::ServerSession::handle_publish).
#[derive(Debug, PartialEq)]
pub struct InboundPublish<'a> {
    /// The topic, whichever way the packet names it. `None` if the session is closing and ignores
    /// the packet.
    pub topic: Option<PublishedTopic<'a>>,
    /// Whether the message is new. A repetition of a QoS 2 message is not, and is to be ignored.
    pub deliver: bool,
    /// The token to complete; `None` for QoS 0 and for repetitions.
    pub ack: Option<AckToken>,
}

impl<'a> InboundPublish<'a> {
    /// A packet that comes after the last word.
    pub(super) const IGNORED: Self = Self {
        topic: None,
        deliver: false,
        ack: None,
    };

    pub(super) fn new(name: Option<TopicNameRef<'a>>, received: Received) -> Self {
        let aliased = received.aliased.map(PublishedTopic::Aliased);
        let topic = aliased.or(name.map(PublishedTopic::Named));
        let (deliver, ack) = match received.arrival {
            Arrival::Unanswered => (true, None),
            Arrival::New(token) => (true, Some(token)),
            Arrival::Repeated => (false, None),
        };
        Self {
            topic,
            deliver,
            ack,
        }
    }
}

/// The topic of a borrowed PUBLISH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishedTopic<'a> {
    /// It stands in the packet.
    Named(TopicNameRef<'a>),
    /// An alias stands for it. The handle is shared, not copied.
    Aliased(TopicName),
}

impl PublishedTopic<'_> {
    /// The topic name as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Named(name) => name.as_str(),
            Self::Aliased(name) => name.as_str(),
        }
    }

    /// The topic name.
    pub fn as_name(&self) -> TopicNameRef<'_> {
        match self {
            Self::Named(name) => *name,
            Self::Aliased(name) => name.as_name(),
        }
    }
}

/// A SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeRequest {
    /// What SUBACK repeats.
    pub packet_identifier: PacketIdentifier,
    /// The filters in order; SUBACK has one reason for each.
    pub subscriptions: Vec<SubscriptionRequest>,
    /// What messages for these subscriptions shall carry.
    pub subscription_identifier: Option<SubscriptionIdentifier>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
}

/// One filter of a SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRequest {
    /// The filter, or what is wrong with it: answer
    /// [`TopicFilterInvalid`](mqtide_codec::ReasonCode::TopicFilterInvalid) then.
    pub filter: Result<SubscriptionFilter, TopicError>,
    /// How to deliver.
    pub options: SubscriptionOptions,
}

/// An UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsubscribeRequest {
    /// What UNSUBACK repeats.
    pub packet_identifier: PacketIdentifier,
    /// The filters as text, compared character by character `[MQTT-3.10.4-1]`.
    pub filters: Vec<ByteString>,
    /// Application-defined pairs.
    pub user_properties: UserProperties,
}

/// A client's DISCONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientDisconnect {
    /// The packet. Anything but [`NORMAL_DISCONNECTION`](mqtide_codec::ReasonCode::NORMAL_DISCONNECTION) leaves
    /// the will in force.
    pub packet: Disconnect,
}

/// What the end of a connection leaves behind.
#[derive(Debug, Default, PartialEq)]
#[must_use = "a will may have to be published"]
pub struct Departure {
    /// A will to publish now. One that is delayed comes later, by
    /// [`handle_timeout`](crate::ServerSession::handle_timeout).
    pub will: Option<Box<Will>>,
    /// Whether the session has ended with its connection: remove it and its subscriptions.
    pub ended: bool,
}
