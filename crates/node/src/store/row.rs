//! A row's cells in one piece of memory: per column an [int] length (-1: no value) and the bytes.

/// The cells of the clustering and regular columns, in the order of the schema.
pub(crate) type Row = Box<[u8]>;

/// Reads the cells of a row in order.
pub(crate) struct Cells<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Cells<'a> {
    type Item = Option<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_first_chunk::<4>()?;
        // Rows are only made by `push_cell`, so a length that isn't -1 is followed by its bytes.
        let len = usize::try_from(i32::from_be_bytes(*head)).ok();
        let (value, rest) = rest.split_at(len.unwrap_or(0).min(rest.len()));
        self.0 = rest;
        Some(len.map(|_| value))
    }
}

/// Appends a cell. The limit on frames keeps values under 2^31 bytes.
pub(crate) fn push_cell(cell: Option<&[u8]>, out: &mut Vec<u8>) {
    match cell {
        None => out.extend_from_slice(&(-1i32).to_be_bytes()),
        Some(bytes) => {
            out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
            out.extend_from_slice(bytes);
        }
    }
}

/// The columns of a composite partition key: each a [short] length, the bytes, and a zero.
pub(crate) struct Components<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Components<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        let (head, rest) = self.0.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*head)).min(rest.len());
        self.0 = rest.get(len + 1..).unwrap_or_default();
        Some(&rest[..len])
    }
}

/// Builds a partition key of its columns' values.
pub(crate) fn partition_key<'a>(
    columns: usize,
    values: impl Iterator<Item = &'a [u8]>,
    out: &mut Vec<u8>,
) -> Result<(), String> {
    for value in values {
        let len = u16::try_from(value.len())
            .map_err(|_| format!("Key length of {} is longer than maximum of 65535", value.len()))?;
        if columns > 1 {
            out.extend_from_slice(&len.to_be_bytes());
        }
        out.extend_from_slice(value);
        if columns > 1 {
            out.push(0);
        }
    }
    Ok(())
}
