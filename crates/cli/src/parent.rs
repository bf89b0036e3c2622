//! A process that ends with the one that started it, however that one ends: its standard input is a pipe from there,
//! and ends when no one is left to write to it.

use std::io::BufRead;

/// Calls `on_line` for each line of standard input, on a thread of its own, and ends the process when the input ends.
pub(crate) fn follow(mut on_line: impl FnMut(&str) + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name("parent".into()).spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            on_line(&line);
        }
        std::process::exit(0);
    })?;
    Ok(())
}
