//! Compressed bodies of v3 and v4.

use helenus_core::protocol::Compression;

use crate::memory::bounded;

/// LZ4 grows by 255 at most.
const FACTOR: usize = 600;
const LIMIT: usize = 16 << 20;

pub(super) fn run(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let compression = if which & 1 == 0 { Compression::Lz4 } else { Compression::Snappy };
    let plain = bounded(bytes.len(), FACTOR, || {
        let mut out = Vec::new();
        let done = compression.decompress(bytes, LIMIT, &mut out);
        assert!(done.is_ok() || out.is_empty());
        done.map(|()| out)
    });
    if let Ok(plain) = plain {
        assert!(plain.len() <= LIMIT);
        round_trip(compression, &plain);
        if let Some(less) = plain.len().checked_sub(1) {
            assert!(compression.decompress(bytes, less, &mut Vec::new()).is_err());
        }
    }
    round_trip(compression, bytes);
}

fn round_trip(compression: Compression, plain: &[u8]) {
    let (mut compressed, mut again) = (Vec::new(), Vec::new());
    compression.compress(plain, &mut compressed).unwrap();
    compression.decompress(&compressed, plain.len(), &mut again).unwrap();
    assert_eq!(again, plain);
}
