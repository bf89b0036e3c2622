//! Stream ids and who waits for their answers (section 2.3).

use crate::Time;
use crate::call::Entry;

/// Ids that users' requests can't take, so that a heartbeat always finds one.
const RESERVED: usize = 8;

/// Who waits for the answer on a stream.
#[derive(Debug, Default)]
pub(crate) enum Occupant {
    #[default]
    Free,
    /// A user's request.
    Call(Entry),
    /// A request that nobody waits for any more. The id is not free: its answer may still come.
    Orphan,
    /// A step of the handshake.
    Handshake,
    Heartbeat,
    /// PREPARE of a statement that the node didn't know, on behalf of a user's request, whose place it takes.
    Prepare,
}

impl Occupant {
    fn is_users(&self) -> bool {
        matches!(self, Self::Call(_) | Self::Orphan | Self::Prepare)
    }
}

#[derive(Debug)]
struct Slot {
    occupant: Occupant,
    /// When the request times out; for a heartbeat, when the connection does.
    deadline: Time,
    /// Where its frame begins among the connection's bytes.
    position: u64,
}

/// The table of a connection's streams. It grows with the most that were in use at once.
#[derive(Debug)]
pub(crate) struct Streams {
    slots: Vec<Slot>,
    /// Free ids below `slots.len()`, last freed first: that slot is still in the cache.
    free: Vec<u16>,
    /// How many ids users' requests, and what is done on their behalf, may take.
    user_max: usize,
    user: usize,
    orphans: usize,
    /// No deadline in the table is earlier.
    due: Time,
}

/// A deadline that never comes.
pub(crate) const NEVER: Time = Time::from_nanos(u64::MAX);

/// A request that was taken out of the table, with where its frame began.
pub(crate) struct Taken {
    pub(crate) call: Entry,
    pub(crate) position: u64,
    pub(crate) deadline: Time,
}

impl Streams {
    pub(crate) fn new(user_max: usize) -> Self {
        let user_max = user_max.clamp(1, super::config::STREAMS_MAX - RESERVED);
        Self { slots: Vec::new(), free: Vec::new(), user_max, user: 0, orphans: 0, due: NEVER }
    }

