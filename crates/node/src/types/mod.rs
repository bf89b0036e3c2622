//! Types and their values: names, literals to bytes, checks, and the byte order of keys.

mod json;
mod literal;
mod order;
mod text;
mod validate;

pub(crate) use json::{has_json, push_json};
pub(crate) use literal::encode;
pub(crate) use order::push_ordered;
pub(crate) use text::{bytes_from_hexadecimal, uuid_from_text};
pub(crate) use validate::validate;

use std::sync::Arc;

use helenus_core::protocol::ColumnType;

use crate::cql::TypeSpec;

/// A type by its CQL name and arguments.
pub(crate) fn resolve(name: &str, arguments: Vec<TypeSpec>) -> Result<TypeSpec, String> {
    if let Some(column_type) = scalar(name) {
        if !arguments.is_empty() {
            return Err(format!("type {name} takes no parameters"));
        }
        // `varchar` is `text`, and that is how Cassandra lists it.
        return Ok(TypeSpec { text: column_type.to_string(), column_type });
    }
    let texts = arguments.iter().map(|argument| argument.text.as_str()).collect::<Vec<_>>().join(", ");
    let text = format!("{name}<{texts}>");
    let count = arguments.len();
    let mut arguments = arguments.into_iter().map(|argument| argument.column_type);
    let column_type = match (name, count, arguments.next(), arguments.next()) {
        ("frozen", 1, Some(inner), None) => inner,
        ("list", 1, Some(element), None) => ColumnType::List(Arc::new(element)),
        ("set", 1, Some(element), None) => ColumnType::Set(Arc::new(element)),
        ("map", 2, Some(key), Some(value)) => ColumnType::Map(Arc::new((key, value))),
        ("tuple", _, Some(first), second) => {
            ColumnType::Tuple([first].into_iter().chain(second).chain(arguments).collect())
        }
        ("frozen" | "list" | "set" | "map" | "tuple", ..) => {
            return Err(format!("type {name} doesn't take {count} parameters"));
        }
        _ => return Err(format!("type {name} is not among what this node has")),
    };
    Ok(TypeSpec { column_type, text })
}

fn scalar(name: &str) -> Option<ColumnType> {
    Some(match name {
        "ascii" => ColumnType::Ascii,
        "bigint" => ColumnType::BigInt,
        "blob" => ColumnType::Blob,
        "boolean" => ColumnType::Boolean,
        "date" => ColumnType::Date,
        "decimal" => ColumnType::Decimal,
        "double" => ColumnType::Double,
        "duration" => ColumnType::Duration,
        "float" => ColumnType::Float,
        "inet" => ColumnType::Inet,
        "int" => ColumnType::Int,
        "smallint" => ColumnType::SmallInt,
        "text" | "varchar" => ColumnType::Text,
        "time" => ColumnType::Time,
        "timestamp" => ColumnType::Timestamp,
        "timeuuid" => ColumnType::TimeUuid,
        "tinyint" => ColumnType::TinyInt,
        "uuid" => ColumnType::Uuid,
        "varint" => ColumnType::VarInt,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use crate::cql::{Statement, parse};

    #[test]
    fn a_type_is_listed_as_cassandra_lists_it() {
        let text = "CREATE TABLE t (k varchar PRIMARY KEY, v map<int, frozen<list<tuple<int, inet, text>>>>)";
        let Statement::CreateTable(create) = parse(text).unwrap() else { panic!("not a table") };
        assert_eq!(create.columns[0].1.text, "text");
        assert_eq!(create.columns[1].1.text, "map<int, frozen<list<tuple<int, inet, text>>>>");
        assert_eq!(create.columns[1].1.column_type.to_string(), "map<int, list<tuple<int, inet, text>>>");
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for column in
            ["list", "list<int, int>", "map<int>", "int<int>", "vector<float, 3>", "counter", "'a.b'"]
        {
            assert!(parse(&format!("CREATE TABLE t (k int PRIMARY KEY, v {column})")).is_err(), "{column}");
        }
        let deep =
            format!("CREATE TABLE t (k int PRIMARY KEY, v {}int{})", "list<".repeat(9000), ">".repeat(9000));
        assert!(parse(&deep).unwrap_err().to_string().contains("deeper"));
    }
}
