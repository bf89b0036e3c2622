//! CSV as RFC 4180 has it. Null is an empty field, and empty text one in quotes.

use std::io::{self, Write};

use helenus::ColumnSpec;
use helenus::value::CqlValue;

use super::{Shown, bare};

pub(super) fn head(out: &mut impl Write, columns: &[ColumnSpec]) -> io::Result<()> {
    let fields = columns.iter().map(|column| quoted(&column.name));
    line(out, fields)
}

pub(super) fn row(out: &mut impl Write, cells: &[Shown]) -> io::Result<()> {
    line(out, cells.iter().map(field))
}

fn field(cell: &Shown) -> String {
    match cell {
        Shown::Value(CqlValue::Null) => String::new(),
        Shown::Value(value) => quoted(&bare(value)),
        Shown::Bad(_) => quoted(&cell.literal()),
    }
}

fn line(out: &mut impl Write, fields: impl Iterator<Item = String>) -> io::Result<()> {
    for (i, field) in fields.enumerate() {
        if i > 0 {
            out.write_all(b",")?;
        }
        out.write_all(field.as_bytes())?;
    }
    out.write_all(b"\r\n")
}

fn quoted(text: &str) -> String {
    let special = |c: char| matches!(c, '"' | ',' | '\r' | '\n');
    let needs = text.is_empty() || text.contains(special) || text.starts_with(' ') || text.ends_with(' ');
    if needs { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        let cells = [
            CqlValue::Null,
            CqlValue::Text(String::new()),
            CqlValue::Text("a\"b,c\r\nd".into()),
            CqlValue::Text(" é".into()),
            CqlValue::Text("'plain'".into()),
            CqlValue::Blob(vec![0xca, 0xfe]),
            CqlValue::List(vec![CqlValue::Int(1), CqlValue::Text("x".into())]),
            CqlValue::Inet("127.0.0.1".parse().unwrap()),
        ];
        let mut cells: Vec<_> = cells.into_iter().map(Shown::Value).collect();
        cells.push(Shown::Bad(vec![1]));
        let mut out = Vec::new();
        row(&mut out, &cells).unwrap();
        let expected = "\r\n".to_owned();
        let expected = ",\"\",\"a\"\"b,c\r\nd\",\" é\",'plain',0xcafe,\"[1, 'x']\",127.0.0.1,0x01?"
            .to_owned()
            + &expected;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
