//! What a row of SQLite holds, as the readers want it.

use crate::decode::Columns;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

impl Columns for SqliteRow {
    fn integer(&self, column: &'static str) -> Option<Option<i64>> {
        self.try_get(column).ok()
    }

    fn text(&self, column: &'static str) -> Option<Option<&str>> {
        self.try_get(column).ok()
    }

    fn blob(&self, column: &'static str) -> Option<Option<&[u8]>> {
        self.try_get(column).ok()
    }
}
