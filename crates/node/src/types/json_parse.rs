//! JSON to values: what INSERT JSON takes.

use helenus_core::protocol::ColumnType;
use helenus_core::value::Uuid;

use super::{assemble, bytes_from_hexadecimal, literal};
use crate::cql::Literal;

/// A JSON value. Numbers stay as they are written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Boolean(bool),
    Number(String),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// How deep JSON may nest.
const DEPTH_LIMIT: usize = 64;

/// Reads one object: names of columns and their values.
pub(crate) fn parse_object(text: &str) -> Result<Vec<(String, Json)>, String> {
    match parse(text)? {
        Json::Object(fields) => {
            Ok(fields.into_iter().map(|(name, value)| (column_name(&name), value)).collect())
        }
        other => Err(format!("Got {} where a JSON object was expected", kind(&other))),
    }
}

/// A column's name as JSON writes it: one with capital letters stands in quotes of its own.
fn column_name(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.to_owned(),
        None => name.to_ascii_lowercase(),
    }
}

fn parse(text: &str) -> Result<Json, String> {
    let mut parser = Parser { rest: text, depth: 0 };
    let value = parser.value()?;
    parser.skip_blanks();
    if parser.rest.is_empty() { Ok(value) } else { Err(parser.error("the end")) }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl Parser<'_> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn error(&self, expected: &str) -> String {
        let found = self.rest.chars().take(20).collect::<String>();
        format!("Could not decode JSON string as a map: expected {expected}, found '{found}'")
    }

    fn take(&mut self, mark: &str) -> bool {
        self.skip_blanks();
        match self.rest.strip_prefix(mark) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self) -> Result<Json, String> {
        if self.depth == DEPTH_LIMIT {
            return Err(format!("JSON nests deeper than {DEPTH_LIMIT} levels"));
        }
        self.depth += 1;
        let value = self.inner();
        self.depth -= 1;
        value
    }

    fn inner(&mut self) -> Result<Json, String> {
        for (word, value) in
            [("null", Json::Null), ("true", Json::Boolean(true)), ("false", Json::Boolean(false))]
        {
            if self.take(word) {
                return Ok(value);
            }
        }
        if self.take("[") {
            return self.until("]", Self::value).map(Json::Array);
        }
        if self.take("{") {
            let field = |parser: &mut Self| {
                parser.skip_blanks();
                let name = parser.text()?;
                if parser.take(":") { Ok((name, parser.value()?)) } else { Err(parser.error("':'")) }
            };
            return self.until("}", field).map(Json::Object);
        }
        if self.rest.starts_with('"') {
            return self.text().map(Json::Text);
        }
        let len =
            self.rest.bytes().take_while(|byte| byte.is_ascii_digit() || b"+-.eE".contains(byte)).count();
        let (number, rest) = self.rest.split_at(len);
        if number.parse::<f64>().is_err() {
            return Err(self.error("a value"));
        }
        self.rest = rest;
        Ok(Json::Number(number.to_owned()))
    }

    fn until<T>(
        &mut self,
        close: &str,
        mut one: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut all = Vec::new();
        if self.take(close) {
            return Ok(all);
        }
        loop {
            all.push(one(self)?);
            if self.take(close) {
                return Ok(all);
            }
            if !self.take(",") {
                return Err(self.error(close));
            }
        }
    }

    fn text(&mut self) -> Result<String, String> {
        let Some(rest) = self.rest.strip_prefix('"') else { return Err(self.error("a text")) };
        let mut text = String::new();
        let mut characters = rest.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &rest[at + 1..];
                    return Ok(text);
                }
                '\\' => {
                    let escaped = characters.next().map(|(_, escaped)| escaped);
                    text.push(match escaped {
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        Some('b') => '\u{8}',
                        Some('f') => '\u{c}',
                        Some('u') => {
                            let unit = unit(&mut characters).ok_or_else(|| self.error("four digits"))?;
                            // The second half of a pair follows as an escape of its own.
                            let low = if (0xd800..0xdc00).contains(&unit) {
                                characters.next();
                                characters.next();
                                unit_low(&mut characters)
                            } else {
                                None
                            };
                            let code = low.map_or(unit, |low| 0x1_0000 + ((unit - 0xd800) << 10) + low);
                            char::from_u32(code).ok_or_else(|| self.error("a character"))?
                        }
                        Some(other @ ('"' | '\\' | '/')) => other,
                        _ => return Err(self.error("an escape")),
                    });
                }
                plain => text.push(plain),
            }
        }
        Err(self.error("a closing '\"'"))
    }
}

fn unit(characters: &mut std::str::CharIndices<'_>) -> Option<u32> {
    (0..4).try_fold(0, |unit, _| Some(unit << 4 | characters.next()?.1.to_digit(16)?))
}

fn unit_low(characters: &mut std::str::CharIndices<'_>) -> Option<u32> {
    unit(characters)?.checked_sub(0xdc00).filter(|low| *low < 0x400)
}

fn kind(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Boolean(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::Text(_) => "a text",
        Json::Array(_) => "an array",
        Json::Object(_) => "an object",
    }
}

