//! Who may do what: one table over event types, read by `decide` before it draws an event up and by `apply` when it
//! meets one. An event that names an actor without the right is refused even when it stands in a log.

use crate::caller::{Actor, Caller, Role};
use crate::case::handoff::{Asked, Handoff, WayOn};
use crate::case::{Case, Ordered};
use crate::codes;
use crate::event::Body;
use crate::event::incident::Acknowledged;
use crate::ids::{HandoffId, IncidentId, OrgId, StationId, StationRef, SupportId};
use crate::matter::{self, Matter};
use crate::obligations::Key;
use crate::refusal::Reason;
use crate::timers::{Duty, Rung};
use std::collections::BTreeSet;

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
    /// One of these.
    OneOf(Vec<StationRef>),
    /// This superior.
    Superior(OrgId),
    /// One of these superiors.
    SuperiorOf(BTreeSet<OrgId>),
    /// An auditor, or a station that is one of these.
    AuditOr(Vec<StationRef>),
    /// The service itself.
    Service,
}

/// Roles and the part one of them needs.
pub type Rule = (&'static [Role], Part);

const FACT: &[Role] = &[Role::Adapter, Role::Dispatcher, Role::Responder, Role::DutyOfficer, Role::Supervisor];
const INTAKE: &[Role] = &[Role::Adapter, Role::CallTaker, Role::DutyOfficer, Role::Supervisor];
/// Whoever takes a call also alerts: the alerts of an intake go out under the caller's own role.
const ALERT: &[Role] = &[Role::Adapter, Role::Dispatcher, Role::CallTaker, Role::DutyOfficer, Role::Supervisor];
pub(crate) const DESK: &[Role] = &[Role::Adapter, Role::Dispatcher, Role::DutyOfficer, Role::Supervisor];
/// Nothing a machine does by itself.
pub(crate) const DISPATCH: &[Role] = &[Role::Dispatcher, Role::DutyOfficer, Role::Supervisor];
pub(crate) const PERSON: &[Role] = &[Role::Dispatcher, Role::Responder, Role::DutyOfficer, Role::Supervisor];
pub(crate) const DECIDE: &[Role] = &[Role::DutyOfficer, Role::Supervisor];
const REOPEN: &[Role] = &[Role::DutyOfficer, Role::Supervisor, Role::Auditor];
const ERASE: &[Role] = &[Role::Auditor, Role::Service];
const SERVICE: &[Role] = &[Role::Service];
const SUPERIOR: &[Role] = &[Role::Superior];
const SUPERVISOR: &[Role] = &[Role::Supervisor];

/// Roles and part for one event of one case. `None` for events of the directory and of the log.
#[must_use]
#[expect(clippy::too_many_lines, reason = "a table, one row per event type")]
pub fn rule(case: &Case, body: &Body) -> Option<Rule> {
    let custodian = Part::Custodian;
    let from = |id| case.handoff(id).map_or(Part::Service, |handoff| Part::Station(handoff.from.clone()));
    let to = |id| case.handoff(id).map_or(Part::Service, |handoff| Part::Station(handoff.to.clone()));
    let sides = |id| Part::OneOf(case.handoff(id).map(sides_of).unwrap_or_default());
    Some(match body {
        Body::LogOpened(_)
        | Body::LogFenced(_)
        | Body::StationSet(_)
        | Body::PostSet(_)
        | Body::UnitSet(_)
        | Body::OfficerSet(_)
        | Body::AgreementProposed(_)
        | Body::AgreementRatified(_)
        | Body::CatalogueSet(_)
        | Body::MapPublished(_)
        | Body::MapRatified(_)
        | Body::RegistryUpdated(_)
        | Body::ShiftBegun(_)
        | Body::DrillOpened(_)
        | Body::DrillJoined(_)
        | Body::DrillEnded(_) => return None,

        Body::Received(_) => (INTAKE, Part::Anyone),
        Body::Noted(b) if b.code.as_ref().is_some_and(|code| code.is(codes::OBJECTION_ANSWERED)) => (DECIDE, custodian),
        Body::Noted(_) | Body::ToldByPhone(_) | Body::LabelAdded(_) | Body::UnitReported(_) => (FACT, Part::Involved),
        Body::Alerted(_) => (ALERT, Part::Involved),
        Body::CallAdded(_) | Body::PlaceAdded(_) | Body::Struck(_) | Body::AlertAnswered(_) => (DESK, Part::Involved),
        Body::SupportRequested(_) | Body::Linked(_) => (DISPATCH, Part::Involved),
        Body::DetailsChanged(_) => (DESK, custodian),
        Body::AlertDelivered(b) => (DESK, Part::Station(b.to.clone())),
        Body::AlertSeen(b) => (PERSON, Part::Station(b.to.clone())),
        Body::Handled(b) if b.code.is_some() => (DECIDE, custodian),
        Body::Handled(_) => (DISPATCH, custodian),
        Body::Closed(_) | Body::SplitOff(_) => (DECIDE, custodian),
        Body::Objected(_) => (DECIDE, told_of_closing(case)),
        Body::Reopened(_) => (REOPEN, Part::AuditOr(vec![case.custodian.clone(), case.first_receiver.clone()])),
        Body::Escalated(_) => (SERVICE, Part::Service),
        Body::Acknowledged(b) => notified(case, b),
        Body::CallerOpened(_) => (PERSON, Part::Involved),
        Body::Erased(_) => (ERASE, Part::AuditOr(Vec::new())),
        Body::SupportAnswered(b) => (DECIDE, lender(case, b.support)),
        Body::SupportRecalled(b) => (DISPATCH, lender(case, b.support)),
        Body::SupportEnded(b) => (DISPATCH, asker(case, b.support)),
        Body::JointDeclared(_) => (DECIDE, Part::Involved),
        Body::JointAcknowledged(_)
        | Body::LeadAsked(_)
        | Body::LeadAnswered(_)
        | Body::JointEndProposed(_)
        | Body::JointEndAnswered(_) => (DECIDE, Part::OneOf(joint_sides(case))),
        Body::MergeProposed(b) => (DECIDE, Part::Station(b.by.clone())),
        // Whoever proposed may take it back.
        Body::MergeRefused(_) => {
            let sides = case.merge.as_ref().map(|merge| vec![merge.by.clone(), merge.to.clone()]);
            (DECIDE, Part::OneOf(sides.unwrap_or_default()))
        }
        Body::Merged(_) | Body::Unmerged(_) => {
            let to = case.merge.as_ref().map(|merge| Part::Station(merge.to.clone()));
            (DECIDE, to.unwrap_or(Part::Custodian))
        }

        Body::Claimed(b) => (DECIDE, Part::Station(b.to.clone())),
        Body::Offered(b) => (DECIDE, Part::Station(b.from.clone())),
        Body::ClaimRefused(b) => (DECIDE, from(b.handoff)),
        Body::Revised(b) => (DECIDE, from(b.handoff)),
        Body::Recalled(b) => (DECIDE, from(b.handoff)),
        Body::Kept(b) => (DECIDE, from(b.handoff)),
        Body::DisputeWithdrawn(b) => (DECIDE, from(b.handoff)),
        Body::ClaimDropped(b) => (DECIDE, to(b.handoff)),
        Body::Delivered(b) => (DESK, to(b.handoff)),
        Body::RecallReceived(b) => (DESK, to(b.handoff)),
        Body::Seen(b) => (DECIDE, to(b.handoff)),
        Body::StoodBy(b) => (DECIDE, to(b.handoff)),
        Body::Countered(b) => (DECIDE, to(b.handoff)),
        Body::Declined(b) => (DECIDE, to(b.handoff)),
        Body::Withdrawn(b) => (DECIDE, to(b.handoff)),
        // After a settlement the offerer's yes may be what makes the form agreed, after a ruling the superior's word.
        Body::Agreed(b) => match way_on(case, b.handoff) {
            Some(WayOn::Ruled) => case.handoff(b.handoff).map_or(NOBODY, |handoff| rules(matter::of_handoff(handoff))),
            Some(WayOn::Settled) => (DECIDE, sides(b.handoff)),
            None => (DECIDE, to(b.handoff)),
        },
        Body::Signed(b) => (PERSON, Part::Station(b.side.clone())),
        Body::SignatureRefused(b) => (PERSON, Part::Station(b.side.clone())),
        Body::SubstituteNamed(b) => (DECIDE, Part::Station(b.side.clone())),
        Body::Disputed(b) => (DECIDE, sides(b.handoff)),
        Body::PositionStated(b) => (DECIDE, sides(b.handoff)),
        Body::SettlementProposed(b) => (DECIDE, sides(b.handoff)),
        Body::Settled(b) => (DECIDE, sides(b.handoff)),
        Body::RulingProposed(b) => ruling_of(case, &Asked::from(b)),
        Body::Ruled(b) => ruling_of(case, &Asked::from(b)),
        Body::TakenOver(b) if b.by_order => order(case, &b.to),
        Body::TakenOver(b) => (DECIDE, Part::Station(b.to.clone())),
        Body::FeedbackGiven(_) => (PERSON, custodian),
        Body::Reported(_) | Body::ReportTakenBack(_) => (DECIDE, custodian),
        Body::Contested(_) | Body::Confirmed(_) => {
            (DECIDE, case.confirmer().map_or(Part::Service, |seat| Part::Station(seat.clone())))
        }
    })
}

fn sides_of(handoff: &Handoff) -> Vec<StationRef> {
    vec![handoff.from.clone(), handoff.to.clone()]
}

fn joint_sides(case: &Case) -> Vec<StationRef> {
    case.joint.iter().flat_map(|joint| [joint.by.clone(), joint.with.clone()]).collect()
}

fn told_of_closing(case: &Case) -> Part {
    let told = case.closure.as_ref().and_then(|closure| closure.told.as_ref());
    told.map_or(Part::OneOf(Vec::new()), |(station, _)| Part::Station(station.clone()))
}

fn lender(case: &Case, support: SupportId) -> Part {
    case.supports.get(&support).map_or(Part::Service, |support| Part::Station(support.to.clone()))
}

fn asker(case: &Case, support: SupportId) -> Part {
    case.supports.get(&support).map_or(Part::Service, |support| Part::Station(support.from.clone()))
}

fn way_on(case: &Case, id: HandoffId) -> Option<WayOn> {
    case.handoff(id).and_then(Handoff::dispute).and_then(|dispute| dispute.way_on)
}

/// A rule nobody meets: what it is about is not there, which `apply` says.
const NOBODY: Rule = (SUPERIOR, Part::OneOf(Vec::new()));

/// Who rules on a matter: its superior, or the supervisors of its sides where none is named.
fn rules(matter: Matter) -> Rule {
    let Matter { sides, superior } = matter;
    match superior {
        Some(org) => (SUPERIOR, Part::Superior(org)),
        None => (SUPERVISOR, Part::OneOf(sides.to_vec())),
    }
}

fn ruling_of(case: &Case, asked: &Asked) -> Rule {
    matter::of_ruling(case, asked).map_or(NOBODY, rules)
}

/// The takeover that carries an order out is made by whoever gave it.
fn order(case: &Case, to: &StationRef) -> Rule {
    match case.ordered.as_ref() {
        Some(Ordered { superior: Some(org), .. }) => (SUPERIOR, Part::Superior(org.clone())),
        Some(_) => (SUPERVISOR, Part::OneOf(vec![case.custodian.clone(), to.clone()])),
        None => NOBODY,
    }
}

/// Whoever was notified of an obligation on the rung it is on gives the receipt, and nobody else: the role that owes
/// it, that station's supervisor, the supervisors of both sides, the superior. An offer no system takes in is the
/// offerer's to hear of from 30 s on, and at 60 s its to phone (product, *Obligations and timers*).
fn notified(case: &Case, body: &Acknowledged) -> Rule {
    let key = Key { duty: body.duty, scope: body.scope, by: body.by.clone() };
    let superiors = || matter::superiors_of(case, &key);
    match (body.rung, &body.by) {
        (Rung::BothSupervisors | Rung::Superior, _) if body.duty == Duty::OfferDelivered => {
            (DECIDE, Part::OneOf(matter::sides_of(case, &key)))
        }
        (Rung::Duty, Some(by)) if body.duty == Duty::Ruling => (SUPERVISOR, Part::Station(by.clone())),
        (Rung::Duty, Some(by)) => (DECIDE, Part::Station(by.clone())),
        (Rung::Supervisor, Some(by)) => (SUPERVISOR, Part::Station(by.clone())),
        (Rung::Supervisor, None) | (Rung::BothSupervisors, _) => {
            let by = body.by.iter().cloned();
            (SUPERVISOR, Part::OneOf(matter::sides_of(case, &key).into_iter().chain(by).collect()))
        }
        (Rung::Duty, None) | (Rung::Superior, _) => match superiors() {
            none if none.is_empty() => (SUPERVISOR, Part::OneOf(matter::sides_of(case, &key))),
            orgs => (SUPERIOR, Part::SuperiorOf(orgs)),
        },
    }
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
        Part::Superior(org) => Some(org),
        Part::Anyone | Part::Involved | Part::OneOf(_) | Part::SuperiorOf(_) | Part::AuditOr(_) | Part::Service => None,
    };
    if wanted.is_some_and(|org| *org != actor.org) { Reason::OtherOrganisation } else { Reason::WrongSide }
}

