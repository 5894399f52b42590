//! The MQTT broker, publisher and subscriber in one program.
//!
//! `mqtide broker` serves, `mqtide pub` and `mqtide sub` are clients. No protocol logic lives here: the
//! program turns flags, files and the environment into options of the libraries and tells what came of it.

mod cli;
mod cmd;
mod config;
mod failure;
mod logging;
mod output;
mod runtime;

use std::process::ExitCode;

/// Chosen for the many small allocations of many connections.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::run()
}
