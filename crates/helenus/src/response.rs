//! What a node answered.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Poll, Waker};

use helenus_core::call::{Done, Unsent};
use helenus_core::protocol::response::{Message, ResultMessage, Rows as ProtocolRows, SchemaChange, is_void};
use helenus_core::protocol::{ColumnSpec, Flags, Opcode};
use helenus_core::value::{AfterFirst, DecodeRow, Layout, RawRow, RowCursor, Rows, Uuid};

use crate::request::{Closed, FromAnswer, decode, unexpected};
use crate::trace::FetchTrace;
use crate::{Error, Notes, PagingState, Session, ShapeError};

/// The answer to a statement: one page of rows, or none. Rows are decoded when they are read, borrowing from it.
pub struct Response {
    answer: Done,
    kind: Kind,
    notes: Notes,
}

enum Kind {
    Void,
    Rows(Page),
    SchemaChange,
}

struct Page {
    columns: Arc<[ColumnSpec]>,
    row_count: usize,
    /// The content is the end of the body.
    content_at: usize,
    paging_state: Option<PagingState>,
}

impl Page {
    fn content<'a>(&self, answer: &'a Done) -> &'a [u8] {
        &answer.body()[self.content_at..]
    }
}

/// What kind of result a [`Response`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseKind {
    /// Done; there is nothing to say.
    Void,
    /// Rows, perhaps none.
    Rows,
    /// The schema was changed.
    SchemaChange,
}

/// The column that the answer to a conditional statement begins with.
const APPLIED: &str = "[applied]";

/// The rows that a conditional statement found. See [`Response::existing`].
#[derive(Clone, Debug)]
pub struct Existing<'a, R>(Option<Rows<'a, AfterFirst<R>>>);

impl Response {
    /// What kind of result it is.
    pub fn kind(&self) -> ResponseKind {
        match self.kind {
            Kind::Void => ResponseKind::Void,
            Kind::Rows(_) => ResponseKind::Rows,
            Kind::SchemaChange => ResponseKind::SchemaChange,
        }
    }

