//! Why there is no ring here, in words that a person can act on.

use std::fs;
use std::io;

use helenus_core::reactor::LaunchError;

const ELSE: &str = "or take reactor-mio, which needs none of this";

/// What the kernel's refusal to make a ring means.
pub(crate) fn explain(error: io::Error) -> LaunchError {
    let read = |name: &str| fs::read_to_string(name).map(|text| text.trim().to_owned()).ok();
    let release = read("/proc/sys/kernel/osrelease");
    let disabled = read("/proc/sys/kernel/io_uring_disabled");
    match needs(&error, release.as_deref(), disabled.as_deref()) {
        Some(needs) => LaunchError::Unsupported { needs },
        None => LaunchError::Io { what: "its io_uring", source: error },
    }
}

/// `None`: nothing is missing that would be there elsewhere.
fn needs(error: &io::Error, release: Option<&str>, disabled: Option<&str>) -> Option<String> {
    let release = release.unwrap_or("of an unknown release");
    let missing = match error.raw_os_error()? {
        libc::ENOSYS => format!(
            "the system call io_uring_setup is missing: this kernel ({release}) was built without io_uring, or a sandbox \
             (seccomp, gVisor) hides it; allow it there"
        ),
        libc::EPERM | libc::EACCES => match disabled {
            Some(setting @ ("1" | "2")) => format!(
                "the system forbids io_uring: kernel.io_uring_disabled is {setting}; set it to 0 by `sysctl -w \
                 kernel.io_uring_disabled=0`"
            ),
            _ => "a sandbox or security module forbids io_uring (the default seccomp profiles of containers do); allow \
                  io_uring_setup, io_uring_enter and io_uring_register there"
                .to_owned(),
        },
        libc::EINVAL => format!("it takes Linux 6.1 or later, and this kernel is {release}; update it"),
        libc::ENOMEM => "there is not enough memory for a ring: about 128 KiB of locked memory each; raise the limit \
                         (`ulimit -l`, LimitMEMLOCK=) or the container's memory"
            .to_owned(),
        _ => return None,
    };
    Some(format!("{missing}, {ELSE}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_names_what_is_missing_and_what_else_there_is() {
        let cases = [
            (libc::ENOSYS, None, "io_uring_setup is missing: this kernel (5.4.0-x)"),
            (libc::EPERM, Some("2"), "kernel.io_uring_disabled is 2"),
            (libc::EPERM, Some("1"), "kernel.io_uring_disabled is 1"),
            (libc::EPERM, Some("0"), "seccomp"),
            (libc::EACCES, None, "security module"),
            (libc::EINVAL, Some("0"), "Linux 6.1 or later, and this kernel is 5.4.0-x"),
            (libc::ENOMEM, Some("0"), "ulimit -l"),
        ];
        for (code, disabled, words) in cases {
            let text = needs(&io::Error::from_raw_os_error(code), Some("5.4.0-x"), disabled).unwrap();
            assert!(text.contains(words) && text.contains("reactor-mio"), "{code}: {text}");
        }
    }

    #[test]
    fn what_is_used_up_is_not_missing() {
        let error = explain(io::Error::from_raw_os_error(libc::EMFILE));

        assert!(matches!(error, LaunchError::Io { .. }), "{error:?}");
        assert!(error.to_string().contains("could not make its io_uring"), "{error}");
    }
}
