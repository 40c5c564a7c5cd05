//! Cases, their lists, obligations, handoffs.

use super::Backend;
use super::log::new;
use super::sample::*;
use crate::contract::Store;
use crate::error::AppendError;
use crate::query::{CaseFilter, Counts, Drills, LIST_SCAN_ROWS_MAX, ObligationCursor, Period};
use crate::rows::*;
use handoff_domain::ids::{DrillId, HandoffId, IncidentId, StationId};
use handoff_domain::time::Millis;
use handoff_domain::timers::{Duty, Rung};
use uuid::Uuid;

/// The compare-and-set of custody: only from the version the batch saw, and from nothing only to a new case.
pub async fn a_case_moves_only_from_the_version_the_batch_saw(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    store.writer.append(&story.opening(1)).await.unwrap();
    let mut go_on = story.batch();
    story.command(&mut go_on, incident(1), 2, &[]);
    for (number, was, version) in [(1, 0, 3), (1, 2, 3), (2, 1, 3)] {
        let mut stale = go_on.clone();
        stale.cases.push(CaseRow { custodian: station("B", "B-07"), ..case(number, was, version) });
        let result = store.writer.append(&stale).await;
        assert!(matches!(result, Err(AppendError::Rejected { table: "cases", .. })), "{was}: {result:?}");
        assert_eq!(store.reader.case(incident(1)).await.unwrap(), Some(case(1, 0, 1)));
        assert_eq!(store.reader.case(incident(2)).await.unwrap(), None);
    }
    let moved = CaseRow { custodian: station("B", "B-07"), tenure: 2, ..case(1, 1, 3) };
    go_on.cases.push(moved.clone());
    store.writer.append(&go_on).await.unwrap();
    assert_eq!(store.reader.case(incident(1)).await.unwrap(), Some(moved));
}

/// Every column moves, into and out of NULL.
pub async fn a_case_is_replaced_as_a_whole(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    store.writer.append(&story.opening(1)).await.unwrap();
    let full = CaseRow {
        state: Text::Borrowed("CLOSED \"quoted\" \\ 中文"),
        custodian: station("B", "B-07"),
        tenure: 4,
        first_receiver: station("C", "C-02"),
        kind: None,
        severity: Some(Text::Borrowed("urgent")),
        drill: Some(DrillId(Uuid::from_u128(5))),
        alias_of: Some(incident(3)),
        opened_at: Millis(1),
        closed_at: Some(Millis(2)),
        updated_at: Millis(3),
        ..case(1, 1, 2)
    };
    for row in [full, case(1, 2, 3)] {
        let mut batch = story.batch();
        story.command(&mut batch, incident(1), 1, &[]);
        batch.cases.push(row.clone());
        store.writer.append(&batch).await.unwrap();
        assert_eq!(store.reader.case(incident(1)).await.unwrap(), Some(row));
    }
    let mut parties = store.reader.parties_of(incident(1)).await.unwrap();
    parties.sort_by(|a, b| a.org.cmp(&b.org));
    assert_eq!(parties, [party(1, "A", "A-01"), party(1, "B", "B-07")]);
}

/// Pages through a list and gives the incidents in its order.
async fn all(store: &Store, filter: &CaseFilter, limit: u32) -> Vec<IncidentId> {
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = store.reader.cases(filter.clone(), after, limit).await.unwrap();
        assert!(page.cases.len() <= usize::try_from(limit).unwrap());
        seen.extend(page.cases.iter().map(|case| case.incident));
        match page.next {
            Some(next) => {
                assert!(after.is_none_or(|after| next < after), "the cursor does not move on");
                after = Some(next);
            }
            None => return seen,
        }
    }
}

fn of(name: &str) -> CaseFilter {
    CaseFilter { org: Some(org(name)), ..CaseFilter::default() }
}

/// Writes `count` cases, opened in the order of their numbers, every third closed, in batches.
async fn write_cases(store: &mut Store, story: &mut Story, count: u128) {
    let mut batch = story.batch();
    for number in 1..=count {
        story.command(&mut batch, incident(number), 1, &[]);
        let closed_at = number.is_multiple_of(3).then_some(Millis(BEGIN));
        batch.cases.push(CaseRow { closed_at, ..case(number, 0, 1) });
        batch.parties.push(party(number, "A", "A-01"));
        if number.is_multiple_of(2) {
            batch.parties.push(party(number, "B", if number.is_multiple_of(4) { "B-07" } else { "B-08" }));
        }
        if batch.cases.len() == 500 {
            store.writer.append(&batch).await.unwrap();
            batch = story.batch();
        }
    }
    store.writer.append(&batch).await.unwrap();
}

