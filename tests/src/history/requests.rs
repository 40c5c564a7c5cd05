//! C1 to C4: what a request was answered, against what the log holds of it.

use super::dump::AnswerLine;
use super::entry::{Acked, Asked, Invoked, Refused};
use super::index::{Attempts, Claim, Log, requests};
use super::{Found, History, Violation};
use handoff_domain::ids::LOG_STREAM;
use handoff_domain::refusal::Reason;
use handoff_engine::Answer;
use std::collections::{BTreeMap, BTreeSet};

/// The reason that says that nobody knows.
pub(super) const UNKNOWN: &str = Reason::OutcomeUnknown.as_str();

/// Whether an answer that came as a no leaves the outcome open: by its reason, or by the code of one without a reason.
pub(super) fn is_unknown(reason: &str) -> bool {
    reason == UNKNOWN || matches!(reason, "DEADLINE_EXCEEDED" | "CANCELLED" | "INTERNAL" | "UNAVAILABLE" | "UNKNOWN")
}

/// Whether a no says nothing about what was asked: the service could not take it just then.
pub(super) fn was_not_accepted(reason: &str) -> bool {
    matches!(Reason::parse(reason), None | Some(Reason::QueueFull | Reason::RateLimited | Reason::NotAccepted))
}

/// Refusals of the rules themselves, which are stored under the request id and stand for ever. Others may come from the
/// edge, which stores nothing: the same request may be tried again.
fn stands_for_ever(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::IncidentExists
            | Reason::MoveNotLegal
            | Reason::StaleVersion
            | Reason::FormIncomplete
            | Reason::HandoffOpen
            | Reason::NoUnitAssigned
            | Reason::SameStation
            | Reason::AgreementExpired
            | Reason::StatementMismatch
            | Reason::LevelTooWeak
            | Reason::KeyNotEnrolled
            | Reason::SignatureInvalid
            | Reason::RegistryInvalid
            | Reason::AlreadySigned
            | Reason::CodeNotAllowed
            | Reason::ObligationsLeft
            | Reason::NotOverdue
            | Reason::NotAtSuperior
            | Reason::StandByNotAllowed
            | Reason::EntryNotOwn
            | Reason::EntryNotStrikable
            | Reason::DrillMismatch
            | Reason::DrillNotOpen
            | Reason::NoAgreement
            | Reason::MergeNotPossible
            | Reason::IncidentIsAlias
    )
}

/// Every ok is in the final log exactly once: its events, and its answer.
#[must_use]
pub fn c1(history: &History) -> Vec<Violation> {
    let (log, mut found) = (Log::of(&history.log), Found::of("C1"));
    for (asked, attempts) in requests(history) {
        for (invoked, acked) in attempts.oks() {
            let op = invoked.op;
            let lines = log.answers.get(asked).map_or(&[][..], Vec::as_slice);
            match lines {
                [line] => stored(&log, op, acked, line, &mut found),
                _ => found.add(format!("op {op}, {asked}, was answered ok and has {} stored answers", lines.len())),
            }
        }
    }
    found.into_list()
}

fn stored(log: &Log<'_>, op: u64, acked: &Acked, line: &AnswerLine, found: &mut Found) {
    let asked = &line.asked;
    match log.claim(line) {
        Claim::Command(_, done) => {
            let said = (acked.position, acked.incident, acked.version, acked.hash.unwrap_or(done.hash));
            let same = said == (done.position, done.incident, done.version, done.hash);
            found.unless(same, || format!("op {op}, {asked}, was told another receipt than the stored one"));
        }
        Claim::Refused(reason) => {
            found.add(format!("op {op}, {asked}, was answered ok and stored as refused: {reason}"));
        }
        Claim::Broken(why) => found.add(format!("op {op}, {asked}, was answered ok, of its stored answer: {why}")),
    }
}

