//! Benchmarks: each prints its floor, its figure and their ratio from the same run.

fn main() {}
