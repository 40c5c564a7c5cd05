//! The polite way to stop, with clients that are not polite.

use handoff_client::api;
use handoff_tests::app::TestApp;
use handoff_tests::play::{id, intake, note, receive};
use handoff_tests::refusal::told;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_ever_for_a_client_that_says_nothing() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let mut silent = TcpStream::connect(app.address()).await?;
    let client = app.client("a-system")?;
    // A stream nobody reads from.
    let unread = told(client.feed().watch(api::WatchRequest::default()).await)?;
    assert!(app.stop().await?.success());
    drop(unread);
    let mut rest = Vec::new();
    // Closed or reset: the service has let go of it.
    let _ = tokio::time::timeout(Duration::from_secs(5), silent.read_to_end(&mut rest)).await?;
    app.check()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_answers_or_refuses_and_loses_nothing_answered() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let client = app.client("a-dispatcher")?;
    let first = told(client.incidents().note(note(&incident, "first")).await)?;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..200 {
        let (client, request) = (client.clone(), note(&incident, &format!("note {number}")));
        calls.spawn(async move { (request.clone(), client.incidents().note(request).await) });
    }
    let mut answered = Vec::new();
    // The stop begins once some are through and others are not.
    for _ in 0..20 {
        answered.extend(calls.join_next().await.transpose()?);
    }
    assert!(app.stop().await?.success());
    while let Some(call) = calls.join_next().await {
        answered.push(call?);
    }
    app.start()?;
    let (mut recorded, mut versions) = (0, Vec::new());
    for (request, answer) in answered {
        let again = told(client.incidents().note(request).await)?;
        if let Ok(reply) = answer {
            recorded += 1;
            let expected = api::MoveReply { replayed: true, ..reply.into_inner() };
            assert_eq!(again, expected, "an answered command keeps its answer");
        }
        versions.push(again.version);
    }
    assert!(recorded >= 20, "some were answered before the stop: {recorded}");
    versions.sort_unstable();
    let all: Vec<u64> = (first.version + 1..=first.version + 200).collect();
    assert_eq!(versions, all, "each command stands once");
    app.stop().await?;
    app.check()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_stop_a_call_fails_as_a_broken_connection_does() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let client = app.client("a-system")?;
    app.stop().await?;
    let request = api::ReceiveRequest { request_id: id(), incident: id(), ..Default::default() };
    let status = client.incidents().receive(request).await.expect_err("nobody is there");
    assert_eq!(handoff_client::definite(&status), handoff_client::Attempt::AskAgain, "{status}");
    Ok(())
}
