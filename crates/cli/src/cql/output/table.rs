//! Aligned columns.

use std::io::{self, Write};

use helenus::{ColumnSpec, ColumnType};
use unicode_width::UnicodeWidthStr;

use super::Shown;
use crate::cql::visible::visible;

/// What the columns of a table look like: their names, and how wide they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    names: Vec<String>,
    widths: Vec<usize>,
}

/// Writes a page. Its head is written if there is none yet, or if the page needs other columns.
pub(super) fn page(
    out: &mut impl Write,
    columns: &[ColumnSpec],
    rows: &[Vec<Shown>],
    before: Option<Rule>,
) -> io::Result<Rule> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| visible(&cell.literal())).collect()).collect();
    let names: Vec<String> = columns.iter().map(|column| visible(&column.name)).collect();
    let mut widths: Vec<usize> = names.iter().map(|name| name.width()).collect();
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    // A page whose cells are narrower goes on under the head that is there.
    let rule = match before {
        Some(before) if before.fits(&names, &widths) || rows.is_empty() => before,
        _ => {
            let rule = Rule { names, widths };
            rule.head(out)?;
            rule
        }
    };
    let right: Vec<bool> = columns.iter().map(|column| is_number(&column.column_type)).collect();
    for row in &rows {
        line(
            out,
            row.iter().zip(&rule.widths).zip(&right).map(|((cell, width), right)| pad(cell, *width, *right)),
        )?;
    }
    Ok(rule)
}

impl Rule {
    fn fits(&self, names: &[String], widths: &[usize]) -> bool {
        self.names == names && self.widths.iter().zip(widths).all(|(here, wanted)| here >= wanted)
    }

    fn head(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out)?;
        line(out, self.names.iter().zip(&self.widths).map(|(name, width)| pad(name, *width, false)))?;
        let dashes: Vec<String> = self.widths.iter().map(|width| "-".repeat(width + 2)).collect();
        writeln!(out, "{}", dashes.join("+"))
    }
}

fn line(out: &mut impl Write, cells: impl Iterator<Item = String>) -> io::Result<()> {
    let text = cells.collect::<Vec<_>>().join(" | ");
    writeln!(out, " {}", text.trim_end())
}

fn pad(text: &str, width: usize, right: bool) -> String {
    let blanks = " ".repeat(width.saturating_sub(text.width()));
    if right { blanks + text } else { text.to_owned() + &blanks }
}

fn is_number(column_type: &ColumnType) -> bool {
    matches!(
        column_type,
        ColumnType::TinyInt
            | ColumnType::SmallInt
            | ColumnType::Int
            | ColumnType::BigInt
            | ColumnType::Counter
            | ColumnType::VarInt
            | ColumnType::Float
            | ColumnType::Double
            | ColumnType::Decimal
    )
}

#[cfg(test)]
mod tests {
    use helenus::value::CqlValue;

    use super::*;

    fn columns() -> [ColumnSpec; 2] {
        [("id", ColumnType::Int), ("name", ColumnType::Text)].map(|(name, column_type)| ColumnSpec {
            keyspace: "ks".into(),
            table: "t".into(),
            name: name.into(),
            column_type,
        })
    }

    fn rows(rows: &[(i32, Option<&str>)]) -> Vec<Vec<Shown>> {
        let name = |name: Option<&str>| name.map_or(CqlValue::Null, |name| CqlValue::Text(name.into()));
        rows.iter().map(|row| vec![Shown::Value(CqlValue::Int(row.0)), Shown::Value(name(row.1))]).collect()
    }

    #[test]
    fn columns_are_aligned_whatever_is_in_them() {
        let mut out = Vec::new();
        let first = rows(&[(1, Some("日本")), (-20, None), (3, Some("a\n\u{1b}[31m")), (4, Some("null"))]);
        let rule = page(&mut out, &columns(), &first, None).unwrap();
        // Narrower goes on, wider begins anew.
        let rule = page(&mut out, &columns(), &rows(&[(5, Some(""))]), Some(rule)).unwrap();
        page(&mut out, &columns(), &rows(&[(1_000, None)]), Some(rule)).unwrap();
        let expected = "
 id  | name
-----+-----------
   1 | '日本'
 -20 | null
   3 | 'a␊␛[31m'
   4 | 'null'
   5 | ''

 id   | name
------+------
 1000 | null
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
