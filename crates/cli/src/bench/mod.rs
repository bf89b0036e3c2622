//! `helenus bench`: the benchmarks of the Python driver, for every reactor.
//!
//! `run` plans, starts a node if there is none, and has each reactor and pattern measured by a `worker` process.

mod chart;
mod children;
mod cluster;
mod html;
mod job;
mod machine;
mod memory;
mod options;
mod pattern;
mod patterns;
mod profile;
mod reactor;
mod report;
mod run;
mod table;
mod worker;
mod workload;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

pub(crate) use options::Options;
pub(crate) use worker::worker;

use crate::os;
use children::NodeProcess;
use cluster::{Cluster, Found};
use job::{Job, Target};
use machine::Machine;
use options::Plan;
pub(crate) use options::{compression, version};
use pattern::Pattern;
pub(crate) use reactor::{ReactorName, any as any_reactor};
use report::{Figures, Measured, Report, Setup};

/// Measures what the options ask for, shows it, and says whether all went well.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let plan = options.plan()?;
    for file in options.json.iter().chain(&options.html) {
        // Found out now rather than after the run.
        std::fs::File::create(file).with_context(|| format!("can't write {}", file.display()))?;
    }
    let mut bench = Bench::start(options, &plan)?;
    let results = bench.measure_all();
    let report = Report {
        helenus: env!("CARGO_PKG_VERSION"),
        machine: Machine::here(),
        setup: bench.setup()?,
        left_out: plan.left_out.clone(),
        results: results?,
    };
    bench.cluster.close()?;
    println!("{}", table::report(&report, options.metrics).trim_end());
    if let Some(path) = &options.json {
        write(path, &(serde_json::to_string_pretty(&report)? + "\n"))?;
    }
    if let Some(path) = &options.html {
        write(path, &html::page(&report))?;
    }
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("can't write {}", path.display()))?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

/// Everything that measurements have in common.
struct Bench<'a> {
    options: &'a Options,
    plan: &'a Plan,
    node: Option<NodeProcess>,
    pins: Pins,
    target: Target,
    cluster: Cluster,
    replication_factor: u32,
}

/// Which CPU is whose; nobody's if there is only one or nobody asked.
#[derive(Default)]
struct Pins {
    client: Vec<usize>,
    node: Option<usize>,
}

impl Pins {
    fn of(options: &Options) -> Result<Self> {
        if !options.pin && !options.null {
            return Ok(Self::default());
        }
        let mut client = os::cpus()?;
        if client.len() < 2 {
            return Ok(Self::default());
        }
        let node = client.pop();
        Ok(Self { client, node })
    }

    fn in_words(&self) -> String {
        match self.node {
            Some(node) => format!("the node to CPU {node}, the client to CPU {:?}", self.client),
            None => "none".into(),
        }
    }
}

impl<'a> Bench<'a> {
    fn start(options: &'a Options, plan: &'a Plan) -> Result<Self> {
        let pins = Pins::of(options)?;
        ensure!(
            !options.hosts.is_empty() || options.tls.configuration().is_none(),
            "the node that bench starts has no TLS; start one by `helenus node --tls-cert FILE --tls-key FILE`, and name it by --hosts"
        );
        let node = match options.hosts.is_empty() {
            true => {
                // What a row takes in the node, with room to spare.
                let memory_mib = 1_024.max(plan.ops / 1_024);
                Some(NodeProcess::start(options.nodes, options.null, pins.node, memory_mib)?)
            }
            false => None,
        };
        let target = Target {
            hosts: node.as_ref().map_or_else(|| options.hosts.clone(), |node| node.addresses.clone()),
            credentials: options.credentials()?,
            tls: options.tls.clone(),
            protocol_version: options.protocol_version.map(helenus::Version::byte),
            compression: options.compression.map(|compression| compression.name().to_owned()),
            consistency: options.consistency.to_string(),
            connections: options.connections,
            on_wire: options.on_wire(),
            timeout: options.request_timeout(),
            ops: plan.ops,
        };
        let cluster = Cluster::connect(&target)?;
        let replication_factor = cluster.make_table(options.replication_factor)?;
        Ok(Self { options, plan, node, pins, target, cluster, replication_factor })
    }

