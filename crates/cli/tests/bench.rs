//! The command as its user runs it, against the node that it starts.
// With all its reactors, which is the default.
#![cfg(all(
    feature = "reactor-async-std",
    feature = "reactor-glommio",
    feature = "reactor-mio",
    feature = "reactor-smol",
    feature = "reactor-tokio",
    feature = "reactor-uring",
    target_os = "linux"
))]
#![expect(clippy::unwrap_used, reason = "a test ends with the first surprise")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn helenus(arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_helenus"));
    command.args(arguments.split_whitespace()).stdin(Stdio::null());
    command
}

fn run(arguments: &str) -> Output {
    helenus(arguments).output().unwrap()
}

/// What a run wrote as JSON, and its output as text; it must have gone well.
fn report(name: &str, arguments: &str) -> (Value, String) {
    let json = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let output = helenus(arguments).arg("--json").arg(&json).output().unwrap();
    let (text, log) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}\n{log}");
    (serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap(), text)
}

fn results(report: &Value) -> &[Value] {
    report["results"].as_array().unwrap()
}

#[test]
fn every_reactor_and_pattern_writes_every_row() {
    let html = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("all.html");
    let arguments = format!("bench --quick -n 1000 --all-reactors --html {}", html.display());
    let (report, text) = report("all.json", &arguments);
    assert_eq!(results(&report).len(), 84);
    for measured in results(&report) {
        let figures = &measured["figures"];
        assert_eq!(figures["error_count"], 0, "{measured}");
        assert_eq!(measured["rows"]["found"], 1_000, "{measured}");
        assert_eq!(measured["rows"]["lost"], 0, "{measured}");
        assert_eq!(measured["rows"]["strangers"], 0, "{measured}");
        assert_eq!(figures["counters"]["answers"], 1_000, "{measured}");
        assert!(figures["requests_per_s"].as_f64().unwrap() > 0.0);
        let on_wire = figures["on_wire_max"].as_u64().unwrap();
        match measured["pattern"].as_str().unwrap() {
            "sync" => assert_eq!(on_wire, 1, "{measured}"),
            "future_full_throttle" => assert!(on_wire > 1, "{measured}"),
            _ => assert!((2..=120).contains(&on_wire), "{measured}"),
        }
    }
    assert_eq!(text.matches("1,000 of 1,000").count(), 84, "{text}");
    let page = std::fs::read_to_string(html).unwrap();
    assert_eq!(page.matches("<svg").count(), 3);
    assert_eq!(page.matches("<rect").count(), 3 * 84);
    assert!(!page.contains("http"), "the page needs no network");
}

#[test]
fn rows_are_read_and_work_is_shared_by_threads_and_processes() {
    let line = "bench sync stream callback_full_pipeline --read -n 1000 -t 2 --processes 2 --in-flight 8 --all-reactors -m";
    let (report, text) = report("read.json", line);
    assert_eq!(results(&report).len(), 9 * 3);
    for measured in results(&report) {
        assert_eq!(measured["figures"]["error_count"], 0, "{measured}");
        assert_eq!(measured["figures"]["counters"]["answers"], 1_000, "{measured}");
        // Two sessions, each with one connection.
        assert_eq!(measured["figures"]["counters"]["connections"], 2, "{measured}");
        assert_eq!(measured["rows"]["found"], 1_000, "{measured}");
    }
    assert!(text.contains("left out: tokio-current-thread: "), "{text}");
    assert!(text.contains("requests_sent"), "{text}");
}

#[test]
fn a_profile_is_written() {
    let profile = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("profile.pb");
    let output = run(&format!("bench sync --null -n 2000 -p {}", profile.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(std::fs::metadata(profile).unwrap().len() > 0);
}

#[test]
fn without_a_node_every_address_is_named() {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = run(&format!("bench sync -H 127.0.0.1:{port}"));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert_eq!(error.matches(&format!("127.0.0.1:{port}")).count(), 1, "{error}");
    assert!(error.contains("refused"), "{error}");
}

#[test]
fn failed_requests_are_counted_shown_and_fatal() {
    let node = StartedNode::start("node --listen 127.0.0.1:0 --with-parent --memory 0");
    let output = run(&format!("bench sync -n 10 -H {}", node.addresses[0]));
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("10 requests failed: server: overloaded; for example: "), "{text}");
    assert!(text.contains("10 rows are missing, all of requests that failed"), "{text}");
}

#[test]
fn a_node_ends_with_its_parent() {
    let mut node = StartedNode::start("node --listen 127.0.0.1:0 --nodes 2 --with-parent");
    assert_eq!(node.addresses.len(), 2);
    drop(node.child.stdin.take());
    assert!(node.child.wait().unwrap().success());
}

#[test]
#[cfg(unix)]
fn a_node_ends_on_a_signal() {
    let mut node = StartedNode::start("node --listen 127.0.0.1:0 --with-parent");
    let killed = Command::new("kill").arg(node.child.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert!(node.child.wait().unwrap().success());
}

/// `helenus node --with-parent`, killed when dropped.
struct StartedNode {
    child: Child,
    addresses: Vec<String>,
}

impl StartedNode {
    fn start(arguments: &str) -> Self {
        let mut child = helenus(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let addresses = lines.take_while(|line| line != "ready").collect();
        Self { child, addresses }
    }
}

impl Drop for StartedNode {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
