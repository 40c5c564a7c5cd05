//! The bundle of one case from the mirror alone (evidence, 12).

use crate::mirror::{Mirror, MirrorError, Row, State};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{IncidentId, OrgId};
use handoff_evidence::bundle::{Bundle, BundleError, KeysUsed, Logged, Registry, keys_used, updates_shown};
use handoff_evidence::event::{DecodeError, decode, hash};
use handoff_evidence::leaf::Leaf;
use handoff_evidence::merkle::{Edge, inclusion, tiles_of_inclusion};
use handoff_evidence::note::Checkpoint;
use handoff_evidence::policy::Policy;
use handoff_evidence::registry::{Book, StateError};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of the directory read at once.
const PAGE_ROWS: u32 = 512;

/// Why there is no bundle.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The mirror.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// No such case.
    #[error("the mirror has no case {0}")]
    NoCase(IncidentId),
    /// A stored event.
    #[error("the event at index {0} cannot be read")]
    Event(u64, #[source] Box<DecodeError>),
    /// Its entries are no state of a registry.
    #[error("the entries of a registry are no state")]
    State(#[from] StateError),
    /// The parts make no bundle.
    #[error("the parts make no bundle")]
    Bundle(#[source] Box<BundleError>),
}

impl Mirror {
    /// The bundle of a case as the mirror has it, its values withheld. Under the first checkpoint with a quorum that covers
    /// it, else under the newest one with this witness's line: then the verifier says that it is not proven.
    ///
    /// # Errors
    /// [`ExportError`].
    pub async fn export(&mut self, policy: &Policy, incident: IncidentId) -> Result<Vec<u8>, ExportError> {
        let state = self.state().await?.ok_or(ExportError::NoCase(incident))?;
        let rows = self.case(incident, state.head.size).await?;
        let needed = rows.last().ok_or(ExportError::NoCase(incident))?.index + 1;
        let read = rows.iter().map(|row| decoded(row.index, &row.event)).collect::<Result<Vec<_>, _>>()?;
        let used = keys_used(&read);
        let updates = self.updates(&used, state.head.size).await?;
        let said = updates.values().filter_map(|of_org| of_org.last()).map(|(row, _)| row.index + 1).max();
        let checkpoint = match self.proven_over(said.map_or(needed, |said| said.max(needed)), needed, &state).await? {
            Some(proven) => proven,
            None => {
                let note = state.cosigned.as_ref().unwrap_or(&state.note);
                let read = Checkpoint::read(note.as_bytes());
                read.map_err(|_| MirrorError::Changed("the stored checkpoint is none".to_owned()))?
            }
        };
        let edge = self.edge(state.head.size).await?;
        let (mut events, mut bounds) = (Vec::with_capacity(rows.len()), BTreeMap::new());
        for (row, event) in rows.into_iter().zip(&read) {
            if is_bounded(event)
                && let Some(before) = self.proven_up_to(row.index).await?
            {
                bounds.insert(event.seq, before);
            }
            let (leaf, path) = self.leaf(&edge, row.index, &row.leaf, checkpoint.head.size).await?;
            events.push(Logged { bytes: row.event, index: row.index, leaf, path });
        }
        let registries = self.registries(&edge, &used, updates, checkpoint.head.size).await?;
        let (policy, disclosures) = (policy.text().to_owned(), BTreeMap::new());
        let bundle = Bundle { events, checkpoint, bounds, disclosures, policy, successions: Vec::new(), registries };
        bundle.write().map_err(|error| ExportError::Bundle(Box::new(error)))
    }

    /// The first checkpoint with a quorum that covers the case and what was said of its keys since, else the first that
    /// covers the case; none above what the mirror holds.
    async fn proven_over(&mut self, said: u64, needed: u64, state: &State) -> Result<Option<Checkpoint>, MirrorError> {
        for wanted in [said, needed] {
            let proven = self.proven_from(wanted).await?.filter(|proven| proven.head.size <= state.head.size);
            if proven.is_some() {
                return Ok(proven);
            }
        }
        Ok(None)
    }

    /// Every update of the registries whose keys are used, each with the registry it makes. An organisation's list ends
    /// where an update does not follow: an accepted fault, after which its keys count no more.
    async fn updates(&mut self, used: &KeysUsed, size: u64) -> Result<BTreeMap<OrgId, Vec<(Row, Book)>>, ExportError> {
        let mut updates: BTreeMap<OrgId, Vec<(Row, Book)>> = BTreeMap::new();
        let mut ended: BTreeSet<OrgId> = BTreeSet::new();
        let mut from = 0;
        while !used.is_empty() {
            let rows = self.directory_from(from, PAGE_ROWS).await?;
            let Some(last) = rows.last() else { break };
            from = last.index + 1;
            for row in rows.into_iter().filter(|row| row.index < size) {
                let Body::RegistryUpdated(update) = decoded(row.index, &row.event)?.body else { continue };
                if !used.contains_key(&update.org) || ended.contains(&update.org) {
                    continue;
                }
                let of_org = updates.entry(update.org.clone()).or_default();
                let empty = Book::default();
                let book = of_org.last().map_or(&empty, |(_, book)| book);
                match book.with(update.version, &row.registry) {
                    Ok(next) => of_org.push((row, next)),
                    Err(_) => drop(ended.insert(update.org)),
                }
            }
        }
        Ok(updates)
    }

    /// What the sign-offs need of each organisation's registry.
    async fn registries(
        &mut self,
        edge: &Edge,
        used: &KeysUsed,
        updates: BTreeMap<OrgId, Vec<(Row, Book)>>,
        size: u64,
    ) -> Result<BTreeMap<OrgId, Registry>, ExportError> {
        let mut registries = BTreeMap::new();
        for (org, mut of_org) in updates {
            let Some(used) = used.get(&org) else { continue };
            of_org.retain(|(row, _)| row.index < size);
            let hashes: Vec<_> = of_org.iter().map(|(row, _)| hash(&row.event)).collect();
            let mut shown = Registry::default();
            for (at, keys) in updates_shown(used, &hashes) {
                let Some((row, book)) = of_org.get(at) else { continue };
                let (leaf, path) = self.leaf(edge, row.index, &row.leaf, size).await?;
                let logged = Logged { bytes: row.event.clone(), index: row.index, leaf, path };
                shown.show(logged, book, &keys)?;
            }
            registries.insert(org, shown);
        }
        Ok(registries)
    }

    /// A leaf with its path in the tree of `size` leaves.
    async fn leaf(
        &mut self,
        edge: &Edge,
        index: u64,
        bytes: &[u8],
        size: u64,
    ) -> Result<(Leaf, Vec<[u8; 32]>), MirrorError> {
        let changed = |what: String| MirrorError::Changed(what);
        let leaf =
            bytes.try_into().map(Leaf::from_bytes).map_err(|_| changed("a leaf of another length".to_owned()))?;
        let wanted = tiles_of_inclusion(index, size).map_err(|error| changed(error.to_string()))?;
        let tiles = self.tiles_with(edge, wanted).await?;
        let path = inclusion(index, size, &tiles).map_err(|error| changed(error.to_string()))?;
        Ok((leaf, path))
    }
}

/// Whose time is bounded from below by a checkpoint that does not contain it.
fn is_bounded(event: &Event) -> bool {
    event.seq == 1 || matches!(event.body, Body::TakenOver(_) | Body::Closed(_))
}

fn decoded(index: u64, bytes: &[u8]) -> Result<Event, ExportError> {
    decode(bytes).map(|(event, _)| event).map_err(|error| ExportError::Event(index, Box::new(error)))
}
