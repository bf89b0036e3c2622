//! INSERT, UPDATE and DELETE to plans.

use std::sync::Arc;

use helenus_core::protocol::ColumnType;

use super::relations::Where;
use super::{Compiled, Compiler, Resolved};
use crate::cql::{self, Assigned, Assignment, Operator, Term, Write};
use crate::exec::plan::{
    Change, Choices, Clustering, Condition, Conditions, Operation, Part, Partitions, Point, Source, Target,
    Test, WritePlan,
};
use crate::exec::slot::{JsonField, Slot, check_names};
use crate::refusal::{invalid, syntax};
use crate::store::schema::{Kind, Schema};
use crate::types;

impl Compiler<'_> {
    pub(super) fn write(&mut self, write: &Write) -> Compiled<WritePlan> {
        let resolved = self.resolve(&write.table)?;
        let Source::Stored(table) = resolved.source else {
            return Err(crate::refusal::unauthorized(format!(
                "{} is not user-modifiable.",
                resolved.schema.full_name()
            )));
        };
        let timestamp =
            self.time(&resolved, "[timestamp]", write.using.timestamp.as_ref(), ColumnType::BigInt)?;
        let ttl = self.time(&resolved, "[ttl]", write.using.ttl.as_ref(), ColumnType::Int)?;
        let mut plan = match &write.change {
            cql::Change::Insert(values) => self.insert(&resolved, values)?,
            cql::Change::InsertJson { json, default_unset } => {
                self.insert_json(&resolved, json, *default_unset)?
            }
            cql::Change::Update { assignments, relations } => {
                self.update(&resolved, assignments, relations)?
            }
            cql::Change::Delete { targets, relations } => self.delete(&resolved, targets, relations)?,
        }
        .into_plan(table, &resolved);
        plan.operations.sort_by_key(|operation| resolved.schema.columns[operation.column].number);
        (plan.timestamp, plan.ttl) = (timestamp, ttl);
        plan.conditions = self.conditions(&resolved, &write.conditions)?;
        check(&plan)?;
        Ok(plan)
    }

    fn insert(&mut self, resolved: &Resolved, values: &[(String, Term)]) -> Compiled<Draft> {
        let mut slots = Vec::with_capacity(values.len());
        for (name, term) in values {
            let at = resolved.schema.column(name)?;
            let column_type = resolved.schema.columns[at].column_type().clone();
            slots.push((at, self.slot(resolved, name, &column_type, term)?));
        }
        inserted(&resolved.schema, slots)
    }

    /// Each column of the table is a part of the JSON.
    fn insert_json(&mut self, resolved: &Resolved, json: &Term, default_unset: bool) -> Compiled<Draft> {
        let schema = &resolved.schema;
        let known: Arc<[String]> = schema.columns.iter().map(|column| column.name.clone()).collect();
        let slot = self.slot(resolved, "[json]", &ColumnType::Text, json)?;
        let mut slots = Vec::with_capacity(known.len());
        let object = match &slot {
            Slot::Literal(Some(text)) => {
                let object = types::parse_object(&String::from_utf8_lossy(text)).map_err(invalid)?;
                check_names(&object, &known)?;
                Some(object)
            }
            Slot::Marker(_) => None,
            _ => return Err(invalid("INSERT JSON takes a text or a marker".into())),
        };
        for (at, column) in schema.columns.iter().enumerate() {
            let column_type = column.column_type();
            let found = object.as_ref().map(|object| object.iter().find(|(name, _)| *name == column.name));
            slots.push((
                at,
                match (&slot, found) {
                    (Slot::Marker(marker), _) => Slot::Json(Box::new(JsonField {
                        marker: *marker,
                        column: column.name.clone(),
                        column_type: column_type.clone(),
                        known: known.clone(),
                        default_unset,
                    })),
                    (_, Some(Some((name, value)))) => {
                        Slot::Literal(types::from_json(column_type, value, name).map_err(invalid)?)
                    }
                    _ if default_unset => Slot::Absent,
                    _ => Slot::Literal(None),
                },
            ));
        }
        inserted(schema, slots)
    }

    fn update(
        &mut self,
        resolved: &Resolved,
        assignments: &[Assignment],
        relations: &[cql::Relation],
    ) -> Compiled<Draft> {
        let schema = &resolved.schema;
        let mut operations: Vec<Operation> = Vec::with_capacity(assignments.len());
        for assignment in assignments {
            let operation = self.assignment(resolved, assignment)?;
            let whole = |operation: &Operation| {
                !matches!(operation.change, Change::SetElement(..) | Change::SetField(..))
            };
            let other = operations.iter().find(|other| other.column == operation.column);
            if other.is_some_and(|other| whole(other) || whole(&operation)) {
                let name = &schema.columns[operation.column].name;
                return Err(syntax(format!("Multiple incompatible setting of column {name}")));
            }
            operations.push(operation);
        }
        let found = self.relations(resolved, relations, false)?;
        let only_static =
            operations.iter().all(|operation| schema.columns[operation.column].kind == Kind::Static);
        let (partition, clustering) = keys(schema, found)?;
        if only_static && clustering.is_empty() {
            return Ok(Draft { partition, target: Target::Static, marks_row: false, operations });
        }
        if clustering.lower.is_some() || clustering.upper.is_some() {
            return Err(invalid(
                "Slice restrictions are not supported on the clustering columns in UPDATE statements".into(),
            ));
        }
        whole_key(schema, &clustering)?;
        if only_static {
            return Err(invalid("Invalid restrictions on clustering columns since the UPDATE statement modifies only static columns".into()));
        }
        Ok(Draft { partition, target: Target::Rows(clustering), marks_row: false, operations })
    }

    fn assignment(&mut self, resolved: &Resolved, assignment: &Assignment) -> Compiled<Operation> {
        let schema = &resolved.schema;
        let (cql::Target::Column(name) | cql::Target::Element(name, _) | cql::Target::Field(name, _)) =
            &assignment.target;
        let at = schema.column(name)?;
        if at < schema.key_len() {
            return Err(invalid(format!("PRIMARY KEY part {name} found in SET part")));
        }
        let column = &schema.columns[at];
        let column_type = column.column_type().clone();
        let multi_cell = column.data_type.multi_cell;
        let unfit = |what: &str| {
            invalid(format!(
                "Invalid operation ({what}) for {} column {name}",
                if multi_cell { "collection" } else { "non collection" }
            ))
        };
        let change = match (&assignment.target, &assignment.value) {
            (cql::Target::Column(_), Assigned::Plus(term) | Assigned::Minus(term)) if column.is_counter() => {
                let negative = matches!(assignment.value, Assigned::Minus(_));
                Change::Count { by: self.slot(resolved, name, &ColumnType::BigInt, term)?, negative }
            }
            (cql::Target::Column(_), _) if column.is_counter() => {
                return Err(invalid(format!(
                    "Cannot set the value of counter column {name} (counters can only be incremented/decremented, not set)"
                )));
            }
            (cql::Target::Column(_), Assigned::Value(term)) => {
                Change::Set(self.slot(resolved, name, &column_type, term)?)
            }
            (cql::Target::Column(_), Assigned::Plus(term)) if multi_cell && is_collection(&column_type) => {
                Change::Append(self.slot(resolved, name, &column_type, term)?)
            }
            (cql::Target::Column(_), Assigned::Before(term)) if multi_cell => match &column_type {
                ColumnType::List(_) => Change::Prepend(self.slot(resolved, name, &column_type, term)?),
                _ => return Err(unfit("prepend")),
            },
            (cql::Target::Column(_), Assigned::Minus(term)) if multi_cell => {
                let subtracted = match &column_type {
                    ColumnType::Map(types) => ColumnType::Set(types.0.clone().into()),
                    ColumnType::List(_) | ColumnType::Set(_) => column_type.clone(),
                    _ => return Err(unfit("-")),
                };
                Change::Subtract(self.slot(resolved, name, &subtracted, term)?)
            }
            (cql::Target::Element(_, key), Assigned::Value(term)) if multi_cell => match &column_type {
                ColumnType::List(element) => Change::SetElement(
                    self.slot(resolved, &format!("idx({name})"), &ColumnType::Int, key)?,
                    self.slot(resolved, &format!("value({name})"), element, term)?,
                ),
                ColumnType::Map(types) => Change::SetElement(
                    self.slot(resolved, &format!("key({name})"), &types.0, key)?,
                    self.slot(resolved, &format!("value({name})"), &types.1, term)?,
                ),
                _ => return Err(unfit("an element is set")),
            },
            (cql::Target::Field(_, field), Assigned::Value(term)) if multi_cell => {
                let (number, ty) = udt_field(name, &column_type, field)?;
                Change::SetField(number, self.slot(resolved, &format!("{name}.{field}"), &ty, term)?)
            }
            _ => return Err(unfit("+, - or a part of it")),
        };
        Ok(Operation { column: at, change })
    }

    fn delete(
        &mut self,
        resolved: &Resolved,
        targets: &[cql::Target],
        relations: &[cql::Relation],
    ) -> Compiled<Draft> {
        let schema = &resolved.schema;
        let mut operations = Vec::with_capacity(targets.len());
        for target in targets {
            operations.push(self.deletion(resolved, target)?);
        }
        let found = self.relations(resolved, relations, false)?;
        let (partition, clustering) = keys(schema, found)?;
        if operations.is_empty() {
            let target =
                if clustering.is_empty() { Target::DeletePartition } else { Target::DeleteRows(clustering) };
            return Ok(Draft { partition, target, marks_row: false, operations });
        }
        let only_static =
            operations.iter().all(|operation| schema.columns[operation.column].kind == Kind::Static);
        if only_static && clustering.is_empty() {
            return Ok(Draft { partition, target: Target::Static, marks_row: false, operations });
        }
        if clustering.lower.is_some() || clustering.upper.is_some() {
            return Err(invalid("Range deletions are not supported for specific columns".into()));
        }
        whole_key(schema, &clustering)?;
        Ok(Draft { partition, target: Target::Rows(clustering), marks_row: false, operations })
    }

    fn deletion(&mut self, resolved: &Resolved, target: &cql::Target) -> Compiled<Operation> {
        let schema = &resolved.schema;
        let (cql::Target::Column(name) | cql::Target::Element(name, _) | cql::Target::Field(name, _)) =
            target;
        let at = schema.column(name)?;
        if at < schema.key_len() {
            return Err(invalid(format!(
                "Invalid identifier {name} for deletion (should not be a PRIMARY KEY part)"
            )));
        }
        let column = &schema.columns[at];
        let column_type = column.column_type().clone();
        let change = match target {
            cql::Target::Column(_) => Change::Set(Slot::Literal(None)),
            _ if !column.data_type.multi_cell => {
                return Err(invalid(format!("Invalid deletion operation for non collection column {name}")));
            }
            cql::Target::Element(_, key) => match &column_type {
                ColumnType::List(_) => Change::SetElement(
                    self.slot(resolved, &format!("idx({name})"), &ColumnType::Int, key)?,
                    Slot::Literal(None),
                ),
                ColumnType::Map(types) => Change::SetElement(
                    self.slot(resolved, &format!("key({name})"), &types.0, key)?,
                    Slot::Literal(None),
                ),
                ColumnType::Set(element) => {
                    Change::DeleteElement(self.slot(resolved, &format!("value({name})"), element, key)?)
                }
                _ => return Err(invalid(format!("Invalid deletion operation for column {name}"))),
            },
            cql::Target::Field(_, field) => {
                Change::SetField(udt_field(name, &column_type, field)?.0, Slot::Literal(None))
            }
        };
        Ok(Operation { column: at, change })
    }

    fn conditions(&mut self, resolved: &Resolved, conditions: &cql::Conditions) -> Compiled<Conditions> {
        match conditions {
            cql::Conditions::None => Ok(Conditions::None),
            cql::Conditions::IfExists => Ok(Conditions::IfExists),
            cql::Conditions::IfNotExists => Ok(Conditions::IfNotExists),
            cql::Conditions::If(all) => {
                let each = all.iter().map(|condition| self.condition(resolved, condition));
                each.collect::<Compiled<_>>().map(Conditions::If)
            }
        }
    }

    fn condition(&mut self, resolved: &Resolved, condition: &cql::Condition) -> Compiled<Condition> {
        let schema = &resolved.schema;
        let (cql::Target::Column(name) | cql::Target::Element(name, _) | cql::Target::Field(name, _)) =
            &condition.target;
        let column = schema.column(name)?;
        if column < schema.key_len() {
            return Err(invalid(format!("PRIMARY KEY column '{name}' cannot have IF conditions")));
        }
        let whole = schema.columns[column].column_type().clone();
        let (part, column_type) = match (&condition.target, &whole) {
            (cql::Target::Column(_), _) => (Part::Whole, whole),
            (cql::Target::Element(_, key), ColumnType::List(element)) => {
                let key = self.slot(resolved, &format!("idx({name})"), &ColumnType::Int, key)?;
                (Part::Element(key), (**element).clone())
            }
            (cql::Target::Element(_, key), ColumnType::Map(types)) => {
                let key = self.slot(resolved, &format!("key({name})"), &types.0, key)?;
                (Part::Element(key), types.1.clone())
            }
            (cql::Target::Field(_, field), ColumnType::Udt(_)) => {
                let (number, ty) = udt_field(name, &whole, field)?;
                (Part::Field(number.into()), ty)
            }
            _ => return Err(invalid(format!("Invalid element access syntax for column {name}"))),
        };
        let test = match &condition.test {
            cql::Test::Compare(Operator::Contains | Operator::ContainsKey, _) => {
                return Err(invalid("CONTAINS in conditions is not among what this node has".into()));
            }
            cql::Test::Compare(operator, term) => {
                Test::Compare(*operator, self.slot(resolved, name, &column_type, term)?)
            }
            cql::Test::In(terms) => match self.in_terms(resolved, name, &column_type, terms)? {
                Choices::Each(slots) => Test::In(slots),
                Choices::List(slot) => Test::InList(slot),
                Choices::One(slot) => Test::In(vec![slot]),
            },
        };
        Ok(Condition { column, part, column_type, test })
    }
}

