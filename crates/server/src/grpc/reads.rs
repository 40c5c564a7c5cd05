//! Reads of cases, and the projection they share with the feed: what may be shown to whom.

use super::obligations::page_size;
use super::{Gate, store_away};
use crate::error::{FieldViolation, invalid_fields, status};
use handoff_domain::Case;
use handoff_domain::access;
use handoff_domain::caller::{Actor, Caller, Role};
use handoff_domain::case::handoff::Handoff;
use handoff_domain::decide::Statement;
use handoff_domain::directory::Shifts;
use handoff_domain::ids::{HandoffId, IncidentId, StationId, StationRef};
use handoff_domain::moves;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::time::Millis;
use handoff_domain::values::{Level, Sealed};
use handoff_engine::feed::FeedEntry;
use handoff_engine::memory::{Entry, Hashes};
use handoff_evidence::disclosure::{Value, open};
use handoff_proto::v1;
use handoff_proto::view::{
    Disclosed, Located, Nothing, Opening, Recipient, RecipientKind, entry, handoff_view, incident_view, is_caller_data,
    station_ref, timestamp,
};
use handoff_store::query::{CaseCursor, CaseFilter};
use std::collections::HashMap;
use std::sync::Arc;
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// Incidents on one page unless asked otherwise, and at most.
const PAGE_INCIDENTS: (u32, u32) = (50, 500);

/// Sealed values of one case, opened for one answer and dropped with it.
#[derive(Default)]
pub(super) struct Opened {
    values: HashMap<Sealed, Value>,
    may_read: bool,
}

impl Opened {
    /// Whether place and text are open to the reader.
    pub(super) fn is_open(&self) -> bool {
        self.may_read
    }
}

impl Disclosed for Opened {
    fn open(&self, sealed: &Sealed) -> Opening {
        if !self.may_read {
            return Opening::Withheld;
        }
        match self.values.get(sealed) {
            Some(Value::Text(text)) => Opening::Text(text.clone()),
            Some(Value::Point { lat7, lon7 }) => Opening::Point { lat7: *lat7, lon7: *lon7 },
            None => Opening::Erased,
        }
    }
}

/// To whom a caller's answers are shown.
pub(super) fn recipient(caller: &Caller) -> Recipient {
    let kind = if caller.has(Role::Auditor) {
        RecipientKind::Auditor
    } else if caller.has(Role::Superior) {
        RecipientKind::Superior
    } else {
        RecipientKind::Party
    };
    Recipient { org: caller.org.clone(), kind }
}

/// An id of a request, or a violation that names the field.
pub(super) fn uuid(path: &str, text: &str) -> Result<Uuid, Status> {
    Uuid::try_parse(text).map_err(|_| {
        let code = if text.is_empty() { "REQUIRED" } else { "NOT_A_UUID" };
        invalid_fields(&[FieldViolation::of(path, code, &[])])
    })
}

/// Whether place and text of a case are open to a caller (product, *Sealed and erasable*). Caller data never are
/// here: they are opened by a method of their own, which is recorded.
fn may_read(entry: &Entry, caller: &Caller) -> bool {
    if caller.has(Role::Auditor) {
        return true;
    }
    if caller.has(Role::Superior) {
        return entry.case.at_superior.as_ref() == Some(&caller.org);
    }
    // A station whose part has ended keeps what it saw: the case it is shown ends there, and so do the values.
    entry.case.parties.keys().any(|seat| seat.org == caller.org)
}

/// One command's entries as their reader may see them, with the views after it.
pub(super) fn feed_batch(
    caller: &Caller,
    shifts: &Shifts,
    command: &[Arc<FeedEntry>],
    resume_token: String,
) -> v1::FeedBatch {
    let recipient = recipient(caller);
    let mut batch = v1::FeedBatch { resume_token, ..Default::default() };
    let mut shown: Vec<IncidentId> = Vec::new();
    for told in command {
        let located = Located { number: told.number, position: told.position, hash: Some(told.hash) };
        batch.entries.push(entry(located, &told.event, &recipient, &Nothing));
        if shown.contains(&told.event.incident) {
            continue;
        }
        shown.push(told.event.incident);
        let case = &told.after.case;
        batch.incidents.push(incident_view(case, shifts, &recipient, &Nothing));
        if let Some(handoff) = case.handoffs.last() {
            batch.handoffs.push(handoff_view(case, handoff, &Nothing));
        }
    }
    batch
}

impl Gate {
    /// Sealed values of a case that the caller may read, caller data left out.
    pub(super) async fn opened(&self, caller: &Caller, found: &Entry) -> Result<Opened, Status> {
        if !may_read(found, caller) {
            return Ok(Opened::default());
        }
        let rows = self.engine().reader().personal(found.case.id, 1, found.case.version).await;
        let rows = rows.map_err(|error| store_away(&error))?;
        let mut values = HashMap::with_capacity(rows.len());
        for row in rows.iter().filter(|row| !is_caller_data(&row.id.path)) {
            let Ok(text) = std::str::from_utf8(&row.disclosure) else { continue };
            if let Ok(opened) = open(text) {
                values.insert(handoff_evidence::disclosure::digest(text), opened.value);
            }
        }
        Ok(Opened { values, may_read: true })
    }

