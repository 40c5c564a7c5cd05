//! The stored rows of one incident against what replaying its events gives (invariants 1, 8 and 10).

use super::incident::Replay;
use super::log::Log;
use super::report::{Rule, Spot, Tally, Text};
use super::{CHECK_PAGE_EVENTS, unread};
use crate::memory::LoadError;
use crate::rows;
use crate::vault::{Vault, VaultError};
use handoff_domain::Case;
use handoff_domain::ids::OrgId;
use handoff_evidence::disclosure::verify;
use handoff_evidence::registry::{Book, Entry};
use handoff_store::query::{CaseFilter, PAGE_ROWS_MAX};
use handoff_store::rows::{CaseRow, HandoffRow, ObligationRow, PartyRow, RegistryRow};
use handoff_store::{Batch, Reader, StoreError};
use std::collections::BTreeMap;

/// Times the rows of one incident are read again because it changed meanwhile. One that changes faster is left to the
/// next check.
pub const ROWS_READ_AGAIN_MAX: u32 = 8;

/// The rows of one incident, all as of one version.
pub(super) struct Rows {
    pub(super) case: CaseRow,
    obligations: Vec<ObligationRow>,
    parties: Vec<PartyRow>,
    handoffs: Vec<HandoffRow>,
}

/// What reading the rows came to.
pub(super) enum Found {
    /// Rows of one version.
    Rows(Box<Rows>),
    /// No row of the case.
    None,
    /// The incident changed between two reads.
    Moved,
    /// A column holds what it cannot.
    Malformed(&'static str, &'static str),
}

/// A malformed value is a finding, not the end of the check.
fn read<T>(result: Result<T, StoreError>) -> Result<Result<T, Found>, LoadError> {
    match result {
        Ok(found) => Ok(Ok(found)),
        Err(StoreError::Malformed { table, column }) => Ok(Err(Found::Malformed(table, column))),
        Err(error) => Err(unread(error)),
    }
}

/// Reads the rows of one incident; [`Found::Moved`] when they may be of two versions.
pub(super) async fn of(reader: &dyn Reader, replay: &Replay<'_>) -> Result<Found, LoadError> {
    let incident = replay.incident;
    macro_rules! reading {
        ($read:expr) => {
            match read($read.await)? {
                Ok(found) => found,
                Err(found) => return Ok(found),
            }
        };
    }
    let Some(case) = reading!(reader.case(incident)) else { return Ok(Found::None) };
    let obligations = reading!(reader.obligations_in(incident));
    let parties = reading!(reader.parties_of(incident));
    let mut handoffs = Vec::new();
    for handoff in replay.case.iter().flat_map(|case| &case.handoffs) {
        handoffs.extend(reading!(reader.handoff(handoff.id)));
    }
    let again = reading!(reader.case(incident));
    if again.as_ref() != Some(&case) || case.version > replay.version() {
        return Ok(Found::Moved);
    }
    Ok(Found::Rows(Box::new(Rows { case, obligations, parties, handoffs })))
}

const CASE: Text = ("the stored case differs from the replayed one", "存储的警情行与重放结果不符");
const CUSTODIAN: Text = ("the stored custodian is not the one the events give", "存储的责任单位与事件不符");

/// Compares the rows with the case replayed to its last event.
pub(super) fn compare(replay: &Replay<'_>, rows: &Rows, tally: &mut Tally) {
    let spot = Spot::rows_of(replay.incident);
    let held = replay.custody.custodian() == Some(&rows.case.custodian);
    tally.holds_or(Rule::OneCustodian, spot, held, CUSTODIAN, || {
        let told = replay.custody.custodian().map(ToString::to_string).unwrap_or_default();
        format!("{}, {told}", rows.case.custodian)
    });
    let tenure = replay.custody.tenure() == rows.case.tenure;
    tally.holds_or(Rule::OneCustodian, spot, tenure, CUSTODIAN, || format!("tenure {}", rows.case.tenure));
    let Some(case) = replay.case.as_ref().filter(|_| replay.is_whole()) else { return };
    let mut expected = rows::empty(0);
    rows::of_case(&mut expected, None, case);
    case_row(case, &rows.case, &expected, spot, tally);
    obligations(&rows.obligations, &expected, spot, tally);
    parties(replay, &rows.parties, &expected, spot, tally);
    handoffs(case, &rows.handoffs, &expected, spot, tally);
}

