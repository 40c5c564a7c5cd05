//! The witnesses of the policy: whose signature of which head is there, and who refuses (evidence, 6).
//!
//! Nothing waits for a witness. What is told here is how far each of them is, and up to which head their signatures are
//! the quorum of the policy: "closed" and "closed and proven" are two facts.

use super::{Halt, Tree};
use crate::engine::Engine;
use crate::job::NoAnswer;
use handoff_domain::ids::OrgId;
use handoff_evidence::note::{Checkpoint, Cosignature, Cosigner, Head};
use handoff_evidence::policy::Policy;
use handoff_store::batch::NUMBER_MAX;
use handoff_store::rows::CosignatureRow;
use handoff_store::{Reader, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// Leaps from one witness's signature to another's until both are at one size. Witnesses that work sign the same heads.
const LEAPS_MAX: u32 = 64;

/// Why a witness does not sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The first entry it refuses.
    pub index: u64,
    /// Its code.
    pub code: String,
}

/// How far one witness is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// Entries of the newest head it signed.
    pub signed: u64,
    /// Why it signs no further.
    pub refused: Option<Refused>,
}

/// The policy this service works under, and what its witnesses say.
#[derive(Debug)]
pub struct Witnesses {
    policy: Policy,
    refused: Mutex<BTreeMap<String, Refused>>,
    /// Entries of the newest head with a quorum; 0 for none.
    proven: watch::Sender<u64>,
}

/// Why a signature is not taken in.
#[derive(Debug, thiserror::Error)]
pub enum CosignError {
    /// It is no note, or it has not exactly one line of a witness.
    #[error("it is no checkpoint with one line of a witness")]
    Note,
    /// It is of another tree than this service's.
    #[error("it is the checkpoint of another tree")]
    OtherTree,
    /// No policy names the witness.
    #[error("the policy names no such witness")]
    Stranger,
    /// The line does not verify.
    #[error("the signature does not verify")]
    Signature,
    /// The store does not answer.
    #[error("the store cannot be read")]
    Store(#[source] StoreError),
    /// The writer did not take it in; asking again is safe.
    #[error("it is not kept")]
    NotKept(#[source] NoAnswer),
}

impl Witnesses {
    /// Those of a policy. Nothing is known to be proven before [`look`](Self::look).
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self { policy, refused: Mutex::default(), proven: watch::Sender::default() }
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Entries of the newest head with a quorum, and each change of it.
    #[must_use]
    pub fn proven(&self) -> watch::Receiver<u64> {
        self.proven.subscribe()
    }

    /// Finds out what the stored signatures prove.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn look(&self, tree: &Tree, reader: &dyn Reader) -> Result<(), StoreError> {
        let newest = self.last_up_to(tree, reader, NUMBER_MAX).await?;
        self.rise(newest.map_or(0, |checkpoint| checkpoint.head.size));
        Ok(())
    }

    fn rise(&self, size: u64) {
        self.proven.send_if_modified(|proven| {
            let rises = size > *proven;
            *proven = (*proven).max(size);
            rises
        });
    }

    /// Takes a witness's line in, from whichever organisation brings it.
    ///
    /// # Errors
    /// [`CosignError`].
    pub async fn take(&self, engine: &Engine, from: &OrgId, note: &str) -> Result<(), CosignError> {
        let checkpoint = Checkpoint::read(note.as_bytes()).map_err(|_| CosignError::Note)?;
        let [line] = checkpoint.cosignatures.as_slice() else { return Err(CosignError::Note) };
        let tree = engine.tree();
        if checkpoint.origin != tree.recorders().log().origin() {
            return Err(CosignError::OtherTree);
        }
        let witness = self.policy.cosigners().into_iter().find(|cosigner| line.is_of(cosigner));
        let witness = witness.ok_or(CosignError::Stranger)?;
        let head = checkpoint.head;
        line.verify(&witness, &checkpoint.origin, &head).map_err(|_| CosignError::Signature)?;
        let stored = engine.reader().tree_head(head.size).await.map_err(CosignError::Store)?;
        if stored.is_none_or(|stored| (stored.size, stored.root) != (head.size, head.root)) {
            if checkpoint.verify_log(&tree.log_public()).is_ok() {
                // Signed with the log's key and not noted here: the database is an old one, or somebody else has the key.
                tree.halt(if stored.is_some_and(|stored| stored.size == head.size) {
                    Halt::Fork
                } else {
                    Halt::Behind
                });
            }
            return Err(CosignError::OtherTree);
        }
        let known = engine.reader().cosignatures(head.size).await.map_err(CosignError::Store)?;
        if !known.iter().any(|row| row.key == witness.public) {
            let row = row(head.size, &witness, line);
            engine.note_tree(Vec::new(), None, vec![row]).await.map_err(CosignError::NotKept)?;
        }
        self.signs_again(&witness.name, from, head.size);
        let known = engine.reader().cosignatures(head.size).await.map_err(CosignError::Store)?;
        let signed: Vec<_> = known.iter().map(|row| (row.size, row.key)).collect();
        if self.reached(&signed).is_some() {
            self.rise(head.size);
        }
        Ok(())
    }

    /// What a witness refused is over once it signs beyond it; anybody else may bring an older line of it.
    fn signs_again(&self, name: &str, from: &OrgId, size: u64) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if self.speaks_for(name, from) && refused.get(name).is_some_and(|refused| size > refused.index) {
            refused.remove(name);
        }
    }

