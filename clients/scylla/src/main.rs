//! Runs a script on a cluster with the scylla crate: one JSON line for each step, what came of it.
//!
//! Usage: helenus-clients-scylla CONTACT_POINT:PORT PROTOCOL_VERSION SCRIPT. See clients/README.md for what steps there are.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use num_bigint::BigInt;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::errors::{DbError, ExecutionError, PrepareError, RequestAttemptError};
use scylla::response::query_result::QueryResult;
use scylla::response::{PagingState, PagingStateResponse};
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::unprepared::Statement;
use scylla::value::{CqlValue, Row};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let [address, version, script] = arguments.as_slice() else {
        bail!("CONTACT_POINT:PORT PROTOCOL_VERSION SCRIPT")
    };
    if version != "4" {
        bail!("the scylla crate speaks protocol 4, not {version}");
    }
    let steps: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(script)?)?;
    let runner = Runner { session: connect(address).await?, other: connect(address).await? };
    for step in steps {
        let outcome = match runner.run(&step).await {
            Ok(outcome) => outcome,
            Err(error) => json!({"error": code(&error).with_context(|| format!("{step}: {error:#}"))?}),
        };
        println!("{outcome}");
    }
    Ok(())
}

async fn connect(address: &str) -> Result<Session> {
    Ok(SessionBuilder::new().known_node(address).build().await?)
}

struct Runner {
    session: Session,
    other: Session,
}

impl Runner {
    async fn run(&self, step: &Value) -> Result<Value> {
        let (kind, given) =
            step.as_object().and_then(|step| step.iter().next()).context("a step has a kind")?;
        let text = given.as_str().unwrap_or_default();
        match kind.as_str() {
            "run" => rows(self.session.query_unpaged(text, ()).await?),
            "other" => rows(self.other.query_unpaged(text, ()).await?),
            "prepared" => {
                let prepared = self.session.prepare(text).await?;
                let values = step["values"].as_array().context("values")?;
                let values = values.iter().map(value).collect::<Result<Vec<_>>>()?;
                rows(self.session.execute_unpaged(&prepared, values).await?)
            }
            "fill" => {
                let prepared = self.session.prepare(text).await?;
                for key in 0..i32::try_from(step["count"].as_i64().context("count")?)? {
                    self.session.execute_unpaged(&prepared, (key, format!("v{key}"))).await?;
                }
                Ok(json!({"rows": []}))
            }
            "pages" => self.pages(text, i32::try_from(step["size"].as_i64().context("size")?)?).await,
            "batch" => {
                let kind = if step["kind"] == "logged" { BatchType::Logged } else { BatchType::Unlogged };
                let mut batch = Batch::new(kind);
                let statements = given.as_array().context("statements")?;
                statements.iter().filter_map(Value::as_str).for_each(|text| batch.append_statement(text));
                rows(self.session.batch(&batch, vec![(); statements.len()]).await?)
            }
            "copy" => {
                let prepared = self.session.prepare(step["into"].as_str().context("into")?).await?;
                let result = self.session.query_unpaged(text, ()).await?.into_rows_result()?;
                for row in result.rows::<Row>()? {
                    self.session.execute_unpaged(&prepared, row?.columns).await?;
                }
                Ok(json!({"rows": []}))
            }
            "nodes" => {
                self.eventually("nodes", &step["expect"], || {
                    json!(self.session.get_cluster_state().get_nodes_info().len())
                })
                .await
            }
            "tables" => {
                self.eventually("tables", &step["expect"], || {
                    let state = self.session.get_cluster_state();
                    let tables = state
                        .get_keyspace(text)
                        .map(|keyspace| keyspace.tables.keys().cloned().collect::<Vec<_>>());
                    let mut tables = tables.unwrap_or_default();
                    tables.sort();
                    json!(tables)
                })
                .await
            }
            other => bail!("there is no step {other}"),
        }
    }

    async fn pages(&self, text: &str, size: i32) -> Result<Value> {
        let statement = Statement::new(text).with_page_size(size);
        let (mut pages, mut seen, mut state) = (0, HashSet::new(), PagingState::start());
        loop {
            let (result, next) = self.session.query_single_page(statement.clone(), (), state).await?;
            pages += 1;
            for row in result.into_rows_result()?.rows::<(i32,)>()? {
                seen.insert(row?.0);
            }
            match next {
                PagingStateResponse::HasMorePages { state: next } => state = next,
                PagingStateResponse::NoMorePages => return Ok(json!({"pages": pages, "values": seen.len()})),
            }
        }
    }

