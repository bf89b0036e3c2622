//! What any bytes do to the decoders of helenus.
//!
//! A [`Target`] is a function of bytes that panics where something is not as it should be: bytes give a value or an error
//! with its reason, what is read can be written again as it was, and decoding takes no more memory than the bytes account
//! for. `tests/` runs each target as a property, over the committed `corpus/`, changes of it, and noise; `cargo xtask fuzz`
//! runs the same functions under libFuzzer, which looks for bytes that get further.
//!
//! Properties are proptest's, as elsewhere in this workspace. bolero would be one front end for both, but to be guided by
//! coverage it wants a command of its own installed, which builds with the flags that `cargo xtask fuzz` sets by itself.

pub mod memory;
pub mod seeds;
mod targets;

pub use targets::{TARGETS, Target};
