//! Syntax trees to plans: names are looked up, literals encoded, markers typed.

use std::sync::Arc;

use helenus_core::protocol::ColumnType;
use helenus_core::protocol::response::ColumnSpec;

use super::{InsertPlan, Output, Partitions, Plan, PlanKind, SelectPlan, Slot, Source};
use crate::cql::{
    InTerms, Insert, Marker, Operator, Restriction, Select, Selector, Statement, TableName, Term,
};
use crate::refusal::{Refusal, invalid};
use crate::store::Store;
use crate::store::hash::Hasher128;
use crate::store::schema::{Column, Schema};
use crate::system::{self, System};
use crate::types;

type Compiled<T> = Result<T, Refusal>;

/// Looks the names of a statement up. `keyspace` is that of the connection.
pub(crate) fn compile(
    store: &Store,
    system: &System,
    keyspace: Option<&str>,
    statement: Statement,
) -> Compiled<Plan> {
    let mut compiler = Compiler { store, system, keyspace, markers: Vec::new() };
    let kind = match statement {
        Statement::Insert(insert) => PlanKind::Insert(compiler.insert(&insert)?),
        Statement::Batch(inserts) => {
            PlanKind::Batch(inserts.iter().map(|insert| compiler.insert(insert)).collect::<Compiled<_>>()?)
        }
        Statement::Select(select) => PlanKind::Select(compiler.select(&select)?),
        other => PlanKind::Other(other),
    };
    let mut markers = compiler.markers;
    markers.sort_by_key(|(index, _)| *index);
    let partition_markers = partition_markers(&kind);
    let markers = markers.into_iter().map(|(_, spec)| spec).collect();
    Ok(Plan { kind, markers, partition_markers, compiled_at: store.changes() })
}

struct Compiler<'a> {
    store: &'a Store,
    system: &'a System,
    keyspace: Option<&'a str>,
    markers: Vec<(usize, ColumnSpec)>,
}

/// A table of either sort, under its names.
struct Resolved {
    source: Source,
    schema: Arc<Schema>,
    keyspace: Arc<str>,
    table: Arc<str>,
}

