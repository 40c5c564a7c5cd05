//! The use cases and what carries them out: the writer, the feed, the deadlines, the clock.
//!
//! There is one way in, the [`writer`], and one way out, the log. Rules live in `handoff_domain`.

pub mod answer;
pub mod batch;
pub mod causes;
pub mod check;
pub mod clock;
pub mod deadlines;
pub mod embedded;
pub mod engine;
pub mod feed;
#[cfg(test)]
mod fuzz;
pub mod ground;
pub mod ids;
pub mod job;
pub mod leaves;
pub mod memory;
pub mod recorders;
pub mod registry;
pub mod rehearsal;
pub mod retention;
mod rows;
pub mod sealing;
pub mod tree;
pub mod vault;
pub mod writer;

pub use answer::{Answer, Done};
pub use embedded::{EmbeddedError, embedded};
pub use engine::{Engine, Organisation, StartError, WriterRun, open_log};
pub use handoff_store::{Reader, StoreError};
pub use job::{Beside, NoAnswer, Reply, Task};
