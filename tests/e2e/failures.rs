//! A database that is there and cannot be relied on: one that falls silent, one that was deposed, one that no longer
//! waits for its standbys; and what subscribers are told meanwhile.

use anyhow::{Context, ensure};
use handoff_client::api::feed_service_client::FeedServiceClient;
use handoff_client::api::watch_response::Message;
use handoff_client::{Client, api};
use handoff_cluster::{Cluster, Held, Mode, Proxy, Setup};
use handoff_tests::app::{LIMIT, TestApp, who};
use handoff_tests::pair::Pair;
use handoff_tests::play::{furnish, intake, note, receive, trace};
use handoff_tests::refusal::{Refusal, refused, told};
use std::time::{Duration, Instant};
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Streaming};

/// Every single call is answered within five seconds (`unary_deadline_ms`), whatever the database does. As much again
/// for a busy machine.
const CALL_MAX: Duration = Duration::from_secs(10);
/// Within this time a primary that has lost its standbys is noticed: three seconds of looks, or a commit that has been
/// waiting for five, and one call that was begun just before. Twice as much for a busy machine.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);
/// Bytes of the feed that a slow subscriber has room for.
const WINDOW_BYTES: u32 = 16 << 10;
/// More messages than fit into that and into the buffers on the way, and fewer than wait for one subscriber.
const NOTES: u64 = 240;

/// A service over a server of its own, which it reaches by a proxy.
struct Line {
    cluster: Cluster,
    proxy: Proxy,
    app: TestApp,
    incident: String,
}

impl Line {
    async fn start() -> anyhow::Result<Self> {
        let cluster = Cluster::start(&Setup::default())?;
        let proxy = Proxy::start(([127, 0, 0, 1], cluster.port()).into())?;
        let mut app = TestApp::prepare_over(proxy.url(&cluster.new_database()?))?;
        app.start()?;
        furnish(&app).await?;
        let incident = receive(&app, intake(44.1, 86.1)).await?;
        Ok(Self { cluster, proxy, app, incident })
    }

    /// Events in the log, asked of the server itself.
    fn head(&self) -> anyhow::Result<String> {
        let name = self.app.database().rsplit('/').next().context("a database has a name")?.to_owned();
        Ok(self.cluster.psql(&name, "SELECT position FROM head")?)
    }
}

/// The refusal of a note, which has to come in time and must not be a definite no.
async fn note_refused(client: &Client, asked: &api::NoteRequest) -> anyhow::Result<Refusal> {
    let begun = Instant::now();
    let refusal = refused(client.incidents().note(asked.clone()).await)?;
    ensure!(begun.elapsed() < CALL_MAX, "a note took {:?}", begun.elapsed());
    ensure!(refusal.code == Code::Unavailable, "{refusal:?}");
    ensure!(["NOT_ACCEPTED", "OUTCOME_UNKNOWN"].contains(&refusal.reason.as_str()), "{refusal:?}");
    Ok(refusal)
}

/// The refusal of a read, likewise.
async fn read_refused(client: &Client, incident: &str) -> anyhow::Result<()> {
    let begun = Instant::now();
    let request = api::GetIncidentRequest { incident: incident.into() };
    let refusal = refused(client.incidents().get_incident(request).await)?;
    ensure!(begun.elapsed() < CALL_MAX, "a read took {:?}", begun.elapsed());
    ensure!(refusal.code == Code::Unavailable, "{refusal:?}");
    Ok(())
}

