//! Roots and proofs made from tiles, for the tree of today and every older one.

use super::{Hash, MerkleError, TILE_HASHES, TILE_HEIGHT, TileId, complete, empty_root, join};
use std::collections::{BTreeMap, BTreeSet};

/// Leaves `from` to `to − 1`, as the recursion of RFC 6962 cuts them: `from` is a multiple of the smallest power of
/// two that is not below the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    from: u64,
    to: u64,
}

impl Range {
    /// Where the recursion splits: the largest power of two below the length. For two leaves and more.
    fn split(self) -> u64 {
        let last = self.to - self.from - 1;
        self.from + (1 << (u64::BITS - 1).saturating_sub(last.leading_zeros()))
    }

    /// The complete subtrees of this range, the smallest, rightmost first.
    fn subtrees(self) -> impl Iterator<Item = Subtree> {
        let mut to = self.to;
        std::iter::from_fn(move || {
            let left = to - self.from;
            let height = left.trailing_zeros();
            to = to.checked_sub(1_u64.checked_shl(height)?)?;
            Some(Subtree { height, number: to >> height })
        })
    }

    fn tiles(self) -> impl Iterator<Item = TileId> {
        self.subtrees().map(Subtree::tile)
    }

    fn root(self, tiles: &BTreeMap<TileId, Vec<Hash>>) -> Result<Hash, MerkleError> {
        let mut root = None;
        for subtree in self.subtrees() {
            root = join(Some(subtree.root(tiles)?), root);
        }
        Ok(root.unwrap_or_else(empty_root))
    }
}

/// The complete subtree over the leaves `number · 2^height` to `(number + 1) · 2^height − 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Subtree {
    height: u32,
    number: u64,
}

impl Subtree {
    /// The tile that holds the hashes this subtree is made of.
    fn tile(self) -> TileId {
        let level = u8::try_from(self.height / TILE_HEIGHT).unwrap_or(u8::MAX);
        TileId { level, number: self.number >> (TILE_HEIGHT - self.height % TILE_HEIGHT) }
    }

    fn root(self, tiles: &BTreeMap<TileId, Vec<Hash>>) -> Result<Hash, MerkleError> {
        let id = self.tile();
        let width = 1_usize << (self.height % TILE_HEIGHT);
        let within = (self.number << (self.height % TILE_HEIGHT)) % TILE_HASHES as u64;
        let start = usize::try_from(within).map_err(|_| MerkleError::Tile(id))?;
        let tile = tiles.get(&id).filter(|tile| tile.len() <= TILE_HASHES);
        tile.and_then(|tile| complete(tile.get(start..start + width)?)).ok_or(MerkleError::Tile(id))
    }
}

/// The ranges whose roots are the inclusion path, from the root down.
fn inclusion_ranges(index: u64, size: u64) -> Result<Vec<Range>, MerkleError> {
    if index >= size {
        return Err(MerkleError::Index { index, size });
    }
    let mut ranges = Vec::new();
    let mut of = Range { from: 0, to: size };
    while of.to - of.from > 1 {
        let split = of.split();
        let (left, right) = (Range { to: split, ..of }, Range { from: split, ..of });
        let (inside, sibling) = if index < split { (left, right) } else { (right, left) };
        ranges.push(sibling);
        of = inside;
    }
    Ok(ranges)
}

/// The ranges whose roots are the consistency proof, from the root down.
fn consistency_ranges(old: u64, new: u64) -> Result<Vec<Range>, MerkleError> {
    if old > new {
        return Err(MerkleError::Sizes { old, new });
    }
    let mut ranges = Vec::new();
    // From the tree without leaves, and from a tree to itself, there is nothing to prove.
    if old == 0 || old == new {
        return Ok(ranges);
    }
    let mut of = Range { from: 0, to: new };
    while of.to != old {
        let split = of.split();
        let (left, right) = (Range { to: split, ..of }, Range { from: split, ..of });
        let (edge, other) = if old <= split { (left, right) } else { (right, left) };
        ranges.push(other);
        of = edge;
    }
    // The older tree's own root is known to whoever checks.
    if of.from > 0 {
        ranges.push(of);
    }
    Ok(ranges)
}

/// The proof: roots of the ranges, the one deepest in the tree first.
fn roots(ranges: Vec<Range>, tiles: &BTreeMap<TileId, Vec<Hash>>) -> Result<Vec<Hash>, MerkleError> {
    ranges.into_iter().rev().map(|range| range.root(tiles)).collect()
}

/// The tiles that [`Edge::resume`](super::Edge::resume) asks for: up to 255 for every level of tiles but the topmost.
#[must_use]
pub fn tiles_of_edge(size: u64) -> BTreeSet<TileId> {
    let mut found = BTreeSet::new();
    if !size.is_multiple_of(TILE_HASHES as u64) {
        found.insert(TileId { level: 0, number: size >> TILE_HEIGHT });
    }
    let mut full = size >> TILE_HEIGHT;
    let mut level = 0_u8;
    while full > 0 {
        // The full tiles whose roots stand in the unfinished tile above.
        let above = full >> TILE_HEIGHT;
        found.extend((above << TILE_HEIGHT..full).map(|number| TileId { level, number }));
        level = level.saturating_add(1);
        full = above;
    }
    found
}

/// The tiles that [`root`] needs.
#[must_use]
pub fn tiles_of_root(size: u64) -> BTreeSet<TileId> {
    Range { from: 0, to: size }.tiles().collect()
}

/// The tiles that [`inclusion`] needs.
///
/// # Errors
/// [`MerkleError::Index`] when the tree has no such leaf.
pub fn tiles_of_inclusion(index: u64, size: u64) -> Result<BTreeSet<TileId>, MerkleError> {
    Ok(inclusion_ranges(index, size)?.into_iter().flat_map(Range::tiles).collect())
}

/// The tiles that [`consistency`] needs.
///
/// # Errors
/// [`MerkleError::Sizes`] when `old` is larger than `new`.
pub fn tiles_of_consistency(old: u64, new: u64) -> Result<BTreeSet<TileId>, MerkleError> {
    Ok(consistency_ranges(old, new)?.into_iter().flat_map(Range::tiles).collect())
}

/// Root of the tree of the first `size` leaves.
///
/// # Errors
/// [`MerkleError::Tile`] names a tile that is missing or too short.
pub fn root(size: u64, tiles: &BTreeMap<TileId, Vec<Hash>>) -> Result<Hash, MerkleError> {
    Range { from: 0, to: size }.root(tiles)
}

/// The inclusion path of leaf `index` in the tree of the first `size` leaves, the leaf's sibling first.
///
/// # Errors
/// [`MerkleError::Index`] when the tree has no such leaf; [`MerkleError::Tile`] names a tile that is missing or too
/// short.
pub fn inclusion(index: u64, size: u64, tiles: &BTreeMap<TileId, Vec<Hash>>) -> Result<Vec<Hash>, MerkleError> {
    roots(inclusion_ranges(index, size)?, tiles)
}

/// The proof that the tree of the first `old` leaves is the beginning of that of the first `new` leaves. Empty when
/// `old` is 0 or `new`.
///
/// # Errors
/// [`MerkleError::Sizes`] when `old` is larger than `new`; [`MerkleError::Tile`] names a tile that is missing or too
/// short.
pub fn consistency(old: u64, new: u64, tiles: &BTreeMap<TileId, Vec<Hash>>) -> Result<Vec<Hash>, MerkleError> {
    roots(consistency_ranges(old, new)?, tiles)
}
