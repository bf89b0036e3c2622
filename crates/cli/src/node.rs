//! `helenus node`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use helenus_node::{Node, Place, Script};

use crate::os::{self, CpuTime, Signals};
use crate::{parent, tls};

/// Prints the addresses of the nodes, one in a line, once they listen; runs until SIGINT or SIGTERM.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "It is no database: what it holds ends with it. See the documentation of helenus-node for the CQL \
                        that it knows.\n\nExample: helenus node --nodes 3 & helenus bench sync -H 127.0.0.1,127.0.0.2"
)]
pub(crate) struct Options {
    /// Where the first node listens; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9042")]
    pub(crate) listen: SocketAddr,
    /// How many nodes: the others take the next addresses and the same port, and share one store
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) nodes: u16,
    /// Data centre and rack of a node; once for each node, in place of --nodes
    #[arg(long, value_name = "DATA_CENTER:RACK", value_parser = place, conflicts_with = "nodes")]
    pub(crate) place: Vec<Place>,
    /// How many tokens each node has, spread evenly
    #[arg(long, value_name = "N", default_value_t = 16)]
    pub(crate) vnodes: u16,
    /// Let in only who gives this name and password (repeatable)
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = user)]
    pub(crate) user: Vec<(String, String)>,
    /// Speak TLS, and nothing else, with the certificates in this PEM file, the node's own first
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, as PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// What goes wrong, and when: faults of answers, nodes that stop, join and hang. The documentation of helenus-node's
    /// Script says how it is written
    #[arg(long, value_name = "FILE")]
    pub(crate) script: Option<PathBuf>,
    /// Answer prepared writes without looking at them, and prepared reads with one row that is always the same: for
    /// measuring drivers
    #[arg(long)]
    pub(crate) null: bool,
    /// How much memory the rows may take, in MiB; writes beyond are refused
    #[arg(long, value_name = "MIB", default_value_t = 1_024)]
    pub(crate) memory: usize,
    /// Run on this CPU only (repeatable)
    #[arg(long, value_name = "CPU")]
    pub(crate) pin: Vec<usize>,
    /// End when standard input ends, so with the process at its other end. Each line there is answered by the CPU time
    /// used so far, in microseconds
    #[arg(long)]
    pub(crate) with_parent: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let signals = Signals::block()?;
    if !options.pin.is_empty() {
        os::pin(&options.pin)?;
    }
    let script = options.script.as_deref().map(read_script).transpose()?;
    let mut builder = Node::builder()
        .listen(options.listen)
        .places(places(options))
        .null(options.null)
        .memory_limit_bytes(options.memory.saturating_mul(1 << 20));
    for (name, password) in &options.user {
        builder = builder.authentication(name, password);
    }
    if let (Some(certificates), Some(key)) = (&options.tls_cert, &options.tls_key) {
        builder = builder.tls(tls::server(certificates, key)?);
    }
    let mut node = builder
        .start()
        .with_context(|| format!("no {} can listen at {}", plural(places(options).len()), options.listen))?;
    let (now, later) = script.unwrap_or_default().split_start();
    now.run(&mut node).context("the script can't be carried out")?;
    let mut out = std::io::stdout();
    for address in node.addresses() {
        writeln!(out, "{address}")?;
    }
    if options.with_parent {
        // What the starter reads ends here; what follows answers its lines.
        writeln!(out, "ready")?;
        parent::follow(|_| {
            let cpu = CpuTime::now();
            // Whoever doesn't read it has gone, and standard input ends next.
            let _ = writeln!(std::io::stdout(), "{}", (cpu.user + cpu.system).as_micros());
        })?;
    }
    out.flush()?;
    // The nodes end with the process, which waits for a signal and not for the script.
    std::thread::Builder::new().name("script".into()).spawn(move || {
        if let Err(error) = later.run(&mut node) {
            eprintln!("the script can't be carried out: {error}");
        }
        loop {
            std::thread::park();
        }
    })?;
    signals.wait()
}

fn places(options: &Options) -> Vec<Place> {
    let vnodes = usize::from(options.vnodes);
    match options.place.as_slice() {
        [] => vec![Place::default().vnodes(vnodes); options.nodes.into()],
        places => places.iter().map(|place| place.clone().vnodes(vnodes)).collect(),
    }
}

fn place(text: &str) -> Result<Place, String> {
    let (data_center, rack) = text.split_once(':').ok_or("a data centre and a rack, with a colon between")?;
    Ok(Place::new(data_center, rack))
}

fn user(text: &str) -> Result<(String, String), String> {
    let (name, password) = text.split_once(':').ok_or("a name and a password, with a colon between")?;
    Ok((name.into(), password.into()))
}

fn read_script(path: &Path) -> Result<Script> {
    let text = std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    Script::parse(&text).with_context(|| path.display().to_string())
}

fn plural(nodes: usize) -> String {
    if nodes == 1 { "node".into() } else { format!("{nodes} nodes") }
}
