//! The case that moves: received on B's ground, offered with everything a form may hold, agreed, signed, taken over,
//! reported, contested, confirmed, closed, reopened and closed again.

use super::{A_DUTY, A_RESPONDER, A_SYSTEM, B_DUTY, B_RESPONDER, B_SYSTEM, Case, at, caller, category, full_intake};
use crate::play::{id, seat};
use crate::projection::look::Look;
use crate::projection::table::Reader;
use crate::refusal::told;
use handoff_client::api;

/// A digest that is none of anything here.
fn digest(digit: char) -> String {
    format!("sha256:{}", String::from(digit).repeat(64))
}

pub(super) async fn play(look: &mut Look<'_>) -> anyhow::Result<()> {
    let case = Case::new();
    look.names.name(&case.incident, "moved");
    look.names.name(&case.handoff, "handoff of moved");
    told_of(look, &case).await?;
    support(look, &case).await?;
    look.incident("1 told of", &case).await?;
    offer(look, &case).await?;
    look.handoff("1 stood by", &case).await?;
    sign(look, &case).await?;
    look.handoff("2 signed", &case).await?;
    take_over(look, &case).await?;
    look.incident("2 reported", &case).await?;
    look.handoff("3 reported", &case).await?;
    close(look, &case).await?;
    look.incident("3 closed", &case).await?;
    look.handoff("4 closed", &case).await?;
    look.trace("moved", &case.incident).await?;
    sealed(look, &case).await
}

async fn told_of(look: &mut Look<'_>, case: &Case) -> anyhow::Result<()> {
    let ours = Case::new();
    look.names.name(&ours.incident, "B's own of it");
    look.receive(B_SYSTEM, &ours, full_intake(true)).await?;
    let reply = look.receive(A_SYSTEM, case, full_intake(true)).await?;
    look.reply(Reader::MachineA, "received", &reply)?;
    let incident = || case.incident.clone();
    let to = Some(seat("B", "B-07"));
    let request =
        api::DeliverAlertRequest { request_id: id(), incident: incident(), to: to.clone(), ..Default::default() };
    look.make(B_SYSTEM, "IncidentService/DeliverAlert", &request).await?;
    let request = api::SeeAlertRequest { request_id: id(), incident: incident(), ..Default::default() };
    look.make(B_DUTY, "IncidentService/SeeAlert", &request).await?;
    let request = api::AnswerAlertRequest {
        request_id: id(),
        incident: incident(),
        answer: "KNOWN".into(),
        ours: ours.incident,
        note: "we have a call of our own".into(),
        ..Default::default()
    };
    look.make(B_DUTY, "IncidentService/AnswerAlert", &request).await?;
    let request = api::AddCallRequest {
        request_id: id(),
        incident: incident(),
        channel: "PHONE".into(),
        number: "A-2026-18".into(),
        caller: Some(caller()),
        narrative: "a second caller says the same".into(),
        claimed_time: at(5),
        ..Default::default()
    };
    look.make(A_SYSTEM, "IncidentService/AddCall", &request).await?;
    let again = look.make(A_SYSTEM, "IncidentService/AddCall", &request).await?;
    look.reply(Reader::MachineA, "asked again", &again)?;
    let request = api::NoteRequest {
        request_id: id(),
        incident: incident(),
        text: "the road is closed".into(),
        code: "ROAD_CLOSED".into(),
        ..Default::default()
    };
    look.make(A_DUTY, "IncidentService/Note", &request).await?;
    let request = api::TellByPhoneRequest {
        request_id: id(),
        incident: incident(),
        to,
        whom: "the desk".into(),
        text: "the bridge too".into(),
        ..Default::default()
    };
    look.make(A_DUTY, "IncidentService/TellByPhone", &request).await?;
    let request = api::ChangeDetailsRequest {
        request_id: id(),
        incident: incident(),
        kind: "hazard".into(),
        category: Some(category("kinds")),
        ..Default::default()
    };
    look.make(A_DUTY, "IncidentService/ChangeDetails", &request).await?;
    let request =
        api::AddLabelRequest { request_id: id(), incident: incident(), number: "B-17".into(), ..Default::default() };
    look.make(B_DUTY, "IncidentService/AddLabel", &request).await.map(drop)
}

