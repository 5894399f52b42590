//! Counts instructions per packet with callgrind and prints a table: `instructions [PATTERN]`.
//!
//! Needs `valgrind`, and the program `count` built beside this one. Counts do not depend on what
//! else the machine does.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use mqtide_benches::codec::Contender;
use mqtide_benches::selection::{Line, lines};

fn main() -> ExitCode {
    let pattern = std::env::args().nth(1).unwrap_or_default();
    let Some(count) = program_beside_this() else {
        eprintln!("build the program `count` first");
        return ExitCode::FAILURE;
    };
    println!("| case | codec | instructions per packet | against the fewest of the peers |");
    println!("|---|---|---|---|");
    for line in lines(&pattern) {
        print(&line, &counts(&line, &count));
    }
    ExitCode::SUCCESS
}

fn program_beside_this() -> Option<PathBuf> {
    let count = std::env::current_exe().ok()?.with_file_name("count");
    count.exists().then_some(count)
}

/// Instructions per packet of every codec that can do the line.
fn counts<'a>(line: &'a Line, count: &Path) -> Vec<(&'a Contender, u64)> {
    line.contenders
        .iter()
        .filter_map(|codec| Some((codec, instructions(count, codec.name, &line.name())?)))
        .collect()
}

fn instructions(count: &Path, codec: &str, case: &str) -> Option<u64> {
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
        .then(|| collected(&output) / packets(&output))
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

fn print(line: &Line, counts: &[(&Contender, u64)]) {
    let peers = counts.iter().filter(|(codec, _)| !codec.is_ours());
    let fewest = peers.map(|(_, count)| *count).min();
    for (codec, count) in counts {
        let ratio = fewest.map_or("-".to_owned(), |fewest| {
            format!("{:.2}", *count as f64 / fewest as f64)
        });
        println!("| {} | {} | {count} | {ratio} |", line.name(), codec.name);
    }
}
