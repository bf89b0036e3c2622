use chrono_04::{DateTime, NaiveDate, NaiveTime, Timelike, Utc};

use super::by_way_of;
use crate::value::{Date, DecodeValueError, EncodeError, TimeOfDay, Timestamp};

/// 1970-01-01, counted from 0001-01-01 as 1.
const EPOCH: i32 = 719_163;
const NANOS_PER_SECOND: u64 = 1_000_000_000;

by_way_of! {
    /// Chrono's dates are all within those of CQL; others, beyond some 262,000 years, can't be read.
    NaiveDate: Date, |date| Ok((*date).into()), |date| {
        let date = date.days().checked_add(EPOCH).and_then(Self::from_num_days_from_ce_opt);
        date.ok_or(DecodeValueError::Invalid("it is a date beyond those of chrono: read it as a Date"))
    };
    /// A leap second can't be bound, for CQL has none.
    NaiveTime: TimeOfDay, |time| {
        let nanos = u64::from(time.num_seconds_from_midnight()) * NANOS_PER_SECOND;
        let own = (u64::from(time.nanosecond()) < NANOS_PER_SECOND)
            .then(|| TimeOfDay::from_nanos(nanos + u64::from(time.nanosecond())));
        own.flatten().ok_or(EncodeError::Invalid("it is a leap second, which CQL doesn't have"))
    }, |time| {
        let (seconds, nanos) = (time.nanos() / NANOS_PER_SECOND, time.nanos() % NANOS_PER_SECOND);
        let time = Self::from_num_seconds_from_midnight_opt(seconds as u32, nanos as u32);
        time.ok_or(DecodeValueError::Invalid("it is a time of day that chrono doesn't have"))
    };
    /// Rounded down to milliseconds. Instants beyond those of chrono, of some 262,000 years, can't be read.
    DateTime<Utc>: Timestamp, |time| Ok((*time).into()), |time| {
        let time = Self::from_timestamp_millis(time.millis());
        time.ok_or(DecodeValueError::Invalid("it is an instant beyond those of chrono: read it as a Timestamp"))
    };
}

impl From<NaiveDate> for Date {
    fn from(date: NaiveDate) -> Self {
        use chrono_04::Datelike;
        Self::from_days(date.num_days_from_ce() - EPOCH)
    }
}

/// Rounded down to milliseconds.
impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self::from_millis(time.timestamp_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bytes, is_as};
    use super::*;
    use crate::protocol::ColumnType as T;
    use crate::value::DecodeValue;

    #[test]
    fn times_are_ours() {
        for text in ["1970-01-01", "2000-02-29", "-0001-12-31", "0000-01-01", "+12345-06-07"] {
            let date = text.parse::<NaiveDate>().unwrap();
            is_as(&date, &text.parse::<Date>().unwrap(), &T::Date);
        }
        for date in [NaiveDate::MIN, NaiveDate::MAX] {
            is_as(&date, &Date::from(date), &T::Date);
        }
        assert!(NaiveDate::decode(&T::Date, Some(&[0; 4])).is_err());
        assert!(NaiveDate::decode(&T::Date, Some(&[0xff; 4])).is_err());

        for text in ["00:00:00", "23:59:59.999999999", "12:34:56.000000789"] {
            is_as(&text.parse::<NaiveTime>().unwrap(), &text.parse::<TimeOfDay>().unwrap(), &T::Time);
        }
        let leap = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_000_000_000).unwrap();
        assert!(matches!(bytes(&leap, &T::Time), Err(EncodeError::Invalid(_))));

        for text in ["1969-12-31T23:59:59.999Z", "2026-11-21T08:12:54.123Z"] {
            is_as(
                &text.parse::<DateTime<Utc>>().unwrap(),
                &text.parse::<Timestamp>().unwrap(),
                &T::Timestamp,
            );
        }
        let fine: DateTime<Utc> = "1969-12-31T23:59:59.9999Z".parse().unwrap();
        assert_eq!(Timestamp::from(fine), Timestamp::from_millis(-1));
        for millis in [i64::MIN, i64::MAX] {
            assert!(DateTime::<Utc>::decode(&T::Timestamp, Some(&millis.to_be_bytes())).is_err());
        }
    }
}
