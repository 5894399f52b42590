//! What the checks are made of.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use mqtide_codec::{PacketIdentifier, QoS, Will, WillProperties};
use mqtide_session::DeliveryKey;
use mqtide_topic::{SubscriptionFilter, TopicName};

use super::super::{
    Change, MessageBody, MessageNumber, QueueEntry, Record, RetainedRecord, SessionNumber,
    SessionRecord, Subscription, WillRecord,
};

/// Records as text, sorted: their order is not compared.
pub(super) fn lines(records: &[Record]) -> Vec<String> {
    let mut lines: Vec<_> = records.iter().map(line).collect();
    lines.sort_unstable();
    lines
}

pub(super) fn line(record: &Record) -> String {
    match record {
        Record::Message { number, body } => {
            let packet = body.encode();
            let (length, sum) = packet.as_deref().map_or((0, 0), |packet| {
                let sum = packet.iter().fold(0u64, |sum, byte| {
                    sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
                });
                (packet.len(), sum)
            });
            format!(
                "message {number:?}: {length} bytes, {sum:X}, until {:?}",
                body.expires_at()
            )
        }
        other => format!("{other:?}"),
    }
}

pub(super) fn body(number: u64) -> MessageBody {
    let payload = number.to_string();
    let mut packet = vec![
        0x30,
        0x04 + u8::try_from(payload.len()).unwrap_or(0),
        0x00,
        0x01,
        b'a',
        0x00,
    ];
    packet.extend_from_slice(payload.as_bytes());
    MessageBody::from_encoded(
        Bytes::from(packet),
        (number.is_multiple_of(2)).then(|| at(number)),
    )
}

/// A time in whole milliseconds, which is as exact as a store needs to be.
pub(super) fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_000 + millis)
}

pub(super) fn session(number: u64, client_id: &str) -> Change {
    Change::Session {
        session: SessionNumber(number),
        record: Box::new(SessionRecord::new(client_id)),
    }
}

pub(super) fn will() -> WillRecord {
    let mut will = Will::new(topic("will"), "gone");
    (will.qos, will.retain) = (QoS::AtLeastOnce, true);
    will.properties = Some(Box::new(WillProperties {
        will_delay_interval: Some(60),
        content_type: Some("text".into()),
        ..WillProperties::default()
    }));
    let mut record = WillRecord::new(will);
    record.due_at = Some(at(3));
    record
}

pub(super) fn subscribe(session: u64, subscription: Subscription) -> Change {
    Change::Subscribe {
        session: SessionNumber(session),
        subscription: Box::new(subscription),
    }
}

pub(super) fn end(session: u64) -> Change {
    Change::EndSession {
        session: SessionNumber(session),
    }
}

pub(super) fn entry(key: u64, message: u64) -> QueueEntry {
    QueueEntry::new(DeliveryKey(key), MessageNumber(message), QoS::ExactlyOnce)
}

pub(super) fn enqueue(session: u64, key: u64, message: u64) -> Change {
    Change::Enqueue {
        session: SessionNumber(session),
        entry: entry(key, message),
    }
}

pub(super) fn assign(session: u64, key: u64, id: u16) -> Change {
    Change::Assign {
        session: SessionNumber(session),
        key: DeliveryKey(key),
        packet_identifier: identifier(id),
    }
}

pub(super) fn release(session: u64, key: u64, order: u64) -> Change {
    Change::Release {
        session: SessionNumber(session),
        key: DeliveryKey(key),
        order,
    }
}

pub(super) fn remove(session: u64, key: u64) -> Change {
    Change::Remove {
        session: SessionNumber(session),
        key: DeliveryKey(key),
    }
}

pub(super) fn hold(session: u64, id: u16) -> Change {
    Change::Hold {
        session: SessionNumber(session),
        packet_identifier: identifier(id),
    }
}

pub(super) fn forget(session: u64, id: u16) -> Change {
    Change::Forget {
        session: SessionNumber(session),
        packet_identifier: identifier(id),
    }
}

pub(super) fn retain(name: &'static str, message: u64) -> Change {
    Change::Retain {
        record: Box::new(RetainedRecord::new(
            topic(name),
            MessageNumber(message),
            QoS::AtLeastOnce,
        )),
    }
}

pub(super) fn identifier(id: u16) -> PacketIdentifier {
    PacketIdentifier::new(id).unwrap_or_else(|| panic!("an identifier is not 0"))
}

pub(super) fn topic(name: &'static str) -> TopicName {
    TopicName::from_static(name)
}

pub(super) fn filter(text: &str) -> SubscriptionFilter {
    SubscriptionFilter::try_from(text).unwrap_or_else(|error| panic!("{error}"))
}
