//! The lock of a database: services share it, a migration and a move have it alone. It is the connection's and goes
//! with it.

use super::{failed, sql};
use crate::error::StoreError;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};

/// Services share this lock of the database, a migration has it alone.
pub(super) const SERVE: &str = "SELECT pg_try_advisory_lock_shared(7521983762018723)";
pub(super) const MIGRATE: &str = "SELECT pg_try_advisory_lock(7521983762018723)";
/// A tenth of a second: the server waits, not we.
const WAIT: &str = "SELECT pg_sleep(0.1)";

/// Every lock that is the connection's.
const UNLOCK: &str = "SELECT pg_advisory_unlock_all()";

/// How often a lock is looked for, a tenth of a second apart: one second in all. The server lets go of the lock of a
/// service that was just stopped in its own time.
const LOCK_LOOKS_MAX: u32 = 11;

/// Takes a lock, or says that somebody has it and keeps it.
pub(super) async fn take(conn: &mut PgConnection, lock: &'static str) -> Result<bool, StoreError> {
    let wrap = failed("take the database's lock");
    for _ in 1..LOCK_LOOKS_MAX {
        let taken = sqlx::query(lock).fetch_one(&mut *conn).await;
        if taken.and_then(|row| row.try_get(0)).map_err(&wrap)? {
            return Ok(true);
        }
        sqlx::query(WAIT).execute(&mut *conn).await.map_err(&wrap)?;
    }
    sqlx::query(lock).fetch_one(conn).await.and_then(|row| row.try_get(0)).map_err(&wrap)
}

/// Ends the connection, and gives its lock back before: the server notices an end in its own time, and whoever is
/// started next would still find the lock.
pub(super) async fn release(mut conn: PgConnection) -> Result<(), StoreError> {
    let closing = failed("close the database");
    // Without a transaction this is a notice; in one that failed nothing else is heard.
    sqlx::query(sql::write::ROLLBACK).execute(&mut conn).await.map_err(&closing)?;
    sqlx::query(UNLOCK).execute(&mut conn).await.map_err(&closing)?;
    conn.close().await.map_err(&closing)
}
