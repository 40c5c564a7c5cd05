//! A reader that shows another log or other rows than the store holds.

use handoff_domain::event::incident::Noted;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{ClientId, Digest, HandoffId, IncidentId, MapRef, OrgId, StationId};
use handoff_domain::time::Millis;
use handoff_evidence::event::{Chain, decode};
use handoff_store::Reader;
use handoff_store::contract::{Pending, Read};
use handoff_store::query::{CaseCursor, CaseFilter, CasePage, Counts, ObligationCursor, Size};
use handoff_store::rows::*;
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

type Change<T> = Box<dyn Fn(T) -> T + Send + Sync>;
type ChangeFeed = Box<dyn Fn(&OrgId, Vec<FeedEntry>) -> Vec<FeedEntry> + Send + Sync>;

/// What is shown otherwise.
pub(crate) struct Tampered {
    pub(crate) under: Arc<dyn Reader>,
    /// Another log of the same length.
    pub(crate) events: Option<Vec<EventRow>>,
    pub(crate) case: Change<CaseRow>,
    pub(crate) obligations: Change<Vec<ObligationRow>>,
    pub(crate) answer: Change<AnswerRow>,
    pub(crate) feed: ChangeFeed,
    pub(crate) personal: Change<PersonalRow>,
    pub(crate) registry: Change<Vec<RegistryRow>>,
}

impl Tampered {
    /// Nothing is changed yet.
    pub(crate) fn over(under: Arc<dyn Reader>) -> Self {
        Self {
            under,
            events: None,
            case: Box::new(|row| row),
            obligations: Box::new(|rows| rows),
            answer: Box::new(|row| row),
            feed: Box::new(|_, page| page),
            personal: Box::new(|row| row),
            registry: Box::new(|rows| rows),
        }
    }
}

/// The whole log.
pub(crate) async fn rows_of(reader: &dyn Reader) -> Vec<EventRow> {
    let mut rows: Vec<EventRow> = Vec::new();
    loop {
        let page = reader.events_from(rows.len() as u64, 500).await.expect("the log is there");
        if page.is_empty() {
            return rows;
        }
        rows.extend(page);
    }
}

/// Changes the events of one incident for which `change` says that it did, and makes its chain anew.
pub(crate) fn rewrite(
    mut rows: Vec<EventRow>,
    incident: IncidentId,
    change: impl Fn(&mut Event) -> bool,
) -> Vec<EventRow> {
    let mut chains: HashMap<IncidentId, Chain> = HashMap::new();
    let mut changed = 0;
    for row in rows.iter_mut().filter(|row| row.incident == incident) {
        let (mut event, _) = decode(&row.bytes).expect("it was recorded");
        changed += u32::from(change(&mut event));
        let chain = chains.entry(incident).or_insert_with(|| Chain::new(incident));
        let recorded = chain.record(&event).expect("it can be recorded");
        (row.bytes, row.hash) = (recorded.bytes.into(), recorded.hash);
        row.type_name = Cow::Borrowed(event.body.type_name());
    }
    assert!(changed > 0, "nothing was changed");
    rows
}

/// An event that says nothing.
pub(crate) fn note() -> Body {
    Noted { text: None, code: None, handoff: None, flags: Vec::new() }.into()
}

/// Methods that show what is there.
macro_rules! shown {
    ($( $name:ident ( $($arg:ident : $type:ty),* ) -> $out:ty ; )*) => { $(
        fn $name(&self, $($arg: $type),*) -> Read<'_, $out> { self.under.$name($($arg),*) }
    )* };
}

