//! The connections of a loop: what completions mean for each, and carrying out what the machine wishes.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use helenus_core::Time;
use helenus_core::reactor::{Action, CloseCause, ConnId, Event, Machine, OpenOptions};
use helenus_reactor_common::{Jobs, Outside, Table, finish_connect, start_connect};
use socket2::SockRef;

use super::ring::{Completion, Received, Ring, Sent};

pub(crate) struct Sockets {
    pub(crate) ring: Ring,
    jobs: Jobs,
    conns: Table<Conn>,
    /// Connections that the machine has closed, while the kernel is not done with them.
    leaving: BTreeMap<ConnId, Conn>,
    /// Connections that could not even begin to open; told in the next turn.
    failed: Vec<(ConnId, io::Error)>,
    /// Connections that don't receive at present. Not more are told to in one turn than there are buffers, or the others
    /// would find none.
    deaf: VecDeque<ConnId>,
    /// Connections that have something to send.
    dirty: Vec<ConnId>,
    /// How often a receive found no buffer, over all rings of this reactor.
    starved: Arc<AtomicU64>,
}

struct Conn {
    socket: TcpStream,
    phase: Phase,
    receiving: bool,
    sending: bool,
    /// The machine had something to send before it was connected.
    wants_send: bool,
    /// Bytes came that nobody wanted any more.
    unread: bool,
    /// How many bytes of a block that was not sent whole the kernel took.
    accepted_bytes: usize,
}

enum Phase {
    Connecting,
    Open,
    /// It is over; told once no operation is left, for only then it is known what was sent.
    Ending(CloseCause),
}

impl Sockets {
    pub(crate) fn new(ring: Ring, starved: Arc<AtomicU64>) -> Self {
        let jobs = Jobs::new(ring.waker());
        let (failed, deaf, dirty) = (Vec::new(), VecDeque::new(), Vec::new());
        Self { ring, jobs, conns: Table::new(), leaving: BTreeMap::new(), failed, deaf, dirty, starved }
    }

    fn complete(&mut self, now: Time, machine: &mut dyn Machine, completion: Completion) {
        match completion {
            Completion::Connected(conn) => self.connected(now, machine, conn),
            Completion::Received(received) => self.received(now, machine, received),
            Completion::Sent(sent) => self.sent(now, machine, sent),
        }
    }

    fn connected(&mut self, now: Time, machine: &mut dyn Machine, id: ConnId) {
        let Some(conn) = self.conns.find(id) else { return };
        match finish_connect(&conn.socket) {
            Ok(true) => {}
            Ok(false) => return self.ring.watch_connecting(id, &conn.socket),
            Err(error) => return self.closed(now, machine, id, CloseCause::Connect(error)),
        }
        conn.phase = Phase::Open;
        self.deaf.push_back(id);
        if std::mem::take(&mut conn.wants_send) {
            self.dirty.push(id);
        }
        machine.handle(now, Event::Opened { conn: id });
    }

    fn received(&mut self, now: Time, machine: &mut dyn Machine, received: Received) {
        let Received { conn: id, buffer, outcome, goes_on } = received;
        let Some(conn) = self.conns.find(id) else {
            buffer.into_iter().for_each(|buffer| self.ring.give_back(buffer));
            return self.passed(id, |conn| {
                conn.receiving = goes_on;
                conn.unread |= outcome.is_ok_and(|count| count > 0);
            });
        };
        conn.receiving = goes_on;
        match outcome {
            Ok(0) => conn.end(&self.ring, CloseCause::Eof),
            Ok(_) => {}
            Err(error) if is_no_buffer(&error) => drop(self.starved.fetch_add(1, Ordering::Relaxed)),
            Err(error) if is_passing(&error) => {}
            Err(error) => conn.end(&self.ring, CloseCause::Io(error)),
        }
        if !goes_on && matches!(conn.phase, Phase::Open) {
            self.deaf.push_back(id);
        }
        if let Some(buffer) = buffer {
            let bytes = self.ring.bytes(&buffer);
            if !bytes.is_empty() {
                machine.handle(now, Event::Bytes { conn: id, bytes });
            }
            self.ring.give_back(buffer);
        }
        self.conclude(now, machine, id);
    }

    fn sent(&mut self, now: Time, machine: &mut dyn Machine, sent: Sent) {
        let Sent { conn: id, block, from, outcome } = sent;
        let Some(conn) = self.conns.find(id) else { return self.passed(id, |conn| conn.sending = false) };
        let taken = from + outcome.as_ref().map_or(0, |count| *count);
        if taken == block.0.len() {
            conn.sending = false;
            machine.handle(now, Event::Sent { conn: id, block });
            return self.conclude(now, machine, id);
        }
        let failure = match outcome {
            Ok(0) => Some(io::ErrorKind::WriteZero.into()),
            Err(error) if !is_passing(&error) => Some(error),
            _ => None,
        };
        match (failure, &conn.phase) {
            (None, Phase::Open) => return self.ring.send(id, &conn.socket, block, taken),
            (None, _) => {}
            (Some(error), _) => conn.end(&self.ring, CloseCause::Io(error)),
        }
        (conn.sending, conn.accepted_bytes) = (false, taken);
        self.conclude(now, machine, id);
    }

