//! C5: the final log, replayed by the log checker of the engine, which tells custody, forms, units and merges twice, once
//! by `domain::apply` and once from event types alone, and compares both after every event.
//!
//! Here the dump stands in for the store. What a store holds beside the log is not in the dump: the checker compared it
//! where it was, and the dump says what it found.

use super::dump::{EventLine, FeedLine, LogDump};
use super::{Found, History, Violation};
use futures_util::FutureExt;
use handoff_domain::caller::OPERATOR;
use handoff_domain::ids::{ClientId, Digest, HandoffId, IncidentId, MapRef, OrgId, StationId, StationRef};
use handoff_domain::time::Millis;
use handoff_engine::check::check_log;
use handoff_store::contract::{Pending, Read};
use handoff_store::query::{CaseCursor, CaseFilter, CasePage, Counts, ObligationCursor, Size};
use handoff_store::rows::*;
use handoff_store::{Reader, StoreError};
use std::collections::{BTreeMap, HashMap};

/// Every event follows by the rules, and after every one of them each incident has exactly one custodian.
#[must_use]
pub fn c5(history: &History) -> Vec<Violation> {
    let mut found = Found::of("C5");
    let store = match DumpedStore::of(&history.log) {
        Ok(store) => store,
        Err(error) => {
            found.add(error.to_string());
            return found.into_list();
        }
    };
    // Nothing is waited for: what is read is in memory.
    match check_log(&store).now_or_never() {
        Some(Ok(report)) => {
            for invariant in &report.invariants {
                invariant.violations.iter().for_each(|violation| found.add(violation.to_string()));
            }
        }
        Some(Err(_)) | None => found.add("the log checker did not come to its end".to_owned()),
    }
    history.log.findings.iter().for_each(|finding| found.add(format!("in the store, {finding}")));
    found.into_list()
}

/// A dumped log, read like a store.
struct DumpedStore<'a> {
    events: Vec<EventRow>,
    /// Places of each stream's events in the list.
    streams: HashMap<IncidentId, Vec<usize>>,
    places: HashMap<u64, usize>,
    feeds: BTreeMap<OrgId, Vec<&'a FeedLine>>,
}

fn malformed<T>(table: &'static str, column: &'static str) -> Result<T, StoreError> {
    Err(StoreError::Malformed { table, column })
}

fn row(line: &EventLine) -> Result<EventRow, StoreError> {
    let Some(kind) = StreamKind::of(line.kind) else { return malformed("events", "kind") };
    Ok(EventRow {
        position: line.position,
        first: line.first,
        kind,
        incident: line.incident,
        seq: line.seq,
        type_name: line.type_name.clone().into(),
        at: Millis(line.at),
        hash: line.hash,
        bytes: line.bytes.0.clone().into(),
        // The dump has no signatures of leaves, and no check of a history looks at one.
        leaf: [0; 64],
    })
}

impl<'a> DumpedStore<'a> {
    fn of(dump: &'a LogDump) -> Result<Self, StoreError> {
        let events = dump.events.iter().map(row).collect::<Result<Vec<_>, _>>()?;
        let mut streams = HashMap::<_, Vec<_>>::new();
        for (place, event) in events.iter().enumerate() {
            streams.entry(event.incident).or_default().push(place);
        }
        let places = events.iter().enumerate().map(|(place, event)| (event.position, place)).collect();
        let mut feeds = BTreeMap::<_, Vec<_>>::new();
        for line in &dump.feeds {
            feeds.entry(line.org.clone()).or_default().push(line);
        }
        Ok(Self { events, streams, places, feeds })
    }

    fn page(&self, fits: impl Fn(&EventRow) -> bool, limit: u32) -> Vec<EventRow> {
        self.events.iter().filter(|row| fits(row)).take(limit as usize).cloned().collect()
    }

    fn entry(&self, line: &FeedLine) -> Option<FeedEntry> {
        let event = self.events.get(*self.places.get(&line.position)?)?.clone();
        Some(FeedEntry { number: line.number, enters: line.enters, event })
    }

    fn last_number(&self, org: &OrgId) -> u64 {
        self.feeds.get(org).and_then(|lines| lines.last()).map_or(0, |line| line.number)
    }
}

/// What was read, at once.
fn read<T: Send + 'static>(found: T) -> Read<'static, T> {
    Box::pin(std::future::ready(Ok(found)))
}

/// Reads of what is not in the dump.
macro_rules! nothing {
    ($( $name:ident ( $($type:ty),* ) -> $out:ty ; )*) => { $(
        fn $name(&self, $(_: $type),*) -> Read<'_, $out> { read(<$out>::default()) }
    )* };
}

