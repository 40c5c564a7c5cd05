//! Two replicas on one replicated PostgreSQL, while everything around them breaks: what was acknowledged is there once,
//! what was refused is not, no subscriber missed anything or saw what is gone. Judged from the recorded history.

use anyhow::{Context, ensure};
use handoff_cluster::{Cluster, Mode};
use handoff_tests::app::TestApp;
use handoff_tests::desk::{Desk, org_id};
use handoff_tests::history::{History, Recorder, check_all};
use handoff_tests::load::Progress;
use handoff_tests::pair::Pair;
use handoff_tests::play::position;
use handoff_tests::replicas::two_replicas;
use handoff_tests::subscribers::{READERS, Subscribers};
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Commands that must be answered before the storm may end.
const COMMANDS_MIN: u64 = 10_000;
/// How long the whole storm may take.
const STORM_LIMIT: Duration = Duration::from_secs(240);
/// Within this time everybody is served again once every fault is over (reliability, C10).
const HEALED_WITHIN: Duration = Duration::from_secs(10);
/// Dispatch systems that write, half of them for each organisation.
const WRITERS: usize = 8;

/// Waits for so many more answers.
async fn more(progress: &Progress, count: u64) -> anyhow::Result<()> {
    progress.until_within(progress.answered() + count, STORM_LIMIT).await
}

/// Everything the storm breaks.
struct World {
    pair: Pair,
    replicas: [TestApp; 2],
    progress: Arc<Progress>,
}

impl World {
    async fn build() -> anyhow::Result<Self> {
        let pair = Pair::start()?;
        let replicas = two_replicas(pair.new_database()?, true).await?;
        Ok(Self { pair, replicas, progress: Arc::default() })
    }

    /// The connection of a commit ends before its answer comes.
    async fn lose_answers(&self) -> anyhow::Result<()> {
        for _ in 0..6 {
            more(&self.progress, 100).await?;
            self.pair.proxy.cut_after_client_sends(b"noted", 2);
        }
        for _ in 0..6 {
            more(&self.progress, 100).await?;
            self.pair.primary.terminate("application_name = 'handoff writer'")?;
        }
        more(&self.progress, 100).await?;
        self.pair.proxy.cut();
        Ok(())
    }

    async fn kill_replicas(&mut self) -> anyhow::Result<()> {
        for round in 0..6 {
            more(&self.progress, 150).await?;
            let replica = &mut self.replicas[round % 2];
            replica.kill()?;
            replica.start()?;
        }
        Ok(())
    }

    async fn restart_database(&self) -> anyhow::Result<()> {
        for _ in 0..3 {
            more(&self.progress, 150).await?;
            let primary = self.pair.primary.clone();
            tokio::task::spawn_blocking(move || primary.restart(Mode::Immediate)).await??;
        }
        Ok(())
    }

    /// Somebody writes elsewhere in the same database and does not come to an end.
    async fn hold_a_transaction_open(&self) -> anyhow::Result<()> {
        let mut bystander = Bystander::begin(&self.pair.primary)?;
        more(&self.progress, 600).await?;
        bystander.end()
    }

    /// The primary is lost with a commit that the new one lacks. Only what the new one holds was acknowledged or shown.
    async fn fail_over(mut self) -> anyhow::Result<Self> {
        more(&self.progress, 200).await?;
        let pair = self.pair;
        self.pair = tokio::task::spawn_blocking(|| pair.fail_over()).await??;
        more(&self.progress, 500).await?;
        Ok(self)
    }
}

/// A session with an open writing transaction.
struct Bystander(Child);

impl Bystander {
    fn begin(cluster: &Cluster) -> anyhow::Result<Self> {
        cluster.psql("postgres", "CREATE TABLE IF NOT EXISTS bystander (n int)")?;
        let url = cluster.admin_url("postgres");
        let mut child =
            cluster.program("psql").arg("-qX").arg(url).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let input = child.stdin.as_mut().context("psql has no input")?;
        input.write_all(b"BEGIN; INSERT INTO bystander VALUES (1);\n")?;
        input.flush()?;
        let open = "SELECT count(*) = 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE '%bystander%'";
        cluster.wait_for("an open transaction", open)?;
        Ok(Self(child))
    }

    fn end(&mut self) -> anyhow::Result<()> {
        drop(self.0.stdin.take());
        ensure!(self.0.wait()?.success(), "the bystander's session failed");
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_missed_while_everything_breaks() -> anyhow::Result<()> {
    let mut world = World::build().await?;
    let recorder = Arc::new(Recorder::new());
    let mut subscribers = Subscribers::start(&world.replicas, &recorder, &world.progress)?;
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        writers.spawn(Desk::new(number, &world.replicas, &recorder, &world.progress, None)?.work(number));
    }
    world.lose_answers().await?;
    world.kill_replicas().await?;
    world.restart_database().await?;
    world.hold_a_transaction_open().await?;
    world = world.fail_over().await?;
    world.progress.until_within(COMMANDS_MIN, STORM_LIMIT).await?;

    recorder.healed(HEALED_WITHIN);
    more(&world.progress, 200).await?;
    world.progress.end();
    while let Some(writer) = writers.join_next().await {
        writer??;
    }
    let mut ends = BTreeMap::new();
    for (org, reader) in READERS {
        let end = position(&world.replicas[0], reader).await?.head_number;
        recorder.feed_end(&org_id(org)?, end);
        ends.insert(org_id(org)?, end);
    }
    subscribers.reach(&ends, HEALED_WITHIN).await?;
    judge(world, &recorder).await
}

/// Reads the log at rest and holds the history against it.
async fn judge(mut world: World, recorder: &Recorder) -> anyhow::Result<()> {
    for replica in &mut world.replicas {
        replica.stop().await?;
    }
    let reader = handoff_store::open_reader(&world.replicas[0].database()).await?;
    let history: History = recorder.finish(reader.as_ref()).await?;
    reader.close().await;
    let violations = check_all(&history);
    assert!(
        violations.is_empty(),
        "{} violations, the first: {:#?}",
        violations.len(),
        &violations[..violations.len().min(5)]
    );
    assert_eq!(world.progress.refusals(), [""; 0], "no command is refused");
    let answered = world.progress.answered();
    assert!(answered >= COMMANDS_MIN, "{answered} commands");
    let fences = history.log.events.iter().filter(|event| event.type_name == "log_fenced").count();
    assert_eq!(fences, 1, "the promotion is written into the log, once for both replicas");
    world.replicas[0].check()?;
    Ok(())
}
