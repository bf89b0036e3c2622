//! Compression of bodies in v3 and v4 (section 5), and the blocks of LZ4 that v5's segments carry. Pure functions of bytes.

use std::error::Error;
use std::fmt;

use super::{Flags, Header, envelope};

/// Shorter bodies and segments are sent as they are: they hardly shrink, and a block costs the clearing of a table of 8 KiB.
pub(super) const WORTH_BYTES_MIN: usize = 128;

/// How bodies (v3, v4) or segments (v5, LZ4 alone) are compressed. A variant that isn't compiled in is refused with
/// [`CompressionError::NotCompiledIn`]: the features are `lz4` and `snappy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// LZ4 blocks.
    Lz4,
    /// Snappy; not in v5.
    Snappy,
}

impl Compression {
    /// As STARTUP and SUPPORTED write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
        }
    }

    /// The compression of that name, in any case, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Lz4, Self::Snappy]
            .into_iter()
            .find(|compression| compression.name().eq_ignore_ascii_case(name))
    }

    /// Whether this build can do it.
    pub const fn is_compiled_in(self) -> bool {
        match self {
            Self::Lz4 => cfg!(feature = "lz4"),
            Self::Snappy => cfg!(feature = "snappy"),
        }
    }

    /// Appends `body` in compressed form: the body of an envelope of v3 or v4 whose header has
    /// [`Flags::COMPRESSION`](super::Flags::COMPRESSION).
    ///
    /// # Errors
    /// [`CompressionError::NotCompiledIn`]; [`CompressionError::TooLong`] for bodies that no message can have.
    pub fn compress(self, body: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
        let limit = envelope::MAX_BODY;
        if body.len() > limit {
            return Err(CompressionError::TooLong { length: body.len(), limit });
        }
        match self {
            Self::Lz4 => {
                out.extend_from_slice(&(body.len() as u32).to_be_bytes());
                lz4::compress(body, out)
            }
            Self::Snappy => snappy::compress(body, out),
        }
    }

    /// Compresses the body of the envelope that is `frame` (v3, v4), in place, and says so in its flags. It stays as it is if it
    /// is compressed already, or wouldn't get shorter.
    ///
    /// # Errors
    /// As [`Compression::compress`].
    pub fn compress_envelope(self, frame: &mut Vec<u8>) -> Result<(), CompressionError> {
        let Some((header, body)) = frame.split_first_chunk::<{ Header::LEN }>() else { return Ok(()) };
        let flags = Header::parse(header).flags;
        if body.len() < WORTH_BYTES_MIN || flags.contains(Flags::COMPRESSION) {
            return Ok(());
        }
        let mut compressed = Vec::new();
        self.compress(body, &mut compressed)?;
        if compressed.len() < body.len() {
            frame.truncate(Header::LEN);
            frame.extend_from_slice(&compressed);
            envelope::set_flags(frame, flags | Flags::COMPRESSION);
            set_length(frame);
        }
        Ok(())
    }

    /// Appends the envelope that is `frame` (v3, v4) as it was before [`Compression::compress_envelope`]; its body may have at
    /// most `limit` bytes.
    ///
    /// # Errors
    /// As [`Compression::decompress`]; `out` is then as it was.
    pub fn put_decompressed(
        self,
        frame: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        let start = out.len();
        let parts = frame.split_first_chunk::<{ Header::LEN }>();
        let compressed = parts.filter(|(header, _)| Header::parse(header).flags.contains(Flags::COMPRESSION));
        let Some((header, body)) = compressed else {
            out.extend_from_slice(frame);
            return Ok(());
        };
        out.extend_from_slice(header);
        let outcome = self.decompress(body, limit, out);
        match outcome {
            Ok(()) => {
                let flags = Header::parse(header).flags;
                envelope::set_flags(&mut out[start..], flags.without(Flags::COMPRESSION));
                set_length(&mut out[start..]);
            }
            Err(_) => out.truncate(start),
        }
        outcome
    }

    /// Appends what [`Compression::compress`] made `compressed` of, at most `limit` bytes. Memory is taken only for as much
    /// as so many compressed bytes can become.
    ///
    /// # Errors
    /// [`CompressionError`]; `out` is then as it was.
    pub fn decompress(
        self,
        compressed: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        match self {
            Self::Lz4 => {
                let (length, block) = compressed.split_first_chunk().ok_or(CompressionError::Broken(self))?;
                // Java writes an int: a negative one is beyond any limit as well.
                let length = u32::from_be_bytes(*length) as usize;
                if length > limit {
                    return Err(CompressionError::TooLong { length, limit });
                }
                lz4::decompress(block, length, out)
            }
            Self::Snappy => snappy::decompress(compressed, limit, out),
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why bytes can't be compressed or decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressionError {
    /// This build of helenus has no such compression.
    NotCompiledIn(Compression),
    /// They are no block of this compression.
    Broken(Compression),
    /// They become other than the length that is written with them.
    Length {
        /// As written.
        expected: usize,
        /// As it is; `None` where it is more, or more than they can become.
        actual: Option<usize>,
    },
    /// They are, or become, longer than is allowed.
    TooLong {
        /// Their length.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
}

impl fmt::Display for CompressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCompiledIn(compression) => {
                write!(f, "this build has no {compression}: compile helenus with the feature {compression}")
            }
            Self::Broken(compression) => write!(f, "the bytes are no {compression} block"),
            Self::Length { expected, actual: Some(actual) } => {
                write!(f, "the compressed bytes become {actual} bytes where {expected} are announced")
            }
            Self::Length { expected, actual: None } => {
                write!(f, "the compressed bytes don't become the {expected} bytes that are announced")
            }
            Self::TooLong { length, limit } => write!(f, "{length} bytes are more than the {limit} allowed"),
        }
    }
}

