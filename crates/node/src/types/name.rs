//! Types as they are written to types as they are used.

use std::sync::Arc;

use helenus_core::protocol::{ColumnType, UdtType};

use crate::cql::{Name, TypeName};

/// A type, and what the protocol's description of it leaves out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DataType {
    pub(crate) column_type: ColumnType,
    /// As `system_schema` writes it.
    pub(crate) text: String,
    /// Whether each element is a cell of its own: a collection or user-defined type that isn't frozen.
    pub(crate) multi_cell: bool,
}

/// A user-defined type that was looked up.
#[derive(Clone, Debug)]
pub(crate) struct FoundType {
    pub(crate) udt: Arc<UdtType>,
    /// Whether it has fields that aren't frozen.
    pub(crate) nests_cells: bool,
}

/// Looks a type's names up: `find` knows the user-defined types.
pub(crate) fn resolve(
    name: &TypeName,
    find: &dyn Fn(&Name) -> Result<FoundType, String>,
) -> Result<DataType, String> {
    let data_type = of(name, false, find)?;
    if weight(&data_type.column_type) > WEIGHT_LIMIT {
        return Err(format!("this node's types have at most {WEIGHT_LIMIT} parts"));
    }
    Ok(data_type)
}

/// User-defined types hold each other: a few of them could make one that takes for ever to walk through.
const WEIGHT_LIMIT: usize = 1_024;

fn weight(column_type: &ColumnType) -> usize {
    1 + match column_type {
        ColumnType::List(element) | ColumnType::Set(element) | ColumnType::Vector(element, _) => {
            weight(element)
        }
        ColumnType::Map(types) => weight(&types.0) + weight(&types.1),
        ColumnType::Tuple(fields) => fields.iter().map(weight).sum(),
        ColumnType::Udt(udt) => udt.fields.iter().map(|(_, field)| weight(field)).sum(),
        _ => 0,
    }
}

fn of(
    name: &TypeName,
    frozen: bool,
    find: &dyn Fn(&Name) -> Result<FoundType, String>,
) -> Result<DataType, String> {
    let collection = |column_type, text: String| DataType {
        column_type,
        text: if frozen { format!("frozen<{text}>") } else { text },
        multi_cell: !frozen,
    };
    match name {
        TypeName::Frozen(inner) => match &**inner {
            TypeName::Named(name) if native(name).is_some() => Err(format!(
                "frozen<> is only allowed on collections, tuples, and user-defined types (got {})",
                name.name
            )),
            inner => of(inner, true, find),
        },
        TypeName::List(element) => {
            let element = inner(element, frozen, "collections", find)?;
            let text = format!("list<{}>", element.text);
            Ok(collection(ColumnType::List(Arc::new(element.column_type)), text))
        }
        TypeName::Set(element) => {
            let element = inner(element, frozen, "collections", find)?;
            if element.column_type == ColumnType::Duration {
                return Err("Durations are not allowed inside sets: set<duration>".into());
            }
            let text = format!("set<{}>", element.text);
            Ok(collection(ColumnType::Set(Arc::new(element.column_type)), text))
        }
        TypeName::Map(types) => {
            let key = inner(&types.0, frozen, "collections", find)?;
            let value = inner(&types.1, frozen, "collections", find)?;
            if key.column_type == ColumnType::Duration {
                return Err("Durations are not allowed as map keys".into());
            }
            let text = format!("map<{}, {}>", key.text, value.text);
            Ok(collection(ColumnType::Map(Arc::new((key.column_type, value.column_type))), text))
        }
        TypeName::Tuple(fields) => {
            let fields = fields
                .iter()
                .map(|field| inner(field, true, "tuples", find))
                .collect::<Result<Vec<_>, _>>()?;
            let texts = fields.iter().map(|field| field.text.as_str()).collect::<Vec<_>>().join(", ");
            let types = fields.iter().map(|field| field.column_type.clone()).collect();
            let text = format!("frozen<tuple<{texts}>>");
            Ok(DataType { column_type: ColumnType::Tuple(types), text, multi_cell: false })
        }
        TypeName::Vector(_, 0) => Err("vectors may only have positive dimensions; given 0".into()),
        TypeName::Vector(_, dimension) if *dimension > VECTOR_LIMIT => {
            Err(format!("this node's vectors have at most {VECTOR_LIMIT} elements, not {dimension}"))
        }
        TypeName::Vector(element, dimension) => {
            let element = inner(element, true, "vectors", find)?;
            let text = format!("vector<{}, {dimension}>", element.text);
            let column_type = ColumnType::Vector(Arc::new(element.column_type), *dimension);
            Ok(DataType { column_type, text, multi_cell: false })
        }
        TypeName::Named(name) => match native(name) {
            Some(column_type) => {
                Ok(DataType { text: column_type.to_string(), column_type, multi_cell: false })
            }
            None => {
                let udt = find(name)?.udt;
                let text = quoted(&udt.name);
                Ok(collection(ColumnType::Udt(udt), text))
            }
        },
        TypeName::Custom(class) => Err(format!("custom type '{class}' is not among what this node has")),
    }
}

