//! Medians, a table that a person reads, and JSON with everything.

use crate::client::Measurement;
use crate::drivers::Driver;
use crate::instructions::Instructions;
use crate::latency::Percentiles;
use crate::rounds::Task;
use crate::workload::Op;
use anyhow::{Context, Result};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// From this share of its core on, it is the server that bounds the throughput.
const SERVER_BOUND: f64 = 0.95;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    server: String,
    pub(crate) rounds: usize,
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) instructions: Vec<Instructions>,
    pub(crate) failures: Vec<Failure>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Failure {
    driver: Driver,
    op: Op,
    in_flight: usize,
    reason: String,
}

impl Failure {
    pub(crate) fn new(task: &Task, error: &anyhow::Error) -> Self {
        Self { driver: task.driver, op: task.op, in_flight: task.in_flight, reason: format!("{error:#}") }
    }

    pub(crate) fn print(&self) {
        let Self { driver, op, in_flight, reason } = self;
        println!("FAILED {} {op} at {in_flight}: {reason}", driver.name());
    }
}

/// Medians over the rounds of one client at one depth.
#[derive(Clone, Debug, Serialize)]
struct Cell {
    driver: Driver,
    op: Op,
    in_flight: usize,
    rounds: usize,
    cpu_us: f64,
    cpu_us_least: f64,
    cpu_us_most: f64,
    cpu_to_bare: Option<f64>,
    requests_per_s: f64,
    latency: Percentiles,
    peak_above_idle_kib: f64,
    context_switches: f64,
    server_busy: Option<f64>,
}

type Place = (Op, usize, Driver);

impl Report {
    pub(crate) fn new(server: String, rounds: usize) -> Self {
        Self { server, rounds, measurements: Vec::new(), instructions: Vec::new(), failures: Vec::new() }
    }

    pub(crate) fn print(&self) {
        let cells = self.cells();
        println!("Server: {}. Medians of {} rounds.", self.server, self.rounds);
        let failed = self.failures.iter().map(|failure| (failure.op, failure.in_flight, failure.driver));
        let places: BTreeSet<Place> = cells.keys().copied().chain(failed).collect();
        for op in places.iter().map(|place| place.0).collect::<BTreeSet<_>>() {
            let print = |title, show: fn(&Cell) -> String| print_metric(&cells, &places, op, title, show);
            print("client CPU, us per request (x bare)", cpu);
            print("requests per second (* server's core full)", throughput);
            print("latency p50 / p99 / p99.9, us", latency);
            print("peak memory above idle, KiB", |cell| format!("{:.0}", cell.peak_above_idle_kib));
        }
        self.print_instructions();
        let drivers: BTreeSet<Driver> = places.iter().map(|place| place.2).collect();
        drivers.iter().for_each(|driver| println!("{}: {}", driver.name(), driver.setting()));
        self.failures.iter().for_each(Failure::print);
    }

    fn print_instructions(&self) {
        if self.instructions.is_empty() {
            return;
        }
        println!("\nuser-space instructions per insert at 120 in flight");
        for Instructions { driver, per_insert } in &self.instructions {
            println!("  {:<20} {per_insert:>9.0}", driver.name());
        }
    }

    pub(crate) fn write_json(&self, path: &Path) -> Result<()> {
        #[derive(Serialize)]
        struct Document<'a> {
            machine: String,
            settings: BTreeMap<&'static str, &'static str>,
            cells: Vec<Cell>,
            #[serde(flatten)]
            report: &'a Report,
        }
        let cells: Vec<Cell> = self.cells().into_values().collect();
        let settings = cells.iter().map(|cell| (cell.driver.name(), cell.driver.setting())).collect();
        let document = Document { machine: machine(), settings, cells, report: self };
        fs::write(path, serde_json::to_vec_pretty(&document)?).with_context(|| path.display().to_string())
    }

    fn cells(&self) -> BTreeMap<Place, Cell> {
        let mut places: BTreeMap<Place, Vec<&Measurement>> = BTreeMap::new();
        for one in &self.measurements {
            places.entry((one.op, one.in_flight, one.driver)).or_default().push(one);
        }
        let mut cells: BTreeMap<Place, Cell> =
            places.into_iter().map(|(place, rounds)| (place, Cell::of(place, &rounds))).collect();
        let floor: BTreeMap<(Op, usize), f64> = cells
            .values()
            .filter(|cell| cell.driver == Driver::Bare)
            .map(|cell| ((cell.op, cell.in_flight), cell.cpu_us))
            .collect();
        for cell in cells.values_mut() {
            cell.cpu_to_bare = floor.get(&(cell.op, cell.in_flight)).map(|bare| cell.cpu_us / bare);
        }
        cells
    }
}

