//! Tests of PUBLISH in both forms.

use std::format;
use std::vec::Vec;

use mqtide_topic::TopicNameRef;

use super::publish::Delivery;
use super::publish_ref::PublishRef;
use crate::testing::{VERSIONS, frame, hex, read, refused};
use crate::{
    DecodeErrorKind as Kind, DecodeOptions, Field, Leniency, Packet, PublishParts, Sender,
    SubscriptionIdentifier, TopicAlias, Version,
};

/// MQTT-3.3.1-4, v3.1.1 MQTT-3.3.1-4
#[test]
fn qos_3_does_not_exist() {
    for version in VERSIONS {
        for first in ["36", "37", "3E", "3F"] {
            let digits = format!("{first} 05 0001 61 0001");
            refused(&digits, version, Kind::InvalidQoS, 0x81, Field::FixedHeader);
        }
    }
}

/// MQTT-3.3.1-2, v3.1.1 MQTT-3.3.1-2
#[test]
fn qos_0_has_no_dup() {
    for version in VERSIONS {
        for first in ["38", "39"] {
            let digits = format!("{first} 04 0001 61 00");
            refused(
                &digits,
                version,
                Kind::InvalidFlags,
                0x81,
                Field::FixedHeader,
            );
        }
    }
    let leniency = Leniency {
        dup_at_most_once: true,
        ..Leniency::NONE
    };
    let mut framer = crate::Framer::new(Version::V311);
    framer.set_leniency(leniency);
    let bytes = hex("38 03 0001 61");
    let (frame, _) = framer.next_frame_ref(&bytes).unwrap().unwrap();
    let options = DecodeOptions::new(Version::V311).with_leniency(leniency);
    let publish = PublishRef::decode(frame, options).unwrap();
    assert_eq!(publish.delivery, Delivery::AtMostOnce);
}

/// v3.1.1 MQTT-2.3.1-1
#[test]
fn the_identifier_is_there_and_not_zero() {
    for version in VERSIONS {
        let field = Field::PacketIdentifier;
        refused(
            "32 05 0001 61 0000",
            version,
            Kind::ZeroPacketIdentifier,
            0x82,
            field,
        );
        refused("34 04 0001 61 00", version, Kind::Truncated, 0x81, field);
    }
}

/// MQTT-3.3.2-1, MQTT-1.5.4-1, MQTT-1.5.4-2, v3.1.1 MQTT-3.3.2-1, v3.1.1 MQTT-1.5.3-1,
/// v3.1.1 MQTT-1.5.3-2
#[test]
fn the_topic_is_text() {
    for version in VERSIONS {
        let field = Field::TopicName;
        for ill_formed in ["ED A0 80", "C0 AF", "F5 80 80 80", "E2 82", "FF"] {
            let len = hex(ill_formed).len();
            let digits = format!("30 {:02x} {len:04x} {ill_formed} 00", len + 3);
            refused(&digits, version, Kind::InvalidUtf8, 0x81, field);
        }
        refused(
            "30 06 0003 61 00 62 00",
            version,
            Kind::NulCharacter,
            0x81,
            field,
        );
        refused("30 03 0002 61", version, Kind::Truncated, 0x81, field);
        refused("30 00", version, Kind::Truncated, 0x81, field);
    }
}

/// MQTT-1.5.4-3, v3.1.1 MQTT-1.5.3-3
#[test]
fn a_byte_order_mark_is_kept() {
    for version in VERSIONS {
        let Ok(Packet::Publish(publish)) = read("30 07 0004 EF BB BF 61 00", version) else {
            panic!("U+FEFF is an ordinary character");
        };
        assert_eq!(publish.topic.name().unwrap().as_str(), "\u{FEFF}a");
    }
}

