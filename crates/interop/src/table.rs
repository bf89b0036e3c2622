//! The table, and what helenus writes and reads there.

use anyhow::{Context, Result, bail};
use helenus::value::{CqlValue, RawRow};
use helenus::{ErrorKind, Session};

use crate::cases::{self, COUNTER, Case, UDTS};
use crate::neutral::{self, hex};

const KEYSPACE: &str = "interop";

/// Makes the keyspace anew: a column for each type, and the counters apart.
pub(crate) fn create(session: &Session) -> Result<()> {
    let run = |text: &str| session.query(text, ()).wait().map(drop).with_context(|| text.to_owned());
    run(&format!("DROP KEYSPACE IF EXISTS {KEYSPACE}"))?;
    run(&format!(
        "CREATE KEYSPACE {KEYSPACE} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
    ))?;
    for (name, fields) in UDTS {
        run(&format!("CREATE TYPE {KEYSPACE}.{name} ({fields})"))?;
    }
    let cases = cases::all().into_iter().enumerate().filter(|(_, case)| case.column_type != COUNTER);
    let columns: String = cases.map(|(at, case)| format!(", c{at} {}", case.column_type)).collect();
    run(&format!("CREATE TABLE {KEYSPACE}.t (id int PRIMARY KEY{columns})"))?;
    run(&format!("CREATE TABLE {KEYSPACE}.counters (id int PRIMARY KEY, c counter)"))
}

/// A column, and rows of it for one value.
pub(crate) struct Table<'a> {
    session: &'a Session,
    pub(crate) is_counter: bool,
    column: String,
    name: String,
    first_id: i32,
}

/// What is stored, as bytes and as the server's own JSON.
pub(crate) struct Stored {
    pub(crate) id: i32,
    bytes: Option<Vec<u8>>,
    json: Option<String>,
}

impl Stored {
    pub(crate) fn compare(&self, other: &Self) -> Result<(), String> {
        let of = |stored: &Self| match &stored.bytes {
            Some(bytes) => crate::peer::excerpt(&hex(bytes)),
            None => "null".to_owned(),
        };
        if self.bytes != other.bytes {
            return Err(format!("{} is written as {}", of(self), of(other)));
        }
        if self.json != other.json {
            return Err(format!("of the same bytes the server makes {:?} and {:?}", self.json, other.json));
        }
        Ok(())
    }
}

impl<'a> Table<'a> {
    pub(crate) fn new(session: &'a Session, case: &Case, column: usize, literal: usize) -> Self {
        let is_counter = case.column_type == COUNTER;
        let (table, column) =
            if is_counter { ("counters", "c".to_owned()) } else { ("t", format!("c{column}")) };
        Self {
            session,
            is_counter,
            column,
            name: format!("{KEYSPACE}.{table}"),
            first_id: 10 * literal as i32,
        }
    }

    /// The value before the id.
    pub(crate) fn insert(&self) -> String {
        let Self { name, column, .. } = self;
        match self.is_counter {
            true => format!("UPDATE {name} SET {column} = {column} + ? WHERE id = ?"),
            false => format!("INSERT INTO {name} ({column}, id) VALUES (?, ?)"),
        }
    }

    pub(crate) fn select(&self) -> String {
        format!("SELECT {} FROM {} WHERE id = ?", self.column, self.name)
    }

    /// The literal as a value of the type that the server gives to the marker.
    pub(crate) fn parse(&self, literal: &str) -> Result<CqlValue> {
        let insert = self.session.prepare(self.insert()).wait()?;
        let column_type = &insert.bind_markers()[0].column_type;
        CqlValue::parse(column_type, literal).with_context(|| format!("{column_type} {literal}"))
    }

    /// By helenus.
    pub(crate) fn write(&self, value: &CqlValue) -> Result<Stored> {
        let insert = self.session.prepare(self.insert()).wait()?;
        let done = self.session.execute(&insert, (value, self.first_id)).wait();
        done.with_context(|| format!("{}: {}", self.insert(), crate::show(value)))?;
        let stored = self.read(self.first_id)?;
        let response = self.session.query(self.select(), (self.first_id,)).wait()?;
        let (again,) = response.one::<(CqlValue,)>()?;
        let in_order = |value| neutral::sorted(&neutral::of(value));
        if in_order(&again) != in_order(value) {
            bail!("{} comes back as {}", crate::show(value), crate::show(&again));
        }
        Ok(stored)
    }

    /// By the server itself, or why it can't. A counter can't be written so.
    pub(crate) fn write_literal(&self, literal: &str) -> Result<Stored, String> {
        let Self { name, column, .. } = self;
        let id = self.first_id + 1;
        let text = format!("INSERT INTO {name} ({column}, id) VALUES ({literal}, {id})");
        self.session.query(&text, ()).wait().map_err(|error| error.to_string())?;
        self.read(id).map_err(|error| format!("{error:#}"))
    }

    pub(crate) fn id_of(&self, peer: &str) -> i32 {
        self.first_id + if peer == "python" { 2 } else { 3 }
    }

    pub(crate) fn read(&self, id: i32) -> Result<Stored> {
        let response = self.session.query(self.select(), (id,)).wait()?;
        let row = response.one::<RawRow<'_>>()?;
        let bytes = row.cells().next().and_then(|cell| cell.bytes()).map(<[u8]>::to_vec);
        let to_json = format!("SELECT to_json({}) FROM {} WHERE id = ?", self.column, self.name);
        let json = match self.session.query(to_json, (id,)).wait() {
            Ok(response) => response.one::<(Option<String>,)>()?.0,
            // The server can't write some of its own values as JSON: empty ones, or decimals of too many digits.
            Err(error)
                if matches!(
                    error.server_error().map(|error| &error.kind),
                    Some(ErrorKind::Server | ErrorKind::Invalid)
                ) =>
            {
                None
            }
            Err(error) => return Err(error.into()),
        };
        Ok(Stored { id, bytes, json })
    }
}
