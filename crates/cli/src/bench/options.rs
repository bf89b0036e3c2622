//! The command line of `helenus bench`, and the plan that it comes to.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use helenus::{Compression, Consistency, Version};

use super::pattern::Pattern;
use super::reactor::ReactorName;
use crate::secret::Secret;
use crate::tls::TlsOptions;

/// Requests without and with `--quick`, the latter for the embedded node and for real ones.
const OPS: u64 = 100_000;
const QUICK_OPS: u64 = 30_000;
const QUICK_OPS_REAL: u64 = 1_000;

/// Of --on-wire, for real clusters.
const ON_WIRE_REAL: usize = 1_024;

/// Measures the driver: for each reactor and pattern a process of its own writes rows, each under a key of its own, and
/// afterwards every row is looked for. Without --hosts it starts a small node of its own, as a process too, so that the
/// CPU figures are the client's alone.
#[derive(Clone, Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Options {
    /// How the driver is called; all patterns if none is named
    #[arg(value_enum, value_name = "PATTERN")]
    pub(crate) patterns: Vec<Pattern>,

    /// Nodes of a Cassandra cluster, separated by commas: HOST or HOST:PORT
    #[arg(short = 'H', long, value_name = "HOSTS", value_delimiter = ',', help_heading = "Where to")]
    pub(crate) hosts: Vec<String>,
    /// User for password authentication
    #[arg(long, value_name = "NAME", help_heading = "Where to")]
    pub(crate) user: Option<String>,
    /// The user's password; better left to the environment variable HELENUS_PASSWORD
    #[arg(long, value_name = "PASSWORD", requires = "user", help_heading = "Where to")]
    pub(crate) password: Option<Secret>,
    #[command(flatten)]
    pub(crate) tls: TlsOptions,
    /// Of the node that is started without --hosts: answer without storing anything. Drivers are measured like that; the
    /// rows can't be counted then. Pins as --pin does
    #[arg(long, conflicts_with = "hosts", help_heading = "Where to")]
    pub(crate) null: bool,
    /// How many nodes to start without --hosts; all share one thread
    #[arg(long, value_name = "N", default_value_t = 1, conflicts_with = "hosts", help_heading = "Where to",
          value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) nodes: u8,
    /// Of the keyspace helenus_bench, if it is not there yet; up to 3, as there are nodes, if not given
    #[arg(long, value_name = "N", help_heading = "Where to")]
    pub(crate) replication_factor: Option<u32>,

    /// Which reactor (repeatable); the build's default if none is named
    #[arg(long = "reactor", value_enum, value_name = "NAME", help_heading = "What with")]
    pub(crate) reactors: Vec<ReactorName>,
    /// Every reactor in this build
    #[arg(long, conflicts_with = "reactors", help_heading = "What with")]
    pub(crate) all_reactors: bool,
    /// Every way of running mio: mio, mio-caller
    #[arg(long, conflicts_with_all = ["reactors", "all_reactors", "tokio_only"], help_heading = "What with")]
    pub(crate) mio_only: bool,
    /// Every way of running tokio: tokio, tokio-current-thread, tokio-multi-thread
    #[arg(long, conflicts_with_all = ["reactors", "all_reactors"], help_heading = "What with")]
    pub(crate) tokio_only: bool,
    /// Speak this version of the protocol (3, 4 or 5) and no other; the highest that the server speaks if not given
    #[arg(long, value_name = "N", value_parser = version, help_heading = "What with")]
    pub(crate) protocol_version: Option<Version>,
    /// Compress with lz4 or snappy (not in v5); fails where the server can't
    #[arg(long, value_name = "NAME", value_parser = compression, help_heading = "What with")]
    pub(crate) compression: Option<Compression>,
    /// Consistency level of writes and reads
    #[arg(long, value_name = "LEVEL", default_value = "local_quorum", help_heading = "What with")]
    pub(crate) consistency: Consistency,
    /// Connections to each node
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "What with")]
    pub(crate) connections: usize,
    /// Requests whose answers are awaited on one connection, at most; more wait in the driver. 1024 with --hosts if not given,
    /// for a cluster that gets much more at once lets writes time out; else the driver's own limit
    #[arg(long, value_name = "N", help_heading = "What with")]
    pub(crate) on_wire: Option<usize>,
    /// How long a request may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, help_heading = "What with",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,

    /// Requests for each reactor and pattern [default: 100000]
    #[arg(short = 'n', long, value_name = "N", help_heading = "How much", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) num_ops: Option<u64>,
    /// Threads (tasks, where the reactor is a task) that share one session and the work
    #[arg(short, long, value_name = "N", default_value_t = 1, help_heading = "How much",
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: u16,
    /// Processes that share the work, each with a session and so many threads of its own
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "How much",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) processes: u16,
    /// Requests in flight, or chains of callbacks, for each thread; of all patterns but sync and future_full_throttle
    #[arg(long, value_name = "N", default_value_t = 120, help_heading = "How much",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) in_flight: u32,
    /// Read single rows, written before, instead of writing
    #[arg(long, help_heading = "How much")]
    pub(crate) read: bool,
    /// Fewer requests: the whole matrix within a minute
    #[arg(long, help_heading = "How much")]
    pub(crate) quick: bool,
    /// Pin the node that is started to the last CPU and the client to the others, if there are others
    #[arg(long, help_heading = "How much")]
    pub(crate) pin: bool,

    /// Show the driver's counters and the distribution of latencies, for which every request is timed (else every 7th)
    #[arg(short, long, help_heading = "What comes out")]
    pub(crate) metrics: bool,
    /// Profile the client's CPU (1,000 samples a second, where the system's timer is that fine) into FILE, as pprof
    /// protobuf; with several measurements the names of reactor and pattern are added to the file's
    #[arg(short, long, value_name = "FILE", help_heading = "What comes out")]
    pub(crate) profile: Option<PathBuf>,
    /// Write all figures to FILE as JSON
    #[arg(long, value_name = "FILE", help_heading = "What comes out")]
    pub(crate) json: Option<PathBuf>,
    /// Write a page with charts to FILE; it needs no network
    #[arg(long, value_name = "FILE", help_heading = "What comes out")]
    pub(crate) html: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  helenus bench                                     every pattern, the default reactor, a node of its own
  helenus bench --all-reactors --quick              every pattern on every reactor, in less than a minute
  helenus bench sync -t 16 -H 10.0.0.1,10.0.0.2     16 threads, blocking calls, a real cluster
  helenus bench callback_full_pipeline --null --in-flight 4000
  helenus bench concurrent --read -m --json out.json

