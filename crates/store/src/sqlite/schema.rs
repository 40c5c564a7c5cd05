//! Which version a database has, and how it gets to this build's.

use super::failed;
use crate::error::StoreError;
use sqlx::Row;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::sqlite::SqliteConnection;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

const TABLE: &str = "_sqlx_migrations";
const HAS_TABLE: &str = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'";
const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";

/// Applies what is missing.
pub(super) async fn migrate(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let from = match assert_current(conn).await {
        Ok(()) => return Ok(()),
        Err(StoreError::NoSchema) => 0,
        Err(StoreError::OlderSchema { found, .. }) => found,
        Err(other) => return Err(other),
    };
    let wrap = |error: MigrateError| StoreError::Migration(Box::new(error));
    conn.ensure_migrations_table(TABLE).await.map_err(wrap)?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > from) {
        // Step and bookkeeping are one transaction.
        conn.apply(TABLE, migration).await.map_err(wrap)?;
    }
    assert_current(conn).await
}

/// Refuses a database whose schema is not exactly this build's.
pub(super) async fn assert_current(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let read = failed("read the schema version");
    if sqlx::query(HAS_TABLE).fetch_optional(&mut *conn).await.map_err(&read)?.is_none() {
        return Err(StoreError::NoSchema);
    }
    let rows = sqlx::query(APPLIED).fetch_all(&mut *conn).await.map_err(&read)?;
    let mut applied = Vec::with_capacity(rows.len());
    for row in &rows {
        let version = row.try_get::<i64, _>("version").map_err(&read)?;
        applied.push((version, row.try_get::<Vec<u8>, _>("checksum").map_err(&read)?));
    }
    crate::schema::assert_current(&MIGRATIONS, &applied)
}
