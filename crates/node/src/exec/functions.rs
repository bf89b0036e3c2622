//! The functions of CQL that this node has.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use helenus_core::Token;
use helenus_core::protocol::ColumnType;
use helenus_core::value::{TimeUuid, Uuid};

use crate::refusal::{Refusal, invalid};
use crate::types;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Now,
    Uuid,
    CurrentTimestamp,
    CurrentDate,
    CurrentTime,
    MinTimeUuid,
    MaxTimeUuid,
    ToDate,
    ToTimestamp,
    ToUnixTimestamp,
    Token,
    ToJson,
    /// `blob_as_..` and `.._as_blob`
    Reinterpret,
}

/// A function with the types of its arguments and of its result.
pub(crate) struct Signature {
    pub(crate) function: Function,
    pub(crate) arguments: Vec<ColumnType>,
    pub(crate) result: ColumnType,
}

/// The functions of that name with so many arguments. `key` are the types of the partition key, which `token` takes.
pub(crate) fn signatures(name: &str, key: &[ColumnType]) -> Vec<Signature> {
    use ColumnType as T;
    let one = |function, arguments: &[T], result| {
        vec![Signature { function, arguments: arguments.to_vec(), result }]
    };
    let each = |function, arguments: &[T], result: T| {
        let of =
            |argument: &T| Signature { function, arguments: vec![argument.clone()], result: result.clone() };
        arguments.iter().map(of).collect::<Vec<_>>()
    };
    match name {
        "now" | "currenttimeuuid" | "current_timeuuid" => one(Function::Now, &[], T::TimeUuid),
        "uuid" => one(Function::Uuid, &[], T::Uuid),
        "currenttimestamp" | "current_timestamp" => one(Function::CurrentTimestamp, &[], T::Timestamp),
        "currentdate" | "current_date" => one(Function::CurrentDate, &[], T::Date),
        "currenttime" | "current_time" => one(Function::CurrentTime, &[], T::Time),
        "mintimeuuid" | "min_timeuuid" => one(Function::MinTimeUuid, &[T::Timestamp], T::TimeUuid),
        "maxtimeuuid" | "max_timeuuid" => one(Function::MaxTimeUuid, &[T::Timestamp], T::TimeUuid),
        "todate" | "to_date" => each(Function::ToDate, &[T::TimeUuid, T::Timestamp], T::Date),
        "totimestamp" | "to_timestamp" => each(Function::ToTimestamp, &[T::TimeUuid, T::Date], T::Timestamp),
        "dateof" => one(Function::ToTimestamp, &[T::TimeUuid], T::Timestamp),
        "tounixtimestamp" | "to_unix_timestamp" => {
            each(Function::ToUnixTimestamp, &[T::TimeUuid, T::Timestamp, T::Date], T::BigInt)
        }
        "unixtimestampof" => one(Function::ToUnixTimestamp, &[T::TimeUuid], T::BigInt),
        "token" => one(Function::Token, key, T::BigInt),
        _ => reinterpretation(name)
            .map_or_else(Vec::new, |(argument, result)| one(Function::Reinterpret, &[argument], result)),
    }
}

/// `blobasint`, `blob_as_int`, `intasblob`, `int_as_blob`, and of all other native types.
fn reinterpretation(name: &str) -> Option<(ColumnType, ColumnType)> {
    let native = |name: &str| match name {
        "varchar" => Some(ColumnType::Text),
        _ => name
            .parse::<ColumnType>()
            .ok()
            .filter(|found| !matches!(found, ColumnType::Custom(_) | ColumnType::Blob)),
    };
    let to = name.strip_prefix("blob_as_").or_else(|| name.strip_prefix("blobas"));
    if let Some(result) = to.and_then(native) {
        return Some((ColumnType::Blob, result));
    }
    let from = name.strip_suffix("_as_blob").or_else(|| name.strip_suffix("asblob"));
    Some((from.and_then(native)?, ColumnType::Blob))
}

impl Function {
    /// The result for these arguments, which are of their types; null is `None`.
    pub(crate) fn run(
        self,
        arguments: &[(&ColumnType, Option<&[u8]>)],
        result: &ColumnType,
        now_micros: i64,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        if self == Self::ToJson {
            let mut json = String::new();
            arguments
                .iter()
                .for_each(|(column_type, bytes)| types::push_json(column_type, *bytes, &mut json));
            return Ok(Some(json.into_bytes()));
        }
        let Some(values) = arguments.iter().map(|(_, bytes)| *bytes).collect::<Option<Vec<_>>>() else {
            return Ok(None);
        };
        let millis = || arguments.first().and_then(|(ty, bytes)| millis_of(ty, (*bytes)?));
        Ok(match self {
            Self::Now => Some(now_uuid(now_micros).uuid().as_bytes().to_vec()),
            Self::Uuid => Some(random_uuid().as_bytes().to_vec()),
            Self::CurrentTimestamp => Some(long(now_micros.div_euclid(1_000))),
            Self::CurrentDate => date(now_micros.div_euclid(1_000)),
            Self::CurrentTime => Some(long(now_micros.rem_euclid(DAY_MILLIS * 1_000) * 1_000)),
            Self::MinTimeUuid => millis().and_then(|millis| edge_uuid(millis, false)),
            Self::MaxTimeUuid => millis().and_then(|millis| edge_uuid(millis, true)),
            Self::ToDate => millis().and_then(date),
            Self::ToTimestamp | Self::ToUnixTimestamp => millis().map(long),
            Self::Token => Some(long(Token::of(&partition_key(&values)?).0)),
            Self::Reinterpret => {
                let bytes = values.first().copied().unwrap_or_default();
                types::validate(result, bytes).map_err(|reason| {
                    invalid(format!(
                        "the bytes are not a valid binary representation for type {result}: {reason}"
                    ))
                })?;
                Some(bytes.to_vec())
            }
            Self::ToJson => None,
        })
    }
}

