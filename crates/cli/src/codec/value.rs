//! Values: `decode`, `encode`, `token`.

use helenus_core::protocol::ColumnType;
use helenus_core::value::{CqlValue, DecodeValue};
use helenus_core::{RoutingKey, Token};
use serde::Deserialize;
use serde_json::json;

use super::{Outcome, hex};

#[derive(Deserialize)]
pub(super) struct DecodeLine {
    #[serde(rename = "type")]
    pub(super) column_type: String,
    // A line must have it, though it may be null.
    #[serde(deserialize_with = "Option::deserialize")]
    pub(super) hex: Option<String>,
}

impl DecodeLine {
    pub(super) fn answer(self) -> Outcome {
        let column_type = parse_type(&self.column_type)?;
        let bytes = self.hex.as_deref().map(hex::bytes).transpose()?;
        let value = CqlValue::decode(&column_type, bytes.as_deref());
        let value = value.map_err(|error| format!("the bytes are no value of {column_type}: {error}"))?;
        Ok(value.to_string().into())
    }
}

#[derive(Deserialize)]
pub(super) struct EncodeLine {
    #[serde(rename = "type")]
    pub(super) column_type: String,
    pub(super) literal: String,
}

impl EncodeLine {
    pub(super) fn answer(self) -> Outcome {
        let bytes = encode(&self.column_type, &self.literal)?;
        Ok(bytes.map(|bytes| hex::text(&bytes)).into())
    }
}

#[derive(Deserialize)]
pub(super) struct TokenLine {
    pub(super) types: Vec<String>,
    pub(super) literals: Vec<String>,
}

impl TokenLine {
    pub(super) fn answer(self) -> Outcome {
        let Self { types, literals } = self;
        if types.is_empty() || types.len() != literals.len() {
            return Err(format!(
                "there are {} types and {} literals, but each column of the partition key has one of both",
                types.len(),
                literals.len()
            ));
        }
        let mut key = RoutingKey::new();
        for (index, (column_type, literal)) in types.iter().zip(&literals).enumerate() {
            let column = |error| format!("column {index}: {error}");
            let bytes = encode(column_type, literal).map_err(column)?;
            let bytes = bytes.ok_or_else(|| column("a partition key has no null".to_owned()))?;
            key.push(&bytes).map_err(|error| column(error.to_string()))?;
        }
        let Token(token) = Token::of(key.as_bytes());
        Ok(json!({ "routing_key": hex::text(key.as_bytes()), "token": token }))
    }
}

fn encode(column_type: &str, literal: &str) -> Result<Option<Vec<u8>>, String> {
    let column_type = parse_type(column_type)?;
    let value = CqlValue::parse(&column_type, literal).map_err(|error| format!("the literal: {error}"))?;
    value.to_bytes(&column_type).map_err(|error| error.to_string())
}

fn parse_type(text: &str) -> Result<ColumnType, String> {
    text.parse().map_err(|error| format!("the type: {error}"))
}