/// As many as Cassandra has.
const VECTOR_LIMIT: u32 = 8_192;

/// A type within another, which has no cells of its own.
fn inner(
    name: &TypeName,
    frozen: bool,
    whole: &str,
    find: &dyn Fn(&Name) -> Result<FoundType, String>,
) -> Result<DataType, String> {
    let data_type = of(name, frozen, find)?;
    if data_type.column_type == ColumnType::Counter {
        return Err(format!("Counters are not allowed inside {whole}"));
    }
    if !data_type.multi_cell {
        return Ok(data_type);
    }
    let what = if matches!(data_type.column_type, ColumnType::Udt(_)) { "UDTs" } else { "collections" };
    Err(format!("Non-frozen {what} are not allowed inside {whole}: {}", data_type.text))
}

fn native(name: &Name) -> Option<ColumnType> {
    if name.keyspace.is_some() {
        return None;
    }
    Some(match name.name.as_str() {
        "ascii" => ColumnType::Ascii,
        "bigint" => ColumnType::BigInt,
        "blob" => ColumnType::Blob,
        "boolean" => ColumnType::Boolean,
        "counter" => ColumnType::Counter,
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

/// A name as CQL writes it.
fn quoted(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cql::{Statement, parse};

    fn text_of(written: &str) -> Result<String, String> {
        let parsed = parse(&format!("CREATE TABLE t (k int PRIMARY KEY, v {written})"));
        let Statement::CreateTable(create) = parsed.map_err(|error| error.to_string())? else { panic!() };
        let point = Arc::new(UdtType {
            keyspace: "ks".into(),
            name: "Point".into(),
            fields: Box::new([("x".into(), ColumnType::Int)]),
        });
        let find = |name: &Name| match name.name.as_str() {
            "point" => Ok(FoundType { udt: point.clone(), nests_cells: false }),
            other => Err(format!("Unknown type {other}")),
        };
        resolve(&create.columns[1].type_name, &find).map(|data_type| data_type.text)
    }

    #[test]
    fn a_type_is_listed_as_cassandra_lists_it() {
        for (written, listed) in [
            ("varchar", "text"),
            ("map<int, frozen<list<tuple<int, inet>>>>", "map<int, frozen<list<frozen<tuple<int, inet>>>>>"),
            ("frozen<map<int, list<int>>>", "frozen<map<int, frozen<list<int>>>>"),
            ("tuple<int, list<text>>", "frozen<tuple<int, frozen<list<text>>>>"),
            ("vector<float, 3>", "vector<float, 3>"),
            ("point", "\"Point\""),
            ("list<frozen<point>>", "list<frozen<\"Point\">>"),
        ] {
            assert_eq!(text_of(written).as_deref(), Ok(listed), "{written}");
        }
    }

    #[test]
    fn wrong_types_are_refused() {
        for written in [
            "list",
            "list<int, int>",
            "map<int>",
            "int<int>",
            "'a.b'",
            "frozen<int>",
            "list<list<int>>",
            "list<point>",
            "set<duration>",
            "list<counter>",
            "vector<float, 0>",
            "vector<float>",
            "nosuch",
        ] {
            assert!(text_of(written).is_err(), "{written}");
        }
        let deep = format!("{}int{}", "list<".repeat(9000), ">".repeat(9000));
        assert!(text_of(&deep).unwrap_err().contains("deeper"));
    }
}
