//! One measurement, in a process of its own: connect, prepare, warm up, measure, print one line of JSON.

use crate::drivers::{Driver, Target};
use crate::latency::{Percentiles, Sampler};
use crate::processor;
use crate::tls;
use crate::workload::Op;
use anyhow::{Context, Result, ensure};
use clap::Args;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Args, Debug)]
pub(crate) struct ClientArgs {
    /// Which client
    #[arg(long)]
    driver: Driver,
    /// What each request does
    #[arg(long)]
    op: Op,
    /// The server
    #[arg(long)]
    server: SocketAddr,
    /// It speaks TLS, and has this certificate
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// Requests kept on their way
    #[arg(long)]
    in_flight: usize,
    /// Requests to measure; without it as many as take --millis
    #[arg(long)]
    ops: Option<u64>,
    /// About how long to measure, in milliseconds
    #[arg(long, default_value_t = 1_000)]
    millis: u64,
    /// Requests before measuring; without it some for each in flight
    #[arg(long)]
    warmup: Option<u64>,
    /// Pin this process to a core
    #[arg(long)]
    core: Option<usize>,
    /// Also take the CPU time of the server with this process id
    #[arg(long)]
    server_pid: Option<u32>,
    /// End, by SIGALRM, if it takes longer: a client that hangs must not hang the others
    #[arg(long, default_value_t = 60)]
    limit_s: u32,
}

/// What a client found out. Times are per request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) driver: Driver,
    pub(crate) op: Op,
    pub(crate) in_flight: usize,
    pub(crate) requests: u64,
    pub(crate) cpu_us: f64,
    pub(crate) user_us: f64,
    pub(crate) system_us: f64,
    pub(crate) wall_us: f64,
    pub(crate) requests_per_s: f64,
    pub(crate) latency: Percentiles,
    /// Resident memory once connected and prepared, and by how much its peak was above that.
    pub(crate) idle_kib: u64,
    pub(crate) peak_above_idle_kib: u64,
    pub(crate) context_switches: f64,
    pub(crate) server_cpu_us: Option<f64>,
    /// The share of the time in which the server was busy, from 0 to 1 for one core.
    pub(crate) server_busy: Option<f64>,
}

pub(crate) fn run(args: &ClientArgs) -> Result<()> {
    nix::unistd::alarm::set(args.limit_s);
    if let Some(core) = args.core {
        processor::pin(core)?;
    }
    println!("{}", serde_json::to_string(&measure(args)?)?);
    Ok(())
}

fn measure(args: &ClientArgs) -> Result<Measurement> {
    let sampler = Arc::new(Sampler::new(args.in_flight));
    let tls = args.tls_ca.as_deref().map(tls::client).transpose()?;
    let target = Target { address: args.server, tls };
    let mut client = args.driver.connect(&target, args.op, args.in_flight)?;
    forget_peak()?;
    let idle_kib = status_kib("VmRSS:")?;
    let warmup = args.warmup.unwrap_or_else(|| 2_000.max(4 * args.in_flight as u64));
    let requests = warm_up(warmup, args, |count| client.run(count, &sampler))?;
    sampler.clear();
    let before = Readings::take(args.server_pid)?;
    client.run(requests, &sampler)?;
    let after = Readings::take(args.server_pid)?;
    let peak_kib = status_kib("VmHWM:")?;
    Ok(summarise(args, requests, &before, &after, &sampler, idle_kib, peak_kib))
}

/// Warms up, and says how many requests to measure: by the rate of a second, warm, helping.
fn warm_up(warmup: u64, args: &ClientArgs, mut run: impl FnMut(u64) -> Result<()>) -> Result<u64> {
    run(warmup)?;
    if let Some(ops) = args.ops {
        return Ok(ops);
    }
    let started = Instant::now();
    run(warmup)?;
    let rate = warmup as f64 / started.elapsed().as_secs_f64();
    // At least some turns of each request in flight, else start and end are what is measured.
    Ok(((rate * args.millis as f64 / 1e3) as u64).max(8 * args.in_flight as u64))
}

fn summarise(
    args: &ClientArgs,
    requests: u64,
    before: &Readings,
    after: &Readings,
    sampler: &Sampler,
    idle_kib: u64,
    peak_kib: u64,
) -> Measurement {
    let each = |duration: Duration| duration.as_secs_f64() * 1e6 / requests as f64;
    let wall = after.at - before.at;
    let (user, system) = (after.user - before.user, after.system - before.system);
    let server = after.server_cpu.zip(before.server_cpu).map(|(after, before)| after.saturating_sub(before));
    Measurement {
        driver: args.driver,
        op: args.op,
        in_flight: args.in_flight,
        requests,
        cpu_us: each(user + system),
        user_us: each(user),
        system_us: each(system),
        wall_us: each(wall),
        requests_per_s: requests as f64 / wall.as_secs_f64(),
        latency: sampler.percentiles(),
        idle_kib,
        peak_above_idle_kib: peak_kib.saturating_sub(idle_kib),
        context_switches: (after.switches - before.switches) as f64 / requests as f64,
        server_cpu_us: server.map(each),
        server_busy: server.map(|cpu| cpu.as_secs_f64() / wall.as_secs_f64()),
    }
}

/// What is read before and after.
pub(crate) struct Readings {
    pub(crate) at: Instant,
    user: Duration,
    system: Duration,
    pub(crate) switches: i64,
    server_cpu: Option<Duration>,
}

impl Readings {
    pub(crate) fn cpu(&self) -> Duration {
        self.user + self.system
    }

    pub(crate) fn take(server_pid: Option<u32>) -> Result<Self> {
        let usage = getrusage(UsageWho::RUSAGE_SELF)?;
        Ok(Self {
            at: Instant::now(),
            user: duration(usage.user_time()),
            system: duration(usage.system_time()),
            switches: usage.voluntary_context_switches() + usage.involuntary_context_switches(),
            server_cpu: server_pid.map(processor::cpu_time).transpose()?,
        })
    }
}

fn duration(time: TimeVal) -> Duration {
    Duration::from_micros(time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64)
}

/// Makes the kernel's high-water mark of this process start anew (proc_pid_clear_refs(5)).
fn forget_peak() -> Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("/proc/self/clear_refs: the peak can't be reset")
}

pub(crate) fn status_kib(field: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let number = line.and_then(|rest| rest.split_whitespace().next()).and_then(|text| text.parse().ok());
    ensure!(number.is_some(), "/proc/self/status has no {field}");
    Ok(number.unwrap_or_default())
}
