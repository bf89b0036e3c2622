//! Cells, and which of two stays: last write wins, as in Cassandra.

use std::borrow::Cow;

/// No time at all: before every timestamp.
pub(crate) const NEVER: i64 = i64::MIN;

/// When a value ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expiry {
    /// The time to live that it was written with, in seconds.
    pub(crate) ttl: u32,
    /// From this second since 1970 on it is gone.
    pub(crate) at: i64,
}

/// One write of one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell<'a> {
    pub(crate) timestamp: i64,
    pub(crate) expiry: Option<Expiry>,
    /// `None`: it was deleted.
    pub(crate) value: Option<Cow<'a, [u8]>>,
}

impl Cell<'_> {
    pub(crate) fn is_live(&self, now_seconds: i64) -> bool {
        self.value.is_some() && self.expiry.is_none_or(|expiry| now_seconds < expiry.at)
    }

    /// Whether this stays where both were written. Of one timestamp a deletion wins over a value, what expires over what
    /// doesn't, the later end over the earlier one, and then the greater bytes.
    pub(crate) fn wins_over(&self, other: &Self) -> bool {
        self.rank().cmp(&other.rank()).then_with(|| self.value.cmp(&other.value)).is_ge()
    }

    fn rank(&self) -> (i64, u8, Option<(i64, u32)>) {
        let sort = match (&self.value, self.expiry) {
            (None, _) => 2,
            (Some(_), Some(_)) => 1,
            (Some(_), None) => 0,
        };
        (self.timestamp, sort, self.expiry.map(|expiry| (expiry.at, expiry.ttl)))
    }

    /// Lets go of a value whose time is over: it has become a deletion.
    pub(crate) fn expire(&mut self, now_seconds: i64) {
        if self.value.is_some() && !self.is_live(now_seconds) {
            (self.value, self.expiry) = (None, None);
        }
    }
}

/// That a row was inserted: it is there even if all its columns are null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marker {
    pub(crate) timestamp: i64,
    pub(crate) expiry: Option<Expiry>,
}

impl Marker {
    pub(crate) fn is_live(&self, now_seconds: i64) -> bool {
        self.expiry.is_none_or(|expiry| now_seconds < expiry.at)
    }

    pub(crate) fn wins_over(&self, other: &Self) -> bool {
        let rank = |marker: &Self| (marker.timestamp, marker.expiry.map(|expiry| (expiry.at, expiry.ttl)));
        rank(self) >= rank(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(timestamp: i64, until: Option<i64>, value: Option<&'static [u8]>) -> Cell<'static> {
        let expiry = until.map(|at| Expiry { ttl: 10, at });
        Cell { timestamp, expiry, value: value.map(Cow::Borrowed) }
    }

    #[test]
    fn ties_are_broken_as_in_cassandra() {
        let rising = [
            cell(1, Some(99), Some(b"z")),
            cell(2, None, Some(b"a")),
            cell(2, None, Some(b"b")),
            cell(2, Some(50), Some(b"a")),
            cell(2, Some(60), Some(b"a")),
            cell(2, None, None),
            cell(3, None, Some(b"")),
        ];
        for pair in rising.windows(2) {
            assert!(pair[1].wins_over(&pair[0]) && !pair[0].wins_over(&pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn what_has_expired_is_a_deletion() {
        let mut short = cell(1, Some(10), Some(b"x"));
        assert!(short.is_live(9) && !short.is_live(10));
        short.expire(9);
        assert!(short.value.is_some());
        short.expire(10);
        assert_eq!(short, cell(1, None, None));
    }
}
