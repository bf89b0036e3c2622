//! SELECT to a plan.

use helenus_core::protocol::ColumnType;
use helenus_core::protocol::response::ColumnSpec;
use helenus_core::value::{CqlValue, DecodeValue};

use super::relations::check_token_columns;
use super::terms::{TO_JSON, unknown_function};
use super::{Compiled, Compiler, Resolved};
use crate::cql::{Name, Select, Selector, Term, TypeName};
use crate::exec::functions::signatures;
use crate::exec::plan::{Aggregate, Choices, Output, Partitions, SelectPlan};
use crate::exec::slot::Slot;
use crate::refusal::{Refusal, invalid};
use crate::store::hash::Hasher128;
use crate::store::schema::Kind;
use crate::types;

/// A column of the result: what it shows, what it is called, its type.
struct Shown {
    output: Output,
    name: String,
    column_type: ColumnType,
}

impl Compiler<'_> {
    pub(super) fn select(&mut self, select: &Select) -> Compiled<SelectPlan> {
        let resolved = self.resolve(&select.table)?;
        let schema = resolved.schema.clone();
        let shown = self.shown(&resolved, select)?;
        let aggregates = shown.iter().any(|shown| is_aggregate(&shown.output));
        let found = self.relations(&resolved, &select.relations, true)?;
        if select.distinct {
            check_distinct(&resolved, &shown, found.clustering.is_empty())?;
        }
        if let Some(refusal) = found.needs_filtering.filter(|_| !select.allow_filtering) {
            return Err(refusal);
        }
        let reversed = reversed(&resolved, select, &found.partitions)?;
        let several = match &found.partitions {
            Partitions::Keys(choices) => choices.iter().any(|choices| !matches!(choices, Choices::One(_))),
            Partitions::Tokens { .. } => false,
        };
        let int = ColumnType::Int;
        let per_partition_limit =
            self.time(&resolved, "[per_partition_limit]", select.per_partition_limit.as_ref(), int.clone())?;
        let limit = self.time(&resolved, "[limit]", select.limit.as_ref(), int)?;
        if aggregates && per_partition_limit != Slot::Absent {
            return Err(invalid("PER PARTITION LIMIT is not allowed with aggregate queries.".into()));
        }
        let columns = specs(&resolved, &shown);
        let outputs = shown.into_iter().map(|shown| shown.output).collect();
        let columns_id = columns_id(&columns);
        Ok(SelectPlan {
            source: resolved.source,
            schema,
            outputs,
            columns: columns.into(),
            columns_id,
            partitions: found.partitions,
            clustering: found.clustering,
            filters: found.filters,
            reversed,
            sorted: several && !select.order_by.is_empty(),
            distinct: select.distinct,
            aggregates,
            per_partition_limit,
            limit,
        })
    }

    fn shown(&mut self, resolved: &Resolved, select: &Select) -> Compiled<Vec<Shown>> {
        let schema = &resolved.schema;
        let mut shown = Vec::new();
        if select.selectors.is_empty() {
            for (at, column) in schema.columns.iter().enumerate() {
                let column_type = column.column_type().clone();
                shown.push(Shown { output: Output::Column(at), name: column.name.clone(), column_type });
            }
        }
        for (selector, alias) in &select.selectors {
            let mut one = self.selector(resolved, selector)?;
            if let Some(alias) = alias {
                one.name.clone_from(alias);
            }
            shown.push(one);
        }
        if !select.json {
            return Ok(shown);
        }
        for one in &shown {
            types::check_json(&one.column_type).map_err(invalid)?;
        }
        let fields = shown.into_iter().map(|shown| (shown.name, shown.column_type, shown.output)).collect();
        Ok(vec![Shown { output: Output::Json(fields), name: "[json]".into(), column_type: ColumnType::Text }])
    }

    fn selector(&mut self, resolved: &Resolved, selector: &Selector) -> Compiled<Shown> {
        let schema = &resolved.schema;
        match selector {
            Selector::Column(name) => {
                let at = schema.column(name)?;
                let column_type = schema.columns[at].column_type().clone();
                Ok(Shown { output: Output::Column(at), name: name.clone(), column_type })
            }
            Selector::CountRows => {
                Ok(Shown { output: Output::CountRows, name: "count".into(), column_type: ColumnType::BigInt })
            }
            Selector::Call(name, arguments) => self.function(resolved, name, arguments),
            Selector::Cast(inner, type_name) => self.cast(resolved, inner, type_name),
            Selector::Field(inner, field) => {
                let inner = self.selector(resolved, inner)?;
                let ColumnType::Udt(udt) = &inner.column_type else {
                    return Err(invalid(format!("Invalid field selection: {} is not a UDT", inner.name)));
                };
                let at = udt.fields.iter().position(|(known, _)| **known == **field);
                let at = at.ok_or_else(|| {
                    invalid(format!("{} of type {} has no field {field}", inner.name, inner.column_type))
                })?;
                let column_type = udt.fields[at].1.clone();
                let name = format!("{}.{field}", inner.name);
                Ok(Shown { output: Output::Field(Box::new(inner.output), at), name, column_type })
            }
            Selector::Element(inner, key) => {
                let inner = self.selector(resolved, inner)?;
                let (key_type, column_type) = match &inner.column_type {
                    ColumnType::Map(types) => (types.0.clone(), types.1.clone()),
                    ColumnType::Set(element) => ((**element).clone(), (**element).clone()),
                    other => {
                        return Err(invalid(format!(
                            "Invalid element selection: {} is of type {other} which is not a map or a set",
                            inner.name
                        )));
                    }
                };
                let slot = self.slot(resolved, &format!("key({})", inner.name), &key_type, key)?;
                let name = format!("{}[{}]", inner.name, written(&key_type, &slot));
                let output = Output::Element(Box::new(inner.output), inner.column_type, slot);
                Ok(Shown { output, name, column_type })
            }
            Selector::Term(term) => self.constant(resolved, term),
        }
    }

    /// A constant is selected with its type: `(int) 1`, `(text) ?`.
    fn constant(&mut self, resolved: &Resolved, term: &Term) -> Compiled<Shown> {
        let Term::Hint(type_name, inner) = term else {
            return Err(invalid(
                "Cannot infer type for a constant in the SELECT clause: write its type before it, as in (int) 1".into(),
            ));
        };
        let column_type = self.type_of(resolved, type_name)?;
        let slot = self.slot(resolved, "[selection]", &column_type, inner)?;
        let name = format!("({column_type}){}", written(&column_type, &slot));
        Ok(Shown { output: Output::Constant(slot), name, column_type })
    }

    fn type_of(&self, resolved: &Resolved, type_name: &TypeName) -> Compiled<ColumnType> {
        let find = |name: &Name| self.store.udt(&resolved.keyspace, name);
        types::resolve(type_name, &find).map(|data_type| data_type.column_type).map_err(invalid)
    }

    fn cast(&mut self, resolved: &Resolved, inner: &Selector, type_name: &TypeName) -> Compiled<Shown> {
        let inner = self.selector(resolved, inner)?;
        let to = self.type_of(resolved, type_name)?;
        if !crate::exec::output::can_cast(&inner.column_type, &to) {
            return Err(invalid(format!("{} cannot be cast to {to}", inner.column_type)));
        }
        let name = format!("cast({} as {to})", inner.name);
        let output = Output::Cast(Box::new(inner.output), inner.column_type, to.clone());
        Ok(Shown { output, name, column_type: to })
    }

    fn function(&mut self, resolved: &Resolved, name: &str, arguments: &[Selector]) -> Compiled<Shown> {
        if let Some(aggregate) = aggregate(name) {
            return self.aggregate(resolved, name, aggregate, arguments);
        }
        match name {
            "writetime" | "ttl" => return self.of_cell(resolved, name, arguments),
            "token" => {
                let names = arguments.iter().map(|argument| match argument {
                    Selector::Column(name) => Some(name.clone()),
                    _ => None,
                });
                if let Some(names) = names.collect::<Option<Vec<_>>>() {
                    check_token_columns(&resolved.schema, &names)?;
                    let name = format!("system.token({})", names.join(", "));
                    return Ok(Shown { output: Output::Token, name, column_type: ColumnType::BigInt });
                }
            }
            "tojson" | "to_json" => {
                let [argument] = arguments else {
                    return Err(invalid(format!(
                        "Invalid number of arguments in call to function system.{name}: 1 required but {} provided",
                        arguments.len()
                    )));
                };
                let shown = self.selector(resolved, argument)?;
                types::check_json(&shown.column_type).map_err(invalid)?;
                let name = format!("system.{name}({})", shown.name);
                let output = Output::Call(TO_JSON, vec![(shown.column_type, shown.output)], ColumnType::Text);
                return Ok(Shown { output, name, column_type: ColumnType::Text });
            }
            _ => {}
        }
        self.native(resolved, name, arguments)
    }

    fn native(&mut self, resolved: &Resolved, name: &str, arguments: &[Selector]) -> Compiled<Shown> {
        let found = signatures(name, &resolved.key_types());
        if found.is_empty() {
            return Err(unknown_function(name));
        }
        let mut failure = None;
        for signature in found {
            let types = &signature.arguments;
            if types.len() != arguments.len() {
                failure = Some(invalid(format!(
                    "Invalid number of arguments in call to function system.{name}: {} required but {} provided",
                    types.len(),
                    arguments.len()
                )));
                continue;
            }
            let shown = self.attempt(|compiler| {
                let each = arguments.iter().zip(types);
                each.map(|(argument, ty)| compiler.argument(resolved, name, argument, ty))
                    .collect::<Compiled<Vec<_>>>()
            });
            match shown {
                Ok(shown) => {
                    let names = shown.iter().map(|shown| shown.name.as_str()).collect::<Vec<_>>().join(", ");
                    let arguments =
                        shown.iter().map(|shown| (shown.column_type.clone(), shown.output.clone())).collect();
                    let output = Output::Call(signature.function, arguments, signature.result.clone());
                    let name = format!("system.{name}({names})");
                    return Ok(Shown { output, name, column_type: signature.result });
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| unknown_function(name)))
    }

    fn argument(
        &mut self,
        resolved: &Resolved,
        function: &str,
        argument: &Selector,
        expected: &ColumnType,
    ) -> Compiled<Shown> {
        if let Selector::Term(term) = argument {
            let slot = self.slot(resolved, &format!("arg0(system.{function})"), expected, term)?;
            return Ok(Shown {
                output: Output::Constant(slot),
                name: "?".into(),
                column_type: expected.clone(),
            });
        }
        let shown = self.selector(resolved, argument)?;
        let fits = shown.column_type == *expected
            || matches!((&shown.column_type, expected), (ColumnType::Ascii, ColumnType::Text));
        if fits {
            return Ok(shown);
        }
        Err(invalid(format!(
            "Invalid call to function {function}, none of its type signatures match: {} is of type {}",
            shown.name, shown.column_type
        )))
    }

    fn aggregate(
        &mut self,
        resolved: &Resolved,
        name: &str,
        aggregate: Aggregate,
        arguments: &[Selector],
    ) -> Compiled<Shown> {
        let [argument] = arguments else {
            return Err(invalid(format!(
                "Invalid number of arguments in call to function system.{name}: 1 required but {} provided",
                arguments.len()
            )));
        };
        let inner = self.selector(resolved, argument)?;
        if is_aggregate(&inner.output) {
            return Err(invalid(
                "aggregate functions cannot be used as arguments of aggregate functions".into(),
            ));
        }
        let numeric = crate::exec::output::is_number(&inner.column_type);
        let column_type = match aggregate {
            Aggregate::Count => ColumnType::BigInt,
            Aggregate::Min | Aggregate::Max => inner.column_type.clone(),
            Aggregate::Sum | Aggregate::Avg if numeric => inner.column_type.clone(),
            _ => {
                return Err(invalid(format!(
                    "Invalid call to function {name}, none of its type signatures match: {} is of type {}",
                    inner.name, inner.column_type
                )));
            }
        };
        let name = format!("system.{name}({})", inner.name);
        let output = Output::Aggregate(aggregate, Box::new(inner.output), inner.column_type);
        Ok(Shown { output, name, column_type })
    }

    fn of_cell(&mut self, resolved: &Resolved, name: &str, arguments: &[Selector]) -> Compiled<Shown> {
        let [Selector::Column(column)] = arguments else {
            return Err(invalid(format!(
                "{name} takes one column; elements and fields are not among what this node has"
            )));
        };
        let schema = &resolved.schema;
        let at = schema.column(column)?;
        if at < schema.key_len() {
            return Err(invalid(format!(
                "Cannot use selection function {name} on PRIMARY KEY part {column}"
            )));
        }
        if schema.columns[at].data_type.multi_cell {
            return Err(invalid(format!(
                "{name} of a column with several cells is not among what this node has: {column}"
            )));
        }
        let (output, column_type) = match name {
            "writetime" => (Output::WriteTime(at), ColumnType::BigInt),
            _ => (Output::Ttl(at), ColumnType::Int),
        };
        Ok(Shown { output, name: format!("{name}({column})"), column_type })
    }
}