impl Compiler<'_> {
    fn resolve(&self, name: &TableName) -> Compiled<Resolved> {
        let keyspace = name.keyspace.as_deref().or(self.keyspace).ok_or_else(no_keyspace)?;
        let (source, schema) = match self.system.find(keyspace, &name.table) {
            Some((table, schema)) => (Source::System(table), schema),
            None if system::is_system(keyspace) => {
                return Err(invalid(format!("table {keyspace}.{} does not exist", name.table)));
            }
            None => {
                let index = self.store.find(keyspace, &name.table)?;
                let table = self.store.table(index);
                let table = table.ok_or_else(|| invalid("the table was dropped".into()))?;
                (Source::Stored(index), table.schema.clone())
            }
        };
        Ok(Resolved { source, schema, keyspace: keyspace.into(), table: name.table.as_str().into() })
    }

    fn insert(&mut self, insert: &Insert) -> Compiled<InsertPlan> {
        let resolved = self.resolve(&insert.table)?;
        let Source::Stored(table) = resolved.source else {
            return Err(invalid(format!("{} is not user-modifiable.", resolved.schema.full_name())));
        };
        let schema = resolved.schema.clone();
        let mut cells = vec![Slot::Absent; schema.columns.len()];
        for (name, term) in &insert.values {
            let at = schema.column(name).map_err(invalid)?;
            if cells[at] != Slot::Absent {
                return Err(invalid(format!("The column names contains duplicates: {name}")));
            }
            cells[at] = self.column_slot(&resolved, at, term)?;
        }
        let missing = cells[..schema.key_len()].iter().position(|slot| *slot == Slot::Absent);
        if let Some(at) = missing {
            let name = &schema.columns[at].name;
            return Err(invalid(format!("Some partition or clustering key parts are missing: {name}")));
        }
        Ok(InsertPlan { table, schema, cells })
    }

    fn column_slot(&mut self, resolved: &Resolved, at: usize, term: &Term) -> Compiled<Slot> {
        let Column { name, column_type, .. } = &resolved.schema.columns[at];
        self.slot(resolved, name, column_type, term)
    }

    /// A term as a value of that type; a marker without a name of its own is called `name`.
    fn slot(&mut self, resolved: &Resolved, name: &str, ty: &ColumnType, term: &Term) -> Compiled<Slot> {
        match term {
            Term::Literal(literal) => {
                let encoded = types::encode(ty, literal);
                encoded.map(Slot::Literal).map_err(|reason| invalid(format!("{name}: {reason}")))
            }
            Term::Marker(marker) => Ok(Slot::Marker(self.marker(resolved, name, ty, marker))),
        }
    }

    fn marker(
        &mut self,
        resolved: &Resolved,
        name: &str,
        column_type: &ColumnType,
        marker: &Marker,
    ) -> usize {
        let spec = ColumnSpec {
            keyspace: resolved.keyspace.clone(),
            table: resolved.table.clone(),
            name: marker.name.as_deref().unwrap_or(name).into(),
            column_type: column_type.clone(),
        };
        self.markers.push((marker.index, spec));
        marker.index
    }

    fn select(&mut self, select: &Select) -> Compiled<SelectPlan> {
        let resolved = self.resolve(&select.table)?;
        let schema = resolved.schema.clone();
        let (outputs, columns) = outputs(&resolved, &select.selectors)?;
        let mut keys = Keys::new(schema.key_len());
        for restriction in &select.restrictions {
            self.restrict(&resolved, restriction, &mut keys)?;
        }
        let limit = match &select.limit {
            None => Slot::Absent,
            Some(term) => self.slot(&resolved, "[limit]", &ColumnType::Int, term)?,
        };
        let (partitions, prefix) = keys.finish(&schema)?;
        let columns_id = columns_id(&columns);
        Ok(SelectPlan {
            source: resolved.source,
            schema,
            outputs,
            columns: columns.into(),
            columns_id,
            partitions,
            prefix,
            limit,
        })
    }

    fn restrict(&mut self, resolved: &Resolved, restriction: &Restriction, keys: &mut Keys) -> Compiled<()> {
        let schema = &resolved.schema;
        match restriction {
            Restriction::Column(name, term) => {
                let at = key_column(schema, name)?;
                let slot = self.column_slot(resolved, at, term)?;
                if keys.equal[at].replace(slot).is_some() {
                    return Err(more_than_one(name));
                }
            }
            Restriction::In(name, terms) => {
                let at = key_column(schema, name)?;
                if at != 0 || schema.partition_len != 1 {
                    return Err(invalid("this node has IN only on a partition key of one column".into()));
                }
                let partitions = self.in_terms(resolved, terms)?;
                if keys.partitions.replace(partitions).is_some() {
                    return Err(more_than_one(name));
                }
            }
            Restriction::Token(names, operator, term) => {
                check_token_columns(schema, names)?;
                let slot = self.slot(resolved, "partition key token", &ColumnType::BigInt, term)?;
                let inclusive =
                    matches!(operator, Operator::Equal | Operator::LessOrEqual | Operator::GreaterOrEqual);
                if matches!(operator, Operator::Equal | Operator::Greater | Operator::GreaterOrEqual)
                    && keys.lower.replace((slot.clone(), inclusive)).is_some()
                {
                    return Err(more_than_one("token"));
                }
                if matches!(operator, Operator::Equal | Operator::Less | Operator::LessOrEqual)
                    && keys.upper.replace((slot, inclusive)).is_some()
                {
                    return Err(more_than_one("token"));
                }
            }
        }
        Ok(())
    }

    fn in_terms(&mut self, resolved: &Resolved, terms: &InTerms) -> Compiled<Partitions> {
        let Column { name, column_type, .. } = &resolved.schema.columns[0];
        match terms {
            InTerms::Each(terms) => {
                let slots = terms.iter().map(|term| self.slot(resolved, name, column_type, term));
                slots.collect::<Compiled<_>>().map(Partitions::Keys)
            }
            InTerms::Marker(marker) => {
                let list = ColumnType::List(Arc::new(column_type.clone()));
                let name = format!("in({name})");
                Ok(Partitions::KeysMarker(self.marker(resolved, &name, &list, marker)))
            }
        }
    }
}

/// What a WHERE clause says of the key.
struct Keys {
    equal: Vec<Option<Slot>>,
    partitions: Option<Partitions>,
    lower: Option<(Slot, bool)>,
    upper: Option<(Slot, bool)>,
}

impl Keys {
    fn new(key_len: usize) -> Self {
        Self { equal: vec![None; key_len], partitions: None, lower: None, upper: None }
    }

    fn finish(mut self, schema: &Schema) -> Compiled<(Partitions, Vec<Slot>)> {
        let clustering = self.equal.split_off(schema.partition_len);
        let given = self.equal.iter().flatten().count();
        let tokens = self.lower.is_some() || self.upper.is_some();
        if tokens && (given > 0 || self.partitions.is_some()) {
            return Err(invalid(
                "Columns of the partition key cannot be restricted by both a normal relation and a token relation"
                    .into(),
            ));
        }
        if given > 0 && (given < schema.partition_len || self.partitions.is_some()) {
            return Err(needs_filtering("some but not all columns of the partition key are given"));
        }
        let prefix_len = clustering.iter().take_while(|slot| slot.is_some()).count();
        let prefix = clustering.iter().flatten().cloned().collect::<Vec<_>>();
        if prefix.len() > prefix_len {
            return Err(needs_filtering("a clustering column is given whose predecessors are not"));
        }
        let partitions = match self.partitions {
            Some(partitions) => partitions,
            None if given > 0 => Partitions::Key(self.equal.into_iter().flatten().collect()),
            None if !prefix.is_empty() => {
                return Err(needs_filtering("clustering columns are given without the partition key"));
            }
            None => Partitions::Tokens { lower: self.lower, upper: self.upper },
        };
        Ok((partitions, prefix))
    }
}

