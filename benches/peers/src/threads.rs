//! Threads that block, one request at a time each: throughput, CPU and latency.

use crate::client::Readings;
use crate::drivers::Driver;
use crate::latency::{Percentiles, Sampler};
use crate::processor::{self, Cores};
use crate::report::median;
use crate::rounds::run_to_end;
use crate::server::{Server, ServerArgs};
use crate::workload::Op;
use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Those that have blocking calls, or a runtime that threads can block on.
const DRIVERS: [Driver; 7] = [
    Driver::BareBlocking,
    Driver::HelenusMioCaller,
    Driver::HelenusUringCaller,
    Driver::HelenusMio,
    Driver::HelenusMioTwo,
    Driver::HelenusUring,
    Driver::ScyllaMt,
];

#[derive(Args, Debug)]
pub(crate) struct ThreadsArgs {
    /// Only these clients
    #[arg(long, value_delimiter = ',', value_name = "DRIVER,..")]
    only: Vec<Driver>,
    /// How many threads
    #[arg(long, value_delimiter = ',', value_name = "N,..", default_values_t = [1, 16])]
    threads: Vec<usize>,
    /// Rounds, of whose figures the medians are told
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How long each measurement takes, in milliseconds
    #[arg(long, default_value_t = 700)]
    millis: u64,
    /// Let clients run on all cores
    #[arg(long)]
    unpinned: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct ThreadsClientArgs {
    #[arg(long)]
    driver: Driver,
    #[arg(long)]
    server: SocketAddr,
    #[arg(long)]
    threads: usize,
    #[arg(long)]
    millis: u64,
    #[arg(long)]
    core: Option<usize>,
}

/// A client that threads share.
pub(crate) trait Blocking: Send + Sync {
    /// One insert, from any thread.
    fn insert(&self, number: u64) -> Result<()>;
}

#[derive(Debug, Serialize, Deserialize)]
struct Figures {
    requests_per_s: f64,
    cpu_us: f64,
    latency: Percentiles,
    context_switches: f64,
}

pub(crate) fn run(args: &ThreadsArgs) -> Result<()> {
    ensure!(args.rounds > 0 && !args.threads.contains(&0), "rounds and threads start at 1");
    let cores = Cores::choose()?;
    let server = Server::from_args(&args.server, cores)?;
    let drivers = if args.only.is_empty() { DRIVERS.to_vec() } else { args.only.clone() };
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["", "threads", "inserts/s", "CPU us", "p50 us", "p99 us", "context switches"]);
    for threads in &args.threads {
        let mut found: Vec<Vec<Figures>> = drivers.iter().map(|_| Vec::new()).collect();
        for _ in 0..args.rounds {
            for (driver, found) in drivers.iter().zip(&mut found) {
                // One blocking socket has no threads to share.
                if *threads == 1 || *driver != Driver::BareBlocking {
                    found.push(measure_in_child(args, *driver, *threads, &server, cores)?);
                }
            }
        }
        for (driver, found) in drivers.iter().zip(&found).filter(|(_, found)| !found.is_empty()) {
            table.add_row(row(driver.name(), *threads, found));
        }
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    let place = if args.unpinned { "on all cores" } else { "pinned to one core" };
    println!("Server: {}. Clients {place}. Medians of {} rounds.\n{table}", server.label, args.rounds);
    Ok(())
}

fn row(name: &str, threads: usize, found: &[Figures]) -> [String; 7] {
    let of = |field: fn(&Figures) -> f64| median(found.iter().map(field));
    [
        name.to_owned(),
        threads.to_string(),
        format!("{:.0}", of(|one| one.requests_per_s)),
        format!("{:.2}", of(|one| one.cpu_us)),
        format!("{:.1}", of(|one| one.latency.p50_us)),
        format!("{:.1}", of(|one| one.latency.p99_us)),
        format!("{:.2}", of(|one| one.context_switches)),
    ]
}

fn measure_in_child(
    args: &ThreadsArgs,
    driver: Driver,
    threads: usize,
    server: &Server,
    cores: Cores,
) -> Result<Figures> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["threads-client", "--driver", driver.name(), "--threads", &threads.to_string()]);
    command.args(["--server", &server.address.to_string(), "--millis", &args.millis.to_string()]);
    if !args.unpinned {
        command.args(["--core", &cores.client.to_string()]);
    }
    let output = run_to_end(&mut command).with_context(|| driver.name())?;
    serde_json::from_slice(&output).context("the client printed something else than its measurement")
}

pub(crate) fn run_client(args: &ThreadsClientArgs) -> Result<()> {
    nix::unistd::alarm::set(60);
    if let Some(core) = args.core {
        processor::pin(core)?;
    }
    let client: Arc<dyn Blocking> = args.driver.connect_blocking(args.server)?;
    // The first calls make threads, lists and caches.
    load(&client, args.threads, Duration::from_millis(args.millis / 4), &Sampler::new(1))?;
    let sampler = Sampler::new(1);
    let before = Readings::take(None)?;
    let requests = load(&client, args.threads, Duration::from_millis(args.millis), &sampler)?;
    let after = Readings::take(None)?;
    let figures = Figures {
        requests_per_s: requests as f64 / (after.at - before.at).as_secs_f64(),
        cpu_us: (after.cpu() - before.cpu()).as_secs_f64() * 1e6 / requests as f64,
        latency: sampler.percentiles(),
        context_switches: (after.switches - before.switches) as f64 / requests as f64,
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// Says how many requests were done.
fn load(client: &Arc<dyn Blocking>, threads: usize, time: Duration, sampler: &Sampler) -> Result<u64> {
    let end = Instant::now() + time;
    let work = |index: u64| -> Result<u64> {
        let mut done = 0;
        while Instant::now() < end {
            // Of 16 one is timed: clock and histogram would be part of what they measure.
            let started = Instant::now();
            client.insert(index + done)?;
            sampler.record(started.elapsed());
            (1..16).try_for_each(|more| client.insert(index + done + more))?;
            done += 16;
        }
        Ok(done)
    };
    thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = (1..threads).map(|index| scope.spawn(move || work(index as u64))).collect();
        let mut done = work(0)?;
        for other in others {
            done += other.join().map_err(|_| anyhow!("a thread panicked"))??;
        }
        Ok(done)
    })
}

/// The operation that is measured.
pub(crate) const OP: Op = Op::Insert;
