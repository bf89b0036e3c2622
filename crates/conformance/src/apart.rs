//! Rows that need a process of their own.

use std::process;

use crate::rig::alone;
use crate::{Mount, Place};

/// Plays `row` in a process in which so many descriptors may be open: this test is run again there. A simulation has none.
pub(crate) fn in_a_process_with_descriptors(count: usize, mount: &Mount, name: &str, row: impl FnOnce()) {
    const MARK: &str = "HELENUS_CONFORMANCE_APART";
    if std::env::var_os(MARK).is_some() || matches!(mount.place, Place::Simulated(_)) {
        return row();
    }
    // Its pipes are descriptors, which other rows would count.
    let _alone = alone();
    let test = mount.test_name(name);
    let output = process::Command::new("sh")
        .args(["-c", "ulimit -n \"$0\" && exec \"$1\" --exact \"$2\" --nocapture"])
        .arg(count.to_string())
        .arg(std::env::current_exe().unwrap())
        .arg(&test)
        .env(MARK, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{test}: {said}{failed}");
}
