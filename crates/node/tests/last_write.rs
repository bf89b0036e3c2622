//! Last write wins, whatever the order in which writes come: random writes with random timestamps against a model that
//! looks at all of them at once.

#![expect(clippy::unwrap_used, reason = "what can't be decoded fails the test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::Client;
use helenus_core::protocol::Version;
use helenus_core::value::{CqlValue, DecodeValue};
use helenus_node::Node;

/// One write to the one partition that there is; rows are 0 to 4.
#[derive(Clone, Debug)]
enum Op {
    Insert { row: i32, v: Option<i32>, s: Option<Vec<i32>> },
    Update { row: i32, v: Option<i32> },
    AddToSet { row: i32, elements: Vec<i32> },
    RemoveFromSet { row: i32, elements: Vec<i32> },
    ReplaceSet { row: i32, elements: Vec<i32> },
    SetStatic { value: Option<i32> },
    DeleteRow { row: i32 },
    DeleteRange { from: i32, to: i32 },
    DeletePartition,
}

struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn value(&mut self) -> Option<i32> {
        (self.below(4) > 0).then(|| self.below(3) as i32)
    }

    fn set(&mut self) -> Vec<i32> {
        (0..3).filter(|_| self.below(2) == 0).collect()
    }

    fn op(&mut self) -> Op {
        let row = self.below(5) as i32;
        match self.below(12) {
            0..=2 => {
                let s = if self.below(2) == 0 { Some(self.set()) } else { None };
                Op::Insert { row, v: self.value(), s }
            }
            3 | 4 => Op::Update { row, v: self.value() },
            5 => Op::AddToSet { row, elements: self.set() },
            6 => Op::RemoveFromSet { row, elements: self.set() },
            7 => Op::ReplaceSet { row, elements: self.set() },
            8 => Op::SetStatic { value: self.value() },
            9 => Op::DeleteRow { row },
            10 => Op::DeleteRange { from: row, to: row + self.below(4) as i32 },
            _ => Op::DeletePartition,
        }
    }
}

fn literal(value: Option<i32>) -> String {
    value.map_or("null".into(), |value| value.to_string())
}

fn set(elements: &[i32]) -> String {
    format!("{{{}}}", elements.iter().map(i32::to_string).collect::<Vec<_>>().join(", "))
}

impl Op {
    fn cql(&self, timestamp: i64) -> String {
        let using = format!("USING TIMESTAMP {timestamp}");
        match self {
            Self::Insert { row, v, s: None } => {
                format!("INSERT INTO t (p, c, v) VALUES (0, {row}, {}) {using}", literal(*v))
            }
            Self::Insert { row, v, s: Some(s) } => {
                format!("INSERT INTO t (p, c, v, s) VALUES (0, {row}, {}, {}) {using}", literal(*v), set(s))
            }
            Self::Update { row, v } => {
                format!("UPDATE t {using} SET v = {} WHERE p = 0 AND c = {row}", literal(*v))
            }
            Self::AddToSet { row, elements } => {
                format!("UPDATE t {using} SET s = s + {} WHERE p = 0 AND c = {row}", set(elements))
            }
            Self::RemoveFromSet { row, elements } => {
                format!("UPDATE t {using} SET s = s - {} WHERE p = 0 AND c = {row}", set(elements))
            }
            Self::ReplaceSet { row, elements } => {
                format!("UPDATE t {using} SET s = {} WHERE p = 0 AND c = {row}", set(elements))
            }
            Self::SetStatic { value } => format!("UPDATE t {using} SET st = {} WHERE p = 0", literal(*value)),
            Self::DeleteRow { row } => format!("DELETE FROM t {using} WHERE p = 0 AND c = {row}"),
            Self::DeleteRange { from, to } => {
                format!("DELETE FROM t {using} WHERE p = 0 AND c >= {from} AND c <= {to}")
            }
            Self::DeletePartition => format!("DELETE FROM t {using} WHERE p = 0"),
        }
    }

    fn deletes(&self, row: i32) -> bool {
        match self {
            Self::DeleteRow { row: deleted } => *deleted == row,
            Self::DeleteRange { from, to } => (*from..=*to).contains(&row),
            Self::DeletePartition => true,
            _ => false,
        }
    }
}

