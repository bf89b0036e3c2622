//! The rows of the system tables.

use std::net::IpAddr;
use std::sync::Arc;

use helenus_core::protocol::ColumnType;

use super::{Cluster, Member, System};
use crate::cql::Literal;
use crate::store::Store;
use crate::store::row::{partition_key, push_cell};
use crate::store::schema::{Kind, Schema};
use crate::store::table::{PartitionKey, Table};
use crate::types::{encode, push_ordered};

const RELEASE_VERSION: &str = "4.1.0-helenus";
const PARTITIONER: &str = "org.apache.cassandra.dht.Murmur3Partitioner";

/// A row by the names of its columns; columns that aren't named have no value.
pub(super) struct SystemRow(Vec<(&'static str, Literal)>);

/// The rows of the table with that schema, as the node with that number sees them.
pub(super) fn rows(system: &System, schema: &Schema, store: &Store, node: usize) -> Vec<SystemRow> {
    match (schema.keyspace.as_str(), schema.table.as_str()) {
        ("system", "local") => local(&system.cluster, store, node).into_iter().collect(),
        ("system", "peers") => others(&system.cluster, node).map(|member| peer_v1(member, store)).collect(),
        ("system", "peers_v2") => {
            others(&system.cluster, node).map(|member| peer_v2(member, store)).collect()
        }
        ("system_schema", "keyspaces") => keyspaces(store),
        ("system_schema", "tables") => schemas(system, store).iter().map(table).collect(),
        ("system_schema", "columns") => schemas(system, store).iter().flat_map(columns).collect(),
        // There are no views, types, functions, indexes and so on to tell of.
        _ => Vec::new(),
    }
}

impl SystemRow {
    /// Writes the row as an INSERT would. What doesn't fit its column would be a fault of this module's, and stays out;
    /// a test reads every table.
    pub(super) fn insert_into(&self, table: &mut Table) {
        let schema = table.schema.clone();
        let value = |name: &str, column_type: &ColumnType| {
            let found = self.0.iter().find(|(column, _)| *column == name)?;
            encode(column_type, &found.1).ok().flatten()
        };
        let values =
            schema.columns.iter().map(|column| value(&column.name, &column.column_type)).collect::<Vec<_>>();
        let (partition, rest) = values.split_at(schema.partition_len);
        let mut key = Vec::new();
        if partition_key(schema.partition_len, partition.iter().flatten().map(Vec::as_slice), &mut key)
            .is_err()
        {
            return;
        }
        let mut clustering = Vec::new();
        for (column, value) in schema.clustering_columns().iter().zip(rest) {
            let bytes = value.as_deref().unwrap_or_default();
            if push_ordered(&column.column_type, bytes, false, &mut clustering).is_err() {
                return;
            }
        }
        let mut row = Vec::new();
        rest.iter().for_each(|value| push_cell(value.as_deref(), &mut row));
        table.upsert(PartitionKey::new(&key), &clustering, |_| row.into_boxed_slice());
    }
}

fn local(cluster: &Cluster, store: &Store, node: usize) -> Option<SystemRow> {
    let member = cluster.members.get(node)?;
    let address = address(member);
    Some(SystemRow(vec![
        ("key", text("local")),
        ("bootstrapped", text("COMPLETED")),
        ("broadcast_address", address.clone()),
        ("broadcast_port", integer(7000)),
        ("cluster_name", text(&cluster.name)),
        ("cql_version", text("3.4.6")),
        ("data_center", text(&member.data_center)),
        ("gossip_generation", integer(1)),
        ("host_id", Literal::Uuid(member.host_id)),
        ("listen_address", address.clone()),
        ("listen_port", integer(7000)),
        ("native_protocol_version", text("5")),
        ("partitioner", text(PARTITIONER)),
        ("rack", text(&member.rack)),
        ("release_version", text(RELEASE_VERSION)),
        ("rpc_address", address),
        ("rpc_port", integer(member.address.port())),
        ("schema_version", Literal::Uuid(member.other_schema.unwrap_or(store.schema_version()))),
        ("tokens", tokens(member)),
    ]))
}

fn others(cluster: &Cluster, node: usize) -> impl Iterator<Item = &Member> {
    cluster
        .members
        .iter()
        .enumerate()
        .filter(move |(at, member)| *at != node && !member.left)
        .map(|(_, member)| member)
}

/// What both tables of peers have.
fn peer(member: &Member, store: &Store) -> SystemRow {
    SystemRow(vec![
        ("peer", address(member)),
        ("data_center", text(&member.data_center)),
        ("host_id", Literal::Uuid(member.host_id)),
        ("rack", text(&member.rack)),
        ("release_version", text(RELEASE_VERSION)),
        ("schema_version", Literal::Uuid(member.other_schema.unwrap_or(store.schema_version()))),
        ("tokens", tokens(member)),
    ])
}

fn peer_v1(member: &Member, store: &Store) -> SystemRow {
    let mut row = peer(member, store);
    row.0.push(("rpc_address", address(member)));
    row
}

fn peer_v2(member: &Member, store: &Store) -> SystemRow {
    let mut row = peer(member, store);
    row.0.extend([
        ("peer_port", integer(7000)),
        ("native_address", address(member)),
        ("native_port", integer(member.address.port())),
    ]);
    row
}

fn keyspaces(store: &Store) -> Vec<SystemRow> {
    let row = |name: &str, durable_writes: bool, replication: Vec<(&str, &str)>| {
        SystemRow(vec![
            ("keyspace_name", text(name)),
            ("durable_writes", Literal::Boolean(durable_writes)),
            ("replication", text_map(&replication)),
        ])
    };
    let own = super::definitions::KEYSPACES
        .iter()
        .map(|name| row(name, true, vec![("class", "org.apache.cassandra.locator.LocalStrategy")]));
    let users = store.keyspaces.iter().map(|(name, keyspace)| {
        let replication = keyspace.replication.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        row(name, keyspace.durable_writes, replication.collect())
    });
    own.chain(users).collect()
}

fn schemas(system: &System, store: &Store) -> Vec<Arc<Schema>> {
    let users = store.keyspaces.values().flat_map(|keyspace| keyspace.tables.values());
    let users = users.filter_map(|index| store.table(*index)).map(|table| table.schema.clone());
    system.schemas.iter().cloned().chain(users).collect()
}

fn table(schema: &Arc<Schema>) -> SystemRow {
    let no_texts: &[(&str, &str)] = &[];
    SystemRow(vec![
        ("keyspace_name", text(&schema.keyspace)),
        ("table_name", text(&schema.table)),
        ("additional_write_policy", text("99p")),
        ("bloom_filter_fp_chance", Literal::Float("0.01".into())),
        ("caching", text_map(&[("keys", "ALL"), ("rows_per_partition", "NONE")])),
        ("comment", text(&schema.comment)),
        (
            "compaction",
            text_map(&[("class", "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy")]),
        ),
        ("compression", text_map(&[("enabled", "false")])),
        ("crc_check_chance", Literal::Float("1.0".into())),
        ("dclocal_read_repair_chance", Literal::Float("0.0".into())),
        ("default_time_to_live", integer(0)),
        ("extensions", text_map(no_texts)),
        ("flags", Literal::Set(vec![text("compound")])),
        ("gc_grace_seconds", integer(0)),
        ("id", Literal::Uuid(schema.id)),
        ("max_index_interval", integer(2048)),
        ("memtable_flush_period_in_ms", integer(0)),
        ("min_index_interval", integer(128)),
        ("read_repair", text("BLOCKING")),
        ("read_repair_chance", Literal::Float("0.0".into())),
        ("speculative_retry", text("99p")),
    ])
}

fn columns(schema: &Arc<Schema>) -> Vec<SystemRow> {
    let row = |at: usize, column: &crate::store::schema::Column| {
        let (kind, position, order) = match column.kind {
            Kind::PartitionKey => ("partition_key", at as i64, "none"),
            Kind::Clustering { descending } => {
                ("clustering", (at - schema.partition_len) as i64, if descending { "desc" } else { "asc" })
            }
            Kind::Regular => ("regular", -1, "none"),
        };
        SystemRow(vec![
            ("keyspace_name", text(&schema.keyspace)),
            ("table_name", text(&schema.table)),
            ("column_name", text(&column.name)),
            ("clustering_order", text(order)),
            ("column_name_bytes", Literal::Blob(column.name.as_bytes().to_vec())),
            ("kind", text(kind)),
            ("position", integer(position)),
            ("type", text(&column.type_text)),
        ])
    };
    schema.columns.iter().enumerate().map(|(at, column)| row(at, column)).collect()
}

fn text(value: &str) -> Literal {
    Literal::Text(value.to_owned())
}

fn integer(value: impl Into<i64>) -> Literal {
    Literal::Integer(value.into().to_string())
}

fn text_map(pairs: &[(&str, &str)]) -> Literal {
    Literal::Map(pairs.iter().map(|(key, value)| (text(key), text(value))).collect())
}

fn tokens(member: &Member) -> Literal {
    Literal::Set(member.tokens.iter().map(|token| text(&token.to_string())).collect())
}

fn address(member: &Member) -> Literal {
    let address: IpAddr = member.address.ip();
    text(&address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::{Statement, parse};

    #[test]
    fn each_value_fits_its_column() {
        let addresses = [1, 2, 3].map(|n| ([127, 0, 0, n], 9042).into());
        let system = System::new(Cluster::new(&addresses, &vec![crate::place::Place::default(); 3]));
        let mut store = Store::new(1 << 20);
        let parsed = parse("CREATE KEYSPACE ks WITH replication = {'class': 'SimpleStrategy'}").unwrap();
        let Statement::CreateKeyspace(create) = parsed else { panic!("{parsed:?}") };
        store.create_keyspace(&create).unwrap();
        let mut count = 0;
        for schema in &system.schemas {
            for row in rows(&system, schema, &store, 1) {
                count += 1;
                for (name, literal) in &row.0 {
                    let column = &schema.columns[schema.column(name).unwrap()];
                    encode(&column.column_type, literal).unwrap();
                }
                let named = |column: &&crate::store::schema::Column| {
                    row.0.iter().any(|(name, _)| *name == column.name)
                };
                assert_eq!(schema.columns[..schema.key_len()].iter().filter(named).count(), schema.key_len());
            }
        }
        assert!(count > 100, "{count}");
    }
}