impl Error for CompressionError {}

/// Writes the length of the body into the header. A body that was longer, or that `decompress` has limited, fits.
fn set_length(frame: &mut [u8]) {
    let finished = envelope::finish(frame, 0);
    debug_assert!(finished.is_ok(), "an envelope whose body is too long");
}

/// Blocks without their length.
#[cfg(feature = "lz4")]
pub(super) mod lz4 {
    use super::{Compression, CompressionError};

    /// A byte of length after another: no block grows by more than this.
    const MOST_RATIO: usize = 255;

    pub(in super::super) fn compress(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
        let start = out.len();
        out.resize(start + lz4_flex::block::get_maximum_output_size(bytes.len()), 0);
        let written = lz4_flex::block::compress_into(bytes, &mut out[start..]);
        // It fails only for want of room, of which there is the most that can be needed.
        let written = written.map_err(|_| CompressionError::Broken(Compression::Lz4));
        out.truncate(start + written.unwrap_or(0));
        written.map(drop)
    }

    /// Appends the `length` bytes that the block becomes.
    pub(in super::super) fn decompress(
        block: &[u8],
        length: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        if length == 0 && block.is_empty() {
            return Ok(());
        }
        if length > block.len().saturating_mul(MOST_RATIO) {
            return Err(CompressionError::Length { expected: length, actual: None });
        }
        let start = out.len();
        out.resize(start + length, 0);
        let outcome = match lz4_flex::block::decompress_into(block, &mut out[start..]) {
            Ok(actual) if actual == length => Ok(()),
            Ok(actual) => Err(CompressionError::Length { expected: length, actual: Some(actual) }),
            Err(lz4_flex::block::DecompressError::OutputTooSmall { .. }) => {
                Err(CompressionError::Length { expected: length, actual: None })
            }
            Err(_) => Err(CompressionError::Broken(Compression::Lz4)),
        };
        if outcome.is_err() {
            out.truncate(start);
        }
        outcome
    }
}

#[cfg(not(feature = "lz4"))]
pub(super) mod lz4 {
    use super::{Compression, CompressionError};

    const MISSING: CompressionError = CompressionError::NotCompiledIn(Compression::Lz4);

    pub(in super::super) fn compress(_: &[u8], _: &mut Vec<u8>) -> Result<(), CompressionError> {
        Err(MISSING)
    }

    pub(in super::super) fn decompress(_: &[u8], _: usize, _: &mut Vec<u8>) -> Result<(), CompressionError> {
        Err(MISSING)
    }
}

#[cfg(feature = "snappy")]
mod snappy {
    use super::{Compression, CompressionError};

    /// Three bytes make at most 64.
    const MOST_RATIO: usize = 22;
    const BROKEN: CompressionError = CompressionError::Broken(Compression::Snappy);

