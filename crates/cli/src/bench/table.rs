//! The report as text.

use std::fmt::Write;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

use super::report::{Figures, Measured, PERCENTILES, Report};

pub(crate) const HEADER: [&str; 12] = [
    "reactor",
    "pattern",
    "req/s",
    "CPU us",
    "p50",
    "p99",
    "p99.9",
    "memory",
    "on wire",
    "limit",
    "errors",
    "rows found",
];

/// The table of all results, what went wrong, and how it was measured.
pub(crate) fn report(report: &Report, metrics: bool) -> String {
    let mut text = format!("{}\n", results(report));
    for measured in &report.results {
        text.push_str(&trouble(measured));
    }
    if metrics {
        for measured in &report.results {
            text.push_str(&self::metrics(measured));
        }
    }
    for left_out in &report.left_out {
        let _ = writeln!(text, "left out: {left_out}");
    }
    text.push_str(&how(report));
    text
}

fn results(report: &Report) -> Table {
    let mut table = table();
    table.set_header(HEADER.map(|name| Cell::new(name).set_alignment(CellAlignment::Center)));
    for measured in &report.results {
        let mut row = vec![Cell::new(measured.reactor), Cell::new(measured.pattern)];
        row.extend(
            columns(measured).into_iter().map(|text| Cell::new(text).set_alignment(CellAlignment::Right)),
        );
        table.add_row(row);
    }
    table
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// What follows reactor and pattern.
pub(crate) fn columns(measured: &Measured) -> Vec<String> {
    let rows = match measured.rows {
        Some(rows) => format!("{} of {}", thousands(rows.found), thousands(rows.expected)),
        None => "-".into(),
    };
    let Some(figures) = &measured.figures else {
        let mut columns = vec!["FAILED".to_owned()];
        columns.resize(HEADER.len() - 3, "-".into());
        columns.push(rows);
        return columns;
    };
    let latency = |name| figures.latency_us(name).map_or("-".into(), micros);
    vec![
        thousands(figures.requests_per_s.round() as u64),
        format!("{:.2}", figures.client_cpu_us_per_request),
        latency("p50"),
        latency("p99"),
        latency("p99.9"),
        figures.memory_above_idle_bytes.map_or("-".into(), bytes),
        thousands(figures.on_wire_max),
        figures.limit.name().into(),
        thousands(figures.error_count),
        rows,
    ]
}

pub(crate) fn trouble(measured: &Measured) -> String {
    let mut text = String::new();
    let name = format!("{} {}", measured.reactor, measured.pattern);
    if let Some(why) = &measured.failed {
        let _ = writeln!(text, "{name}: FAILED: {why}");
    }
    for (kind, error) in measured.figures.iter().flat_map(|figures| &figures.errors) {
        let count = thousands(error.count);
        let _ = writeln!(text, "{name}: {count} requests failed: {kind}; for example: {}", error.example);
    }
    if let Some(rows) = measured.rows.filter(|rows| !rows.is_all()) {
        let lost = match rows.lost {
            None => "how many of them were acknowledged is not known".to_owned(),
            Some(0) => "all of requests that failed".to_owned(),
            Some(lost) => format!("{} of them LOST: they were acknowledged", thousands(lost)),
        };
        let (missing, strangers) = (thousands(rows.expected - rows.found), thousands(rows.strangers));
        let _ = writeln!(
            text,
            "{name}: {missing} rows are missing, {lost}; {strangers} are there that this run did not write"
        );
    }
    text
}

fn metrics(measured: &Measured) -> String {
    let Some(figures) = &measured.figures else { return String::new() };
    let mut text = format!("\n{} {}\n", measured.reactor, measured.pattern);
    let latencies =
        PERCENTILES.iter().filter_map(|(name, _)| Some((*name, micros(figures.latency_us(name)?))));
    let mut table = table();
    table.add_row(
        std::iter::once("latency".to_owned()).chain(latencies.map(|(name, time)| format!("{name} {time}"))),
    );
    let _ = writeln!(text, "{table}\n{}", counters(figures));
    text
}

fn counters(figures: &Figures) -> Table {
    let mut table = table();
    let pairs: Vec<_> = figures.counters.iter().filter(|(_, count)| **count > 0).collect();
    for pair in pairs.chunks(3) {
        table.add_row(pair.iter().flat_map(|(name, count)| {
            [Cell::new(name), Cell::new(thousands(**count)).set_alignment(CellAlignment::Right)]
        }));
    }
    table
}

/// How it was measured, in lines.
fn how(report: &Report) -> String {
    how_sentences(report).into_iter().fold(String::new(), |text, line| text + &line + "\n")
}

/// The same, for the page too.
pub(crate) fn how_sentences(report: &Report) -> Vec<String> {
    let setup = &report.setup;
    let timed = match setup.latency_of_every {
        1 => "every request".to_owned(),
        every => format!("every {every}th request"),
    };
    let plural = |count: u16, name: &str| format!("{count} {name}{}", if count == 1 { "" } else { "s" });
    vec![
        format!(
            "{} {} for each reactor and pattern, each measurement in {} of its own with {}, {} in flight for each; {} to each \
             node{}.",
            thousands(setup.requests),
            setup.operation,
            if setup.processes == 1 { "a process".into() } else { format!("{} processes", setup.processes) },
            plural(setup.threads, "thread"),
            thousands(setup.in_flight.into()),
            plural(u16::try_from(setup.connections_per_node).unwrap_or(u16::MAX), "connection"),
            setup
                .on_wire_per_connection_max
                .map_or(String::new(), |max| format!(" with at most {} on the wire", thousands(max as u64))),
        ),
        format!(
            "Server: {}; protocol {}, compression {}, consistency {}, replication factor {}; pinned: {}.",
            setup.server,
            setup.protocol,
            setup.compression,
            setup.consistency,
            setup.replication_factor,
            setup.pinned
        ),
        format!(
            "CPU: user and system time of the client's processes (getrusage). Latencies: of {timed}, as the program sees \
                 them. Memory: the most above idle."
        ),
        format!("helenus {} on {}.", report.helenus, report.machine.in_words()),
    ]
}

/// 1234567 as 1,234,567.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Microseconds with a unit that suits.
pub(crate) fn micros(us: f64) -> String {
    match us {
        us if us < 10.0 => format!("{us:.1} us"),
        us if us < 1_000.0 => format!("{us:.0} us"),
        us if us < 10_000.0 => format!("{:.1} ms", us / 1e3),
        us if us < 1_000_000.0 => format!("{:.0} ms", us / 1e3),
        us => format!("{:.1} s", us / 1e6),
    }
}

pub(crate) fn bytes(bytes: u64) -> String {
    match bytes as f64 / 1_024.0 {
        kib if kib < 1_024.0 => format!("{kib:.0} KiB"),
        kib => format!("{:.1} MiB", kib / 1_024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(
            [0.53, 42.4, 1_234.0, 56_000.0, 2.5e6].map(micros),
            ["0.5 us", "42 us", "1.2 ms", "56 ms", "2.5 s"]
        );
        assert_eq!([0, 10 << 10, 3 << 19].map(bytes), ["0 KiB", "10 KiB", "1.5 MiB"]);
    }
}
