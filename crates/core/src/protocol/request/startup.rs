use std::fmt;

use crate::protocol::wire::{Reader, put_bytes, put_string_list, put_string_map};
use crate::protocol::{DecodeError, EncodeError, Version};

/// Initialises a connection (section 4.1.1). The first message but for OPTIONS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Startup<'a> {
    /// `CQL_VERSION` and whatever else the client wishes.
    pub options: Vec<(&'a str, &'a str)>,
}

impl<'a> Startup<'a> {
    /// The version of CQL to use; required.
    pub const CQL_VERSION: &'static str = "CQL_VERSION";
    /// The algorithm that compresses bodies (v3, v4; section 5) or segments (v5).
    pub const COMPRESSION: &'static str = "COMPRESSION";
    /// Not in the specification: how the driver calls itself, shown by `system_views.clients`.
    pub const DRIVER_NAME: &'static str = "DRIVER_NAME";
    /// Not in the specification: the driver's version.
    pub const DRIVER_VERSION: &'static str = "DRIVER_VERSION";

    /// CQL 3.0.0, the one that all servers take, and nothing else.
    pub fn new() -> Self {
        Self { options: vec![(Self::CQL_VERSION, "3.0.0")] }
    }

    /// The value of an option.
    pub fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(key, _)| *key == name).map(|(_, value)| *value)
    }

    /// Appends the body.
    pub fn put(&self, _version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_string_map(out, &self.options)
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { options: r.about("STARTUP options").string_map()? })
    }
}

/// Answers AUTHENTICATE or AUTH_CHALLENGE (section 4.1.2).
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct AuthResponse<'a> {
    /// What the mechanism says. Cassandra 5.0 fails on null, so say an empty token instead.
    pub token: Option<&'a [u8]>,
}

/// Its length: a token may be a password.
impl fmt::Debug for AuthResponse<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.token.map(<[u8]>::len);
        f.debug_struct("AuthResponse").field("token_bytes", &bytes).finish()
    }
}

impl<'a> AuthResponse<'a> {
    /// Appends the body.
    pub fn put(&self, _version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_bytes(out, self.token)
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { token: r.about("AUTH_RESPONSE token").bytes()? })
    }
}

/// Asks for events (section 4.1.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register<'a> {
    /// Their names; see [`Event`](crate::protocol::response::Event).
    pub events: Vec<&'a str>,
}

impl<'a> Register<'a> {
    /// Appends the body.
    pub fn put(&self, _version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        put_string_list(out, &self.events)
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(Self { events: r.about("REGISTER events").string_list()? })
    }
}
