//! The auditor's trace: what each entry changed from what to what, under which rule, and why the case is still open.

use anyhow::Context;
use handoff_client::api;
use handoff_tests::app::TestApp;
use handoff_tests::play::{case, offered, seat};
use handoff_tests::refusal::told;
use std::collections::BTreeMap;

/// Everything the trace says of a case, after an entry.
async fn traced(app: &TestApp, who: &str, incident: &str, after_seq: u64) -> anyhow::Result<Vec<api::TraceEntry>> {
    let request = api::TraceRequest { incident: incident.into(), after_seq };
    let mut stream = told(app.client(who)?.audit().trace(request).await)?;
    let mut all = Vec::new();
    while let Some(part) = stream.message().await? {
        all.extend(part.entries);
    }
    Ok(all)
}

fn change<'a>(entry: &'a api::TraceEntry, path: &str) -> Option<(&'a str, &'a str)> {
    let found = entry.changes.iter().find(|change| change.path == path);
    found.map(|change| (change.before.as_str(), change.after.as_str()))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_says_what_it_changed_and_all_of_them_make_the_case_as_it_is() -> anyhow::Result<()> {
    let app = TestApp::furnished(true).await?;
    let (incident, handoff) = offered(&app).await?;
    let all = traced(&app, "auditor", &incident, 0).await?;
    let of = |kind: &str| {
        let found = all.iter().find(|one| one.entry.as_ref().is_some_and(|entry| entry.r#type == kind));
        found.with_context(|| format!("no entry {kind}"))
    };
    let received = of("received")?;
    assert_eq!(change(received, "state"), Some(("", "RECEIVED")));
    assert_eq!(change(received, "custodian"), Some(("", "A/A-01")));
    assert!(change(received, "obligation.dispatch.A/A-01").is_some_and(|(before, _)| before.is_empty()));
    let arrived = of("unit_reported")?;
    assert_eq!(change(arrived, "state"), Some(("RECEIVED", "ON_SCENE")));
    assert!(change(arrived, "obligation.dispatch.A/A-01").is_some_and(|(_, after)| after.is_empty()), "it is met");
    let offer = of("offered")?;
    assert_eq!(change(offer, &format!("handoff.{handoff}.state")), Some(("", "OFFERED")));
    assert!(offer.rule.contains("duty_officer") && offer.rule.contains("A/A-01"), "{}", offer.rule);
    assert!(!offer.agreement.is_empty(), "it says which agreement was in force");
    assert!(received.map.is_some(), "it says which map was asked");
    assert!(all.iter().all(|one| !one.rule.is_empty() && one.entry.is_some()));

    let mut facts: BTreeMap<&str, &str> = BTreeMap::new();
    for one in all.iter().flat_map(|entry| &entry.changes) {
        assert_eq!(facts.get(one.path.as_str()).copied().unwrap_or_default(), one.before, "{}", one.path);
        facts.insert(&one.path, &one.after);
    }
    let now = case(&app, "auditor", &incident).await?;
    assert_eq!(now.custodian, Some(seat("A", "A-01")));
    assert_eq!((facts["state"], facts["custodian"]), (now.state.as_str(), "A/A-01"));
    let owed = facts.iter().filter(|(path, value)| path.starts_with("obligation.") && !value.is_empty());
    assert_eq!(owed.count(), now.obligations.len(), "{facts:?}");

    let rest = traced(&app, "auditor", &incident, 2).await?;
    assert_eq!(rest, all[2..], "a broken trace goes on where it was");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_shows_changes_and_why_the_case_is_open() -> anyhow::Result<()> {
    let app = TestApp::furnished(true).await?;
    let (incident, _) = offered(&app).await?;
    std::fs::write(app.path("auditor.token"), app.token(&handoff_tests::app::who("auditor")?)?)?;
    let server = format!("https://{}", app.address());
    let connect = ["--server", &server, "--ca", "ca.pem", "--token-file", "auditor.token"];
    let text = app.done(&[&["audit", "trace", &incident], &connect[..]].concat())?;
    assert!(text.contains("    state: RECEIVED → ON_SCENE\n"), "{text}");
    assert!(text.contains("still open, because this is owed") && text.contains("decide"), "{text}");
    let json = app.done(&[&["--output", "json", "audit", "trace", &incident], &connect[..]].concat())?;
    let lines: Vec<serde_json::Value> = json.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let (last, entries) = lines.split_last().context("nothing was printed")?;
    assert!(entries.iter().all(|line| line["changes"].is_array() && line["rule"].is_string()), "{json}");
    assert!(last["open"].as_array().is_some_and(|open| open.iter().any(|owed| owed["duty"] == "decide")), "{last}");
    let why = told(app.client("b-duty")?.audit().why_open(api::WhyOpenRequest { incident }).await)?;
    let decide = why.next_moves.iter().find(|next| next.r#move == "agree").context("agreeing would settle it")?;
    assert_eq!(decide.by, Some(seat("B", "B-07")));
    Ok(())
}
