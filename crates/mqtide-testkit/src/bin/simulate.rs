//! Replays one schedule of the simulator, or runs many: `simulate --seed N`, which tells everything
//! that happens, or `simulate --seconds S [--seed FIRST]`, which counts.

use std::process::ExitCode;
use std::time::Duration;

use mqtide_testkit::simulator::{self, Failure};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match (
        number(&arguments, "--seed"),
        number(&arguments, "--seconds"),
    ) {
        (seed, Some(seconds)) => run(seed.unwrap_or(0), Duration::from_secs(seconds)),
        (Some(seed), None) => show(seed),
        (None, None) => {
            say("usage: simulate --seed N | simulate --seconds S [--seed FIRST]");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            say(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

fn number(arguments: &[String], name: &str) -> Option<u64> {
    let at = arguments.iter().position(|argument| argument == name)?;
    arguments.get(at + 1)?.parse().ok()
}

fn run(seed: u64, time: Duration) -> Result<(), Failure> {
    let tally = simulator::run_for(seed, time);
    say(&format!(
        "{} schedules from seed {seed} in {time:?}",
        tally.passed
    ));
    tally.failure.map_or(Ok(()), Err)
}

fn show(seed: u64) -> Result<(), Failure> {
    let (trace, outcome) = simulator::replay(seed);
    trace.iter().for_each(|line| say(line));
    outcome
}

#[expect(clippy::print_stdout, reason = "a program that speaks to its user")]
fn say(what: &str) {
    println!("{what}");
}
