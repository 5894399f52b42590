//! Names, filters and subscriptions of any bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| mqtide_topic::fuzzing::topic_parse(data));
