//! What `bench` itself asks of the cluster: keyspace and table before, the rows after.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use helenus::Session;
use helenus::value::{RawRow, Uuid};
use serde::Serialize;

use super::job::Target;
use super::reactor;
use super::workload::{CREATE_TABLE, INSERT, KEYSPACE, Key, SELECT_KEYS, TRUNCATE};

/// Changes of the schema take their time in a real cluster.
const SCHEMA_TIMEOUT: Duration = Duration::from_secs(120);

/// How many rows are written at a time before reads are measured.
const FILL_IN_FLIGHT: usize = 256;

/// A session beside those that are measured.
pub(crate) struct Cluster {
    session: Session,
    /// How many connections it has, if all are up.
    turns: usize,
}

/// What was found of the rows that should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    pub(crate) expected: u64,
    pub(crate) found: u64,
    /// Rows that are missing although the cluster acknowledged them. `None` if that isn't known.
    pub(crate) lost: Option<u64>,
    /// Rows that nobody wrote in this run.
    pub(crate) strangers: u64,
}

impl Found {
    pub(crate) fn is_all(&self) -> bool {
        self.found == self.expected && self.strangers == 0
    }
}

impl Cluster {
    pub(crate) fn connect(target: &Target) -> Result<Self> {
        let turns = target.hosts.len() * target.connections.max(1);
        Ok(Self { session: target.builder().boxed_reactor(reactor::any()?).connect().wait()?, turns })
    }

    pub(crate) fn protocol_version(&self) -> String {
        self.session.version().to_string()
    }

    /// Makes keyspace and table unless they are there. Returns the keyspace's replication factor.
    pub(crate) fn make_table(&self, replication_factor: Option<u32>) -> Result<u32> {
        let nodes = 1 + self.session.query("SELECT peer FROM system.peers", ()).wait()?.row_count();
        let wanted = replication_factor.unwrap_or(nodes.min(3) as u32);
        let strategy = format!("{{'class': 'SimpleStrategy', 'replication_factor': {wanted}}}");
        self.change(&format!("CREATE KEYSPACE IF NOT EXISTS {KEYSPACE} WITH replication = {strategy}"))?;
        self.change(CREATE_TABLE)?;
        let there = self.replication_factor()?;
        if let Some(asked) = replication_factor {
            ensure!(
                asked == there,
                "keyspace {KEYSPACE} is there already with replication factor {there}; drop it, or leave \
                 --replication-factor out"
            );
        }
        Ok(there)
    }

    fn replication_factor(&self) -> Result<u32> {
        let text = "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?";
        let response = self.session.query(text, (KEYSPACE,)).wait()?;
        let row = response.one::<RawRow<'_>>()?;
        let replication = row.cells().next().and_then(|cell| cell.bytes()).map(map_texts).unwrap_or_default();
        let at = replication.iter().position(|text| *text == "replication_factor");
        let factor = at.and_then(|at| replication.get(at + 1)?.parse().ok());
        factor
            .with_context(|| format!("the replication of keyspace {KEYSPACE} has no factor: {replication:?}"))
    }

    /// Changes the schema and waits until all nodes have the change.
    fn change(&self, statement: &str) -> Result<()> {
        let response = self.session.query(statement, ()).timeout(SCHEMA_TIMEOUT).wait();
        let coordinator = response.with_context(|| format!("refused: {statement}"))?.coordinator();
        let deadline = Instant::now() + SCHEMA_TIMEOUT;
        while !self.agrees_with(coordinator)? {
            if Instant::now() > deadline {
                bail!("the nodes did not agree on the schema within {SCHEMA_TIMEOUT:?}; are all of them up?");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// Whether everyone who can be asked has, and knows of, the same schema as `coordinator`. It must be among them: all
    /// others may still agree on what was before.
    fn agrees_with(&self, coordinator: SocketAddr) -> Result<bool> {
        let mut asked = BTreeSet::new();
        let mut versions = BTreeSet::new();
        for table in ["local", "peers"] {
            // Requests go round, so each connection has its turn.
            for _ in 0..self.turns {
                let response =
                    self.session.query(format!("SELECT schema_version FROM system.{table}"), ()).wait()?;
                asked.extend((table == "local").then(|| response.coordinator()));
                for row in response.rows::<(Option<Uuid>,)>()? {
                    versions.extend(row?.0.map(|version| *version.as_bytes()));
                }
            }
        }
        Ok(versions.len() == 1 && asked.contains(&coordinator))
    }

    pub(crate) fn truncate(&self) -> Result<()> {
        let done = self.session.query(TRUNCATE, ()).timeout(SCHEMA_TIMEOUT).wait();
        done.map(drop).context("the table can't be emptied")
    }

    /// Writes the rows with the keys of `0..rows`.
    pub(crate) fn fill(&self, rows: u64) -> Result<()> {
        let insert = self.session.prepare(INSERT).wait()?;
        let requests = (0..rows).map(|number| {
            self.session.execute(&insert, (Key::of(number).as_str(), "b", "c")).idempotent(true)
        });
        for (number, result) in self.session.execute_concurrent(requests, FILL_IN_FLIGHT) {
            result.with_context(|| format!("row {number} can't be written"))?;
        }
        Ok(())
    }

    /// Reads all keys, page after page, and looks for those of `0..expected`. `failed` are those whose requests failed: they
    /// may be there or not. `None` if nobody knows.
    pub(crate) fn find_rows(&self, expected: u64, failed: Option<&[u64]>) -> Result<Found> {
        let mut seen = vec![false; usize::try_from(expected)?];
        let mut found = Found { expected, found: 0, lost: None, strangers: 0 };
        for row in self.session.query(SELECT_KEYS, ()).blocking_iter::<(String,)>() {
            let (key,) = row.context("the rows can't be counted")?;
            let place = Key::number(&key).and_then(|number| seen.get_mut(usize::try_from(number).ok()?));
            match place {
                Some(seen) if !*seen => {
                    *seen = true;
                    found.found += 1;
                }
                // One key twice is as wrong as one that nobody wrote.
                _ => found.strangers += 1,
            }
        }
        found.lost = failed.map(|failed| {
            let excused =
                failed.iter().filter(|number| seen.get(**number as usize) == Some(&false)).count() as u64;
            expected - found.found - excused
        });
        Ok(found)
    }

    pub(crate) fn close(self) -> Result<()> {
        Ok(self.session.close().wait()?)
    }
}

/// The texts of a `map<text, text>`, keys and values in turn (section 6 of the protocol's v5: a count, then each with its
/// length).
fn map_texts(bytes: &[u8]) -> Vec<&str> {
    let mut rest = bytes.get(4..).unwrap_or_default();
    std::iter::from_fn(|| {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        let (text, tail) = tail.split_at_checked(usize::try_from(i32::from_be_bytes(*length)).ok()?)?;
        rest = tail;
        std::str::from_utf8(text).ok()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_texts_are_read() {
        assert_eq!(map_texts(b"\0\0\0\x01\0\0\0\x01a\0\0\0\x02bc"), ["a", "bc"]);
        assert_eq!(map_texts(b"\0\0\0\x01\0\0\0\x09a"), [""; 0]);
        assert_eq!(map_texts(b""), [""; 0]);
    }
}
