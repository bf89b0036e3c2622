//! Runs one target: under libFuzzer where `cargo xtask fuzz` built it, else once for each file that is named. With
//! `--seeds FOLDER` it writes there what fuzzing of the target begins with.

#![cfg_attr(helenus_fuzz, no_main)]

use helenus_fuzz::{TARGETS, Target};

fn target(name: &str) -> Target {
    let found = TARGETS.iter().find(|target| target.name == name);
    *found.unwrap_or_else(|| panic!("there is no target {name:?}"))
}

#[cfg(helenus_fuzz)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    static TARGET: std::sync::OnceLock<Target> = std::sync::OnceLock::new();
    let target = TARGET.get_or_init(|| {
        target(&std::env::var("HELENUS_FUZZ_TARGET").expect("cargo xtask fuzz says which target runs"))
    });
    (target.run)(bytes);
});

#[cfg(not(helenus_fuzz))]
fn main() {
    let mut arguments = std::env::args().skip(1);
    let Some(name) = arguments.next() else {
        println!("usage: helenus-fuzz TARGET FILE...\nTargets, and what their bytes are:");
        return TARGETS.iter().for_each(|target| println!("  {:12} {}", target.name, target.about));
    };
    let target = target(&name);
    while let Some(file) = arguments.next() {
        if file == "--seeds" {
            return write_seeds(&name, &arguments.next().expect("--seeds needs a folder"));
        }
        let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("cannot read {file}: {error}"));
        (target.run)(&bytes);
        println!("{file}: as it should be");
    }
}

#[cfg(not(helenus_fuzz))]
fn write_seeds(target: &str, folder: &str) {
    for (index, seed) in helenus_fuzz::seeds::of(target).iter().enumerate() {
        let file = std::path::Path::new(folder).join(format!("seed-{index}"));
        std::fs::write(&file, seed)
            .unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
    }
}
