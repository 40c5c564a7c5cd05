//! Two calls about one event: an old id is read with its survivor's custodian, and what is sent to it is recorded there.

use handoff_client::api;
use handoff_tests::app::TestApp;
use handoff_tests::play::{case, id, intake, receive, seat, seen, unit};
use handoff_tests::refusal::{refused, told};

/// A's call and B's own about the same event, each known to the other side.
async fn two_calls(app: &TestApp) -> anyhow::Result<(String, String)> {
    let alert = |incident: &str, to: &str| api::AlertRequest {
        request_id: id(),
        incident: incident.into(),
        to: to.into(),
        ..Default::default()
    };
    let first = receive(app, intake(44.1, 86.1)).await?;
    told(app.client("a-duty")?.incidents().alert(alert(&first, "B-07")).await)?;
    let second = id();
    let request = api::ReceiveRequest {
        request_id: id(),
        incident: second.clone(),
        intake: Some(intake(44.1, 86.3)),
        ..Default::default()
    };
    told(app.client("b-system")?.incidents().receive(request).await)?;
    told(app.client("b-duty")?.incidents().alert(alert(&second, "A-01")).await)?;
    Ok((first, second))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alias_shows_its_survivors_custodian_and_passes_facts_on() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let (alias, survivor) = two_calls(&app).await?;
    let propose = api::ProposeMergeRequest {
        request_id: id(),
        incident: alias.clone(),
        expected: seen(&case(&app, "a-duty", &alias).await?),
        other: survivor.clone(),
        survivor: survivor.clone(),
        ..Default::default()
    };
    told(app.client("a-duty")?.incidents().propose_merge(propose).await)?;
    let answer = api::AnswerMergeRequest {
        request_id: id(),
        incident: alias.clone(),
        expected: seen(&case(&app, "b-duty", &alias).await?),
        other: survivor.clone(),
        yes: true,
        ..Default::default()
    };
    let found = refused(app.client("b-duty")?.incidents().answer_merge(answer.clone()).await)?;
    assert_eq!(found.reason, "INVALID_FIELD", "both name the survivor: {found:?}");
    let answer = api::AnswerMergeRequest { request_id: id(), survivor: survivor.clone(), ..answer };
    told(app.client("b-duty")?.incidents().answer_merge(answer).await)?;

    for name in ["a-duty", "b-duty", "auditor"] {
        let view = case(&app, name, &alias).await?;
        assert_eq!(view.alias_of, survivor, "{name}");
        assert_eq!(view.custodian, Some(seat("B", "B-07")), "{name}");
        assert!(view.obligations.is_empty(), "{name}");
    }
    let list = api::ListIncidentsRequest::default();
    let listed = told(app.client("a-duty")?.incidents().list_incidents(list).await)?;
    let row = listed.incidents.iter().find(|row| row.id == alias);
    assert_eq!(row.and_then(|row| row.custodian.clone()), Some(seat("B", "B-07")));

    // A's system knows the old id only.
    unit(&app, "a", &alias, "ASSIGNED").await?;
    let view = case(&app, "b-duty", &survivor).await?;
    assert_eq!((view.state.as_str(), view.deployments.len()), ("DISPATCHED", 1));
    let open = api::OpenCallerDataRequest {
        request_id: id(),
        incident: alias.clone(),
        code: "CALL_BACK".into(),
        ..Default::default()
    };
    let opened = told(app.client("b-duty")?.audit().open_caller_data(open).await)?;
    let recorded_in = opened.reply.map(|reply| reply.incident);
    assert_eq!(recorded_in, Some(survivor), "the opening is recorded where it is known who may");
    Ok(())
}
