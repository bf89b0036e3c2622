//! The rows of the system tables.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use helenus_core::protocol::ColumnType;

use super::{Cluster, Member, System};
use crate::cql::{Literal, Term};
use crate::exec::partition_key;
use crate::store::Store;
use crate::store::cell::{Cell, Marker};
use crate::store::options::Setting;
use crate::store::row::{Content, RowData};
use crate::store::schema::{Column, Kind, Schema};
use crate::store::table::{Change, PartitionKey, Table};
use crate::types::{self, push_ordered, put_piece};

const RELEASE_VERSION: &str = "4.1.0-helenus";
const PARTITIONER: &str = "org.apache.cassandra.dht.Murmur3Partitioner";

/// A row by the names of its columns; columns that aren't named have no value.
pub(super) struct SystemRow(Vec<(&'static str, Term)>);

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
        ("system_schema", "types") => user_types(store),
        ("system", "size_estimates") => size_estimates(&system.cluster, store, node),
        ("system_auth", "roles") => vec![SystemRow(vec![
            ("role", text("cassandra")),
            ("can_login", boolean(true)),
            ("is_superuser", boolean(true)),
        ])],
        // There are no views, functions, indexes and so on to tell of.
        _ => Vec::new(),
    }
}

impl SystemRow {
    /// Writes the row as an INSERT would. What doesn't fit its column would be a fault of this module's, and stays out;
    /// a test reads every table.
    pub(super) fn insert_into(&self, table: &mut Table) {
        let schema = table.schema.clone();
        let value = |column: &Column| {
            let (_, term) = self.0.iter().find(|(name, _)| *name == column.name)?;
            encode(column.column_type(), term).ok().flatten()
        };
        let values = schema.columns.iter().map(value).collect::<Vec<_>>();
        let (partition, rest) = values.split_at(schema.partition_len);
        let (clustering, regular) = rest.split_at(schema.clustering_len);
        let parts = partition.iter().flatten().map(Vec::as_slice).collect::<Vec<_>>();
        let Ok(key) = partition_key(&parts) else { return };
        let (mut ordered, mut pieces) = (Vec::new(), Vec::new());
        for (column, value) in schema.clustering_columns().iter().zip(clustering) {
            let bytes = value.as_deref().unwrap_or_default();
            if push_ordered(column.column_type(), bytes, false, &mut ordered).is_err() {
                return;
            }
            put_piece(Some(bytes), &mut pieces);
        }
        let mut data = RowData { marker: Some(Marker { timestamp: 0, expiry: None }), ..RowData::default() };
        for (column, value) in schema.columns[schema.key_len()..].iter().zip(regular) {
            if let Some(value) = value {
                let cell = Cell { timestamp: 0, expiry: None, value: Some(Cow::Borrowed(value)) };
                data.cells.push((column.number, Content::Simple(cell)));
            }
        }
        data.cells.sort_by_key(|(number, _)| *number);
        let change = Change::Row { clustering: ordered, values: pieces, data };
        table.write(PartitionKey::new(&key), change, 0);
    }
}

/// The bytes of a constant.
fn encode(column_type: &ColumnType, term: &Term) -> Result<Option<Vec<u8>>, String> {
    let pieces = match (column_type, term) {
        (_, Term::Literal(literal)) => return types::literal(column_type, literal, ""),
        (ColumnType::List(element), Term::List(items)) | (ColumnType::Set(element), Term::Set(items)) => {
            items.iter().map(|item| encode(element, item)).collect::<Result<Vec<_>, _>>()?
        }
        (ColumnType::Map(_), Term::Set(_)) => Vec::new(),
        (ColumnType::Map(types), Term::Map(pairs)) => {
            let both = pairs.iter().flat_map(|(key, value)| [encode(&types.0, key), encode(&types.1, value)]);
            both.collect::<Result<Vec<_>, _>>()?
        }
        _ => return Err(format!("no constant of type {column_type}: {term:?}")),
    };
    types::assemble(column_type, &pieces).map(Some)
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
        ("host_id", uuid(member.host_id)),
        ("listen_address", address.clone()),
        ("listen_port", integer(7000)),
        ("native_protocol_version", text("5")),
        ("partitioner", text(PARTITIONER)),
        ("rack", text(&member.rack)),
        ("release_version", text(RELEASE_VERSION)),
        ("rpc_address", address),
        ("rpc_port", integer(member.address.port())),
        ("schema_version", uuid(member.other_schema.unwrap_or(store.schema_version()))),
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
        ("host_id", uuid(member.host_id)),
        ("rack", text(&member.rack)),
        ("release_version", text(RELEASE_VERSION)),
        ("schema_version", uuid(member.other_schema.unwrap_or(store.schema_version()))),
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
            ("durable_writes", boolean(durable_writes)),
            ("replication", text_map(&replication)),
        ])
    };
    let own = super::definitions::KEYSPACES
        .iter()
        .map(|name| row(name, true, vec![("class", "org.apache.cassandra.locator.LocalStrategy")]));
    let users = store.keyspaces.iter().map(|(name, keyspace)| {
        let replication =
            keyspace.options.replication.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        row(name, keyspace.options.durable_writes, replication.collect())
    });
    own.chain(users).collect()
}

