//! The crate as its users see it: invented maps first, then published data (see `data.rs` for how
//! it is found).

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking and shows its figures")]

mod atlas;
mod data;
mod datum;
mod fuzz;
mod maps;
mod montgomery;
mod properties;
mod refusals;
mod resolving;