fn case_row(case: &Case, row: &CaseRow, expected: &Batch, spot: Spot, tally: &mut Tally) {
    let Some(is) = expected.cases.first() else { return };
    let columns = [
        ("version", row.version == is.version && row.was < row.version),
        ("state", row.state == is.state),
        ("first_receiver", row.first_receiver == is.first_receiver),
        ("kind", row.kind == is.kind),
        ("severity", row.severity == is.severity),
        ("drill", row.drill == is.drill),
        ("alias_of", row.alias_of == is.alias_of),
        ("opened_at", row.opened_at == is.opened_at),
        ("closed_at", row.closed_at == is.closed_at),
        ("updated_at", row.updated_at == is.updated_at && row.updated_at == case.updated_at),
    ];
    for (column, same) in columns {
        tally.holds_or(Rule::Replay, spot, same, CASE, || column.to_owned());
    }
}

/// What the ledger owes stands in rows, and nothing else does.
fn obligations(rows: &[ObligationRow], expected: &Batch, spot: Spot, tally: &mut Tally) {
    let owed = expected.obligations.iter().filter(|row| !row.done);
    let stored: Vec<_> = rows.iter().filter(|row| !row.done).collect();
    let wrong = ("an obligation is stored otherwise than it is owed", "存储的待办责任与推导结果不符");
    let mut count = 0;
    for owed in owed {
        count += 1;
        tally.holds_or(Rule::SomebodyOwes, spot, stored.contains(&owed), wrong, || owed.duty.to_string());
    }
    let wrong = ("an obligation is stored that nobody owes", "存储了无人承担的待办责任");
    tally.holds_or(Rule::SomebodyOwes, spot, stored.len() <= count, wrong, || format!("{} > {count}", stored.len()));
}

fn parties(replay: &Replay<'_>, rows: &[PartyRow], expected: &Batch, spot: Spot, tally: &mut Tally) {
    let wrong = ("a party is stored otherwise than the events give", "存储的参与单位与事件不符");
    let key = |row: &PartyRow| (row.org.clone(), row.station.clone());
    let stored: BTreeMap<_, _> = rows.iter().map(|row| (key(row), row.active)).collect();
    for is in &expected.parties {
        let same = stored.get(&key(is)) == Some(&is.active);
        tally.holds_or(Rule::Replay, spot, same, wrong, || format!("{} {:?}", is.org, is.station));
    }
    for row in rows {
        let part = expected.parties.iter().any(|is| key(is) == key(row));
        // A superior the case was before stays a reader.
        let superior = row.station.is_none() && replay.superiors.contains(&row.org);
        let wrong = ("a station is stored as a party that never was one", "存储了从未参与的单位");
        tally.holds_or(Rule::Replay, spot, part || superior, wrong, || row.org.to_string());
    }
}

fn handoffs(case: &Case, rows: &[HandoffRow], expected: &Batch, spot: Spot, tally: &mut Tally) {
    let wrong = ("a handoff is stored otherwise than the events give", "存储的移交行与事件不符");
    for is in &expected.handoffs {
        let row = rows.iter().find(|row| row.handoff == is.handoff);
        let same = row.is_some_and(|row| {
            // Written when its state or version changes: later entries of the incident leave its time as it is.
            let at = (case.opened_at..=case.updated_at).contains(&row.updated_at);
            at && *row == HandoffRow { updated_at: row.updated_at, ..is.clone() }
        });
        tally.holds_or(Rule::Replay, spot, same, wrong, || is.state.to_string());
    }
}

