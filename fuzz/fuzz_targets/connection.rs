//! Any bytes into connections of a broker, beside a healthy client that must notice nothing.

#![no_main]

use libfuzzer_sys::fuzz_target;

/// Counts what is in use, to hold the broker to its bounds.
#[global_allocator]
static HEAP: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

fuzz_target!(|data: &[u8]| mqtide_fuzz::connection(data));
