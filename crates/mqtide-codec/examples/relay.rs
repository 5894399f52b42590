//! A relay between a publisher of MQTT 5.0 and a subscriber of MQTT 3.1.1, in memory: messages are read
//! borrowed and written from their parts, so that nothing is allocated per message.

#![allow(clippy::print_stdout, reason = "it is a program")]

use std::error::Error;

use bytes::{Bytes, BytesMut};
use mqtide_codec::{
    Delivery, Framer, PacketIdentifier, PacketType, Publish, PublishParts, PublishProperties,
    PublishRef, Version,
};
use mqtide_topic::TopicName;

fn main() -> Result<(), Box<dyn Error>> {
    let received = publisher()?;
    let mut to_v311 = BytesMut::with_capacity(4096);
    let mut to_v5 = BytesMut::with_capacity(4096);
    let mut forwarded = Vec::new();

    let mut framer = Framer::new(Version::V5);
    let mut rest = &received[..];
    while let Some((frame, behind)) = framer.next_frame_ref(rest)? {
        rest = behind;
        if frame.packet_type() != PacketType::Publish {
            continue;
        }
        let message = PublishRef::decode(frame, Version::V5)?;
        forwarded.clear();
        message.properties.copy_forwarded(&mut forwarded);
        let parts = PublishParts {
            delivery: Delivery::AtLeastOnce {
                packet_identifier: PacketIdentifier::MIN,
                dup: false,
            },
            message_expiry_interval: message.properties.message_expiry_interval(),
            forwarded: &forwarded,
            ..PublishParts::new(message.topic, message.payload)
        };
        parts.encode(Version::V5, &mut to_v5)?;
        parts.encode(Version::V311, &mut to_v311)?;
    }
    println!("{} bytes received", received.len());
    println!(
        "{} bytes for MQTT 5.0, {} for MQTT 3.1.1",
        to_v5.len(),
        to_v311.len()
    );
    Ok(())
}

/// What a publisher sends: ten messages with properties.
fn publisher() -> Result<Bytes, Box<dyn Error>> {
    let mut wire = BytesMut::new();
    for line in 0..10 {
        let topic = TopicName::try_from(format!("site/berlin/line-{line}/temperature"))?;
        let mut publish = Publish::new(topic, "21.5");
        publish.properties = Some(Box::new(PublishProperties {
            message_expiry_interval: Some(60),
            user_properties: [("unit", "celsius")].into_iter().collect(),
            ..PublishProperties::default()
        }));
        publish.encode(Version::V5, &mut wire)?;
    }
    Ok(wire.freeze())
}
