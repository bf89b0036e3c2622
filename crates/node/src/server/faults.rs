//! Rules carried out: between a request and the bytes of its answer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use helenus_core::protocol::request::{BatchQuery, Request, split_payload};
use helenus_core::protocol::response::{Failures, Message};
use helenus_core::protocol::{Consistency, ErrorKind, Header, Opcode, ServerError, Version};

use super::connection::Broken;
use super::dispatch::Dispatch;
use super::output::{Framing, Output};
use super::protocol::{Protocol, Stage};
use crate::exec::Cache;
use crate::inject::{Action, Asked, Watch};
use crate::refusal::{too_long, unprepared};

/// How many answers may be held back at once; the connection that asks for more is closed.
const DELAYED_LIMIT: usize = 1 << 18;

/// An answer that is held back: the earliest first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Delayed {
    pub(super) due: Instant,
    pub(super) slot: usize,
    pub(super) number: u64,
    pub(super) bytes: Vec<u8>,
}

/// Answers that are held back.
#[derive(Default)]
pub(super) struct Waiting(BinaryHeap<Reverse<Delayed>>);

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn first_due(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse(first)| first.due)
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Option<Delayed> {
        if self.first_due()? > now {
            return None;
        }
        self.0.pop().map(|Reverse(first)| first)
    }

    fn push(&mut self, delayed: Delayed) -> Result<(), Broken> {
        if self.0.len() >= DELAYED_LIMIT {
            return Err(Broken);
        }
        self.0.push(Reverse(delayed));
        Ok(())
    }
}

impl Dispatch {
    /// As `answer`, but what the rules say is done to it.
    #[cold]
    pub(super) fn answer_watched(
        &mut self,
        protocol: &mut Protocol,
        version: Version,
        header: &Header,
        body: &[u8],
        output: &mut Output,
    ) -> Result<(), Broken> {
        let Some(mut watch) = self.watch.take() else {
            return self.answer(protocol, version, header, body, output);
        };
        let action = look(&mut watch, &self.caches[protocol.node], protocol, version, header, body);
        let answered = match action {
            None => self.answer(protocol, version, header, body, output),
            Some(action) => self.act(action, &mut watch, protocol, version, header, body, output),
        };
        self.watch = Some(watch);
        answered
    }

    #[expect(clippy::too_many_arguments, reason = "a request and the rule that met it")]
    fn act(
        &mut self,
        action: Action,
        watch: &mut Watch,
        protocol: &mut Protocol,
        version: Version,
        header: &Header,
        body: &[u8],
        output: &mut Output,
    ) -> Result<(), Broken> {
        let stream = header.stream;
        let framing = protocol.framing();
        let mut run = |header: &Header, protocol: &mut Protocol| self.aside(protocol, version, header, body);
        match action {
            Action::Delay(by) => {
                let bytes = run(header, protocol)?;
                let (slot, number) = (protocol.slot, protocol.number);
                let due = Instant::now().checked_add(by).ok_or(Broken)?;
                self.waiting.push(Delayed { due, slot, number, bytes })
            }
            Action::DropRequest => Ok(()),
            Action::DropAnswer => run(header, protocol).map(drop),
            Action::Fail(error) => fail(protocol, version, stream, error, output),
            Action::RunThenFail(error) => {
                let frame = protocol.frame(version, stream);
                run(header, protocol)?;
                put_error(frame, error, output)
            }
            Action::Unprepared => match executed_id(version, header, body) {
                None => self.answer(protocol, version, header, body, output),
                Some(id) => {
                    if let Ok(id) = id.try_into() {
                        self.caches[protocol.node].remove(&id);
                    }
                    fail(protocol, version, stream, unprepared(id), output)
                }
            },
            Action::CloseBefore => Err(Broken),
            Action::CloseAfter => {
                output.raw(&run(header, protocol)?)?;
                Err(Broken)
            }
            Action::CloseWithin(len) => {
                let bytes = run(header, protocol)?;
                output.raw(&bytes[..len.min(bytes.len())])?;
                Err(Broken)
            }
            Action::Bytewise => {
                output.raw(&run(header, protocol)?)?;
                protocol.bytewise = true;
                Ok(())
            }
            Action::Corrupt => {
                let mut bytes = run(header, protocol)?;
                let wrong = match framing {
                    Framing::Segments | Framing::Lz4Segments => bytes.last_mut(),
                    Framing::Envelopes | Framing::Compressed(_) => bytes.first_mut(),
                };
                wrong.into_iter().for_each(|byte| *byte ^= 0x55);
                output.raw(&bytes)
            }
            Action::WrongStream(stream) => output.raw(&run(&Header { stream, ..*header }, protocol)?),
            Action::Garbage(len) => output.raw(&watch.garbage(len)),
        }
    }

