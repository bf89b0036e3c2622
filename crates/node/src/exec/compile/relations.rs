//! WHERE: which partitions, which rows of them, and what is tested row by row.

use std::sync::Arc;

use helenus_core::protocol::ColumnType;

use super::{Compiled, Compiler, Resolved};
use crate::cql::{Literal, Operator, Relation, Term};
use crate::exec::plan::{Choices, Clustering, Edge, Filter, Partitions, Point, Test};
use crate::exec::slot::Slot;
use crate::refusal::{Refusal, invalid};
use crate::store::schema::Schema;

/// What a WHERE clause says.
pub(super) struct Where {
    pub(super) partitions: Partitions,
    pub(super) clustering: Clustering,
    pub(super) filters: Vec<Filter>,
    /// Why rows would have to be tested that aren't asked for.
    pub(super) needs_filtering: Option<Refusal>,
}

/// Restrictions as they come, sorted out by column.
struct Found {
    /// Of each column of the key.
    key: Vec<Restrictions>,
    tuples: Vec<TupleRestriction>,
    token_lower: Option<(Slot, bool)>,
    token_upper: Option<(Slot, bool)>,
    filters: Vec<Filter>,
    needs_filtering: Option<Refusal>,
}

#[derive(Default)]
struct Restrictions {
    point: Option<Choices>,
    lower: Option<(Slot, bool)>,
    upper: Option<(Slot, bool)>,
}

impl Restrictions {
    fn is_range(&self) -> bool {
        self.lower.is_some() || self.upper.is_some()
    }

    fn is_none(&self) -> bool {
        self.point.is_none() && !self.is_range()
    }
}

/// Of several clustering columns, from `first` on.
struct TupleRestriction {
    first: usize,
    columns: usize,
    sort: TupleSort,
}

enum TupleSort {
    In(Choices),
    Lower(Slot, bool),
    Upper(Slot, bool),
}

