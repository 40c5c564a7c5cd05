//! Incidents that turn out to be one or several: merging, un-merging, splitting, linking.
//!
//! From a merge on everything open in the alias is the survivor's (product, *Incident*): each of the two events carries
//! it, since each incident is judged alone. The alias keeps its own picture of the moment and owes nothing; with the end
//! of the merge it owes again what it owed then.

use super::incident::fact;
use super::{Verdict, need, refuse};
use crate::case::handoff::{HandoffState, ResultLoop};
use crate::case::phase::Phase;
use crate::case::{
    ALERTS_MAX, Alert, Case, DEPLOYMENTS_MAX, Deployment, FactKind, LINKS_MAX, MergeProposal, SUPPORTS_MAX, Support,
    TakenOn,
};
use crate::event::Event;
use crate::event::incident::{
    LinkKind, Linked, MergeProposed, MergeRefused, Merged, Moved, MovedAlert, MovedSupport, MovedUnit, SplitOff,
    UnitBack, Unmerged,
};
use crate::ids::{IncidentId, StationRef};
use crate::refusal::{Reason, Refusal};
use crate::timers::Duty;
use crate::values::{Code, Ground, Territory};
use std::collections::{BTreeMap, BTreeSet};

/// Not closed, nobody's alias, and no open handoff but one declined as a duplicate: of that other incident, or, while
/// none is named, of any.
pub(crate) fn may_merge(case: &Case, with: Option<IncidentId>) -> bool {
    let no_handoff = case.open_handoff().is_none_or(|open| match &open.state {
        HandoffState::Declined { duplicate_of: Some(of), .. } => with.is_none_or(|with| with == *of),
        HandoffState::Declined { duplicate_of: None, .. }
        | HandoffState::Claimed { .. }
        | HandoffState::Offered
        | HandoffState::Countered { .. }
        | HandoffState::Agreed(_)
        | HandoffState::Disputed(_)
        | HandoffState::Kept
        | HandoffState::Recalled { .. }
        | HandoffState::TakenOver { .. }
        | HandoffState::PassedOn => false,
    });
    no_handoff && case.alias_of.is_none() && case.phase() != Phase::Closed
}

/// Whether an incident may be one with another, of which this one survives. Whoever answers for others becomes
/// nobody's alias: take those apart first.
pub(crate) fn may_be_one(case: &Case, with: IncidentId, survivor: IncidentId) -> bool {
    may_merge(case, Some(with)) && (survivor == case.id || case.aliases.is_empty())
}

/// Whether a proposal that stands in one incident stands in the other one too. It falls away where custody has moved.
pub(crate) fn proposal_stands(case: &Case, theirs: &MergeProposal, of: IncidentId) -> bool {
    case.merge.as_ref().is_some_and(|merge| {
        let same = merge.other == of && theirs.other == case.id && merge.survivor == theirs.survivor;
        same && merge.by == theirs.by && merge.to == theirs.to
    })
}

pub(super) fn proposed(case: &mut Case, event: &Event, body: &MergeProposed) -> Verdict {
    need(body.survivor == case.id || body.survivor == body.other, Reason::InvalidField)?;
    // It takes a duty officer of each custodian: the custodian of this one proposes or has to agree.
    need(body.by == case.custodian || body.to == case.custodian, Reason::WrongSide)?;
    // Proposed for two that are one already, it is the proposal to take them apart. A closed survivor is reopened
    // first: nothing is owed in a closed incident, an answer neither.
    let apart = case.is_one_with(body.other) && case.phase() != Phase::Closed;
    let together = may_be_one(case, body.other, body.survivor);
    // One between others than those who answer now has fallen away on the other side, and gives way.
    let free = case.merge.as_ref().is_none_or(|merge| {
        let asked = [&merge.by, &merge.to];
        merge.other == body.other && !(asked.contains(&&body.by) && asked.contains(&&body.to))
    });
    need(free && (apart || together), Reason::MergeNotPossible)?;
    case.merge = Some(MergeProposal {
        other: body.other,
        survivor: body.survivor,
        by: body.by.clone(),
        to: body.to.clone(),
        at: event.at,
    });
    Ok(())
}

pub(super) fn refused(case: &mut Case, body: &MergeRefused) -> Verdict {
    let stands = case.merge.as_ref().is_some_and(|merge| merge.other == body.other);
    need(stands, Reason::MoveNotLegal)?;
    case.merge = None;
    Ok(())
}

