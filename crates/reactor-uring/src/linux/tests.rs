//! A loop run by hand, in both modes, where the kernel's side is looked at too.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use helenus_conformance::{Command, Remote, pattern};
use helenus_core::reactor::ConnId;
use helenus_reactor_common::{Clock, Next, Runner};
use socket2::SockRef;

use super::Lane;
use super::ring::{Completion, Ring, Use};
use super::sockets::Sockets;

const MODES: [Use; 2] = [Use::OneThread, Use::ManyThreads];
const CONN: ConnId = ConnId::new(0, 0);
/// What a ring that does nothing has in flight: the operation that is woken.
const QUIET: usize = 1;
const STEP: Duration = Duration::from_millis(10);
const MEGABYTE: usize = 1 << 20;

struct Hand {
    runner: Runner<Sockets>,
    clock: Clock,
    remote: Remote,
    starved: Arc<AtomicU64>,
    listener: TcpListener,
}

impl Hand {
    fn new(mode: Use) -> Self {
        let (remote, seed) = Remote::new();
        let starved = Arc::default();
        let runner = Lane::new(mode, &starved).unwrap().grow(seed);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { runner, clock: Clock::start(), remote, starved, listener }
    }

    fn turn(&mut self) {
        self.ring().wait(Some(STEP));
        let now = self.clock.now();
        while self.runner.turn(now) == Next::Again {
            self.ring().wait(Some(Duration::ZERO));
        }
        self.ring().submit_urgent();
    }

    fn turn_until(&mut self, what: &str, mut seen: impl FnMut(&mut Self) -> bool) {
        let begun = Instant::now();
        while !seen(self) {
            assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
            self.turn();
        }
    }

    fn ring(&mut self) -> &mut Ring {
        &mut self.runner.outside().ring
    }

    fn open(&mut self, conn: ConnId) -> TcpStream {
        let address = self.listener.local_addr().unwrap();
        self.remote.push(Command::Open(conn, address));
        self.turn_until("opened", |hand| hand.remote.log().opened.contains(&conn));
        self.turn();
        self.listener.accept().unwrap().0
    }

    /// Sends until the peer's and this side's buffers are full, and a block is stuck.
    fn fill(&mut self, conn: ConnId, count: usize) {
        self.remote.push(Command::Send(conn, count));
        let mut before = (0, 0);
        self.turn_until("a stuck block", |hand| {
            let now = (hand.ring().lent_bytes(), hand.remote.log().accepted.get(&conn).copied().unwrap_or(0));
            now.0 > 0 && std::mem::replace(&mut before, now) == now
        });
    }

    fn received(&self, conn: ConnId) -> usize {
        self.remote.log().received.get(&conn).copied().unwrap_or(0)
    }

    fn end(mut self) {
        self.remote.push(Command::Exit);
        self.turn_until("its end", |hand| hand.runner.has_exited());
        assert_eq!(self.remote.log().violations, [""; 0]);
        assert_eq!((self.ring().in_flight(), self.ring().lent_bytes()), (0, 0));
    }
}

#[test]
fn a_flood_finds_the_buffers_full_and_nothing_is_lost() {
    const COUNT: u32 = 100;
    const EACH: usize = 150_000;
    for mode in MODES {
        let mut hand = Hand::new(mode);
        let conns = || (0..COUNT).map(|index| ConnId::new(index, 0));
        let mut peers: Vec<_> = conns().map(|conn| hand.open(conn)).collect();

        peers.iter_mut().for_each(|peer| peer.write_all(&pattern(0, EACH)).unwrap());
        hand.turn_until("all bytes", |hand| conns().all(|conn| hand.received(conn) == EACH));

        assert!(hand.starved.load(Ordering::Relaxed) > 0, "{mode:?}: there was always a buffer");
        hand.end();
    }
}

#[test]
fn one_flood_does_not_keep_another_connection_from_its_answer() {
    for mode in MODES {
        let mut hand = Hand::new(mode);
        let (loud, quiet) = (ConnId::new(0, 0), ConnId::new(1, 0));
        let (mut flood, mut peer) = (hand.open(loud), hand.open(quiet));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let flooding = thread::spawn(move || {
            let bytes = pattern(0, 251 * 1024);
            while !stopped.load(Ordering::Relaxed) && flood.write_all(&bytes).is_ok() {}
        });

        let mut round = 0;
        while round < 100 || hand.received(loud) < 4 * MEGABYTE {
            round += 1;
            peer.write_all(&pattern(10 * (round - 1), 10)).unwrap();
            let turns = hand.remote.log().turns;
            hand.turn_until("the answer", |hand| hand.received(quiet) == 10 * round);
            let turns = hand.remote.log().turns - turns;
            assert!(turns < 50, "{mode:?}: it took {turns} turns");
        }

        stop.store(true, Ordering::Relaxed);
        hand.remote.push(Command::Close(loud));
        hand.turn_until("closed", |hand| hand.ring().in_flight() <= QUIET + 1);
        flooding.join().unwrap();
        hand.end();
    }
}