/// The bytes of a JSON value as one of that type; `None` is null.
pub(crate) fn from_json(
    column_type: &ColumnType,
    json: &Json,
    name: &str,
) -> Result<Option<Vec<u8>>, String> {
    use ColumnType as T;
    let wrong = || format!("Error decoding JSON value for {name}: {} is no {column_type}", kind(json));
    let pieces = match (column_type, json) {
        (_, Json::Null) => return Ok(None),
        (T::List(element) | T::Set(element) | T::Vector(element, _), Json::Array(items)) => {
            items.iter().map(|item| from_json(element, item, name)).collect::<Result<Vec<_>, _>>()?
        }
        (T::Tuple(types), Json::Array(items)) if items.len() <= types.len() => {
            let each = types.iter().zip(items);
            each.map(|(ty, item)| from_json(ty, item, name)).collect::<Result<Vec<_>, _>>()?
        }
        (T::Map(types), Json::Object(fields)) => {
            let mut pieces = Vec::with_capacity(fields.len() * 2);
            for (key, value) in fields {
                pieces.push(from_json(&types.0, &key_of(&types.0, key), name)?);
                pieces.push(from_json(&types.1, value, name)?);
            }
            pieces
        }
        (T::Udt(udt), Json::Object(fields)) => {
            let mut pieces = Vec::with_capacity(udt.fields.len());
            let given = fields.iter().map(|(field, value)| (column_name(field), value)).collect::<Vec<_>>();
            if let Some((field, _)) =
                given.iter().find(|(field, _)| !udt.fields.iter().any(|(known, _)| **known == **field))
            {
                return Err(format!("Error decoding JSON value for {name}: unknown field {field}"));
            }
            for (field, ty) in &udt.fields {
                let value = given.iter().find(|(name, _)| **name == **field).map(|(_, value)| *value);
                pieces.push(from_json(ty, value.unwrap_or(&Json::Null), name)?);
            }
            pieces
        }
        _ => {
            let constant = scalar(column_type, json).ok_or_else(wrong)?;
            return literal(column_type, &constant, name);
        }
    };
    assemble(column_type, &pieces).map(Some)
}

/// Names in an object are texts: those of other types are written within.
fn key_of(column_type: &ColumnType, key: &str) -> Json {
    match column_type {
        ColumnType::Text | ColumnType::Ascii => Json::Text(key.to_owned()),
        _ => parse(key).unwrap_or_else(|_| Json::Text(key.to_owned())),
    }
}

fn scalar(column_type: &ColumnType, json: &Json) -> Option<Literal> {
    use ColumnType as T;
    Some(match (column_type, json) {
        (T::Ascii | T::Text | T::Inet | T::Date | T::Time | T::Timestamp, Json::Text(text)) => {
            Literal::Text(text.clone())
        }
        (T::Blob, Json::Text(text)) => Literal::Blob(bytes_from_hexadecimal(text.strip_prefix("0x")?)?),
        (T::Uuid | T::TimeUuid, Json::Text(text)) => Literal::Uuid(*text.parse::<Uuid>().ok()?.as_bytes()),
        (T::Duration, Json::Text(text)) => Literal::Duration(text.clone()),
        (T::Boolean, Json::Boolean(value)) => Literal::Boolean(*value),
        (T::Boolean, Json::Text(text)) => Literal::Boolean(text.to_ascii_lowercase().parse().ok()?),
        // A number is one of JSON: 1.50 is 1.5.
        (T::Decimal, Json::Number(text)) if text.contains('.') && !text.contains(['e', 'E']) => {
            let shorter = text.trim_end_matches('0');
            Literal::Float(if shorter.ends_with('.') { format!("{shorter}0") } else { shorter.to_owned() })
        }
        (T::Float | T::Double | T::Decimal, Json::Number(text) | Json::Text(text)) => {
            Literal::Float(text.clone())
        }
        (
            T::TinyInt | T::SmallInt | T::Int | T::BigInt | T::VarInt | T::Timestamp | T::Time | T::Date,
            Json::Number(text) | Json::Text(text),
        ) => Literal::Integer(text.clone()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_read_and_refused() {
        let parsed =
            parse(r#" {"a": [1, -2.5e3, null], "\"B\"": "x\n\u00e9\ud83d\ude00", "C": {}} "#).unwrap();
        let Json::Object(fields) = parsed else { panic!() };
        assert_eq!(
            fields[0].1,
            Json::Array(vec![Json::Number("1".into()), Json::Number("-2.5e3".into()), Json::Null])
        );
        assert_eq!(fields[1].1, Json::Text("x\né😀".into()));
        assert_eq!(fields.iter().map(|(name, _)| column_name(name)).collect::<Vec<_>>(), ["a", "B", "c"]);
        let deep = "[".repeat(100_000);
        for bad in ["", "{", "[1,]", "{\"a\" 1}", "\"abc", "\"\\ud800x\"", "\"\\q\"", "01x", "1 2", &deep] {
            assert!(parse(bad).is_err(), "{}", &bad[..bad.len().min(20)]);
        }
    }
}
