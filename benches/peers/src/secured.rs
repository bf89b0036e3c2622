//! What TLS costs: each client on a server with TLS beside the same client on one without, in turn.

use crate::drivers::Driver;
use crate::instructions;
use crate::processor::Cores;
use crate::report::{Failure, median};
use crate::rounds::{RunArgs, Task};
use crate::server::Server;
use crate::tls;
use crate::workload::Op;
use anyhow::{Context, Result, bail, ensure};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::fs;

const DEPTHS: [usize; 3] = [1, 120, 1_024];
/// Each reactor once, where its users' futures run beside it; a loop on a thread of its own; and who else has rustls.
const DRIVERS: [Driver; 9] = [
    Driver::HelenusMioCaller,
    Driver::HelenusMio,
    Driver::HelenusTokioCt,
    Driver::HelenusUringCaller,
    Driver::HelenusGlommio,
    Driver::HelenusSmol,
    Driver::HelenusAsyncStd,
    Driver::ScyllaCt,
    Driver::ScyllaMt,
];

/// CPU in microseconds per request: medians, without TLS and with it.
#[derive(Debug, Serialize)]
struct Cost {
    op: Op,
    driver: Driver,
    in_flight: usize,
    plain_us: f64,
    tls_us: f64,
    /// Of the rounds' own ratios.
    times: f64,
    /// Of the kernel, with TLS: what neither driver nor cryptography takes.
    tls_system_us: f64,
}

pub(crate) fn run(args: &RunArgs) -> Result<()> {
    let cores = Cores::choose()?;
    ensure!(
        args.server.may_start_node(),
        "--tls starts two servers of its own, one with TLS and one without"
    );
    let servers = [Server::start_node(cores)?, Server::start_node_with_tls(cores)?];
    servers.iter().try_for_each(Server::make_table)?;
    let config = tls::client(&servers[1].tls_certificate().context("the second server has no certificate")?)?;
    println!("{}: {}", servers[1].label, tls::agreed(servers[1].address, config)?);
    let drivers = if args.only.is_empty() { &DRIVERS[..] } else { &args.only };
    let (mut costs, mut failures) = (Vec::new(), Vec::new());
    for op in if args.ops.is_empty() { vec![Op::Insert] } else { args.ops.clone() } {
        for in_flight in if args.in_flight.is_empty() { DEPTHS.to_vec() } else { args.in_flight.clone() } {
            measure(args, op, in_flight, drivers, &servers, cores, &mut costs, &mut failures);
        }
    }
    print(&costs);
    if args.instructions {
        print_instructions(drivers, &servers, cores, &mut failures);
    }
    if let Some(path) = &args.json {
        fs::write(path, serde_json::to_vec_pretty(&costs)?).with_context(|| path.display().to_string())?;
    }
    failures.iter().for_each(Failure::print);
    if failures.is_empty() { Ok(()) } else { bail!("{} measurements failed", failures.len()) }
}

/// All clients in turn, each without TLS and at once with it, round after round.
#[expect(clippy::too_many_arguments, reason = "what is measured, and where it goes")]
fn measure(
    args: &RunArgs,
    op: Op,
    in_flight: usize,
    drivers: &[Driver],
    servers: &[Server; 2],
    cores: Cores,
    costs: &mut Vec<Cost>,
    failures: &mut Vec<Failure>,
) {
    let (rounds, millis) = if args.quick { (1, 100) } else { (args.rounds, args.millis) };
    let mut found: Vec<Vec<[f64; 3]>> = drivers.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (driver, found) in drivers.iter().zip(&mut found) {
            let task = Task { millis, ..Task::new(*driver, op, in_flight) };
            let both = task.measure(&servers[0], cores).and_then(|plain| {
                let tls = task.measure(&servers[1], cores).context("with TLS")?;
                Ok([plain.cpu_us, tls.cpu_us, tls.system_us])
            });
            match both {
                Ok(both) => found.push(both),
                Err(error) => failures.push(Failure::new(&task, &error)),
            }
        }
    }
    for (driver, found) in drivers.iter().zip(&found).filter(|(_, found)| !found.is_empty()) {
        let of = |field: fn(&[f64; 3]) -> f64| median(found.iter().map(field));
        costs.push(Cost {
            op,
            driver: *driver,
            in_flight,
            plain_us: of(|[plain, ..]| *plain),
            tls_us: of(|[_, tls, _]| *tls),
            times: of(|[plain, tls, _]| tls / plain),
            tls_system_us: of(|[.., system]| *system),
        });
    }
}

fn print(costs: &[Cost]) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header([
        "",
        "",
        "in flight",
        "without TLS",
        "with TLS",
        "times",
        "of it kernel",
        "scylla-ct's / this",
    ]);
    for cost in costs {
        let same = |other: &&Cost| {
            (other.op, other.in_flight, other.driver) == (cost.op, cost.in_flight, Driver::ScyllaCt)
        };
        let beside = costs.iter().find(same).map(|scylla| format!("{:.1}", scylla.tls_us / cost.tls_us));
        table.add_row([
            cost.driver.name().to_owned(),
            cost.op.to_string(),
            cost.in_flight.to_string(),
            format!("{:.2}", cost.plain_us),
            format!("{:.2}", cost.tls_us),
            format!("{:.2}", cost.times),
            format!("{:.2}", cost.tls_system_us),
            beside.unwrap_or_default(),
        ]);
    }
    table.column_iter_mut().skip(2).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("client CPU, us per request, medians\n{table}");
}

fn print_instructions(drivers: &[Driver], servers: &[Server; 2], cores: Cores, failures: &mut Vec<Failure>) {
    println!("user-space instructions per insert at 120 in flight, without TLS and with it");
    for driver in drivers {
        let mut count = |server| instructions::count(&[*driver], server, cores, failures).pop();
        if let Some((plain, tls)) = count(&servers[0]).zip(count(&servers[1])) {
            println!("  {:<28} {:>9.0} {:>9.0}", driver.name(), plain.per_insert, tls.per_insert);
        }
    }
}
