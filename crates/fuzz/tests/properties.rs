//! Each target as a property: over the corpus, over changes of it, and over noise.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::fmt;

use helenus_fuzz::{TARGETS, seeds};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;

/// Printed as the line that repeats it.
#[derive(Clone)]
struct Input(&'static str, Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex: String = self.1.iter().map(|byte| format!("{byte:02x}")).collect();
        write!(f, "\n  xxd -r -p <<< {hex} > input; cargo run -p helenus-fuzz -- {} input\n", self.0)
    }
}

/// What becomes of an input on its way here.
#[derive(Clone, Debug)]
enum Change {
    Flip(Index, u8),
    /// Four bytes that are likely to be a length or count.
    Number(Index, i32),
    Short(Index, u16),
    Remove(Index, usize),
    Repeat(Index, usize, usize),
    Cut(Index),
    /// From here on it is the end of another.
    Splice(Index, Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let number = prop_oneof![4 => -3..70_000_i32, 1 => select(&[i32::MAX, i32::MIN, 1 << 24][..])];
    prop_oneof![
        3 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        2 => (any::<Index>(), number).prop_map(|(at, number)| Change::Number(at, number)),
        1 => (any::<Index>(), any::<u16>()).prop_map(|(at, number)| Change::Short(at, number)),
        1 => (any::<Index>(), 1..9_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => (any::<Index>(), 1..40_usize, 1..40_usize).prop_map(|(at, count, times)| Change::Repeat(at, count, times)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), any::<Index>(), any::<Index>()).prop_map(|(at, other, from)| Change::Splice(at, other, from)),
    ]
}

fn apply(mut bytes: Vec<u8>, change: &Change, corpus: &[Vec<u8>]) -> Vec<u8> {
    let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
    match change {
        Change::Flip(at, bit) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Change::Flip(..) => {}
        Change::Number(at, number) => overwrite(&mut bytes, at, &number.to_be_bytes()),
        Change::Short(at, number) => overwrite(&mut bytes, at, &number.to_be_bytes()),
        Change::Remove(at, count) => {
            let start = place(at, &bytes);
            bytes.drain(start..(start + count).min(bytes.len()));
        }
        Change::Repeat(at, count, times) => {
            let start = place(at, &bytes);
            let part = bytes[start..(start + count).min(bytes.len())].repeat(*times);
            bytes.splice(start..start, part);
        }
        Change::Cut(at) => bytes.truncate(place(at, &bytes)),
        Change::Splice(at, other, from) => {
            bytes.truncate(place(at, &bytes));
            let other = other.get(corpus);
            bytes.extend_from_slice(&other[place(from, other)..]);
        }
    }
    bytes
}

fn overwrite(bytes: &mut [u8], at: &Index, number: &[u8]) {
    let start = at.index(bytes.len() + 1);
    for (byte, new) in bytes[start..].iter_mut().zip(number) {
        *byte = *new;
    }
}

/// The corpus first; then so many changes of it, and noise.
fn check(name: &str, cases: u32) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let corpus = seeds::of(name);
    assert!(corpus.len() > 5, "there are no seeds for {name}");
    for input in &corpus {
        (target.run)(input);
    }
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    let noise = vec(prop_oneof![any::<u8>(), 0..6_u8], 0..200);
    let inputs = prop_oneof![
        9 => (0..corpus.len(), vec(change(), 1..6)).prop_map(|(index, changes)| {
            changes.iter().fold(corpus[index].clone(), |bytes, change| apply(bytes, change, &corpus))
        }),
        1 => noise,
    ];
    let done = TestRunner::new(config).run(&inputs.prop_map(|bytes| Input(target.name, bytes)), |input| {
        (target.run)(&input.1);
        Ok(())
    });
    if let Err(error) = done {
        panic!("{error}");
    }
}

/// A test each, so that they run beside each other and each is named where it fails.
macro_rules! properties {
    ($($name:ident: $cases:literal;)+) => {
        $(#[test]
        fn $name() {
            check(stringify!($name), $cases);
        })+

        #[test]
        fn every_target_is_a_property() {
            assert!(TARGETS.iter().map(|target| target.name).eq([$(stringify!($name)),+]));
        }
    };
}

properties! {
    requests: 4_000;
    responses: 4_000;
    metadata: 4_000;
    segments: 2_000;
    compression: 2_000;
    cells: 6_000;
    native: 8_000;
    types: 4_000;
    classes: 4_000;
    options: 4_000;
    literals: 6_000;
    rows: 6_000;
    states: 4_000;
    codec: 4_000;
}
