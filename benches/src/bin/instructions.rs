//! Counts instructions per packet with callgrind and prints a table: `instructions [--all] [PATTERN]`.
//!
//! Needs `valgrind`, and the program `count` built beside this one. Counts do not depend on what
//! else the machine does.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use mqtide_benches::codec::Contender;
use mqtide_benches::report;
use mqtide_benches::selection::Line;

fn main() -> ExitCode {
    let Some(count) = program_beside_this() else {
        eprintln!("build the program `count` first");
        return ExitCode::FAILURE;
    };
    report::run("instructions per packet", |line| counts(line, &count));
    ExitCode::SUCCESS
}

fn program_beside_this() -> Option<PathBuf> {
    let count = std::env::current_exe().ok()?.with_file_name("count");
    count.exists().then_some(count)
}

/// Instructions per packet of every codec that can do the line.
fn counts<'a>(line: &'a Line, count: &Path) -> Vec<(&'a Contender, f64)> {
    line.contenders
        .iter()
        .filter_map(|codec| Some((codec, instructions(count, codec.name, &line.name())?)))
        .collect()
}

fn instructions(count: &Path, codec: &str, case: &str) -> Option<f64> {
    let output = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--callgrind-out-file=/dev/null",
            "--toggle-collect=*::measured",
        ])
        .arg(count)
        .args([codec, case, "2"])
        .output()
        .expect("valgrind can be started");
    output
        .status
        .success()
        .then(|| (collected(&output) / packets(&output)) as f64)
}

/// What `count` says on its standard output.
fn packets(output: &Output) -> u64 {
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .expect("count prints how many packets it handled")
}

/// What callgrind says on its standard error: `==1== Collected : 123`.
fn collected(output: &Output) -> u64 {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().find_map(|line| line.split_once("Collected :"));
    let (_, number) = line.expect("callgrind prints what it collected");
    number.trim().parse().expect("callgrind prints a number")
}
