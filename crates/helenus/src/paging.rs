//! Where the next page begins, and what that is good for.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use helenus_core::PreparedStatement;
use helenus_core::call::Done;
use helenus_core::protocol::request::{self, Request as ProtocolRequest, Values};
use helenus_core::protocol::{Header, Version, wire};

use crate::siphash;

/// Where the next page of a result begins. It can be kept, as bytes or as text, and used in another process.
///
/// It is good for the statement that gave it, with the same values, keyspace and protocol version; for another it is refused
/// ([`Error::PagingState`](crate::Error)), as the server, which can't tell, would answer with other rows or none. Consistency, page size, timeout and
/// the like may differ, and so may the node. Whether the statement is prepared makes no difference either, but values that are
/// sent by name, which only those of an unprepared statement are, are others than those sent by position.
///
/// Whoever has it can read the keys of the row at which the page ended, and make another one: if it leaves the program's
/// own hands, as in a link to the next page, encrypt or sign it.
///
/// ```
/// use helenus::{PagingState, PagingStateError};
///
/// # fn keep(state: &PagingState) -> Result<(), PagingStateError> {
/// let text = state.to_string();
/// let same: PagingState = text.parse()?;
/// assert_eq!(*state, same);
/// # Ok(())
/// # }
/// assert_eq!(PagingState::from_bytes(b"something else"), Err(PagingStateError::Foreign));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PagingState {
    /// `None`: of another driver's, and so for any request.
    binding: Option<Binding>,
    server: Arc<[u8]>,
}

/// The request that a paging state is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Binding {
    version: Version,
    statement: u64,
    values: u64,
    keyspace: u64,
}

/// Why a paging state can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PagingStateError {
    /// The bytes don't come from [`PagingState::to_bytes`]. Those of the server or of another driver go through
    /// [`PagingState::from_server_bytes`].
    Foreign,
    /// They are from a later version of helenus.
    Format {
        /// The format's number.
        format: u8,
    },
    /// They were cut or changed on their way.
    Damaged,
    /// The session speaks another protocol version than the one that got it.
    Version {
        /// Of the paging state.
        state: Version,
        /// Of the session.
        session: Version,
    },
    /// It is of a request in another keyspace.
    Keyspace,
    /// It is of another statement.
    Statement,
    /// It is of the same statement with other values.
    Values,
}

const MAGIC: [u8; 3] = *b"hps";
const FORMAT: u8 = 1;
/// In place of a version: bound to nothing.
const UNBOUND: u8 = 0;
/// Magic, format, version, three hashes; then the server's bytes and the checksum.
const HEAD_BYTES: usize = MAGIC.len() + 1 + 1 + 3 * HASH_BYTES;
const HASH_BYTES: usize = 8;

/// A key for each purpose. Kept states depend on them.
const TEXT_KEY: [u64; 2] = [0x6865_6c65_6e75_7301, 0];
const VALUES_KEY: [u64; 2] = [0x6865_6c65_6e75_7302, 0];
const NAMED_VALUES_KEY: [u64; 2] = [0x6865_6c65_6e75_7302, 1];
const KEYSPACE_KEY: [u64; 2] = [0x6865_6c65_6e75_7303, 0];
const NO_KEYSPACE_KEY: [u64; 2] = [0x6865_6c65_6e75_7303, 1];
const CHECKSUM_KEY: [u64; 2] = [0x6865_6c65_6e75_7304, 0];