impl Compiler<'_> {
    pub(super) fn relations(
        &mut self,
        resolved: &Resolved,
        relations: &[Relation],
        selects: bool,
    ) -> Compiled<Where> {
        let mut found = Found {
            key: (0..resolved.schema.key_len()).map(|_| Restrictions::default()).collect(),
            tuples: Vec::new(),
            token_lower: None,
            token_upper: None,
            filters: Vec::new(),
            needs_filtering: None,
        };
        for relation in relations {
            self.relation(resolved, relation, &mut found, selects)?;
        }
        found.finish(&resolved.schema)
    }

    fn relation(
        &mut self,
        resolved: &Resolved,
        relation: &Relation,
        found: &mut Found,
        selects: bool,
    ) -> Compiled<()> {
        let schema = &resolved.schema;
        match relation {
            Relation::Column(name, operator, term) => {
                let at = schema.column(name)?;
                if matches!(term, Term::Literal(Literal::Null)) {
                    return Err(invalid(format!("Invalid null value in condition for column {name}")));
                }
                if at >= schema.key_len() || matches!(operator, Operator::Contains | Operator::ContainsKey) {
                    return self.filter(resolved, at, None, *operator, term, found, selects);
                }
                let column_type = schema.columns[at].column_type().clone();
                let slot = self.slot(resolved, name, &column_type, term)?;
                found.key[at].add(name, *operator, slot)
            }
            Relation::In(name, terms) => {
                let at = schema.column(name)?;
                let column_type = schema.columns[at].column_type().clone();
                let choices = self.in_terms(resolved, name, &column_type, terms)?;
                if at >= schema.key_len() {
                    return found.filter_in(schema, at, column_type, choices, selects);
                }
                if found.key[at].point.replace(choices).is_some() || found.key[at].is_range() {
                    return Err(more_than_one(name, "an Equal or IN"));
                }
                Ok(())
            }
            Relation::Element(name, key, operator, term) => {
                let at = schema.column(name)?;
                self.filter(resolved, at, Some(key), *operator, term, found, selects)
            }
            Relation::Token(names, operator, term) => self.token(resolved, names, *operator, term, found),
            Relation::Tuple(names, operator, term) => self.tuple(resolved, names, *operator, term, found),
            Relation::TupleIn(names, terms) => {
                let (first, types) = tuple_columns(schema, names)?;
                let column_type = ColumnType::Tuple(types);
                let choices = self.in_terms(resolved, &names.join(","), &column_type, terms)?;
                found.tuples.push(TupleRestriction {
                    first,
                    columns: names.len(),
                    sort: TupleSort::In(choices),
                });
                Ok(())
            }
            Relation::IsNotNull(_) => {
                Err(invalid("IS NOT NULL is for materialized views, which this node doesn't have".into()))
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "each is a part of the relation")]
    fn filter(
        &mut self,
        resolved: &Resolved,
        at: usize,
        key: Option<&Term>,
        operator: Operator,
        term: &Term,
        found: &mut Found,
        selects: bool,
    ) -> Compiled<()> {
        let column = &resolved.schema.columns[at];
        let name = &column.name;
        not_in_where(selects, name, at, &resolved.schema)?;
        let whole = column.column_type().clone();
        let unfit = || {
            invalid(format!(
                "Cannot use {} on column {name} of type {}",
                operator.sign(),
                column.data_type.text
            ))
        };
        let (compared, slot_name) = match (operator, key, &whole) {
            (Operator::Contains, None, ColumnType::List(element) | ColumnType::Set(element)) => {
                ((**element).clone(), format!("value({name})"))
            }
            (Operator::Contains, None, ColumnType::Map(types)) => (types.1.clone(), format!("value({name})")),
            (Operator::ContainsKey, None, ColumnType::Map(types)) => {
                (types.0.clone(), format!("key({name})"))
            }
            (Operator::Contains | Operator::ContainsKey, ..) => return Err(unfit()),
            (_, Some(_), ColumnType::Map(types)) => (types.1.clone(), format!("value({name})")),
            (_, Some(_), _) => return Err(unfit()),
            (Operator::NotEqual, ..) => {
                return Err(invalid(format!("Unsupported \"!=\" relation: {name} != ..")));
            }
            (_, None, _) if column.data_type.multi_cell => {
                return Err(invalid(format!(
                    "Collection column '{name}' ({}) cannot be restricted by a '{}' relation",
                    column.data_type.text,
                    operator.sign()
                )));
            }
            (_, None, ColumnType::Duration) if operator != Operator::Equal => {
                return Err(invalid("Slice restrictions are not supported on duration columns".into()));
            }
            (_, None, _) => (whole.clone(), name.clone()),
        };
        let element = match (key, &whole) {
            (Some(key), ColumnType::Map(types)) => {
                Some(self.slot(resolved, &format!("key({name})"), &types.0, key)?)
            }
            _ => None,
        };
        let slot = self.slot(resolved, &slot_name, &compared, term)?;
        found.filters.push(Filter {
            column: at,
            element,
            column_type: compared,
            test: Test::Compare(operator, slot),
        });
        found.needs(data_filtering);
        Ok(())
    }

    fn token(
        &mut self,
        resolved: &Resolved,
        names: &[String],
        operator: Operator,
        term: &Term,
        found: &mut Found,
    ) -> Compiled<()> {
        check_token_columns(&resolved.schema, names)?;
        let slot = self.slot(resolved, "partition key token", &ColumnType::BigInt, term)?;
        let inclusive =
            matches!(operator, Operator::Equal | Operator::LessOrEqual | Operator::GreaterOrEqual);
        let (lower, upper) = match operator {
            Operator::Equal => (true, true),
            Operator::Greater | Operator::GreaterOrEqual => (true, false),
            Operator::Less | Operator::LessOrEqual => (false, true),
            _ => return Err(invalid(format!("Unsupported \"{}\" relation on token", operator.sign()))),
        };
        let twice = (lower && found.token_lower.replace((slot.clone(), inclusive)).is_some())
            || (upper && found.token_upper.replace((slot, inclusive)).is_some());
        if twice {
            return Err(more_than_one(&format!("token({})", names.join(", ")), "a"));
        }
        Ok(())
    }

    fn tuple(
        &mut self,
        resolved: &Resolved,
        names: &[String],
        operator: Operator,
        term: &Term,
        found: &mut Found,
    ) -> Compiled<()> {
        let schema = &resolved.schema;
        let (first, types) = tuple_columns(schema, names)?;
        let columns = names.len();
        let slot = self.slot(resolved, &names.join(","), &ColumnType::Tuple(types), term)?;
        let sort = match operator {
            Operator::Equal => TupleSort::In(Choices::One(slot)),
            Operator::Greater => TupleSort::Lower(slot, false),
            Operator::GreaterOrEqual => TupleSort::Lower(slot, true),
            Operator::Less => TupleSort::Upper(slot, false),
            Operator::LessOrEqual => TupleSort::Upper(slot, true),
            _ => {
                return Err(invalid(format!(
                    "{} cannot be used for multi-column relations",
                    operator.sign()
                )));
            }
        };
        found.tuples.push(TupleRestriction { first, columns, sort });
        Ok(())
    }
}