    pub(super) async fn get_incident(
        &self,
        request: Request<v1::GetIncidentRequest>,
    ) -> Result<Response<v1::Incident>, Status> {
        let session = self.session(&request, "IncidentService/get_incident")?;
        let id = IncidentId(uuid("incident", &request.into_inner().incident)?);
        let found = self.visible(&session.caller, id).await?;
        let opened = self.opened(&session.caller, &found).await?;
        let directory = self.engine().directory();
        let mut view = incident_view(&found.case, &directory.shifts, &recipient(&session.caller), &opened);
        view.legal_moves = names(moves::legal(&found.case, None, &session.caller, self.now()));
        Ok(Response::new(view))
    }

    pub(super) async fn list_incidents(
        &self,
        request: Request<v1::ListIncidentsRequest>,
    ) -> Result<Response<v1::ListIncidentsResponse>, Status> {
        let method = "IncidentService/list_incidents";
        let session = self.session(&request, method)?;
        let asked = request.into_inner();
        let caller = &session.caller;
        let filter = list_filter(caller, &asked)?;
        let after = self.cursor(method, caller, &asked.page_token)?;
        let limit = page_size(asked.page_size, PAGE_INCIDENTS);
        let page = self.engine().reader().cases(filter, after, limit).await.map_err(|error| store_away(&error))?;
        let next_page_token = page.next.map(|next| self.seal_cursor(method, caller, next)).unwrap_or_default();
        let mut incidents = Vec::with_capacity(page.cases.len());
        for row in &page.cases {
            if !asked.former {
                incidents.push(summary(row));
            } else if let Ok(found) = self.visible(caller, row.incident).await {
                incidents.push(summary_then(&found.case));
            }
        }
        Ok(Response::new(v1::ListIncidentsResponse { incidents, next_page_token }))
    }

    fn cursor(&self, method: &str, caller: &Caller, token: &str) -> Result<Option<CaseCursor>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        let invalid = || status(&Refusal::new(Reason::CursorInvalid).field("page_token"));
        let body = self.cursors().open(method, &caller.org, token).map_err(|refusal| status(&refusal))?;
        let body: [u8; 24] = body.try_into().map_err(|_| invalid())?;
        let (at, id) = body.split_at(8);
        let at = i64::from_be_bytes(at.try_into().map_err(|_| invalid())?);
        let id = Uuid::from_slice(id).map_err(|_| invalid())?;
        Ok(Some(CaseCursor { updated_at: Millis(at), incident: IncidentId(id) }))
    }

    fn seal_cursor(&self, method: &str, caller: &Caller, next: CaseCursor) -> String {
        let mut body = next.updated_at.0.to_be_bytes().to_vec();
        body.extend_from_slice(next.incident.0.as_bytes());
        self.cursors().seal(method, &caller.org, &body)
    }

    pub(super) async fn get_handoff(
        &self,
        request: Request<v1::GetHandoffRequest>,
    ) -> Result<Response<v1::Handoff>, Status> {
        let session = self.session(&request, "HandoffService/get_handoff")?;
        let asked = request.into_inner();
        let id = IncidentId(uuid("incident", &asked.incident)?);
        let found = self.visible(&session.caller, id).await?;
        let handoff = find(&found, &asked.handoff)?;
        let opened = self.opened(&session.caller, &found).await?;
        let mut view = handoff_view(&found.case, handoff, &opened);
        if handoff.version > 0 && handoff.state.is_open() {
            let reach = self.reach(&handoff.to);
            view.receiver_connected = Some(reach.is_none());
            view.receiver_disconnect_time = reach.map(timestamp);
        }
        view.legal_moves = names(moves::legal(&found.case, Some(handoff), &session.caller, self.now()));
        Ok(Response::new(view))
    }

    /// The transfer statement: what both officers sign, canonical and with its digest. The statements of a report,
    /// confirmation or ruling are made with the move itself, since they bind what the move says.
    pub(super) async fn get_statement(
        &self,
        request: Request<v1::GetStatementRequest>,
    ) -> Result<Response<v1::GetStatementResponse>, Status> {
        let session = self.session(&request, "HandoffService/get_statement")?;
        let asked = request.into_inner();
        let id = IncidentId(uuid("incident", &asked.incident)?);
        let found = self.visible(&session.caller, id).await?;
        let hashes = Hashes { entry: Some(&found) };
        let signer = signer(&session.caller);
        let (what, expire_time, level) = match asked.action.as_str() {
            "transfer" => {
                let handoff = find(&found, &asked.handoff)?;
                let agreed = handoff.agreed();
                let Some(agreed) = agreed else {
                    return Err(status(&Refusal::new(Reason::MoveNotLegal).field("handoff")));
                };
                (Statement::Transfer(handoff), Some(timestamp(agreed.exp)), agreed.level)
            }
            "confirm" => (Statement::Confirm { report: found.case.reports }, None, Level::Attested),
            _ => return Err(status(&Refusal::new(Reason::NotImplemented).field("action"))),
        };
        let statement = hashes.text(&found.case, &signer, what);
        let Some(statement) = statement else {
            return Err(status(&Refusal::new(Reason::MoveNotLegal).field("handoff")));
        };
        Ok(Response::new(v1::GetStatementResponse {
            text: String::from_utf8_lossy(statement.bytes()).into_owned(),
            digest: statement.digest().to_string(),
            level: level.to_string(),
            expire_time,
        }))
    }
}

