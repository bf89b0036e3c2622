//! Inputs that claim more than there is, nest as deep as can be, or grow: memory and time stay in proportion to the bytes.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::time::Duration;

use helenus_fuzz::TARGETS;
use nix::time::{ClockId, clock_gettime};

/// The targets themselves hold their decoders to memory in proportion to the bytes.
fn run(target: &str, input: &[u8]) {
    (TARGETS.iter().find(|one| one.name == target).unwrap().run)(input);
}

fn typed(ty: &str, rest: &[u8]) -> Vec<u8> {
    [ty.as_bytes(), &[0], rest].concat()
}

/// `ty` inside so many more.
fn nested(open: &str, ty: &str, close: &str, times: usize) -> String {
    open.repeat(times) + ty + &close.repeat(times)
}

/// Each level has one element, which is all the rest, and claims as many as fit into that.
#[test]
fn nested_collections_that_all_claim_the_same_bytes() {
    for (open, close, levels) in [("list<", ">", 31), ("set<", ">", 31), ("frozen<list<", ">>", 15)] {
        for size in [300_usize, 5_000, 200_000] {
            let mut cell = vec![0xff; size];
            let mut at = 0;
            while at + 8 < size && at / 8 < levels {
                let rest = size - at - 4;
                cell[at..at + 4].copy_from_slice(&((rest / 4) as u32).to_be_bytes());
                cell[at + 4..at + 8].copy_from_slice(&((rest - 4) as u32).to_be_bytes());
                at += 8;
            }
            run("cells", &typed(&nested(open, "int", close, levels), &cell));
        }
    }
}

/// As above, for types in metadata: tuples and user-defined types in each other, each of 65,535 fields.
#[test]
fn nested_types_that_all_claim_the_same_bytes() {
    let rest = vec![0; 65_535 * 4 + 1_000];
    run("options", &[[0, 0x31, 0xff, 0xff].repeat(31), rest.clone()].concat());
    run("options", &[[0, 0x30, 0, 0, 0, 0, 0xff, 0xff, 0, 0].repeat(31), rest].concat());
    let columns =
        [&[5][..], &[0, 0, 0, 1], &[0, 0, 0xff, 0xff], &[0; 4], &[0, 0, 0, 9].repeat(65_535), &[0; 4]];
    run("metadata", &columns.concat());
    let tuples = [[0, 0x31, 0xff, 0xff].repeat(20), [0, 9].repeat(70_000)].concat();
    run("metadata", &[&[5][..], &[0, 0, 0, 1], &[0, 0, 0xff, 0xff], &[0; 4], &[0; 2], &tuples].concat());
}

/// What recurses has a limit of its own: a stack would end at some hundred thousand.
#[test]
fn nesting_is_limited() {
    for times in [31, 32, 33, 1_000, 1_000_000] {
        for (open, close) in
            [("list<", ">"), ("frozen<set<", ">>"), ("tuple<", ">"), ("vector<", ",1>"), ("udt{a ", "}")]
        {
            let ty = nested(open, "int", close, times);
            run("types", ty.as_bytes());
            if times < 100 {
                run("cells", &typed(&ty, &[0; 300]));
            }
        }
        for (open, close) in [
            ("ListType(", ")"),
            ("TupleType(", ")"),
            ("UserType(k,61,62:", ")"),
            ("VectorType(", " , 1)"),
            ("Odd(", ")"),
        ] {
            let class = nested(open, "Int32Type", close, times);
            run("classes", &class.as_bytes()[..class.len().min(65_535)]);
            run("types", format!("'{class}'").as_bytes());
        }
        for code in [0x20, 0x22, 0x21] {
            run("options", &[0, code].repeat(times));
        }
        run("options", &[0, 0x31, 0, 1].repeat(times));
        let literal = nested("[", "1", "]", times);
        run("literals", &typed(&nested("list<", "int", ">", 31), literal.as_bytes()));
        let json = nested("[", "1", "]", times);
        run("codec", &[&[1], json.as_bytes()].concat());
    }
}

/// An input of about so many parts.
type Family = fn(usize) -> Vec<u8>;

const CELL: &str = "cells";
const LITERAL: &str = "literals";

