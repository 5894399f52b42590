//! Bodies of the fuzz targets, which unit tests exercise too. Not part of the public interface.
//!
//! Each takes the bytes of a fuzzer and panics where a promise of the crate is broken.

use alloc::boxed::Box;
use alloc::vec::Vec;

use ::arbitrary::{Arbitrary, Unstructured};
use bytes::{Bytes, BytesMut};

use crate::decode::collect;
use crate::packet::{PublishParts, PublishRef};
use crate::property::{PropertiesRef, Property, PropertySet};
use crate::text::Text;
use crate::{
    DecodeError, DecodeOptions, Delivery, Frame, FrameRef, Framer, Leniency, Packet, PacketRef,
    PacketType, Publish, PublishTopic, PublishTopicRef, ReasonCode, Sender, SubscriptionOptions,
    Version, decode, decode_ref, encode, encoded_len,
};

/// However a stream is cut into pieces, the packets and the error are the same. The first byte
/// chooses options, the second the pieces, the rest is the stream.
pub fn decode_stream(data: &[u8]) {
    let [settings, pieces, stream @ ..] = data else {
        return;
    };
    let (options, framer) = settings_of(*settings);
    assert_eq!(
        read_pieces(stream, *pieces, options, framer.clone()),
        read_at_once(stream, options, framer),
    );
}

/// What is written is read back, and is as long as was said. Takes a version and a packet.
pub fn roundtrip(data: &[u8]) {
    let mut u = Unstructured::new(data);
    if let (Ok(version), Ok(packet)) = (Version::arbitrary(&mut u), Packet::arbitrary(&mut u)) {
        roundtrip_packet(&packet, version);
    }
}

/// The straight path and the general parser agree, and so do the borrowed and the owned form. The
/// first byte chooses options; the rest is a packet, as it is or written and then damaged.
pub fn decode_differential(data: &[u8]) {
    let [settings, rest @ ..] = data else {
        return;
    };
    let (options, mut framer) = settings_of(*settings);
    let wire = if settings & 0x80 == 0 {
        rest.to_vec()
    } else {
        damaged(rest, options.version)
    };
    if let Ok(Some(frame)) = framer.next_frame(&mut BytesMut::from(&wire[..])) {
        compare_forms(frame, options);
    }
}

fn settings_of(settings: u8) -> (DecodeOptions, Framer) {
    let version = [Version::V31, Version::V311, Version::V5, Version::V5][settings as usize & 3];
    let mut options = DecodeOptions::new(version);
    options.sender = match settings >> 2 & 3 {
        1 => Some(Sender::Client),
        2 => Some(Sender::Server),
        _ => None,
    };
    let mut framer = Framer::new(version);
    if settings & 0x10 != 0 {
        framer = Framer::unknown_version();
    }
    if settings & 0x20 != 0 {
        framer.set_max_packet_size(100);
    }
    if settings & 0x40 != 0 {
        options.leniency = Leniency {
            long_remaining_length: true,
            dup_at_most_once: true,
            bridge_levels: true,
        };
        framer.set_leniency(options.leniency);
    }
    (options, framer)
}

type Outcome = (Vec<Packet>, Option<DecodeError>);

fn read_at_once(mut stream: &[u8], options: DecodeOptions, mut framer: Framer) -> Outcome {
    let mut packets = Vec::new();
    loop {
        compare_steps(stream, options, framer.clone());
        match framer.next_frame_ref(stream) {
            Err(error) => return (packets, Some(error)),
            Ok(None) => return (packets, None),
            Ok(Some((frame, rest))) => {
                stream = rest;
                match decode(frame.to_frame(), options) {
                    Ok(packet) => packets.push(packet),
                    Err(error) => return (packets, Some(error)),
                }
            }
        }
    }
}

/// Framing and decoding in one step and in two.
fn compare_steps(stream: &[u8], options: DecodeOptions, mut framer: Framer) {
    let one = framer.clone().next_packet_ref(stream, options);
    let two = match framer.next_frame_ref(stream) {
        Ok(Some((frame, rest))) => decode_ref(frame, options).map(|packet| Some((packet, rest))),
        Ok(None) => Ok(None),
        Err(error) => Err(error),
    };
    assert_eq!(one, two);
}

