//! Counters, and numbers of any length.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::decode::{fixed, not_null};
use super::scalar::fixed_length;
use super::{
    DecodeValue, DecodeValueError, EncodeError, EncodeValue, ParseValueError, TypeMismatch, ValueWriter,
};
use crate::protocol::ColumnType;

/// CQL `counter`: read, a 64-bit count; bound, what to add to it. `i64` does as well where the type is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter(pub i64);

fixed_length! {
    Counter: Counter, |counter| counter.0.to_be_bytes(), |bytes| Ok(Self(i64::from_be_bytes(bytes)));
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// CQL `varint`: an integer of any length, as its shortest two's complement bytes, the highest first (section 6.24 of
/// v5).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VarInt(Box<[u8]>);

impl VarInt {
    /// Of two's complement bytes, the highest first. More than needed are cut; none at all are 0.
    pub fn from_be_bytes(bytes: &[u8]) -> Self {
        Self(if bytes.is_empty() { Box::new([0]) } else { shortest(bytes).into() })
    }

    /// The shortest two's complement bytes, at least one, the highest first.
    pub fn as_be_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is below 0.
    pub fn is_negative(&self) -> bool {
        self.0[0] & 0x80 != 0
    }

    /// As an `i128`, if it fits; `i64::try_from` and the like go on from there.
    pub fn to_i128(&self) -> Option<i128> {
        let mut whole = [if self.is_negative() { 0xff } else { 0 }; 16];
        let start = whole.len().checked_sub(self.0.len())?;
        whole[start..].copy_from_slice(&self.0);
        Some(i128::from_be_bytes(whole))
    }
}

macro_rules! from_integer {
    ($($type:ty),+) => {$(
        impl From<$type> for VarInt {
            fn from(number: $type) -> Self {
                Self::from_be_bytes(&i128::from(number).to_be_bytes())
            }
        }
    )+};
}

from_integer!(i32, i64, i128, u32, u64);

impl Default for VarInt {
    fn default() -> Self {
        Self::from(0)
    }
}

impl Ord for VarInt {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative(), other.is_negative()) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0)),
            // The longer the lower; of one length, two's complement bytes compare as they are.
            (true, true) => (other.0.len(), &self.0).cmp(&(self.0.len(), &other.0)),
        }
    }
}

impl PartialOrd for VarInt {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// In decimal up to 1,024 bytes, about 2,466 digits. Longer ones print as hexadecimal bytes after `0x`, for writing them
/// in decimal takes time that grows with the square of their length.
impl fmt::Display for VarInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative() && self.0.len() <= MAX_DECIMAL_BYTES {
            f.write_str("-")?;
        }
        f.write_str(&self.digits())
    }
}

impl fmt::Debug for VarInt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VarInt({self})")
    }
}

/// The longest varint that prints in decimal.
pub(super) const MAX_DECIMAL_BYTES: usize = 1024;

impl VarInt {
    /// The decimal digits without sign, or all of it in hexadecimal.
    fn digits(&self) -> String {
        if self.0.len() > MAX_DECIMAL_BYTES {
            return self.0.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02x}"));
        }
        const CHUNK: u64 = 1_000_000_000;
        let mut magnitude = magnitude(&self.0);
        let mut chunks = Vec::new();
        while !magnitude.is_empty() {
            let mut remainder = 0;
            for word in &mut magnitude {
                let dividend = remainder << 32 | u64::from(*word);
                (*word, remainder) = ((dividend / CHUNK) as u32, dividend % CHUNK);
            }
            chunks.push(remainder);
            let zeros = magnitude.iter().take_while(|&&word| word == 0).count();
            magnitude.drain(..zeros);
        }
        let mut text = chunks.pop().unwrap_or(0).to_string();
        for chunk in chunks.iter().rev() {
            text += &format!("{chunk:09}");
        }
        text
    }
}

/// CQL `decimal`: `unscaled * 10^-scale` (section 6.6 of v5). Equal when both parts are: 1.0 and 1.00 are different
/// values to Cassandra's storage, though neither comes before the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decimal {
    /// All digits.
    pub unscaled: VarInt,
    /// How many of them are behind the point; if negative, how many zeros follow.
    pub scale: i32,
}

impl Decimal {
    /// `unscaled * 10^-scale`.
    pub fn new(unscaled: impl Into<VarInt>, scale: i32) -> Self {
        Self { unscaled: unscaled.into(), scale }
    }
}

/// `-12.50`, or `1E+9`, `1.5E-20` where that many zeros would be needed. Numbers too long for decimal digits print as
/// `0x...E-scale`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.unscaled.digits();
        if self.unscaled.0.len() > MAX_DECIMAL_BYTES {
            return write!(f, "{digits}E{}", -i64::from(self.scale));
        }
        if self.unscaled.is_negative() {
            f.write_str("-")?;
        }
        let scale = i64::from(self.scale);
        let exponent = digits.len() as i64 - 1 - scale;
        if scale < 0 || exponent < -6 {
            let (first, rest) = digits.split_at(1);
            let point = if rest.is_empty() { "" } else { "." };
            return write!(f, "{first}{point}{rest}E{exponent:+}");
        }
        // Here 0 <= scale <= digits + 5, so it is a small number.
        let scale = scale as usize;
        if scale == 0 {
            return f.write_str(&digits);
        }
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        write!(f, "{whole}.{fraction}")
    }
}

