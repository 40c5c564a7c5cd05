//! The right edge of a growing tree.

use super::{Hash, MerkleError, TILE_HASHES, TILE_HEIGHT, Tile, TileId, complete, empty_root, joined};

/// The unfinished tile of every level: all that is needed to grow the tree and to tell its root. At most 256 hashes a
/// level; a tree of 10^8 leaves has 4 levels.
///
/// A clone is cheap (some kB), so whoever writes grows a clone and keeps it when its transaction stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    /// Lowest level first; at each level what its unfinished tile holds, possibly nothing.
    levels: Vec<Vec<Hash>>,
}

impl Edge {
    /// The tree without leaves.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge of a stored tree of `size` leaves. Asks for the tiles of
    /// [`tiles_of_edge`](super::tiles_of_edge): full ones, and at level 0 the unfinished one, which is the leaf
    /// hashes from `size − size mod 256` on.
    ///
    /// Compare [`root`](Self::root) with the newest signed head before growing it: nothing else says that the tiles
    /// are those of this log.
    ///
    /// # Errors
    /// [`MerkleError::Tile`] names a tile that is missing or too short.
    pub fn resume(size: u64, tiles: impl Fn(TileId) -> Option<Vec<Hash>>) -> Result<Self, MerkleError> {
        let mut levels: Vec<Vec<Hash>> = Vec::new();
        let mut level = 0_u8;
        // How many hashes this level of tiles has in all.
        let mut count = size;
        while count > 0 {
            let (number, filled) = (count >> TILE_HEIGHT, count % TILE_HASHES as u64);
            let first = number << TILE_HEIGHT;
            let hashes = match level.checked_sub(1) {
                None if filled == 0 => Vec::new(),
                None => part(&tiles, TileId { level, number }, filled)?,
                // A hash of this level is the root of a full tile below.
                Some(below) => (first..first + filled)
                    .map(|number| {
                        let id = TileId { level: below, number };
                        complete(&part(&tiles, id, TILE_HASHES as u64)?).ok_or(MerkleError::Tile(id))
                    })
                    .collect::<Result<_, _>>()?,
            };
            levels.push(hashes);
            level = level.saturating_add(1);
            count = number;
        }
        Ok(Self { size, levels })
    }

    /// Leaves in the tree; also the index of the next one.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the tree; [`empty_root`] without leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.levels.iter().fold(None, |right, level| joined(level, right)).unwrap_or_else(empty_root)
    }

    /// Adds a leaf by its hash. Returns the tiles that are full now, the lowest level first; the caller stores them
    /// with the leaf.
    pub fn push(&mut self, leaf: Hash) -> Vec<Tile> {
        let mut full = Vec::new();
        let mut number = self.size >> TILE_HEIGHT;
        self.size = self.size.saturating_add(1);
        let mut next = Some(leaf);
        let mut level = 0_u8;
        while let Some(hash) = next.take() {
            if usize::from(level) == self.levels.len() {
                self.levels.push(Vec::with_capacity(TILE_HASHES));
            }
            let Some(tile) = self.levels.get_mut(usize::from(level)) else { break };
            tile.push(hash);
            if tile.len() == TILE_HASHES {
                let hashes = std::mem::replace(tile, Vec::with_capacity(TILE_HASHES));
                next = complete(&hashes);
                full.push(Tile { id: TileId { level, number }, hashes });
            }
            level = level.saturating_add(1);
            number >>= TILE_HEIGHT;
        }
        full
    }

    /// An unfinished tile as far as it is filled, if it holds anything.
    #[must_use]
    pub fn tile(&self, id: TileId) -> Option<&[Hash]> {
        let tile = self.levels.get(usize::from(id.level))?;
        let number = self.size.checked_shr(TILE_HEIGHT * (u32::from(id.level) + 1)).unwrap_or(0);
        (number == id.number && !tile.is_empty()).then_some(tile)
    }
}

/// The first hashes of a tile.
fn part(tiles: impl Fn(TileId) -> Option<Vec<Hash>>, id: TileId, filled: u64) -> Result<Vec<Hash>, MerkleError> {
    let mut hashes = tiles(id).filter(|hashes| hashes.len() <= TILE_HASHES).ok_or(MerkleError::Tile(id))?;
    let filled = usize::try_from(filled).map_err(|_| MerkleError::Tile(id))?;
    if hashes.len() < filled {
        return Err(MerkleError::Tile(id));
    }
    hashes.truncate(filled);
    Ok(hashes)
}
