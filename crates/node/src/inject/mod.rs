//! What goes wrong on demand, and what was asked: rules for answers, and a log of requests.

mod log;
mod rule;
mod script;
mod table;
mod watch;

pub use log::Seen;
pub use rule::{Action, Rule, RuleId};
pub use script::{Script, ScriptError};
pub(crate) use watch::{Asked, Watch};