fn read_pieces(
    mut stream: &[u8],
    pieces: u8,
    options: DecodeOptions,
    mut framer: Framer,
) -> Outcome {
    let (mut packets, mut buffer) = (Vec::new(), BytesMut::new());
    let mut seed = u32::from(pieces);
    loop {
        match framer.next_packet(&mut buffer, options) {
            Err(error) => return (packets, Some(error)),
            Ok(Some(packet)) => packets.push(packet),
            Ok(None) if stream.is_empty() => return (packets, None),
            Ok(None) => {
                assert!(framer.needed() > 0);
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let piece = stream.len().min(1 + (seed >> 28) as usize);
                buffer.extend_from_slice(&stream[..piece]);
                stream = &stream[piece..];
            }
        }
    }
}

fn roundtrip_packet(packet: &Packet, version: Version) {
    let version = match packet {
        Packet::Connect(connect) => connect.version,
        _ => version,
    };
    let (mut wire, len) = (Vec::new(), encoded_len(packet, version));
    assert_eq!(encode(packet, version, &mut wire), len);
    let Ok(len) = len else {
        assert!(wire.is_empty(), "nothing is written in vain");
        assert_ne!(version, Version::V5, "{packet:?} can be expressed: {len:?}");
        return;
    };
    assert_eq!(wire.len(), len);
    let frame = whole_frame(&wire, version);
    let read = decode(frame.clone(), version);
    assert_eq!(read.as_ref(), Ok(&as_expressed(packet, version)));
    if let Ok(Packet::Publish(publish)) = &read {
        check_parts(publish, &frame, version);
    }
}

fn whole_frame(wire: &[u8], version: Version) -> Frame {
    let mut buffer = BytesMut::from(wire);
    match Framer::new(version).next_frame(&mut buffer) {
        Ok(Some(frame)) if buffer.is_empty() => frame,
        other => panic!("what was written is no packet: {other:?}"),
    }
}

/// What is left of a packet in a version: earlier versions drop what they cannot express.
fn as_expressed(packet: &Packet, version: Version) -> Packet {
    let mut packet = packet.clone();
    if version == Version::V5 {
        return packet;
    }
    match &mut packet {
        Packet::Connect(connect) => {
            connect.properties = None;
            if let Some(will) = &mut connect.will {
                will.properties = None;
            }
        }
        Packet::Connack(connack) => {
            connack.properties = None;
            connack.session_present &= version != Version::V31;
            let code = connack.reason.to_return_code();
            connack.reason = code
                .and_then(ReasonCode::from_return_code)
                .unwrap_or_default();
        }
        Packet::Publish(publish) => {
            publish.properties = None;
            if let PublishTopic::Named { alias, .. } = &mut publish.topic {
                *alias = None;
            }
        }
        Packet::Puback(ack) | Packet::Pubrec(ack) | Packet::Pubrel(ack) | Packet::Pubcomp(ack) => {
            ack.reason = ReasonCode::Success;
            ack.properties = None;
        }
        Packet::Subscribe(subscribe) => {
            subscribe.properties = None;
            for subscription in &mut subscribe.subscriptions {
                let maximum_qos = subscription.options.maximum_qos;
                subscription.options = SubscriptionOptions::from(maximum_qos);
            }
        }
        Packet::Suback(suback) => {
            suback.properties = None;
            for reason in suback.reasons.iter_mut().filter(|reason| reason.is_error()) {
                *reason = ReasonCode::UnspecifiedError;
            }
        }
        Packet::Unsubscribe(unsubscribe) => unsubscribe.user_properties.clear(),
        Packet::Unsuback(unsuback) => {
            unsuback.properties = None;
            unsuback.reasons.clear();
        }
        Packet::Disconnect(disconnect) => disconnect.properties = None,
        Packet::Pingreq | Packet::Pingresp | Packet::Auth(_) => {}
    }
    packet
}

