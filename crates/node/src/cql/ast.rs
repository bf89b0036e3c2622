//! What a statement says, before any name in it is looked up.

/// One statement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Statement {
    CreateKeyspace(CreateKeyspace),
    AlterKeyspace { keyspace: String, if_exists: bool, options: Properties },
    DropKeyspace { keyspace: String, if_exists: bool },
    CreateTable(CreateTable),
    AlterTable { table: Name, if_exists: bool, change: TableChange },
    DropTable { table: Name, if_exists: bool },
    CreateType { name: Name, if_not_exists: bool, fields: Vec<(String, TypeName)> },
    AlterType { name: Name, if_exists: bool, change: TypeChange },
    DropType { name: Name, if_exists: bool },
    Truncate(Name),
    Use(String),
    Select(Box<Select>),
    Write(Box<Write>),
    Batch(Batch),
}

/// A table or type, perhaps with its keyspace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Name {
    pub(crate) keyspace: Option<String>,
    pub(crate) name: String,
}

/// `name = value AND ..`
pub(crate) type Properties = Vec<(String, Term)>;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateKeyspace {
    pub(crate) keyspace: String,
    pub(crate) if_not_exists: bool,
    pub(crate) options: Properties,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateTable {
    pub(crate) table: Name,
    pub(crate) if_not_exists: bool,
    pub(crate) columns: Vec<ColumnDefinition>,
    pub(crate) partition_key: Vec<String>,
    pub(crate) clustering_key: Vec<String>,
    /// Of some clustering columns: the name, and whether it descends.
    pub(crate) descending: Vec<(String, bool)>,
    pub(crate) options: Properties,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: String,
    pub(crate) type_name: TypeName,
    pub(crate) is_static: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TableChange {
    Add { if_not_exists: bool, columns: Vec<ColumnDefinition> },
    Drop { if_exists: bool, columns: Vec<String> },
    Rename { if_exists: bool, names: Vec<(String, String)> },
    With(Properties),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TypeChange {
    Add { if_not_exists: bool, field: (String, TypeName) },
    Rename { if_exists: bool, names: Vec<(String, String)> },
}

/// A type as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum TypeName {
    /// A native or user-defined one.
    Named(Name),
    Frozen(Box<Self>),
    List(Box<Self>),
    Set(Box<Self>),
    Map(Box<(Self, Self)>),
    Tuple(Vec<Self>),
    Vector(Box<Self>, u32),
    /// A Java class.
    Custom(String),
}

/// INSERT, UPDATE or DELETE.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write {
    pub(crate) table: Name,
    pub(crate) using: Using,
    pub(crate) change: Change,
    pub(crate) conditions: Conditions,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    Insert(Vec<(String, Term)>),
    InsertJson { json: Term, default_unset: bool },
    Update { assignments: Vec<Assignment>, relations: Vec<Relation> },
    Delete { targets: Vec<Target>, relations: Vec<Relation> },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Using {
    pub(crate) timestamp: Option<Term>,
    pub(crate) ttl: Option<Term>,
}

/// The IF of a write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Conditions {
    None,
    IfExists,
    IfNotExists,
    If(Vec<Condition>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) target: Target,
    pub(crate) test: Test,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    Compare(Operator, Term),
    In(InTerms),
}

/// A column, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Column(String),
    Element(String, Term),
    Field(String, String),
}

/// One of the assignments of an UPDATE.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assignment {
    pub(crate) target: Target,
    pub(crate) value: Assigned,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Assigned {
    Value(Term),
    /// `column = column + term`, or `column += term`.
    Plus(Term),
    /// `column = column - term`, or `column -= term`.
    Minus(Term),
    /// `column = term + column`
    Before(Term),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Batch {
    pub(crate) kind: BatchKind,
    pub(crate) timestamp: Option<Term>,
    pub(crate) writes: Vec<Write>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchKind {
    Logged,
    Unlogged,
    Counter,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Select {
    pub(crate) table: Name,
    pub(crate) json: bool,
    pub(crate) distinct: bool,
    /// Empty: all columns.
    pub(crate) selectors: Vec<(Selector, Option<String>)>,
    pub(crate) relations: Vec<Relation>,
    /// Columns, and whether they descend.
    pub(crate) order_by: Vec<(String, bool)>,
    pub(crate) per_partition_limit: Option<Term>,
    pub(crate) limit: Option<Term>,
    pub(crate) allow_filtering: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Selector {
    Column(String),
    /// `count(*)` or `count(1)`.
    CountRows,
    Call(String, Vec<Self>),
    Cast(Box<Self>, TypeName),
    Field(Box<Self>, String),
    Element(Box<Self>, Term),
    Term(Term),
}

/// One condition of a WHERE clause.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Relation {
    Column(String, Operator, Term),
    In(String, InTerms),
    /// `(columns) operator (terms)`
    Tuple(Vec<String>, Operator, Term),
    TupleIn(Vec<String>, InTerms),
    Token(Vec<String>, Operator, Term),
    /// `column[key] = value`
    Element(String, Term, Operator, Term),
    IsNotNull(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum InTerms {
    /// `(.., ..)`
    Each(Vec<Term>),
    /// `?`: one value, which is the list.
    Marker(Marker),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    ContainsKey,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Term {
    Literal(Literal),
    Marker(Marker),
    List(Vec<Self>),
    /// `{}` is one of no elements, and as good a map.
    Set(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Tuple(Vec<Self>),
    Udt(Vec<(String, Self)>),
    Call(String, Vec<Self>),
    /// `(type) term`
    Hint(TypeName, Box<Self>),
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
}

impl Operator {
    /// As CQL writes it.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Contains => "CONTAINS",
            Self::ContainsKey => "CONTAINS KEY",
        }
    }
}
