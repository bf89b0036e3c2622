//! The statements that a session has prepared, so that preparing one twice is one PREPARE.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use helenus_core::PreparedStatement;

use crate::Error;

/// A longer text isn't remembered.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// At most so many statements, those that were asked for last.
pub(crate) struct Cache {
    statements_max: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Key, Entry>,
    /// Counts what was asked for.
    asked: u64,
}

/// What tells statements apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) keyspace: Option<Arc<str>>,
    pub(crate) text: Arc<str>,
}

struct Entry {
    state: State,
    asked: u64,
}

enum State {
    Known(Arc<PreparedStatement>),
    Asked(Arc<Flight>),
}

/// What is known of a statement when it is to be prepared.
pub(crate) enum Found {
    Known(Arc<PreparedStatement>),
    /// Somebody is preparing it.
    Asked(Arc<Flight>),
    /// Nobody is, so whoever looked has to, and to [land](Cache::land) this.
    New(Arc<Flight>),
}

impl Cache {
    pub(crate) fn new(statements_max: usize) -> Self {
        Self { statements_max, inner: Mutex::default() }
    }

    /// Whether it remembers statements such as this one.
    pub(crate) fn takes(&self, key: &Key) -> bool {
        self.statements_max > 0 && key.text.len() <= TEXT_BYTES_MAX
    }

    pub(crate) fn find(&self, key: &Key) -> Found {
        let mut inner = self.inner();
        inner.asked += 1;
        let asked = inner.asked;
        if let Some(entry) = inner.entries.get_mut(key) {
            entry.asked = asked;
            match &entry.state {
                // What no node takes any more would be told for ever.
                State::Known(statement) if statement.is_outdated() => {}
                State::Known(statement) => return Found::Known(statement.latest().clone()),
                State::Asked(flight) => return Found::Asked(flight.clone()),
            }
        }
        let flight = Arc::new(Flight::default());
        inner.put(key, State::Asked(flight.clone()), self.statements_max);
        Found::New(flight)
    }

    /// The PREPARE that `flight` stands for has come to its end, if it was sent at all.
    pub(crate) fn land(&self, key: &Key, flight: &Flight, landed: Landed) {
        let mut inner = self.inner();
        match &landed {
            Landed::There(statement) => {
                inner.put(key, State::Known(statement.clone()), self.statements_max);
            }
            Landed::Failed(_) | Landed::NotSent => drop(inner.entries.remove(key)),
        }
        drop(inner);
        flight.land(landed);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Each change is whole before anything can panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn put(&mut self, key: &Key, state: State, statements_max: usize) {
        let asked = self.asked;
        self.entries.insert(key.clone(), Entry { state, asked });
        if self.entries.len() > statements_max {
            // A search that costs less than a hundredth of the PREPARE that led to it.
            let known = self.entries.iter().filter(|(_, entry)| matches!(entry.state, State::Known(_)));
            let oldest = known.min_by_key(|(_, entry)| entry.asked).map(|(key, _)| key.clone());
            oldest.and_then(|key| self.entries.remove(&key));
        }
    }
}

/// A PREPARE under way, and who waits for it. It is nobody's own, so it goes on when those who asked are gone.
#[derive(Default)]
pub(crate) struct Flight(Mutex<Progress>);

enum Progress {
    /// Those who wait, each at a place of its own.
    Under(Vec<Waker>),
    Over(Landed),
}

/// What came of a PREPARE.
pub(crate) enum Landed {
    There(Arc<PreparedStatement>),
    Failed(Error),
    NotSent,
}

impl Default for Progress {
    fn default() -> Self {
        Self::Under(Vec::new())
    }
}

impl Flight {
    /// The statement, or why there is none; an error that can't be told twice is `None`: ask on your own.
    pub(crate) fn poll(
        &self,
        place: &mut Option<usize>,
        waker: &Waker,
    ) -> Poll<Option<Result<Arc<PreparedStatement>, Error>>> {
        match &mut *self.progress() {
            Progress::Over(Landed::There(statement)) => Poll::Ready(Some(Ok(statement.clone()))),
            Progress::Over(Landed::Failed(error)) => Poll::Ready(error.again().map(Err)),
            Progress::Over(Landed::NotSent) => Poll::Ready(None),
            Progress::Under(waiting) => {
                match place.and_then(|place| waiting.get_mut(place)) {
                    Some(known) => known.clone_from(waker),
                    None => {
                        *place = Some(waiting.len());
                        waiting.push(waker.clone());
                    }
                }
                Poll::Pending
            }
        }
    }

    fn land(&self, landed: Landed) {
        let before = std::mem::replace(&mut *self.progress(), Progress::Over(landed));
        if let Progress::Under(waiting) = before {
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        Key { keyspace: None, text: text.into() }
    }

    fn ask(cache: &Cache, text: &str) -> bool {
        match cache.find(&key(text)) {
            Found::New(flight) => {
                cache.land(&key(text), &flight, Landed::There(Arc::default()));
                true
            }
            Found::Known(_) => false,
            Found::Asked(_) => unreachable!("each lands at once"),
        }
    }

    #[test]
    fn what_was_asked_for_last_is_kept() {
        let cache = Cache::new(2);
        assert!(ask(&cache, "a") && ask(&cache, "b"));
        assert!(!ask(&cache, "a"));
        assert!(ask(&cache, "c"), "b is forgotten now");
        assert!(!ask(&cache, "a") && !ask(&cache, "c") && ask(&cache, "b"));
        let elsewhere = Key { keyspace: Some("ks".into()), text: "b".into() };
        assert!(matches!(cache.find(&elsewhere), Found::New(_)), "another statement in another keyspace");
        assert!(!cache.takes(&key(&"x".repeat(TEXT_BYTES_MAX + 1))) && !Cache::new(0).takes(&key("a")));
    }

    #[test]
    fn what_is_outdated_is_asked_for_anew() {
        let cache = Cache::new(2);
        assert!(ask(&cache, "a") && !ask(&cache, "a"));
        let Found::Known(statement) = cache.find(&key("a")) else { panic!() };
        statement.outdate();
        assert!(ask(&cache, "a") && !ask(&cache, "a"));
    }

    #[test]
    fn those_who_come_meanwhile_wait_for_the_same() {
        let cache = Cache::new(2);
        let Found::New(first) = cache.find(&key("a")) else { panic!() };
        let Found::Asked(second) = cache.find(&key("a")) else { panic!() };
        let mut places = [None, None];
        let waker = Waker::noop();
        for _ in 0..3 {
            assert!(first.poll(&mut places[0], waker).is_pending());
            assert!(second.poll(&mut places[1], waker).is_pending());
        }
        assert_eq!(places, [Some(0), Some(1)], "each waits at one place");
        cache.land(&key("a"), &first, Landed::Failed(Error::UseStatement));
        assert!(matches!(second.poll(&mut places[1], waker), Poll::Ready(None)));
        assert!(matches!(cache.find(&key("a")), Found::New(_)), "a failure isn't remembered");
    }
}
