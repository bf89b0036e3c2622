//! The sockets of a shard: what was reported about each, and carrying out what the machine wishes.

use std::io;
use std::net::SocketAddr;
use std::task::Waker;

use helenus_core::Time;
use helenus_core::reactor::{
    Action, CloseCause, ConnId, Event, Filled, Flushed, Job, JobId, Machine, OpenOptions,
};

use crate::{Jobs, Outside, Table};

/// The sockets of a readiness loop. No call may block.
pub trait Net {
    /// A TCP connection, maybe still being made.
    type Socket;

    /// Whether a read that fills only part of its room has emptied the socket, so that the loop will report when it
    /// can be read again. True of epoll and kqueue. If not, the socket is read until that would block.
    const SHORT_READ_DRAINS: bool = true;

    /// Begins to connect and to watch. The loop reports by [`Shard::ready`](crate::Shard::ready) when the socket may be
    /// connected; [`start_connect`](crate::start_connect) is the usual way.
    fn open(&mut self, conn: ConnId, address: SocketAddr, options: &OpenOptions) -> io::Result<Self::Socket>;

    /// Whether it is connected now; see [`finish_connect`](crate::finish_connect). If `Ok(false)`, the loop reports again.
    fn opened(&mut self, socket: &mut Self::Socket) -> io::Result<bool>;

    /// As `Read::read`. After `WouldBlock`, or a short read if those drain, the loop reports when it can be read again.
    fn read(&mut self, socket: &mut Self::Socket, room: &mut [u8]) -> io::Result<usize>;

    /// As `Write::write`. After `WouldBlock` the loop reports when it can be written again.
    fn write(&mut self, socket: &mut Self::Socket, bytes: &[u8]) -> io::Result<usize>;

    /// Stops to watch it, and closes it.
    fn close(&mut self, socket: Self::Socket);
}

/// What a loop reports about a socket. Saying too much costs a system call; saying too little, a hang.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// It can be read, or reading will tell its error.
    pub readable: bool,
    /// It can be written, or is connected, or could not be.
    pub writable: bool,
    /// The peer has closed its side. Edge-triggered loops must say it: the end may have come together with the last
    /// bytes, and then no further edge announces it.
    pub ended: bool,
}

pub(crate) struct World<N: Net> {
    pub(crate) net: N,
    pub(crate) jobs: Jobs,
    conns: Table<Conn<N::Socket>>,
    /// Connections with something reported, each once.
    ready: Vec<ConnId>,
    /// The memory of the list that a turn works off.
    spare: Vec<ConnId>,
    /// Connections to be flushed.
    dirty: Vec<ConnId>,
    /// Connections that could not even begin to open; told in the next turn.
    failed: Vec<(ConnId, io::Error)>,
}

struct Conn<S> {
    socket: S,
    reported: Readiness,
    listed: bool,
    /// Connecting, or full: a flush now would only cost a system call.
    blocked: bool,
    connecting: bool,
    /// The machine has bytes to send.
    wants_flush: bool,
}

impl<N: Net> Outside for World<N> {
    fn has_work(&self) -> bool {
        !(self.ready.is_empty() && self.failed.is_empty() && self.dirty.is_empty())
            || self.jobs.has_unannounced()
    }

    /// What it does not finish reading is listed for the next turn.
    fn tell(&mut self, now: Time, machine: &mut dyn Machine) {
        for (conn, error) in self.failed.drain(..) {
            machine.handle(now, Event::Closed { conn, accepted_bytes: 0, cause: CloseCause::Connect(error) });
        }
        while let Some(answer) = self.jobs.answer() {
            machine.handle(now, Event::Done { job: answer.job, outcome: answer.outcome });
        }
        let mut ready = std::mem::replace(&mut self.ready, std::mem::take(&mut self.spare));
        for id in ready.drain(..) {
            if self.look(now, machine, id) {
                self.report(id, Readiness { readable: true, ..Readiness::default() });
            }
        }
        self.spare = ready;
    }

    fn act(&mut self, now: Time, machine: &mut dyn Machine) -> bool {
        while let Some(action) = machine.poll_action(now) {
            match action {
                Action::Open { conn, address, options } => self.open(conn, address, &options),
                Action::Send(conn) => self.mark(conn),
                Action::Close(conn) => self.close(conn),
                Action::Offload { job, work } => self.offload(job, work),
                Action::Exit => return true,
            }
        }
        false
    }

