use std::fmt;
use std::net::SocketAddr;

use crate::protocol::wire::{Reader, put_inet, put_string, put_string_list};
use crate::protocol::{DecodeError, EncodeError, Version};

/// Something that the server tells unasked, after REGISTER (section 4.2.6). Its stream id is -1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Nodes joined, left or moved.
    TopologyChange {
        /// What happened.
        change: NodeChange<'a>,
        /// To which node.
        address: SocketAddr,
    },
    /// A node is up or down.
    StatusChange {
        /// What happened.
        change: NodeChange<'a>,
        /// To which node.
        address: SocketAddr,
    },
    /// The schema was changed.
    SchemaChange(SchemaChange<'a>),
    /// An event that the specification doesn't know.
    Other {
        /// Its name.
        name: &'a str,
    },
}

/// What happened to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeChange<'a> {
    /// `NEW_NODE`
    New,
    /// `REMOVED_NODE`
    Removed,
    /// `MOVED_NODE` (named by v3's section 4.2.6; later servers send it too).
    Moved,
    /// `UP`
    Up,
    /// `DOWN`
    Down,
    /// Anything else.
    Other(&'a str),
}

/// A change of the schema: a RESULT (section 4.2.5.5) or an event (section 4.2.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaChange<'a> {
    /// What happened.
    pub change: Change<'a>,
    /// To what.
    pub target: SchemaTarget<'a>,
}

/// What happened to a part of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change<'a> {
    /// `CREATED`
    Created,
    /// `UPDATED`
    Updated,
    /// `DROPPED`
    Dropped,
    /// Anything else.
    Other(&'a str),
}

/// A part of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each field is the name that it says")]
pub enum SchemaTarget<'a> {
    /// A keyspace.
    Keyspace { keyspace: &'a str },
    /// A table.
    Table { keyspace: &'a str, name: &'a str },
    /// A user-defined type.
    Type { keyspace: &'a str, name: &'a str },
    /// A user-defined function and the CQL types of its arguments; v4 and later.
    Function { keyspace: &'a str, name: &'a str, arguments: Vec<&'a str> },
    /// A user-defined aggregate and the CQL types of its arguments; v4 and later.
    Aggregate { keyspace: &'a str, name: &'a str, arguments: Vec<&'a str> },
    /// Anything else; what follows its kind isn't read.
    Other { target: &'a str },
}

impl<'a> Event<'a> {
    /// What to REGISTER for [`Event::TopologyChange`].
    pub const TOPOLOGY_CHANGE: &'static str = "TOPOLOGY_CHANGE";
    /// What to REGISTER for [`Event::StatusChange`].
    pub const STATUS_CHANGE: &'static str = "STATUS_CHANGE";
    /// What to REGISTER for [`Event::SchemaChange`].
    pub const SCHEMA_CHANGE: &'static str = "SCHEMA_CHANGE";

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let name = r.about("name of an event").string()?;
        match name {
            Self::TOPOLOGY_CHANGE => {
                let (change, address) = read_node_change(r)?;
                Ok(Self::TopologyChange { change, address })
            }
            Self::STATUS_CHANGE => {
                let (change, address) = read_node_change(r)?;
                Ok(Self::StatusChange { change, address })
            }
            Self::SCHEMA_CHANGE => SchemaChange::read(r).map(Self::SchemaChange),
            _ => Ok(Self::Other { name }),
        }
    }

    /// Appends the body.
    pub fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let (name, change, address) = match self {
            Self::TopologyChange { change, address } => (Self::TOPOLOGY_CHANGE, change, address),
            Self::StatusChange { change, address } => (Self::STATUS_CHANGE, change, address),
            Self::SchemaChange(change) => {
                put_string(out, Self::SCHEMA_CHANGE)?;
                return change.put(version, out);
            }
            Self::Other { name } => return put_string(out, name),
        };
        put_string(out, name)?;
        put_string(out, change.name())?;
        put_inet(out, *address);
        Ok(())
    }
}

fn read_node_change<'a>(r: &mut Reader<'a>) -> Result<(NodeChange<'a>, SocketAddr), DecodeError> {
    let change = NodeChange::from_name(r.about("change of a node").string()?);
    Ok((change, r.about("address of a node").inet()?))
}

impl<'a> NodeChange<'a> {
    /// As the specification writes it.
    pub const fn name(&self) -> &'a str {
        match self {
            Self::New => "NEW_NODE",
            Self::Removed => "REMOVED_NODE",
            Self::Moved => "MOVED_NODE",
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Other(name) => name,
        }
    }

    fn from_name(name: &'a str) -> Self {
        let known = [Self::New, Self::Removed, Self::Moved, Self::Up, Self::Down];
        known.into_iter().find(|change| change.name() == name).unwrap_or(Self::Other(name))
    }
}