/// Of writes to one cell, what is there: `None` was deleted, which wins over values of its time.
fn latest(writes: impl Iterator<Item = (i64, Option<i32>)>, after: i64) -> Option<i32> {
    let rank = |(timestamp, value): &(i64, Option<i32>)| (*timestamp, value.is_none(), *value);
    writes.filter(|(timestamp, _)| *timestamp > after).max_by_key(rank).and_then(|(_, value)| value)
}

/// The rows that there must be: c, st, s, v.
fn expected(ops: &[(i64, Op)]) -> Vec<String> {
    let floor =
        |row| ops.iter().filter(|(_, op)| op.deletes(row)).map(|(at, _)| *at).max().unwrap_or(i64::MIN);
    let of_partition =
        ops.iter().filter(|(_, op)| matches!(op, Op::DeletePartition)).map(|(at, _)| *at).max();
    let statics = ops.iter().filter_map(|(at, op)| match op {
        Op::SetStatic { value } => Some((*at, *value)),
        _ => None,
    });
    let st = latest(statics, of_partition.unwrap_or(i64::MIN));
    let mut rows = Vec::new();
    for row in 0..5 {
        let after = floor(row);
        let inserted = ops.iter().any(|(at, op)| {
            *at > after && matches!(op, Op::Insert { row: inserted, .. } if *inserted == row)
        });
        let v = ops.iter().filter_map(|(at, op)| match op {
            Op::Insert { row: written, v, .. } | Op::Update { row: written, v } if *written == row => {
                Some((*at, *v))
            }
            _ => None,
        });
        let v = latest(v, after);
        let s = elements(ops, row, after);
        if inserted || v.is_some() || !s.is_empty() {
            let s = if s.is_empty() { "null".into() } else { set(&s.into_iter().collect::<Vec<_>>()) };
            rows.push(format!("{row} {} {s} {}", literal(st), literal(v)));
        }
    }
    if rows.is_empty() && st.is_some() {
        rows.push(format!("null {} null null", literal(st)));
    }
    rows
}

fn elements(ops: &[(i64, Op)], row: i32, after: i64) -> BTreeSet<i32> {
    let mut writes: BTreeMap<i32, Vec<(i64, Option<i32>)>> = BTreeMap::new();
    let mut floor = after;
    for (at, op) in ops {
        let (elements, added) = match op {
            Op::AddToSet { row: written, elements } if *written == row => (elements, true),
            Op::RemoveFromSet { row: written, elements } if *written == row => (elements, false),
            Op::ReplaceSet { row: written, elements }
            | Op::Insert { row: written, s: Some(elements), .. }
                if *written == row =>
            {
                floor = floor.max(*at - 1);
                (elements, true)
            }
            _ => continue,
        };
        for element in elements {
            writes.entry(*element).or_default().push((*at, added.then_some(0)));
        }
    }
    let live = writes.into_iter().filter(|(_, writes)| latest(writes.iter().copied(), floor).is_some());
    live.map(|(element, _)| element).collect()
}

#[test]
fn writes_in_any_order_come_to_the_same() {
    let node = Node::start().unwrap();
    let mut client = Client::connect(node.addresses()[0], Version::V5);
    client.run(common::KEYSPACE);
    client.run("USE ks");
    client.run("CREATE TABLE t (p int, c int, st int static, s set<int>, v int, PRIMARY KEY (p, c))");
    let mut random = Random(42);
    for case in 0..400 {
        let count = 2 + random.below(12);
        let mut ops = (0..count).map(|_| (1 + random.below(6) as i64, random.op())).collect::<Vec<_>>();
        let expected = expected(&ops);
        for order in 0..2 {
            client.run("TRUNCATE t");
            for (timestamp, op) in &ops {
                client.run(&op.cql(*timestamp));
            }
            let found = client.run("SELECT c, st, s, v FROM t WHERE p = 0");
            assert_eq!(rows(&found), expected, "case {case}, order {order}: {ops:#?}");
            for at in (1..ops.len()).rev() {
                let other = random.below(at as u64 + 1) as usize;
                ops.swap(at, other);
            }
        }
    }
}

fn rows(answer: &common::Answer) -> Vec<String> {
    let set = "set<int>".parse().unwrap();
    let int = "int".parse().unwrap();
    let show = |(at, cell): (usize, &Option<Vec<u8>>)| {
        CqlValue::decode(if at == 2 { &set } else { &int }, cell.as_deref()).unwrap().to_string()
    };
    answer.rows().iter().map(|row| row.iter().enumerate().map(show).collect::<Vec<_>>().join(" ")).collect()
}
