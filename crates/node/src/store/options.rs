//! Options of tables and keyspaces: checked, and kept as they are given where clients read them.

use std::collections::BTreeMap;

use crate::cql::{Literal, Properties, Term};
use crate::refusal::{Refusal, config, invalid, syntax};

/// An option's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Setting {
    Text(String),
    Number(String),
    Boolean(bool),
    Map(Vec<(String, String)>),
}

#[derive(Clone, Copy)]
enum Sort {
    Text,
    Integer,
    Fraction,
    Boolean,
    Map,
    /// Taken, and of no effect that a client could read.
    Any,
}

/// The options of tables. Those that say how a disk or a cluster is to work change nothing here but what
/// `system_schema.tables` says.
const TABLE: [(&str, Sort); 21] = [
    ("additional_write_policy", Sort::Text),
    ("allow_auto_snapshot", Sort::Boolean),
    ("bloom_filter_fp_chance", Sort::Fraction),
    ("caching", Sort::Map),
    ("cdc", Sort::Boolean),
    ("comment", Sort::Text),
    ("compaction", Sort::Map),
    ("compression", Sort::Map),
    ("crc_check_chance", Sort::Fraction),
    ("default_time_to_live", Sort::Integer),
    ("extensions", Sort::Map),
    ("gc_grace_seconds", Sort::Integer),
    ("id", Sort::Any),
    ("incremental_backups", Sort::Boolean),
    ("max_index_interval", Sort::Integer),
    ("memtable", Sort::Text),
    ("memtable_flush_period_in_ms", Sort::Integer),
    ("min_index_interval", Sort::Integer),
    ("read_repair", Sort::Text),
    ("speculative_retry", Sort::Text),
    ("nodesync", Sort::Any),
];

/// The options of one table, by name; those that weren't given are missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TableOptions(BTreeMap<String, Setting>);

impl TableOptions {
    /// Puts options in place of those that were.
    pub(crate) fn set(&mut self, given: &Properties) -> Result<(), Refusal> {
        for (at, (name, term)) in given.iter().enumerate() {
            let Some((_, sort)) = TABLE.iter().find(|(known, _)| known == name) else {
                return Err(syntax(format!("Unknown property '{name}'")));
            };
            if given[..at].iter().any(|(other, _)| other == name) {
                return Err(syntax(format!("Multiple definitions for property '{name}'")));
            }
            let value = value(term).filter(|value| fits(*sort, value));
            let value = value.ok_or_else(|| syntax(format!("Invalid value for property '{name}'")))?;
            self.0.insert(name.clone(), value);
        }
        if self.default_time_to_live() > crate::exec::TTL_LIMIT {
            return Err(config(format!(
                "default_time_to_live must be less than or equal to {} (got {})",
                crate::exec::TTL_LIMIT,
                self.default_time_to_live()
            )));
        }
        Ok(())
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Setting> {
        self.0.get(name)
    }

    /// In seconds; 0 if there is none.
    pub(crate) fn default_time_to_live(&self) -> u32 {
        match self.find("default_time_to_live") {
            Some(Setting::Number(seconds)) => seconds.parse().unwrap_or(0),
            _ => 0,
        }
    }
}

fn fits(sort: Sort, value: &Setting) -> bool {
    match (sort, value) {
        (Sort::Any, _)
        | (Sort::Text, Setting::Text(_))
        | (Sort::Boolean, Setting::Boolean(_))
        | (Sort::Map, Setting::Map(_)) => true,
        (Sort::Boolean, Setting::Text(text)) => matches!(text.as_str(), "true" | "false"),
        (Sort::Integer, Setting::Number(text) | Setting::Text(text)) => text.parse::<u32>().is_ok(),
        (Sort::Fraction, Setting::Number(text) | Setting::Text(text)) => text.parse::<f64>().is_ok(),
        _ => false,
    }
}

fn value(term: &Term) -> Option<Setting> {
    Some(match term {
        Term::Literal(Literal::Text(text)) => Setting::Text(text.clone()),
        Term::Literal(Literal::Integer(digits) | Literal::Float(digits)) => Setting::Number(digits.clone()),
        Term::Literal(Literal::Boolean(value)) => Setting::Boolean(*value),
        Term::Literal(Literal::Uuid(bytes)) => {
            Setting::Text(helenus_core::value::Uuid::from_bytes(*bytes).to_string())
        }
        Term::Set(elements) if elements.is_empty() => Setting::Map(Vec::new()),
        Term::Map(pairs) => Setting::Map(pairs.iter().map(pair).collect::<Option<_>>()?),
        _ => return None,
    })
}

fn pair((key, value): &(Term, Term)) -> Option<(String, String)> {
    Some((plain(key)?, plain(value)?))
}

fn plain(term: &Term) -> Option<String> {
    match term {
        Term::Literal(Literal::Text(text) | Literal::Integer(text) | Literal::Float(text)) => {
            Some(text.clone())
        }
        Term::Literal(Literal::Boolean(value)) => Some(value.to_string()),
        _ => None,
    }
}

/// The options of a keyspace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyspaceOptions {
    /// The strategy's class first.
    pub(crate) replication: Vec<(String, String)>,
    pub(crate) durable_writes: bool,
}

