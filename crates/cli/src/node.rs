//! `helenus node`.

use std::io::Write;
use std::net::SocketAddr;

use anyhow::{Context, Result};
use helenus_node::Node;

use crate::os::{self, CpuTime, Signals};
use crate::parent;

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
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) nodes: u8,
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
    let node = Node::builder()
        .listen(options.listen)
        .nodes(options.nodes.into())
        .null(options.null)
        .memory_limit_bytes(options.memory.saturating_mul(1 << 20))
        .start()
        .with_context(|| format!("no {} can listen at {}", plural(options.nodes), options.listen))?;
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
    signals.wait()?;
    drop(node);
    Ok(())
}

fn plural(nodes: u8) -> String {
    if nodes == 1 { "node".into() } else { format!("{nodes} nodes") }
}
