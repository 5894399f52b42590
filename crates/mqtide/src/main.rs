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

/// Many connections are many small allocations. Of the allocators at hand this one keeps the process
/// smallest while they are there, and gives their memory back within seconds when they have gone.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    cli::run()
}
