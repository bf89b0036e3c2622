//! Facts of the machine that figures depend on; nothing that says whose it is.

use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) system: String,
    pub(crate) processor: String,
    pub(crate) cpus: usize,
    pub(crate) memory_gib: Option<f64>,
}

impl Machine {
    pub(crate) fn here() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let release = read("/proc/sys/kernel/osrelease");
        let system = format!("{} {} {}", std::env::consts::OS, release.trim(), std::env::consts::ARCH);
        let memory_kib = value(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.strip_suffix("kB")?.trim().parse::<f64>().ok());
        Self {
            system: system.split_whitespace().collect::<Vec<_>>().join(" "),
            processor: value(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| "unknown".into()),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory_kib.map(|kib| (kib / 104_857.6).round() / 10.0),
        }
    }

    pub(crate) fn in_words(&self) -> String {
        let memory = self.memory_gib.map(|gib| format!(", {gib} GiB")).unwrap_or_default();
        format!("{}, {} CPUs{memory}, {}", self.processor, self.cpus, self.system)
    }
}

fn value(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim().to_owned())
    })
}
