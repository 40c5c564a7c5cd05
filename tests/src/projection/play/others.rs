//! What no one case can be at once: claimed, recalled, handled jointly, merged, an exercise, told and objected to.

use super::{A_DUTY, A_SYSTEM, B_DUTY, B_SYSTEM, Case, directory, full_intake};
use crate::play::{form, id, seat};
use crate::projection::look::Look;
use handoff_client::api;

pub(super) async fn play(look: &mut Look<'_>) -> anyhow::Result<()> {
    claimed(look).await?;
    recalled(look).await?;
    joint(look, false).await?;
    joint(look, true).await?;
    merged(look).await?;
    drilled(look).await?;
    told(look).await
}

/// A case of A's on B's ground, so that B knows of it.
async fn received(look: &mut Look<'_>, name: &str) -> anyhow::Result<Case> {
    let case = Case::new();
    look.names.name(&case.incident, name);
    look.names.name(&case.handoff, &format!("handoff of {name}"));
    look.receive(A_SYSTEM, &case, full_intake(true)).await?;
    Ok(case)
}

async fn claimed(look: &mut Look<'_>) -> anyhow::Result<()> {
    let case = received(look, "claimed").await?;
    let request = api::ClaimRequest {
        request_id: id(),
        incident: case.incident.clone(),
        expected: look.of_incident(B_DUTY, &case).await?,
        handoff: case.handoff.clone(),
        code: "OUR_GROUND".into(),
        note: "it is ours".into(),
        ..Default::default()
    };
    look.make(B_DUTY, "HandoffService/Claim", &request).await?;
    let request = api::RefuseClaimRequest {
        request_id: id(),
        incident: case.incident.clone(),
        expected: look.of_form(A_DUTY, &case).await?,
        handoff: case.handoff.clone(),
        code: "STILL_WORKING".into(),
        ..Default::default()
    };
    look.make(A_DUTY, "HandoffService/RefuseClaim", &request).await?;
    look.handoff("claim refused", &case).await
}

async fn recalled(look: &mut Look<'_>) -> anyhow::Result<()> {
    let (case, before) = (received(look, "recalled").await?, id());
    look.unit(A_SYSTEM, &case, "ON_SCENE", &id(), "").await?;
    // An offer that is over is the parent of the next one.
    look.names.name(&before, "handoff before it");
    for (handoff, parent) in [(before.clone(), String::new()), (case.handoff.clone(), before)] {
        let case = Case { handoff: handoff.clone(), ..case.clone() };
        let request = api::OfferRequest {
            request_id: id(),
            incident: case.incident.clone(),
            expected: look.of_incident(A_DUTY, &case).await?,
            handoff: handoff.clone(),
            to: "B-07".into(),
            basis: "UNIT_ASSIGNED".into(),
            form: Some(form()),
            signer: Some(api::Signer { officer: "a-resp".into(), substitute: String::new() }),
            parent,
            ..Default::default()
        };
        look.make(A_DUTY, "HandoffService/Offer", &request).await?;
        let request = api::RecallRequest {
            request_id: id(),
            incident: case.incident.clone(),
            expected: look.of_form(A_DUTY, &case).await?,
            handoff: handoff.clone(),
            code: "NOT_NEEDED".into(),
            ..Default::default()
        };
        look.make(A_DUTY, "HandoffService/Recall", &request).await?;
        let request = api::ReceiveRecallRequest {
            request_id: id(),
            incident: case.incident.clone(),
            handoff,
            ..Default::default()
        };
        look.make(B_SYSTEM, "HandoffService/ReceiveRecall", &request).await?;
    }
    look.handoff("recalled", &case).await
}

/// Handled jointly, and its end proposed, which B refuses or agrees to.
async fn joint(look: &mut Look<'_>, yes: bool) -> anyhow::Result<()> {
    let name = if yes { "joint, ended" } else { "joint, not ended" };
    let (case, joint) = (received(look, name).await?, id());
    look.names.name(&joint, "the period of joint handling");
    look.unit(A_SYSTEM, &case, "ON_SCENE", &id(), "").await?;
    let incident = || case.incident.clone();
    let request = api::DeclareJointRequest {
        request_id: id(),
        incident: incident(),
        expected: look.of_incident(A_DUTY, &case).await?,
        joint: joint.clone(),
        with: "B-07".into(),
        lead: "A-01".into(),
        code: "MAJOR_INCIDENT".into(),
        ..Default::default()
    };
    look.make(A_DUTY, "IncidentService/DeclareJoint", &request).await?;
    let request = api::AcknowledgeJointRequest {
        request_id: id(),
        incident: incident(),
        joint: joint.clone(),
        ..Default::default()
    };
    look.make(B_DUTY, "IncidentService/AcknowledgeJoint", &request).await?;
    let request = api::AskLeadRequest {
        request_id: id(),
        incident: incident(),
        expected: look.of_incident(A_DUTY, &case).await?,
        joint: joint.clone(),
        lead: Some(seat("B", "B-07")),
        ..Default::default()
    };
    look.make(A_DUTY, "IncidentService/AskLead", &request).await?;
    for (who, yes) in [(A_DUTY, None), (B_DUTY, Some(yes))] {
        let (request_id, incident, joint) = (id(), incident(), joint.clone());
        let expected = look.of_incident(who, &case).await?;
        match yes {
            None => {
                let code = "SCENE_CLEARED".into();
                let propose =
                    api::ProposeJointEndRequest { request_id, incident, expected, joint, code, ..Default::default() };
                look.make(who, "IncidentService/ProposeJointEnd", &propose).await?;
            }
            Some(yes) => {
                let code = if yes { String::new() } else { "NOT_YET".into() };
                let answer = api::AnswerJointEndRequest {
                    request_id,
                    incident,
                    expected,
                    joint,
                    yes,
                    code,
                    ..Default::default()
                };
                look.make(who, "IncidentService/AnswerJointEnd", &answer).await?;
            }
        }
        let moment = yes.map_or("1 its end proposed", |yes| if yes { "3 ended" } else { "2 its end refused" });
        look.incident(moment, &case).await?;
    }
    Ok(())
}

