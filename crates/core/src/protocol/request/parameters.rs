use std::fmt;

use super::require;
use crate::protocol::wire::{
    Reader, Value, count_of, put_bytes, put_consistency, put_int, put_long, put_string,
};
use crate::protocol::{Consistency, DecodeError, EncodeError, Version};

const VALUES: u32 = 0x01;
const SKIP_METADATA: u32 = 0x02;
const PAGE_SIZE: u32 = 0x04;
const PAGING_STATE: u32 = 0x08;
pub(super) const SERIAL_CONSISTENCY: u32 = 0x10;
pub(super) const TIMESTAMP: u32 = 0x20;
pub(super) const NAMES: u32 = 0x40;
pub(super) const KEYSPACE: u32 = 0x80;
pub(super) const NOW_IN_SECONDS: u32 = 0x100;

/// What accompanies the values of a QUERY or EXECUTE (section 4.1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParameterOptions<'a> {
    /// How many replicas must answer.
    pub consistency: Consistency,
    /// Ask for rows without their columns' names and types.
    pub skip_metadata: bool,
    /// How many rows a page has at most.
    pub page_size: Option<i32>,
    /// Where to go on: as it came with the page before, on a connection of the same version.
    pub paging_state: Option<&'a [u8]>,
    /// For the serial phase of conditional statements; the server takes SERIAL if there is none.
    pub serial_consistency: Option<Consistency>,
    /// The default timestamp of what is written, in microseconds since 1970; not negative.
    pub timestamp: Option<i64>,
    /// Whether a `[string]` with the marker's name precedes each value.
    pub names: bool,
    /// The keyspace of unqualified names; v5.
    pub keyspace: Option<&'a str>,
    /// What the server takes for the current time, in seconds since 1970, where time to live is concerned; v5.
    pub now_in_seconds: Option<i32>,
}

/// The parameters of a QUERY or EXECUTE, written in place around values that the caller encodes.
///
/// ```
/// use helenus_core::protocol::request::{ParameterOptions, ParametersHead};
/// use helenus_core::protocol::{Consistency, Version, wire};
///
/// let mut out = Vec::new();
/// let head = ParametersHead::begin(&mut out, Version::V4);
/// wire::put_value(&mut out, wire::Value::Bytes(b"k"))?;
/// let options = ParameterOptions { consistency: Consistency::One, ..ParameterOptions::default() };
/// head.finish(&mut out, 1, &options)?;
/// assert_eq!(out, [0, 1, 0x01, 0, 1, 0, 0, 0, 1, b'k']);
/// # Ok::<(), helenus_core::protocol::EncodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "the parameters are placeholders until `finish`"]
pub struct ParametersHead {
    version: Version,
    start: usize,
}

impl ParametersHead {
    /// Appends placeholders for consistency, flags and the number of values. Append the encoded values next.
    #[inline]
    pub fn begin(out: &mut Vec<u8>, version: Version) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; 8][..2 + flags_len(version) + 2]);
        Self { version, start }
    }

    /// Fills the placeholders in and appends the options. Without values their number is left out.
    ///
    /// # Errors
    /// [`EncodeError::Limit`] for more than 65,535 values or too long a keyspace, [`EncodeError::NotInVersion`] for a
    /// keyspace or a current time before v5.
    ///
    /// # Panics
    /// If `out` is not the buffer that was begun with.
    #[inline]
    pub fn finish(
        self,
        out: &mut Vec<u8>,
        value_count: usize,
        options: &ParameterOptions<'_>,
    ) -> Result<(), EncodeError> {
        let at = self.start + 2 + flags_len(self.version);
        let mut flags = 0;
        if value_count == 0 {
            out.truncate(at);
        } else {
            flags |= if options.names { VALUES | NAMES } else { VALUES };
            out[at..at + 2].copy_from_slice(&count_of(value_count, "values")?.to_be_bytes());
        }
        if options.skip_metadata {
            flags |= SKIP_METADATA;
        }
        if let Some(page_size) = options.page_size {
            flags |= PAGE_SIZE;
            put_int(out, page_size);
        }
        if let Some(state) = options.paging_state {
            flags |= PAGING_STATE;
            put_bytes(out, Some(state))?;
        }
        flags |= put_common(out, self.version, &options.common())?;
        out[self.start..self.start + 2].copy_from_slice(&options.consistency.code().to_be_bytes());
        set_flags(&mut out[self.start + 2..at], flags);
        Ok(())
    }
}

