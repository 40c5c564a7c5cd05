//! Client certificates through the built program: who comes in over which one, and what stays shut.

use anyhow::{Context, ensure};
use handoff_client::{Status, api};
use handoff_tests::app::{LIMIT, TestApp};
use handoff_tests::certified::{self, REVOKED, client, receive, token};
use handoff_tests::play::{id, note};
use handoff_tests::refusal::{Refusal, told};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_speaks_for_its_station_and_carries_its_officers() -> anyhow::Result<()> {
    let app = certified::start().await?;
    let incident = receive(&app).await?;
    let officer = client(&app, "desk-a", Some(token(&app, "a-duty", "desk-a")?))?;
    told(officer.incidents().note(note(&incident, "seen by the duty officer")).await)?;
    let request = api::GetIncidentRequest { incident: incident.clone() };
    let seen = told(officer.incidents().get_incident(request.clone()).await)?;
    assert_eq!(seen.id, incident);
    // The other side's machine is known, and this is none of its business: as if there were nothing.
    let other = client(&app, "cad-b", None)?.incidents().get_incident(request).await;
    assert_eq!(other.err().map(|status| status.code()), Some(Code::NotFound));
    // The same by hand, as the runbook says it.
    let address = format!("https://{}", app.address());
    let server =
        ["--server", &address, "--ca", "ca.pem", "--client-cert", "A.desk-a.pem", "--client-key", "A.desk-a.key"];
    let bound =
        ["token", "--config", "handoff.toml", "--folder", ".", "--org", "A", "--subject", "a-duty", "--station"];
    let more = ["A-01", "--role", "duty_officer", "--client-cert", "A.desk-a.pem"];
    std::fs::write(app.path("duty.token"), app.done(&[bound.as_slice(), &more].concat())?)?;
    let listed = app.done(&[&["incident", "list"], server.as_slice(), &["--token-file", "duty.token"]].concat())?;
    ensure!(listed.contains(&incident), "the officer's list: {listed}");
    Ok(())
}

/// What a call over this certificate with this token is told.
async fn refused(app: &TestApp, over: &str, token: Option<String>) -> anyhow::Result<Status> {
    let note = note(&id(), "nobody writes this");
    client(app, over, token)?.incidents().note(note).await.err().context("it was let in")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_one_machine_and_its_own_token_stays_outside() -> anyhow::Result<()> {
    let app = certified::start().await?;
    let before = app.events().await?;
    let stolen = token(&app, "a-duty", "desk-a")?;
    let mut answers = Vec::new();
    for (what, over, shown) in [
        ("stolen, over another machine of its side", "cad-a", Some(stolen.clone())),
        ("stolen, over the other side's machine", "cad-b", Some(stolen.clone())),
        ("bound to nothing", "desk-a", Some(app.token(&handoff_tests::app::who("a-duty")?)?)),
        ("the other side's token over this side's machine", "cad-a", Some(token(&app, "b-duty", "cad-a")?)),
        ("this side's token over the other side's machine", "cad-b", Some(token(&app, "a-duty", "cad-b")?)),
        ("a machine that speaks for nobody, alone", "desk-a", None),
        ("a machine nobody registered, alone", "lost-a", None),
        ("a machine nobody registered, with a token", "lost-a", Some(token(&app, "a-duty", "lost-a")?)),
    ] {
        let status = refused(&app, over, shown).await?;
        let refusal = Refusal::of(&status);
        assert_eq!((refusal.code, refusal.reason.as_str()), (Code::Unauthenticated, "TOKEN_INVALID"), "{what}");
        answers.push((status.message().to_owned(), status.details().to_vec()));
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "every one is told the same, byte for byte");
    // Without a certificate nobody gets as far as a method: the handshake fails.
    let bare = app.client_with(stolen)?.incidents().note(note(&id(), "nobody writes this")).await;
    let bare = bare.err().context("it was let in without a certificate")?;
    assert!(Refusal::of(&bare).reason.is_empty(), "an answer of the transport, not of the service: {bare:?}");
    assert_eq!(app.events().await?, before, "nothing was written");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_is_taken_back_loses_its_feed_and_every_call() -> anyhow::Result<()> {
    let app = certified::start().await?;
    receive(&app).await?;
    let lost = client(&app, "cad-a", None)?;
    let mut stream = told(lost.feed().watch(api::WatchRequest::default()).await)?;
    let first = tokio::time::timeout(LIMIT, stream.message()).await??;
    assert!(first.is_some(), "the feed has begun");
    let hex: String = certified::thumbprint(&app, "cad-a")?.iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(app.path(REVOKED), format!("tokens = []\nsubjects = []\ncertificates = [\"{hex}\"]\n"))?;
    let end = loop {
        match tokio::time::timeout(LIMIT, stream.message()).await.context("the feed goes on")? {
            Ok(Some(_)) => {}
            Ok(None) => anyhow::bail!("the feed ended without a word"),
            Err(status) => break Refusal::of(&status),
        }
    };
    assert_eq!((end.code, end.reason.as_str()), (Code::PermissionDenied, "ACCESS_ENDED"));
    assert_eq!(refused(&app, "cad-a", None).await?.code(), Code::Unauthenticated);
    // Another machine of the same side goes on.
    let officer = client(&app, "desk-a", Some(token(&app, "a-duty", "desk-a")?))?;
    told(officer.incidents().list_incidents(api::ListIncidentsRequest::default()).await)?;
    Ok(())
}