    /// What `look` says, after so long as it may take. The crate reads the schema when asked, not when told.
    async fn eventually(&self, name: &str, expected: &Value, look: impl Fn() -> Value) -> Result<Value> {
        for _ in 0..50 {
            self.session.refresh_metadata().await?;
            if look() == expected[name] {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(json!({name: look()}))
    }
}

/// The code of a server's error.
fn code(error: &anyhow::Error) -> Result<&'static str> {
    let attempt = match (error.downcast_ref::<ExecutionError>(), error.downcast_ref::<PrepareError>()) {
        (Some(ExecutionError::LastAttemptError(attempt)), _)
        | (
            Some(ExecutionError::PrepareError(PrepareError::AllAttemptsFailed { first_attempt: attempt })),
            _,
        )
        | (_, Some(PrepareError::AllAttemptsFailed { first_attempt: attempt })) => attempt,
        _ => bail!("not an error of the server's"),
    };
    match attempt {
        RequestAttemptError::DbError(DbError::SyntaxError, _) => Ok("2000"),
        RequestAttemptError::DbError(DbError::Invalid, _) => Ok("2200"),
        RequestAttemptError::DbError(DbError::ConfigError, _) => Ok("2300"),
        RequestAttemptError::DbError(DbError::AlreadyExists { .. }, _) => Ok("2400"),
        other => Err(anyhow!("{other:?} has no code here")),
    }
}

fn value(given: &Value) -> Result<Option<CqlValue>> {
    if given.is_null() {
        return Ok(None);
    }
    let (kind, value) =
        given.as_object().and_then(|given| given.iter().next()).context("a value has a type")?;
    Ok(Some(match kind.as_str() {
        "int" => CqlValue::Int(i32::try_from(value.as_i64().context("an int")?)?),
        "text" => CqlValue::Text(value.as_str().context("a text")?.to_owned()),
        other => bail!("values of {other} are not among the script's"),
    }))
}

fn rows(result: QueryResult) -> Result<Value> {
    if !result.is_rows() {
        return Ok(json!({"rows": []}));
    }
    let result = result.into_rows_result()?;
    let rows = result.rows::<Row>()?.map(|row| Ok(json!(row?.columns.iter().map(cell).collect::<Vec<_>>())));
    Ok(json!({"rows": rows.collect::<Result<Vec<_>>>()?}))
}

fn cell(value: &Option<CqlValue>) -> Value {
    value.as_ref().map_or(Value::Null, shown)
}

/// A cell as all runners show it.
fn shown(value: &CqlValue) -> Value {
    match value {
        CqlValue::Ascii(text) | CqlValue::Text(text) => json!(text),
        CqlValue::Boolean(value) => json!(value),
        CqlValue::Blob(bytes) => {
            json!(bytes.iter().fold("0x".to_owned(), |text, byte| format!("{text}{byte:02x}")))
        }
        CqlValue::Counter(counter) => json!(counter.0),
        CqlValue::Decimal(value) => {
            let (bytes, scale) = value.as_signed_be_bytes_slice_and_exponent();
            json!(decimal(&BigInt::from_signed_bytes_be(bytes), scale))
        }
        CqlValue::Varint(value) => {
            json!(BigInt::from_signed_bytes_be(value.as_signed_bytes_be_slice()).to_string())
        }
        CqlValue::Date(date) => json!(day(i64::from(date.0) - (1 << 31))),
        CqlValue::Double(value) => json!(value),
        CqlValue::Float(value) => json!(value),
        CqlValue::Duration(value) => {
            let negative = value.months < 0 || value.days < 0 || value.nanoseconds < 0;
            let (months, days, nanoseconds) = (value.months.abs(), value.days.abs(), value.nanoseconds.abs());
            json!(format!("{}{months}mo{days}d{nanoseconds}ns", if negative { "-" } else { "" }))
        }
        CqlValue::Int(value) => json!(value),
        CqlValue::BigInt(value) => json!(value),
        CqlValue::SmallInt(value) => json!(value),
        CqlValue::TinyInt(value) => json!(value),
        CqlValue::Timestamp(value) => json!(value.0),
        CqlValue::Time(value) => json!(value.0),
        CqlValue::Inet(address) => json!(address.to_string()),
        CqlValue::Timeuuid(uuid) => json!(uuid.to_string()),
        CqlValue::Uuid(uuid) => json!(uuid.to_string()),
        CqlValue::List(items) | CqlValue::Vector(items) => json!(items.iter().map(shown).collect::<Vec<_>>()),
        CqlValue::Set(items) => sorted(items.iter().map(shown).collect()),
        CqlValue::Map(pairs) => {
            sorted(pairs.iter().map(|(key, value)| json!([shown(key), shown(value)])).collect())
        }
        CqlValue::Tuple(items) => json!(items.iter().map(cell).collect::<Vec<_>>()),
        CqlValue::UserDefinedType { fields, .. } => {
            json!(fields.iter().map(|(_, value)| cell(value)).collect::<Vec<_>>())
        }
        other => json!(format!("{other:?}")),
    }
}

fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_key(Value::to_string);
    Value::Array(items)
}

fn decimal(unscaled: &BigInt, scale: i32) -> String {
    let digits = unscaled.magnitude().to_string();
    let sign = if unscaled.sign() == num_bigint::Sign::Minus { "-" } else { "" };
    let Ok(scale) = usize::try_from(scale) else { return format!("{sign}{digits}E{}", scale.unsigned_abs()) };
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, rest) = digits.split_at(digits.len() - scale);
    if rest.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest}") }
}

/// A day since 1970-01-01 as a date, after Howard Hinnant's `civil_from_days`.
fn day(days: i64) -> String {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}
