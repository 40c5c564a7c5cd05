//! Which moves are legal now, for whom: what a refusal and a screen show. The table states the design's own table
//! (product, *Handoff*) a second time on purpose; a test runs every cell of it through [`crate::decide()`].

use crate::access::superior_of;
use crate::caller::{Caller, Role};
use crate::case::Case;
use crate::case::handoff::{Handoff, HandoffName, HandoffState};
use crate::case::phase::Phase;
use crate::command::Act;
use crate::decide::result_name;
use crate::ids::StationRef;

/// The state a deciding move has to name as seen: the handoff's, the result loop's, or the incident's.
#[must_use]
pub fn state_seen(case: &Case, act: &Act) -> &'static str {
    let of_result = matches!(act, Act::Report { .. } | Act::TakeBackReport(_) | Act::Contest(_) | Act::Confirm { .. });
    if of_result && let Some(name) = result_name(case) {
        return name.as_str();
    }
    match act.handoff().and_then(|id| case.handoff(id)) {
        Some(handoff) => handoff.state.name().as_str(),
        None => case.phase().as_str(),
    }
}

/// A caller's place in a case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    From,
    To,
    Neither,
}

/// Moves legal now for this caller, about this handoff or about the incident, in the order of the published list.
#[must_use]
pub fn legal(case: &Case, handoff: Option<&Handoff>, caller: &Caller) -> Vec<&'static str> {
    let mut moves = match handoff {
        Some(handoff) => of_handoff(case, handoff, caller),
        None => of_incident(case, caller),
    };
    moves.sort_unstable();
    moves.dedup();
    moves
}

fn seats(case: &Case, caller: &Caller) -> Vec<StationRef> {
    let own = |seat: &&StationRef| {
        seat.org == caller.org && (caller.has(Role::Supervisor) || caller.station.as_ref() == Some(&seat.station))
    };
    case.parties.keys().filter(own).cloned().collect()
}

fn of_handoff(case: &Case, handoff: &Handoff, caller: &Caller) -> Vec<&'static str> {
    let seats = seats(case, caller);
    let side = if seats.contains(&handoff.from) {
        Side::From
    } else if seats.contains(&handoff.to) {
        Side::To
    } else {
        Side::Neither
    };
    let decides = caller.has(Role::DutyOfficer) || caller.has(Role::Supervisor);
    let mut moves = Vec::new();
    if decides {
        moves.extend(decisions(handoff, side));
    }
    if handoff.agreed().is_some() && side != Side::Neither && caller.officer.is_some() {
        moves.extend(["sign", "refuse_signature"]);
    }
    if side == Side::To && handoff.state.is_open() && handoff.version > 0 && handoff.lamps.delivered.is_none() {
        moves.push("deliver");
    }
    let rules = superior_of(case)
        .map_or(decides && side != Side::Neither, |org| caller.has(Role::Superior) && caller.org == *org);
    if rules && case.at_superior.is_some() {
        moves.push("rule");
    }
    moves
}

fn decisions(handoff: &Handoff, side: Side) -> &'static [&'static str] {
    let by_ruling = handoff.agreed().is_some_and(|agreed| agreed.by_ruling);
    match (handoff.state.name(), side) {
        (_, Side::Neither) => &[],
        (HandoffName::Claimed, Side::From) => &["offer", "refuse_claim"],
        (HandoffName::Claimed, Side::To) => &["drop_claim", "dispute"],
        (HandoffName::Offered, Side::From) => &["revise", "recall", "dispute"],
        (HandoffName::Offered, Side::To) => &["see", "stand_by", "counter", "decline", "agree"],
        (HandoffName::Countered, Side::From) => &["revise", "keep", "dispute", "recall"],
        (HandoffName::Countered, Side::To) => &["agree"],
        (HandoffName::Declined, Side::From) => &["revise", "keep", "dispute"],
        (HandoffName::Declined, Side::To) => &[],
        (HandoffName::Agreed, Side::From) if by_ruling => &["revise", "name_substitute"],
        (HandoffName::Agreed, Side::From) => &["revise", "recall", "dispute", "name_substitute"],
        (HandoffName::Agreed, Side::To) if by_ruling => &["take_over", "agree", "name_substitute"],
        (HandoffName::Agreed, Side::To) => &["take_over", "withdraw", "agree", "dispute", "name_substitute"],
        (HandoffName::Disputed, Side::From) => {
            &["state_position", "propose_settlement", "agree_settlement", "withdraw_dispute"]
        }
        (HandoffName::Disputed, Side::To) => &["state_position", "propose_settlement", "agree_settlement"],
        (HandoffName::Recalled, Side::To) => &["receive_recall"],
        (HandoffName::TakenOver, Side::To) => &["give_feedback", "report", "offer"],
        (HandoffName::Reported, Side::To) => &["take_back_report"],
        (HandoffName::Reported, Side::From) => &["confirm", "contest"],
        (HandoffName::Recalled | HandoffName::TakenOver | HandoffName::Confirmed, Side::From)
        | (HandoffName::Confirmed, Side::To)
        | (HandoffName::Kept | HandoffName::PassedOn, Side::From | Side::To) => &[],
    }
}

fn of_incident(case: &Case, caller: &Caller) -> Vec<&'static str> {
    let seats = seats(case, caller);
    let (custodian, party) = (seats.contains(&case.custodian), !seats.is_empty());
    let decides = caller.has(Role::DutyOfficer) || caller.has(Role::Supervisor);
    let phase = case.phase();
    let mut moves = Vec::new();
    if phase == Phase::Closed {
        let reopens = custodian || seats.contains(&case.first_receiver);
        if decides && reopens || caller.has(Role::Auditor) {
            moves.push("reopen");
        }
        return moves;
    }
    if party {
        moves.extend(["note", "report_unit", "add_place", "add_call", "request_support", "alert"]);
    }
    if custodian && decides {
        let open = case.open_handoff().map(|open| &open.state);
        if open.is_none() || matches!(open, Some(HandoffState::Claimed { .. })) {
            moves.push("offer");
        }
        if phase == Phase::Handled {
            moves.push("close");
        } else {
            moves.push("declare_handled");
        }
        moves.extend(["change_details", "split"]);
    }
    if party && decides {
        if !custodian && case.open_handoff().is_none() {
            moves.push("claim");
        }
        if case.joint_now().is_none() {
            moves.push("declare_joint");
        }
    }
    moves
}