impl PagingState {
    /// As [`PagingState::to_bytes`] wrote it, here or elsewhere.
    ///
    /// # Errors
    /// [`PagingStateError::Foreign`], [`PagingStateError::Format`] and [`PagingStateError::Damaged`].
    pub fn from_bytes(bytes: impl AsRef<[u8]>) -> Result<Self, PagingStateError> {
        let bytes = bytes.as_ref();
        let rest = bytes.strip_prefix(&MAGIC).ok_or(PagingStateError::Foreign)?;
        match rest.first() {
            Some(&FORMAT) => {}
            Some(&format) => return Err(PagingStateError::Format { format }),
            None => return Err(PagingStateError::Damaged),
        }
        let (content, checksum) = bytes.split_last_chunk().ok_or(PagingStateError::Damaged)?;
        if content.len() < HEAD_BYTES || *checksum != checksum_of(content) {
            return Err(PagingStateError::Damaged);
        }
        let (head, server) = content.split_at(HEAD_BYTES);
        let version = head[MAGIC.len() + 1];
        let [statement, values, keyspace] =
            [3, 2, 1].map(|from_end| hash_at(head, HEAD_BYTES - from_end * HASH_BYTES));
        let binding = match version {
            UNBOUND => None,
            byte => {
                let version = Version::from_byte(byte).ok_or(PagingStateError::Damaged)?;
                Some(Binding { version, statement, values, keyspace })
            }
        };
        Ok(Self { binding, server: server.into() })
    }

    /// All of it, to be kept: 37 bytes and the server's.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD_BYTES + self.server.len() + HASH_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.push(FORMAT);
        bytes.push(self.binding.map_or(UNBOUND, |binding| binding.version.byte()));
        let hashes = self.binding.map_or([0; 3], |of| [of.statement, of.values, of.keyspace]);
        hashes.iter().for_each(|hash| bytes.extend_from_slice(&hash.to_be_bytes()));
        bytes.extend_from_slice(&self.server);
        let checksum = checksum_of(&bytes);
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// The server's own bytes, as other drivers have them. Nothing is known then of what they belong to, so nothing is
    /// checked: with another statement the server may answer with wrong rows.
    pub fn from_server_bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { binding: None, server: bytes.into() }
    }

    /// The server's own bytes, for other drivers.
    pub fn server_bytes(&self) -> &[u8] {
        &self.server
    }

    /// Of the page that `answer` is.
    pub(crate) fn of(answer: &Done, keyspace: Option<&str>, server: &[u8]) -> Self {
        let request = answer.request();
        let binding =
            request.and_then(|frame| Binding::of(frame, answer.terms().statement.as_deref(), keyspace));
        Self { binding, server: server.into() }
    }

    /// Whether it is good for the request in this frame, and is known to be.
    pub(crate) fn check(
        &self,
        frame: &[u8],
        statement: Option<&PreparedStatement>,
        keyspace: Option<&str>,
    ) -> Result<bool, PagingStateError> {
        let (Some(state), Some(request)) = (self.binding, Binding::of(frame, statement, keyspace)) else {
            return Ok(false);
        };
        if state.version != request.version {
            return Err(PagingStateError::Version { state: state.version, session: request.version });
        }
        match () {
            () if state.statement != request.statement => Err(PagingStateError::Statement),
            () if state.keyspace != request.keyspace => Err(PagingStateError::Keyspace),
            () if state.values != request.values => Err(PagingStateError::Values),
            () => Ok(true),
        }
    }
}

impl Binding {
    /// Of a QUERY or EXECUTE; `keyspace` is the session's.
    fn of(frame: &[u8], statement: Option<&PreparedStatement>, keyspace: Option<&str>) -> Option<Self> {
        let (head, body) = frame.split_first_chunk()?;
        let header = Header::parse(head);
        let version = Version::from_byte(header.version)?;
        let (_, body) = request::split_payload(version, header.flags, body).ok()?;
        let (text, parameters, own_keyspace) =
            match ProtocolRequest::decode(version, header.opcode, body).ok()? {
                ProtocolRequest::Query(query) => {
                    (query.text, query.parameters, query.parameters.options.keyspace)
                }
                ProtocolRequest::Execute(execute) => {
                    (&*statement?.text, execute.parameters, statement?.keyspace.as_deref())
                }
                _ => return None,
            };
        Some(Self {
            version,
            statement: siphash::hash(TEXT_KEY, text.as_bytes()),
            values: hash_of_values(&parameters.values)?,
            keyspace: match own_keyspace.or(keyspace) {
                Some(name) => siphash::hash(KEYSPACE_KEY, name.as_bytes()),
                None => siphash::hash(NO_KEYSPACE_KEY, &[]),
            },
        })
    }
}

