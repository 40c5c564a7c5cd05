//! Erases personal values whose time has come, through the same writer as every command (product, *Sealed and erasable*;
//! `domain::retention` has the dates).
//!
//! A slow sweep over the closed cases that still hold values, again and again: there is no list of what is due that could
//! be wrong after a restore, a merge or a reopening. Whatever several replicas send twice has one request id.

use crate::answer::Answer;
use crate::engine::Engine;
use crate::ids::derived;
use crate::job::Task;
use crate::memory::LoadError;
use handoff_domain::command::{Act, Command, Expected};
use handoff_domain::event::incident::ErasedField;
use handoff_domain::ids::{IncidentId, LOG_STREAM};
use handoff_domain::retention::dates;
use handoff_domain::time::{DAY, HOUR, MINUTE, Millis, SECOND};
use handoff_domain::values::Code;
use handoff_store::rows::PersonalId;
use tokio_util::sync::CancellationToken;

/// Cases looked at in one step.
pub const STEP_CASES: u32 = 100;
/// From one step to the next, in milliseconds: a million closed cases are gone through in under three hours.
pub const STEP_EVERY_MS: i64 = SECOND;
/// From the end of a sweep to the next, in milliseconds.
pub const REST_MS: i64 = 6 * HOUR;
/// From the start to the first step, in milliseconds: a machine that has just started may not know the time yet.
const FIRST_MS: i64 = HOUR;
/// Longest time between the last entry of the log and now in which the clock is believed, in milliseconds.
const QUIET_MS_MAX: i64 = 60 * DAY;
/// From a step that failed to the next try, in milliseconds.
const FAILED_MS: i64 = MINUTE;
/// Values one event names at most.
const FIELDS_MAX: usize = 150;
/// Why they go.
pub const BASIS: &str = "RETENTION";

/// One step of a sweep that has come as far as `after`: where the next goes on, none at the end; and how many values went.
///
/// # Errors
/// [`LoadError`]; the step may be taken again.
pub async fn step(
    engine: &Engine,
    after: Option<IncidentId>,
    now: Millis,
) -> Result<(Option<IncidentId>, usize), LoadError> {
    let found = engine.reader().holding_personal(after, now, STEP_CASES).await;
    let found = found.map_err(|error| LoadError::Read(after.unwrap_or(LOG_STREAM), error))?;
    let mut erased = 0;
    for incident in &found {
        match erase_due(engine, *incident, now).await {
            Ok(gone) => erased += gone,
            Err(error @ (LoadError::Read(..) | LoadError::Behind)) => return Err(error),
            // A damaged case must not keep the values of all behind it.
            Err(error) => tracing::error!(%error, %incident, "a case cannot be read, and none of its values is erased"),
        }
    }
    let whole = found.len() == STEP_CASES as usize;
    Ok((found.last().copied().filter(|_| whole), erased))
}

/// Erases what is due of one case.
async fn erase_due(engine: &Engine, incident: IncidentId, now: Millis) -> Result<usize, LoadError> {
    let Some(entry) = engine.entry(incident).await? else { return Ok(0) };
    let survivor = engine.survivor(&entry).await?;
    let Some(dates) = dates(&entry.case, survivor.as_ref().map(|survivor| &survivor.case)) else { return Ok(0) };
    let rows = engine.reader().personal(incident, 1, entry.case.version).await;
    let rows = rows.map_err(|error| LoadError::Read(incident, error))?;
    let due: Vec<PersonalId> = rows.into_iter().map(|row| row.id).filter(|id| dates.has_come(&id.path, now)).collect();
    let mut erased = 0;
    for part in due.chunks(FIELDS_MAX) {
        let named: Vec<String> = part.iter().map(|id| format!("{} {}", id.seq, id.path)).collect();
        // With the dates of this closing: refused because the case was reopened meanwhile, it is asked anew after the next.
        let id = derived(&["retention", &incident.to_string(), &dates.text.0.to_string(), &named.join(",")]);
        let fields = part.iter().map(|id| ErasedField { seq: id.seq, path: id.path.clone() }).collect();
        let act = Act::Erase { fields, basis: basis() };
        let command = Command { incident, expected: Expected::default(), claimed_at: None, acting_for: None, act };
        // Refused or not accepted, reopened meanwhile for one: the next sweep looks again.
        if engine
            .submit_service(id, Task::Incident(command))
            .await
            .is_ok_and(|reply| matches!(reply.answer, Answer::Done(_)))
        {
            erased += part.len();
        }
    }
    Ok(erased)
}

/// [`BASIS`] as a code.
#[expect(clippy::expect_used, reason = "a constant, checked by a test")]
fn basis() -> Code {
    Code::new(BASIS).expect("a legal code")
}

/// A step, if the clock can be believed: what it erases is gone for good.
async fn checked_step(
    engine: &Engine,
    after: Option<IncidentId>,
    now: Millis,
) -> Result<(Option<IncidentId>, usize), LoadError> {
    let head = engine.reader().head().await.map_err(|error| LoadError::Read(LOG_STREAM, error))?;
    if now.since(head.last_at) > QUIET_MS_MAX {
        tracing::error!(
            "nothing was recorded for so long that the clock may be wrong; no values are erased until something is"
        );
        return Ok((None, 0));
    }
    step(engine, after, now).await
}

/// Sweeps until told to stop.
pub async fn run(engine: Engine, stop: CancellationToken) {
    let clock = engine.clock();
    let (mut after, mut pause) = (None, FIRST_MS);
    loop {
        let next = clock.sleep_until(clock.now().plus(pause));
        tokio::select! {
            () = stop.cancelled() => return,
            () = next => {}
        }
        pause = STEP_EVERY_MS;
        // Without the database nothing is accepted, and the writer has said so.
        if engine.is_away() {
            continue;
        }
        let now = clock.now();
        let stepped = tokio::select! {
            () = stop.cancelled() => return,
            stepped = checked_step(&engine, after, now) => stepped,
        };
        match stepped {
            Ok((next, erased)) => {
                after = next;
                if after.is_none() {
                    pause = REST_MS;
                }
                if erased > 0 {
                    tracing::info!(values = erased, "personal values were erased, because their time had come");
                }
            }
            Err(error) => {
                tracing::error!(error = %error, "values whose time has come could not be looked at");
                pause = FAILED_MS;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_ground_is_a_code() {
        assert_eq!(super::basis().as_str(), super::BASIS);
    }
}
