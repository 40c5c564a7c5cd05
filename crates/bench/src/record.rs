//! Keeps every batch the engine writes, so that a floor can write the very same rows.

use crate::setup::SIDES;
use crate::story::{AGREED_AT, Plot, Story};
use crate::way::{Embedded, Way};
use anyhow::Context;
use handoff_domain::caller::OrgKind;
use handoff_domain::ids::OrgId;
use handoff_engine::clock::SystemClock;
use handoff_engine::recorders::Recorders;
use handoff_engine::tree::Tree;
use handoff_engine::vault::Vault;
use handoff_engine::writer::Fatal;
use handoff_engine::{Engine, Organisation};
use handoff_evidence::log::LogKey;
use handoff_store::rows::Head;
use handoff_store::{AppendError, Appended, Batch, Lineage, Options, Pending, Store, StoreError, WalState, Writer};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The batches kept.
#[derive(Clone, Default)]
pub(crate) struct Kept(Arc<Mutex<Vec<Batch>>>);

impl Kept {
    /// Takes what was kept.
    pub(crate) fn take(&self) -> Vec<Batch> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A writer that keeps what it writes.
pub(crate) struct Recording {
    pub(crate) inner: Box<dyn Writer>,
    pub(crate) kept: Kept,
}

impl Writer for Recording {
    fn append<'a>(&'a mut self, batch: &'a Batch) -> Pending<'a, Result<Appended, AppendError>> {
        Box::pin(async move {
            let appended = self.inner.append(batch).await?;
            self.kept.0.lock().unwrap_or_else(PoisonError::into_inner).push(batch.clone());
            Ok(appended)
        })
    }

    fn head(&mut self) -> Pending<'_, Result<Head, StoreError>> {
        self.inner.head()
    }

    fn settle(&mut self) -> Pending<'_, Result<Head, StoreError>> {
        self.inner.settle()
    }

    fn hold(&mut self) -> Pending<'_, Result<Head, StoreError>> {
        self.inner.hold()
    }

    fn release(&mut self) -> Pending<'_, Result<(), StoreError>> {
        self.inner.release()
    }

    fn lineage(&mut self) -> Pending<'_, Result<Lineage, StoreError>> {
        self.inner.lineage()
    }

    fn reopen(&mut self) -> Pending<'_, Result<(), StoreError>> {
        self.inner.reopen()
    }

    fn tidy(&mut self) -> Pending<'_, Result<WalState, StoreError>> {
        self.inner.tidy()
    }

    fn idle(&mut self) -> Pending<'_, Result<WalState, StoreError>> {
        self.inner.idle()
    }

    fn close(self: Box<Self>) -> Pending<'static, Result<(), StoreError>> {
        self.inner.close()
    }
}

/// An engine of this process on a furnished database, what it writes, and the task of its writer.
pub(crate) async fn engine(url: &str) -> anyhow::Result<(Engine, Kept, JoinHandle<Result<(), Fatal>>)> {
    let Store { writer, reader, unclean, shared } = handoff_store::open(url, Options::default()).await?;
    let kept = Kept::default();
    let writer = Box::new(Recording { inner: writer, kept: kept.clone() });
    let store = Store { writer, reader, unclean, shared };
    let organisations = SIDES.iter().map(|(org, _)| OrgId::new(org));
    let organisations = organisations.map(|id| id.map(|id| Organisation { id, kind: OrgKind::Party }));
    let organisations: Option<Vec<_>> = organisations.collect();
    let organisations = organisations.context("a name that is no organisation")?;
    let vault = Arc::new(Vault::new(&[7; 32], &[]));
    let recorders = Arc::new(Recorders::new(LogKey::from_seed(&[7; 32])));
    let tree = Arc::new(Tree::new(recorders, None, None));
    let (engine, run) = Engine::start(store, organisations, vault, tree, Arc::new(SystemClock)).await?;
    Ok((engine, kept, tokio::spawn(run)))
}

/// Instants are in milliseconds.
const TICK: Duration = Duration::from_millis(2);

/// Plays one incident of each plot to its end; the batches of each, one for each command.
pub(crate) async fn plays(url: &str, plots: &[Plot]) -> anyhow::Result<Vec<Vec<Batch>>> {
    let (engine, kept, running) = engine(url).await?;
    let way = Embedded(engine);
    let mut plays = Vec::new();
    for plot in plots {
        kept.take();
        let mut story = Story::of(*plot, 0);
        while let Some((step, who, ask)) = story.next() {
            // Each command has an instant of its own, by which the others of the story can name it.
            tokio::time::sleep(TICK).await;
            way.ask(who, ask).await.map_err(|word| anyhow::anyhow!("step {step} of {plot:?}: {word}"))?;
            if step == AGREED_AT {
                story.statement = way.statement(&story).await.map_err(|word| anyhow::anyhow!("statement: {word}"))?;
            }
        }
        plays.push(kept.take());
    }
    drop(way);
    running.await??;
    Ok(plays)
}
