//! The whole mirror, validated again from entry 0.

use crate::code::Refusal;
use crate::mirror::{Mirror, MirrorError};
use crate::settings::AcceptFault;
use crate::validator::{Entry, Past, Validator, same_log};
use handoff_evidence::merkle::{Tile, TileId};
use handoff_evidence::note::Head;
use handoff_evidence::policy::Policy;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Entries read at once.
const PAGE_ROWS: u32 = 256;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rechecked {
    /// Size and root.
    pub head: Head,
    /// How many of the entries are accepted faults.
    pub faults: u64,
}

/// Why the mirror does not hold.
#[derive(Debug, thiserror::Error)]
pub enum RecheckError {
    /// It cannot be read, or is not what it says.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// An entry, or the checkpoint it stands by.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// Validates everything in the mirror again: every entry, every tile, the checkpoint over them. Faults that were
/// accepted when they came are still accepted. `told` is called with the number of entries done, now and then.
///
/// # Errors
/// [`RecheckError`].
pub async fn recheck(
    mirror: &mut Mirror,
    policy: &Policy,
    faults: &[AcceptFault],
    mut told: impl FnMut(u64),
) -> Result<Option<Rechecked>, RecheckError> {
    let Some(state) = mirror.state().await? else { return Ok(None) };
    let stored = mirror.faults().await?;
    let accepted = stored.iter().map(|fault| (fault.index, fault.leaf_hash));
    let accepted = accepted.chain(faults.iter().map(|fault| (fault.index, fault.leaf_hash))).collect();
    let policy = Arc::new(policy.clone());
    let signed = same_log(&policy, &state.origin, &state.note, state.head.size)?;
    let mut validator = Validator::new(policy, state.origin.clone(), accepted);
    let mut found = 0;
    while validator.size() < state.head.size {
        let rows = mirror.entries_from(validator.size(), PAGE_ROWS).await?;
        let rows: Vec<_> = rows.into_iter().filter(|row| row.index < state.head.size).collect();
        if rows.is_empty() {
            return Err(MirrorError::Changed("entries are missing".to_owned()).into());
        }
        for row in rows {
            let past = match validator.wants(&row.event) {
                Some(id) => {
                    let before = mirror.case(id, row.index).await?;
                    let past = Past::of(id, before.iter().map(|row| row.event.as_slice()));
                    past.map_err(|error| MirrorError::Changed(error.to_string()))?
                }
                None => None,
            };
            let entry = Entry { index: row.index, leaf: &row.leaf, event: &row.event, registry: &row.registry };
            let taken = validator.take(entry, |_| past)?;
            found += u64::from(taken.fault.is_some());
            tiles(mirror, taken.tiles).await?;
        }
        told(validator.size());
    }
    if validator.head() != state.head || signed.head != state.head {
        return Err(MirrorError::Changed("its entries are not those of its checkpoint".to_owned()).into());
    }
    Ok(Some(Rechecked { head: state.head, faults: found }))
}

/// The stored tiles are those that follow.
async fn tiles(mirror: &mut Mirror, tiles: Vec<Tile>) -> Result<(), MirrorError> {
    for Tile { id, hashes } in tiles {
        let stored = mirror.tiles(BTreeSet::from([id])).await?;
        if stored.get(&id) != Some(&hashes) {
            return Err(MirrorError::Changed(missing(id)));
        }
    }
    Ok(())
}

fn missing(id: TileId) -> String {
    format!("tile {id} is missing or another")
}
