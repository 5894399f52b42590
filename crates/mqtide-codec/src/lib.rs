//! The MQTT 3.1, 3.1.1 and 5.0 wire codec: bytes to packets and back.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod error;
mod ids;
mod packet;
mod qos;
mod reason;
mod user_properties;
mod version;

pub use crate::error::{DecodeError, DecodeErrorKind, EncodeError, ErrorClass, Field};
pub use crate::ids::{InvalidIdentifier, PacketIdentifier, SubscriptionIdentifier, TopicAlias};
pub use crate::packet::{
    Ack, AckProperties, Auth, Connack, ConnackProperties, Connect, ConnectProperties, Delivery,
    Disconnect, DisconnectProperties, Packet, PacketType, PayloadFormat, Publish,
    PublishProperties, PublishTopic, RetainHandling, Suback, Subscribe, SubscribeProperties,
    Subscription, SubscriptionOptions, Unsuback, Unsubscribe, Will, WillProperties,
};
pub use crate::qos::{InvalidQoS, QoS};
pub use crate::reason::{ReasonCode, Sender};
pub use crate::user_properties::UserProperties;
pub use crate::version::Version;