What the columns say:
  req/s      requests divided by the time from the first to the last of all threads and processes
  CPU us     CPU time of the client's processes, user and system, for one request
  p50 ...    from starting a request to having its result, as the program sees it
  memory     the most that was resident (VmHWM) above what was resident once connected
  on wire    requests whose answers were awaited at once, at most
  limit      what held it up, judged by CPU time over wall time: 'server' where the node that was started had its one
             thread busy 85 % of the time, 'client' where the client used 85 % of a core or more. Of a real cluster no CPU
             is known: 'server' there means that the client used less than half a core, with many requests in flight.
             'round trip' is neither: client and server waited for each other.

Exit code: 0, or 1 if a request failed or a row is missing.";

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) cells: Vec<(ReactorName, Pattern)>,
    /// What was left out, and why.
    pub(crate) left_out: Vec<String>,
    pub(crate) ops: u64,
}

impl Options {
    pub(crate) fn plan(&self) -> Result<Plan> {
        let mut left_out = Vec::new();
        let threads = self.threads.into();
        let fit = |reactor: &ReactorName| match reactor.unfit(threads) {
            Some(why) => {
                left_out.push(format!("{reactor}: {why}"));
                false
            }
            None => true,
        };
        let reactors: Vec<_> = self.reactors()?.into_iter().filter(fit).collect();
        ensure!(!reactors.is_empty(), "nothing is left to measure; left out: {}", left_out.join("; "));
        let patterns = if self.patterns.is_empty() { Pattern::all() } else { distinct(&self.patterns) };
        let cells =
            reactors.iter().flat_map(|reactor| patterns.iter().map(|pattern| (*reactor, *pattern))).collect();
        let ops = self.ops();
        let workers = u64::from(self.threads) * u64::from(self.processes);
        ensure!(ops >= workers, "{ops} requests don't suffice for {workers} threads; raise --num-ops");
        Ok(Plan { cells, left_out, ops })
    }

    fn ops(&self) -> u64 {
        let usual = match (self.quick, self.hosts.is_empty()) {
            (false, _) => OPS,
            (true, true) => QUICK_OPS,
            (true, false) => QUICK_OPS_REAL,
        };
        self.num_ops.unwrap_or(usual)
    }

    fn reactors(&self) -> Result<Vec<ReactorName>> {
        let compiled = ReactorName::compiled();
        let of =
            |family: &str| compiled.iter().copied().filter(|reactor| reactor.family() == family).collect();
        let chosen: Vec<_> = match () {
            () if self.all_reactors => compiled.clone(),
            () if self.mio_only => of("mio"),
            () if self.tokio_only => of("tokio"),
            () if !self.reactors.is_empty() => distinct(&self.reactors),
            () => compiled.iter().copied().take(1).collect(),
        };
        if let Some(missing) = chosen.iter().find(|reactor| !reactor.is_compiled()) {
            bail!(
                "this build has no reactor {missing}; build with --features reactor-{}. It has: {}",
                missing.family(),
                names(&compiled)
            );
        }
        ensure!(!chosen.is_empty(), "this build has none of these reactors. It has: {}", names(&compiled));
        Ok(chosen)
    }

    /// User and password.
    pub(crate) fn credentials(&self) -> Result<Option<(String, String)>> {
        let Some(user) = self.user.clone() else { return Ok(None) };
        let given = self.password.as_ref().map(|password| password.0.clone());
        let password = given.or_else(|| std::env::var("HELENUS_PASSWORD").ok());
        let password =
            password.context("--user needs a password: give --password, or set HELENUS_PASSWORD")?;
        Ok(Some((user, password)))
    }

