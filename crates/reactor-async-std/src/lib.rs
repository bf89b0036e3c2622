//! Runs helenus on async-std, which is discontinued upstream; smol is its successor.
