//! Promises for all inputs: what the fuzz targets check, here on random bytes at every test run.

use mqtide_codec::fuzzing;
use proptest::collection::vec;
use proptest::prelude::*;

/// A stream of plausible packets: types and lengths that fit, contents at random.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let packet = (0u8..=255, vec(any::<u8>(), 0..40)).prop_map(|(first, body)| {
        let len = u8::try_from(body.len()).expect("short");
        [vec![first, len], body].concat()
    });
    let settings = any::<[u8; 2]>();
    (settings, vec(packet, 0..6))
        .prop_map(|(settings, packets)| [settings.to_vec(), packets.concat()].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn packets_are_read_back_as_they_were_written(data in vec(any::<u8>(), 0..800)) {
        fuzzing::roundtrip(&data);
    }

    #[test]
    fn random_bytes_decode_alike_in_all_forms(data in vec(any::<u8>(), 0..120)) {
        fuzzing::decode_differential(&data);
    }

    #[test]
    fn damaged_packets_decode_alike_in_all_forms(
        settings in 0x80u8..=0xFF,
        data in vec(any::<u8>(), 0..400),
    ) {
        fuzzing::decode_differential(&[vec![settings], data].concat());
    }

    #[test]
    fn streams_decode_alike_however_they_are_cut(data in stream()) {
        fuzzing::decode_stream(&data);
    }
}
