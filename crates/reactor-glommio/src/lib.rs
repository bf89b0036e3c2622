//! Runs helenus on glommio: a task of the program's executor, or an executor on each core.
