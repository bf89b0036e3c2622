//! Dates, times of day and instants.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::decode::fixed;
use super::scalar::fixed_length;
use super::{DecodeValue, DecodeValueError, EncodeError, EncodeValue, TypeMismatch, ValueWriter};
use crate::protocol::ColumnType;

const MILLIS_PER_DAY: i64 = 86_400_000;
const NANOS_PER_DAY: u64 = 86_400_000_000_000;

/// CQL `date`: a day, as the number of days since 1970-01-01 in the Gregorian calendar, carried on before its
/// introduction. Any `i32`: the years -5877641 to 5881580.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i32);

impl Date {
    /// So many days after 1970-01-01, or before it.
    pub const fn from_days(days: i32) -> Self {
        Self(days)
    }

    /// Days since 1970-01-01.
    pub const fn days(self) -> i32 {
        self.0
    }
}

/// CQL `time`: a time of day in nanoseconds since midnight, 0 to 86,399,999,999,999.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u64);

impl TimeOfDay {
    /// So many nanoseconds after midnight; `None` if that is another day.
    pub const fn from_nanos(nanos: u64) -> Option<Self> {
        if nanos < NANOS_PER_DAY { Some(Self(nanos)) } else { None }
    }

    /// Nanoseconds since midnight.
    pub const fn nanos(self) -> u64 {
        self.0
    }
}

/// CQL `timestamp`: an instant, in milliseconds since 1970-01-01T00:00Z. Any `i64`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// So many milliseconds after 1970-01-01T00:00Z, or before it.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00Z.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// As the system's clock counts; `None` if it can't count so far.
    pub fn to_system_time(self) -> Option<SystemTime> {
        let distance = Duration::from_millis(self.0.unsigned_abs());
        if self.0 < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
    }

    /// The millisecond in which `time` lies; `None` if an `i64` can't count so far.
    pub fn from_system_time(time: SystemTime) -> Option<Self> {
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).ok().map(Self),
            Err(before) => {
                let nanos = before.duration().as_nanos();
                i64::try_from(nanos.div_ceil(1_000_000)).ok().map(|millis| Self(-millis))
            }
        }
    }
}

fixed_length! {
    Date: Date, |date| (date.0 as u32 ^ 1 << 31).to_be_bytes(),
        |bytes| Ok(Self((u32::from_be_bytes(bytes) ^ 1 << 31) as i32));
    TimeOfDay: Time, |time| time.0.to_be_bytes(), |bytes| match Self::from_nanos(u64::from_be_bytes(bytes)) {
        Some(time) => Ok(time),
        None => Err(DecodeValueError::Invalid("it isn't within a day: read it as a RawCell")),
    };
    Timestamp: Timestamp, |time| time.0.to_be_bytes(), |bytes| Ok(Self(i64::from_be_bytes(bytes)));
}

/// `2026-11-21`. Years beyond four digits carry their sign, as in ISO 8601.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_date(self.0.into(), f)
    }
}

/// `08:12:54.123456789`
impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        write!(f, "{:02}:{:02}:{:02}.{nanos:09}", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

/// `2026-11-21T08:12:54.123Z`
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_date(self.0.div_euclid(MILLIS_PER_DAY), f)?;
        let (seconds, millis) = (self.0.rem_euclid(MILLIS_PER_DAY) / 1000, self.0.rem_euclid(1000));
        write!(f, "T{:02}:{:02}:{:02}.{millis:03}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
    }
}

/// The calendar repeats every 400 years, which have 146,097 days. Years are counted from March, so that the leap day
/// comes last and the months' lengths follow one formula.
fn write_date(days: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let since_march_0000 = days + 719_468;
    let (era, day) = (since_march_0000.div_euclid(146_097), since_march_0000.rem_euclid(146_097));
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    match year {
        0..=9999 => write!(f, "{year:04}-{month:02}-{day:02}"),
        _ => write!(f, "{year:+05}-{month:02}-{day:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_print_as_in_the_calendar() {
        let cases = [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_778, "2026-11-21"),
            (-719_528, "0000-01-01"),
            (-719_529, "-0001-12-31"),
            (2_932_896, "9999-12-31"),
            (2_932_897, "+10000-01-01"),
            (i32::MIN, "-5877641-06-23"),
            (i32::MAX, "+5881580-07-11"),
        ];
        for (days, text) in cases {
            assert_eq!(Date::from_days(days).to_string(), text);
        }
    }

    #[test]
    fn times_print_to_their_last_digit() {
        assert_eq!(TimeOfDay::from_nanos(NANOS_PER_DAY - 1).unwrap().to_string(), "23:59:59.999999999");
        assert_eq!(TimeOfDay::from_nanos(NANOS_PER_DAY), None);
        assert_eq!(Timestamp::from_millis(-1).to_string(), "1969-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(253_402_300_799_999).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp::from_millis(i64::MIN).to_string(), "-292275055-05-16T16:47:04.192Z");
    }

    #[test]
    fn system_time_rounds_down_and_comes_back() {
        let before = UNIX_EPOCH - Duration::from_nanos(1);
        assert_eq!(Timestamp::from_system_time(before), Some(Timestamp::from_millis(-1)));
        for millis in [0, 1, -1, 1_795_248_774_123] {
            let timestamp = Timestamp::from_millis(millis);
            assert_eq!(Timestamp::from_system_time(timestamp.to_system_time().unwrap()), Some(timestamp));
        }
    }
}
