//! Who may do what: one table over event types, read by `decide` before it draws an event up and by `apply` when it
//! meets one. An event that names an actor without the right is refused even when it stands in a log.

use crate::caller::{Actor, Caller, Role};
use crate::case::Case;
use crate::event::Body;
use crate::ids::StationRef;
use crate::refusal::Reason;

/// The part a station must have in a case for an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Any station of a party may: intake.
    Anyone,
    /// Any station with a part in the case, now or as former custodian.
    Involved,
    /// The custodian.
    Custodian,
    /// Exactly this station.
    Station(StationRef),
    /// One of these two.
    Either(StationRef, StationRef),
    /// The common superior of the case, or a supervisor of a side where none is named.
    Superior,
    /// An auditor, or a station that is one of these.
    AuditOr(Vec<StationRef>),
    /// The service itself.
    Service,
    /// The organisation whose obligation is overdue, the other side and the superior: whoever was notified.
    Notified,
}

const FACT: &[Role] = &[Role::Adapter, Role::Dispatcher, Role::Responder, Role::DutyOfficer, Role::Supervisor];
const INTAKE: &[Role] = &[Role::Adapter, Role::CallTaker, Role::DutyOfficer, Role::Supervisor];
const DESK: &[Role] = &[Role::Adapter, Role::Dispatcher, Role::DutyOfficer, Role::Supervisor];
const PERSON: &[Role] = &[Role::Dispatcher, Role::Responder, Role::DutyOfficer, Role::Supervisor];
const DECIDE: &[Role] = &[Role::DutyOfficer, Role::Supervisor];
const RULE: &[Role] = &[Role::Superior, Role::Supervisor];
const REOPEN: &[Role] = &[Role::DutyOfficer, Role::Supervisor, Role::Auditor];
const NOTICE: &[Role] = &[Role::DutyOfficer, Role::Supervisor, Role::Superior];

/// Roles and part for one event of one case. `None` for events of the directory and of the log.
#[must_use]
pub fn rule(case: &Case, body: &Body) -> Option<(&'static [Role], Part)> {
    of_incident(case, body).or_else(|| of_handoff(case, body))
}

fn of_incident(case: &Case, body: &Body) -> Option<(&'static [Role], Part)> {
    let custodian = Part::Custodian;
    Some(match body {
        Body::Received(_) => (INTAKE, Part::Anyone),
        Body::CallAdded(_) | Body::PlaceAdded(_) => (DESK, Part::Involved),
        Body::DetailsChanged(_) => (DESK, custodian),
        Body::Noted(_) | Body::ToldByPhone(_) | Body::LabelAdded(_) => (FACT, Part::Involved),
        Body::Struck(_) | Body::SupportRequested(_) => (DESK, Part::Involved),
        Body::Alerted(_) => (DESK, Part::Involved),
        Body::AlertDelivered(b) => (DESK, Part::Station(b.to.clone())),
        Body::AlertSeen(b) => (PERSON, Part::Station(b.to.clone())),
        Body::AlertAnswered(_) => (DESK, Part::Involved),
        Body::UnitReported(_) => (FACT, Part::Involved),
        Body::Handled(b) if b.code.is_some() => (DECIDE, custodian),
        Body::Handled(_) => (DESK, custodian),
        Body::Closed(_) => (DECIDE, custodian),
        Body::Objected(_) => {
            let told = case.closure.as_ref().and_then(|closure| closure.told.as_ref());
            (DECIDE, told.map_or(Part::Service, |(station, _)| Part::Station(station.clone())))
        }
        Body::Reopened(_) => (REOPEN, Part::AuditOr(vec![case.custodian.clone(), case.first_receiver.clone()])),
        Body::Escalated(_) => (&[Role::Service], Part::Service),
        Body::Acknowledged(_) => (NOTICE, Part::Notified),
        Body::CallerOpened(_) => (PERSON, Part::Involved),
        Body::Erased(_) => (&[Role::Auditor, Role::Service], Part::AuditOr(Vec::new())),
        Body::SupportAnswered(b) => (DECIDE, lender(case, b.support)),
        Body::SupportRecalled(b) => (DESK, lender(case, b.support)),
        Body::SupportEnded(b) => (DESK, asker(case, b.support)),
        Body::JointDeclared(_) => (DECIDE, Part::Involved),
        Body::JointAcknowledged(_)
        | Body::LeadAsked(_)
        | Body::LeadAnswered(_)
        | Body::JointEndProposed(_)
        | Body::JointEndAnswered(_) => {
            let sides = case.joint.as_ref().map(|joint| Part::Either(joint.by.clone(), joint.with.clone()));
            (DECIDE, sides.unwrap_or(Part::Service))
        }
        Body::MergeProposed(b) => (DECIDE, Part::Station(b.by.clone())),
        Body::MergeRefused(_) | Body::Merged(_) | Body::Unmerged(_) => {
            let to = case.merge.as_ref().map(|merge| Part::Station(merge.to.clone()));
            (DECIDE, to.unwrap_or(Part::Custodian))
        }
        Body::SplitOff(_) => (DECIDE, custodian),
        Body::Linked(_) => (DESK, Part::Involved),
        _ => return None,
    })
}

