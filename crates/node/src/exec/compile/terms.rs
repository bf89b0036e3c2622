//! Terms to slots.

use std::sync::Arc;

use helenus_core::protocol::ColumnType;
use helenus_core::protocol::response::ColumnSpec;

use super::{Compiled, Compiler, Resolved};
use crate::cql::{InTerms, Literal, Marker, Term};
use crate::exec::functions::{Function, signatures};
use crate::exec::plan::Choices;
use crate::exec::slot::{Call, Slot};
use crate::refusal::{Refusal, invalid};
use crate::types;

impl Compiler<'_> {
    /// A term as a value of that type; a marker without a name of its own is called `name`.
    pub(super) fn slot(
        &mut self,
        resolved: &Resolved,
        name: &str,
        column_type: &ColumnType,
        term: &Term,
    ) -> Compiled<Slot> {
        let wrong = |what: &str| invalid(format!("Invalid {what} literal for {name} of type {column_type}"));
        match (term, column_type) {
            (Term::Literal(literal), _) => {
                types::literal(column_type, literal, name).map(Slot::Literal).map_err(invalid)
            }
            (Term::Marker(marker), _) => Ok(Slot::Marker(self.marker(resolved, name, column_type, marker))),
            (Term::Hint(_, inner), _) => self.slot(resolved, name, column_type, inner),
            (Term::Call(function, arguments), _) => {
                self.call(resolved, name, column_type, function, arguments)
            }
            (Term::List(items), ColumnType::List(element)) => {
                let parts = self.parts(resolved, &format!("value({name})"), element, items)?;
                built(column_type, parts)
            }
            (Term::List(items), ColumnType::Vector(element, _)) => {
                let parts = self.parts(resolved, &format!("value({name})"), element, items)?;
                built(column_type, parts)
            }
            (Term::Set(items), ColumnType::Set(element)) => {
                let parts = self.parts(resolved, &format!("value({name})"), element, items)?;
                built(column_type, parts)
            }
            // An empty map is written as an empty set is.
            (Term::Set(items), ColumnType::Map(_)) if items.is_empty() => built(column_type, Vec::new()),
            (Term::Set(items), ColumnType::Udt(_)) if items.is_empty() => built(column_type, Vec::new()),
            (Term::Map(pairs), ColumnType::Map(types)) => {
                let mut parts = Vec::with_capacity(pairs.len() * 2);
                for (key, value) in pairs {
                    parts.push(self.slot(resolved, &format!("key({name})"), &types.0, key)?);
                    parts.push(self.slot(resolved, &format!("value({name})"), &types.1, value)?);
                }
                built(column_type, parts)
            }
            (Term::Tuple(items), ColumnType::Tuple(types)) => {
                if items.len() != types.len() {
                    return Err(invalid(format!(
                        "Expected {} elements in value for tuple {name}, but got {}: the type is {column_type}",
                        types.len(),
                        items.len()
                    )));
                }
                let parts = items.iter().zip(types.iter()).enumerate();
                let parts =
                    parts.map(|(at, (item, ty))| self.slot(resolved, &format!("{name}[{at}]"), ty, item));
                let parts = parts.collect::<Compiled<Vec<_>>>()?;
                built(column_type, parts)
            }
            (Term::Udt(fields), ColumnType::Udt(udt)) => {
                let unknown =
                    fields.iter().find(|(field, _)| !udt.fields.iter().any(|(known, _)| **known == **field));
                if let Some((field, _)) = unknown {
                    return Err(invalid(format!(
                        "Unknown field '{field}' in value of user defined type {}",
                        udt.name
                    )));
                }
                let mut parts = Vec::with_capacity(udt.fields.len());
                for (field, ty) in &udt.fields {
                    let given = fields.iter().find(|(given, _)| **given == **field);
                    parts.push(match given {
                        Some((_, term)) => self.slot(resolved, &format!("{name}.{field}"), ty, term)?,
                        None => Slot::Literal(None),
                    });
                }
                built(column_type, parts)
            }
            (Term::List(_), _) => Err(wrong("list")),
            (Term::Set(_), _) => Err(wrong("set")),
            (Term::Map(_), _) => Err(wrong("map")),
            (Term::Tuple(_), _) => Err(wrong("tuple")),
            (Term::Udt(_), _) => Err(wrong("user type")),
        }
    }

    fn parts(
        &mut self,
        resolved: &Resolved,
        name: &str,
        element: &ColumnType,
        items: &[Term],
    ) -> Compiled<Vec<Slot>> {
        items.iter().map(|item| self.slot(resolved, name, element, item)).collect()
    }

    fn call(
        &mut self,
        resolved: &Resolved,
        name: &str,
        expected: &ColumnType,
        function: &str,
        arguments: &[Term],
    ) -> Compiled<Slot> {
        let mut failure = None;
        if function == "tojson" || function == "to_json" {
            return Err(invalid(format!("{function}(..) of a constant is not among what this node has")));
        }
        let found = signatures(function, &resolved.key_types());
        if found.is_empty() {
            return Err(unknown_function(function));
        }
        for signature in found {
            if !assignable(&signature.result, expected) {
                failure = Some(invalid(format!(
                    "Type error: cannot assign result of function system.{function} (type {}) to {name} (type {expected})",
                    signature.result
                )));
                continue;
            }
            if signature.arguments.len() != arguments.len() {
                failure = Some(invalid(format!(
                    "Invalid number of arguments in call to function system.{function}: {} required but {} provided",
                    signature.arguments.len(),
                    arguments.len()
                )));
                continue;
            }
            let slots = self.attempt(|compiler| {
                let each = arguments.iter().zip(&signature.arguments).enumerate();
                let each = each.map(|(at, (term, ty))| {
                    let name = format!("arg{at}(system.{function})");
                    Ok((ty.clone(), compiler.slot(resolved, &name, ty, term)?))
                });
                each.collect::<Compiled<Vec<_>>>()
            });
            match slots {
                Ok(arguments) => {
                    let call = Call { function: signature.function, arguments, result: signature.result };
                    return Ok(Slot::Call(Box::new(call)));
                }
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| unknown_function(function)))
    }

    pub(super) fn marker(
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

    pub(super) fn in_terms(
        &mut self,
        resolved: &Resolved,
        name: &str,
        column_type: &ColumnType,
        terms: &InTerms,
    ) -> Compiled<Choices> {
        match terms {
            InTerms::Each(terms) => {
                let slots = terms.iter().map(|term| self.slot(resolved, name, column_type, term));
                slots.collect::<Compiled<_>>().map(Choices::Each)
            }
            InTerms::Marker(marker) => {
                let list = ColumnType::List(Arc::new(column_type.clone()));
                let name = format!("in({name})");
                Ok(Choices::List(Slot::Marker(self.marker(resolved, &name, &list, marker))))
            }
        }
    }

    /// A timestamp, a time to live or a limit: a number or a marker.
    pub(super) fn time(
        &mut self,
        resolved: &Resolved,
        name: &str,
        term: Option<&Term>,
        column_type: ColumnType,
    ) -> Compiled<Slot> {
        match term {
            None => Ok(Slot::Absent),
            Some(Term::Literal(literal)) if !matches!(literal, Literal::Integer(_) | Literal::Null) => {
                Err(crate::refusal::syntax(format!("Invalid {} constant for {name}", types::kind(literal))))
            }
            Some(term) => self.slot(resolved, name, &column_type, term),
        }
    }
}

fn built(column_type: &ColumnType, parts: Vec<Slot>) -> Compiled<Slot> {
    let constant = parts.iter().all(|part| matches!(part, Slot::Literal(_)));
    if !constant {
        return Ok(Slot::Built(Box::new((column_type.clone(), parts))));
    }
    let pieces = parts.into_iter().map(|part| match part {
        Slot::Literal(literal) => literal,
        _ => None,
    });
    let bytes = types::assemble(column_type, &pieces.collect::<Vec<_>>()).map_err(invalid)?;
    Ok(Slot::Literal(Some(bytes)))
}

fn assignable(result: &ColumnType, expected: &ColumnType) -> bool {
    result == expected
        || matches!(
            (result, expected),
            (ColumnType::TimeUuid, ColumnType::Uuid)
                | (ColumnType::Ascii, ColumnType::Text)
                | (ColumnType::BigInt, ColumnType::Timestamp | ColumnType::Counter)
                | (_, ColumnType::Blob)
        )
}

pub(super) fn unknown_function(name: &str) -> Refusal {
    invalid(format!("Unknown function {name} called"))
}

/// What `toJson` is as a function.
pub(super) const TO_JSON: Function = Function::ToJson;
