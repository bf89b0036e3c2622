use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::ExitCode;

use serde_json::Value;

/// No longer lines are kept: twice the largest envelope in hexadecimal, and room for the rest.
const MAX_LINE: usize = (1 << 30) + (64 << 10);

/// Answers each line of standard input by one of standard output, as soon as no further line is there.
pub(super) fn each_line(
    answer: impl Fn(&[u8]) -> Value,
    refused: impl Fn(String) -> Value,
) -> anyhow::Result<ExitCode> {
    let mut input = BufReader::with_capacity(64 << 10, io::stdin().lock());
    let mut output = io::BufWriter::new(io::stdout().lock());
    let mut line = Vec::new();
    while let Some(outcome) = next_line(&mut input, &mut line, MAX_LINE)? {
        let answered = outcome.map_or_else(&refused, |()| answer(&line));
        let written = writeln!(output, "{answered}");
        let written = written.and_then(|()| if input.buffer().is_empty() { output.flush() } else { Ok(()) });
        match written {
            // Nobody reads on.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
            other => other?,
        }
    }
    output.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the next line into `line`; `None` at the end. Of too long a line the rest is skipped.
fn next_line(
    input: &mut impl BufRead,
    line: &mut Vec<u8>,
    limit: usize,
) -> io::Result<Option<Result<(), String>>> {
    line.clear();
    let read = input.by_ref().take(limit as u64).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') || read < limit {
        return Ok(Some(Ok(())));
    }
    line.clear();
    input.skip_until(b'\n')?;
    Ok(Some(Err(format!("the line is longer than {limit} bytes"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_long_a_line_costs_itself_alone() {
        let mut input = &b"abc\n0123456789\n\nlast"[..];
        let mut line = Vec::new();
        let mut next = || {
            let outcome = next_line(&mut input, &mut line, 8).unwrap();
            outcome.map(|outcome| outcome.map(|()| String::from_utf8(line.clone()).unwrap()))
        };
        assert_eq!(next(), Some(Ok("abc\n".into())));
        assert_eq!(next(), Some(Err("the line is longer than 8 bytes".into())));
        assert_eq!(next(), Some(Ok("\n".into())));
        assert_eq!(next(), Some(Ok("last".into())));
        assert_eq!(next(), None);
    }
}
