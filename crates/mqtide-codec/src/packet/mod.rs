//! The packet model: one set of types for all versions.

mod ack;
mod answer;
mod auth;
mod connack;
mod connect;
mod connect_ref;
mod disconnect;
mod publish;
mod publish_encode;
mod publish_parts;
mod publish_ref;
#[cfg(test)]
mod publish_tests;
mod suback;
mod subscribe;
mod unsuback;
mod unsubscribe;

use alloc::boxed::Box;
use core::fmt;

pub use self::ack::{Ack, AckProperties, AckRef};
pub use self::auth::{Auth, AuthRef};
pub use self::connack::{Connack, ConnackProperties, ConnackRef};
pub use self::connect::{Connect, ConnectProperties, Will, WillProperties};
pub use self::connect_ref::{ConnectRef, WillRef};
pub use self::disconnect::{Disconnect, DisconnectProperties, DisconnectRef};
pub use self::publish::{Delivery, PayloadFormat, Publish, PublishProperties, PublishTopic};
pub use self::publish_parts::PublishParts;
pub(crate) use self::publish_ref::Plain;
pub use self::publish_ref::{PublishPropertiesRef, PublishRef, PublishTopicRef};
pub use self::suback::{Suback, SubackRef};
pub use self::subscribe::{
    RetainHandling, Subscribe, SubscribeProperties, SubscribeRef, Subscription, SubscriptionOptions,
};
pub use self::unsuback::{Unsuback, UnsubackRef};
pub use self::unsubscribe::{Unsubscribe, UnsubscribeRef};

/// The type of a control packet, with its number in the fixed header (MQTT 5.0 §2.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[repr(u8)]
pub enum PacketType {
    /// Connection request, client to server.
    Connect = 1,
    /// Connection acknowledgement, server to client.
    Connack = 2,
    /// A message, either way.
    Publish = 3,
    /// QoS 1 acknowledgement.
    Puback = 4,
    /// QoS 2, first answer: received.
    Pubrec = 5,
    /// QoS 2, second step of the sender: release.
    Pubrel = 6,
    /// QoS 2, last answer: complete.
    Pubcomp = 7,
    /// Subscribe request, client to server.
    Subscribe = 8,
    /// Subscribe acknowledgement, server to client.
    Suback = 9,
    /// Unsubscribe request, client to server.
    Unsubscribe = 10,
    /// Unsubscribe acknowledgement, server to client.
    Unsuback = 11,
    /// Ping request, client to server.
    Pingreq = 12,
    /// Ping response, server to client.
    Pingresp = 13,
    /// End of the connection; from the server in MQTT 5.0 only.
    Disconnect = 14,
    /// Authentication exchange, MQTT 5.0 only.
    Auth = 15,
}

impl PacketType {
    /// The type with this number; `None` for 0 (reserved) and above 15.
    pub const fn from_u8(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Connect,
            2 => Self::Connack,
            3 => Self::Publish,
            4 => Self::Puback,
            5 => Self::Pubrec,
            6 => Self::Pubrel,
            7 => Self::Pubcomp,
            8 => Self::Subscribe,
            9 => Self::Suback,
            10 => Self::Unsubscribe,
            11 => Self::Unsuback,
            12 => Self::Pingreq,
            13 => Self::Pingresp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return None,
        })
    }

    /// The number in the fixed header.
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// The name in the standard, in capitals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Connack => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::Puback => "PUBACK",
            Self::Pubrec => "PUBREC",
            Self::Pubrel => "PUBREL",
            Self::Pubcomp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Suback => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Unsuback => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        }
    }

    /// The fixed low four bits of the first byte; PUBLISH, whose bits vary, gives 0
    /// (MQTT 5.0 §2.1.3).
    pub const fn flags(self) -> u8 {
        match self {
            Self::Pubrel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        }
    }
}