    fn setup(&self) -> Result<Setup> {
        let options = self.options;
        let server = match (&self.node, options.null) {
            (Some(_), true) => "the embedded node in null mode, one thread in a process of its own".into(),
            (Some(_), false) => "the embedded node, one thread in a process of its own, all in memory".into(),
            (None, _) => format!("a cluster that was given, {} contact points", options.hosts.len()),
        };
        Ok(Setup {
            server,
            protocol: self.cluster.protocol_version(),
            compression: options.compression.map_or("none", helenus::Compression::name),
            operation: if options.read { "reads" } else { "writes" },
            requests: self.plan.ops,
            threads: options.threads,
            processes: options.processes,
            in_flight: options.in_flight,
            connections_per_node: options.connections,
            on_wire_per_connection_max: options.on_wire(),
            consistency: options.consistency.to_string(),
            replication_factor: self.replication_factor,
            pinned: self.pins.in_words(),
            latency_of_every: options.sample_every(),
        })
    }

    fn measure_all(&mut self) -> Result<Vec<Measured>> {
        let written = if self.options.read && !self.options.null { Some(self.write_rows()?) } else { None };
        let cells = &self.plan.cells;
        let mut results = Vec::new();
        for (number, (reactor, pattern)) in cells.iter().enumerate() {
            let bar = bar(self.plan.ops, format!("[{}/{}] {reactor} {pattern}", number + 1, cells.len()));
            let measured = self.measure(*reactor, *pattern, written, &bar)?;
            bar.finish_and_clear();
            let verdict = match &measured.figures {
                Some(figures) => format!("{} req/s", table::thousands(figures.requests_per_s.round() as u64)),
                None => "FAILED".into(),
            };
            eprintln!("[{}/{}] {reactor} {pattern}: {verdict}", number + 1, cells.len());
            results.push(measured);
        }
        Ok(results)
    }

    /// For reading.
    fn write_rows(&self) -> Result<Found> {
        self.cluster.truncate()?;
        self.cluster.fill(self.plan.ops)?;
        self.cluster.find_rows(self.plan.ops, Some(&[]))
    }

    fn measure(
        &mut self,
        reactor: ReactorName,
        pattern: Pattern,
        written: Option<Found>,
        bar: &ProgressBar,
    ) -> Result<Measured> {
        let stores = !self.options.read && !self.options.null;
        if stores {
            self.cluster.truncate()?;
        }
        let job = self.job(reactor, pattern);
        let done = run::run(&job, self.options.processes, self.node.as_mut(), bar);
        let failed = done.as_ref().ok().map(|(outcome, _)| &*outcome.failed);
        let rows = if stores { Some(self.cluster.find_rows(self.plan.ops, failed)?) } else { written };
        let (failed, figures) = match done {
            Ok((outcome, node)) => (None, Some(Figures::of(outcome, node))),
            Err(error) => (Some(crate::in_words(&error)), None),
        };
        Ok(Measured { reactor, pattern, failed, figures, rows })
    }

    fn job(&self, reactor: ReactorName, pattern: Pattern) -> Job {
        let options = self.options;
        let profile = options.profile.as_deref().map(|path| match self.plan.cells.len() {
            1 => path.to_path_buf(),
            _ => profile::path_for(path, reactor, pattern),
        });
        Job {
            target: self.target.clone(),
            reactor,
            pattern,
            threads: options.threads.into(),
            first: 0,
            ops: self.plan.ops,
            in_flight: options.in_flight as usize,
            read: options.read,
            stored: !options.null,
            sample_every: options.sample_every(),
            cpus: self.pins.client.clone(),
            profile,
        }
    }
}

/// A progress bar on a terminal, nothing elsewhere.
fn bar(ops: u64, name: String) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(ops), target).with_message(name);
    match ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {rate} {eta}") {
        Ok(style) => bar.with_style(style.with_key("rate", rate)),
        Err(_) => bar,
    }
}

fn rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    // What can't be written is drawn again in a moment.
    let _ = write!(out, "{} req/s", table::thousands(state.per_sec() as u64));
}
