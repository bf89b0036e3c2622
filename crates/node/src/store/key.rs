//! Where partitions lie on the ring.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;

use helenus_core::Token;

/// A partition's place on the ring: by token, then by the bytes of its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PartitionKey {
    pub(crate) token: i64,
    pub(crate) key: Key,
}

impl PartitionKey {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self { token: Token::of(key).0, key: Key::new(key) }
    }

    /// The place before all partitions of a token.
    pub(crate) fn first_of(token: i64) -> Self {
        Self { token, key: Key::new(&[]) }
    }
}

/// The bytes of a key. Short ones, which most are, need no memory of their own.
#[derive(Clone)]
pub(crate) enum Key {
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

/// As many as fit into the three words that the other kind takes anyway.
const SHORT: usize = 22;

impl Key {
    fn new(bytes: &[u8]) -> Self {
        if bytes.len() > SHORT {
            return Self::Long(bytes.into());
        }
        let mut short = [0; SHORT];
        short[..bytes.len()].copy_from_slice(bytes);
        Self::Short(bytes.len() as u8, short)
    }
}

impl Deref for Key {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Short(len, bytes) => &bytes[..usize::from(*len)],
            Self::Long(bytes) => bytes,
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_all_lengths_order_by_their_bytes() {
        let bytes = (0..60).map(|byte| byte * 4).collect::<Vec<u8>>();
        for len in 0..bytes.len() {
            let (key, longer) = (Key::new(&bytes[..len]), Key::new(&bytes[..=len]));
            assert_eq!(*key, bytes[..len]);
            assert!(key < longer && key == key.clone() && key < Key::new(&[255]));
        }
        assert_eq!(size_of::<Key>(), 3 * size_of::<usize>());
    }
}