fn schemas(system: &System, store: &Store) -> Vec<Arc<Schema>> {
    let users = store.keyspaces.values().flat_map(|keyspace| keyspace.tables.values());
    let users = users.filter_map(|index| store.table(*index)).map(|table| table.schema.clone());
    system.schemas.iter().cloned().chain(users).collect()
}

/// What a table's options are if nothing is said.
const DEFAULTS: [(&str, Usual); 17] = [
    ("additional_write_policy", Usual::Text("99p")),
    ("bloom_filter_fp_chance", Usual::Number("0.01")),
    ("caching", Usual::Map(&[("keys", "ALL"), ("rows_per_partition", "NONE")])),
    ("comment", Usual::Text("")),
    (
        "compaction",
        Usual::Map(&[
            ("class", "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy"),
            ("max_threshold", "32"),
            ("min_threshold", "4"),
        ]),
    ),
    (
        "compression",
        Usual::Map(&[
            ("chunk_length_in_kb", "16"),
            ("class", "org.apache.cassandra.io.compress.LZ4Compressor"),
        ]),
    ),
    ("crc_check_chance", Usual::Number("1.0")),
    ("dclocal_read_repair_chance", Usual::Number("0.0")),
    ("default_time_to_live", Usual::Number("0")),
    ("extensions", Usual::Map(&[])),
    ("gc_grace_seconds", Usual::Number("864000")),
    ("max_index_interval", Usual::Number("2048")),
    ("memtable_flush_period_in_ms", Usual::Number("0")),
    ("min_index_interval", Usual::Number("128")),
    ("read_repair", Usual::Text("BLOCKING")),
    ("read_repair_chance", Usual::Number("0.0")),
    ("speculative_retry", Usual::Text("99p")),
];