impl Reader for Tampered {
    shown! {
        head() -> Head;
        event_at(position: u64) -> Option<EventRow>;
        directory_events(position: u64, limit: u32) -> Vec<EventRow>;
        feed_heads() -> Vec<FeedHead>;
        feed_head(org: OrgId) -> u64;
        feed_hash_at(org: OrgId, number: u64) -> Option<Digest>;
        cursor(org: OrgId, client: ClientId) -> Option<u64>;
        keyed_answers_of(incident: IncidentId, limit: u32) -> Vec<AnswerId>;
        cases(filter: CaseFilter, after: Option<CaseCursor>, limit: u32) -> CasePage;
        parties_of(incident: IncidentId) -> Vec<PartyRow>;
        handoff(handoff: HandoffId) -> Option<HandoffRow>;
        due_obligations(now: Millis, limit: u32) -> Vec<ObligationRow>;
        obligations_of(org: Option<OrgId>, station: Option<StationId>, after: Option<ObligationCursor>, limit: u32)
            -> Vec<ObligationRow>;
        holding_personal(after: Option<IncidentId>, closed_by: Millis, limit: u32) -> Vec<IncidentId>;
        audit(after: u64, limit: u32) -> Vec<(u64, AuditRow)>;
        map(map: MapRef) -> Option<MapRow>;
        tile(level: u8, number: u64) -> Option<TileRow>;
        tiles(level: u8, from: u64, limit: u32) -> Vec<TileRow>;
        tree_head(up_to: u64) -> Option<TreeHeadRow>;
        tree_head_from(size: u64) -> Option<TreeHeadRow>;
        cosignatures(size: u64) -> Vec<CosignatureRow>;
        cosigned_from(key: [u8; 32], size: u64) -> Option<CosignatureRow>;
        cosigned_up_to(key: [u8; 32], size: u64) -> Option<CosignatureRow>;
        counts(now: Millis) -> Counts;
        size() -> Size;
    }

    fn events_from(&self, position: u64, limit: u32) -> Read<'_, Vec<EventRow>> {
        let Some(rows) = &self.events else { return self.under.events_from(position, limit) };
        let page = rows.iter().filter(|row| row.position >= position).take(limit as usize).cloned().collect();
        Box::pin(async { Ok(page) })
    }

    fn events_of(&self, incident: IncidentId, from_seq: u64, limit: u32) -> Read<'_, Vec<EventRow>> {
        let Some(rows) = &self.events else { return self.under.events_of(incident, from_seq, limit) };
        let of = rows.iter().filter(|row| row.incident == incident && row.seq >= from_seq);
        let page = of.take(limit as usize).cloned().collect();
        Box::pin(async { Ok(page) })
    }

    fn feed_page(&self, org: OrgId, after: u64, until: u64, limit: u32) -> Read<'_, Vec<FeedEntry>> {
        Box::pin(async move {
            let page = self.under.feed_page(org.clone(), after, until, limit).await?;
            Ok((self.feed)(&org, page))
        })
    }

    fn answer(&self, id: AnswerId) -> Read<'_, Option<AnswerRow>> {
        Box::pin(async { Ok(self.under.answer(id).await?.map(&self.answer)) })
    }

    fn recent_answers(&self, limit: u32) -> Read<'_, Vec<AnswerRow>> {
        Box::pin(async move {
            let rows = self.under.recent_answers(limit).await?;
            Ok(rows.into_iter().map(&self.answer).collect())
        })
    }

    fn case(&self, incident: IncidentId) -> Read<'_, Option<CaseRow>> {
        Box::pin(async move { Ok(self.under.case(incident).await?.map(&self.case)) })
    }

    fn obligations_in(&self, incident: IncidentId) -> Read<'_, Vec<ObligationRow>> {
        Box::pin(async move { Ok((self.obligations)(self.under.obligations_in(incident).await?)) })
    }

    fn personal(&self, incident: IncidentId, from_seq: u64, to_seq: u64) -> Read<'_, Vec<PersonalRow>> {
        Box::pin(async move {
            let rows = self.under.personal(incident, from_seq, to_seq).await?;
            Ok(rows.into_iter().map(&self.personal).collect())
        })
    }

    fn registry(&self, org: OrgId) -> Read<'_, Vec<RegistryRow>> {
        Box::pin(async move { Ok((self.registry)(self.under.registry(org).await?)) })
    }

    fn close(&self) -> Pending<'_, ()> {
        self.under.close()
    }
}
