//! Integers of variable length (`[vint]` and `[unsigned vint]`, section 3 of v5): durations and vectors have them.

use super::DecodeValueError;

/// The most bytes that one takes.
pub(super) const MAX_LEN: usize = 9;

/// Writes a `[vint]` and returns its length. The sign moves to the lowest bit (zigzag).
pub(super) fn put_vint(number: i64, out: &mut [u8]) -> usize {
    put_unsigned(((number << 1) ^ (number >> 63)) as u64, out)
}

/// Writes an `[unsigned vint]` and returns its length: the first byte starts with as many ones as bytes follow.
pub(super) fn put_unsigned(number: u64, out: &mut [u8]) -> usize {
    let bits = 64 - number.leading_zeros() as usize;
    // Each byte that follows costs one bit of the first.
    let extra = (bits.saturating_sub(1) / 7).min(8);
    out[0] = !(0xff_u16 >> extra) as u8;
    if extra < 8 {
        out[0] |= (number >> (8 * extra)) as u8;
    }
    out[1..=extra].copy_from_slice(&number.to_be_bytes()[8 - extra..]);
    extra + 1
}

pub(super) fn take_vint(bytes: &[u8]) -> Result<(i64, &[u8]), DecodeValueError> {
    let (zigzag, rest) = take_unsigned(bytes)?;
    Ok(((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64), rest))
}

pub(super) fn take_unsigned(bytes: &[u8]) -> Result<(u64, &[u8]), DecodeValueError> {
    const CUT_OFF: DecodeValueError = DecodeValueError::Invalid("a number in it is cut off");
    let (&first, rest) = bytes.split_first().ok_or(CUT_OFF)?;
    let extra = first.leading_ones() as usize;
    let (tail, rest) = rest.split_at_checked(extra).ok_or(CUT_OFF)?;
    let head = u64::from(first & 0xff_u8.checked_shr(extra as u32).unwrap_or(0));
    Ok((tail.iter().fold(head, |number, &byte| number << 8 | u64::from(byte)), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vint(number: i64) -> Vec<u8> {
        let mut bytes = [0; MAX_LEN];
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
                let mut unsigned = [0; MAX_LEN];
                let len = put_unsigned(number as u64, &mut unsigned);
                assert_eq!(take_unsigned(&unsigned[..len]).unwrap(), (number as u64, &[][..]), "{number}");
            }
        }
    }
}
