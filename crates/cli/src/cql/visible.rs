//! Text of others on a terminal: what a server or a table holds tells the terminal nothing.

/// Text that keeps to its line: control characters become their pictures.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(picture).collect()
}

/// The same for text that may have several lines.
pub(super) fn lines(text: &str) -> String {
    text.chars().map(|c| if matches!(c, '\n' | '\t') { c } else { picture(c) }).collect()
}

fn picture(c: char) -> char {
    match c {
        '\u{0}'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        c if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            '\u{fffd}'
        }
        c => c,
    }
}
