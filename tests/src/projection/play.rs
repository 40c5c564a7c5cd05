//! The cases, in which every field of every answer has a value at some moment, and what is asked at each moment.
//!
//! A case is a list of moves, each made by whoever may; a refused one ends the play.

mod directory;
mod disputed;
mod moved;
mod others;

use super::flat::Names;
use super::look::Look;
use super::shown::Shown;
use crate::matrix::cast::{Caller, World};
use crate::matrix::states::Seat;
use crate::matrix::words::Identity;
use crate::play::{id, intake, seen};
use crate::refusal::told;
use anyhow::{Context, ensure};
use handoff_client::api;
use handoff_domain::time::Millis;
use prost::Message;

const A_DUTY: Caller = Caller::new(Seat::A, Identity::DutyOfficer);
const B_DUTY: Caller = Caller::new(Seat::B, Identity::DutyOfficer);
const A_SYSTEM: Caller = Caller::new(Seat::A, Identity::Adapter);
const B_SYSTEM: Caller = Caller::new(Seat::B, Identity::Adapter);
const A_RESPONDER: Caller = Caller::new(Seat::A, Identity::Responder);
const B_RESPONDER: Caller = Caller::new(Seat::B, Identity::Responder);
const A_ADMIN: Caller = Caller::new(Seat::A, Identity::Admin);
const B_ADMIN: Caller = Caller::new(Seat::B, Identity::Admin);

/// A case of the play: what its requests have to name.
#[derive(Clone, Debug)]
struct Case {
    incident: String,
    handoff: String,
}

impl Case {
    fn new() -> Self {
        Self { incident: id(), handoff: id() }
    }
}

/// Plays everything on a running service and has everybody read all of it. The service is stopped at the end.
///
/// # Errors
/// A move is refused, or something cannot be read.
pub async fn play(world: &World) -> anyhow::Result<Shown> {
    let mut look = Look { world, shown: Shown::default(), names: Names::default() };
    look.names.name(&world.agreement, "agreement");
    look.names.name(&world.map.clone().context("there is a map")?.id, "map");
    directory::play(&mut look).await?;
    moved::play(&mut look).await?;
    disputed::play(&mut look).await?;
    others::play(&mut look).await?;
    lists(&mut look).await?;
    look.feed().await?;
    Ok(look.shown)
}

/// What shows many cases at once, when all have been played.
async fn lists(look: &mut Look<'_>) -> anyhow::Result<()> {
    for (moment, closed, former) in [("open", false, false), ("closed", true, false), ("former", false, true)] {
        let request = api::ListIncidentsRequest { closed, former, page_size: 50, ..Default::default() };
        look.at(moment, "IncidentService/ListIncidents", &request).await?;
    }
    for direction in ["OURS", "TOWARDS_US"] {
        let request = api::ListObligationsRequest { direction: direction.into(), page_size: 3, ..Default::default() };
        look.at(direction, "ObligationService/ListObligations", &request).await?;
    }
    let request = api::ListIncidentsRequest { page_size: 1, ..Default::default() };
    look.at("first of many", "IncidentService/ListIncidents", &request).await?;
    look.at("position", "FeedService/GetPosition", &api::GetPositionRequest {}).await
}

/// A call with everything in it, on B's ground or on A's.
fn full_intake(on_their_ground: bool) -> api::Intake {
    let place = if on_their_ground { (44.1, 86.35) } else { (44.1, 86.1) };
    api::Intake {
        severity: "NORMAL".into(),
        category: Some(category("kinds")),
        number: "A-2026-17".into(),
        caller: Some(caller()),
        ..intake(place.0, place.1)
    }
}

fn caller() -> api::CallerInput {
    api::CallerInput { phone: "+7 555 0100".into(), details: "the driver of the first car".into() }
}

fn category(table: &str) -> api::Category {
    api::Category { code: "ROAD".into(), label: "road traffic".into(), table: table.into() }
}

/// A moment some minutes after midnight of an ordinary day.
fn at(minutes: i64) -> Option<api::Timestamp> {
    let Millis(midnight) = Millis(1_795_392_000_000);
    Some(api::Timestamp { seconds: midnight / 1_000 + minutes * 60, nanos: 0 })
}

impl Look<'_> {
    /// A move that has to be made.
    async fn make(&self, who: Caller, path: &str, request: &impl Message) -> anyhow::Result<api::MoveReply> {
        let answer = self.world.call(who, path, request.encode_to_vec()).await;
        ensure!(answer.status.is_none(), "{path} by {who:?}: {} {:?}", answer.words(), answer.status);
        Ok(api::MoveReply::decode(answer.message)?)
    }

    async fn case(&self, who: Caller, case: &Case) -> anyhow::Result<api::Incident> {
        let request = api::GetIncidentRequest { incident: case.incident.clone() };
        told(self.world.client(who)?.incidents().get_incident(request).await)
    }

    async fn of_incident(&self, who: Caller, case: &Case) -> anyhow::Result<Option<api::Expected>> {
        Ok(seen(&self.case(who, case).await?))
    }

    async fn of_result(&self, who: Caller, case: &Case) -> anyhow::Result<Option<api::Expected>> {
        let found = self.case(who, case).await?;
        let state = found.result.map_or(found.state, |result| result.state);
        Ok(Some(api::Expected { state, form_version: None, tenure: Some(found.tenure) }))
    }

    async fn of_form(&self, who: Caller, case: &Case) -> anyhow::Result<Option<api::Expected>> {
        let request = api::GetHandoffRequest { incident: case.incident.clone(), handoff: case.handoff.clone() };
        let form = told(self.world.client(who)?.handoffs().get_handoff(request).await)?;
        let tenure = Some(self.case(who, case).await?.tenure);
        Ok(Some(api::Expected { state: form.state, form_version: Some(form.version), tenure }))
    }

    /// Intake by a side's system.
    async fn receive(&self, who: Caller, case: &Case, intake: api::Intake) -> anyhow::Result<api::MoveReply> {
        let (request_id, incident) = (id(), case.incident.clone());
        let request = api::ReceiveRequest { request_id, incident, intake: Some(intake), ..Default::default() };
        self.make(who, "IncidentService/Receive", &request).await
    }

    /// A side's unit, with its crew.
    async fn unit(
        &self,
        who: Caller,
        case: &Case,
        status: &str,
        deployment: &str,
        support: &str,
    ) -> anyhow::Result<()> {
        let station = who.seat.station();
        let request = api::ReportUnitRequest {
            request_id: id(),
            incident: case.incident.clone(),
            deployment: deployment.to_owned(),
            unit: format!("{station}-U1"),
            status: status.to_owned(),
            crew: vec![Caller::officer(who.seat, "resp")],
            support: support.to_owned(),
            ..Default::default()
        };
        self.make(who, "IncidentService/ReportUnit", &request).await.map(drop)
    }

    /// The case, what is owed in it, and how it came to be so.
    async fn incident(&mut self, moment: &str, case: &Case) -> anyhow::Result<()> {
        let incident = case.incident.clone();
        self.at(moment, "IncidentService/GetIncident", &api::GetIncidentRequest { incident: incident.clone() }).await?;
        self.at(moment, "AuditService/WhyOpen", &api::WhyOpenRequest { incident }).await
    }

    /// The handoff of the case.
    async fn handoff(&mut self, moment: &str, case: &Case) -> anyhow::Result<()> {
        let request = api::GetHandoffRequest { incident: case.incident.clone(), handoff: case.handoff.clone() };
        self.at(moment, "HandoffService/GetHandoff", &request).await
    }
}
