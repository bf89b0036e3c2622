//! A shard, and everything around it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::super::*;
use crate::PreparedStatement;
use crate::call::{Call, Command, Notify, Terms};
use crate::inbox::Limits;
use crate::protocol::response::{Message, Prepared, ResultMessage};
use crate::protocol::{ErrorKind, Flags, Header, Opcode, ServerError, Version, envelope};
use crate::reactor::{JobOutcome, Latch};

pub(super) const MS: Duration = Duration::from_millis(1);

/// A shard and everything around it.
pub(super) struct Rig {
    pub(super) shard: Option<Shard>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) counters: CounterReader,
    #[cfg_attr(
        not(all(feature = "lz4", feature = "snappy")),
        expect(dead_code, reason = "the tests of compression look at it")
    )]
    pub(super) agreed: Arc<Agreed>,
    pub(super) now: Time,
    /// Opened and not closed, in order.
    pub(super) open: Vec<ConnId>,
    /// Bytes that the kernel took and the server has not looked at.
    pub(super) sent: BTreeMap<ConnId, Vec<u8>>,
    /// Blocks stay with the kernel, which takes nothing of them.
    pub(super) stuck: bool,
    /// Blocks are not asked for: the test flushes.
    pub(super) keep_blocks: bool,
    pub(super) closed: Vec<ConnId>,
    pub(super) exited: bool,
}

impl Rig {
    pub(super) fn new(points: &[&str], configure: impl FnOnce(&mut Config)) -> Self {
        Self::with_room(20, points, configure)
    }

    /// For so many requests at once.
    pub(super) fn with_room(
        in_flight_max: usize,
        points: &[&str],
        configure: impl FnOnce(&mut Config),
    ) -> Self {
        let points = points.iter().map(|point| ContactPoint::parse(point, 9042).unwrap());
        let mut config = Config::new(points.collect());
        config.version = Version::V4;
        configure(&mut config);
        let inbox = Arc::new(Inbox::new(Limits { in_flight_max, ..Limits::default() }));
        let (counters, agreed) = (CounterReader::default(), Arc::<Agreed>::default());
        let shard = Shard::new(Shared {
            config: Arc::new(config),
            inbox: inbox.clone(),
            agreed: agreed.clone(),
            counters: counters.clone(),
            shard: 0,
            errands: Latch::new(),
        });
        let mut rig = Self {
            shard: Some(shard),
            inbox,
            counters,
            agreed,
            now: Time::ZERO,
            open: Vec::new(),
            sent: BTreeMap::new(),
            stuck: false,
            keep_blocks: false,
            closed: Vec::new(),
            exited: false,
        };
        rig.turn();
        rig
    }

    /// One node, one connection, ready.
    pub(super) fn ready(configure: impl FnOnce(&mut Config)) -> (Self, ConnId) {
        let mut rig = Self::new(&["10.0.0.1"], configure);
        let conn = rig.open[0];
        rig.make_ready(conn);
        (rig, conn)
    }

    pub(super) fn make_ready(&mut self, conn: ConnId) {
        self.event(Event::Opened { conn });
        self.take_requests(conn);
        self.reply(conn, 0, &Message::Ready);
    }

    fn shard(&mut self) -> &mut Shard {
        self.shard.as_mut().unwrap()
    }

    fn turn(&mut self) {
        let now = self.now;
        let mut batch = Settled::new();
        let shard = self.shard();
        shard.begin(now);
        if shard.deadline().is_some_and(|at| at <= now) {
            shard.handle(now, Event::Tick);
        }
        shard.take_inbox(now, 1_000);
        // What was sent may have been the last of a connection.
        while self.act() {}
        self.shard().settle(&mut batch);
        batch.deliver();
    }

