//! What is written is read back.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| mqtide_codec::fuzzing::roundtrip(data));
