//! What the examples share.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use helenus::value::Uuid;
use helenus::{Error, Session};

/// Makes a keyspace and a table in it, and returns when all nodes know them: until then those that don't would refuse what
/// is written.
pub(crate) fn make_table(session: &Session, keyspace: &str, table: &str) -> Result<(), Error> {
    let strategy = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    session
        .query(format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {strategy}"), ())
        .wait()?;
    session.query(format!("CREATE TABLE IF NOT EXISTS {keyspace}.{table}"), ()).wait()?;
    let start = Instant::now();
    while !agree(session)? && start.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Whether all nodes have the same version of the schema.
fn agree(session: &Session) -> Result<bool, Error> {
    let mut versions = BTreeSet::new();
    for table in ["local", "peers"] {
        let response = session.query(format!("SELECT schema_version FROM system.{table}"), ()).wait()?;
        for row in response.rows::<(Option<Uuid>,)>()? {
            versions.insert(row?.0);
        }
    }
    Ok(versions.len() == 1)
}