/// An INSERT of these values by column.
fn inserted(schema: &Schema, values: Vec<(usize, Slot)>) -> Compiled<Draft> {
    let mut key = vec![None; schema.key_len()];
    let mut operations = Vec::with_capacity(values.len());
    let mut seen = vec![false; schema.columns.len()];
    for (at, slot) in values {
        let column = &schema.columns[at];
        let name = &column.name;
        if std::mem::replace(&mut seen[at], true) {
            return Err(invalid(format!("The column names contains duplicates: {name}")));
        }
        if column.is_counter() {
            return Err(invalid(
                "INSERT statements are not allowed on counter tables, use UPDATE instead".into(),
            ));
        }
        match key.get_mut(at) {
            Some(place) => *place = Some(Choices::One(slot)),
            None => operations.push(Operation { column: at, change: Change::Set(slot) }),
        }
    }
    if schema.is_counter() {
        return Err(invalid(
            "INSERT statements are not allowed on counter tables, use UPDATE instead".into(),
        ));
    }
    let clustering = key.split_off(schema.partition_len);
    let missing = key.iter().position(Option::is_none);
    if let Some(at) = missing {
        let name = &schema.columns[at].name;
        return Err(invalid(format!("Some partition key parts are missing: {name}")));
    }
    let partition = key.into_iter().flatten().collect();
    let only_static = !operations.is_empty()
        && operations.iter().all(|operation| schema.columns[operation.column].kind == Kind::Static);
    if only_static && clustering.iter().all(Option::is_none) {
        return Ok(Draft { partition, target: Target::Static, marks_row: false, operations });
    }
    let missing = clustering.iter().position(Option::is_none);
    if let Some(at) = missing {
        let name = &schema.clustering_columns()[at].name;
        return Err(invalid(format!("Some clustering keys are missing: {name}")));
    }
    let points = clustering.into_iter().flatten();
    let points = points.map(|values| Point { columns: 1, is_tuple: false, values }).collect();
    let target = Target::Rows(Clustering { points, lower: None, upper: None });
    Ok(Draft { partition, target, marks_row: true, operations })
}