/// A message forwarded from its parts arrives with the same content.
fn check_parts(publish: &Publish, frame: &Frame, version: Version) {
    let Ok(read) = PublishRef::decode(frame.as_frame(), version) else {
        panic!("the owned form was read");
    };
    let mut forwarded = Vec::new();
    read.properties.copy_forwarded(&mut forwarded);
    assert_eq!(forwarded.len(), read.properties.forwarded_len());
    let ids = publish
        .properties
        .as_deref()
        .map(|properties| &properties.subscription_identifiers);
    let parts = PublishParts {
        delivery: read.delivery,
        retain: read.retain,
        topic: read.topic,
        message_expiry_interval: read.properties.message_expiry_interval(),
        subscription_identifiers: ids.map_or(&[], |ids| ids),
        forwarded: &forwarded,
        payload: read.payload,
    };
    let mut wire = Vec::new();
    let len = parts.encode(version, &mut wire);
    assert_eq!(
        (len, parts.encoded_len(version)),
        (Ok(wire.len()), Ok(wire.len()))
    );
    assert_eq!(
        decode(whole_frame(&wire, version), version),
        Ok(Packet::Publish(publish.clone()))
    );
    let mut head = Vec::new();
    assert_eq!(
        parts.encode_head(version, &mut head),
        Ok(wire.len() - read.payload.len())
    );
    assert!(wire.starts_with(&head));
    head.clear();
    assert_eq!(
        publish.encode_head(version, &mut head).ok(),
        Some(head.len())
    );
}

fn damaged(data: &[u8], version: Version) -> Vec<u8> {
    let mut u = Unstructured::new(data);
    let mut wire = Vec::new();
    let Ok(packet) = Packet::arbitrary(&mut u) else {
        return wire;
    };
    if encode(&packet, version, &mut wire).is_err() {
        return wire;
    }
    while let (Ok(at), Ok(byte)) = (u.choose_index(wire.len()), u.arbitrary()) {
        if u.is_empty() {
            break;
        }
        wire[at] = byte;
    }
    wire
}

fn compare_forms(frame: Frame, options: DecodeOptions) {
    let read = decode(frame.clone(), options);
    let borrowed = decode_ref(frame.as_frame(), options);
    assert_eq!(read.as_ref().map(|_| ()), borrowed.as_ref().map(|_| ()));
    if frame.packet_type() == PacketType::Publish {
        compare_paths(frame.as_frame(), options);
    }
    let (Ok(packet), Ok(borrowed)) = (read, borrowed) else {
        return;
    };
    compare_content(&packet, borrowed, frame.body());
    let version = match &packet {
        Packet::Connect(connect) => connect.version,
        _ => options.version,
    };
    roundtrip_packet(&packet, version);
}