impl Restrictions {
    fn add(&mut self, name: &str, operator: Operator, slot: Slot) -> Compiled<()> {
        let (place, inclusive) = match operator {
            Operator::Equal => {
                if self.point.replace(Choices::One(slot)).is_some() || self.is_range() {
                    return Err(more_than_one(name, "an Equal"));
                }
                return Ok(());
            }
            Operator::Greater => (&mut self.lower, false),
            Operator::GreaterOrEqual => (&mut self.lower, true),
            Operator::Less => (&mut self.upper, false),
            Operator::LessOrEqual => (&mut self.upper, true),
            _ => return Err(invalid(format!("Unsupported \"{}\" relation: {name}", operator.sign()))),
        };
        if place.replace((slot, inclusive)).is_some() || self.point.is_some() {
            return Err(invalid(format!("More than one restriction was found for the bound on {name}")));
        }
        Ok(())
    }

    /// As tests of each row.
    fn into_filters(self, column: usize, column_type: &ColumnType, out: &mut Vec<Filter>) {
        let mut push = |test| {
            out.push(Filter { column, element: None, column_type: column_type.clone(), test });
        };
        match self.point {
            Some(Choices::One(slot)) => push(Test::Compare(Operator::Equal, slot)),
            Some(Choices::Each(slots)) => push(Test::In(slots)),
            Some(Choices::List(slot)) => push(Test::InList(slot)),
            None => {}
        }
        if let Some((slot, inclusive)) = self.lower {
            push(Test::Compare(if inclusive { Operator::GreaterOrEqual } else { Operator::Greater }, slot));
        }
        if let Some((slot, inclusive)) = self.upper {
            push(Test::Compare(if inclusive { Operator::LessOrEqual } else { Operator::Less }, slot));
        }
    }
}

impl Found {
    fn needs(&mut self, why: impl FnOnce() -> Refusal) {
        self.needs_filtering.get_or_insert_with(why);
    }

    fn filter_in(
        &mut self,
        schema: &Schema,
        column: usize,
        column_type: ColumnType,
        choices: Choices,
        selects: bool,
    ) -> Compiled<()> {
        not_in_where(selects, &schema.columns[column].name, column, schema)?;
        if schema.columns[column].data_type.multi_cell {
            return Err(invalid(format!(
                "Collection column '{}' ({}) cannot be restricted by a 'IN' relation",
                schema.columns[column].name, schema.columns[column].data_type.text
            )));
        }
        let test = match choices {
            Choices::One(slot) => Test::Compare(Operator::Equal, slot),
            Choices::Each(slots) => Test::In(slots),
            Choices::List(slot) => Test::InList(slot),
        };
        self.filters.push(Filter { column, element: None, column_type, test });
        self.needs(data_filtering);
        Ok(())
    }

