//! What an auditor, and everybody entitled to a case, can read of it: the trace, why it is open, sealed fields.

use super::reads::{may_open_caller, readable};
use super::trace::{TRACE, Trace};
use super::{Gate, store_away, unreadable, violations};
use crate::error::status;
use handoff_domain::caller::{Caller, Role};
use handoff_domain::ids::IncidentId;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::retention::is_caller_data;
use handoff_domain::values::Sealed;
use handoff_engine::memory::{Entry, LoadError};
use handoff_evidence::disclosure::{Value, open, sealed_paths};
use handoff_evidence::event::decode;
use handoff_proto::convert;
use handoff_proto::v1;
use handoff_proto::v1::audit_service_server::AuditService;
use handoff_proto::view::{obligation_view, opened_field, settled_by, station_ref};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Most fields of an erasure that are looked up: more are refused for their number.
const ERASED_LOOKED_AT_MAX: usize = 150;
/// Messages of a trace that wait for a slow reader.
const TRACE_BUFFER_PAGES: usize = 4;

#[tonic::async_trait]
impl AuditService for Gate {
    type TraceStream = ReceiverStream<Result<v1::TraceResponse, Status>>;

    async fn trace(&self, request: Request<v1::TraceRequest>) -> Result<Response<Self::TraceStream>, Status> {
        let session = self.session(&request, TRACE).await?;
        let shown = request.peer_certs();
        let (id, after_seq) = convert::trace(&request.into_inner()).map_err(violations)?;
        let found = self.visible(&session.caller, TRACE, id).await?;
        let opened = self.opened(&session.caller, &found).await?;
        let survivor = self.survivor(&found).await?;
        let (out, stream) = mpsc::channel(TRACE_BUFFER_PAGES);
        let trace = Trace { gate: self.clone(), session, shown, found, survivor, opened, after_seq };
        self.tasks().spawn(trace.run(out));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn why_open(&self, request: Request<v1::WhyOpenRequest>) -> Result<Response<v1::WhyOpenResponse>, Status> {
        let method = "AuditService/why_open";
        let session = self.session(&request, method).await?;
        let id = convert::incident(&request.into_inner().incident).map_err(violations)?;
        let found = self.visible(&session.caller, method, id).await?;
        let (case, directory) = (&found.case, self.engine().directory());
        let shifts = &directory.shifts;
        let open_handoff = case.open_handoff().map(|open| v1::HandoffRef {
            id: open.id.to_string(),
            number: open.number,
            state: open.state.name().to_string(),
            from: Some(station_ref(&open.from)),
            to: Some(station_ref(&open.to)),
        });
        let mut owed: Vec<_> = case.ledger.iter().collect();
        owed.sort_by_key(|(_, owed)| owed.due);
        let mut next_moves: Vec<v1::NextMove> = Vec::new();
        for (key, _) in &owed {
            let by = key.by.as_ref().map(station_ref);
            for name in settled_by(key.duty) {
                let next = v1::NextMove { r#move: (*name).to_owned(), by: by.clone() };
                if !next_moves.contains(&next) {
                    next_moves.push(next);
                }
            }
        }
        Ok(Response::new(v1::WhyOpenResponse {
            state: case.phase().to_string(),
            obligations: owed.iter().map(|(key, owed)| obligation_view(id, key, owed, shifts)).collect(),
            open_handoff,
            next_moves,
        }))
    }

    async fn open_caller_data(
        &self,
        request: Request<v1::OpenCallerDataRequest>,
    ) -> Result<Response<v1::OpenCallerDataResponse>, Status> {
        let method = "AuditService/open_caller_data";
        let session = self.session(&request, method).await?;
        let id = convert::incident(&request.get_ref().incident).map_err(violations)?;
        // The opening is recorded first; without the record nothing is shown.
        let reply = self.command(method, request).await?.into_inner();
        let found = self.visible(&session.caller, method, id).await?;
        // A repeat is the opening it repeats: for the officer who made it, and for what was there then.
        let until = if reply.replayed { self.opened_by(&session.caller, id, &reply).await? } else { u64::MAX };
        // The caller of an alias is for whoever may open its survivor's.
        let answers = self.survivor(&found).await?;
        if !may_open_caller(answers.as_ref().unwrap_or(&found), &session.caller) {
            let refusal = Refusal::new(Reason::WrongSide);
            return Err(self.denied(&session.caller, method, &refusal));
        }
        let kept = self.engine().personal(id, found.case.version).await.map_err(|error| unreadable(&error))?;
        let mut callers: Vec<v1::CallerData> = Vec::new();
        for kept in kept.iter().filter(|kept| is_caller_data(&kept.path) && kept.seq <= until) {
            let shown = match readable(kept).map(read) {
                Some(Some((digest, Value::Text(value)))) => v1::SealedText { state: "DISCLOSED".into(), value, digest },
                Some(_) => continue,
                // It is there, and was not erased: whoever was allowed to open it must not think otherwise.
                None => v1::SealedText { state: "WITHHELD".into(), ..v1::SealedText::default() },
            };
            let shown = Some(shown);
            if callers.last().is_none_or(|last| last.seq != kept.seq) {
                callers.push(v1::CallerData { seq: kept.seq, ..Default::default() });
            }
            let Some(last) = callers.last_mut() else { continue };
            if kept.path.ends_with("details") { last.details = shown } else { last.phone = shown }
        }
        Ok(Response::new(v1::OpenCallerDataResponse { reply: Some(reply), callers }))
    }

    async fn open_sealed(
        &self,
        request: Request<v1::OpenSealedRequest>,
    ) -> Result<Response<v1::OpenSealedResponse>, Status> {
        let method = "AuditService/open_sealed";
        let session = self.session(&request, method).await?;
        let (id, asked) = convert::sealed_fields(&request.into_inner()).map_err(violations)?;
        let found = self.visible(&session.caller, method, id).await?;
        let opened = self.opened(&session.caller, &found).await?;
        let mut fields = Vec::with_capacity(asked.len());
        for (at, (seq, path)) in asked.iter().enumerate() {
            let sealed = self.sealed_at(&found, *seq, path).await?;
            let missing = || status(&Refusal::new(Reason::ObjectNotFound).field(&format!("fields.{at}")));
            fields.push(opened_field(*seq, path, &sealed.ok_or_else(missing)?, &opened));
        }
        Ok(Response::new(v1::OpenSealedResponse { fields }))
    }

    async fn erase(&self, request: Request<v1::EraseRequest>) -> Result<Response<v1::MoveReply>, Status> {
        let method = "AuditService/erase";
        let session = self.session(&request, method).await?;
        let asked = request.get_ref();
        // Which paths of an entry are sealed stands in its bytes, which the rules do not have. Whoever may not erase, and
        // what cannot be read, is answered below.
        if session.caller.has(Role::Auditor)
            && let Ok(id) = convert::incident(&asked.incident)
        {
            let found = self.visible(&session.caller, method, id).await?;
            let named = asked.fields.iter().enumerate().filter(|(_, field)| field.seq > 0 && !field.path.is_empty());
            for (at, field) in named.take(ERASED_LOOKED_AT_MAX) {
                if self.sealed_at(&found, field.seq, &field.path).await?.is_none() {
                    return Err(status(&Refusal::new(Reason::ObjectNotFound).field(&format!("fields.{at}"))));
                }
            }
        }
        self.command(method, request).await
    }
}

fn read(text: &str) -> Option<(String, Value)> {
    let digest = handoff_domain::values::b64url(&handoff_evidence::disclosure::digest(text).0);
    Some((digest, open(text).ok()?.value))
}

impl Gate {
    /// Number of the last entry a repeated opening shows, if it was this officer's. The opening of an alias is recorded in
    /// its survivor; the alias itself takes no more calls.
    async fn opened_by(&self, caller: &Caller, incident: IncidentId, reply: &v1::MoveReply) -> Result<u64, Status> {
        let denied = || status(&Refusal::new(Reason::RequestIdReused).field("request_id"));
        let row = self.engine().reader().event_at(reply.position).await.map_err(|error| store_away(&error))?;
        let row = row.ok_or_else(denied)?;
        let (event, _) =
            decode(&row.bytes).map_err(|error| unreadable(&LoadError::Decode(row.position, Box::new(error))))?;
        if event.actor.org != caller.org || event.actor.officer != caller.officer {
            return Err(denied());
        }
        Ok(if event.incident == incident { event.seq } else { u64::MAX })
    }

    /// The digest at a path of an entry that the reader sees; none where there is no such sealed field.
    async fn sealed_at(&self, found: &Entry, seq: u64, path: &str) -> Result<Option<Sealed>, Status> {
        if seq > found.case.version {
            return Ok(None);
        }
        let rows = self.engine().reader().events_of(found.case.id, seq, 1).await.map_err(|e| store_away(&e))?;
        let Some(row) = rows.first().filter(|row| row.seq == seq) else { return Ok(None) };
        let event = decode(&row.bytes);
        let (event, _) = event.map_err(|error| unreadable(&LoadError::Decode(row.position, Box::new(error))))?;
        Ok(sealed_paths(&event.body).into_iter().find(|(known, _)| known == path).map(|(_, sealed)| sealed))
    }
}
