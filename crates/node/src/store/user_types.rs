//! User-defined types: made, changed, dropped, and looked up.

use std::sync::Arc;

use helenus_core::protocol::{ColumnType, UdtType};

use super::schema::{UserType, check_name};
use super::{Changed, Store, missing_keyspace};
use crate::cql::{Name, TypeChange, TypeName};
use crate::refusal::{Refusal, invalid};
use crate::types::{self, FoundType};

/// How many types a keyspace may have, and how many fields a type.
const TYPE_LIMIT: usize = 1_000;
const FIELD_LIMIT: usize = 1_000;

impl Store {
    /// A user-defined type by its name in a statement about `keyspace`.
    pub(crate) fn udt(&self, keyspace: &str, name: &Name) -> Result<FoundType, String> {
        if let Some(other) = name.keyspace.as_deref().filter(|other| *other != keyspace) {
            return Err(format!(
                "Statement on keyspace {keyspace} cannot refer to a user type in keyspace {other}; user types can only \
                 be used in the keyspace they are defined in"
            ));
        }
        let found = self.keyspaces.get(keyspace).and_then(|keyspace| keyspace.types.get(&name.name));
        found
            .map(|found| FoundType { udt: found.udt.clone(), nests_cells: found.nests_cells })
            .ok_or_else(|| format!("Unknown type {keyspace}.{}", name.name))
    }

    pub(crate) fn create_type(
        &mut self,
        keyspace: &str,
        name: &str,
        if_not_exists: bool,
        fields: &[(String, TypeName)],
    ) -> Result<Changed, Refusal> {
        let found = self.keyspaces.get(keyspace).ok_or_else(|| missing_keyspace(keyspace))?;
        if found.types.contains_key(name) {
            if if_not_exists {
                return Ok(Changed::No);
            }
            return Err(invalid(format!("A user type with name '{name}' already exists")));
        }
        check_name("Type", name)?;
        if found.types.len() >= TYPE_LIMIT {
            return Err(invalid(format!("a keyspace of this node has at most {TYPE_LIMIT} types")));
        }
        let user_type = self.user_type(keyspace, name, fields.to_vec())?;
        if let Some(keyspace) = self.keyspaces.get_mut(keyspace) {
            keyspace.types.insert(name.to_owned(), user_type);
        }
        self.changes += 1;
        Ok(Changed::Yes)
    }

    fn user_type(
        &self,
        keyspace: &str,
        name: &str,
        fields: Vec<(String, TypeName)>,
    ) -> Result<UserType, Refusal> {
        if fields.len() > FIELD_LIMIT {
            return Err(invalid(format!("a type of this node has at most {FIELD_LIMIT} fields")));
        }
        let mut texts = Vec::with_capacity(fields.len());
        let mut nests_cells = false;
        let mut resolved: Vec<(Box<str>, ColumnType)> = Vec::with_capacity(fields.len());
        for (field, type_name) in &fields {
            if resolved.iter().any(|(other, _)| **other == **field) {
                return Err(invalid(format!("Duplicate field name '{field}' in type '{name}'")));
            }
            let data_type = types::resolve(type_name, &|name| self.udt(keyspace, name)).map_err(invalid)?;
            if data_type.column_type == ColumnType::Counter {
                return Err(invalid("A user type cannot contain counters".into()));
            }
            if data_type.multi_cell && matches!(data_type.column_type, ColumnType::Udt(_)) {
                return Err(invalid(format!(
                    "A user type cannot contain non-frozen UDTs: {field} {}",
                    data_type.text
                )));
            }
            nests_cells |= data_type.multi_cell;
            resolved.push((field.as_str().into(), data_type.column_type));
            texts.push(data_type.text);
        }
        let udt = UdtType { keyspace: keyspace.into(), name: name.into(), fields: resolved.into() };
        Ok(UserType { fields, texts, udt: Arc::new(udt), nests_cells })
    }

