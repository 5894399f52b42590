//! The codecs, one module each.
//!
//! An adapter calls what its crate offers for a stream of packets of unknown types, and nothing
//! beside it.

#[cfg(feature = "peers")]
mod mqtt5_protocol;
#[cfg(feature = "peers")]
mod mqtt_codec_kit;
#[cfg(feature = "peers")]
mod mqtt_format;
#[cfg(feature = "peers")]
mod mqtt_proto;
#[cfg(feature = "peers")]
mod mqtt_protocol_core;
#[cfg(feature = "peers")]
mod mqttbytes;
#[cfg(feature = "peers")]
mod mqttrs;
#[cfg(feature = "peers")]
mod ntex_mqtt;
#[cfg(feature = "peers")]
mod rmqtt_codec;
#[cfg(feature = "peers")]
mod rumqttc;
#[cfg(feature = "peers")]
mod rumqttc_next;

use crate::codec::Contender;
use crate::ours::{Borrowed, Chunked, Owned, V5, V311};

/// Every codec of this build, ours first.
pub fn all() -> Vec<Contender> {
    let mut all = vec![
        Contender::of::<Owned<V311>>(),
        Contender::of::<Owned<V5>>(),
        Contender::of::<Chunked<V311>>(),
        Contender::of::<Chunked<V5>>(),
        Contender::of::<Borrowed<V311>>(),
        Contender::of::<Borrowed<V5>>(),
    ];
    all.extend(others());
    all
}

#[cfg(not(feature = "peers"))]
fn others() -> [Contender; 0] {
    []
}

#[cfg(feature = "peers")]
fn others() -> Vec<Contender> {
    vec![
        Contender::of::<mqtt5_protocol::V311>(),
        Contender::of::<mqtt5_protocol::V5>(),
        Contender::of::<mqtt_codec_kit::V311>(),
        Contender::of::<mqtt_codec_kit::V5>(),
        Contender::of::<mqtt_format::V311>(),
        Contender::of::<mqtt_proto::V311>(),
        Contender::of::<mqtt_proto::V5>(),
        Contender::of::<mqtt_protocol_core::V311>(),
        Contender::of::<mqtt_protocol_core::V5>(),
        Contender::of::<mqttbytes::V311>(),
        Contender::of::<mqttbytes::V5>(),
        Contender::of::<mqttrs::V311>(),
        Contender::of::<ntex_mqtt::V311>(),
        Contender::of::<ntex_mqtt::V5>(),
        Contender::of::<rmqtt_codec::V311>(),
        Contender::of::<rmqtt_codec::V5>(),
        Contender::of::<rumqttc::V311>(),
        Contender::of::<rumqttc::V5>(),
        Contender::of::<rumqttc_next::V311>(),
        Contender::of::<rumqttc_next::V5>(),
    ]
}
