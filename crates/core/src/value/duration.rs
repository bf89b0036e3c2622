//! CQL durations.

use std::fmt;
use std::str::FromStr;

use super::decode::not_null;
use super::vint::{MAX_LEN, put_vint, take_vint};
use super::{
    DecodeValue, DecodeValueError, EncodeError, EncodeValue, ParseValueError, TypeMismatch, ValueWriter,
};
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
        let (mut bytes, mut len) = ([0; 3 * MAX_LEN], 0);
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
        // What follows is no part of it: the server stores it, and ignores it too.
        let (nanos, _) = take_vint(rest)?;
        let (Ok(months), Ok(days)) = (months.try_into(), days.try_into()) else {
            return Err(DecodeValueError::Invalid("its months or days have more than 32 bits"));
        };
        Self::new(months, days, nanos)
            .ok_or(DecodeValueError::Invalid("its months, days and nanoseconds are not of one sign"))
    }
}

/// As CQL writes it, in one of four ways: `1y2mo3w4d5h6m7s8ms9us10ns`, any of these units in this order, with `-` before all
/// of it; or, as ISO 8601 does, `P1Y2M3DT4H5M6S`, `P3W` or `P0001-02-03T04:05:06`.
///
/// ```
/// use helenus_core::value::CqlDuration;
///
/// assert_eq!("-1y2mo1h".parse(), Ok(CqlDuration::new(-14, 0, -3_600_000_000_000).unwrap()));
/// ```
impl FromStr for CqlDuration {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let parts = match text.strip_prefix(['P', 'p']) {
            None => Parts::units(text, &UNITS),
            Some(iso) if iso.contains('-') => Parts::iso_date(iso),
            Some(iso) => Parts::iso(iso),
        };
        parts.and_then(|parts| parts.signed(negative)).ok_or(ParseValueError(EXPECTED))
    }
}

const EXPECTED: &str =
    "a duration such as 1y2mo3w4d5h6m7s8ms9us10ns, with at most 2147483647 months and days each";

