//! The statements nearly every batch runs, handed to the connection's thread as one text.
//!
//! Each call of the database layer crosses to that thread and back, about 65 µs; a batch of one command ran eleven of
//! them and waited longer for threads than for the disk. The texts are joined with their arguments renumbered, the
//! results come back one by one in the same order, and COMMIT is a call of its own: by then every result was judged.

use super::pack::{self, Packed};
use super::sql;
use crate::batch::{Batch, Verified};
use crate::error::AppendError;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, AssertSqlSafe, SqlSafeStr, SqlStr};
use std::fmt::Write;
use std::sync::Arc;

/// Arguments each statement may have; the next one's begin behind.
const STRIDE: usize = 5;

/// One statement of the text.
pub(super) struct Step {
    /// The table it writes.
    pub(super) table: &'static str,
    sql: &'static str,
    /// The failpoint behind it.
    pub(super) then: Option<&'static str>,
    /// What it is, where that matters.
    pub(super) what: What,
}

/// What a statement's result decides.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// BEGIN: a failure is one of the database.
    Begin,
    /// The head: no row means that somebody else wrote.
    Head,
    /// The answers: fewer rows than wanted means that a request is known.
    Answers,
    /// Rows: as many as wanted.
    Rows,
}

const fn step(table: &'static str, sql: &'static str, then: Option<&'static str>, what: What) -> Step {
    Step { table, sql, then, what }
}

/// In the order of the batch.
pub(super) const STEPS: &[Step] = &[
    step("head", sql::write::BEGIN, None, What::Begin),
    step("head", sql::write::HEAD, Some("append.head"), What::Head),
    step("answers", sql::write::ANSWERS, Some("append.answers"), What::Answers),
    step("events", sql::write::EVENTS, Some("append.events"), What::Rows),
    step("feed", sql::write::FEED, None, What::Rows),
    step("feeds", sql::write::FEEDS, Some("append.feed"), What::Rows),
    step("cases", sql::write::CASES, None, What::Rows),
    step("parties", sql::write::PARTIES, None, What::Rows),
    step("obligations", sql::write::OBLIGATIONS, None, What::Rows),
    step("handoffs", sql::write::HANDOFFS, Some("append.cases"), What::Rows),
    step("personal", sql::write::PERSONAL, None, What::Rows),
];

/// The joined text. `$7` names the seventh argument whichever statement it stands in.
pub(super) fn text() -> SqlStr {
    let mut text = String::with_capacity(8 * 1024);
    for (at, step) in STEPS.iter().enumerate() {
        let mut rest = step.sql;
        while let Some((before, after)) = rest.split_once('?') {
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = after.split_at(digits);
            let number = at * STRIDE + number.parse::<usize>().unwrap_or(0);
            // Writing to a string cannot fail.
            let _ = write!(text, "{before}${number}");
            rest = after;
        }
        text.push_str(rest);
        text.push_str(";\n");
    }
    // Made of this crate's own static texts; values are bound. Shared, so that each batch copies a pointer.
    AssertSqlSafe(Arc::<str>::from(text)).into_sql_str()
}

/// A batch as arguments of the text, and how many rows each statement has to touch.
pub(super) struct Bound {
    pub(super) arguments: SqliteArguments,
    /// By statement; none where any number is right.
    pub(super) wanted: Vec<Option<u64>>,
}

impl Bound {
    /// Packs a batch.
    pub(super) fn of(batch: &Batch, verified: &Verified) -> Result<Self, AppendError> {
        let mut bound = Self { arguments: SqliteArguments::default(), wanted: Vec::with_capacity(STEPS.len()) };
        bound.arguments.reserve(STEPS.len() * STRIDE, 0);
        bound.begin()?;
        bound.head(batch, verified)?;
        bound.rows(pack::answers(&batch.answers)?)?;
        bound.events(batch)?;
        bound.rows(pack::feed(&batch.feed)?)?;
        bound.rows(pack::feeds(&verified.feeds)?)?;
        bound.rows(pack::cases(&batch.cases)?)?;
        bound.rows(pack::parties(&batch.parties)?)?;
        bound.rows(pack::obligations(&batch.obligations)?)?;
        bound.rows(pack::handoffs(&batch.handoffs)?)?;
        bound.rows(pack::personal(&batch.personal)?)?;
        Ok(bound)
    }

    fn add<'t>(
        &mut self,
        value: impl sqlx::Encode<'t, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    ) -> Result<(), AppendError> {
        self.arguments.add(value).map_err(|_| AppendError::rejected("head", "a value cannot be bound"))
    }

    fn none(&mut self, count: usize) -> Result<(), AppendError> {
        (0..count).try_for_each(|_| self.add(None::<i64>))
    }

    fn begin(&mut self) -> Result<(), AppendError> {
        self.wanted.push(None);
        self.none(STRIDE)
    }

    fn head(&mut self, batch: &Batch, verified: &Verified) -> Result<(), AppendError> {
        let (at, hash) = verified.last.map_or((None, None), |(at, hash)| (Some(at.0), Some(hash.0.to_vec())));
        self.wanted.push(None);
        self.add(super::writer::integer("head", batch.expected)?)?;
        self.add(super::writer::integer("head", verified.position)?)?;
        self.add(i64::from(batch.raise_epoch))?;
        self.add(at)?;
        self.add(hash)
    }

    /// Rows, and an argument of the statement's own.
    fn packed(&mut self, packed: Packed, own: Option<i64>) -> Result<(), AppendError> {
        self.wanted.push(Some(packed.count));
        if packed.count == 0 {
            // Of NULL come no rows.
            return self.none(STRIDE);
        }
        let (rows, fixed, bytes) = packed.into_parts()?;
        self.add(rows)?;
        self.add(fixed)?;
        self.add(bytes)?;
        self.add(own)?;
        self.none(1)
    }

    fn rows(&mut self, packed: Packed) -> Result<(), AppendError> {
        self.packed(packed, None)
    }

    fn events(&mut self, batch: &Batch) -> Result<(), AppendError> {
        let first = super::writer::integer("events", batch.expected)?;
        self.packed(pack::events(&batch.events)?, Some(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_has_its_place_in_the_joined_text() {
        let text = text();
        let text = text.as_str();
        assert!(!text.contains('?'), "an argument kept its old name");
        assert_eq!(text.matches(";\n").count(), STEPS.len());
        let named = |number: usize| {
            let name = format!("${number}");
            text.match_indices(&name).any(|(at, _)| !text[at + name.len()..].starts_with(|c: char| c.is_ascii_digit()))
        };
        for (at, step) in STEPS.iter().enumerate() {
            for number in 1..=STRIDE {
                let old = step.sql.contains(&format!("?{number}"));
                assert_eq!(named(at * STRIDE + number), old, "{} ?{number}", step.table);
            }
            assert!(!step.sql.contains(&format!("?{}", STRIDE + 1)), "{} has too many arguments", step.table);
        }
    }
}
