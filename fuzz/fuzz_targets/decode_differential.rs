//! The fast path equals the general one, the borrowed form the owned one.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| mqtide_codec::fuzzing::decode_differential(data));
