//! Recorded calls through the built program, against a service that is killed, and a replay that is killed: what was
//! acknowledged is in the log once, the replay ends, and everybody's feed is whole.

use anyhow::{Context, ensure};
use handoff_client::{Client, Watch, api};
use handoff_cluster::Cluster;
use handoff_store::failpoint::STEPS;
use handoff_store::query::CaseFilter;
use handoff_tests::app::{LIMIT, TestApp};
use handoff_tests::pair::Pair;
use handoff_tests::proving::prove_all;
use handoff_tests::recorded::{BOUNDARIES, MAPPING, Recorded, WATCHERS, calls, receipts};
use handoff_tests::refusal::told;
use rand::RngExt;
use rand::seq::IteratorRandom;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Output;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Calls of the longer runs: enough commands that a service can be killed twenty times in between.
const CALLS: usize = 360;
/// Published calls that are played on every database.
const CALLS_PUBLISHED: usize = 1_000;
/// Kills come before so many of a hundred commands are recorded: the rest takes longer than the looking for the moment.
const KILLS_BEFORE: u64 = 75;
/// Calls of one run that dies at a step of an append. Their commands make more than [`BATCHES_MIN`] batches.
const CALLS_AT_A_STEP: usize = 15;
/// Batches such a run makes at least: the directory's orders one by one, then the moves of a case one by one.
const BATCHES_MIN: u64 = 35;

/// Somebody who takes an organisation's feed in over every break, and looks that no number is missing.
struct Follower {
    client: Client,
    taken: watch::Receiver<u64>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Follower {
    fn of(app: &TestApp, number: usize) -> anyhow::Result<Self> {
        let client = app.client_with(app.token(&WATCHERS[number])?)?;
        let (tell, taken) = watch::channel(0);
        let feed = Watch::from_token(client.clone(), String::new());
        Ok(Self { client, taken, task: tokio::spawn(follow(feed, tell)) })
    }

    /// Waits until it has taken so much in.
    async fn until(&mut self, number: u64) -> anyhow::Result<()> {
        let reached = tokio::time::timeout(LIMIT, self.taken.wait_for(|taken| *taken >= number)).await;
        let reached = reached.with_context(|| format!("feed entry {number} did not come"))?;
        if reached.is_err() {
            self.task.abort();
            anyhow::bail!("the feed broke off");
        }
        Ok(())
    }

    /// Waits until it has taken everything in that is there.
    async fn catch_up(&mut self) -> anyhow::Result<()> {
        let head = told(self.client.feed().get_position(api::GetPositionRequest {}).await)?.head_number;
        ensure!(head > 0, "the feed is empty");
        self.until(head).await
    }
}

async fn follow(mut feed: Watch, tell: watch::Sender<u64>) -> anyhow::Result<()> {
    let mut known = BTreeSet::new();
    let mut last = 0;
    loop {
        for entry in feed.next().await?.entries {
            ensure!(entry.number == last + 1, "feed entry {} came after {last}", entry.number);
            ensure!(known.insert((entry.incident.clone(), entry.seq)), "an event came twice: {entry:?}");
            last = entry.number;
        }
        tell.send_replace(last);
    }
}

/// A service for the invented organisations, with both feeds followed.
async fn serve(files: &Recorded) -> anyhow::Result<(TestApp, Vec<Follower>)> {
    let mut app = TestApp::prepare_for(&files.path("mapping.toml"))?;
    app.start()?;
    let followers = (0..WATCHERS.len()).map(|number| Follower::of(&app, number)).collect::<anyhow::Result<_>>()?;
    Ok((app, followers))
}

/// So many random moments of a run, as lengths of the log, in order.
fn moments(count: usize, commands: u64) -> Vec<u64> {
    let mut moments = (1..commands * KILLS_BEFORE / 100).sample(&mut rand::rng(), count);
    moments.sort_unstable();
    moments
}

/// Waits until the log is so long. It is read beside the service, which says nothing of it.
async fn until_log_is(reader: &dyn handoff_store::Reader, length: u64) -> anyhow::Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    let wait = async {
        while reader.head().await?.position < length {
            ticks.tick().await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LIMIT, wait).await.with_context(|| format!("the log never had {length} entries"))?
}

/// How the incidents of a run went, and how many commands it had.
fn outcome(report: &Value) -> (Value, u64) {
    let of = |name: &str| report["commands"][name].as_u64().unwrap_or_default();
    (report["courses"].clone(), of("recorded") + of("repeated") + of("known"))
}

/// What an unbroken run of the same table comes to: played in a process of its own, on recorded time.
fn unbroken(files: &Recorded) -> anyhow::Result<(Value, u64)> {
    played(&files.simulated()?)
}

fn played(output: &Output) -> anyhow::Result<(Value, u64)> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(outcome(&serde_json::from_slice(&output.stdout)?))
}