#[test]
fn short_sends_are_continued_before_the_block_comes_back() {
    const SENT: usize = 32 * MEGABYTE;
    for mode in MODES {
        let mut hand = Hand::new(mode);
        let mut peer = hand.open(CONN);
        hand.fill(CONN, SENT);
        assert!(hand.ring().lent_from() > 0, "{mode:?}: no send was short");

        let reading = thread::spawn(move || {
            let mut all = vec![0; SENT];
            peer.read_exact(&mut all).unwrap();
            assert!(all == pattern(0, SENT), "the peer got other bytes than were sent");
            peer
        });
        hand.turn_until("all sent", |hand| hand.remote.log().accepted.get(&CONN) == Some(&SENT));

        let _peer = reading.join().unwrap();
        hand.end();
    }
}

#[test]
fn a_connection_closed_while_a_block_is_stuck_leaves_nothing_with_the_kernel() {
    for mode in MODES {
        let mut hand = Hand::new(mode);
        let mut peer = hand.open(CONN);
        hand.fill(CONN, 32 * MEGABYTE);

        hand.remote.push(Command::Close(CONN));
        hand.turn_until("the block", |hand| hand.ring().lent_bytes() == 0);

        assert_eq!(hand.ring().in_flight(), QUIET);
        // What the kernel took arrives, and then the end.
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        assert!(all == pattern(0, all.len()) && all.len() < 32 * MEGABYTE);
        // The index is of use again.
        let next = ConnId::new(0, 1);
        let mut peer = hand.open(next);
        peer.write_all(&pattern(0, 10)).unwrap();
        hand.turn_until("bytes", |hand| hand.received(next) == 10);
        hand.end();
    }
}

#[test]
fn a_reset_tells_how_much_the_kernel_took() {
    const SENT: usize = 32 * MEGABYTE;
    for mode in MODES {
        let mut hand = Hand::new(mode);
        let mut peer = hand.open(CONN);
        hand.fill(CONN, SENT);
        let back = hand.remote.log().accepted.get(&CONN).copied().unwrap_or(0);
        let taken = back + hand.ring().lent_from();
        peer.read_exact(&mut [0; 100]).unwrap();

        SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        drop(peer);
        hand.turn_until("the reset", |hand| !hand.remote.log().broken.is_empty());

        assert_eq!(hand.remote.log().accepted[&CONN], taken, "{mode:?}");
        assert!(taken > 100 && taken < SENT);
        assert_eq!(hand.ring().in_flight(), QUIET);
        hand.end();
    }
}

#[test]
fn a_block_that_was_sent_whole_comes_back_before_the_end_is_told() {
    for mode in MODES {
        let mut hand = Hand::new(mode);
        let peer = hand.open(CONN);
        peer.shutdown(std::net::Shutdown::Both).unwrap();
        hand.remote.push(Command::Send(CONN, 100));

        hand.turn_until("the end", |hand| !hand.remote.log().ended.is_empty());

        let accepted = hand.remote.log().accepted[&CONN];
        assert!(accepted == 0 || accepted == 100, "{mode:?}: {accepted}");
        hand.end();
    }
}

#[test]
fn dropped_with_a_stuck_block_it_waits_for_the_kernel() {
    for mode in MODES {
        let mut hand = Hand::new(mode);
        let mut peer = hand.open(CONN);
        hand.fill(CONN, 32 * MEGABYTE);
        let begun = Instant::now();

        drop(hand);

        assert!(begun.elapsed() < Duration::from_secs(5), "{mode:?}: the kernel did not answer");
        peer.read_to_end(&mut Vec::new()).unwrap();
    }
}

