//! Prepared statements.

use std::sync::Arc;
use std::task::{Poll, Waker};

use helenus_core::PreparedStatement;
use helenus_core::call::{Done, Notify, Unsent};
use helenus_core::protocol::response::{Message, ResultMessage};
use helenus_core::protocol::{ColumnSpec, Flags};

use crate::cache::{Flight, Found, Key, Landed};
use crate::request::{Closed, FromAnswer, decode, finish, unexpected};
use crate::session::Defaults;
use crate::settings::{Settings, setters};
use crate::{Error, Notes, Profile, Session, Statement};

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
#[derive(Clone, Debug)]
pub struct Preparing {
    key: Key,
    settings: Option<Arc<Settings>>,
}

impl Preparing {
    pub(crate) fn of(statement: &Statement<'_>) -> Self {
        let settings = statement.settings().cloned();
        let keyspace = settings.as_ref().and_then(|settings| settings.tail.keyspace.clone());
        Self { key: Key { keyspace, text: statement.text().into() }, settings }
    }
}

/// A PREPARE that several wait for.
pub struct Company {
    /// Nothing to wait for if it is known.
    flight: Result<Arc<Flight>, Arc<PreparedStatement>>,
    place: Option<usize>,
    settings: Option<Arc<Settings>>,
    /// To be sent alone, if the flight doesn't take off.
    unsent: Option<Unsent>,
}

impl Closed for Prepared {}

impl FromAnswer for Prepared {
    type Context = Preparing;
    type Company = Company;

    fn join(session: &Session, context: &Preparing, mut unsent: Unsent) -> Result<Company, Unsent> {
        let (cache, defaults) = (&session.0.prepared, &session.0.defaults);
        if !cache.takes(&context.key) || !is_plain(&mut unsent, defaults) {
            return Err(unsent);
        }
        let settings = context.settings.clone();
        let company = |flight, unsent| Company { flight, place: None, settings, unsent };
        match cache.find(&context.key) {
            Found::Known(statement) => Ok(company(Err(statement), None)),
            Found::Asked(flight) => Ok(company(Ok(flight), Some(unsent))),
            Found::New(flight) => match take_off(session, context, &flight, unsent) {
                None => Ok(company(Ok(flight), None)),
                Some(unsent) => Err(unsent),
            },
        }
    }

    fn poll_company(company: &mut Company, waker: &Waker) -> Poll<Result<Result<Self, Error>, Unsent>> {
        let Company { flight, place, settings, unsent } = company;
        let landed = match flight {
            Ok(flight) => std::task::ready!(flight.poll(place, waker)),
            Err(statement) => Some(Ok(statement.clone())),
        };
        let prepared = |statement| Self { statement, settings: settings.take() };
        Poll::Ready(match (landed, unsent.take()) {
            (Some(result), _) => Ok(result.map(prepared)),
            (None, Some(unsent)) => Err(unsent),
            (None, None) => unreachable!("a PREPARE that was sent ends with what can be told twice"),
        })
    }

    fn from_answer(answer: Done, context: Preparing, _: &Option<Arc<str>>) -> Result<Self, Error> {
        let Preparing { key, settings } = context;
        let response = decode(&answer)?;
        match response.message {
            Message::Result(ResultMessage::Prepared(prepared)) => {
                let keyspace = key.keyspace.as_deref().map(Into::into);
                let statement = PreparedStatement::new(&*key.text, keyspace, prepared);
                Ok(Self { statement: Arc::new(statement), settings })
            }
            message => Err(unexpected(&answer, message, Notes::of(&response.prefix))),
        }
    }
}

/// Whether anybody who wants the statement would ask for it in this way.
fn is_plain(unsent: &mut Unsent, defaults: &Defaults) -> bool {
    let own = Flags::TRACING | Flags::CUSTOM_PAYLOAD;
    let terms = unsent.terms();
    let usual = terms.timeout == defaults.timeout && terms.rare.is_none();
    usual && unsent.frame().get(1).is_some_and(|flags| flags & own.0 == 0)
}

/// Sends the PREPARE for all who want it. Gives it back if it isn't taken.
fn take_off(session: &Session, context: &Preparing, flight: &Arc<Flight>, unsent: Unsent) -> Option<Unsent> {
    let (origin, of_callback, landing) = (session.origin(), context.clone(), flight.clone());
    let callback = Box::new(move |done: Done| {
        let key = of_callback.key.clone();
        let landed = match finish::<Prepared>(done, of_callback, origin.shared()) {
            Ok(prepared) => Landed::There(prepared.statement),
            Err(error) => Landed::Failed(error),
        };
        origin.shared().prepared.land(&key, &landing, landed);
    });
    let refused = session.inbox().send(unsent, Notify::Callback(callback)).err()?;
    session.0.prepared.land(&context.key, flight, Landed::NotSent);
    Some(refused.unsent)
}