    /// Carries wishes out. Whether anything was sent.
    fn act(&mut self) -> bool {
        let (now, mut sends) = (self.now, Vec::new());
        while let Some(action) = self.shard().poll_action(now) {
            match action {
                Action::Open { conn, .. } => self.open.push(conn),
                Action::Send(conn) => sends.push(conn),
                Action::Close(conn) => {
                    self.open.retain(|open| *open != conn);
                    self.closed.push(conn);
                }
                Action::Offload { job, .. } => {
                    let outcome = JobOutcome::Resolved(Err(io::Error::other("no such host")));
                    self.shard().handle(now, Event::Done { job, outcome });
                }
                Action::Exit => self.exited = true,
            }
        }
        if self.keep_blocks {
            return false;
        }
        let any = !sends.is_empty();
        for conn in sends {
            let Some(block) = self.shard().take_block(conn) else { continue };
            if !self.stuck {
                self.sent.entry(conn).or_default().extend(&block.0);
                self.shard().handle(now, Event::Sent { conn, block });
            }
        }
        any
    }

    pub(super) fn event(&mut self, event: Event<'_>) {
        let now = self.now;
        self.shard().handle(now, event);
        self.turn();
    }

    pub(super) fn bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        self.event(Event::Bytes { conn, bytes });
    }

    pub(super) fn reply(&mut self, conn: ConnId, stream: i16, message: &Message<'_>) {
        self.bytes(conn, &response(Version::V4, stream, message));
    }

    pub(super) fn refuse(&mut self, conn: ConnId) {
        self.open.retain(|open| *open != conn);
        let cause = CloseCause::Connect(io::ErrorKind::ConnectionRefused.into());
        self.event(Event::Closed { conn, accepted_bytes: 0, cause });
    }

    pub(super) fn lose(&mut self, conn: ConnId, accepted_bytes: usize) {
        self.open.retain(|open| *open != conn);
        self.event(Event::Closed { conn, accepted_bytes, cause: CloseCause::Eof });
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.turn();
    }

    pub(super) fn submit(&mut self, command: Command, terms: Terms) -> Call {
        let call = self.inbox.submit(command, terms, Notify::Nobody).unwrap();
        self.turn();
        call
    }

    pub(super) fn query(&mut self, terms: Terms) -> Call {
        self.submit(Command::Send(query()), terms)
    }

    /// What the server got on a connection, as opcode and stream.
    pub(super) fn take_requests(&mut self, conn: ConnId) -> Vec<(Opcode, i16)> {
        let bytes = self.sent.remove(&conn).unwrap_or_default();
        frames(&bytes).into_iter().map(|(header, _)| (opcode(&header), header.stream)).collect()
    }
}

pub(super) fn opcode(header: &Header) -> Opcode {
    Opcode::from_byte(header.opcode).unwrap()
}

pub(super) fn frames(mut bytes: &[u8]) -> Vec<(Header, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<{ Header::LEN }>() {
        let header = Header::parse(head);
        let (body, rest) = rest.split_at(header.length as usize);
        found.push((header, body.to_vec()));
        bytes = rest;
    }
    assert!(bytes.is_empty(), "only whole frames are sent");
    found
}

pub(super) fn response(version: Version, stream: i16, message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let start = envelope::begin(&mut out, version, Flags::NONE, message.opcode());
    message.put(version, &mut out).unwrap();
    envelope::finish(&mut out, start).unwrap();
    envelope::set_stream(&mut out, stream);
    out
}

pub(super) fn query() -> Vec<u8> {
    handshake::frame(Version::V4, Opcode::Query, |out| {
        crate::protocol::request::Query::new("SELECT").put(Version::V4, out)
    })
    .unwrap()
}

pub(super) fn error(kind: ErrorKind) -> Message<'static> {
    Message::Error(ServerError::new(kind, "no"))
}

pub(super) const VOID: Message<'static> = Message::Result(ResultMessage::Void);

pub(super) fn prepared(id: &[u8]) -> Message<'_> {
    Message::Result(ResultMessage::Prepared(Prepared { id, ..Prepared::default() }))
}

pub(super) fn statement() -> Arc<PreparedStatement> {
    Arc::new(PreparedStatement { text: "INSERT".into(), id: (*b"id").into(), ..PreparedStatement::default() })
}

pub(super) fn within(timeout: Duration) -> Terms {
    Terms { timeout: Some(timeout), ..Terms::default() }
}