fn lender(case: &Case, support: crate::ids::SupportId) -> Part {
    case.supports.get(&support).map_or(Part::Service, |support| Part::Station(support.to.clone()))
}

fn asker(case: &Case, support: crate::ids::SupportId) -> Part {
    case.supports.get(&support).map_or(Part::Service, |support| Part::Station(support.from.clone()))
}

fn of_handoff(case: &Case, body: &Body) -> Option<(&'static [Role], Part)> {
    let from = |id| case.handoff(id).map_or(Part::Service, |handoff| Part::Station(handoff.from.clone()));
    let to = |id| case.handoff(id).map_or(Part::Service, |handoff| Part::Station(handoff.to.clone()));
    let sides = |id| case.handoff(id).map_or(Part::Service, |h| Part::Either(h.from.clone(), h.to.clone()));
    Some(match body {
        Body::Claimed(b) => (DECIDE, Part::Station(b.to.clone())),
        Body::ClaimRefused(b) => (DECIDE, from(b.handoff)),
        Body::ClaimDropped(b) => (DECIDE, to(b.handoff)),
        Body::Offered(b) => (DECIDE, Part::Station(b.from.clone())),
        Body::Revised(b) => (DECIDE, from(b.handoff)),
        Body::Delivered(b) => (DESK, to(b.handoff)),
        Body::Seen(b) => (DECIDE, to(b.handoff)),
        Body::StoodBy(b) => (DECIDE, to(b.handoff)),
        Body::Countered(b) => (DECIDE, to(b.handoff)),
        Body::Declined(b) => (DECIDE, to(b.handoff)),
        // After a settlement the offerer's yes may be what makes the form agreed.
        Body::Agreed(b) => match case.handoff(b.handoff).map(|handoff| &handoff.state) {
            Some(crate::case::handoff::HandoffState::Disputed(_)) => (AGREED_BY_DISPUTE, Part::Superior),
            Some(_) | None => (DECIDE, to(b.handoff)),
        },
        Body::Signed(b) => (PERSON, Part::Station(b.side.clone())),
        Body::SignatureRefused(b) => (PERSON, Part::Station(b.side.clone())),
        Body::SubstituteNamed(b) => (DECIDE, Part::Station(b.side.clone())),
        Body::Withdrawn(b) => (DECIDE, to(b.handoff)),
        Body::Recalled(b) => (DECIDE, from(b.handoff)),
        Body::RecallReceived(b) => (DESK, to(b.handoff)),
        Body::Kept(b) => (DECIDE, from(b.handoff)),
        Body::Disputed(b) => (DECIDE, sides(b.handoff)),
        Body::PositionStated(b) => (DECIDE, sides(b.handoff)),
        Body::SettlementProposed(b) => (DECIDE, sides(b.handoff)),
        Body::Settled(b) => (DECIDE, sides(b.handoff)),
        Body::DisputeWithdrawn(b) => (DECIDE, from(b.handoff)),
        Body::RulingProposed(_) => (&[Role::Supervisor], Part::Superior),
        Body::Ruled(_) => (RULE, Part::Superior),
        Body::TakenOver(b) if b.by_order => (RULE, Part::Superior),
        Body::TakenOver(b) => (DECIDE, Part::Station(b.to.clone())),
        Body::FeedbackGiven(_) => (PERSON, Part::Custodian),
        Body::Reported(_) | Body::ReportTakenBack(_) => (DECIDE, Part::Custodian),
        Body::Contested(_) | Body::Confirmed(_) => {
            (DECIDE, case.confirmer().map_or(Part::Service, |seat| Part::Station(seat.clone())))
        }
        _ => return None,
    })
}