fn numbers(count: u128, fits: impl Fn(u128) -> bool) -> Vec<IncidentId> {
    (1..=count).rev().filter(|number| fits(*number)).map(incident).collect()
}

/// Open and closed ones together, opened last first, none twice, whatever the limit; a change leaves a case where it
/// is, and a closing moves it to the closed ones.
pub async fn lists_page_through_every_case_once(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    write_cases(&mut store, &mut story, 40).await;
    for limit in [1, 7, 40, 100] {
        assert_eq!(all(&store, &CaseFilter::default(), limit).await, numbers(40, |_| true), "limit {limit}");
        assert_eq!(all(&store, &of("A"), limit).await, numbers(40, |_| true), "limit {limit}");
        let open = CaseFilter { open: Some(true), ..of("A") };
        assert_eq!(all(&store, &open, limit).await, numbers(40, |n| !n.is_multiple_of(3)), "limit {limit}");
        let closed = CaseFilter { open: Some(false), ..CaseFilter::default() };
        assert_eq!(all(&store, &closed, limit).await, numbers(40, |n| n.is_multiple_of(3)), "limit {limit}");
    }
    let mut batch = story.batch();
    story.command(&mut batch, incident(2), 1, &[]);
    let updated_at = Millis(BEGIN + 1_000);
    batch.cases.push(CaseRow { closed_at: Some(updated_at), updated_at, ..case(2, 1, 2) });
    batch.parties.extend(store.reader.parties_of(incident(2)).await.unwrap());
    store.writer.append(&batch).await.unwrap();
    for filter in [CaseFilter::default(), of("A"), of("B")] {
        assert_eq!(all(&store, &filter, 5).await.len(), if filter.org == Some(org("B")) { 20 } else { 40 });
        let closed = CaseFilter { open: Some(false), ..filter.clone() };
        assert_eq!(all(&store, &closed, 5).await.last(), Some(&incident(2)));
    }
}

/// An organisation's list holds its cases alone; with two stations of it in a case, the case still stands once.
pub async fn a_list_shows_only_its_organisation_and_station(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    write_cases(&mut store, &mut story, 40).await;
    let mut batch = story.batch();
    batch.parties.push(PartyRow { active: false, ..party(4, "B", "B-08") });
    batch.parties.push(PartyRow { station: None, ..party(5, "S", "x") });
    store.writer.append(&batch).await.unwrap();
    assert_eq!(all(&store, &of("B"), 3).await, numbers(40, |n| n.is_multiple_of(2)));
    assert_eq!(all(&store, &of("S"), 3).await, [incident(5)]);
    assert_eq!(all(&store, &of("C"), 3).await, []);
    let at = |name: &str| CaseFilter { station: StationId::new(name), ..of("B") };
    assert_eq!(all(&store, &at("B-07"), 3).await, numbers(40, |n| n.is_multiple_of(4)));
    let eighth = numbers(40, |n| n == 4 || (n.is_multiple_of(2) && !n.is_multiple_of(4)));
    assert_eq!(all(&store, &at("B-08"), 3).await, eighth);
    let active = CaseFilter { active: Some(true), ..at("B-08") };
    assert_eq!(all(&store, &active, 3).await, numbers(40, |n| n.is_multiple_of(2) && !n.is_multiple_of(4)));
    let former = CaseFilter { active: Some(false), ..of("B") };
    assert_eq!(all(&store, &former, 3).await, [incident(4)]);
}

