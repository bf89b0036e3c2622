//! Every set of reactors as features: each builds, and a program that chooses none gets what the documentation says.

use crate::node::Node;
use crate::shell::{cargo, cargo_target, command, output};
use anyhow::{Result, ensure};

/// The reactors, by feature less `reactor-`, and the label of what a session gets that is given none. In the order in which
/// `helenus::reactor::COMPILED` lists them.
pub(crate) const REACTORS: &[(&str, &str)] = &[
    ("mio", "mio"),
    ("tokio", "tokio-thread"),
    ("uring", "uring"),
    ("glommio", "glommio"),
    ("smol", "smol-thread"),
    ("async-std", "async-std"),
];

type Set = Vec<(&'static str, &'static str)>;

pub(crate) fn run() -> Result<()> {
    let node = Node::start()?;
    for bits in 0..1 << REACTORS.len() {
        let set = REACTORS.iter().enumerate().filter(|(place, _)| bits >> place & 1 == 1);
        let set: Set = set.map(|(_, row)| *row).collect();
        let said = run_example("default_reactor", &set, &node)?;
        ensure!(said == expected(&set), "with {set:?} the default is '{said}', not '{}'", expected(&set));
        eprintln!("{:>2} of {}: {said}", bits + 1, 1 << REACTORS.len());
    }
    // With no reactor at all, one's own works.
    run_example("own_reactor", &Set::new(), &node).map(drop)
}

/// What a program is to say that chooses none.
fn expected(set: &Set) -> String {
    match set.as_slice() {
        [("mio", label), ..] | [(_, label)] => (*label).to_owned(),
        _ => format!("none of {:?}", set.iter().map(|(name, _)| name).collect::<Vec<_>>()),
    }
}

fn run_example(example: &str, set: &Set, node: &Node) -> Result<String> {
    let features: Vec<_> = set.iter().map(|(name, _)| format!("reactor-{name}")).collect();
    let build =
        ["build", "--quiet", "-p", "helenus", "--no-default-features", "--example", example, "--features"];
    output(cargo(build).arg(features.join(",")))?;
    let program = cargo_target().join("debug/examples").join(example);
    Ok(output(&mut command(&program.to_string_lossy(), [node.address()]))?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_mio_else_the_only_one_else_an_error() {
        let set = |names: &[&str]| -> Set {
            REACTORS.iter().copied().filter(|(name, _)| names.contains(name)).collect()
        };
        assert_eq!(expected(&set(&[])), "none of []");
        assert_eq!(expected(&set(&["smol"])), "smol-thread");
        assert_eq!(expected(&set(&["smol", "uring"])), r#"none of ["uring", "smol"]"#);
        assert_eq!(expected(&set(&["smol", "mio", "uring"])), "mio");
    }
}
