//! Where an incident stands: a fold over its entries, so that a struck entry simply is not counted.

use super::{Case, Fact, FactKind};
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
    /// Whether a unit arrived, since the incident was reopened for one where it was.
    pub attended: bool,
    /// Whether any unit is or was assigned.
    pub assigned: bool,
}

/// What a case's entries come to, one after the other.
struct Fold {
    now: Standing,
    units: BTreeMap<DeploymentId, UnitStatus>,
    declared: Option<Phase>,
    /// HANDLED stands, whatever was closed or reopened on it since.
    handled: bool,
    /// Reopened because a unit is needed: earlier arrivals do not count.
    anew: bool,
}

impl Fold {
    fn take(&mut self, fact: &Fact) {
        match &fact.what {
            FactKind::Unit { deployment, status } => self.unit(*deployment, *status),
            FactKind::Units { units, needs_unit } => {
                for (deployment, status) in units {
                    let fresh = further(&mut self.units, *deployment, *status);
                    self.now.assigned |= fresh || status.is_active();
                    self.now.attended |= *status == UnitStatus::OnScene;
                }
                if *needs_unit && self.declared == Some(Phase::Handled) {
                    (self.declared, self.handled) = (None, false);
                }
            }
            FactKind::Handled { code } => {
                // Without a code it says that a unit was there: it stands and falls with that arrival.
                if code.is_some() || self.now.attended {
                    (self.declared, self.handled) = (Some(Phase::Handled), true);
                }
            }
            FactKind::Closed => self.declared = Some(Phase::Closed),
            FactKind::Reopened { needs_unit: false } => self.declared = self.handled.then_some(Phase::Handled),
            FactKind::Reopened { needs_unit: true } => {
                (self.declared, self.handled, self.anew) = (None, false, true);
                self.now.attended = self.units.values().any(|status| *status == UnitStatus::OnScene);
            }
        }
        let phase = self.declared.unwrap_or_else(|| by_units(&self.units));
        if phase != self.now.phase {
            (self.now.phase, self.now.since) = (phase, fact.at);
        }
    }

    fn unit(&mut self, deployment: DeploymentId, status: UnitStatus) {
        let fresh = further(&mut self.units, deployment, status);
        self.now.assigned |= fresh || status.is_active();
        let there = !self.anew || self.units.get(&deployment) == Some(&UnitStatus::OnScene);
        self.now.attended |= status == UnitStatus::OnScene && there;
        // A new unit after HANDLED makes it DISPATCHED again; a unit that leaves does not.
        if fresh && status.is_active() && self.declared == Some(Phase::Handled) {
            (self.declared, self.handled) = (None, false);
        }
    }
}

impl Case {
    /// Where the incident stands without its struck entries.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let now = Standing { phase: Phase::Received, since: self.opened_at, attended: false, assigned: false };
        let mut fold = Fold { now, units: BTreeMap::new(), declared: None, handled: false, anew: false };
        self.facts.iter().filter(|fact| !fact.struck).for_each(|fact| fold.take(fact));
        fold.now
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
