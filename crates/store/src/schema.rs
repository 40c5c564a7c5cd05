//! Whether a database has exactly the schema of this build, and how it gets there; the same rule for both backends.

use crate::error::{StoreError, failed};
use sqlx::Row;
use sqlx::migrate::{Migrate, MigrateError, Migrator};

/// Compares what was applied, version and checksum in order, with what this build holds.
pub(crate) fn assert_current(build: &Migrator, applied: &[(i64, Vec<u8>)]) -> Result<(), StoreError> {
    let known: Vec<_> = build.iter().collect();
    let needed = known.last().map_or(0, |migration| migration.version);
    let mut found = 0;
    for (version, checksum) in applied {
        found = *version;
        match known.iter().find(|migration| migration.version == found) {
            Some(migration) if *migration.checksum == **checksum => {}
            Some(_) => return Err(StoreError::ChangedSchema { version: found }),
            None => return Err(StoreError::NewerSchema { found, known: needed }),
        }
    }
    match applied.len() {
        0 => Err(StoreError::NoSchema),
        applied if applied < known.len() => Err(StoreError::OlderSchema { found, needed }),
        _ => Ok(()),
    }
}

/// Where migrations are noted.
const TABLE: &str = "_sqlx_migrations";
pub(crate) const APPLIED: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";

/// The rows of [`APPLIED`], as [`assert_current`] takes them.
pub(crate) fn applied<R: Row>(rows: &[R]) -> Result<Vec<(i64, Vec<u8>)>, StoreError>
where
    for<'r> i64: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'r> Vec<u8>: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
    for<'n> &'n str: sqlx::ColumnIndex<R>,
{
    let read = failed("read the schema version");
    let note = |row: &R| Ok((row.try_get("version").map_err(&read)?, row.try_get("checksum").map_err(&read)?));
    rows.iter().map(note).collect()
}

/// The version to go on from: none where the schema is this build's already.
pub(crate) fn to_migrate(current: Result<(), StoreError>) -> Result<Option<i64>, StoreError> {
    match current {
        Ok(()) => Ok(None),
        Err(StoreError::NoSchema) => Ok(Some(0)),
        Err(StoreError::OlderSchema { found, .. }) => Ok(Some(found)),
        Err(other) => Err(other),
    }
}

/// Applies what comes after a version.
pub(crate) async fn apply<C: Migrate>(conn: &mut C, build: &Migrator, from: i64) -> Result<(), StoreError> {
    let wrap = |error: MigrateError| StoreError::Migration(Box::new(error));
    conn.ensure_migrations_table(TABLE).await.map_err(wrap)?;
    for migration in build.iter().filter(|migration| migration.version > from) {
        // Step and bookkeeping are one transaction.
        conn.apply(TABLE, migration).await.map_err(wrap)?;
    }
    Ok(())
}
