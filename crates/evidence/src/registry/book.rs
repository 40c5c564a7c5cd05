use super::{Entry, EntryError, SignedUpdate as _, State, StateError, Status, Update, UpdateError};
use crate::policy::Policy;
use crate::signoff::PublicKey;
use std::collections::{BTreeMap, BTreeSet};

/// Most entries one update changes.
pub const CHANGED_MAX: usize = 64;
/// Most entries of one registry, revoked ones too: it is read whole, proven whole and given out whole.
pub const ENTRIES_MAX: usize = 4_096;
/// Longest entry, in bytes.
pub const ENTRY_BYTES_MAX: usize = 1_024;

/// An organisation's registry with all its entries, as its updates have made it: what a service and a witness keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Book {
    version: u64,
    entries: BTreeMap<String, Entry>,
}

/// Why an update does not follow from the entries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookError {
    /// Not the next version.
    #[error("version {found} where {wanted} follows")]
    Version {
        /// What would follow.
        wanted: u64,
        /// What came.
        found: u64,
    },
    /// Nothing is changed, or more than [`CHANGED_MAX`] entries at once.
    #[error("an update changes from 1 to {CHANGED_MAX} entries")]
    Changed,
    /// The bytes of one entry; its place, from 1.
    #[error("entry {number} cannot be used")]
    Entry {
        /// Its place.
        number: usize,
        /// Why.
        source: EntryError,
    },
    /// An entry longer than [`ENTRY_BYTES_MAX`]; its place, from 1.
    #[error("entry {0} is longer than {ENTRY_BYTES_MAX} bytes")]
    Long(usize),
    /// More than [`ENTRIES_MAX`] entries.
    #[error("a registry has at most {ENTRIES_MAX} entries, revoked ones too")]
    Full,
    /// One key twice in an update.
    #[error("key {0} stands twice")]
    Twice(String),
    /// A key never changes hands: what it signed names its officer.
    #[error("key {0} is another officer's")]
    Reassigned(String),
    /// What is revoked stays so: a key that may have been stolen is not taken back.
    #[error("key {0} is revoked")]
    Revoked(String),
    /// The key has another role in the policy: one key, one role.
    #[error("key {0} has another role in the policy")]
    Role(String),
    /// The entries are no state.
    #[error("the entries are no state of a registry")]
    State(#[from] StateError),
    /// The registrars signed another number of entries, or another root.
    #[error("the entries do not give the number and the root that were signed")]
    Root,
    /// Version or signatures of the update.
    #[error(transparent)]
    Update(#[from] UpdateError),
}

impl Book {
    /// The registry at a version, rebuilt from the bytes of all its entries in any order, as a service gives them out.
    /// Who gave them is believed: what counts is the root the registrars sign over them.
    ///
    /// # Errors
    /// [`BookError::Entry`] or [`BookError::Twice`]; [`BookError::Changed`] where so many updates make no such number
    /// of entries, which is from 1 to [`CHANGED_MAX`] times the version, and none at version 0.
    pub fn of<B: AsRef<[u8]>>(version: u64, entries: &[B]) -> Result<Self, BookError> {
        let most = version.saturating_mul(CHANGED_MAX as u64);
        let found = entries.len() as u64;
        if found > most || (found == 0 && version > 0) {
            return Err(BookError::Changed);
        }
        let mut book = Self { version, entries: BTreeMap::new() };
        for (number, bytes) in (1..).zip(entries) {
            let entry = Entry::read(bytes.as_ref()).map_err(|source| BookError::Entry { number, source })?;
            if let Some(twice) = book.entries.insert(entry.kid.clone(), entry) {
                return Err(BookError::Twice(twice.kid));
            }
        }
        Ok(book)
    }

    /// The version, 0 while nothing is enrolled.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The entry of a key.
    #[must_use]
    pub fn entry(&self, kid: &str) -> Option<&Entry> {
        self.entries.get(kid)
    }

    /// Every entry, in order of the keys' ids.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The state whose root the registrars sign.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn state(&self) -> Result<State, StateError> {
        State::new(self.entries.values().cloned().collect())
    }

    /// The registry after an update that changes or adds these entries, each given in its bytes. Everything an update
    /// must be is looked at but its place in that log.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn next<B: AsRef<[u8]>>(
        &self,
        update: &Update,
        changed: &[B],
        policy: &Policy,
        log: &str,
    ) -> Result<Self, BookError> {
        let next = self.with(update.version, changed)?;
        for entry in changed.iter().filter_map(|bytes| Entry::read(bytes.as_ref()).ok()) {
            if has_role(policy, &entry) {
                return Err(BookError::Role(entry.kid));
            }
        }
        let state = next.state()?;
        if (state.count(), state.root()) != (update.count, update.root) {
            return Err(BookError::Root);
        }
        update.verify(policy, log)?;
        Ok(next)
    }

    /// The same without looking at root and signatures: for a draft, and for what was looked at when it was stored.
    ///
    /// # Errors
    /// [`BookError`], all but `Role`, `Root` and `Update`.
    pub fn with<B: AsRef<[u8]>>(&self, version: u64, changed: &[B]) -> Result<Self, BookError> {
        let mut next = self.clone();
        next.take(version, changed)?;
        Ok(next)
    }

    /// The same in place. After an error it is not to be used any more.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn take<B: AsRef<[u8]>>(&mut self, version: u64, changed: &[B]) -> Result<(), BookError> {
        let wanted = self.version.saturating_add(1);
        if version != wanted {
            return Err(BookError::Version { wanted, found: version });
        }
        if changed.is_empty() || changed.len() > CHANGED_MAX {
            return Err(BookError::Changed);
        }
        self.version = version;
        let mut seen = BTreeSet::new();
        for (number, bytes) in (1..).zip(changed) {
            if bytes.as_ref().len() > ENTRY_BYTES_MAX {
                return Err(BookError::Long(number));
            }
            let entry = Entry::read(bytes.as_ref()).map_err(|source| BookError::Entry { number, source })?;
            if !seen.insert(entry.kid.clone()) {
                return Err(BookError::Twice(entry.kid));
            }
            if let Some(before) = self.entries.get(&entry.kid) {
                if before.officer != entry.officer {
                    return Err(BookError::Reassigned(entry.kid));
                }
                if before.status == Status::Revoked && entry.status == Status::Active {
                    return Err(BookError::Revoked(entry.kid));
                }
            }
            self.entries.insert(entry.kid.clone(), entry);
        }
        if self.entries.len() > ENTRIES_MAX { Err(BookError::Full) } else { Ok(()) }
    }
}

/// Whether an officer's key has another role under a policy: one key, one role (evidence, 7).
#[must_use]
pub fn has_role(policy: &Policy, entry: &Entry) -> bool {
    let der = entry.der().ok();
    let key = der.and_then(|der| PublicKey::from_spki(&der).ok());
    key.as_ref().and_then(|key| key.ed25519()).is_some_and(|key| policy.role(key).is_some())
}

#[cfg(test)]
mod tests;
