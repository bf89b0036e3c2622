//! The ring: operations go in, completions come out, and one system call does both.
//!
//! `unsafe`, because the kernel reads and writes memory that operations name until their last completion. What it may use
//! is owned here and nowhere else: the receive buffers, the blocks being sent, and eight bytes for wakes. It is freed after
//! the last completion, or never.

use std::collections::VecDeque;
use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use helenus_core::reactor::{Block, ConnId};
use io_uring::squeue::{Entry, Flags};
use io_uring::types::{CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{EnterFlags, IoUring, cqueue, opcode};

use super::buffers::{Buffer, Buffers, Shape};

/// How many operations one enter submits at most; more enter in between.
const SUBMISSIONS: u32 = 512;
/// How many completions one turn handles at most. The kernel keeps what doesn't fit.
const COMPLETIONS: u32 = 4096;
/// The one group of buffers.
const GROUP: u16 = 0;
/// A send of so many bytes is expected to be done at once, for the socket's buffer is larger.
const QUICK_BYTES: usize = 16 * 1024;
/// How many sends are expected to be done at once.
const QUICK_MAX: u32 = 256;
/// How long a sleep that expects them lasts if one is not: the most that another completion may have to wait for it.
const QUICK_WAIT: Duration = Duration::from_millis(5);
/// How long the kernel gets to let go of something, and how often, before its memory is given up.
const QUIESCE_STEP: Duration = Duration::from_millis(100);
const QUIESCE_STEPS: usize = 50;
/// The longest sleep. The kernel counts signed nanoseconds, and takes what they can't hold for a time that has passed.
const SLEEP_MAX: Duration = Duration::from_secs(86_400);

/// Who will use a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// The thread that makes it.
    OneThread,
    /// One thread after another. What an operation needs done later is done by the thread that submitted it, whatever that
    /// is doing then: so each receives once, and is submitted again by the thread that waits.
    ManyThreads,
}

/// What an operation came to.
#[derive(Debug)]
pub(crate) enum Completion {
    /// The socket is connected, or could not be.
    Connected(ConnId),
    Received(Received),
    Sent(Sent),
}

#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) conn: ConnId,
    /// To be given back, if there is one.
    pub(crate) buffer: Option<Buffer>,
    pub(crate) outcome: io::Result<usize>,
    /// Whether the receive goes on by itself.
    pub(crate) goes_on: bool,
}

#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) conn: ConnId,
    pub(crate) block: Block,
    /// Where in the block the send began.
    pub(crate) from: usize,
    pub(crate) outcome: io::Result<usize>,
}

pub(crate) struct Ring {
    io: IoUring,
    mode: Use,
    /// Operations whose last completion has not come.
    in_flight: usize,
    /// Operations that found the submission queue full.
    backlog: VecDeque<Entry>,
    /// Sends of this submission that are expected to be done by it.
    quick: u32,
    /// Whether something waits to be submitted that a peer waits for.
    urgent: bool,
    /// Sockets that are done with. An operation that names one's number may not be submitted yet.
    closing: Vec<TcpStream>,
    /// The process that made it: a forked child has the ring too, and must leave it alone.
    process: u32,
    // What the kernel uses; after `io`, so that it is closed before.
    buffers: Buffers,
    lent: Lent,
    wakes: Box<[u8; 8]>,
    wake: Arc<EventFd>,
}

