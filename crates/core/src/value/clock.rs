//! Dates, times of day and instants.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::decode::fixed;
use super::scalar::fixed_length;
use super::{
    DecodeValue, DecodeValueError, EncodeError, EncodeValue, ParseValueError, TypeMismatch, ValueWriter,
};
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

/// `2026-11-21`; the year has four digits, or more after its sign. Or, as CQL reads numbers, the days since 1970-01-01 plus
/// 2147483648.
impl FromStr for Date {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        const EXPECTED: ParseValueError =
            ParseValueError("a date such as 2026-11-21, or a number of days from 0 to 4294967295");
        if let Ok(number) = text.parse::<u32>() {
            return if text.starts_with('+') { Err(EXPECTED) } else { Ok(Self((number ^ 1 << 31) as i32)) };
        }
        let (sign, digits) = split_sign(text);
        let (year, day) = digits.split_at_checked(digits.find('-').ok_or(EXPECTED)?).ok_or(EXPECTED)?;
        let years = if sign.is_empty() || sign == "-" { 4..=9 } else { 5..=9 };
        let long_enough = years.contains(&year.len()) && (year.len() == 4 || !sign.is_empty());
        if !long_enough || day.len() != 6 {
            return Err(EXPECTED);
        }
        let mut scan = Scan(text);
        let days = scan.date().filter(|_| scan.0.is_empty()).ok_or(EXPECTED)?;
        days.try_into().map(Self).map_err(|_| EXPECTED)
    }
}

/// `08:12:54.123456789`, or the nanoseconds since midnight.
impl FromStr for TimeOfDay {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        const EXPECTED: ParseValueError = ParseValueError(
            "a time of day such as 08:12:54.123456789, or a number of nanoseconds from 0 to 86399999999999",
        );
        let mut scan = Scan(text.trim());
        let nanos = match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().ok(),
            false => scan.time(true).filter(|_| scan.0.is_empty()),
        };
        nanos.and_then(Self::from_nanos).ok_or(EXPECTED)
    }
}

/// `2026-11-21T08:12:54.123Z`, a blank in place of the `T`, without seconds or time, with a zone such as `+0100`, `+01:00`,
/// `UTC`. Without a zone it is UTC, where a server would take its own. Or the milliseconds since 1970-01-01T00:00Z.
impl FromStr for Timestamp {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        if let Some(millis) = whole_number(text) {
            return Ok(Self(millis));
        }
        let parsed = Scan(text).timestamp();
        parsed.map(Self).ok_or(ParseValueError(
            "a timestamp such as 2026-11-21T08:12:54.123Z, or a number of milliseconds since 1970 of 64 bits",
        ))
    }
}

/// Digits, perhaps with `-` before them.
fn whole_number(text: &str) -> Option<i64> {
    if text.starts_with('+') { None } else { text.parse().ok() }
}

fn split_sign(text: &str) -> (&str, &str) {
    text.split_at(usize::from(text.starts_with(['+', '-'])))
}

/// What is left to read of a date or time.
struct Scan<'a>(&'a str);

impl Scan<'_> {
    /// `year-month-day`, as days since 1970-01-01.
    fn date(&mut self) -> Option<i64> {
        let (sign, rest) = split_sign(self.0);
        self.0 = rest;
        let year = self.number(1, 9)?;
        let year = if sign == "-" { -year } else { year };
        let month = self.after('-')?.number(1, 2)?;
        let day = self.after('-')?.number(1, 2)?;
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 => 28 + i64::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        (1..=last).contains(&day).then(|| days_since_1970(year, month, day))
    }

    /// `hour:minute:second.fraction`, as nanoseconds.
    fn time(&mut self, with_seconds: bool) -> Option<u64> {
        let hour = self.number(1, 2)?;
        let minute = self.after(':')?.number(1, 2)?;
        let (mut second, mut nanos) = (0, 0);
        if with_seconds || self.0.starts_with(':') {
            second = self.after(':')?.number(1, 2)?;
            if self.0.starts_with('.') {
                let digits = self.after('.')?.0.len();
                nanos = self.number(1, 9)?;
                nanos *= 10_i64.pow(9 - (digits - self.0.len()) as u32);
            }
        }
        let whole =
            (hour < 24 && minute < 60 && second < 60).then_some((hour * 60 + minute) * 60 + second)?;
        u64::try_from(whole * 1_000_000_000 + nanos).ok()
    }

    /// All of it, as milliseconds since 1970-01-01T00:00Z.
    fn timestamp(&mut self) -> Option<i64> {
        let days = self.date()?;
        let mut millis = 0;
        let is_time = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
        if let Some(rest) = self.0.strip_prefix(['T', ' ']).filter(|rest| is_time(rest)) {
            self.0 = rest;
            millis = i64::try_from(self.time(false)? / 1_000_000).ok()?;
        }
        let offset_minutes = self.zone()?;
        let millis =
            i128::from(days) * i128::from(MILLIS_PER_DAY) + i128::from(millis - offset_minutes * 60_000);
        millis.try_into().ok()
    }

    /// Minutes east of Greenwich.
    fn zone(&mut self) -> Option<i64> {
        let zone = self.0.strip_prefix(' ').unwrap_or(self.0);
        if matches!(zone, "Z" | "UTC" | "GMT") || self.0.is_empty() {
            return Some(0);
        }
        let (sign, digits) = split_sign(zone);
        self.0 = digits;
        let hours = self.number(2, 2)?;
        let minutes = match self.0.strip_prefix(':').unwrap_or(self.0) {
            "" => 0,
            rest => {
                self.0 = rest;
                self.number(2, 2)?
            }
        };
        let valid = self.0.is_empty() && hours < 24 && minutes < 60;
        match sign {
            "+" if valid => Some(hours * 60 + minutes),
            "-" if valid => Some(-(hours * 60 + minutes)),
            _ => None,
        }
    }

    fn after(&mut self, mark: char) -> Option<&mut Self> {
        self.0 = self.0.strip_prefix(mark)?;
        Some(self)
    }

    /// A number of at least `least` digits; what follows the first `most` is left.
    fn number(&mut self, least: usize, most: usize) -> Option<i64> {
        let digits = self.0.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at(digits);
        self.0 = rest;
        if digits >= least { number.parse().ok() } else { None }
    }
}

