//! Matching topics, without criterion:
//!
//! * `topics heap FILTERS`: bytes of heap per filter, and one run of inserting and removing all;
//! * `topics ratios FILTERS`: everyone in turns, medians and the ratio to the fastest rival;
//! * `topics count MATCHER FILTERS`: matches all topics once, in functions named `measured`, for
//!   callgrind to count instructions.

use std::alloc::System;
use std::process::ExitCode;
use std::time::Instant;

use mqtide_benches::topic::{Data, Matcher, Population, Run, each, empty, fill};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let data = |filters: &str| {
        Data::new(
            filters.parse().expect("a number of filters"),
            Population::Mixed,
        )
    };
    match arguments.as_slice() {
        ["heap", filters] => each(&mut Heap(data(filters))),
        ["ratios", filters] => ratios(&data(filters)),
        ["count", matcher, filters] => each(&mut Count(matcher, data(filters))),
        _ => {
            eprintln!("usage: topics heap FILTERS | ratios FILTERS | count MATCHER FILTERS");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Prints what an index asks of the allocator, and how long one run of inserting and removing takes.
struct Heap(Data);

impl Run for Heap {
    fn run<M: Matcher + 'static>(&mut self) {
        let region = Region::new(ALLOCATOR);
        let (mut matcher, inserting) = fill::<M>(&self.0);
        let change = region.change();
        let held = change.bytes_allocated - change.bytes_deallocated;
        let filters = self.0.filters.len() as f64;
        let removing = empty(&mut matcher, &self.0);
        println!(
            "{:20} {:8.1} B of heap per filter, {:6.0} ns per insertion, {:6.0} ns per removal",
            M::NAME,
            held as f64 / filters,
            inserting.as_nanos() as f64 / filters,
            removing.as_nanos() as f64 / filters,
        );
    }
}

/// Matches all topics once, for one matcher.
struct Count<'a>(&'a str, Data);

impl Run for Count<'_> {
    fn run<M: Matcher + 'static>(&mut self) {
        if M::NAME == self.0 {
            let (matcher, _) = fill::<M>(&self.1);
            let (found, _) = matcher.measured(&self.1.topics);
            println!("{} topics, {found} values", self.1.topics.len());
        }
    }
}

/// Times everyone in turns, so that what disturbs one disturbs all.
fn ratios(data: &Data) {
    let mut runs = Ratios {
        data,
        runs: Vec::new(),
    };
    each(&mut runs);
    for _ in 0..ROUNDS {
        for (_, matches, times) in &mut runs.runs {
            let start = Instant::now();
            matches(&data.topics);
            times.push(start.elapsed().as_nanos() as f64 / data.topics.len() as f64);
        }
    }
    let mut medians: Vec<(&str, f64)> = Vec::new();
    for (name, _, times) in &mut runs.runs {
        times.sort_by(f64::total_cmp);
        medians.push((name, times[times.len() / 2]));
    }
    let fastest = medians[1..]
        .iter()
        .map(|(_, median)| *median)
        .fold(f64::INFINITY, f64::min);
    for (name, median) in medians {
        println!(
            "{name:20} {median:8.0} ns per topic, {:5.2} of the fastest rival",
            median / fastest
        );
    }
}

type Matches = Box<dyn Fn(&[String])>;

struct Ratios<'a> {
    data: &'a Data,
    runs: Vec<(&'static str, Matches, Vec<f64>)>,
}

impl Run for Ratios<'_> {
    fn run<M: Matcher + 'static>(&mut self) {
        let (matcher, _) = fill::<M>(self.data);
        let matches = move |topics: &[String]| {
            std::hint::black_box(matcher.measured(topics));
        };
        self.runs.push((M::NAME, Box::new(matches), Vec::new()));
    }
}

const ROUNDS: usize = 31;