#[test]
fn the_topic_is_a_name() {
    for version in VERSIONS {
        let field = Field::TopicName;
        refused(
            "30 06 0003 61 2F 23 00",
            version,
            Kind::InvalidTopicName,
            0x90,
            field,
        );
        refused(
            "30 04 0001 2B 00",
            version,
            Kind::InvalidTopicName,
            0x90,
            field,
        );
        refused("30 03 0000 00", version, Kind::EmptyTopic, 0x82, field);
    }
}

/// MQTT-3.3.2-8
#[test]
fn topic_aliases() {
    refused(
        "30 06 0000 03 23 0000",
        Version::V5,
        Kind::ZeroTopicAlias,
        0x94,
        Field::TopicAlias,
    );
    let alias = TopicAlias::new(1);
    let Ok(Packet::Publish(known)) = read("30 08 0000 03 23 0001 68 69", Version::V5) else {
        panic!("an alias stands for the name");
    };
    assert_eq!((known.topic.name(), known.topic.alias()), (None, alias));
    assert_eq!(known.properties, None, "the alias is part of the topic");
    let bytes = "30 0B 0003 61 2F 62 03 23 0001 68 69";
    let Ok(Packet::Publish(new)) = read(bytes, Version::V5) else {
        panic!("name and alias may stand together");
    };
    assert_eq!(new.topic.alias(), alias);
    crate::testing::golden(bytes, Version::V5, new.clone());
    crate::testing::golden("30 08 0000 03 23 0001 68 69", Version::V5, known.clone());
    for version in [Version::V31, Version::V311] {
        assert!(known.encoded_len(version).is_err());
        assert_eq!(crate::testing::write(&new.clone().into(), version).len(), 9);
    }
}

/// MQTT-2.2.2-1, MQTT-2.2.1-2
#[test]
fn the_property_length_is_there() {
    let field = Field::PropertyLength;
    refused("30 03 0001 61", Version::V5, Kind::Truncated, 0x81, field);
    refused(
        "30 04 0001 61 01",
        Version::V5,
        Kind::Truncated,
        0x81,
        field,
    );
    let kind = Kind::VariableByteIntegerNotShortest;
    refused("30 05 0001 61 80 00", Version::V5, kind, 0x81, field);
}

/// One PUBLISH with this property block.
fn with_properties(block: &str) -> std::string::String {
    let len = hex(block).len();
    format!("30 {:02x} 0001 61 {len:02x} {block}", 4 + len)
}

/// MQTT-3.3.2-13, MQTT-3.3.2-19, MQTT-1.5.7-1, MQTT-1.5.4-1, MQTT-1.5.4-2
#[test]
fn text_of_properties() {
    for (property, kind, reason, field) in [
        ("08 0001 FF", Kind::InvalidUtf8, 0x81, Field::ResponseTopic),
        ("08 0001 00", Kind::NulCharacter, 0x81, Field::ResponseTopic),
        ("08 0000", Kind::InvalidValue, 0x82, Field::ResponseTopic),
        ("08 0001 23", Kind::InvalidValue, 0x82, Field::ResponseTopic),
        ("03 0001 FF", Kind::InvalidUtf8, 0x81, Field::ContentType),
        ("03 0001 00", Kind::NulCharacter, 0x81, Field::ContentType),
        (
            "26 0001 FF 0001 61",
            Kind::InvalidUtf8,
            0x81,
            Field::UserProperty,
        ),
        (
            "26 0001 61 0001 00",
            Kind::NulCharacter,
            0x81,
            Field::UserProperty,
        ),
        (
            "26 0001 61 0002 61",
            Kind::Truncated,
            0x81,
            Field::UserProperty,
        ),
    ] {
        refused(&with_properties(property), Version::V5, kind, reason, field);
    }
    assert!(read(&with_properties("26 0000 0000"), Version::V5).is_ok());
}

