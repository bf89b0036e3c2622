//! The cluster that the environment names, and a keyspace of each test's own on it.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use helenus::value::Uuid;
use helenus::{Consistency, Session, SessionBuilder};

use crate::common::{self, Kind};

const VARIABLE: &str = "HELENUS_CASSANDRA";

/// The nodes' addresses.
pub(crate) fn nodes() -> Vec<String> {
    let nodes = std::env::var(VARIABLE).unwrap_or_else(|_| {
        panic!("{VARIABLE} names no cluster: `cargo xtask cassandra up --nodes 3`, then {VARIABLE}=127.0.0.1,127.0.0.2,127.0.0.3")
    });
    nodes.split(',').map(|node| node.trim().to_owned()).collect()
}

/// A builder with all nodes and the consistency of a cluster.
pub(crate) fn builder() -> SessionBuilder {
    Session::builder()
        .contact_points(nodes())
        .consistency(Consistency::Quorum)
        .request_timeout(Duration::from_secs(30))
        .handshake_timeout(Duration::from_secs(20))
}

/// A session with a keyspace of its own, which is dropped in the end. One test at a time has one: a machine with two
/// cores has enough to do with three nodes, and they agree on one change of the schema at a time.
pub(crate) struct Stage {
    session: Session,
    pub(crate) keyspace: String,
    _turn: MutexGuard<'static, ()>,
}

impl Stage {
    pub(crate) fn new(kind: Kind) -> Self {
        Self::with(kind, |builder| builder)
    }

    pub(crate) fn with(kind: Kind, configure: impl FnOnce(SessionBuilder) -> SessionBuilder) -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let keyspace = format!("helenus_{}_{number}", std::process::id());
        let session = kind.connect(configure(builder())).unwrap();
        let stage = Self { session, keyspace, _turn: turn };
        let strategy =
            format!("{{'class': 'SimpleStrategy', 'replication_factor': {}}}", nodes().len().min(3));
        stage.schema(&format!("CREATE KEYSPACE {} WITH replication = {strategy}", stage.keyspace));
        stage
    }

    /// Changes the schema, and waits until all nodes know.
    pub(crate) fn schema(&self, text: &str) {
        self.session.query(text, ()).wait().unwrap_or_else(|error| panic!("{text}: {error}"));
        let all = nodes().len();
        common::until(&self.session, "the nodes agree on the schema", || {
            let mut versions = BTreeMap::new();
            for _ in 0..4 * all {
                let local = self.session.query("SELECT schema_version FROM system.local", ()).wait().unwrap();
                versions.insert(local.coordinator(), local.one::<(Uuid,)>().unwrap().0);
            }
            let mut known = versions.values();
            let first = known.next();
            versions.len() == all && known.all(|version| Some(version) == first)
        });
    }

    /// The full name of a table.
    pub(crate) fn name(&self, table: &str) -> String {
        format!("{}.{table}", self.keyspace)
    }
}

impl Deref for Stage {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // On a session of its own, for the test's may be closed. What fails is left behind, not a second panic.
        if let Ok(session) = Kind::MioCaller.connect(builder()) {
            let _ = session.query(format!("DROP KEYSPACE IF EXISTS {}", self.keyspace), ()).wait();
        }
    }
}
