//! The authorisation matrix: `tests/authz/matrix.csv`, read and tried out cell by cell on the running service.
//!
//! The file is written by hand from the design (security, 5) and states who may do what a second time, beside
//! `domain::access`. Nothing here knows an answer: what is expected stands in the file, what happens is asked for.
//!
//! 1. [`words`]: identities, sides and outcomes, as the file calls them.
//! 2. [`states`]: the states of a case that are tried, and which station stands where in each.
//! 3. [`methods`]: what each method of the protocol is about, held against the protocol's own descriptor.
//! 4. [`grid`]: reads the file; every fault of it is an error.
//! 5. [`cast`]: a service with three sides, and a token for every identity.
//! 6. [`mod@line`]: one call by bytes, and its answer.
//! 7. [`scene`]: brings an incident to a state, by the moves that lead there.
//! 8. [`calls`]: the request of each method.
//! 9. [`errand`]: what has to be there for a call about no incident.
//! 10. [`run`]: tries every cell and says what differs.

pub mod calls;
pub mod cast;
pub mod errand;
pub mod grid;
pub mod line;
pub mod methods;
pub mod run;
pub mod scene;
pub mod states;
pub mod words;
