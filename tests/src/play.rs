//! The moves of a case, each in one line.

use crate::app::TestApp;
use crate::refusal::told;
use anyhow::Context;
use handoff_client::{Watch, api};

/// A new request id, or id of a thing.
#[must_use]
pub fn id() -> String {
    handoff_engine::ids::uuid().to_string()
}

/// A station with its organisation.
#[must_use]
pub fn seat(organisation: &str, station: &str) -> api::StationRef {
    api::StationRef { organisation: organisation.into(), station: station.into() }
}

/// Two stations, their units and officers, and an agreement both sides ratified.
///
/// # Errors
/// The service refuses something.
pub async fn furnish(app: &TestApp) -> anyhow::Result<()> {
    for (side, station) in [("a", "A-01"), ("b", "B-07")] {
        let mut directory = app.client(&format!("{side}-admin"))?.directory();
        let set = api::Station { id: station.into(), dispatch_client: format!("cad-{side}"), ..Default::default() };
        let request = api::SetStationRequest { request_id: id(), station: Some(set), ..Default::default() };
        told(directory.set_station(request).await)?;
        for unit in [format!("{station}-U1"), format!("{station}-U2")] {
            let set = api::Unit { id: unit, station: station.into(), ..Default::default() };
            let request = api::SetUnitRequest { request_id: id(), unit: Some(set), ..Default::default() };
            told(directory.set_unit(request).await)?;
        }
        for officer in ["disp", "duty", "resp", "sup"] {
            let set = api::Officer { id: format!("{side}-{officer}"), station: station.into(), ..Default::default() };
            let request = api::SetOfficerRequest { request_id: id(), officer: Some(set), ..Default::default() };
            told(directory.set_officer(request).await)?;
        }
    }
    let terms = api::Agreement {
        id: id(),
        version: 1,
        a: Some(seat("A", "A-01")),
        b: Some(seat("B", "B-07")),
        superior: "SUP".into(),
        level: "attested".into(),
        ..Default::default()
    };
    let agreement = terms.id.clone();
    let request = api::ProposeAgreementRequest { request_id: id(), agreement: Some(terms), ..Default::default() };
    told(app.client("a-admin")?.directory().propose_agreement(request).await)?;
    let request = api::RatifyAgreementRequest { request_id: id(), agreement, version: 1, ..Default::default() };
    told(app.client("b-admin")?.directory().ratify_agreement(request).await)?;
    Ok(())
}

/// A border along a meridian: west of 86.2 is A's, east of it B's. One point stands for "somewhere in the city".
pub const BORDER: &str = r#"{"type":"FeatureCollection","datum":"WGS84","version":"1","band_m":30,"fallback_points":[[86.05,44.05]],"features":[
{"type":"Feature","properties":{"id":"north","name":"North","station":"A-01"},"geometry":{"type":"Polygon","coordinates":[[[86.0,44.0],[86.2,44.0],[86.2,44.2],[86.0,44.2],[86.0,44.0]]]}},
{"type":"Feature","properties":{"id":"south","name":"South","station":"B-07"},"geometry":{"type":"Polygon","coordinates":[[[86.2,44.0],[86.4,44.0],[86.4,44.2],[86.2,44.2],[86.2,44.0]]]}}
]}"#;

/// Publishes [`BORDER`] as A and ratifies it as B.
///
/// # Errors
/// The service refuses it.
pub async fn publish_map(app: &TestApp) -> anyhow::Result<()> {
    let map = Some(api::MapRef { id: id(), version: 1 });
    let geojson = BORDER.as_bytes().to_vec();
    let request = api::PublishMapRequest { request_id: id(), map: map.clone(), geojson, ..Default::default() };
    told(app.client("a-admin")?.directory().publish_map(request).await)?;
    let request = api::RatifyMapRequest { request_id: id(), map, ..Default::default() };
    told(app.client("b-admin")?.directory().ratify_map(request).await)?;
    Ok(())
}

/// A call of an urgent emergency at a place.
#[must_use]
pub fn intake(latitude: f64, longitude: f64) -> api::Intake {
    api::Intake {
        channel: "PHONE".into(),
        kind: "emergency".into(),
        severity: "URGENT".into(),
        place: Some(api::PlaceInput {
            datum: "WGS84".into(),
            latitude: Some(latitude),
            longitude: Some(longitude),
            precision_m: Some(5),
            address: "crossroads at the canal bridge".into(),
        }),
        narrative: "two cars collided".into(),
        ..Default::default()
    }
}

/// Intake by A's system; the incident's id.
///
/// # Errors
/// It is refused.
pub async fn receive(app: &TestApp, intake: api::Intake) -> anyhow::Result<String> {
    let incident = id();
    let request = api::ReceiveRequest {
        request_id: id(),
        incident: incident.clone(),
        intake: Some(intake),
        ..Default::default()
    };
    told(app.client("a-system")?.incidents().receive(request).await)?;
    Ok(incident)
}