/// What might take more than its share of time as it grows.
const FAMILIES: &[(&str, &str, Family)] = &[
    ("list<int>", CELL, |n| typed("list<int>", &counted(n, &[0, 0, 0, 4, 0, 0, 0, 1]))),
    ("set<text>", CELL, |n| typed("set<text>", &counted(n, &[0, 0, 0, 2, b'\'', b'a']))),
    ("map<int, blob>", CELL, |n| {
        typed("map<int, blob>", &counted(n, &[0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, 9]))
    }),
    ("vector<varint>", CELL, |n| typed(&format!("vector<varint, {n}>"), &[1, 7].repeat(n))),
    ("vector<boolean>", CELL, |n| typed(&format!("vector<boolean, {n}>"), &vec![2; n])),
    ("text of quotes", CELL, |n| typed("text", "'".repeat(n).as_bytes())),
    ("blob", CELL, |n| typed("blob", &vec![0xab; n])),
    ("a long varint", CELL, |n| typed("varint", &vec![0x7f; n])),
    ("a long decimal", CELL, |n| typed("decimal", &[&[0, 0, 0, 1], &vec![0x7f; n][..]].concat())),
    ("a varint of zeros", CELL, |n| typed("varint", &vec![0; n])),
    ("a wide tuple", CELL, |n| typed(&format!("tuple<{}int>", "int,".repeat(n)), &[0xff; 4].repeat(n))),
    ("a wide udt", CELL, |n| typed(&wide_udt(n, false), &[0xff; 4].repeat(n))),
    ("text that is none", CELL, |n| typed("text", &[vec![b'a'; n], vec![0xff]].concat())),
    ("list literal", LITERAL, |n| typed("list<int>", format!("[{}1]", "1, ".repeat(n)).as_bytes())),
    ("map literal", LITERAL, |n| typed("map<int, int>", format!("{{{}1:1}}", "1:2,".repeat(n)).as_bytes())),
    ("quotes in a literal", LITERAL, |n| typed("text", format!("'{}'", "''".repeat(n)).as_bytes())),
    ("dollars", LITERAL, |n| typed("text", format!("$${}", "$ ".repeat(n)).as_bytes())),
    ("blob literal", LITERAL, |n| typed("blob", format!("0x{}", "ab".repeat(n)).as_bytes())),
    ("digits", LITERAL, |n| typed("varint", "9".repeat(n).as_bytes())),
    ("digits that are too many", LITERAL, |n| typed("varint", "9".repeat(60_000 + n).as_bytes())),
    ("digits of a double", LITERAL, |n| typed("double", format!("0.{}", "9".repeat(n)).as_bytes())),
    ("blanks", LITERAL, |n| typed("list<int>", " ".repeat(n).as_bytes())),
    ("a duration", LITERAL, |n| typed("duration", "1d".repeat(n).as_bytes())),
    ("udt literal in reverse", LITERAL, |n| typed(&wide_udt(n, false), wide_udt(n, true).as_bytes())),
    ("udt literal without fields", LITERAL, |n| typed(&wide_udt(n, false), b"{x: 1}")),
    ("a wide tuple's type", "types", |n| format!("tuple<{}int>", "int,".repeat(n)).into_bytes()),
    ("a wide udt's type", "types", |n| wide_udt(n, false).into_bytes()),
    ("classes in a class", "types", |n| format!("'TupleType({}Int32Type)'", "A,".repeat(n)).into_bytes()),
    ("parentheses in a class", "types", |n| format!("'Odd{}{}'", "(".repeat(n), ")".repeat(n)).into_bytes()),
    ("quotes in a name", "types", |n| format!("udt{{\"{}\" int}}", "\"\"".repeat(n)).into_bytes()),
    ("columns of one table", "metadata", |n| columns(n.min(65_535), true)),
    ("columns of many tables", "metadata", |n| columns(n.min(65_535), false)),
    ("rows", "metadata", |n| {
        [&columns(1, true)[..13], &[0, 1, b'a', 0, 9], &(n as u32).to_be_bytes(), &[0xff; 4].repeat(n)]
            .concat()
    }),
    ("a query's values", "requests", |n| {
        frame(7, &[&[0, 0, 0, 0, 0, 1, 1], &short(n)[..], &[0xff; 4].repeat(n)].concat())
    }),
    ("a batch's statements", "requests", |n| {
        frame(13, &[&[0], &short(n)[..], &[0, 0, 0, 0, 0, 0, 0].repeat(n), &[0, 1, 0]].concat())
    }),
    ("STARTUP's options", "requests", |n| frame(1, &[&short(n)[..], &[0; 4].repeat(n)].concat())),
    ("SUPPORTED's options", "responses", |n| frame(6, &[&short(n)[..], &[0; 4].repeat(n)].concat())),
    ("small segments", "segments", |n| [&[2][..], &[0; 10].repeat(n)].concat()),
    ("small LZ4 segments", "segments", |n| [&[3][..], &[0; 12].repeat(n)].concat()),
    ("lz4", "compression", |n| {
        [&[0][..], &(n as u32 * 255).to_be_bytes(), &[0x1f, 0, 1, 0], &vec![0xff; n]].concat()
    }),
    ("hexadecimal in a line", "codec", |n| {
        [&[0], format!(r#"{{"type":"blob","hex":"{}"}}"#, "ab".repeat(n)).as_bytes()].concat()
    }),
    ("columns of a token", "codec", |n| {
        let (types, literals) = (vec!["int"; n], vec!["1"; n]);
        [&[2], format!(r#"{{"types":{types:?},"literals":{literals:?}}}"#).as_bytes()].concat()
    }),
];

fn counted(n: usize, element: &[u8]) -> Vec<u8> {
    [&(n as u32).to_be_bytes()[..], &element.repeat(n)].concat()
}

fn short(n: usize) -> [u8; 2] {
    (n as u16).to_be_bytes()
}

fn wide_udt(n: usize, literal: bool) -> String {
    let fields: Vec<_> = match literal {
        true => (0..n).rev().map(|n| format!("f{n}: 1")).collect(),
        false => (0..n).map(|n| format!("f{n} int")).collect(),
    };
    format!("{}{{{}}}", if literal { "" } else { "udt" }, fields.join(", "))
}

fn columns(n: usize, of_one_table: bool) -> Vec<u8> {
    let names = |n: usize| [&[0, 5], format!("{n:05}").as_bytes()].concat();
    let mut out = [&[5, 0, 0, 0, u8::from(of_one_table)][..], &(n as u32).to_be_bytes()].concat();
    if of_one_table {
        out.extend([0; 4]);
    }
    for index in 0..n {
        if !of_one_table {
            out.extend([names(index), names(index)].concat());
        }
        out.extend([names(index), vec![0, 9]].concat());
    }
    out.extend([0; 4]);
    out
}

fn frame(opcode: u8, body: &[u8]) -> Vec<u8> {
    [&[4, 0, 0, 0, opcode, 0, 0, 0, 0], body].concat()
}

/// Of this thread alone, so that what else runs here doesn't count.
fn cpu_time(mut work: impl FnMut()) -> Duration {
    let now = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    // The least of some is the one that was least disturbed.
    let once = |_| {
        let start = now();
        work();
        now() - start
    };
    (0..4).map(once).min().unwrap()
}

/// Sixteen times as much takes less than 80 times as long: 16 where time is in proportion, 256 where it grows with the
/// square. Longer than a second it takes nowhere.
#[test]
fn time_is_in_proportion_to_bytes() {
    const LESS: usize = 2_000;
    for (name, target, family) in FAMILIES {
        let (small, large) = (family(LESS), family(16 * LESS));
        let first = cpu_time(|| run(target, &small));
        let mut then = cpu_time(|| run(target, &large));
        let limit = first.max(Duration::from_micros(20)) * 80;
        if then > limit {
            then = cpu_time(|| run(target, &large));
        }
        println!(
            "{name:30} {:>9.1?} {:>9.1?} {:>5.1}",
            first,
            then,
            then.as_secs_f64() / first.as_secs_f64()
        );
        assert!(then < limit, "{name}: {} bytes took {first:?}, {} took {then:?}", small.len(), large.len());
        assert!(then < Duration::from_secs(1), "{name}: {} bytes took {then:?}", large.len());
    }
}