const AGREED_BY_DISPUTE: &[Role] = &[Role::DutyOfficer, Role::Supervisor, Role::Superior];

/// Stations that count as the two sides when no superior is named: custodian and whoever it deals with.
fn sides_of(case: &Case) -> Vec<StationRef> {
    let mut sides = vec![case.custodian.clone()];
    if let Some(handoff) = case.handoffs.iter().rev().find(|handoff| handoff.state.is_open()) {
        sides.push(handoff.other(&case.custodian).clone());
    } else if let Some(joint) = case.joint_now() {
        sides.push(joint.other(&case.custodian).clone());
    } else if let Some(confirmer) = case.confirmer() {
        sides.push(confirmer.clone());
    } else {
        sides.extend(case.parties.keys().filter(|seat| **seat != case.custodian).cloned());
    }
    sides
}

/// The superior named by the terms in force: of the open handoff, of joint handling, of an alert, of the incident.
#[must_use]
pub fn superior_of(case: &Case) -> Option<&crate::ids::OrgId> {
    let of_handoff = case.handoffs.iter().rev().filter_map(|handoff| handoff.terms.as_ref());
    let of_alert = case.alerts.values().filter_map(|alert| alert.terms.as_ref());
    of_handoff
        .chain(of_alert)
        .chain(case.terms.as_ref())
        .find_map(|terms| terms.superior.as_ref())
        .or_else(|| case.joint.as_ref().and_then(|joint| joint.superior.as_ref()))
}

/// Whether an actor holds the role and the part an event of this case needs.
///
/// # Errors
/// `ROLE_NOT_ALLOWED`, `WRONG_SIDE` or `OTHER_ORGANISATION`.
pub fn check(case: &Case, body: &Body, actor: &Actor) -> Result<(), Reason> {
    let Some((roles, part)) = rule(case, body) else { return Err(Reason::MoveNotLegal) };
    if !roles.contains(&actor.role) {
        return Err(Reason::RoleNotAllowed);
    }
    if holds(case, &part, actor) { Ok(()) } else { Err(side_refusal(case, &part, actor)) }
}

fn side_refusal(case: &Case, part: &Part, actor: &Actor) -> Reason {
    let wanted = match part {
        Part::Custodian => Some(&case.custodian.org),
        Part::Station(seat) => Some(&seat.org),
        Part::Anyone
        | Part::Involved
        | Part::Either(..)
        | Part::Superior
        | Part::AuditOr(_)
        | Part::Service
        | Part::Notified => None,
    };
    if wanted.is_some_and(|org| *org != actor.org) { Reason::OtherOrganisation } else { Reason::WrongSide }
}

fn holds(case: &Case, part: &Part, actor: &Actor) -> bool {
    let seat = actor.seat();
    let is = |wanted: &StationRef| seat.as_ref() == Some(wanted);
    match part {
        Part::Anyone => seat.is_some(),
        Part::Involved => seat.as_ref().is_some_and(|seat| {
            case.parties.get(seat).is_some_and(|party| party.until.is_none()) || case.former.contains(seat)
        }),
        Part::Custodian => is(&case.custodian),
        Part::Station(wanted) => is(wanted),
        Part::Either(a, b) => is(a) || is(b),
        Part::Superior => match superior_of(case) {
            Some(org) => {
                actor.org == *org && actor.role == Role::Superior
                // The settlement of a dispute is the sides' own act, a superior or not.
                || actor.role != Role::Superior && AGREED_BY_DISPUTE.contains(&actor.role)
                    && settles(case) && sides_of(case).iter().any(&is)
            }
            None => actor.role != Role::Superior && sides_of(case).iter().any(&is),
        },
        Part::AuditOr(seats) => matches!(actor.role, Role::Auditor | Role::Service) || seats.iter().any(&is),
        Part::Service => actor.role == Role::Service,
        Part::Notified => match actor.role {
            Role::Superior => case.at_superior.as_ref() == Some(&actor.org),
            _ => seat.is_some_and(|seat| case.parties.contains_key(&seat)),
        },
    }
}