    /// Whether an organisation speaks for a witness: the witness's name in the policy is the organisation's.
    fn speaks_for(&self, name: &str, org: &OrgId) -> bool {
        self.policy.witness(name).is_some_and(|witness| witness.name == org.as_str())
    }

    /// A witness says that it does not sign. `false` where the policy names no witness so, or another organisation's: each
    /// speaks for its own.
    pub fn refuse(&self, name: &str, from: &OrgId, refused: Refused) -> bool {
        let known = self.speaks_for(name, from);
        if known {
            tracing::error!(witness = name, index = refused.index, code = refused.code, "a witness refuses to sign");
            self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), refused);
        }
        known
    }

    /// How far each witness is, in the policy's order.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn standings(&self, reader: &dyn Reader) -> Result<Vec<Standing>, StoreError> {
        let mut standings = Vec::new();
        for Cosigner { name, public } in self.policy.cosigners() {
            let signed = reader.cosigned_up_to(public, NUMBER_MAX).await?.map_or(0, |row| row.size);
            let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
            standings.push(Standing { name, signed, refused });
        }
        Ok(standings)
    }

    /// The first checkpoint of at least so many entries that has a quorum, of those that are shown.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn first_from(
        &self,
        tree: &Tree,
        reader: &dyn Reader,
        size: u64,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let mut from = size;
        for _ in 0..LEAPS_MAX {
            let mut next = Vec::new();
            for witness in self.policy.cosigners() {
                let row = reader.cosigned_from(witness.public, from).await?;
                next.extend(row.map(|row| (row.size, witness.public)));
            }
            next.sort_unstable();
            // Below the size at which enough of them have signed anything there can be no quorum.
            let Some(reached) = self.reached(&next) else { return Ok(None) };
            let here: Vec<_> = next.iter().filter(|(size, _)| *size == reached).copied().collect();
            if self.reached(&here).is_some() {
                return self.shown(tree, reader, reached).await;
            }
            from = reached;
        }
        Ok(None)
    }

    /// The newest checkpoint of at most so many entries that has a quorum, of those that are shown.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn last_up_to(
        &self,
        tree: &Tree,
        reader: &dyn Reader,
        size: u64,
    ) -> Result<Option<Checkpoint>, StoreError> {
        let mut up_to = size.min(tree.shown().signed.map_or(0, |signed| signed.head.size));
        for _ in 0..LEAPS_MAX {
            let mut last = Vec::new();
            for witness in self.policy.cosigners() {
                let row = reader.cosigned_up_to(witness.public, up_to).await?;
                last.extend(row.map(|row| (row.size, witness.public)));
            }
            last.sort_unstable_by(|one, other| other.cmp(one));
            let Some(reached) = self.reached(&last) else { return Ok(None) };
            let here: Vec<_> = last.iter().filter(|(size, _)| *size == reached).copied().collect();
            if self.reached(&here).is_some() {
                return self.shown(tree, reader, reached).await;
            }
            up_to = reached;
        }
        Ok(None)
    }

    /// The size at which the witnesses up to it, in this order, are a quorum. Nobody's word is none, whatever the policy
    /// says.
    fn reached(&self, signed: &[(u64, [u8; 32])]) -> Option<u64> {
        let mut names = BTreeSet::new();
        for (size, key) in signed {
            names.extend(self.policy.witness_by_key(key).map(|witness| witness.name.as_str()));
            if !names.is_empty() && self.policy.quorum(&names) {
                return Some(*size);
            }
        }
        None
    }

    /// The checkpoint of a size with its lines, unless it is not shown yet: it may not outlive a failure.
    async fn shown(&self, tree: &Tree, reader: &dyn Reader, size: u64) -> Result<Option<Checkpoint>, StoreError> {
        let shown = tree.shown().signed.is_some_and(|signed| signed.head.size >= size);
        let head = if shown { reader.tree_head(size).await?.filter(|head| head.size == size) } else { None };
        let Some(head) = head else { return Ok(None) };
        tree.checkpoint(reader, Head { size, root: head.root }, Some(self)).await.map(Some)
    }
}

impl Tree {
    /// The signed checkpoint of a stored head, with the lines of the policy's witnesses. A head is signed anew each time:
    /// the signature is the same.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn checkpoint(
        &self,
        reader: &dyn Reader,
        head: Head,
        witnesses: Option<&Witnesses>,
    ) -> Result<Checkpoint, StoreError> {
        let mut checkpoint = Checkpoint::sign(self.recorders().log(), head);
        if let Some(witnesses) = witnesses {
            let cosigners = witnesses.policy.cosigners();
            for row in reader.cosignatures(head.size).await? {
                // A witness that is in the policy no more proves nothing more.
                if let Some(cosigner) = cosigners.iter().find(|cosigner| cosigner.public == row.key) {
                    checkpoint.cosignatures.push(Cosignature {
                        name: cosigner.name.clone(),
                        key_id: cosigner.key_id(),
                        at: row.at,
                        signature: row.signature,
                    });
                }
            }
            // As a note has them: what is made from a checkpoint is the same before it is written and after it is read.
            checkpoint.cosignatures.sort_by(|one, next| (&one.name, one.key_id).cmp(&(&next.name, next.key_id)));
        }
        Ok(checkpoint)
    }
}

fn row(size: u64, witness: &Cosigner, line: &Cosignature) -> CosignatureRow {
    CosignatureRow { size, key: witness.public, name: witness.name.clone(), at: line.at, signature: line.signature }
}
