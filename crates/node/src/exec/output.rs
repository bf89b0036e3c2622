//! What a SELECT shows of a row.

use std::borrow::Cow;

use helenus_core::protocol::ColumnType;
use helenus_core::value::{CqlValue, Decimal, DecodeValue, VarInt};

use super::plan::{Aggregate, Output};
use super::select::{RESULT_LIMIT_BYTES, too_much};
use super::slot::Bound;
use super::values::RowValues;
use crate::refusal::{Refusal, invalid};
use crate::store::schema::Schema;
use crate::types;

type Shown<'a> = Result<Option<Cow<'a, [u8]>>, Refusal>;

/// A row that is shown.
pub(super) struct Row<'r, 'a> {
    pub(super) schema: &'r Schema,
    pub(super) values: &'r RowValues<'a>,
    pub(super) bound: &'r Bound<'r>,
}

impl<'r> Row<'r, '_> {
    pub(super) fn show(&self, output: &'r Output) -> Shown<'r> {
        let long = |value: i64| Some(Cow::Owned(value.to_be_bytes().to_vec()));
        match output {
            Output::Column(at) => Ok(self.values.bytes(self.schema, *at, self.bound.now_seconds)),
            Output::Token => Ok(long(self.values.token())),
            Output::WriteTime(at) => Ok(self.values.cell(*at).and_then(|cell| long(cell.timestamp))),
            Output::Ttl(at) => {
                let expiry = self.values.cell(*at).and_then(|cell| cell.expiry);
                let left = expiry.and_then(|expiry| i32::try_from(expiry.at - self.bound.now_seconds).ok());
                Ok(left.map(|left| Cow::Owned(left.to_be_bytes().to_vec())))
            }
            Output::Constant(slot) => Ok(self.bound.value(slot)?.or_null()),
            Output::Call(function, arguments, result) => {
                let mut values = Vec::with_capacity(arguments.len());
                for (column_type, argument) in arguments {
                    values.push((column_type, self.show(argument)?));
                }
                let values = values.iter().map(|(ty, value)| (*ty, value.as_deref())).collect::<Vec<_>>();
                Ok(function.run(&values, result, self.bound.now_micros)?.map(Cow::Owned))
            }
            Output::Json(fields) => {
                let mut json = String::from("{");
                for (at, (name, column_type, output)) in fields.iter().enumerate() {
                    json.push_str(if at > 0 { ", " } else { "" });
                    types::push_json_name(name, &mut json);
                    json.push_str(": ");
                    types::push_json(column_type, self.show(output)?.as_deref(), &mut json);
                    if json.len() > RESULT_LIMIT_BYTES {
                        return Err(too_much());
                    }
                }
                json.push('}');
                Ok(Some(Cow::Owned(json.into_bytes())))
            }
            Output::Field(inner, number) => {
                let Some(whole) = self.show(inner)? else { return Ok(None) };
                let field = types::elements(&whole, false).get(*number).copied().flatten();
                Ok(field.map(|field| Cow::Owned(field.to_vec())))
            }
            Output::Element(inner, column_type, key) => {
                let Some(whole) = self.show(inner)? else { return Ok(None) };
                let Some(key) = self.bound.value(key)?.or_null() else { return Ok(None) };
                Ok(element(column_type, &whole, &key).map(Cow::Owned))
            }
            Output::Cast(inner, from, to) => {
                let Some(value) = self.show(inner)? else { return Ok(None) };
                cast(from, to, &value).map(|value| Some(Cow::Owned(value)))
            }
            Output::CountRows | Output::Aggregate(..) => Ok(None),
        }
    }
}

/// What of a set equals the key, or of a map is behind it.
fn element(column_type: &ColumnType, whole: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let (key_type, group) = match column_type {
        ColumnType::Map(types) => (&types.0, 2),
        ColumnType::Set(element) => (&**element, 1),
        _ => return None,
    };
    let pieces = types::elements(whole, true);
    let mut groups = pieces.chunks_exact(group);
    let is_key = |group: &&[Option<&[u8]>]| {
        group[0].is_some_and(|found| types::compare(key_type, found, key).is_ok_and(|order| order.is_eq()))
    };
    groups.find(is_key).and_then(|group| group[group.len() - 1]).map(<[u8]>::to_vec)
}

