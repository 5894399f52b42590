//! Times all codecs in one process, taking turns, and prints medians: `ratios [PATTERN [ROUNDS]]`.
//!
//! Criterion measures one codec after the other, minutes apart; on a machine that is not still, its
//! ratios drift. Here every round times every codec once, so that they share what disturbs them.

use std::time::Duration;

use mqtide_benches::codec::{Contender, Ownership};
use mqtide_benches::pass::Pass;
use mqtide_benches::selection::{Line, lines};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let pattern = arguments.next().unwrap_or_default();
    let rounds = arguments
        .next()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(31);
    println!(
        "| case | codec | ns per packet | against the fastest peer | against the fastest owned peer |"
    );
    println!("|---|---|---|---|---|");
    for line in lines(&pattern) {
        print(&line, &medians(&line, rounds));
    }
}

/// Nanoseconds per packet of every codec that can do the line.
fn medians(line: &Line, rounds: usize) -> Vec<(&Contender, f64)> {
    let mut runs: Vec<(&Contender, Box<dyn Pass>, Vec<f64>)> = line
        .contenders
        .iter()
        .filter_map(|codec| Some((codec, codec.pass(line.direction, &line.case)?, Vec::new())))
        .collect();
    for _ in 0..rounds {
        for (_, pass, times) in &mut runs {
            times.push(sample(pass.as_mut()));
        }
    }
    runs.into_iter()
        .map(|(codec, _, times)| (codec, median(times)))
        .collect()
}

/// Nanoseconds per packet over passes of at least a millisecond.
fn sample(pass: &mut dyn Pass) -> f64 {
    pass.time();
    let mut total = Duration::ZERO;
    let mut packets = 0;
    while total < SAMPLE {
        total += pass.time();
        packets += pass.packets();
    }
    total.as_nanos() as f64 / packets as f64
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn print(line: &Line, medians: &[(&Contender, f64)]) {
    let fastest = |owned_only: bool| {
        let peers = medians.iter().filter(|(codec, _)| !codec.is_ours());
        peers
            .filter(|(codec, _)| !owned_only || codec.ownership == Ownership::Owned)
            .map(|(_, time)| *time)
            .fold(f64::INFINITY, f64::min)
    };
    let (any, owned) = (fastest(false), fastest(true));
    for (codec, time) in medians {
        let name = line.name();
        println!(
            "| {name} | {} | {time:.1} | {:.2} | {:.2} |",
            codec.name,
            time / any,
            time / owned
        );
    }
}

const SAMPLE: Duration = Duration::from_millis(1);
