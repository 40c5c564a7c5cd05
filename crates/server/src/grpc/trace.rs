//! The trace of a case: each entry with what it changed, found by applying the events again.

use super::feed::NO_PROGRESS_MS;
use super::reads::{Opened, recipient, show_custodian};
use super::{Gate, unreadable};
use crate::auth::{Session, Shown};
use crate::error::status;
use handoff_domain::event::Event;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::{Case, apply};
use handoff_engine::memory::{Entry, LoadError};
use handoff_evidence::event::Chain;
use handoff_proto::v1;
use handoff_proto::v1::field::Value;
use handoff_proto::view::{Located, Recipient, agreement_of, changes, entry, incident_view, rule_of};
use handoff_store::rows::EventRow;
use prost::Message;
use std::sync::Arc;
use tokio::sync::mpsc;
use tonic::Status;

/// Name of the stream in the audit rows.
pub(super) const TRACE: &str = "AuditService/trace";
/// Entries in one message of a trace.
pub(super) const TRACE_PAGE_ENTRIES: u32 = 100;

/// Bytes of entries after which a message is sent early, well below the largest message the service sends.
const TRACE_PAGE_BYTES: usize = 256 * 1024;

/// One trace under way.
pub(super) struct Trace {
    pub(super) gate: Gate,
    pub(super) session: Arc<Session>,
    /// What its connection showed, to be judged again.
    pub(super) shown: Shown,
    /// The case as the reader last sees it.
    pub(super) found: Entry,
    /// Where the case is an alias: whose custodian it shows.
    pub(super) survivor: Option<Entry>,
    pub(super) opened: Opened,
    pub(super) after_seq: u64,
}

impl Trace {
    pub(super) async fn run(self, out: mpsc::Sender<Result<v1::TraceResponse, Status>>) {
        let stop = self.gate.tasks().stopping();
        // A reader that takes nothing in holds up no stop.
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => Err(status(&Refusal::new(Reason::StreamEnded))),
            told = self.pages(&out) => told,
        };
        if let Err(ended) = ended {
            // Whoever has gone needs no word.
            let _ = out.try_send(Err(ended));
        }
    }

    async fn pages(&self, out: &mpsc::Sender<Result<v1::TraceResponse, Status>>) -> Result<(), Status> {
        let (id, until) = (self.found.case.id, self.found.case.version);
        let (reader, mut chain, mut case) = (recipient(&self.session.caller), Chain::new(id), None);
        loop {
            let rows = self.gate.engine().reader().events_of(id, chain.seq() + 1, TRACE_PAGE_ENTRIES).await;
            let rows = rows.map_err(|error| unreadable(&LoadError::Read(id, error)))?;
            let (mut page, mut bytes) = (v1::TraceResponse::default(), 0);
            let full = rows.len() == TRACE_PAGE_ENTRIES as usize;
            for row in rows.iter().filter(|row| row.seq <= until) {
                let event = chain.accept(&row.bytes);
                let event = event.map_err(|error| unreadable(&LoadError::Chain(id, Box::new(error))))?;
                let after = apply(case.clone(), &event);
                let after = after.map_err(|violation| unreadable(&LoadError::Rule(Box::new(violation))))?;
                if row.seq > self.after_seq {
                    let traced = self.traced(row, &event, case.as_ref(), &after, &reader);
                    bytes += traced.encoded_len();
                    page.entries.push(traced);
                }
                case = Some(after);
                if bytes > TRACE_PAGE_BYTES {
                    self.send(out, std::mem::take(&mut page)).await?;
                    bytes = 0;
                }
            }
            let last = !full || chain.seq() >= until;
            if last {
                let shifts = &self.gate.engine().directory().shifts;
                let mut view = incident_view(&self.found.case, shifts, &reader, &self.opened);
                show_custodian(&mut view, self.survivor.as_ref());
                page.incident = Some(view);
            }
            if last || !page.entries.is_empty() {
                self.send(out, page).await?;
            }
            if last {
                return Ok(());
            }
        }
    }

    /// A reader that takes nothing in is sent away, as a subscriber of the feed is.
    async fn send(
        &self,
        out: &mpsc::Sender<Result<v1::TraceResponse, Status>>,
        page: v1::TraceResponse,
    ) -> Result<(), Status> {
        self.gate.still(&self.session, &self.shown, TRACE)?;
        let clock = self.gate.engine().clock();
        tokio::select! {
            sent = out.send(Ok(page)) => sent.map_err(|_| status(&Refusal::new(Reason::StreamEnded))),
            () = clock.sleep_until(clock.now().plus(NO_PROGRESS_MS)) => {
                Err(status(&Refusal::new(Reason::SubscriberTooSlow)))
            }
        }
    }

    fn traced(
        &self,
        row: &EventRow,
        event: &Event,
        before: Option<&Case>,
        after: &Case,
        reader: &Recipient,
    ) -> v1::TraceEntry {
        let located = Located { number: 0, position: row.position, hash: Some(row.hash) };
        let shown = entry(located, event, reader, &self.opened);
        let text = |path: &str| {
            shown.fields.iter().find(|field| field.path == path).and_then(|field| match &field.value {
                Some(Value::Text(text)) => Some(text.clone()),
                _ => None,
            })
        };
        let handoff = text("handoff").and_then(|id| after.handoffs.iter().find(|one| one.id.to_string() == id));
        let alert = text("to.station").and_then(|to| after.alerts.iter().find(|(seat, _)| seat.station.as_str() == to));
        let terms = match (handoff, alert) {
            (Some(handoff), _) => handoff.terms.as_ref(),
            (None, Some((_, alert))) => alert.terms.as_ref(),
            (None, None) => after.terms.as_ref(),
        };
        v1::TraceEntry {
            changes: changes(before, after),
            rule: rule_of(before.unwrap_or(after), &event.body),
            agreement: terms.map(agreement_of).unwrap_or_default(),
            map: map_asked(&shown),
            entry: Some(shown),
        }
    }
}

/// The map whose answer stands in an entry.
fn map_asked(shown: &v1::Entry) -> Option<v1::MapRef> {
    let field =
        |end: &str| shown.fields.iter().find(|field| field.path.ends_with(end)).and_then(|one| one.value.clone());
    match (field("map.id"), field("map.version")) {
        (Some(Value::Text(id)), Some(Value::Number(version))) => Some(v1::MapRef { id, version }),
        _ => None,
    }
}