/// Every receipt stands in the log, each command once, and nothing stands there that was not acknowledged.
async fn assert_recorded_once(app: &TestApp, files: &Recorded, run: &str) -> anyhow::Result<()> {
    let reader = handoff_store::open_reader(&app.database()).await?;
    let mut log = Vec::new();
    loop {
        let rows = reader.events_from(log.len() as u64, 1_000).await?;
        if rows.is_empty() {
            break;
        }
        log.extend(rows);
    }
    reader.close().await;
    let mut by_request: BTreeMap<String, u64> = BTreeMap::new();
    let mut incidents = BTreeSet::new();
    let mut acknowledged = BTreeSet::new();
    for receipt in receipts(&files.answers(run))? {
        let position = receipt["position"].as_u64().context("no position")?;
        let row = log.get(usize::try_from(position)?).with_context(|| format!("lost: {receipt}"))?;
        assert_eq!(receipt["event_hash"], row.hash.to_string(), "{receipt}");
        assert_eq!(receipt["incident"], row.incident.to_string(), "{receipt}");
        assert_eq!(receipt["version"], row.seq, "{receipt}");
        let request = receipt["request"].as_str().context("no request id")?.to_owned();
        let before = by_request.insert(request, position);
        assert!(before.is_none_or(|before| before == position), "recorded twice: {receipt}");
        incidents.insert(row.incident);
        acknowledged.insert(row.first);
    }
    let positions: BTreeSet<u64> = by_request.values().copied().collect();
    assert_eq!(positions.len(), by_request.len(), "two commands share an event");
    let unknown = log.iter().find(|row| incidents.contains(&row.incident) && !acknowledged.contains(&row.first));
    assert!(unknown.is_none(), "nobody was told of {unknown:?}");
    Ok(())
}

