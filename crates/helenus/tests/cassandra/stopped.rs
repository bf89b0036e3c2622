//! A node that stops answering without closing anything.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use helenus::Error;

use crate::cluster::Stage;
use crate::common::{Kind, until};
use crate::on_real_cassandra;

on_real_cassandra!(one_node_is_frozen_for_a_while);

/// Freezes the third node of the cluster that xtask started, until it is dropped, or for 30 s if the test is killed.
struct Frozen(u32);

impl Frozen {
    fn third_node() -> Self {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/cassandra/node3/pid");
        let id = std::fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!(
                "{}: {error}; this test needs the cluster of `cargo xtask cassandra up --nodes 3`",
                file.display()
            )
        });
        let frozen = Self(id.trim().parse().unwrap());
        // In the background of a shell that ends at once.
        let thaw = format!("(sleep 30; kill -CONT {}) >/dev/null 2>&1 &", frozen.0);
        assert!(Command::new("sh").args(["-c", &thaw]).status().unwrap().success());
        frozen.signal("STOP");
        frozen
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.0)]).status().unwrap();
        assert!(sent.success(), "kill -{name} {}", self.0);
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal("CONT");
    }
}

fn one_node_is_frozen_for_a_while(kind: Kind) {
    let stage = Stage::with(kind, |builder| {
        builder
            .heartbeat(Duration::from_millis(500), Duration::from_millis(500))
            .handshake_timeout(Duration::from_secs(2))
            .reconnection(Duration::from_millis(200), Duration::from_secs(1))
    });
    stage.schema(&format!("CREATE TABLE {} (id bigint PRIMARY KEY, name text)", stage.name("t")));
    let insert =
        stage.prepare(format!("INSERT INTO {} (id, name) VALUES (?, ?)", stage.name("t"))).wait().unwrap();
    let request =
        |id: i64| stage.execute(&insert, (id, "x")).idempotent(true).timeout(Duration::from_secs(2));
    stage
        .execute_concurrent((0..300).map(request), 30)
        .into_iter()
        .for_each(|(_, result)| drop(result.unwrap()));
    let connections = stage.metrics().counters.connections;
    assert_eq!(connections, 3 * kind.shards() as u64);

    let frozen = Frozen::third_node();
    let start = Instant::now();
    let (mut written, mut late) = (0, 0);
    let endless = (300_i64..).map(request);
    for (_, result) in stage.execute_concurrent(endless, 30) {
        match result {
            Ok(_) => written += 1,
            // Only what it coordinates or holds alone may be late.
            Err(error @ Error::Request(_)) => {
                assert!(
                    error.is_timeout()
                        || matches!(error, Error::Request(helenus::RequestError::ConnectionLost { .. })),
                    "{error}"
                );
                late += 1;
            }
            Err(error @ Error::Server { .. }) => {
                assert!(error.to_string().contains("timed out"), "{error}");
                late += 1;
            }
            Err(error) => panic!("{error}"),
        }
        if start.elapsed() > Duration::from_secs(4) {
            break;
        }
    }
    assert!(written > 100 && late <= 60 * kind.shards(), "{written} written, {late} late");
    drop(frozen);

    until(&stage, "it has all its connections again", || stage.metrics().counters.connections == connections);
    let all: Vec<_> = stage.execute_concurrent((0..300).map(request), 30).into_iter().collect();
    assert!(all.iter().filter(|(_, result)| result.is_ok()).count() >= 290, "{all:?}");
}