impl ParametersHead {
    /// The same, of a copy that begins `bytes` later.
    pub(crate) fn moved(self, bytes: usize) -> Self {
        Self { start: self.start + bytes, ..self }
    }

    /// Changes the consistency, before or after [`ParametersHead::finish`], which sets it anew.
    #[inline]
    pub fn set_consistency(self, out: &mut [u8], consistency: Consistency) {
        if let Some(place) = out.get_mut(self.start..self.start + 2) {
            place.copy_from_slice(&consistency.code().to_be_bytes());
        }
    }
}

/// Values that are encoded already: so many `[value]`s, each preceded by a `[string]` if they are named.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Values<'a> {
    count: u16,
    named: bool,
    bytes: &'a [u8],
}

impl<'a> Values<'a> {
    /// No values.
    pub const NONE: Self = Self { count: 0, named: false, bytes: &[] };

    /// `bytes` are `count` `[value]`s, which isn't checked here: the server would find out.
    pub const fn new(count: u16, bytes: &'a [u8]) -> Self {
        Self { count, named: false, bytes }
    }

    /// `bytes` are `count` pairs of `[string]` and `[value]`, which isn't checked here.
    pub const fn named(count: u16, bytes: &'a [u8]) -> Self {
        Self { count, named: true, bytes }
    }

    /// How many there are.
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// Whether they have names.
    pub const fn are_named(&self) -> bool {
        self.named
    }

    /// As they are encoded.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Each with its name, if they are named. Values that came with a request were checked when it was read; of
    /// others, it ends at the first that isn't well-formed.
    pub const fn iter(&self) -> ValueIter<'a> {
        ValueIter { left: self.count, named: self.named, reader: Reader::new(self.bytes) }
    }

    pub(super) fn read(r: &mut Reader<'a>, version: Version, named: bool) -> Result<Self, DecodeError> {
        let count = r.about("number of values").short()?;
        r.about("values").check_count(count.into(), if named { 6 } else { 4 })?;
        let start = *r;
        for _ in 0..count {
            if named {
                r.about("name of a value").string()?;
            }
            let unset = r.about("value").value()? == Value::Unset;
            if unset && version < Version::V4 {
                // v3 has only null here. To take it for null would delete what the client meant to keep.
                return Err(DecodeError::Length { what: "value (v3 has no 'not set')", length: -2 });
            }
        }
        Ok(Self { count, named, bytes: r.since(&start) })
    }
}

impl<'a> IntoIterator for Values<'a> {
    type Item = (Option<&'a str>, Value<'a>);
    type IntoIter = ValueIter<'a>;

    fn into_iter(self) -> ValueIter<'a> {
        self.iter()
    }
}

impl fmt::Debug for Values<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// See [`Values::iter`].
#[derive(Clone, Debug)]
pub struct ValueIter<'a> {
    left: u16,
    named: bool,
    reader: Reader<'a>,
}

impl<'a> Iterator for ValueIter<'a> {
    type Item = (Option<&'a str>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = if self.named { Some(self.reader.string().ok()?) } else { None };
        Some((name, self.reader.value().ok()?))
    }
}

/// The parameters of a QUERY or EXECUTE (section 4.1.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// The values of the bind markers. Whether they are named they say themselves.
    pub values: Values<'a>,
    /// All else; `names` in it is ignored.
    pub options: ParameterOptions<'a>,
}