/// What is kept of sealed values is what the events hold the digests of, and what was erased is gone. Says where, never
/// what.
pub(super) async fn personal(
    reader: &dyn Reader,
    vault: Option<&Vault>,
    replay: &Replay<'_>,
    tally: &mut Tally,
) -> Result<(), LoadError> {
    let spot = Spot::rows_of(replay.incident);
    let mut from = 1;
    while from <= replay.version() {
        let to = from + u64::from(CHECK_PAGE_EVENTS) - 1;
        for row in reader.personal(replay.incident, from, to.min(replay.version())).await.map_err(unread)? {
            let opened = vault.map(|vault| vault.open(&row));
            let place = (row.id.seq, row.id.path);
            let sealed = replay.sealed.get(&place).copied();
            let same = sealed.is_some_and(|sealed| match &opened {
                Some(Ok(text)) => verify(text, &place.1, sealed).is_ok(),
                Some(Err(VaultError::OtherKey)) | None => true,
                Some(Err(VaultError::Form | VaultError::Damaged)) => false,
            });
            let at = || format!("{} {}", place.0, place.1);
            // No word about the value: whoever checks has not given the key.
            let shut = matches!(opened, Some(Err(VaultError::OtherKey)));
            let wrong = (
                "a value is sealed under a key that is not given; name it in sealing.previous_key_files",
                "值由未给出的密钥封存；请在 sealing.previous_key_files 中列出该密钥",
            );
            tally.holds_or(Rule::Replay, spot, !shut, wrong, at);
            let wrong =
                ("a value kept beside the log is not the one sealed in its event", "日志旁的值与事件中的摘要不符");
            tally.holds_or(Rule::Replay, spot, same, wrong, at);
            let wrong = ("an erased value is still there", "已删除的值仍然存在");
            tally.holds_or(Rule::Replay, spot, !replay.erased.contains(&place), wrong, at);
        }
        from = to + 1;
    }
    Ok(())
}

/// The entries of key registries that are kept beside the log give the number and the root that each update says.
pub(super) async fn registries(reader: &dyn Reader, log: &Log, tally: &mut Tally) -> Result<(), LoadError> {
    let mut books: BTreeMap<OrgId, (Vec<RegistryRow>, Option<Book>)> = BTreeMap::new();
    for (position, update) in &log.registries {
        if !books.contains_key(&update.org) {
            let rows = reader.registry(update.org.clone()).await.map_err(unread)?;
            books.insert(update.org.clone(), (rows, Some(Book::default())));
        }
        let Some((rows, book)) = books.get_mut(&update.org) else { continue };
        let changed: Vec<_> =
            rows.iter().filter(|row| row.version == update.version).map(|row| row.entry.as_slice()).collect();
        let named = rows.iter().filter(|row| row.version == update.version);
        let named =
            named.map(|row| (row, Entry::read(&row.entry))).all(|(row, read)| read.is_ok_and(|is| is.kid == row.kid));
        let next = book.take().filter(|_| named).and_then(|book| book.with(update.version, &changed).ok());
        let state = next.as_ref().and_then(|next| next.state().ok());
        let same = state.is_some_and(|state| (state.count(), state.root()) == (update.count, update.root));
        let wrong = (
            "the keys kept beside the log are not those of the registry's update",
            "日志旁的密钥登记项与登记册更新不符",
        );
        tally.holds_or(Rule::Replay, Spot::position(*position), same, wrong, || update.org.to_string());
        *book = next;
    }
    Ok(())
}

/// Every stored case has events in the log.
pub(super) async fn no_strangers(reader: &dyn Reader, log: &Log, tally: &mut Tally) -> Result<(), LoadError> {
    let mut after = None;
    loop {
        let page = reader.cases(CaseFilter::default(), after, PAGE_ROWS_MAX).await.map_err(unread)?;
        for row in &page.cases {
            let known =
                log.knows(row.incident) || !reader.events_of(row.incident, 1, 1).await.map_err(unread)?.is_empty();
            let wrong = ("a case is stored that has no events", "存储了没有事件的警情");
            tally.holds(Rule::Replay, Spot::rows_of(row.incident), known, wrong);
        }
        if page.next.is_none() || page.next == after {
            return Ok(());
        }
        after = page.next;
    }
}
