//! What the nodes did for a request that was traced.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use helenus_core::call::{Command, Notify, Terms};
use helenus_core::value::{TimeUuid, Timestamp, Uuid};

use crate::{Consistency, Error, Request, Response, Session};

/// What the nodes did for a request that was traced ([`Request::tracing`]).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Trace {
    /// Its id, that of [`Response::tracing_id`].
    pub id: Uuid,
    /// The node that took the request.
    pub coordinator: Option<IpAddr>,
    /// Who sent it.
    pub client: Option<IpAddr>,
    /// What kind of request it was, as `QUERY`.
    pub command: String,
    /// What it did, as `Execute CQL3 query`.
    pub request: String,
    /// The statement, its values, consistency and the like.
    pub parameters: BTreeMap<String, String>,
    /// When the coordinator began, by its clock.
    pub started_at: Option<Timestamp>,
    /// How long the coordinator took.
    pub duration: Duration,
    /// What happened, in the order of the nodes' clocks. Other nodes than the coordinator may tell more later.
    pub events: Vec<TraceEvent>,
}

/// One thing that a node did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TraceEvent {
    /// Made of the time at which it happened.
    pub id: TimeUuid,
    /// What it was.
    pub activity: String,
    /// The node.
    pub source: Option<IpAddr>,
    /// How long the node had been at it; `None` if it doesn't say.
    pub elapsed: Option<Duration>,
    /// The node's thread.
    pub thread: String,
}

/// A trace on its way: a future of it. See [`Session::trace`].
#[must_use = "nothing is read before this is awaited or waited for"]
pub struct FetchTrace {
    session: Session,
    id: Uuid,
    patience: Duration,
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Result<Trace, Error>> + Send>>;

/// How long the nodes are given to write a trace, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between the first two attempts to read it. Twice as long each time.
const PAUSE: Duration = Duration::from_millis(3);
const PAUSE_MAX: Duration = Duration::from_millis(250);

const SESSIONS: &str = "SELECT coordinator, client, command, request, parameters, started_at, duration \
                        FROM system_traces.sessions WHERE session_id = ?";
const EVENTS: &str = "SELECT event_id, activity, source, source_elapsed, thread \
                      FROM system_traces.events WHERE session_id = ?";

impl Session {
    /// Reads the trace of a request from `system_traces`, at consistency `ONE`. The nodes write it after they have answered,
    /// so it is looked for again, after pauses, until it is whole: for 5 s, unless [`FetchTrace::patience`] says otherwise.
    pub fn trace(&self, id: Uuid) -> FetchTrace {
        FetchTrace { session: self.clone(), id, patience: PATIENCE, reading: None }
    }

    /// Ends after this time by the machine's clock, which every reactor has.
    async fn pause(&self, duration: Duration) -> Result<(), Error> {
        let pause = self.inbox().submit(Command::Pause { duration }, Terms::default(), Notify::Nobody);
        let mut pause = pause.map_err(|rejected| Error::Request(rejected.error))?;
        poll_fn(|cx| pause.poll(cx.waker())).await?;
        Ok(())
    }
}

impl FetchTrace {
    /// How long it is looked for. Time spent reading comes on top of it.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Blocks until it is there.
    ///
    /// # Errors
    /// [`Error::TraceIncomplete`] if it isn't whole in time; those of reading it; [`Error::WouldDeadlock`] on a thread that
    /// runs the session's machine.
    pub fn wait(self) -> Result<Trace, Error> {
        let session = self.session.clone();
        session.block_on(self)?
    }
}

impl Future for FetchTrace {
    type Output = Result<Trace, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (session, id, patience) = (&this.session, this.id, this.patience);
        let reading = this.reading.get_or_insert_with(|| Box::pin(fetch(session.clone(), id, patience)));
        reading.as_mut().poll(cx)
    }
}

async fn fetch(session: Session, id: Uuid, patience: Duration) -> Result<Trace, Error> {
    let (mut waited, mut pause) = (Duration::ZERO, PAUSE);
    loop {
        if let Some(mut trace) = whole(&read(&session, SESSIONS, id).await?, id)? {
            trace.events = events(&session, id).await?;
            return Ok(trace);
        }
        if waited >= patience {
            return Err(Error::TraceIncomplete { id, waited });
        }
        pause = pause.min(patience - waited);
        session.pause(pause).await?;
        waited += pause;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

fn read(session: &Session, text: &str, id: Uuid) -> Request<Response> {
    session.query(text, (id,)).consistency(Consistency::One).idempotent(true)
}

/// The trace without its events, once the coordinator has written how long it took: the last thing that it writes.
fn whole(response: &Response, id: Uuid) -> Result<Option<Trace>, Error> {
    type Columns = (
        Option<IpAddr>,
        Option<IpAddr>,
        Option<String>,
        Option<String>,
        Option<BTreeMap<String, String>>,
        Option<Timestamp>,
        Option<i32>,
    );
    let row = response.opt::<Columns>()?;
    let Some((coordinator, client, command, request, parameters, started_at, Some(duration))) = row else {
        return Ok(None);
    };
    Ok(Some(Trace {
        id,
        coordinator,
        client,
        command: command.unwrap_or_default(),
        request: request.unwrap_or_default(),
        parameters: parameters.unwrap_or_default(),
        started_at,
        duration: micros(duration),
        events: Vec::new(),
    }))
}

async fn events(session: &Session, id: Uuid) -> Result<Vec<TraceEvent>, Error> {
    type Columns = (TimeUuid, Option<String>, Option<IpAddr>, Option<i32>, Option<String>);
    let mut rows = read(session, EVENTS, id).stream::<Columns>();
    let mut events = Vec::new();
    while let Some(row) = poll_fn(|cx| Pin::new(&mut rows).poll_next(cx)).await {
        let (id, activity, source, elapsed, thread) = row?;
        events.push(TraceEvent {
            id,
            activity: activity.unwrap_or_default(),
            source,
            elapsed: elapsed.map(micros),
            thread: thread.unwrap_or_default(),
        });
    }
    Ok(events)
}

/// The tables have microseconds, which are not negative.
fn micros(micros: i32) -> Duration {
    Duration::from_micros(micros.try_into().unwrap_or(0))
}

impl fmt::Debug for FetchTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchTrace")
            .field("id", &self.id)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
