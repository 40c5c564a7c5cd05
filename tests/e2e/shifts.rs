//! Shift change: what the duty role owes rings again until the incoming officer has taken notice of it.

use handoff_client::api;
use handoff_tests::app::TestApp;
use handoff_tests::play::{case, id, offered, seat};
use handoff_tests::refusal::{refused, told};
use tonic::Code;

fn decide(owed: &[api::Obligation]) -> Option<bool> {
    owed.iter().find(|owed| owed.duty == "decide").map(|owed| owed.acknowledged)
}

/// How the decision B owes is shown: in B's list, in the case, and why it is open.
async fn shown(app: &TestApp, incident: &str) -> anyhow::Result<bool> {
    let client = app.client("b-duty")?;
    let ours = api::ListObligationsRequest { direction: "OURS".into(), ..Default::default() };
    let listed = told(client.obligations().list_obligations(ours).await)?.obligations;
    let of_case = case(app, "b-duty", incident).await?.obligations;
    let why = told(client.audit().why_open(api::WhyOpenRequest { incident: incident.into() }).await)?.obligations;
    let all = [decide(&listed), decide(&of_case), decide(&why)];
    let first = all[0].expect("B owes a decision");
    assert_eq!(all, [Some(first); 3], "one answer everywhere");
    Ok(first)
}

async fn acknowledge(app: &TestApp, incident: &str, handoff: &str) -> Result<api::MoveReply, tonic::Status> {
    let request = api::AcknowledgeRequest {
        request_id: id(),
        incident: incident.into(),
        duty: "decide".into(),
        by: Some(seat("B", "B-07")),
        scope: handoff.into(),
        ..Default::default()
    };
    let client = app.client("b-duty").map_err(|error| tonic::Status::internal(error.to_string()))?;
    client.obligations().acknowledge(request).await.map(tonic::Response::into_inner)
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_shift_change_what_is_owed_rings_until_the_incoming_officer_takes_notice() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let (incident, handoff) = offered(&app).await?;
    assert!(!shown(&app, &incident).await?);
    acknowledge(&app, &incident, &handoff).await?;
    assert!(shown(&app, &incident).await?);
    let twice = acknowledge(&app, &incident, &handoff).await.expect_err("noticed already");
    assert_eq!(handoff_client::reason(&twice).as_deref(), Some("MOVE_NOT_LEGAL"));
    let take = || api::TakeShiftRequest { request_id: id(), station: "B-07".into(), ..Default::default() };
    for (name, reason) in [
        ("a-duty", "OTHER_ORGANISATION"),
        ("a-supervisor", "OTHER_ORGANISATION"),
        ("b-dispatcher", "ROLE_NOT_ALLOWED"),
        ("b-system", "ROLE_NOT_ALLOWED"),
        ("auditor", "ROLE_NOT_ALLOWED"),
    ] {
        let found = refused(app.client(name)?.obligations().take_shift(take()).await)?;
        assert_eq!((found.code, found.reason.as_str()), (Code::PermissionDenied, reason), "{name}");
    }
    assert!(shown(&app, &incident).await?, "no refused move changes a shift");
    let taken = take();
    let reply = told(app.client("b-duty")?.obligations().take_shift(taken.clone()).await)?;
    let again = told(app.client("b-duty")?.obligations().take_shift(taken).await)?;
    assert_eq!((again.position, again.replayed), (reply.position, true));
    assert!(!shown(&app, &incident).await?, "each item counts as unseen");
    // In the very millisecond of the shift it would not count, and may be said again.
    for _ in 0..10 {
        if shown(&app, &incident).await? {
            break;
        }
        acknowledge(&app, &incident, &handoff).await?;
    }
    assert!(shown(&app, &incident).await?);
    app.check()?;
    Ok(())
}