/// Whether what is owed moves to a survivor, or ends with the merge. What does not is a matter between others that
/// stands in this incident alone, and keeps it from becoming an alias until it is met.
fn moves(duty: Duty) -> bool {
    match duty {
        Duty::Dispatch
        | Duty::OnScene
        | Duty::Handled
        | Duty::Close
        | Duty::AlertSeen
        | Duty::SupportAnswer
        | Duty::FirstFeedback
        | Duty::FinalFeedback
        | Duty::Confirm
        | Duty::AnswerDecline
        | Duty::MergeAnswer => true,
        Duty::OfferDelivered
        | Duty::OfferSeen
        | Duty::Decide
        | Duty::AnswerCounter
        | Duty::AnswerClaim
        | Duty::AnswerRefusal
        | Duty::Sign
        | Duty::TakeOver
        | Duty::RecallReceipt
        | Duty::LeadAnswer
        | Duty::JointAnswer
        | Duty::Position
        | Duty::Ruling
        | Duty::AnswerObjection => false,
    }
}

/// Everything open in an incident that is to become an alias.
pub(crate) fn moved(case: &Case) -> Moved {
    let open = case.result().filter(|result| !matches!(result, ResultLoop::Confirmed { .. }));
    let active = case.unit_statuses().into_iter().filter(|(_, status)| status.is_active());
    let unit = |(deployment, status)| {
        let sent = case.deployments.get(&deployment)?;
        let (unit, of, crew) = (sent.unit.clone(), sent.of.clone(), sent.crew.iter().cloned().collect());
        Some(MovedUnit { deployment, unit, of, crew, support: sent.support, status })
    };
    let alerts = case.alerts.iter().filter(|(_, alert)| !alert.ended);
    let supports = case.supports.iter().filter(|(_, support)| !support.ended);
    Moved {
        needs_unit: case.phase() != Phase::Handled,
        units: active.filter_map(unit).collect(),
        alerts: alerts
            .map(|(to, alert)| MovedAlert {
                to: to.clone(),
                at: alert.at,
                seen: alert.seen,
                receipt_by_ruling: alert.receipt_by_ruling,
                terms: alert.terms.clone(),
            })
            .collect(),
        supports: supports
            .map(|(id, support)| MovedSupport {
                support: *id,
                from: support.from.clone(),
                to: support.to.clone(),
                at: support.at,
                answer: support.answer.map(|(answer, _)| answer),
                answered_at: support.answer.map(|(_, at)| at),
                terms: support.terms.clone(),
            })
            .collect(),
        confirmer: open.and_then(|_| case.confirmer()).cloned(),
        superior: open.and_then(|_| crate::matter::of_result(case)).and_then(|matter| matter.superior),
        ground: ground(case).to_vec(),
    }
}

/// Whose ground an incident is that is not the custodian's own: to be told when it is closed.
pub(crate) fn ground(case: &Case) -> &[StationRef] {
    match case.places.iter().rev().find_map(|(_, place)| place.territory.as_ref()) {
        Some(Territory { ground: Ground::Claimed | Ground::Shared, claimants, .. })
            if !claimants.contains(&case.custodian) =>
        {
            claimants
        }
        Some(_) | None => &[],
    }
}

pub(super) fn merged(case: &mut Case, event: &Event, body: &Merged) -> Verdict {
    let other = if body.alias == case.id { body.survivor } else { body.alias };
    need(body.alias != body.survivor && (body.alias == case.id || body.survivor == case.id), Reason::InvalidField)?;
    let agreed = case.merge.as_ref().is_none_or(|merge| merge.other == other && merge.survivor == body.survivor);
    need(agreed && may_be_one(case, other, body.survivor), Reason::MergeNotPossible)?;
    if body.alias == case.id {
        becomes_alias(case, body)?;
    } else {
        takes_on(case, event, body)?;
    }
    case.merge = None;
    // A decline as duplicate was the proposal; it ends with the case kept.
    for handoff in &mut case.handoffs {
        if matches!(handoff.state, HandoffState::Declined { .. }) {
            handoff.state = HandoffState::Kept;
        }
    }
    case.readers.extend(body.readers.iter().cloned());
    Ok(())
}

fn becomes_alias(case: &mut Case, body: &Merged) -> Verdict {
    // Joint handling is of this incident and its two sides: let it survive, or end joint handling first.
    if case.joint_now().is_some() {
        return Err(Refusal::new(Reason::MergeNotPossible).with("problem", "JOINT_HANDLING"));
    }
    let left: Vec<&str> =
        case.ledger.keys().map(|key| key.duty).filter(|duty| !moves(*duty)).map(Duty::as_str).collect();
    if !left.is_empty() {
        return Err(Refusal::new(Reason::ObligationsLeft).with("owed", left.join(", ")));
    }
    need(body.moved == moved(case), Reason::InvalidField)?;
    case.alias_of = Some(body.survivor);
    Ok(())
}

