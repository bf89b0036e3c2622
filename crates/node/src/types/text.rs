//! Values of scalar types from the text that CQL writes them in.

use std::net::IpAddr;

const NANOS_PER_SECOND: i64 = 1_000_000_000;

pub(crate) fn bytes_from_hexadecimal(digits: &str) -> Option<Vec<u8>> {
    if digits.len() % 2 != 0 {
        return None;
    }
    digits.as_bytes().chunks(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// From 8-4-4-4-12 hexadecimal digits.
pub(crate) fn uuid_from_text(text: &str) -> Option<[u8; 16]> {
    let shaped = text.len() == 36 && [8, 13, 18, 23].iter().all(|at| text.as_bytes()[*at] == b'-');
    if !shaped {
        return None;
    }
    bytes_from_hexadecimal(&text.replace('-', ""))?.try_into().ok()
}

pub(super) fn inet(text: &str) -> Option<Vec<u8>> {
    // As the server: an IPv4 address mapped into IPv6 becomes IPv4.
    Some(match text.parse::<IpAddr>().ok()?.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    })
}

/// Days since 1970-01-01 of `yyyy-mm-dd`.
pub(super) fn days(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let mut parts = digits.splitn(3, '-');
    let year = sign * unsigned(parts.next()?, 4, 7)?;
    let month = unsigned(parts.next()?, 1, 2)?;
    let day = unsigned(parts.next()?, 1, 2)?;
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let length = match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        1..=12 => 31,
        _ => return None,
    };
    (1..=length).contains(&day).then(|| days_of_civil(year, month, day))
}

/// Years are counted from March, so that the leap day is the last of its year.
fn days_of_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Nanoseconds since midnight of `hh:mm:ss[.fffffffff]`, or of `hh:mm`.
pub(super) fn nanos_of_day(text: &str) -> Option<i64> {
    let mut parts = text.splitn(3, ':');
    let hour = unsigned(parts.next()?, 1, 2)?;
    let minute = unsigned(parts.next()?, 1, 2)?;
    let (second, fraction) = match parts.next() {
        None => (0, 0),
        Some(rest) => match rest.split_once('.') {
            None => (unsigned(rest, 1, 2)?, 0),
            Some((whole, fraction)) => {
                let value = unsigned(fraction, 1, 9)?;
                (unsigned(whole, 1, 2)?, value * 10i64.pow(9 - fraction.len() as u32))
            }
        },
    };
    let valid = hour < 24 && minute < 60 && second < 60;
    valid.then_some(((hour * 60 + minute) * 60 + second) * NANOS_PER_SECOND + fraction)
}

/// Milliseconds since the epoch of `yyyy-mm-dd[(T| )hh:mm[:ss[.fff]]][Z|+hh:mm|+hhmm|+hh]`; without a zone, in UTC.
pub(super) fn millis(text: &str) -> Option<i64> {
    let (date, rest) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let (time, offset_minutes) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => (rest[..at].trim_end(), zone_minutes(&rest[at..])?),
        None => (rest, 0),
    };
    let nanos = if time.is_empty() { 0 } else { nanos_of_day(time)? };
    days(date)?.checked_mul(86_400_000)?.checked_add(nanos / 1_000_000 - offset_minutes * 60_000)
}

fn zone_minutes(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = if zone.starts_with('-') { -1 } else { 1 };
    let digits = zone[1..].replace(':', "");
    let minutes = match digits.len() {
        2 => unsigned(&digits, 2, 2)? * 60,
        4 => unsigned(&digits[..2], 2, 2)? * 60 + unsigned(&digits[2..], 2, 2)?,
        _ => return None,
    };
    Some(sign * minutes)
}

fn unsigned(text: &str, shortest: usize, longest: usize) -> Option<i64> {
    let shaped = (shortest..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if shaped { text.parse().ok() } else { None }
}

/// Months, days and nanoseconds of `1y2mo3w4d5h6m7s8ms9us10ns` or `P1Y2M3DT4H5M6S`, with a sign before the whole.
pub(super) fn duration(text: &str) -> Option<(i64, i64, i64)> {
    let lower = text.to_ascii_lowercase();
    let (sign, body) = match lower.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, lower.as_str()),
    };
    let (iso, mut rest) = match body.strip_prefix('p') {
        Some(rest) => (true, rest),
        None => (false, body),
    };
    let mut in_time = false;
    let mut total = (0i64, 0i64, 0i64);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if iso && !in_time && rest.starts_with('t') {
            in_time = true;
            rest = &rest[1..];
        }
        let digits = rest.bytes().take_while(|b| b.is_ascii_digit()).count();
        let amount = unsigned(&rest[..digits], 1, 19)?.checked_mul(sign)?;
        let after = &rest[digits..];
        let unit_len =
            if iso { 1 } else { after.chars().take_while(|c| !c.is_ascii_digit()).map(char::len_utf8).sum() };
        let unit = after.get(..unit_len)?;
        let (slot, factor) = match (unit, iso && !in_time) {
            ("y", _) => (0, 12),
            ("mo", _) | ("m", true) => (0, 1),
            ("w", _) => (1, 7),
            ("d", _) => (1, 1),
            ("h", _) => (2, 3_600 * NANOS_PER_SECOND),
            ("m", false) => (2, 60 * NANOS_PER_SECOND),
            ("s", _) => (2, NANOS_PER_SECOND),
            ("ms", _) => (2, 1_000_000),
            ("us" | "µs", _) => (2, 1_000),
            ("ns", _) => (2, 1),
            _ => return None,
        };
        let place = [&mut total.0, &mut total.1, &mut total.2].into_iter().nth(slot)?;
        *place = place.checked_add(amount.checked_mul(factor)?)?;
        rest = &after[unit_len..];
    }
    let fits = i32::try_from(total.0).is_ok() && i32::try_from(total.1).is_ok();
    fits.then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_from_1970() {
        assert_eq!(days("1970-01-01"), Some(0));
        assert_eq!(days("2000-02-29"), Some(11_016));
        assert_eq!(days("1969-12-31"), Some(-1));
        assert_eq!(days("2001-02-29"), None);
        assert_eq!(days("2001-13-01"), None);
    }

    #[test]
    fn timestamps_take_zones() {
        assert_eq!(millis("1970-01-02"), Some(86_400_000));
        assert_eq!(millis("1970-01-01T01:00:00.5+0100"), Some(500));
        assert_eq!(millis("1970-01-01 00:00:00Z"), Some(0));
        assert_eq!(millis("1969-12-31 23:59-01:00"), Some(3_540_000));
        assert_eq!(millis("yesterday"), None);
    }

    #[test]
    fn durations_in_both_forms() {
        assert_eq!(duration("1y2mo3d4h"), Some((14, 3, 14_400 * NANOS_PER_SECOND)));
        assert_eq!(duration("-1m1ns"), Some((0, 0, -60 * NANOS_PER_SECOND - 1)));
        assert_eq!(duration("P1Y2M3DT4H5M"), Some((14, 3, 14_700 * NANOS_PER_SECOND)));
        for bad in ["", "p", "1", "1x", "99999999999999999999y", "-", "1yµ", "pt"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_mapped_address_becomes_ipv4() {
        assert_eq!(inet("::ffff:1.2.3.4"), Some(vec![1, 2, 3, 4]));
    }
}