#[derive(Clone, Copy)]
enum Usual {
    Text(&'static str),
    Number(&'static str),
    Map(&'static [(&'static str, &'static str)]),
}

fn table(schema: &Arc<Schema>) -> SystemRow {
    let mut row = vec![
        ("keyspace_name", text(&schema.keyspace)),
        ("table_name", text(&schema.table)),
        ("id", uuid(schema.id)),
        ("flags", Term::Set(flags(schema).iter().map(|flag| text(flag)).collect())),
    ];
    for (name, default) in DEFAULTS {
        row.push((name, option(name, schema, default)));
    }
    SystemRow(row)
}

fn flags(schema: &Schema) -> &'static [&'static str] {
    if schema.is_counter() { &["compound", "counter"] } else { &["compound"] }
}

fn option(name: &str, schema: &Schema, default: Usual) -> Term {
    let number = |digits: &str| match digits.contains(['.', 'e', 'E']) || !is_integer(name) {
        true => Term::Literal(Literal::Float(digits.to_owned())),
        false => Term::Literal(Literal::Integer(digits.to_owned())),
    };
    match (schema.options.find(name), default) {
        (Some(Setting::Map(given)), Usual::Map(usual)) => {
            let pairs = given.iter().map(|(key, value)| match key.as_str() {
                "class" => (key.as_str(), full_class(name, value)),
                _ => (key.as_str(), value.clone()),
            });
            let mut pairs = pairs.collect::<Vec<_>>();
            // As in Cassandra all strategies but the unified one are listed with these.
            let unified = pairs.iter().any(|(_, value)| value.ends_with(".UnifiedCompactionStrategy"));
            let thresholds = usual.iter().filter(|(key, _)| !unified && key.ends_with("_threshold"));
            let missing = thresholds.filter(|(key, _)| !given.iter().any(|(other, _)| other == key));
            pairs.extend(missing.map(|(key, value)| (*key, (*value).to_owned())));
            Term::Map(pairs.iter().map(|(key, value)| (text(key), text(value))).collect())
        }
        (Some(Setting::Text(value) | Setting::Number(value)), Usual::Number(_)) => number(value),
        (Some(Setting::Text(value)), _) => text(value),
        (_, Usual::Text(value)) => text(value),
        (_, Usual::Number(value)) => number(value),
        (_, Usual::Map(pairs)) => text_map(pairs),
    }
}

fn is_integer(option: &str) -> bool {
    !matches!(
        option,
        "bloom_filter_fp_chance" | "crc_check_chance" | "dclocal_read_repair_chance" | "read_repair_chance"
    )
}

/// Classes are listed by their full names.
fn full_class(option: &str, class: &str) -> String {
    match option {
        _ if class.contains('.') => class.to_owned(),
        "compaction" => format!("org.apache.cassandra.db.compaction.{class}"),
        _ => format!("org.apache.cassandra.io.compress.{class}"),
    }
}

fn user_types(store: &Store) -> Vec<SystemRow> {
    let mut rows = Vec::new();
    for (keyspace, found) in &store.keyspaces {
        for (name, user_type) in &found.types {
            let names = user_type.fields.iter().map(|(field, _)| text(field)).collect();
            let types = user_type.texts.iter().map(|field| text(field)).collect();
            rows.push(SystemRow(vec![
                ("keyspace_name", text(keyspace)),
                ("type_name", text(name)),
                ("field_names", Term::List(names)),
                ("field_types", Term::List(types)),
            ]));
        }
    }
    rows
}

/// What clients split a table by: the node's own ranges, as if partitions were spread evenly.
fn size_estimates(cluster: &Cluster, store: &Store, node: usize) -> Vec<SystemRow> {
    let Some(member) = cluster.members.get(node) else { return Vec::new() };
    let mut ring = cluster
        .members
        .iter()
        .filter(|member| !member.left)
        .flat_map(|member| member.tokens.iter().copied())
        .collect::<Vec<_>>();
    ring.sort_unstable();
    let mut rows = Vec::new();
    for (keyspace, found) in &store.keyspaces {
        for (name, index) in &found.tables {
            let Some(table) = store.table(*index) else { continue };
            let partitions = table.partitions();
            let mean = table.bytes() / partitions.max(1);
            for token in &member.tokens {
                let at = ring.partition_point(|other| other < token);
                let before = at.checked_sub(1).or(ring.len().checked_sub(1)).map_or(*token, |at| ring[at]);
                let width = token.wrapping_sub(before) as u64;
                let share = if ring.len() == 1 { 1.0 } else { width as f64 / 2_f64.powi(64) };
                rows.push(SystemRow(vec![
                    ("keyspace_name", text(keyspace)),
                    ("table_name", text(name)),
                    ("range_start", text(&before.to_string())),
                    ("range_end", text(&token.to_string())),
                    ("mean_partition_size", integer(mean as i64)),
                    ("partitions_count", integer((partitions as f64 * share).round() as i64)),
                ]));
            }
        }
    }
    rows
}

fn columns(schema: &Arc<Schema>) -> Vec<SystemRow> {
    let row = |at: usize, column: &Column| {
        let (kind, position, order) = match column.kind {
            Kind::PartitionKey => ("partition_key", at as i64, "none"),
            Kind::Clustering { descending } => {
                ("clustering", (at - schema.partition_len) as i64, if descending { "desc" } else { "asc" })
            }
            Kind::Static => ("static", -1, "none"),
            Kind::Regular => ("regular", -1, "none"),
        };
        SystemRow(vec![
            ("keyspace_name", text(&schema.keyspace)),
            ("table_name", text(&schema.table)),
            ("column_name", text(&column.name)),
            ("clustering_order", text(order)),
            ("column_name_bytes", Term::Literal(Literal::Blob(column.name.as_bytes().to_vec()))),
            ("kind", text(kind)),
            ("position", integer(position)),
            ("type", text(&column.data_type.text)),
        ])
    };
    schema.columns.iter().enumerate().map(|(at, column)| row(at, column)).collect()
}

fn text(value: &str) -> Term {
    Term::Literal(Literal::Text(value.to_owned()))
}

fn integer(value: impl Into<i64>) -> Term {
    Term::Literal(Literal::Integer(value.into().to_string()))
}

fn boolean(value: bool) -> Term {
    Term::Literal(Literal::Boolean(value))
}

fn uuid(value: [u8; 16]) -> Term {
    Term::Literal(Literal::Uuid(value))
}

fn text_map(pairs: &[(&str, &str)]) -> Term {
    Term::Map(pairs.iter().map(|(key, value)| (text(key), text(value))).collect())
}

fn tokens(member: &Member) -> Term {
    Term::Set(member.tokens.iter().map(|token| text(&token.to_string())).collect())
}

fn address(member: &Member) -> Term {
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
        store.create_keyspace(&create, &[]).unwrap();
        let mut count = 0;
        for schema in &system.schemas {
            for row in rows(&system, schema, &store, 1) {
                count += 1;
                for (name, literal) in &row.0 {
                    let column = &schema.columns[schema.column(name).unwrap()];
                    encode(column.column_type(), literal).unwrap();
                }
                let named = |column: &&Column| row.0.iter().any(|(name, _)| *name == column.name);
                assert_eq!(schema.columns[..schema.key_len()].iter().filter(named).count(), schema.key_len());
            }
        }
        assert!(count > 100, "{count}");
    }
}