fn compare_paths(frame: FrameRef<'_>, options: DecodeOptions) {
    if frame
        .header()
        .check(options.version, options.leniency)
        .is_ok()
        && let Some(plain) = PublishRef::parse_plain(frame, options.version)
    {
        assert_eq!(
            PublishRef::parse_any(frame, &options, |_: Property<'_>| {}),
            Ok(plain)
        );
    }
}

fn gathered<S: PropertySet + Default>(
    properties: PropertiesRef<'_>,
    owner: &Bytes,
) -> Option<Box<S>> {
    let mut set = None;
    for property in properties {
        collect(&mut set, property, owner);
    }
    set
}

fn compare_content(packet: &Packet, borrowed: PacketRef<'_>, body: &Bytes) {
    match (packet, borrowed) {
        (Packet::Connect(a), PacketRef::Connect(b)) => {
            assert_eq!(b.client_identifier, &*a.client_identifier);
            assert_eq!(a.user_name.as_deref(), b.user_name.as_deref());
            assert_eq!(a.password.as_deref(), b.password);
            assert_eq!((a.version, a.clean_start), (b.version, b.clean_start));
            assert_eq!(a.keep_alive, b.keep_alive);
            assert_eq!(a.properties, gathered(b.properties, body));
            assert_eq!(a.will.is_some(), b.will.is_some());
            if let (Some(a), Some(b)) = (&a.will, b.will) {
                assert_eq!((a.topic.as_name(), &*a.payload), (b.topic, b.payload));
                assert_eq!((a.qos, a.retain), (b.qos, b.retain));
                assert_eq!(a.properties, gathered(b.properties, body));
            }
        }
        (Packet::Connack(a), PacketRef::Connack(b)) => {
            assert_eq!((a.session_present, a.reason), (b.session_present, b.reason));
            assert_eq!(a.properties, gathered(b.properties, body));
        }
        (Packet::Publish(a), PacketRef::Publish(b)) => {
            assert_eq!((a.topic.as_topic(), &*a.payload), (b.topic, b.payload));
            assert_eq!((a.delivery, a.retain), (b.delivery, b.retain));
            compare_publish_properties(a, &b);
        }
        (Packet::Puback(a), PacketRef::Puback(b))
        | (Packet::Pubrec(a), PacketRef::Pubrec(b))
        | (Packet::Pubrel(a), PacketRef::Pubrel(b))
        | (Packet::Pubcomp(a), PacketRef::Pubcomp(b)) => {
            assert_eq!(
                (a.packet_identifier, a.reason),
                (b.packet_identifier, b.reason)
            );
            assert_eq!(a.properties, gathered(b.properties, body));
        }
        (Packet::Subscribe(a), PacketRef::Subscribe(b)) => {
            assert_eq!(a.packet_identifier, b.packet_identifier);
            assert_eq!(a.properties, gathered(b.properties, body));
            let subscriptions = a
                .subscriptions
                .iter()
                .map(|s| (Text::of(&s.filter), s.options));
            assert!(subscriptions.eq(b.subscriptions()));
        }
        (Packet::Suback(a), PacketRef::Suback(b)) => {
            assert_eq!(a.packet_identifier, b.packet_identifier);
            assert_eq!(a.properties, gathered(b.properties, body));
            assert!(a.reasons.iter().copied().eq(b.reasons()));
        }
        (Packet::Unsubscribe(a), PacketRef::Unsubscribe(b)) => {
            assert_eq!(a.packet_identifier, b.packet_identifier);
            assert!(
                a.filters
                    .iter()
                    .map(|filter| Text::of(filter))
                    .eq(b.filters())
            );
        }
        (Packet::Unsuback(a), PacketRef::Unsuback(b)) => {
            assert_eq!(a.packet_identifier, b.packet_identifier);
            assert_eq!(a.properties, gathered(b.properties, body));
            assert!(a.reasons.iter().copied().eq(b.reasons()));
        }
        (Packet::Disconnect(a), PacketRef::Disconnect(b)) => {
            assert_eq!(a.reason, b.reason);
            assert_eq!(a.properties, gathered(b.properties, body));
        }
        (Packet::Auth(a), PacketRef::Auth(b)) => {
            assert_eq!(a.reason, b.reason);
            assert_eq!(b.authentication_method, &*a.authentication_method);
        }
        (Packet::Pingreq, PacketRef::Pingreq) | (Packet::Pingresp, PacketRef::Pingresp) => {}
        (packet, borrowed) => panic!("{packet:?} is not {borrowed:?}"),
    }
}

fn compare_publish_properties(a: &Publish, b: &PublishRef<'_>) {
    let expiry = a
        .properties
        .as_deref()
        .and_then(|properties| properties.message_expiry_interval);
    assert_eq!(expiry, b.properties.message_expiry_interval());
    let listed = b.properties.iter().count();
    let alias = usize::from(b.topic.alias().is_some());
    let mut own = 0;
    if let Some(properties) = a.properties.as_deref() {
        properties.each(|_: Property<'_>| own += 1);
    }
    assert_eq!(listed, own + alias);
    assert_eq!(
        matches!(b.topic, PublishTopicRef::Alias(_)),
        a.topic.name().is_none()
    );
    assert_eq!(
        a.delivery == Delivery::AtMostOnce,
        b.delivery.packet_identifier().is_none()
    );
}