/// A constant as CQL writes it.
fn written(column_type: &ColumnType, slot: &Slot) -> String {
    match slot {
        Slot::Literal(bytes) => {
            CqlValue::decode(column_type, bytes.as_deref()).map(|value| value.to_string()).unwrap_or_default()
        }
        _ => "?".to_owned(),
    }
}

fn aggregate(name: &str) -> Option<Aggregate> {
    Some(match name {
        "count" => Aggregate::Count,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "sum" => Aggregate::Sum,
        "avg" => Aggregate::Avg,
        _ => return None,
    })
}

fn is_aggregate(output: &Output) -> bool {
    matches!(output, Output::CountRows | Output::Aggregate(..))
}

/// Whether rows come in the opposite of their order.
fn reversed(resolved: &Resolved, select: &Select, partitions: &Partitions) -> Compiled<bool> {
    let schema = &resolved.schema;
    let mut reversed = None;
    for (at, (name, descending)) in select.order_by.iter().enumerate() {
        let column = schema.column(name)?;
        if schema.clustering_columns().iter().all(|clustering| clustering.name != *name) {
            return Err(invalid(format!(
                "Order by is currently only supported on the clustered columns of the PRIMARY KEY, got {name}"
            )));
        }
        if schema.clustering_columns()[at.min(schema.clustering_len - 1)].name != *name {
            return Err(invalid("Order by currently only supports the ordering of columns following their declared order in the PRIMARY KEY".into()));
        }
        let opposite = *descending != schema.columns[column].is_descending();
        if *reversed.get_or_insert(opposite) != opposite {
            return Err(invalid("Unsupported order by relation".into()));
        }
    }
    if !select.order_by.is_empty() && matches!(partitions, Partitions::Tokens { .. }) {
        return Err(invalid(
            "ORDER BY is only supported when the partition key is restricted by an EQ or an IN.".into(),
        ));
    }
    Ok(reversed.unwrap_or(false))
}

