//! What came of it, per type and direction.

use std::collections::BTreeMap;

use comfy_table::Table;
use helenus::Version;

use crate::cases::Case;
use crate::known::{KNOWN, Known};
use crate::peer::excerpt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    /// The peer reads what helenus wrote.
    Read,
    /// Helenus and the server read what the peer wrote.
    Write,
}

/// Where a value was compared.
pub(crate) struct Place {
    peer: &'static str,
    column_type: String,
    direction: Direction,
    label: String,
}

#[derive(Default)]
struct Counts {
    same: usize,
    known: usize,
    different: usize,
}

#[derive(Default)]
pub(crate) struct Report {
    counts: BTreeMap<(String, &'static str, Direction), Counts>,
    order: Vec<String>,
    differences: Vec<String>,
    known: BTreeMap<usize, usize>,
}

impl Report {
    pub(crate) fn place(
        &mut self,
        peer: &'static str,
        version: Version,
        case: &Case,
        literal: &str,
        direction: Direction,
    ) -> Place {
        let column_type = case.column_type.clone();
        if !self.order.contains(&column_type) {
            self.order.push(column_type.clone());
        }
        let did = match direction {
            Direction::Read => "reads",
            Direction::Write => "writes",
        };
        let label = format!("{peer} {did} {column_type} {} in {version}", excerpt(literal));
        Place { peer, column_type, direction, label }
    }

    /// Notes how a comparison went. One that is known to differ has to.
    pub(crate) fn judge(
        &mut self,
        place: Place,
        known: Option<(usize, &Known)>,
        compare: impl FnOnce() -> Result<(), String>,
    ) {
        let Place { peer, column_type, direction, label } = place;
        let counts = self.counts.entry((column_type, peer, direction)).or_default();
        let known = known.filter(|(_, known)| known.direction.is_none_or(|known| known == direction));
        match (compare(), known) {
            (Ok(()), _) => counts.same += 1,
            (Err(_), Some((index, _))) => {
                counts.known += 1;
                *self.known.entry(index).or_default() += 1;
            }
            (Err(why), None) => {
                counts.different += 1;
                self.differences.push(format!("{label}: {}", excerpt(&why)));
            }
        }
    }

    /// Nothing differs that isn't known to, and what is known to differ does.
    pub(crate) fn is_as_expected(&self) -> bool {
        self.differences.is_empty() && self.known.len() == KNOWN.len()
    }

    pub(crate) fn print(&self) {
        let mut table = Table::new();
        table.load_style(comfy_table::presets::UTF8_FULL_CONDENSED);
        table.set_header([
            "type",
            "server parses",
            "python reads",
            "python writes",
            "gocql reads",
            "gocql writes",
        ]);
        for column_type in &self.order {
            let cell = |peer, direction| match self.counts.get(&(column_type.clone(), peer, direction)) {
                None => "-".to_owned(),
                Some(Counts { same, known: 0, different: 0 }) => format!("{same}"),
                Some(Counts { same, known, different: 0 }) => format!("{same}, {known} known"),
                Some(Counts { same, different, .. }) => format!("{same}, {different} DIFFER"),
            };
            table.add_row([
                column_type.clone(),
                cell(crate::SERVER, Direction::Write),
                cell("python", Direction::Read),
                cell("python", Direction::Write),
                cell("gocql", Direction::Read),
                cell("gocql", Direction::Write),
            ]);
        }
        println!("{table}\n\nValues that are the same, in v4 and v5 together. Known differences:");
        for (index, known) in KNOWN.iter().enumerate() {
            let seen = self.known.get(&index).copied().unwrap_or(0);
            println!(
                "  {} {} {}: {} ({seen} times)",
                known.peer, known.column_type, known.literal, known.reason
            );
        }
        for (index, known) in KNOWN.iter().enumerate().filter(|(index, _)| !self.known.contains_key(index)) {
            println!(
                "GONE: number {index}, {} {} {}: it no longer differs",
                known.peer, known.column_type, known.literal
            );
        }
        for difference in &self.differences {
            println!("DIFFERENT {difference}");
        }
    }
}
