use crate::protocol::wire::{BytesMap, Reader, put_bytes_map, put_string_list, put_uuid};
use crate::protocol::{DecodeError, EncodeError, Flags, Version};

/// What precedes the body of a response, as the header's flags say (section 2.2), in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefix<'a> {
    /// Where to find the trace of the request.
    pub tracing_id: Option<[u8; 16]>,
    /// What the server wants to be read by a person; v4 and later.
    pub warnings: Vec<&'a str>,
    /// From a query handler of the server's own; v4 and later.
    pub custom_payload: BytesMap<'a>,
}

impl<'a> Prefix<'a> {
    /// Reads the parts that `flags` announce; what v3 doesn't have it doesn't look for.
    pub fn read(r: &mut Reader<'a>, version: Version, flags: Flags) -> Result<Self, DecodeError> {
        let has = |flag, since| flags.contains(flag) && version >= since;
        let mut prefix = Self::default();
        if has(Flags::TRACING, Version::V3) {
            prefix.tracing_id = Some(r.about("tracing id").uuid()?);
        }
        if has(Flags::WARNING, Version::V4) {
            prefix.warnings = r.about("warnings").string_list()?;
        }
        if has(Flags::CUSTOM_PAYLOAD, Version::V4) {
            prefix.custom_payload = r.about("custom payload").bytes_map()?;
        }
        Ok(prefix)
    }

    /// The flags that announce it.
    pub fn flags(&self) -> Flags {
        let mut flags = Flags::NONE;
        if self.tracing_id.is_some() {
            flags |= Flags::TRACING;
        }
        if !self.warnings.is_empty() {
            flags |= Flags::WARNING;
        }
        if !self.custom_payload.is_empty() {
            flags |= Flags::CUSTOM_PAYLOAD;
        }
        flags
    }

    /// Appends the parts that are there.
    ///
    /// # Errors
    /// [`EncodeError::NotInVersion`] for warnings or a custom payload in v3; [`EncodeError::Limit`].
    pub fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let since = Version::V4;
        if version < since && !(self.warnings.is_empty() && self.custom_payload.is_empty()) {
            return Err(EncodeError::NotInVersion { what: "a warning or custom payload", version, since });
        }
        if let Some(id) = &self.tracing_id {
            put_uuid(out, id);
        }
        if !self.warnings.is_empty() {
            put_string_list(out, &self.warnings)?;
        }
        if !self.custom_payload.is_empty() {
            put_bytes_map(out, &self.custom_payload)?;
        }
        Ok(())
    }
}
