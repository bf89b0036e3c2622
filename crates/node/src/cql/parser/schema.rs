//! CREATE, ALTER and DROP.

use super::super::ast::*;
use super::super::token::Kind;
use super::{Parsed, Parser};

/// What there is in CQL after CREATE, ALTER or DROP, and not here.
const ABSENT: [&str; 10] =
    ["index", "custom", "materialized", "function", "aggregate", "or", "role", "user", "trigger", "identity"];

/// A table with more would take too long to check.
const COLUMN_LIMIT: usize = 1_024;

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Parsed<Statement> {
        self.advance();
        if self.word("keyspace") || self.word("schema") {
            self.create_keyspace()
        } else if self.is_table() {
            self.create_table().map(Statement::CreateTable)
        } else if self.word("type") {
            self.create_type()
        } else {
            Err(self.absent("CREATE"))
        }
    }

    pub(super) fn alter(&mut self) -> Parsed<Statement> {
        self.advance();
        if self.word("keyspace") || self.word("schema") {
            let if_exists = self.if_exists()?;
            let keyspace = self.name("a keyspace")?;
            self.expect_word("with")?;
            Ok(Statement::AlterKeyspace { keyspace, if_exists, options: self.properties()? })
        } else if self.is_table() {
            let if_exists = self.if_exists()?;
            let table = self.qualified("a table")?;
            Ok(Statement::AlterTable { table, if_exists, change: self.table_change()? })
        } else if self.word("type") {
            let if_exists = self.if_exists()?;
            let name = self.qualified("a type")?;
            Ok(Statement::AlterType { name, if_exists, change: self.type_change()? })
        } else {
            Err(self.absent("ALTER"))
        }
    }

    pub(super) fn drop(&mut self) -> Parsed<Statement> {
        self.advance();
        if self.word("keyspace") || self.word("schema") {
            let if_exists = self.if_exists()?;
            Ok(Statement::DropKeyspace { keyspace: self.name("a keyspace")?, if_exists })
        } else if self.is_table() {
            let if_exists = self.if_exists()?;
            Ok(Statement::DropTable { table: self.qualified("a table")?, if_exists })
        } else if self.word("type") {
            let if_exists = self.if_exists()?;
            Ok(Statement::DropType { name: self.qualified("a type")?, if_exists })
        } else {
            Err(self.absent("DROP"))
        }
    }

    fn is_table(&mut self) -> bool {
        self.word("table") || self.word("columnfamily")
    }

    fn absent(&self, verb: &str) -> super::SyntaxError {
        match self.peek() {
            Kind::Word(word) if ABSENT.contains(&word.as_ref()) => {
                let what = word.to_ascii_uppercase();
                self.refused(format!(
                    "{verb} {what} is not among what this node has: it has keyspaces, tables and types"
                ))
            }
            _ => self.unexpected("KEYSPACE, TABLE or TYPE"),
        }
    }

    fn create_keyspace(&mut self) -> Parsed<Statement> {
        let if_not_exists = self.if_not_exists()?;
        let keyspace = self.name("a keyspace")?;
        self.expect_word("with")?;
        Ok(Statement::CreateKeyspace(CreateKeyspace { keyspace, if_not_exists, options: self.properties()? }))
    }

    fn create_type(&mut self) -> Parsed<Statement> {
        let if_not_exists = self.if_not_exists()?;
        let name = self.qualified("a type")?;
        self.expect_symbol("(")?;
        let fields = self.until(")", Self::field)?;
        Ok(Statement::CreateType { name, if_not_exists, fields })
    }

    fn field(&mut self) -> Parsed<(String, TypeName)> {
        Ok((self.name("a field")?, self.type_name()?))
    }

    fn type_change(&mut self) -> Parsed<TypeChange> {
        if self.word("add") {
            let if_not_exists = self.if_not_exists()?;
            return Ok(TypeChange::Add { if_not_exists, field: self.field()? });
        }
        if self.word("rename") {
            let if_exists = self.if_exists()?;
            return Ok(TypeChange::Rename { if_exists, names: self.renames()? });
        }
        if self.word("alter") {
            return Err(self.error("Alter type of an existing field is not supported: types can't change"));
        }
        Err(self.unexpected("ADD or RENAME"))
    }

    fn renames(&mut self) -> Parsed<Vec<(String, String)>> {
        let mut names = Vec::new();
        loop {
            let from = self.column()?;
            self.expect_word("to")?;
            names.push((from, self.column()?));
            if !self.word("and") {
                return Ok(names);
            }
        }
    }

    fn create_table(&mut self) -> Parsed<CreateTable> {
        let if_not_exists = self.if_not_exists()?;
        let mut create = CreateTable {
            table: self.qualified("a table")?,
            if_not_exists,
            columns: Vec::new(),
            partition_key: Vec::new(),
            clustering_key: Vec::new(),
            descending: Vec::new(),
            options: Vec::new(),
        };
        self.expect_symbol("(")?;
        loop {
            if self.is_word(0, "primary") && self.is_word(1, "key") {
                self.primary_key(&mut create)?;
            } else {
                self.column_of_table(&mut create)?;
            }
            if !self.symbol(",") {
                break;
            }
        }
        self.expect_symbol(")")?;
        if self.word("with") {
            self.table_options(&mut create)?;
        }
        Ok(create)
    }

    fn column_of_table(&mut self, create: &mut CreateTable) -> Parsed<()> {
        if create.columns.len() == COLUMN_LIMIT {
            return Err(self.error(format!("this node's tables have at most {COLUMN_LIMIT} columns")));
        }
        let definition = self.column_definition()?;
        if self.word("primary") {
            self.expect_word("key")?;
            self.only_one_key(create)?;
            create.partition_key.push(definition.name.clone());
        }
        create.columns.push(definition);
        Ok(())
    }

    fn column_definition(&mut self) -> Parsed<ColumnDefinition> {
        let name = self.column()?;
        let type_name = self.type_name()?;
        let is_static = self.word("static");
        if self.is_word(0, "masked") {
            return Err(self.refused("masked columns are not among what this node has"));
        }
        Ok(ColumnDefinition { name, type_name, is_static })
    }

    fn only_one_key(&self, create: &CreateTable) -> Parsed<()> {
        if create.partition_key.is_empty() {
            return Ok(());
        }
        Err(self.refused("Multiple PRIMARY KEYs specified (exactly one required)"))
    }

    fn primary_key(&mut self, create: &mut CreateTable) -> Parsed<()> {
        self.only_one_key(create)?;
        self.at += 2;
        self.expect_symbol("(")?;
        create.partition_key = match self.symbol("(") {
            true => self.until(")", Self::column)?,
            false => vec![self.column()?],
        };
        if self.symbol(",") {
            create.clustering_key = self.until(")", Self::column)?;
            return Ok(());
        }
        self.expect_symbol(")")
    }

    fn table_options(&mut self, create: &mut CreateTable) -> Parsed<()> {
        loop {
            if self.is_word(0, "clustering") && self.is_word(1, "order") {
                self.at += 2;
                self.expect_word("by")?;
                self.expect_symbol("(")?;
                create.descending = self.until(")", Self::ordered)?;
            } else if self.is_word(0, "compact") && self.is_word(1, "storage") {
                return Err(self.error("COMPACT STORAGE tables are not allowed"));
            } else {
                create.options.push(self.property()?);
            }
            if !self.word("and") {
                return Ok(());
            }
        }
    }

    fn table_change(&mut self) -> Parsed<TableChange> {
        if self.word("add") {
            let if_not_exists = self.if_not_exists()?;
            let columns = match self.symbol("(") {
                true => self.until(")", Self::column_definition)?,
                false => vec![self.column_definition()?],
            };
            return Ok(TableChange::Add { if_not_exists, columns });
        }
        if self.word("drop") {
            let if_exists = self.if_exists()?;
            let columns = match self.symbol("(") {
                true => self.until(")", Self::column)?,
                false => vec![self.column()?],
            };
            return Ok(TableChange::Drop { if_exists, columns });
        }
        if self.word("rename") {
            let if_exists = self.if_exists()?;
            return Ok(TableChange::Rename { if_exists, names: self.renames()? });
        }
        if self.word("with") {
            return self.properties().map(TableChange::With);
        }
        if self.word("alter") {
            return Err(self.error("Altering column types is no longer supported"));
        }
        Err(self.unexpected("ADD, DROP, RENAME or WITH"))
    }

    fn properties(&mut self) -> Parsed<Properties> {
        let mut all = vec![self.property()?];
        while self.word("and") {
            all.push(self.property()?);
        }
        Ok(all)
    }

    fn property(&mut self) -> Parsed<(String, Term)> {
        let name = self.name("an option")?;
        self.expect_symbol("=")?;
        Ok((name, self.term()?))
    }

    fn if_not_exists(&mut self) -> Parsed<bool> {
        if !self.word("if") {
            return Ok(false);
        }
        self.expect_word("not")?;
        self.expect_word("exists")?;
        Ok(true)
    }

    fn if_exists(&mut self) -> Parsed<bool> {
        let given = self.word("if");
        if given {
            self.expect_word("exists")?;
        }
        Ok(given)
    }
}
