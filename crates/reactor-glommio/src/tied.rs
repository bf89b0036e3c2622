//! A machine that lives and ends with an executor.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use glommio::timer::Timer;
use helenus_core::Time;
use helenus_core::reactor::{LatchGuard, Seed};
use helenus_reactor_common::tasks::{Hub, Runtime, TaskLoop};

use crate::bell::Bell;
use crate::net::Sockets;

/// A time that no process sees.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Whether this thread runs an executor now. Glommio can't be asked; it can be tried, and panics.
pub(crate) fn is_executor() -> bool {
    catch_unwind(|| glommio::executor().id()).is_ok()
}

pub(crate) struct Tied {
    machine: Rc<Slot>,
    bell: Arc<Bell>,
    /// The bell's, which stands for the task's.
    waker: Waker,
    pause: Timer,
    /// Dropped last, so that there is nothing left to end when its timer goes.
    _sentinel: Sentinel,
}

/// Emptied when the machine has exited, or when its executor has ended first.
type Slot = RefCell<Option<TaskLoop<Around>>>;

impl Tied {
    pub(crate) fn new(seed: Seed, guard: Option<LatchGuard>) -> Self {
        let machine = Rc::new(RefCell::new(Some(TaskLoop::new(seed, guard))));
        let bell: Arc<Bell> = Arc::default();
        let (waker, sentinel) = (bell.clone().into(), Sentinel::new(&machine));
        Self { machine, bell, waker, pause: Timer::new(NEVER), _sentinel: sentinel }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.bell.begin_poll(cx.waker());
        let mut slot = self.machine.borrow_mut();
        let polled = match slot.as_mut() {
            Some(machine) => Pin::new(machine).poll(&mut Context::from_waker(&self.waker)),
            None => Poll::Ready(()),
        };
        if polled.is_ready() {
            *slot = None;
        }
        drop(slot);
        let rung = self.bell.end_poll();
        if polled.is_ready() {
            self.bell.leave();
        } else if rung {
            self.pause();
        }
        polled
    }

    /// Has the task polled again after the executor has looked at its sockets. Waking it at once would not do: the
    /// executor runs what is ready until nothing is, or its preemption timer fires, which takes 100 ms unless set.
    fn pause(&mut self) {
        // A timer that is set can be moved into the past; one that is in the past can't be set.
        self.pause.reset(NEVER);
        let _ = Pin::new(&mut self.pause).poll(&mut Context::from_waker(&self.waker));
        self.pause.reset(Duration::ZERO);
    }
}

impl Drop for Tied {
    fn drop(&mut self) {
        self.bell.leave();
    }
}

/// What the executor gives to the machine.
struct Around {
    origin: Instant,
    timer: Timer,
    /// What the timer is set to. The turn that follows finds it passed.
    set: Option<Time>,
}

impl Runtime for Around {
    type Net = Sockets;

    // The executor runs its tasks in the order in which they were woken.
    const YIELDS: bool = false;

    fn enter(hub: &Arc<Hub>) -> (Self, Sockets) {
        let around = Self { origin: Instant::now(), timer: Timer::new(NEVER), set: None };
        (around, Sockets { hub: hub.clone() })
    }

    fn now(&self) -> Time {
        Time::ZERO + self.origin.elapsed()
    }

    fn poll_deadline(&mut self, deadline: Option<Time>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let now = self.now();
        if deadline <= now {
            return Poll::Ready(());
        }
        if self.set != Some(deadline) {
            self.set = Some(deadline);
            self.timer.reset(deadline.since(now).min(NEVER));
            return Pin::new(&mut self.timer).poll(cx).map(drop);
        }
        Poll::Pending
    }
}

thread_local! {
    /// The machines that are tied to executors of this thread, by their sentinels' numbers.
    static TIED: RefCell<BTreeMap<u64, Weak<Slot>>> = const { RefCell::new(BTreeMap::new()) };
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// Ends a machine whose executor ends first.
///
/// Glommio tells nobody: a task that is pending then is kept by its own wakers, for ever. But it drops the wakers of its
/// timers, so one of them is given a timer that never fires.
struct Sentinel {
    number: u64,
    _timer: Timer,
}

impl Sentinel {
    fn new(machine: &Rc<Slot>) -> Self {
        let number = NEXT.replace(NEXT.get() + 1);
        TIED.with_borrow_mut(|tied| tied.insert(number, Rc::downgrade(machine)));
        let mut timer = Timer::new(NEVER);
        let watch = Arc::new(Watch(number)).into();
        let _ = Pin::new(&mut timer).poll(&mut Context::from_waker(&watch));
        Self { number, _timer: timer }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        // From now on, the timer may go.
        drop(untie(self.number));
    }
}

/// The sentinel's waker, which only the executor holds.
struct Watch(u64);

impl Wake for Watch {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(machine) = untie(self.0).and_then(|machine| machine.upgrade()) else { return };
        let ended = machine.try_borrow_mut().map(|mut slot| slot.take());
        drop(ended);
    }
}

fn untie(number: u64) -> Option<Weak<Slot>> {
    // A thread that ends may have dropped the list already.
    TIED.try_with(|tied| tied.borrow_mut().remove(&number)).ok().flatten()
}