impl<'a> Parameters<'a> {
    /// Appends them.
    pub fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let head = ParametersHead::begin(out, version);
        let Values { count, named, bytes } = self.values;
        if count > 0 {
            out.extend_from_slice(bytes);
        }
        head.finish(out, count.into(), &ParameterOptions { names: named, ..self.options })
    }

    pub(super) fn read(r: &mut Reader<'a>, version: Version) -> Result<Self, DecodeError> {
        let consistency = r.about("consistency").consistency()?;
        let flags = read_flags(r, version)?;
        let has = |flag| flags & flag != 0;
        let mut parameters = Self::default();
        if has(VALUES) {
            parameters.values = Values::read(r, version, has(NAMES))?;
        }
        let options = &mut parameters.options;
        options.consistency = consistency;
        options.skip_metadata = has(SKIP_METADATA);
        options.names = parameters.values.named;
        if has(PAGE_SIZE) {
            options.page_size = Some(r.about("page size").int()?);
        }
        if has(PAGING_STATE) {
            options.paging_state = r.about("paging state").bytes()?;
        }
        let common = Common::read(r, version, flags)?;
        options.serial_consistency = common.serial_consistency;
        options.timestamp = common.timestamp;
        options.keyspace = common.keyspace;
        options.now_in_seconds = common.now_in_seconds;
        Ok(parameters)
    }
}

impl<'a> ParameterOptions<'a> {
    fn common(&self) -> Common<'a> {
        Common {
            serial_consistency: self.serial_consistency,
            timestamp: self.timestamp,
            keyspace: self.keyspace,
            now_in_seconds: self.now_in_seconds,
        }
    }
}

/// The last fields, which QUERY, EXECUTE and BATCH share.
pub(super) struct Common<'a> {
    pub(super) serial_consistency: Option<Consistency>,
    pub(super) timestamp: Option<i64>,
    pub(super) keyspace: Option<&'a str>,
    pub(super) now_in_seconds: Option<i32>,
}

impl<'a> Common<'a> {
    pub(super) fn read(r: &mut Reader<'a>, version: Version, flags: u32) -> Result<Self, DecodeError> {
        let has = |flag, since| flags & flag != 0 && version >= since;
        let mut common =
            Self { serial_consistency: None, timestamp: None, keyspace: None, now_in_seconds: None };
        if has(SERIAL_CONSISTENCY, Version::V3) {
            common.serial_consistency = Some(r.about("serial consistency").consistency()?);
        }
        if has(TIMESTAMP, Version::V3) {
            common.timestamp = Some(r.about("timestamp").long()?);
        }
        if has(KEYSPACE, Version::V5) {
            common.keyspace = Some(r.about("keyspace").string()?);
        }
        if has(NOW_IN_SECONDS, Version::V5) {
            common.now_in_seconds = Some(r.about("now in seconds").int()?);
        }
        Ok(common)
    }
}

/// Appends the fields that are there and returns their flags.
pub(super) fn put_common(
    out: &mut Vec<u8>,
    version: Version,
    common: &Common<'_>,
) -> Result<u32, EncodeError> {
    let mut flags = 0;
    if let Some(consistency) = common.serial_consistency {
        flags |= SERIAL_CONSISTENCY;
        put_consistency(out, consistency);
    }
    if let Some(timestamp) = common.timestamp {
        flags |= TIMESTAMP;
        put_long(out, timestamp);
    }
    if let Some(keyspace) = common.keyspace {
        require(version, Version::V5, "a keyspace of a single request")?;
        flags |= KEYSPACE;
        put_string(out, keyspace)?;
    }
    if let Some(now) = common.now_in_seconds {
        require(version, Version::V5, "a current time of a single request")?;
        flags |= NOW_IN_SECONDS;
        put_int(out, now);
    }
    Ok(flags)
}

/// Flags are a `[byte]`, from v5 on an `[int]`.
pub(super) const fn flags_len(version: Version) -> usize {
    if matches!(version, Version::V5) { 4 } else { 1 }
}

/// Fills a placeholder of [`flags_len`] bytes in. The flags that v5 added don't occur where it is one byte.
pub(super) fn set_flags(placeholder: &mut [u8], flags: u32) {
    let bytes = flags.to_be_bytes();
    placeholder.copy_from_slice(&bytes[bytes.len() - placeholder.len()..]);
}

pub(super) fn read_flags(r: &mut Reader<'_>, version: Version) -> Result<u32, DecodeError> {
    r.about("flags");
    if flags_len(version) == 4 { r.int().map(|flags| flags as u32) } else { r.byte().map(u32::from) }
}
