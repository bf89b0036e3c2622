//! CQL durations, and the variable-length integers that they are made of.

use std::fmt;

use super::decode::not_null;
use super::{DecodeValue, DecodeValueError, EncodeError, EncodeValue, TypeMismatch, ValueWriter};
use crate::protocol::ColumnType;

/// CQL `duration`: months, days and nanoseconds, kept apart because months and days differ in length. None of them is
/// of another sign than the others (section 6.8 of v5). Not `Ord`: 30 days are neither more nor less than a month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CqlDuration {
    months: i32,
    days: i32,
    nanos: i64,
}

impl CqlDuration {
    /// `None` if the signs differ.
    pub const fn new(months: i32, days: i32, nanos: i64) -> Option<Self> {
        let some_positive = months > 0 || days > 0 || nanos > 0;
        let some_negative = months < 0 || days < 0 || nanos < 0;
        if some_positive && some_negative { None } else { Some(Self { months, days, nanos }) }
    }

    /// Whole months.
    pub const fn months(self) -> i32 {
        self.months
    }

    /// Whole days.
    pub const fn days(self) -> i32 {
        self.days
    }

    /// Nanoseconds, which may be more than a day.
    pub const fn nanos(self) -> i64 {
        self.nanos
    }
}

/// As CQL reads it: `1mo2d3ns`, `-5d`, `0ns`.
impl fmt::Display for CqlDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.months < 0 || self.days < 0 || self.nanos < 0 {
            f.write_str("-")?;
        }
        if self.months != 0 {
            write!(f, "{}mo", self.months.unsigned_abs())?;
        }
        if self.days != 0 {
            write!(f, "{}d", self.days.unsigned_abs())?;
        }
        if self.nanos != 0 || *self == Self::default() {
            write!(f, "{}ns", self.nanos.unsigned_abs())?;
        }
        Ok(())
    }
}

impl EncodeValue for CqlDuration {
    fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match column_type {
            ColumnType::Duration => self.encode_untyped(out),
            _ => Err(TypeMismatch::bind::<Self>(column_type).into()),
        }
    }

    fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        let (mut bytes, mut len) = ([0; 27], 0);
        for number in [self.months.into(), self.days.into(), self.nanos] {
            len += put_vint(number, &mut bytes[len..]);
        }
        out.bytes(&bytes[..len])
    }
}

impl<'a> DecodeValue<'a> for CqlDuration {
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
        match column_type {
            ColumnType::Duration => Ok(()),
            _ => Err(TypeMismatch::read::<Self>(column_type)),
        }
    }

    fn decode(_: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        let bytes = not_null(bytes)?;
        if bytes.is_empty() {
            return Err(DecodeValueError::Empty);
        }
        let (months, rest) = take_vint(bytes)?;
        let (days, rest) = take_vint(rest)?;
        let (nanos, rest) = take_vint(rest)?;
        if !rest.is_empty() {
            return Err(DecodeValueError::Trailing { bytes: rest.len() });
        }
        let (Ok(months), Ok(days)) = (months.try_into(), days.try_into()) else {
            return Err(DecodeValueError::Invalid("its months or days have more than 32 bits"));
        };
        Self::new(months, days, nanos)
            .ok_or(DecodeValueError::Invalid("its months, days and nanoseconds are not of one sign"))
    }
}

/// Writes a `[vint]` (section 3 of v5) and returns its length, at most 9. The sign moves to the lowest bit (zigzag), and
/// the first byte starts with as many ones as bytes follow.
fn put_vint(number: i64, out: &mut [u8]) -> usize {
    let zigzag = ((number << 1) ^ (number >> 63)) as u64;
    let bits = 64 - zigzag.leading_zeros() as usize;
    // Each byte that follows costs one bit of the first.
    let extra = (bits.saturating_sub(1) / 7).min(8);
    out[0] = !(0xff_u16 >> extra) as u8;
    if extra < 8 {
        out[0] |= (zigzag >> (8 * extra)) as u8;
    }
    out[1..=extra].copy_from_slice(&zigzag.to_be_bytes()[8 - extra..]);
    extra + 1
}

fn take_vint(bytes: &[u8]) -> Result<(i64, &[u8]), DecodeValueError> {
    const CUT_OFF: DecodeValueError = DecodeValueError::Invalid("a number in it is cut off");
    let (&first, rest) = bytes.split_first().ok_or(CUT_OFF)?;
    let extra = first.leading_ones() as usize;
    let (tail, rest) = rest.split_at_checked(extra).ok_or(CUT_OFF)?;
    let head = u64::from(first & 0xff_u8.checked_shr(extra as u32).unwrap_or(0));
    let zigzag = tail.iter().fold(head, |number, &byte| number << 8 | u64::from(byte));
    Ok(((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vint(number: i64) -> Vec<u8> {
        let mut bytes = [0; 9];
        let len = put_vint(number, &mut bytes);
        bytes[..len].to_vec()
    }

    #[test]
    fn vints_grow_by_seven_bits_a_byte() {
        let cases: [(i64, &[u8]); 9] = [
            (0, &[0]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (64, &[0x80, 0x80]),
            (-64, &[0x7f]),
            (8_192, &[0xc0, 0x40, 0]),
            (i64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]),
            (i64::MIN, &[0xff; 9]),
        ];
        for (number, bytes) in cases {
            assert_eq!(vint(number), bytes, "{number}");
        }
    }

    #[test]
    fn vints_come_back_around_each_power_of_two() {
        for shift in 0..63 {
            for number in [(1_i64 << shift) - 1, 1 << shift, -(1 << shift), -(1 << shift) - 1] {
                let bytes = vint(number);
                assert_eq!(take_vint(&bytes).unwrap(), (number, &[][..]), "{number}");
                assert!(take_vint(&bytes[..bytes.len() - 1]).is_err());
            }
        }
    }

    #[test]
    fn durations_print_as_cql() {
        let cases =
            [((1, 2, 3), "1mo2d3ns"), ((0, -5, 0), "-5d"), ((0, 0, 0), "0ns"), ((-1, 0, -9), "-1mo9ns")];
        for ((months, days, nanos), text) in cases {
            assert_eq!(CqlDuration::new(months, days, nanos).unwrap().to_string(), text);
        }
        assert_eq!(CqlDuration::new(1, -1, 0), None);
    }
}