impl KeyspaceOptions {
    /// As a CREATE gives them, or an ALTER to what was before.
    pub(crate) fn new(
        keyspace: &str,
        given: &Properties,
        before: Option<&Self>,
        data_centers: &[&str],
    ) -> Result<Self, Refusal> {
        let mut replication = before.map(|before| before.replication.clone());
        let mut durable_writes = before.is_none_or(|before| before.durable_writes);
        for (name, term) in given {
            match (name.as_str(), value(term)) {
                ("replication", Some(Setting::Map(pairs))) => {
                    replication = Some(normal_replication(keyspace, &pairs, data_centers)?);
                }
                ("durable_writes", Some(Setting::Boolean(durable))) => durable_writes = durable,
                ("replication" | "durable_writes", _) => {
                    return Err(syntax(format!("Invalid value for property '{name}'")));
                }
                _ => return Err(syntax(format!("Unknown property '{name}'"))),
            }
        }
        let missing = || invalid("Missing mandatory option 'replication'".into());
        Ok(Self { replication: replication.ok_or_else(missing)?, durable_writes })
    }
}

/// With the strategy by its full class name, as `system_schema.keyspaces` lists it.
fn normal_replication(
    keyspace: &str,
    given: &[(String, String)],
    data_centers: &[&str],
) -> Result<Vec<(String, String)>, Refusal> {
    let class = given.iter().find(|(key, _)| key == "class").map(|(_, class)| class.as_str());
    let class = class.ok_or_else(|| config("Missing replication strategy class".into()))?;
    let simple = class.rsplit('.').next().unwrap_or(class);
    if !["SimpleStrategy", "NetworkTopologyStrategy", "LocalStrategy"].contains(&simple) {
        return Err(config(format!(
            "Unable to find replication strategy class 'org.apache.cassandra.locator.{simple}'"
        )));
    }
    let mut normal = vec![("class".to_owned(), format!("org.apache.cassandra.locator.{simple}"))];
    for (key, value) in given.iter().filter(|(key, _)| key != "class") {
        if value.parse::<u32>().is_err() {
            return Err(config(format!(
                "Replication factor must be numeric and non-negative; found {value}"
            )));
        }
        if simple != "NetworkTopologyStrategy" {
            normal.push((key.clone(), value.clone()));
        } else if key == "replication_factor" {
            // It is meant for all data centres that aren't named.
            let others = data_centers.iter().filter(|name| !given.iter().any(|(other, _)| other == *name));
            normal.extend(others.map(|name| ((*name).to_owned(), value.clone())));
        } else if data_centers.contains(&key.as_str()) {
            normal.push((key.clone(), value.clone()));
        } else {
            return Err(config(format!(
                "Unrecognized strategy option {{{key}}} passed to NetworkTopologyStrategy for keyspace {keyspace}"
            )));
        }
    }
    if simple == "SimpleStrategy" && normal.len() == 1 {
        normal.push(("replication_factor".into(), "1".into()));
    }
    if normal.len() > 64 {
        return Err(invalid("this node's keyspaces have at most 63 options of replication".into()));
    }
    Ok(normal)
}
