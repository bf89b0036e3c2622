//! The notations of section 3: how integers, strings, values and maps are laid out. All is big-endian.

use std::net::{IpAddr, SocketAddr};

use super::{Consistency, DecodeError, EncodeError};

pub use super::option::put_option;

/// A string to its value, null being possible (`[bytes map]`).
pub type BytesMap<'a> = Vec<(&'a str, Option<&'a [u8]>)>;
/// A string to several (`[string multimap]`).
pub type StringMultimap<'a> = Vec<(&'a str, Vec<&'a str>)>;

/// A `[value]` of section 3. [`Value::Unset`] exists from v4 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// No value; written, it deletes what is there.
    Null,
    /// Leaves what is there as it is.
    Unset,
    /// A value, possibly of zero length.
    Bytes(&'a [u8]),
}

/// Reads the notations of section 3 from a slice, from front to back.
///
/// Its errors name the part of the message that [`Reader::about`] announced last.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes`, which errors call 'body' until [`Reader::about`] says better.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, what: "body" }
    }

    /// Says what comes next, for errors.
    pub fn about(&mut self, what: &'static str) -> &mut Self {
        self.what = what;
        self
    }

    /// What has not been read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// `[byte]`
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        self.array().map(|[byte]| byte)
    }

    /// `[short]`
    pub fn short(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// `[int]`
    pub fn int(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_be_bytes)
    }

    /// `[long]`
    pub fn long(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_be_bytes)
    }

    /// `[uuid]`
    pub fn uuid(&mut self) -> Result<[u8; 16], DecodeError> {
        self.array()
    }

    /// `[string]`
    pub fn string(&mut self) -> Result<&'a str, DecodeError> {
        let bytes = self.short_bytes()?;
        self.utf8(bytes)
    }

    /// `[long string]`
    pub fn long_string(&mut self) -> Result<&'a str, DecodeError> {
        let length = self.length()?;
        let bytes = self.take(length)?;
        self.utf8(bytes)
    }

    /// `[bytes]`: `None` is null, for which any negative length stands.
    pub fn bytes(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        match usize::try_from(self.int()?) {
            Ok(length) => self.take(length).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// `[short bytes]`
    pub fn short_bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.short()?;
        self.take(length.into())
    }

    /// `[value]`: length -1 is null, -2 is 'not set', and less is an error.
    pub fn value(&mut self) -> Result<Value<'a>, DecodeError> {
        match self.int()? {
            -1 => Ok(Value::Null),
            -2 => Ok(Value::Unset),
            length => match usize::try_from(length) {
                Ok(length) => self.take(length).map(Value::Bytes),
                Err(_) => Err(DecodeError::Length { what: self.what, length: length.into() }),
            },
        }
    }

    /// `[inet]`: an address and a port.
    pub fn inet(&mut self) -> Result<SocketAddr, DecodeError> {
        let address = self.inet_addr()?;
        let port = self.int()?;
        let Ok(port) = u16::try_from(port) else {
            return Err(DecodeError::Length { what: self.what, length: port.into() });
        };
        Ok(SocketAddr::new(address, port))
    }

    /// `[inetaddr]` (v5, section 3): an address of 4 or 16 bytes.
    pub fn inet_addr(&mut self) -> Result<IpAddr, DecodeError> {
        match self.byte()? {
            4 => self.array::<4>().map(IpAddr::from),
            16 => self.array::<16>().map(IpAddr::from),
            size => Err(DecodeError::Length { what: self.what, length: size.into() }),
        }
    }

    /// `[consistency]`
    pub fn consistency(&mut self) -> Result<Consistency, DecodeError> {
        let code = self.short()?;
        Consistency::from_code(code).ok_or(DecodeError::Unknown { what: self.what, code: code.into() })
    }

    /// `[string list]`
    pub fn string_list(&mut self) -> Result<Vec<&'a str>, DecodeError> {
        self.several(2, Self::string)
    }

    /// `[string map]`, in the order in which it came.
    pub fn string_map(&mut self) -> Result<Vec<(&'a str, &'a str)>, DecodeError> {
        self.several(4, |r| Ok((r.string()?, r.string()?)))
    }

    /// `[string multimap]`, in the order in which it came.
    pub fn string_multimap(&mut self) -> Result<StringMultimap<'a>, DecodeError> {
        self.several(4, |r| Ok((r.string()?, r.string_list()?)))
    }

    /// `[bytes map]`, in the order in which it came.
    pub fn bytes_map(&mut self) -> Result<BytesMap<'a>, DecodeError> {
        self.several(6, |r| Ok((r.string()?, r.bytes()?)))
    }

    /// An `[int]` that counts or measures: negative is an error.
    pub(crate) fn length(&mut self) -> Result<usize, DecodeError> {
        let length = self.int()?;
        usize::try_from(length).map_err(|_| DecodeError::Length { what: self.what, length: length.into() })
    }

    /// A `[short]` and so many elements of at least `min` bytes each.
    pub(crate) fn several<T>(
        &mut self,
        min: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.short()?.into();
        self.check_count(count, min)?;
        // Counts inside each other may all claim the same bytes, so most of the room is made as the elements come.
        let mut elements = Vec::with_capacity(count.min(64));
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    /// Fails unless `count` elements of at least `min` bytes each can be there: call it before allocating for them.
    pub(crate) fn check_count(&self, count: usize, min: usize) -> Result<(), DecodeError> {
        let needed = count.saturating_mul(min);
        if needed > self.rest.len() { Err(self.cut(needed)) } else { Ok(()) }
    }

    /// The bytes read since `earlier`, a copy of this reader.
    pub(crate) fn since(&self, earlier: &Self) -> &'a [u8] {
        &earlier.rest[..earlier.rest.len() - self.rest.len()]
    }

    pub(crate) const fn what(&self) -> &'static str {
        self.what
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(self.cut(length))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(self.cut(N))?;
        self.rest = rest;
        Ok(*taken)
    }

    fn utf8(&self, bytes: &'a [u8]) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8 { what: self.what })
    }

    const fn cut(&self, needed: usize) -> DecodeError {
        DecodeError::Short { what: self.what, needed, available: self.rest.len() }
    }
}

