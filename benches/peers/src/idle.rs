//! Memory of connections on which nothing happens but heartbeats, on each reactor.

use crate::client::status_kib;
use crate::processor::Cores;
use crate::rounds::run_to_end;
use crate::server::{Server, ServerArgs};
use crate::tls;
use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use comfy_table::{CellAlignment, Table, presets};
use helenus::reactor::{AsyncStd, Glommio, Mio, Reactor, Smol, Tokio, Uring};
use helenus::tls::Tls;
use helenus::{Counters, Session, SessionBuilder};
use serde::{Deserialize, Serialize};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Until all are open, have had a heartbeat answered, or are closed.
const PATIENCE: Duration = Duration::from_secs(60);
const HEARTBEAT: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum On {
    Mio,
    Tokio,
    Uring,
    Glommio,
    Smol,
    AsyncStd,
}

impl On {
    fn reactor(self) -> Box<dyn Reactor> {
        match self {
            Self::Mio => Box::new(Mio::default()),
            Self::Tokio => Box::new(Tokio::runtime()),
            Self::Uring => Box::new(Uring::default()),
            Self::Glommio => Box::new(Glommio::default()),
            Self::Smol => Box::new(Smol::default()),
            Self::AsyncStd => Box::new(AsyncStd::default()),
        }
    }

    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[derive(Args, Debug)]
pub(crate) struct IdleArgs {
    /// How many connections; client and server need a descriptor for each (ulimit -n)
    #[arg(long, default_value_t = 9_000)]
    connections: usize,
    /// Only these reactors
    #[arg(long, value_delimiter = ',', value_name = "REACTOR,..")]
    only: Vec<On>,
    /// With TLS
    #[arg(long)]
    tls: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Args, Debug)]
pub(crate) struct IdleClientArgs {
    #[arg(long)]
    on: On,
    #[arg(long)]
    connections: usize,
    #[arg(long)]
    server: SocketAddr,
    #[arg(long)]
    tls_ca: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct RestClientArgs {
    #[arg(long)]
    on: On,
    #[arg(long)]
    server: SocketAddr,
    #[arg(long)]
    rest_s: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Figures {
    bytes_each: f64,
    opened_ms: u128,
    heartbeats: u64,
    closed_ms: u128,
    /// Of the system, kept by us after the close.
    descriptors_left: i64,
}

pub(crate) fn run(args: &IdleArgs) -> Result<()> {
    let cores = Cores::choose()?;
    ensure!(!args.tls || args.server.may_start_node(), "--tls starts a server of its own");
    let server =
        if args.tls { Server::start_node_with_tls(cores)? } else { Server::from_args(&args.server, cores)? };
    let all = if args.only.is_empty() { On::value_variants().to_vec() } else { args.only.clone() };
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["", "bytes each", "opened, ms", "heartbeats", "closed, ms", "descriptors left"]);
    for on in all {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["idle-client", "--on", &on.name(), "--connections", &args.connections.to_string()]);
        command.args(["--server", &server.address.to_string()]);
        if let Some(certificate) = server.tls_certificate() {
            command.arg("--tls-ca").arg(certificate);
        }
        let output = run_to_end(&mut command).with_context(|| on.name())?;
        let figures: Figures = serde_json::from_slice(&output)?;
        table.add_row([
            on.name(),
            format!("{:.0}", figures.bytes_each),
            figures.opened_ms.to_string(),
            figures.heartbeats.to_string(),
            figures.closed_ms.to_string(),
            figures.descriptors_left.to_string(),
        ]);
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("Server: {}. {} connections, nothing but heartbeats.\n{table}", server.label, args.connections);
    Ok(())
}

pub(crate) fn run_client(args: &IdleClientArgs) -> Result<()> {
    nix::unistd::alarm::set(240);
    let tls = args.tls_ca.as_deref().map(tls::client).transpose()?.map(Tls::from_config);
    let builder = |connections| -> SessionBuilder {
        let builder = Session::builder().contact_point(args.server.to_string());
        let builder = tls.iter().cloned().fold(builder, SessionBuilder::tls);
        builder.connections_per_node(connections).heartbeat(HEARTBEAT, Duration::from_secs(20))
    };
    // One session first: what is needed once is not a connection's.
    let first = builder(1).boxed_reactor(args.on.reactor()).connect().wait()?;
    let (descriptors, before_kib) = (descriptors()?, status_kib("RssAnon:")?);
    let begun = Instant::now();
    let session = builder(args.connections).boxed_reactor(args.on.reactor()).connect().wait()?;
    let wanted = args.connections as u64;
    wait(&session, "all connections", |counters| counters.connections == wanted)?;
    let opened_ms = begun.elapsed().as_millis();
    wait(&session, "a heartbeat on each", |counters| counters.heartbeats >= wanted)?;
    let heartbeats = session.metrics().counters.heartbeats;
    // Long enough for the last answers.
    thread::sleep(Duration::from_millis(500));
    let after_kib = status_kib("RssAnon:")?;
    ensure!(session.metrics().counters.connections == wanted, "heartbeats were not answered");
    session.query("SELECT key FROM system.local", ()).wait()?;
    let begun = Instant::now();
    session.close().wait()?;
    let closed_ms = begun.elapsed().as_millis();
    let figures = Figures {
        bytes_each: after_kib.saturating_sub(before_kib) as f64 * 1_024.0 / wanted as f64,
        opened_ms,
        heartbeats,
        closed_ms,
        descriptors_left: self::descriptors()? as i64 - descriptors as i64,
    };
    first.close().wait()?;
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

/// A session at rest for so long, with the heartbeat's own interval.
pub(crate) fn run_rest_client(args: &RestClientArgs) -> Result<()> {
    let builder = Session::builder().contact_point(args.server.to_string());
    let session = builder.boxed_reactor(args.on.reactor()).connect().wait()?;
    session.query("SELECT key FROM system.local", ()).wait()?;
    thread::sleep(Duration::from_secs(args.rest_s));
    Ok(session.close().wait()?)
}

fn wait(session: &Session, what: &str, done: impl Fn(&Counters) -> bool) -> Result<()> {
    let begun = Instant::now();
    loop {
        let counters = session.metrics().counters;
        if done(&counters) {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "waited in vain for {what}: {counters:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn descriptors() -> Result<usize> {
    Ok(fs::read_dir("/proc/self/fd")?.count())
}
