//! What the log itself says of a run's incidents: a second telling beside the answers that were heard.

use super::plan::Plan;
use handoff_domain::event::Body;
use handoff_domain::event::incident::UnitReported;
use handoff_domain::ids::{IncidentId, OrgId};
use handoff_domain::values::{Ground, is_late_entry};
use handoff_engine::memory::LoadError;
use handoff_engine::{Reader, StoreError};
use handoff_evidence::event::decode;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};

/// Events read at once.
const PAGE_EVENTS: u32 = 1_000;

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The store does not answer.
    #[error("the log cannot be read")]
    Store(#[from] StoreError),
    /// Stored bytes are not an event.
    #[error("the log cannot be read")]
    Load(#[from] LoadError),
}

/// Counts over the events of a run's incidents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogCounts {
    /// Events.
    pub events: u64,
    /// Incidents received.
    pub received: u64,
    /// Of those: on the ground of the owner's organisation alone, by the map the service asked.
    pub received_on_owners_ground: u64,
    /// Handoffs offered.
    pub offered: u64,
    /// Custody moved.
    pub taken_over: u64,
    /// Results confirmed.
    pub confirmed: u64,
    /// Incidents closed.
    pub closed: u64,
    /// Stations alerted.
    pub alerted: u64,
    /// Entries more than five minutes after their claimed time.
    pub late_entries: u64,
    /// Reports of units the service flagged, by flag.
    pub unit_flags: BTreeMap<String, u64>,
    /// Escalations by what was owed and the rung it went to.
    pub escalated: BTreeMap<String, u64>,
}

/// Reads the whole log and counts what is about the incidents of a run. `owner` is the organisation that is handed
/// what is on its ground.
///
/// # Errors
/// [`LogError`].
pub async fn count(reader: &dyn Reader, plan: &Plan, owner: Option<&OrgId>) -> Result<LogCounts, LogError> {
    let incidents: HashSet<IncidentId> = plan.cases.iter().map(|case| case.incident).collect();
    let (mut counts, mut position) = (LogCounts::default(), 0);
    loop {
        let rows = reader.events_from(position, PAGE_EVENTS).await?;
        position += rows.len() as u64;
        for row in &rows {
            let (event, _) = decode(&row.bytes).map_err(|error| LoadError::Decode(row.position, Box::new(error)))?;
            if !incidents.contains(&event.incident) {
                continue;
            }
            counts.events += 1;
            counts.late_entries += u64::from(is_late_entry(event.at, event.claimed_at));
            counts.take(&event.body, owner);
        }
        if rows.len() < PAGE_EVENTS as usize {
            return Ok(counts);
        }
    }
}

impl LogCounts {
    fn take(&mut self, body: &Body, owner: Option<&OrgId>) {
        match body {
            Body::Received(received) => {
                self.received += 1;
                let territory = received.place.as_ref().and_then(|place| place.territory.as_ref());
                let theirs = territory.zip(owner).is_some_and(|(territory, owner)| {
                    territory.ground == Ground::Claimed && territory.claimants.iter().all(|seat| seat.org == *owner)
                });
                self.received_on_owners_ground += u64::from(theirs);
            }
            Body::Offered(_) => self.offered += 1,
            Body::TakenOver(_) => self.taken_over += 1,
            Body::Confirmed(_) => self.confirmed += 1,
            Body::Closed(_) => self.closed += 1,
            Body::Alerted(_) => self.alerted += 1,
            Body::UnitReported(UnitReported { flags, .. }) => {
                for flag in flags {
                    *self.unit_flags.entry(flag.to_string()).or_default() += 1;
                }
            }
            Body::Escalated(escalated) => {
                let name = format!("{} → {}", escalated.duty.as_str(), escalated.rung.as_str());
                *self.escalated.entry(name).or_default() += 1;
            }
            _ => {}
        }
    }
}
