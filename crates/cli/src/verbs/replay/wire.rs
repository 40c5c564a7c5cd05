//! A step as a request of `handoff.v1`, and the order of the directory too. The same step gives the same bytes each
//! time, which a repeated request id has to.

use super::call::Spot;
use super::setup::Setup;
use super::step::{Move, OfferForm, REPORT, Step};
use handoff_client::{Client, Response, Status, api};
use handoff_domain::command::Order;
use handoff_domain::ids::{MapRef, StationRef};
use handoff_domain::time::Millis;
use handoff_domain::values::Category;
use std::sync::Arc;

/// Version of the form every move of a replay is about: nothing is countered or revised in it.
const VERSION: u64 = 1;
/// What a replay signs with.
const LEVEL: &str = "attested";

type Answered = Result<Response<api::MoveReply>, Status>;

/// Sends one request: the fields every move has, then its own.
macro_rules! ask {
    ($service:expr, $method:ident, $request:ident, $step:expr, { $($field:ident: $value:expr),* $(,)? }) => {
        $service
            .$method(api::$request {
                request_id: $step.request.to_string(),
                incident: $step.incident.to_string(),
                claimed_time: $step.claimed_at.map(timestamp),
                $($field: $value,)*
                ..api::$request::default()
            })
            .await
    };
}

fn timestamp(at: Millis) -> api::Timestamp {
    let nanos = i32::try_from(at.0.rem_euclid(1_000) * 1_000_000).unwrap_or(0);
    api::Timestamp { seconds: at.0.div_euclid(1_000), nanos }
}

fn text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn seat(of: &StationRef) -> api::StationRef {
    api::StationRef { organisation: of.org.to_string(), station: of.station.to_string() }
}

fn expected(step: &Step) -> Option<api::Expected> {
    step.saw.map(|saw| api::Expected {
        state: saw.state.to_owned(),
        form_version: saw.form_version,
        tenure: Some(saw.tenure),
    })
}

fn category(of: Option<&Category>) -> Option<api::Category> {
    of.map(|of| api::Category {
        code: of.code.to_string(),
        label: text(of.label.as_ref()),
        table: text(of.table.as_ref()),
    })
}

/// Degrees of whole steps of 1e-7 counted from the lower end.
#[expect(clippy::cast_precision_loss, reason = "below 3.6e9, which a double holds exactly")]
fn degrees(steps: u64, limit: f64) -> f64 {
    steps as f64 / 1e7 - limit
}

fn place(spot: &Spot) -> api::PlaceInput {
    api::PlaceInput {
        datum: spot.datum.clone(),
        latitude: spot.point.map(|(lat7, _)| degrees(lat7, 90.0)),
        longitude: spot.point.map(|(_, lon7)| degrees(lon7, 180.0)),
        precision_m: spot.point.map(|_| 0),
        address: spot.address.clone().unwrap_or_default(),
    }
}

fn form(form: &OfferForm) -> api::FormInput {
    let known = form.spot.point.is_some() || form.spot.address.is_some();
    api::FormInput {
        kind: form.kind.to_string(),
        severity: form.severity.to_string(),
        category: category(form.category.as_ref()),
        number: text(form.number.as_ref()),
        times: Some(api::FormTimes {
            reported_time: form.reported.map(timestamp),
            dispatched_time: form.dispatched.map(timestamp),
            arrived_time: form.arrived.map(timestamp),
            ..api::FormTimes::default()
        }),
        place: known.then(|| place(&form.spot)),
        place_unknown: !known,
        measures: form.measures.clone(),
        risks: form.risks.clone(),
        ..api::FormInput::default()
    }
}

/// Sends one step. `statement` is the digest a signature binds.
///
/// # Errors
/// The service's answer.
pub async fn send(client: &Client, step: &Step, statement: &str) -> Answered {
    match &step.what {
        Move::Offer { .. }
        | Move::Deliver { .. }
        | Move::See { .. }
        | Move::Agree { .. }
        | Move::Sign { .. }
        | Move::TakeOver { .. }
        | Move::Word { .. }
        | Move::Report { .. }
        | Move::Confirm => of_handoff(client, step, statement).await,
        Move::Receive { .. }
        | Move::Alert { .. }
        | Move::DeliverAlert { .. }
        | Move::SeeAlert
        | Move::AnswerAlert { .. }
        | Move::Unit { .. }
        | Move::Note { .. }
        | Move::DeclareHandled { .. }
        | Move::Close { .. } => of_incident(client, step).await,
        Move::RequestSupport { .. }
        | Move::AnswerSupport { .. }
        | Move::EndSupport { .. }
        | Move::DeclareJoint { .. }
        | Move::AcknowledgeJoint { .. }
        | Move::ProposeJointEnd { .. }
        | Move::AgreeJointEnd { .. } => together(client, step).await,
    }
}

