//! Bytes that are no message, by a method that answers once and by one that streams: refused in our own words, nothing is
//! written, and whoever else is on the connection goes on. What `transport` and `limits` do not say.

use handoff_client::api;
use handoff_tests::app::TestApp;
use handoff_tests::play::{id, intake, note, position, receive};
use handoff_tests::raw::{Framed, RawClient, framed};
use handoff_tests::refusal::{Refusal, refused};
use prost::Message;
use tonic::Code;

const NOTE: &str = "IncidentService/Note";
const WATCH: &str = "FeedService/Watch";
const POSITION: &str = "FeedService/GetPosition";
/// More levels than a message may have.
const LEVELS: usize = 5_000;

/// What may come of bytes that are no message: the design's IA or RE, and "not built" for what is compressed.
fn is_refused_well(found: &Refusal) -> bool {
    let known = [
        (Code::InvalidArgument, "INVALID_FIELD"),
        (Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
        (Code::Unimplemented, "NOT_IMPLEMENTED"),
    ];
    known.contains(&(found.code, found.reason.as_str()))
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_none_are_refused_in_our_own_words() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let before = (app.events().await?, position(&app, "a-system").await?.head_number);
    let token = app.token(&handoff_tests::app::who("a-dispatcher")?)?;
    let text = String::from_utf8(note(&incident, "x").encode_to_vec())?;
    let frame = |flag: char, length: &str, body: &str| format!("{flag}{length}{body}");
    let length = char::from(u8::try_from(text.len())?);
    let whole = frame('\0', &format!("\0\0\0{length}"), &text);
    let mut faults = Vec::new();
    for method in [NOTE, WATCH] {
        for (what, body, headers) in [
            ("marked as compressed, by nothing", frame('\u{1}', "\0\0\0\u{5}", "hello"), vec![]),
            (
                "marked as compressed, as it is",
                frame('\u{1}', "\0\0\0\u{5}", "hello"),
                vec![("grpc-encoding", "identity")],
            ),
            ("compressed", frame('\u{1}', "\0\0\0\u{5}", "hello"), vec![("grpc-encoding", "gzip")]),
            ("a mark that is none", frame('\u{2}', "\0\0\0\u{5}", "hello"), vec![]),
            ("two gigabytes announced", frame('\0', "\u{7f}\u{7f}\u{7f}\u{7f}", "hello"), vec![]),
            ("more announced than sent", frame('\0', "\0\0\u{1}\0", "hello"), vec![]),
            ("half a head", "\0\0".to_owned(), vec![]),
            ("nothing at all", String::new(), vec![]),
        ] {
            let Framed { refusal, .. } = framed(&app, method, &token, body, &headers).await?;
            match refusal {
                Some(found) if is_refused_well(&found) => {}
                other => faults.push(format!("{method}: {what}: {other:?}")),
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
    let after = (app.events().await?, position(&app, "a-system").await?.head_number);
    assert_eq!(after, before, "nothing was written");
    // A method that takes one message reads no second one: what comes after it does nothing.
    let other = String::from_utf8(note(&incident, "y").encode_to_vec())?;
    let second = frame('\0', &format!("\0\0\0{length}"), &other);
    let sent = framed(&app, NOTE, &token, format!("{whole}{second}"), &[]).await?;
    assert!(sent.refusal.is_none(), "{sent:?}");
    assert_eq!(app.events().await?, before.0 + 1, "one note");
    Ok(())
}

/// Groups in groups, in a field no message has.
fn nested(levels: usize) -> Vec<u8> {
    let (begin, end) = (0x7b, 0x7c);
    [vec![begin; levels], vec![end; levels]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_too_many_levels_is_none() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let before = app.events().await?;
    let raw = RawClient::of(&app, "a-dispatcher")?;
    // Where a message of ours has a message in it the levels are put into that one.
    let mut deep_inside = note(&incident, "x").encode_to_vec();
    deep_inside.extend(nested(LEVELS));
    for (method, bytes) in
        [(NOTE, nested(LEVELS)), (NOTE, deep_inside), (POSITION, nested(LEVELS)), (WATCH, nested(LEVELS))]
    {
        let found = refused(raw.call(method, bytes, &[]).await)?;
        assert_eq!(
            (found.code, found.reason.as_str()),
            (Code::InvalidArgument, "INVALID_FIELD"),
            "{method}: {found:?}"
        );
    }
    // A boundary map is JSON, which has levels of its own.
    let admin = RawClient::of(&app, "a-admin")?;
    let geojson = "[".repeat(1_000_000).into_bytes();
    let map = Some(api::MapRef { id: id(), version: 1 });
    let publish = api::PublishMapRequest { request_id: id(), map, geojson, ..Default::default() };
    let found = refused(admin.call("DirectoryService/PublishMap", publish.encode_to_vec(), &[]).await)?;
    assert_eq!((found.code, found.reason.as_str()), (Code::InvalidArgument, "MAP_INVALID"), "{found:?}");
    assert_eq!(app.events().await?, before, "nothing was written");
    raw.call(POSITION, Vec::new(), &[]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_is_none_is_refused_on_a_stream_too() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let raw = RawClient::of(&app, "a-system")?;
    for method in [WATCH, "AuditService/Trace", "DirectoryService/DownloadMap"] {
        for malformed in ["soon", "5", "S", "123456789S", "-1S"] {
            let found = refused(raw.call(method, Vec::new(), &[("grpc-timeout", malformed)]).await)?;
            assert_eq!(
                (found.code, found.reason.as_str()),
                (Code::InvalidArgument, "INVALID_FIELD"),
                "{method} {malformed}"
            );
            assert!(found.names("grpc-timeout"), "{method} {malformed}: {found:?}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_token_learns_nothing_from_a_message_that_is_none() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let stranger = RawClient::with_token(&app, "no.token.atall".to_owned())?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let whole = refused(stranger.call(NOTE, note(&incident, "x").encode_to_vec(), &[]).await)?;
    for (what, bytes) in
        [("an empty message", Vec::new()), ("a message of another incident", note(&id(), "x").encode_to_vec())]
    {
        assert_eq!(refused(stranger.call(NOTE, bytes, &[]).await)?, whole, "{what}");
    }
    // What cannot be read at all is refused before anybody is asked who they are; it says what the protocol's page says.
    let found = refused(stranger.call(NOTE, vec![0xff; 40], &[]).await)?;
    assert_eq!((found.code, found.reason.as_str()), (Code::InvalidArgument, "INVALID_FIELD"));
    assert_eq!(found.fields.keys().collect::<Vec<_>>(), ["message"], "{found:?}");
    Ok(())
}
