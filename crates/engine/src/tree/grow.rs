//! The task that grows the tree behind the published head, notes heads and signs them.

use super::{Halt, Mark, MarkError, ProofError, Tree, complete_at};
use crate::engine::Engine;
use crate::leaves::is_urgent;
use handoff_domain::time::{Millis, SECOND};
use handoff_evidence::event::decode;
use handoff_evidence::merkle::{Edge, Hash, TileId, tiles_of_edge};
use handoff_evidence::note::{Checkpoint, Head};
use handoff_store::StoreError;
use handoff_store::rows::{TileRow, TreeHeadRow};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Heads are noted so often at most, unless something has to be provable at once.
pub const EVERY_MS: i64 = SECOND;
/// And so often where something does.
const URGENT_EVERY_MS: i64 = 50;
/// Complete tiles in one transaction: what a commit of commands may carry beside them.
const TILES_NOTED_MAX: usize = 64;
/// Pause after the database did not answer.
const RETRY_MS: i64 = SECOND;
/// Leaves or tiles read at once.
const PAGE_ROWS: u32 = 1_000;

/// Why the tree did not grow.
#[derive(Debug, thiserror::Error)]
pub(super) enum GrowError {
    /// The store does not answer; it is asked again.
    #[error("the store cannot be read")]
    Store(#[source] StoreError),
    /// The writer has not taken it in; it is asked again.
    #[error("the writer did not note the head")]
    NotNoted,
    /// The published log is not what is read; it is asked again.
    #[error("the log ends before the published head")]
    Elsewhere,
    /// Nothing more is signed.
    #[error("halted: {0:?}")]
    Halted(Halt),
}

impl From<StoreError> for GrowError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Grows the tree until told to stop.
pub async fn run(engine: Engine, stop: CancellationToken) {
    let (clock, tree) = (engine.clock(), engine.tree().clone());
    let mut grower = Grower { engine: &engine, tree: &tree, resumed: false, noted_at: Millis(0), urgent: false };
    let mut head = engine.published().watch();
    loop {
        let step = tokio::select! {
            () = stop.cancelled() => return,
            step = grower.step() => step,
        };
        let pause = match step {
            Ok(pause) => pause,
            Err(GrowError::Halted(halt)) => {
                if tree.shown().halted.is_none() {
                    tree.halt(halt);
                }
                stop.cancelled().await;
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "the tree waits for the database");
                Some(RETRY_MS)
            }
        };
        let wait = async {
            match pause {
                Some(pause) => clock.sleep_until(clock.now().plus(pause)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            // What comes now may be urgent, so every move of the head is looked at.
            moved = head.changed() => if moved.is_err() { return },
            () = tree.wanted.notified() => grower.urgent = true,
            () = wait => {}
        }
    }
}

struct Grower<'e> {
    engine: &'e Engine,
    tree: &'e Tree,
    resumed: bool,
    noted_at: Millis,
    /// A leaf that is not covered by a noted head is urgent.
    urgent: bool,
}

impl Grower<'_> {
    /// Takes in what is published and notes a head where it is time. Milliseconds to wait for the next one; none where
    /// everything is noted.
    async fn step(&mut self) -> Result<Option<i64>, GrowError> {
        if let Some(halt) = self.tree.shown().halted {
            return Err(GrowError::Halted(halt));
        }
        if !self.resumed {
            self.resume().await?;
            self.resumed = true;
        }
        let until = self.engine.published().head();
        self.take_in(until).await?;
        let signed = self.tree.shown.borrow().signed.as_ref().map_or(0, |signed| signed.head.size);
        if self.tree.grown().edge.size() <= signed {
            return Ok(None);
        }
        let waited = self.engine.clock().now().since(self.noted_at);
        // Heads that come too close are signed by one witness and not the other.
        let pause = if self.urgent { URGENT_EVERY_MS } else { EVERY_MS };
        if (0..pause).contains(&waited) {
            return Ok(Some(pause - waited));
        }
        self.note().await?;
        Ok(None)
    }

    /// Finds the tree as it was left: from the tiles of the last noted head and the leaves after them.
    async fn resume(&mut self) -> Result<(), GrowError> {
        let reader = self.engine.reader();
        // What lies above the published head is not known to last.
        let noted = reader.tree_head(self.engine.published().head()).await?;
        let size = noted.map_or(0, |noted| noted.size);
        // A head is noted with the tiles that are complete in it, in one transaction.
        let full = size & !0xff;
        let mut tiles = BTreeMap::new();
        for id in tiles_of_edge(full) {
            if let Some(row) = reader.tile(id.level, id.number).await? {
                tiles.insert(id, hashes(&row));
            }
        }
        let edge = Edge::resume(full, |id| tiles.get(&id).cloned()).map_err(|_| GrowError::Halted(Halt::Changed))?;
        {
            let mut grown = self.tree.grown();
            grown.edge = edge;
            grown.pending.clear();
        }
        self.read(size).await?;
        let Some(noted) = noted else { return self.check_mark(0).await };
        let head = Head { size, root: noted.root };
        if self.tree.grown().edge.root() != head.root {
            return Err(GrowError::Halted(Halt::Changed));
        }
        self.check_mark(size).await?;
        self.sign(head).await?;
        match self.tree.witnesses() {
            Some(witnesses) => Ok(witnesses.look(self.tree, reader).await?),
            None => Ok(()),
        }
    }

