//! What the end-to-end tests share: the real service beside a test, who calls it, and what they do.
//!
//! 1. [`app`]: starts, stops, kills and restarts the built program over one folder.
//! 2. [`play`]: the moves of a case, each in one line.
//! 3. [`refusal`]: a refused call, read the way a client reads it.
//! 4. [`raw`]: calls by bytes.
//! 5. [`history`]: what everybody sent and saw, and the checks that judge it.
//! 6. [`load`]: what dispatch systems write, and how far they are.
//! 7. [`desk`]: a dispatch system that writes to two replicas and records what it is told.
//! 8. [`subscribers`]: subscribers of the feeds, over every break.
//! 9. [`pair`]: a replicated database that fails over.
//! 10. [`replicas`]: two replicas on one database, and a keeper that starts them again.
//! 11. [`recorded`]: an invented table of calls, replayed by the program against a service.
//! 12. [`certified`]: the service with client certificates, its machines and their tokens.
//! 13. [`matrix`]: who may do what, read from a file written by hand and tried out cell by cell.
//! 14. [`attack`]: a client of our own frames, and the scripts it plays against the listener.
//! 15. [`planted`]: texts that an attacker would send, in every field that holds text.
//! 16. [`projection`]: who is shown what, read from a file written by hand and held against every answer.
//! 17. [`tokens`]: every attack with a token or a certificate, by every method.
//!
//! The program `failover` is the workload of `deploy/failover-lab`, made of these.

pub mod app;
pub mod attack;
pub mod certified;
pub mod desk;
pub mod history;
pub mod load;
pub mod matrix;
pub mod officers;
pub mod pair;
pub mod planted;
pub mod play;
pub mod projection;
pub mod proving;
pub mod raw;
pub mod recorded;
pub mod refusal;
pub mod replicas;
pub mod subscribers;
pub mod tokens;
mod witnesses;