/// Notes in the log. Versions would not do: what is overdue goes on meanwhile.
async fn notes(app: &TestApp, incident: &str) -> anyhow::Result<usize> {
    Ok(trace(app, incident).await?.iter().filter(|entry| entry.r#type == "noted").count())
}

/// Asks again under the same request ids, twice: each has one answer, and that is one event.
async fn asked_again(app: &TestApp, incident: &str, asked: &[api::NoteRequest]) -> anyhow::Result<()> {
    let client = app.client("a-system")?;
    for request in asked {
        let first = told(client.incidents().note(request.clone()).await)?;
        let again = told(client.incidents().note(request.clone()).await)?;
        assert_eq!(again, api::MoveReply { replayed: true, ..first });
    }
    assert_eq!(notes(app, incident).await?, asked.len());
    Ok(())
}

/// Writes until the service says that it is not ready: nothing is acknowledged. What was asked.
async fn nothing_acknowledged_until_noticed(app: &TestApp, incident: &str) -> anyhow::Result<Vec<api::NoteRequest>> {
    let client = app.client("a-system")?;
    let (begun, mut asked) = (Instant::now(), Vec::new());
    while asked.is_empty() || app.readiness().await?.0 == 200 {
        ensure!(begun.elapsed() < NOTICED_WITHIN, "it was not noticed after {} notes", asked.len());
        asked.push(note(incident, "to whom?"));
        note_refused(&client, asked.last().context("a note")?).await?;
    }
    assert_eq!(app.readiness().await?, (503, "store away".to_owned()));
    Ok(asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_database_ends_every_call_in_time_and_is_taken_up_again() -> anyhow::Result<()> {
    let line = Line::start().await?;
    let (app, incident) = (&line.app, line.incident.as_str());
    let client = app.client("a-system")?;

    line.proxy.hold(Held::Everything);
    let lost = note(incident, "into the silence");
    let (written, read) = tokio::join!(note_refused(&client, &lost), read_refused(&client, incident));
    written?;
    read?;
    app.until_ready(503).await?;
    assert_eq!(app.readiness().await?.1, "store away");
    let late = note(incident, "after it was noticed");
    assert_eq!(note_refused(&client, &late).await?.reason, "NOT_ACCEPTED");
    read_refused(&client, incident).await?;
    assert_eq!(line.proxy.cuts(), 0, "nobody ended a connection: it was silent");

    // What was held back arrives late, from connections that were given up too.
    line.proxy.hold(Held::Nothing);
    app.until_ready(200).await?;
    asked_again(app, incident, &[lost, late]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_the_silence_keeps_back_is_unknown_and_stands_once() -> anyhow::Result<()> {
    let line = Line::start().await?;
    let (app, incident) = (&line.app, line.incident.as_str());
    let client = app.client("a-system")?;
    let head = line.head()?;

    line.proxy.hold_answers_after_client_sends(b"noted", 1);
    let lost = note(incident, "heard, and not answered");
    assert_eq!(note_refused(&client, &lost).await?.reason, "OUTCOME_UNKNOWN");
    assert!(line.proxy.trap_has_gone_off());
    assert_ne!(line.head()?, head, "the server has it");
    app.until_ready(503).await?;
    // A repeat is no answer either, as long as nobody knows.
    note_refused(&client, &lost).await?;
    read_refused(&client, incident).await?;

    line.proxy.hold(Held::Nothing);
    app.until_ready(200).await?;
    let reply = told(client.incidents().note(lost.clone()).await)?;
    assert!(reply.replayed, "{reply:?}");
    asked_again(app, incident, &[lost]).await
}

/// Two replicas over one replicated database. The first reaches it by the proxy, the second where the standby is.
struct Deposed {
    pair: Pair,
    old: TestApp,
    new: TestApp,
    incident: String,
}

impl Deposed {
    /// The standby becomes a primary, and nobody tells the first replica. The second does not run yet.
    async fn depose() -> anyhow::Result<Self> {
        let pair = Pair::start()?;
        let name = pair.primary.new_database()?;
        let mut old = TestApp::prepare_over(pair.proxy.url(&name))?;
        let mut new = old.replica("second")?;
        new.reach_database_by(pair.standby.url(&name));
        old.configure("[evidence]", "durability = \"replicated\"\nstandbys = 1\n\n[evidence]")?;
        old.start()?;
        furnish(&old).await?;
        let incident = receive(&old, intake(44.1, 86.1)).await?;
        pair.standby.promote()?;
        Ok(Self { pair, old, new, incident })
    }

    /// The address leads to the new primary, which has a standby by now.
    async fn make_known(&self) -> anyhow::Result<Cluster> {
        let primary = &self.pair.standby;
        let standby = primary.standby("s2")?;
        primary.make_synchronous("FIRST 1 (s2)")?;
        self.pair.proxy.point_to(([127, 0, 0, 1], primary.port()).into());
        self.pair.proxy.cut();
        self.old.until_ready(200).await?;
        Ok(standby)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposed_primary_acknowledges_nothing() -> anyhow::Result<()> {
    let mut world = Deposed::depose().await?;
    let incident = world.incident.clone();
    let asked = nothing_acknowledged_until_noticed(&world.old, &incident).await?;
    // What was asked of the old primary is not in the new one, whatever the old one has.
    world.new.start()?;
    assert_eq!(notes(&world.new, &incident).await?, 0);
    let _standby = world.make_known().await?;
    asked_again(&world.old, &incident, &asked).await?;
    assert_eq!(notes(&world.new, &incident).await?, asked.len(), "both replicas follow the new primary");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deposed_primary_that_nobody_writes_to_is_not_shown_as_current_for_long() -> anyhow::Result<()> {
    let mut world = Deposed::depose().await?;
    let begun = Instant::now();
    world.old.until_ready(503).await?;
    assert!(begun.elapsed() < NOTICED_WITHIN, "{:?}", begun.elapsed());
    assert_eq!(world.old.readiness().await?.1, "store away");
    world.new.start()?;
    let moved = note(&world.incident, "at the new primary");
    told(world.new.client("a-system")?.incidents().note(moved.clone()).await)?;
    // The old primary still answers its readers, with what is no longer so.
    let client = world.old.client("a-system")?;
    read_refused(&client, &world.incident).await?;
    assert_eq!(note_refused(&client, &note(&world.incident, "to the old one")).await?.reason, "NOT_ACCEPTED");
    let _standby = world.make_known().await?;
    assert_eq!(notes(&world.old, &world.incident).await?, 1);
    asked_again(&world.old, &world.incident, &[moved]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn taking_away_the_standbys_names_opens_no_gate() -> anyhow::Result<()> {
    let pair = Pair::start()?;
    let mut app = TestApp::prepare_over(pair.new_database()?)?;
    app.configure("[evidence]", "durability = \"replicated\"\nstandbys = 1\n\n[evidence]")?;
    app.start()?;
    furnish(&app).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;

    // The server commits without waiting for anybody now, though the standby is there and follows.
    pair.primary.set("synchronous_standby_names", "")?;
    let asked = nothing_acknowledged_until_noticed(&app, &incident).await?;
    read_refused(&app.client("a-system")?, &incident).await?;

    pair.primary.make_synchronous("FIRST 1 (s1)")?;
    app.until_ready(200).await?;
    asked_again(&app, &incident, &asked).await
}

/// A subscriber with so little room that messages wait for it in the service.
async fn slow_subscriber(app: &TestApp) -> anyhow::Result<Streaming<api::WatchResponse>> {
    let ca = std::fs::read_to_string(app.path("ca.pem"))?;
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    let endpoint = Endpoint::from_shared(format!("https://{}", app.address()))?.tls_config(tls)?;
    let channel = endpoint.initial_stream_window_size(WINDOW_BYTES).connect_lazy();
    let mut request = Request::new(api::WatchRequest::default());
    let token = format!("Bearer {}", app.token(&who("a-system")?)?);
    request.metadata_mut().insert("authorization", MetadataValue::try_from(token)?);
    told(FeedServiceClient::new(channel).watch(request).await)
}

async fn message(feed: &mut Streaming<api::WatchResponse>) -> anyhow::Result<api::WatchResponse> {
    let message = tokio::time::timeout(LIMIT, feed.message()).await.context("the feed is silent")??;
    message.context("the feed ended")
}

/// The next batch: whether it is marked, and the number of its last entry.
async fn batch(feed: &mut Streaming<api::WatchResponse>) -> anyhow::Result<(bool, u64)> {
    loop {
        let api::WatchResponse { message, stale } = message(feed).await?;
        if let Some(Message::Batch(batch)) = message {
            return Ok((stale, batch.entries.last().context("a batch holds entries")?.number));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_while_the_database_is_away_is_marked_as_stale() -> anyhow::Result<()> {
    let line = Line::start().await?;
    let (app, client) = (&line.app, line.app.client("a-system")?);
    let mut feed = slow_subscriber(app).await?;
    for number in 0..NOTES {
        told(client.incidents().note(note(&line.incident, &format!("note {number}"))).await)?;
    }
    line.cluster.stop(Mode::Immediate)?;
    app.until_ready(503).await?;

    // What was on its way is not marked; what waited goes out now, and is.
    let mut marked = Vec::new();
    for number in 1..=NOTES + 1 {
        let (stale, last) = batch(&mut feed).await?;
        assert_eq!(last, number, "the intake and every note, once and in order");
        marked.push(stale);
    }
    assert_eq!((marked.first(), marked.last()), (Some(&false), Some(&true)));
    assert!(marked.is_sorted(), "{marked:?}");
    let quiet = message(&mut feed).await?;
    assert!(quiet.stale && matches!(quiet.message, Some(Message::Heartbeat(_))), "{quiet:?}");

    line.cluster.start_again()?;
    app.until_ready(200).await?;
    told(client.incidents().note(note(&line.incident, "back again")).await)?;
    assert_eq!(batch(&mut feed).await?, (false, NOTES + 2));
    Ok(())
}
