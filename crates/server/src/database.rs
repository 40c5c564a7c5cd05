//! The database of a configuration: made, copied, checked. What `handoff db` calls.

use crate::config::Config;
use crate::keyring::new_key;
use crate::serve::{ServeError, log_key, vault};
use handoff_domain::time::Millis;
use handoff_engine::check::{Report, check_log_and_values};
use handoff_engine::memory::LoadError;
use handoff_engine::open_log;
use handoff_engine::recorders::Recorders;
use handoff_engine::tree::{Mark, MarkError, MarkFile};
use handoff_evidence::note::Head;
use handoff_store::batch::NUMBER_MAX;
use handoff_store::{Failpoint, Options, Reader, StoreError};
pub use handoff_store::{Progress, Transferred};
use secrecy::{ExposeSecret, SecretString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why the database could not be made or checked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The store.
    #[error("the database cannot be used")]
    Store(#[source] StoreError),
    /// A key, or the log.
    #[error("the log cannot be opened")]
    Serve(#[source] Box<ServeError>),
    /// A key file could not be written.
    #[error("a key cannot be written")]
    Key(#[source] std::io::Error),
    /// The log cannot be read.
    #[error("the log cannot be read")]
    Load(#[source] Box<LoadError>),
    /// No mark is configured.
    #[error("evidence.mark_file is not set; name a file on a disk that no backup of the database brings back")]
    NoMark,
    /// There is a mark, which is what notices an old database.
    #[error("{} is there and is not replaced", .0.display())]
    Marked(PathBuf),
    /// The mark cannot be written.
    #[error("the mark cannot be written")]
    Mark(#[source] MarkError),
}

/// What a check found.
#[derive(Debug)]
pub struct Checked {
    /// What is wrong with the file and its rows, without content.
    pub findings: Vec<String>,
    /// The invariants over the log.
    pub report: Report,
}

impl Checked {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty() && self.report.is_clean()
    }
}

/// Creates or updates the database, makes the log's key where there is none, and the sealing key with it, and writes
/// position 0 of a new log. `true` when a key was made.
///
/// # Errors
/// [`DatabaseError`].
pub async fn migrate(config: &Config, now: Millis) -> Result<bool, DatabaseError> {
    let file = &config.evidence.log_key_file;
    let made = !file.exists();
    if made {
        // With a new log only: beside an old one a new key would hide that the right one is missing. First, so that a
        // death in between leaves no log without it.
        let sealing = &config.sealing.key_file;
        if !sealing.exists() {
            new_key(sealing).map_err(DatabaseError::Key)?;
        }
        new_key(file).map_err(DatabaseError::Key)?;
    }
    let url = address(config)?;
    let url = url.expose_secret();
    handoff_store::migrate(url).await.map_err(DatabaseError::Store)?;
    let key = log_key(config).map_err(|error| DatabaseError::Serve(Box::new(error)))?;
    let mut store = handoff_store::open(url, Options::default()).await.map_err(DatabaseError::Store)?;
    let opened = open_log(&mut store, &Recorders::new(key), now).await;
    store.reader.close().await;
    store.writer.close().await.map_err(DatabaseError::Store)?;
    opened.map_err(|error| DatabaseError::Serve(Box::new(ServeError::Start(error))))?;
    Ok(made)
}

/// Keeps the mark of the newest noted head, for a replica that has none: whoever calls it has made sure that this is the
/// newest database, and not one from a backup. The head that is marked; none where none was noted yet.
///
/// # Errors
/// [`DatabaseError`]; a mark that is there is never replaced.
pub async fn mark(config: &Config) -> Result<Option<u64>, DatabaseError> {
    let file = config.evidence.mark_file.clone().ok_or(DatabaseError::NoMark)?;
    if file.exists() {
        return Err(DatabaseError::Marked(file));
    }
    let origin = log_key(config).map_err(|error| DatabaseError::Serve(Box::new(error)))?.origin();
    let url = address(config)?;
    let store = handoff_store::open(url.expose_secret(), Options::default()).await.map_err(DatabaseError::Store)?;
    let noted = store.reader.tree_head(NUMBER_MAX).await.map_err(DatabaseError::Store);
    store.reader.close().await;
    store.writer.close().await.map_err(DatabaseError::Store)?;
    let Some(noted) = noted? else { return Ok(None) };
    let head = Head { size: noted.size, root: noted.root };
    MarkFile::new(file).write(&Mark { origin, head }).map_err(DatabaseError::Mark)?;
    Ok(Some(noted.size))
}

/// Writes a consistent copy to a new file, beside a running service or without one.
///
/// # Errors
/// [`DatabaseError::Store`].
pub async fn backup(config: &Config, to: &Path) -> Result<(), DatabaseError> {
    handoff_store::backup(address(config)?.expose_secret(), to).await.map_err(DatabaseError::Store)
}

/// The address of a configuration's database, with its password.
///
/// # Errors
/// [`DatabaseError::Serve`] when the password file cannot be read.
pub fn address(config: &Config) -> Result<SecretString, DatabaseError> {
    config.database.address().map_err(|error| DatabaseError::Serve(Box::new(ServeError::Secret(error))))
}

/// Checks the file, then every invariant over the log. Changes nothing.
///
/// # Errors
/// [`DatabaseError`] when it cannot be read at all.
pub async fn check(config: &Config, url: &str) -> Result<Checked, DatabaseError> {
    let vault = vault(config).map_err(|error| DatabaseError::Serve(Box::new(error)))?;
    let findings = handoff_store::check(url).await.map_err(DatabaseError::Store)?;
    let findings = findings.iter().map(|finding| format!("{}: {}", finding.check, finding.detail)).collect();
    let reader = handoff_store::open_reader(url).await.map_err(DatabaseError::Store)?;
    let report = check_log_and_values(reader.as_ref(), &vault).await;
    reader.close().await;
    Ok(Checked { findings, report: report.map_err(|error| DatabaseError::Load(Box::new(error)))? })
}

/// Writes a consistent copy to a new file and makes it ready to be read and checked; its URL.
///
/// # Errors
/// [`DatabaseError::Store`].
pub async fn copy(config: &Config, to: &Path) -> Result<String, DatabaseError> {
    backup(config, to).await?;
    let url = format!("sqlite:{}", to.display());
    // A copy leaves the journal mode behind that every reader insists on.
    handoff_store::migrate(&url).await.map_err(DatabaseError::Store)?;
    Ok(url)
}

/// Moves the configuration's database into the empty one at `to`, which gets the schema first. Neither may be in
/// service. The old one stays as it is and must not be served any more.
///
/// # Errors
/// [`DatabaseError`]; what is in service, not empty or not readable is named, and nothing was moved.
pub async fn move_to(
    config: &Config,
    to: &str,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Transferred, DatabaseError> {
    let from = address(config)?;
    handoff_store::migrate(to).await.map_err(DatabaseError::Store)?;
    handoff_store::transfer(from.expose_secret(), to, progress).await.map_err(DatabaseError::Store)
}

/// The rows of a database, for reading only, beside a running service or without one.
///
/// # Errors
/// [`DatabaseError::Store`].
pub async fn reader(url: &str) -> Result<Arc<dyn Reader>, DatabaseError> {
    handoff_store::open_reader(url).await.map_err(DatabaseError::Store)
}

/// A crash test's hook: dies like `kill -9` when a step of the write path is reached the N-th time. `None` for a step
/// that does not exist.
#[must_use]
pub fn crash_at(step: &str, times: u64) -> Option<Failpoint> {
    let step = *handoff_store::failpoint::STEPS.iter().find(|known| **known == step)?;
    let seen = AtomicU64::new(0);
    Some(Failpoint::new(move |hit| {
        if hit == step && seen.fetch_add(1, Ordering::SeqCst) + 1 == times {
            std::process::abort();
        }
        Ok(())
    }))
}
