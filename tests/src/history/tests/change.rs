//! Changes of the right history, and whether the check meant for each of them finds it.

use super::RIGHT;
use crate::history::{
    Acked, AnswerLine, Asked, Bytes, Entry, EventLine, History, Invoked, ReadSeen, Received, Refused, Resumed,
    Unanswered, check_all,
};
use handoff_domain::event::incident::Noted;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::IncidentId;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_engine::Answer;
use handoff_evidence::event::{Chain, decode};

pub(super) type Change = fn(&mut History);

/// Each change of the right history is found by the check.
pub(super) fn finds(check: &str, changes: &[(&str, Change)]) {
    for (name, change) in changes {
        let mut history = RIGHT.clone();
        change(&mut history);
        assert_ne!(history, *RIGHT, "{check}, {name}: nothing was changed");
        let found = check_all(&history);
        let listed: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(found.iter().any(|one| one.check == check), "{check} is silent, {name}:\n{}", listed.join("\n"));
    }
}

macro_rules! entries_of {
    ($( $name:ident $variant:ident $type:ty ; )*) => { $(
        pub(super) fn $name(history: &mut History) -> Vec<&mut $type> {
            history.entries.iter_mut().filter_map(|entry| match entry {
                Entry::$variant(is) => Some(is),
                _ => None,
            }).collect()
        }
    )* };
}

entries_of! {
    invokes Invoke Invoked;
    acks Ok Acked;
    refusals No Refused;
    unknowns Unknown Unanswered;
    resumes Resumed Resumed;
    receipts Received Received;
    reads Read ReadSeen;
}

/// Removes the last item.
pub(super) fn pop<T>(mut items: Vec<T>) -> T {
    items.pop().expect("there is one")
}

pub(super) fn asked(history: &mut History, op: u64) -> Asked {
    invokes(history).into_iter().find(|is| is.op == op).expect("it was invoked").asked.clone()
}

pub(super) fn answer(history: &mut History, op: u64) -> &mut AnswerLine {
    let asked = asked(history, op);
    history.log.answers.iter_mut().find(|line| line.asked == asked).expect("it has an answer")
}

/// Takes the stored answer to an attempt away.
pub(super) fn forget(history: &mut History, op: u64) -> AnswerLine {
    let line = answer(history, op).clone();
    history.log.answers.retain(|other| *other != line);
    line
}

pub(super) fn refused(reason: Reason) -> Bytes {
    Bytes(Answer::Refused(Refusal::new(reason)).to_bytes().expect("it is written"))
}

/// The last command answered ok.
pub(super) fn last_ok(history: &mut History) -> u64 {
    pop(acks(history)).op
}

/// An attempt that ended so.
pub(super) fn unknown(history: &mut History, why: &str) -> u64 {
    unknowns(history).into_iter().find(|is| is.why == why).expect("there is one").op
}

pub(super) fn no(history: &mut History, reason: &str) -> u64 {
    refusals(history).into_iter().find(|is| is.reason == reason).expect("there is one").op
}

/// Recorded, its answer lost, never asked again.
pub(super) fn recorded(history: &mut History) -> u64 {
    unknown(history, "connection reset")
}

/// Answered ok twice: the first time, and again as a repeat.
pub(super) fn repeat(history: &mut History) -> &mut Acked {
    acks(history).into_iter().find(|is| is.replayed).expect("there is a repeat")
}

pub(super) fn event<'a>(history: &'a mut History, type_name: &str) -> &'a mut EventLine {
    history.log.events.iter_mut().find(|event| event.type_name == type_name).expect("it is in the log")
}

/// The log without its last event and whatever follows from it.
pub(super) fn lose_the_end(history: &mut History) {
    let lost = history.log.events.pop().expect("the log is not empty");
    history.log.feeds.retain(|line| line.position != lost.position);
    history.log.answers.retain(|line| line.position != Some(lost.position));
}

/// Changes events of one incident and makes its chain anew, hashes and all.
pub(super) fn rewrite(history: &mut History, incident: IncidentId, change: impl Fn(&mut Event)) {
    let mut chain = Chain::new(incident);
    for line in history.log.events.iter_mut().filter(|line| line.incident == incident) {
        let (mut event, _) = decode(&line.bytes.0).expect("it was recorded");
        change(&mut event);
        let recorded = chain.record(&event).expect("it can be recorded");
        line.type_name = event.body.type_name().to_owned();
        (line.bytes, line.hash) = (Bytes(recorded.bytes), recorded.hash);
    }
}

pub(super) fn note() -> Body {
    Noted { text: None, code: None, handoff: None, flags: Vec::new() }.into()
}
