//! The report as one page: charts drawn here, no script, nothing from the network.

use std::fmt::Write;

use super::chart::{Chart, Scale};
use super::report::{Figures, Measured, Report};
use super::table::{HEADER, columns, how_sentences, micros, thousands};

pub(crate) fn page(report: &Report) -> String {
    let title = "helenus bench";
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n<p>{}</p>\n",
        summary(report)
    );
    page.push_str(&trouble(report));
    for chart in charts() {
        page.push_str(&chart.draw(&report.results));
    }
    page.push_str(&results(report));
    page.push_str("<h2>How it was measured</h2>\n<ul>\n");
    let left_out = report.left_out.iter().map(|left_out| format!("Left out: {left_out}."));
    for sentence in how_sentences(report).into_iter().chain(left_out).chain([WHAT_LIMITS.to_owned()]) {
        let _ = writeln!(page, "<li>{}</li>", escape(&sentence));
    }
    page.push_str("</ul>\n</main>\n</body>\n</html>\n");
    page
}

const WHAT_LIMITS: &str = "Limit: by CPU time over wall time. 'server': the embedded node's one thread was busy 85 % of the \
    time; 'client': the client used 85 % of a core or more; of a real cluster no CPU is known, and 'server' says that the \
    client used less than half a core with many requests in flight; 'round trip': neither, they waited for each other.";

fn charts() -> [Chart; 3] {
    [
        Chart {
            title: "Throughput",
            note: "requests per second; longer is better",
            scale: Scale::Linear,
            value: |figures| Some(figures.requests_per_s),
            label: |value| thousands(value.round() as u64),
        },
        Chart {
            title: "Client CPU for a request",
            note: "microseconds, logarithmic: each line is ten times the one before; shorter is better",
            scale: Scale::Logarithmic,
            value: |figures| Some(figures.client_cpu_us_per_request),
            label: |value| if value < 0.995 { format!("{value:.2} us") } else { micros(value) },
        },
        Chart {
            title: "99th percentile of latency",
            note: "logarithmic: each line is ten times the one before; shorter is better",
            scale: Scale::Logarithmic,
            value: |figures| figures.latency_us("p99"),
            label: micros,
        },
    ]
}

/// The fastest, in a sentence.
fn summary(report: &Report) -> String {
    let best = |better: fn(&Figures, &Figures) -> bool| {
        let measured =
            report.results.iter().filter_map(|measured| Some((measured, measured.figures.as_ref()?)));
        measured.reduce(|best, next| if better(next.1, best.1) { next } else { best })
    };
    let fastest = best(|a, b| a.requests_per_s > b.requests_per_s);
    let leanest = best(|a, b| a.client_cpu_us_per_request < b.client_cpu_us_per_request);
    let (Some((fastest, speed)), Some((leanest, cost))) = (fastest, leanest) else {
        return "Nothing was measured.".into();
    };
    format!(
        "Most requests per second: <b>{} {}</b>, {}. Least client CPU for a request: <b>{} {}</b>, {:.2} us. Of the {} \
         measurements {} went without an error{}.",
        fastest.reactor,
        fastest.pattern,
        thousands(speed.requests_per_s.round() as u64),
        leanest.reactor,
        leanest.pattern,
        cost.client_cpu_us_per_request,
        report.results.len(),
        report.results.iter().filter(|measured| measured.is_good()).count(),
        if report.results.iter().any(|measured| measured.rows.is_some()) {
            " and with every row found"
        } else {
            ""
        },
    )
}

fn trouble(report: &Report) -> String {
    let lines: String = report.results.iter().map(super::table::trouble).collect();
    if lines.is_empty() {
        String::new()
    } else {
        format!("<pre class=\"bad\">{}</pre>\n", escape(lines.trim_end()))
    }
}

fn results(report: &Report) -> String {
    let mut text = String::from("<h2>All figures</h2>\n<div class=\"wide\"><table>\n<tr>");
    for name in HEADER {
        let _ = write!(text, "<th>{}</th>", escape(name));
    }
    text.push_str("</tr>\n");
    for measured in &report.results {
        text.push_str(&row(measured));
    }
    text.push_str("</table></div>\n");
    text
}

fn row(measured: &Measured) -> String {
    let class = if measured.is_good() { "" } else { " class=\"bad\"" };
    let mut text = format!("<tr{class}><td>{}</td><td>{}</td>", measured.reactor, measured.pattern);
    for column in columns(measured) {
        let _ = write!(text, "<td>{}</td>", escape(&column));
    }
    text.push_str("</tr>\n");
    text
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Colours follow the reactor, in both schemes.
const STYLE: &str = "\
:root { --ground: #fcfcfb; --text: #1a1a19; --soft: #5f5e58; --line: #dddcd6; --bad: #b3261e;
  --c0: #2a78d6; --c1: #1baf7a; --c2: #eda100; --c3: #4a3aa7; --c4: #e34948; --c5: #e87ba4; --c6: #eb6834; --c7: #008300; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #1a1a19; --text: #f2f1ec; --soft: #aaa9a0; --line: #3a3936; --bad: #f2837b;
    --c0: #3987e5; --c1: #199e70; --c2: #c98500; --c3: #9085e9; --c4: #e66767; --c5: #d55181; --c6: #d95926; --c7: #4d9a4d; } }
body { background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; margin: 0; }
main { max-width: 1120px; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .2rem; }
.note { color: var(--soft); margin: 0 0 .5rem; }
svg { width: 100%; height: auto; display: block; font: 12px system-ui, sans-serif; }
svg text { fill: var(--text); } svg .soft { fill: var(--soft); } svg .head { font-weight: 600; }
svg line { stroke: var(--line); stroke-width: 1; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; }
th { color: var(--soft); font-weight: 600; }
th:nth-child(-n+2), td:nth-child(-n+2) { text-align: left; }
.bad { color: var(--bad); } pre.bad { white-space: pre-wrap; border: 1px solid; padding: .6rem; }
";