/// More digits than this are not read in decimal: the time would grow with their square. Bytes have no such limit.
const MAX_DIGITS: usize = 50_000;

/// Decimal digits, at most 50,000, perhaps with `-` before them.
impl FromStr for VarInt {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        from_digits(digits, negative).ok_or(ParseValueError("an integer of at most 50000 digits"))
    }
}

/// `-12.50`, `1E+9`, `1.5e-20`: at most 50,000 digits, and a scale of 32 bits.
impl FromStr for Decimal {
    type Err = ParseValueError;

    fn from_str(text: &str) -> Result<Self, ParseValueError> {
        const EXPECTED: ParseValueError =
            ParseValueError("a decimal number of at most 50000 digits, its exponent within 32 bits");
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().map_err(|_| EXPECTED)?),
            None => (text, 0),
        };
        let (negative, mantissa) = match mantissa.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, mantissa),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let scale = (fraction.len() as i64).checked_sub(exponent).ok_or(EXPECTED)?;
        let scale = scale.try_into().map_err(|_| EXPECTED)?;
        if whole.is_empty() {
            return Err(EXPECTED);
        }
        let unscaled = from_digits(&format!("{whole}{fraction}"), negative).ok_or(EXPECTED)?;
        Ok(Self { unscaled, scale })
    }
}

/// Reads the digits in chunks: each multiplies what is there, and adds to it.
fn from_digits(digits: &str, negative: bool) -> Option<VarInt> {
    const CHUNK: usize = 18;
    if !(1..=MAX_DIGITS).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    // The lowest word first.
    let mut words: Vec<u64> = Vec::new();
    let (first, rest) = digits.split_at(digits.len() % CHUNK);
    for chunk in std::iter::once(first.as_bytes()).chain(rest.as_bytes().chunks(CHUNK)) {
        let number = chunk.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
        let factor = 10_u128.pow(chunk.len() as u32);
        let mut carry = u128::from(number);
        for word in &mut words {
            carry += u128::from(*word) * factor;
            *word = carry as u64;
            carry >>= 64;
        }
        if carry > 0 {
            words.push(carry as u64);
        }
    }
    // Room for the sign.
    words.push(0);
    if negative {
        let mut carry = true;
        for word in &mut words {
            (*word, carry) = (!*word).overflowing_add(carry.into());
        }
    }
    let bytes: Vec<u8> = words.iter().rev().flat_map(|word| word.to_be_bytes()).collect();
    Some(VarInt::from_be_bytes(&bytes))
}

impl EncodeValue for VarInt {
    fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match column_type {
            ColumnType::VarInt => self.encode_untyped(out),
            _ => Err(TypeMismatch::bind::<Self>(column_type).into()),
        }
    }

    fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        out.bytes(&self.0)
    }
}

/// More bytes than needed are accepted, as the server does.
impl<'a> DecodeValue<'a> for VarInt {
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
        match column_type {
            ColumnType::VarInt => Ok(()),
            _ => Err(TypeMismatch::read::<Self>(column_type)),
        }
    }

    fn decode(_: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        match not_null(bytes)? {
            [] => Err(DecodeValueError::Empty),
            bytes => Ok(Self::from_be_bytes(bytes)),
        }
    }
}

impl EncodeValue for Decimal {
    fn encode(&self, column_type: &ColumnType, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        match column_type {
            ColumnType::Decimal => self.encode_untyped(out),
            _ => Err(TypeMismatch::bind::<Self>(column_type).into()),
        }
    }

    fn encode_untyped(&self, out: &mut ValueWriter<'_>) -> Result<(), EncodeError> {
        out.nested(|out| {
            out.part(&self.scale.to_be_bytes());
            out.part(&self.unscaled.0);
            Ok(())
        })
    }
}

impl<'a> DecodeValue<'a> for Decimal {
    fn check(column_type: &ColumnType) -> Result<(), TypeMismatch> {
        match column_type {
            ColumnType::Decimal => Ok(()),
            _ => Err(TypeMismatch::read::<Self>(column_type)),
        }
    }

    fn decode(_: &ColumnType, bytes: Option<&'a [u8]>) -> Result<Self, DecodeValueError> {
        let bytes = not_null(bytes)?;
        match bytes.split_first_chunk() {
            None if bytes.is_empty() => Err(DecodeValueError::Empty),
            None | Some((_, [])) => Err(DecodeValueError::Length { expected: 5, actual: bytes.len() }),
            Some((scale, unscaled)) => {
                Ok(Self { unscaled: VarInt::from_be_bytes(unscaled), scale: i32::from_be_bytes(*scale) })
            }
        }
    }
}