/// Whether the open handoff is in a dispute with a settlement on the table.
fn settles(case: &Case) -> bool {
    case.open_handoff().is_some_and(|handoff| match &handoff.state {
        crate::case::handoff::HandoffState::Disputed(dispute) => dispute.proposal.is_some() || dispute.way_on.is_some(),
        _ => false,
    })
}

/// The actor a caller acts as for an event: the first role of the rule it holds, at the station the rule asks for.
///
/// # Errors
/// The refusal [`check`] gives for every role and station the caller could act as.
pub fn choose(
    case: &Case,
    body: &Body,
    caller: &Caller,
    acting_for: Option<&crate::ids::StationId>,
) -> Result<Actor, Reason> {
    let Some((roles, part)) = rule(case, body) else { return Err(Reason::MoveNotLegal) };
    let mut refusal = Reason::RoleNotAllowed;
    for role in roles.iter().filter(|role| held(caller, **role)) {
        for seat in seats(case, &part, caller, *role, acting_for) {
            let actor = Actor {
                org: caller.org.clone(),
                station: seat,
                officer: caller.officer.clone(),
                role: *role,
                reg: None,
            };
            if holds(case, &part, &actor) {
                return Ok(actor);
            }
            refusal = side_refusal(case, &part, &actor);
        }
    }
    Err(refusal)
}

fn held(caller: &Caller, role: Role) -> bool {
    caller.has(role) || role == Role::CallTaker && caller.has(Role::Dispatcher)
}

/// Stations a caller may act for in one role: its token's; a supervisor's any of the own organisation.
fn seats(
    case: &Case,
    part: &Part,
    caller: &Caller,
    role: Role,
    acting_for: Option<&crate::ids::StationId>,
) -> Vec<Option<crate::ids::StationId>> {
    if matches!(role, Role::Superior | Role::Auditor | Role::Service) {
        return vec![None];
    }
    if role != Role::Supervisor {
        return vec![caller.station.clone()];
    }
    if acting_for.is_some() {
        return vec![acting_for.cloned()];
    }
    let mut seats = vec![caller.station.clone()];
    let named = match part {
        Part::Station(seat) => vec![seat.clone()],
        Part::Either(a, b) => vec![a.clone(), b.clone()],
        Part::AuditOr(list) => list.clone(),
        Part::Superior => sides_of(case),
        Part::Anyone | Part::Involved | Part::Custodian | Part::Service | Part::Notified => {
            std::iter::once(case.custodian.clone()).chain(case.parties.keys().cloned()).collect()
        }
    };
    seats.extend(named.into_iter().filter(|seat| seat.org == caller.org).map(|seat| Some(seat.station)));
    seats
}

/// Whether a caller may know that the incident exists. To all others it is NOT_FOUND (product, *Words*).
#[must_use]
pub fn may_see(case: &Case, caller: &Caller) -> bool {
    if caller.has(Role::Auditor) || caller.has(Role::Service) {
        return true;
    }
    if caller.has(Role::Superior) {
        return case.at_superior.as_ref() == Some(&caller.org);
    }
    let at_station = |seat: &StationRef| match &caller.station {
        Some(station) => seat.station == *station || caller.has(Role::Supervisor),
        None => caller.has(Role::Supervisor),
    };
    let reads = caller.roles.iter().any(|role| !matches!(role, Role::Admin));
    reads && case.parties.keys().any(|seat| seat.org == caller.org && at_station(seat))
}

/// Whether a station may open the caller's data: the custodian, the station it is offered to, a station with a unit
/// on it (product, *Sealed and erasable*).
#[must_use]
pub fn may_open_caller(case: &Case, seat: &StationRef) -> bool {
    *seat == case.custodian
        || case.open_handoff().is_some_and(|open| open.version > 0 && open.to == *seat)
        || case.has_active_unit(seat)
}
