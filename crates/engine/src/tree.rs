//! The tree over the log: grown behind the published head, noted, then signed (evidence, 4 and 5).
//!
//! Leaves are written with their events, in the same transaction; so the tree is an index that can always be made
//! again, and nothing in the way of a command waits for it. A head is **noted** in the database before it is signed, and
//! signed only as it stands there: two replicas that note one size sign the same root, or neither does. Before it is
//! shown to anybody its mark is kept outside the database, so that a database brought back from a backup is known
//! behind what was shown, and no second tree is signed over the same numbers.
//!
//! Whatever is wrong here stops the signing and sounds the alarm; it never stops an incident from being handled.

mod bundle;
mod grow;
mod mark;
mod proof;
mod witnesses;

pub use bundle::{Disclosures, ExportError, export};
pub use grow::{EVERY_MS, run};
pub use mark::{Mark, MarkError, MarkFile};
pub use proof::ProofError;
pub use witnesses::{CosignError, Refused, Standing, Witnesses};

use crate::recorders::Recorders;
use handoff_domain::ids::OrgId;
use handoff_evidence::leaf::RecorderKey;
use handoff_evidence::merkle::{Edge, Hash, Tile, TileId};
use handoff_evidence::note::Checkpoint;
use handoff_evidence::policy::Policy;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// Why no head is signed any more until somebody has looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// The database holds less than was shown: it was brought back from a backup, or a standby without the end was
    /// promoted.
    Behind,
    /// The leaves do not give the root that was noted: another log key, or a log that was changed.
    Changed,
    /// A head of the same size with another root is noted.
    Fork,
    /// The mark cannot be read or written.
    Mark,
}

impl Halt {
    /// Its word in metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Behind => "behind",
            Self::Changed => "changed",
            Self::Fork => "fork",
            Self::Mark => "mark",
        }
    }
}

/// What is shown of the tree.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The newest signed head, without witnesses' lines.
    pub signed: Option<Arc<Checkpoint>>,
    /// Why nothing more is signed.
    pub halted: Option<Halt>,
}

/// The right edge, and complete tiles that are not known to be stored.
#[derive(Debug, Default)]
struct Grown {
    edge: Edge,
    pending: BTreeMap<TileId, Vec<Hash>>,
}

/// The tree of a running service.
#[derive(Debug)]
pub struct Tree {
    recorders: Arc<Recorders>,
    mark: Option<MarkFile>,
    witnesses: Option<Witnesses>,
    grown: Mutex<Grown>,
    shown: watch::Sender<Shown>,
    /// Somebody waits for a head over what is there now.
    wanted: Notify,
}

impl Tree {
    /// Nothing known yet; [`run`] finds out. Without a mark file a database from a backup is not noticed, without a policy
    /// no witness is known.
    #[must_use]
    pub fn new(recorders: Arc<Recorders>, mark: Option<MarkFile>, policy: Option<Policy>) -> Self {
        let (grown, shown) = (Mutex::default(), watch::Sender::default());
        Self { recorders, mark, witnesses: policy.map(Witnesses::new), grown, shown, wanted: Notify::new() }
    }

    /// The policy and its witnesses, where one is configured.
    #[must_use]
    pub fn witnesses(&self) -> Option<&Witnesses> {
        self.witnesses.as_ref()
    }

    /// So many entries of the log a quorum of witnesses has signed, as far as this replica knows; 0 without witnesses.
    #[must_use]
    pub fn proven_size(&self) -> u64 {
        self.witnesses().map_or(0, |witnesses| *witnesses.proven().borrow())
    }

    /// What is shown now, and each change of it.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Shown> {
        self.shown.subscribe()
    }

    /// Has a head over what is published now signed at once, instead of within the second.
    pub fn hurry(&self) {
        self.wanted.notify_one();
    }

    /// Nothing more is signed until somebody has looked.
    pub(crate) fn halt(&self, halt: Halt) {
        tracing::error!(reason = halt.as_str(), "no head of the tree is signed any more");
        self.shown.send_modify(|shown| shown.halted = Some(halt));
    }

    /// What is shown now.
    #[must_use]
    pub fn shown(&self) -> Shown {
        self.shown.borrow().clone()
    }

    /// The log's key and the recorders'.
    #[must_use]
    pub fn recorders(&self) -> &Arc<Recorders> {
        &self.recorders
    }

    /// The log's public key.
    #[must_use]
    pub fn log_public(&self) -> [u8; 32] {
        self.recorders.log().public()
    }

    /// The recorder key of an organisation.
    #[must_use]
    pub fn recorder(&self, org: &OrgId) -> Arc<RecorderKey> {
        self.recorders.of(org)
    }

    fn grown(&self) -> MutexGuard<'_, Grown> {
        self.grown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grown {
    /// A tile as far as memory has it.
    fn tile(&self, id: TileId) -> Option<Vec<Hash>> {
        self.pending.get(&id).cloned().or_else(|| self.edge.tile(id).map(<[Hash]>::to_vec))
    }

    fn push(&mut self, leaf: Hash) {
        for Tile { id, hashes } in self.edge.push(leaf) {
            self.pending.insert(id, hashes);
        }
    }
}

/// Leaves of the tree once a tile is complete.
fn complete_at(id: TileId) -> u64 {
    let shift = 8 * (u32::from(id.level) + 1);
    (id.number + 1).saturating_mul(1_u64.checked_shl(shift).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
