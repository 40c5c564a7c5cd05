//! The bundle of one case from the mirror alone (evidence, 12).

use crate::mirror::{Mirror, MirrorError, Row};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{IncidentId, OrgId};
use handoff_evidence::bundle::{Bundle, BundleError, Logged, Registry, keys_used};
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
        let checkpoint = match self.proven_from(needed).await?.filter(|proven| proven.head.size <= state.head.size) {
            Some(proven) => proven,
            None => {
                let note = state.cosigned.as_ref().unwrap_or(&state.note);
                let read = Checkpoint::read(note.as_bytes());
                read.map_err(|_| MirrorError::Changed("the stored checkpoint is none".to_owned()))?
            }
        };
        let edge = self.edge(state.head.size).await?;
        let (mut events, mut bounds) = (Vec::with_capacity(rows.len()), BTreeMap::new());
        let mut read = Vec::with_capacity(rows.len());
        for row in rows {
            let (event, _) = decode(&row.event).map_err(|error| ExportError::Event(row.index, Box::new(error)))?;
            if is_bounded(&event)
                && let Some(before) = self.proven_up_to(row.index).await?
            {
                bounds.insert(event.seq, before);
            }
            let (leaf, path) = self.leaf(&edge, row.index, &row.leaf, checkpoint.head.size).await?;
            events.push(Logged { bytes: row.event, index: row.index, leaf, path });
            read.push(event);
        }
        let registries = self.registries(&edge, &read, checkpoint.head.size).await?;
        let (policy, disclosures) = (policy.text().to_owned(), BTreeMap::new());
        let bundle = Bundle { events, checkpoint, bounds, disclosures, policy, successions: Vec::new(), registries };
        bundle.write().map_err(|error| ExportError::Bundle(Box::new(error)))
    }

    /// What the sign-offs need of each organisation's registry: the updates its keys were checked against, and the newest
    /// one of the tree, so that a later doubt about a key is told.
    async fn registries(
        &mut self,
        edge: &Edge,
        events: &[Event],
        size: u64,
    ) -> Result<BTreeMap<OrgId, Registry>, ExportError> {
        let used = keys_used(events);
        let mut books: BTreeMap<OrgId, Book> = BTreeMap::new();
        let mut updates: BTreeMap<OrgId, Vec<(Row, Book)>> = BTreeMap::new();
        let mut from = 0;
        loop {
            let rows = self.directory_from(from, PAGE_ROWS).await?;
            let Some(last) = rows.last() else { break };
            from = last.index + 1;
            for row in rows.into_iter().filter(|row| row.index < size) {
                let read = decode(&row.event).map_err(|error| ExportError::Event(row.index, Box::new(error)))?;
                let Body::RegistryUpdated(update) = read.0.body else { continue };
                let book = books.entry(update.org.clone()).or_default();
                let next = book.with(update.version, &row.registry);
                *book = next.map_err(|error| MirrorError::Changed(error.to_string()))?;
                updates.entry(update.org).or_default().push((row, book.clone()));
            }
        }
        let mut registries = BTreeMap::new();
        for (org, used) in used {
            let keys: BTreeSet<String> = used.values().flatten().cloned().collect();
            let of_org = updates.remove(&org).unwrap_or_default();
            let newest = of_org.last().map(|(row, _)| row.index);
            let mut shown = Registry::default();
            for (row, book) in of_org {
                let under = used.get(&hash(&row.event));
                if under.is_none() && newest != Some(row.index) {
                    continue;
                }
                let (leaf, path) = self.leaf(edge, row.index, &row.leaf, size).await?;
                let logged = Logged { bytes: row.event, index: row.index, leaf, path };
                shown.show(logged, &book, under.unwrap_or(&keys))?;
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