async fn merged(look: &mut Look<'_>) -> anyhow::Result<()> {
    let (case, twin) = (received(look, "survivor").await?, Case::new());
    look.names.name(&twin.incident, "alias");
    look.receive(B_SYSTEM, &twin, full_intake(false)).await?;
    let (incident, other) = (|| case.incident.clone(), || twin.incident.clone());
    let request = api::LinkRequest {
        request_id: id(),
        incident: incident(),
        other: other(),
        link: "RELATED".into(),
        ..Default::default()
    };
    look.make(A_DUTY, "IncidentService/Link", &request).await?;
    let request = api::ProposeMergeRequest {
        request_id: id(),
        incident: incident(),
        expected: look.of_incident(A_DUTY, &case).await?,
        other: other(),
        survivor: incident(),
        ..Default::default()
    };
    look.make(A_DUTY, "IncidentService/ProposeMerge", &request).await?;
    look.incident("1 merge proposed", &case).await?;
    let request = api::AnswerMergeRequest {
        request_id: id(),
        incident: incident(),
        expected: look.of_incident(B_DUTY, &case).await?,
        other: other(),
        yes: true,
        survivor: incident(),
        ..Default::default()
    };
    look.make(B_DUTY, "IncidentService/AnswerMerge", &request).await?;
    look.incident("2 merged", &case).await?;
    look.incident("3 the alias", &twin).await?;
    look.trace("merged", &case.incident).await
}

async fn drilled(look: &mut Look<'_>) -> anyhow::Result<()> {
    let (drill, case) = (directory::drill(look, "D-3").await?, Case::new());
    look.names.name(&case.incident, "exercise");
    look.receive(A_SYSTEM, &case, api::Intake { drill, severity: "SOON".into(), ..full_intake(true) }).await?;
    let severity = "URGENT".into();
    let request =
        api::ChangeDetailsRequest { request_id: id(), incident: case.incident.clone(), severity, ..Default::default() };
    look.make(A_DUTY, "IncidentService/ChangeDetails", &request).await?;
    look.incident("exercise", &case).await
}

async fn told(look: &mut Look<'_>) -> anyhow::Result<()> {
    let case = received(look, "told").await?;
    let see = api::SeeAlertRequest { request_id: id(), incident: case.incident.clone(), ..Default::default() };
    look.make(B_DUTY, "IncidentService/SeeAlert", &see).await?;
    let sent = id();
    look.unit(A_SYSTEM, &case, "ON_SCENE", &sent, "").await?;
    let shift = api::AcknowledgeRequest {
        request_id: id(),
        incident: case.incident.clone(),
        duty: "handled".into(),
        by: Some(seat("A", "A-01")),
        ..Default::default()
    };
    look.make(A_DUTY, "ObligationService/Acknowledge", &shift).await?;
    look.incident("1 acknowledged", &case).await?;
    let handled = api::DeclareHandledRequest {
        request_id: id(),
        incident: case.incident.clone(),
        expected: look.of_incident(A_DUTY, &case).await?,
        ..Default::default()
    };
    look.make(A_DUTY, "IncidentService/DeclareHandled", &handled).await?;
    look.unit(A_SYSTEM, &case, "RELEASED", &sent, "").await?;
    let close = api::CloseRequest {
        request_id: id(),
        incident: case.incident.clone(),
        expected: look.of_incident(A_DUTY, &case).await?,
        code: "DONE".into(),
        ..Default::default()
    };
    look.make(A_DUTY, "IncidentService/Close", &close).await?;
    let object = api::ObjectRequest {
        request_id: id(),
        incident: case.incident.clone(),
        code: "OUR_GROUND".into(),
        note: "we were never asked".into(),
        ..Default::default()
    };
    look.make(B_DUTY, "IncidentService/Object", &object).await?;
    look.incident("2 objected", &case).await
}
