//! Packets as data, from two public test suites: what each says of its bytes holds here too, but for
//! the rows that `docs/codec-vectors.md` lists with the reason.

use bytes::{Bytes, BytesMut};
use mqtide_codec::{Ack, DecodeError, Framer, Packet, Version, decode, encode};
use serde_json::Value;

const SUITES: [&str; 2] = [
    include_str!("vectors/mochi.json"),
    include_str!("vectors/mqtt_packet.json"),
];

/// The rows where this crate and the suite differ, as the document lists them.
const EXCEPTIONS: &str = include_str!("../../../docs/codec-vectors.md");

fn rows() -> Vec<Value> {
    let suites = SUITES.iter();
    suites
        .flat_map(|suite| serde_json::from_str::<Vec<Value>>(suite).expect("JSON"))
        .collect()
}

fn name(row: &Value) -> &str {
    row["name"].as_str().expect("a name")
}

fn is_exception(row: &Value) -> bool {
    EXCEPTIONS.contains(&format!("| {} |", name(row)))
}

fn hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    let text = pairs.map(|pair| std::str::from_utf8(pair).expect("ASCII"));
    text.map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"))
        .collect()
}

fn version(row: &Value) -> Version {
    match row["version"].as_u64() {
        Some(3) => Version::V31,
        Some(5) => Version::V5,
        _ => Version::V311,
    }
}

/// Reads the packets of a row, mostly one, and gives the first. An incomplete one counts as none.
fn read(row: &Value) -> (Vec<u8>, Result<Option<Packet>, DecodeError>) {
    let framed = row["hex_framed"].as_str().or(row["hex"].as_str());
    let bytes = hex(framed.expect("bytes"));
    let result = read_all(&mut BytesMut::from(&bytes[..]), version(row));
    (bytes, result)
}

fn read_all(buffer: &mut BytesMut, version: Version) -> Result<Option<Packet>, DecodeError> {
    let (mut framer, mut first) = (Framer::new(version), None);
    while !buffer.is_empty() {
        let Some(frame) = framer.next_frame(buffer)? else {
            return Ok(None);
        };
        let packet = decode(frame, version)?;
        first.get_or_insert(packet);
    }
    Ok(first)
}

#[test]
fn what_is_valid_is_read_and_written_back() {
    let mut checked = 0;
    for row in rows()
        .iter()
        .filter(|row| row["expect"] == "valid" && !is_exception(row))
    {
        let (bytes, read) = read(row);
        let packet = read.unwrap_or_else(|error| panic!("{}: {error}", name(row)));
        let packet = packet.unwrap_or_else(|| panic!("{}: incomplete", name(row)));
        if !EXCEPTIONS.contains(&format!("| {} (fields) |", name(row))) {
            check_fields(row, &packet);
        }
        let version = match &packet {
            Packet::Connect(connect) => connect.version,
            _ => version(row),
        };
        let mut wire = Vec::new();
        encode(&packet, version, &mut wire)
            .unwrap_or_else(|error| panic!("{}: {error}", name(row)));
        if row["roundtrip"] == true {
            let is_other_form = EXCEPTIONS.contains(&format!("| {} (bytes) |", name(row)));
            assert_eq!(wire == bytes, !is_other_form, "{}: {wire:02X?}", name(row));
        }
        checked += 1;
    }
    assert!(checked > 130, "{checked}");
}

#[test]
fn what_is_not_valid_is_refused() {
    let mut checked = 0;
    let is_refused = |row: &&Value| row["expect"] == "malformed" || row["expect"] == "invalid";
    for row in rows()
        .iter()
        .filter(is_refused)
        .filter(|row| !is_exception(row))
    {
        let (_, read) = read(row);
        assert!(!matches!(read, Ok(Some(_))), "{}: {read:?}", name(row));
        checked += 1;
    }
    assert!(checked > 95, "{checked}");
}

/// No row may be listed in vain, and none that implementations may choose may panic.
#[test]
fn exceptions_are_exceptions() {
    for row in rows() {
        let (_, read) = read(&row);
        let agrees = match row["expect"].as_str() {
            Some("valid") => matches!(read, Ok(Some(_))),
            Some("choice") => continue,
            _ => !matches!(read, Ok(Some(_))),
        };
        assert_eq!(agrees, !is_exception(&row), "{}: {read:?}", name(&row));
    }
}

