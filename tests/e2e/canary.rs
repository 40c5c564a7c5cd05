//! Personal values appear where somebody entitled asks for them, and nowhere else: not in the database's files, not in
//! a backup, not in a log line or a metric (security, 7).

use anyhow::{Context, ensure};
use handoff_client::api;
use handoff_tests::app::TestApp;
use handoff_tests::play::{id, intake, note, offer, trace, unit};
use handoff_tests::refusal::told;
use std::path::{Path, PathBuf};

/// Stands in every personal value of these tests and in nothing else.
const CANARY: &str = "zwitscher-7f3a";

/// An intake in which every personal field has the canary in it.
fn marked() -> api::Intake {
    let mut intake = intake(44.1, 86.35);
    intake.narrative = format!("{CANARY}-narrative");
    if let Some(place) = &mut intake.place {
        place.address = format!("{CANARY}-address");
    }
    intake.caller = Some(api::CallerInput { phone: format!("{CANARY}-phone"), details: format!("{CANARY}-details") });
    intake
}

/// Every file under a folder.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

/// The canary in clear, and as it stands inside a disclosure: base64url at each of the three offsets.
fn needles() -> Vec<Vec<u8>> {
    let mut needles = vec![CANARY.as_bytes().to_vec()];
    for shift in 0..3 {
        let text = handoff_domain::values::b64url(format!("{}{CANARY}", &"xxx"[..shift]).as_bytes());
        // What depends on the letters around it is left out.
        let (from, to) = ([0, 2, 3][shift], text.len() - 2);
        needles.push(text.as_bytes()[from..to].to_vec());
    }
    needles
}

fn find(what: &str, bytes: &[u8], hits: &mut Vec<String>) {
    for needle in needles() {
        if bytes.windows(needle.len()).any(|window| window == needle) {
            hits.push(format!("{what}: {}", String::from_utf8_lossy(&needle)));
        }
    }
}

/// A's system receives the marked intake, twice under one request id; the incident.
async fn received(app: &TestApp) -> anyhow::Result<String> {
    let (incident, system) = (id(), app.client("a-system")?);
    let request = api::ReceiveRequest {
        request_id: id(),
        incident: incident.clone(),
        intake: Some(marked()),
        ..Default::default()
    };
    told(system.incidents().receive(request.clone()).await)?;
    told(system.incidents().receive(request).await)?;
    Ok(incident)
}

/// To see the caller's number.
fn opening(incident: &str) -> api::OpenCallerDataRequest {
    api::OpenCallerDataRequest {
        request_id: id(),
        incident: incident.to_owned(),
        code: "CALL_BACK".into(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_personal_value_is_found_beside_its_sealed_row() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let incident = received(&app).await?;
    unit(&app, "a", &incident, "ON_SCENE").await?;
    told(app.client("a-duty")?.incidents().note(note(&incident, &format!("{CANARY}-note"))).await)?;
    offer(&app, &incident).await?;
    // Whoever may reads it, in clear: or nothing below would prove anything.
    let opened = told(app.client("a-duty")?.audit().open_caller_data(opening(&incident)).await)?;
    let phone = opened.callers.first().and_then(|caller| caller.phone.clone()).context("the caller's number")?;
    assert_eq!(phone.value, format!("{CANARY}-phone"));
    ensure!(format!("{:?}", trace(&app, &incident).await?).len() > 100, "the trace is read");
    // A refusal says what is wrong, never what was sent.
    let mut refused = note(&incident, &format!("{CANARY}-control\u{7}"));
    refused.request_id = "none".into();
    let status = app.client("a-duty")?.incidents().note(refused).await.err().context("it is refused")?;
    let mut hits = Vec::new();
    find("a refusal", format!("{status:?}").as_bytes(), &mut hits);
    find("the metrics", app.metrics().await?.as_bytes(), &mut hits);
    let backup = app.path("copy.db").to_string_lossy().into_owned();
    app.done(&["db", "backup", "--config", &app.config_file(), "--database", &app.database(), "--to", &backup])?;
    for file in files(&app.path(""))? {
        find(&format!("{} while it runs", file.display()), &std::fs::read(&file)?, &mut hits);
    }
    find("the log", app.said().as_bytes(), &mut hits);
    app.kill()?;
    for file in files(&app.path(""))? {
        find(&format!("{} after a kill", file.display()), &std::fs::read(&file)?, &mut hits);
    }
    assert_eq!(hits, Vec::<String>::new());
    ensure!(app.check()?.lines().all(|line| !line.contains("VIOLATED")), "every kept value is the one its event names");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn with_another_sealing_key_texts_are_withheld_and_the_case_goes_on() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(false).await?;
    let incident = received(&app).await?;
    app.stop().await?;
    let (key, old) = (app.path("sealing.key"), app.path("old.key"));
    std::fs::rename(&key, &old)?;
    std::fs::copy(app.path("resume.key"), &key)?;
    app.start()?;
    let get = || api::GetIncidentRequest { incident: incident.clone() };
    let case = told(app.client("a-duty")?.incidents().get_incident(get()).await)?;
    assert_eq!(case.id, incident, "who owns it is seen whatever happens to the texts");
    let address = case.places.first().and_then(|place| place.address.clone()).context("an address")?;
    assert_eq!((address.state.as_str(), address.value.as_str()), ("WITHHELD", ""), "withheld is not erased");
    let opened = told(app.client("a-duty")?.audit().open_caller_data(opening(&incident)).await)?;
    let phone = opened.callers.first().and_then(|caller| caller.phone.clone()).context("a number")?;
    assert_eq!((phone.state.as_str(), phone.value.as_str()), ("WITHHELD", ""), "the number is not shown");
    let metrics = app.metrics().await?;
    let counted = metrics.lines().find_map(|line| line.strip_prefix("handoff_sealed_unreadable_total ")?.parse().ok());
    ensure!(counted.is_some_and(|count: u64| count > 0), "an operator can see it");
    told(app.client("a-duty")?.incidents().note(note(&incident, "written under the new key")).await)?;
    app.stop().await?;
    app.configure("key_file = \"sealing.key\"", "key_file = \"sealing.key\"\nprevious_key_files = [\"old.key\"]")?;
    app.start()?;
    let case = told(app.client("a-duty")?.incidents().get_incident(get()).await)?;
    let address = case.places.first().and_then(|place| place.address.clone()).context("an address")?;
    assert_eq!(address.value, format!("{CANARY}-address"), "the old key opens what it sealed");
    app.stop().await?;
    app.check()?;
    Ok(())
}
