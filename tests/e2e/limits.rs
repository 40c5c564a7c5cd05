//! Limits of the listener against the running program: who asks too often, connects too often or sends what no client
//! sends gets an answer with a reason or none at all, and everybody else goes on.

use anyhow::Context;
use futures_util::future::join_all;
use handoff_client::api;
use handoff_tests::app::{LIMIT, TestApp, who};
use handoff_tests::play::{id, intake, note, receive};
use handoff_tests::raw::RawClient;
use handoff_tests::refusal::{Refusal, refused, told};
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tonic::Code;
use tonic_types::StatusExt;

const NOTE: &str = "IncidentService/Note";
const POSITION: &str = "FeedService/GetPosition";

/// A running, furnished service with these limits.
async fn limited(limits: &[(&str, u32)]) -> anyhow::Result<TestApp> {
    let mut app = TestApp::prepare()?;
    for (name, value) in limits {
        app.limit(name, *value)?;
    }
    app.start()?;
    Ok(app)
}

/// How often this happened, as the service counts it.
async fn counted(app: &TestApp, line: &str) -> anyhow::Result<u64> {
    let text = app.metrics().await?;
    let found = text.lines().find_map(|known| known.strip_prefix(line)?.strip_prefix(' '));
    Ok(found.map_or(Ok(0), str::parse)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_when_to_come_back_and_nobody_else_is() -> anyhow::Result<()> {
    // Nothing comes back within the test: one call a second is the slowest there is, and a burst of three is used up.
    let app = limited(&[("person_calls_per_s", 1), ("person_calls_burst", 3)]).await?;
    let officer = RawClient::of(&app, "a-dispatcher")?;
    let answers = join_all((0..20).map(|_| officer.call(POSITION, Vec::new(), &[]))).await;
    let refusals: Vec<_> = answers.into_iter().filter_map(Result::err).collect();
    assert!((10..=17).contains(&refusals.len()), "{} of 20", refusals.len());
    for status in &refusals {
        let found = Refusal::of(status);
        assert_eq!((found.code, found.reason.as_str()), (Code::ResourceExhausted, "RATE_LIMITED"), "{found:?}");
        assert_eq!(found.domain, "handoff.v1");
        let values = ["max", "scope"].map(|name| found.values.get(name).map(String::as_str));
        assert_eq!(values, [Some("1"), Some("person")]);
        assert!(["en", "zh-CN"].iter().all(|language| found.languages.contains(*language)), "{found:?}");
        let wait = status.get_details_retry_info().and_then(|retry| retry.retry_delay);
        assert!(wait.is_some_and(|wait| !wait.is_zero()), "it says when to come back: {found:?}");
        assert_eq!(handoff_client::definite(status), handoff_client::Attempt::AskAgain, "the client asks again");
    }
    // A colleague at the same client, the own dispatch system and the other side.
    for name in ["a-duty", "a-system", "b-dispatcher", "b-system"] {
        RawClient::of(&app, name)?
            .call(POSITION, Vec::new(), &[])
            .await
            .map_err(|status| anyhow::anyhow!("{name}: {status}"))?;
    }
    let many = u64::try_from(refusals.len())?;
    assert_eq!(counted(&app, r#"handoff_rate_limited_total{code="person"}"#).await?, many);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_organisation_uses_up_its_own_calls_and_not_the_other_sides() -> anyhow::Result<()> {
    let app = limited(&[("organisation_calls_per_s", 1), ("organisation_calls_burst", 10)]).await?;
    let callers = ["a-system", "a-second-system", "a-dispatcher", "a-duty"].map(|name| RawClient::of(&app, name));
    let callers = callers.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let answers = join_all((0..40).map(|at| callers[at % 4].call(POSITION, Vec::new(), &[]))).await;
    let refusals: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).map(Refusal::of).collect();
    assert!(refusals.len() >= 20, "{} of 40", refusals.len());
    assert!(refusals.iter().all(|found| found.values.get("scope").is_some_and(|scope| scope == "organisation")));
    let other = RawClient::of(&app, "b-system")?;
    for answer in join_all((0..8).map(|_| other.call(POSITION, Vec::new(), &[]))).await {
        answer?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_of_one_connection_are_not_looked_at_and_everybody_who_is_known_goes_on() -> anyhow::Result<()> {
    let app = limited(&[("denied_calls_per_s", 1), ("denied_calls_burst", 5)]).await?;
    let stranger = RawClient::with_token(&app, "no.token.atall".to_owned())?;
    let desk = stranger.beside(app.token(&who("a-duty")?)?);
    desk.call(POSITION, Vec::new(), &[]).await?;
    let mut codes = Vec::new();
    for _ in 0..10 {
        let status = stranger.call(POSITION, Vec::new(), &[]).await.expect_err("not a token");
        codes.push((status.code(), Refusal::of(&status).reason));
    }
    assert!(codes[..5].iter().all(|(code, _)| *code == Code::Unauthenticated), "{codes:?}");
    assert!(codes[5..].iter().any(|(_, reason)| reason == "RATE_LIMITED"), "{codes:?}");
    // The same connection carries a desk that logged in before; only what would have to be verified is refused.
    desk.call(POSITION, Vec::new(), &[]).await?;
    RawClient::of(&app, "a-dispatcher")?.call(POSITION, Vec::new(), &[]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_organisation_opens_no_feed_in_the_other_sides_place() -> anyhow::Result<()> {
    let app = limited(&[("feeds_max", 8)]).await?;
    let open = async |name: &str| anyhow::Ok(app.client(name)?.feed().watch(api::WatchRequest::default()).await);
    let mut kept = Vec::new();
    for _ in 0..6 {
        kept.push(open("a-system").await?.map_err(|status| anyhow::anyhow!("{status}"))?);
    }
    let found = Refusal::of(&open("a-duty").await?.err().context("the seventh of eight")?);
    assert_eq!((found.code, found.reason.as_str()), (Code::ResourceExhausted, "QUEUE_FULL"), "{found:?}");
    assert!(open("b-system").await?.is_ok(), "the other side");
    drop(kept);
    Ok(())
}

/// A command whose caller has gone is still under way, and takes a place of its own side until it is answered.
#[tokio::test(flavor = "multi_thread")]
async fn calls_given_up_by_the_thousand_take_no_place_of_the_other_side() -> anyhow::Result<()> {
    let app = Arc::new(TestApp::furnished(false).await?);
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let over = Arc::new(AtomicBool::new(false));
    let mut storm = Vec::new();
    for _ in 0..4 {
        let (caller, incident, over) = (RawClient::of(&app, "a-dispatcher")?, incident.clone(), over.clone());
        storm.push(tokio::spawn(async move {
            let mut given_up = 0_u32;
            while !over.load(Ordering::Relaxed) {
                let calls = (0..64).map(|_| caller.call(NOTE, note(&incident, "given up").encode_to_vec(), &[]));
                let mut calls = Box::pin(join_all(calls));
                // Sent, and taken back before there can be an answer.
                for _ in 0..8 {
                    let _ = futures_util::poll!(&mut calls);
                    tokio::task::yield_now().await;
                }
                given_up += 64;
            }
            given_up
        }));
    }
    let other = app.client("b-system")?;
    for _ in 0..60 {
        let request = api::ReceiveRequest {
            request_id: id(),
            incident: id(),
            intake: Some(intake(44.3, 86.3)),
            ..Default::default()
        };
        told(other.incidents().receive(request).await)?;
    }
    over.store(true, Ordering::Relaxed);
    let given_up: u32 = join_all(storm).await.into_iter().sum::<Result<u32, _>>()?;
    assert!(given_up > 2_000, "only {given_up} calls were given up");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_from_one_peer_is_closed_and_the_others_go_on() -> anyhow::Result<()> {
    let app = limited(&[("tls_handshake_ms", 2_000)]).await?;
    let working = RawClient::of(&app, "a-dispatcher")?;
    working.call(POSITION, Vec::new(), &[]).await?;
    // One is the client's; these say nothing, and their handshakes have two seconds.
    let mut silent = Vec::new();
    for _ in 0..31 {
        silent.push(TcpStream::connect(app.address()).await?);
    }
    let mut one_more = TcpStream::connect(app.address()).await?;
    let read = tokio::time::timeout(LIMIT, one_more.read(&mut [0])).await?;
    assert!(matches!(read, Ok(0)) || read.is_err(), "closed at once");
    assert_eq!(counted(&app, r#"handoff_connections_refused_total{code="peer"}"#).await?, 1);
    working.call(POSITION, Vec::new(), &[]).await?;
    // A place is given back: by one that is closed, and by all whose handshake does not come.
    for stream in &mut silent {
        let read = tokio::time::timeout(LIMIT, stream.read(&mut [0])).await?;
        assert!(matches!(read, Ok(0)) || read.is_err(), "a handshake that does not come");
    }
    RawClient::of(&app, "b-dispatcher")?.call(POSITION, Vec::new(), &[]).await?;
    assert_eq!(counted(&app, r#"handoff_connections_refused_total{code="peer"}"#).await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_own_time_must_be_one_and_holds_where_it_is_shorter() -> anyhow::Result<()> {
    let app = limited(&[]).await?;
    let raw = RawClient::of(&app, "a-dispatcher")?;
    for malformed in ["soon", "5", "S", "123456789S", "5s", "-1S", "1.5S"] {
        let found = refused(raw.call(POSITION, Vec::new(), &[("grpc-timeout", malformed)]).await)?;
        assert_eq!((found.code, found.reason.as_str()), (Code::InvalidArgument, "INVALID_FIELD"), "{malformed}");
        assert!(found.names("grpc-timeout"), "{malformed}: {found:?}");
        assert!(["en", "zh-CN"].iter().all(|language| found.languages.contains(*language)), "{found:?}");
    }
    for good in ["5S", "1H", "99999999H", "4000m"] {
        raw.call(POSITION, Vec::new(), &[("grpc-timeout", good)]).await?;
    }
    // Over before it began: in our words, with the way on, unless this client's own transport, which reads the header too,
    // gave up before it heard them.
    let found = refused(raw.call(POSITION, Vec::new(), &[("grpc-timeout", "1n")]).await)?;
    let ours = (found.code, found.reason.as_str()) == (Code::Unavailable, "OUTCOME_UNKNOWN");
    assert!(ours || found.code == Code::Cancelled, "{found:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_messages_are_refused_before_they_are_unpacked() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let before = app.events().await?;
    let raw = RawClient::of(&app, "a-dispatcher")?;
    let message = note(&incident, "x").encode_to_vec();
    for encoding in ["gzip", "deflate", "zstd", "br", "snappy"] {
        let found = refused(raw.call(NOTE, message.clone(), &[("grpc-encoding", encoding)]).await)?;
        assert_eq!((found.code, found.reason.as_str()), (Code::Unimplemented, "NOT_IMPLEMENTED"), "{encoding}");
    }
    assert_eq!(app.events().await?, before);
    // And no answer is compressed for somebody who would like it so.
    let answer = raw.call(POSITION, Vec::new(), &[("grpc-accept-encoding", "gzip, zstd, identity")]).await?;
    assert!(answer.metadata().get("grpc-encoding").is_none_or(|encoding| encoding == "identity"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_beyond_the_limit_end_the_call_and_nothing_else() -> anyhow::Result<()> {
    let app = limited(&[]).await?;
    let raw = RawClient::of(&app, "a-dispatcher")?;
    let filler: &'static str = "x".repeat(4_000).leak();
    let names = ["x-1", "x-2", "x-3", "x-4", "x-5", "x-6", "x-7", "x-8"];
    let headers = |count: usize| names[..count].iter().map(|name| (*name, filler)).collect::<Vec<_>>();
    raw.call(POSITION, Vec::new(), &headers(3)).await?;
    let status = raw.call(POSITION, Vec::new(), &headers(8)).await.expect_err("32 KB of headers");
    assert_ne!(status.code(), Code::Ok, "{status}");
    raw.call(POSITION, Vec::new(), &headers(3)).await?;
    RawClient::of(&app, "b-dispatcher")?.call(POSITION, Vec::new(), &[]).await?;
    let found = refused(raw.call(NOTE, note(&id(), "x").encode_to_vec(), &[]).await)?;
    assert_eq!(found.reason, "INCIDENT_NOT_FOUND", "the service goes on");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_limit_is_shown() -> anyhow::Result<()> {
    let app = TestApp::prepare()?;
    let shown = app.done(&["config", "show", "--config", &app.config_file()])?;
    for (name, ..) in handoff_server::config::Limits::default().all() {
        assert!(shown.lines().any(|line| line.starts_with(&format!("{name} = "))), "{name}: {shown}");
    }
    Ok(())
}
