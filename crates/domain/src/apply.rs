//! One event onto one case. The same function serves the writer, replay, the verifier and the model checker, and it
//! refuses what `decide` could not have written: there is one place where a move is legal or not.

mod dispute;
mod handoff;
mod incident;
mod joint;
mod limits;
mod merge;
mod parties;
mod result;
mod ruling;
mod signing;
mod takeover;

pub(crate) use dispute::overdue;
pub(crate) use handoff::has_lamps;
pub(crate) use merge::{ground, may_be_one, may_merge, moved, proposal_stands, units_back};
pub(crate) use parties::readers;
pub(crate) use ruling::{rulable, together};
pub(crate) use signing::may_sign;

use crate::access;
use crate::case::{Case, INCIDENT_EVENTS_MAX};
use crate::codes;
use crate::event::{Body, Event};
use crate::ids::{HandoffId, IncidentId};
use crate::obligations;
use crate::refusal::{Reason, Refusal};
use crate::values::{Code, Sealed};

/// An event that does not follow from the state it meets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event {type_name} number {seq} of {incident} does not follow: {}", .refusal.reason)]
pub struct Violation {
    /// The incident.
    pub incident: IncidentId,
    /// Number of the event.
    pub seq: u64,
    /// Its type.
    pub type_name: &'static str,
    /// What it breaks.
    pub refusal: Box<Refusal>,
}

/// The outcome of one guard.
type Verdict = Result<(), Refusal>;

fn refuse(reason: Reason) -> Verdict {
    Err(Refusal::new(reason))
}

/// A rule that must hold, or the reason why not.
fn need(holds: bool, reason: Reason) -> Verdict {
    if holds { Ok(()) } else { refuse(reason) }
}

/// OTHER always comes with a text that says what.
fn explained(code: &Code, note: Option<&Sealed>) -> Verdict {
    if code.is(codes::OTHER) && note.is_none() {
        return Err(Refusal::new(Reason::InvalidField).field("note"));
    }
    Ok(())
}

/// The case after one event; the first event of an incident makes it.
///
/// # Errors
/// [`Violation`] when the event does not follow: wrong number, wrong actor, illegal move.
pub fn apply(case: Option<Case>, event: &Event) -> Result<Case, Violation> {
    next(case, event).map_err(|refusal| Violation {
        incident: event.incident,
        seq: event.seq,
        type_name: event.body.type_name(),
        refusal: Box::new(refusal),
    })
}

fn next(case: Option<Case>, event: &Event) -> Result<Case, Refusal> {
    let mut case = match (case, &event.body) {
        (None, Body::Received(body)) => incident::received(event, body)?,
        (None, _) => return Err(Refusal::new(Reason::IncidentNotFound)),
        (Some(_), Body::Received(_)) => return Err(Refusal::new(Reason::IncidentExists)),
        (Some(mut case), body) => {
            in_order(&case, event)?;
            access::check(&case, body, &event.actor).map_err(Refusal::new)?;
            (case.version, case.updated_at) = (event.seq, event.at);
            step(&mut case, event)?;
            case
        }
    };
    incident::implied(&mut case, event);
    // Whoever rules, or gives a receipt of what has climbed, need not be on the scene of it.
    let above = matches!(event.body, Body::RulingProposed(_) | Body::Ruled(_))
        || matches!(&event.body, Body::Acknowledged(body) if body.rung != crate::timers::Rung::Duty);
    if event.actor.is_at(&case.custodian) && event.actor.is_person() && !above {
        case.custodian_acted = Some(event.at);
    }
    result::follow_phase(&mut case, event);
    parties::update(&mut case, event);
    case.ledger = obligations::reconcile(&case.ledger, obligations::derive(&case));
    parties::update_superiors(&mut case, event.seq);
    ruling::forget_proposed(&mut case);
    Ok(case)
}

fn in_order(case: &Case, event: &Event) -> Verdict {
    need(event.incident == case.id && event.seq == case.version + 1, Reason::StaleVersion)?;
    need(event.at >= case.updated_at, Reason::StaleVersion)?;
    let max = if limits::begins_something(&event.body) { INCIDENT_EVENTS_MAX } else { 2 * INCIDENT_EVENTS_MAX };
    if event.seq <= max { Ok(()) } else { Err(Refusal::new(Reason::LimitExceeded).with("max", max)) }
}

/// One handoff of the case, to be changed.
fn named(case: &mut Case, id: HandoffId) -> Result<&mut crate::case::handoff::Handoff, Refusal> {
    case.handoffs.iter_mut().find(|h| h.id == id).ok_or_else(|| Refusal::new(Reason::HandoffNotFound))
}

/// An alias takes notes and erasures of what it holds, and its own way out; anything else belongs to its survivor, which
/// the refusal names, and where [`crate::decide()`] records the facts that still name the alias.
fn on_alias(case: &Case, body: &Body) -> Verdict {
    let Some(survivor) = case.alias_of else { return Ok(()) };
    let its_own = matches!(
        body,
        Body::Unmerged(_) | Body::MergeProposed(_) | Body::MergeRefused(_) | Body::Noted(_) | Body::Erased(_)
    );
    if its_own { Ok(()) } else { Err(Refusal::new(Reason::IncidentIsAlias).with("survivor", survivor)) }
}