#[test]
fn faults_of_properties() {
    let id = Field::PropertyIdentifier;
    for (block, kind, reason, field) in [
        ("00", Kind::UnknownProperty, 0x81, id),
        ("04 00", Kind::UnknownProperty, 0x81, id),
        ("FF 7F 00", Kind::UnknownProperty, 0x81, id),
        ("81 00 00", Kind::VariableByteIntegerNotShortest, 0x81, id),
        ("11 00000001", Kind::PropertyNotAllowed, 0x81, id),
        (
            "01 02",
            Kind::InvalidValue,
            0x82,
            Field::PayloadFormatIndicator,
        ),
        (
            "0B 00",
            Kind::InvalidValue,
            0x82,
            Field::SubscriptionIdentifier,
        ),
        (
            "0B FF FF FF FF 01",
            Kind::VariableByteIntegerTooLong,
            0x81,
            Field::SubscriptionIdentifier,
        ),
        (
            "02 000000",
            Kind::Truncated,
            0x81,
            Field::MessageExpiryInterval,
        ),
        ("09 0002 61", Kind::Truncated, 0x81, Field::CorrelationData),
        ("01 00 01 00", Kind::RepeatedProperty, 0x82, id),
        ("02 00000001 02 00000001", Kind::RepeatedProperty, 0x82, id),
        ("23 0001 23 0002", Kind::RepeatedProperty, 0x82, id),
    ] {
        refused(&with_properties(block), Version::V5, kind, reason, field);
    }
    let from_client = DecodeOptions::new(Version::V5).from_sender(Sender::Client);
    refused(
        &with_properties("0B 01"),
        from_client,
        Kind::WrongSender,
        0x82,
        id,
    );
    let from_server = DecodeOptions::new(Version::V5).from_sender(Sender::Server);
    assert!(read(&with_properties("0B 01 0B 01"), from_server).is_ok());
}

#[test]
fn properties_are_forwarded_as_they_came_but_for_those_of_the_hop() {
    let block = "26 0001 61 0001 62 02 0000000A 03 0001 74 23 0007 0B 05 26 0001 61 0001 63";
    let frame = frame(&hex(&with_properties(block)), Version::V5).unwrap();
    let publish = PublishRef::decode(frame.as_frame(), Version::V5).unwrap();
    assert_eq!(publish.properties.message_expiry_interval(), Some(10));
    let mut forwarded = Vec::new();
    publish.properties.copy_forwarded(&mut forwarded);
    assert_eq!(
        forwarded,
        hex("26 0001 61 0001 62 03 0001 74 26 0001 61 0001 63")
    );
    assert_eq!(forwarded.len(), publish.properties.forwarded_len());

    let ids = [SubscriptionIdentifier::new(200).unwrap()];
    let parts = PublishParts {
        message_expiry_interval: Some(9),
        subscription_identifiers: &ids,
        forwarded: &forwarded,
        ..PublishParts::new(publish.topic.name().unwrap().into(), b"p")
    };
    let mut wire = Vec::new();
    parts.encode(Version::V5, &mut wire).unwrap();
    let expected = "30 1F 0001 61 1A 02 00000009 0B C8 01 \
                    26 0001 61 0001 62 03 0001 74 26 0001 61 0001 63 70";
    assert_eq!(wire, hex(expected));
    wire.clear();
    parts.encode(Version::V311, &mut wire).unwrap();
    assert_eq!(wire, hex("30 04 0001 61 70"));
}

#[test]
fn another_packet_is_no_publish() {
    let ping = frame(&[0xC0, 0], Version::V5).unwrap();
    assert!(PublishRef::decode(ping.as_frame(), Version::V5).is_err());
    assert!(crate::Publish::decode(ping, Version::V5).is_err());
}

#[test]
fn a_buffer_without_room_is_left_alone() {
    let parts = PublishParts::new(TopicNameRef::new("a/b").unwrap().into(), b"hi");
    let mut space = [0; 9];
    let mut buf = &mut space[..];
    let error = crate::EncodeError::BufferTooSmall { needed: 10 };
    assert_eq!(parts.encode(Version::V5, &mut buf), Err(error));
    assert_eq!(
        (buf.len(), parts.encode_head(Version::V5, &mut buf)),
        (9, Ok(8))
    );
}