    fn finish(mut self, schema: &Schema) -> Compiled<Where> {
        let clustering_key = self.key.split_off(schema.partition_len);
        let partitions = self.partitions(schema)?;
        let clustering = self.clustering(schema, clustering_key)?;
        let restricted =
            !clustering.points.is_empty() || clustering.lower.is_some() || clustering.upper.is_some();
        if restricted && matches!(partitions, Partitions::Tokens { .. }) {
            self.needs(data_filtering);
        }
        Ok(Where { partitions, clustering, filters: self.filters, needs_filtering: self.needs_filtering })
    }

    fn partitions(&mut self, schema: &Schema) -> Compiled<Partitions> {
        let key = std::mem::take(&mut self.key);
        let tokens = self.token_lower.is_some() || self.token_upper.is_some();
        let given = key.iter().filter(|column| !column.is_none()).count();
        if tokens && given > 0 {
            return Err(invalid(
                "Columns cannot be restricted by both a normal relation and a token relation".into(),
            ));
        }
        if given == schema.partition_len && key.iter().all(|column| !column.is_range()) {
            return Ok(Partitions::Keys(key.into_iter().filter_map(|column| column.point).collect()));
        }
        if key.iter().any(Restrictions::is_range) {
            self.needs(|| {
                invalid(
                    "Only EQ and IN relation are supported on the partition key (unless you use the token() function)"
                        .into(),
                )
            });
        }
        if given > 0 {
            self.needs(data_filtering);
        }
        for (at, column) in key.into_iter().enumerate() {
            column.into_filters(at, schema.columns[at].column_type(), &mut self.filters);
        }
        Ok(Partitions::Tokens { lower: self.token_lower.take(), upper: self.token_upper.take() })
    }

    fn clustering(&mut self, schema: &Schema, mut key: Vec<Restrictions>) -> Compiled<Clustering> {
        let mut clustering = Clustering::default();
        let mut tuples = std::mem::take(&mut self.tuples);
        let mut at = 0;
        while at < key.len() {
            let here = (0..tuples.len()).filter(|tuple| tuples[*tuple].first == at).collect::<Vec<_>>();
            if let Some(first) = here.first() {
                if key[at..].iter().any(|column| !column.is_none()) && here.len() == tuples.len() {
                    let name = &schema.clustering_columns()[at].name;
                    return Err(invalid(format!(
                        "Mixing single column relations and multi column relations on clustering columns is not allowed: {name}"
                    )));
                }
                if matches!(tuples[*first].sort, TupleSort::In(_)) && here.len() == 1 {
                    let TupleRestriction { columns, sort: TupleSort::In(values), .. } = tuples.remove(*first)
                    else {
                        break;
                    };
                    clustering.points.push(Point { columns, is_tuple: true, values });
                    at += columns;
                    continue;
                }
                for tuple in tuples.drain(..) {
                    clustering.bound_by(tuple, at)?;
                }
                at = key.len();
                break;
            }
            let column = std::mem::take(&mut key[at]);
            if let Some(values) = column.point {
                clustering.points.push(Point { columns: 1, is_tuple: false, values });
                at += 1;
                continue;
            }
            if column.is_range() {
                let edge = |(value, inclusive)| Edge { value, columns: 1, is_tuple: false, inclusive };
                clustering.lower = column.lower.map(edge);
                clustering.upper = column.upper.map(edge);
                at += 1;
            }
            break;
        }
        if let Some(tuple) = tuples.first() {
            let name = &schema.clustering_columns()[tuple.first].name;
            return Err(invalid(format!(
                "PRIMARY KEY column \"{name}\" cannot be restricted as preceding column is not restricted"
            )));
        }
        self.rest(schema, key, at, clustering.lower.is_some() || clustering.upper.is_some());
        Ok(clustering)
    }

