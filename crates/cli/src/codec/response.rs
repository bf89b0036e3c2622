//! The fields of responses, by the names that the specification has for them.

use helenus_core::protocol::response::{
    ColumnSpec, Event, Failures, Message, Prepared, ResultMessage, Rows, RowsMetadata, SchemaChange,
    SchemaTarget,
};
use helenus_core::protocol::{Consistency, ErrorKind, ServerError};
use helenus_core::value::{CqlValue, DecodeValue};
use serde_json::{Map, Value, json};

use super::hex;

/// It fails if the rows' cells are cut short; a cell that is no value of its type says so in its place.
pub(super) fn object(message: &Message<'_>) -> Result<Value, String> {
    Ok(match message {
        Message::Error(error) => server_error(error),
        Message::Ready => json!({}),
        Message::Authenticate { authenticator } => json!({ "authenticator": authenticator }),
        Message::Supported(options) => {
            let option = |(name, values): &(&str, Vec<&str>)| ((*name).to_owned(), json!(values));
            json!({ "options": options.iter().map(option).collect::<Map<_, _>>() })
        }
        Message::Result(result) => result_object(result)?,
        Message::Event(event) => event_object(event),
        Message::AuthChallenge(token) | Message::AuthSuccess(token) => {
            json!({ "token": token.map(hex::text) })
        }
        other => return Err(format!("{} is new to this command", other.opcode())),
    })
}

fn result_object(result: &ResultMessage<'_>) -> Result<Value, String> {
    Ok(match result {
        ResultMessage::Void => json!({ "kind": "VOID" }),
        ResultMessage::Rows(rows) => json!({
            "kind": "ROWS",
            "metadata": metadata(&rows.metadata),
            "row_count": rows.row_count,
            "rows": cells(rows)?,
        }),
        ResultMessage::SetKeyspace { keyspace } => json!({ "kind": "SET_KEYSPACE", "keyspace": keyspace }),
        ResultMessage::Prepared(prepared) => prepared_object(prepared),
        ResultMessage::SchemaChange(change) => {
            let mut object = Map::from_iter([("kind".to_owned(), "SCHEMA_CHANGE".into())]);
            object.extend(schema_change(change));
            Value::Object(object)
        }
        _ => return Err("a RESULT of a kind that is new to this command".to_owned()),
    })
}

fn metadata(metadata: &RowsMetadata<'_>) -> Value {
    json!({
        "column_count": metadata.column_count,
        "columns": metadata.columns.as_deref().map(columns),
        "paging_state": metadata.paging_state.map(hex::text),
        "new_metadata_id": metadata.new_metadata_id.map(hex::text),
    })
}

fn columns(columns: &[ColumnSpec]) -> Vec<Value> {
    let column = |column: &ColumnSpec| {
        let ColumnSpec { keyspace, table, name, column_type } = column;
        json!({ "keyspace": &**keyspace, "table": &**table, "name": &**name, "type": format!("{column_type:#}") })
    };
    columns.iter().map(column).collect()
}

/// Row by row, each cell as a literal if its type is known, else in hexadecimal.
fn cells(rows: &Rows<'_>) -> Result<Vec<Vec<Value>>, String> {
    let width = rows.metadata.column_count;
    let mut table = Vec::new();
    let mut row = Vec::new();
    for cell in rows.cells() {
        let bytes = cell.map_err(|error| error.to_string())?;
        let column = rows.metadata.columns.as_deref().and_then(|columns| columns.get(row.len()));
        row.push(cell_value(column, bytes));
        if row.len() == width {
            table.push(std::mem::take(&mut row));
        }
    }
    Ok(table)
}

fn cell_value(column: Option<&ColumnSpec>, bytes: Option<&[u8]>) -> Value {
    let (Some(column), Some(bytes)) = (column, bytes) else { return bytes.map(hex::text).into() };
    match CqlValue::decode(&column.column_type, Some(bytes)) {
        Ok(value) => value.to_string().into(),
        Err(error) => json!({ "hex": hex::text(bytes), "error": error.to_string() }),
    }
}

fn prepared_object(prepared: &Prepared<'_>) -> Value {
    json!({
        "kind": "PREPARED",
        "id": hex::text(prepared.id),
        "result_metadata_id": prepared.result_metadata_id.map(hex::text),
        "bind_markers": columns(&prepared.bind_markers),
        "pk_indexes": prepared.pk_indexes,
        "result_metadata": metadata(&prepared.result_metadata),
    })
}

fn event_object(event: &Event<'_>) -> Value {
    match event {
        Event::TopologyChange { change, address } => {
            json!({ "type": Event::TOPOLOGY_CHANGE, "change": change.name(), "address": address.to_string() })
        }
        Event::StatusChange { change, address } => {
            json!({ "type": Event::STATUS_CHANGE, "change": change.name(), "address": address.to_string() })
        }
        Event::SchemaChange(change) => {
            let mut object = Map::from_iter([("type".to_owned(), Event::SCHEMA_CHANGE.into())]);
            object.extend(schema_change(change));
            Value::Object(object)
        }
        Event::Other { name } => json!({ "type": name }),
        _ => json!({}),
    }
}