/// Appends a `[byte]`.
pub fn put_byte(out: &mut Vec<u8>, byte: u8) {
    out.push(byte);
}

/// Appends a `[short]`.
pub fn put_short(out: &mut Vec<u8>, short: u16) {
    out.extend_from_slice(&short.to_be_bytes());
}

/// Appends an `[int]`.
pub fn put_int(out: &mut Vec<u8>, int: i32) {
    out.extend_from_slice(&int.to_be_bytes());
}

/// Appends a `[long]`.
pub fn put_long(out: &mut Vec<u8>, long: i64) {
    out.extend_from_slice(&long.to_be_bytes());
}

/// Appends a `[uuid]`.
pub fn put_uuid(out: &mut Vec<u8>, uuid: &[u8; 16]) {
    out.extend_from_slice(uuid);
}

/// Appends a `[string]`: at most 65,535 bytes.
pub fn put_string(out: &mut Vec<u8>, string: &str) -> Result<(), EncodeError> {
    put_count(out, string.len(), "bytes of a [string]")?;
    out.extend_from_slice(string.as_bytes());
    Ok(())
}

/// Appends a `[long string]`.
pub fn put_long_string(out: &mut Vec<u8>, string: &str) -> Result<(), EncodeError> {
    put_length(out, string.len(), "bytes of a [long string]")?;
    out.extend_from_slice(string.as_bytes());
    Ok(())
}

/// Appends `[bytes]`.
pub fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) -> Result<(), EncodeError> {
    put_value(out, bytes.map_or(Value::Null, Value::Bytes))
}

/// Appends `[short bytes]`: at most 65,535.
pub fn put_short_bytes(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), EncodeError> {
    put_count(out, bytes.len(), "bytes of [short bytes]")?;
    out.extend_from_slice(bytes);
    Ok(())
}

/// Appends a `[value]`.
pub fn put_value(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), EncodeError> {
    match value {
        Value::Null => put_int(out, -1),
        Value::Unset => put_int(out, -2),
        Value::Bytes(bytes) => {
            put_length(out, bytes.len(), "bytes of a value")?;
            out.extend_from_slice(bytes);
        }
    }
    Ok(())
}

/// Appends an `[inet]`.
pub fn put_inet(out: &mut Vec<u8>, address: SocketAddr) {
    put_inet_addr(out, address.ip());
    put_int(out, address.port().into());
}

/// Appends an `[inetaddr]`.
pub fn put_inet_addr(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            put_byte(out, 4);
            out.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            put_byte(out, 16);
            out.extend_from_slice(&address.octets());
        }
    }
}

/// Appends a `[consistency]`.
pub fn put_consistency(out: &mut Vec<u8>, consistency: Consistency) {
    put_short(out, consistency.code());
}

/// Appends a `[string list]`.
pub fn put_string_list(out: &mut Vec<u8>, list: &[&str]) -> Result<(), EncodeError> {
    put_count(out, list.len(), "elements of a [string list]")?;
    list.iter().try_for_each(|string| put_string(out, string))
}

/// Appends a `[string map]`.
pub fn put_string_map(out: &mut Vec<u8>, map: &[(&str, &str)]) -> Result<(), EncodeError> {
    put_count(out, map.len(), "entries of a [string map]")?;
    for (key, value) in map {
        put_string(out, key)?;
        put_string(out, value)?;
    }
    Ok(())
}

/// Appends a `[string multimap]`.
pub fn put_string_multimap(out: &mut Vec<u8>, map: &[(&str, Vec<&str>)]) -> Result<(), EncodeError> {
    put_count(out, map.len(), "entries of a [string multimap]")?;
    for (key, values) in map {
        put_string(out, key)?;
        put_string_list(out, values)?;
    }
    Ok(())
}

/// Appends a `[bytes map]`.
pub fn put_bytes_map(out: &mut Vec<u8>, map: &[(&str, Option<&[u8]>)]) -> Result<(), EncodeError> {
    put_count(out, map.len(), "entries of a [bytes map]")?;
    for (key, value) in map {
        put_string(out, key)?;
        put_bytes(out, *value)?;
    }
    Ok(())
}

/// Appends a `[short]` that counts `what`.
pub(crate) fn put_count(out: &mut Vec<u8>, count: usize, what: &'static str) -> Result<(), EncodeError> {
    put_short(out, count_of(count, what)?);
    Ok(())
}

/// Appends an `[int]` that counts `what`.
pub(crate) fn put_length(out: &mut Vec<u8>, length: usize, what: &'static str) -> Result<(), EncodeError> {
    let limit = i32::MAX as usize;
    put_int(out, i32::try_from(length).map_err(|_| EncodeError::Limit { what, actual: length, limit })?);
    Ok(())
}

/// `count` as a `[short]`.
pub(crate) fn count_of(count: usize, what: &'static str) -> Result<u16, EncodeError> {
    u16::try_from(count).map_err(|_| EncodeError::Limit { what, actual: count, limit: u16::MAX.into() })
}
