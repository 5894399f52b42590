//! Tests of framing.

use super::*;
use crate::testing::{VERSIONS, hex, refused};
use crate::{DecodeOptions, Sender, decode, decode_connect};

fn first(digits: &str, mut framer: Framer) -> Result<Option<FrameHeader>, DecodeError> {
    let bytes = hex(digits);
    Ok(framer
        .next_frame_ref(&bytes)?
        .map(|(frame, _)| frame.header()))
}

fn kind(digits: &str, framer: Framer) -> Option<DecodeErrorKind> {
    first(digits, framer).err().map(|error| error.kind())
}

/// MQTT-2.1.3-1, MQTT-3.6.1-1, MQTT-3.8.1-1, MQTT-3.10.1-1, MQTT-3.14.1-1, MQTT-3.15.1-1,
/// v3.1.1 MQTT-2.2.2-1, v3.1.1 MQTT-2.2.2-2, v3.1.1 MQTT-3.6.1-1
#[test]
fn flags_are_judged_at_the_first_byte() {
    for byte in (0x10..=0xFF).filter(|byte| byte >> 4 != 3) {
        let digits = std::format!("{byte:02x}");
        let packet = PacketType::from_u8(byte >> 4).unwrap();
        let is_right = byte & 0x0F == packet.flags();
        assert_eq!(
            first(&digits, Framer::new(Version::V5)).is_ok(),
            is_right,
            "{digits}"
        );
        let is_v311 = is_right && packet != PacketType::Auth;
        assert_eq!(
            first(&digits, Framer::new(Version::V311)).is_ok(),
            is_v311,
            "{digits}"
        );
        // MQTT 3.1 does not use the flags of packets other than PUBLISH.
        let is_v31 = packet != PacketType::Auth;
        assert_eq!(
            first(&digits, Framer::new(Version::V31)).is_ok(),
            is_v31,
            "{digits}"
        );
    }
}

#[test]
fn type_0_is_reserved() {
    for version in VERSIONS {
        let expected = Some(DecodeErrorKind::ReservedPacketType);
        assert_eq!(kind("00", Framer::new(version)), expected);
    }
    let expected = Some(DecodeErrorKind::ReservedPacketType);
    assert_eq!(kind("0F 00", Framer::unknown_version()), expected);
}

/// MQTT-1.5.5-1
#[test]
fn lengths() {
    for (digits, value) in [
        ("C0 00", 0),
        ("30 7F", 127),
        ("30 80 01", 128),
        ("30 FF 7F", 16_383),
        ("30 80 80 01", 16_384),
        ("30 FF FF 7F", 2_097_151),
        ("30 80 80 80 01", 2_097_152),
        ("30 FF FF FF 7F", 268_435_455),
    ] {
        let mut framer = Framer::new(Version::V5);
        let bytes = hex(digits);
        let frame = framer.next_frame_ref(&bytes).unwrap();
        assert_eq!(frame.is_some(), value == 0, "{digits}");
        if value > 0 {
            assert_eq!(framer.needed(), value, "{digits}");
        }
    }
}

/// MQTT-1.5.5-1
#[test]
fn a_fifth_byte_is_not_waited_for() {
    for version in VERSIONS {
        let expected = Some(DecodeErrorKind::VariableByteIntegerTooLong);
        assert_eq!(kind("30 FF FF FF 80", Framer::new(version)), expected);
        assert_eq!(kind("30 FF FF FF", Framer::new(version)), None);
    }
}

/// MQTT-1.5.5-1. MQTT 3.1 and 3.1.1 do not forbid longer forms.
#[test]
fn longer_forms_are_refused_in_mqtt_5() {
    for digits in ["C0 80 00", "C0 80 80 00", "C0 80 80 80 00"] {
        let expected = Some(DecodeErrorKind::VariableByteIntegerNotShortest);
        assert_eq!(kind(digits, Framer::new(Version::V5)), expected);
        for version in [Version::V31, Version::V311] {
            assert_eq!(kind(digits, Framer::new(version)), None);
        }
        let mut framer = Framer::new(Version::V5);
        let leniency = Leniency {
            long_remaining_length: true,
            ..Leniency::NONE
        };
        framer.set_leniency(leniency);
        assert_eq!(kind(digits, framer), None);
    }
}