    /// Runs a request and gives its answer, framed.
    fn aside(
        &mut self,
        protocol: &mut Protocol,
        version: Version,
        header: &Header,
        body: &[u8],
    ) -> Result<Vec<u8>, Broken> {
        let mut output = Output::default();
        self.answer(protocol, version, header, body, &mut output)?;
        output.seal().map_err(|_| Broken)?;
        Ok(output.bytes)
    }
}

fn look(
    watch: &mut Watch,
    cache: &Cache,
    protocol: &Protocol,
    version: Version,
    header: &Header,
    body: &[u8],
) -> Option<Action> {
    // What can't be read is refused as ever.
    let (_, body) = split_payload(version, header.flags, body).ok()?;
    let request = Request::decode(version, header.opcode, body).ok()?;
    let texts = texts(cache, &request);
    watch.look(&Asked {
        node: protocol.node,
        connection: protocol.number,
        ready: protocol.stage == Stage::Ready,
        version,
        stream: header.stream,
        opcode: Opcode::from_byte(header.opcode),
        texts: &texts,
        keyspace: protocol.keyspace.as_deref(),
        consistency: consistency(&request),
    })
}

fn texts<'a>(cache: &'a Cache, request: &Request<'a>) -> Vec<&'a str> {
    let known = |id: &[u8]| cache.find(id).map(|prepared| prepared.text.as_str());
    match request {
        Request::Query(query) => vec![query.text],
        Request::Prepare(prepare) => vec![prepare.text],
        Request::Execute(execute) => known(execute.id).into_iter().collect(),
        Request::Batch(batch) => {
            let text = |query: &BatchQuery<'a>| match *query {
                BatchQuery::Text(text) => Some(text),
                BatchQuery::Prepared(id) => known(id),
            };
            batch.statements.iter().filter_map(|statement| text(&statement.query)).collect()
        }
        _ => Vec::new(),
    }
}

fn consistency(request: &Request<'_>) -> Option<Consistency> {
    match request {
        Request::Query(query) => Some(query.parameters.options.consistency),
        Request::Execute(execute) => Some(execute.parameters.options.consistency),
        Request::Batch(batch) => Some(batch.options.consistency),
        _ => None,
    }
}

/// The id of the first prepared statement that a request executes.
fn executed_id<'a>(version: Version, header: &Header, body: &'a [u8]) -> Option<&'a [u8]> {
    let (_, body) = split_payload(version, header.flags, body).ok()?;
    match Request::decode(version, header.opcode, body).ok()? {
        Request::Execute(execute) => Some(execute.id),
        Request::Batch(batch) => batch.statements.iter().find_map(|statement| match statement.query {
            BatchQuery::Prepared(id) => Some(id),
            BatchQuery::Text(_) => None,
        }),
        _ => None,
    }
}

fn fail(
    protocol: &Protocol,
    version: Version,
    stream: i16,
    error: ServerError,
    output: &mut Output,
) -> Result<(), Broken> {
    put_error(protocol.frame(version, stream), error, output)
}

fn put_error(frame: super::output::Frame, mut error: ServerError, output: &mut Output) -> Result<(), Broken> {
    if let ErrorKind::ReadFailure { failures, .. } | ErrorKind::WriteFailure { failures, .. } =
        &mut error.kind
    {
        // From v5 on each failure has an address and a reason: 'unknown' is 0.
        if let (Version::V5, Failures::Count(count)) = (frame.version, &*failures) {
            let count = usize::try_from(*count).unwrap_or_default().min(1_000);
            *failures = Failures::Reasons(vec![(IpAddr::V4(Ipv4Addr::LOCALHOST), 0); count].into());
        }
    }
    let message = Message::Error(error);
    let put = output.envelope(frame, Opcode::Error, |out| message.put(frame.version, out).map_err(too_long));
    put.map_err(|_| Broken)
}
