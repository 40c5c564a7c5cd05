//! Every statement of the SQLite backend. Static text; values are bound.
//!
//! A batch goes in with one statement per table. `?1` is a JSON text, an array with one array per row, read by
//! `jsonb_each`; `?2` is one blob with the rows' fixed-width binary columns end to end, cut out by the row's index
//! `key`; `?3` is one blob with the rows' bytes of any length, cut out by offset and length from the JSON. Measured
//! on 256 rows of 9 columns: 1.0 µs a row, against 1.7 µs with `json_each` and 2.6 µs with binary columns as
//! hexadecimal text in the JSON.
//!
//! `CROSS JOIN` stands where the order of the loops must not be left to the planner: a young database has no
//! statistics, and the other order scans a table per row.

pub(super) mod read;
pub(super) mod transfer;
pub(super) mod write;

/// Statements whose plan is tested: name and text.
#[cfg(test)]
pub(super) fn hot() -> Vec<(&'static str, &'static str)> {
    [write::HOT, read::HOT].concat()
}
