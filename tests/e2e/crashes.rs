//! The service is killed at any moment, and at every step of its writer: what was answered is there, exactly once.

use anyhow::Context;
use handoff_client::{Client, Watch, api, retry};
use handoff_store::failpoint::STEPS;
use handoff_tests::app::{LIMIT, TestApp};
use handoff_tests::load::{Progress, Sent, begin};
use handoff_tests::play::{note, position, trace};
use handoff_tests::refusal::told;
use rand::RngExt;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// One dispatch system: incidents with notes, each command asked again with its id until the answer is definite.
async fn work(client: Client, progress: Arc<Progress>) -> anyhow::Result<Vec<(Sent, api::MoveReply)>> {
    let mut told = Vec::new();
    while !progress.is_over() {
        for sent in Sent::incident_with_notes(6) {
            let reply = retry(|| sent.call(&client)).await;
            let reply = reply.map_err(|status| anyhow::anyhow!("{}", handoff_client::explain(&status)))?;
            told.push((sent, reply));
            progress.one_more();
        }
    }
    Ok(told)
}

/// Takes the feed in, over every break, until it has reached the goal.
async fn follow(mut watch: Watch, mut goal: watch::Receiver<u64>) -> anyhow::Result<Vec<api::Entry>> {
    let mut entries: Vec<api::Entry> = Vec::new();
    loop {
        let end = *goal.borrow_and_update();
        if end > 0 && entries.last().is_some_and(|entry| entry.number >= end) {
            return Ok(entries);
        }
        tokio::select! {
            batch = watch.next() => entries.extend(batch?.entries),
            changed = goal.changed() => changed?,
        }
    }
}

/// The feed brought each answered command once, in one unbroken count.
fn assert_fed_once(entries: &[api::Entry], told: &[(Sent, api::MoveReply)]) {
    let numbers: Vec<u64> = entries.iter().map(|entry| entry.number).collect();
    assert_eq!(numbers, (1..=entries.len() as u64).collect::<Vec<_>>(), "the feed has no gap and nothing twice");
    let fed: BTreeSet<(&str, u64)> = entries.iter().map(|entry| (entry.incident.as_str(), entry.seq)).collect();
    assert_eq!(fed.len(), entries.len(), "no entry came under two numbers");
    let answered: BTreeSet<(&str, u64)> = told.iter().map(|(sent, reply)| (sent.incident(), reply.version)).collect();
    assert_eq!(fed, answered, "the feed brings what was answered");
}

