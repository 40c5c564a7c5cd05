//! Who acted: the organisation of each actor is that of its station, nobody acts for the other side, the service acts
//! as a timer only (invariant 9).

use super::custody::Custody;
use super::forms::{Forms, Paper};
use super::log::Stations;
use super::report::{Rule, Spot, Tally};
use super::units::is_custodians;
use handoff_domain::caller::{OPERATOR, Role};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{HandoffId, StationRef};

/// Checks the actor of one event of an incident against what was told before it.
pub(super) fn check(
    event: &Event,
    position: u64,
    stations: &Stations,
    custody: &Custody,
    forms: &Forms,
    spot: Spot,
    tally: &mut Tally,
) {
    let actor = &event.actor;
    let seated = match &actor.station {
        Some(station) => stations.is_of(station, &actor.org, position),
        None => matches!(actor.role, Role::Superior | Role::Auditor | Role::Service),
    };
    let wrong = ("the actor's station is not of the actor's organisation", "行事人所在派出所不属于其单位");
    tally.holds_or(Rule::OwnSideOnly, spot, seated, wrong, || event.body.type_name().to_owned());
    let service = actor.role == Role::Service;
    let timer = matches!(event.body, Body::Escalated(_)) || service && matches!(event.body, Body::Erased(_));
    let nobody = actor.station.is_none() && actor.officer.is_none();
    let of_operator = actor.org.as_str() == OPERATOR;
    let as_timer = if service { timer && nobody && of_operator } else { !timer && !of_operator };
    let wrong = ("the service acted as more than a timer, or somebody as the service", "系统超出计时器职责行事");
    tally.holds_or(Rule::OwnSideOnly, spot, as_timer, wrong, || event.body.type_name().to_owned());
    if let Some(right) = own_side(event, custody, forms) {
        let wrong = ("acted for the other side", "代替对方行事");
        tally.holds_or(Rule::OwnSideOnly, spot, right, wrong, || event.body.type_name().to_owned());
    }
}

/// One side of a form.
type Pick = fn(&Paper) -> &StationRef;

/// Whether the move is the actor's side's to make; `None` where either side may, or a ruling stands in.
fn own_side(event: &Event, custody: &Custody, forms: &Forms) -> Option<bool> {
    let is_side =
        |id: HandoffId, pick: Pick| Some(forms.papers.get(&id).is_some_and(|paper| event.actor.is_at(pick(paper))));
    let from: Pick = |paper| &paper.from;
    let to: Pick = |paper| &paper.to;
    match &event.body {
        Body::UnitReported(b) => Some(b.of.org == event.actor.org),
        Body::Claimed(b) => Some(event.actor.is_at(&b.to)),
        Body::ClaimDropped(b) => is_side(b.handoff, to),
        Body::ClaimRefused(b) => is_side(b.handoff, from),
        Body::Revised(b) => is_side(b.handoff, from),
        Body::Recalled(b) => is_side(b.handoff, from),
        Body::Kept(b) => is_side(b.handoff, from),
        Body::DisputeWithdrawn(b) => is_side(b.handoff, from),
        Body::Delivered(b) => is_side(b.handoff, to),
        Body::Seen(b) => is_side(b.handoff, to),
        Body::StoodBy(b) => is_side(b.handoff, to),
        Body::Countered(b) => is_side(b.handoff, to),
        Body::Declined(b) => is_side(b.handoff, to),
        Body::Withdrawn(b) => is_side(b.handoff, to),
        Body::RecallReceived(b) => is_side(b.handoff, to),
        Body::Agreed(b) if !forms.way_made(b.handoff) => is_side(b.handoff, to),
        Body::Signed(b) => Some(event.actor.is_at(&b.side)),
        Body::SignatureRefused(b) => Some(event.actor.is_at(&b.side)),
        Body::SubstituteNamed(b) => Some(event.actor.is_at(&b.side)),
        Body::TakenOver(b) if !b.by_order => Some(event.actor.is_at(&b.to)),
        Body::AlertDelivered(b) => Some(event.actor.is_at(&b.to)),
        Body::AlertSeen(b) => Some(event.actor.is_at(&b.to)),
        Body::Contested(_) | Body::Confirmed(_) => confirmer(custody).map(|confirmer| event.actor.is_at(confirmer)),
        body if is_custodians(body) => Some(custody.custodian().is_some_and(|seat| event.actor.is_at(seat))),
        _ => None,
    }
}

/// Who gets the result after a takeover: the first receiver, or, when that is the custodian, who had it before.
fn confirmer(custody: &Custody) -> Option<&StationRef> {
    let last = custody.former().last()?;
    let first = custody.first_receiver()?;
    Some(if custody.custodian() == Some(first) { last } else { first })
}