    /// All rows, as tuples or [`RawRow`](crate::value::RawRow)s.
    ///
    /// # Errors
    /// [`ShapeError::MorePages`] if this is not all: a result is never silently cut. [`ShapeError::NoRows`] if the
    /// statement has none; [`Error::Row`] if the columns can't be read as `R`.
    pub fn rows<'a, R: DecodeRow<'a>>(&'a self) -> Result<Rows<'a, R>, Error> {
        if self.paging_state().is_some() {
            return Err(ShapeError::MorePages.into());
        }
        self.page_rows()
    }

    /// The rows of this page, whether or not there are more pages.
    ///
    /// # Errors
    /// As [`Response::rows`], but for `MorePages`.
    pub fn page_rows<'a, R: DecodeRow<'a>>(&'a self) -> Result<Rows<'a, R>, Error> {
        let page = self.page()?;
        Ok(Rows::new(&page.columns, page.row_count, page.content(&self.answer))?)
    }

    /// The one row.
    ///
    /// # Errors
    /// [`ShapeError::RowCount`] if there is none or more than one; those of [`Response::rows`] and of reading the row.
    pub fn one<'a, R: DecodeRow<'a>>(&'a self) -> Result<R, Error> {
        self.opt()?.ok_or(Error::Shape(ShapeError::RowCount { rows: 0 }))
    }

    /// The row, if there is one.
    ///
    /// # Errors
    /// [`ShapeError::RowCount`] if there are several; those of [`Response::rows`] and of reading the row.
    pub fn opt<'a, R: DecodeRow<'a>>(&'a self) -> Result<Option<R>, Error> {
        let mut rows = self.rows()?;
        match self.row_count() {
            0 | 1 => Ok(rows.next().transpose()?),
            rows => Err(ShapeError::RowCount { rows }.into()),
        }
    }

    /// How many rows this page has.
    pub fn row_count(&self) -> usize {
        self.page().map_or(0, |page| page.row_count)
    }

    /// Names and types of the columns; empty if there are no rows.
    pub fn columns(&self) -> &[ColumnSpec] {
        self.page().map_or(&[], |page| &page.columns)
    }

    /// Where the next page begins; `None` after the last. A page may be empty and yet not the last.
    pub fn paging_state(&self) -> Option<&PagingState> {
        self.page().ok()?.paging_state.as_ref()
    }

    /// The node that answered.
    pub fn coordinator(&self) -> SocketAddr {
        self.answer.coordinator()
    }

    /// Whether a conditional statement, or a batch with one in it, found its conditions true and did what it says.
    ///
    /// # Errors
    /// [`ShapeError::NotConditional`] if the statement has no conditions.
    pub fn applied(&self) -> Result<bool, Error> {
        self.require_applied()?;
        let first = self.page_rows::<RawRow<'_>>()?.next().ok_or(ShapeError::RowCount { rows: 0 })?;
        Ok(first?.get(0)?)
    }

    /// What a conditional statement that was not [applied](Response::applied) found instead: the rows as they are, less the
    /// `[applied]` that comes first. A statement has one such row, or none if there is no row or its conditions name no column;
    /// a batch has as many as there are. If it was applied there are none.
    ///
    /// ```no_run
    /// # fn register(session: &helenus::Session) -> Result<(), helenus::Error> {
    /// let insert = "INSERT INTO ks.users (id, name) VALUES (?, ?) IF NOT EXISTS";
    /// let response = session.query(insert, (7_i64, "Ada")).wait()?;
    /// if !response.applied()? {
    ///     for row in response.existing::<(i64, &str)>()? {
    ///         let (id, name) = row?;
    ///         println!("{id} is taken by {name}");
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ShapeError::NotConditional`] if the statement has no conditions, [`Error::Row`] if the columns can't be read as `R`.
    pub fn existing<'a, R: DecodeRow<'a>>(&'a self) -> Result<Existing<'a, R>, Error> {
        self.require_applied()?;
        Ok(Existing(if self.columns().len() > 1 { Some(self.rows()?) } else { None }))
    }

    /// What was changed in the schema, if the statement did that.
    pub fn schema_change(&self) -> Option<SchemaChange<'_>> {
        match self.kind {
            Kind::SchemaChange => match decode(&self.answer).ok()?.message {
                Message::Result(ResultMessage::SchemaChange(change)) => Some(change),
                _ => None,
            },
            Kind::Void | Kind::Rows(_) => None,
        }
    }

    /// What the server warns of, in words for a person; v4 and later.
    pub fn warnings(&self) -> &[String] {
        self.notes.warnings()
    }

    /// The trace's id, if [tracing](crate::Request::tracing) was asked for.
    pub fn tracing_id(&self) -> Option<Uuid> {
        self.notes.tracing_id()
    }

    /// Reads the request's trace, as [`Session::trace`] does; `None` if it was not traced.
    pub fn trace(&self, session: &Session) -> Option<FetchTrace> {
        Some(session.trace(self.tracing_id()?))
    }

    /// What an extension of the server added; v4 and later.
    pub fn custom_payload(&self) -> &[(String, Option<Vec<u8>>)] {
        self.notes.custom_payload()
    }

    fn require_applied(&self) -> Result<(), ShapeError> {
        match self.columns().first() {
            Some(column) if *column.name == *APPLIED => Ok(()),
            _ => Err(ShapeError::NotConditional),
        }
    }

    fn page(&self) -> Result<&Page, ShapeError> {
        match &self.kind {
            Kind::Rows(page) => Ok(page),
            Kind::Void | Kind::SchemaChange => Err(ShapeError::NoRows),
        }
    }

    /// For those who own the response and read it row by row.
    pub(crate) fn cursor<R: for<'a> DecodeRow<'a>>(&self) -> Result<(Layout, RowCursor), Error> {
        let page = self.page()?;
        let cursor = RowCursor::new(&page.columns, page.row_count, page.content(&self.answer))?;
        Ok((R::check(&page.columns)?, cursor))
    }

    pub(crate) fn next_row<R: for<'a> DecodeRow<'a>>(
        &self,
        layout: &Layout,
        cursor: &mut RowCursor,
    ) -> Option<Result<R, Error>> {
        let page = self.page().ok()?;
        let row = cursor.next(layout, &page.columns, page.content(&self.answer))?;
        Some(row.map_err(Error::Row))
    }
}

impl Closed for Response {}

impl FromAnswer for Response {
    type Context = ();
    type Company = Infallible;

    #[inline(always)]
    fn join(_: &Session, _: &(), unsent: Unsent) -> Result<Infallible, Unsent> {
        Err(unsent)
    }

    fn poll_company(company: &mut Infallible, _: &Waker) -> Poll<Result<Result<Self, Error>, Unsent>> {
        match *company {}
    }

    #[inline]
    fn from_answer(answer: Done, _: (), keyspace: &Option<Arc<str>>) -> Result<Self, Error> {
        if is_void(answer.header(), answer.body()) {
            return Ok(Self { answer, kind: Kind::Void, notes: Notes::NONE });
        }
        Self::with_content(answer, keyspace.as_deref())
    }
}

impl Response {
    fn with_content(answer: Done, keyspace: Option<&str>) -> Result<Self, Error> {
        if let Some(page) = known_page(&answer) {
            return Ok(Self { answer, kind: Kind::Rows(page), notes: Notes::NONE });
        }
        let response = decode(&answer)?;
        let notes = Notes::of(&response.prefix);
        let kind = match response.message {
            Message::Result(ResultMessage::Void) => Kind::Void,
            Message::Result(ResultMessage::Rows(rows)) => Kind::Rows(page(&answer, rows, keyspace)?),
            Message::Result(ResultMessage::SchemaChange(_)) => Kind::SchemaChange,
            message => return Err(unexpected(&answer, message, notes)),
        };
        Ok(Self { answer, kind, notes })
    }
}

/// RESULT Rows with nothing before it.
const ROWS: [u8; 4] = [0, 0, 0, 2];

/// The page, if its metadata is the one that this statement's results had before.
fn known_page(answer: &Done) -> Option<Page> {
    let (header, body) = (answer.header(), answer.body());
    let plain = header.opcode == Opcode::Result.byte() && header.flags == Flags::NONE;
    let metadata = body.strip_prefix(&ROWS).filter(|_| plain)?;
    let (columns, rows) = answer.terms().statement.as_ref()?.seen.recognise(metadata)?;
    let (count, content) = rows.split_first_chunk()?;
    let row_count = usize::try_from(i32::from_be_bytes(*count)).ok()?;
    let content_at = body.len() - content.len();
    Some(Page { columns: columns.clone(), row_count, content_at, paging_state: None })
}

/// Remembers a page's metadata, if all of it is about the columns.
fn learn(answer: &Done, rows: &ProtocolRows<'_>, columns: &Arc<[ColumnSpec]>) {
    let alone = rows.metadata.paging_state.is_none() && rows.metadata.new_metadata_id.is_none();
    let statement = answer.terms().statement.as_ref();
    let Some(statement) = statement.filter(|_| alone && answer.header().flags == Flags::NONE) else { return };
    let end = answer.body().len() - rows.content.len() - size_of::<i32>();
    if let Some(metadata) = answer.body().get(ROWS.len()..end) {
        statement.seen.learn(metadata, columns);
    }
}

fn page(answer: &Done, rows: ProtocolRows<'_>, keyspace: Option<&str>) -> Result<Page, Error> {
    let known = || answer.terms().statement.as_ref().map(|statement| statement.result_columns.clone());
    let columns = rows.metadata.columns.clone().or_else(known).unwrap_or_default();
    if columns.len() != rows.metadata.column_count {
        // The server left the metadata out, and what we know of it doesn't fit: reading on would shift columns.
        let (expected, actual) = (columns.len() as i64, rows.metadata.column_count as i64);
        let what = if actual > expected {
            "more columns than were prepared"
        } else {
            "fewer columns than were prepared"
        };
        let error = helenus_core::protocol::DecodeError::Length { what, length: actual };
        return Err(Error::Response { node: answer.coordinator(), error });
    }
    learn(answer, &rows, &columns);
    if let (Some(statement), Some(_)) = (&answer.terms().statement, &rows.metadata.columns) {
        statement.learn_columns(rows.metadata.new_metadata_id, &columns);
    }
    let content_at = answer.body().len() - rows.content.len();
    let paging_state = rows.metadata.paging_state.map(|state| PagingState::of(answer, keyspace, state));
    Ok(Page { columns, row_count: rows.row_count, content_at, paging_state })
}

impl<'a, R: DecodeRow<'a>> Iterator for Existing<'a, R> {
    type Item = Result<R, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.0.as_mut()?.next()?;
        Some(row.map(|AfterFirst(row)| row).map_err(Error::Row))
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response")
            .field("kind", &self.kind())
            .field("coordinator", &self.coordinator())
            .field("rows", &self.row_count())
            .finish_non_exhaustive()
    }
}
