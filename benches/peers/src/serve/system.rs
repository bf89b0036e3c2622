//! The system tables that clients read while they connect: one node, one keyspace, one table.

use crate::wire::{Put, result_kind};
use std::net::SocketAddr;

pub(super) const TEXT: u16 = 0x0D;

/// CQL types as they are written in metadata, section 4.2.5.2.
#[derive(Clone, Copy, Debug)]
enum Type {
    Boolean,
    Int,
    Inet,
    ListOfText,
    MapOfText,
    SetOfText,
    Text,
    Uuid,
}

use Type::{Boolean, Inet, Int, ListOfText, MapOfText, SetOfText, Text, Uuid};

type Columns = &'static [(&'static str, Type)];

const LOCAL: Columns = &[
    ("key", Text),
    ("bootstrapped", Text),
    ("broadcast_address", Inet),
    ("broadcast_port", Int),
    ("cluster_name", Text),
    ("cql_version", Text),
    ("data_center", Text),
    ("host_id", Uuid),
    ("listen_address", Inet),
    ("listen_port", Int),
    ("native_protocol_version", Text),
    ("partitioner", Text),
    ("rack", Text),
    ("release_version", Text),
    ("rpc_address", Inet),
    ("rpc_port", Int),
    ("schema_version", Uuid),
    ("tokens", SetOfText),
];
const PEERS: Columns = &[
    ("peer", Inet),
    ("data_center", Text),
    ("host_id", Uuid),
    ("rack", Text),
    ("release_version", Text),
    ("rpc_address", Inet),
    ("schema_version", Uuid),
    ("tokens", SetOfText),
];
const PEERS_V2: Columns = &[
    ("peer", Inet),
    ("peer_port", Int),
    ("data_center", Text),
    ("host_id", Uuid),
    ("native_address", Inet),
    ("native_port", Int),
    ("rack", Text),
    ("release_version", Text),
    ("schema_version", Uuid),
    ("tokens", SetOfText),
];
const KEYSPACES: Columns =
    &[("keyspace_name", Text), ("durable_writes", Boolean), ("replication", MapOfText)];
const TABLES: Columns = &[("keyspace_name", Text), ("table_name", Text)];
const COLUMNS: Columns = &[
    ("keyspace_name", Text),
    ("table_name", Text),
    ("column_name", Text),
    ("clustering_order", Text),
    ("kind", Text),
    ("position", Int),
    ("type", Text),
];
const TYPES: Columns =
    &[("keyspace_name", Text), ("type_name", Text), ("field_names", ListOfText), ("field_types", ListOfText)];
const VIEWS: Columns = &[("keyspace_name", Text), ("view_name", Text), ("base_table_name", Text)];

struct Table {
    name: &'static str,
    columns: Columns,
    rows: Vec<Vec<Vec<u8>>>,
}

pub(super) struct System {
    tables: Vec<Table>,
}

/// A RESULT's body of kind Rows, and the metadata in it by itself.
pub(super) struct Rows {
    pub(super) body: Vec<u8>,
    pub(super) metadata: Vec<u8>,
}

impl System {
    pub(super) fn new(address: SocketAddr) -> Self {
        let table = |name, columns, rows| Table { name, columns, rows };
        Self {
            tables: vec![
                table("system.local", LOCAL, vec![local_row(address)]),
                table("system.peers", PEERS, vec![]),
                table("system.peers_v2", PEERS_V2, vec![]),
                table("system_schema.keyspaces", KEYSPACES, vec![keyspace_row()]),
                table("system_schema.tables", TABLES, vec![vec![text("bench"), text("pairs")]]),
                table(
                    "system_schema.columns",
                    COLUMNS,
                    vec![column_row("k", "partition_key", 0), column_row("v", "regular", -1)],
                ),
                table("system_schema.types", TYPES, vec![]),
                table("system_schema.views", VIEWS, vec![]),
            ],
        }
    }

    /// All rows, whatever the WHERE says: each of these tables holds what the one node knows of itself.
    pub(super) fn select(&self, statement: &str) -> Result<Rows, String> {
        let lower = statement.to_ascii_lowercase();
        let (head, tail) = lower.split_once(" from ").ok_or("a SELECT without FROM")?;
        let name = tail.split([' ', ';']).next().unwrap_or_default();
        let unknown = || format!("unconfigured table {name}");
        let table = self.tables.iter().find(|table| table.name == name).ok_or_else(unknown)?;
        let chosen = table.choose(head.trim_start().trim_start_matches("select").trim())?;
        Ok(table.rows(&chosen))
    }
}

/// A column of the result: its name there, its place in the table, and whether `toJson` is around it.
struct Chosen {
    name: String,
    place: usize,
    json: bool,
}

impl Table {
    fn choose(&self, selectors: &str) -> Result<Vec<Chosen>, String> {
        if selectors == "*" {
            let all = self.columns.iter().enumerate();
            return Ok(all
                .map(|(place, (name, _))| Chosen { name: (*name).to_owned(), place, json: false })
                .collect());
        }
        selectors.split(',').map(|selector| self.choose_one(selector.trim())).collect()
    }