impl<'a> Change<'a> {
    /// As the specification writes it.
    pub const fn name(&self) -> &'a str {
        match self {
            Self::Created => "CREATED",
            Self::Updated => "UPDATED",
            Self::Dropped => "DROPPED",
            Self::Other(name) => name,
        }
    }

    fn from_name(name: &'a str) -> Self {
        let known = [Self::Created, Self::Updated, Self::Dropped];
        known.into_iter().find(|change| change.name() == name).unwrap_or(Self::Other(name))
    }
}

impl<'a> SchemaTarget<'a> {
    /// The keyspace that it is, or is in.
    pub const fn keyspace(&self) -> Option<&'a str> {
        match self {
            Self::Keyspace { keyspace }
            | Self::Table { keyspace, .. }
            | Self::Type { keyspace, .. }
            | Self::Function { keyspace, .. }
            | Self::Aggregate { keyspace, .. } => Some(keyspace),
            Self::Other { .. } => None,
        }
    }

    /// Its name in its keyspace.
    pub const fn name(&self) -> Option<&'a str> {
        match self {
            Self::Table { name, .. }
            | Self::Type { name, .. }
            | Self::Function { name, .. }
            | Self::Aggregate { name, .. } => Some(name),
            Self::Keyspace { .. } | Self::Other { .. } => None,
        }
    }

    /// The CQL types of a function's or aggregate's arguments; `None` of anything else.
    pub fn arguments(&self) -> Option<&[&'a str]> {
        match self {
            Self::Function { arguments, .. } | Self::Aggregate { arguments, .. } => Some(arguments),
            _ => None,
        }
    }

    /// What it is, as the specification writes it.
    pub const fn kind(&self) -> &'a str {
        match self {
            Self::Keyspace { .. } => "KEYSPACE",
            Self::Table { .. } => "TABLE",
            Self::Type { .. } => "TYPE",
            Self::Function { .. } => "FUNCTION",
            Self::Aggregate { .. } => "AGGREGATE",
            Self::Other { target } => target,
        }
    }
}

/// As `CREATED TABLE ks.t`, names as they are.
impl fmt::Display for SchemaChange<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.change.name(), self.target.kind())?;
        if let Some(keyspace) = self.target.keyspace() {
            write!(f, " {keyspace}")?;
        }
        if let Some(name) = self.target.name() {
            write!(f, ".{name}")?;
        }
        match self.target.arguments() {
            Some(arguments) => write!(f, "({})", arguments.join(", ")),
            None => Ok(()),
        }
    }
}

impl<'a> SchemaChange<'a> {
    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let change = Change::from_name(r.about("kind of a schema change").string()?);
        let target = r.about("target of a schema change").string()?;
        let target = match target {
            "KEYSPACE" => SchemaTarget::Keyspace { keyspace: r.string()? },
            "TABLE" => SchemaTarget::Table { keyspace: r.string()?, name: r.string()? },
            "TYPE" => SchemaTarget::Type { keyspace: r.string()?, name: r.string()? },
            "FUNCTION" => SchemaTarget::Function {
                keyspace: r.string()?,
                name: r.string()?,
                arguments: r.string_list()?,
            },
            "AGGREGATE" => SchemaTarget::Aggregate {
                keyspace: r.string()?,
                name: r.string()?,
                arguments: r.string_list()?,
            },
            _ => SchemaTarget::Other { target },
        };
        Ok(Self { change, target })
    }

    /// Appends the body. Functions and aggregates, which v3 doesn't know, become there an update of their keyspace, as
    /// Cassandra does it.
    pub(super) fn put(&self, version: Version, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        use SchemaTarget::{Aggregate, Function, Keyspace, Other, Table, Type};
        if let (Version::V3, Function { keyspace, .. } | Aggregate { keyspace, .. }) = (version, &self.target)
        {
            return ["UPDATED", "KEYSPACE", keyspace].iter().try_for_each(|part| put_string(out, part));
        }
        put_string(out, self.change.name())?;
        let kind = self.target.kind();
        let mut put = |parts: &[&str]| parts.iter().try_for_each(|part| put_string(out, part));
        match &self.target {
            Keyspace { keyspace } => put(&[kind, keyspace]),
            Table { keyspace, name } | Type { keyspace, name } => put(&[kind, keyspace, name]),
            Function { keyspace, name, arguments } | Aggregate { keyspace, name, arguments } => {
                put(&[kind, keyspace, name])?;
                put_string_list(out, arguments)
            }
            Other { .. } => put(&[kind]),
        }
    }
}
