//! What belongs to one caller is of no use to another: request ids, resume and page tokens, logins that were taken back.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use handoff_client::{Status, api};
use handoff_domain::caller::Role;
use handoff_tests::app::{LIMIT, TestApp, Who, who};
use handoff_tests::play::{case, id, intake, note, offered, position, receive, seen, table, take_in, unit};
use handoff_tests::refusal::{Refusal, refused, told};
use tonic::Code;

/// Where A's list of what it has taken back stands.
const REVOKED: &str = "a.revoked.toml";

/// An officer of A at another client program than the console.
const AT_A_DESK: Who =
    Who { org: "A", subject: "a-duty", station: Some("A-01"), client: Some("desk-a"), roles: &[Role::DutyOfficer] };

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_is_known_to_the_client_that_used_it_and_to_no_other() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let first = note(&incident, "one");
    let answer = told(app.client("a-duty")?.incidents().note(first.clone()).await)?;
    // Another client of the same organisation, another officer's own client: the id is theirs to use.
    for (what, client) in [
        ("another dispatch system", app.client("a-second-system")?),
        ("the same officer at another client", app.client_with(app.token(&AT_A_DESK)?)?),
    ] {
        let other = told(client.incidents().note(first.clone()).await)?;
        assert!(!other.replayed && other.position != answer.position, "{what}: it is a note of its own: {other:?}");
        let again = told(client.incidents().note(first.clone()).await)?;
        assert!(again.replayed && again.position == other.position, "{what}: {again:?}");
    }
    // Another organisation hears nothing of it either: what it is told is what it is told of any id.
    let b = app.client("b-duty")?;
    let stolen = b.incidents().note(first.clone()).await.err().context("B has no part")?;
    let fresh = b.incidents().note(note(&incident, "one")).await.err().context("B has no part")?;
    assert_eq!((stolen.code(), stolen.message()), (fresh.code(), fresh.message()));
    assert_eq!(stolen.details(), fresh.details(), "the same bytes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_stands_for_one_method_and_one_body() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let first = note(&incident, "one");
    let answer = told(app.client("a-duty")?.incidents().note(first.clone()).await)?;
    let before = app.events().await?;
    let duty = app.client("a-duty")?;
    let other_text = api::NoteRequest { text: "two".into(), ..first.clone() };
    let other_case = api::NoteRequest { incident: id(), ..first.clone() };
    let other_method = api::AddLabelRequest {
        request_id: first.request_id.clone(),
        incident: incident.clone(),
        number: "A-1".into(),
        ..Default::default()
    };
    let of_directory =
        api::TakeShiftRequest { request_id: first.request_id.clone(), station: "A-01".into(), ..Default::default() };
    for (what, status) in [
        ("another text", duty.incidents().note(other_text).await.err()),
        ("another incident, which is not there", duty.incidents().note(other_case).await.err()),
        ("another method", duty.incidents().add_label(other_method).await.err()),
        ("another method about no incident", duty.obligations().take_shift(of_directory).await.err()),
    ] {
        let found = Refusal::of(&status.with_context(|| format!("{what}: it was taken"))?);
        assert_eq!((found.code, found.reason.as_str()), (Code::InvalidArgument, "REQUEST_ID_REUSED"), "{what}");
        let values: Vec<&str> = found.values.keys().map(String::as_str).collect();
        assert_eq!(values, ["fields"], "{what}: it says nothing of what the id stands for");
    }
    // A client is a program, and asks again for whoever sits at it: the answer is the one it had.
    let colleague = told(app.client("a-dispatcher")?.incidents().note(first.clone()).await)?;
    assert_eq!(colleague, api::MoveReply { replayed: true, ..answer.clone() });
    assert_eq!(app.events().await?, before, "nothing was written");
    let again = told(duty.incidents().note(first).await)?;
    assert_eq!(again, api::MoveReply { replayed: true, ..answer }, "its own still stands");
    Ok(())
}

