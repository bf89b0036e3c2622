//! Comparisons: of conditions, and of rows that are filtered.

use std::cmp::Ordering;

use helenus_core::protocol::ColumnType;

use super::plan::Test;
use super::slot::{Bound, Value};
use crate::cql::Operator;
use crate::refusal::{Refusal, invalid};
use crate::types;

/// What is tested.
pub(super) struct Subject<'s> {
    pub(super) name: &'s str,
    pub(super) column_type: &'s ColumnType,
    pub(super) value: Option<&'s [u8]>,
}

type Compare = fn(&Subject<'_>, Operator, Option<&[u8]>) -> Result<bool, Refusal>;

/// Whether the subject passes; `compare` says what null means.
pub(super) fn passes(
    test: &Test,
    subject: &Subject<'_>,
    bound: &Bound<'_>,
    compare: Compare,
) -> Result<bool, Refusal> {
    let set = |value: Value<'_>| match value {
        Value::Unset => Err(invalid(format!("Invalid unset value for column {}", subject.name))),
        value => Ok(value.or_null().map(|bytes| bytes.into_owned())),
    };
    match test {
        Test::Compare(operator, slot) => compare(subject, *operator, set(bound.value(slot)?)?.as_deref()),
        Test::In(slots) => {
            for slot in slots {
                if compare(subject, Operator::Equal, set(bound.value(slot)?)?.as_deref())? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Test::InList(slot) => {
            let list = set(bound.value(slot)?)?;
            let list =
                list.ok_or_else(|| invalid(format!("Invalid null list in IN for {}", subject.name)))?;
            for value in types::elements(&list, true) {
                if compare(subject, Operator::Equal, value)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// As conditions compare: null equals null, and is unequal to all else.
pub(super) fn compare_or_null(
    subject: &Subject<'_>,
    operator: Operator,
    given: Option<&[u8]>,
) -> Result<bool, Refusal> {
    match (subject.value, given, operator) {
        (found, None, Operator::Equal) => Ok(found.is_none()),
        (found, None, Operator::NotEqual) => Ok(found.is_some()),
        (_, None, other) => {
            Err(invalid(format!("Invalid comparison with null for operator \"{}\"", other.sign())))
        }
        (None, Some(_), operator) => Ok(operator == Operator::NotEqual),
        (Some(found), Some(given), operator) => {
            Ok(is(operator, types::compare(subject.column_type, found, given).map_err(invalid)?))
        }
    }
}

/// As filters compare: null is like nothing.
pub(super) fn compare_or_nothing(
    subject: &Subject<'_>,
    operator: Operator,
    given: Option<&[u8]>,
) -> Result<bool, Refusal> {
    let given = given
        .ok_or_else(|| invalid(format!("Invalid null value in condition for column {}", subject.name)))?;
    match subject.value {
        Some(found) => Ok(is(operator, types::compare(subject.column_type, found, given).map_err(invalid)?)),
        None => Ok(false),
    }
}

fn is(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Equal | Operator::Contains | Operator::ContainsKey => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
    }
}
