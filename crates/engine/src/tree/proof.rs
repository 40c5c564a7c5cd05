//! Proofs from the tiles: the complete ones from the store, the others from memory.

use super::Tree;
use super::grow::hashes;
use handoff_evidence::merkle::{self, Hash, MerkleError, TileId};
use handoff_store::{Reader, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The store does not answer.
    #[error("the store cannot be read")]
    Store(#[source] StoreError),
    /// The tree has no such leaf or size, or a tile of it is missing.
    #[error("no such proof")]
    Tree(#[source] MerkleError),
    /// The tree is not that large yet.
    #[error("the tree has only {0} leaves")]
    Larger(u64),
}

impl Tree {
    /// The path from a leaf to the root of the first `size` leaves.
    ///
    /// # Errors
    /// [`ProofError`].
    pub async fn inclusion(&self, reader: &dyn Reader, index: u64, size: u64) -> Result<Vec<Hash>, ProofError> {
        let wanted = merkle::tiles_of_inclusion(index, size).map_err(ProofError::Tree)?;
        let tiles = self.tiles(reader, size, wanted).await?;
        merkle::inclusion(index, size, &tiles).map_err(ProofError::Tree)
    }

    /// The paths of several leaves; a tile that many of them need is read once.
    ///
    /// # Errors
    /// [`ProofError`].
    pub async fn inclusions(
        &self,
        reader: &dyn Reader,
        indices: &[u64],
        size: u64,
    ) -> Result<Vec<Vec<Hash>>, ProofError> {
        let mut wanted = BTreeSet::new();
        for index in indices {
            wanted.extend(merkle::tiles_of_inclusion(*index, size).map_err(ProofError::Tree)?);
        }
        let tiles = self.tiles(reader, size, wanted).await?;
        indices.iter().map(|index| merkle::inclusion(*index, size, &tiles).map_err(ProofError::Tree)).collect()
    }

    /// The proof that the tree of `old` leaves is the beginning of that of `new` leaves.
    ///
    /// # Errors
    /// [`ProofError`].
    pub async fn consistency(&self, reader: &dyn Reader, old: u64, new: u64) -> Result<Vec<Hash>, ProofError> {
        let wanted = merkle::tiles_of_consistency(old, new).map_err(ProofError::Tree)?;
        let tiles = self.tiles(reader, new, wanted).await?;
        merkle::consistency(old, new, &tiles).map_err(ProofError::Tree)
    }

    /// The root of the first `size` leaves.
    pub(super) async fn root(&self, reader: &dyn Reader, size: u64) -> Result<Hash, ProofError> {
        let tiles = self.tiles(reader, size, merkle::tiles_of_root(size)).await?;
        merkle::root(size, &tiles).map_err(ProofError::Tree)
    }

    async fn tiles(
        &self,
        reader: &dyn Reader,
        size: u64,
        wanted: BTreeSet<TileId>,
    ) -> Result<BTreeMap<TileId, Vec<Hash>>, ProofError> {
        let mut found = BTreeMap::new();
        let mut stored = Vec::new();
        {
            let grown = self.grown();
            if grown.edge.size() < size {
                return Err(ProofError::Larger(grown.edge.size()));
            }
            for id in wanted {
                match grown.tile(id) {
                    Some(hashes) => drop(found.insert(id, hashes)),
                    None => stored.push(id),
                }
            }
        }
        for id in stored {
            if let Some(row) = reader.tile(id.level, id.number).await.map_err(ProofError::Store)? {
                found.insert(id, hashes(&row));
            }
        }
        Ok(found)
    }
}
