//! Prepared statements.

use std::sync::Arc;

use helenus_core::PreparedStatement;
use helenus_core::call::Done;
use helenus_core::protocol::ColumnSpec;
use helenus_core::protocol::response::{Message, ResultMessage};

use crate::request::{Closed, FromAnswer, decode, unexpected};
use crate::settings::{Settings, setters};
use crate::{Error, Notes, Profile};

/// A prepared statement. Cheap to clone and to share; it is good for every node: one that doesn't know it prepares it
/// when it is first used there, unseen.
///
/// It has the settings of the [`Statement`](crate::Statement) that it was prepared from. Its own methods change them for
/// what they return, not for other clones:
///
/// ```no_run
/// # fn f(session: &helenus::Session) -> Result<(), helenus::Error> {
/// let select = session.prepare("SELECT name FROM shop.users WHERE id = ?").wait()?.idempotent(true);
/// # Ok(())
/// # }
/// ```
///
/// # When the schema changes
/// Results are read by the columns that they have, never by those that the statement had once. Bind markers follow when a
/// node has to prepare it again; an execution whose values were encoded for markers of other types fails then, unsent
/// ([`ReprepareFailure::MarkersChanged`](crate::ReprepareFailure::MarkersChanged)), and the next is checked against the new
/// ones.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// As it was when it was prepared.
    pub(crate) statement: Arc<PreparedStatement>,
    settings: Option<Arc<Settings>>,
}

impl Prepared {
    /// The CQL text.
    pub fn text(&self) -> &str {
        &self.statement.text
    }

    /// The keyspace that it was prepared in, if a [`Statement`](crate::Statement::keyspace) said so.
    pub fn keyspace(&self) -> Option<&str> {
        self.statement.keyspace.as_deref()
    }

    /// Names and types of its bind markers, in order, as last heard of.
    pub fn bind_markers(&self) -> &[ColumnSpec] {
        &self.statement.latest().bind_markers
    }

    /// Names and types of its result's columns as last heard of; empty if it has no rows, or if it is conditional: what that
    /// answers depends on what came of it.
    pub fn result_columns(&self) -> &[ColumnSpec] {
        &self.statement.latest().result_columns
    }

    /// Which bind markers are the partition key, in the key's order (v4 and later; empty if not all of them are bound).
    pub fn partition_key_indexes(&self) -> &[u16] {
        &self.statement.latest().partition_key_indexes
    }

    /// As if all that `profile` says were said here.
    #[must_use]
    pub fn profile(self, profile: &Profile) -> Self {
        self.say(|settings| settings.say_all(&profile.0))
    }

    #[inline]
    pub(crate) fn settings(&self) -> Option<&Arc<Settings>> {
        self.settings.as_ref()
    }

    fn say(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(self.settings.get_or_insert_default()));
        self
    }
}

setters!(Prepared,);

/// What is known of a statement before it is prepared.
#[derive(Debug)]
pub struct Preparing {
    pub(crate) text: Box<str>,
    pub(crate) settings: Option<Arc<Settings>>,
}

impl Closed for Prepared {}

impl FromAnswer for Prepared {
    type Context = Preparing;

    fn from_answer(answer: Done, context: Preparing, _: &Option<Arc<str>>) -> Result<Self, Error> {
        let Preparing { text, settings } = context;
        let response = decode(&answer)?;
        match response.message {
            Message::Result(ResultMessage::Prepared(prepared)) => {
                let keyspace = settings.as_ref().and_then(|settings| settings.tail.keyspace.as_deref());
                let statement = PreparedStatement::new(text, keyspace.map(Into::into), prepared);
                Ok(Self { statement: Arc::new(statement), settings })
            }
            message => Err(unexpected(&answer, message, Notes::of(&response.prefix))),
        }
    }
}