impl Ring {
    pub(crate) fn new(mode: Use) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(COMPLETIONS).setup_submit_all();
        if mode == Use::OneThread {
            builder.setup_single_issuer().setup_defer_taskrun().setup_coop_taskrun();
        }
        let wake = Arc::new(EventFd::new()?);
        let buffers = Buffers::new(mode.shape())?;
        let io = builder.build(SUBMISSIONS)?;
        // A sandbox may allow to make a ring and not to use it, and then no connection would ever open.
        enter(&io, 0, 0, Some(Duration::ZERO))?;
        let (entries, count) = buffers.entries();
        // SAFETY: the entries live as long as `buffers`, which outlives `io`.
        unsafe { io.submitter().register_buf_ring_with_flags(entries, count, GROUP, 0)? };
        let mut ring = Self {
            io,
            mode,
            in_flight: 0,
            backlog: VecDeque::new(),
            quick: 0,
            urgent: false,
            closing: Vec::new(),
            process: std::process::id(),
            buffers,
            lent: Lent::default(),
            wakes: Box::default(),
            wake,
        };
        ring.watch_wakes();
        Ok(ring)
    }

    /// Makes a sleep in [`Ring::wait`] return, from any thread.
    pub(crate) fn waker(&self) -> Waker {
        self.wake.clone().into()
    }

    /// How many buffers all connections share.
    pub(crate) fn buffer_count(&self) -> usize {
        self.buffers.shape().count.into()
    }

    /// Tells when a socket that is being connected can be asked how that went.
    pub(crate) fn watch_connecting(&mut self, conn: ConnId, socket: &TcpStream) {
        let poll = opcode::PollAdd::new(fd(socket), libc::POLLOUT as u32).build();
        self.push(poll.user_data(Key::Connect(conn).to_u64()));
        self.urgent = true;
    }

    /// Receives into a buffer of the ring: for ever, if it is for one thread; else once.
    pub(crate) fn receive(&mut self, conn: ConnId, socket: &TcpStream) {
        let receive = match self.mode {
            Use::OneThread => opcode::RecvMulti::new(fd(socket), GROUP).build(),
            Use::ManyThreads => {
                let size = self.buffers.shape().size_bytes;
                let receive = opcode::Recv::new(fd(socket), std::ptr::null_mut(), size);
                receive.buf_group(GROUP).build().flags(Flags::BUFFER_SELECT)
            }
        };
        self.push(receive.user_data(Key::Receive(conn).to_u64()));
    }

    /// Sends what is in `block` from byte `from` on, or some of it. The block comes back by [`Completion::Sent`].
    pub(crate) fn send(&mut self, conn: ConnId, socket: &TcpStream, block: Block, from: usize) {
        let bytes = &block.0[from.min(block.0.len())..];
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let send = opcode::Send::new(fd(socket), bytes.as_ptr(), length).flags(libc::MSG_NOSIGNAL).build();
        if from == 0 && bytes.len() <= QUICK_BYTES {
            self.quick = (self.quick + 1).min(QUICK_MAX);
        }
        // Moving the block does not move its bytes.
        let slot = self.lent.put(conn, block, from);
        self.push(send.user_data(Key::Send(slot).to_u64()));
        self.urgent = true;
    }

    /// Closes a socket, once no operation that names its descriptor waits to be submitted.
    pub(crate) fn close(&mut self, socket: TcpStream) {
        self.closing.push(socket);
        self.urgent = true;
    }

    /// Tells the peer that it is over, and ends all operations on the socket: receives when all that came is read, sends at
    /// once.
    pub(crate) fn shut(&self, socket: &TcpStream) {
        if self.is_ours() {
            // It may be over already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// The one system call of a turn: submits, and sleeps until something is complete, the waker is called, or `limit` has
    /// passed.
    ///
    /// Where a socket is to be closed it takes one more, for that can't wait until something happens.
    pub(crate) fn wait(&mut self, limit: Option<Duration>) {
        if !self.closing.is_empty() && !self.close_sockets() {
            self.enter(0, Some(Duration::ZERO));
        }
        // What is expected to be done at once is no reason to return.
        let quick = std::mem::take(&mut self.quick);
        match limit {
            Some(Duration::ZERO) => self.enter(0, limit),
            _ if quick == 0 => self.enter(1, limit),
            _ => self.enter(1 + quick, Some(limit.map_or(QUICK_WAIT, |limit| limit.min(QUICK_WAIT)))),
        }
    }

    /// Submits what a peer waits for, without sleeping.
    pub(crate) fn submit_urgent(&mut self) {
        if self.urgent {
            self.wait(Some(Duration::ZERO));
        }
    }

    /// How many completions have come.
    pub(crate) fn completions(&mut self) -> usize {
        self.io.completion().len()
    }

    /// The next one that is not a wake.
    pub(crate) fn next_completion(&mut self) -> Option<Completion> {
        loop {
            let entry = self.io.completion().next()?;
            if !cqueue::more(entry.flags()) {
                self.in_flight -= 1;
            }
            match Key::from_u64(entry.user_data()) {
                Key::Connect(conn) => return Some(Completion::Connected(conn)),
                Key::Receive(conn) => return Some(Completion::Received(self.received(conn, &entry))),
                Key::Send(slot) => match self.lent.take(slot) {
                    Some((conn, block, from)) => {
                        let outcome = outcome(&entry);
                        return Some(Completion::Sent(Sent { conn, block, from, outcome }));
                    }
                    None => debug_assert!(false, "a send completed twice"),
                },
                Key::Wake if cqueue::more(entry.flags()) => {}
                Key::Wake => self.watch_wakes(),
                Key::Cancel => {}
            }
        }
    }

    pub(crate) fn bytes(&self, buffer: &Buffer) -> &[u8] {
        self.buffers.bytes(buffer)
    }

    pub(crate) fn give_back(&mut self, buffer: Buffer) {
        self.buffers.give_back(buffer);
    }

    /// Cancels everything and waits until the kernel has let go of it. The ring is of no use any more.
    pub(crate) fn quiesce(&mut self) {
        if !self.is_ours() {
            return;
        }
        // Those were never seen by the kernel.
        self.in_flight -= self.backlog.drain(..).len();
        let (mut left, mut steps) = (self.in_flight, 0);
        while self.in_flight > 0 && steps < QUIESCE_STEPS {
            // Once more if something is left, for what is about to be done is not found.
            let all = opcode::AsyncCancel2::new(CancelBuilder::any().all()).build();
            self.push(all.user_data(Key::Cancel.to_u64()));
            while self.reap() > 0 && self.in_flight > 0 {}
            steps = if self.in_flight < left { 0 } else { steps + 1 };
            left = self.in_flight;
        }
        if self.in_flight == 0 {
            self.lent = Lent::default();
        }
        self.closing.clear();
    }

    /// Waits for as many operations as there are, and drops what came of them. Says how many had ended.
    fn reap(&mut self) -> usize {
        let want = u32::try_from(self.in_flight).unwrap_or(COMPLETIONS).min(COMPLETIONS);
        self.enter(want, Some(QUIESCE_STEP));
        let ended = self.io.completion().filter(|entry| !cqueue::more(entry.flags())).count();
        self.in_flight -= ended;
        ended
    }

    /// Operations whose last completion has not come.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// The bytes of all blocks that are with the kernel.
    #[cfg(test)]
    pub(crate) fn lent_bytes(&self) -> usize {
        self.lent.slots.iter().flatten().map(|(_, block, _)| block.0.len()).sum()
    }

    /// How much of those the kernel has taken by sends that were short.
    #[cfg(test)]
    pub(crate) fn lent_from(&self) -> usize {
        self.lent.slots.iter().flatten().map(|(_, _, from)| *from).sum()
    }

    fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    fn received(&self, conn: ConnId, entry: &cqueue::Entry) -> Received {
        let length = u32::try_from(entry.result()).unwrap_or(0);
        let buffer = cqueue::buffer_select(entry.flags()).map(|index| {
            // SAFETY: this is the completion that names it.
            unsafe { self.buffers.take(index, length) }
        });
        Received { conn, buffer, outcome: outcome(entry), goes_on: cqueue::more(entry.flags()) }
    }

    fn watch_wakes(&mut self) {
        let event = Fd(self.wake.0.as_raw_fd());
        let watch = match self.mode {
            // Each write is told of, although nobody reads what it adds up to.
            Use::OneThread => opcode::PollAdd::new(event, libc::POLLIN as u32).multi(true).build(),
            Use::ManyThreads => opcode::Read::new(event, self.wakes.as_mut_ptr(), 8).build(),
        };
        self.push(watch.user_data(Key::Wake.to_u64()));
    }

    fn push(&mut self, entry: Entry) {
        self.in_flight += 1;
        self.backlog.push_back(entry);
        if !self.submit_backlog() {
            // Full: the kernel takes what is there, or the next enter tries again.
            self.enter(0, Some(Duration::ZERO));
            self.submit_backlog();
        }
    }

    /// Moves what it can to the submission queue. Whether that was all.
    fn submit_backlog(&mut self) -> bool {
        while let Some(entry) = self.backlog.front() {
            // SAFETY: an entry names a descriptor, whose number may be wrong without harm to memory, and memory of `buffers`,
            // `lent` or `wakes`, which stays where it is until the operation's last completion.
            if unsafe { self.io.submission().push(entry) }.is_err() {
                return false;
            }
            self.backlog.pop_front();
        }
        true
    }

    fn enter(&mut self, want: u32, limit: Option<Duration>) {
        self.submit_backlog();
        let submit = u32::try_from(self.io.submission().len()).unwrap_or(u32::MAX);
        if let Err(error) = enter(&self.io, submit, want, limit) {
            // The time is over; a signal came; memory is short or completions are to be taken first, which the turn that
            // follows does.
            let ordinary = [libc::ETIME, libc::EINTR, libc::EAGAIN, libc::EBUSY, libc::ENOMEM];
            debug_assert!(error.raw_os_error().is_some_and(|code| ordinary.contains(&code)), "{error}");
        }
        if self.close_sockets() {
            self.urgent = false;
        }
    }

    /// Unless something waits to be submitted that may name one of them.
    fn close_sockets(&mut self) -> bool {
        let submitted = self.backlog.is_empty() && self.io.submission().is_empty();
        if submitted {
            self.closing.clear();
        }
        submitted
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.quiesce();
        if self.in_flight > 0 {
            // Another process's ring, or a kernel that doesn't answer: it may use that memory yet.
            self.buffers.leak();
            std::mem::forget(std::mem::take(&mut self.lent));
            std::mem::forget(std::mem::take(&mut self.wakes));
        }
    }
}

impl Use {
    /// The latter receives once a turn, so it needs larger buffers for as much.
    fn shape(self) -> Shape {
        match self {
            Self::OneThread => Shape { count: 256, size_bytes: 8 * 1024 },
            Self::ManyThreads => Shape { count: 64, size_bytes: 32 * 1024 },
        }
    }
}

/// Blocks that the kernel reads, each in the slot that its operation names.
#[derive(Default)]
struct Lent {
    slots: Vec<Option<(ConnId, Block, usize)>>,
    free: Vec<u32>,
}

impl Lent {
    fn put(&mut self, conn: ConnId, block: Block, from: usize) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some((conn, block, from));
            return slot;
        }
        self.slots.push(Some((conn, block, from)));
        // There is one for each connection at most.
        (self.slots.len() - 1) as u32
    }

    fn take(&mut self, slot: u32) -> Option<(ConnId, Block, usize)> {
        let taken = self.slots.get_mut(slot as usize)?.take()?;
        self.free.push(slot);
        Some(taken)
    }
}