async fn support(look: &mut Look<'_>, case: &Case) -> anyhow::Result<()> {
    let (support, sent) = (id(), id());
    look.names.name(&support, "support");
    look.unit(A_SYSTEM, case, "ON_SCENE", &id(), "").await?;
    let incident = || case.incident.clone();
    let request = api::RequestSupportRequest {
        request_id: id(),
        incident: incident(),
        support: support.clone(),
        to: "B-07".into(),
        skills: vec!["PATROL".into()],
        count: 1,
        note: "at the north end".into(),
        ..Default::default()
    };
    look.make(A_DUTY, "IncidentService/RequestSupport", &request).await?;
    let request = api::AnswerSupportRequest {
        request_id: id(),
        incident: incident(),
        support: support.clone(),
        answer: "COMMITTED".into(),
        arrive_time: at(30),
        note: "on its way".into(),
        ..Default::default()
    };
    look.make(B_DUTY, "IncidentService/AnswerSupport", &request).await?;
    look.unit(B_SYSTEM, case, "EN_ROUTE", &sent, &support).await?;
    look.unit(B_SYSTEM, case, "RELEASED", &sent, "").await?;
    let code = "NO_LONGER_NEEDED".into();
    let request =
        api::EndSupportRequest { request_id: id(), incident: incident(), support, code, ..Default::default() };
    look.make(A_DUTY, "IncidentService/EndSupport", &request).await.map(drop)
}

/// A form in which nothing is left out.
fn form() -> api::FormInput {
    api::FormInput {
        kind: "emergency".into(),
        severity: "NORMAL".into(),
        category: Some(category("kinds")),
        number: "A-2026-17".into(),
        times: Some(api::FormTimes {
            occurred_time: at(1),
            reported_time: at(2),
            dispatched_time: at(3),
            arrived_time: at(4),
            handled_time: at(5),
            uncertainty_ms: Some(60_000),
        }),
        place: full_intake(true).place,
        place_unknown: false,
        legal_ground: "the police act".into(),
        measures: "scene secured".into(),
        risks: "fuel on the road".into(),
        items: vec![api::FormItemInput {
            kind: "VEHICLE".into(),
            count: Some(2),
            digest: digest('a'),
            note: "both cars".into(),
        }],
        people: vec![api::FormPeople { status: "INJURED".into(), count: 2 }],
        annex: digest('b'),
        units: vec![api::FormUnit { unit: "A-01-U1".into(), of: Some(seat("A", "A-01")), stays: true }],
        callback: "+7 555 0102".into(),
    }
}

async fn offer(look: &mut Look<'_>, case: &Case) -> anyhow::Result<()> {
    let (incident, handoff) = (|| case.incident.clone(), || case.handoff.clone());
    let request = api::OfferRequest {
        request_id: id(),
        incident: incident(),
        expected: look.of_incident(A_DUTY, case).await?,
        handoff: handoff(),
        to: "B-07".into(),
        basis: "UNIT_ASSIGNED".into(),
        form: Some(form()),
        signer: Some(api::Signer { officer: "a-disp".into(), substitute: "NO_SIGNAL".into() }),
        paper: digest('c'),
        ..Default::default()
    };
    let reply = look.make(A_DUTY, "HandoffService/Offer", &request).await?;
    look.reply(Reader::SideA, "offered", &reply)?;
    let request = api::DeliverRequest {
        request_id: id(),
        incident: incident(),
        handoff: handoff(),
        version: 1,
        ..Default::default()
    };
    let reply = look.make(B_SYSTEM, "HandoffService/Deliver", &request).await?;
    look.reply(Reader::MachineB, "delivered", &reply)?;
    let request = api::SeeRequest {
        request_id: id(),
        incident: incident(),
        handoff: handoff(),
        version: 1,
        ..Default::default()
    };
    let reply = look.make(B_DUTY, "HandoffService/See", &request).await?;
    look.reply(Reader::SideB, "seen", &reply)?;
    let soon = handoff_engine::clock::Clock::now(&handoff_engine::clock::SystemClock).0 / 1_000 + 300;
    let request = api::StandByRequest {
        request_id: id(),
        incident: incident(),
        expected: look.of_form(B_DUTY, case).await?,
        handoff: handoff(),
        version: 1,
        until_time: Some(api::Timestamp { seconds: soon, nanos: 0 }),
        ..Default::default()
    };
    look.make(B_DUTY, "HandoffService/StandBy", &request).await.map(drop)
}

