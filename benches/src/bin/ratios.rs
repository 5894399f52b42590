//! Times all codecs in one process, taking turns, and prints medians: `ratios [--all] [PATTERN]`.
//!
//! Criterion measures one codec after the other, minutes apart; on a machine that is not still, its
//! ratios drift. Here every round times every codec once, so that they share what disturbs them.

use std::time::Duration;

use mqtide_benches::codec::Contender;
use mqtide_benches::pass::Pass;
use mqtide_benches::report;
use mqtide_benches::selection::Line;

fn main() {
    report::run("ns per packet", medians);
}

/// Nanoseconds per packet of every codec that can do the line.
fn medians(line: &Line) -> Vec<(&Contender, f64)> {
    let mut runs: Vec<(&Contender, Box<dyn Pass>, Vec<f64>)> = line
        .contenders
        .iter()
        .filter_map(|codec| Some((codec, codec.pass(line.direction, &line.case)?, Vec::new())))
        .collect();
    for _ in 0..ROUNDS {
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

const ROUNDS: usize = 51;
const SAMPLE: Duration = Duration::from_millis(1);