/// Compares the fields that a row states with those of the packet.
fn check_fields(row: &Value, packet: &Packet) {
    let fields = &row["fields"];
    let stated = |names: [&str; 2]| {
        let values = names.iter().map(|name| &fields[*name]);
        values.into_iter().find(|value| !value.is_null())
    };
    let is = |names, actual: Value| {
        if let Some(expected) = stated(names) {
            assert_eq!(expected, &actual, "{}: {names:?}", name(row));
        }
    };
    let ack = |ack: &Ack| {
        is(
            ["PacketID", "messageId"],
            ack.packet_identifier.as_u16().into(),
        );
        is(["ReasonCode", "reasonCode"], ack.reason.as_u8().into());
    };
    match packet {
        Packet::Connect(connect) => {
            let fields = if fields["Connect"].is_null() {
                fields
            } else {
                &fields["Connect"]
            };
            let stated = |names: [&str; 2]| {
                names
                    .iter()
                    .map(|name| fields[*name].clone())
                    .find(|v| !v.is_null())
            };
            if let Some(id) = stated(["ClientIdentifier", "clientId"]) {
                assert_eq!(id, *connect.client_identifier, "{}", name(row));
            }
            if let Some(seconds) = stated(["Keepalive", "keepalive"]) {
                assert_eq!(seconds, connect.keep_alive, "{}", name(row));
            }
            if let Some(is_clean) = stated(["Clean", "clean"]) {
                assert_eq!(is_clean, connect.clean_start, "{}", name(row));
            }
        }
        Packet::Connack(connack) => {
            is(
                ["SessionPresent", "sessionPresent"],
                connack.session_present.into(),
            );
            if version(row) == Version::V5 {
                is(["ReasonCode", "reasonCode"], connack.reason.as_u8().into());
            } else {
                is(
                    ["ReasonCode", "returnCode"],
                    connack.reason.to_return_code().into(),
                );
            }
        }
        Packet::Publish(publish) => {
            let topic = publish.topic.name().map_or("", |name| name.as_str());
            is(["TopicName", "topic"], topic.into());
            let id = publish.packet_identifier().map(|id| id.as_u16());
            is(["PacketID", "messageId"], id.into());
            if let Some(payload) = fields["Payload"].as_str() {
                assert_eq!(
                    publish.payload,
                    Bytes::from(payload.to_owned()),
                    "{}",
                    name(row)
                );
            }
            if let Some(payload) = fields["payload"]["hex"].as_str() {
                assert_eq!(publish.payload, hex(payload), "{}", name(row));
            }
        }
        Packet::Puback(packet) | Packet::Pubrec(packet) => ack(packet),
        Packet::Pubrel(packet) | Packet::Pubcomp(packet) => ack(packet),
        Packet::Subscribe(subscribe) => {
            is(
                ["PacketID", "messageId"],
                subscribe.packet_identifier.as_u16().into(),
            );
            let entries = stated(["Filters", "subscriptions"]).and_then(Value::as_array);
            let entries = entries.expect("filters are stated");
            assert_eq!(
                entries.len(),
                subscribe.subscriptions.len(),
                "{}",
                name(row)
            );
            for (entry, subscription) in entries.iter().zip(&subscribe.subscriptions) {
                let filter = entry["Filter"].as_str().or(entry["topic"].as_str());
                assert_eq!(filter, Some(&*subscription.filter), "{}", name(row));
                let qos = entry["Qos"].as_u64().or(entry["qos"].as_u64()).unwrap_or(0);
                let maximum_qos = subscription.options.maximum_qos.bits();
                assert_eq!(qos, u64::from(maximum_qos), "{}", name(row));
            }
        }
        Packet::Unsubscribe(unsubscribe) => {
            is(
                ["PacketID", "messageId"],
                unsubscribe.packet_identifier.as_u16().into(),
            );
        }
        Packet::Suback(suback) => {
            is(
                ["PacketID", "messageId"],
                suback.packet_identifier.as_u16().into(),
            );
        }
        Packet::Unsuback(unsuback) => {
            is(
                ["PacketID", "messageId"],
                unsuback.packet_identifier.as_u16().into(),
            );
        }
        Packet::Disconnect(disconnect) => {
            is(
                ["ReasonCode", "reasonCode"],
                disconnect.reason.as_u8().into(),
            );
        }
        Packet::Auth(auth) => is(["ReasonCode", "reasonCode"], auth.reason.as_u8().into()),
        Packet::Pingreq | Packet::Pingresp => {}
    }
}
