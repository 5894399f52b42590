//! Both indexes against trying every filter and every name.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| mqtide_topic::fuzzing::topic_index(data));
