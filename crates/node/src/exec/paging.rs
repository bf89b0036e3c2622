//! The paging state: where the next page begins, in bytes that clients carry and don't read.

use crate::refusal::{Refusal, protocol};
use crate::store::hash::check64;
use crate::store::table::PartitionKey;

/// After which row to go on, of which table, and how many rows the limits still allow.
#[derive(Debug, PartialEq)]
pub(super) struct Position {
    pub(super) table: [u8; 16],
    pub(super) remaining: u64,
    /// In the partition that was begun.
    pub(super) in_partition: u64,
    pub(super) partition: PartitionKey,
    /// `None`: after what there is of a partition without rows, or of one that isn't looked at again.
    pub(super) clustering: Option<Vec<u8>>,
}

impl Position {
    /// Any node understands it: it holds keys only. The first bytes are a check of the others.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(64 + self.partition.key.len());
        body.extend_from_slice(&self.table);
        body.extend_from_slice(&self.remaining.to_be_bytes());
        body.extend_from_slice(&self.in_partition.to_be_bytes());
        body.extend_from_slice(&(self.partition.key.len() as u32).to_be_bytes());
        body.extend_from_slice(&self.partition.key);
        if let Some(clustering) = &self.clustering {
            body.push(1);
            body.extend_from_slice(clustering);
        }
        let mut out = check64(&body).to_vec();
        out.append(&mut body);
        out
    }

    pub(super) fn decode(bytes: &[u8], table: [u8; 16]) -> Result<Self, Refusal> {
        let position = Self::split(bytes).filter(|position| position.table == table);
        position.ok_or_else(foreign)
    }

    fn split(bytes: &[u8]) -> Option<Self> {
        let (check, body) = bytes.split_first_chunk::<8>()?;
        if *check != check64(body) {
            return None;
        }
        let (table, rest) = body.split_first_chunk::<16>()?;
        let (remaining, rest) = rest.split_first_chunk::<8>()?;
        let (in_partition, rest) = rest.split_first_chunk::<8>()?;
        let (key_len, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*key_len)).ok()?)?;
        Some(Self {
            table: *table,
            remaining: u64::from_be_bytes(*remaining),
            in_partition: u64::from_be_bytes(*in_partition),
            partition: PartitionKey::new(key),
            clustering: rest.split_first().map(|(_, clustering)| clustering.to_vec()),
        })
    }
}

/// The state is of another statement, or nobody's.
pub(super) fn foreign() -> Refusal {
    protocol("Invalid value for the paging state".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_out_is_taken_back() {
        for clustering in [Some(vec![1, 2, 3]), Some(Vec::new()), None] {
            let partition = PartitionKey::new(b"key");
            let position = Position { table: [7; 16], remaining: 12, in_partition: 3, partition, clustering };
            let bytes = position.encode();
            assert_eq!(Position::decode(&bytes, [7; 16]), Ok(position));
            assert!(Position::decode(&bytes, [8; 16]).is_err());
            for at in 0..bytes.len() {
                assert!(Position::decode(&bytes[..at], [7; 16]).is_err());
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert!(Position::decode(&changed, [7; 16]).is_err());
            }
        }
    }
}