/// The end of a run: receipts, feeds, asking everything again, file and invariants.
async fn assert_whole(
    app: &mut TestApp,
    files: &Recorded,
    followers: &mut [Follower],
    run: &str,
    limit: usize,
) -> anyhow::Result<()> {
    for follower in followers.iter_mut() {
        follower.catch_up().await?;
    }
    let events = app.events().await?;
    let again = files.start(app, run, limit)?.report().await?;
    // What was answered is answered the same: a fact that has since become old news, too.
    for not_repeated in ["recorded", "known", "refused"] {
        assert_eq!(again["commands"][not_repeated], 0, "{}", again["commands"]);
    }
    assert_eq!(app.events().await?, events, "asking again records nothing");
    assert_recorded_once(app, files, run).await?;
    // Once more without a farewell: what was acknowledged needs none.
    app.kill()?;
    app.check()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_killed_twenty_times_during_a_replay_loses_nothing_it_acknowledged() -> anyhow::Result<()> {
    let files = Recorded::write(&calls(CALLS), BOUNDARIES)?;
    let (courses, commands) = unbroken(&files)?;
    let (mut app, mut followers) = serve(&files).await?;
    let mut replay = files.start(&app, "killed", CALLS)?;
    let reader = handoff_store::open_reader(&app.database()).await?;
    for moment in moments(20, commands) {
        until_log_is(reader.as_ref(), moment).await?;
        ensure!(replay.runs()?, "the replay was over at entry {moment}");
        app.kill()?;
        app.start()?;
    }
    reader.close().await;
    let report = replay.report().await?;
    assert_eq!(outcome(&report), (courses, commands));
    assert_eq!(report["refused_rows"][0]["line"], CALLS + 2);
    assert_whole(&mut app, &files, &mut followers, "killed", CALLS).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_dies_inside_any_step_of_the_writer_is_ridden_out() -> anyhow::Result<()> {
    let files = Recorded::write(&calls(CALLS), BOUNDARIES)?;
    let (mut app, mut followers) = serve(&files).await?;
    app.kill()?;
    for step in STEPS {
        // The write-ahead log is moved into the database once it has grown, which takes a longer run.
        let housekeeping = step.starts_with("wal.");
        let limit = if housekeeping { CALLS } else { CALLS_AT_A_STEP };
        let times = if housekeeping { 1 } else { rand::rng().random_range(1..=BATCHES_MIN) };
        let at = format!("{step}:{times}");
        app.start_with(&["--crash-at", &at])?;
        let mut replay = files.start(&app, step, limit)?;
        let status = app.ended().await.with_context(|| at.clone())?;
        ensure!(!status.success(), "{at}: it ended by itself: {status}");
        ensure!(replay.runs()?, "{at}: the replay was over by then");
        app.start()?;
        let report = replay.report().await.with_context(|| at.clone())?;
        assert_eq!(report["courses"]["closed"], limit, "{at}");
        assert_whole(&mut app, &files, &mut followers, step, limit).await.with_context(|| at.clone())?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_that_is_killed_and_started_again_comes_to_the_same_end() -> anyhow::Result<()> {
    let files = Recorded::write(&calls(CALLS), BOUNDARIES)?;
    let (courses, commands) = unbroken(&files)?;
    let (mut app, mut followers) = serve(&files).await?;
    let reader = handoff_store::open_reader(&app.database()).await?;
    for moment in moments(4, commands) {
        let mut replay = files.start(&app, "again", CALLS)?;
        until_log_is(reader.as_ref(), moment).await?;
        ensure!(replay.runs()?, "the replay was over at entry {moment}");
        replay.kill()?;
    }
    reader.close().await;
    let report = files.start(&app, "again", CALLS)?.report().await?;
    assert_eq!(outcome(&report), (courses, commands));
    ensure!(report["commands"]["repeated"].as_u64() > Some(0), "nothing was there yet: {}", report["commands"]);
    assert_whole(&mut app, &files, &mut followers, "again", CALLS).await
}

/// How every incident ended: state, custodian, tenure, kind, severity, and what is still owed in it. Times and numbers
/// that follow from them are left out: each run has its own clock.
async fn endings(app: &TestApp) -> anyhow::Result<BTreeMap<String, String>> {
    let reader = handoff_store::open_reader(&app.database()).await?;
    let (mut endings, mut after) = (BTreeMap::new(), None);
    loop {
        let page = reader.cases(CaseFilter::default(), after, 1_000).await?;
        for row in page.cases {
            let mut owed: Vec<_> = reader.obligations_in(row.incident).await?;
            owed.retain(|owed| !owed.done);
            let mut owed: Vec<_> = owed.iter().map(|owed| format!("{} {:?}", owed.duty.as_str(), owed.org)).collect();
            owed.sort();
            let is = (row.state, row.custodian, row.tenure, row.kind, row.severity, row.closed_at.is_some(), owed);
            endings.insert(row.incident.to_string(), format!("{is:?}"));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    reader.close().await;
    Ok(endings)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published_calls_end_the_same_on_either_database_and_over_a_failover() -> anyhow::Result<()> {
    let Some(files) = Recorded::san_francisco()? else {
        println!("skipped: no folder of published data");
        return Ok(());
    };
    let (courses, commands) = played(&files.simulated_until(CALLS_PUBLISHED)?)?;
    let mapping = files.path("mapping.toml");
    let sqlite = format!("sqlite:{}", files.path("replayed.db").display());
    let mut ended = Vec::new();
    for database in [sqlite, Cluster::shared().url(&Cluster::shared().new_database()?)] {
        let mut app = TestApp::prepare_for_over(&mapping, database)?;
        app.start()?;
        let report = files.start(&app, "same", CALLS_PUBLISHED)?.report().await?;
        assert_eq!(outcome(&report), (courses.clone(), commands));
        app.stop().await?;
        ended.push(endings(&app).await?);
    }
    let pair = Pair::start()?;
    let mut app = TestApp::prepare_for_over(&mapping, pair.new_database()?)?;
    app.configure("[evidence]", "durability = \"replicated\"\n\n[evidence]")?;
    app.start()?;
    let mut replay = files.start(&app, "same", CALLS_PUBLISHED)?;
    let reader = handoff_store::open_reader(&app.database()).await?;
    until_log_is(reader.as_ref(), commands / 3).await?;
    reader.close().await;
    ensure!(replay.runs()?, "the replay was over before the failover");
    let _pair = tokio::task::spawn_blocking(|| pair.fail_over()).await??;
    let report = replay.report().await?;
    assert_eq!(outcome(&report), (courses, commands));
    app.stop().await?;
    ended.push(endings(&app).await?);
    // The failover's log is the one with most behind it: two histories, a fenced one among its entries.
    let proven = prove_all(&app).await?;
    println!("{} closed cases exported and verified, {} bytes each", proven.cases, proven.bytes / proven.cases.max(1));
    assert_eq!(proven.cases, ended[0].values().filter(|ending| ending.contains("CLOSED")).count());
    ensure!(proven.cases > CALLS_PUBLISHED / 2, "{proven:?}");
    assert!(ended[0].len() >= CALLS_PUBLISHED, "{}", ended[0].len());
    for (number, other) in ended.iter().enumerate().skip(1) {
        let different = ended[0].iter().find(|(incident, ending)| other.get(*incident) != Some(ending));
        assert_eq!(different, None, "run {number}: {:?}", different.and_then(|(incident, _)| other.get(incident)));
        assert_eq!(ended[0].len(), other.len());
    }
    app.check()?;
    Ok(())
}

/// What the program says of files it cannot use: its exit code and stderr.
fn refused(calls: &str, boundaries: &str) -> anyhow::Result<(Option<i32>, String)> {
    let output = Recorded::write(calls, boundaries)?.simulated()?;
    Ok((output.status.code(), String::from_utf8(output.stderr)?))
}

#[test]
fn a_boundary_file_in_metres_or_with_crossing_rings_is_refused_by_ring_in_both_languages() -> anyhow::Result<()> {
    let metres = BOUNDARIES.replace("87.", "487000.").replace("44.", "4420000.");
    let (code, said) = refused(&calls(3), &metres)?;
    assert_eq!(code, Some(1), "{said}");
    for part in ["map.json", "area \"East\", part 0, ring 0", "metres", "reproject", "区域“East”", "米", "转换"]
    {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    let crossing = BOUNDARIES.replace("[87.1,44.0],[87.1,44.1],[87.0,44.1]", "[87.1,44.1],[87.1,44.0],[87.0,44.1]");
    let (code, said) = refused(&calls(3), &crossing)?;
    assert_eq!(code, Some(1), "{said}");
    for part in ["area \"East\", part 0, ring 0", "crosses", "redraw", "相交", "重画"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    Ok(())
}

#[test]
fn a_table_without_a_column_is_refused_and_cut_lines_are_named_while_the_rest_is_played() -> anyhow::Result<()> {
    let (code, said) = refused(&calls(3).replace("lat,lon", "latitude,lon"), BOUNDARIES)?;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no column \"lat\"") && said.contains("没有列“lat”"), "{said}");
    let files = Recorded::write(&calls(3), BOUNDARIES)?;
    let report: Value = serde_json::from_slice(&files.simulated()?.stdout)?;
    let row = &report["refused_rows"][0];
    assert_eq!((&row["line"], &row["why"]), (&5.into(), &"cut line: 2 of 5 columns".into()));
    assert_eq!(row["why_zh"], "行被截断：5 列中只有 2 列");
    assert_eq!((&report["calls"], &report["courses"]["closed"]), (&3.into(), &3.into()));
    Ok(())
}

#[test]
fn a_service_that_does_not_know_the_organisations_is_refused_with_the_remedy() -> anyhow::Result<()> {
    let app = TestApp::prepare()?;
    let files = Recorded::write(&calls(1), BOUNDARIES)?;
    std::fs::write(files.path("mapping.toml"), MAPPING.replace("\"B\"", "\"C\""))?;
    let (mapping, table, map) = (files.path("mapping.toml"), files.path("calls.csv"), files.path("map.json"));
    let [mapping, table, map] = [mapping, table, map].map(|file| file.to_string_lossy().into_owned());
    let (config, away) = (app.config_file(), "https://localhost:9");
    let args = ["replay", "--mapping", &mapping, "--calls", &table, "--boundaries", &map, "--config", &config];
    let output = app.run(&[args.as_slice(), &["--server", away]].concat())?;
    let said = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no organisation C") && said.contains("dev-ca --folder"), "{said}");
    Ok(())
}
