//! Names whose lookup takes its time, as the system's can: half a minute, and nothing interrupts it.

use std::io;
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use helenus::reactor::{
    Action, Block, ConnId, Event, Filled, Flushed, LaunchError, Machine, Mio, Reactor, Running, Seed,
    Settled, Time,
};

use crate::common::{self, Kind, table};

const LOOKUP: Duration = Duration::from_millis(300);

#[test]
fn close_waits_for_a_lookup_and_drop_does_not() {
    common::within(common::PATIENCE, || {
        let (node, _session) = table(Kind::MioThread, 1);
        let connect = || {
            let builder = common::builder(&node).contact_point("a-name-that-is-looked-up.invalid");
            let begun = Instant::now();
            (builder.reactor(SlowLookups(Mio::threads(1))).connect().wait().unwrap(), begun)
        };

        let (session, begun) = connect();
        session.close().wait().unwrap();
        assert!(begun.elapsed() >= LOOKUP, "the lookup's thread was left: {:?}", begun.elapsed());

        let (session, begun) = connect();
        drop(session);
        assert!(begun.elapsed() < LOOKUP);
    });
}

/// Another reactor, with slow lookups.
struct SlowLookups<R>(R);

impl<R: Reactor> Reactor for SlowLookups<R> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn shards(&self) -> usize {
        self.0.shards()
    }

    fn launch(self: Box<Self>, seeds: Vec<Seed>) -> Result<Running, LaunchError> {
        let slow = |seed: Seed| Seed::new(|| Box::new(Slow(seed.grow())));
        Box::new(self.0).launch(seeds.into_iter().map(slow).collect())
    }
}

struct Slow(Box<dyn Machine>);

impl Machine for Slow {
    fn poll_action(&mut self, now: Time) -> Option<Action> {
        loop {
            match self.0.poll_action(now)? {
                // Nobody is told of its end: the machine goes on without.
                Action::Offload { work, .. } => {
                    thread::spawn(move || {
                        thread::sleep(LOOKUP);
                        drop(work);
                    });
                }
                action => return Some(action),
            }
        }
    }

    fn begin(&mut self, now: Time) {
        self.0.begin(now);
    }

    fn handle(&mut self, now: Time, event: Event<'_>) {
        self.0.handle(now, event);
    }

    fn fill(
        &mut self,
        now: Time,
        conn: ConnId,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Filled {
        self.0.fill(now, conn, read)
    }

    fn settle(&mut self, batch: &mut Settled) {
        self.0.settle(batch);
    }

    fn take_inbox(&mut self, now: Time, budget: usize) -> usize {
        self.0.take_inbox(now, budget)
    }

    fn flush(
        &mut self,
        now: Time,
        conn: ConnId,
        write: &mut dyn FnMut(&[u8]) -> io::Result<usize>,
    ) -> Flushed {
        self.0.flush(now, conn, write)
    }

    fn take_block(&mut self, conn: ConnId) -> Option<Block> {
        self.0.take_block(conn)
    }

    fn deadline(&self) -> Option<Time> {
        self.0.deadline()
    }

    fn set_waker(&mut self, waker: &Waker) {
        self.0.set_waker(waker);
    }

    fn arm(&mut self) -> bool {
        self.0.arm()
    }
}
