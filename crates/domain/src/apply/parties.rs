//! Who has a part in the case: it comes in with the event that brings it in and sees nothing new after the one that
//! takes its part away (product, *Sealed and erasable*; reliability, 6).

use crate::case::handoff::{Handoff, HandoffState};
use crate::case::{Case, Party};
use crate::event::{Body, Event};
use crate::ids::StationRef;
use std::collections::BTreeSet;

/// Stations with a part now.
fn now(case: &Case) -> BTreeSet<StationRef> {
    let mut seats = BTreeSet::from([case.custodian.clone(), case.first_receiver.clone()]);
    // Former custodians read the feedback; alerted stations stay until they decline what they were offered.
    seats.extend(case.former.iter().cloned());
    seats.extend(case.alerts.keys().cloned());
    for handoff in &case.handoffs {
        if handoff.state.is_open() {
            seats.extend([handoff.from.clone(), handoff.to.clone()]);
        }
    }
    if let Some(last) = case.handoffs.last() {
        lose_part(case, last, &mut seats);
    }
    if let Some(joint) = case.joint_now() {
        seats.extend([joint.by.clone(), joint.with.clone()]);
    }
    if case.joint_result.is_some() {
        seats.extend(case.joint.iter().flat_map(|joint| [joint.by.clone(), joint.with.clone()]));
    }
    seats.extend(case.supports.values().filter(|support| !support.ended).map(|support| support.to.clone()));
    seats.extend(case.merge.iter().flat_map(|merge| [merge.by.clone(), merge.to.clone()]));
    seats.extend(case.closure.iter().filter_map(|closure| closure.told.as_ref()).map(|(told, _)| told.clone()));
    let active = case.unit_statuses().into_iter().filter(|(_, status)| status.is_active());
    seats.extend(active.filter_map(|(id, _)| case.deployments.get(&id)).map(|sent| sent.of.clone()));
    seats
}

/// After a decline or a recall the other side has no part any more, alerted or not, unless something else gives it
/// one; a case kept afterwards does not bring it back. A recall stays visible until its receipt.
fn lose_part(case: &Case, last: &Handoff, seats: &mut BTreeSet<StationRef>) {
    let out = match &last.state {
        HandoffState::Declined { .. } | HandoffState::Recalled { received: true, .. } => true,
        HandoffState::Kept => case.parties.get(&last.to).is_some_and(|party| party.until.is_some()),
        HandoffState::Recalled { received: false, .. } => {
            seats.insert(last.to.clone());
            false
        }
        HandoffState::Claimed { .. }
        | HandoffState::Offered
        | HandoffState::Countered { .. }
        | HandoffState::Agreed(_)
        | HandoffState::Disputed(_)
        | HandoffState::TakenOver { .. }
        | HandoffState::PassedOn => false,
    };
    if out && !case.former.contains(&last.to) && last.to != case.first_receiver {
        seats.remove(&last.to);
    }
}

pub(super) fn update(case: &mut Case, event: &Event) {
    let now = now(case);
    for seat in &now {
        match case.parties.get_mut(seat) {
            Some(party) if party.until.is_none() => {}
            Some(party) => *party = Party { since: event.seq, until: None },
            None => {
                case.parties.insert(seat.clone(), Party { since: event.seq, until: None });
            }
        }
    }
    for (seat, party) in &mut case.parties {
        if party.until.is_none() && !now.contains(seat) {
            party.until = Some(event.seq);
        }
    }
    let asked = matches!(
        event.body,
        Body::Disputed(_) | Body::Declined(_) | Body::Withdrawn(_) | Body::Contested(_) | Body::JointEndAnswered(_)
    ) && case.ledger_asks_superior();
    if asked && case.at_superior.is_none() {
        case.at_superior = crate::access::superior_of(case).cloned();
        case.superior_since = case.at_superior.is_some().then_some(event.seq);
    }
}

impl Case {
    /// Whether the state itself asks for a ruling, before any clock has run.
    fn ledger_asks_superior(&self) -> bool {
        use crate::case::handoff::ResultLoop;
        let disputed = self.handoffs.iter().any(|handoff| matches!(handoff.state, HandoffState::Disputed(_)));
        let end_refused = self.joint_now().is_some_and(|joint| matches!(joint.end_proposed, Some((_, _, true))));
        disputed || end_refused || matches!(self.result(), Some(ResultLoop::Reported { at_superior: Some(_), .. }))
    }
}
