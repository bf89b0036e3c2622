//! Types and their values: names, literals to bytes, checks, and the byte order of keys.

mod assemble;
mod json;
mod json_parse;
mod literal;
mod name;
mod order;
mod validate;

pub(crate) use assemble::{assemble, elements, put_piece};
pub(crate) use json::{check_json, push_json, push_json_name};
pub(crate) use json_parse::{Json, from_json, parse_object};
pub(crate) use literal::{kind, literal};
pub(crate) use name::{DataType, FoundType, resolve};
pub(crate) use order::{compare, ordered, push_ordered};
pub(crate) use validate::validate;

/// The bytes of an even number of hexadecimal digits.
pub(crate) fn bytes_from_hexadecimal(digits: &str) -> Option<Vec<u8>> {
    if digits.len() % 2 != 0 || !digits.is_ascii() {
        return None;
    }
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
