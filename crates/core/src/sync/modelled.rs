//! Loom's types with the standard library's methods, so that the code that is modelled is the code that runs.

use std::fmt;
use std::sync::atomic::Ordering;

pub(crate) use loom::sync::{Mutex, MutexGuard};

/// `std::thread_local!` with a `const` block, of which loom's macro knows nothing. All of loom's threads are one thread of
/// the system, so that the standard library's would be shared by them.
macro_rules! modelled_thread_local {
    ($(#[$attribute:meta])* $visible:vis static $name:ident: $type:ty = const $init:block;) => {
        loom::thread_local! { $(#[$attribute])* $visible static $name: $type = $init; }
    };
}
pub(crate) use modelled_thread_local as thread_local;

/// The model has to let the other side run.
pub(crate) fn wait_a_little(_rounds: &mut u32) {
    loom::thread::yield_now();
}

/// Loom looks at each access whether it races with an earlier one. `get` is the access here.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    pub(crate) fn get(&self) -> *mut T {
        self.0.with_mut(|value| value)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self` is the only way to the value.
        unsafe { &mut *self.get() }
    }
}

/// Where [`weakened`] finds which orderings to drop: `AtomicPtr::swap`, say. The models are run once more for each of some,
/// and have to fail then.
pub(crate) const WEAKENED: &str = "HELENUS_WEAKENED";

/// The ordering that an operation gets in the model.
fn weakened(operation: &str, ordering: Ordering) -> Ordering {
    #[expect(clippy::disallowed_methods, reason = "models are programs")]
    let weakened = std::env::var(WEAKENED);
    if weakened.is_ok_and(|weakened| weakened == operation) { Ordering::Relaxed } else { ordering }
}

macro_rules! atomic {
    ($name:ident$(<$generic:ident>)?, $value:ty, $get_latest:expr, [$($operation:ident),*]) => {
        /// Loom's, with sequential consistency: loom takes `SeqCst` for `AcqRel`, so that an operation which has to see
        /// the latest value becomes one that reads and writes.
        pub(crate) struct $name$(<$generic>)?(loom::sync::atomic::$name$(<$generic>)?);

        impl$(<$generic>)? $name$(<$generic>)? {
            pub(crate) fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            pub(crate) fn load(&self, ordering: Ordering) -> $value {
                match weakened(concat!(stringify!($name), "::load"), ordering) {
                    Ordering::SeqCst => $get_latest(&self.0),
                    ordering => self.0.load(ordering),
                }
            }

            #[allow(dead_code, reason = "not every type needs every operation")]
            pub(crate) fn store(&self, value: $value, ordering: Ordering) {
                match weakened(concat!(stringify!($name), "::store"), ordering) {
                    Ordering::SeqCst => drop(self.0.swap(value, Ordering::Release)),
                    ordering => self.0.store(value, ordering),
                }
            }

            $(
                #[allow(dead_code, reason = "not every type needs every operation")]
                pub(crate) fn $operation(&self, value: $value, ordering: Ordering) -> $value {
                    let operation = concat!(stringify!($name), "::", stringify!($operation));
                    self.0.$operation(value, weakened(operation, ordering))
                }
            )*

            #[allow(dead_code, reason = "not every type needs every operation")]
            pub(crate) fn compare_exchange(
                &self,
                known: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                let operation = concat!(stringify!($name), "::compare_exchange");
                self.0.compare_exchange(known, new, weakened(operation, success), weakened(operation, failure))
            }

            #[allow(dead_code, reason = "not every type needs every operation")]
            pub(crate) fn compare_exchange_weak(
                &self,
                known: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                let operation = concat!(stringify!($name), "::compare_exchange_weak");
                self.0.compare_exchange(known, new, weakened(operation, success), weakened(operation, failure))
            }

            #[allow(dead_code, reason = "not every type needs every operation")]
            pub(crate) fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut change: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut known = self.load(fetch);
                while let Some(new) = change(known) {
                    match self.compare_exchange(known, new, set, fetch) {
                        Ok(known) => return Ok(known),
                        Err(now) => known = now,
                    }
                }
                Err(known)
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
atomic!(AtomicPtr<T>, *mut T, |cell: &loom::sync::atomic::AtomicPtr<T>| cell.load(Ordering::Acquire), [swap]);
