//! What the examples share.
#![allow(dead_code, reason = "each example uses a part of it")]

use std::collections::BTreeSet;

use helenus::value::Uuid;
use helenus::{Error, Session};

/// The node to connect to: the first argument, or this machine.
pub(crate) fn host() -> String {
    std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1".into())
}

/// Makes a keyspace and a table in it, on whatever runs the session, and returns when all nodes know them: until then those
/// that don't would refuse what is written. Programs that block give this to [`Session::block_on`].
pub(crate) async fn make_table(session: &Session, keyspace: &str, table: &str) -> Result<(), Error> {
    let strategy = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    session
        .query(format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {strategy}"), ())
        .await?;
    session.query(format!("CREATE TABLE IF NOT EXISTS {keyspace}.{table}"), ()).await?;
    // Each question is a round trip, so this is no idle loop. Within some seconds nodes that are up agree.
    for _ in 0..10_000 {
        if agree(session).await? {
            break;
        }
    }
    Ok(())
}

/// Whether all nodes have the same version of the schema.
async fn agree(session: &Session) -> Result<bool, Error> {
    let mut versions = BTreeSet::new();
    for table in ["local", "peers"] {
        let response = session.query(format!("SELECT schema_version FROM system.{table}"), ()).await?;
        for row in response.rows::<(Option<Uuid>,)>()? {
            versions.insert(row?.0);
        }
    }
    Ok(versions.len() == 1)
}
