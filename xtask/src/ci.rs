//! What continuous integration runs.

use crate::{lint, test};
use anyhow::Result;

pub(crate) fn run() -> Result<()> {
    lint::run()?;
    test::run()
}
