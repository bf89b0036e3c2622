//! CQL text with settings of its own.

use std::borrow::Cow;
use std::sync::Arc;

use crate::Profile;
use crate::settings::{Settings, setters};

/// CQL text with settings of its own. Wherever a statement is wanted, text alone does as well.
///
/// ```no_run
/// use helenus::{Consistency, Statement};
///
/// # fn f(session: &helenus::Session) -> Result<(), helenus::Error> {
/// let statement = Statement::new("SELECT name FROM users WHERE id = ?")
///     .keyspace("shop")
///     .consistency(Consistency::LocalOne)
///     .idempotent(true);
/// let by_text = session.query(&statement, (7_i64,)).wait()?;
/// let prepared = session.prepare(&statement).wait()?;
/// # Ok(())
/// # }
/// ```
///
/// What is said later wins: a request's settings over its statement's, and those over the session's.
#[derive(Clone, Debug)]
pub struct Statement<'a> {
    text: Cow<'a, str>,
    settings: Option<Arc<Settings>>,
}

impl<'a> Statement<'a> {
    /// One that says nothing but its text.
    pub fn new(text: impl Into<Cow<'a, str>>) -> Self {
        Self { text: text.into(), settings: None }
    }

    /// The CQL text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The keyspace of unqualified table names (v5). A prepared statement keeps it.
    #[must_use]
    pub fn keyspace(self, name: impl AsRef<str>) -> Self {
        self.say(|settings| settings.tail.keyspace = Some(name.as_ref().into()))
    }

    /// As if all that `profile` says were said here.
    #[must_use]
    pub fn profile(self, profile: &Profile) -> Self {
        self.say(|settings| settings.say_all(&profile.0))
    }

    pub(crate) fn settings(&self) -> Option<&Arc<Settings>> {
        self.settings.as_ref()
    }

    fn say(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(self.settings.get_or_insert_default()));
        self
    }
}

setters!(Statement, <'a>);

impl<'a> From<&'a str> for Statement<'a> {
    fn from(text: &'a str) -> Self {
        Self::new(text)
    }
}

impl<'a> From<&'a String> for Statement<'a> {
    fn from(text: &'a String) -> Self {
        Self::new(text.as_str())
    }
}

impl From<String> for Statement<'_> {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl<'a> From<Cow<'a, str>> for Statement<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::new(text)
    }
}

impl<'a> From<&'a Statement<'_>> for Statement<'a> {
    fn from(statement: &'a Statement<'_>) -> Self {
        Self { text: Cow::Borrowed(&statement.text), settings: statement.settings.clone() }
    }
}