/// A plan without what all three statements have in common.
struct Draft {
    partition: Vec<Choices>,
    target: Target,
    marks_row: bool,
    operations: Vec<Operation>,
}

impl Draft {
    fn into_plan(self, table: crate::store::TableIndex, resolved: &Resolved) -> WritePlan {
        let Self { partition, target, marks_row, operations } = self;
        WritePlan {
            table,
            schema: resolved.schema.clone(),
            partition,
            target,
            marks_row,
            operations,
            timestamp: Slot::Absent,
            ttl: Slot::Absent,
            conditions: Conditions::None,
        }
    }
}

impl Clustering {
    pub(crate) fn is_empty(&self) -> bool {
        self.points.is_empty() && self.lower.is_none() && self.upper.is_none()
    }

    /// How many columns are given.
    pub(crate) fn columns(&self) -> usize {
        self.points.iter().map(|point| point.columns).sum()
    }
}

fn is_collection(column_type: &ColumnType) -> bool {
    matches!(column_type, ColumnType::List(_) | ColumnType::Set(_) | ColumnType::Map(_))
}

fn udt_field(name: &str, column_type: &ColumnType, field: &str) -> Compiled<(u16, ColumnType)> {
    let ColumnType::Udt(udt) = column_type else {
        return Err(invalid(format!("Invalid field access: {name} is not a UDT")));
    };
    let at = udt.fields.iter().position(|(known, _)| **known == *field);
    let at = at.ok_or_else(|| invalid(format!("UDT column {name} does not have a field named {field}")))?;
    // A type has at most 1,000 fields.
    Ok((at as u16, udt.fields[at].1.clone()))
}