/// Without the leading bytes that only repeat the sign.
pub(super) fn shortest(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let [0x00, 0x00..=0x7f, ..] | [0xff, 0x80..=0xff, ..] = bytes {
        bytes = &bytes[1..];
    }
    bytes
}

/// The absolute value of two's complement bytes, as words without leading zeros, the highest first.
fn magnitude(bytes: &[u8]) -> Vec<u32> {
    let negative = bytes[0] & 0x80 != 0;
    let mut words: Vec<u32> = bytes
        .rchunks(4)
        .map(|chunk| {
            let sign = if negative { u32::MAX } else { 0 };
            chunk.iter().fold(sign, |word, &byte| word << 8 | u32::from(byte))
        })
        .collect();
    if negative {
        let mut carry = true;
        for word in &mut words {
            (*word, carry) = (!*word).overflowing_add(carry.into());
        }
        // The carry is lost only if all words were 0, and then the number isn't negative.
    }
    while words.last() == Some(&0) {
        words.pop();
    }
    words.reverse();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of section 6.24 of v5.
    #[test]
    fn varints_have_the_bytes_of_the_specification() {
        let table: [(i64, &[u8]); 8] = [
            (0, &[0x00]),
            (1, &[0x01]),
            (127, &[0x7f]),
            (128, &[0x00, 0x80]),
            (129, &[0x00, 0x81]),
            (-1, &[0xff]),
            (-128, &[0x80]),
            (-129, &[0xff, 0x7f]),
        ];
        for (number, bytes) in table {
            assert_eq!(VarInt::from(number).as_be_bytes(), bytes);
            assert_eq!(VarInt::from_be_bytes(bytes).to_i128(), Some(number.into()));
        }
    }

    #[test]
    fn varints_print_in_decimal() {
        for number in [0, 9, -9, 999_999_999, 1_000_000_000, -4_294_967_296, i128::MAX, i128::MIN] {
            assert_eq!(VarInt::from(number).to_string(), number.to_string());
            assert_eq!(number.to_string().parse(), Ok(VarInt::from(number)));
        }
        let mut power = vec![1];
        power.resize(17, 0);
        let power = VarInt::from_be_bytes(&power);
        assert_eq!(power.to_string(), "340282366920938463463374607431768211456");
        assert_eq!(power.to_i128(), None);
        assert_eq!("340282366920938463463374607431768211456".parse(), Ok(power));
        assert_eq!("-00000000000000000000128".parse(), Ok(VarInt::from(-128)));
        for wrong in ["", "-", "+1", "1a", "0x1", "--1", "1.0", &"1".repeat(MAX_DIGITS + 1)] {
            assert!(wrong.parse::<VarInt>().is_err(), "{wrong}");
        }
        let long = "123456789".repeat(MAX_DIGITS / 9);
        let number: VarInt = long.parse().unwrap();
        let bytes = number.as_be_bytes();
        assert_eq!(bytes.len(), 20_760);
        assert_eq!(
            (&bytes[..4], &bytes[20_756..]),
            (&[0x1b, 0x6b, 0xa4, 0xa4][..], &[0x84, 0x04, 0x5f, 0x15][..])
        );
    }

    #[test]
    fn a_huge_varint_prints_without_decimal_division() {
        let huge = VarInt::from_be_bytes(&[0x7f; MAX_DECIMAL_BYTES + 1]);
        assert_eq!(huge.to_string(), format!("0x{}", "7f".repeat(MAX_DECIMAL_BYTES + 1)));
        assert_eq!(Decimal::new(huge, i32::MIN).to_string().len(), 2 + 2 * (MAX_DECIMAL_BYTES + 1) + 11);
    }

    #[test]
    fn varints_are_ordered_as_numbers() {
        let numbers = [i128::MIN, -65_537, -32_769, -129, -128, -1, 0, 1, 127, 128, 32_768, i128::MAX];
        for pair in numbers.windows(2) {
            assert!(VarInt::from(pair[0]) < VarInt::from(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn decimals_print_as_cql_reads_them() {
        let cases = [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (-1250, 2, "-12.50"),
            (5, 3, "0.005"),
            (5, 7, "5E-7"),
            (15, 21, "1.5E-20"),
            (1, -9, "1E+9"),
            (1, i32::MIN, "1E+2147483648"),
            (1, i32::MAX, "1E-2147483647"),
        ];
        for (unscaled, scale, text) in cases {
            assert_eq!(Decimal::new(unscaled, scale).to_string(), text);
            assert_eq!(text.parse(), Ok(Decimal::new(unscaled, scale)), "{text}");
        }
        assert_eq!("1.".parse(), Ok(Decimal::new(1, 0)));
        assert_eq!("-0.50e1".parse(), Ok(Decimal::new(-50, 1)));
        for wrong in
            ["", ".5", "1e", "1e2147483649", "1E-2147483648", "1.2.3", "-", "NaN", "1e99999999999999999999"]
        {
            assert!(wrong.parse::<Decimal>().is_err(), "{wrong}");
        }
    }
}