impl fmt::Display for PacketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A control packet.
///
/// The same for all versions: what a version has no place for on the wire is refused or dropped by
/// the encoder, as written at each field's type. Rare and large packets are boxed, so that moving a
/// packet is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// CONNECT.
    Connect(Box<Connect>),
    /// CONNACK.
    Connack(Connack),
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK.
    Puback(Ack),
    /// PUBREC.
    Pubrec(Ack),
    /// PUBREL.
    Pubrel(Ack),
    /// PUBCOMP.
    Pubcomp(Ack),
    /// SUBSCRIBE.
    Subscribe(Subscribe),
    /// SUBACK.
    Suback(Suback),
    /// UNSUBSCRIBE.
    Unsubscribe(Unsubscribe),
    /// UNSUBACK.
    Unsuback(Unsuback),
    /// PINGREQ.
    Pingreq,
    /// PINGRESP.
    Pingresp,
    /// DISCONNECT.
    Disconnect(Disconnect),
    /// AUTH.
    Auth(Box<Auth>),
}

/// A control packet, borrowed; [`Packet`] is the owned form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PacketRef<'a> {
    /// CONNECT.
    Connect(ConnectRef<'a>),
    /// CONNACK.
    Connack(ConnackRef<'a>),
    /// PUBLISH.
    Publish(PublishRef<'a>),
    /// PUBACK.
    Puback(AckRef<'a>),
    /// PUBREC.
    Pubrec(AckRef<'a>),
    /// PUBREL.
    Pubrel(AckRef<'a>),
    /// PUBCOMP.
    Pubcomp(AckRef<'a>),
    /// SUBSCRIBE.
    Subscribe(SubscribeRef<'a>),
    /// SUBACK.
    Suback(SubackRef<'a>),
    /// UNSUBSCRIBE.
    Unsubscribe(UnsubscribeRef<'a>),
    /// UNSUBACK.
    Unsuback(UnsubackRef<'a>),
    /// PINGREQ.
    Pingreq,
    /// PINGRESP.
    Pingresp,
    /// DISCONNECT.
    Disconnect(DisconnectRef<'a>),
    /// AUTH.
    Auth(AuthRef<'a>),
}

impl Packet {
    /// The type of the packet.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::Connack(_) => PacketType::Connack,
            Self::Publish(_) => PacketType::Publish,
            Self::Puback(_) => PacketType::Puback,
            Self::Pubrec(_) => PacketType::Pubrec,
            Self::Pubrel(_) => PacketType::Pubrel,
            Self::Pubcomp(_) => PacketType::Pubcomp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::Suback(_) => PacketType::Suback,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::Unsuback(_) => PacketType::Unsuback,
            Self::Pingreq => PacketType::Pingreq,
            Self::Pingresp => PacketType::Pingresp,
            Self::Disconnect(_) => PacketType::Disconnect,
            Self::Auth(_) => PacketType::Auth,
        }
    }
}

macro_rules! into_packet {
    ($($variant:ident($packet:ty) $convert:expr;)*) => {$(
        impl From<$packet> for Packet {
            fn from(packet: $packet) -> Self {
                Self::$variant($convert(packet))
            }
        }
    )*};
}

into_packet! {
    Connect(Connect) Box::new;
    Connack(Connack) core::convert::identity;
    Publish(Publish) core::convert::identity;
    Subscribe(Subscribe) core::convert::identity;
    Suback(Suback) core::convert::identity;
    Unsubscribe(Unsubscribe) core::convert::identity;
    Unsuback(Unsuback) core::convert::identity;
    Disconnect(Disconnect) core::convert::identity;
    Auth(Auth) Box::new;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stay_small() {
        assert!(size_of::<Publish>() <= 96, "{}", size_of::<Publish>());
        assert!(size_of::<Packet>() <= 104, "{}", size_of::<Packet>());
    }

    #[test]
    fn packet_types_are_numbered_1_to_15() {
        for number in 0..=255 {
            let packet_type = PacketType::from_u8(number);
            assert_eq!(packet_type.is_some(), (1..=15).contains(&number));
            assert!(packet_type.is_none_or(|t| t.as_u8() == number));
        }
    }
}
