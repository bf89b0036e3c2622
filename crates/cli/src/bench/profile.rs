//! A CPU profile of the run.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use pprof::protos::Message;
use pprof::{ProfilerGuard, ProfilerGuardBuilder};

use super::pattern::Pattern;
use super::reactor::ReactorName;

const SAMPLES_PER_SECOND: i32 = 1_000;

pub(crate) struct Profiler {
    guard: ProfilerGuard<'static>,
    path: PathBuf,
}

impl Profiler {
    pub(crate) fn start(path: &Path) -> Result<Self> {
        // Found out now rather than after the run.
        std::fs::File::create(path).with_context(|| format!("can't write {}", path.display()))?;
        let guard = ProfilerGuardBuilder::default()
            .frequency(SAMPLES_PER_SECOND)
            // From within these a stack can't be unwound safely. Libc is left in: most of the time is spent in its system calls.
            .blocklist(&["libgcc", "vdso"])
            .build()
            .context("the profiler can't start")?;
        Ok(Self { guard, path: path.into() })
    }

    /// Writes what was sampled.
    pub(crate) fn finish(self) -> Result<()> {
        let report = self.guard.report().build().context("the profile can't be read")?;
        let profile = report.pprof().context("the profile can't be encoded")?;
        let write = || std::fs::File::create(&self.path)?.write_all(&profile.encode_to_vec());
        write().with_context(|| format!("can't write {}", self.path.display()))
    }
}

/// The file of one measurement of several: `out.pb` becomes `out-mio-sync.pb`.
pub(crate) fn path_for(path: &Path, reactor: ReactorName, pattern: Pattern) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension =
        path.extension().map(|extension| format!(".{}", extension.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{reactor}-{pattern}{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_measurement_gets_its_own_file() {
        let path = |text: &str| path_for(Path::new(text), ReactorName::MioCaller, Pattern::Sync);
        assert_eq!(path("a/out.pb"), Path::new("a/out-mio-caller-sync.pb"));
        assert_eq!(path("out"), Path::new("out-mio-caller-sync"));
    }
}