async fn of_incident(client: &Client, step: &Step) -> Answered {
    let mut to_service = client.incidents();
    match &step.what {
        Move::Receive { kind, severity, category: of, number, spot, .. } => {
            let intake = api::Intake {
                channel: "PHONE".to_owned(),
                kind: text(kind.as_ref()),
                severity: text(severity.as_ref()),
                category: category(of.as_ref()),
                number: text(number.as_ref()),
                place: Some(place(spot)),
                ..api::Intake::default()
            };
            ask!(to_service, receive, ReceiveRequest, step, { intake: Some(intake) })
        }
        Move::Alert { to } => ask!(to_service, alert, AlertRequest, step, { to: to.to_string() }),
        Move::DeliverAlert { to } => {
            ask!(to_service, deliver_alert, DeliverAlertRequest, step, { to: Some(seat(to)) })
        }
        Move::SeeAlert => ask!(to_service, see_alert, SeeAlertRequest, step, {}),
        Move::AnswerAlert { answer } => {
            ask!(to_service, answer_alert, AnswerAlertRequest, step, { answer: answer.to_string() })
        }
        Move::Unit { deployment, unit, status, crew, support } => {
            ask!(to_service, report_unit, ReportUnitRequest, step, {
                deployment: deployment.to_string(),
                unit: unit.to_string(),
                status: status.as_str().to_owned(),
                crew: texts(crew),
                support: text(support.as_ref()),
            })
        }
        // Flags are the service's own: it marks a late or inverted time itself.
        Move::Note { code, .. } => ask!(to_service, note, NoteRequest, step, { code: code.to_string() }),
        Move::DeclareHandled { code } => ask!(to_service, declare_handled, DeclareHandledRequest, step, {
            expected: expected(step),
            code: text(code.as_ref()),
        }),
        Move::Close { code } => ask!(to_service, close, CloseRequest, step, {
            expected: expected(step),
            code: code.to_string(),
        }),
        other => Err(Status::unimplemented(other.name())),
    }
}

async fn together(client: &Client, step: &Step) -> Answered {
    let mut to_service = client.incidents();
    match &step.what {
        Move::RequestSupport { support, to, skills, count } => {
            ask!(to_service, request_support, RequestSupportRequest, step, {
                support: support.to_string(),
                to: to.to_string(),
                skills: texts(skills),
                count: u32::try_from(*count).unwrap_or(u32::MAX),
            })
        }
        Move::AnswerSupport { support, answer } => ask!(to_service, answer_support, AnswerSupportRequest, step, {
            support: support.to_string(),
            answer: answer.as_str().to_owned(),
        }),
        Move::EndSupport { support, code } => ask!(to_service, end_support, EndSupportRequest, step, {
            support: support.to_string(),
            code: code.to_string(),
        }),
        Move::DeclareJoint { joint, with, lead, code } => ask!(to_service, declare_joint, DeclareJointRequest, step, {
            expected: expected(step),
            joint: joint.to_string(),
            with: with.to_string(),
            lead: lead.to_string(),
            code: code.to_string(),
        }),
        Move::AcknowledgeJoint { joint } => {
            ask!(to_service, acknowledge_joint, AcknowledgeJointRequest, step, { joint: joint.to_string() })
        }
        Move::ProposeJointEnd { joint, code } => ask!(to_service, propose_joint_end, ProposeJointEndRequest, step, {
            expected: expected(step),
            joint: joint.to_string(),
            code: code.to_string(),
        }),
        Move::AgreeJointEnd { joint } => ask!(to_service, answer_joint_end, AnswerJointEndRequest, step, {
            expected: expected(step),
            joint: joint.to_string(),
            yes: true,
        }),
        other => Err(Status::unimplemented(other.name())),
    }
}

