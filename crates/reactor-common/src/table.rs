//! Connections by their number.

use helenus_core::reactor::ConnId;

/// A table of what a reactor keeps per connection. A [`ConnId`] of an earlier generation finds nothing.
#[derive(Debug)]
pub struct Table<T> {
    slots: Vec<Option<(ConnId, T)>>,
}

impl<T> Table<T> {
    /// An empty table. It grows to the highest index put in: the machine reuses them, smallest first.
    pub const fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// Puts in what belongs to `conn`, and gives back what had its index.
    pub fn insert(&mut self, conn: ConnId, value: T) -> Option<T> {
        if self.slots.len() <= conn.index() {
            self.slots.resize_with(conn.index() + 1, || None);
        }
        self.slots[conn.index()].replace((conn, value)).map(|(_, old)| old)
    }

    /// What belongs to `conn`, unless it was taken out or another generation has its place.
    pub fn find(&mut self, conn: ConnId) -> Option<&mut T> {
        match self.slots.get_mut(conn.index()) {
            Some(Some((id, value))) if *id == conn => Some(value),
            _ => None,
        }
    }

    /// Who has the index at present.
    pub fn id_at(&self, index: usize) -> Option<ConnId> {
        self.slots.get(index)?.as_ref().map(|(id, _)| *id)
    }

    /// Takes out what belongs to `conn`.
    pub fn remove(&mut self, conn: ConnId) -> Option<T> {
        self.find(conn)?;
        self.slots[conn.index()].take().map(|(_, value)| value)
    }

    /// Takes all out.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.slots.drain(..).flatten().map(|(_, value)| value)
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_generation_finds_nothing() {
        let (old, new) = (ConnId::new(2, 0), ConnId::new(2, 1));
        let mut table = Table::new();

        assert_eq!(table.insert(old, 'a'), None);
        assert_eq!(table.insert(new, 'b'), Some('a'));

        assert_eq!(table.find(old), None);
        assert_eq!(table.remove(old), None);
        assert_eq!(table.id_at(2), Some(new));
        assert_eq!(table.remove(new), Some('b'));
        assert_eq!((table.id_at(2), table.id_at(9)), (None, None));
    }
}
