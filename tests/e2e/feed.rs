//! The feed: ordered, without gap, resumable, and *delivered* by the right client's commit only.

use anyhow::Context;
use handoff_client::{Watch, api};
use handoff_tests::app::{LIMIT, TestApp};
use handoff_tests::play::{id, intake, note, offered, position, receive, table, take_in, trace};
use handoff_tests::refusal::{refused, told};
use std::collections::BTreeSet;
use tonic::Code;

/// Takes entries in until one of this incident and type comes.
async fn until(watch: &mut Watch, incident: &str, kind: &str) -> anyhow::Result<Vec<api::Entry>> {
    let mut entries = Vec::new();
    loop {
        let batch = tokio::time::timeout(LIMIT, watch.next()).await.with_context(|| format!("no {kind} came"))??;
        let met = batch.entries.iter().any(|entry| entry.incident == incident && entry.r#type == kind);
        entries.extend(batch.entries);
        if met {
            return Ok(entries);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_goes_on_without_gap_over_a_restart_and_over_a_kill() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let mut watch = Watch::from_token(app.client("a-system")?, String::new());
    let first = receive(&app, intake(44.1, 86.1)).await?;
    let mut entries = until(&mut watch, &first, "received").await?;
    assert!(app.stop().await?.success());
    app.start()?;
    let second = receive(&app, intake(44.1, 86.1)).await?;
    entries.extend(until(&mut watch, &second, "received").await?);
    app.kill()?;
    app.start()?;
    let third = receive(&app, intake(44.1, 86.1)).await?;
    entries.extend(until(&mut watch, &third, "received").await?);
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (1..=entries.len() as u64).collect::<Vec<_>>(), "every entry once, in order");
    let (again, _) = take_in(&app, "a-system", "").await?;
    assert_eq!(again, entries, "a watch from the beginning reads the same");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_streams_with_a_resume_token_and_loses_nothing() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let before = receive(&app, intake(44.1, 86.1)).await?;
    let client = app.client("a-system")?;
    let mut stream = told(client.feed().watch(api::WatchRequest::default()).await)?;
    let mut last = 0;
    while let Some(response) = tokio::time::timeout(LIMIT, stream.message()).await?? {
        if let Some(api::watch_response::Message::Batch(batch)) = response.message {
            last = batch.entries.last().context("a batch holds entries")?.number;
            if batch.entries.iter().any(|entry| entry.incident == before) {
                break;
            }
        }
    }
    let stopping = app.stop();
    let reading = async {
        let mut end = None;
        loop {
            match tokio::time::timeout(LIMIT, stream.message()).await? {
                Ok(Some(response)) => {
                    if let Some(api::watch_response::Message::End(found)) = response.message {
                        end = Some(found);
                    }
                }
                Ok(None) => anyhow::bail!("the stream ended without a status"),
                Err(status) => return anyhow::Ok((end, status)),
            }
        }
    };
    let (stopped, read) = tokio::join!(stopping, reading);
    assert!(stopped?.success(), "a polite stop ends with 0");
    let (end, status) = read?;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(handoff_client::reason(&status).as_deref(), Some("STREAM_ENDED"));
    let end = end.context("the stream said no end")?;
    assert_eq!(end.code, "SHUTDOWN");
    app.start()?;
    let after = receive(&app, intake(44.1, 86.1)).await?;
    let mut watch = Watch::from_token(app.client("a-system")?, end.resume_token);
    let entries = until(&mut watch, &after, "received").await?;
    assert_eq!(entries.first().map(|entry| entry.number), Some(last + 1), "it goes on where it ended");
    app.stop().await?;
    app.check()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_commit_of_the_registered_dispatch_system_delivers() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let (incident, handoff) = offered(&app).await?;
    let (_, token) = take_in(&app, "b-system", "").await?;
    let delivered = async || -> anyhow::Result<bool> {
        Ok(table(&app, "a-duty", &incident, &handoff).await?.delivered_time.is_some())
    };
    for name in ["b-second-system", "b-duty", "b-dispatcher", "b-supervisor"] {
        let commit = api::CommitRequest { resume_token: token.clone() };
        let position = told(app.client(name)?.feed().commit(commit).await)?;
        assert_eq!(position.committed_number, position.head_number, "{name} has committed for itself");
        assert!(!delivered().await?, "the commit of {name} delivered");
    }
    let (_, own) = take_in(&app, "a-system", "").await?;
    told(app.client("a-system")?.feed().commit(api::CommitRequest { resume_token: own }).await)?;
    assert!(!delivered().await?, "the offerer's own commit delivered");
    let commit = api::CommitRequest { resume_token: token.clone() };
    told(app.client("b-system")?.feed().commit(commit.clone()).await)?;
    assert!(delivered().await?, "the dispatch system's commit delivers");
    told(app.client("b-system")?.feed().commit(commit).await)?;
    let entries = trace(&app, &incident).await?;
    assert_eq!(entries.iter().filter(|entry| entry.r#type == "delivered").count(), 1, "delivered once");
    assert!(table(&app, "a-duty", &incident, &handoff).await?.seen_time.is_none(), "delivered is not seen");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_stands_over_a_restart_and_never_falls() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    receive(&app, intake(44.1, 86.1)).await?;
    let (_, early) = take_in(&app, "a-system", "").await?;
    receive(&app, intake(44.1, 86.1)).await?;
    let (_, late) = take_in(&app, "a-system", "").await?;
    for token in [&late, &early] {
        let commit = api::CommitRequest { resume_token: token.clone() };
        told(app.client("a-system")?.feed().commit(commit).await)?;
    }
    app.kill()?;
    app.start()?;
    let stands = position(&app, "a-system").await?;
    assert_eq!(stands.committed_number, stands.head_number);
    assert_eq!(position(&app, "a-duty").await?.committed_number, 0, "each client has its own");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_organisation_or_of_nobody_is_refused() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    offered(&app).await?;
    let (_, theirs) = take_in(&app, "a-system", "").await?;
    let mut changed = theirs.clone().into_bytes();
    changed[3] ^= 1;
    let b = app.client("b-system")?;
    for token in [theirs.clone(), String::from_utf8(changed)?, "x".to_owned(), "é".to_owned(), "A".repeat(2_000)] {
        let watched =
            refused(b.feed().watch(api::WatchRequest { resume_token: token.clone(), from_now: false }).await)?;
        assert_eq!(watched.reason, "CURSOR_INVALID", "{token}");
        let committed = refused(b.feed().commit(api::CommitRequest { resume_token: token.clone() }).await)?;
        assert_eq!(committed.reason, "CURSOR_INVALID", "{token}");
    }
    let both = api::WatchRequest { resume_token: theirs, from_now: true };
    assert_eq!(refused(app.client("a-system")?.feed().watch(both).await)?.code, Code::InvalidArgument);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_side_gets_nothing_before_it_is_a_party_and_then_all_of_it() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let hidden = receive(&app, intake(44.1, 86.1)).await?;
    assert_eq!(position(&app, "b-system").await?.head_number, 0, "no part in any case, no entry");
    let (incident, _) = offered(&app).await?;
    let more = note(&incident, "the road is open again");
    told(app.client("a-dispatcher")?.incidents().note(more).await)?;
    told(app.client("a-dispatcher")?.incidents().note(note(&hidden, "own matter")).await)?;
    let (entries, _) = take_in(&app, "b-system", "").await?;
    let kinds: Vec<&str> = entries.iter().map(|entry| entry.r#type.as_str()).collect();
    assert_eq!(kinds, ["offered", "noted"]);
    let cases: BTreeSet<&str> = entries.iter().map(|entry| entry.incident.as_str()).collect();
    assert_eq!(cases.into_iter().collect::<Vec<_>>(), [incident.as_str()]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_entries_of_one_command_come_in_one_message() -> anyhow::Result<()> {
    let app = TestApp::furnished(true).await?;
    let mut watch = Watch::from_token(app.client("a-system")?, String::new());
    let incident = id();
    let request = api::ReceiveRequest {
        request_id: id(),
        incident: incident.clone(),
        intake: Some(intake(44.1, 86.35)),
        ..Default::default()
    };
    let reply = told(app.client("a-system")?.incidents().receive(request).await)?;
    assert_eq!(reply.version, 2, "received, and the other side alerted");
    let batch = tokio::time::timeout(LIMIT, watch.next()).await??;
    let kinds: Vec<&str> = batch.entries.iter().map(|entry| entry.r#type.as_str()).collect();
    assert_eq!(kinds, ["received", "alerted"]);
    let after = batch.incidents.first().context("the message holds the case after it")?;
    assert_eq!((after.id.as_str(), after.version), (incident.as_str(), 2));
    Ok(())
}