#[test]
fn a_connect_is_judged_when_its_version_is_known() {
    let read = |digits: &str| {
        let mut bytes = Bytes::from(hex(digits));
        let frame = Framer::unknown_version()
            .next_frame_of(&mut bytes)?
            .unwrap();
        decode_connect(&frame, Leniency::NONE)
    };
    let v311 = "8D 00 0004 4D515454 04 02 003C 0001 61";
    assert!(read(&["10", v311].concat()).is_ok());
    let v5 = "8E 00 0004 4D515454 05 02 003C 00 0001 61";
    let error = read(&["10", v5].concat()).unwrap_err();
    assert_eq!(
        error.kind(),
        DecodeErrorKind::VariableByteIntegerNotShortest
    );
    let error = read("11 0D 0004 4D515454 04 02 003C 0001 61").unwrap_err();
    assert_eq!(error.kind(), DecodeErrorKind::InvalidHeaderFlags);
    assert!(read("1F 0F 0006 4D5149736470 03 02 003C 0001 61").is_ok());
    assert_eq!(
        read("C0 00").unwrap_err().kind(),
        DecodeErrorKind::WrongSender
    );
}

#[test]
fn the_size_limit_acts_before_the_packet_arrives() {
    let mut framer = Framer::new(Version::V5);
    framer.set_max_packet_size(100);
    assert_eq!(kind("30 62", framer.clone()), None);
    let error = first("30 63", framer).unwrap_err();
    assert_eq!(
        (error.kind(), error.reason().as_u8()),
        (DecodeErrorKind::PacketTooLarge, 0x95)
    );
    assert_eq!(error.class(), crate::ErrorClass::TooLarge);
    assert_eq!(first("30 FF FF FF 7F", Framer::new(Version::V5)), Ok(None));
}

#[test]
fn an_incomplete_packet_stays_in_the_buffer() {
    let mut framer = Framer::new(Version::V311);
    let mut buffer = BytesMut::new();
    assert_eq!(
        (framer.next_frame(&mut buffer), framer.needed()),
        (Ok(None), 2)
    );
    let packet = hex("30 07 00 03 61 2F 62 68 69");
    for (at, byte) in packet.iter().enumerate() {
        assert_eq!(framer.next_frame(&mut buffer), Ok(None));
        if at >= 2 {
            assert_eq!(framer.needed(), packet.len() - at);
        }
        buffer.extend_from_slice(&[*byte]);
    }
    let frame = framer.next_frame(&mut buffer).unwrap().unwrap();
    assert_eq!((frame.header().packet_len(), buffer.len()), (9, 0));
}

#[test]
fn pings_are_empty() {
    for version in VERSIONS {
        crate::testing::golden("C0 00", version, crate::Packet::Pingreq);
        crate::testing::golden("D0 00", version, crate::Packet::Pingresp);
        for digits in ["C0 01 00", "D0 01 00"] {
            let kind = DecodeErrorKind::TrailingBytes;
            refused(digits, version, kind, 0x81, Field::Packet);
        }
    }
}

#[test]
fn packets_travel_in_one_direction() {
    let wrong = |digits, sender| {
        let options = DecodeOptions::new(Version::V5).from_sender(sender);
        refused(
            digits,
            options,
            DecodeErrorKind::WrongSender,
            0x82,
            Field::FixedHeader,
        );
    };
    for digits in [
        "82 07 00 0A 00 00 01 61 00",
        "A2 06 00 0B 00 00 01 61",
        "C0 00",
    ] {
        wrong(digits, Sender::Server);
    }
    for digits in [
        "20 03 00 00 00",
        "90 04 00 0A 00 00",
        "B0 04 00 0B 00 00",
        "D0 00",
    ] {
        wrong(digits, Sender::Client);
    }
    let mut bytes = Bytes::from(hex("C0 00"));
    let frame = Framer::new(Version::V5)
        .next_frame_of(&mut bytes)
        .unwrap()
        .unwrap();
    let options = DecodeOptions::new(Version::V5).from_sender(Sender::Client);
    assert_eq!(decode(frame, options), Ok(crate::Packet::Pingreq));
}