    /// Flushes each marked connection once.
    fn flush(&mut self, now: Time, machine: &mut dyn Machine) {
        while let Some(id) = self.dirty.pop() {
            let Some(conn) = self.conns.find(id) else { continue };
            let (net, socket) = (&mut self.net, &mut conn.socket);
            let flushed = machine.flush(now, id, &mut |bytes| uninterrupted(|| net.write(socket, bytes)));
            conn.blocked = flushed == Flushed::Blocked;
            conn.wants_flush = conn.blocked;
        }
    }

    fn close_all(&mut self) {
        self.conns.drain().for_each(|conn| self.net.close(conn.socket));
    }
}

impl<N: Net> World<N> {
    pub(crate) fn new(net: N, waker: Waker) -> Self {
        Self {
            net,
            jobs: Jobs::new(waker),
            conns: Table::new(),
            ready: Vec::new(),
            spare: Vec::new(),
            dirty: Vec::new(),
            failed: Vec::new(),
        }
    }

    pub(crate) fn id_at(&self, index: usize) -> Option<ConnId> {
        self.conns.id_at(index)
    }

    pub(crate) fn report(&mut self, id: ConnId, readiness: Readiness) {
        let Some(conn) = self.conns.find(id) else { return };
        conn.reported.readable |= readiness.readable | readiness.ended;
        conn.reported.writable |= readiness.writable;
        conn.reported.ended |= readiness.ended;
        if !std::mem::replace(&mut conn.listed, true) {
            self.ready.push(id);
        }
    }

    /// Handles what was reported about one connection. Says whether there is more to read.
    fn look(&mut self, now: Time, machine: &mut dyn Machine, id: ConnId) -> bool {
        let Some(conn) = self.conns.find(id) else { return false };
        conn.listed = false;
        if conn.connecting {
            match self.net.opened(&mut conn.socket) {
                Ok(true) => conn.connecting = false,
                Ok(false) => return false,
                Err(error) => {
                    self.close(id);
                    let cause = CloseCause::Connect(error);
                    machine.handle(now, Event::Closed { conn: id, accepted_bytes: 0, cause });
                    return false;
                }
            }
            conn.reported.writable = true;
            machine.handle(now, Event::Opened { conn: id });
        }
        if std::mem::take(&mut conn.reported.writable) {
            conn.blocked = false;
            if conn.wants_flush {
                self.dirty.push(id);
            }
        }
        std::mem::take(&mut conn.reported.readable) && fill(&mut self.net, conn, now, machine, id)
    }

    fn open(&mut self, id: ConnId, address: SocketAddr, options: &OpenOptions) {
        let socket = match self.net.open(id, address, options) {
            Ok(socket) => socket,
            Err(error) => return self.failed.push((id, error)),
        };
        let reported = Readiness::default();
        let conn =
            Conn { socket, reported, listed: false, blocked: true, connecting: true, wants_flush: false };
        if let Some(old) = self.conns.insert(id, conn) {
            self.net.close(old.socket);
        }
    }

    fn mark(&mut self, id: ConnId) {
        let Some(conn) = self.conns.find(id) else { return };
        let known = std::mem::replace(&mut conn.wants_flush, true);
        if !known && !conn.blocked {
            self.dirty.push(id);
        }
    }

    fn close(&mut self, id: ConnId) {
        // No event may follow, so neither may one that waits to be told.
        self.failed.retain(|(failed, _)| *failed != id);
        if let Some(conn) = self.conns.remove(id) {
            self.net.close(conn.socket);
        }
    }

    fn offload(&mut self, job: JobId, work: Job) {
        self.jobs.start(job, work);
    }
}

/// One bounded read. Says whether the socket may hold more that nobody will report.
fn fill<N: Net>(
    net: &mut N,
    conn: &mut Conn<N::Socket>,
    now: Time,
    machine: &mut dyn Machine,
    id: ConnId,
) -> bool {
    let (socket, reported) = (&mut conn.socket, &mut conn.reported);
    let mut more = false;
    let filled = machine.fill(now, id, &mut |room| {
        let read = uninterrupted(|| net.read(socket, room));
        match read {
            Ok(count) => more = count > 0 && (count == room.len() || reported.ended || !N::SHORT_READ_DRAINS),
            Err(_) => reported.ended = false,
        }
        read
    });
    more || filled == Filled::More
}

fn uninterrupted(mut call: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
