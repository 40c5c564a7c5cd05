//! The file under the service: one writer, and a check that sees what somebody did to it.

use anyhow::ensure;
use handoff_tests::app::TestApp;
use handoff_tests::play::{offered, table};
use std::process::Command;

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
