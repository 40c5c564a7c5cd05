//! Attacks on the listener against the running program: each is answered with GOAWAY or ended by a named limit, costs a
//! bounded amount of memory, writes nothing, and a good client beside it is served.

use anyhow::{Context, ensure};
use handoff_client::Watch;
use handoff_tests::app::{LIMIT, TestApp};
use handoff_tests::attack::frames::{DATA_FRAMES_MAX, Flood, deaf_flood, flood, tiny_data};
use handoff_tests::attack::line::{Answer, GoAway};
use handoff_tests::attack::sockets::{self, Silent, idle, slow_handshake, storm};
use handoff_tests::attack::streams::{
    Block, CONTINUATIONS_MAX, RESETS_MAX, continuations, header_bombs, made_you_reset, rapid_reset, refused_streams,
};
use handoff_tests::attack::wire::code;
use handoff_tests::play::{intake, note, receive};
use handoff_tests::raw::RawClient;
use handoff_tests::refusal::told;
use std::future::Future;
use std::time::Duration;
use tokio::sync::watch;

const POSITION: &str = "FeedService/GetPosition";
/// What the service's memory may grow by while it is attacked by one connection, in bytes. A connection may hold its
/// window of 1 MiB, as much again to send, and 16 KiB of headers for each of its 128 streams; the allocator keeps a few
/// pages for each thread. Each script sends or asks for several times as much.
const GROWTH_MAX: u64 = 32 << 20;
/// The shortest handshake that may be asked for on a busy machine, in milliseconds.
const HANDSHAKE_MS: u32 = 1_500;

/// Between two looks at what is waited for.
const POLL_PAUSE: Duration = Duration::from_millis(20);

/// A running service with these limits.
async fn limited(limits: &[(&str, u32)]) -> anyhow::Result<TestApp> {
    let mut app = TestApp::prepare()?;
    for (name, value) in limits {
        app.limit(name, *value)?;
    }
    app.start()?;
    Ok(app)
}

/// One line of the service's `/proc` status, in bytes.
fn memory(app: &TestApp, key: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.id()?))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)).context("no such line")?;
    Ok(line.split_whitespace().next().context("no number")?.parse::<u64>()? * 1_024)
}

/// How often this happened, as the service counts it.
async fn counted(app: &TestApp, line: &str) -> anyhow::Result<u64> {
    let text = app.metrics().await?;
    let found = text.lines().find_map(|known| known.strip_prefix(line)?.strip_prefix(' '));
    Ok(found.map_or(Ok(0), str::parse)?)
}

/// Waits until this is so of one of its figures.
async fn until(app: &TestApp, line: &str, is_so: impl Fn(u64) -> bool) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(POLL_PAUSE);
    let wait = async {
        while !is_so(counted(app, line).await?) {
            ticks.tick().await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LIMIT, wait).await.with_context(|| format!("{line} stays as it is"))?
}

async fn asked(client: &RawClient) -> anyhow::Result<()> {
    let answer = tokio::time::timeout(LIMIT, client.call(POSITION, Vec::new(), &[])).await;
    answer.context("a good client is not answered")?.context("a good client is refused")?;
    Ok(())
}

/// Lets an attack run to its end. While it does, a good client asks one question after the other, and each is answered;
/// afterwards so is one that connects anew. Nothing was written, and memory has not grown by more than [`GROWTH_MAX`].
async fn withstood<T>(app: &TestApp, attack: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let good = RawClient::of(app, "b-dispatcher")?;
    asked(&good).await?;
    let events = app.events().await?;
    // From here on the most the process held is counted anew.
    std::fs::write(format!("/proc/{}/clear_refs", app.id()?), "5")?;
    let before = memory(app, "VmRSS:")?;
    let (tell, over) = watch::channel(false);
    let attack = async {
        let found = attack.await;
        tell.send_replace(true);
        found
    };
    let beside = async {
        loop {
            asked(&good).await?;
            if *over.borrow() {
                return anyhow::Ok(());
            }
        }
    };
    let (found, ()) = tokio::try_join!(attack, beside)?;
    asked(&RawClient::of(app, "a-dispatcher")?).await?;
    let growth = memory(app, "VmHWM:")?.saturating_sub(before);
    ensure!(growth <= GROWTH_MAX, "memory grew by {} KiB", growth >> 10);
    ensure!(app.events().await? == events, "something was written");
    Ok(found)
}

