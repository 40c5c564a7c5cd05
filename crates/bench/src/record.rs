//! Keeps every batch the engine writes, so that a floor can write the very same rows.

use handoff_store::rows::Head;
use handoff_store::{AppendError, Appended, Batch, Pending, StoreError, WalState, Writer};
use std::sync::{Arc, Mutex, PoisonError};

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
