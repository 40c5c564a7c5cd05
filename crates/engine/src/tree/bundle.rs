//! The bundle of one case, put together from the store (evidence, 12).

use super::proof::ProofError;
use super::{Tree, Witnesses};
use crate::memory::LOAD_PAGE_EVENTS;
use crate::registry::{RegistryError, book_of};
use handoff_domain::caller::Actor;
use handoff_domain::event::directory::RegistryUpdated;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{IncidentId, OrgId};
use handoff_evidence::bundle::{Bundle, BundleError, KeysUsed, Logged, Registry, keys_used, updates_shown};
use handoff_evidence::event::{DecodeError, decode};
use handoff_evidence::note::{Checkpoint, Head};
use handoff_evidence::registry::StateError;
use handoff_store::rows::EventRow;
use handoff_store::{Reader, StoreError};
use std::collections::BTreeMap;

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store does not answer.
    #[error("the store cannot be read")]
    Store(#[source] StoreError),
    /// Stored bytes are no event.
    #[error("the event at position {0} cannot be read")]
    Event(u64, #[source] Box<DecodeError>),
    /// No signed head covers the case yet; one does within the second.
    #[error("no signed checkpoint covers the case yet")]
    NotYet,
    /// A path cannot be made.
    #[error("an inclusion path cannot be made")]
    Proof(#[source] ProofError),
    /// A registry of keys is not what its updates say.
    #[error("a registry of keys cannot be shown")]
    Registry(#[from] RegistryError),
    /// Its entries are no state.
    #[error("the entries of a registry are no state")]
    State(#[from] StateError),
    /// The parts make no bundle.
    #[error("the parts make no bundle")]
    Bundle(#[source] Box<BundleError>),
}

impl From<StoreError> for ExportError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Disclosure strings by event number and path.
pub type Disclosures = BTreeMap<(u64, String), String>;

/// The bundle of a case up to an event, with the values disclosed to its reader. Under a checkpoint with a quorum where there
/// is one that covers the case, else under the newest signed one: then the verifier says that it is not proven.
///
/// # Errors
/// [`ExportError`].
pub async fn export(
    tree: &Tree,
    witnesses: &Witnesses,
    reader: &dyn Reader,
    incident: IncidentId,
    version: u64,
    disclosures: Disclosures,
) -> Result<Vec<u8>, ExportError> {
    // Before anything is read: whether a head covers the case at all.
    let last = reader.events_of(incident, version, 1).await?;
    let needed = last.first().map_or(0, |row| row.position + 1);
    if tree.shown().signed.is_none_or(|signed| signed.head.size < needed) {
        return Err(ExportError::NotYet);
    }
    let rows: Vec<_> = all(reader, incident).await?.into_iter().filter(|row| row.seq <= version).collect();
    let read = rows.iter().map(decoded).collect::<Result<Vec<_>, _>>()?;
    let used = keys_used(&read);
    let updates = updates(witnesses, reader, &used).await?;
    let checkpoint = checkpoint(tree, witnesses, reader, needed, &updates).await?.ok_or(ExportError::NotYet)?;
    let size = checkpoint.head.size;
    let positions: Vec<_> = rows.iter().map(|row| row.position).collect();
    let mut paths = tree.inclusions(reader, &positions, size).await.map_err(ExportError::Proof)?.into_iter();
    let (mut events, mut bounds) = (Vec::with_capacity(rows.len()), BTreeMap::new());
    for (row, event) in rows.into_iter().zip(&read) {
        if is_bounded(event)
            && let Some(before) = witnesses.last_up_to(tree, reader, row.position).await?
        {
            bounds.insert(event.seq, before);
        }
        let leaf = tree.recorders().stored(&event.actor.org, row.hash, row.leaf);
        let path = paths.next().unwrap_or_default();
        events.push(Logged { bytes: row.bytes.to_vec(), index: row.position, leaf, path });
    }
    let registries = registries(tree, reader, &used, updates, size).await?;
    let policy = witnesses.policy().text().to_owned();
    let bundle = Bundle { events, checkpoint, bounds, disclosures, policy, successions: Vec::new(), registries };
    bundle.write().map_err(|error| ExportError::Bundle(Box::new(error)))
}

fn decoded(row: &EventRow) -> Result<Event, ExportError> {
    let decoded = decode(&row.bytes).map_err(|error| ExportError::Event(row.position, Box::new(error)))?;
    Ok(decoded.0)
}

/// One update of a registry, as it is stored.
type Stored = (EventRow, RegistryUpdated);

/// The first checkpoint with a quorum that covers the case and everything that was said of its keys since; without such a one
/// the first that covers the case, else the newest signed one.
async fn checkpoint(
    tree: &Tree,
    witnesses: &Witnesses,
    reader: &dyn Reader,
    needed: u64,
    updates: &BTreeMap<OrgId, Vec<Stored>>,
) -> Result<Option<Checkpoint>, StoreError> {
    let last = updates.values().filter_map(|of_org| of_org.last()).map(|(row, _)| row.position + 1).max();
    for wanted in [last.map_or(needed, |last| last.max(needed)), needed] {
        if let Some(proven) = witnesses.first_from(tree, reader, wanted).await? {
            return Ok(Some(proven));
        }
    }
    newest(tree, witnesses, reader, needed).await
}

/// What the sign-offs need of each organisation's registry.
async fn registries(
    tree: &Tree,
    reader: &dyn Reader,
    used: &KeysUsed,
    updates: BTreeMap<OrgId, Vec<Stored>>,
    size: u64,
) -> Result<BTreeMap<OrgId, Registry>, ExportError> {
    let mut registries = BTreeMap::new();
    for (org, mut of_org) in updates {
        let Some(used) = used.get(&org) else { continue };
        of_org.retain(|(row, _)| row.position < size);
        let stored = reader.registry(org.clone()).await?;
        let hashes: Vec<_> = of_org.iter().map(|(row, _)| row.hash).collect();
        let mut shown = Registry::default();
        for (at, keys) in updates_shown(used, &hashes) {
            let Some((row, update)) = of_org.get(at) else { continue };
            let book = book_of(&org, &stored, update.version)?;
            let path = tree.inclusions(reader, &[row.position], size).await.map_err(ExportError::Proof)?;
            let leaf = tree.recorders().stored(&Actor::service().org, row.hash, row.leaf);
            let (bytes, index, path) = (row.bytes.to_vec(), row.position, path.into_iter().next().unwrap_or_default());
            shown.show(Logged { bytes, index, leaf, path }, &book, &keys)?;
        }
        registries.insert(org, shown);
    }
    Ok(registries)
}

/// Every update of the registries whose keys are used, in their order.
async fn updates(
    witnesses: &Witnesses,
    reader: &dyn Reader,
    used: &KeysUsed,
) -> Result<BTreeMap<OrgId, Vec<Stored>>, ExportError> {
    let mut updates = BTreeMap::new();
    for org in used.keys() {
        let Some(registrars) = witnesses.policy().registrars(org) else { continue };
        let mut of_org = Vec::new();
        for row in all(reader, registrars.stream).await? {
            if let Body::RegistryUpdated(update) = decoded(&row)?.body {
                of_org.push((row, update));
            }
        }
        updates.insert(org.clone(), of_org);
    }
    Ok(updates)
}

/// Whose time is bounded from below by a checkpoint that does not contain it.
fn is_bounded(event: &Event) -> bool {
    event.seq == 1 || matches!(event.body, Body::TakenOver(_) | Body::Closed(_))
}

async fn all(reader: &dyn Reader, incident: IncidentId) -> Result<Vec<EventRow>, StoreError> {
    let mut rows: Vec<EventRow> = Vec::new();
    loop {
        let from = rows.last().map_or(1, |row| row.seq + 1);
        let page = reader.events_of(incident, from, LOAD_PAGE_EVENTS).await?;
        let full = page.len() == LOAD_PAGE_EVENTS as usize;
        rows.extend(page);
        if !full {
            return Ok(rows);
        }
    }
}

async fn newest(
    tree: &Tree,
    witnesses: &Witnesses,
    reader: &dyn Reader,
    needed: u64,
) -> Result<Option<Checkpoint>, StoreError> {
    let Some(signed) = tree.shown().signed else { return Ok(None) };
    let Head { size, root } = signed.head;
    if size < needed {
        return Ok(None);
    }
    tree.checkpoint(reader, Head { size, root }, Some(witnesses)).await.map(Some)
}
