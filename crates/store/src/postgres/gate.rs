//! The gate: a commit that returned is no proof of replication, so nothing is answered or published before enough
//! synchronous standbys hold the end of the log (reliability, 5).

use super::{failed, sql};
use crate::contract::Durability;
use crate::error::StoreError;
use sqlx::Row;
use sqlx::postgres::PgConnection;
use std::time::Duration;

/// How long the standbys are looked at, two milliseconds apart, before the gate stays shut.
const SHUT_AFTER: Duration = Duration::from_secs(5);

/// Waits until everything committed so far is as durable as promised.
pub(super) async fn pass(conn: &mut PgConnection, durability: Durability) -> Result<(), StoreError> {
    let Durability::Replicated { standbys } = durability else { return Ok(()) };
    let read = failed("look at the standbys");
    let row = sqlx::query(sql::write::GATE).bind(i64::from(standbys)).fetch_one(&mut *conn).await.map_err(&read)?;
    if row.try_get("open").map_err(&read)? {
        return Ok(());
    }
    let end: String = row.try_get("lsn").map_err(&read)?;
    pass_at(conn, standbys, &end).await
}

/// Waits until enough standbys hold the log up to `end`.
pub(super) async fn pass_at(conn: &mut PgConnection, standbys: u32, end: &str) -> Result<(), StoreError> {
    let read = failed("look at the standbys");
    let looks = async {
        loop {
            let look = sqlx::query(sql::write::GATE_AGAIN).bind(i64::from(standbys)).bind(end);
            if look.fetch_one(&mut *conn).await.and_then(|row| row.try_get::<bool, _>("open")).map_err(&read)? {
                return Ok(());
            }
        }
    };
    tokio::time::timeout(SHUT_AFTER, looks).await.unwrap_or(Err(StoreError::NotReplicated { standbys }))
}

/// Refuses a server that cannot keep the promise at all: the gate would stay shut for ever.
pub(super) async fn assert_possible(conn: &mut PgConnection, durability: Durability) -> Result<(), StoreError> {
    let Durability::Replicated { standbys } = durability else { return Ok(()) };
    let read = failed("look at the standbys");
    let row = sqlx::query(sql::read::STANDBYS).fetch_one(conn).await.map_err(&read)?;
    let (names, found): (String, String) =
        (row.try_get("names").map_err(&read)?, row.try_get::<i64, _>("found").map_err(&read)?.to_string());
    if names.is_empty() {
        let needed = "the names of the standbys, since durability is replicated; or set durability to local";
        return Err(StoreError::Setting { name: "synchronous_standby_names", found: "empty".to_owned(), needed });
    }
    if !row.try_get::<bool, _>("may_look").map_err(&read)? {
        let needed = "granted to the service's role: GRANT pg_monitor TO the role";
        return Err(StoreError::Setting { name: "pg_monitor", found: "not granted".to_owned(), needed });
    }
    if found.parse::<u32>().unwrap_or(0) < standbys {
        let needed = "at least the configured number of synchronous standbys; start them, or wait for them";
        return Err(StoreError::Setting { name: "pg_stat_replication (sync, quorum)", found, needed });
    }
    Ok(())
}
