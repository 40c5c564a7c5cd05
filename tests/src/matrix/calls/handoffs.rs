//! Moves about a handoff and about the result.

use super::{in_minutes, of_form, of_incident, of_result, wire};
use crate::matrix::cast::Caller;
use crate::matrix::scene::Scene;
use crate::play::{form, id, seat};
use handoff_client::api;

pub(super) fn request(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    begin(name, scene, caller)
        .or_else(|| receive(name, scene, caller))
        .or_else(|| sign(name, scene, caller))
        .or_else(|| stop(name, scene))
        .or_else(|| dispute(name, scene))
        .or_else(|| result(name, scene))
}

fn signer(caller: Caller) -> Option<api::Signer> {
    Some(api::Signer { officer: Caller::officer(caller.seat, "resp"), substitute: String::new() })
}

fn begin(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    let (request_id, incident, handoff) = (id(), scene.incident.clone(), scene.handoff.clone());
    // One that is there already cannot be begun again.
    let fresh = if scene.version == 0 { handoff.clone() } else { id() };
    let (form, signer) = (Some(form()), signer(caller));
    match name {
        "Claim" => {
            let (expected, code) = (of_incident(scene), "OUR_GROUND".into());
            wire(&api::ClaimRequest { request_id, incident, expected, handoff: fresh, code, ..Default::default() })
        }
        "Offer" => wire(&api::OfferRequest {
            request_id,
            incident,
            expected: of_incident(scene),
            handoff: fresh,
            to: caller.seat.other().station().into(),
            basis: "UNIT_ASSIGNED".into(),
            form,
            signer,
            ..Default::default()
        }),
        "RefuseClaim" => {
            let (expected, code) = (of_form(scene), "STILL_WORKING".into());
            wire(&api::RefuseClaimRequest { request_id, incident, expected, handoff, code, ..Default::default() })
        }
        "DropClaim" => {
            let expected = of_form(scene);
            wire(&api::DropClaimRequest { request_id, incident, expected, handoff, ..Default::default() })
        }
        "Revise" => {
            let expected = of_form(scene);
            wire(&api::ReviseRequest { request_id, incident, expected, handoff, form, signer, ..Default::default() })
        }
        _ => None,
    }
}

fn receive(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    let (request_id, incident, handoff) = (id(), scene.incident.clone(), scene.handoff.clone());
    let (expected, version) = (of_form(scene), scene.version.max(1));
    match name {
        "Deliver" => wire(&api::DeliverRequest { request_id, incident, handoff, version, ..Default::default() }),
        "See" => wire(&api::SeeRequest { request_id, incident, handoff, version, ..Default::default() }),
        "StandBy" => {
            let until_time = in_minutes(5);
            wire(&api::StandByRequest {
                request_id,
                incident,
                expected,
                handoff,
                version,
                until_time,
                ..Default::default()
            })
        }
        "Counter" => {
            let code = "SCENE_NOT_SECURED".into();
            wire(&api::CounterRequest { request_id, incident, expected, handoff, version, code, ..Default::default() })
        }
        "Decline" => {
            let code = "NOT_OUR_MATTER".into();
            wire(&api::DeclineRequest { request_id, incident, expected, handoff, version, code, ..Default::default() })
        }
        "Agree" => {
            // Only an officer on a unit can be named without a reason; B's is on its way in later states alone.
            let signer = if scene.is_set { None } else { signer(caller) };
            wire(&api::AgreeRequest { request_id, incident, expected, handoff, version, signer, ..Default::default() })
        }
        "TakeOver" => {
            wire(&api::TakeOverRequest { request_id, incident, expected, handoff, version, ..Default::default() })
        }
        "ReceiveRecall" => wire(&api::ReceiveRecallRequest { request_id, incident, handoff, ..Default::default() }),
        _ => None,
    }
}