fn holds(case: &Case, part: &Part, actor: &Actor) -> bool {
    let seat = actor.seat();
    let is = |wanted: &StationRef| seat.as_ref() == Some(wanted);
    match part {
        Part::Anyone => seat.is_some(),
        Part::Involved => seat.as_ref().is_some_and(|seat| case.takes_part(seat) || case.former.contains(seat)),
        Part::Custodian => is(&case.custodian),
        Part::Station(wanted) => is(wanted),
        Part::OneOf(seats) => seats.iter().any(is),
        Part::Superior(org) => actor.org == *org && actor.role == Role::Superior,
        Part::SuperiorOf(orgs) => orgs.contains(&actor.org) && actor.role == Role::Superior,
        Part::AuditOr(seats) => matches!(actor.role, Role::Auditor | Role::Service) || seats.iter().any(is),
        Part::Service => actor.role == Role::Service,
    }
}

/// The actor a caller acts as for an event: the first role of the rule it holds, at the station the rule asks for.
///
/// # Errors
/// The refusal [`check`] gives for every role and station the caller could act as.
pub fn choose(case: &Case, body: &Body, caller: &Caller, acting_for: Option<&StationId>) -> Result<Actor, Reason> {
    let Some((roles, part)) = rule(case, body) else { return Err(Reason::MoveNotLegal) };
    let mut refusal = Reason::RoleNotAllowed;
    for role in roles.iter().filter(|role| held(caller, **role)) {
        for station in seats(case, &part, caller, *role, acting_for) {
            let (org, officer) = (caller.org.clone(), caller.officer.clone());
            let actor = Actor { org, station, officer, role: *role, reg: None };
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
    acting_for: Option<&StationId>,
) -> Vec<Option<StationId>> {
    if matches!(role, Role::Superior | Role::Auditor | Role::Service) {
        return vec![None];
    }
    if let Some(named) = acting_for {
        // Only a supervisor acts for another station than its own; for anybody else the name is nobody's seat.
        let allowed = role == Role::Supervisor || caller.station.as_ref() == Some(named);
        return vec![allowed.then(|| named.clone())];
    }
    if role != Role::Supervisor {
        return vec![caller.station.clone()];
    }
    let mut seats = vec![caller.station.clone()];
    let named = match part {
        Part::Station(seat) => vec![seat.clone()],
        Part::OneOf(list) | Part::AuditOr(list) => list.clone(),
        Part::Anyone | Part::Involved | Part::Custodian | Part::Superior(_) | Part::SuperiorOf(_) | Part::Service => {
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
        return case.superiors.contains_key(&caller.org);
    }
    let reads = caller.roles.iter().any(|role| !matches!(role, Role::Admin | Role::Witness));
    let party = case.parties.keys().any(|seat| is_at(caller, seat));
    reads && (party || case.open_handoff().is_some_and(|open| named_signer(open, caller)))
}

/// Whether a caller may list the pseudonyms of its own organisation: who registers officers, and who names them on a form
/// or a unit. Nobody else has a use for them (security, 7).
#[must_use]
pub fn may_list_officers(caller: &Caller) -> bool {
    [Role::Admin, Role::DutyOfficer, Role::Supervisor].iter().any(|role| caller.has(*role))
}

/// Whether a caller may mirror the log: every event's bytes, incidents never handed over included, and none of their
/// values. The witness of a party, and the audit office, which reads every case anyhow (evidence, 6).
#[must_use]
pub fn may_mirror(caller: &Caller) -> bool {
    caller.has(Role::Witness) || caller.has(Role::Auditor)
}

/// Whether a caller may have the exact events of a case it sees: they hold what is shown to nobody, or to one side alone.
#[must_use]
pub fn may_export(caller: &Caller) -> bool {
    caller.has(Role::Auditor)
}

/// Whether a caller's signatures of tree heads, and its refusals, are taken in.
#[must_use]
pub fn may_cosign(caller: &Caller) -> bool {
    caller.has(Role::Witness)
}

/// Number of the last entry a caller may see of a case it may know of; `None` where it sees every one. A station that
/// has no part any more, and a superior with nothing before it, keep what they saw and see nothing new (product, *Sealed
/// and erasable*).
#[must_use]
pub fn sees_until(case: &Case, caller: &Caller) -> Option<u64> {
    if let (true, Some(part)) = (caller.has(Role::Superior), case.superiors.get(&caller.org)) {
        return part.until;
    }
    let reads_all = [Role::Auditor, Role::Service].iter().any(|role| caller.has(*role));
    if reads_all || case.open_handoff().is_some_and(|open| named_signer(open, caller)) {
        return None;
    }
    let own = case.parties.iter().filter(|(seat, _)| is_at(caller, seat));
    let ends: Option<Vec<u64>> = own.map(|(_, party)| party.until).collect();
    ends.map(|ends| ends.into_iter().max().unwrap_or(0))
}

/// Whether a caller may know of an alias through its survivor: who saw the survivor when the two became one does.
#[must_use]
pub fn may_see_alias(survivor: &Case, alias: IncidentId, caller: &Caller) -> bool {
    let Some(taken) = survivor.aliases.get(&alias) else { return false };
    may_see(survivor, caller) && sees_until(survivor, caller).is_none_or(|until| until >= taken.seq)
}

/// Whether a caller looks from that station: from the one its token names, a supervisor from any of its organisation.
fn is_at(caller: &Caller, seat: &StationRef) -> bool {
    seat.org == caller.org && (caller.has(Role::Supervisor) || caller.station.as_ref() == Some(&seat.station))
}

/// Whether the caller is the officer named to sign for its organisation's side, who may be of a station without a part.
fn named_signer(handoff: &Handoff, caller: &Caller) -> bool {
    [&handoff.from, &handoff.to].into_iter().filter(|side| side.org == caller.org).any(|side| {
        let signer = handoff.signer(side).map(|signer| &signer.officer);
        signer.is_some() && signer == caller.officer.as_ref()
    })
}

/// Whether a station may open the caller's data: the custodian, the station it is offered to, a station with a unit
/// on it (product, *Sealed and erasable*). Whoever said no to the version on the table has no offer any more, in a
/// dispute over it neither.
#[must_use]
pub fn may_open_caller(case: &Case, seat: &StationRef) -> bool {
    *seat == case.custodian
        || case.open_handoff().is_some_and(|open| open.version > 0 && open.to == *seat && !open.is_declined())
        || case.has_active_unit(seat)
}
