//! SQLite: one file, one writing connection, a few reading ones.
//!
//! Durable by `synchronous=FULL` in WAL mode: a commit returns after the log's sync. Only the writer's connection
//! writes and checkpoints; readers are opened read-only, so none of them checkpoints on its way out either.

mod admin;
mod columns;
mod files;
mod hot;
mod pack;
mod reader;
mod schema;
mod sql;
pub(crate) mod transfer;
mod writer;

#[cfg(test)]
mod tests;

pub(crate) use admin::{backup, check, integrity};

use crate::contract::{Durability, Options, Reader, Store};
use crate::error::{StoreError, failed};
use files::Lock;
use reader::SqliteReader;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqlitePoolOptions};
use sqlx::{ConnectOptions, Connection, Row};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use writer::SqliteWriter;

/// Reading connections. Each is a thread; a read waits while all are busy.
const READERS_MAX: u32 = 8;
/// How long a read waits for a connection before it fails.
const READER_WAIT_MAX: Duration = Duration::from_secs(5);
/// Rows a reading connection's thread hands over before it waits for the task: a whole page.
const READER_ROWS: usize = 1_024;
/// How long a statement waits for another connection's lock. Within one service nothing ever waits that long.
const BUSY_WAIT_MAX: Duration = Duration::from_millis(BUSY_WAIT_MS);
const BUSY_WAIT_MS: u64 = 5_000;

/// Oldest SQLite taken: the first without the WAL-reset race.
const SQLITE_VERSION_MIN: [u32; 3] = [3, 51, 3];

/// What every connection must have, by pragma.
const SETTINGS: &[(&str, &str, &str)] = &[
    ("foreign_keys", "PRAGMA foreign_keys", "1"),
    ("mmap_size", "PRAGMA mmap_size", "0"),
    ("busy_timeout", "PRAGMA busy_timeout", "5000"),
];
/// What the writer must have besides: 2 is FULL, 1 is ON. Readers have the writer's journal; a file that was copied and
/// not served yet has another one, and is read all the same.
const WRITER_SETTINGS: &[(&str, &str, &str)] = &[
    ("journal_mode", "PRAGMA journal_mode", "wal"),
    ("synchronous", "PRAGMA synchronous", "2"),
    ("wal_autocheckpoint", "PRAGMA wal_autocheckpoint", "0"),
    ("secure_delete", "PRAGMA secure_delete", "1"),
];
/// What a reader must have besides.
const READER_SETTINGS: &[(&str, &str, &str)] = &[("query_only", "PRAGMA query_only", "1")];

pub(crate) async fn open(path: &Path, options: Options) -> Result<Store, StoreError> {
    if options.durability != Durability::Local {
        let (name, found) = ("durability", "replicated on SQLite, which has no standbys".to_owned());
        return Err(StoreError::Setting { name, found, needed: "local, or a PostgreSQL database" });
    }
    if !path.exists() {
        return Err(StoreError::NoSchema);
    }
    let folder = files::folder_of(path)?;
    files::refuse_network(&folder)?;
    let lock = Lock::take(path).await?;
    let unclean = files::wal_bytes(path)? > 0;
    let mut conn = connect(writer_options(path)).await?;
    assert_settings(&mut conn, WRITER_SETTINGS).await?;
    schema::assert_current(&mut conn).await?;
    sqlx::query(sql::write::FIRST_WRITE).execute(&mut conn).await.map_err(failed("write to the database"))?;
    files::sync(&folder)?;
    let reader = reader_pool(path).await?;
    Ok(Store { writer: Box::new(SqliteWriter::new(conn, lock, options.failpoint)), reader, unclean, shared: false })
}

pub(crate) async fn open_reader(path: &Path) -> Result<Arc<dyn Reader>, StoreError> {
    if !path.exists() {
        return Err(StoreError::NoSchema);
    }
    files::refuse_network(&files::folder_of(path)?)?;
    reader_pool(path).await
}

pub(crate) async fn migrate(path: &Path) -> Result<(), StoreError> {
    let folder = files::create_folder(path)?;
    files::refuse_network(&folder)?;
    let _lock = Lock::take(path).await?;
    files::create(path)?;
    let mut conn = connect(writer_options(path)).await?;
    assert_settings(&mut conn, WRITER_SETTINGS).await?;
    schema::migrate(&mut conn).await?;
    sqlx::query(sql::write::WAL_TRUNCATE).execute(&mut conn).await.map_err(failed("empty the write-ahead log"))?;
    conn.close().await.map_err(failed("close the database"))?;
    files::sync(&folder)
}

async fn reader_pool(path: &Path) -> Result<Arc<dyn Reader>, StoreError> {
    let mut first = connect(reader_options(path)).await?;
    assert_settings(&mut first, READER_SETTINGS).await?;
    schema::assert_current(&mut first).await?;
    first.close().await.map_err(failed("close a reading connection"))?;
    let pool = SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(READER_WAIT_MAX)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .connect_with(reader_options(path))
        .await
        .map_err(failed("open the database for reading"))?;
    Ok(Arc::new(SqliteReader::new(pool, path.to_owned())))
}

fn writer_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(BUSY_WAIT_MAX)
        .pragma("journal_mode", "WAL")
        .pragma("synchronous", "FULL")
        .pragma("foreign_keys", "ON")
        .pragma("mmap_size", "0")
        .pragma("wal_autocheckpoint", "0")
        .pragma("secure_delete", "ON")
        .disable_statement_logging()
}

fn reader_options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .busy_timeout(BUSY_WAIT_MAX)
        .row_buffer_size(READER_ROWS)
        .pragma("query_only", "ON")
        .pragma("foreign_keys", "ON")
        .pragma("mmap_size", "0")
        .disable_statement_logging()
}

async fn connect(options: SqliteConnectOptions) -> Result<SqliteConnection, StoreError> {
    options.connect().await.map_err(failed("open the database"))
}

/// A wrong setting is an error, never a warning: the promises rest on each of them.
async fn assert_settings(
    conn: &mut SqliteConnection,
    own: &'static [(&'static str, &'static str, &'static str)],
) -> Result<(), StoreError> {
    let read = failed("read a database setting");
    let row = sqlx::query(sql::read::VERSION).fetch_one(&mut *conn).await.map_err(&read)?;
    let found: String = row.try_get(0).map_err(&read)?;
    if found.split('.').map_while(|part| part.parse::<u32>().ok()).lt(SQLITE_VERSION_MIN) {
        return Err(StoreError::Setting { name: "SQLite version", found, needed: "3.51.3 or newer" });
    }
    for (name, pragma, needed) in SETTINGS.iter().chain(own) {
        let row = sqlx::query(*pragma).fetch_one(&mut *conn).await.map_err(&read)?;
        let found = row
            .try_get::<String, _>(0)
            .or_else(|_| row.try_get::<i64, _>(0).map(|number| number.to_string()))
            .map_err(&read)?;
        if found != *needed {
            return Err(StoreError::Setting { name, found, needed });
        }
    }
    Ok(())
}