pub(super) fn is_number(column_type: &ColumnType) -> bool {
    use ColumnType as T;
    matches!(
        column_type,
        T::TinyInt
            | T::SmallInt
            | T::Int
            | T::BigInt
            | T::Counter
            | T::Float
            | T::Double
            | T::VarInt
            | T::Decimal
    )
}

/// CAST from any number to the numbers of fixed size, and from all scalars to text.
pub(super) fn can_cast(from: &ColumnType, to: &ColumnType) -> bool {
    use ColumnType as T;
    let to_number = matches!(to, T::TinyInt | T::SmallInt | T::Int | T::BigInt | T::Float | T::Double);
    let scalar = !matches!(
        from,
        T::List(_) | T::Set(_) | T::Map(_) | T::Tuple(_) | T::Udt(_) | T::Vector(..) | T::Custom(_) | T::Blob
    );
    from == to || (is_number(from) && to_number) || (scalar && matches!(to, T::Text))
}

fn cast(from: &ColumnType, to: &ColumnType, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    if from == to || bytes.is_empty() {
        return Ok(bytes.to_vec());
    }
    let value = CqlValue::decode(from, Some(bytes)).map_err(|error| invalid(error.to_string()))?;
    if *to == ColumnType::Text {
        let text = value.to_string();
        let plain = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
        return Ok(plain.map_or(text.clone(), |plain| plain.replace("''", "'")).into_bytes());
    }
    let integer = integer_of(&value);
    let float = float_of(&value);
    Ok(match to {
        ColumnType::TinyInt => (integer as i8).to_be_bytes().to_vec(),
        ColumnType::SmallInt => (integer as i16).to_be_bytes().to_vec(),
        ColumnType::Int => (integer as i32).to_be_bytes().to_vec(),
        ColumnType::Float => (float as f32).to_be_bytes().to_vec(),
        ColumnType::Double => float.to_be_bytes().to_vec(),
        _ => (integer as i64).to_be_bytes().to_vec(),
    })
}

fn integer_of(value: &CqlValue) -> i128 {
    match value {
        CqlValue::TinyInt(number) => (*number).into(),
        CqlValue::SmallInt(number) => (*number).into(),
        CqlValue::Int(number) => (*number).into(),
        CqlValue::BigInt(number) => (*number).into(),
        CqlValue::Counter(counter) => counter.0.into(),
        CqlValue::VarInt(number) => number.to_i128().unwrap_or(0),
        other => float_of(other) as i128,
    }
}

fn float_of(value: &CqlValue) -> f64 {
    match value {
        CqlValue::Float(number) => (*number).into(),
        CqlValue::Double(number) => *number,
        CqlValue::Decimal(number) => number.to_string().parse().unwrap_or(f64::NAN),
        other => integer_of_exact(other) as f64,
    }
}

fn integer_of_exact(value: &CqlValue) -> i128 {
    match value {
        CqlValue::Float(_) | CqlValue::Double(_) | CqlValue::Decimal(_) => 0,
        other => integer_of(other),
    }
}

/// An aggregate while rows come.
#[derive(Debug)]
pub(super) enum Running {
    /// What isn't aggregated: of the first row.
    First(Option<Option<Vec<u8>>>),
    Count(i64),
    Least(Option<Vec<u8>>),
    Greatest(Option<Vec<u8>>),
    Sum {
        count: i64,
        integer: i128,
        float: f64,
        decimal: Option<(i128, i32)>,
    },
}

impl Running {
    pub(super) fn of(output: &Output) -> Self {
        match output {
            Output::CountRows | Output::Aggregate(Aggregate::Count, ..) => Self::Count(0),
            Output::Aggregate(Aggregate::Min, ..) => Self::Least(None),
            Output::Aggregate(Aggregate::Max, ..) => Self::Greatest(None),
            Output::Aggregate(..) => Self::Sum { count: 0, integer: 0, float: 0.0, decimal: Some((0, 0)) },
            _ => Self::First(None),
        }
    }

