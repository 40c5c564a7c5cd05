//! The mirror: one SQLite file with every validated entry, the tree over them, and what the witness stands by.
//!
//! Durable by `synchronous=FULL` in WAL mode. One process writes, held by a lock file; others may read meanwhile.

mod files;
mod read;
mod sql;
mod write;

pub use read::{Alarm, Fault, Row, State};

use files::Lock;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use std::path::{Path, PathBuf};
use std::time::Duration;

static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/witness");

/// How long a statement waits for another connection's lock.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(5);

/// Why the mirror cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// There is none yet.
    #[error("there is no mirror at {}: `handoff witness run` makes it", .0.display())]
    Missing(PathBuf),
    /// A file of it.
    #[error("{} cannot be {action}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another witness runs on it.
    #[error("another process runs on this mirror: {} is locked", .0.display())]
    Locked(PathBuf),
    /// Its schema is not this build's.
    #[error("the mirror was made by another version of this program")]
    Schema(#[source] Box<sqlx::migrate::MigrateError>),
    /// The database.
    #[error("the mirror cannot be {action}")]
    Database {
        /// What was tried.
        action: &'static str,
        /// Why.
        source: sqlx::Error,
    },
    /// What is stored is not what was stored.
    #[error("the mirror was changed: {0}")]
    Changed(String),
}

fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> MirrorError {
    move |source| MirrorError::Database { action, source }
}

/// An open mirror.
#[derive(Debug)]
pub struct Mirror {
    conn: SqliteConnection,
    /// Held by whoever writes.
    _lock: Option<Lock>,
    /// A transaction is open.
    writing: bool,
}

impl Mirror {
    /// Opens the mirror to write it, and makes it if there is none.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn open(path: &Path) -> Result<Self, MirrorError> {
        files::create_folder(path)?;
        let lock = Lock::take(path).await?;
        files::create(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(false)
            .busy_timeout(BUSY_WAIT_MAX)
            .pragma("journal_mode", "WAL")
            .pragma("synchronous", "FULL")
            .pragma("foreign_keys", "ON")
            .pragma("mmap_size", "0")
            .disable_statement_logging();
        let mut conn = options.connect().await.map_err(failed("opened"))?;
        migrate(&mut conn).await?;
        files::sync_folder(path)?;
        Ok(Self { conn, _lock: Some(lock), writing: false })
    }

    /// Opens the mirror to read it, beside a witness that runs or without one.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn open_reader(path: &Path) -> Result<Self, MirrorError> {
        if !path.exists() {
            return Err(MirrorError::Missing(path.to_owned()));
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY_WAIT_MAX)
            .pragma("query_only", "ON")
            .pragma("mmap_size", "0")
            .disable_statement_logging();
        let conn = options.connect().await.map_err(failed("opened for reading"))?;
        Ok(Self { conn, _lock: None, writing: false })
    }

    /// Closes it. A mirror that is dropped is closed too, a moment later.
    ///
    /// # Errors
    /// [`MirrorError::Database`].
    pub async fn close(self) -> Result<(), MirrorError> {
        self.conn.close().await.map_err(failed("closed"))
    }
}

async fn migrate(conn: &mut SqliteConnection) -> Result<(), MirrorError> {
    let wrap = |error| MirrorError::Schema(Box::new(error));
    MIGRATIONS.run(conn).await.map_err(wrap)
}
