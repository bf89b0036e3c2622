//! The fields of requests, by the names that the specification has for them.

use helenus_core::protocol::request::{
    BatchKind, BatchQuery, BatchStatement, ParameterOptions, Parameters, Request, Values,
};
use helenus_core::protocol::wire::Value as WireValue;
use serde_json::{Map, Value, json};

use super::hex;

pub(super) fn object(request: &Request<'_>) -> Result<Value, String> {
    Ok(match request {
        Request::Startup(startup) => {
            let option = |(name, value): &(&str, &str)| ((*name).to_owned(), Value::from(*value));
            json!({ "options": startup.options.iter().map(option).collect::<Map<_, _>>() })
        }
        Request::Options => json!({}),
        Request::AuthResponse(response) => json!({ "token": response.token.map(hex::text) }),
        Request::Register(register) => json!({ "events": register.events }),
        Request::Query(query) => with_parameters(json!({ "query": query.text }), &query.parameters),
        Request::Prepare(prepare) => json!({ "query": prepare.text, "keyspace": prepare.keyspace }),
        Request::Execute(execute) => with_parameters(
            json!({ "id": hex::text(execute.id), "result_metadata_id": execute.result_metadata_id.map(hex::text) }),
            &execute.parameters,
        ),
        Request::Batch(batch) => {
            let options = &batch.options;
            json!({
                "type": match batch.kind {
                    BatchKind::Logged => "LOGGED",
                    BatchKind::Unlogged => "UNLOGGED",
                    BatchKind::Counter => "COUNTER",
                },
                "statements": batch.statements.iter().map(statement).collect::<Vec<_>>(),
                "consistency": options.consistency.name(),
                "serial_consistency": options.serial_consistency.map(|level| level.name()),
                "timestamp": options.timestamp,
                "keyspace": options.keyspace,
                "now_in_seconds": options.now_in_seconds,
            })
        }
        other => return Err(format!("{} is new to this command", other.opcode())),
    })
}

fn with_parameters(mut object: Value, parameters: &Parameters<'_>) -> Value {
    // `names` is told by the values.
    let ParameterOptions {
        consistency,
        skip_metadata,
        page_size,
        paging_state,
        serial_consistency,
        timestamp,
        names: _,
        keyspace,
        now_in_seconds,
    } = parameters.options;
    let fields = json!({
        "consistency": consistency.name(),
        "values": values(&parameters.values),
        "skip_metadata": skip_metadata,
        "page_size": page_size,
        "paging_state": paging_state.map(hex::text),
        "serial_consistency": serial_consistency.map(|level| level.name()),
        "timestamp": timestamp,
        "keyspace": keyspace,
        "now_in_seconds": now_in_seconds,
    });
    if let (Value::Object(object), Value::Object(fields)) = (&mut object, fields) {
        object.extend(fields);
    }
    object
}

fn statement(statement: &BatchStatement<'_>) -> Value {
    let values = values(&statement.values);
    match statement.query {
        BatchQuery::Text(text) => json!({ "query": text, "values": values }),
        BatchQuery::Prepared(id) => json!({ "id": hex::text(id), "values": values }),
    }
}

/// Each in hexadecimal, null, or "unset"; with its name if it has one.
fn values(values: &Values<'_>) -> Vec<Value> {
    let value = |(name, value): (Option<&str>, WireValue<'_>)| {
        let value = match value {
            WireValue::Null => Value::Null,
            WireValue::Unset => "unset".into(),
            WireValue::Bytes(bytes) => hex::text(bytes).into(),
        };
        match name {
            Some(name) => json!({ "name": name, "value": value }),
            None => value,
        }
    };
    values.iter().map(value).collect()
}
