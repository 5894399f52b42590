//! Decoding and encoding, codec by codec: `cargo bench --features peers --bench codec`.
//!
//! Every figure is per packet.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mqtide_benches::selection::{Line, lines};

fn codec(criterion: &mut Criterion) {
    for line in lines("") {
        bench(criterion, &line);
    }
}

fn bench(criterion: &mut Criterion, line: &Line) {
    let mut group = criterion.benchmark_group(line.name());
    group.throughput(Throughput::Bytes(
        (line.case.bytes.len() / line.case.packets) as u64,
    ));
    for contender in &line.contenders {
        let Some(mut pass) = contender.pass(line.direction, &line.case) else {
            continue;
        };
        group.bench_function(contender.name, |bencher| {
            bencher.iter_custom(|packets| pass.time_packets(packets));
        });
    }
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