async fn of_handoff(client: &Client, step: &Step, statement: &str) -> Answered {
    let mut to_service = client.handoffs();
    match &step.what {
        Move::Offer { handoff, to, form: offered } => ask!(to_service, offer, OfferRequest, step, {
            expected: expected(step),
            handoff: handoff.to_string(),
            to: to.to_string(),
            basis: "UNIT_ASSIGNED".to_owned(),
            form: Some(form(offered)),
        }),
        Move::Deliver { handoff } => {
            ask!(to_service, deliver, DeliverRequest, step, { handoff: handoff.to_string(), version: VERSION })
        }
        Move::See { handoff } => {
            ask!(to_service, see, SeeRequest, step, { handoff: handoff.to_string(), version: VERSION })
        }
        Move::Agree { handoff, number } => ask!(to_service, agree, AgreeRequest, step, {
            expected: expected(step),
            handoff: handoff.to_string(),
            version: VERSION,
            number: text(number.as_ref()),
        }),
        Move::Sign { handoff } => ask!(to_service, sign, SignRequest, step, {
            expected: expected(step),
            handoff: handoff.to_string(),
            version: VERSION,
            level: LEVEL.to_owned(),
            statement: statement.to_owned(),
        }),
        Move::TakeOver { handoff } => ask!(to_service, take_over, TakeOverRequest, step, {
            expected: expected(step),
            handoff: handoff.to_string(),
            version: VERSION,
        }),
        Move::Word { code } => ask!(to_service, give_feedback, GiveFeedbackRequest, step, { code: code.to_string() }),
        Move::Report { code, result } => ask!(to_service, report, ReportRequest, step, {
            expected: expected(step),
            code: code.to_string(),
            result: result.clone(),
            level: LEVEL.to_owned(),
        }),
        Move::Confirm => ask!(to_service, confirm, ConfirmRequest, step, {
            expected: expected(step),
            report: REPORT,
            level: LEVEL.to_owned(),
        }),
        other => Err(Status::unimplemented(other.name())),
    }
}

/// Sends one change of the directory.
///
/// # Errors
/// The service's answer.
pub async fn order(client: &Client, setup: &Setup, map: Option<&Arc<[u8]>>) -> Answered {
    let mut directory = client.directory();
    let request_id = setup.request.to_string();
    let map_ref = |of: &MapRef| Some(api::MapRef { id: of.id.to_string(), version: of.version });
    match &setup.order {
        Order::Station(is) => {
            let station = Some(api::Station {
                id: is.station.to_string(),
                name: text(is.name.as_ref()),
                dispatch_client: text(is.dispatch_client.as_ref()),
                ..api::Station::default()
            });
            directory.set_station(api::SetStationRequest { request_id, claimed_time: None, station }).await
        }
        Order::Officer(is) => {
            let roles = is.roles.iter().map(|role| role.as_str().to_owned()).collect();
            let (id, station) = (is.officer.to_string(), is.station.to_string());
            let officer = Some(api::Officer { id, station, roles, retired: false });
            directory.set_officer(api::SetOfficerRequest { request_id, claimed_time: None, officer }).await
        }
        Order::Unit(is) => {
            let (id, station) = (is.unit.to_string(), is.station.to_string());
            let unit = Some(api::Unit { id, station, skills: texts(&is.skills), ..api::Unit::default() });
            directory.set_unit(api::SetUnitRequest { request_id, claimed_time: None, unit }).await
        }
        Order::PublishMap(is) => {
            let geojson = map.map(|bytes| bytes.to_vec()).unwrap_or_default();
            let request = api::PublishMapRequest { request_id, claimed_time: None, map: map_ref(&is.map), geojson };
            directory.publish_map(request).await
        }
        Order::RatifyMap(is) => {
            let request = api::RatifyMapRequest { request_id, claimed_time: None, map: map_ref(&is.map) };
            directory.ratify_map(request).await
        }
        Order::ProposeAgreement(is) => {
            let agreement = Some(api::Agreement {
                id: is.agreement.to_string(),
                version: is.version,
                a: Some(seat(&is.a)),
                b: Some(seat(&is.b)),
                superior: text(is.superior.as_ref()),
                level: LEVEL.to_owned(),
                map: is.map.as_ref().and_then(map_ref),
                ..api::Agreement::default()
            });
            let request = api::ProposeAgreementRequest { request_id, claimed_time: None, agreement };
            directory.propose_agreement(request).await
        }
        Order::RatifyAgreement(is) => {
            let (agreement, version) = (is.agreement.to_string(), is.version);
            let request = api::RatifyAgreementRequest { request_id, claimed_time: None, agreement, version };
            directory.ratify_agreement(request).await
        }
        other => Err(Status::unimplemented(format!("no replay orders this: {other:?}"))),
    }
}