fn takes_on(case: &mut Case, event: &Event, body: &Merged) -> Verdict {
    let Moved { needs_unit, units, alerts, supports, confirmer, superior, ground } = &body.moved;
    let mut taken = TakenOn {
        seq: event.seq,
        units: BTreeSet::new(),
        alerts: take_on_alerts(case, alerts)?,
        supports: take_on_supports(case, supports)?,
        result: take_on_result(case, event, confirmer.as_ref(), superior.as_ref())?,
        ground: ground.clone(),
    };
    let mut statuses = BTreeMap::new();
    for moved in units {
        // A sending both incidents were told of stays the survivor's own.
        let own = case.deployments.get(&moved.deployment);
        if own.is_some_and(|own| own.unit != moved.unit || own.of != moved.of) {
            continue;
        }
        statuses.insert(moved.deployment, moved.status);
        if own.is_some() {
            let of_alias = case.aliases.values().any(|other| other.units.contains(&moved.deployment));
            taken.units.extend(of_alias.then_some(moved.deployment));
            continue;
        }
        need(case.deployments.len() < DEPLOYMENTS_MAX, Reason::LimitExceeded)?;
        let sent = Deployment {
            unit: moved.unit.clone(),
            of: moved.of.clone(),
            crew: moved.crew.iter().cloned().collect(),
            support: moved.support,
        };
        case.deployments.insert(moved.deployment, sent);
        taken.units.insert(moved.deployment);
    }
    case.aliases.insert(body.alias, taken);
    if statuses.is_empty() && !needs_unit {
        return Ok(());
    }
    fact(case, event, FactKind::Units { units: statuses, needs_unit: *needs_unit })
}

/// Whoever was alerted to the alias is alerted to the survivor; one that has been already knows of it.
fn take_on_alerts(case: &mut Case, alerts: &[MovedAlert]) -> Result<BTreeSet<StationRef>, Refusal> {
    let mut taken = BTreeSet::new();
    for moved in alerts.iter().filter(|moved| moved.to != case.custodian) {
        if case.alerts.get(&moved.to).is_some_and(|alert| !alert.ended) {
            let of_alias = case.aliases.values().any(|other| other.alerts.contains(&moved.to));
            taken.extend(of_alias.then(|| moved.to.clone()));
            continue;
        }
        need(case.alerts.len() < ALERTS_MAX || case.alerts.contains_key(&moved.to), Reason::LimitExceeded)?;
        let alert = Alert {
            at: moved.at,
            cause: Code::of("MERGED"),
            delivered: moved.seen,
            seen: moved.seen,
            answer: None,
            terms: moved.terms.clone(),
            ended: false,
            receipt_by_ruling: moved.receipt_by_ruling,
        };
        case.alerts.insert(moved.to.clone(), alert);
        taken.insert(moved.to.clone());
    }
    Ok(taken)
}

fn take_on_supports(case: &mut Case, supports: &[MovedSupport]) -> Result<BTreeSet<crate::ids::SupportId>, Refusal> {
    let mut taken = BTreeSet::new();
    for moved in supports {
        // An id two incidents use for two requests names neither of them any more.
        need(!case.supports.contains_key(&moved.support), Reason::MergeNotPossible)?;
        need(case.supports.len() < SUPPORTS_MAX, Reason::LimitExceeded)?;
        let support = Support {
            from: moved.from.clone(),
            to: moved.to.clone(),
            at: moved.at,
            answer: moved.answer.zip(moved.answered_at),
            ended: false,
            terms: moved.terms.clone(),
        };
        case.supports.insert(moved.support, support);
        taken.insert(moved.support);
    }
    Ok(taken)
}

