//! Several writes as one request.

use std::fmt;
use std::sync::Arc;

use helenus_core::PreparedStatement;
use helenus_core::protocol::request::{BatchHead, BatchKind, BatchQuery};
use helenus_core::protocol::{EncodeError, Version, envelope};
use helenus_core::value::{EncodeValues, ValueWriter, write_values};

use crate::draft::is_use;
use crate::settings::{Settings, setters};
use crate::{Error, Prepared, Profile, Statement};

/// As many statements as a batch can count (section 4.1.7).
const STATEMENTS_MAX: usize = 65_535;
/// How far back it is looked for a prepared statement that was already there.
const KNOWN: usize = 64;

/// Several writes as one request, prepared or not; see [`Session::batch`](crate::Session::batch).
///
/// ```no_run
/// use helenus::Batch;
///
/// # fn f(session: &helenus::Session) -> Result<(), helenus::Error> {
/// let insert = session.prepare("INSERT INTO shop.users (id, name) VALUES (?, ?)").wait()?;
/// let mut batch = Batch::logged();
/// batch.push(&insert, (7_i64, "Ada"));
/// batch.push("UPDATE shop.by_name SET id = ? WHERE name = ?", (7_i64, "Ada"));
/// session.batch(&batch).wait()?;
/// # Ok(())
/// # }
/// ```
///
/// Values are checked and encoded when they are pushed; what is wrong with them surfaces, with the statement's number, when
/// the batch is used. A batch without statements is sent too, and does nothing.
///
/// It is idempotent if [`idempotent`](Batch::idempotent) says so, or if each of its statements says so of itself; one of
/// counters never is.
#[derive(Clone)]
pub struct Batch {
    kind: BatchKind,
    pub(crate) head: BatchHead,
    /// What `head` began.
    pub(crate) bytes: Vec<u8>,
    /// What is prepared of it.
    pub(crate) prepared: Vec<Arc<PreparedStatement>>,
    pub(crate) settings: Settings,
    all_idempotent: bool,
    /// The first thing that is wrong, in any version or in v3 alone. Nothing follows what is wrong in any.
    wrong: Option<Wrong>,
    wrong_in_v3: Option<Wrong>,
}

#[derive(Clone)]
struct Wrong {
    statement: usize,
    error: Arc<Error>,
}

/// What a [`Batch`] takes: CQL text, a [`Statement`] or a [`Prepared`]. Of the settings that these have it heeds
/// `idempotent`; the others are the batch's to say.
#[derive(Clone, Debug)]
pub struct BatchStatement<'a>(Kind<'a>);