/// Values with names are the same in any order: a `HashMap` has another one each time.
fn hash_of_values(values: &Values<'_>) -> Option<u64> {
    if !values.are_named() {
        return Some(siphash::hash(VALUES_KEY, values.as_bytes()));
    }
    let mut sorted: Vec<_> = values.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut bytes = Vec::with_capacity(values.as_bytes().len());
    for (name, value) in sorted {
        wire::put_string(&mut bytes, name?).ok()?;
        wire::put_value(&mut bytes, value).ok()?;
    }
    Some(siphash::hash(NAMED_VALUES_KEY, &bytes))
}

fn checksum_of(content: &[u8]) -> [u8; HASH_BYTES] {
    siphash::hash(CHECKSUM_KEY, content).to_be_bytes()
}

fn hash_at(head: &[u8], at: usize) -> u64 {
    head[at..at + HASH_BYTES].iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// [`PagingState::to_bytes`] in hexadecimal.
impl fmt::Display for PagingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for PagingState {
    type Err = PagingStateError;

    fn from_str(text: &str) -> Result<Self, PagingStateError> {
        let digits = text.as_bytes();
        if digits.len() % 2 != 0 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(PagingStateError::Foreign);
        }
        let digit = |digit: u8| (digit as char).to_digit(16).map_or(0, |value| value as u8);
        let bytes: Vec<u8> =
            digits.chunks_exact(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();
        Self::from_bytes(bytes)
    }
}

/// The server's bytes hold keys of the table.
impl fmt::Debug for PagingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PagingState")
            .field("binding", &self.binding)
            .field("server_bytes", &self.server.len())
            .finish()
    }
}

impl fmt::Display for PagingStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the paging state ")?;
        match self {
            Self::Foreign => f.write_str(
                "isn't one of helenus; if it is the server's own or another driver's, use `PagingState::from_server_bytes`",
            ),
            Self::Format { format } => {
                write!(f, "is of format {format}, which a later version of helenus wrote; this one knows format {FORMAT}")
            }
            Self::Damaged => f.write_str("was cut or changed since it was written; begin at the first page"),
            Self::Version { state, session } => write!(
                f,
                "comes from protocol {state}, but this session speaks {session}; set the builder's `protocol_version`, or begin at \
                 the first page"
            ),
            Self::Keyspace => f.write_str("belongs to a request in another keyspace; use the one that it was got in"),
            Self::Statement => f.write_str("belongs to another statement; the text has to be the same, byte by byte"),
            Self::Values => f.write_str("belongs to this statement with other values; bind the same ones"),
        }
    }
}

impl std::error::Error for PagingStateError {}

#[cfg(test)]
mod tests {
    use helenus_core::protocol::request::{Parameters, Query};
    use helenus_core::protocol::{Flags, Opcode, envelope};

    use super::*;

    fn query(version: Version, text: &str, values: &[u8], keyspace: Option<&str>) -> Vec<u8> {
        let mut frame = Vec::new();
        envelope::begin(&mut frame, version, Flags::NONE, Opcode::Query);
        let mut parameters = Parameters::default();
        if !values.is_empty() {
            parameters.values = Values::new(1, values);
        }
        parameters.options.keyspace = keyspace;
        Query { text, parameters }.put(version, &mut frame).unwrap();
        envelope::finish(&mut frame, 0).unwrap();
        frame
    }

    fn state() -> PagingState {
        let binding = Binding::of(&query(Version::V4, "SELECT", &[0, 0, 0, 1, 7], None), None, Some("ks"));
        PagingState { binding, server: b"server".as_slice().into() }
    }

