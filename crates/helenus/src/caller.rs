//! A machine that runs only while a thread of the program waits for something: no thread of the driver's own, no hop.
//!
//! Of the threads that wait, one drives and the others sleep. When the driving thread has what it wanted, it wakes another
//! to take its place.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::task::{Context, Poll, Wake, Waker};

use helenus_core::call::Settled;
use helenus_core::reactor::{Turns, Woken};

use crate::thread::{self, Parker};

pub(crate) struct CallerDriven {
    /// `None` once the machine has exited.
    turns: Mutex<Option<Box<dyn Turns>>>,
    /// The waker of whichever future is driving.
    awake: Arc<Awake>,
    /// Threads that wait while another drives.
    sleepers: Mutex<Vec<Waker>>,
    /// The number of the thread that drives, plus one.
    driver: AtomicUsize,
    /// Handles that users have. Callbacks, which the machine owns, have none, or neither would ever be dropped.
    handles: AtomicUsize,
}

impl CallerDriven {
    pub(crate) fn new(turns: Box<dyn Turns>) -> Self {
        let awake = Arc::new(Awake { woken: AtomicBool::new(true), interrupt: turns.waker() });
        let turns = Mutex::new(Some(turns));
        let (driver, handles) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { awake, turns, sleepers: Mutex::default(), driver, handles }
    }

    /// Runs `future` to its end, and the machine on this thread whenever no other thread does.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let parker = Parker::new();
        let waker = parker.waker().clone();
        loop {
            let driving = match self.turns.try_lock() {
                Ok(turns) => Some(turns),
                // A panic in the machine or in a user's future; the machine itself is behind its own guard.
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            };
            if let Some(mut turns) = driving {
                let driving = Driving::begin(&self.driver);
                let output = self.drive(&mut turns, future.as_mut());
                drop((driving, turns));
                self.wake_successor();
                return output;
            }
            self.lock_sleepers().push(waker.clone());
            // Between the attempt and the push the driver may have left without seeing us.
            if let Ok(turns) = self.turns.try_lock() {
                drop(turns);
                self.forget(&waker);
                continue;
            }
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                self.forget(&waker);
                // Perhaps the driver left and chose us to follow.
                self.wake_successor();
                return output;
            }
            parker.park();
            self.forget(&waker);
        }
    }

    fn drive<F: Future>(&self, turns: &mut Option<Box<dyn Turns>>, mut future: Pin<&mut F>) -> F::Output {
        let awake = &self.awake;
        awake.woken.store(true, Ordering::Relaxed);
        let waker = Waker::from(awake.clone());
        let mut cx = Context::from_waker(&waker);
        loop {
            if awake.woken.swap(false, Ordering::Acquire) {
                if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                    return output;
                }
            }
            match turns {
                Some(running) => {
                    if running.turn(None) == Woken::Exited {
                        // What is dropped here tells everyone who still waits.
                        *turns = None;
                        awake.woken.store(true, Ordering::Release);
                    }
                }
                // Nothing of this session can happen any more; only the future's own doings can wake it.
                None => return thread::block_on(future),
            }
        }
    }

    /// Whether this thread drives: waiting here for something else would never end.
    pub(crate) fn is_driven_by_this_thread(&self) -> bool {
        self.driver.load(Ordering::Relaxed) == thread::number() + 1
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
        }
    }

    fn wake_successor(&self) {
        if let Some(waker) = self.lock_sleepers().pop() {
            waker.wake();
        }
    }

    fn forget(&self, waker: &Waker) {
        self.lock_sleepers().retain(|sleeper| !sleeper.will_wake(waker));
    }

    fn lock_sleepers(&self) -> std::sync::MutexGuard<'_, Vec<Waker>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The waker of a future that runs between turns. Woken from within a turn it needs no system call: the turn returns
/// anyway.
struct Awake {
    woken: AtomicBool,
    interrupt: Waker,
}

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let first = !self.woken.swap(true, Ordering::Release);
        if first && Settled::delivering().is_none() {
            self.interrupt.wake_by_ref();
        }
    }
}