/// The reverse of what [`write_date`] does.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read() {
        assert_eq!("2147483649".parse(), Ok(Date(1)));
        assert_eq!("0".parse(), Ok(Date(i32::MIN)));
        assert_eq!("4294967295".parse(), Ok(Date(i32::MAX)));
        for wrong in [
            "",
            "2020-1-1",
            "20-01-01",
            "10000-01-01",
            "+9999-01-01",
            "2020-02-30",
            "2021-02-29",
            "2020-13-01",
            "2020-00-01",
            "2020-01-00",
            "+5881580-07-12",
            "-5877641-06-22",
            "-1",
            "+1",
            "4294967296",
            "2020-01-01 ",
            "2020-01-0x",
        ] {
            assert!(wrong.parse::<Date>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_of_day_are_read() {
        for (text, nanos) in [
            ("01:02:03", 3_723_000_000_000),
            ("1:2:3", 3_723_000_000_000),
            (" 01:02:03.5 ", 3_723_500_000_000),
            ("23:59:59.999999999", NANOS_PER_DAY - 1),
            ("5", 5),
            ("86399999999999", NANOS_PER_DAY - 1),
        ] {
            assert_eq!(text.parse(), Ok(TimeOfDay(nanos)), "{text}");
        }
        for wrong in [
            "",
            "01:02",
            "24:00:00",
            "00:60:00",
            "00:00:60",
            "00:00:00.",
            "00:00:00.1234567890",
            "-5",
            "86400000000000",
        ] {
            assert!(wrong.parse::<TimeOfDay>().is_err(), "{wrong}");
        }
    }

    /// As Cassandra 5.0 reads them, but for the last two, which it can't.
    #[test]
    fn timestamps_are_read() {
        const DAY: i64 = 1_577_836_800_000;
        for (text, millis) in [
            ("0", 0),
            ("-5", -5),
            ("9223372036854775807", i64::MAX),
            ("2020-01-01", DAY),
            ("2020-01-01 00:00", DAY),
            ("2020-01-01T00:00:00.1Z", DAY + 100),
            ("2020-01-01T00:00:00.123456Z", DAY + 123),
            ("2020-01-01 00:00:00+01", DAY - 3_600_000),
            ("2020-01-01 00:00:00+0130", DAY - 5_400_000),
            ("2020-01-01 00:00:00-01:30", DAY + 5_400_000),
            ("2020-01-01 00:00 UTC", DAY),
            ("2020-01-01+0100", DAY - 3_600_000),
            ("2020-1-1 1:2:3Z", DAY + 3_723_000),
            ("0001-01-01T00:00:00.000Z", -62_135_596_800_000),
            ("1500-01-01T00:00:00.000Z", -14_831_769_600_000),
            ("12020-01-01T00:00:00.000Z", 317_147_356_800_000),
            ("+292278994-08-17T07:12:55.807Z", i64::MAX),
            ("-292275055-05-16T16:47:04.192Z", i64::MIN),
        ] {
            assert_eq!(text.parse(), Ok(Timestamp(millis)), "{text}");
        }
        for wrong in [
            "",
            "yesterday",
            "2020-02-30",
            "2020-01-01T",
            "2020-01-01T24:00Z",
            "2020-01-01t00:00:00z",
            "2020-01-01 00:00X",
            "2020-01-01+1",
            "2020-01-01 00:00+24",
            "2020-01-01 00:00+0160",
            "+292278994-08-17T07:12:55.808Z",
            "+5",
            "9223372036854775808",
            "2020-01-01 00:00:00 é",
        ] {
            assert!(wrong.parse::<Timestamp>().is_err(), "{wrong}");
        }
    }

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
            assert_eq!(text.parse(), Ok(Date::from_days(days)));
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
