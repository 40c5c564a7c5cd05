//! What happened, told by whoever knows it; and reading.

use super::{of_incident, wire};
use crate::matrix::cast::Caller;
use crate::matrix::scene::Scene;
use crate::matrix::states::Seat;
use crate::play::{id, intake, seat};
use handoff_client::api;

/// West of the border, A's ground; and east of it.
const OWN_GROUND: (f64, f64) = (44.1, 86.1);
const THEIR_GROUND: (f64, f64) = (44.1, 86.35);

/// The call every scene begins with. Normal, so that no timer runs out while cells are tried.
fn call(place: (f64, f64)) -> Option<api::Intake> {
    let caller = Some(api::CallerInput { phone: "+7 555 0100".into(), ..Default::default() });
    Some(api::Intake { severity: "NORMAL".into(), caller, ..intake(place.0, place.1) })
}

pub(super) fn request(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    told(name, scene, caller).or_else(|| alerts(name, scene, caller)).or_else(|| read(name, scene))
}

fn told(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    let (request_id, incident) = (id(), scene.incident.clone());
    match name {
        "Receive" => {
            let intake = call(if scene.on_their_ground { THEIR_GROUND } else { OWN_GROUND });
            wire(&api::ReceiveRequest { request_id, incident, intake, ..Default::default() })
        }
        "AddCall" => {
            let narrative = "a second caller says the same".into();
            wire(&api::AddCallRequest {
                request_id,
                incident,
                narrative,
                channel: "PHONE".into(),
                ..Default::default()
            })
        }
        "Note" => wire(&api::NoteRequest { request_id, incident, text: "noted".into(), ..Default::default() }),
        "TellByPhone" => {
            let other = caller.seat.other();
            let to = Some(seat(other.organisation(), other.station()));
            wire(&api::TellByPhoneRequest { request_id, incident, to, whom: "the desk".into(), ..Default::default() })
        }
        "AddPlace" => {
            let place = call(OWN_GROUND).and_then(|call| call.place);
            wire(&api::AddPlaceRequest { request_id, incident, place, ..Default::default() })
        }
        "ChangeDetails" => {
            wire(&api::ChangeDetailsRequest { request_id, incident, kind: "hazard".into(), ..Default::default() })
        }
        "AddLabel" => {
            wire(&api::AddLabelRequest { request_id, incident, number: "2026-17".into(), ..Default::default() })
        }
        "ReportUnit" => unit(scene, caller),
        "Strike" => {
            let (entry, code) = (scene.entry, "TYPED_WRONG".into());
            wire(&api::StrikeRequest { request_id, incident, entry, code, ..Default::default() })
        }
        _ => None,
    }
}

/// While the scene is set the unit both sides know; in a cell a second one.
fn unit(scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    let station = caller.seat.station();
    let at = usize::from(caller.seat == Seat::B);
    let known = (format!("{station}-U1"), scene.deployments[at].clone(), vec![Caller::officer(caller.seat, "resp")]);
    let (unit, deployment, crew) = match scene.unit {
        Some(_) => known,
        None => (format!("{station}-U2"), id(), Vec::new()),
    };
    wire(&api::ReportUnitRequest {
        request_id: id(),
        incident: scene.incident.clone(),
        deployment,
        unit,
        status: scene.unit.unwrap_or("ASSIGNED").into(),
        crew,
        ..Default::default()
    })
}

fn alerts(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    let (request_id, incident) = (id(), scene.incident.clone());
    match name {
        "Alert" => {
            // While the scene is set the neighbour; in a cell somebody who has not heard of the case.
            let to = if scene.is_set && caller.seat != Seat::C { Seat::C } else { caller.seat.other() };
            let to = to.station().into();
            wire(&api::AlertRequest { request_id, incident, to, ..Default::default() })
        }
        "DeliverAlert" => {
            let to = Some(seat(caller.seat.organisation(), caller.seat.station()));
            wire(&api::DeliverAlertRequest { request_id, incident, to, ..Default::default() })
        }
        "SeeAlert" => wire(&api::SeeAlertRequest { request_id, incident, ..Default::default() }),
        "AnswerAlert" => {
            wire(&api::AnswerAlertRequest { request_id, incident, answer: "KNOWN".into(), ..Default::default() })
        }
        "Split" => {
            let (expected, intake) = (of_incident(scene), call(OWN_GROUND));
            let (part, code) = (id(), "TWO_EVENTS".into());
            wire(&api::SplitRequest { request_id, incident, expected, part, intake, code, ..Default::default() })
        }
        _ => None,
    }
}

fn read(name: &str, scene: &Scene) -> Option<Vec<u8>> {
    let incident = scene.incident.clone();
    let fields = || vec![api::FieldRef { seq: 1, path: "narrative".into() }];
    match name {
        "GetIncident" => wire(&api::GetIncidentRequest { incident }),
        "Trace" => wire(&api::TraceRequest { incident, after_seq: 0 }),
        "WhyOpen" => wire(&api::WhyOpenRequest { incident }),
        "ExportBundle" => wire(&api::ExportBundleRequest { incident, disclose: true }),
        "OpenSealed" => wire(&api::OpenSealedRequest { incident, fields: fields() }),
        "Erase" => {
            let (request_id, fields, basis) = (id(), fields(), "COURT_ORDER".into());
            wire(&api::EraseRequest { request_id, incident, fields, basis, ..Default::default() })
        }
        "OpenCallerData" => {
            let (request_id, code) = (id(), "CALL_BACK".into());
            wire(&api::OpenCallerDataRequest { request_id, incident, code, ..Default::default() })
        }
        "GetHandoff" => wire(&api::GetHandoffRequest { incident, handoff: scene.handoff.clone() }),
        "GetStatement" => {
            let (action, handoff) = ("transfer".into(), scene.handoff.clone());
            wire(&api::GetStatementRequest { incident, action, handoff, ..Default::default() })
        }
        _ => None,
    }
}