/// The service sent this connection away with this word, after no more than so many frames, and closed.
fn sent_away(answer: &Answer, code: u32, says: &str, frames_max: usize) {
    let expected = GoAway { code, says: says.to_owned() };
    assert_eq!(answer.seen.goaway.as_ref(), Some(&expected), "{answer:?}");
    assert!(answer.seen.closed && answer.frames <= frames_max as u64, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rapid_resets_are_sent_away() -> anyhow::Result<()> {
    let app = limited(&[]).await?;
    let answer = withstood(&app, rapid_reset(&app)).await?;
    sent_away(&answer, code::ENHANCE_YOUR_CALM, "too_many_resets", 110);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_makes_the_service_reset_streams_is_sent_away() -> anyhow::Result<()> {
    let app = limited(&[]).await?;
    let answer = withstood(&app, made_you_reset(&app)).await?;
    sent_away(&answer, code::ENHANCE_YOUR_CALM, "too_many_internal_resets", 2 * RESETS_MAX);
    assert!(answer.seen.resets.values().sum::<u64>() <= 256, "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_more_streams_than_there_may_be_is_sent_away() -> anyhow::Result<()> {
    let app = limited(&[]).await?;
    let answer = withstood(&app, refused_streams(&app)).await?;
    sent_away(&answer, code::ENHANCE_YOUR_CALM, "too_many_internal_resets", RESETS_MAX);
    assert_eq!(answer.seen.resets.get(&code::REFUSED_STREAM), Some(&256), "{answer:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_block_that_never_ends_is_cut_off() -> anyhow::Result<()> {
    let app = limited(&[]).await?;
    for (holds, code, says) in [
        (Block::Empty, code::ENHANCE_YOUR_CALM, "too_many_continuations"),
        (Block::Fields, code::ENHANCE_YOUR_CALM, "too_many_continuations"),
        // A value that ends nowhere within what a block may hold: there is no way on in it.
        (Block::OneValue, code::PROTOCOL_ERROR, ""),
    ] {
        let answer = withstood(&app, continuations(&app, holds)).await.with_context(|| format!("{holds:?}"))?;
        sent_away(&answer, code, says, CONTINUATIONS_MAX);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_bomb_is_refused() -> anyhow::Result<()> {
    let app = limited(&[]).await?;
    let answer = withstood(&app, header_bombs(&app, 64)).await?;
    sent_away(&answer, code::ENHANCE_YOUR_CALM, "header_list_way_too_large", 8);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_of_frames_that_carry_nothing_are_closed() -> anyhow::Result<()> {
    let app = limited(&[]).await?;
    for of in [Flood::Settings, Flood::Pings, Flood::Priorities, Flood::WindowUpdates, Flood::Unknown] {
        let answer = withstood(&app, flood(&app, of)).await.with_context(|| format!("{of:?}"))?;
        assert!(answer.seen.closed, "{of:?}: {answer:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_and_reads_no_answer_is_closed_and_fills_no_memory() -> anyhow::Result<()> {
    let app = limited(&[("keepalive_interval_s", 1), ("keepalive_timeout_s", 1)]).await?;
    for of in [Flood::Settings, Flood::Pings] {
        let closed = withstood(&app, deaf_flood(&app, of)).await.with_context(|| format!("{of:?}"))?;
        assert!(closed, "{of:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn data_by_single_bytes_is_closed_and_empty_data_sent_away() -> anyhow::Result<()> {
    let app = limited(&[]).await?;
    let token = app.token(&handoff_tests::app::who("a-dispatcher")?)?;
    let answer = withstood(&app, tiny_data(&app, &token, b"x")).await?;
    assert!(answer.seen.closed && answer.frames < DATA_FRAMES_MAX as u64, "{answer:?}");
    let answer = withstood(&app, tiny_data(&app, &token, b"")).await?;
    sent_away(&answer, code::ENHANCE_YOUR_CALM, "too_many_data_frames", DATA_FRAMES_MAX);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_drips_is_closed() -> anyhow::Result<()> {
    let app = limited(&[("tls_handshake_ms", HANDSHAKE_MS)]).await?;
    withstood(&app, async { futures_util::future::try_join_all((0..16).map(|_| slow_handshake(&app))).await }).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_says_nothing_is_closed_wherever_it_stops() -> anyhow::Result<()> {
    let limits = [("tls_handshake_ms", HANDSHAKE_MS), ("keepalive_interval_s", 1), ("keepalive_timeout_s", 1)];
    let app = limited(&limits).await?;
    for from in [Silent::BeforeTls, Silent::AfterTls, Silent::AfterSettings, Silent::InHeaders] {
        Box::pin(withstood(&app, idle(&app, from))).await.with_context(|| format!("{from:?}"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preface_that_stops_half_way_is_closed() -> anyhow::Result<()> {
    let app = limited(&[("tls_handshake_ms", HANDSHAKE_MS)]).await?;
    for bytes in [1, 23] {
        let idle = Box::pin(withstood(&app, idle(&app, Silent::InPreface(bytes))));
        idle.await.with_context(|| format!("{bytes} bytes"))?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_ten_thousand_connections_no_more_are_kept_than_may_be() -> anyhow::Result<()> {
    const CONNECTIONS: usize = 10_000;
    const PER_PEER: usize = 32;
    const HANDSHAKES: u64 = 512;
    // Nothing ends by its own time while it is attacked.
    let app = limited(&[("tls_handshake_ms", 60_000)]).await?;
    let attack = async {
        let found = storm(&app, CONNECTIONS, PER_PEER).await?;
        // What the attacker has closed is given back before anybody comes anew.
        until(&app, "handoff_connections", |open| open < HANDSHAKES / 2).await?;
        Ok(found)
    };
    let found = withstood(&app, attack).await?;
    assert_eq!(found.made, CONNECTIONS);
    let refused = |code| format!(r#"handoff_connections_refused_total{{code="{code}"}}"#);
    let (peer, all) = (counted(&app, &refused("peer")).await?, counted(&app, &refused("handshakes")).await?);
    // Where all places are taken a wave loses more than it has to.
    assert!(peer + all >= found.closed as u64, "{found:?}: {peer} {all}");
    assert!(peer > 0 && all > 0, "both limits were reached: {peer} {all}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_whose_window_is_shut_holds_nobody_up() -> anyhow::Result<()> {
    let app = TestApp::furnished(false).await?;
    let token = app.token(&handoff_tests::app::who("a-dispatcher")?)?;
    let shut = sockets::zero_window(&app, &token).await?;
    let mut other = Watch::from_token(app.client("a-dispatcher")?, String::new());
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    let officer = app.client("a-dispatcher")?;
    // More than the shut one's buffer of 256 messages holds.
    const NOTES: usize = 400;
    let mut last = 0;
    for number in 0..NOTES {
        let done = told(officer.incidents().note(note(&incident, &format!("note {number}"))).await)?;
        last = done.position.max(last);
    }
    let mut reached = 0;
    while reached < last {
        let batch = tokio::time::timeout(LIMIT, other.next()).await.context("another subscriber is held up")??;
        reached = batch.entries.iter().map(|entry| entry.position).max().unwrap_or(reached);
    }
    assert_eq!(shut.seen().data_bytes, 0, "it took nothing in");
    // Once its buffer is full it has half a minute to take something, then nobody makes messages for it any more.
    until(&app, "handoff_feed_subscribers", |subscribers| subscribers == 1).await?;
    asked(&RawClient::of(&app, "b-dispatcher")?).await
}
