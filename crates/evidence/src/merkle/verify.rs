//! Proofs checked without the tree (RFC 9162, 2.1.3.2 and 2.1.4.2).

use super::{Hash, MerkleError, empty_root, node_hash};

/// Where a proof stands while it climbs from the bottom to the root: the number of the node it is at, and that of the
/// last node of the same row.
struct Climb {
    node: u64,
    last: u64,
}

impl Climb {
    /// Whether the next hash of the proof stands to the left of the node: it is a right child, or the last node of a
    /// row and without a sibling, which is the right child of a later row.
    fn goes_left(&self) -> bool {
        self.node & 1 == 1 || self.node == self.last
    }

    fn up(&mut self) {
        self.node >>= 1;
        self.last >>= 1;
    }

    /// Past the rows where the node is a left child.
    fn skip_left(&mut self) {
        while self.node & 1 == 0 && self.node > 0 {
            self.up();
        }
    }
}

/// Checks that a leaf of this hash is number `index` in the tree of `size` leaves with root `root`.
///
/// # Errors
/// [`MerkleError::Index`], [`MerkleError::Length`] or [`MerkleError::Root`].
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), MerkleError> {
    let Some(last) = size.checked_sub(1).filter(|last| index <= *last) else {
        return Err(MerkleError::Index { index, size });
    };
    let mut at = Climb { node: index, last };
    let mut hash = *leaf_hash;
    for other in path {
        if at.last == 0 {
            return Err(MerkleError::Length);
        }
        if at.goes_left() {
            hash = node_hash(other, &hash);
            at.skip_left();
        } else {
            hash = node_hash(&hash, other);
        }
        at.up();
    }
    if at.last != 0 {
        return Err(MerkleError::Length);
    }
    if hash == *root { Ok(()) } else { Err(MerkleError::Root) }
}

/// Checks that the tree of `old` leaves with root `old_root` is the beginning of the tree of `new` leaves with root
/// `new_root`. Every tree begins with the one without leaves; its proof is empty, and so is that of a tree and itself.
///
/// # Errors
/// [`MerkleError::Sizes`], [`MerkleError::Length`] or [`MerkleError::Root`].
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    path: &[Hash],
) -> Result<(), MerkleError> {
    if old > new {
        return Err(MerkleError::Sizes { old, new });
    }
    if old == 0 || old == new {
        let holds = (old > 0 || *old_root == empty_root()) && (old < new || old_root == new_root);
        return match path {
            [] if holds => Ok(()),
            [] => Err(MerkleError::Root),
            [..] => Err(MerkleError::Length),
        };
    }
    let mut at = Climb { node: old - 1, last: new - 1 };
    while at.node & 1 == 1 {
        at.up();
    }
    // A complete older tree is a node of the newer one, so that its root is not repeated in the proof.
    let (first, rest) =
        if old.is_power_of_two() { (old_root, path) } else { path.split_first().ok_or(MerkleError::Length)? };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for other in rest {
        if at.last == 0 {
            return Err(MerkleError::Length);
        }
        if at.goes_left() {
            old_hash = node_hash(other, &old_hash);
            new_hash = node_hash(other, &new_hash);
            at.skip_left();
        } else {
            new_hash = node_hash(&new_hash, other);
        }
        at.up();
    }
    if at.last != 0 {
        return Err(MerkleError::Length);
    }
    if old_hash == *old_root && new_hash == *new_root { Ok(()) } else { Err(MerkleError::Root) }
}