/// What a token of the feed is told as somebody's: to watch from it, and to commit it.
async fn shown(app: &TestApp, name: &str, token: &str) -> anyhow::Result<[Refusal; 2]> {
    let client = app.client(name)?;
    let watch = api::WatchRequest { resume_token: token.to_owned(), from_now: false };
    let watched = refused(client.feed().watch(watch).await)?;
    let committed = refused(client.feed().commit(api::CommitRequest { resume_token: token.to_owned() }).await)?;
    Ok([watched, committed])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_a_feed_holds_for_its_organisation_its_log_and_its_key_alone() -> anyhow::Result<()> {
    let mut app = TestApp::furnished(true).await?;
    offered(&app).await?;
    let (_, own) = take_in(&app, "a-system", "").await?;
    let (_, theirs) = take_in(&app, "b-system", "").await?;
    let (_, auditors) = take_in(&app, "auditor", "").await?;
    for _ in 0..3 {
        receive(&app, intake(44.1, 86.1)).await?;
    }
    let page = api::ListIncidentsRequest { page_size: 1, ..Default::default() };
    let page = told(app.client("a-system")?.incidents().list_incidents(page).await)?.next_page_token;
    let bytes = URL_SAFE_NO_PAD.decode(&own)?;
    let changed = |at: usize| {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        URL_SAFE_NO_PAD.encode(bytes)
    };
    // Epoch, number, hash, MAC: a token names its place in the clear, so each part has to be under the MAC.
    let cases = [
        ("another organisation's", theirs),
        ("an auditor's, which holds everything", auditors),
        ("of a later epoch", changed(7)),
        ("of a later number", changed(15)),
        ("of another event", changed(16)),
        ("with another MAC", changed(bytes.len() - 1)),
        ("cut", own[..own.len() - 4].to_owned()),
        ("cut to its place", URL_SAFE_NO_PAD.encode(&bytes[..48])),
        ("padded", format!("{own}=")),
        ("with a tail", URL_SAFE_NO_PAD.encode([bytes.as_slice(), &[0]].concat())),
        ("a page token", page),
    ];
    let before = position(&app, "a-system").await?.committed_number;
    for (what, token) in &cases {
        for found in shown(&app, "a-system", token).await? {
            assert_eq!((found.code, found.reason.as_str()), (Code::InvalidArgument, "CURSOR_INVALID"), "{what}");
        }
    }
    assert_eq!(position(&app, "a-system").await?.committed_number, before, "nothing was committed");
    // A key that was replaced makes every token worth nothing, and a watch begins again from the start.
    app.stop().await?;
    std::fs::remove_file(app.path("resume.key"))?;
    std::fs::copy(app.path("sealing.key"), app.path("resume.key"))?;
    app.start()?;
    for found in shown(&app, "a-system", &own).await? {
        assert_eq!(found.reason, "CURSOR_INVALID", "an old key's");
    }
    assert!(!take_in(&app, "a-system", "").await?.0.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_token_holds_for_its_method_and_not_for_a_feed() -> anyhow::Result<()> {
    let app = TestApp::furnished(true).await?;
    for _ in 0..3 {
        receive(&app, intake(44.1, 86.35)).await?;
    }
    let (_, feed) = take_in(&app, "a-supervisor", "").await?;
    let client = app.client("a-supervisor")?;
    let owed = |page_token: &str| api::ListObligationsRequest {
        direction: "OURS".into(),
        page_size: 1,
        page_token: page_token.into(),
        ..Default::default()
    };
    let listed = |page_token: &str| api::ListIncidentsRequest {
        page_size: 1,
        page_token: page_token.into(),
        ..Default::default()
    };
    let units = |page_token: &str| api::ListUnitsRequest { page_size: 1, page_token: page_token.into() };
    let of_owed = told(client.obligations().list_obligations(owed("")).await)?.next_page_token;
    let of_list = told(client.incidents().list_incidents(listed("")).await)?.next_page_token;
    let of_units = told(client.directory().list_units(units("")).await)?.next_page_token;
    let mut told_of: Vec<(&str, Option<Status>)> = Vec::new();
    for (what, token) in [("the feed's", &feed), ("the incidents'", &of_list), ("the units'", &of_units)] {
        told_of.push((what, client.obligations().list_obligations(owed(token)).await.err()));
    }
    for (what, token) in [("the feed's", &feed), ("the obligations'", &of_owed), ("the units'", &of_units)] {
        told_of.push((what, client.incidents().list_incidents(listed(token)).await.err()));
    }
    for (what, token) in [("the feed's", &feed), ("the obligations'", &of_owed), ("the incidents'", &of_list)] {
        told_of.push((what, client.directory().list_units(units(token)).await.err()));
    }
    for (what, status) in told_of {
        let found = Refusal::of(&status.with_context(|| format!("{what} token was taken"))?);
        assert_eq!((found.code, found.reason.as_str()), (Code::InvalidArgument, "CURSOR_INVALID"), "{what}");
        assert!(found.names("page_token"), "{what}: {found:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_decides_on_a_form_does_not_sign_it_as_well() -> anyhow::Result<()> {
    const BOTH: &[Role] = &[Role::DutyOfficer, Role::Responder];
    let app = TestApp::furnished(false).await?;
    // The one who may decide is also the one who is named to sign.
    let both = Who { org: "A", subject: "a-resp", station: Some("A-01"), client: None, roles: BOTH };
    let incident = receive(&app, intake(44.1, 86.35)).await?;
    unit(&app, "a", &incident, "ON_SCENE").await?;
    let client = app.client_with(app.token(&both)?)?;
    let before = app.events().await?;
    let request = api::OfferRequest {
        request_id: id(),
        incident: incident.clone(),
        expected: seen(&case(&app, "a-duty", &incident).await?),
        handoff: id(),
        to: "B-07".into(),
        basis: "UNIT_ASSIGNED".into(),
        form: Some(handoff_tests::play::form()),
        signer: Some(api::Signer { officer: "a-resp".into(), substitute: String::new() }),
        ..Default::default()
    };
    let found = refused(client.handoffs().offer(request).await)?;
    assert_eq!((found.code, found.reason.as_str()), (Code::PermissionDenied, "DECIDES_AND_SIGNS"), "{found:?}");
    assert_eq!(app.events().await?, before, "nothing was written");
    Ok(())
}

/// A service whose organisation A can take logins back, with an offer in it.
async fn revocable() -> anyhow::Result<(TestApp, String, String)> {
    let mut app = TestApp::prepare()?;
    app.configure("id = \"A\"", &format!("id = \"A\"\nrevoked_file = \"{REVOKED}\""))?;
    std::fs::write(app.path(REVOKED), "tokens = []\nsubjects = []\ncertificates = []\n")?;
    app.start()?;
    handoff_tests::play::furnish(&app).await?;
    let (incident, handoff) = offered(&app).await?;
    Ok((app, incident, handoff))
}

/// The id of a token.
fn jti(token: &str) -> anyhow::Result<String> {
    let claims = token.split('.').nth(1).context("claims")?;
    let claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
    Ok(claims["jti"].as_str().context("an id")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_taken_back_loses_its_feed_and_every_call() -> anyhow::Result<()> {
    let (app, incident, handoff) = revocable().await?;
    let token = app.token(&who("a-duty")?)?;
    let (of_token, of_subject) =
        (format!("tokens = [\"{}\"]\nsubjects = []", jti(&token)?), "tokens = []\nsubjects = [\"a-duty\"]".to_owned());
    // The token alone, then everything of the officer's, however new the token.
    for (what, list, token) in
        [("the token", of_token, token), ("the officer", of_subject, app.token(&who("a-duty")?)?)]
    {
        let client = app.client_with(token)?;
        let mut stream = told(client.feed().watch(api::WatchRequest::default()).await)?;
        let first = tokio::time::timeout(LIMIT, stream.message()).await??;
        assert!(first.is_some(), "{what}: the feed has begun");
        std::fs::write(app.path(REVOKED), format!("{list}\ncertificates = []\n"))?;
        let end = loop {
            match tokio::time::timeout(LIMIT, stream.message()).await.context("the feed goes on")? {
                Ok(Some(_)) => {}
                Ok(None) => anyhow::bail!("{what}: the feed ended without a word"),
                Err(status) => break Refusal::of(&status),
            }
        };
        assert_eq!((end.code, end.reason.as_str()), (Code::PermissionDenied, "ACCESS_ENDED"), "{what}");
        let found = refused(client.incidents().note(note(&incident, "x")).await)?;
        assert_eq!((found.code, found.reason.as_str()), (Code::Unauthenticated, "TOKEN_INVALID"), "{what}");
    }
    // A colleague and the other side go on, and custody is where it was.
    told(app.client("a-supervisor")?.incidents().note(note(&incident, "we go on")).await)?;
    let form = table(&app, "b-duty", &incident, &handoff).await?;
    assert_eq!(form.state, "OFFERED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_is_no_longer_granted_ends_with_the_configuration() -> anyhow::Result<()> {
    let (mut app, incident, _) = revocable().await?;
    let token = app.token(&who("a-duty")?)?;
    told(app.client_with(token.clone())?.incidents().note(note(&incident, "x")).await)?;
    app.stop().await?;
    app.configure("\"responder\", \"duty_officer\"", "\"responder\"")?;
    app.start()?;
    let before = app.events().await?;
    let client = app.client_with(token)?;
    let found = refused(client.feed().watch(api::WatchRequest::default()).await)?;
    assert_eq!((found.code, found.reason.as_str()), (Code::Unauthenticated, "TOKEN_INVALID"));
    let found = refused(client.incidents().note(note(&incident, "x")).await)?;
    assert_eq!(found.reason, "TOKEN_INVALID");
    told(app.client("b-duty")?.feed().get_position(api::GetPositionRequest {}).await)?;
    assert_eq!(app.events().await?, before, "nothing was written");
    Ok(())
}
