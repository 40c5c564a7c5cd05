//! Which version a database has, and how it gets to this build's.

use super::{failed, lock};
use crate::error::StoreError;
use crate::schema;
use sqlx::Row;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/postgres");

const HAS_TABLE: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";

/// Applies what is missing, with the database to itself.
pub(super) async fn migrate(conn: &mut PgConnection) -> Result<(), StoreError> {
    if assert_current(conn).await.is_ok() {
        return Ok(());
    }
    let alone = lock::take(conn, lock::MIGRATE).await?;
    let Some(from) = schema::to_migrate(assert_current(conn).await)? else { return Ok(()) };
    if !alone {
        return Err(StoreError::InService("a service uses this database; stop it before `handoff db migrate`"));
    }
    schema::apply(conn, &MIGRATIONS, from).await?;
    assert_current(conn).await
}

/// Refuses a database whose schema is not exactly this build's.
pub(super) async fn assert_current(conn: &mut PgConnection) -> Result<(), StoreError> {
    let read = failed("read the schema version");
    let has: bool = sqlx::query(HAS_TABLE).fetch_one(&mut *conn).await.and_then(|row| row.try_get(0)).map_err(&read)?;
    if !has {
        return Err(StoreError::NoSchema);
    }
    let rows = sqlx::query(schema::APPLIED).fetch_all(&mut *conn).await.map_err(&read)?;
    schema::assert_current(&MIGRATIONS, &schema::applied(&rows)?)
}
