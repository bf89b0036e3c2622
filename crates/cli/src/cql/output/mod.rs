//! Rows in the form that was asked for. Each page is written as it comes; no more than one is kept.

mod csv;
mod json;
mod table;

use std::io::{self, Write};

use clap::ValueEnum;
use helenus::value::{CqlValue, RawCell, RawRow};
use helenus::{ColumnSpec, Response};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns of CQL literals, for people
    Table,
    /// A JSON object for each row, in a line of its own
    Json,
    /// RFC 4180, with a line of names before each result
    Csv,
}

/// The rows of one statement on their way out.
pub(super) struct Sheet<'o, W> {
    out: &'o mut W,
    format: Format,
    /// Whether it is the server's description of something, which is CQL and to be read as such.
    describes: bool,
    /// Of a table: what the columns look like so far.
    ruled: Option<table::Rule>,
    begun: bool,
    rows: u64,
    left: u64,
    bad_cells: Vec<String>,
}

/// A cell, or its bytes if they are no value of its type.
pub(super) enum Shown {
    Value(CqlValue),
    Bad(Vec<u8>),
}

/// How many bad cells of a page are told one by one.
const BAD_CELLS_TOLD: usize = 10;

impl<'o, W: Write> Sheet<'o, W> {
    /// For at most so many rows of this statement.
    pub(super) fn new(out: &'o mut W, format: Format, rows_max: u64, statement: &str) -> Self {
        let word = statement.split(|c: char| !c.is_alphabetic()).next().unwrap_or_default();
        let describes = ["DESC", "DESCRIBE"].iter().any(|describe| describe.eq_ignore_ascii_case(word));
        Self {
            out,
            format,
            describes,
            ruled: None,
            begun: false,
            rows: 0,
            left: rows_max,
            bad_cells: Vec::new(),
        }
    }

    /// Whether as many rows were written as may be.
    pub(super) fn is_full(&self) -> bool {
        self.left == 0
    }

    /// What was wrong with cells since the last time.
    pub(super) fn take_bad_cells(&mut self) -> Vec<String> {
        std::mem::take(&mut self.bad_cells)
    }

    /// Writes a page, as far as its rows can be told apart.
    pub(super) fn page(&mut self, page: &Response) -> Result<(), Failure> {
        let columns = page.columns();
        let rows = page.page_rows::<RawRow<'_>>()?;
        let mut shown = Vec::new();
        if !std::mem::replace(&mut self.begun, true) && self.format == Format::Csv {
            csv::head(self.out, columns)?;
        }
        for row in rows {
            if self.left == 0 {
                break;
            }
            let cells: Vec<Shown> =
                row.map_err(helenus::Error::Row)?.cells().map(|cell| self.show(&cell)).collect();
            (self.rows, self.left) = (self.rows + 1, self.left - 1);
            match self.format {
                Format::Table => shown.push(cells),
                Format::Json => json::row(self.out, columns, &cells)?,
                Format::Csv => csv::row(self.out, &cells)?,
            }
        }
        if self.format == Format::Table {
            self.table(columns, &shown)?;
        }
        self.out.flush()?;
        Ok(())
    }

    fn table(&mut self, columns: &[ColumnSpec], rows: &[Vec<Shown>]) -> io::Result<()> {
        let created = columns.iter().position(|column| &*column.name == "create_statement");
        if let Some(at) = created.filter(|_| self.describes) {
            return rows.iter().filter_map(|row| row.get(at)).try_for_each(|cell| match cell {
                Shown::Value(CqlValue::Text(text)) => writeln!(self.out, "\n{}", text.trim()),
                other => writeln!(self.out, "\n{}", other.literal()),
            });
        }
        let rule = table::page(self.out, columns, rows, self.ruled.take())?;
        self.ruled = Some(rule);
        Ok(())
    }

    /// All pages were written.
    pub(super) fn end(&mut self) -> io::Result<()> {
        if self.begun && self.format == Format::Table {
            let plural = if self.rows == 1 { "" } else { "s" };
            writeln!(self.out, "\n({} row{plural})", self.rows)?;
        }
        self.out.flush()
    }

    fn show(&mut self, cell: &RawCell<'_>) -> Shown {
        match cell.decode() {
            Ok(value) => Shown::Value(value),
            Err(error) => {
                if self.bad_cells.len() < BAD_CELLS_TOLD {
                    self.bad_cells.push(error.to_string());
                }
                Shown::Bad(cell.bytes().unwrap_or_default().to_vec())
            }
        }
    }
}

impl Shown {
    /// A CQL literal; `0x..?` of what is none.
    fn literal(&self) -> String {
        match self {
            Self::Value(value) => value.to_string(),
            Self::Bad(bytes) => format!("{}?", CqlValue::Blob(bytes.clone())),
        }
    }
}

/// The literal without the quotes that CQL has around some types.
fn bare(value: &CqlValue) -> String {
    match value {
        CqlValue::Text(text) => text.clone(),
        CqlValue::Date(date) => date.to_string(),
        CqlValue::Time(time) => time.to_string(),
        CqlValue::Timestamp(time) => time.to_string(),
        CqlValue::Inet(address) => address.to_string(),
        other => other.to_string(),
    }
}

/// Why rows can't be written.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nobody reads them, or the disk is full.
    Output(io::Error),
    Cql(Box<helenus::Error>),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<helenus::Error> for Failure {
    fn from(error: helenus::Error) -> Self {
        Self::Cql(Box::new(error))
    }
}
