//! The bundle of one case from the mirror alone (evidence, 12).

use crate::mirror::{Mirror, MirrorError};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::IncidentId;
use handoff_evidence::bundle::{Bundle, BundleError, Logged};
use handoff_evidence::event::{DecodeError, decode};
use handoff_evidence::leaf::Leaf;
use handoff_evidence::merkle::{Edge, inclusion, tiles_of_inclusion};
use handoff_evidence::note::Checkpoint;
use handoff_evidence::policy::Policy;
use std::collections::BTreeMap;

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
        for row in rows {
            let (event, _) = decode(&row.event).map_err(|error| ExportError::Event(row.index, Box::new(error)))?;
            if is_bounded(&event)
                && let Some(before) = self.proven_up_to(row.index).await?
            {
                bounds.insert(event.seq, before);
            }
            let (leaf, path) = self.leaf(&edge, row.index, &row.leaf, checkpoint.head.size).await?;
            events.push(Logged { bytes: row.event, index: row.index, leaf, path });
        }
        let (disclosures, registries) = Default::default();
        let policy = policy.text().to_owned();
        let bundle = Bundle { events, checkpoint, bounds, disclosures, policy, successions: Vec::new(), registries };
        bundle.write().map_err(|error| ExportError::Bundle(Box::new(error)))
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
