//! Which version a database has, and how it gets to this build's.

use super::failed;
use crate::error::StoreError;
use crate::schema;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnection;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/sqlite");

const HAS_TABLE: &str = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_sqlx_migrations'";

/// Applies what is missing.
pub(super) async fn migrate(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let Some(from) = schema::to_migrate(assert_current(conn).await)? else { return Ok(()) };
    schema::apply(conn, &MIGRATIONS, from).await?;
    assert_current(conn).await
}

/// Refuses a database whose schema is not exactly this build's.
pub(super) async fn assert_current(conn: &mut SqliteConnection) -> Result<(), StoreError> {
    let read = failed("read the schema version");
    if sqlx::query(HAS_TABLE).fetch_optional(&mut *conn).await.map_err(&read)?.is_none() {
        return Err(StoreError::NoSchema);
    }
    let rows = sqlx::query(schema::APPLIED).fetch_all(&mut *conn).await.map_err(&read)?;
    schema::assert_current(&MIGRATIONS, &schema::applied(&rows)?)
}