fn outputs(
    resolved: &Resolved,
    selectors: &[(Selector, Option<String>)],
) -> Compiled<(Vec<Output>, Vec<ColumnSpec>)> {
    let schema = &resolved.schema;
    let spec = |name: &str, column_type: &ColumnType| ColumnSpec {
        keyspace: resolved.keyspace.clone(),
        table: resolved.table.clone(),
        name: name.into(),
        column_type: column_type.clone(),
    };
    if selectors.is_empty() {
        let columns = schema.columns.iter().map(|column| spec(&column.name, &column.column_type));
        return Ok(((0..schema.columns.len()).map(Output::Column).collect(), columns.collect()));
    }
    let mut outputs = Vec::with_capacity(selectors.len());
    let mut columns = Vec::with_capacity(selectors.len());
    for (selector, alias) in selectors {
        let (output, name, column_type) = match selector {
            Selector::Column(name) => {
                let at = schema.column(name).map_err(invalid)?;
                (Output::Column(at), name.clone(), &schema.columns[at].column_type)
            }
            Selector::Json(name) => {
                let at = schema.column(name).map_err(invalid)?;
                let column_type = &schema.columns[at].column_type;
                if !types::has_json(column_type) {
                    return Err(invalid(format!(
                        "toJson of type {column_type} is not among what this node has"
                    )));
                }
                (Output::Json(at), format!("system.tojson({name})"), &ColumnType::Text)
            }
            Selector::Count => (Output::Count, "count".to_owned(), &ColumnType::BigInt),
            Selector::Token(names) => {
                check_token_columns(schema, names)?;
                (Output::Token, format!("system.token({})", names.join(", ")), &ColumnType::BigInt)
            }
        };
        outputs.push(output);
        columns.push(spec(alias.as_ref().unwrap_or(&name), column_type));
    }
    let counts = outputs.iter().filter(|output| **output == Output::Count).count();
    if counts > 0 && counts < outputs.len() {
        return Err(invalid("this node doesn't select columns next to count(*)".into()));
    }
    Ok((outputs, columns))
}

fn columns_id(columns: &[ColumnSpec]) -> [u8; 16] {
    let mut hasher = Hasher128::new();
    for ColumnSpec { keyspace, table, name, column_type } in columns {
        hasher = hasher.part(keyspace.as_bytes()).part(table.as_bytes()).part(name.as_bytes());
        hasher = hasher.part(column_type.to_string().as_bytes());
    }
    hasher.finish()
}

/// The partition key's markers in its order, if all of it is bound by markers.
fn partition_markers(kind: &PlanKind) -> Vec<u16> {
    let slots = match kind {
        PlanKind::Insert(insert) => &insert.cells[..insert.schema.partition_len],
        PlanKind::Select(SelectPlan { partitions: Partitions::Key(slots), .. }) => slots,
        _ => &[],
    };
    let markers = slots.iter().map(|slot| match slot {
        Slot::Marker(at) => u16::try_from(*at).ok(),
        _ => None,
    });
    markers.collect::<Option<_>>().unwrap_or_default()
}

fn key_column(schema: &Schema, name: &str) -> Compiled<usize> {
    let at = schema.column(name).map_err(invalid)?;
    if at < schema.key_len() {
        return Ok(at);
    }
    Err(needs_filtering(&format!("{name} is no column of the primary key")))
}

fn check_token_columns(schema: &Schema, names: &[String]) -> Compiled<()> {
    let key = schema.partition_columns();
    let same = names.len() == key.len() && names.iter().zip(key).all(|(name, column)| *name == column.name);
    if same {
        return Ok(());
    }
    let expected = key.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
    Err(invalid(format!("The token function takes the columns of the partition key: {expected}")))
}

fn needs_filtering(what: &str) -> Refusal {
    invalid(format!(
        "Cannot execute this query as it would need filtering, which is not among what this node has: {what}"
    ))
}

fn more_than_one(name: &str) -> Refusal {
    invalid(format!("{name} cannot be restricted by more than one relation"))
}

pub(super) fn no_keyspace() -> Refusal {
    invalid("No keyspace has been specified. USE a keyspace, or explicitly specify keyspace.tablename".into())
}
