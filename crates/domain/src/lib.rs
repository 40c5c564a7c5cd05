//! The rules of shared incidents: who has custody, who owes the next move, what may follow on what.
//!
//! Pure: no async, no I/O, no clock, no randomness. [`decide()`] turns a command into events or a refusal, [`apply()`]
//! turns an event into the next state; writer, replay, verifier and model checker call the same two functions.
#![warn(missing_docs, clippy::wildcard_enum_match_arm)]

pub mod access;
pub mod apply;
pub mod audience;
pub mod caller;
pub mod case;
pub mod codes;
pub mod command;
pub mod decide;
pub mod directory;
pub mod event;
pub mod form;
pub mod ids;
pub mod keys;
pub mod matter;
pub mod moves;
pub mod node;
pub mod obligations;
pub mod refusal;
pub mod retention;
pub mod time;
pub mod timers;
pub mod values;

pub use apply::{Violation, apply};
pub use audience::audience;
pub use case::Case;
pub use decide::{Cases, Context, Decided, Digests, Fresh, decide, decide_order, next_registry};
pub use refusal::{Reason, Refusal};
