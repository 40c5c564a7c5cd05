//! RFC 6962, 2.1 as it is written: recursion over the list of leaves, nothing clever but a memory.

use super::{Hash, leaf, node_hash};
use std::collections::HashMap;

pub(super) struct Naive {
    leaves: u64,
    known: HashMap<(u64, u64), Hash>,
}

/// The largest power of two below `n`.
fn split(n: u64) -> u64 {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

impl Naive {
    pub(super) fn of(leaves: u64) -> Self {
        Self { leaves, known: HashMap::new() }
    }

    pub(super) fn root(&mut self, size: u64) -> Hash {
        self.mth(0, size)
    }

    fn mth(&mut self, from: u64, to: u64) -> Hash {
        assert!(to <= self.leaves);
        match to - from {
            0 => return super::empty_root(),
            1 => return leaf(from),
            _ => {}
        }
        if let Some(known) = self.known.get(&(from, to)) {
            return *known;
        }
        let k = from + split(to - from);
        let hash = node_hash(&self.mth(from, k), &self.mth(k, to));
        self.known.insert((from, to), hash);
        hash
    }

    pub(super) fn path(&mut self, index: u64, size: u64) -> Vec<Hash> {
        self.path_in(index, 0, size)
    }

    fn path_in(&mut self, index: u64, from: u64, to: u64) -> Vec<Hash> {
        if to - from == 1 {
            return Vec::new();
        }
        let k = from + split(to - from);
        let (mut path, sibling) = if index < k {
            (self.path_in(index, from, k), self.mth(k, to))
        } else {
            (self.path_in(index, k, to), self.mth(from, k))
        };
        path.push(sibling);
        path
    }

    /// The proof of RFC 6962; empty where it defines none.
    pub(super) fn proof(&mut self, old: u64, new: u64) -> Vec<Hash> {
        if old == 0 { Vec::new() } else { self.subproof(old, 0, new, true) }
    }

    fn subproof(&mut self, old: u64, from: u64, to: u64, is_known: bool) -> Vec<Hash> {
        if old == to {
            return if is_known { Vec::new() } else { vec![self.mth(from, to)] };
        }
        let k = from + split(to - from);
        let (mut proof, other) = if old <= k {
            (self.subproof(old, from, k, is_known), self.mth(k, to))
        } else {
            (self.subproof(old, k, to, false), self.mth(from, k))
        };
        proof.push(other);
        proof
    }
}

/// The root that a leaf at this place and a path lead to; none when the path has another length.
pub(super) fn root_from(leaf: &Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    match (size, path) {
        (0, _) => None,
        (1, path) => (index == 0 && path.is_empty()).then_some(*leaf),
        (_, []) => None,
        (_, [path @ .., sibling]) => {
            let k = split(size);
            Some(if index < k {
                node_hash(&root_from(leaf, index, k, path)?, sibling)
            } else {
                node_hash(sibling, &root_from(leaf, index - k, size - k, path)?)
            })
        }
    }
}

/// The two roots that a consistency proof leads to, with the older root where the proof leaves it out.
pub(super) fn roots_from(old: u64, old_root: &Hash, new: u64, proof: &[Hash]) -> Option<(Hash, Hash)> {
    sub_roots(old, new, proof, Some(old_root))
}

fn sub_roots(old: u64, new: u64, proof: &[Hash], known: Option<&Hash>) -> Option<(Hash, Hash)> {
    if old == new {
        return match (known, proof) {
            (Some(root), []) => Some((*root, *root)),
            (None, [root]) => Some((*root, *root)),
            _ => None,
        };
    }
    let (other, proof) = proof.split_last()?;
    let k = split(new);
    Some(if old <= k {
        let (old, new) = sub_roots(old, k, proof, known)?;
        (old, node_hash(&new, other))
    } else {
        let (old, new) = sub_roots(old - k, new - k, proof, None)?;
        (node_hash(other, &old), node_hash(other, &new))
    })
}
