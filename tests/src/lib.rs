//! What the end-to-end tests share: the real service beside a test, who calls it, and what they do.
//!
//! 1. [`app`]: starts, stops, kills and restarts the built program over one folder.
//! 2. [`play`]: the moves of a case, each in one line.
//! 3. [`refusal`]: a refused call, read the way a client reads it.
//! 4. [`raw`]: calls by bytes.
//! 5. [`history`]: what everybody sent and saw, and the checks that judge it.
//! 6. [`load`]: dispatch systems that write, and how far they are.
//! 7. [`pair`]: a replicated database that fails over.
//! 8. [`recorded`]: an invented table of calls, replayed by the program against a service.

pub mod app;
pub mod history;
pub mod load;
pub mod pair;
pub mod play;
pub mod raw;
pub mod recorded;
pub mod refusal;
