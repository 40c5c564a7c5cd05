//! All byte work of what can be proven years later (design page *evidence*): canonical events, the chain of one
//! incident, sealed fields, the statement officers sign, the log's key, its leaves and tree, checkpoints and proofs,
//! whose keys count (policy, registry), officers' signatures, the bundle of one incident and its verification.
//!
//! Pure: no async, no I/O, no clock, no randomness. Keys, salts and instants are arguments.
#![warn(missing_docs)]

pub mod archive;
pub mod bundle;
pub mod disclosure;
pub mod event;
pub mod json;
pub mod keys;
pub mod leaf;
pub mod lines;
pub mod log;
pub mod merkle;
pub mod note;
pub mod policy;
pub mod registry;
pub mod report;
pub mod signoff;
pub mod sigsum;
pub mod statement;
pub mod tlog_proof;
pub mod verify;

mod ed25519;

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod sample;