impl Cell {
    fn of((op, in_flight, driver): Place, rounds: &[&Measurement]) -> Self {
        let all = |field: fn(&Measurement) -> f64| rounds.iter().map(move |one| field(one));
        let busy: Vec<f64> = rounds.iter().filter_map(|one| one.server_busy).collect();
        Self {
            driver,
            op,
            in_flight,
            rounds: rounds.len(),
            cpu_us: median(all(|one| one.cpu_us)),
            cpu_us_least: all(|one| one.cpu_us).fold(f64::INFINITY, f64::min),
            cpu_us_most: all(|one| one.cpu_us).fold(0.0, f64::max),
            cpu_to_bare: None,
            requests_per_s: median(all(|one| one.requests_per_s)),
            latency: Percentiles {
                p50_us: median(all(|one| one.latency.p50_us)),
                p99_us: median(all(|one| one.latency.p99_us)),
                p999_us: median(all(|one| one.latency.p999_us)),
                samples: rounds.iter().map(|one| one.latency.samples).sum(),
            },
            peak_above_idle_kib: median(all(|one| one.peak_above_idle_kib as f64)),
            context_switches: median(all(|one| one.context_switches)),
            server_busy: (!busy.is_empty()).then(|| median(busy.into_iter())),
        }
    }
}

/// The middle one, or the mean of the two in the middle; not a number if there are none.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.as_slice() {
        [] => f64::NAN,
        odd if odd.len() % 2 == 1 => odd[middle],
        even => f64::midpoint(even[middle - 1], even[middle]),
    }
}

fn cpu(cell: &Cell) -> String {
    let digits = if cell.cpu_us < 1.0 { 3 } else { 2 };
    let ratio = cell.cpu_to_bare.map(|ratio| format!(" ({ratio:.1}x)")).unwrap_or_default();
    format!("{:.digits$}{ratio}", cell.cpu_us)
}

fn throughput(cell: &Cell) -> String {
    let mark = if cell.server_busy.is_some_and(|busy| busy >= SERVER_BOUND) { " *" } else { "" };
    format!("{:.0}{mark}", cell.requests_per_s)
}

fn latency(cell: &Cell) -> String {
    let Percentiles { p50_us, p99_us, p999_us, .. } = cell.latency;
    format!("{p50_us:.0} / {p99_us:.0} / {p999_us:.0}")
}

fn print_metric(
    cells: &BTreeMap<Place, Cell>,
    places: &BTreeSet<Place>,
    op: Op,
    title: &str,
    show: fn(&Cell) -> String,
) {
    let places = || places.iter().filter(|place| place.0 == op);
    let depths: BTreeSet<usize> = places().map(|place| place.1).collect();
    let drivers: BTreeSet<Driver> = places().map(|place| place.2).collect();
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_header(std::iter::once("in flight".to_owned()).chain(depths.iter().map(usize::to_string)));
    for driver in drivers {
        let row = depths.iter().map(|depth| match (cells.get(&(op, *depth, driver)), driver.fits(*depth)) {
            (Some(cell), _) => show(cell),
            (None, fits) => if fits { "failed" } else { "-" }.to_owned(),
        });
        table.add_row(std::iter::once(driver.name().to_owned()).chain(row));
    }
    table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    println!("\n{op}: {title}\n{table}");
}

/// Processor and kernel, as the figures mean nothing without them.
fn machine() -> String {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{}, Linux {}", model.trim_start_matches(['\t', ' ', ':']), kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median(std::iter::empty()).is_nan());
    }
}
