//! Units, support requests, strikes and merges of one incident as their events tell them (invariants 2 and 6).

use super::report::{Rule, Spot, Tally};
use handoff_domain::caller::Role;
use handoff_domain::event::handoff::{OfferBasis, Offered};
use handoff_domain::event::incident::{Merged, SupportAnswer, UnitStatus, Unmerged};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{DeploymentId, IncidentId, StationRef, SupportId};
use std::collections::{BTreeMap, BTreeSet};

/// A merge or its end, as one of the two incidents tells it: the other one has to tell the same in the same command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Twin {
    /// Position of the first event of the command.
    pub(super) first: u64,
    pub(super) alias: IncidentId,
    pub(super) survivor: IncidentId,
    /// Merged; otherwise taken apart again.
    pub(super) merged: bool,
    /// What moved, or goes back: both are told the same.
    pub(super) moved: String,
}

/// One entry of a unit's status.
#[derive(Clone, Debug)]
struct Entry {
    deployment: DeploymentId,
    status: UnitStatus,
    struck: bool,
}

/// What is on the way, who was asked for more, and what the incident is an alias of.
#[derive(Debug, Default)]
pub(super) struct Units {
    /// By entry number.
    entries: BTreeMap<u64, Entry>,
    /// Who entered what can be struck.
    authors: BTreeMap<u64, StationRef>,
    /// Requests that are out, with who asks.
    supports: BTreeMap<SupportId, StationRef>,
    pub(super) alias_of: Option<IncidentId>,
    /// Units that came back with the end of a merge, each as far as it was then.
    back: BTreeMap<DeploymentId, UnitStatus>,
    /// What came with each alias.
    aliases: BTreeMap<IncidentId, Came>,
}

/// Units and requests that came with an alias: with the end of the merge they go back.
#[derive(Debug, Default)]
struct Came {
    units: BTreeMap<DeploymentId, UnitStatus>,
    /// Of these, the ones the survivor had not been told of itself.
    new: BTreeSet<DeploymentId>,
    supports: BTreeSet<SupportId>,
}

impl Units {
    /// Takes one event in and checks it against what was told before. A merge is given back: it has a twin.
    pub(super) fn take(
        &mut self,
        event: &Event,
        first: u64,
        custodian: Option<&StationRef>,
        spot: Spot,
        tally: &mut Tally,
    ) -> Option<Twin> {
        self.alias_is_quiet(event, spot, tally);
        match &event.body {
            Body::UnitReported(b) => {
                let entry = Entry { deployment: b.deployment, status: b.status, struck: false };
                self.entries.insert(event.seq, entry);
                self.authors.extend(event.actor.seat().map(|seat| (event.seq, seat)));
            }
            Body::Handled(_) => self.authors.extend(event.actor.seat().map(|seat| (event.seq, seat))),
            Body::Struck(b) => self.struck(event, b.entry, spot, tally),
            Body::SupportRequested(b) => self.supports.extend(event.actor.seat().map(|seat| (b.support, seat))),
            Body::SupportEnded(b) => {
                self.supports.remove(&b.support);
            }
            Body::SupportAnswered(b) if b.answer == SupportAnswer::Not => {
                self.supports.remove(&b.support);
            }
            Body::Offered(b) => self.offered(event, b, custodian, spot, tally),
            Body::Merged(b) => return Some(self.merged(event, first, b, spot, tally)),
            Body::Unmerged(b) => return Some(self.unmerged(event, first, b, spot, tally)),
            _ => {}
        }
        None
    }

    /// A unit is on the way or there, or one was there.
    fn assigned(&self) -> bool {
        let own = self.entries.values().filter(|entry| !entry.struck).map(|entry| (entry.deployment, entry.status));
        let came = self.aliases.values().flat_map(|came| &came.units).chain(&self.back);
        let came = came.map(|(deployment, status)| (*deployment, *status));
        let all: Vec<_> = own.chain(came).collect();
        let mut furthest: BTreeMap<DeploymentId, UnitStatus> = BTreeMap::new();
        for (deployment, status) in &all {
            let known = furthest.entry(*deployment).or_insert(*status);
            *known = (*status).max(*known);
        }
        let arrived = all.iter().any(|(_, status)| *status == UnitStatus::OnScene);
        arrived || furthest.values().any(|status| status.is_active())
    }