/// One condition at a time, and all together.
pub async fn a_filter_shows_what_fits_and_nothing_else(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut batch = story.batch();
    let drill = DrillId(Uuid::from_u128(9));
    for number in 1..=12 {
        story.command(&mut batch, incident(number), 1, &[]);
        let mut row = case(number, 0, 1);
        row.state = Text::Borrowed(["RECEIVED", "DISPATCHED", "HANDLED"][usize::try_from(number % 3).unwrap()]);
        row.kind = (number > 2).then_some(Text::Borrowed(if number > 6 { "hazard" } else { "emergency" }));
        row.drill = (number > 10).then_some(if number == 12 { drill } else { DrillId(Uuid::from_u128(8)) });
        if number.is_multiple_of(4) {
            row.custodian = station("B", "B-07");
        }
        batch.cases.push(row);
        batch.parties.push(party(number, "A", "A-01"));
    }
    store.writer.append(&batch).await.unwrap();
    let time = |number: i64| Some(Millis(BEGIN + number));
    let plain = CaseFilter::default;
    let states = vec![Text::Borrowed("RECEIVED"), Text::Borrowed("HANDLED")];
    type Fits = fn(u128) -> bool;
    let conditions: [(CaseFilter, Fits); 9] = [
        (CaseFilter { states: states.clone(), ..plain() }, |n| n % 3 != 1),
        (CaseFilter { kind: Some(Text::Borrowed("hazard")), ..plain() }, |n| n > 6),
        (CaseFilter { drills: Drills::Real, ..plain() }, |n| n <= 10),
        (CaseFilter { drills: Drills::Drill, ..plain() }, |n| n > 10),
        (CaseFilter { drills: Drills::One(drill), ..plain() }, |n| n == 12),
        (CaseFilter { custodian: Some(station("B", "B-07")), ..plain() }, |n| n.is_multiple_of(4)),
        (CaseFilter { opened: Period { from: time(3), until: time(7) }, ..plain() }, |n| (3..7).contains(&n)),
        (CaseFilter { updated: Period { from: time(3), until: time(7) }, ..plain() }, |n| (3..7).contains(&n)),
        (CaseFilter { states, kind: Some(Text::Borrowed("emergency")), drills: Drills::Real, ..plain() }, |n| {
            n % 3 != 1 && n > 2 && n <= 6
        }),
    ];
    for (filter, fits) in conditions {
        for limit in [2, 50] {
            assert_eq!(all(&store, &filter, limit).await, numbers(12, fits), "{filter:?}");
            let of_a = CaseFilter { org: Some(org("A")), ..filter.clone() };
            assert_eq!(all(&store, &of_a, limit).await, numbers(12, fits), "{of_a:?}");
        }
    }
}

/// A page looks at a bounded number of cases; what fits is found all the same, page by page.
pub async fn a_narrow_filter_goes_on_through_empty_pages(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let count = u128::from(LIST_SCAN_ROWS_MAX) * 2 + 100;
    write_cases(&mut store, &mut story, count).await;
    let first = CaseFilter { updated: Period { from: None, until: Some(Millis(BEGIN + 3)) }, ..of("A") };
    let page = store.reader.cases(first.clone(), None, 10).await.unwrap();
    assert!(page.cases.is_empty() && page.next.is_some());
    assert_eq!(all(&store, &first, 10).await, [incident(2), incident(1)]);
    let everywhere = CaseFilter { org: None, ..first };
    assert_eq!(all(&store, &everywhere, 10).await, [incident(2), incident(1)]);
}

/// What is due by now, the oldest first; what is done or on its last rung stands in nobody's way.
pub async fn the_timer_sees_what_is_due_and_no_last_rung(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut batch = story.opening(1);
    let last = ObligationRow { raise_at: None, rung: Rung::Superior, ..obligation(1, Duty::Sign, 1) };
    let done = ObligationRow { done: true, ..obligation(1, Duty::Close, 2) };
    let (early, late) = (obligation(1, Duty::Decide, 5), obligation(1, Duty::Confirm, 9));
    // Shown as due at 100, looked at again at 4.
    let other = ObligationRow { raise_at: Some(Millis(BEGIN + 4)), ..obligation(1, Duty::Ruling, 100) };
    batch.obligations = vec![late.clone(), last, done, early.clone(), other.clone()];
    store.writer.append(&batch).await.unwrap();
    let due = async |now: i64, limit| store.reader.due_obligations(Millis(BEGIN + now), limit).await.unwrap();
    assert_eq!(due(3, 10).await, []);
    assert_eq!(due(5, 10).await, [other.clone(), early.clone()]);
    assert_eq!(due(100, 10).await, [other.clone(), early, late]);
    assert_eq!(due(100, 1).await, [other]);
}

