//! Collections, tuples and user-defined types: of their elements' bytes, and into them.

use helenus_core::protocol::ColumnType;
use helenus_core::value::{CqlValue, DecodeValue};

use super::push_ordered;

/// Elements: null is `None`. Those of a map are keys and values in turn.
pub(crate) type Pieces<'a> = Vec<Option<&'a [u8]>>;

/// The elements of a value that was validated.
pub(crate) fn elements(bytes: &[u8], counted: bool) -> Pieces<'_> {
    let mut rest = if counted { bytes.get(4..).unwrap_or_default() } else { bytes };
    let mut pieces = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let len = usize::try_from(i32::from_be_bytes(*head)).ok();
        let (piece, after) = after.split_at(len.unwrap_or(0).min(after.len()));
        pieces.push(len.map(|_| piece));
        rest = after;
    }
    pieces
}

/// Appends a [bytes].
pub(crate) fn put_piece(piece: Option<&[u8]>, out: &mut Vec<u8>) {
    match piece {
        None => out.extend_from_slice(&(-1i32).to_be_bytes()),
        Some(bytes) => {
            // The limit on frames keeps values under 2^31 bytes.
            out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
            out.extend_from_slice(bytes);
        }
    }
}

/// A value of its elements, which are of their types; sets and maps are brought into order, and the last of equal
/// elements stays, as in the server.
pub(crate) fn assemble(column_type: &ColumnType, pieces: &[Option<Vec<u8>>]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    match column_type {
        ColumnType::List(_) => {
            let pieces = pieces.iter().map(|piece| present(piece)).collect::<Result<Vec<_>, _>>()?;
            put_counted(pieces.len(), pieces.into_iter(), &mut out);
        }
        ColumnType::Set(element) => {
            let items = sorted(element, pieces, 1)?;
            put_counted(items.len(), items.into_iter().flatten(), &mut out);
        }
        ColumnType::Map(types) => {
            let items = sorted(&types.0, pieces, 2)?;
            put_counted(items.len(), items.into_iter().flatten(), &mut out);
        }
        ColumnType::Vector(element, dimension) => return vector(column_type, element, *dimension, pieces),
        _ => pieces.iter().for_each(|piece| put_piece(piece.as_deref(), &mut out)),
    }
    Ok(out)
}

fn put_counted<'a>(count: usize, pieces: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    // A statement is shorter than 2^31 bytes, so it has fewer elements.
    out.extend_from_slice(&(count as i32).to_be_bytes());
    pieces.for_each(|piece| put_piece(Some(piece), out));
}

fn present(piece: &Option<Vec<u8>>) -> Result<&[u8], String> {
    piece.as_deref().ok_or_else(|| "null is not supported inside collections".to_owned())
}

/// Groups of so many pieces, in the order of their first.
fn sorted<'a>(
    first: &ColumnType,
    pieces: &'a [Option<Vec<u8>>],
    group: usize,
) -> Result<Vec<Vec<&'a [u8]>>, String> {
    let mut items = Vec::with_capacity(pieces.len() / group);
    for item in pieces.chunks_exact(group) {
        let item = item.iter().map(present).collect::<Result<Vec<_>, _>>()?;
        let mut place = Vec::new();
        push_ordered(first, item[0], false, &mut place)?;
        items.push((place, item));
    }
    items.sort_by(|a, b| a.0.cmp(&b.0));
    items.reverse();
    items.dedup_by(|a, b| a.0 == b.0);
    items.reverse();
    Ok(items.into_iter().map(|(_, item)| item).collect())
}

fn vector(
    column_type: &ColumnType,
    element: &ColumnType,
    dimension: u32,
    pieces: &[Option<Vec<u8>>],
) -> Result<Vec<u8>, String> {
    if pieces.len() != dimension as usize {
        return Err(format!(
            "Invalid vector literal of type {column_type}: expected {dimension} elements, but given {}",
            pieces.len()
        ));
    }
    let value = |piece| CqlValue::decode(element, Some(present(piece)?)).map_err(|error| error.to_string());
    let values = pieces.iter().map(value).collect::<Result<Vec<_>, _>>()?;
    let bytes = CqlValue::Vector(values).to_bytes(column_type).map_err(|error| error.to_string())?;
    Ok(bytes.unwrap_or_default())
}