/// The alias's result is owed by the survivor's custodian from now on. An incident has one result loop: it takes on
/// another station's only where its own is over; owed to the same station it is the same result, owed anew. Whether the
/// loop is there for aliases alone is handed back.
fn take_on_result(
    case: &mut Case,
    event: &Event,
    confirmer: Option<&StationRef>,
    superior: Option<&crate::ids::OrgId>,
) -> Result<bool, Refusal> {
    let Some(confirmer) = confirmer.filter(|confirmer| **confirmer != case.custodian) else { return Ok(false) };
    let left = |duty: Duty| Err(Refusal::new(Reason::ObligationsLeft).with("owed", duty));
    let of_handoff = case.last_taken_over().is_some();
    match case.result() {
        None => {}
        Some(ResultLoop::Reported { at_superior: Some(_), .. }) => return left(Duty::Ruling),
        Some(_) if case.confirmer() == Some(confirmer) => {
            let for_aliases = !of_handoff && case.aliases.values().any(|taken| taken.result);
            super::result::owed_anew(case, event);
            return Ok(for_aliases);
        }
        Some(ResultLoop::Confirmed { .. }) if !of_handoff && case.former.is_empty() => {}
        Some(_) => return left(Duty::FinalFeedback),
    }
    case.joint_result = Some((confirmer.clone(), ResultLoop::owed(event.at)));
    case.result_superior = superior.cloned();
    Ok(true)
}

/// The units that go back with an alias, each as far as it is now.
pub(crate) fn units_back(case: &Case, alias: IncidentId) -> Vec<UnitBack> {
    let Some(taken) = case.aliases.get(&alias) else { return Vec::new() };
    let statuses = case.unit_statuses().into_iter().filter(|(deployment, _)| taken.units.contains(deployment));
    statuses.map(|(deployment, status)| UnitBack { deployment, status }).collect()
}

pub(super) fn unmerged(case: &mut Case, event: &Event, body: &Unmerged) -> Verdict {
    case.merge = None;
    if body.alias == case.id {
        need(case.alias_of == Some(body.survivor), Reason::MergeNotPossible)?;
        case.alias_of = None;
        if body.units.is_empty() {
            return Ok(());
        }
        let units = body.units.iter().map(|back| (back.deployment, back.status)).collect();
        return fact(case, event, FactKind::Units { units, needs_unit: false });
    }
    need(body.survivor == case.id, Reason::MergeNotPossible)?;
    let back = units_back(case, body.alias);
    let Some(taken) = case.aliases.remove(&body.alias) else { return refuse(Reason::MergeNotPossible) };
    need(body.units == back, Reason::InvalidField)?;
    gives_back(case, event, &taken);
    Ok(())
}

/// What came from an alias, and from no other one too, goes back with it.
fn gives_back(case: &mut Case, event: &Event, taken: &TakenOn) {
    let mut taken = taken.clone();
    for other in case.aliases.values() {
        taken.units.retain(|deployment| !other.units.contains(deployment));
        taken.alerts.retain(|station| !other.alerts.contains(station));
    }
    for fact in &mut case.facts {
        fact.struck |= match &fact.what {
            FactKind::Units { .. } => fact.seq == taken.seq,
            FactKind::Unit { deployment, .. } => taken.units.contains(deployment),
            FactKind::Handled { .. } | FactKind::Closed | FactKind::Reopened { .. } => false,
        };
    }
    case.deployments.retain(|deployment, _| !taken.units.contains(deployment));
    case.supports.retain(|id, _| !taken.supports.contains(id));
    for (station, alert) in &mut case.alerts {
        alert.ended |= taken.alerts.contains(station);
    }
    let still_owed = case.aliases.values().any(|other| other.result);
    // Custody that has moved since brought a result of its own; nothing new is owed in a closed incident.
    if !taken.result || still_owed || !case.former.is_empty() || case.phase() == Phase::Closed {
        return;
    }
    let to_other = case.joint.as_ref().map(|joint| joint.other(&case.custodian).clone());
    match (to_other, &case.joint_result) {
        // Joint handling since then found that result running: its own is owed now.
        (Some(other), _) => {
            case.result_superior = case.joint.as_ref().and_then(|joint| joint.superior.clone());
            case.joint_result = Some((other, ResultLoop::owed(event.at)));
        }
        (None, Some((_, ResultLoop::Confirmed { .. }))) => {}
        (None, _) => case.joint_result = None,
    }
}

pub(super) fn split_off(case: &mut Case, body: &SplitOff) -> Verdict {
    need(case.phase() != Phase::Closed && case.open_handoff().is_none(), Reason::MoveNotLegal)?;
    need(body.part != case.id, Reason::InvalidField)?;
    need(case.links.len() < LINKS_MAX, Reason::LimitExceeded)?;
    case.links.insert((body.part, LinkKind::Parent));
    Ok(())
}

pub(super) fn linked(case: &mut Case, body: &Linked) -> Verdict {
    need(body.other != case.id, Reason::InvalidField)?;
    need(case.links.len() < LINKS_MAX, Reason::LimitExceeded)?;
    case.links.insert((body.other, body.link));
    Ok(())
}