/// Ties are broken by the key, so that no page repeats or drops a row.
pub async fn obligations_page_in_the_order_of_their_due_time(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut batch = story.batch();
    for number in 1..=6 {
        story.command(&mut batch, incident(number), 1, &[]);
        batch.cases.push(case(number, 0, 1));
        let due = 100 - i64::try_from(number % 2).unwrap();
        batch.obligations.push(obligation(number, Duty::Decide, due));
        batch.obligations.push(ObligationRow { scope: None, ..obligation(number, Duty::Decide, due) });
        batch
            .obligations
            .push(ObligationRow { station: StationId::new("B-08"), ..obligation(number, Duty::Sign, due) });
        let superior = ObligationRow { org: Some(org("S")), station: None, ..obligation(number, Duty::Ruling, due) };
        batch.obligations.push(superior.clone());
        batch.obligations.push(ObligationRow { org: None, duty: Duty::LeadAnswer, ..superior });
    }
    store.writer.append(&batch).await.unwrap();
    for (name, station, rows) in [("B", None, 18), ("B", Some("B-08"), 6), ("S", None, 6), ("A", None, 0)] {
        let mut seen: Vec<ObligationRow> = Vec::new();
        loop {
            let after = seen.last().cloned().map(ObligationCursor);
            let station = station.and_then(StationId::new);
            let page = store.reader.obligations_of(Some(org(name)), station, after, 4).await.unwrap();
            if page.is_empty() {
                break;
            }
            seen.extend(page);
        }
        assert_eq!(seen.len(), rows, "{name} {station:?}");
        assert!(seen.is_sorted_by_key(|row| (row.due, row.incident, row.scope)), "{name} {station:?}");
        assert!(seen.iter().all(|row| batch.obligations.contains(row)));
    }
    assert_eq!(store.reader.obligations_in(incident(3)).await.unwrap().len(), 5);
}

/// The row's other columns move with it; done again is possible, and so is owed again.
pub async fn a_done_obligation_leaves_the_lists(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    store.writer.append(&story.opening(1)).await.unwrap();
    let owed = obligation(1, Duty::Decide, 5);
    let raised = ObligationRow { rung: Rung::Supervisor, acknowledged: true, ..obligation(1, Duty::Decide, 50) };
    let done = ObligationRow { done: true, ..raised.clone() };
    for (row, lists) in [(&owed, true), (&raised, true), (&done, false), (&done, false), (&owed, true)] {
        let mut batch = story.batch();
        batch.obligations.push(row.clone());
        store.writer.append(&batch).await.unwrap();
        let expected = if lists { vec![row.clone()] } else { Vec::new() };
        assert_eq!(store.reader.obligations_in(incident(1)).await.unwrap(), expected);
        assert_eq!(store.reader.obligations_of(Some(org("B")), None, None, 10).await.unwrap(), expected);
        assert_eq!(store.reader.due_obligations(Millis(BEGIN + 1_000), 10).await.unwrap(), expected);
    }
}

/// From the id alone.
pub async fn a_handoff_leads_to_its_incident(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    let mut batch = story.opening(1);
    batch.handoffs = vec![HandoffRow { offered_at: None, ..handoff(7, 1) }, handoff(8, 1)];
    store.writer.append(&batch).await.unwrap();
    for row in &batch.handoffs {
        assert_eq!(store.reader.handoff(row.handoff).await.unwrap().as_ref(), Some(row));
    }
    assert_eq!(store.reader.handoff(HandoffId(Uuid::from_u128(9))).await.unwrap(), None);
    let mut again = story.batch();
    let taken = HandoffRow { state: Text::Borrowed("TAKEN_OVER"), updated_at: Millis(BEGIN + 9), ..handoff(7, 1) };
    again.handoffs.push(taken.clone());
    store.writer.append(&again).await.unwrap();
    assert_eq!(store.reader.handoff(taken.handoff).await.unwrap(), Some(taken));
}

/// Figures for metrics, and a size that is there.
pub async fn what_is_open_is_counted(backend: &dyn Backend) {
    let (_database, mut store) = new(backend).await;
    let mut story = Story::default();
    write_cases(&mut store, &mut story, 30).await;
    let mut batch = story.batch();
    batch.obligations = vec![
        obligation(1, Duty::Decide, 5),
        obligation(2, Duty::Decide, 50),
        ObligationRow { done: true, ..obligation(3, Duty::Decide, 5) },
    ];
    store.writer.append(&batch).await.unwrap();
    let counts = store.reader.counts(Millis(BEGIN + 10)).await.unwrap();
    assert_eq!(counts, Counts { open_cases: 20, open_obligations: 2, overdue_obligations: 1 });
    assert!(store.reader.size().await.unwrap().bytes > 0);
}
