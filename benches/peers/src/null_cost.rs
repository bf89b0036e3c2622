//! Is `helenus node --null` cheap enough to measure drivers with? Its CPU beside a bare epoll responder's.

use crate::client::Measurement;
use crate::drivers::Driver;
use crate::processor::Cores;
use crate::report::median;
use crate::rounds::{DEPTHS, Task};
use crate::server::Server;
use crate::workload::Op;
use anyhow::{Context, Result};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::fs;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub(crate) struct NullCostArgs {
    /// Requests in flight
    #[arg(long, value_delimiter = ',', value_name = "N,..", default_values_t = DEPTHS)]
    in_flight: Vec<usize>,
    /// Rounds, of whose figures the medians are told
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// About how long each measurement takes, in milliseconds
    #[arg(long, default_value_t = 700)]
    millis: u64,
    /// Also write the figures as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// CPU in microseconds per request, medians.
#[derive(Debug, Serialize)]
struct Cost {
    op: Op,
    in_flight: usize,
    node_us: f64,
    bare_us: f64,
    ratio: f64,
    /// Each client's requests per second beside the same client's on the other server.
    node_requests_per_s: f64,
    bare_requests_per_s: f64,
}

pub(crate) fn run(args: &NullCostArgs) -> Result<()> {
    anyhow::ensure!(args.rounds > 0 && !args.in_flight.contains(&0), "rounds and depths start at 1");
    let cores = Cores::choose()?;
    let servers = [Server::start_node(cores)?, Server::start_own(cores)?];
    servers.iter().try_for_each(Server::make_table)?;
    let mut costs = Vec::new();
    for op in Op::ALL {
        for in_flight in &args.in_flight {
            costs.push(compare(args, op, *in_flight, &servers, cores)?);
        }
    }
    print(&costs);
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_vec_pretty(&costs)?).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

fn compare(
    args: &NullCostArgs,
    op: Op,
    in_flight: usize,
    servers: &[Server; 2],
    cores: Cores,
) -> Result<Cost> {
    let task = Task { millis: args.millis, ..Task::new(Driver::Bare, op, in_flight) };
    let mut found: [Vec<Measurement>; 2] = [Vec::new(), Vec::new()];
    for _ in 0..args.rounds {
        for (server, found) in servers.iter().zip(&mut found) {
            found.push(task.measure(server, cores).with_context(|| server.label.clone())?);
        }
    }
    let [node, bare] = &found;
    let cpu = |found: &[Measurement]| median(found.iter().filter_map(|one| one.server_cpu_us));
    let rate = |found: &[Measurement]| median(found.iter().map(|one| one.requests_per_s));
    let (node_us, bare_us) = (cpu(node), cpu(bare));
    Ok(Cost {
        op,
        in_flight,
        node_us,
        bare_us,
        ratio: node_us / bare_us,
        node_requests_per_s: rate(node),
        bare_requests_per_s: rate(bare),
    })
}

fn print(costs: &[Cost]) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(["", "in flight", "node us", "bare us", "ratio", "node req/s", "bare req/s"]);
    for cost in costs {
        table.add_row([
            cost.op.to_string(),
            cost.in_flight.to_string(),
            format!("{:.3}", cost.node_us),
            format!("{:.3}", cost.bare_us),
            format!("{:.2}", cost.ratio),
            format!("{:.0}", cost.node_requests_per_s),
            format!("{:.0}", cost.bare_requests_per_s),
        ]);
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("CPU of the server per request: helenus node --null, and a bare epoll responder");
    println!("{table}");
}
