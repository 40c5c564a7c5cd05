//! What a row of PostgreSQL holds, as the readers want it.

use crate::decode::Columns;
use sqlx::postgres::PgRow;
use sqlx::{Row, TypeInfo, ValueRef};

impl Columns for PgRow {
    fn integer(&self, column: &'static str) -> Option<Option<i64>> {
        let kind = self.try_get_raw(column).ok()?.type_info().into_owned();
        match kind.name() {
            "BOOL" => self.try_get::<Option<bool>, _>(column).ok().map(|value| value.map(i64::from)),
            "INT2" => self.try_get::<Option<i16>, _>(column).ok().map(|value| value.map(i64::from)),
            _ => self.try_get(column).ok(),
        }
    }

    fn text(&self, column: &'static str) -> Option<Option<&str>> {
        self.try_get(column).ok()
    }

    fn blob(&self, column: &'static str) -> Option<Option<&[u8]>> {
        // An id comes as its 16 bytes, the form of both kinds of column.
        self.try_get_unchecked(column).ok()
    }
}
