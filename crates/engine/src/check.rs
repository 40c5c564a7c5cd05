//! The log checker: whether the ten invariants of the design page *product* hold over the log that is there, and
//! whether what is stored beside it is what the log gives. `demo --check` and `db check` end with its table.
//!
//! It reads only, in pages, beside a running service or without one, and keeps one incident at a time. Of the whole log
//! it keeps one byte and three words for each event, the ids of incidents, and one entry for each answered command. An
//! event written after the check began is left to the next one.
//!
//! Custody, forms, units and merges are told here a second time, from event types alone, by code that never calls
//! `handoff_domain::apply`; after each event both tellings are compared.

mod answers;
mod custody;
mod feeds;
mod forms;
mod incident;
mod log;
mod report;
mod sides;
mod stored;
mod units;

pub use feeds::FEED_ORGS_MAX;
pub use report::{Invariant, Report, VIOLATIONS_SHOWN_MAX, Violation};
pub use stored::ROWS_READ_AGAIN_MAX;

use crate::memory::LoadError;
use crate::vault::Vault;
use answers::Claims;
use feeds::Audiences;
use handoff_domain::ids::{IncidentId, LOG_STREAM};
use handoff_store::{Reader, StoreError};
use incident::Replay;
use log::Log;
use report::{Rule, Spot, Tally};
use std::collections::HashMap;
use stored::Found;
use units::Twin;

/// Events read at once.
pub const CHECK_PAGE_EVENTS: u32 = 500;

fn unread(error: StoreError) -> LoadError {
    LoadError::Read(LOG_STREAM, error)
}

/// Merges and their ends, each with the incidents that tell of it: there must be two.
type Twins = HashMap<Twin, Vec<IncidentId>>;

/// Checks the whole log and every row that follows from it. Sealed values are not looked into: whether they are where
/// they belong is all that is said of them.
///
/// # Errors
/// [`LoadError`] when the store does not answer. Whatever is wrong in the log or beside it is a [`Violation`].
pub async fn check_log(reader: &dyn Reader) -> Result<Report, LoadError> {
    check(reader, None).await
}

/// The same, and whether every personal value kept beside the log is the one its event holds the digest of.
///
/// # Errors
/// As [`check_log`].
pub async fn check_log_and_values(reader: &dyn Reader, vault: &Vault) -> Result<Report, LoadError> {
    check(reader, Some(vault)).await
}

async fn check(reader: &dyn Reader, vault: Option<&Vault>) -> Result<Report, LoadError> {
    let mut tally = Tally::new();
    let head = reader.head().await.map_err(unread)?;
    let log = log::walk(reader, head, &mut tally).await?;
    let mut told = Audiences::new(log.len());
    let (mut twins, mut claims) = (Twins::new(), Claims::default());
    for incident in &log.incidents {
        for twin in one_incident(reader, vault, &log, *incident, &mut told, &mut tally).await? {
            twins.entry(twin).or_default().push(*incident);
        }
        answers::of(reader, &log, *incident, &mut claims, &mut tally).await?;
    }
    both_tell(&log, &twins, &mut tally);
    answers::recent(reader, &log, &mut claims, &mut tally).await?;
    stored::registries(reader, &log, &mut tally).await?;
    stored::no_strangers(reader, &log, &mut tally).await?;
    feeds::check(reader, &log, &told, &mut tally).await?;
    Ok(tally.into_report(head.position, log.incidents.len() as u64))
}

/// Replays one incident and compares its rows. Rows may be ahead of the events read: then those are read too.
async fn one_incident(
    reader: &dyn Reader,
    vault: Option<&Vault>,
    log: &Log,
    incident: IncidentId,
    told: &mut Audiences,
    tally: &mut Tally,
) -> Result<Vec<Twin>, LoadError> {
    let mut replay = Replay::new(log, incident);
    let spot = Spot::rows_of(incident);
    for _ in 0..ROWS_READ_AGAIN_MAX {
        replay.read_on(reader, told, tally).await?;
        match stored::of(reader, &replay).await? {
            Found::Moved if !replay.is_whole() => break,
            Found::Moved => {}
            Found::Rows(rows) => {
                stored::compare(&replay, &rows, tally);
                break;
            }
            Found::None => {
                tally.holds(Rule::Replay, spot, false, ("the incident has no stored case", "警情没有存储行"));
                break;
            }
            Found::Malformed(table, column) => {
                let wrong = ("a stored value is malformed", "存储值格式有误");
                tally.holds_or(Rule::Replay, spot, false, wrong, || format!("{table}.{column}"));
                break;
            }
        }
    }
    stored::personal(reader, vault, &replay, tally).await?;
    Ok(replay.twins)
}

/// A merge and its end stand in both incidents, written by one command.
fn both_tell(log: &Log, twins: &Twins, tally: &mut Tally) {
    for (twin, tellers) in twins.iter().filter(|(twin, _)| twin.first < log.until) {
        let both = tellers.len() == 2 && tellers.contains(&twin.alias) && tellers.contains(&twin.survivor);
        let spot = Spot::event(twin.alias, twin.first);
        let wrong = ("a merge or its end stands in one of the two incidents only", "合并或其撤销只见于其中一个警情");
        tally.holds(Rule::AppendOnly, spot, both, wrong);
    }
}