/// Every answered command is in the log exactly once, and asking again brings the stored answer.
async fn assert_exactly_once(app: &TestApp, told: &[(Sent, api::MoveReply)]) -> anyhow::Result<()> {
    let client = app.client("a-system")?;
    let mut by_incident: BTreeMap<&str, Vec<&api::MoveReply>> = BTreeMap::new();
    for (sent, reply) in told {
        let again = sent.call(&client).await.map_err(|status| anyhow::anyhow!("{sent:?}: {status}"))?;
        assert_eq!(again, api::MoveReply { replayed: true, ..reply.clone() }, "{sent:?}");
        by_incident.entry(sent.incident()).or_default().push(reply);
    }
    for (incident, mut replies) in by_incident {
        let entries = trace(app, incident).await?;
        replies.sort_by_key(|reply| reply.version);
        let recorded: Vec<(u64, u64, &str)> =
            entries.iter().map(|entry| (entry.seq, entry.position, entry.event_hash.as_str())).collect();
        let answered: Vec<(u64, u64, &str)> =
            replies.iter().map(|reply| (reply.version, reply.position, reply.event_hash.as_str())).collect();
        assert_eq!(recorded, answered, "one event per command of {incident}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_every_answered_command_is_there_exactly_once() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let progress = Arc::new(Progress::default());
    let (goal, wanted) = watch::channel(0);
    let feed = tokio::spawn(follow(Watch::from_token(app.client("a-dispatcher")?, String::new()), wanted));
    let mut workers = JoinSet::new();
    for _ in 0..6 {
        workers.spawn(work(app.client("a-system")?, progress.clone()));
    }
    for _ in 0..8 {
        let more = rand::rng().random_range(5..80);
        progress.until(progress.answered() + more).await?;
        app.kill()?;
        app.start()?;
    }
    progress.end();
    let mut told = Vec::new();
    while let Some(worker) = workers.join_next().await {
        told.extend(worker??);
    }
    assert!(told.len() > 40, "there was load: {}", told.len());
    assert_exactly_once(&app, &told).await?;
    goal.send(position(&app, "a-dispatcher").await?.head_number)?;
    let entries = tokio::time::timeout(LIMIT, feed).await.context("the feed did not reach its end")???;
    assert_fed_once(&entries, &told);
    app.stop().await?;
    app.check()?;
    Ok(())
}

/// Serves until the writer reaches a step for the N-th time, then dies there; what was answered stands.
async fn crash_at(step: &str, times: u64) -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    app.kill()?;
    app.start_with(&["--crash-at", &format!("{step}:{times}")])?;
    let client = app.client("a-system")?;
    let commands = Sent::incident_with_notes(6);
    let (mut told, mut open) = (Vec::new(), Vec::new());
    for sent in commands {
        if !open.is_empty() {
            open.push(sent);
            continue;
        }
        match sent.call(&client).await {
            Ok(reply) => told.push((sent, reply)),
            Err(status) => {
                assert_eq!(handoff_client::definite(&status), handoff_client::Attempt::AskAgain, "{status}");
                open.push(sent);
            }
        }
    }
    // The heads of the tree are batches too: one at the start, one more where a second passes meanwhile.
    let answered = if step.starts_with("wal.") { 7..=7 } else { times.saturating_sub(3)..=times - 1 };
    assert!(
        answered.contains(&(told.len() as u64)),
        "{step}:{times}: it died where it was to, not after {}",
        told.len()
    );
    // The steps of the housekeeping are reached once there is nothing else to do.
    let status = app.ended().await?;
    assert!(!status.success(), "{step}:{times}: it ended by itself: {status}");
    app.start()?;
    for sent in open {
        let reply = sent.call(&client).await.map_err(|status| anyhow::anyhow!("{status}"))?;
        told.push((sent, reply));
    }
    let told: Vec<_> =
        told.into_iter().map(|(sent, reply)| (sent, api::MoveReply { replayed: false, ..reply })).collect();
    assert_eq!(told.len(), 7);
    assert_exactly_once(&app, &told).await.with_context(|| format!("{step}:{times}"))?;
    app.stop().await?;
    app.check()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_at_any_step_of_the_writer_loses_no_answer() -> anyhow::Result<()> {
    for step in STEPS {
        let times = if step.starts_with("wal.") { 1 } else { 3 };
        crash_at(step, times).await.with_context(|| format!("crash at {step}:{times}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_step_nobody_knows_is_refused() -> anyhow::Result<()> {
    let app = TestApp::prepare()?;
    let output = app.run(&["serve", "--config", &app.config_file(), "--crash-at", "append.nowhere:1"])?;
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("append.nowhere"));
    Ok(())
}

/// Connections of one caller: as many as one address may have, less those of the test itself.
const AT_ONCE: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_command_sent_many_times_at_once_is_recorded_once() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let received = begin();
    let client = app.client("a-system")?;
    told(client.incidents().receive(received.clone()).await)?;
    let sent = note(&received.incident, "all at once");
    let mut calls = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (client, sent) = (app.client("a-system")?, sent.clone());
        calls.spawn(async move { client.incidents().note(sent).await });
    }
    let mut replies = Vec::new();
    while let Some(call) = calls.join_next().await {
        replies.push(told(call?)?);
    }
    assert_eq!(replies.iter().filter(|reply| !reply.replayed).count(), 1, "one of them is the first");
    replies.iter_mut().for_each(|reply| reply.replayed = false);
    replies.dedup();
    assert_eq!(replies.len(), 1, "all got one answer");
    assert_eq!(trace(&app, &received.incident).await?.len(), 2);
    Ok(())
}