    pub(super) fn compress(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CompressionError> {
        let start = out.len();
        out.resize(start + snap::raw::max_compress_len(bytes.len()), 0);
        let written = snap::raw::Encoder::new().compress(bytes, &mut out[start..]).map_err(|_| BROKEN);
        out.truncate(start + written.unwrap_or(0));
        written.map(drop)
    }

    pub(super) fn decompress(
        compressed: &[u8],
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CompressionError> {
        let length = snap::raw::decompress_len(compressed).map_err(|_| BROKEN)?;
        if length > limit {
            return Err(CompressionError::TooLong { length, limit });
        }
        if length > compressed.len().saturating_mul(MOST_RATIO) {
            return Err(CompressionError::Length { expected: length, actual: None });
        }
        let start = out.len();
        out.resize(start + length, 0);
        let outcome = match snap::raw::Decoder::new().decompress(compressed, &mut out[start..]) {
            Ok(actual) if actual == length => Ok(()),
            _ => Err(BROKEN),
        };
        if outcome.is_err() {
            out.truncate(start);
        }
        outcome
    }
}

#[cfg(not(feature = "snappy"))]
mod snappy {
    use super::{Compression, CompressionError};

    const MISSING: CompressionError = CompressionError::NotCompiledIn(Compression::Snappy);

    pub(super) fn compress(_: &[u8], _: &mut Vec<u8>) -> Result<(), CompressionError> {
        Err(MISSING)
    }

    pub(super) fn decompress(_: &[u8], _: usize, _: &mut Vec<u8>) -> Result<(), CompressionError> {
        Err(MISSING)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(any(feature = "lz4", feature = "snappy"))]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_those_of_startup() {
        assert_eq!(Compression::from_name("LZ4"), Some(Compression::Lz4));
        assert_eq!(Compression::from_name("snappy"), Some(Compression::Snappy));
        assert_eq!(Compression::from_name("deflate"), None);
    }

    #[cfg(not(feature = "snappy"))]
    #[test]
    fn what_is_not_compiled_in_is_said() {
        let error = Compression::Snappy.compress(&[], &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "this build has no snappy: compile helenus with the feature snappy");
    }

    #[cfg(any(feature = "lz4", feature = "snappy"))]
    fn decompressed(
        compression: Compression,
        bytes: &[u8],
        limit: usize,
    ) -> Result<Vec<u8>, CompressionError> {
        let mut out = vec![9];
        let outcome = compression.decompress(bytes, limit, &mut out);
        assert_eq!(out.remove(0), 9);
        if outcome.is_err() {
            assert!(out.is_empty(), "what was written is cut back");
        }
        outcome.map(|()| out)
    }

    /// Blocks written by hand from the formats' descriptions: a literal, then a copy of it.
    #[cfg(feature = "lz4")]
    #[test]
    fn lz4_bodies_are_as_cassandra_writes_them() {
        let block = [0, 0, 0, 12, 0x13, b'a', 1, 0, 0x40, b'b', b'c', b'd', b'e'];
        assert_eq!(decompressed(Compression::Lz4, &block, 100), Ok(b"aaaaaaaabcde".to_vec()));
        assert_eq!(decompressed(Compression::Lz4, &[0; 5], 100), Ok(vec![]));
        assert_eq!(decompressed(Compression::Lz4, &[0; 4], 100), Ok(vec![]));
        let too_long = CompressionError::TooLong { length: 12, limit: 11 };
        assert_eq!(decompressed(Compression::Lz4, &block, 11), Err(too_long));
        for (length, actual) in [(13, Some(12)), (11, None), (0x7fff_ffff_u32, None)] {
            let bytes = [&length.to_be_bytes(), &block[4..]].concat();
            let wrong = CompressionError::Length { expected: length as usize, actual };
            assert_eq!(decompressed(Compression::Lz4, &bytes, usize::MAX), Err(wrong));
        }
        let before_start = [0, 0, 0, 12, 0x13, b'a', 2, 0, 0x40, b'b', b'c', b'd', b'e'];
        assert_eq!(
            decompressed(Compression::Lz4, &before_start, 100),
            Err(CompressionError::Broken(Compression::Lz4))
        );
        assert_eq!(
            decompressed(Compression::Lz4, &[0; 3], 100),
            Err(CompressionError::Broken(Compression::Lz4))
        );
    }

    #[cfg(feature = "snappy")]
    #[test]
    fn snappy_bodies_are_as_cassandra_writes_them() {
        let block = [9, 0x00, b'a', 0x11, 0x01];
        assert_eq!(decompressed(Compression::Snappy, &block, 100), Ok(b"aaaaaaaaa".to_vec()));
        assert_eq!(decompressed(Compression::Snappy, &[0], 100), Ok(vec![]));
        let too_long = CompressionError::TooLong { length: 9, limit: 8 };
        assert_eq!(decompressed(Compression::Snappy, &block, 8), Err(too_long));
        let bomb = [0xff, 0xff, 0xff, 0xff, 0x07, 0];
        let wrong = CompressionError::Length { expected: 0x7fff_ffff, actual: None };
        assert_eq!(decompressed(Compression::Snappy, &bomb, usize::MAX), Err(wrong));
        for broken in [&[][..], &[8, 0, b'a', 0x11, 1], &[9, 0, b'a', 0x11, 2]] {
            assert_eq!(
                decompressed(Compression::Snappy, broken, 100),
                Err(CompressionError::Broken(Compression::Snappy))
            );
        }
    }

    /// An envelope with a body of `length` bytes that shrink, and a flag of its own.
    #[cfg(feature = "lz4")]
    fn envelope_of(length: usize) -> Vec<u8> {
        let mut frame = vec![4, Flags::TRACING.0, 0, 7, 10, 0, 0, 0, 0];
        frame.resize(Header::LEN + length, b'a');
        envelope::finish(&mut frame, 0).unwrap();
        frame
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn an_envelope_is_compressed_in_place_and_comes_back() {
        let (whole, mut frame) = (envelope_of(1_000), envelope_of(1_000));
        Compression::Lz4.compress_envelope(&mut frame).unwrap();
        let header = Header::parse(frame.first_chunk().unwrap());
        assert_eq!(header.flags, Flags::TRACING | Flags::COMPRESSION);
        assert!(header.length < 100 && frame.len() == Header::LEN + header.length as usize);
        let compressed = frame.clone();
        Compression::Lz4.compress_envelope(&mut frame).unwrap();
        assert_eq!(frame, compressed, "once is enough");
        let mut out = vec![9];
        Compression::Lz4.put_decompressed(&frame, 1_000, &mut out).unwrap();
        Compression::Lz4.put_decompressed(&whole, 1_000, &mut out).unwrap();
        assert_eq!(out, [&[9], &whole[..], &whole[..]].concat());
        assert!(Compression::Lz4.put_decompressed(&frame, 999, &mut out).is_err());
        assert_eq!(out.len(), 1 + 2 * whole.len());
    }

    #[cfg(feature = "lz4")]
    #[test]
    fn what_is_short_or_does_not_shrink_goes_as_it_is() {
        let mut noise = envelope_of(300);
        let mut state = 1_u32;
        for byte in &mut noise[Header::LEN..] {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (state >> 24) as u8;
        }
        for frame in [envelope_of(WORTH_BYTES_MIN - 1), noise, vec![4, 0, 0]] {
            let mut same = frame.clone();
            Compression::Lz4.compress_envelope(&mut same).unwrap();
            assert_eq!(same, frame);
        }
    }

    #[cfg(any(feature = "lz4", feature = "snappy"))]
    proptest! {
        #[test]
        fn bodies_come_back(words in proptest::collection::vec(0..7_u64, 0..300), noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            let body: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).chain(noise.iter().copied()).collect();
            for compression in [Compression::Lz4, Compression::Snappy].into_iter().filter(|one| one.is_compiled_in()) {
                let mut compressed = Vec::new();
                compression.compress(&body, &mut compressed).unwrap();
                prop_assert_eq!(decompressed(compression, &compressed, body.len()), Ok(body.clone()));
                if !body.is_empty() {
                    prop_assert!(decompressed(compression, &compressed, body.len() - 1).is_err());
                }
                prop_assert!(decompressed(compression, &compressed[..compressed.len() - 1], body.len()).is_err() || body.is_empty());
                let _ = decompressed(compression, &noise, 1 << 20);
            }
        }
    }
}
