//! What never reaches a method is refused in the words of the catalogue too: too large, not a message, compressed.

use handoff_tests::app::TestApp;
use handoff_tests::play::{id, intake, position, receive};
use handoff_tests::raw::RawClient;
use handoff_tests::refusal::{Refusal, refused};
use prost::Message;
use tonic::Code;

const NOTE: &str = "IncidentService/Note";

/// A refusal of bytes: its code, reason and the field it names, in both languages.
fn assert_refused(found: &Refusal, code: Code, reason: &str, field: &str) {
    assert_eq!((found.code, found.reason.as_str()), (code, reason), "{found:?}");
    assert_eq!(found.domain, "handoff.v1", "{found:?}");
    assert!(found.names(field), "it names {field}: {found:?}");
    assert!(["en", "zh-CN"].iter().all(|language| found.languages.contains(*language)), "{found:?}");
}

fn note_of(incident: &str, bytes: usize) -> Vec<u8> {
    handoff_tests::play::note(incident, &"x".repeat(bytes)).encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_over_the_limit_is_too_large_and_says_how_large_it_may_be() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let before = (app.events().await?, position(&app, "a-system").await?.head_number);
    let raw = RawClient::of(&app, "a-dispatcher")?;
    for bytes in [65_537, 1_000_000] {
        let found = refused(raw.call(NOTE, note_of(&incident, bytes), &[]).await)?;
        assert_refused(&found, Code::ResourceExhausted, "MESSAGE_TOO_LARGE", "message");
        assert_eq!(found.values.get("max").map(String::as_str), Some("65536"));
    }
    let status = raw.call(NOTE, note_of(&incident, 70_000), &[]).await.expect_err("too large");
    assert_eq!(handoff_client::definite(&status), handoff_client::Attempt::Definite, "it is not sent again");
    let status = raw.call("FeedService/Watch", vec![0; 70_000], &[]).await.expect_err("too large");
    assert_refused(&Refusal::of(&status), Code::ResourceExhausted, "MESSAGE_TOO_LARGE", "message");
    let admin = RawClient::of(&app, "a-admin")?;
    let found = refused(admin.call("DirectoryService/PublishMap", vec![b' '; 9_000_000], &[]).await)?;
    assert_refused(&found, Code::ResourceExhausted, "MESSAGE_TOO_LARGE", "geojson");
    assert_eq!((app.events().await?, position(&app, "a-system").await?.head_number), before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_names_the_field_and_stores_nothing() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let before = app.events().await?;
    let raw = RawClient::of(&app, "a-dispatcher")?;
    // An empty message is a message: every field it lacks is named.
    let found = refused(raw.call(NOTE, Vec::new(), &[]).await)?;
    assert_refused(&found, Code::InvalidArgument, "INVALID_FIELD", "request_id");
    assert!(found.names("incident"), "all at once: {found:?}");
    // Field 1 of a note is a text, and is sent as a number here.
    let found = refused(raw.call(NOTE, vec![0x08, 0x07], &[]).await)?;
    assert_refused(&found, Code::InvalidArgument, "INVALID_FIELD", "request_id");
    let mut cut = note_of(&incident, 100);
    cut.truncate(60);
    let found = refused(raw.call(NOTE, cut, &[]).await)?;
    assert_refused(&found, Code::InvalidArgument, "INVALID_FIELD", "incident");
    let found = refused(raw.call(NOTE, vec![0xff; 40], &[]).await)?;
    assert_refused(&found, Code::InvalidArgument, "INVALID_FIELD", "message");
    assert_eq!(app.events().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_message_and_an_unknown_method_are_not_built() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let raw = RawClient::of(&app, "a-dispatcher")?;
    let found = refused(raw.call(NOTE, note_of(&id(), 10), &[("grpc-encoding", "gzip")]).await)?;
    assert_refused(&found, Code::Unimplemented, "NOT_IMPLEMENTED", "grpc-encoding");
    assert!(found.text.contains("gzip"), "{found:?}");
    let found = refused(raw.call("IncidentService/Vanish", Vec::new(), &[]).await)?;
    assert_refused(&found, Code::Unimplemented, "NOT_IMPLEMENTED", "method");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_counted_on_a_listener_of_its_own() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    receive(&app, intake(44.1, 86.1)).await?;
    let raw = RawClient::of(&app, "a-dispatcher")?;
    raw.call("IncidentService/Vanish", Vec::new(), &[]).await.expect_err("no such method");
    let said = app.said();
    let address = said.split("(metrics http://").nth(1).and_then(|rest| rest.split(')').next());
    let address = address.expect("the service says where its metrics are");
    let text = reqwest::get(format!("http://{address}/metrics")).await?.text().await?;
    let line = |start: &str| text.lines().any(|line| line.starts_with(start));
    assert!(line(r#"handoff_rpc_total{method="IncidentService/Receive",code="Ok"} 1"#), "{text}");
    assert!(line(r#"handoff_rpc_total{method="unknown",code="Unimplemented"} 1"#), "{text}");
    assert!(line("handoff_head_position ") && line("handoff_deadlines_overdue "), "{text}");
    assert!(!text.contains("a-disp"), "no person stands in a metric");
    Ok(())
}
