//! Runs helenus on smol: a task of the program's executor, or a thread of its own.
