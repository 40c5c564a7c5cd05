//! What can go wrong. Each message says its own layer only and names table and column, never a value; the cause is
//! the error's source.

use crate::rows::AnswerId;
use std::path::PathBuf;

/// A cause from below this crate.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a batch was not appended. The kind decides what the caller does next, so there are exactly five.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The log does not end where the batch expects: somebody else wrote. Nothing was written. Catch up from the log,
    /// decide again.
    #[error("the log does not end at position {expected}")]
    Moved {
        /// The position the batch expected.
        expected: u64,
    },
    /// These request ids have answers. Nothing was written. Give the stored answers, decide the rest again.
    #[error("{} request ids of the batch have answers", .0.len())]
    AnswersKnown(Vec<AnswerId>),
    /// The batch breaks a constraint. Nothing was written, the store works on. A defect of the caller.
    #[error("table {table}: {detail}")]
    Rejected {
        /// The table.
        table: &'static str,
        /// Which constraint or column, and how; no values.
        detail: String,
    },
    /// The database cannot be written any more. Nothing of this batch was committed. The caller exits the process:
    /// there is no retry on the same handle.
    #[error("the database failed at {step}")]
    Io {
        /// The step inside the append.
        step: &'static str,
        /// The cause.
        #[source]
        source: Source,
    },
    /// The commit was asked for and its outcome is not known. The caller answers "outcome unknown" and exits the
    /// process, or opens anew and looks the request ids up.
    #[error("the outcome of the commit is not known, it failed at {step}")]
    Unknown {
        /// The step inside the append.
        step: &'static str,
        /// The cause.
        #[source]
        source: Source,
    },
}

impl AppendError {
    /// A rejection.
    pub fn rejected(table: &'static str, detail: impl Into<String>) -> Self {
        Self::Rejected { table, detail: detail.into() }
    }
}

/// Why the store could not be opened, read or looked after.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no database of this build. It is not repeated here: it may hold a password.
    #[error("the database URL cannot be used: {why}")]
    Url {
        /// What is wrong with it.
        why: &'static str,
    },
    /// Another process writes this database.
    #[error("another process holds the lock {}", .path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The folder lies on a network file system, where locks and syncs do not hold.
    #[error("{} lies on a network file system ({kind}); the database needs a local disk", .path.display())]
    NetworkFolder {
        /// The folder.
        path: PathBuf,
        /// The file system's name.
        kind: String,
    },
    /// A setting that the promises rest on is not as it must be.
    #[error("database setting {name} is {found}, it must be {needed}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        needed: &'static str,
    },
    /// The database cannot be reached or does not let us in.
    #[error("cannot connect to the database: {why}")]
    Connect {
        /// What to look at.
        why: &'static str,
        /// The cause.
        #[source]
        source: Source,
    },
    /// The database does not answer.
    #[error("the database does not answer; is its machine, or the way to it, gone?")]
    NoReply,
    /// The database is another one than before.
    #[error("the database behind the URL is another one than before; {what} differs")]
    OtherDatabase {
        /// What tells.
        what: &'static str,
    },
    /// A migration and a service want the same database.
    #[error("{0}")]
    InService(&'static str),
    /// The head is committed, but enough standbys are not known to hold it.
    #[error("no {standbys} synchronous standbys hold the log's end in time")]
    NotReplicated {
        /// How many are needed.
        standbys: u32,
    },
    /// A store of one process is not opened a second time.
    #[error("this database is opened once in a process")]
    OneProcess,
    /// A copy goes into an empty database only.
    #[error(
        "the database to copy into is not empty, its table {table} was written to; make a new one with `handoff db \
         migrate` and copy into that"
    )]
    NotEmpty {
        /// The first table with anything in it.
        table: &'static str,
    },
    /// Rows could not be copied.
    #[error("cannot copy the rows of table {table}")]
    Copy {
        /// The table.
        table: &'static str,
        /// The cause.
        #[source]
        source: Source,
    },
    /// A copy turned out to be another than its source, and was undone.
    #[error("the copy differs from its source in table {table}: {detail}; nothing was kept of it")]
    CopyDiffers {
        /// The table.
        table: &'static str,
        /// In what; no values.
        detail: String,
    },
    /// There is no database, or none of ours, at that place.
    #[error("there is no handoff database there; run `handoff db migrate`")]
    NoSchema,
    /// The database was written by an older version.
    #[error("the schema is at {found}, this version needs {needed}; run `handoff db migrate`")]
    OlderSchema {
        /// Version found.
        found: i64,
        /// Version needed.
        needed: i64,
    },
    /// The database was written by a newer version.
    #[error("the schema is at {found}, this version knows up to {known}; use the version that wrote it")]
    NewerSchema {
        /// Version found.
        found: i64,
        /// Newest version known.
        known: i64,
    },
    /// An applied migration differs from this build's.
    #[error("migration {version} was applied in another form than this version's")]
    ChangedSchema {
        /// The migration.
        version: i64,
    },
    /// A migration failed; it left nothing behind.
    #[error("a migration failed")]
    Migration(#[source] Source),
    /// A file or folder could not be used.
    #[error("cannot {action} {}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A statement failed.
    #[error("cannot {action}")]
    Sql {
        /// What was tried.
        action: &'static str,
        /// The cause.
        #[source]
        source: Source,
    },
    /// A stored value is not what the column holds.
    #[error("table {table}, column {column} holds a malformed value")]
    Malformed {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
}

/// Wraps a cause of the database layer.
pub(crate) fn failed(action: &'static str) -> impl Fn(sqlx::Error) -> StoreError {
    move |source| StoreError::Sql { action, source: Box::new(source) }
}
