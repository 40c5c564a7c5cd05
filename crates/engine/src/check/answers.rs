//! Answers against the log (invariant 7): what was answered as done is in the log exactly so, what was refused is not,
//! and no two requests claim one command.
//!
//! The store lists the newest answers, and for each stream those that still have a key. Older answers whose key was
//! erased are not listed by anything and are not looked at; of one stream at most a page is.

use super::log::Log;
use super::report::{Rule, Spot, Tally, Text};
use super::unread;
use crate::answer::{Answer, Done};
use crate::memory::LoadError;
use handoff_domain::ids::IncidentId;
use handoff_store::Reader;
use handoff_store::query::PAGE_ROWS_MAX;
use handoff_store::rows::{AnswerId, AnswerRow};
use std::collections::HashMap;

/// Which request claims which command: by position of the command's first event. One entry for each command.
#[derive(Debug, Default)]
pub(super) struct Claims(HashMap<u64, AnswerId>);

const READS: Text = ("a stored answer cannot be read", "存储的答复无法读取");
const REFUSED: Text =
    ("an answer is a refusal and points into the log, or the other way round", "拒绝的答复指向了日志，或反之");
const COMMAND: Text = ("an answer points to no command of the log", "答复未指向日志中的命令");
const RECEIPT: Text = ("an answer's receipt is not the event it names", "答复的回执与事件不符");
const TWICE: Text = ("two requests claim one command", "两个请求对应同一命令");

/// The newest answers, whatever they are about.
pub(super) async fn recent(
    reader: &dyn Reader,
    log: &Log,
    claims: &mut Claims,
    tally: &mut Tally,
) -> Result<(), LoadError> {
    for row in reader.recent_answers(PAGE_ROWS_MAX).await.map_err(unread)? {
        one(reader, log, claims, &row, None, tally).await?;
    }
    Ok(())
}

/// The answers of one incident, its refusals among them.
pub(super) async fn of(
    reader: &dyn Reader,
    log: &Log,
    incident: IncidentId,
    claims: &mut Claims,
    tally: &mut Tally,
) -> Result<(), LoadError> {
    for id in reader.keyed_answers_of(incident, PAGE_ROWS_MAX).await.map_err(unread)? {
        // Gone since: erased or forgotten, which nobody has to answer for here.
        if let Some(row) = reader.answer(id).await.map_err(unread)? {
            one(reader, log, claims, &row, Some(incident), tally).await?;
        }
    }
    Ok(())
}

async fn one(
    reader: &dyn Reader,
    log: &Log,
    claims: &mut Claims,
    row: &AnswerRow,
    incident: Option<IncidentId>,
    tally: &mut Tally,
) -> Result<(), LoadError> {
    let spot = Spot { incident: incident.or(row.incident), position: row.position };
    let answer = Answer::from_bytes(&row.answer);
    if !tally.holds(Rule::Requests, spot, answer.is_ok(), READS) {
        return Ok(());
    }
    let Ok(answer) = answer else { return Ok(()) };
    match (answer, row.position) {
        (Answer::Refused(_), None) => {
            tally.holds(Rule::Requests, spot, true, REFUSED);
        }
        (Answer::Refused(_), Some(_)) | (Answer::Done(_), None) => {
            tally.holds(Rule::Requests, spot, false, REFUSED);
        }
        // Written since the check began: the next one looks at it.
        (Answer::Done(_), Some(position)) if position >= log.until => {}
        (Answer::Done(done), Some(position)) => {
            done_so(reader, log, claims, row, position, &done, spot, tally).await?;
        }
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "one answer and everything it is compared with")]
async fn done_so(
    reader: &dyn Reader,
    log: &Log,
    claims: &mut Claims,
    row: &AnswerRow,
    position: u64,
    done: &Done,
    spot: Spot,
    tally: &mut Tally,
) -> Result<(), LoadError> {
    let first = log.first_of(position);
    let of_one = first.is_some() && first == log.first_of(done.position);
    if !tally.holds(Rule::Requests, spot, of_one, COMMAND) {
        return Ok(());
    }
    let Some(first) = first else { return Ok(()) };
    let named = reader.events_of(done.incident, done.version, 1).await.map_err(unread)?;
    let receipt = named.first().is_some_and(|event| {
        event.seq == done.version && event.hash == done.hash && event.first == first && event.position < log.until
    });
    tally.holds(Rule::Requests, spot, receipt, RECEIPT);
    let claimed = claims.0.entry(first).or_insert_with(|| row.id.clone());
    tally.holds(Rule::Requests, spot, *claimed == row.id, TWICE);
    Ok(())
}
