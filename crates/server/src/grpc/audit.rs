//! What an auditor, and everybody entitled to a case, can read of it: the trace, why it is open, sealed fields.

use super::reads::{may_open_caller, names, recipient, uuid};
use super::{Gate, store_away};
use crate::error::status;
use handoff_domain::caller::Role;
use handoff_domain::ids::IncidentId;
use handoff_domain::moves;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_evidence::disclosure::{Value, open};
use handoff_evidence::event::decode;
use handoff_proto::v1;
use handoff_proto::v1::audit_service_server::AuditService;
use handoff_proto::v1::opened_field::Content;
use handoff_proto::view::{Located, entry, incident_view, is_caller_data, obligation_view, station_ref};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Entries in one message of a trace.
pub(super) const TRACE_PAGE_ENTRIES: u32 = 100;
/// Fields opened in one request.
pub(super) const OPEN_FIELDS_MAX: usize = 100;

#[tonic::async_trait]
impl AuditService for Gate {
    type TraceStream = ReceiverStream<Result<v1::TraceResponse, Status>>;

    async fn trace(&self, request: Request<v1::TraceRequest>) -> Result<Response<Self::TraceStream>, Status> {
        let session = self.session(&request, "AuditService/trace")?;
        let asked = request.into_inner();
        let id = IncidentId(uuid("incident", &asked.incident)?);
        let found = self.visible(&session.caller, id).await?;
        let opened = self.opened(&session.caller, &found).await?;
        let until = self.last_seen(&session.caller, &found);
        let (out, stream) = mpsc::channel(4);
        let gate = self.clone();
        self.tasks().spawn(async move {
            let (mut from, reader) = (asked.after_seq + 1, recipient(&session.caller));
            loop {
                let rows = match gate.engine().reader().events_of(id, from, TRACE_PAGE_ENTRIES).await {
                    Ok(rows) => rows,
                    Err(error) => {
                        let _ = out.send(Err(store_away(&error))).await;
                        return;
                    }
                };
                let full = rows.len() == TRACE_PAGE_ENTRIES as usize;
                let mut page = v1::TraceResponse::default();
                for row in rows.iter().filter(|row| row.seq <= until) {
                    from = row.seq + 1;
                    let Ok((event, _)) = decode(&row.bytes) else { continue };
                    let located = Located { number: 0, position: row.position, hash: Some(row.hash) };
                    let shown = entry(located, &event, &reader, &opened);
                    page.entries.push(v1::TraceEntry { entry: Some(shown), ..Default::default() });
                }
                let last = !full || from > until;
                if last {
                    page.incident =
                        Some(incident_view(&found.case, &gate.engine().directory().shifts, &reader, &opened));
                }
                if out.send(Ok(page)).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn why_open(&self, request: Request<v1::WhyOpenRequest>) -> Result<Response<v1::WhyOpenResponse>, Status> {
        let session = self.session(&request, "AuditService/why_open")?;
        let id = IncidentId(uuid("incident", &request.into_inner().incident)?);
        let found = self.visible(&session.caller, id).await?;
        let (case, directory) = (&found.case, self.engine().directory());
        let shifts = &directory.shifts;
        let open_handoff = case.open_handoff().map(|open| v1::HandoffRef {
            id: open.id.to_string(),
            number: open.number,
            state: open.state.name().to_string(),
            from: Some(station_ref(&open.from)),
            to: Some(station_ref(&open.to)),
        });
        let moves = names(moves::legal(case, case.open_handoff(), &session.caller, self.now()));
        let next_moves = moves.into_iter().map(|name| v1::NextMove { r#move: name, by: None }).collect();
        Ok(Response::new(v1::WhyOpenResponse {
            state: case.phase().to_string(),
            obligations: case.ledger.iter().map(|(key, owed)| obligation_view(id, key, owed, shifts)).collect(),
            open_handoff,
            next_moves,
        }))
    }

    async fn open_caller_data(
        &self,
        request: Request<v1::OpenCallerDataRequest>,
    ) -> Result<Response<v1::OpenCallerDataResponse>, Status> {
        let session = self.session(&request, "AuditService/open_caller_data")?;
        let id = IncidentId(uuid("incident", &request.get_ref().incident)?);
        // The opening is recorded first; without the record nothing is shown.
        let reply = self.command("AuditService/open_caller_data", request).await?.into_inner();
        let found = self.visible(&session.caller, id).await?;
        if !may_open_caller(&found, &session.caller) {
            return Err(status(&Refusal::new(Reason::WrongSide)));
        }
        let rows = self.engine().reader().personal(id, 1, found.case.version).await.map_err(|e| store_away(&e))?;
        let mut callers: Vec<v1::CallerData> = Vec::new();
        for row in rows.iter().filter(|row| is_caller_data(&row.id.path)) {
            let Some((digest, Value::Text(value))) = read(&row.disclosure) else { continue };
            let shown = Some(v1::SealedText { state: "DISCLOSED".into(), value, digest });
            if callers.last().is_none_or(|last| last.seq != row.id.seq) {
                callers.push(v1::CallerData { seq: row.id.seq, ..Default::default() });
            }
            let Some(last) = callers.last_mut() else { continue };
            if row.id.path.ends_with("details") { last.details = shown } else { last.phone = shown }
        }
        Ok(Response::new(v1::OpenCallerDataResponse { reply: Some(reply), callers }))
    }

    async fn open_sealed(
        &self,
        request: Request<v1::OpenSealedRequest>,
    ) -> Result<Response<v1::OpenSealedResponse>, Status> {
        let session = self.session(&request, "AuditService/open_sealed")?;
        let asked = request.into_inner();
        let id = IncidentId(uuid("incident", &asked.incident)?);
        if asked.fields.len() > OPEN_FIELDS_MAX {
            return Err(status(&Refusal::new(Reason::LimitExceeded).field("fields").with("max", OPEN_FIELDS_MAX)));
        }
        let found = self.visible(&session.caller, id).await?;
        if !self.opened(&session.caller, &found).await?.is_open() {
            return Err(status(&Refusal::new(Reason::WrongSide)));
        }
        let rows = self.engine().reader().personal(id, 1, found.case.version).await.map_err(|e| store_away(&e))?;
        let wanted = |row: &&handoff_store::rows::PersonalRow| {
            let named = asked.fields.iter().any(|f| f.seq == row.id.seq && f.path == row.id.path);
            (asked.fields.is_empty() || named) && !is_caller_data(&row.id.path)
        };
        let fields = rows.iter().filter(wanted).filter_map(|row| {
            let (digest, value) = read(&row.disclosure)?;
            Some(v1::OpenedField { seq: row.id.seq, path: row.id.path.clone(), content: Some(content(digest, value)) })
        });
        Ok(Response::new(v1::OpenSealedResponse { fields: fields.collect() }))
    }

    async fn erase(&self, request: Request<v1::EraseRequest>) -> Result<Response<v1::MoveReply>, Status> {
        self.command("AuditService/erase", request).await
    }
}

fn read(disclosure: &[u8]) -> Option<(String, Value)> {
    let text = std::str::from_utf8(disclosure).ok()?;
    let digest = handoff_domain::values::b64url(&handoff_evidence::disclosure::digest(text).0);
    Some((digest, open(text).ok()?.value))
}

#[expect(clippy::cast_precision_loss, reason = "1e-7 degrees are exact in a double")]
fn content(digest: String, value: Value) -> Content {
    let state = "DISCLOSED".to_owned();
    match value {
        Value::Text(value) => Content::Text(v1::SealedText { state, value, digest }),
        Value::Point { lat7, lon7 } => {
            let (latitude, longitude) = (lat7 as f64 / 1e7 - 90.0, lon7 as f64 / 1e7 - 180.0);
            Content::Point(v1::SealedPoint { state, value: Some(v1::GeoPoint { latitude, longitude }), digest })
        }
    }
}

impl Gate {
    /// Number of the last entry a caller may see: a station that lost its part keeps what it saw.
    fn last_seen(&self, caller: &handoff_domain::caller::Caller, found: &handoff_engine::memory::Entry) -> u64 {
        let case = &found.case;
        if caller.has(Role::Auditor) || case.at_superior.as_ref() == Some(&caller.org) {
            return case.version;
        }
        let own = case.parties.iter().filter(|(seat, _)| seat.org == caller.org);
        own.map(|(_, party)| party.until.unwrap_or(case.version)).max().unwrap_or(0)
    }
}
