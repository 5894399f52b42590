//! A stream of bytes, cut at random, decodes as if it had come at once.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| mqtide_codec::fuzzing::decode_stream(data));
