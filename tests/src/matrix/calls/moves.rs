//! Decisions about the incident: its own end, support, joint handling, merging, what is owed.

use super::{in_minutes, of_incident, wire};
use crate::matrix::cast::Caller;
use crate::matrix::scene::Scene;
use crate::play::{id, seat};
use handoff_client::api;

pub(super) fn request(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    the_end(name, scene)
        .or_else(|| support(name, scene, caller))
        .or_else(|| joint(name, scene, caller))
        .or_else(|| twins(name, scene))
        .or_else(|| owed(name, scene, caller))
}

fn the_end(name: &str, scene: &Scene) -> Option<Vec<u8>> {
    let (request_id, incident, expected) = (id(), scene.incident.clone(), of_incident(scene));
    match name {
        "DeclareHandled" => {
            // Only where no unit arrived is a reason asked for.
            let code = if scene.state == "RECEIVED" { "FALSE_ALARM".into() } else { String::new() };
            wire(&api::DeclareHandledRequest { request_id, incident, expected, code, ..Default::default() })
        }
        "Close" => {
            wire(&api::CloseRequest { request_id, incident, expected, code: "DONE".into(), ..Default::default() })
        }
        "Object" => wire(&api::ObjectRequest { request_id, incident, code: "OUR_GROUND".into(), ..Default::default() }),
        "Reopen" => {
            let (code, to) = ("NEW_FACTS".into(), "HANDLED".into());
            wire(&api::ReopenRequest { request_id, incident, expected, code, to, ..Default::default() })
        }
        _ => None,
    }
}

fn support(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    let (request_id, incident, support) = (id(), scene.incident.clone(), scene.support.clone());
    match name {
        "RequestSupport" => {
            let (to, skills) = (caller.seat.other().station().into(), vec!["PATROL".into()]);
            wire(&api::RequestSupportRequest { request_id, incident, support, to, skills, ..Default::default() })
        }
        "AnswerSupport" => {
            let answer = "COMMITTED".into();
            wire(&api::AnswerSupportRequest { request_id, incident, support, answer, ..Default::default() })
        }
        "RecallSupport" => {
            let (leave_time, code) = (in_minutes(10), "NEEDED_AT_HOME".into());
            wire(&api::RecallSupportRequest { request_id, incident, support, leave_time, code, ..Default::default() })
        }
        "EndSupport" => {
            let code = "NO_LONGER_NEEDED".into();
            wire(&api::EndSupportRequest { request_id, incident, support, code, ..Default::default() })
        }
        _ => None,
    }
}

fn joint(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    let (request_id, incident, expected) = (id(), scene.incident.clone(), of_incident(scene));
    let joint = scene.joint.clone();
    match name {
        "DeclareJoint" => wire(&api::DeclareJointRequest {
            request_id,
            incident,
            expected,
            joint,
            with: caller.seat.other().station().into(),
            lead: caller.seat.station().into(),
            code: "MAJOR_INCIDENT".into(),
            ..Default::default()
        }),
        "AcknowledgeJoint" => wire(&api::AcknowledgeJointRequest { request_id, incident, joint, ..Default::default() }),
        "AskLead" => {
            let lead = Some(seat("B", "B-07"));
            wire(&api::AskLeadRequest { request_id, incident, expected, joint, lead, ..Default::default() })
        }
        "AnswerLead" => {
            wire(&api::AnswerLeadRequest { request_id, incident, expected, joint, yes: true, ..Default::default() })
        }
        "ProposeJointEnd" => {
            let code = "SCENE_CLEARED".into();
            wire(&api::ProposeJointEndRequest { request_id, incident, expected, joint, code, ..Default::default() })
        }
        "AnswerJointEnd" => {
            wire(&api::AnswerJointEndRequest { request_id, incident, expected, joint, yes: true, ..Default::default() })
        }
        _ => None,
    }
}

fn twins(name: &str, scene: &Scene) -> Option<Vec<u8>> {
    let (request_id, incident, expected) = (id(), scene.incident.clone(), of_incident(scene));
    let (other, survivor) = (scene.other.clone(), scene.incident.clone());
    match name {
        "ProposeMerge" => {
            wire(&api::ProposeMergeRequest { request_id, incident, expected, other, survivor, ..Default::default() })
        }
        "AnswerMerge" => wire(&api::AnswerMergeRequest {
            request_id,
            incident,
            expected,
            other,
            yes: true,
            survivor,
            ..Default::default()
        }),
        "Unmerge" => {
            let code = "NOT_THE_SAME".into();
            wire(&api::UnmergeRequest { request_id, incident, expected, other, code, ..Default::default() })
        }
        "Link" => wire(&api::LinkRequest { request_id, incident, other, link: "RELATED".into(), ..Default::default() }),
        _ => None,
    }
}

fn owed(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    let request_id = id();
    match name {
        "Acknowledge" => {
            let (duty, by, about_handoff) = scene.owed;
            wire(&api::AcknowledgeRequest {
                request_id,
                incident: scene.incident.clone(),
                duty: duty.into(),
                by: Some(seat(by.organisation(), by.station())),
                scope: if about_handoff { scene.handoff.clone() } else { String::new() },
                ..Default::default()
            })
        }
        "TakeShift" => {
            let station = caller.seat.station().into();
            wire(&api::TakeShiftRequest { request_id, station, ..Default::default() })
        }
        "ListObligations" => wire(&api::ListObligationsRequest { direction: "OURS".into(), ..Default::default() }),
        "ListIncidents" => wire(&api::ListIncidentsRequest::default()),
        _ => None,
    }
}
