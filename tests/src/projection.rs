//! Who is shown what: `tests/authz/projection.csv`, written by hand, held against everything the running service shows.
//!
//! The file states a second time, beside `proto::view` and `proto::allow`, which field of which message a reader may see.
//! Cases are played in which every field of every answer has a value; every reader reads all of it; what it is shown has
//! to be what the file says, field by field, and the whole of it is kept as text beside the tests.
//!
//! 1. [`table`]: readers, the words of a cell, the file.
//! 2. [`fields`]: every field of every answer, from the protocol's own descriptor.
//! 3. [`flat`]: a message as lines, with what changes from run to run taken out.
//! 4. [`shown`]: what every reader was shown, line by line and field by field.
//! 5. [`play`]: the cases.
//! 6. [`look`]: reads everything as everybody.

pub mod fields;
pub mod flat;
pub mod look;
pub mod play;
pub mod shown;
pub mod table;
