//! Matching topics: `cargo bench --features peers --bench topic`.
//!
//! Every match is from the text of a topic to every value. Filters with many results and a million
//! filters take a while to insert; give a pattern to run a part, such as `match/1000`.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mqtide_benches::topic::{Data, Matcher, Mqtide, Population, Run, each, empty, fill};

fn matches(criterion: &mut Criterion) {
    for filters in [1_000, 100_000, 1_000_000] {
        let data = Data::new(filters, Population::Mixed);
        each(&mut Match {
            criterion,
            name: format!("match/{filters}"),
            data: &data,
        });
    }
}

fn results(criterion: &mut Criterion) {
    for results in [1, 10, 1_000] {
        let data = Data::new(10_000, Population::Results(results));
        each(&mut Match {
            criterion,
            name: format!("results/{results}"),
            data: &data,
        });
    }
}

/// Matches the topics one after the other.
struct Match<'a> {
    criterion: &'a mut Criterion,
    name: String,
    data: &'a Data,
}

impl Run for Match<'_> {
    fn run<M: Matcher + 'static>(&mut self) {
        let id = BenchmarkId::new(M::NAME, &self.name);
        let mut filled = None;
        let topics = &self.data.topics;
        let mut group = self.criterion.benchmark_group(&self.name);
        group.throughput(Throughput::Elements(1));
        group.bench_function(id, |bencher| {
            // Not before criterion has chosen this one.
            let (matcher, _) = filled.get_or_insert_with(|| fill::<M>(self.data));
            let mut topics = topics.iter().cycle();
            bencher.iter(|| topics.next().map(|topic| matcher.matches(topic)));
        });
        group.finish();
    }
}

/// At a million filters the others take minutes: `topics heap 1000000` prints one run of each.
fn changes(criterion: &mut Criterion) {
    for filters in [1_000, 100_000] {
        let data = Data::new(filters, Population::Mixed);
        each(&mut Change {
            criterion,
            data: &data,
        });
    }
}

/// Inserts all filters, and removes all.
struct Change<'a> {
    criterion: &'a mut Criterion,
    data: &'a Data,
}

impl Run for Change<'_> {
    fn run<M: Matcher + 'static>(&mut self) {
        let data = self.data;
        let name = format!("change/{}", data.filters.len());
        let mut group = self.criterion.benchmark_group(name);
        group
            .sample_size(10)
            .throughput(Throughput::Elements(data.filters.len() as u64));
        group.bench_function(BenchmarkId::new(M::NAME, "insert"), |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| fill::<M>(data).1).sum());
        });
        group.bench_function(BenchmarkId::new(M::NAME, "remove"), |bencher| {
            bencher.iter_custom(|rounds| {
                (0..rounds)
                    .map(|_| empty(&mut fill::<M>(data).0, data))
                    .sum()
            });
        });
        group.finish();
    }
}

/// Matching behind a read-write lock: alone, and while another thread inserts and removes.
fn shared(criterion: &mut Criterion) {
    let data = Data::new(100_000, Population::Mixed);
    let (matcher, _) = fill::<Mqtide>(&data);
    let matcher = RwLock::new(matcher);
    let mut group = criterion.benchmark_group("shared/100000");
    group.throughput(Throughput::Elements(1));
    for (name, pause) in [
        ("no writer", None),
        ("10000 changes per s", Some(Duration::from_micros(100))),
        ("1000 changes per s", Some(Duration::from_millis(1))),
    ] {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            if let Some(pause) = pause {
                let (stop, matcher, data) = (&stop, &matcher, &data);
                scope.spawn(move || change_until(stop, matcher, data, pause));
            }
            group.bench_function(name, |bencher| {
                let mut topics = data.topics.iter().cycle();
                bencher.iter(|| {
                    let matcher = matcher.read().unwrap_or_else(PoisonError::into_inner);
                    black_box(topics.next().map(|topic| matcher.matches(topic)))
                });
            });
            stop.store(true, Ordering::Relaxed);
        });
    }
    group.finish();
}

fn change_until(stop: &AtomicBool, matcher: &RwLock<Mqtide>, data: &Data, pause: Duration) {
    for (value, filter) in (0..).zip(&data.filters).cycle() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        {
            let mut matcher = matcher.write().unwrap_or_else(PoisonError::into_inner);
            matcher.remove(filter, value);
            matcher.insert(filter, value);
        }
        std::thread::sleep(pause);
    }
}

criterion_group!(benches, matches, results, changes, shared);
criterion_main!(benches);
