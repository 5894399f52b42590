//! The cases that are a single packet.

use super::Version;
use super::wire::Body;

/// Every single packet of a version, with its name.
pub(super) fn all(version: Version) -> Vec<(&'static str, Vec<u8>)> {
    let mut packets = vec![
        ("publish q0 16B", publish(version, 0, 16, Body::default())),
        ("publish q0 256B", publish(version, 0, 256, Body::default())),
        (
            "publish q0 16KiB",
            publish(version, 0, 16_384, Body::default()),
        ),
        ("publish q1 16B", publish(version, 1, 16, Body::default())),
        ("publish q1 256B", publish(version, 1, 256, Body::default())),
        (
            "publish q1 16KiB",
            publish(version, 1, 16_384, Body::default()),
        ),
        ("puback", Body::default().u16(7).packet(0x40)),
        ("subscribe 10", subscribe(version)),
        ("connect", connect(version, Body::default())),
    ];
    if version == Version::V5 {
        packets.extend([
            (
                "publish q0 16B props",
                publish(version, 0, 16, publish_properties()),
            ),
            (
                "publish q0 256B props",
                publish(version, 0, 256, publish_properties()),
            ),
            (
                "publish q0 16KiB props",
                publish(version, 0, 16_384, publish_properties()),
            ),
            (
                "publish q1 16B props",
                publish(version, 1, 16, publish_properties()),
            ),
            (
                "publish q1 256B props",
                publish(version, 1, 256, publish_properties()),
            ),
            (
                "publish q1 16KiB props",
                publish(version, 1, 16_384, publish_properties()),
            ),
            ("connect props", connect(version, connect_properties())),
        ]);
    }
    packets
}

fn publish(version: Version, qos: u8, payload: usize, properties: Body) -> Vec<u8> {
    let mut body = Body::default().field("site/berlin/line-07/press-3/temperature");
    if qos > 0 {
        body = body.u16(7);
    }
    body.properties(version, properties)
        .raw(&vec![b'x'; payload])
        .packet(0x30 | qos << 1)
}

/// Six properties in 100 bytes.
fn publish_properties() -> Body {
    Body::default()
        .u8(0x02)
        .u32(3600)
        .u8(0x08)
        .field("site/berlin/replies/0042")
        .u8(0x09)
        .field(b"\x00\x01\x02\x03\x04\x05\x06\x07")
        .u8(0x26)
        .field("unit")
        .field("celsius")
        .u8(0x26)
        .field("sensor")
        .field("pt100-lower")
        .u8(0x03)
        .field("application/json")
}

fn subscribe(version: Version) -> Vec<u8> {
    let body = Body::default().u16(7).properties(version, Body::default());
    FILTERS
        .iter()
        .fold(body, |body, filter| body.field(filter).u8(1))
        .packet(0x82)
}

fn connect(version: Version, properties: Body) -> Vec<u8> {
    let level = match version {
        Version::V311 => 4,
        Version::V5 => 5,
    };
    // User Name, Password, Will Retain, Will QoS 1, Will Flag, Clean Start.
    let flags = 0b1110_1110;
    Body::default()
        .field("MQTT")
        .u8(level)
        .u8(flags)
        .u16(60)
        .properties(version, properties)
        .field("press-3-line-07-berlin")
        .properties(version, Body::default())
        .field("site/berlin/line-07/press-3/status")
        .field("offline")
        .field("press-3")
        .field("a-long-passw0rd-42")
        .packet(0x10)
}

/// Session Expiry Interval, Receive Maximum, Topic Alias Maximum.
fn connect_properties() -> Body {
    Body::default()
        .u8(0x11)
        .u32(3600)
        .u8(0x21)
        .u16(100)
        .u8(0x22)
        .u16(10)
}

const FILTERS: [&str; 10] = [
    "site/berlin/line-07/#",
    "site/berlin/line-07/press-3/status",
    "site/+/line-07/+/temperature",
    "$SYS/broker/load",
    "site/berlin/+/alarms",
    "commands/press-3/+",
    "config/line-07/#",
    "site/berlin/line-07/press-3/temperature",
    "site/munich/line-02/press-1/pressure",
    "firmware/press/+/available",
];
