//! What is signed off is shown before it is signed: for each of the four acts the statement read is the one recorded.

use anyhow::Context;
use handoff_client::api;
use handoff_evidence::event::hash;
use handoff_tests::app::TestApp;
use handoff_tests::play::{case, form, id, note, offered, seen, table, trace, unit};
use handoff_tests::refusal::{Refusal, refused, told};
use tonic::Code;

async fn ask(app: &TestApp, who: &str, asked: api::GetStatementRequest) -> anyhow::Result<api::GetStatementResponse> {
    let found = told(app.client(who)?.handoffs().get_statement(asked).await)?;
    assert_eq!(hash(found.text.as_bytes()).to_string(), found.digest, "the digest is over the text shown");
    assert_eq!(found.level, "attested");
    Ok(found)
}

/// The statement recorded with the last entry of a type.
async fn recorded(app: &TestApp, incident: &str, kind: &str, path: &str) -> anyhow::Result<String> {
    let entries = trace(app, incident).await?;
    let entry = entries.iter().rev().find(|entry| entry.r#type == kind).with_context(|| format!("no {kind}"))?;
    let field = entry.fields.iter().find(|field| field.path == path).with_context(|| format!("no {path}"))?;
    match &field.value {
        Some(api::field::Value::Text(text)) => Ok(text.clone()),
        other => anyhow::bail!("{path} is {other:?}"),
    }
}

pub(crate) async fn on_form(
    app: &TestApp,
    who: &str,
    incident: &str,
    handoff: &str,
) -> anyhow::Result<Option<api::Expected>> {
    let (incident, handoff) = (case(app, who, incident).await?, table(app, who, incident, handoff).await?);
    let (state, form_version) = (handoff.state, Some(handoff.version));
    Ok(Some(api::Expected { state, form_version, tenure: Some(incident.tenure) }))
}

pub(crate) async fn on_result(app: &TestApp, who: &str, incident: &str) -> anyhow::Result<Option<api::Expected>> {
    let view = case(app, who, incident).await?;
    let state = view.result.context("no result is owed")?.state;
    Ok(Some(api::Expected { state, form_version: None, tenure: Some(view.tenure) }))
}

fn is_mismatch(found: &Refusal) -> bool {
    (found.code, found.reason.as_str()) == (Code::FailedPrecondition, "STATEMENT_MISMATCH")
}

/// Some digest that is none of a statement.
fn wrong() -> String {
    hash(b"another text").to_string()
}

/// Both sides agree and sign what they were shown; B takes over.
async fn transfer(app: &TestApp, incident: &str, handoff: &str) -> anyhow::Result<()> {
    unit(app, "b", incident, "EN_ROUTE").await?;
    let request = api::AgreeRequest {
        request_id: id(),
        incident: incident.into(),
        expected: on_form(app, "b-duty", incident, handoff).await?,
        handoff: handoff.into(),
        version: 1,
        signer: Some(api::Signer { officer: "b-resp".into(), substitute: String::new() }),
        ..Default::default()
    };
    told(app.client("b-duty")?.handoffs().agree(request).await)?;
    let asked = api::GetStatementRequest {
        incident: incident.into(),
        action: "transfer".into(),
        handoff: handoff.into(),
        ..Default::default()
    };
    let shown = ask(app, "a-responder", asked.clone()).await?;
    assert!(shown.expire_time.is_some() && shown.text.contains(r#""action":"transfer""#), "{}", shown.text);
    assert_eq!(ask(app, "b-responder", asked).await?, shown, "both sides sign the same");
    for who in ["a-responder", "b-responder"] {
        let request = api::SignRequest {
            request_id: id(),
            incident: incident.into(),
            expected: on_form(app, who, incident, handoff).await?,
            handoff: handoff.into(),
            version: 1,
            level: "attested".into(),
            statement: shown.digest.clone(),
            ..Default::default()
        };
        let other = api::SignRequest { request_id: id(), statement: wrong(), ..request.clone() };
        assert!(is_mismatch(&refused(app.client(who)?.handoffs().sign(other).await)?));
        told(app.client(who)?.handoffs().sign(request).await)?;
        assert_eq!(recorded(app, incident, "signed", "statement").await?, shown.digest);
    }
    let request = api::TakeOverRequest {
        request_id: id(),
        incident: incident.into(),
        expected: on_form(app, "b-duty", incident, handoff).await?,
        handoff: handoff.into(),
        version: 1,
        ..Default::default()
    };
    told(app.client("b-duty")?.handoffs().take_over(request).await)?;
    Ok(())
}

async fn handled(app: &TestApp, incident: &str) -> anyhow::Result<()> {
    let request = api::DeclareHandledRequest {
        request_id: id(),
        incident: incident.into(),
        expected: seen(&case(app, "b-duty", incident).await?),
        ..Default::default()
    };
    told(app.client("b-duty")?.incidents().declare_handled(request).await)?;
    Ok(())
}

async fn report(app: &TestApp, incident: &str, other_incident: &str) -> anyhow::Result<()> {
    let of = |incident: &str| api::GetStatementRequest {
        incident: incident.into(),
        action: "report".into(),
        code: "DONE".into(),
        case_number: "B-2026-17".into(),
        result: "road cleared, nobody hurt".into(),
        ..Default::default()
    };
    let found = refused(app.client("a-duty")?.handoffs().get_statement(of(incident)).await)?;
    assert_eq!(found.reason, "OTHER_ORGANISATION", "who could not report is told why: {found:?}");
    let early = ask(app, "b-duty", of(incident)).await?;
    assert!(early.text.contains(r#""action":"report""#) && !early.text.contains("nobody hurt"), "{}", early.text);
    let request = |shown: &api::GetStatementResponse, expected: &Option<api::Expected>| api::ReportRequest {
        request_id: id(),
        incident: incident.into(),
        expected: expected.clone(),
        code: "DONE".into(),
        case_number: "B-2026-17".into(),
        result: "road cleared, nobody hurt".into(),
        statement: shown.digest.clone(),
        salt: shown.salt.clone(),
        ..Default::default()
    };
    let expected = on_result(app, "b-duty", incident).await?;
    let mut handoffs = app.client("b-duty")?.handoffs();
    // Whatever is recorded in between makes it another statement.
    told(app.client("b-dispatcher")?.incidents().note(note(incident, "the tow truck has left")).await)?;
    assert!(is_mismatch(&refused(handoffs.report(request(&early, &expected)).await)?));
    let shown = ask(app, "b-duty", of(incident)).await?;
    assert_ne!(shown.digest, early.digest);
    let plain = request(&shown, &expected);
    for other in [
        api::ReportRequest { statement: wrong(), ..plain.clone() },
        api::ReportRequest { result: "road cleared, one hurt".into(), ..plain.clone() },
        api::ReportRequest { case_number: "B-2026-18".into(), ..plain.clone() },
        api::ReportRequest { salt: String::new(), ..plain.clone() },
    ] {
        let other = api::ReportRequest { request_id: id(), ..other };
        assert!(is_mismatch(&refused(handoffs.report(other.clone()).await)?), "{other:?}");
    }
    let note_of_other = ask(app, "b-duty", of(other_incident)).await;
    assert!(note_of_other.is_err(), "B is not the custodian of the other case");
    let forged = api::ReportRequest { request_id: id(), salt: format!("{}A", shown.salt), ..plain.clone() };
    let found = refused(handoffs.report(forged).await)?;
    assert!(found.reason == "INVALID_FIELD" && found.names("salt"), "{found:?}");
    let reply = told(handoffs.report(plain.clone()).await)?;
    assert_eq!(recorded(app, incident, "reported", "sign_off.statement").await?, shown.digest);
    let again = told(handoffs.report(plain).await)?;
    assert_eq!(again, api::MoveReply { replayed: true, ..reply }, "the same request is the same request");
    Ok(())
}

async fn confirm(app: &TestApp, incident: &str) -> anyhow::Result<()> {
    let (to, action, report) = (incident.to_owned(), "confirm".to_owned(), 1);
    let asked = api::GetStatementRequest { incident: to, action, report, ..Default::default() };
    let shown = ask(app, "a-duty", asked).await?;
    assert_eq!(shown.salt, "", "nothing in it is sealed");
    let request = api::ConfirmRequest {
        request_id: id(),
        incident: incident.into(),
        expected: on_result(app, "a-duty", incident).await?,
        report,
        statement: shown.digest.clone(),
        ..Default::default()
    };
    let other = api::ConfirmRequest { request_id: id(), statement: wrong(), ..request.clone() };
    assert!(is_mismatch(&refused(app.client("a-duty")?.handoffs().confirm(other).await)?));
    told(app.client("a-duty")?.handoffs().confirm(request).await)?;
    assert_eq!(recorded(app, incident, "confirmed", "sign_off.statement").await?, shown.digest);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn transfer_report_and_confirmation_are_signed_off_as_they_were_shown() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let (incident, handoff) = offered(&app).await?;
    let (other, _) = offered(&app).await?;
    transfer(&app, &incident, &handoff).await?;
    handled(&app, &incident).await?;
    report(&app, &incident, &other).await?;
    confirm(&app, &incident).await?;
    app.stop().await?;
    app.check()?;
    Ok(())
}

/// A case in dispute: offered, declined, revised, declined again.
async fn disputed(app: &TestApp) -> anyhow::Result<(String, String)> {
    let (incident, handoff) = offered(app).await?;
    for version in [1, 2] {
        if version == 2 {
            let request = api::ReviseRequest {
                request_id: id(),
                incident: incident.clone(),
                expected: on_form(app, "a-duty", &incident, &handoff).await?,
                handoff: handoff.clone(),
                form: Some(form()),
                signer: Some(api::Signer { officer: "a-resp".into(), substitute: String::new() }),
                ..Default::default()
            };
            told(app.client("a-duty")?.handoffs().revise(request).await)?;
        }
        let request = api::DeclineRequest {
            request_id: id(),
            incident: incident.clone(),
            expected: on_form(app, "b-duty", &incident, &handoff).await?,
            handoff: handoff.clone(),
            version,
            code: "NOT_OUR_MATTER".into(),
            ..Default::default()
        };
        told(app.client("b-duty")?.handoffs().decline(request).await)?;
    }
    Ok((incident, handoff))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ruling_is_signed_off_as_it_was_shown() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let (incident, handoff) = disputed(&app).await?;
    let asked = api::GetStatementRequest {
        incident: incident.clone(),
        action: "rule".into(),
        handoff: handoff.clone(),
        ruling: "KEPT".into(),
        joint: true,
        reasons: "the market belongs to the corps".into(),
        ..Default::default()
    };
    let found = refused(app.client("b-duty")?.handoffs().get_statement(asked.clone()).await)?;
    assert_eq!(found.reason, "ROLE_NOT_ALLOWED", "{found:?}");
    let found = api::GetStatementRequest { ruling: "PERHAPS".into(), action: "rule".into(), ..asked.clone() };
    let found = refused(app.client("superior")?.handoffs().get_statement(found).await)?;
    assert!(found.reason == "INVALID_FIELD" && found.names("ruling"), "{found:?}");
    let shown = ask(&app, "superior", asked).await?;
    assert!(
        shown.text.contains(r#""by":{"org":"SUP"}"#) && shown.text.contains(r#""ruling":"KEPT""#),
        "{}",
        shown.text
    );
    let request = api::RuleRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: on_form(&app, "superior", &incident, &handoff).await?,
        handoff,
        ruling: "KEPT".into(),
        joint: true,
        reasons: "the market belongs to the corps".into(),
        statement: shown.digest.clone(),
        salt: shown.salt.clone(),
        ..Default::default()
    };
    for other in [
        api::RuleRequest { statement: wrong(), ..request.clone() },
        api::RuleRequest { joint: false, ..request.clone() },
        api::RuleRequest { reasons: "because".into(), ..request.clone() },
    ] {
        let other = api::RuleRequest { request_id: id(), ..other };
        assert!(is_mismatch(&refused(app.client("superior")?.handoffs().rule(other).await)?));
    }
    told(app.client("superior")?.handoffs().rule(request).await)?;
    assert_eq!(recorded(&app, &incident, "ruled", "sign_off.statement").await?, shown.digest);
    app.stop().await?;
    app.check()?;
    Ok(())
}