/// The keys of an UPDATE or DELETE, which tests no rows.
fn keys(schema: &Schema, found: Where) -> Compiled<(Vec<Choices>, Clustering)> {
    let Where { partitions, clustering, needs_filtering, .. } = found;
    let partition = match partitions {
        Partitions::Keys(choices) => choices,
        Partitions::Tokens { lower, upper } if lower.is_some() || upper.is_some() => {
            return Err(invalid(
                "The token function cannot be used in WHERE clauses for UPDATE or DELETE statements".into(),
            ));
        }
        Partitions::Tokens { .. } => {
            let names = schema.partition_columns().iter().map(|column| column.name.as_str());
            let names = names.collect::<Vec<_>>().join(", ");
            return Err(invalid(format!("Some partition key parts are missing: {names}")));
        }
    };
    match needs_filtering {
        Some(refusal) => Err(refusal),
        None => Ok((partition, clustering)),
    }
}

fn whole_key(schema: &Schema, clustering: &Clustering) -> Compiled<()> {
    match schema.clustering_columns().get(clustering.columns()) {
        None => Ok(()),
        Some(column) => Err(invalid(format!("Some clustering keys are missing: {}", column.name))),
    }
}

fn check(plan: &WritePlan) -> Compiled<()> {
    let conditional = !matches!(plan.conditions, Conditions::None);
    if plan.schema.is_counter() {
        if conditional {
            return Err(invalid("Conditional updates are not supported on counter tables".into()));
        }
        if plan.timestamp != Slot::Absent && !plan.operations.is_empty() {
            return Err(invalid("Cannot provide custom timestamp for counter updates".into()));
        }
        if plan.ttl != Slot::Absent {
            return Err(invalid("Cannot provide custom TTL for counter updates".into()));
        }
    }
    if !conditional {
        return Ok(());
    }
    if plan.timestamp != Slot::Absent {
        return Err(invalid("Cannot provide custom timestamp for conditional updates".into()));
    }
    if plan.partition.iter().any(|choices| !matches!(choices, Choices::One(_))) {
        return Err(invalid("IN on the partition key is not supported with conditional updates".into()));
    }
    match &plan.target {
        Target::Rows(clustering) if clustering.points.iter().any(|point| !matches!(point.values, Choices::One(_))) => {
            Err(invalid("IN on the clustering key columns is not supported with conditional updates".into()))
        }
        Target::DeletePartition if plan.schema.clustering_len > 0 => Err(invalid(
            "DELETE statements must restrict all PRIMARY KEY columns with equality relations in order to delete non static \
             columns"
                .into(),
        )),
        Target::DeleteRows(clustering)
            if clustering.columns() < plan.schema.clustering_len
                || clustering.points.iter().any(|point| !matches!(point.values, Choices::One(_))) =>
        {
            Err(invalid(
                "DELETE statements must restrict all PRIMARY KEY columns with equality relations in order to use IF \
                 conditions"
                    .into(),
            ))
        }
        _ => Ok(()),
    }
}