/// The bytes of a partition key of its columns' values.
pub(crate) fn partition_key(values: &[&[u8]]) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::with_capacity(values.iter().map(|value| value.len() + 3).sum());
    for value in values {
        let len = u16::try_from(value.len())
            .map_err(|_| invalid(format!("Key length of {} is longer than maximum of 65535", value.len())))?;
        if values.len() > 1 {
            out.extend_from_slice(&len.to_be_bytes());
        }
        out.extend_from_slice(value);
        if values.len() > 1 {
            out.push(0);
        }
    }
    Ok(out)
}

const DAY_MILLIS: i64 = 86_400_000;

fn long(value: i64) -> Vec<u8> {
    value.to_be_bytes().to_vec()
}

fn date(millis: i64) -> Option<Vec<u8>> {
    let days = u32::try_from(millis.div_euclid(DAY_MILLIS) + (1 << 31)).ok()?;
    Some(days.to_be_bytes().to_vec())
}

fn millis_of(column_type: &ColumnType, bytes: &[u8]) -> Option<i64> {
    match column_type {
        ColumnType::Date => {
            Some((i64::from(u32::from_be_bytes(bytes.try_into().ok()?)) - (1 << 31)) * DAY_MILLIS)
        }
        ColumnType::TimeUuid => {
            let uuid = TimeUuid::from_uuid(Uuid::from_bytes(bytes.try_into().ok()?))?;
            Some((uuid.ticks() as i64).checked_sub(EPOCH_TICKS)?.div_euclid(10_000))
        }
        _ => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
    }
}

/// 1970 in the ticks of UUIDs, which are 100 ns since 1582.
const EPOCH_TICKS: i64 = 0x01b2_1dd2_1381_4000;

fn edge_uuid(millis: i64, last: bool) -> Option<Vec<u8>> {
    let ticks = millis.checked_mul(10_000)?.checked_add(EPOCH_TICKS + if last { 9_999 } else { 0 })?;
    let ticks = u64::try_from(ticks).ok()?;
    let mut bytes = *TimeUuid::from_parts(ticks, 0, [0; 6]).uuid().as_bytes();
    // As signed bytes the least and the greatest that there are; the first two bits say nothing then, as in the server.
    bytes[8..].fill(if last { 0x7f } else { 0x80 });
    Some(bytes.to_vec())
}

static SERIAL: AtomicU64 = AtomicU64::new(0);

/// Differs from all others of this process.
pub(crate) fn now_uuid(now_micros: i64) -> TimeUuid {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let ticks = (now_micros.wrapping_mul(10).wrapping_add(EPOCH_TICKS) as u64).wrapping_add(serial % 10);
    let [a, b, c, d, e, f, ..] = random(0).to_be_bytes();
    // The bit of a multicast address tells that it is none of a network card.
    TimeUuid::from_parts(ticks, (serial / 10 % (1 << 14)) as u16, [a | 1, b, c, d, e, f])
}

fn random_uuid() -> Uuid {
    let serial = SERIAL.fetch_add(2, Ordering::Relaxed);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&random(serial + 1).to_be_bytes());
    bytes[8..].copy_from_slice(&random(serial + 2).to_be_bytes());
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Uuid::from_bytes(bytes)
}

fn random(serial: u64) -> u64 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    SEED.get_or_init(RandomState::new).hash_one(serial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_of_a_time_lie_between_its_edges() {
        let now = 1_600_000_000_123_456;
        let uuid = now_uuid(now);
        let bytes = uuid.uuid();
        let found = millis_of(&ColumnType::TimeUuid, bytes.as_bytes());
        assert_eq!(found, Some(1_600_000_000_123));
        assert_ne!(uuid, now_uuid(now));
        let millis = now.div_euclid(1_000);
        let edges = [edge_uuid(millis, false).unwrap(), edge_uuid(millis, true).unwrap()];
        let order = |a: &[u8], b: &[u8]| types::compare(&ColumnType::TimeUuid, a, b).unwrap();
        assert!(order(&edges[0], bytes.as_bytes()).is_lt() && order(bytes.as_bytes(), &edges[1]).is_lt());
    }

    #[test]
    fn blobs_are_read_as_each_native_type() {
        for name in ["blobasint", "blob_as_int", "intasblob", "varcharasblob", "timeuuid_as_blob"] {
            assert_eq!(signatures(name, &[]).len(), 1, "{name}");
        }
        assert!(signatures("blobasnothing", &[]).is_empty());
    }
}