    pub(super) fn add<'r>(&mut self, row: &Row<'r, '_>, output: &'r Output) -> Result<(), Refusal> {
        let (value, column_type) = match output {
            Output::CountRows => {
                if let Self::Count(count) = self {
                    *count += 1;
                }
                return Ok(());
            }
            Output::Aggregate(_, inner, column_type) => (row.show(inner)?, Some(column_type)),
            other => {
                if let Self::First(first @ None) = self {
                    *first = Some(row.show(other)?.map(Cow::into_owned));
                }
                return Ok(());
            }
        };
        let (Some(value), Some(column_type)) = (value, column_type) else { return Ok(()) };
        let better = |old: &Option<Vec<u8>>, greater: bool| -> Result<bool, Refusal> {
            match old {
                None => Ok(true),
                Some(old) => {
                    let order = types::compare(column_type, &value, old).map_err(invalid)?;
                    Ok(if greater { order.is_gt() } else { order.is_lt() })
                }
            }
        };
        match self {
            Self::Count(count) => *count += 1,
            Self::Least(least) => {
                if better(least, false)? {
                    *least = Some(value.into_owned());
                }
            }
            Self::Greatest(greatest) => {
                if better(greatest, true)? {
                    *greatest = Some(value.into_owned());
                }
            }
            Self::Sum { count, integer, float, decimal } => {
                let number = CqlValue::decode(column_type, Some(&value));
                let number = number.map_err(|error| invalid(error.to_string()))?;
                *count += 1;
                match &number {
                    CqlValue::Float(_) | CqlValue::Double(_) => *float += float_of(&number),
                    CqlValue::Decimal(number) => *decimal = decimal.and_then(|sum| plus(sum, number)),
                    _ => *integer = integer.wrapping_add(integer_of(&number)),
                }
            }
            Self::First(_) => {}
        }
        Ok(())
    }

    pub(super) fn finish(self, output: &Output) -> Result<Option<Vec<u8>>, Refusal> {
        let Output::Aggregate(aggregate, _, column_type) = output else {
            return Ok(match self {
                Self::Count(count) => Some(count.to_be_bytes().to_vec()),
                Self::First(first) => first.flatten(),
                _ => None,
            });
        };
        match self {
            Self::Count(count) => Ok(Some(count.to_be_bytes().to_vec())),
            Self::Least(value) | Self::Greatest(value) => Ok(value),
            Self::Sum { count, integer, float, decimal } => {
                let count = if *aggregate == Aggregate::Avg { count.max(1) } else { 1 };
                let value = match column_type {
                    ColumnType::Float => CqlValue::Float((float / count as f64) as f32),
                    ColumnType::Double => CqlValue::Double(float / count as f64),
                    ColumnType::Decimal => {
                        let (unscaled, scale) = decimal
                            .ok_or_else(|| invalid("the sum is longer than what this node adds up".into()))?;
                        let unscaled = unscaled / i128::from(count);
                        CqlValue::Decimal(Decimal::new(VarInt::from(unscaled), scale))
                    }
                    ColumnType::VarInt => CqlValue::VarInt(VarInt::from(integer / i128::from(count))),
                    // Sums of fixed size run over, as Java's do.
                    ColumnType::TinyInt => CqlValue::TinyInt((integer / i128::from(count)) as i8),
                    ColumnType::SmallInt => CqlValue::SmallInt((integer / i128::from(count)) as i16),
                    ColumnType::Int => CqlValue::Int((integer / i128::from(count)) as i32),
                    _ => return Ok(Some(((integer / i128::from(count)) as i64).to_be_bytes().to_vec())),
                };
                value.to_bytes(column_type).map_err(|error| invalid(error.to_string()))
            }
            Self::First(_) => Ok(None),
        }
    }
}

/// The sum of decimals as long as it fits; of the greater scale.
fn plus((sum, scale): (i128, i32), number: &Decimal) -> Option<(i128, i32)> {
    let (unscaled, other) = (number.unscaled.to_i128()?, number.scale);
    let scaled = |value: i128, by: i32| value.checked_mul(10_i128.checked_pow(u32::try_from(by).ok()?)?);
    let common = scale.max(other);
    let sum = scaled(sum, common.checked_sub(scale)?)?
        .checked_add(scaled(unscaled, common.checked_sub(other)?)?)?;
    Some((sum, common))
}