#[test]
fn a_connect_that_nobody_answers_can_be_closed() {
    for mode in MODES {
        let mut hand = Hand::new(mode);
        // A queue of one that is full: what comes then gets no answer.
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        let conns = || (0..4).map(|index| ConnId::new(index, 0));
        conns().for_each(|conn| hand.remote.push(Command::Open(conn, address)));
        (0..20).for_each(|_| hand.turn());
        assert!(hand.remote.log().opened.len() < 4, "somebody answers");

        conns().for_each(|conn| hand.remote.push(Command::Close(conn)));
        hand.turn_until("all closed", |hand| hand.ring().in_flight() == QUIET);

        hand.end();
    }
}

#[test]
fn what_an_ended_thread_has_submitted_goes_on() {
    let mut hand = Hand::new(Use::ManyThreads);
    let (mut hand, mut peer) = thread::spawn(move || {
        let peer = hand.open(CONN);
        hand.fill(CONN, 32 * MEGABYTE);
        (hand, peer)
    })
    .join()
    .unwrap();

    peer.write_all(&pattern(0, 10)).unwrap();
    hand.turn_until("bytes", |hand| hand.received(CONN) == 10);
    let reading = thread::spawn(move || {
        let mut all = vec![0; 32 * MEGABYTE];
        peer.read_exact(&mut all).unwrap();
        peer
    });
    hand.turn_until("all sent", |hand| hand.remote.log().accepted.get(&CONN) == Some(&(32 * MEGABYTE)));
    let _peer = reading.join().unwrap();
    // The wake was submitted by that thread too.
    for _ in 0..3 {
        let remote = hand.remote.clone();
        let taken = hand.remote.log().taken;
        let pusher = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            remote.push(Command::Nothing);
        });
        hand.ring().wait(Some(Duration::from_secs(60)));
        hand.turn_until("a push", |hand| hand.remote.log().taken == taken + 1);
        pusher.join().unwrap();
    }
    hand.end();
}

#[test]
fn a_thread_that_computes_does_not_keep_what_it_submitted() {
    let stop = Arc::new(AtomicBool::new(false));
    let (told, heard) = std::sync::mpsc::channel();
    let stopped = stop.clone();
    let busy = thread::spawn(move || {
        let mut hand = Hand::new(Use::ManyThreads);
        let peer = hand.open(CONN);
        told.send((hand, peer)).unwrap();
        // Without a system call, so that the kernel has to interrupt it.
        while !stopped.load(Ordering::Relaxed) {
            std::hint::spin_loop();
        }
    });
    let (mut hand, mut peer) = heard.recv().unwrap();
    let begun = Instant::now();

    peer.write_all(&pattern(0, 10)).unwrap();
    hand.turn_until("bytes", |hand| hand.received(CONN) == 10);

    let waited = begun.elapsed();
    stop.store(true, Ordering::Relaxed);
    busy.join().unwrap();
    assert!(waited < Duration::from_secs(5), "{waited:?}");
    hand.end();
}

#[test]
fn more_operations_and_completions_than_the_queues_hold_are_none_lost() {
    const COUNT: usize = 10_000;
    for mode in MODES {
        let mut ring = Ring::new(mode).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (0..COUNT as u32).for_each(|number| ring.watch_connecting(ConnId::new(number, 7), &socket));

        let mut seen = vec![false; COUNT];
        let begun = Instant::now();
        while seen.contains(&false) {
            assert!(begun.elapsed() < Duration::from_secs(60));
            while let Some(completion) = ring.next_completion() {
                let Completion::Connected(conn) = completion else { panic!("{completion:?}") };
                assert!(!std::mem::replace(&mut seen[conn.index()], true), "{conn:?} came twice");
            }
            ring.wait(Some(Duration::ZERO));
        }
        assert_eq!(ring.in_flight(), QUIET);
    }
}

#[test]
fn a_ring_lets_go_of_thousands_of_operations() {
    for mode in MODES {
        let mut ring = Ring::new(mode).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (0..5_000).for_each(|number| ring.receive(ConnId::new(number, 0), &socket));
        ring.wait(Some(Duration::ZERO));

        ring.quiesce();

        assert_eq!(ring.in_flight(), 0, "{mode:?}");
    }
}

#[test]
fn a_sleep_of_hundreds_of_years_is_one() {
    for mode in MODES {
        let mut ring = Ring::new(mode).unwrap();
        let waker = ring.waker();
        let begun = Instant::now();
        let other = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            waker.wake();
        });

        ring.wait(Some(Duration::MAX));

        assert!(begun.elapsed() >= Duration::from_millis(50), "{mode:?}: {:?}", begun.elapsed());
        other.join().unwrap();
    }
}
