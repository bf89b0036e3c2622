//! What a statement says, before any name in it is looked up.

use helenus_core::protocol::ColumnType;

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    CreateKeyspace(CreateKeyspace),
    CreateTable(CreateTable),
    DropKeyspace { keyspace: String, if_exists: bool },
    DropTable { table: TableName, if_exists: bool },
    Truncate(TableName),
    Use(String),
    Insert(Insert),
    Select(Select),
    Batch(Vec<Insert>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateKeyspace {
    pub(crate) keyspace: String,
    pub(crate) if_not_exists: bool,
    pub(crate) replication: Vec<(String, String)>,
    pub(crate) durable_writes: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateTable {
    pub(crate) table: TableName,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<(String, TypeSpec)>,
    pub(crate) partition_key: Vec<String>,
    pub(crate) clustering_key: Vec<String>,
    /// Of some clustering columns: the name, and whether it descends.
    pub(crate) descending: Vec<(String, bool)>,
    pub(crate) comment: String,
}

/// A type, and how `system_schema.columns` writes it (which the type alone can't say: it knows nothing of `frozen`).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TypeSpec {
    pub(crate) column_type: ColumnType,
    pub(crate) text: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableName {
    pub(crate) keyspace: Option<String>,
    pub(crate) table: String,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Insert {
    pub(crate) table: TableName,
    pub(crate) values: Vec<(String, Term)>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Select {
    pub(crate) table: TableName,
    /// Empty: all columns.
    pub(crate) selectors: Vec<(Selector, Option<String>)>,
    pub(crate) restrictions: Vec<Restriction>,
    pub(crate) limit: Option<Term>,
    pub(crate) allow_filtering: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Selector {
    Column(String),
    /// `count(*)` or `count(1)`.
    Count,
    /// `token(partition key)`.
    Token(Vec<String>),
    /// `toJson(column)`
    Json(String),
}

/// One condition of a WHERE clause.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Restriction {
    Column(String, Term),
    /// `column IN ..`.
    In(String, InTerms),
    Token(Vec<String>, Operator, Term),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InTerms {
    /// `(.., ..)`
    Each(Vec<Term>),
    /// `?`: one value, which is the list.
    Marker(Marker),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Operator {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Term {
    Literal(Literal),
    Marker(Marker),
}

/// A bind marker: its position among the statement's markers, and its name if it has one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Marker {
    pub(crate) index: usize,
    pub(crate) name: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Boolean(bool),
    /// With its sign.
    Integer(String),
    /// With its sign; also `NaN` and `Infinity`.
    Float(String),
    Text(String),
    Blob(Vec<u8>),
    Uuid([u8; 16]),
    /// With its sign.
    Duration(String),
    List(Vec<Self>),
    Set(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Tuple(Vec<Self>),
}
