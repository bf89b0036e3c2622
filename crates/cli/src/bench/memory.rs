//! Resident memory, where the system has `/proc`.

/// What is resident now, in bytes.
pub(crate) fn resident_bytes() -> Option<u64> {
    status("VmRSS:")
}

/// The most that was resident since [`forget_peak`], or since the start.
pub(crate) fn peak_bytes() -> Option<u64> {
    status("VmHWM:")
}

/// Lets the peak begin anew. Where the kernel doesn't allow it the peak of connecting stays in, which is small.
pub(crate) fn forget_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn status(name: &str) -> Option<u64> {
    field(&std::fs::read_to_string("/proc/self/status").ok()?, name)
}

fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_bytes() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(field(status, "VmHWM:"), Some(2 << 20));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}