impl Reader for DumpedStore<'_> {
    nothing! {
        cursor(OrgId, ClientId) -> Option<u64>;
        answer(AnswerId) -> Option<AnswerRow>;
        recent_answers(u32) -> Vec<AnswerRow>;
        keyed_answers_of(IncidentId, u32) -> Vec<AnswerId>;
        cases(CaseFilter, Option<CaseCursor>, u32) -> CasePage;
        parties_of(IncidentId) -> Vec<PartyRow>;
        handoff(HandoffId) -> Option<HandoffRow>;
        due_obligations(Millis, u32) -> Vec<ObligationRow>;
        obligations_of(Option<OrgId>, Option<StationId>, Option<ObligationCursor>, u32) -> Vec<ObligationRow>;
        obligations_in(IncidentId) -> Vec<ObligationRow>;
        personal(IncidentId, u64, u64) -> Vec<PersonalRow>;
        holding_personal(Option<IncidentId>, Millis, u32) -> Vec<IncidentId>;
        audit(u64, u32) -> Vec<(u64, AuditRow)>;
        map(MapRef) -> Option<MapRow>;
        tile(u8, u64) -> Option<TileRow>;
        tiles(u8, u64, u32) -> Vec<TileRow>;
        tree_head(u64) -> Option<TreeHeadRow>;
        tree_head_from(u64) -> Option<TreeHeadRow>;
        cosignatures(u64) -> Vec<CosignatureRow>;
        cosigned_from([u8; 32], u64) -> Option<CosignatureRow>;
        cosigned_up_to([u8; 32], u64) -> Option<CosignatureRow>;
        registry(OrgId) -> Vec<RegistryRow>;
        counts(Millis) -> Counts;
        size() -> Size;
    }

    fn head(&self) -> Read<'_, Head> {
        let last = self.events.last();
        read(Head {
            position: last.map_or(0, |row| row.position + 1),
            epoch: 0,
            last_at: last.map_or(Millis(0), |row| row.at),
            last_hash: last.map(|row| row.hash),
        })
    }

    fn events_from(&self, position: u64, limit: u32) -> Read<'_, Vec<EventRow>> {
        let from = self.events.partition_point(|row| row.position < position);
        read(self.events.iter().skip(from).take(limit as usize).cloned().collect())
    }

    fn event_at(&self, position: u64) -> Read<'_, Option<EventRow>> {
        read(self.page(|row| row.position == position, 1).pop())
    }

    fn events_of(&self, incident: IncidentId, from_seq: u64, limit: u32) -> Read<'_, Vec<EventRow>> {
        let stream = self.streams.get(&incident).into_iter().flatten().map(|place| &self.events[*place]);
        read(stream.filter(|row| row.seq >= from_seq).take(limit as usize).cloned().collect())
    }

    fn directory_events(&self, position: u64, limit: u32) -> Read<'_, Vec<EventRow>> {
        read(self.page(|row| row.kind != StreamKind::Incident && row.position >= position, limit))
    }

    fn feed_heads(&self) -> Read<'_, Vec<FeedHead>> {
        read(self.feeds.keys().map(|org| FeedHead { org: org.clone(), number: self.last_number(org) }).collect())
    }

    fn feed_head(&self, org: OrgId) -> Read<'_, u64> {
        read(self.last_number(&org))
    }

    fn feed_page(&self, org: OrgId, after: u64, until: u64, limit: u32) -> Read<'_, Vec<FeedEntry>> {
        let lines = self.feeds.get(&org).into_iter().flatten();
        let wanted = lines.filter(|line| line.number > after && line.position < until);
        read(wanted.filter_map(|line| self.entry(line)).take(limit as usize).collect())
    }

    fn feed_hash_at(&self, org: OrgId, number: u64) -> Read<'_, Option<Digest>> {
        let line = self.feeds.get(&org).into_iter().flatten().find(|line| line.number == number);
        read(line.and_then(|line| self.entry(line)).map(|entry| entry.event.hash))
    }

    /// A row that is ahead of every event, which the checker leaves to another time: it is not compared here.
    fn case(&self, incident: IncidentId) -> Read<'_, Option<CaseRow>> {
        let named = OrgId::new(OPERATOR).zip(StationId::new(OPERATOR));
        let nobody = named.map(|(org, station)| StationRef { org, station });
        read(nobody.map(|nobody| CaseRow {
            incident,
            was: 0,
            version: u64::MAX,
            state: "".into(),
            custodian: nobody.clone(),
            tenure: 0,
            first_receiver: nobody,
            kind: None,
            severity: None,
            drill: None,
            alias_of: None,
            opened_at: Millis(0),
            closed_at: None,
            updated_at: Millis(0),
        }))
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
