//! Where a witness goes on: everything is made anew from what is committed.

use super::{Must, OpenError, Witness};
use crate::mark::MarkFile;
use crate::mirror::{Mirror, MirrorError};
use crate::validator::{Validator, same_log};
use handoff_domain::time::Millis;
use handoff_evidence::event::decode;
use handoff_evidence::policy::Policy;

/// Rows read at once.
const PAGE_ROWS: u32 = 1_000;

/// The log that is witnessed.
pub(super) fn origin(policy: &Policy, chosen: Option<&str>) -> Result<String, OpenError> {
    match (chosen, policy.parts().logs.as_slice()) {
        (Some(chosen), _) if policy.log(chosen).is_some() => Ok(chosen.to_owned()),
        (Some(chosen), _) => Err(OpenError::Log(chosen.to_owned())),
        (None, [log]) => Ok(log.origin()),
        (None, logs) => Err(OpenError::Log(format!("to witness alone, but {} of them", logs.len()))),
    }
}

impl Witness {
    /// The mark may be ahead of the mirror, and then binds; it must never contradict it.
    pub(super) async fn compare_mark(&mut self) -> Result<(), OpenError> {
        let Some(mark) = self.mark.as_ref().map(MarkFile::read).transpose()?.flatten() else { return Ok(()) };
        if mark.origin != self.origin {
            return Err(OpenError::OtherLog { what: "the mark", found: mark.origin });
        }
        if mark.head.size > self.position() {
            tracing::warn!(
                mark = mark.head.size,
                mirror = self.position(),
                "the mirror is older than the mark: nothing is signed before it has caught up"
            );
            self.musts.push(Must { head: mark.head, note: None });
            return Ok(());
        }
        let edge = self.mirror.edge(self.position()).await?;
        if self.mirror.root_at(&edge, mark.head.size).await? == Some(mark.head.root) {
            Ok(())
        } else {
            Err(OpenError::MarkDiffers(mark.head.size))
        }
    }

    /// A validator that has taken what is committed.
    pub(super) async fn load(&mut self) -> Result<Validator, MirrorError> {
        let size = self.position();
        if self.mirror.count().await? != size {
            return Err(MirrorError::Changed("it has other entries than its checkpoint covers".to_owned()));
        }
        let edge = self.mirror.edge(size).await?;
        if let Some(state) = &self.state {
            let signed = same_log(&self.policy, &self.origin, &state.note, size);
            let same = signed.is_ok_and(|signed| signed.head == state.head) && edge.root() == state.head.root;
            if !same {
                return Err(MirrorError::Changed("its entries are not those of its checkpoint".to_owned()));
            }
        }
        let accepted = self.accepted.values().map(|fault| (fault.index, fault.leaf_hash)).collect();
        let faulty = self.mirror.faults().await?.into_iter().filter_map(|fault| fault.stream);
        let last_at = last_at(&mut self.mirror, size).await?;
        let validator = Validator::new(self.policy.clone(), self.origin.clone(), accepted);
        let mut validator = validator.resume(edge, last_at, faulty);
        let mut from = 0;
        loop {
            let rows = self.mirror.directory_from(from, PAGE_ROWS).await?;
            for row in &rows {
                let known = validator.know(row.index, &row.event, &row.registry);
                known.map_err(|refusal| MirrorError::Changed(refusal.to_string()))?;
            }
            match rows.last() {
                Some(last) => from = last.index + 1,
                None => return Ok(validator),
            }
        }
    }
}

/// The recorded time of the newest entry that is no fault.
async fn last_at(mirror: &mut Mirror, size: u64) -> Result<Millis, MirrorError> {
    let mut below = size;
    while below > 0 {
        let from = below.saturating_sub(u64::from(PAGE_ROWS));
        let rows = mirror.entries_from(from, PAGE_ROWS).await?;
        let newest = rows.iter().rev().filter(|row| row.index < below).find(|row| row.stream.is_some());
        if let Some(row) = newest {
            let (event, _) = decode(&row.event).map_err(|error| MirrorError::Changed(error.to_string()))?;
            return Ok(event.at);
        }
        below = from;
    }
    Ok(Millis(0))
}
