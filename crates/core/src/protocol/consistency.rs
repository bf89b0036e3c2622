use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// How many replicas must answer (`[consistency]` of section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Consistency {
    /// Any node, a hint is enough; writes only.
    Any,
    /// One replica.
    One,
    /// Two replicas.
    Two,
    /// Three replicas.
    Three,
    /// A majority of all replicas.
    Quorum,
    /// All replicas.
    All,
    /// A majority of the replicas in the coordinator's data centre.
    #[default]
    LocalQuorum,
    /// A majority in each data centre; writes only.
    EachQuorum,
    /// Linearizable, over all data centres.
    Serial,
    /// Linearizable, within the coordinator's data centre.
    LocalSerial,
    /// One replica in the coordinator's data centre.
    LocalOne,
}

impl Consistency {
    /// All, in the order of their codes.
    pub const ALL: [Self; 11] = [
        Self::Any,
        Self::One,
        Self::Two,
        Self::Three,
        Self::Quorum,
        Self::All,
        Self::LocalQuorum,
        Self::EachQuorum,
        Self::Serial,
        Self::LocalSerial,
        Self::LocalOne,
    ];

    /// The level with this code, if there is one.
    pub const fn from_code(code: u16) -> Option<Self> {
        if (code as usize) < Self::ALL.len() { Some(Self::ALL[code as usize]) } else { None }
    }

    /// Its code.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// Whether it is one of the two levels for the serial phase of conditional statements.
    pub const fn is_serial(self) -> bool {
        matches!(self, Self::Serial | Self::LocalSerial)
    }

    /// As CQL and the specification write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "ANY",
            Self::One => "ONE",
            Self::Two => "TWO",
            Self::Three => "THREE",
            Self::Quorum => "QUORUM",
            Self::All => "ALL",
            Self::LocalQuorum => "LOCAL_QUORUM",
            Self::EachQuorum => "EACH_QUORUM",
            Self::Serial => "SERIAL",
            Self::LocalSerial => "LOCAL_SERIAL",
            Self::LocalOne => "LOCAL_ONE",
        }
    }
}

/// How far the serial phase of a conditional statement goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SerialConsistency {
    /// Linearizable, over all data centres.
    #[default]
    Serial,
    /// Linearizable, within the coordinator's data centre.
    LocalSerial,
}

impl From<SerialConsistency> for Consistency {
    fn from(serial: SerialConsistency) -> Self {
        match serial {
            SerialConsistency::Serial => Self::Serial,
            SerialConsistency::LocalSerial => Self::LocalSerial,
        }
    }
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Reads the name in any case: `local_quorum`.
impl FromStr for Consistency {
    type Err = UnknownConsistency;

    fn from_str(name: &str) -> Result<Self, UnknownConsistency> {
        let known = Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name));
        known.ok_or_else(|| UnknownConsistency(name.into()))
    }
}

/// A name that is no consistency level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownConsistency(pub Box<str>);

impl fmt::Display for UnknownConsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no consistency level; there are", self.0)?;
        for (i, level) in Consistency::ALL.into_iter().enumerate() {
            write!(f, "{} {level}", if i > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

impl Error for UnknownConsistency {}