/// A unit's status.
///
/// # Errors
/// It is refused.
pub async fn unit(app: &TestApp, side: &str, incident: &str, status: &str) -> anyhow::Result<()> {
    let unit = if side == "a" { "A-01-U1" } else { "B-07-U1" };
    let request = api::ReportUnitRequest {
        request_id: id(),
        incident: incident.into(),
        deployment: id(),
        unit: unit.into(),
        status: status.into(),
        crew: vec![format!("{side}-resp")],
        ..Default::default()
    };
    told(app.client(&format!("{side}-system"))?.incidents().report_unit(request).await)?;
    Ok(())
}

/// The incident as somebody sees it.
///
/// # Errors
/// It is refused.
pub async fn case(app: &TestApp, name: &str, incident: &str) -> anyhow::Result<api::Incident> {
    let request = api::GetIncidentRequest { incident: incident.into() };
    told(app.client(name)?.incidents().get_incident(request).await)
}

/// The handoff as somebody sees it.
///
/// # Errors
/// It is refused.
pub async fn table(app: &TestApp, name: &str, incident: &str, handoff: &str) -> anyhow::Result<api::Handoff> {
    let request = api::GetHandoffRequest { incident: incident.into(), handoff: handoff.into() };
    told(app.client(name)?.handoffs().get_handoff(request).await)
}

/// What an officer saw of the incident.
#[must_use]
pub fn seen(case: &api::Incident) -> Option<api::Expected> {
    Some(api::Expected { state: case.state.clone(), form_version: None, tenure: Some(case.tenure) })
}

/// A complete form.
#[must_use]
pub fn form() -> api::FormInput {
    api::FormInput {
        kind: "emergency".into(),
        severity: "URGENT".into(),
        place_unknown: true,
        measures: "scene secured".into(),
        risks: "none known".into(),
        ..Default::default()
    }
}

/// A's duty officer offers the case to B; the handoff's id.
///
/// # Errors
/// It is refused.
pub async fn offer(app: &TestApp, incident: &str) -> anyhow::Result<String> {
    let handoff = id();
    let request = api::OfferRequest {
        request_id: id(),
        incident: incident.into(),
        expected: seen(&case(app, "a-duty", incident).await?),
        handoff: handoff.clone(),
        to: "B-07".into(),
        basis: "UNIT_ASSIGNED".into(),
        form: Some(form()),
        signer: Some(api::Signer { officer: "a-resp".into(), substitute: String::new() }),
        ..Default::default()
    };
    told(app.client("a-duty")?.handoffs().offer(request).await)?;
    Ok(handoff)
}

/// An incident with a unit on scene, offered to B: incident and handoff.
///
/// # Errors
/// A move is refused.
pub async fn offered(app: &TestApp) -> anyhow::Result<(String, String)> {
    let incident = receive(app, intake(44.1, 86.35)).await?;
    unit(app, "a", &incident, "ON_SCENE").await?;
    let handoff = offer(app, &incident).await?;
    Ok((incident, handoff))
}

/// A note with a text.
#[must_use]
pub fn note(incident: &str, text: &str) -> api::NoteRequest {
    api::NoteRequest { request_id: id(), incident: incident.into(), text: text.into(), ..Default::default() }
}

/// Everything the auditor's trace holds of an incident.
///
/// # Errors
/// It is refused.
pub async fn trace(app: &TestApp, incident: &str) -> anyhow::Result<Vec<api::Entry>> {
    let request = api::TraceRequest { incident: incident.into(), after_seq: 0 };
    let mut stream = told(app.client("auditor")?.audit().trace(request).await)?;
    let mut entries = Vec::new();
    while let Some(part) = stream.message().await.map_err(|status| anyhow::anyhow!("{status}"))? {
        for entry in part.entries {
            entries.push(entry.entry.context("an entry of the trace is empty")?);
        }
    }
    Ok(entries)
}

/// Takes a feed in from a token up to its head of now: entries and the token after them.
///
/// # Errors
/// The feed is refused or has a gap.
pub async fn take_in(app: &TestApp, name: &str, token: &str) -> anyhow::Result<(Vec<api::Entry>, String)> {
    let client = app.client(name)?;
    let head = told(client.feed().get_position(api::GetPositionRequest {}).await)?.head_number;
    let mut watch = Watch::from_token(client, token.to_owned());
    let mut entries: Vec<api::Entry> = Vec::new();
    while head > 0 && entries.last().is_none_or(|entry| entry.number < head) {
        let batch = tokio::time::timeout(crate::app::LIMIT, watch.next()).await.context("the feed is silent")??;
        entries.extend(batch.entries);
    }
    Ok((entries, watch.token().to_owned()))
}

/// Where somebody's feed ends, and how far they have committed.
///
/// # Errors
/// It is refused.
pub async fn position(app: &TestApp, name: &str) -> anyhow::Result<api::FeedPosition> {
    told(app.client(name)?.feed().get_position(api::GetPositionRequest {}).await)
}