#[derive(Clone, Debug)]
enum Kind<'a> {
    Text(Statement<'a>),
    Prepared(&'a Prepared),
}

impl Batch {
    /// In the end all of it is done or nothing, over a log that the coordinator keeps on other nodes.
    pub fn logged() -> Self {
        Self::new(BatchKind::Logged)
    }

    /// Without that log: all or nothing for each partition alone.
    pub fn unlogged() -> Self {
        Self::new(BatchKind::Unlogged)
    }

    /// For counters, which no other batch takes.
    pub fn counter() -> Self {
        Self::new(BatchKind::Counter)
    }

    fn new(kind: BatchKind) -> Self {
        let mut bytes = Vec::new();
        Self {
            kind,
            head: BatchHead::begin(&mut bytes, Version::LATEST, kind),
            bytes,
            prepared: Vec::new(),
            settings: Settings::default(),
            all_idempotent: true,
            wrong: None,
            wrong_in_v3: None,
        }
    }

    /// Adds a statement with its values: in order, and of a prepared statement also by name. At most 65,535.
    pub fn push<'a>(
        &mut self,
        statement: impl Into<BatchStatement<'a>>,
        values: impl EncodeValues,
    ) -> &mut Self {
        if self.wrong.is_none() {
            let end = self.bytes.len();
            if let Err(error) = self.put(&statement.into().0, &values) {
                self.bytes.truncate(end);
                self.wrong = Some(Wrong { statement: self.len(), error: Arc::new(error) });
            }
        }
        self
    }

    /// How many statements it has.
    pub fn len(&self) -> usize {
        self.head.statements()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The keyspace of unqualified table names (v5).
    #[must_use]
    pub fn keyspace(self, name: impl AsRef<str>) -> Self {
        self.say(|settings| settings.tail.keyspace = Some(name.as_ref().into()))
    }

    /// As if all that `profile` says were said here.
    #[must_use]
    pub fn profile(self, profile: &Profile) -> Self {
        self.say(|settings| settings.say_all(&profile.0))
    }

    /// What is wrong with it on a connection of this version.
    pub(crate) fn check(&self, version: Version) -> Result<(), Error> {
        let in_v3 = self.wrong_in_v3.as_ref().filter(|_| version < Version::V4);
        match in_v3.or(self.wrong.as_ref()) {
            Some(Wrong { statement, error }) => {
                Err(Error::Batch { statement: *statement, error: error.clone() })
            }
            None => Ok(()),
        }
    }

    pub(crate) fn is_counter(&self) -> bool {
        self.kind == BatchKind::Counter
    }

    pub(crate) fn is_idempotent(&self) -> bool {
        !self.is_counter() && self.settings.idempotent.unwrap_or(self.all_idempotent)
    }

    fn put(&mut self, statement: &Kind<'_>, values: &impl EncodeValues) -> Result<(), Error> {
        if self.len() == STATEMENTS_MAX {
            let (what, limit) = ("statements of a batch", STATEMENTS_MAX);
            return Err(EncodeError::Limit { what, actual: STATEMENTS_MAX + 1, limit }.into());
        }
        let (query, markers, settings) = match statement {
            Kind::Text(statement) if is_use(statement.text()) => return Err(Error::UseStatement),
            Kind::Text(statement) => {
                if has_names(values) {
                    return Err(EncodeError::Unsupported { what: NAMES }.into());
                }
                (BatchQuery::Text(statement.text()), None, statement.settings())
            }
            Kind::Prepared(prepared) => {
                let statement = prepared.statement.latest();
                if !self.prepared.iter().rev().take(KNOWN).any(|known| Arc::ptr_eq(known, statement)) {
                    self.prepared.push(statement.clone());
                }
                (BatchQuery::Prepared(&statement.id), Some(&*statement.bind_markers), prepared.settings())
            }
        };
        // Counted only once its values are there.
        let mut head = self.head.clone();
        let at = head.statement(&mut self.bytes, &query)?;
        let mut written = write_values(values, markers, false, &mut self.bytes);
        if written.is_err() {
            let in_v3 = written;
            written = write_values(values, markers, true, &mut self.bytes);
            if let (Ok(_), Err(error), None) = (&written, in_v3, &self.wrong_in_v3) {
                self.wrong_in_v3 = Some(Wrong { statement: self.len(), error: Arc::new(Error::Bind(error)) });
            }
        }
        head.values(&mut self.bytes, at, written.map_err(Error::Bind)?.into())?;
        if self.bytes.len() > envelope::MAX_BODY {
            let (what, limit) = ("bytes of a batch", envelope::MAX_BODY);
            return Err(EncodeError::Limit { what, actual: self.bytes.len(), limit }.into());
        }
        self.all_idempotent &= settings.and_then(|settings| settings.idempotent) == Some(true);
        self.head = head;
        Ok(())
    }

    fn say(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }
}

setters!(Batch,);

const NAMES: &str =
    "names of values for the text of a batch: prepare the statement, or give its values in order; names";

/// Whether the values go by name. There may be none of them.
fn has_names(values: &impl EncodeValues) -> bool {
    let mut unused = Vec::new();
    values.value_count() > 0 && values.encode_named_values(&mut ValueWriter::new(&mut unused, true)).is_some()
}

impl<'a> From<&'a Prepared> for BatchStatement<'a> {
    fn from(prepared: &'a Prepared) -> Self {
        Self(Kind::Prepared(prepared))
    }
}

macro_rules! from_text {
    ($($type:ty),+) => {$(
        impl<'a> From<$type> for BatchStatement<'a> {
            fn from(text: $type) -> Self {
                Self(Kind::Text(text.into()))
            }
        }
    )+};
}

from_text!(&'a str, &'a String, String, Statement<'a>, &'a Statement<'_>);

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("kind", &self.kind)
            .field("statements", &self.len())
            .field("bytes", &self.bytes.len())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
