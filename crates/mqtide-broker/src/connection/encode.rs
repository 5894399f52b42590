//! From what a session wants to send to bytes.

use mqtide_codec::{
    Ack, EncodeError, Packet, PacketType, PublishParts, PublishTopicRef, Version, encode,
};
use mqtide_session::{AckKind, Acknowledgement, AliasUse, Outgoing, OutgoingPublish};
use mqtide_topic::TopicNameRef;

use super::output::{CHAIN_FROM, Output};
use crate::publication::Publication;
use crate::stats::{Count, Tally};

/// Appends a packet.
///
/// The session has checked size and version, so encoding cannot fail; if it does, the packet is left out and
/// the mistake is logged.
pub(crate) fn put_packet(
    packet: Outgoing<Publication>,
    version: Version,
    output: &mut Output,
    tally: &mut Tally,
) {
    let result = match packet {
        Outgoing::Publish(publish) => put_publish(&publish, version, output, tally),
        Outgoing::Ack(ack) => put_ack(ack, version, output),
        Outgoing::Pingreq => encode(&Packet::Pingreq, version, output.bytes()).map(drop),
        Outgoing::Pingresp => encode(&Packet::Pingresp, version, output.bytes()).map(drop),
        Outgoing::Packet(packet) => encode(&packet, version, output.bytes()).map(drop),
    };
    match result {
        Ok(()) => tally.add(Count::PacketsSent, 1),
        Err(error) => tracing::error!(%error, "a packet could not be encoded"),
    }
}

fn put_publish(
    publish: &OutgoingPublish<Publication>,
    version: Version,
    output: &mut Output,
    tally: &mut Tally,
) -> Result<(), EncodeError> {
    let message = &publish.message;
    // What was a topic name when it came in still is one.
    let Ok(name) = TopicNameRef::try_from(message.topic_bytes()) else {
        return Ok(());
    };
    let parts = PublishParts {
        delivery: publish.delivery,
        retain: publish.retain,
        topic: match publish.alias {
            AliasUse::None => PublishTopicRef::Named { name, alias: None },
            AliasUse::Define(alias) => PublishTopicRef::Named {
                name,
                alias: Some(alias),
            },
            AliasUse::Known(alias) => PublishTopicRef::Alias(alias),
        },
        message_expiry_interval: publish.message_expiry_interval,
        subscription_identifiers: publish.subscription_identifiers.as_slice(),
        forwarded: message.properties(),
        payload: message.payload(),
    };
    let len = match message.shared_payload() {
        Some(payload) if payload.len() >= CHAIN_FROM => {
            let head = parts.encode_head(version, output.bytes())?;
            output.chain(payload.clone());
            head + payload.len()
        }
        _ => parts.encode(version, output.bytes())?,
    };
    tally.add(Count::PublishesSent, 1);
    tally.add(Count::PublishBytesSent, len);
    Ok(())
}

fn put_ack(ack: Acknowledgement, version: Version, output: &mut Output) -> Result<(), EncodeError> {
    let packet_type = match ack.kind {
        AckKind::Puback => PacketType::Puback,
        AckKind::Pubrec => PacketType::Pubrec,
        AckKind::Pubrel => PacketType::Pubrel,
        AckKind::Pubcomp => PacketType::Pubcomp,
    };
    Ack::with_reason(ack.packet_identifier, ack.reason)
        .encode(packet_type, version, output.bytes())
        .map(drop)
}
