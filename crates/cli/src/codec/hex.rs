use std::fmt::Write;

/// The bytes that hexadecimal digits of either case stand for, two a byte.
pub(super) fn bytes(digits: &str) -> Result<Vec<u8>, String> {
    let digit = |(at, c): (usize, u8)| {
        let value = char::from(c).to_digit(16).map(|digit| digit as u8);
        value.ok_or_else(|| {
            format!("the hexadecimal digits: at byte {at}: expected a digit, 0 to 9 or a to f")
        })
    };
    let (pairs, odd) = digits.as_bytes().as_chunks::<2>();
    let pair = |(index, [high, low]): (usize, &[u8; 2])| {
        Ok(digit((2 * index, *high))? << 4 | digit((2 * index + 1, *low))?)
    };
    let bytes = pairs.iter().enumerate().map(pair).collect();
    match odd {
        [] => bytes,
        _ => Err(format!("the hexadecimal digits: there are {}, but each byte has two", digits.len())),
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing into a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
