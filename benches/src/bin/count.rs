//! Handles a known number of packets, for callgrind to count instructions:
//! `count CODEC CASE PASSES`, such as `count mqtide "v5/decode/publish q1 256B" 10`.
//!
//! Prints how many packets were handled in the functions named `measured`.

use std::process::ExitCode;

use mqtide_benches::selection::lines;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [codec, case, passes] = arguments.as_slice() else {
        eprintln!("usage: count CODEC CASE PASSES");
        return ExitCode::from(2);
    };
    let Some(packets) = passes
        .parse()
        .ok()
        .and_then(|passes| run(codec, case, passes))
    else {
        eprintln!("no such codec or case, or the codec cannot do the case");
        return ExitCode::FAILURE;
    };
    println!("{packets}");
    ExitCode::SUCCESS
}

fn run(codec: &str, case: &str, passes: u64) -> Option<u64> {
    let line = lines(case).into_iter().find(|line| line.name() == case)?;
    let contender = line
        .contenders
        .iter()
        .find(|contender| contender.name == codec)?;
    let mut pass = contender.pass(line.direction, &line.case)?;
    for _ in 0..passes {
        pass.prepare();
        pass.measured();
    }
    Some(passes * pass.packets())
}
