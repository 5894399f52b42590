//! A server session fed by arbitrary packets and times.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| mqtide_session::fuzzing::server_session(data));