    /// Requests on the wire of one connection, at most; `None` is the driver's limit.
    pub(crate) fn on_wire(&self) -> Option<usize> {
        self.on_wire.or((!self.hosts.is_empty()).then_some(ON_WIRE_REAL))
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// A latency is taken of each request whose number is a multiple of this. Not of all, for reading the clock twice is
    /// a good part of what a request costs.
    pub(crate) fn sample_every(&self) -> u64 {
        if self.metrics { 1 } else { 7 }
    }
}

fn names(reactors: &[ReactorName]) -> String {
    let names: Vec<_> = reactors.iter().map(|reactor| reactor.name()).collect();
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn distinct<T: Copy + PartialEq>(chosen: &[T]) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for one in chosen {
        if !kept.contains(one) {
            kept.push(*one);
        }
    }
    kept
}

pub(crate) fn compression(text: &str) -> Result<Compression, String> {
    Compression::from_name(text).ok_or_else(|| format!("'{text}' is no compression: lz4 or snappy"))
}

pub(crate) fn version(text: &str) -> Result<Version, String> {
    let number = text.strip_prefix('v').unwrap_or(text).parse().ok();
    number.and_then(Version::from_byte).ok_or_else(|| "it is 3, 4 or 5".into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        bench: Options,
    }

    fn options(line: &str) -> Result<Options, clap::Error> {
        Ok(Cli::try_parse_from(std::iter::once("bench").chain(line.split_whitespace()))?.bench)
    }

    #[test]
    fn without_arguments_it_is_every_pattern_on_the_default_reactor() {
        let plan = options("").unwrap().plan().unwrap();
        assert_eq!(plan.ops, 100_000);
        assert_eq!(plan.cells.len(), 7);
        assert!(plan.cells.iter().all(|(reactor, _)| *reactor == ReactorName::compiled()[0]));
    }

    #[test]
    fn a_password_is_in_no_dump_of_the_options() {
        let options = options("-H a --user ada --password hunter2").unwrap();
        assert!(!format!("{options:?}").contains("hunter2"));
        assert_eq!(options.credentials().unwrap(), Some(("ada".into(), "hunter2".into())));
    }

    #[test]
    fn the_original_command_line_works() {
        let options =
            options("sync future_batches -n 500 --hosts=10.0.0.1,10.0.0.2:9043 --threads=4 -m -p out.pb")
                .unwrap();
        assert_eq!(options.hosts, ["10.0.0.1", "10.0.0.2:9043"]);
        assert_eq!((options.threads, options.metrics, options.sample_every()), (4, true, 1));
        let plan = options.plan().unwrap();
        assert_eq!(plan.ops, 500);
        let patterns: Vec<_> = plan.cells.iter().map(|(_, pattern)| *pattern).collect();
        assert_eq!(patterns, [Pattern::Sync, Pattern::FutureBatches]);
    }

    #[test]
    #[cfg(all(feature = "reactor-mio", feature = "reactor-tokio"))]
    fn reactors_are_chosen_by_name_family_or_all() {
        let chosen = |line| -> Vec<_> {
            let plan = options(line).unwrap().plan().unwrap();
            plan.cells.iter().map(|(reactor, _)| reactor.name()).collect()
        };
        assert_eq!(chosen("sync --reactor tokio --reactor mio --reactor tokio"), ["tokio", "mio"]);
        assert_eq!(chosen("sync --mio-only"), ["mio", "mio-caller"]);
        assert_eq!(chosen("sync --tokio-only"), ["tokio", "tokio-current-thread", "tokio-multi-thread"]);
        assert_eq!(chosen("sync --all-reactors").len(), ReactorName::compiled().len());
    }

    #[test]
    #[cfg(feature = "reactor-tokio")]
    fn what_makes_no_sense_is_left_out_and_said() {
        let plan = options("sync --tokio-only -t 2").unwrap().plan().unwrap();
        assert_eq!(plan.cells.len(), 2);
        assert_eq!(plan.left_out.len(), 1);
        assert!(plan.left_out[0].starts_with("tokio-current-thread: "), "{:?}", plan.left_out);
        let error = options("sync --reactor tokio-current-thread -t 2").unwrap().plan().unwrap_err();
        assert!(error.to_string().contains("--threads 2"), "{error}");
    }

    #[test]
    fn quick_asks_less_of_real_clusters() {
        let ops = |line| options(line).unwrap().plan().unwrap().ops;
        assert_eq!(ops("--quick"), QUICK_OPS);
        assert_eq!(ops("--quick -H a"), QUICK_OPS_REAL);
        assert_eq!(ops("--quick -n 7"), 7);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "sink",
            "-n 0",
            "-t 0",
            "--protocol-version 6",
            "--consistency most",
            "--mio-only --tokio-only",
            "--null -H a",
            "--reactor epoll",
            "--password x",
        ] {
            assert!(options(line).is_err(), "{line}");
        }
        assert!(options("-n 3 -t 4").unwrap().plan().is_err());
    }
}