fn check_distinct(resolved: &Resolved, shown: &[Shown], whole: bool) -> Compiled<()> {
    let schema = &resolved.schema;
    let other = shown.iter().find_map(|shown| match &shown.output {
        Output::Column(at) if *at >= schema.partition_len && schema.columns[*at].kind != Kind::Static => {
            Some(schema.columns[*at].name.as_str())
        }
        _ => None,
    });
    if let Some(name) = other {
        return Err(invalid(format!(
            "SELECT DISTINCT queries must only request partition key columns and/or static columns (not {name})"
        )));
    }
    if whole { Ok(()) } else { Err(distinct_restricted()) }
}

fn distinct_restricted() -> Refusal {
    invalid(
        "SELECT DISTINCT with WHERE clause only supports restriction by partition key and/or static columns."
            .into(),
    )
}

fn specs(resolved: &Resolved, shown: &[Shown]) -> Vec<ColumnSpec> {
    let spec = |shown: &Shown| ColumnSpec {
        keyspace: resolved.keyspace.clone(),
        table: resolved.table.clone(),
        name: shown.name.as_str().into(),
        column_type: shown.column_type.clone(),
    };
    shown.iter().map(spec).collect()
}

fn columns_id(columns: &[ColumnSpec]) -> [u8; 16] {
    let mut hasher = Hasher128::new();
    for ColumnSpec { keyspace, table, name, column_type } in columns {
        hasher = hasher.part(keyspace.as_bytes()).part(table.as_bytes()).part(name.as_bytes());
        hasher = hasher.part(format!("{column_type:#}").as_bytes());
    }
    hasher.finish()
}