fn schema_change(change: &SchemaChange<'_>) -> Map<String, Value> {
    use SchemaTarget::{Aggregate, Function, Keyspace, Other, Table, Type};
    let (target, keyspace, name, arguments) = match &change.target {
        Keyspace { keyspace } => ("KEYSPACE", Some(keyspace), None, None),
        Table { keyspace, name } => ("TABLE", Some(keyspace), Some(name), None),
        Type { keyspace, name } => ("TYPE", Some(keyspace), Some(name), None),
        Function { keyspace, name, arguments } => ("FUNCTION", Some(keyspace), Some(name), Some(arguments)),
        Aggregate { keyspace, name, arguments } => ("AGGREGATE", Some(keyspace), Some(name), Some(arguments)),
        Other { target } => (*target, None, None, None),
        _ => ("", None, None, None),
    };
    let mut object = Map::from_iter([
        ("change".to_owned(), change.change.name().into()),
        ("target".to_owned(), target.into()),
    ]);
    let parts = [("keyspace", keyspace.map(|name| json!(name))), ("name", name.map(|name| json!(name)))];
    for (key, value) in parts.into_iter().chain([("arguments", arguments.map(|types| json!(types)))]) {
        if let Some(value) = value {
            object.insert(key.to_owned(), value);
        }
    }
    object
}

fn server_error(error: &ServerError) -> Value {
    let (name, fields) = error_fields(&error.kind);
    let mut object = Map::from_iter([
        ("code".to_owned(), format!("0x{:04x}", error.code()).into()),
        ("error".to_owned(), name.into()),
        ("message".to_owned(), (&*error.message).into()),
    ]);
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    Value::Object(object)
}

/// The name of the error, and what it carries.
fn error_fields(kind: &ErrorKind) -> (&'static str, Value) {
    let none = Value::Null;
    match kind {
        ErrorKind::Server => ("SERVER_ERROR", none),
        ErrorKind::Protocol => ("PROTOCOL_ERROR", none),
        ErrorKind::Authentication => ("AUTHENTICATION_ERROR", none),
        ErrorKind::Unavailable { consistency, required, alive } => (
            "UNAVAILABLE",
            json!({ "consistency": consistency.name(), "required": required, "alive": alive }),
        ),
        ErrorKind::Overloaded => ("OVERLOADED", none),
        ErrorKind::IsBootstrapping => ("IS_BOOTSTRAPPING", none),
        ErrorKind::Truncate => ("TRUNCATE_ERROR", none),
        ErrorKind::WriteTimeout { consistency, received, required, write_type, contentions } => {
            let mut fields = counts(*consistency, *received, *required);
            fields["write_type"] = write_type.name().into();
            fields["contentions"] = (*contentions).into();
            ("WRITE_TIMEOUT", fields)
        }
        ErrorKind::ReadTimeout { consistency, received, required, data_present } => {
            let mut fields = counts(*consistency, *received, *required);
            fields["data_present"] = (*data_present).into();
            ("READ_TIMEOUT", fields)
        }
        ErrorKind::ReadFailure { consistency, received, required, failures, data_present } => {
            let mut fields = counts(*consistency, *received, *required);
            fields["failures"] = failures_value(failures);
            fields["data_present"] = (*data_present).into();
            ("READ_FAILURE", fields)
        }
        ErrorKind::FunctionFailure { keyspace, function, argument_types } => (
            "FUNCTION_FAILURE",
            json!({ "keyspace": keyspace, "function": function, "argument_types": argument_types }),
        ),
        ErrorKind::WriteFailure { consistency, received, required, failures, write_type } => {
            let mut fields = counts(*consistency, *received, *required);
            fields["failures"] = failures_value(failures);
            fields["write_type"] = write_type.name().into();
            ("WRITE_FAILURE", fields)
        }
        ErrorKind::CdcWriteFailure => ("CDC_WRITE_FAILURE", none),
        ErrorKind::CasWriteUnknown { consistency, received, required } => {
            ("CAS_WRITE_UNKNOWN", counts(*consistency, *received, *required))
        }
        ErrorKind::Syntax => ("SYNTAX_ERROR", none),
        ErrorKind::Unauthorized => ("UNAUTHORIZED", none),
        ErrorKind::Invalid => ("INVALID", none),
        ErrorKind::Config => ("CONFIG_ERROR", none),
        ErrorKind::AlreadyExists { keyspace, table } => {
            ("ALREADY_EXISTS", json!({ "keyspace": keyspace, "table": table }))
        }
        ErrorKind::Unprepared { id } => ("UNPREPARED", json!({ "id": hex::text(id) })),
        _ => ("UNKNOWN", none),
    }
}

fn counts(consistency: Consistency, received: i32, required: i32) -> Value {
    json!({ "consistency": consistency.name(), "received": received, "required": required })
}

/// How many replicas failed (v4), or which and why (v5).
fn failures_value(failures: &Failures) -> Value {
    match failures {
        Failures::Count(count) => (*count).into(),
        Failures::Reasons(reasons) => {
            let reason =
                |(address, code): &(std::net::IpAddr, u16)| json!({ "address": address, "code": code });
            reasons.iter().map(reason).collect()
        }
    }
}
