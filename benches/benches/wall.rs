//! Nanoseconds: `cargo bench -p helenus-benches --bench wall`. They depend on the machine and on what else it does, so
//! they are for comparing two states of the code on one machine within an hour; nothing is held against them.

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use helenus_benches::decode::Page;
use helenus_benches::encode::Execute;
use helenus_benches::machine::{Requests, Told};
use helenus_benches::segments::Segments;
use helenus_benches::session::{Executes, Statement, Way};
use helenus_benches::{IN_FLIGHT, UNITS};
use helenus_core::protocol::Version;

const VERSIONS: [Version; 2] = [Version::V4, Version::V5];

/// Times `run` and divides by [`UNITS`].
fn time<W>(criterion: &mut Criterion, group: &str, name: String, mut work: W, run: impl Fn(&mut W)) {
    let mut group = criterion.benchmark_group(group);
    group.throughput(Throughput::Elements(UNITS as u64));
    group.bench_function(name, |bencher| bencher.iter(|| run(&mut work)));
    group.finish();
}

fn codec(c: &mut Criterion) {
    for version in VERSIONS {
        time(c, "encode", format!("execute_{version:?}"), Execute::new(version), Execute::run);
    }
    for (name, rows, metadata) in [("1_described", 1, true), ("1", 1, false), ("5000", 5_000, false)] {
        time(c, "decode", format!("rows_{name}_borrowed"), Page::new(rows, metadata), |page| {
            page.run_borrowed()
        });
        time(c, "decode", format!("rows_{name}_owned"), Page::new(rows, metadata), |page| page.run_owned());
    }
    for bytes in [180, 16_384] {
        time(c, "segments", format!("encode_{bytes}"), Segments::new(bytes), Segments::run_encode);
        time(c, "segments", format!("parse_{bytes}"), Segments::new(bytes), |segments| segments.run_parse());
    }
}

fn requests(c: &mut Criterion) {
    for version in VERSIONS {
        for told in [Told::Waker, Told::Callback, Told::Window] {
            for batch in [1, IN_FLIGHT] {
                let name = format!("{version:?}_{told:?}_{batch}");
                time(c, "machine", name, Requests::new(version, told, batch), Requests::run);
            }
        }
        for statement in [Statement::Insert, Statement::Select] {
            for way in [Way::Wait, Way::Futures, Way::Window, Way::Callbacks] {
                let name = format!("{version:?}_{statement:?}_{way:?}");
                let executes = Executes::new(version, statement, way);
                time(c, "session", name, executes, |executes| executes.run());
            }
        }
    }
}

fn short() -> Criterion {
    let criterion = Criterion::default().sample_size(20);
    criterion.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1))
}

criterion_group!(name = benches; config = short(); targets = codec, requests);
criterion_main!(benches);
