//! Churn against a broker that runs: `soak HOST:PORT [SECONDS] [PROCESS] [SEED]`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use mqtide_testkit::soak::{Outcome, Soak, soak};

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program that speaks to its user"
)]
fn main() -> ExitCode {
    match run() {
        Ok(outcome) => {
            println!("{outcome:#?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Outcome, String> {
    let mut arguments = std::env::args().skip(1);
    let broker: SocketAddr = arguments
        .next()
        .and_then(|text| text.parse().ok())
        .ok_or("usage: soak HOST:PORT [SECONDS] [PROCESS] [SEED]")?;
    let mut number = |or: Option<u64>| match arguments.next() {
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| format!("not a number: {text}")),
        None => Ok(or),
    };
    let seconds = number(Some(120))?.unwrap_or_default();
    let process = number(None)?.and_then(|process| u32::try_from(process).ok());
    let seed = number(None)?.unwrap_or_else(rand::random);
    let plan = Soak {
        duration: Duration::from_secs(seconds),
        process,
        seed,
    };
    soak(broker, &plan).map_err(|error| format!("seed {seed}: {error}"))
}
