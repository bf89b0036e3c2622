//! Rules that no compiler knows, held by reading the tracked files.

use crate::shell::{command, output, root};
use anyhow::{Result, bail};
use std::fs;

/// A source file of more lines is asked to be split.
const LINES_MAX: usize = 900;

/// The files that may contain `unsafe`, each with its reason in its module's documentation.
const UNSAFE: &[&str] = &[
    "crates/core/src/inbox.rs",
    "crates/core/src/call/shared.rs",
    "crates/core/src/sync/modelled.rs",
    // A counting allocator is an unsafe trait.
    "crates/core/tests/tls_memory.rs",
    "crates/derive/tests/allocations.rs",
    "crates/fuzz/src/memory.rs",
    "crates/helenus/src/fork.rs",
    // `polling` asks for it.
    "crates/helenus/examples/own_reactor.rs",
    // `fork` itself.
    "crates/helenus/tests/forked.rs",
    "crates/reactor-uring/src/linux/buffers.rs",
    "crates/reactor-uring/src/linux/ring.rs",
];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: &[&str] =
    &[concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/Us", "ers/")];

/// Names tests, which have to be there.
const BEHAVIOURS: &str = "docs/src/behaviours.md";

pub(crate) fn check() -> Result<()> {
    let mut faults = Vec::new();
    for name in output(&mut command("git", ["ls-files", "-z"]))?.split_terminator('\0') {
        // A tracked file may be gone from the work tree; then there is nothing to say about it.
        let Ok(text) = fs::read_to_string(root().join(name)) else { continue };
        check_text(name, &text, &mut faults);
    }
    for (file, test) in named_tests(&fs::read_to_string(root().join(BEHAVIOURS))?) {
        let source = fs::read_to_string(root().join("crates").join(&file)).unwrap_or_default();
        if !source.contains(&format!("fn {test}(")) {
            faults.push(format!("{BEHAVIOURS}: there is no {file}::{test}"));
        }
    }
    match faults.as_slice() {
        [] => Ok(()),
        _ => bail!("{} faults:\n{}", faults.len(), faults.join("\n")),
    }
}

fn check_text(name: &str, text: &str, faults: &mut Vec<String>) {
    for (index, line) in text.lines().enumerate() {
        let mut fault = |what: &str| faults.push(format!("{name}:{}: {what}", index + 1));
        if MACHINE_PATHS.iter().any(|path| line.contains(path)) {
            fault("a path of one machine");
        }
        if name.ends_with(".rs") {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains(concat!("todo", "!(")) || code.contains(concat!("unimplemented", "!(")) {
                fault("a stub");
            }
            let is_unsafe = ["unsafe {", "unsafe impl", "unsafe fn"].iter().any(|word| code.contains(word));
            if is_unsafe && !UNSAFE.contains(&name) && name != "xtask/src/tidy.rs" {
                fault("unsafe outside the files that may have it (xtask/src/tidy.rs)");
            }
        }
    }
    if name.ends_with(".rs") && text.lines().count() > LINES_MAX {
        faults.push(format!("{name}: more than {LINES_MAX} lines; it has more than one concern"));
    }
}

/// The file and the name of each test that a page names: `file.rs::test` between backquotes.
fn named_tests(page: &str) -> Vec<(String, String)> {
    let words = page.split('`').filter_map(|word| word.split_once(".rs::"));
    words.map(|(file, test)| (format!("{file}.rs"), test.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(name: &str, text: &str) -> usize {
        let mut faults = Vec::new();
        check_text(name, text, &mut faults);
        faults.len()
    }

    #[test]
    fn tests_are_named_by_file_and_function() {
        let page = "| 1 | holds | `a/b.rs::c`, `d.rs` and `e.rs::f` |";
        let expected = [("a/b.rs".to_owned(), "c".to_owned()), ("e.rs".to_owned(), "f".to_owned())];
        assert_eq!(named_tests(page), expected);
    }

    #[test]
    fn faults_are_found() {
        assert_eq!(faults("a.rs", "fn main() {}"), 0);
        assert_eq!(faults("a.rs", &format!("{}()", concat!("todo", "!"))), 1);
        assert_eq!(faults("a.rs", "let x = unsafe { y };"), 1);
        assert_eq!(faults("crates/core/src/inbox.rs", "let x = unsafe { y };"), 0);
        assert_eq!(faults("README.md", concat!("see /ho", "me/me")), 1);
        assert_eq!(faults("a.rs", &"\n".repeat(LINES_MAX + 1)), 1);
    }
}