async fn sign(look: &mut Look<'_>, case: &Case) -> anyhow::Result<()> {
    let (incident, handoff) = (|| case.incident.clone(), || case.handoff.clone());
    look.unit(B_SYSTEM, case, "EN_ROUTE", &id(), "").await?;
    let request = api::AgreeRequest {
        request_id: id(),
        incident: incident(),
        expected: look.of_form(B_DUTY, case).await?,
        handoff: handoff(),
        version: 1,
        number: "B-2026-4".into(),
        category: Some(category("B-kinds")),
        signer: Some(api::Signer { officer: "b-resp".into(), substitute: String::new() }),
        ..Default::default()
    };
    look.make(B_DUTY, "HandoffService/Agree", &request).await?;
    let request = api::RefuseSignatureRequest {
        request_id: id(),
        incident: incident(),
        handoff: handoff(),
        version: 1,
        side: Some(seat("A", "A-01")),
        code: "NO_KEY".into(),
        note: "the device is broken".into(),
        ..Default::default()
    };
    let dispatcher = crate::matrix::cast::Caller::new(A_DUTY.seat, crate::matrix::words::Identity::Dispatcher);
    look.make(dispatcher, "HandoffService/RefuseSignature", &request).await?;
    look.handoff("1b refused", case).await?;
    let request = api::NameSubstituteRequest {
        request_id: id(),
        incident: incident(),
        expected: look.of_form(A_DUTY, case).await?,
        handoff: handoff(),
        side: Some(seat("A", "A-01")),
        officer: "a-resp".into(),
        code: "NO_SIGNAL".into(),
        ..Default::default()
    };
    look.make(A_DUTY, "HandoffService/NameSubstitute", &request).await?;
    let request = api::GetStatementRequest {
        incident: incident(),
        action: "transfer".into(),
        handoff: handoff(),
        ..Default::default()
    };
    look.at("transfer", "HandoffService/GetStatement", &request).await?;
    for who in [A_RESPONDER, B_RESPONDER] {
        let statement = told(look.world.client(who)?.handoffs().get_statement(request.clone()).await)?;
        let request = api::SignRequest {
            request_id: id(),
            incident: incident(),
            expected: look.of_form(who, case).await?,
            handoff: handoff(),
            version: 1,
            level: "attested".into(),
            statement: statement.digest,
            ..Default::default()
        };
        look.make(who, "HandoffService/Sign", &request).await?;
    }
    Ok(())
}

async fn report(look: &Look<'_>, case: &Case) -> anyhow::Result<()> {
    let request = api::ReportRequest {
        request_id: id(),
        incident: case.incident.clone(),
        expected: look.of_result(B_DUTY, case).await?,
        code: "DONE".into(),
        case_number: "B-2026-4".into(),
        result: "both cars towed".into(),
        ..Default::default()
    };
    look.make(B_DUTY, "HandoffService/Report", &request).await.map(drop)
}

