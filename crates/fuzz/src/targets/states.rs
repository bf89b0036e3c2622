//! Paging states, which come back from cookies and query strings: as bytes, and as text.

use helenus::PagingState;

use crate::memory::bounded;

const FACTOR: usize = 8;

pub(super) fn run(bytes: &[u8]) {
    match bounded(bytes.len(), FACTOR, || PagingState::from_bytes(bytes)) {
        Ok(state) => assert_eq!(state.to_bytes(), bytes),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(state) = bounded(bytes.len(), FACTOR, || text.parse::<PagingState>())
    {
        assert_eq!(state.to_string().parse().as_ref(), Ok(&state));
    }
    // No change of a state keeps its checksum, so any bytes of a server go through one as well.
    let state = PagingState::from_server_bytes(bytes);
    assert_eq!(PagingState::from_bytes(state.to_bytes()).as_ref(), Ok(&state));
    assert_eq!(state.to_string().parse().as_ref(), Ok(&state));
}