    /// Tells the end of a connection that has ended, if nothing of it is left with the kernel.
    fn conclude(&mut self, now: Time, machine: &mut dyn Machine, id: ConnId) {
        let Some(conn) = self.conns.find(id) else { return };
        if conn.receiving || conn.sending {
            return;
        }
        if let Phase::Ending(cause) = std::mem::replace(&mut conn.phase, Phase::Open) {
            self.closed(now, machine, id, cause);
        }
    }

    fn closed(&mut self, now: Time, machine: &mut dyn Machine, id: ConnId, cause: CloseCause) {
        let Some(conn) = self.conns.remove(id) else { return };
        self.ring.close(conn.socket);
        machine.handle(now, Event::Closed { conn: id, accepted_bytes: conn.accepted_bytes, cause });
    }

    fn open(&mut self, id: ConnId, address: SocketAddr, options: &OpenOptions) {
        // Blocking, or an operation that has to wait would fail instead.
        let socket =
            start_connect(address, options).and_then(|socket| socket.set_nonblocking(false).map(|()| socket));
        let socket = match socket {
            Ok(socket) => socket,
            Err(error) => return self.failed.push((id, error)),
        };
        self.ring.watch_connecting(id, &socket);
        // An index is free only after its connection was closed.
        self.conns.insert(id, Conn::new(socket));
    }

    fn close(&mut self, id: ConnId) {
        // No event may follow, so neither may one that waits to be told.
        self.failed.retain(|(failed, _)| *failed != id);
        if let Some(conn) = self.conns.remove(id) {
            self.ring.shut(&conn.socket);
            self.leaving.insert(id, conn);
            self.passed(id, |_| {});
        }
    }

    /// Something has become of an operation of a connection that is closed. After the last the socket is.
    fn passed(&mut self, id: ConnId, note: impl FnOnce(&mut Conn)) {
        let Some(conn) = self.leaving.get_mut(&id) else { return };
        note(conn);
        if conn.receiving || conn.sending {
            return;
        }
        if conn.unread {
            // As when a socket is closed with bytes unread: a peer that still sends learns that it is in vain. Otherwise it
            // would wait for room, until this end's state is forgotten after a minute.
            let _ = SockRef::from(&conn.socket).set_linger(Some(Duration::ZERO));
        }
        if let Some(conn) = self.leaving.remove(&id) {
            self.ring.close(conn.socket);
        }
    }

    fn send(&mut self, machine: &mut dyn Machine, id: ConnId) {
        let Some(conn) = self.conns.find(id) else { return };
        match conn.phase {
            Phase::Connecting => conn.wants_send = true,
            Phase::Open => {
                if let Some(block) = machine.take_block(id) {
                    conn.sending = true;
                    self.ring.send(id, &conn.socket, block, 0);
                }
            }
            Phase::Ending(_) => {}
        }
    }

    fn receive(&mut self) {
        for _ in 0..self.ring.buffer_count() {
            let Some(id) = self.deaf.pop_front() else { return };
            let Some(conn) = self.conns.find(id) else { continue };
            if matches!(conn.phase, Phase::Open) {
                conn.receiving = true;
                self.ring.receive(id, &conn.socket);
            }
        }
    }
}

impl Outside for Sockets {
    fn tell(&mut self, now: Time, machine: &mut dyn Machine) {
        for (conn, error) in self.failed.drain(..) {
            machine.handle(now, Event::Closed { conn, accepted_bytes: 0, cause: CloseCause::Connect(error) });
        }
        while let Some(answer) = self.jobs.answer() {
            machine.handle(now, Event::Done { job: answer.job, outcome: answer.outcome });
        }
        for _ in 0..self.ring.completions() {
            let Some(completion) = self.ring.next_completion() else { break };
            self.complete(now, machine, completion);
        }
    }

    fn act(&mut self, now: Time, machine: &mut dyn Machine) -> bool {
        while let Some(action) = machine.poll_action(now) {
            match action {
                Action::Open { conn, address, options } => self.open(conn, address, &options),
                Action::Send(conn) => self.dirty.push(conn),
                Action::Close(conn) => self.close(conn),
                Action::Offload { job, work } => self.jobs.start(job, work),
                Action::Exit => return true,
            }
        }
        false
    }

    fn flush(&mut self, _now: Time, machine: &mut dyn Machine) {
        // Receives first: an answer may come while the submission goes on.
        self.receive();
        while let Some(id) = self.dirty.pop() {
            self.send(machine, id);
        }
    }

    fn has_work(&self) -> bool {
        !(self.failed.is_empty() && self.deaf.is_empty() && self.dirty.is_empty())
            || self.jobs.has_unannounced()
    }

    fn close_all(&mut self) {
        let leaving = std::mem::take(&mut self.leaving).into_values();
        self.conns.drain().chain(leaving).for_each(|conn| self.ring.close(conn.socket));
        self.ring.quiesce();
    }
}

impl Conn {
    fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            phase: Phase::Connecting,
            receiving: false,
            sending: false,
            wants_send: false,
            unread: false,
            accepted_bytes: 0,
        }
    }

    /// The first cause is the one that is told.
    fn end(&mut self, ring: &Ring, cause: CloseCause) {
        if matches!(self.phase, Phase::Open) {
            ring.shut(&self.socket);
            self.phase = Phase::Ending(cause);
        }
    }
}

fn is_no_buffer(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS)
}

/// Whether an operation only has to be submitted again. It is cancelled, for example, when the thread ends that submitted it.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ECANCELED | libc::EAGAIN | libc::EINTR))
}
