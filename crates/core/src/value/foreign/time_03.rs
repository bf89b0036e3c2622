use time_03::{OffsetDateTime, Time};

use super::by_way_of;
use crate::value::{Date, DecodeValueError, TimeOfDay, Timestamp};

/// 1970-01-01 as a Julian day.
const EPOCH: i32 = 2_440_588;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLI: i128 = 1_000_000;

by_way_of! {
    /// Dates beyond those of the crate, of 9,999 years unless its feature `large-dates` is on, can't be read.
    time_03::Date: Date, |date| Ok((*date).into()), |date| {
        let date = date.days().checked_add(EPOCH).and_then(|day| Self::from_julian_day(day).ok());
        date.ok_or(DecodeValueError::Invalid("it is a date beyond those of the crate time: read it as a Date"))
    };
    Time: TimeOfDay, |time| Ok((*time).into()), |time| {
        let (seconds, nanos) = (time.nanos() / NANOS_PER_SECOND, time.nanos() % NANOS_PER_SECOND);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let time = Self::from_hms_nano(hour as u8, minute as u8, second as u8, nanos as u32);
        time.map_err(|error| DecodeValueError::Other(error.into()))
    };
    /// Rounded down to milliseconds, read in UTC. Instants beyond those of the crate can't be read.
    OffsetDateTime: Timestamp, |time| Ok((*time).into()), |time| {
        let nanos = i128::from(time.millis()) * NANOS_PER_MILLI;
        Self::from_unix_timestamp_nanos(nanos).map_err(|_| {
            DecodeValueError::Invalid("it is an instant beyond those of the crate time: read it as a Timestamp")
        })
    };
}

impl From<time_03::Date> for Date {
    fn from(date: time_03::Date) -> Self {
        Self::from_days(date.to_julian_day() - EPOCH)
    }
}

impl From<Time> for TimeOfDay {
    fn from(time: Time) -> Self {
        let (hour, minute, second, nanos) = time.as_hms_nano();
        let seconds = u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second);
        // The crate's times are all within a day.
        Self::from_nanos(seconds * NANOS_PER_SECOND + u64::from(nanos)).unwrap_or_default()
    }
}

/// Rounded down to milliseconds.
impl From<OffsetDateTime> for Timestamp {
    fn from(time: OffsetDateTime) -> Self {
        let millis = time.unix_timestamp_nanos().div_euclid(NANOS_PER_MILLI);
        // The crate counts less far than 64 bits of milliseconds.
        Self::from_millis(millis as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::is_as;
    use super::*;
    use crate::protocol::ColumnType as T;
    use crate::value::DecodeValue;

    #[test]
    fn times_are_ours() {
        for days in [0, -1, 11_016, -719_529] {
            let date = time_03::Date::from_julian_day(EPOCH + days).unwrap();
            is_as(&date, &Date::from_days(days), &T::Date);
        }
        for date in [time_03::Date::MIN, time_03::Date::MAX] {
            is_as(&date, &Date::from(date), &T::Date);
        }
        assert_eq!(Date::from(time_03::Date::from_ordinal_date(2000, 60).unwrap()).to_string(), "2000-02-29");
        assert!(time_03::Date::decode(&T::Date, Some(&[0; 4])).is_err());

        for nanos in [0, 86_399_999_999_999, 45_296_000_000_789] {
            let own = TimeOfDay::from_nanos(nanos).unwrap();
            let time = Time::decode(&T::Time, Some(&nanos.to_be_bytes())).unwrap();
            assert_eq!(TimeOfDay::from(time), own);
            is_as(&time, &own, &T::Time);
        }
        for millis in [0, -1, 1_795_248_774_123] {
            let time = OffsetDateTime::decode(&T::Timestamp, Some(&i64::to_be_bytes(millis))).unwrap();
            assert_eq!(time.unix_timestamp_nanos(), i128::from(millis) * NANOS_PER_MILLI);
            is_as(&time, &Timestamp::from_millis(millis), &T::Timestamp);
        }
        let fine = OffsetDateTime::from_unix_timestamp_nanos(-1).unwrap();
        assert_eq!(Timestamp::from(fine), Timestamp::from_millis(-1));
        assert!(OffsetDateTime::decode(&T::Timestamp, Some(&i64::MAX.to_be_bytes())).is_err());
    }
}