/// What an operation is about, in the word that comes back with its completion. The index of a connection, like the number
/// of a slot, is below 2^30, for there are fewer descriptors than that: the two bits above it say the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Receive(ConnId),
    Connect(ConnId),
    Send(u32),
    Wake,
    Cancel,
}

const KIND: u64 = 3 << 30;

impl Key {
    fn to_u64(self) -> u64 {
        match self {
            Self::Receive(conn) => conn.to_u64(),
            Self::Connect(conn) => conn.to_u64() | 1 << 30,
            Self::Send(slot) => u64::from(slot) | 2 << 30,
            Self::Wake => KIND,
            Self::Cancel => KIND | 1,
        }
    }

    fn from_u64(word: u64) -> Self {
        match (word & KIND) >> 30 {
            0 => Self::Receive(ConnId::from_u64(word)),
            1 => Self::Connect(ConnId::from_u64(word & !KIND)),
            2 => Self::Send((word & !KIND) as u32),
            _ if word == KIND => Self::Wake,
            _ => Self::Cancel,
        }
    }
}

/// The system call: submits so many entries, and waits for so many completions, at most until `limit` has passed.
fn enter(io: &IoUring, submit: u32, want: u32, limit: Option<Duration>) -> io::Result<usize> {
    let timespec = limit.map(|limit| Timespec::from(limit.min(SLEEP_MAX))).unwrap_or_default();
    let args = SubmitArgs::new();
    let args = if limit.is_some() { args.timespec(&timespec) } else { args };
    let flags = (EnterFlags::GETEVENTS | EnterFlags::EXT_ARG).bits();
    // SAFETY: the entries are as `submit_backlog` says, and the argument is of the kind that the flag names.
    unsafe { io.submitter().enter(submit, want, flags, Some(&args)) }
}

