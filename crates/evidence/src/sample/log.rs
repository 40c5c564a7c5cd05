//! The log of the design page's appendix, and longer ones with its keys: every key's seed is SHA-256 of its name.

use crate::event::hash;
use crate::event::tests::{ENTRY_0, ENTRY_1};
use crate::leaf::{Leaf, RecorderKey};
use crate::log::LogKey;
use crate::merkle::{self, Edge, Hash, TileId};
use crate::note::{Checkpoint, Cosigner, CosignerKey, Head};
use crate::sigsum::SigsumProof;
use crate::tlog_proof::TlogProof;
use handoff_domain::ids::Digest;
use sha2::Digest as _;
use std::collections::BTreeMap;

/// The time of every cosignature: 2026-11-23T12:00:00Z.
pub(crate) const AT: u64 = 1_795_435_200;

pub(crate) fn seed(name: &str) -> [u8; 32] {
    sha2::Sha256::digest(name).into()
}

pub(crate) fn log_key() -> LogKey {
    LogKey::from_seed(&seed("log"))
}

pub(crate) fn recorder(name: &str) -> RecorderKey {
    RecorderKey::from_seed(&seed(name))
}

/// A's and B's.
pub(crate) fn witnesses() -> [CosignerKey; 2] {
    [("station-a.example/witness", "witA"), ("station-b.example/witness", "witB")]
        .map(|(name, key)| CosignerKey::from_seed(name, &seed(key)).unwrap())
}

pub(crate) fn cosigners() -> [Cosigner; 2] {
    witnesses().map(|witness| witness.cosigner())
}

/// A log whose first entries are those of the appendix.
pub(crate) struct Log {
    pub(crate) edge: Edge,
    /// The full tiles.
    pub(crate) tiles: BTreeMap<TileId, Vec<Hash>>,
    pub(crate) events: Vec<Digest>,
    pub(crate) leaves: Vec<Leaf>,
}

impl Log {
    /// The two entries of the appendix.
    pub(crate) fn appendix() -> Self {
        Self::of(2)
    }

    /// So many entries; from the third on events that nobody could read, all A's.
    pub(crate) fn of(size: usize) -> Self {
        let (operator, station) = (recorder("recOP"), recorder("recA"));
        let mut log = Self { edge: Edge::new(), tiles: BTreeMap::new(), events: Vec::new(), leaves: Vec::new() };
        for at in 0..size {
            let event = [ENTRY_0, ENTRY_1].get(at).map_or_else(|| format!("entry {at}"), |entry| (*entry).to_owned());
            let event = hash(event.as_bytes());
            let leaf = Leaf::sign(event, if at == 0 { &operator } else { &station });
            log.tiles.extend(log.edge.push(leaf.hash()).into_iter().map(|tile| (tile.id, tile.hashes)));
            log.events.push(event);
            log.leaves.push(leaf);
        }
        log
    }

    pub(crate) fn head(&self) -> Head {
        Head { size: self.edge.size(), root: self.edge.root() }
    }

    /// The newest head, signed by the log and both witnesses.
    pub(crate) fn checkpoint(&self) -> Checkpoint {
        let key = log_key();
        let mut checkpoint = Checkpoint::sign(&key, self.head());
        checkpoint.cosignatures = witnesses().map(|witness| witness.cosign(&key.origin(), &self.head(), AT)).into();
        checkpoint
    }

    /// Both proofs of one entry.
    pub(crate) fn proofs(&self, index: usize) -> (SigsumProof, TlogProof) {
        let (at, size) = (index as u64, self.edge.size());
        let mut tiles = BTreeMap::new();
        for id in merkle::tiles_of_inclusion(at, size).unwrap() {
            let tile = self.tiles.get(&id).cloned().or_else(|| self.edge.tile(id).map(<[_]>::to_vec));
            tiles.insert(id, tile.unwrap());
        }
        let path = merkle::inclusion(at, size, &tiles).unwrap();
        let (leaf, checkpoint) = (self.leaves[index], self.checkpoint());
        let sigsum = SigsumProof::new(&log_key().public(), &leaf, at, path.clone(), &checkpoint, &cosigners());
        (sigsum, TlogProof { extra: leaf, index: at, path, checkpoint })
    }
}

/// Tries a text with each of its bytes in each other value. `holds` says whether the changed one still proves
/// something, and none may.
pub(crate) fn change_every_byte(right: &[u8], mut holds: impl FnMut(&[u8]) -> bool) {
    assert!(holds(right), "as it is it holds");
    let mut changed = right.to_vec();
    for at in 0..right.len() {
        for add in 1..=255 {
            changed[at] = right[at].wrapping_add(add);
            assert!(!holds(&changed), "byte {at} changed to {:?}", char::from(changed[at]));
        }
        changed[at] = right[at];
    }
}
