//! CREATE and DROP.

use super::super::ast::*;
use super::{Parsed, Parser};

const INERT_TABLE_OPTIONS: [&str; 16] = [
    "additional_write_policy",
    "bloom_filter_fp_chance",
    "caching",
    "cdc",
    "compaction",
    "compression",
    "crc_check_chance",
    "dclocal_read_repair_chance",
    "gc_grace_seconds",
    "id",
    "max_index_interval",
    "memtable_flush_period_in_ms",
    "min_index_interval",
    "read_repair",
    "read_repair_chance",
    "speculative_retry",
];

impl Parser<'_> {
    pub(super) fn create(&mut self) -> Parsed<Statement> {
        self.advance();
        if self.word("keyspace") {
            self.create_keyspace()
        } else if self.word("table") || self.word("columnfamily") {
            self.create_table()
        } else {
            Err(self.error("this node creates keyspaces and tables, and nothing else"))
        }
    }

    pub(super) fn create_keyspace(&mut self) -> Parsed<Statement> {
        let if_not_exists = self.if_not_exists()?;
        let keyspace = self.name("a keyspace")?;
        let mut replication = None;
        let mut durable_writes = true;
        self.expect_word("with")?;
        loop {
            let option = self.name("an option")?;
            self.expect_symbol("=")?;
            match (option.as_str(), self.literal()?) {
                ("replication", Literal::Map(pairs)) => replication = Some(self.text_pairs(pairs)?),
                ("durable_writes", Literal::Boolean(durable)) => durable_writes = durable,
                _ => {
                    return Err(
                        self.error(format!("option {option} of a keyspace is unknown or of the wrong type"))
                    );
                }
            }
            if !self.word("and") {
                break;
            }
        }
        let replication = replication.ok_or_else(|| self.error("a keyspace needs its replication"))?;
        Ok(Statement::CreateKeyspace(CreateKeyspace { keyspace, if_not_exists, replication, durable_writes }))
    }

    pub(super) fn text_pairs(&self, pairs: Vec<(Literal, Literal)>) -> Parsed<Vec<(String, String)>> {
        let plain = |literal| match literal {
            Literal::Text(text) | Literal::Integer(text) | Literal::Float(text) => Ok(text),
            Literal::Boolean(value) => Ok(value.to_string()),
            _ => Err(self.error("expected a map of texts")),
        };
        pairs.into_iter().map(|(key, value)| Ok((plain(key)?, plain(value)?))).collect()
    }

    pub(super) fn create_table(&mut self) -> Parsed<Statement> {
        let if_not_exists = self.if_not_exists()?;
        let mut create = CreateTable {
            table: self.table_name()?,
            if_not_exists,
            columns: Vec::new(),
            partition_key: Vec::new(),
            clustering_key: Vec::new(),
            descending: Vec::new(),
            comment: String::new(),
        };
        self.expect_symbol("(")?;
        loop {
            if self.is_word(0, "primary") && self.is_word(1, "key") {
                self.primary_key(&mut create)?;
            } else {
                self.column_definition(&mut create)?;
            }
            if !self.symbol(",") {
                break;
            }
        }
        self.expect_symbol(")")?;
        if create.partition_key.is_empty() {
            return Err(self.error("no PRIMARY KEY specified (exactly one required)"));
        }
        if self.word("with") {
            self.table_options(&mut create)?;
        }
        Ok(Statement::CreateTable(create))
    }

    pub(super) fn column_definition(&mut self, create: &mut CreateTable) -> Parsed<()> {
        let name = self.name("a column")?;
        let spec = self.type_spec()?;
        if self.is_word(0, "static") {
            return Err(self.error("static columns are not among what this node has"));
        }
        if self.word("primary") {
            self.expect_word("key")?;
            self.only_one_key(create)?;
            create.partition_key.push(name.clone());
        }
        create.columns.push((name, spec));
        Ok(())
    }

    pub(super) fn only_one_key(&self, create: &CreateTable) -> Parsed<()> {
        if create.partition_key.is_empty() {
            return Ok(());
        }
        Err(self.error("multiple PRIMARY KEYs specified (exactly one required)"))
    }

    pub(super) fn primary_key(&mut self, create: &mut CreateTable) -> Parsed<()> {
        self.only_one_key(create)?;
        self.at += 2;
        self.expect_symbol("(")?;
        create.partition_key = match self.symbol("(") {
            true => self.names_until_parenthesis()?,
            false => vec![self.name("a column")?],
        };
        if self.symbol(",") {
            create.clustering_key = self.names_until_parenthesis()?;
            return Ok(());
        }
        self.expect_symbol(")")
    }

    /// Options that say how a disk or a cluster is to work change nothing that a client could see here; they are
    /// taken, as scripts carry them. The others are refused.
    pub(super) fn table_options(&mut self, create: &mut CreateTable) -> Parsed<()> {
        loop {
            if self.word("clustering") {
                self.expect_word("order")?;
                self.expect_word("by")?;
                self.clustering_order(create)?;
            } else {
                let option = self.name("an option")?;
                self.expect_symbol("=")?;
                let value = self.literal()?;
                match (option.as_str(), value) {
                    ("comment", Literal::Text(comment)) => create.comment = comment,
                    ("default_time_to_live", Literal::Integer(seconds)) if seconds == "0" => {}
                    ("default_time_to_live", _) => {
                        return Err(self.error("a time to live is not among what this node has"));
                    }
                    (known, _) if INERT_TABLE_OPTIONS.contains(&known) => {}
                    (unknown, _) => return Err(self.error(format!("unknown property '{unknown}'"))),
                }
            }
            if !self.word("and") {
                return Ok(());
            }
        }
    }

    pub(super) fn clustering_order(&mut self, create: &mut CreateTable) -> Parsed<()> {
        self.expect_symbol("(")?;
        loop {
            let column = self.name("a column")?;
            let descending = self.word("desc");
            if !descending {
                self.word("asc");
            }
            create.descending.push((column, descending));
            if !self.symbol(",") {
                return self.expect_symbol(")");
            }
        }
    }

    pub(super) fn drop(&mut self) -> Parsed<Statement> {
        self.advance();
        let of_keyspace = self.word("keyspace");
        if !of_keyspace && !self.word("table") && !self.word("columnfamily") {
            return Err(self.error("this node drops keyspaces and tables, and nothing else"));
        }
        let if_exists = self.word("if");
        if if_exists {
            self.expect_word("exists")?;
        }
        if of_keyspace {
            let keyspace = self.name("a keyspace")?;
            return Ok(Statement::DropKeyspace { keyspace, if_exists });
        }
        Ok(Statement::DropTable { table: self.table_name()?, if_exists })
    }

    pub(super) fn if_not_exists(&mut self) -> Parsed<bool> {
        if !self.word("if") {
            return Ok(false);
        }
        self.expect_word("not")?;
        self.expect_word("exists")?;
        Ok(true)
    }
}
