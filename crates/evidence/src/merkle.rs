//! The Merkle tree over the log (evidence, 4): RFC 6962 with SHA-256, stored in tiles 256 hashes wide as in C2SP
//! tlog-tiles, proofs made from tiles, and their verification (RFC 9162, 2.1.3.2 and 2.1.4.2).
//!
//! Tiles come from a database, so a proof takes two steps: which tiles it needs (`tiles_of_…`), then the proof from
//! them. A tile may be handed in fuller than the tree of that proof had it: nobody re-makes an old unfinished tile.

mod edge;
mod proof;
mod verify;

pub use edge::Edge;
pub use proof::{consistency, inclusion, root, tiles_of_consistency, tiles_of_edge, tiles_of_inclusion, tiles_of_root};
pub use verify::{verify_consistency, verify_inclusion};

use sha2::{Digest as _, Sha256};

/// A hash of the tree.
pub type Hash = [u8; 32];

/// Hashes in a full tile; a tile is the bottom of a complete subtree of this width.
pub const TILE_HASHES: usize = 256;

/// Levels of the tree in one level of tiles: 2^8 = [`TILE_HASHES`].
const TILE_HEIGHT: u32 = 8;

/// Most hashes in an inclusion path: one for each level of a tree of 2^63 leaves.
pub const PATH_MAX: usize = 63;

/// Which tile: the hashes number `256 · number` to `256 · number + 255` of the complete subtrees of
/// `256^level` leaves. Level 0 holds leaf hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Level of tiles, from 0 to 7.
    pub level: u8,
    /// Number in its level, from 0.
    pub number: u64,
}

impl std::fmt::Display for TileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.level, self.number)
    }
}

/// A full tile, to be stored: it never changes again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Which one.
    pub id: TileId,
    /// Its [`TILE_HASHES`] hashes.
    pub hashes: Vec<Hash>,
}

/// Why there is no proof, or why one does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MerkleError {
    /// The leaf is not in the tree.
    #[error("a tree of {size} leaves has no leaf {index}")]
    Index {
        /// The leaf's index, from 0.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The older tree is the larger one.
    #[error("a tree of {old} leaves is not older than one of {new}")]
    Sizes {
        /// Leaves in the older tree.
        old: u64,
        /// Leaves in the newer tree.
        new: u64,
    },
    /// A tile is missing, or has fewer hashes than are needed, or more than a tile has.
    #[error("tile {0} is missing or cut short")]
    Tile(TileId),
    /// The proof has more or fewer hashes than a proof between these numbers has.
    #[error("the proof is too long or too short")]
    Length,
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Hash of a leaf: SHA-256 of a zero byte and the leaf.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Sha256::new_with_prefix([0]).chain_update(leaf).finalize().into()
}

/// Hash of a node: SHA-256 of a one byte and the hashes below it.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
}

/// Root of the tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// Root over `hashes` and whatever stands to their right; none when there is nothing.
fn joined(hashes: &[Hash], right: Option<Hash>) -> Option<Hash> {
    // A complete subtree for each bit of the length, the smallest first, joined from the right.
    let (mut rest, mut root) = (hashes, right);
    while !rest.is_empty() {
        let (before, subtree) = rest.split_at_checked(rest.len() - (1 << rest.len().trailing_zeros()))?;
        root = join(complete(subtree), root);
        rest = before;
    }
    root
}

/// Root of a complete subtree over `hashes`, whose number is a power of two.
fn complete(hashes: &[Hash]) -> Option<Hash> {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    row.first().copied()
}

/// The node over a subtree and what stands to its right, if anything does.
fn join(left: Option<Hash>, right: Option<Hash>) -> Option<Hash> {
    match (left, right) {
        (Some(left), Some(right)) => Some(node_hash(&left, &right)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