    /// Whether a user's request can have an id.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.user < self.user_max
    }

    /// How many users' requests wait for answers, orphans and PREPAREs included.
    pub(crate) fn user(&self) -> usize {
        self.user
    }

    /// How many ids have an answer to come that nobody wants.
    pub(crate) fn orphans(&self) -> usize {
        self.orphans
    }

    /// Whether no id is left because none of the answers that are awaited is wanted: nothing can be asked any more.
    pub(crate) fn is_full_of_orphans(&self) -> bool {
        self.orphans >= self.user_max
    }

    /// The id that the next [`Streams::occupy`] will give.
    #[inline]
    pub(crate) fn peek(&self) -> i16 {
        // There are at most 32,768 slots, so an index is an i16.
        self.free.last().copied().unwrap_or(self.slots.len() as u16) as i16
    }

    /// Takes the id that [`Streams::peek`] announced.
    #[inline(always)]
    pub(crate) fn occupy(&mut self, occupant: Occupant, deadline: Time, position: u64) {
        self.user += usize::from(occupant.is_users());
        self.due = self.due.min(deadline);
        let slot = Slot { occupant, deadline, position };
        match self.free.pop() {
            Some(id) => self.slots[usize::from(id)] = slot,
            None => self.slots.push(slot),
        }
    }

    /// Frees the id of an answer if a user's request waits for it, which is what nearly all do.
    #[inline(always)]
    pub(crate) fn release_call(&mut self, stream: i16) -> Option<Entry> {
        // A negative number is far above any index.
        let slot = self.slots.get_mut(usize::from(stream as u16))?;
        if !matches!(slot.occupant, Occupant::Call(_)) {
            return None;
        }
        let Occupant::Call(call) = std::mem::take(&mut slot.occupant) else { return None };
        self.user -= 1;
        self.free.push(stream as u16);
        Some(call)
    }

    /// Frees the id of an answer. Gives who waited, and until when; `Free` means that no answer was awaited on it.
    pub(crate) fn release(&mut self, stream: i16) -> (Occupant, Time) {
        let slot = usize::try_from(stream).ok().and_then(|index| self.slots.get_mut(index));
        let Some(slot) = slot else { return (Occupant::Free, NEVER) };
        let occupant = std::mem::take(&mut slot.occupant);
        let deadline = slot.deadline;
        if matches!(occupant, Occupant::Free) {
            return (Occupant::Free, NEVER);
        }
        self.user -= usize::from(occupant.is_users());
        self.orphans -= usize::from(matches!(occupant, Occupant::Orphan));
        self.free.push(stream as u16);
        (occupant, deadline)
    }

    /// Nobody wants the answer on this stream any more, which is that to a PREPARE.
    pub(crate) fn orphan(&mut self, stream: i16) {
        let slot = usize::try_from(stream).ok().and_then(|index| self.slots.get_mut(index));
        if let Some(slot) = slot.filter(|slot| matches!(slot.occupant, Occupant::Prepare)) {
            slot.occupant = Occupant::Orphan;
            self.orphans += 1;
        }
    }

    /// A lower bound of the next deadline.
    pub(crate) fn due(&self) -> Time {
        self.due
    }

    /// Takes the requests that are late or cancelled out of their slots, which become orphans. Says whether an internal
    /// request, which is a heartbeat, is late.
    pub(crate) fn expire(&mut self, now: Time, mut late: impl FnMut(Entry)) -> bool {
        let mut internal_late = false;
        self.due = NEVER;
        for slot in &mut self.slots {
            if matches!(slot.occupant, Occupant::Free | Occupant::Orphan) {
                continue;
            }
            if let Occupant::Call(call) = &slot.occupant {
                if slot.deadline <= now || call.is_cancelled() {
                    self.orphans += 1;
                    if let Occupant::Call(call) = std::mem::replace(&mut slot.occupant, Occupant::Orphan) {
                        late(call);
                    }
                    continue;
                }
            }
            if slot.deadline <= now {
                // Said once; the connection decides what it means.
                internal_late = true;
                slot.deadline = NEVER;
            }
            self.due = self.due.min(slot.deadline);
        }
        #[cfg(feature = "planted-bugs")]
        self.free_orphans_early();
        internal_late
    }

    #[cfg(feature = "planted-bugs")]
    fn free_orphans_early(&mut self) {
        for id in 0..self.slots.len() {
            let is_orphan = matches!(self.slots[id].occupant, Occupant::Orphan);
            if is_orphan && super::planted::frees_ids_early() {
                self.release(id as i16);
            }
        }
    }

    /// Empties the table: every request that still waits.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Taken> + '_ {
        self.free.clear();
        self.due = NEVER;
        (self.user, self.orphans) = (0, 0);
        self.slots.drain(..).filter_map(|slot| match slot.occupant {
            Occupant::Call(call) => Some(Taken { call, position: slot.position, deadline: slot.deadline }),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Command, Notify, Terms, make};

    fn call() -> Occupant {
        Occupant::Call(make(Command::Send(Vec::new()), Terms::default(), Notify::Nobody).1)
    }

    #[test]
    fn an_orphans_id_is_not_reused_before_its_answer() {
        let mut streams = Streams::new(3);
        for id in 0..3 {
            assert_eq!(streams.peek(), id);
            streams.occupy(call(), Time::from_nanos(10 + id as u64), 0);
        }
        assert!(!streams.has_room());
        let mut late = 0;
        assert!(!streams.expire(Time::from_nanos(10), |_| late += 1));
        assert_eq!((late, streams.orphans(), streams.due()), (1, 1, Time::from_nanos(11)));
        assert!(!streams.has_room(), "the answer on stream 0 may still come");
        assert!(matches!(streams.release(0).0, Occupant::Orphan));
        assert!(streams.has_room());
        assert_eq!(streams.peek(), 0);
    }

    #[test]
    fn a_table_full_of_orphans_is_of_no_use() {
        let mut streams = Streams::new(2);
        streams.occupy(call(), Time::from_nanos(1), 0);
        streams.occupy(call(), Time::from_nanos(2), 0);
        streams.expire(Time::from_nanos(1), drop);
        assert!(!streams.is_full_of_orphans());
        streams.expire(Time::from_nanos(2), drop);
        assert!(streams.is_full_of_orphans());
        streams.release(1);
        assert!(!streams.is_full_of_orphans());
    }

    #[test]
    fn unknown_streams_are_noticed() {
        let mut streams = Streams::new(8);
        streams.occupy(call(), NEVER, 0);
        for stream in [1, 7, i16::MAX, -1, i16::MIN] {
            assert!(matches!(streams.release(stream).0, Occupant::Free));
        }
        assert!(matches!(streams.release(0).0, Occupant::Call(_)));
        assert!(matches!(streams.release(0).0, Occupant::Free), "only one answer");
    }
}
