//! Instructions, counted by callgrind: `cargo xtask instructions` runs this with the runner that it needs, and compares.
//!
//! What kernel and server would do is left out, by the names of the peer's functions: entering one switches the
//! collecting off, leaving it switches it on again.
#![expect(missing_docs, reason = "gungraun's macros make public items")]

use gungraun::{Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
use helenus_benches::IN_FLIGHT;
use helenus_benches::decode::Page;
use helenus_benches::encode::Execute;
use helenus_benches::machine::{Requests, Told};
use helenus_benches::segments::Segments;
use helenus_benches::session::{Executes, Statement, Way};
use helenus_core::protocol::Version;

#[library_benchmark]
#[bench::v4(args = (Version::V4), setup = Execute::new)]
#[bench::v5(args = (Version::V5), setup = Execute::new)]
fn encode_execute(mut work: Execute) -> Execute {
    work.run();
    work
}

#[library_benchmark]
#[bench::of_1_described(args = (1, true), setup = Page::new)]
#[bench::of_1(args = (1, false), setup = Page::new)]
#[bench::of_5000(args = (5_000, false), setup = Page::new)]
fn decode_rows_borrowed(work: Page) -> Page {
    work.run_borrowed();
    work
}

#[library_benchmark]
#[bench::of_1(args = (1, false), setup = Page::new)]
#[bench::of_5000(args = (5_000, false), setup = Page::new)]
fn decode_rows_owned(work: Page) -> Page {
    work.run_owned();
    work
}

#[library_benchmark]
#[bench::of_180_bytes(args = (180), setup = Segments::new)]
#[bench::of_16384_bytes(args = (16_384), setup = Segments::new)]
fn encode_segment(mut work: Segments) -> Segments {
    work.run_encode();
    work
}

#[library_benchmark]
#[bench::of_180_bytes(args = (180), setup = Segments::new)]
#[bench::of_16384_bytes(args = (16_384), setup = Segments::new)]
fn parse_segment(work: Segments) -> Segments {
    work.run_parse();
    work
}

#[library_benchmark]
#[bench::v4_waker_1(args = (Version::V4, Told::Waker, 1), setup = Requests::new)]
#[bench::v4_waker_120(args = (Version::V4, Told::Waker, IN_FLIGHT), setup = Requests::new)]
#[bench::v4_callback_1(args = (Version::V4, Told::Callback, 1), setup = Requests::new)]
#[bench::v4_callback_120(args = (Version::V4, Told::Callback, IN_FLIGHT), setup = Requests::new)]
#[bench::v4_window_1(args = (Version::V4, Told::Window, 1), setup = Requests::new)]
#[bench::v4_window_120(args = (Version::V4, Told::Window, IN_FLIGHT), setup = Requests::new)]
#[bench::v5_waker_1(args = (Version::V5, Told::Waker, 1), setup = Requests::new)]
#[bench::v5_waker_120(args = (Version::V5, Told::Waker, IN_FLIGHT), setup = Requests::new)]
#[bench::v5_callback_1(args = (Version::V5, Told::Callback, 1), setup = Requests::new)]
#[bench::v5_callback_120(args = (Version::V5, Told::Callback, IN_FLIGHT), setup = Requests::new)]
#[bench::v5_window_1(args = (Version::V5, Told::Window, 1), setup = Requests::new)]
#[bench::v5_window_120(args = (Version::V5, Told::Window, IN_FLIGHT), setup = Requests::new)]
fn machine(mut work: Requests) -> Requests {
    work.run();
    work
}

#[library_benchmark]
#[bench::v4_insert_wait(args = (Version::V4, Statement::Insert, Way::Wait), setup = Executes::new)]
#[bench::v4_insert_futures_120(args = (Version::V4, Statement::Insert, Way::Futures), setup = Executes::new)]
#[bench::v4_insert_window_120(args = (Version::V4, Statement::Insert, Way::Window), setup = Executes::new)]
#[bench::v4_insert_callbacks_120(args = (Version::V4, Statement::Insert, Way::Callbacks), setup = Executes::new)]
#[bench::v4_select_wait(args = (Version::V4, Statement::Select, Way::Wait), setup = Executes::new)]
#[bench::v4_select_futures_120(args = (Version::V4, Statement::Select, Way::Futures), setup = Executes::new)]
#[bench::v4_select_window_120(args = (Version::V4, Statement::Select, Way::Window), setup = Executes::new)]
#[bench::v4_select_callbacks_120(args = (Version::V4, Statement::Select, Way::Callbacks), setup = Executes::new)]
#[bench::v5_insert_wait(args = (Version::V5, Statement::Insert, Way::Wait), setup = Executes::new)]
#[bench::v5_insert_futures_120(args = (Version::V5, Statement::Insert, Way::Futures), setup = Executes::new)]
#[bench::v5_insert_window_120(args = (Version::V5, Statement::Insert, Way::Window), setup = Executes::new)]
#[bench::v5_insert_callbacks_120(args = (Version::V5, Statement::Insert, Way::Callbacks), setup = Executes::new)]
#[bench::v5_select_wait(args = (Version::V5, Statement::Select, Way::Wait), setup = Executes::new)]
#[bench::v5_select_futures_120(args = (Version::V5, Statement::Select, Way::Futures), setup = Executes::new)]
#[bench::v5_select_window_120(args = (Version::V5, Statement::Select, Way::Window), setup = Executes::new)]
#[bench::v5_select_callbacks_120(args = (Version::V5, Statement::Select, Way::Callbacks), setup = Executes::new)]
fn session(work: Executes) -> Executes {
    work.run();
    work
}

library_benchmark_group!(
    name = codec,
    benchmarks = [encode_execute, decode_rows_borrowed, decode_rows_owned, encode_segment, parse_segment]
);
library_benchmark_group!(name = requests, benchmarks = [machine, session]);
main!(
    config = LibraryBenchmarkConfig::default()
        // Whether and when glibc copies by `rep movsb` depends on the processor, and valgrind counts each byte of that as
        // an instruction. So it never does.
        .env("GLIBC_TUNABLES", "glibc.cpu.x86_rep_movsb_threshold=1073741824")
        .tool(Callgrind::with_args([
            "--toggle-collect=*peer_takes*",
            "--toggle-collect=*peer_gives*",
            "--cache-sim=no",
        ])),
    library_benchmark_groups = [codec, requests]
);