    /// Clustering columns after those that were taken: they are tested row by row.
    fn rest(&mut self, schema: &Schema, key: Vec<Restrictions>, taken: usize, after_range: bool) {
        let columns = schema.clustering_columns();
        for (at, column) in key.into_iter().enumerate() {
            if column.is_none() {
                continue;
            }
            let before = &columns[taken.min(at).saturating_sub(usize::from(after_range))].name;
            let name = &columns[at].name;
            self.needs(|| {
                invalid(if after_range {
                    format!(
                        "Clustering column \"{name}\" cannot be restricted (preceding column \"{before}\" is restricted by a non-EQ relation)"
                    )
                } else {
                    format!(
                        "PRIMARY KEY column \"{name}\" cannot be restricted as preceding column \"{before}\" is not restricted"
                    )
                })
            });
            column.into_filters(schema.partition_len + at, columns[at].column_type(), &mut self.filters);
        }
    }
}

impl Clustering {
    fn bound_by(&mut self, tuple: TupleRestriction, first: usize) -> Compiled<()> {
        let columns = tuple.columns;
        let (place, value, inclusive) = match tuple.sort {
            TupleSort::Lower(value, inclusive) => (&mut self.lower, value, inclusive),
            TupleSort::Upper(value, inclusive) => (&mut self.upper, value, inclusive),
            TupleSort::In(_) => return Err(more_than_one("the clustering columns", "an Equal or IN")),
        };
        if tuple.first != first {
            return Err(invalid("Column ranges must begin with the same column".into()));
        }
        match place.replace(Edge { value, columns, is_tuple: true, inclusive }) {
            Some(_) => Err(more_than_one("the clustering columns", "a bound")),
            None => Ok(()),
        }
    }
}

/// The columns of a relation of several: clustering columns in their order. The first one's place among them.
fn tuple_columns(schema: &Schema, names: &[String]) -> Compiled<(usize, Arc<[ColumnType]>)> {
    let mut types = Vec::with_capacity(names.len());
    let mut first = None;
    for (at, name) in names.iter().enumerate() {
        let column = schema.column(name)?;
        let Some(place) = column.checked_sub(schema.partition_len).filter(|_| column < schema.key_len())
        else {
            return Err(invalid(format!(
                "Multi-column relations can only be applied to clustering columns but was applied to: {name}"
            )));
        };
        let start = *first.get_or_insert(place);
        if place != start + at {
            return Err(invalid(format!(
                "Clustering columns must appear in the PRIMARY KEY order in multi-column relations: ({})",
                names.join(", ")
            )));
        }
        types.push(schema.columns[column].column_type().clone());
    }
    Ok((first.unwrap_or(0), types.into()))
}

pub(super) fn check_token_columns(schema: &Schema, names: &[String]) -> Compiled<()> {
    let key = schema.partition_columns();
    let same = names.len() == key.len() && names.iter().zip(key).all(|(name, column)| *name == column.name);
    if same {
        return Ok(());
    }
    let expected = key.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ");
    Err(invalid(format!("The token function arguments must be in the partition key order: {expected}")))
}

/// UPDATE and DELETE name keys only.
fn not_in_where(selects: bool, name: &str, at: usize, schema: &Schema) -> Compiled<()> {
    if selects || at < schema.key_len() {
        return Ok(());
    }
    Err(invalid(format!("Non PRIMARY KEY columns found in where clause: {name} ")))
}

fn data_filtering() -> Refusal {
    invalid(
        "Cannot execute this query as it might involve data filtering and thus may have unpredictable performance. If you \
         want to execute this query despite the performance unpredictability, use ALLOW FILTERING"
            .into(),
    )
}

fn more_than_one(name: &str, what: &str) -> Refusal {
    invalid(format!("{name} cannot be restricted by more than one relation if it includes {what}"))
}
