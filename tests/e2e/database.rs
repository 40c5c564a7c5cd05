//! The file under the service: one writer, and a check that sees what somebody did to it.

use anyhow::ensure;
use handoff_client::api;
use handoff_tests::app::TestApp;
use handoff_tests::play::{intake, note, offered, receive, table, take_in};
use handoff_tests::refusal::{Refusal, told};
use std::collections::BTreeMap;
use std::process::Command;
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_service_on_one_database_is_refused() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let text = std::fs::read_to_string(app.path("handoff.toml"))?;
    std::fs::write(app.path("second.toml"), text.replace(app.address(), "127.0.0.1:0"))?;
    let output = app.run(&["serve", "--config", "second.toml"])?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("database"), "it says what the matter is: {said}");
    let output = app.run(&["db", "migrate", "--config", "second.toml"])?;
    assert!(!output.status.success(), "a database in service is not migrated");
    let (incident, handoff) = offered(&app).await?;
    assert_eq!(table(&app, "b-duty", &incident, &handoff).await?.state, "OFFERED", "the first one serves on");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_and_a_backup_run_beside_the_service() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let (incident, handoff) = offered(&app).await?;
    app.check()?;
    let copy = app.path("copy/handoff.db").to_string_lossy().into_owned();
    app.done(&["db", "backup", "--config", &app.config_file(), "--to", &copy])?;
    app.stop().await?;
    std::fs::rename(copy, app.path("handoff.db"))?;
    app.start()?;
    assert_eq!(table(&app, "b-duty", &incident, &handoff).await?.state, "OFFERED", "the copy holds the case");
    app.stop().await?;
    app.check()?;
    Ok(())
}

/// Changes the stopped database behind the service's back.
fn tamper(app: &TestApp, sql: &str) -> anyhow::Result<()> {
    let script = "import sqlite3, sys\nbase = sqlite3.connect(sys.argv[1])\nbase.executescript(sys.argv[2])\nbase.commit()\nbase.close()\n";
    let output = Command::new("python3").args(["-c", script]).arg(app.path("handoff.db")).arg(sql).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custodian_moved_by_hand_breaks_invariant_1_and_the_check_says_so() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let (incident, _) = offered(&app).await?;
    app.stop().await?;
    app.check()?;
    tamper(&app, "UPDATE cases SET custodian_org = 'B', custodian_station = 'B-07'")?;
    let output = app.run(&["db", "check", "--config", &app.config_file()])?;
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    let line = printed.lines().find(|line| line.split_whitespace().next() == Some("1"));
    assert!(line.is_some_and(|line| line.contains("VIOLATION")), "invariant 1 is not named:\n{printed}");
    assert!(printed.contains(&incident), "the incident is not named:\n{printed}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_changed_by_hand_breaks_the_chain_and_the_check_says_so() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    offered(&app).await?;
    app.stop().await?;
    let blocked = tamper(&app, "UPDATE events SET type = type").expect_err("events are never changed");
    assert!(blocked.to_string().contains("never changed"), "{blocked}");
    tamper(
        &app,
        "DROP TRIGGER events_are_never_changed; \
         UPDATE events SET bytes = CAST(replace(CAST(bytes AS TEXT), 'A-01-U1', 'A-01-U2') AS BLOB)",
    )?;
    let output = app.run(&["db", "check", "--config", &app.config_file()])?;
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(())
}

/// What a subscriber was told, by number.
fn numbered(entries: &[api::Entry]) -> BTreeMap<u64, String> {
    entries.iter().map(|entry| (entry.number, entry.event_hash.clone())).collect()
}

/// The first answer of a feed resumed from a token: the number it goes on with, or the refusal.
async fn resumed(app: &TestApp, token: &str) -> anyhow::Result<Result<u64, Refusal>> {
    let request = api::WatchRequest { resume_token: token.to_owned(), from_now: false };
    let mut stream = match app.client("a-second-system")?.feed().watch(request).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return Ok(Err(Refusal::of(&status))),
    };
    let first = tokio::time::timeout(handoff_tests::app::LIMIT, stream.message()).await?;
    match first {
        Ok(Some(api::WatchResponse { message: Some(api::watch_response::Message::Batch(batch)), .. })) => {
            Ok(Ok(batch.entries.first().map(|entry| entry.number).unwrap_or_default()))
        }
        Ok(other) => anyhow::bail!("the feed began with {other:?}"),
        Err(status) => Ok(Err(Refusal::of(&status))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_restored_elsewhere_is_whole_and_no_subscriber_is_left_in_silence() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let (_, early) = take_in(&app, "a-second-system", "").await?;
    let writer = app.client("a-dispatcher")?;
    let (told_to_stop, stop) = tokio::sync::watch::channel(false);
    let (count, mut written) = tokio::sync::watch::channel(0_u32);
    let load = {
        let (writer, incident) = (writer.clone(), incident.clone());
        tokio::spawn(async move {
            while !*stop.borrow() {
                told(writer.incidents().note(note(&incident, "under load")).await)?;
                count.send_modify(|count| *count += 1);
            }
            anyhow::Ok(*count.borrow())
        })
    };
    let before = *written.wait_for(|written| *written >= 5).await?;
    let copy = app.path("copy.db").to_string_lossy().into_owned();
    app.done(&["db", "backup", "--config", &app.config_file(), "--to", &copy])?;
    told_to_stop.send_replace(true);
    assert!(load.await?? > before, "notes were written meanwhile");
    // What came after the copy is lost with the old folder, and whoever saw it has to be told.
    for _ in 0..3 {
        told(writer.incidents().note(note(&incident, "after the copy")).await)?;
    }
    let (before, late) = take_in(&app, "a-second-system", "").await?;
    app.stop().await?;
    std::fs::create_dir(app.path("restored"))?;
    std::fs::rename(&copy, app.path("restored/handoff.db"))?;
    app.reach_database_by(format!("sqlite:{}", app.path("restored/handoff.db").display()));
    let printed = app.check()?;
    assert!(!printed.contains("VIOLATION"), "{printed}");
    app.start()?;
    let (restored, _) = take_in(&app, "a-second-system", "").await?;
    let (old, new) = (numbered(&before), numbered(&restored));
    assert!(new.iter().all(|(number, hash)| old.get(number) == Some(hash)), "the copy tells what was told");
    assert!(new.len() < old.len() && new.keys().copied().eq(1..=new.len() as u64), "without a gap");
    let first = early_number(&app, &early).await?;
    assert_eq!(resumed(&app, &early).await?.map_err(|refusal| refusal.reason), Ok(first + 1), "contiguous");
    let lost = resumed(&app, &late).await?.expect_err("the log does not hold what this token read");
    assert_eq!((lost.code, lost.reason.as_str()), (Code::DataLoss, "DATA_LOSS"));
    // Written on, the log is longer again, and still not the one that token was of.
    for _ in 0..old.len() - new.len() + 5 {
        told(app.client("a-dispatcher")?.incidents().note(note(&incident, "another history")).await)?;
    }
    let lost = resumed(&app, &late).await?.expect_err("another history is no continuation");
    assert_eq!(lost.reason, "DATA_LOSS");
    app.stop().await?;
    app.check()?;
    Ok(())
}

/// The number a token stands at: committing it says so.
async fn early_number(app: &TestApp, token: &str) -> anyhow::Result<u64> {
    let request = api::CommitRequest { resume_token: token.to_owned() };
    Ok(told(app.client("a-second-system")?.feed().commit(request).await)?.committed_number)
}
