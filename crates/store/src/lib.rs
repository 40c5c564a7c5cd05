//! The store: one durable, totally ordered log of events, the rows that make it searchable, and the answers that make
//! asking again safe.
//!
//! Read [`contract`] first: it says what a backend promises. [`batch`] and [`rows`] are what goes in and comes out,
//! [`open`] chooses the backend by URL, `conformance` is the suite every backend has to pass. The store knows nothing
//! of the meaning of what it keeps: event bytes, answers and states are opaque, rules live in `handoff_domain`.
//!
//! There is no clock and no randomness here. Times come in as arguments.
#![warn(missing_docs)]

pub mod batch;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod contract;
mod decode;
pub mod error;
pub mod failpoint;
#[cfg(test)]
mod fuzz;
mod postgres;
pub mod query;
pub mod rows;
mod schema;
mod sqlite;
mod transfer;

pub use batch::{Appended, Batch};
pub use contract::{Durability, Finding, Lineage, Options, Pending, Reader, Store, WalState, Writer};
pub use error::{AppendError, StoreError};
pub use failpoint::Failpoint;
pub use transfer::{Progress, Transferred, transfer};

use std::path::Path;

/// Where a URL leads.
enum Target<'a> {
    Sqlite(&'a Path),
    Postgres(Box<postgres::Target>),
}

fn target(url: &str) -> Result<Target<'_>, StoreError> {
    let Some((scheme, rest)) = url.split_once(':') else {
        return Err(StoreError::Url {
            why: "it has no scheme; write sqlite:/path/to/handoff.db or postgres://user@host/database",
        });
    };
    match scheme {
        "sqlite" => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() || path.starts_with(":memory:") || path.contains('?') {
                return Err(StoreError::Url { why: "sqlite: takes the path of a file and nothing else" });
            }
            Ok(Target::Sqlite(Path::new(path)))
        }
        "postgres" | "postgresql" => postgres::Target::parse(url).map(|target| Target::Postgres(Box::new(target))),
        _ => Err(StoreError::Url {
            why: "its scheme is not known; write sqlite:/path/to/handoff.db or postgres://user@host/database",
        }),
    }
}

/// Opens a migrated database for serving: one writer, many readers.
///
/// # Errors
/// When the URL names no backend of this build, another process writes the database, its schema is not this build's,
/// or a setting that durability rests on is not as it must be.
pub async fn open(url: &str, options: Options) -> Result<Store, StoreError> {
    match target(url)? {
        Target::Sqlite(path) => sqlite::open(path, options).await,
        Target::Postgres(target) => postgres::open(&target, options).await,
    }
}

/// Opens a migrated database for reading only, beside a running service or without one.
///
/// # Errors
/// As [`open`], but no lock is taken.
pub async fn open_reader(url: &str) -> Result<std::sync::Arc<dyn Reader>, StoreError> {
    match target(url)? {
        Target::Sqlite(path) => sqlite::open_reader(path).await,
        Target::Postgres(target) => postgres::open_reader(&target).await,
    }
}

/// Creates the database if it is not there and brings its schema to this build's version. Takes the writer's lock:
/// a database in service is not migrated.
///
/// # Errors
/// When the database cannot be created, is in service, is newer than this build, or a migration fails.
pub async fn migrate(url: &str) -> Result<(), StoreError> {
    match target(url)? {
        Target::Sqlite(path) => sqlite::migrate(path).await,
        Target::Postgres(target) => postgres::migrate(&target).await,
    }
}

/// Writes a consistent copy of the database to the new file `to`, beside a running service or without one. The copy
/// is complete and durable under its name when this returns; before that it stands under another name.
///
/// # Errors
/// When `to` exists or cannot be written.
pub async fn backup(url: &str, to: &Path) -> Result<(), StoreError> {
    match target(url)? {
        Target::Sqlite(path) => sqlite::backup(path, to).await,
        Target::Postgres(target) => postgres::backup(&target, to).await,
    }
}

/// Looks at the raw structure: file integrity, dense positions, streams and feeds, no pointer into nothing. Reads the
/// whole database, beside a running service or without one. What the rows mean is checked elsewhere.
///
/// # Errors
/// When the database cannot be read at all; what is wrong in it is a [`Finding`].
pub async fn check(url: &str) -> Result<Vec<Finding>, StoreError> {
    match target(url)? {
        Target::Sqlite(path) => sqlite::check(path).await,
        Target::Postgres(target) => postgres::check(&target).await,
    }
}

/// The part of [`check`] to run beside serving after an unclean stop: integrity of the file alone.
///
/// # Errors
/// As [`check`].
pub async fn integrity(url: &str) -> Result<Vec<Finding>, StoreError> {
    match target(url)? {
        Target::Sqlite(path) => sqlite::integrity(path).await,
        Target::Postgres(target) => postgres::integrity(&target).await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The caller runs them in tasks of their own.
    #[test]
    fn every_future_can_be_sent_to_another_thread() {
        fn sent(_: impl Send) {}
        sent(open("", Options::default()));
        sent(open_reader(""));
        sent(migrate(""));
        sent(backup("", Path::new("")));
        sent(check(""));
        sent(integrity(""));
    }

    #[test]
    fn a_url_this_build_cannot_serve_is_refused_with_its_reason() {
        for url in ["handoff.db", "sqlite:", "sqlite::memory:", "sqlite://x.db?mode=rwc", "mysql://x", "postgres://x"] {
            assert!(matches!(target(url), Err(StoreError::Url { .. })), "{url}");
        }
        for url in ["sqlite:x.db", "sqlite://x.db", "sqlite:///var/lib/x.db"] {
            assert!(target(url).is_ok(), "{url}");
        }
    }
}