    #[test]
    fn each_difference_is_named() {
        let value = [0, 0, 0, 1, 7];
        let check = |frame: Vec<u8>, keyspace| state().check(&frame, None, keyspace);
        assert_eq!(check(query(Version::V4, "SELECT", &value, None), Some("ks")), Ok(true));
        let cases = [
            (query(Version::V4, "SELECT ", &value, None), Some("ks"), PagingStateError::Statement),
            (query(Version::V4, "SELECT", &[0, 0, 0, 1, 8], None), Some("ks"), PagingStateError::Values),
            (query(Version::V4, "SELECT", &[], None), Some("ks"), PagingStateError::Values),
            (query(Version::V4, "SELECT", &value, None), Some("other"), PagingStateError::Keyspace),
            (query(Version::V4, "SELECT", &value, None), None, PagingStateError::Keyspace),
        ];
        for (frame, keyspace, expected) in cases {
            assert_eq!(check(frame, keyspace), Err(expected));
        }
        let session = Version::V3;
        let expected = PagingStateError::Version { state: Version::V4, session };
        assert_eq!(check(query(session, "SELECT", &value, None), Some("ks")), Err(expected));
        let raw = PagingState::from_server_bytes(b"server".as_slice());
        assert_eq!(raw.check(&query(Version::V4, "ANY", &[], None), None, None), Ok(false));
    }

    #[test]
    fn a_requests_own_keyspace_counts_for_more_than_the_sessions() {
        let of =
            |own, sessions| Binding::of(&query(Version::V5, "SELECT", &[], own), None, sessions).unwrap();
        assert_eq!(of(Some("ks"), Some("other")), of(None, Some("ks")));
        assert_ne!(of(Some("ks"), Some("other")), of(None, Some("other")));
    }

    #[test]
    fn names_may_come_in_any_order() {
        let hash = |pairs: &[(&str, &[u8])]| {
            let mut bytes = Vec::new();
            for (name, value) in pairs {
                wire::put_string(&mut bytes, name).unwrap();
                wire::put_value(&mut bytes, wire::Value::Bytes(value)).unwrap();
            }
            hash_of_values(&Values::named(pairs.len() as u16, &bytes)).unwrap()
        };
        let pair = |name, value: &'static str| (name, value.as_bytes());
        let (a, b, other) = (pair("a", "1"), pair("b", "2"), pair("b", "1"));
        assert_eq!(hash(&[a, b]), hash(&[b, a]));
        assert_ne!(hash(&[a, b]), hash(&[a, other]));
        assert_ne!(hash(&[a, b]), hash(&[pair("a", "2"), other]), "names and values belong together");
        assert_eq!(
            hash(&[pair("n", "1")]),
            0xe475_ade2_c0b2_b6d0,
            "states that programs have kept depend on it"
        );
    }

    #[test]
    fn kept_states_stay_good() {
        // If this fails, states that programs have kept are refused: write a new format, and read this one too.
        let kept = "68707301045c158d1fae737b44a02dba87e6909d6e704de0f982466c92736572766572ba337f582cbebda7";
        assert_eq!(state().to_string(), kept);
        assert_eq!(kept.parse(), Ok(state()));
        assert_eq!(PagingState::from_bytes(state().to_bytes()), Ok(state()));
        let raw = PagingState::from_server_bytes(Vec::new());
        assert_eq!(PagingState::from_bytes(raw.to_bytes()), Ok(raw));
    }

    #[test]
    fn no_bytes_but_its_own_are_taken() {
        let bytes = state().to_bytes();
        for end in 0..bytes.len() {
            let error = PagingState::from_bytes(&bytes[..end]).unwrap_err();
            let expected = if end < 3 { PagingStateError::Foreign } else { PagingStateError::Damaged };
            assert_eq!(error, expected, "the first {end}");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(PagingState::from_bytes(&changed).is_err(), "bit {bit} of byte {at}");
            }
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(PagingState::from_bytes(longer), Err(PagingStateError::Damaged));
        for text in ["", "abc", "zz", "6870", "ü"] {
            assert_eq!(text.parse::<PagingState>(), Err(PagingStateError::Foreign), "{text:?}");
        }
        assert_eq!("68707302".parse::<PagingState>(), Err(PagingStateError::Format { format: 2 }));
    }
}