fn sign(name: &str, scene: &Scene, caller: Caller) -> Option<Vec<u8>> {
    let (request_id, incident, handoff) = (id(), scene.incident.clone(), scene.handoff.clone());
    let (expected, version) = (of_form(scene), scene.version.max(1));
    let side = Some(seat(caller.seat.organisation(), caller.seat.station()));
    match name {
        "Sign" => {
            // Where none can be read yet any digest will do: the moment is wrong anyway.
            let nothing = || format!("sha256:{}", "0".repeat(64));
            let statement = if scene.statement.is_empty() { nothing() } else { scene.statement.clone() };
            wire(&api::SignRequest {
                request_id,
                incident,
                expected,
                handoff,
                version,
                level: "attested".into(),
                statement,
                ..Default::default()
            })
        }
        "RefuseSignature" => {
            let code = "NO_KEY".into();
            wire(&api::RefuseSignatureRequest {
                request_id,
                incident,
                handoff,
                version,
                side,
                code,
                ..Default::default()
            })
        }
        "NameSubstitute" => wire(&api::NameSubstituteRequest {
            request_id,
            incident,
            expected,
            handoff,
            side,
            officer: Caller::officer(caller.seat, "disp"),
            code: "NO_SIGNAL".into(),
            ..Default::default()
        }),
        _ => None,
    }
}

fn stop(name: &str, scene: &Scene) -> Option<Vec<u8>> {
    let (request_id, incident, handoff) = (id(), scene.incident.clone(), scene.handoff.clone());
    let (expected, code) = (of_form(scene), "NOT_POSSIBLE".into());
    match name {
        "Withdraw" => {
            wire(&api::WithdrawRequest { request_id, incident, expected, handoff, code, ..Default::default() })
        }
        "Recall" => wire(&api::RecallRequest { request_id, incident, expected, handoff, code, ..Default::default() }),
        "Keep" => wire(&api::KeepRequest { request_id, incident, expected, handoff, code, ..Default::default() }),
        _ => None,
    }
}

fn dispute(name: &str, scene: &Scene) -> Option<Vec<u8>> {
    let (request_id, incident, handoff) = (id(), scene.incident.clone(), scene.handoff.clone());
    let (expected, code, outcome) = (of_form(scene), "DECLINED".into(), "KEPT".into());
    match name {
        "Dispute" => wire(&api::DisputeRequest { request_id, incident, expected, handoff, code, ..Default::default() }),
        "StatePosition" => {
            let position = "it is not ours".into();
            wire(&api::StatePositionRequest { request_id, incident, handoff, position, ..Default::default() })
        }
        "ProposeSettlement" => wire(&api::ProposeSettlementRequest {
            request_id,
            incident,
            expected,
            handoff,
            outcome,
            ..Default::default()
        }),
        "AgreeSettlement" => wire(&api::AgreeSettlementRequest {
            request_id,
            incident,
            expected,
            handoff,
            outcome,
            ..Default::default()
        }),
        "WithdrawDispute" => {
            wire(&api::WithdrawDisputeRequest { request_id, incident, expected, handoff, code, ..Default::default() })
        }
        "Rule" => {
            let ruling = "KEPT".into();
            wire(&api::RuleRequest { request_id, incident, expected, handoff, ruling, ..Default::default() })
        }
        _ => None,
    }
}

fn result(name: &str, scene: &Scene) -> Option<Vec<u8>> {
    let (request_id, incident, expected) = (id(), scene.incident.clone(), of_result(scene));
    match name {
        "GiveFeedback" => {
            wire(&api::GiveFeedbackRequest { request_id, incident, code: "WORKING".into(), ..Default::default() })
        }
        "Report" => {
            wire(&api::ReportRequest { request_id, incident, expected, code: "DONE".into(), ..Default::default() })
        }
        "TakeBackReport" => {
            let code = "INCOMPLETE".into();
            wire(&api::TakeBackReportRequest { request_id, incident, expected, code, ..Default::default() })
        }
        "Contest" => {
            let code = "INCOMPLETE".into();
            wire(&api::ContestRequest { request_id, incident, expected, code, report: 1, ..Default::default() })
        }
        "Confirm" => wire(&api::ConfirmRequest { request_id, incident, expected, report: 1, ..Default::default() }),
        _ => None,
    }
}