fn fd(socket: &TcpStream) -> Fd {
    Fd(socket.as_raw_fd())
}

fn outcome(entry: &cqueue::Entry) -> io::Result<usize> {
    usize::try_from(entry.result()).map_err(|_| io::Error::from_raw_os_error(-entry.result()))
}

/// What other threads write to, to end a sleep.
struct EventFd(std::fs::File);

impl EventFd {
    fn new() -> io::Result<Self> {
        // Not `EFD_NONBLOCK`, for then a read by the ring would not wait.
        // SAFETY: no memory is involved.
        let number = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
        if number < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is new, and nobody else has it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(number) }.into()))
    }
}

impl Wake for EventFd {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // It could only block or fail if nobody had looked for 2^64 wakes.
        let _ = io::Write::write(&mut &self.0, &1_u64.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_word() {
        let conn = ConnId::new((1 << 30) - 1, u32::MAX);
        for key in [Key::Receive(conn), Key::Connect(conn), Key::Send((1 << 30) - 1), Key::Wake, Key::Cancel]
        {
            assert_eq!(Key::from_u64(key.to_u64()), key);
        }
    }

    #[test]
    fn a_ring_that_may_be_made_but_not_entered_is_an_error() {
        for mode in [Use::OneThread, Use::ManyThreads] {
            let sandboxed = std::thread::spawn(move || {
                forbid(libc::SYS_io_uring_enter);
                Ring::new(mode).map(drop)
            });

            let error = sandboxed.join().unwrap().unwrap_err();

            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{mode:?}: {error}");
        }
    }

    /// Has the kernel refuse a system call to this thread from now on, as a sandbox does.
    fn forbid(call: libc::c_long) {
        let step = |code: u32, jf, k| libc::sock_filter { code: code as u16, jt: 0, jf, k };
        let mut steps = [
            step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
            step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 1, call as u32),
            step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
            step(libc::BPF_RET | libc::BPF_K, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let filter = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
        // SAFETY: the kernel copies the filter, which names the steps and how many there are.
        let refused = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter) != 0
        };
        assert!(!refused, "{}", io::Error::last_os_error());
    }
}
