//! Runs helenus on io_uring directly: completions instead of readiness.
