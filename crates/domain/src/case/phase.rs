//! Where an incident stands: a fold over its entries, so that a struck entry simply is not counted.

use super::{Case, FactKind};
use crate::event::incident::UnitStatus;
use crate::ids::{DeploymentId, StationRef};
use crate::time::Millis;
use std::collections::BTreeMap;

crate::words! {
    /// The incident's state (product, *Incident*). It follows the units of both sides.
    pub enum Phase {
        /// Nobody is on the way.
        Received = "RECEIVED",
        /// A unit is assigned.
        Dispatched = "DISPATCHED",
        /// A unit has arrived.
        OnScene = "ON_SCENE",
        /// The custodian declared it handled.
        Handled = "HANDLED",
        /// Nothing is owed any more.
        Closed = "CLOSED",
    }
}

/// The state and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The state.
    pub phase: Phase,
    /// Since when.
    pub since: Millis,
    /// Whether any unit ever arrived.
    pub attended: bool,
    /// Whether any unit is or was assigned.
    pub assigned: bool,
}

impl Case {
    /// Where the incident stands without its struck entries.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let mut units: BTreeMap<DeploymentId, UnitStatus> = BTreeMap::new();
        let mut declared = None::<Phase>;
        let mut now = Standing { phase: Phase::Received, since: self.opened_at, attended: false, assigned: false };
        for fact in self.facts.iter().filter(|fact| !fact.struck) {
            match &fact.what {
                FactKind::Unit { deployment, status } => {
                    let fresh = further(&mut units, *deployment, *status);
                    now.assigned |= fresh || status.is_active();
                    now.attended |= *status == UnitStatus::OnScene;
                    // A new unit after HANDLED makes it DISPATCHED again; a unit that leaves does not.
                    if fresh && status.is_active() && declared == Some(Phase::Handled) {
                        declared = None;
                    }
                }
                FactKind::Units { units: others, needs_unit } => {
                    for (deployment, status) in others {
                        let fresh = further(&mut units, *deployment, *status);
                        now.assigned |= fresh || status.is_active();
                        now.attended |= *status == UnitStatus::OnScene;
                    }
                    if *needs_unit && declared == Some(Phase::Handled) {
                        declared = None;
                    }
                }
                FactKind::Handled { .. } => declared = Some(Phase::Handled),
                FactKind::Closed => declared = Some(Phase::Closed),
                FactKind::Reopened { needs_unit } => declared = (!needs_unit).then_some(Phase::Handled),
            }
            let phase = declared.unwrap_or_else(|| by_units(&units));
            if phase != now.phase {
                (now.phase, now.since) = (phase, fact.at);
            }
        }
        now
    }

    /// The state alone.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.standing().phase
    }

    /// The furthest status of each sending that is not struck altogether: one entered late fills a gap and brings no
    /// unit back.
    #[must_use]
    pub fn unit_statuses(&self) -> BTreeMap<DeploymentId, UnitStatus> {
        let mut units = BTreeMap::new();
        for fact in self.facts.iter().filter(|fact| !fact.struck) {
            match &fact.what {
                FactKind::Unit { deployment, status } => {
                    further(&mut units, *deployment, *status);
                }
                FactKind::Units { units: others, .. } => {
                    for (deployment, status) in others {
                        further(&mut units, *deployment, *status);
                    }
                }
                FactKind::Handled { .. } | FactKind::Closed | FactKind::Reopened { .. } => {}
            }
        }
        units
    }

    /// Whether a station has a unit bound to the incident now.
    #[must_use]
    pub fn has_active_unit(&self, seat: &StationRef) -> bool {
        self.unit_statuses()
            .iter()
            .any(|(id, status)| status.is_active() && self.deployments.get(id).is_some_and(|sent| sent.of == *seat))
    }
}

/// Notes one status; `true` for the first one of a sending.
fn further(units: &mut BTreeMap<DeploymentId, UnitStatus>, deployment: DeploymentId, status: UnitStatus) -> bool {
    let before = units.get(&deployment).copied();
    units.insert(deployment, before.map_or(status, |before| before.max(status)));
    before.is_none()
}

fn by_units(units: &BTreeMap<DeploymentId, UnitStatus>) -> Phase {
    if units.values().any(|status| *status == UnitStatus::OnScene) {
        Phase::OnScene
    } else if units.values().any(|status| status.is_active()) {
        Phase::Dispatched
    } else {
        Phase::Received
    }
}