/// At most one set of events for each request id and one request for each set; every repeat gets the same bytes.
#[must_use]
pub fn c2(history: &History) -> Vec<Violation> {
    let (log, mut found) = (Log::of(&history.log), Found::of("C2"));
    let mut claimed: BTreeMap<u64, &Asked> = BTreeMap::new();
    for (asked, lines) in &log.answers {
        found.unless(lines.len() == 1, || format!("{asked} has {} stored answers", lines.len()));
        for line in lines {
            match log.claim(line) {
                Claim::Command(first, _) => {
                    let other = claimed.insert(first, asked);
                    found.unless(other.is_none_or(|other| other == *asked), || {
                        format!("{asked} and another request both claim the command at position {first}")
                    });
                }
                Claim::Refused(_) => {}
                Claim::Broken(why) => found.add(format!("{asked}, of its stored answer: {why}")),
            }
        }
    }
    for (first, events) in &log.commands {
        let of_nobody = events.iter().all(|event| event.incident == LOG_STREAM);
        found.unless(of_nobody || claimed.contains_key(first), || {
            format!("the command at position {first} is of no request: recorded twice, or its answer is lost")
        });
    }
    for (asked, attempts) in requests(history) {
        repeats(&log, asked, &attempts, &mut found);
    }
    found.into_list()
}

fn repeats(log: &Log<'_>, asked: &Asked, attempts: &Attempts<'_>, found: &mut Found) {
    let line = log.answers.get(asked).and_then(|lines| lines.first());
    let mut fresh = 0;
    let first = attempts.oks().next();
    for (invoked, acked) in attempts.oks() {
        let op = invoked.op;
        fresh += u32::from(!acked.replayed);
        if let Some((_, first)) = first {
            found.unless(first.answer == acked.answer, || format!("op {op}, {asked}: a repeat was answered otherwise"));
        }
        // What a client of the engine gets are the stored bytes themselves.
        let bare = Answer::from_bytes(&acked.answer.0).is_ok();
        let same = line.is_none_or(|line| line.answer == acked.answer);
        found.unless(!bare || same, || format!("op {op}, {asked}: the answer is not the stored one"));
    }
    found.unless(fresh <= 1, || format!("{asked} was answered {fresh} times as if it were new"));
    let contents: BTreeSet<_> = attempts.oks().map(|(invoked, _)| invoked.content).collect();
    let compared = line.is_none_or(|line| line.keyed);
    found.unless(contents.len() <= 1 || !compared, || format!("{asked} was answered ok for two contents"));
    for (invoked, refused) in attempts.noes() {
        let reused = refused.reason == Reason::RequestIdReused.as_str();
        let others = attempts.0.iter().any(|op| op.invoked.content != invoked.content);
        found.unless(!reused || others, || {
            format!("op {}, {asked}: a repeat was refused as another request", invoked.op)
        });
    }
}

/// What is unknown is in the final log once, whole, or not at all.
#[must_use]
pub fn c3(history: &History) -> Vec<Violation> {
    let (log, mut found) = (Log::of(&history.log), Found::of("C3"));
    for (asked, attempts) in requests(history) {
        if !attempts.has_unknown() {
            continue;
        }
        let times = log.times(asked);
        found.unless(times <= 1, || format!("{asked} is unknown and was recorded {times} times"));
        for line in log.answers.get(asked).into_iter().flatten() {
            if let Claim::Broken(why) = log.claim(line) {
                found.add(format!("{asked} is unknown and recorded in part: {why}"));
            }
        }
    }
    found.into_list()
}

/// What was refused for certain is not in the final log, and its stored answer, if any, is that refusal.
#[must_use]
pub fn c4(history: &History) -> Vec<Violation> {
    let (log, mut found) = (Log::of(&history.log), Found::of("C4"));
    for (asked, attempts) in requests(history) {
        let open = attempts.has_unknown() || attempts.oks().next().is_some();
        for (invoked, refused) in attempts.noes() {
            // The id belongs to the other request, which is looked at for itself.
            let others = refused.reason == Reason::RequestIdReused.as_str();
            if !others {
                refusal(&log, asked, invoked, refused, open, &mut found);
            }
        }
    }
    found.into_list()
}

fn refusal(log: &Log<'_>, asked: &Asked, invoked: &Invoked, refused: &Refused, open: bool, found: &mut Found) {
    let (op, told) = (invoked.op, &refused.reason);
    let kept = Reason::parse(told).filter(|reason| stands_for_ever(*reason));
    if kept.is_none() && open {
        return;
    }
    let times = log.times(asked);
    found.unless(times == 0, || format!("op {op}, {asked}, was refused ({told}) and is recorded {times} times"));
    let Some(kept) = kept else { return };
    for line in log.answers.get(asked).into_iter().flatten() {
        if let Claim::Refused(reason) = log.claim(line) {
            found.unless(reason == kept, || format!("op {op}, {asked}, was told {kept}, stored is {reason}"));
        }
    }
}