    pub(crate) fn alter_type(
        &mut self,
        keyspace: &str,
        name: &str,
        if_exists: bool,
        change: &TypeChange,
    ) -> Result<Changed, Refusal> {
        let found = self.keyspaces.get(keyspace).and_then(|keyspace| keyspace.types.get(name));
        let Some(found) = found else {
            return if if_exists { Ok(Changed::No) } else { Err(missing_type(keyspace, name)) };
        };
        let mut fields = found.fields.clone();
        match change {
            TypeChange::Add { if_not_exists, field } => {
                if fields.iter().any(|(other, _)| *other == field.0) {
                    if *if_not_exists {
                        return Ok(Changed::No);
                    }
                    return Err(invalid(format!(
                        "Cannot add field {} to type {keyspace}.{name}: a field with name {} already exists",
                        field.0, field.0
                    )));
                }
                fields.push(field.clone());
            }
            TypeChange::Rename { if_exists, names } => {
                for (from, to) in names {
                    match fields.iter_mut().find(|(field, _)| field == from) {
                        Some((field, _)) => field.clone_from(to),
                        None if *if_exists => {}
                        None => {
                            return Err(invalid(format!(
                                "Unkown field {from} in user type {keyspace}.{name}"
                            )));
                        }
                    }
                }
            }
        }
        let user_type = self.user_type(keyspace, name, fields)?;
        if let Some(keyspace) = self.keyspaces.get_mut(keyspace) {
            keyspace.types.insert(name.to_owned(), user_type);
        }
        self.resolve_again(keyspace)?;
        self.changes += 1;
        Ok(Changed::Yes)
    }

    /// After a type has changed: those that hold it, and the columns that are of it. A type only holds types that were
    /// there before it, so this ends.
    fn resolve_again(&mut self, keyspace: &str) -> Result<(), Refusal> {
        let Some(found) = self.keyspaces.get(keyspace) else { return Ok(()) };
        let names = found.types.keys().cloned().collect::<Vec<_>>();
        let tables = found.tables.values().copied().collect::<Vec<_>>();
        for _ in 0..names.len() {
            let mut changed = false;
            for name in &names {
                let Some(old) = self.keyspaces.get(keyspace).and_then(|found| found.types.get(name)) else {
                    continue;
                };
                let fresh = self.user_type(keyspace, name, old.fields.clone())?;
                if fresh.udt != old.udt {
                    changed = true;
                    if let Some(found) = self.keyspaces.get_mut(keyspace) {
                        found.types.insert(name.clone(), fresh);
                    }
                }
            }
            if !changed {
                break;
            }
        }
        for index in tables {
            let Some(table) = self.table(index) else { continue };
            let mut schema = super::Schema::clone(&table.schema);
            schema.resolve_again(&|name| self.udt(keyspace, name))?;
            self.replace_schema(index, schema);
        }
        Ok(())
    }

    pub(crate) fn drop_type(
        &mut self,
        keyspace: &str,
        name: &str,
        if_exists: bool,
    ) -> Result<Changed, Refusal> {
        let found = self.keyspaces.get(keyspace).filter(|found| found.types.contains_key(name));
        let Some(found) = found else {
            return if if_exists { Ok(Changed::No) } else { Err(missing_type(keyspace, name)) };
        };
        let users = found
            .types
            .iter()
            .filter(|(_, other)| other.udt.fields.iter().any(|(_, field)| mentions(field, name)));
        if let Some((user, _)) = users.into_iter().next() {
            return Err(invalid(format!(
                "Cannot drop user type '{keyspace}.{name}' as it is still used by user types [{user}]"
            )));
        }
        let mut tables = found.tables.iter().filter_map(|(table, index)| Some((table, self.table(*index)?)));
        let user = tables.find(|(_, table)| {
            table.schema.columns.iter().any(|column| mentions(column.column_type(), name))
        });
        if let Some((table, _)) = user {
            return Err(invalid(format!(
                "Cannot drop user type '{keyspace}.{name}' as it is still used by tables [{table}]"
            )));
        }
        if let Some(keyspace) = self.keyspaces.get_mut(keyspace) {
            keyspace.types.remove(name);
        }
        self.changes += 1;
        Ok(Changed::Yes)
    }
}

fn mentions(column_type: &ColumnType, name: &str) -> bool {
    match column_type {
        ColumnType::List(element) | ColumnType::Set(element) | ColumnType::Vector(element, _) => {
            mentions(element, name)
        }
        ColumnType::Map(types) => mentions(&types.0, name) || mentions(&types.1, name),
        ColumnType::Tuple(fields) => fields.iter().any(|field| mentions(field, name)),
        ColumnType::Udt(udt) => {
            *udt.name == *name || udt.fields.iter().any(|(_, field)| mentions(field, name))
        }
        _ => false,
    }
}

fn missing_type(keyspace: &str, name: &str) -> Refusal {
    invalid(format!("Type '{keyspace}.{name}' doesn't exist"))
}
