//! Which version a database has, and how it gets to this build's.

use super::{failed, sql, transfer};
use crate::error::StoreError;
use sqlx::Row;
use sqlx::migrate::{Migrate, MigrateError, Migrator};
use sqlx::postgres::PgConnection;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

const TABLE: &str = "_sqlx_migrations";
const HAS_TABLE: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";
const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";

/// Applies what is missing, with the database to itself.
pub(super) async fn migrate(conn: &mut PgConnection) -> Result<(), StoreError> {
    if assert_current(conn).await.is_ok() {
        return Ok(());
    }
    let alone = transfer::take(conn, sql::write::MIGRATE).await?;
    let from = match assert_current(conn).await {
        Ok(()) => return Ok(()),
        Err(StoreError::NoSchema) => 0,
        Err(StoreError::OlderSchema { found, .. }) => found,
        Err(other) => return Err(other),
    };
    if !alone {
        return Err(StoreError::InService("a service uses this database; stop it before `handoff db migrate`"));
    }
    let wrap = |error: MigrateError| StoreError::Migration(Box::new(error));
    conn.ensure_migrations_table(TABLE).await.map_err(wrap)?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > from) {
        // Step and bookkeeping are one transaction.
        conn.apply(TABLE, migration).await.map_err(wrap)?;
    }
    assert_current(conn).await
}

/// Refuses a database whose schema is not exactly this build's.
pub(super) async fn assert_current(conn: &mut PgConnection) -> Result<(), StoreError> {
    let read = failed("read the schema version");
    let has: bool = sqlx::query(HAS_TABLE).fetch_one(&mut *conn).await.and_then(|row| row.try_get(0)).map_err(&read)?;
    if !has {
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