#[expect(clippy::too_many_lines, reason = "a table, one row per event type")]
fn step(case: &mut Case, event: &Event) -> Verdict {
    on_alias(case, &event.body)?;
    match &event.body {
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
        | Body::DrillEnded(_)
        | Body::Received(_) => refuse(Reason::MoveNotLegal),

        Body::CallAdded(b) => incident::call_added(case, event, b),
        Body::Noted(b) => incident::noted(case, event, b),
        Body::ToldByPhone(_) => Ok(()),
        Body::Erased(body) => incident::erased(case, event, body),
        Body::CallerOpened(b) => incident::caller_opened(case, event, b),
        Body::PlaceAdded(b) => incident::place_added(case, event, b),
        Body::DetailsChanged(b) => incident::details_changed(case, b),
        Body::LabelAdded(b) => incident::label_added(case, event, b),
        Body::Alerted(b) => incident::alerted(case, event, b),
        Body::AlertDelivered(b) => incident::alert_delivered(case, event, b),
        Body::AlertSeen(b) => incident::alert_seen(case, event, b),
        Body::AlertAnswered(b) => incident::alert_answered(case, event, b),
        Body::UnitReported(b) => incident::unit_reported(case, event, b),
        Body::Handled(b) => incident::handled(case, event, b),
        Body::Struck(b) => incident::struck(case, event, b),
        Body::Closed(b) => incident::closed(case, event, b),
        Body::Objected(b) => incident::objected(case, event, b),
        Body::Reopened(b) => incident::reopened(case, event, b),
        Body::Escalated(b) => incident::escalated(case, event, b),
        Body::Acknowledged(b) => incident::acknowledged(case, event, b),
        Body::SupportRequested(b) => joint::support_requested(case, event, b),
        Body::SupportAnswered(b) => joint::support_answered(case, event, b),
        Body::SupportRecalled(b) => joint::support_recalled(case, b),
        Body::SupportEnded(b) => joint::support_ended(case, b),
        Body::JointDeclared(b) => joint::declared(case, event, b),
        Body::JointAcknowledged(b) => joint::acknowledged(case, event, b),
        Body::LeadAsked(b) => joint::lead_asked(case, event, b),
        Body::LeadAnswered(b) => joint::lead_answered(case, event, b),
        Body::JointEndProposed(b) => joint::end_proposed(case, event, b),
        Body::JointEndAnswered(b) => joint::end_answered(case, event, b),
        Body::MergeProposed(b) => merge::proposed(case, event, b),
        Body::MergeRefused(b) => merge::refused(case, b),
        Body::Merged(b) => merge::merged(case, event, b),
        Body::Unmerged(b) => merge::unmerged(case, event, b),
        Body::SplitOff(b) => merge::split_off(case, b),
        Body::Linked(b) => merge::linked(case, b),

        Body::Claimed(b) => handoff::claimed(case, event, b),
        Body::ClaimRefused(b) => handoff::claim_refused(case, event, b),
        Body::ClaimDropped(b) => handoff::claim_dropped(case, b),
        Body::Offered(b) => handoff::offered(case, event, b),
        Body::Revised(b) => handoff::revised(case, event, b),
        Body::Delivered(b) => handoff::delivered(case, event, b),
        Body::Seen(b) => handoff::seen(case, event, b),
        Body::StoodBy(b) => handoff::stood_by(case, event, b),
        Body::Countered(b) => handoff::countered(case, event, b),
        Body::Declined(b) => handoff::declined(case, event, b),
        Body::Agreed(b) => handoff::agreed(case, event, b),
        Body::Signed(b) => signing::signed(case, event, b),
        Body::SignatureRefused(b) => signing::signature_refused(case, event, b),
        Body::SubstituteNamed(b) => signing::substitute_named(case, event, b),
        Body::Withdrawn(b) => handoff::withdrawn(case, event, b),
        Body::Recalled(b) => handoff::recalled(case, event, b),
        Body::RecallReceived(b) => handoff::recall_received(case, b),
        Body::Kept(b) => handoff::kept(case, event, b),
        Body::TakenOver(b) => takeover::taken_over(case, event, b),

        Body::Disputed(b) => dispute::disputed(case, event, b),
        Body::PositionStated(b) => dispute::position_stated(case, event, b),
        Body::SettlementProposed(b) => dispute::settlement_proposed(case, event, b),
        Body::Settled(b) => dispute::settled(case, event, b),
        Body::DisputeWithdrawn(b) => dispute::withdrawn(case, event, b),
        Body::RulingProposed(b) => ruling::proposed(case, event, b),
        Body::Ruled(b) => ruling::ruled(case, event, b),

        Body::FeedbackGiven(_) => result::feedback_given(case, event),
        Body::Reported(b) => result::reported(case, event, b),
        Body::ReportTakenBack(_) => result::report_taken_back(case, event),
        Body::Contested(b) => result::contested(case, event, b),
        Body::Confirmed(b) => result::signed_off(case, event, b),
    }
}
