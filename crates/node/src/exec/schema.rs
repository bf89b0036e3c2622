//! Statements about the schema, USE and TRUNCATE.

use helenus_core::protocol::response::{Change, ResultMessage};

use super::compile::no_keyspace;
use super::event::{Part, SchemaEvent};
use super::statement::{Outcome, Session, put};
use crate::cql::{Name, Statement};
use crate::refusal::{Refusal, invalid, unauthorized};
use crate::store::Changed;
use crate::system;

/// Runs what no plan is made of.
pub(super) fn run(
    session: &mut Session<'_>,
    keyspace: Option<String>,
    statement: &Statement,
    out: &mut Vec<u8>,
) -> Outcome {
    let of = |name: &Name| {
        let keyspace = name.keyspace.clone().or(keyspace.clone()).ok_or_else(no_keyspace)?;
        writable(&keyspace).map(|()| keyspace)
    };
    let members = session.system.cluster.members.iter().filter(|member| !member.left);
    let mut data_centers = members.map(|member| member.data_center.as_str()).collect::<Vec<_>>();
    data_centers.sort_unstable();
    data_centers.dedup();
    let store = &mut *session.store;
    let (changed, change, keyspace, part) = match statement {
        Statement::Use(name) => {
            if !system::is_system(name) {
                store.keyspace(name).map_err(|_| invalid(format!("Keyspace '{name}' does not exist")))?;
            }
            *session.keyspace = Some(name.clone());
            return put(session, &ResultMessage::SetKeyspace { keyspace: name }, out);
        }
        Statement::Truncate(table) => {
            let index = store.find(&of(table)?, &table.name)?;
            store.truncate(index);
            return put(session, &ResultMessage::Void, out);
        }
        Statement::CreateKeyspace(create) => {
            writable(&create.keyspace)?;
            (
                store.create_keyspace(create, &data_centers)?,
                Change::Created,
                create.keyspace.clone(),
                Part::Keyspace,
            )
        }
        Statement::AlterKeyspace { keyspace, if_exists, options } => {
            writable(keyspace)?;
            let changed = store.alter_keyspace(keyspace, *if_exists, options, &data_centers)?;
            (changed, Change::Updated, keyspace.clone(), Part::Keyspace)
        }
        Statement::DropKeyspace { keyspace, if_exists } => {
            writable(keyspace)?;
            (store.drop_keyspace(keyspace, *if_exists)?, Change::Dropped, keyspace.clone(), Part::Keyspace)
        }
        Statement::CreateTable(create) => {
            let keyspace = of(&create.table)?;
            let changed = store.create_table(&keyspace, create)?;
            (changed, Change::Created, keyspace, Part::Table(create.table.name.clone()))
        }
        Statement::AlterTable { table, if_exists, change } => {
            let keyspace = of(table)?;
            let changed = store.alter_table(&keyspace, &table.name, *if_exists, change)?;
            (changed, Change::Updated, keyspace, Part::Table(table.name.clone()))
        }
        Statement::DropTable { table, if_exists } => {
            let keyspace = of(table)?;
            let changed = store.drop_table(&keyspace, &table.name, *if_exists)?;
            (changed, Change::Dropped, keyspace, Part::Table(table.name.clone()))
        }
        Statement::CreateType { name, if_not_exists, fields } => {
            let keyspace = of(name)?;
            let changed = store.create_type(&keyspace, &name.name, *if_not_exists, fields)?;
            (changed, Change::Created, keyspace, Part::Type(name.name.clone()))
        }
        Statement::AlterType { name, if_exists, change } => {
            let keyspace = of(name)?;
            let changed = store.alter_type(&keyspace, &name.name, *if_exists, change)?;
            (changed, Change::Updated, keyspace, Part::Type(name.name.clone()))
        }
        Statement::DropType { name, if_exists } => {
            let keyspace = of(name)?;
            let changed = store.drop_type(&keyspace, &name.name, *if_exists)?;
            (changed, Change::Dropped, keyspace, Part::Type(name.name.clone()))
        }
        Statement::Select(_) | Statement::Write(_) | Statement::Batch(_) => {
            return Err(invalid("the statement was not compiled".into()));
        }
    };
    if changed == Changed::No {
        return put(session, &ResultMessage::Void, out);
    }
    let event = SchemaEvent { change, keyspace, part };
    let answer = put(session, &ResultMessage::SchemaChange(event.message()), out);
    session.events.push(event);
    answer
}

fn writable(keyspace: &str) -> Result<(), Refusal> {
    if system::is_system(keyspace) {
        return Err(unauthorized(format!("{keyspace} keyspace is not user-modifiable.")));
    }
    Ok(())
}
