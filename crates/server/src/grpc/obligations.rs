//! What is owed, by us and to us.

use super::{Gate, store_away};
use crate::error::status;
use handoff_domain::caller::{Caller, Role};
use handoff_domain::ids::{IncidentId, OrgId, StationId};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_proto::v1;
use handoff_proto::v1::obligation_service_server::ObligationService;
use handoff_proto::view::obligation_view;
use tonic::{Request, Response, Status};

/// Obligations on one page unless asked otherwise, and at most.
pub(super) const PAGE_OBLIGATIONS: (u32, u32) = (50, 500);

#[tonic::async_trait]
impl ObligationService for Gate {
    async fn list_obligations(
        &self,
        request: Request<v1::ListObligationsRequest>,
    ) -> Result<Response<v1::ListObligationsResponse>, Status> {
        let session = self.session(&request, "ObligationService/list_obligations")?;
        let asked = request.into_inner();
        let caller = &session.caller;
        if !asked.incident.is_empty() {
            return self.owed_in(caller, &asked.incident).await;
        }
        if asked.direction == "TOWARDS_US" {
            return self.owed_to_us(caller, &asked).await;
        }
        let station = station_asked(caller, &asked.station)?;
        let limit = page_size(asked.page_size, PAGE_OBLIGATIONS);
        let reader = self.engine().reader();
        let owed = reader.obligations_of(caller.org.clone(), station, None, limit).await;
        let owed = owed.map_err(|error| store_away(&error))?;
        let directory = self.engine().directory();
        let mut obligations = Vec::with_capacity(owed.len());
        for incident in incidents_of(&owed) {
            let Ok(entry) = self.visible(caller, incident).await else { continue };
            let ours = entry.case.ledger.iter().filter(|(key, _)| {
                owed.iter().any(|row| {
                    row.incident == incident
                        && row.duty == key.duty
                        && row.scope == key.scope
                        && row.station == key.by.as_ref().map(|seat| seat.station.clone())
                })
            });
            obligations.extend(ours.map(|(key, owed)| obligation_view(incident, key, owed, &directory.shifts)));
        }
        obligations.sort_by_key(|obligation| obligation.due_time.as_ref().map(|due| (due.seconds, due.nanos)));
        Ok(Response::new(v1::ListObligationsResponse { obligations, next_page_token: String::new() }))
    }

    async fn acknowledge(&self, request: Request<v1::AcknowledgeRequest>) -> Result<Response<v1::MoveReply>, Status> {
        self.command("ObligationService/acknowledge", request).await
    }

    async fn take_shift(&self, request: Request<v1::TakeShiftRequest>) -> Result<Response<v1::MoveReply>, Status> {
        self.order("ObligationService/take_shift", request).await
    }
}

/// The incidents of rows, each once, in the rows' order.
fn incidents_of(rows: &[handoff_store::rows::ObligationRow]) -> Vec<IncidentId> {
    let mut seen = std::collections::HashSet::new();
    rows.iter().map(|row| row.incident).filter(|incident| seen.insert(*incident)).collect()
}

/// Page size as asked, or the default, never above the most.
pub(super) fn page_size(asked: i32, (default, most): (u32, u32)) -> u32 {
    match u32::try_from(asked) {
        Ok(0) | Err(_) => default,
        Ok(asked) => asked.min(most),
    }
}

fn station_asked(caller: &Caller, asked: &str) -> Result<Option<StationId>, Status> {
    let named = if asked.is_empty() { None } else { Some(asked) };
    let named = named
        .map(|name| StationId::new(name).ok_or_else(|| status(&Refusal::new(Reason::InvalidField).field("station"))))
        .transpose()?;
    // A supervisor looks at every station of its organisation, everybody else at the own one.
    if caller.has(Role::Supervisor) { Ok(named) } else { Ok(caller.station.clone()) }
}

impl Gate {
    async fn owed_in(&self, caller: &Caller, incident: &str) -> Result<Response<v1::ListObligationsResponse>, Status> {
        let id = IncidentId(super::reads::uuid("incident", incident)?);
        let entry = self.visible(caller, id).await?;
        let directory = self.engine().directory();
        let view = |(key, owed)| obligation_view(id, key, owed, &directory.shifts);
        let owed = entry.case.ledger.iter().map(view).collect();
        Ok(Response::new(v1::ListObligationsResponse { obligations: owed, next_page_token: String::new() }))
    }

    /// What others owe in the open cases the caller's organisation has a part in.
    async fn owed_to_us(
        &self,
        caller: &Caller,
        asked: &v1::ListObligationsRequest,
    ) -> Result<Response<v1::ListObligationsResponse>, Status> {
        let limit = page_size(asked.page_size, PAGE_OBLIGATIONS);
        let filter = handoff_store::query::CaseFilter {
            org: Some(caller.org.clone()),
            active: Some(true),
            open: Some(true),
            ..Default::default()
        };
        let page = self.engine().reader().cases(filter, None, limit).await.map_err(|error| store_away(&error))?;
        let (directory, mut obligations) = (self.engine().directory(), Vec::new());
        for row in page.cases {
            let Ok(entry) = self.visible(caller, row.incident).await else { continue };
            let theirs = |org: Option<&OrgId>| org != Some(&caller.org);
            let owed = entry.case.ledger.iter().filter(|(key, _)| theirs(key.by.as_ref().map(|seat| &seat.org)));
            obligations.extend(owed.map(|(key, owed)| obligation_view(row.incident, key, owed, &directory.shifts)));
        }
        obligations.sort_by_key(|obligation| obligation.due_time.as_ref().map(|due| (due.seconds, due.nanos)));
        Ok(Response::new(v1::ListObligationsResponse { obligations, next_page_token: String::new() }))
    }
}