async fn take_over(look: &mut Look<'_>, case: &Case) -> anyhow::Result<()> {
    let (incident, handoff) = (|| case.incident.clone(), || case.handoff.clone());
    let request = api::TakeOverRequest {
        request_id: id(),
        incident: incident(),
        expected: look.of_form(B_DUTY, case).await?,
        handoff: handoff(),
        version: 1,
        ..Default::default()
    };
    look.make(B_DUTY, "HandoffService/TakeOver", &request).await?;
    let request = api::GiveFeedbackRequest {
        request_id: id(),
        incident: incident(),
        code: "WORKING".into(),
        text: "towing".into(),
        ..Default::default()
    };
    look.make(B_DUTY, "HandoffService/GiveFeedback", &request).await?;
    look.incident("1b taken over", case).await?;
    look.handoff("2b taken over", case).await?;
    let request = api::DeclareHandledRequest {
        request_id: id(),
        incident: incident(),
        expected: look.of_incident(B_DUTY, case).await?,
        result: "the road is free".into(),
        code: "NO_UNIT_NEEDED".into(),
        referred_to: "the road authority".into(),
        ..Default::default()
    };
    look.make(B_DUTY, "IncidentService/DeclareHandled", &request).await?;
    report(look, case).await?;
    let request = api::ContestRequest {
        request_id: id(),
        incident: incident(),
        expected: look.of_result(A_DUTY, case).await?,
        code: "INCOMPLETE".into(),
        note: "and the fuel?".into(),
        report: 1,
        ..Default::default()
    };
    look.make(A_DUTY, "HandoffService/Contest", &request).await?;
    report(look, case).await
}

async fn close(look: &mut Look<'_>, case: &Case) -> anyhow::Result<()> {
    let incident = || case.incident.clone();
    let request = api::ConfirmRequest {
        request_id: id(),
        incident: incident(),
        expected: look.of_result(A_DUTY, case).await?,
        report: 2,
        ..Default::default()
    };
    look.make(A_DUTY, "HandoffService/Confirm", &request).await?;
    for (who, side) in [(A_SYSTEM, A_DUTY), (B_SYSTEM, B_DUTY)] {
        let found = look.case(side, case).await?;
        let mine = found.deployments.iter().filter(|sent| {
            sent.status != "RELEASED" && sent.of.as_ref().is_some_and(|of| of.organisation == side.seat.organisation())
        });
        for sent in mine {
            look.unit(who, case, "RELEASED", &sent.id, "").await?;
        }
    }
    for again in [true, false] {
        let request = api::CloseRequest {
            request_id: id(),
            incident: incident(),
            expected: look.of_incident(B_DUTY, case).await?,
            code: "DONE".into(),
            case_number: "B-2026-4".into(),
            ..Default::default()
        };
        look.make(B_DUTY, "IncidentService/Close", &request).await?;
        if again {
            let request = api::ReopenRequest {
                request_id: id(),
                incident: incident(),
                expected: look.of_incident(B_DUTY, case).await?,
                code: "NEW_FACTS".into(),
                to: "HANDLED".into(),
                note: "a third car".into(),
                ..Default::default()
            };
            look.make(B_DUTY, "IncidentService/Reopen", &request).await?;
            report(look, case).await?;
            let request = api::ConfirmRequest {
                request_id: id(),
                incident: incident(),
                expected: look.of_result(A_DUTY, case).await?,
                report: 3,
                ..Default::default()
            };
            look.make(A_DUTY, "HandoffService/Confirm", &request).await?;
        }
    }
    Ok(())
}

/// What is opened on demand: texts, points, and the caller's data, each opening on the record.
async fn sealed(look: &mut Look<'_>, case: &Case) -> anyhow::Result<()> {
    let incident = || case.incident.clone();
    let field = |path: &str| api::FieldRef { seq: 1, path: path.into() };
    let fields = ["narrative", "place.point", "place.address", "caller.phone"].map(field).to_vec();
    let request = api::OpenSealedRequest { incident: incident(), fields };
    look.at("the first entry", "AuditService/OpenSealed", &request).await?;
    let request = api::OpenCallerDataRequest {
        request_id: id(),
        incident: incident(),
        code: "CALL_BACK".into(),
        ..Default::default()
    };
    look.at("to call back", "AuditService/OpenCallerData", &request).await
}