    /// What was shown must be the beginning of what is noted.
    async fn check_mark(&self, noted: u64) -> Result<(), GrowError> {
        let Some(file) = &self.tree.mark else { return Ok(()) };
        let mark = beside({
            let file = file.clone();
            move || file.read()
        });
        let mark = mark.await?;
        if mark.is_none() && noted > 0 {
            tracing::error!("there is no mark of the tree, though heads were signed; see `handoff db mark`");
            return Err(GrowError::Halted(Halt::Mark));
        }
        // The mark of another log says nothing of this one: its key was replaced.
        let origin = self.tree.recorders.log().origin();
        let Some(Mark { head, .. }) = mark.filter(|mark| mark.origin == origin) else { return Ok(()) };
        if noted < head.size {
            return Err(GrowError::Halted(Halt::Behind));
        }
        match self.tree.root(self.engine.reader(), head.size).await {
            Ok(root) if root == head.root => Ok(()),
            Ok(_) | Err(ProofError::Tree(_) | ProofError::Larger(_)) => Err(GrowError::Halted(Halt::Changed)),
            Err(ProofError::Store(error)) => Err(GrowError::Store(error)),
        }
    }

    /// Takes in the published leaves up to a position.
    async fn take_in(&mut self, until: u64) -> Result<(), GrowError> {
        let size = self.tree.grown().edge.size();
        if size >= until {
            return Ok(());
        }
        let Some(leaves) = self.engine.published().leaves_from(size) else {
            return self.read(until).await;
        };
        let mut grown = self.tree.grown();
        for leaf in leaves {
            self.urgent |= leaf.urgent;
            grown.push(leaf.hash);
        }
        Ok(())
    }

    /// Reads leaves from the store up to a position.
    async fn read(&mut self, until: u64) -> Result<(), GrowError> {
        loop {
            let size = self.tree.grown().edge.size();
            if size >= until {
                return Ok(());
            }
            let rows = self.engine.reader().events_from(size, PAGE_ROWS).await?;
            // A reader of another server than the writer's, in the midst of a failover.
            if rows.first().is_none_or(|row| row.position != size) {
                return Err(GrowError::Elsewhere);
            }
            for row in rows.iter().filter(|row| row.position < until) {
                let (event, _) = decode(&row.bytes).map_err(|_| GrowError::Halted(Halt::Changed))?;
                let leaf = self.tree.recorders.stored(&event.actor.org, row.hash, row.leaf);
                self.urgent |= is_urgent(&event.body);
                self.tree.grown().push(leaf.hash());
            }
        }
    }

    /// Notes the head in the database with the tiles complete in it, then signs what stands there.
    async fn note(&mut self) -> Result<(), GrowError> {
        let now = self.engine.clock().now();
        let (size, root, mut tiles) = {
            let grown = self.tree.grown();
            let tiles: Vec<_> = grown.pending.iter().map(|(id, hashes)| row(*id, hashes)).collect();
            (grown.edge.size(), grown.edge.root(), tiles)
        };
        // After a long halt there are many: a few with each commit, and the head last.
        while tiles.len() > TILES_NOTED_MAX {
            let some = tiles.split_off(tiles.len() - TILES_NOTED_MAX);
            self.engine.note_tree(some, None, Vec::new()).await.map_err(|_| GrowError::NotNoted)?;
        }
        let head = TreeHeadRow { size, root, at: now };
        self.engine.note_tree(tiles, Some(head), Vec::new()).await.map_err(|_| GrowError::NotNoted)?;
        self.tree.grown().pending.retain(|id, _| complete_at(*id) > size);
        let stored = self.engine.reader().tree_head(size).await?.filter(|stored| stored.size == size);
        match stored {
            Some(stored) if stored.root == root => {}
            Some(_) => return Err(GrowError::Halted(Halt::Fork)),
            None => return Err(GrowError::NotNoted),
        }
        (self.noted_at, self.urgent) = (now, false);
        self.sign(Head { size, root }).await
    }

    /// Signs a head that stands in the database, keeps its mark, and only then shows it.
    async fn sign(&self, head: Head) -> Result<(), GrowError> {
        let signed = Checkpoint::sign(self.tree.recorders.log(), head);
        if let Some(file) = self.tree.mark.clone() {
            let mark = Mark { origin: signed.origin.clone(), head };
            beside(move || file.write(&mark)).await?;
        }
        self.tree.shown.send_modify(|shown| shown.signed = Some(Arc::new(signed)));
        Ok(())
    }
}

/// What waits for a disk does so on a thread of its own: a slow one holds up nobody else.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MarkError> + Send + 'static,
) -> Result<T, GrowError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(mark_failed(&error)),
        // The runtime ends.
        Err(_) => Err(GrowError::NotNoted),
    }
}

fn mark_failed(error: &MarkError) -> GrowError {
    tracing::error!(%error, "the mark of the tree cannot be used");
    GrowError::Halted(Halt::Mark)
}

fn row(id: TileId, hashes: &[Hash]) -> TileRow {
    TileRow { level: id.level, number: id.number, hashes: hashes.concat().into() }
}

/// The hashes of a stored tile.
pub(super) fn hashes(row: &TileRow) -> Vec<Hash> {
    row.hashes.as_chunks::<32>().0.to_vec()
}
