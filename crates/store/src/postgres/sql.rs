//! Every statement of the PostgreSQL backend. Static text; values are bound.
//!
//! A batch is one call of `handoff_append`, which stands in the migrations with its reasons. Columns go in as arrays.

pub(super) mod read;
pub(super) mod transfer;
pub(super) mod write;