    fn choose_one(&self, selector: &str) -> Result<Chosen, String> {
        let (expression, alias) = selector.split_once(" as ").unwrap_or((selector, selector));
        let inner = expression.strip_prefix("tojson(").and_then(|rest| rest.strip_suffix(')'));
        let column = inner.unwrap_or(expression);
        let place = self.columns.iter().position(|(name, _)| *name == column);
        let place = place.ok_or_else(|| format!("Undefined column name {column} in table {}", self.name))?;
        Ok(Chosen { name: alias.to_owned(), place, json: inner.is_some() })
    }

    fn rows(&self, chosen: &[Chosen]) -> Rows {
        let metadata = self.metadata(chosen);
        let mut body = result_kind::ROWS.to_be_bytes().to_vec();
        body.extend(&metadata);
        body.put_int(self.rows.len() as u32);
        for row in &self.rows {
            for column in chosen {
                // The only map here is the one keyspace's replication.
                let value = if column.json { text(REPLICATION_JSON) } else { row[column.place].clone() };
                body.put_bytes(&value);
            }
        }
        Rows { body, metadata }
    }

    fn metadata(&self, chosen: &[Chosen]) -> Vec<u8> {
        let (keyspace, table) = self.name.split_once('.').unwrap_or_default();
        let mut metadata = Vec::new();
        metadata.put_int(1);
        metadata.put_int(chosen.len() as u32);
        metadata.put_string(keyspace);
        metadata.put_string(table);
        for column in chosen {
            metadata.put_string(&column.name);
            let column_type = if column.json { Text } else { self.columns[column.place].1 };
            put_type(&mut metadata, column_type);
        }
        metadata
    }
}

fn put_type(out: &mut Vec<u8>, column_type: Type) {
    let options: &[u16] = match column_type {
        Boolean => &[0x04],
        Int => &[0x09],
        Uuid => &[0x0C],
        Text => &[TEXT],
        Inet => &[0x10],
        ListOfText => &[0x20, TEXT],
        MapOfText => &[0x21, TEXT, TEXT],
        SetOfText => &[0x22, TEXT],
    };
    options.iter().for_each(|option| out.put_short(*option));
}

const REPLICATION: [(&str, &str); 2] =
    [("class", "org.apache.cassandra.locator.SimpleStrategy"), ("replication_factor", "1")];
const REPLICATION_JSON: &str =
    r#"{"class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "1"}"#;
const HOST_ID: [u8; 16] = *b"\x11\x11\x11\x11\x11\x11\x41\x11\x81\x11\x11\x11\x11\x11\x11\x11";
const SCHEMA_VERSION: [u8; 16] = *b"\x22\x22\x22\x22\x22\x22\x42\x22\x82\x22\x22\x22\x22\x22\x22\x22";

/// In the order of [`LOCAL`].
fn local_row(address: SocketAddr) -> Vec<Vec<u8>> {
    let (ip, port) = (inet(address), int(address.port().into()));
    vec![
        text("local"),
        text("COMPLETED"),
        ip.clone(),
        port.clone(),
        text("bench"),
        text("3.4.7"),
        text("datacenter1"),
        HOST_ID.to_vec(),
        ip.clone(),
        port.clone(),
        text("4"),
        text("org.apache.cassandra.dht.Murmur3Partitioner"),
        text("rack1"),
        text("5.0.0"),
        ip,
        port,
        SCHEMA_VERSION.to_vec(),
        texts(&["-9223372036854775807"]),
    ]
}

/// In the order of [`KEYSPACES`].
fn keyspace_row() -> Vec<Vec<u8>> {
    let mut replication = Vec::new();
    replication.put_int(REPLICATION.len() as u32);
    for (name, value) in REPLICATION {
        replication.put_long_string(name);
        replication.put_long_string(value);
    }
    vec![text("bench"), vec![1], replication]
}

/// In the order of [`COLUMNS`].
fn column_row(name: &str, kind: &str, position: i32) -> Vec<Vec<u8>> {
    vec![text("bench"), text("pairs"), text(name), text("none"), text(kind), int(position), text("text")]
}

fn text(value: &str) -> Vec<u8> {
    value.as_bytes().to_vec()
}

fn texts(values: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_int(values.len() as u32);
    values.iter().for_each(|value| bytes.put_long_string(value));
    bytes
}

fn int(value: i32) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

fn inet(address: SocketAddr) -> Vec<u8> {
    match address {
        SocketAddr::V4(address) => address.ip().octets().to_vec(),
        SocketAddr::V6(address) => address.ip().octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system() -> System {
        System::new("127.0.0.1:9042".parse().unwrap())
    }

    #[test]
    fn each_row_has_a_value_for_each_column() {
        for table in system().tables {
            assert!(table.rows.iter().all(|row| row.len() == table.columns.len()), "{}", table.name);
        }
    }

    #[test]
    fn what_peers_ask_is_answered() {
        for statement in [
            "SELECT * FROM system.local",
            "SELECT host_id, rpc_address FROM system.local WHERE key='local'",
            "SELECT keyspace_name, toJson(replication) AS replication FROM system_schema.keyspaces",
        ] {
            assert!(system().select(statement).is_ok(), "{statement}");
        }
    }

    #[test]
    fn unknown_tables_and_columns_are_errors() {
        assert!(system().select("SELECT a FROM system.nothing").is_err());
        assert!(system().select("SELECT nothing FROM system.local").is_err());
    }
}
