//! Loom's types with the standard library's methods, so that the code that is modelled is the code that runs.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::Ordering;

pub use loom::sync::{Mutex, MutexGuard};

/// `std::thread_local!` with a `const` block, of which loom's macro knows nothing. All of loom's threads are one thread of
/// the system, so that the standard library's would be shared by them.
#[macro_export]
#[doc(hidden)]
macro_rules! modelled_thread_local {
    ($(#[$attribute:meta])* static $name:ident: $type:ty = const $init:block $(;)?) => {
        loom::thread_local! { $(#[$attribute])* static $name: $type = $init; }
    };
}
pub use modelled_thread_local as thread_local;

/// Loom looks at each access whether it races with an earlier one. `get` is the access here.
#[derive(Debug)]
pub struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    pub fn get(&self) -> *mut T {
        self.0.with_mut(|value| value)
    }

    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self` is the only way to the value.
        unsafe { &mut *self.get() }
    }
}

/// The model has to let the other side run.
pub fn wait_a_little(_rounds: &mut u32) {
    loom::thread::yield_now();
}

/// Sleeping and waking threads. Loom's own `unpark` also wakes a thread that waits for a lock, which then trips over itself.
pub mod thread {
    use std::sync::Arc;
    use std::time::Duration;

    use loom::sync::Notify;

    #[derive(Clone, Debug)]
    pub struct Thread(Arc<Notify>);

    loom::thread_local! { static CURRENT: Thread = Thread(Arc::default()); }

    pub fn current() -> Thread {
        CURRENT.with(Thread::clone)
    }

    pub fn park() {
        current().0.wait();
    }

    /// Time does not pass here.
    pub fn park_timeout(_limit: Duration) {
        park();
    }

    impl Thread {
        pub fn unpark(&self) {
            self.0.notify();
        }
    }
}

/// How many interleavings of a model are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// All.
    Whole,
    /// Those in which a thread that could go on is held up at most [`PREEMPTIONS`] times: all would take too long.
    Preemptions,
}

/// Runs `model` in each interleaving within `bound`, and prints how many those were.
pub fn explore(name: &str, bound: Bound, model: impl Fn() + Sync + Send + 'static) {
    end_at_a_planted_fault();
    let given = variable(PREEMPTIONS).map(|bound| bound.parse().expect("a number of preemptions"));
    let preemptions = given.filter(|_| bound == Bound::Preemptions);
    let explored = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = explored.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 100_000;
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let bound = preemptions.map_or("all".to_owned(), |bound| format!("at most {bound} preemptions"));
    println!("model {name}: {} interleavings, {bound}", explored.load(Ordering::Relaxed));
}

/// What is half done when a model fails can't be unwound: destructors run over it for ever, or panic again.
fn end_at_a_planted_fault() {
    if FAULT.is_some() {
        std::panic::set_hook(Box::new(|panic| {
            eprintln!("{panic}");
            std::process::exit(FOUND);
        }));
    }
}

/// The exit code of a model that found the planted fault.
pub const FOUND: i32 = 3;

/// The environment variable with the bound of [`explore`]; unset: none.
pub const PREEMPTIONS: &str = "HELENUS_PREEMPTIONS";

/// The environment variable with the fault to plant: a type's operation and what is wrong with it, as in
/// `AtomicPtr::swap relaxed`. Each fault that is planted must make a model fail.
pub const PLANTED: &str = "HELENUS_PLANTED";

static FAULT: LazyLock<Option<String>> = LazyLock::new(|| variable(PLANTED));

fn is_planted(kind: &str, operation: &str, fault: &str) -> bool {
    let Some(planted) = &*FAULT else { return false };
    planted.strip_prefix(kind).and_then(|rest| rest.strip_prefix("::")).and_then(|rest| rest.split_once(' '))
        == Some((operation, fault))
}

fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "models are programs")]
    std::env::var(name).ok()
}

macro_rules! atomic {
    ($name:ident$(<$generic:ident>)?, $value:ty, $latest:expr, [$($operation:ident),*]) => {
        /// Loom's, with sequential consistency: loom takes `SeqCst` for `AcqRel`, so an operation that has to see the
        /// latest value is one that reads and writes here.
        pub struct $name$(<$generic>)?(loom::sync::atomic::$name$(<$generic>)?);

        impl$(<$generic>)? $name$(<$generic>)? {
            pub fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            pub fn load(&self, ordering: Ordering) -> $value {
                match Self::planted("load", ordering) {
                    Ordering::SeqCst => $latest(&self.0),
                    ordering => self.0.load(ordering),
                }
            }

            pub fn store(&self, value: $value, ordering: Ordering) {
                if is_planted(stringify!($name), "store", "forgotten") {
                    return;
                }
                // Loom does not know that nothing comes between the two halves of another's read-modify-write: it lets what
                // such a one wrote hide a later plain store for ever.
                match Self::planted("store", ordering) {
                    Ordering::SeqCst => drop(self.0.swap(value, Ordering::Release)),
                    ordering => drop(self.0.swap(value, ordering)),
                }
            }

            $(
                pub fn $operation(&self, value: $value, ordering: Ordering) -> $value {
                    if is_planted(stringify!($name), stringify!($operation), "forgotten") {
                        return self.0.load(Ordering::Relaxed);
                    }
                    self.0.$operation(value, Self::planted(stringify!($operation), ordering))
                }
            )*

            pub fn compare_exchange(
                &self,
                known: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                const NAME: &str = "compare_exchange";
                if is_planted(stringify!($name), NAME, "forgotten") {
                    return Ok(known);
                }
                if is_planted(stringify!($name), NAME, "unchecked") {
                    self.0.swap(new, success);
                    return Ok(known);
                }
                self.0.compare_exchange(known, new, Self::planted(NAME, success), failure)
            }

            pub fn compare_exchange_weak(
                &self,
                known: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                const NAME: &str = "compare_exchange_weak";
                if is_planted(stringify!($name), NAME, "unchecked") {
                    self.0.swap(new, success);
                    return Ok(known);
                }
                let success = Self::planted(NAME, success);
                self.0.compare_exchange(known, new, success, failure)
            }

            pub fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut change: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut known = self.load(fetch);
                while let Some(new) = change(known) {
                    match self.compare_exchange_weak(known, new, set, fetch) {
                        Ok(known) => return Ok(known),
                        Err(now) => known = now,
                    }
                }
                Err(known)
            }

            fn planted(operation: &str, ordering: Ordering) -> Ordering {
                if is_planted(stringify!($name), operation, "relaxed") { Ordering::Relaxed } else { ordering }
            }
        }

        impl$(<$generic>)? Default for $name$(<$generic>)? {
            fn default() -> Self {
                Self(Default::default())
            }
        }

        impl$(<$generic>)? fmt::Debug for $name$(<$generic>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

atomic!(
    AtomicBool,
    bool,
    |cell: &loom::sync::atomic::AtomicBool| cell.fetch_or(false, Ordering::Acquire),
    [swap]
);
atomic!(
    AtomicU8,
    u8,
    |cell: &loom::sync::atomic::AtomicU8| cell.fetch_or(0, Ordering::Acquire),
    [swap, fetch_or, fetch_and]
);
atomic!(
    AtomicU64,
    u64,
    |cell: &loom::sync::atomic::AtomicU64| cell.fetch_or(0, Ordering::Acquire),
    [swap, fetch_add, fetch_sub]
);
atomic!(
    AtomicUsize,
    usize,
    |cell: &loom::sync::atomic::AtomicUsize| cell.fetch_or(0, Ordering::Acquire),
    [swap, fetch_add, fetch_sub]
);
// Nothing reads a pointer with `SeqCst`; if something did, it might see an old one.
atomic!(AtomicPtr<T>, *mut T, |cell: &loom::sync::atomic::AtomicPtr<T>| cell.load(Ordering::Acquire), [swap]);

/// The byte that says to whom a request belongs must not go away under one who still looks at it. (What is in an `Arc` of the
/// standard library can't be held to that: loom does not see what that does.)
impl Drop for AtomicU8 {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.with_mut(|_| ());
        }
    }
}
