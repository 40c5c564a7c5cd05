use super::{Entry, EntryError};
use crate::merkle::{Hash, MerkleError, leaf_hash, node_hash, verify_inclusion};
use handoff_domain::ids::Digest;
use sha2::{Digest as _, Sha256};

/// All entries of one organisation at one time, in order of their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    entries: Vec<Entry>,
    leaves: Vec<Hash>,
}

/// Why entries are no state of a registry, or why one is not in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// One entry.
    #[error("entry {kid} cannot be used")]
    Entry {
        /// Its id.
        kid: String,
        /// Why.
        source: EntryError,
    },
    /// One key twice: it has one status.
    #[error("key {0} stands twice")]
    Twice(String),
    /// No such entry.
    #[error("no entry {0}")]
    Unknown(String),
    /// The bytes shown are no entry.
    #[error("the entry shown cannot be read")]
    Shown(#[source] EntryError),
    /// The path does not lead from the entry to the root.
    #[error("the entry is not proven to be in the registry")]
    Path(#[source] MerkleError),
}

impl State {
    /// The state of these entries, given in any order.
    ///
    /// # Errors
    /// [`StateError`] for an entry that cannot be written, or a key given twice.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, StateError> {
        entries.sort_by(|a, b| a.kid.cmp(&b.kid));
        if let Some([twice, _]) = entries.array_windows().find(|[a, b]| a.kid == b.kid) {
            return Err(StateError::Twice(twice.kid.clone()));
        }
        let leaf = |entry: &Entry| match entry.write() {
            Ok(bytes) => Ok(leaf_hash(&bytes)),
            Err(source) => Err(StateError::Entry { kid: entry.kid.clone(), source }),
        };
        let leaves = entries.iter().map(leaf).collect::<Result<_, _>>()?;
        Ok(Self { entries, leaves })
    }

    /// The entries in order.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.entries.len() as u64
    }

    /// What the registrars sign.
    #[must_use]
    pub fn root(&self) -> Digest {
        Digest(root(&self.leaves))
    }

    /// The place of an entry and the hashes beside its way to the root, lowest first.
    ///
    /// # Errors
    /// [`StateError::Unknown`].
    pub fn path(&self, kid: &str) -> Result<(u64, Vec<Hash>), StateError> {
        let found = self.entries.binary_search_by(|entry| entry.kid.as_str().cmp(kid));
        let index = found.map_err(|_| StateError::Unknown(kid.to_owned()))?;
        let mut beside = Vec::new();
        path(&self.leaves, index, &mut beside);
        Ok((index as u64, beside))
    }
}

/// Reads the one entry a bundle shows and proves that it stands at `index` among the `count` entries under `root`.
///
/// # Errors
/// [`StateError::Shown`] or [`StateError::Path`].
pub fn verify_path(bytes: &[u8], index: u64, count: u64, path: &[Hash], root: &Digest) -> Result<Entry, StateError> {
    let entry = Entry::read(bytes).map_err(StateError::Shown)?;
    verify_inclusion(&leaf_hash(bytes), index, count, path, &root.0).map_err(StateError::Path)?;
    Ok(entry)
}

/// Root over leaf hashes (RFC 6962, 2.1). A registry has some thousand entries at most, so no tiles are kept.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        leaves => {
            let (left, right) = halves(leaves);
            node_hash(&root(left), &root(right))
        }
    }
}

fn path(leaves: &[Hash], index: usize, beside: &mut Vec<Hash>) {
    if leaves.len() < 2 {
        return;
    }
    let (left, right) = halves(leaves);
    match index.checked_sub(left.len()) {
        None => {
            path(left, index, beside);
            beside.push(root(right));
        }
        Some(index) => {
            path(right, index, beside);
            beside.push(root(left));
        }
    }
}

/// Two or more leaves, parted at the largest power of two below their number.
fn halves(leaves: &[Hash]) -> (&[Hash], &[Hash]) {
    leaves.split_at(leaves.len().next_power_of_two() / 2)
}
