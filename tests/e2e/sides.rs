//! Nobody acts for the other side: not with a forged token, not with a right one.

use handoff_client::api;
use handoff_domain::caller::Role;
use handoff_tests::app::{CAST, TestApp, Who, who};
use handoff_tests::play::{case, id, intake, note, offered, receive, seat, seen, table};
use handoff_tests::refusal::{refused, told};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_never_speaks_for_another_organisation() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let before = app.events().await?;
    for (name, somebody) in CAST {
        for signer in ["A", "B", "SUP", "AUD"].into_iter().filter(|signer| *signer != somebody.org) {
            let client = app.client_with(app.token_signed_by(somebody, signer)?)?;
            let request = api::ReceiveRequest { request_id: id(), incident: id(), ..Default::default() };
            let found = refused(client.incidents().receive(request).await)?;
            assert_eq!(
                (found.code, found.reason.as_str()),
                (Code::Unauthenticated, "TOKEN_INVALID"),
                "{name}/{signer}"
            );
            let found = refused(client.feed().watch(api::WatchRequest::default()).await)?;
            assert_eq!(found.reason, "TOKEN_INVALID", "{name}, signed by {signer}");
        }
    }
    assert_eq!(app.events().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_does_not_hold_is_refused_without_saying_why() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let good = app.token(&who("a-duty")?)?;
    let (rest, signature) = good.rsplit_once('.').expect("a token has three parts");
    let cases = [
        String::new(),
        "x".to_owned(),
        format!("{rest}."),
        format!("{rest}.{}", signature.chars().rev().collect::<String>()),
        good.replacen("ey", "ez", 1),
        "x".repeat(9_000),
    ];
    for token in cases {
        let request = api::GetIncidentRequest { incident: id() };
        let found = refused(app.client_with(token.clone())?.incidents().get_incident(request).await)?;
        assert_eq!(found.reason, "TOKEN_INVALID", "{token}: {found:?}");
        assert!(found.values.is_empty(), "the answer says nothing more: {found:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_cannot_grant_what_its_organisation_may_not() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let before = app.events().await?;
    let officer = |org, roles| Who { org, subject: "x-1", station: Some("A-01"), client: None, roles };
    for somebody in [
        officer("A", &[Role::Auditor]),
        officer("A", &[Role::Superior]),
        officer("SUP", &[Role::DutyOfficer]),
        officer("AUD", &[Role::Supervisor]),
        // A station of the other organisation in a token of the own issuer.
        Who { station: Some("B-07"), ..officer("A", &[Role::DutyOfficer]) },
    ] {
        let client = app.client_with(app.token(&somebody)?)?;
        let intake = api::ReceiveRequest { request_id: id(), incident: id(), ..Default::default() };
        let found = refused(client.incidents().receive(intake).await)?;
        let denied = matches!(found.code, Code::Unauthenticated | Code::PermissionDenied | Code::NotFound);
        assert!(denied, "{somebody:?}: {found:?}");
    }
    assert_eq!(app.events().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_role_of_one_side_makes_a_move_of_the_other() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let (incident, handoff) = offered(&app).await?;
    let before = app.events().await?;
    let view = table(&app, "a-duty", &incident, &handoff).await?;
    let form = Some(api::Expected { state: view.state, form_version: Some(1), tenure: Some(1) });
    for name in ["a-duty", "a-supervisor", "a-dispatcher", "a-system", "superior", "auditor"] {
        for acting_for in ["", "B-07"] {
            let agree = api::AgreeRequest {
                request_id: id(),
                incident: incident.clone(),
                expected: form.clone(),
                acting_for: acting_for.into(),
                handoff: handoff.clone(),
                version: 1,
                ..Default::default()
            };
            let found = refused(app.client(name)?.handoffs().agree(agree).await)?;
            let denied = matches!(found.code, Code::PermissionDenied | Code::NotFound);
            assert!(denied, "{name} agrees for B as `{acting_for}`: {found:?}");
        }
    }
    let expected = seen(&case(&app, "b-duty", &incident).await?);
    for name in ["b-duty", "b-supervisor"] {
        for acting_for in ["", "A-01"] {
            let close = api::DeclareHandledRequest {
                request_id: id(),
                incident: incident.clone(),
                expected: expected.clone(),
                acting_for: acting_for.into(),
                ..Default::default()
            };
            let found = refused(app.client(name)?.incidents().declare_handled(close).await)?;
            assert_eq!(found.code, Code::PermissionDenied, "{name} handles for A as `{acting_for}`: {found:?}");
        }
    }
    assert_eq!(app.events().await?, before);
    assert_eq!(case(&app, "a-duty", &incident).await?.custodian, Some(seat("A", "A-01")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_keeps_the_own_directory_only() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let before = app.events().await?;
    let mut directory = app.client("a-admin")?.directory();
    let station = api::Station { id: "B-07".into(), dispatch_client: "cad-a".into(), ..Default::default() };
    let request = api::SetStationRequest { request_id: id(), station: Some(station), ..Default::default() };
    let found = refused(directory.set_station(request).await)?;
    assert_eq!((found.code, found.reason.as_str()), (Code::PermissionDenied, "OTHER_ORGANISATION"));
    let unit = api::Unit { id: "B-07-U9".into(), station: "B-07".into(), ..Default::default() };
    let request = api::SetUnitRequest { request_id: id(), unit: Some(unit), ..Default::default() };
    let found = refused(directory.set_unit(request).await)?;
    assert!(matches!(found.code, Code::PermissionDenied | Code::NotFound), "{found:?}");
    let officer = api::Officer { id: "a-spy".into(), station: "B-07".into(), ..Default::default() };
    let request = api::SetOfficerRequest { request_id: id(), officer: Some(officer), ..Default::default() };
    let found = refused(directory.set_officer(request).await)?;
    assert!(matches!(found.code, Code::PermissionDenied | Code::NotFound), "{found:?}");
    let request = api::SetUnitRequest {
        request_id: id(),
        unit: Some(api::Unit { id: "A-01-U9".into(), station: "A-01".into(), ..Default::default() }),
        ..Default::default()
    };
    let found = refused(app.client("a-duty")?.directory().set_unit(request).await)?;
    assert_eq!(found.reason, "ROLE_NOT_ALLOWED", "only an admin keeps it");
    let found = refused(app.client("a-admin")?.feed().watch(api::WatchRequest::default()).await)?;
    assert_eq!(found.reason, "ROLE_NOT_ALLOWED", "incidents are none of an admin's business");
    assert_eq!(app.events().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_of_caller_data_is_its_officers_own_and_shows_what_was_there_then() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let caller = Some(api::CallerInput { phone: "+7 555 0100".into(), ..Default::default() });
    let incident = receive(&app, api::Intake { caller, ..intake(44.1, 86.1) }).await?;
    let (request_id, code) = (id(), "CALL_BACK".to_owned());
    let open = api::OpenCallerDataRequest { request_id, incident: incident.clone(), code, ..Default::default() };
    let first = told(app.client("a-duty")?.audit().open_caller_data(open.clone()).await)?;
    assert_eq!(first.callers.len(), 1);
    let call = api::AddCallRequest {
        request_id: id(),
        incident: incident.clone(),
        caller: Some(api::CallerInput { phone: "+7 555 0101".into(), ..Default::default() }),
        ..Default::default()
    };
    told(app.client("a-dispatcher")?.incidents().add_call(call).await)?;
    let again = told(app.client("a-duty")?.audit().open_caller_data(open.clone()).await)?;
    assert_eq!(again.callers.len(), 1, "a repeat is the opening it repeats");
    let before = app.events().await?;
    let found = refused(app.client("a-dispatcher")?.audit().open_caller_data(open).await)?;
    assert_eq!(found.reason, "REQUEST_ID_REUSED", "another officer opens under an id of its own");
    assert_eq!(app.events().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_known_looks_like_what_is_not_there() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let hidden = receive(&app, intake(44.1, 86.1)).await?;
    for name in ["b-duty", "b-supervisor", "b-system", "superior"] {
        let client = app.client(name)?;
        let ask = async |incident: String| client.incidents().get_incident(api::GetIncidentRequest { incident }).await;
        let (there, nowhere) = (ask(hidden.clone()).await, ask(id()).await);
        let (there, nowhere) = (there.expect_err("hidden"), nowhere.expect_err("absent"));
        assert_eq!(there.code(), Code::NotFound, "{name}");
        assert_eq!(there.message(), nowhere.message(), "{name}");
        assert_eq!(there.details(), nowhere.details(), "{name}: the same bytes");
        let trace = api::TraceRequest { incident: hidden.clone(), after_seq: 0 };
        assert_eq!(refused(client.audit().trace(trace).await)?.code, Code::NotFound, "{name}");
        let why = api::WhyOpenRequest { incident: hidden.clone() };
        assert_eq!(refused(client.audit().why_open(why).await)?.code, Code::NotFound, "{name}");
    }
    let moved = |incident: &str| note(incident, "x");
    let client = app.client("b-duty")?;
    let there = client.incidents().note(moved(&hidden)).await.expect_err("hidden");
    let nowhere = client.incidents().note(moved(&id())).await.expect_err("absent");
    assert_eq!(there.details(), nowhere.details(), "of moves too");
    let listed = told(client.incidents().list_incidents(api::ListIncidentsRequest::default()).await)?;
    assert!(listed.incidents.is_empty(), "{:?}", listed.incidents);
    Ok(())
}

/// At least as long as the service lets every such answer wait, so that what it did meanwhile does not show.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_is_answered_no_sooner_than_what_is_absent() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let hidden = receive(&app, intake(44.1, 86.1)).await?;
    let client = app.client("b-duty")?;
    for incident in [hidden, id()] {
        let began = std::time::Instant::now();
        let found = client.incidents().get_incident(api::GetIncidentRequest { incident }).await;
        assert_eq!(found.expect_err("neither is shown").code(), Code::NotFound);
        assert!(began.elapsed() >= std::time::Duration::from_millis(4), "{:?}", began.elapsed());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_declined_keeps_what_it_saw_and_sees_nothing_new() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let (incident, handoff) = offered(&app).await?;
    let view = table(&app, "b-duty", &incident, &handoff).await?;
    let tenure = Some(case(&app, "b-duty", &incident).await?.tenure);
    let request = api::DeclineRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: Some(api::Expected { state: view.state, form_version: Some(view.version), tenure }),
        handoff: handoff.clone(),
        version: view.version,
        code: "NOT_OUR_MATTER".into(),
        ..Default::default()
    };
    let last = told(app.client("b-duty")?.handoffs().decline(request).await)?.version;
    let later =
        told(app.client("a-dispatcher")?.incidents().note(note(&incident, "the driver is known")).await)?.version;
    assert!(later > last);
    assert_eq!(case(&app, "a-duty", &incident).await?.version, later);
    assert_eq!(case(&app, "b-duty", &incident).await?.version, last, "the case as it was with its own last word");
    let field = |seq, path: &str| api::FieldRef { seq, path: path.into() };
    let open = |fields| api::OpenSealedRequest { incident: incident.clone(), fields };
    let mut audit = app.client("b-duty")?.audit();
    let kept = told(audit.open_sealed(open(vec![field(1, "narrative")])).await)?;
    let api::OpenedField { content: Some(api::opened_field::Content::Text(text)), .. } = &kept.fields[0] else {
        anyhow::bail!("the narrative is a text: {kept:?}");
    };
    assert_eq!((text.state.as_str(), text.value.as_str()), ("DISCLOSED", "two cars collided"));
    let found = refused(audit.open_sealed(open(vec![field(1, "narrative"), field(later, "text")])).await)?;
    assert_eq!(found.reason, "OBJECT_NOT_FOUND", "the later note does not exist for it");
    assert!(found.names("fields.1"), "{found:?}");
    let request = api::TraceRequest { incident, after_seq: last };
    let mut trace = told(audit.trace(request).await)?;
    while let Some(part) = trace.message().await? {
        assert!(part.entries.is_empty(), "{part:?}");
    }
    Ok(())
}
