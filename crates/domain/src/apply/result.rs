//! Feedback and confirmation: after a takeover, or of joint handling.

use super::{Verdict, explained, need, refuse};
use crate::case::handoff::{Handoff, HandoffState, ResultLoop};
use crate::case::phase::Phase;
use crate::case::{Case, Hand};
use crate::event::Event;
use crate::event::handoff::{Confirmed, Contested, Reported};
use crate::refusal::{Reason, Refusal};
use crate::values::Level;

fn of_handoff(handoff: &mut Handoff) -> Option<&mut ResultLoop> {
    match &mut handoff.state {
        HandoffState::TakenOver { result, .. } => Some(result),
        HandoffState::Claimed { .. }
        | HandoffState::Offered
        | HandoffState::Countered { .. }
        | HandoffState::Declined { .. }
        | HandoffState::Agreed(_)
        | HandoffState::Disputed(_)
        | HandoffState::Kept
        | HandoffState::Recalled { .. }
        | HandoffState::PassedOn => None,
    }
}

/// The loop that runs, to be changed.
fn running(case: &mut Case) -> Option<&mut ResultLoop> {
    let taken = case.handoffs.iter_mut().rev().find_map(of_handoff);
    taken.or_else(|| case.joint_result.as_mut().map(|(_, result)| result))
}

fn contests(result: &ResultLoop) -> u64 {
    match result {
        ResultLoop::Owed { contests, .. }
        | ResultLoop::Reported { contests, .. }
        | ResultLoop::Confirmed { contests, .. } => *contests,
    }
}

pub(super) fn feedback_given(case: &mut Case, event: &Event) -> Verdict {
    case.last_word = Some(event.at);
    match running(case) {
        Some(ResultLoop::Owed { first_word, .. }) => {
            *first_word = Some(event.at);
            Ok(())
        }
        Some(ResultLoop::Reported { .. } | ResultLoop::Confirmed { .. }) | None => refuse(Reason::MoveNotLegal),
    }
}

/// What the two stations take at least. A ruling is the superior's own: the last resort does not fail for want of a key.
fn strong_enough(case: &Case, level: Level) -> Verdict {
    let least = case.result_level();
    if level.at_least(least) {
        return Ok(());
    }
    Err(Refusal::new(Reason::LevelTooWeak).field("level").with("least", least))
}

pub(super) fn reported(case: &mut Case, event: &Event, body: &Reported) -> Verdict {
    strong_enough(case, body.sign_off.level)?;
    need(case.phase() == Phase::Handled, Reason::MoveNotLegal)?;
    need(body.report == case.reports + 1, Reason::StaleVersion)?;
    case.reports = body.report;
    let by = event.actor.officer.clone();
    match running(case) {
        Some(result @ ResultLoop::Owed { .. }) => {
            *result = ResultLoop::Reported { at: event.at, by, contests: contests(result), at_superior: None };
            Ok(())
        }
        Some(ResultLoop::Reported { .. } | ResultLoop::Confirmed { .. }) | None => refuse(Reason::MoveNotLegal),
    }
}

pub(super) fn report_taken_back(case: &mut Case, event: &Event) -> Verdict {
    match running(case) {
        Some(result @ ResultLoop::Reported { .. }) => {
            *result = ResultLoop::Owed { since: event.at, first_word: Some(event.at), contests: contests(result) };
            Ok(())
        }
        Some(ResultLoop::Owed { .. } | ResultLoop::Confirmed { .. }) | None => refuse(Reason::MoveNotLegal),
    }
}

/// The officer saw this report and no later one (invariant 7).
fn is_on_table(case: &Case, report: u64) -> Verdict {
    let stands = !matches!(case.result(), Some(ResultLoop::Reported { .. })) || case.reports == report;
    if stands { Ok(()) } else { Err(Refusal::new(Reason::StaleVersion).with("report_now", case.reports)) }
}

pub(super) fn contested(case: &mut Case, event: &Event, body: &Contested) -> Verdict {
    is_on_table(case, body.report)?;
    explained(&body.code, body.note.as_ref())?;
    match running(case) {
        Some(result @ ResultLoop::Reported { contests: 0, at_superior: None, .. }) => {
            *result = ResultLoop::Owed { since: event.at, first_word: Some(event.at), contests: 1 };
            Ok(())
        }
        // The second contest does not send it round once more: the superior rules.
        Some(ResultLoop::Reported { contests, at_superior: at_superior @ None, .. }) => {
            (*contests, *at_superior) = (*contests + 1, Some(event.at));
            Ok(())
        }
        Some(ResultLoop::Owed { .. } | ResultLoop::Reported { .. } | ResultLoop::Confirmed { .. }) | None => {
            refuse(Reason::MoveNotLegal)
        }
    }
}

/// The confirmer's own word on the report it saw.
pub(super) fn signed_off(case: &mut Case, event: &Event, body: &Confirmed) -> Verdict {
    is_on_table(case, body.report)?;
    strong_enough(case, body.sign_off.level)?;
    confirmed(case, event, false)
}

pub(super) fn confirmed(case: &mut Case, event: &Event, by_ruling: bool) -> Verdict {
    match running(case) {
        Some(result @ ResultLoop::Reported { .. }) => {
            let (at, by, contests) = (event.at, Hand::of(&event.actor), contests(result));
            *result = ResultLoop::Confirmed { at, by, by_ruling, contests };
            Ok(())
        }
        Some(ResultLoop::Owed { .. } | ResultLoop::Confirmed { .. }) | None => refuse(Reason::MoveNotLegal),
    }
}

/// The superior has the result reported anew.
pub(super) fn report_again(case: &mut Case, event: &Event) -> Verdict {
    need(matches!(case.result(), Some(ResultLoop::Reported { .. })), Reason::MoveNotLegal)?;
    owe_anew(case, event);
    Ok(())
}

/// Another incident's result is owed to the same confirmer: what was reported does not speak of it.
pub(super) fn owed_anew(case: &mut Case, event: &Event) {
    if let Some(ResultLoop::Reported { .. } | ResultLoop::Confirmed { .. }) = running(case) {
        owe_anew(case, event);
    }
}

/// The same result is owed once more; the confirmer has had its first word.
fn owe_anew(case: &mut Case, event: &Event) {
    if let Some(result) = running(case) {
        *result = ResultLoop::Owed { since: event.at, first_word: Some(event.at), contests: contests(result) };
    }
}

/// Reopening wakes the handoff last taken over: feedback is owed anew, first word and contests included.
pub(super) fn reopened(case: &mut Case, event: &Event) {
    if let Some(result) = running(case) {
        *result = ResultLoop::owed(event.at);
    }
}

/// REPORTED and CONFIRMED hold only while the incident is HANDLED or CLOSED: a new unit wakes the handoff.
pub(super) fn follow_phase(case: &mut Case, event: &Event) {
    if matches!(case.phase(), Phase::Handled | Phase::Closed) {
        return;
    }
    if let Some(ResultLoop::Reported { .. } | ResultLoop::Confirmed { .. }) = running(case) {
        owe_anew(case, event);
    }
}
