//! What an officer is about to sign off: the move is decided on a copy, nothing is written, and the statement is the
//! one the move itself would bind. Whoever could not make the move gets its refusal instead.

use crate::ids;
use crate::memory::{Entry, Hashes};
use handoff_domain::caller::Caller;
use handoff_domain::command::{Act, Command, Expected, Sign};
use handoff_domain::decide::Statement;
use handoff_domain::directory::Directory;
use handoff_domain::event::Body;
use handoff_domain::ids::StationId;
use handoff_domain::moves;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::time::Millis;
use handoff_domain::values::SignOff;
use handoff_domain::{Case, Cases, Context, Fresh, decide};
use handoff_evidence::statement;

/// The statement of a report, a confirmation or a ruling over the case as it is now. Any entry after it makes another
/// one, because the statement binds the event before the signed one.
///
/// # Errors
/// The refusal of the move; `MOVE_NOT_LEGAL` where the move would not be signed off, as the first supervisor's word
/// where two have to rule together.
pub fn statement_of(
    directory: &Directory,
    entry: &Entry,
    caller: &Caller,
    acting_for: Option<StationId>,
    act: Act,
    now: Millis,
) -> Result<(statement::Statement, SignOff), Refusal> {
    let case = &entry.case;
    let handoff = act.handoff().and_then(|id| case.handoff(id));
    let expected = Expected {
        state: Some(moves::state_seen(case, &act).to_owned()),
        form_version: handoff.map(|handoff| handoff.version),
        tenure: Some(case.tenure),
    };
    let command =
        Command { incident: case.id, expected, claimed_at: None, acting_for, act: as_strong_as_needed(case, act) };
    let fresh = Fresh { is_rehearsal: true, ..ids::fresh() };
    let hashes = Hashes { entry: Some(entry) };
    let context = Context { directory, digests: &hashes };
    let decided = decide(Cases { main: Some(case), other: None }, &context, caller, &command, &fresh, now)?;
    let event = decided.events.first().filter(|event| event.seq == case.version + 1);
    let found = event.and_then(|event| {
        let (what, sign_off) = match &event.body {
            Body::Reported(body) => (Statement::Report(body), body.sign_off.clone()),
            Body::Confirmed(body) => (Statement::Confirm { report: case.reports }, body.sign_off.clone()),
            Body::Ruled(body) => (Statement::Rule(body), body.sign_off.clone()),
            _ => return None,
        };
        Some((hashes.text(case, &event.actor, what)?, sign_off))
    });
    found.ok_or_else(|| Refusal::new(Reason::MoveNotLegal).field("action"))
}

/// The move at the weakest level that is taken, which the signer is told.
fn as_strong_as_needed(case: &Case, act: Act) -> Act {
    let sign = Sign { level: case.result_level(), ..Sign::ATTESTED };
    match act {
        Act::Report { code, case_number, result, .. } => Act::Report { code, case_number, result, sign },
        Act::Confirm { report, .. } => Act::Confirm { report, sign },
        other => other,
    }
}
