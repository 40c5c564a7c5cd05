//! Registries of officers' keys (evidence, 7): whose a key is now, whether a signature by it holds, whether an update
//! follows.
//!
//! Looked at before a command waits for the writer: the writer compares, it verifies no signature. What was found names the
//! registry it was found under, and the rules refuse it where another one is in force by then.

use crate::causes::chain;
use crate::engine::Engine;
use crate::tree::Witnesses;
use handoff_domain::caller::{Caller, Role};
use handoff_domain::command::LookedAt;
use handoff_domain::directory::Directory;
use handoff_domain::event::directory::RegistryUpdated;
use handoff_domain::ids::{Digest, IncidentId, OrgId};
use handoff_domain::keys::SignedBy;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::values::KeySignature;
use handoff_evidence::policy::Policy;
use handoff_evidence::registry::{Book, BookError, Entry, Status, has_role};
use handoff_evidence::signoff::{Claim, verify_claim};
use handoff_store::rows::RegistryRow;
use handoff_store::{Reader, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Registries as of a version of each, read from the store when another one is asked for.
#[derive(Debug, Default)]
pub struct Registries(Mutex<BTreeMap<OrgId, Arc<Book>>>);

/// Why a registry cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The store does not answer.
    #[error("the store cannot be read")]
    Store(#[from] StoreError),
    /// What is stored is no registry; nothing is believed then.
    #[error("the registry of {0} is not what its updates say")]
    Changed(OrgId, #[source] Option<Box<BookError>>),
}

impl Registries {
    /// The registry of an organisation as the directory has it; empty where it has none.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn book(
        &self,
        reader: &dyn Reader,
        directory: &Directory,
        org: &OrgId,
    ) -> Result<Arc<Book>, RegistryError> {
        let Some(head) = directory.registries.get(org) else { return Ok(Arc::default()) };
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(org).cloned();
        if let Some(book) = known.filter(|book| book.version() == head.version) {
            return Ok(book);
        }
        let rows = reader.registry(org.clone()).await?;
        let book = book_of(org, &rows, head.version)?;
        let state = book.state().map_err(|error| RegistryError::Changed(org.clone(), Some(Box::new(error.into()))))?;
        if (state.count(), state.root()) != (head.count, head.root) {
            return Err(RegistryError::Changed(org.clone(), None));
        }
        let book = Arc::new(book);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(org.clone(), book.clone());
        Ok(book)
    }
}

/// The registry that stored rows give up to a version.
///
/// # Errors
/// [`RegistryError::Changed`] where a version is missing or an entry cannot be used.
pub fn book_of(org: &OrgId, rows: &[RegistryRow], version: u64) -> Result<Book, RegistryError> {
    let mut changed: BTreeMap<u64, Vec<&[u8]>> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.version <= version) {
        changed.entry(row.version).or_default().push(&row.entry);
    }
    let mut book = Book::default();
    for (version, entries) in changed {
        let taken = book.take(version, &entries);
        taken.map_err(|error| RegistryError::Changed(org.clone(), Some(Box::new(error))))?;
    }
    if book.version() == version { Ok(book) } else { Err(RegistryError::Changed(org.clone(), None)) }
}

/// What of a key's signature can be said without the case.
fn judge(
    book: &Book,
    policy: Option<&Policy>,
    reg: Digest,
    statement: Option<Digest>,
    signature: &KeySignature,
) -> Result<SignedBy, Refusal> {
    let statement = statement.ok_or_else(|| Refusal::new(Reason::InvalidField).field("statement"))?;
    let has_other_role = |entry: &Entry| policy.is_some_and(|policy| has_role(policy, entry));
    let entry = book.entry(signature.key.as_str());
    let entry = entry.filter(|entry| entry.status == Status::Active && !has_other_role(entry));
    let entry: &Entry = entry.ok_or_else(not_enrolled)?;
    let claim = Claim::from(signature);
    verify_claim(entry, entry.level, &statement, &claim)
        .map_err(|_| Refusal::new(Reason::SignatureInvalid).field("signature"))?;
    Ok(SignedBy { reg, key: signature.key.clone(), statement, enrolled: entry.enrolled() })
}

fn not_enrolled() -> Refusal {
    Refusal::new(Reason::KeyNotEnrolled).field("signature.key")
}

impl Engine {
    /// The caller's organisation's registry as of the published head.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub async fn registry(&self, org: &OrgId) -> Result<Arc<Book>, RegistryError> {
        self.registries().book(self.reader(), &self.directory(), org).await
    }

    /// Looks at a key's signature: by a key that is in force in the signer's organisation, under that statement?
    ///
    /// # Errors
    /// The store does not answer, or holds no registry. That the signature does not hold is no error here: the refusal is
    /// the answer, under the request's id like every other.
    pub(crate) async fn signed_by(
        &self,
        caller: &Caller,
        statement: Option<Digest>,
        signature: &KeySignature,
    ) -> Result<Result<SignedBy, Refusal>, RegistryError> {
        let directory = self.directory();
        let reg = directory.registries.get(&caller.org).and_then(|head| head.event);
        let Some(reg) = reg else { return Ok(Err(not_enrolled())) };
        let book = self.registries().book(self.reader(), &directory, &caller.org).await?;
        let policy = self.tree().witnesses().map(Witnesses::policy);
        Ok(judge(&book, policy, reg, statement, signature))
    }

    /// The stream of a registry, and against which registry the update was looked at: its entries give the root, and the
    /// registrars of the policy signed it. Another version than the next one is looked at against nothing: it may be a repeat
    /// that has its answer, and is not taken otherwise.
    ///
    /// # Errors
    /// The store does not answer; inside, the refusal.
    pub async fn registry_update(
        &self,
        caller: &Caller,
        update: &RegistryUpdated,
        entries: &[Vec<u8>],
    ) -> Result<Result<(IncidentId, LookedAt), Refusal>, RegistryError> {
        let policy = self.tree().witnesses().map(Witnesses::policy);
        let registrars = policy.and_then(|policy| Some((policy, policy.registrars(&update.org)?)));
        // Whoever may not bring it at all is told so, and nothing of the other side's registry.
        if caller.org != update.org {
            return Ok(Err(Refusal::new(Reason::OtherOrganisation)));
        }
        if !caller.has(Role::Admin) {
            return Ok(Err(Refusal::new(Reason::RoleNotAllowed)));
        }
        let Some((policy, registrars)) = registrars else {
            return Ok(Err(Refusal::new(Reason::EvidenceNotReady)));
        };
        let directory = self.directory();
        let book = self.registries().book(self.reader(), &directory, &update.org).await?;
        if update.version != book.version().saturating_add(1) {
            return Ok(Ok((registrars.stream, LookedAt::Nothing)));
        }
        let checked = book.next(update, entries, policy, &self.tree().recorders().log().origin());
        let wrong = |error: BookError| Refusal::new(Reason::RegistryInvalid).with("why", chain(&error));
        let on =
            directory.registries.get(&update.org).and_then(|head| head.event).map_or(LookedAt::Empty, LookedAt::On);
        Ok(checked.map(|_| (registrars.stream, on)).map_err(wrong))
    }
}
