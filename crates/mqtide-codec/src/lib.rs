#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "arbitrary")]
mod arbitrary;
mod buffer;
mod chunked;
mod decode;
mod encode;
mod error;
mod frame;
#[cfg(feature = "arbitrary")]
#[doc(hidden)]
pub mod fuzzing;
mod ids;
mod options;
mod packet;
mod property;
mod qos;
mod reason;
#[cfg(test)]
mod testing;
mod text;
#[cfg(feature = "tokio-util")]
mod tokio_util;
mod user_properties;
mod version;
mod wire;

pub use crate::buffer::PacketBuf;
pub use crate::chunked::ChunkedBuf;
pub use crate::decode::{decode, decode_connect, decode_ref};
pub use crate::encode::{encode, encoded_len};
pub use crate::error::{DecodeError, DecodeErrorKind, EncodeError, ErrorClass, Field};
pub use crate::frame::{Frame, FrameHeader, FrameRef, Framer};
pub use crate::ids::{InvalidIdentifier, PacketIdentifier, SubscriptionIdentifier, TopicAlias};
pub use crate::options::{DecodeOptions, Leniency};
pub use crate::packet::{
    Ack, AckProperties, AckRef, Auth, AuthRef, Connack, ConnackProperties, ConnackRef, Connect,
    ConnectProperties, ConnectRef, Delivery, Disconnect, DisconnectProperties, DisconnectRef,
    Packet, PacketRef, PacketType, PayloadFormat, Publish, PublishParts, PublishProperties,
    PublishPropertiesRef, PublishRef, PublishTopic, PublishTopicRef, RetainHandling, Suback,
    SubackRef, Subscribe, SubscribeProperties, SubscribeRef, Subscription, SubscriptionOptions,
    Unsuback, UnsubackRef, Unsubscribe, UnsubscribeRef, Will, WillProperties, WillRef,
};
pub use crate::property::{Properties, PropertiesRef, Property};
pub use crate::qos::{InvalidQoS, QoS};
pub use crate::reason::{ReasonCode, Sender};
pub use crate::text::Text;
#[cfg(feature = "tokio-util")]
pub use crate::tokio_util::{CodecError, PacketCodec};
pub use crate::user_properties::{UserProperties, UserPropertiesIter};
pub use crate::version::Version;