/// What a unit counts, and how many of them one is.
type Unit = (&'static str, Counted, u64);

#[derive(Clone, Copy)]
enum Counted {
    Months,
    Days,
    Nanos,
}

const SECOND: u64 = 1_000_000_000;

/// From the largest to the smallest, as they have to be written.
const UNITS: [Unit; 11] = [
    ("y", Counted::Months, 12),
    ("mo", Counted::Months, 1),
    ("w", Counted::Days, 7),
    ("d", Counted::Days, 1),
    ("h", Counted::Nanos, 3_600 * SECOND),
    ("m", Counted::Nanos, 60 * SECOND),
    ("s", Counted::Nanos, SECOND),
    ("ms", Counted::Nanos, 1_000_000),
    ("us", Counted::Nanos, 1_000),
    ("\u{b5}s", Counted::Nanos, 1_000),
    ("ns", Counted::Nanos, 1),
];

const ISO_DATE_UNITS: [Unit; 4] =
    [("y", Counted::Months, 12), ("m", Counted::Months, 1), ("w", Counted::Days, 7), ("d", Counted::Days, 1)];

const ISO_TIME_UNITS: [Unit; 3] = [
    ("h", Counted::Nanos, 3_600 * SECOND),
    ("m", Counted::Nanos, 60 * SECOND),
    ("s", Counted::Nanos, SECOND),
];

/// A duration without its sign.
#[derive(Default)]
struct Parts {
    months: u64,
    days: u64,
    nanos: u64,
}

impl Parts {
    /// Numbers, each with one of the `units`, in their order; at least one.
    fn units(text: &str, units: &[Unit]) -> Option<Self> {
        let mut parts = Self::default();
        let (mut rest, mut units) = (text, units);
        loop {
            let digits = rest.find(|c: char| !c.is_ascii_digit())?;
            let number = rest[..digits].parse().ok()?;
            let end = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |at| digits + at);
            let written = rest[digits..end].to_lowercase();
            let at = units.iter().position(|(unit, ..)| *unit == written)?;
            let (_, counted, factor) = units[at];
            parts.add(counted, number, factor)?;
            // One of the two spellings of microseconds is enough, too.
            units = &units[at + 1..];
            rest = &rest[end..];
            if rest.is_empty() {
                return Some(parts);
            }
        }
    }

    /// `1Y2M3DT4H5M6S`, or `3W`: what follows the `P`.
    fn iso(text: &str) -> Option<Self> {
        let (date, time) = match text.split_once(['T', 't']) {
            Some((date, time)) => (date, Some(time)),
            None => (text, None),
        };
        let mut parts = Self::default();
        if !date.is_empty() {
            parts = Self::units(date, &ISO_DATE_UNITS)?;
        } else {
            time?;
        }
        if let Some(time) = time {
            parts.nanos = Self::units(time, &ISO_TIME_UNITS)?.nanos;
        }
        Some(parts)
    }

    /// `0001-02-03T04:05:06`
    fn iso_date(text: &str) -> Option<Self> {
        let shape = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c });
        if !shape.eq("0000-00-00T00:00:00".chars()) {
            return None;
        }
        let mut numbers = text.split(['-', 'T', ':']).map(|digits| digits.parse::<u64>().ok());
        let mut parts = Self::default();
        for (counted, factor) in [
            (Counted::Months, 12),
            (Counted::Months, 1),
            (Counted::Days, 1),
            (Counted::Nanos, 3_600 * SECOND),
            (Counted::Nanos, 60 * SECOND),
            (Counted::Nanos, SECOND),
        ] {
            parts.add(counted, numbers.next()??, factor)?;
        }
        Some(parts)
    }

    fn add(&mut self, counted: Counted, number: u64, factor: u64) -> Option<()> {
        let sum = match counted {
            Counted::Months => &mut self.months,
            Counted::Days => &mut self.days,
            Counted::Nanos => &mut self.nanos,
        };
        *sum = sum.checked_add(number.checked_mul(factor)?)?;
        Some(())
    }

    fn signed(self, negative: bool) -> Option<CqlDuration> {
        let sign = if negative { -1 } else { 1 };
        let signed = |part: u64| i128::from(part) * sign;
        let months = signed(self.months).try_into().ok()?;
        CqlDuration::new(months, signed(self.days).try_into().ok()?, signed(self.nanos).try_into().ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_each_form() {
        const HOUR: i64 = 3_600_000_000_000;
        let cases = [
            ("1y2mo3w4d5h6m7s8ms9us10ns", (14, 25, 5 * HOUR + 367_008_009_010)),
            ("-1y", (-12, 0, 0)),
            ("P1Y2M3DT4H5M6S", (14, 3, 4 * HOUR + 306_000_000_000)),
            ("-P2W", (0, -14, 0)),
            ("PT1S", (0, 0, 1_000_000_000)),
            ("P0001-02-03T04:05:06", (14, 3, 4 * HOUR + 306_000_000_000)),
            ("1\u{b5}s", (0, 0, 1_000)),
            ("1MO", (1, 0, 0)),
            ("0ns", (0, 0, 0)),
            ("-2147483648mo2147483648d9223372036854775808ns", (i32::MIN, i32::MIN, i64::MIN)),
            ("2147483647mo2147483647d9223372036854775807ns", (i32::MAX, i32::MAX, i64::MAX)),
        ];
        for (text, (months, days, nanos)) in cases {
            let duration = CqlDuration::new(months, days, nanos).unwrap();
            assert_eq!(text.parse(), Ok(duration), "{text}");
            assert_eq!(duration.to_string().parse(), Ok(duration), "{text}");
        }
        for wrong in [
            "",
            "-",
            "0",
            "1",
            "d",
            "1x",
            "1d1mo",
            "1d1d",
            "2147483648mo",
            "178956971y",
            "9223372036854775808ns",
            "P",
            "PT",
            "P1",
            "P1DT",
            "P1H",
            "PT1D",
            "P01-02-03T04:05:06",
            "99999999999999999999y",
            "1 d",
            "+1d",
        ] {
            assert_eq!(wrong.parse::<CqlDuration>(), Err(ParseValueError(EXPECTED)), "{wrong}");
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