pub(super) fn names(moves: Vec<&'static str>) -> Vec<String> {
    moves.into_iter().map(str::to_owned).collect()
}

fn find<'a>(entry: &'a Entry, handoff: &str) -> Result<&'a Handoff, Status> {
    let id = HandoffId(uuid("handoff", handoff)?);
    entry.case.handoff(id).ok_or_else(|| status(&Refusal::new(Reason::HandoffNotFound).field("handoff")))
}

fn signer(caller: &Caller) -> Actor {
    let role = caller.roles.first().copied().unwrap_or(Role::Responder);
    Actor { org: caller.org.clone(), station: caller.station.clone(), officer: caller.officer.clone(), role, reg: None }
}

fn list_filter(caller: &Caller, asked: &v1::ListIncidentsRequest) -> Result<CaseFilter, Status> {
    let mut filter = CaseFilter::default();
    // An auditor sees every organisation's cases; everybody else those the own organisation has a part in, and an
    // officer without a supervisor's role those of the own station.
    if !caller.has(Role::Auditor) {
        filter.org = Some(caller.org.clone());
        if !caller.has(Role::Supervisor) && !caller.has(Role::Superior) {
            filter.station.clone_from(&caller.station);
        }
        if caller.roles.iter().all(|role| *role == Role::Admin) {
            return Err(status(&Refusal::new(Reason::RoleNotAllowed)));
        }
    }
    // Of those it has no part in any more a station is not told either whether they are closed by now.
    filter.open = (!asked.former).then_some(!asked.closed);
    filter.active = filter.org.as_ref().map(|_| !asked.former);
    if !asked.station.is_empty() && filter.station.is_none() {
        let named = StationId::new(&asked.station);
        filter.station =
            Some(named.ok_or_else(|| invalid_fields(&[FieldViolation::of("station", "NOT_A_NAME", &[])]))?);
    }
    Ok(filter)
}

/// A case as it was when the reader's part in it ended.
fn summary_then(case: &Case) -> v1::IncidentSummary {
    let text = |value: Option<String>| value.unwrap_or_default();
    v1::IncidentSummary {
        id: case.id.to_string(),
        version: case.version,
        state: case.phase().to_string(),
        custodian: Some(station_ref(&case.custodian)),
        tenure: case.tenure,
        first_receiver: Some(station_ref(&case.first_receiver)),
        kind: text(case.kind.as_ref().map(ToString::to_string)),
        severity: case.severity.to_string(),
        drill: text(case.drill.map(|drill| drill.to_string())),
        alias_of: text(case.alias_of.map(|of| of.to_string())),
        received_time: Some(timestamp(case.opened_at)),
        closed_time: case.closure.as_ref().map(|closure| timestamp(closure.at)),
        update_time: Some(timestamp(case.updated_at)),
    }
}

fn summary(row: &handoff_store::rows::CaseRow) -> v1::IncidentSummary {
    v1::IncidentSummary {
        id: row.incident.to_string(),
        version: row.version,
        state: row.state.to_string(),
        custodian: Some(station_ref(&row.custodian)),
        tenure: row.tenure,
        first_receiver: Some(station_ref(&row.first_receiver)),
        kind: row.kind.as_deref().unwrap_or_default().to_owned(),
        severity: row.severity.as_deref().unwrap_or_default().to_owned(),
        drill: row.drill.map(|drill| drill.to_string()).unwrap_or_default(),
        alias_of: row.alias_of.map(|of| of.to_string()).unwrap_or_default(),
        received_time: Some(timestamp(row.opened_at)),
        closed_time: row.closed_at.map(timestamp),
        update_time: Some(timestamp(row.updated_at)),
    }
}

/// Whether a caller may open caller data of a case now.
pub(super) fn may_open_caller(entry: &Entry, caller: &Caller) -> bool {
    let seat = caller.station.clone().map(|station| StationRef { org: caller.org.clone(), station });
    seat.is_some_and(|seat| access::may_open_caller(&entry.case, &seat))
}
