//! A client and a server under an arbitrary schedule.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| mqtide_session::fuzzing::session_pair(data));
