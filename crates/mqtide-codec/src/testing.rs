//! What the unit tests share.

use alloc::vec::Vec;
use bytes::BytesMut;

use crate::{
    DecodeError, DecodeErrorKind, DecodeOptions, Field, Frame, Framer, Packet, PacketRef,
    ReasonCode, Version, decode, decode_ref, encode, encoded_len,
};

/// All versions, oldest first.
pub(crate) const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// Bytes from hexadecimal digits; blanks are ignored.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The first frame of these bytes, which hold a whole one.
pub(crate) fn frame(bytes: &[u8], version: Version) -> Result<Frame, DecodeError> {
    let mut buffer = BytesMut::from(bytes);
    let frame = Framer::new(version)
        .next_frame(&mut buffer)?
        .expect("a whole packet");
    assert!(buffer.is_empty(), "the packet ends early");
    Ok(frame)
}

/// Frames and decodes one packet, in both forms, which must agree.
pub(crate) fn read(digits: &str, options: impl Into<DecodeOptions>) -> Result<Packet, DecodeError> {
    let options = options.into();
    let frame = frame(&hex(digits), options.version)?;
    let borrowed = decode_ref(frame.as_frame(), options).map(|_| ());
    let owned = decode(frame.clone(), options);
    assert_eq!(borrowed, owned.as_ref().map(|_| ()).map_err(|error| *error));
    assert_eq!(read_in_one_step(digits, options), owned);
    owned
}

/// Framing and decoding in one step, which has a way of its own for packets that are frequent.
fn read_in_one_step(digits: &str, options: DecodeOptions) -> Result<Packet, DecodeError> {
    let mut framer = Framer::new(options.version);
    let bytes = hex(digits);
    let borrowed = framer.clone().next_packet_ref(&bytes, options);
    let owned = framer.next_packet(&mut BytesMut::from(&bytes[..]), options);
    assert_eq!(
        borrowed.map(|_| ()),
        owned.as_ref().map(|_| ()).map_err(|error| *error)
    );
    owned.map(|packet| packet.expect(digits))
}

/// The borrowed form of a packet, for the length of a closure.
pub(crate) fn read_ref<T>(
    digits: &str,
    options: impl Into<DecodeOptions>,
    look: impl FnOnce(PacketRef<'_>) -> T,
) -> T {
    let options = options.into();
    let frame = frame(&hex(digits), options.version).unwrap();
    look(decode_ref(frame.as_frame(), options).unwrap())
}

/// Asserts that the bytes decode to the packet, and the packet encodes to the bytes.
pub(crate) fn golden(digits: &str, version: Version, packet: impl Into<Packet>) {
    let packet = packet.into();
    assert_eq!(read(digits, version).as_ref(), Ok(&packet));
    assert_eq!(write(&packet, version), hex(digits));
}

/// Asserts that the bytes decode to the packet, which has another, shorter form.
pub(crate) fn reads_as(digits: &str, version: Version, packet: impl Into<Packet>) {
    assert_eq!(read(digits, version), Ok(packet.into()));
}

/// Encodes a packet, and checks its length.
pub(crate) fn write(packet: &Packet, version: Version) -> Vec<u8> {
    let mut wire = Vec::new();
    let len = encode(packet, version, &mut wire).unwrap();
    assert_eq!(len, wire.len());
    assert_eq!(encoded_len(packet, version), Ok(len));
    wire
}

/// Asserts that the bytes are refused for this fault, with this reason, in this field.
pub(crate) fn refused(
    digits: &str,
    options: impl Into<DecodeOptions>,
    kind: DecodeErrorKind,
    reason: u8,
    field: Field,
) {
    let error = read(digits, options).expect_err(digits);
    assert_eq!(
        (error.kind(), error.field()),
        (kind, field),
        "{digits}: {error}"
    );
    assert_eq!(
        Some(error.reason()),
        ReasonCode::from_u8(reason),
        "{digits}"
    );
    assert!(error.offset() <= hex(digits).len(), "{digits}: {error}");
}