    fn offered(&self, event: &Event, body: &Offered, custodian: Option<&StationRef>, spot: Spot, tally: &mut Tally) {
        let decides = matches!(event.actor.role, Role::DutyOfficer | Role::Supervisor);
        let stands = match body.basis {
            OfferBasis::UnitAssigned => self.assigned(),
            OfferBasis::NoResponseNeeded => decides,
            OfferBasis::NoUnitFree => self.supports.values().any(|asks| Some(asks) == custodian),
        };
        let wrong = ("offered without the basis it names", "移交所称依据不存在");
        tally.holds_or(Rule::DispatchNeverWaits, spot, stands, wrong, || body.basis.to_string());
        let own = Some(&body.from) == custodian && decides;
        tally.holds(
            Rule::OwnSideOnly,
            spot,
            own,
            ("offered by another than the custodian's duty officer", "移交非由责任单位值班民警提出"),
        );
    }

    fn struck(&mut self, event: &Event, entry: u64, spot: Spot, tally: &mut Tally) {
        let own = self.authors.get(&entry).is_some_and(|author| event.actor.is_at(author));
        let once = self.entries.get_mut(&entry).is_none_or(|entry| !std::mem::replace(&mut entry.struck, true));
        tally.holds(
            Rule::AppendOnly,
            spot,
            own && once,
            ("struck an entry of another station, or one struck before", "撤销了他方条目或已撤销的条目"),
        );
    }

    fn alias_is_quiet(&self, event: &Event, spot: Spot, tally: &mut Tally) {
        if self.alias_of.is_none() {
            return;
        }
        let its_own = matches!(
            event.body,
            Body::Unmerged(_) | Body::MergeProposed(_) | Body::MergeRefused(_) | Body::Noted(_) | Body::Erased(_)
        );
        let wrong = ("an alias was acted on instead of its survivor", "对已并入的警情直接操作");
        tally.holds_or(Rule::AppendOnly, spot, its_own, wrong, || event.body.type_name().to_owned());
    }

    fn merged(&mut self, event: &Event, first: u64, body: &Merged, spot: Spot, tally: &mut Tally) -> Twin {
        let (alias, survivor) = (body.alias, body.survivor);
        let named = alias != survivor && (alias == event.incident || survivor == event.incident);
        let free = self.alias_of.is_none() && (alias != event.incident || self.aliases.is_empty());
        if alias == event.incident {
            self.alias_of = Some(survivor);
        } else {
            self.take_on(body);
        }
        tally.holds(
            Rule::AppendOnly,
            spot,
            named && free,
            ("merged with itself, or an alias or the survivor of others became an alias", "合并对象不当"),
        );
        Twin { first, alias, survivor, merged: true, moved: format!("{:?}", body.moved) }
    }

    fn take_on(&mut self, body: &Merged) {
        let own: BTreeSet<_> = self.entries.values().map(|entry| entry.deployment).collect();
        let units: BTreeMap<_, _> = body.moved.units.iter().map(|unit| (unit.deployment, unit.status)).collect();
        let new = units.keys().filter(|deployment| !own.contains(deployment)).copied().collect();
        let supports: BTreeSet<_> = body.moved.supports.iter().map(|moved| moved.support).collect();
        self.supports.extend(body.moved.supports.iter().map(|moved| (moved.support, moved.from.clone())));
        self.aliases.insert(body.alias, Came { units, new, supports });
    }

    fn unmerged(&mut self, event: &Event, first: u64, body: &Unmerged, spot: Spot, tally: &mut Tally) -> Twin {
        let (alias, survivor) = (body.alias, body.survivor);
        let was = if alias == event.incident {
            // Units that went on meanwhile are further now.
            self.back.extend(body.units.iter().map(|unit| (unit.deployment, unit.status)));
            self.alias_of.take() == Some(survivor)
        } else {
            survivor == event.incident && self.give_back(alias)
        };
        tally.holds(Rule::AppendOnly, spot, was, ("took apart what was not merged", "拆分了未合并的警情"));
        Twin { first, alias, survivor, merged: false, moved: format!("{:?}", body.units) }
    }

    fn give_back(&mut self, alias: IncidentId) -> bool {
        let Some(came) = self.aliases.remove(&alias) else { return false };
        let stay: BTreeSet<_> = self.aliases.values().flat_map(|other| &other.new).copied().collect();
        let goes = |deployment: &DeploymentId| came.new.contains(deployment) && !stay.contains(deployment);
        self.entries.retain(|_, entry| !goes(&entry.deployment));
        self.supports.retain(|support, _| !came.supports.contains(support));
        true
    }
}

/// What only the custodian may do to an incident: a former one adds entries and changes none (invariant 6).
pub(super) fn is_custodians(body: &Body) -> bool {
    matches!(
        body,
        Body::DetailsChanged(_)
            | Body::Handled(_)
            | Body::Closed(_)
            | Body::SplitOff(_)
            | Body::Offered(_)
            | Body::Revised(_)
            | Body::Recalled(_)
            | Body::ClaimRefused(_)
            | Body::FeedbackGiven(_)
            | Body::Reported(_)
            | Body::ReportTakenBack(_)
    )
}
