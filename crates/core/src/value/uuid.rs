//! UUIDs (RFC 4122), and those of version 1, which Cassandra calls timeuuid.

use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::decode::fixed;
use super::scalar::fixed_length;
use super::{DecodeValue, DecodeValueError, EncodeError, EncodeValue, Timestamp, TypeMismatch, ValueWriter};
use crate::protocol::ColumnType;

/// CQL `uuid`: 128 bits of any version.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid([u8; 16]);

impl Uuid {
    /// Of its bytes, in the order in which they are printed.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes, in the order in which they are printed.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// How it was made: 1 by time, 4 at random.
    pub const fn version(&self) -> u8 {
        self.0[6] >> 4
    }
}

/// CQL `timeuuid`: a UUID of version 1. Ordered as Cassandra does: by time first.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TimeUuid(Uuid);

impl TimeUuid {
    /// 1582-10-15T00:00Z, where version 1 starts to count, in milliseconds since 1970.
    const START_MILLIS: i64 = -12_219_292_800_000;

    /// `None` if its version isn't 1.
    pub const fn from_uuid(uuid: Uuid) -> Option<Self> {
        if uuid.version() == 1 { Some(Self(uuid)) } else { None }
    }

    /// Of a time in units of 100 ns since 1582-10-15T00:00Z (60 bits), a clock sequence (14 bits) and a node. Higher bits
    /// are dropped. That no two are alike is up to the caller.
    pub const fn from_parts(ticks: u64, clock_sequence: u16, node: [u8; 6]) -> Self {
        let low = (ticks as u32).to_be_bytes();
        let mid = ((ticks >> 32) as u16).to_be_bytes();
        let high = ((ticks >> 48) as u16 & 0x0fff | 0x1000).to_be_bytes();
        let sequence = (clock_sequence & 0x3fff | 0x8000).to_be_bytes();
        let [a, b, c, d] = low;
        let [n0, n1, n2, n3, n4, n5] = node;
        let bytes =
            [a, b, c, d, mid[0], mid[1], high[0], high[1], sequence[0], sequence[1], n0, n1, n2, n3, n4, n5];
        Self(Uuid(bytes))
    }

    /// As a UUID like any other.
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// Its time in units of 100 ns since 1582-10-15T00:00Z.
    pub const fn ticks(self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0.0;
        u64::from_be_bytes([g & 0x0f, h, e, f, a, b, c, d])
    }

    /// Its time, rounded down to milliseconds.
    pub const fn timestamp(self) -> Timestamp {
        Timestamp::from_millis((self.ticks() / 10_000) as i64 + Self::START_MILLIS)
    }
}

fixed_length! {
    TimeUuid: TimeUuid | Uuid, |uuid| uuid.0.0, |bytes| match Self::from_uuid(Uuid(bytes)) {
        Some(uuid) => Ok(uuid),
        None => Err(DecodeValueError::Invalid("its version isn't 1: read it as a Uuid")),
    };
}

impl EncodeValue for Uuid {
    #[inline]
    fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match column_type {
            ColumnType::Uuid => self.encode_untyped(out),
            ColumnType::TimeUuid if self.version() == 1 => self.encode_untyped(out),
            ColumnType::TimeUuid => Err(EncodeError::Invalid(
                "it isn't a UUID of version 1, which timeuuid demands: use TimeUuid",
            )),
            _ => Err(TypeMismatch::bind::<Self>(column_type).into()),
        }
    }

    #[inline]
    fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        out.fixed(self.0);
        Ok(())
    }
}

impl<'a> DecodeValue<'a> for Uuid {
    #[inline]
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
        match column_type {
            ColumnType::Uuid | ColumnType::TimeUuid => Ok(()),
            _ => Err(TypeMismatch::read::<Self>(column_type)),
        }
    }

    #[inline]
    fn decode(_: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        fixed(bytes).map(Self)
    }
}

/// The server compares the second half as signed bytes, for historical reasons.
impl Ord for TimeUuid {
    fn cmp(&self, other: &Self) -> Ordering {
        let second_half = |uuid: &Self| u128::from_be_bytes(uuid.0.0) as u64 ^ 0x8080_8080_8080_8080;
        self.ticks().cmp(&other.ticks()).then_with(|| second_half(self).cmp(&second_half(other)))
    }
}

impl PartialOrd for TimeUuid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<TimeUuid> for Uuid {
    fn from(uuid: TimeUuid) -> Self {
        uuid.0
    }
}

/// `e7ae5cf3-d358-4d99-b900-85902fda9bb0`
impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = u128::from_be_bytes(self.0);
        let part = |shift: u32, bits: u32| number >> shift & ((1 << bits) - 1);
        let (a, b, c) = (part(96, 32), part(80, 16), part(64, 16));
        write!(f, "{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", part(48, 16), part(0, 48))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}

impl fmt::Display for TimeUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TimeUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeUuid({self})")
    }
}

/// Text that is no UUID: it takes 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseUuidError;

impl fmt::Display for ParseUuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a UUID has 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12, with '-' between them")
    }
}

impl Error for ParseUuidError {}

impl FromStr for Uuid {
    type Err = ParseUuidError;

    fn from_str(text: &str) -> Result<Self, ParseUuidError> {
        if text.len() != 36 {
            return Err(ParseUuidError);
        }
        let mut number: u128 = 0;
        for (at, byte) in text.bytes().enumerate() {
            match (at, char::from(byte).to_digit(16)) {
                (8 | 13 | 18 | 23, _) if byte == b'-' => {}
                (8 | 13 | 18 | 23, _) | (_, None) => return Err(ParseUuidError),
                (_, Some(digit)) => number = number << 4 | u128::from(digit),
            }
        }
        Ok(Self(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_print_and_parse() {
        let text = "e7ae5cf3-d358-4d99-b900-85902fda9bb0";
        let uuid: Uuid = text.parse().unwrap();
        assert_eq!(uuid.to_string(), text);
        assert_eq!(text.to_uppercase().parse(), Ok(uuid));
        for wrong in ["", "e7ae5cf3d3584d99b90085902fda9bb0", "e7ae5cf3-d358-4d99-b900-85902fda9bbg", "é"] {
            assert_eq!(wrong.parse::<Uuid>(), Err(ParseUuidError), "{wrong}");
        }
    }

    #[test]
    fn a_timeuuid_knows_its_time() {
        // Of RFC 4122, appendix C: the DNS namespace, made on 1998-02-04.
        let uuid: Uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8".parse().unwrap();
        let time_uuid = TimeUuid::from_uuid(uuid).unwrap();
        assert_eq!(time_uuid.timestamp().to_string(), "1998-02-04T22:13:53.151Z");
        let node = [0x00, 0xc0, 0x4f, 0xd4, 0x30, 0xc8];
        assert_eq!(TimeUuid::from_parts(time_uuid.ticks(), 0x00b4, node), time_uuid);
        assert_eq!(TimeUuid::from_uuid("e7ae5cf3-d358-4d99-b900-85902fda9bb0".parse().unwrap()), None);
    }

    #[test]
    fn timeuuids_are_ordered_by_time_then_by_signed_bytes() {
        let early = TimeUuid::from_parts(1 << 32, 0, [0; 6]);
        let late = TimeUuid::from_parts((1 << 32) + 1, 0, [0; 6]);
        assert!(early < late);
        assert!(TimeUuid::from_parts(1, 0, [0xff; 6]) < TimeUuid::from_parts(1, 0, [0; 6]));
    }
}
