//! A machine that runs only while a thread of the program waits for something: no thread of the driver's own, no hop.
//!
//! Of the threads that wait, one drives and the others sleep. When the driving thread has what it wanted, it wakes another
//! to take its place.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use helenus_core::reactor::{Turns, Woken};

use crate::fork;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard};
use crate::thread::{self, Parker};

/// How often a future that wakes itself is polled before the sockets are looked at.
const SELF_WAKES_MAX: usize = 8;

pub(crate) struct CallerDriven {
    /// `None` once the machine has exited.
    turns: Mutex<Option<Box<dyn Turns>>>,
    /// The waker of whichever future is driving.
    awake: Arc<Awake>,
    /// Threads that wait while another drives.
    sleepers: Mutex<Sleepers>,
    /// Handles that users have. Callbacks, which the machine owns, have none, or neither would ever be dropped.
    handles: AtomicUsize,
}

/// The last one that came follows first. By a number, as wakers can't be told apart for sure.
#[derive(Default)]
struct Sleepers {
    asleep: Vec<(u64, Waker)>,
    next: u64,
}

impl CallerDriven {
    pub(crate) fn new(turns: Box<dyn Turns>) -> Self {
        let awake = Arc::new(Awake {
            woken: AtomicBool::new(true),
            driver: AtomicUsize::new(0),
            interrupt: Mutex::new(Some(turns.waker())),
        });
        let turns = Mutex::new(Some(turns));
        Self { awake, turns, sleepers: Mutex::default(), handles: AtomicUsize::new(0) }
    }

    /// Runs `future` to its end, and the machine on this thread whenever no other thread does. `None`: the future has forked,
    /// and this is the child.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let parker = Parker::new();
        let waker = parker.waker().clone();
        loop {
            if let Some(turns) = self.try_turns() {
                // Dropped in this order, also by a panic of the future: the mark, the lock, and then somebody follows.
                let _succession = Succession(self);
                let mut turns = turns;
                let _driving = Driving::begin(&self.awake.driver);
                return self.drive(&mut turns, future.as_mut());
            }
            let sleeper = Sleeper::register(self, &waker);
            // Between the attempt and the registration the driver may have left without seeing us.
            if self.try_turns().is_some() {
                sleeper.rise();
                continue;
            }
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Some(output);
            }
            parker.park();
            sleeper.rise();
        }
    }

    /// The machine, if no other thread has it. A panic of somebody's future leaves it as it was, so poison carries no news.
    fn try_turns(&self) -> Option<MutexGuard<'_, Option<Box<dyn Turns>>>> {
        match self.turns.try_lock() {
            Ok(turns) => Some(turns),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    fn drive<F: Future>(
        &self,
        turns: &mut Option<Box<dyn Turns>>,
        mut future: Pin<&mut F>,
    ) -> Option<F::Output> {
        let generation = fork::generation();
        let awake = &self.awake;
        awake.woken.store(true, Ordering::Relaxed);
        let waker = Waker::from(awake.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            // A future that wakes itself only wants to be polled again: a `FuturesUnordered` that has polled all it has, say.
            for _ in 0..SELF_WAKES_MAX {
                if !awake.woken.swap(false, Ordering::Acquire) {
                    break;
                }
                if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                    return Some(output);
                }
            }
            if fork::generation() != generation {
                return None;
            }
            match turns {
                Some(running) => {
                    // Woken from this thread, it is not waited for.
                    let wait = awake.woken.load(Ordering::Acquire).then_some(Duration::ZERO);
                    if running.turn(wait) == Woken::Exited {
                        // What is dropped here tells everyone who still waits.
                        *turns = None;
                        awake.end();
                        awake.woken.store(true, Ordering::Release);
                    }
                }
                // Nothing of this session can happen any more; only the future's own doings can wake it.
                None => return Some(thread::block_on(future)),
            }
        }
    }

    /// Whether this thread drives: waiting here for something else would never end.
    pub(crate) fn is_driven_by_this_thread(&self) -> bool {
        self.awake.driver.load(Ordering::Relaxed) == thread::number() + 1
    }

    /// One handle more.
    pub(crate) fn hold(&self) {
        self.handles.fetch_add(1, Ordering::Relaxed);
    }

    /// One handle less. After the last nobody can drive any more: the machine ends, and what is pending fails.
    pub(crate) fn let_go(&self) {
        if self.handles.fetch_sub(1, Ordering::AcqRel) == 1 {
            let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner).take();
            // Outside the lock, for it calls callbacks, which have handles of their own meanwhile.
            drop(turns);
            self.awake.end();
        }
    }

    fn wake_successor(&self) {
        let successor = self.lock_sleepers().asleep.pop();
        if let Some((_, waker)) = successor {
            waker.wake();
        }
    }

    /// Takes a sleeper off the list. `false`: it was not there, for it was chosen to follow the driver.
    fn forget(&self, number: u64) -> bool {
        let asleep = &mut self.lock_sleepers().asleep;
        // They come in the order of their numbers, and leave from anywhere.
        let found = asleep.binary_search_by_key(&number, |(number, _)| *number);
        found.map(|index| asleep.remove(index)).is_ok()
    }

    fn lock_sleepers(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever drove lets another follow, also if its future panicked.
struct Succession<'a>(&'a CallerDriven);

impl Drop for Succession<'_> {
    fn drop(&mut self) {
        self.0.wake_successor();
    }
}

/// A thread that waits while another drives. If it leaves after it was chosen to follow, it chooses another.
struct Sleeper<'a> {
    caller: &'a CallerDriven,
    number: u64,
}

impl<'a> Sleeper<'a> {
    fn register(caller: &'a CallerDriven, waker: &Waker) -> Self {
        let mut sleepers = caller.lock_sleepers();
        let number = sleepers.next;
        sleepers.next += 1;
        sleepers.asleep.push((number, waker.clone()));
        Self { caller, number }
    }

    /// It goes on to try to drive, so it chooses nobody.
    fn rise(self) {
        self.caller.forget(self.number);
        std::mem::forget(self);
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        if !self.caller.forget(self.number) {
            self.caller.wake_successor();
        }
    }
}

/// Says, while it lives, which thread drives.
struct Driving<'a>(&'a AtomicUsize);

impl<'a> Driving<'a> {
    fn begin(driver: &'a AtomicUsize) -> Self {
        driver.store(thread::number() + 1, Ordering::Relaxed);
        Self(driver)
    }
}

impl Drop for Driving<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// The waker of a future that runs between turns. Woken by the thread that drives, from the future itself or from within a
/// turn, it needs no system call: that thread looks at it before it sleeps.
struct Awake {
    woken: AtomicBool,
    /// The number of the thread that drives, plus one.
    driver: AtomicUsize,
    /// `None` once the machine has exited: it may hold a descriptor of the loop.
    interrupt: Mutex<Option<Waker>>,
}

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let first = !self.woken.swap(true, Ordering::Release);
        if first && self.driver.load(Ordering::Relaxed) != thread::number() + 1 {
            let interrupt = self.lock_interrupt().clone();
            interrupt.iter().for_each(Waker::wake_by_ref);
        }
    }
}

impl Awake {
    fn end(&self) {
        let interrupt = self.lock_interrupt().take();
        drop(interrupt);
    }

    fn lock_interrupt(&self) -> MutexGuard<'_, Option<Waker>> {
        self.interrupt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
