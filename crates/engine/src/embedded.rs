//! An engine over a database of its own inside this process: simulations and tests that need no listener.

use crate::clock::Clock;
use crate::engine::{Engine, Organisation, StartError, WriterRun, open_log};
use crate::ids;
use crate::recorders::Recorders;
use crate::tree::Tree;
use crate::vault::Vault;
use handoff_evidence::log::LogKey;
use handoff_store::{Options, StoreError};
use std::sync::Arc;

/// Why an embedded engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// The database.
    #[error("the database cannot be used")]
    Store(#[source] StoreError),
    /// The log.
    #[error("the log cannot be used")]
    Start(#[source] StartError),
}

/// Creates or updates the database at `url`, opens its log under `key`, and starts an engine on it. Personal
/// values are sealed under a key of this call: nobody opens them afterwards.
///
/// # Errors
/// [`EmbeddedError`].
pub async fn embedded(
    url: &str,
    key: &LogKey,
    organisations: Vec<Organisation>,
    clock: Arc<dyn Clock>,
) -> Result<(Engine, WriterRun), EmbeddedError> {
    handoff_store::migrate(url).await.map_err(EmbeddedError::Store)?;
    let mut store = handoff_store::open(url, Options::default()).await.map_err(EmbeddedError::Store)?;
    let recorders = Arc::new(Recorders::new(key.clone()));
    open_log(&mut store, &recorders, clock.now()).await.map_err(EmbeddedError::Start)?;
    let vault = Arc::new(Vault::new(&ids::random(), &[]));
    let tree = Arc::new(Tree::new(recorders, None, None));
    Engine::start(store, organisations, vault, tree, clock).await.map_err(EmbeddedError::Start)
}
