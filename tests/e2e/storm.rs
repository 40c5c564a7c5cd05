//! Two replicas on one replicated PostgreSQL, while everything around them breaks: what was acknowledged is there once,
//! what was refused is not, no subscriber missed anything or saw what is gone. Judged from the recorded history.

use anyhow::{Context, ensure};
use handoff_client::{Client, Watch, api};
use handoff_cluster::{Cluster, Mode};
use handoff_domain::ids::{ClientId, Digest, IncidentId, OrgId};
use handoff_tests::app::TestApp;
use handoff_tests::history::{Acked, Bytes, History, Received, Recorder, Who, check_all};
use handoff_tests::load::{Progress, Sent};
use handoff_tests::pair::Pair;
use handoff_tests::play::position;
use prost::Message;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Commands that must be answered before the storm may end.
const COMMANDS_MIN: u64 = 10_000;
/// How long the whole storm may take.
const STORM_LIMIT: Duration = Duration::from_secs(240);
/// Within this time everybody is served again once every fault is over (reliability, C10).
const HEALED_WITHIN: Duration = Duration::from_secs(10);
/// Dispatch systems that write, half of them for each organisation.
const WRITERS: usize = 8;

/// What a writer needs: both replicas, its own scope, and where to write down what happens.
#[derive(Clone)]
struct Desk {
    replicas: [Client; 2],
    who: Who,
    recorder: Arc<Recorder>,
    progress: Arc<Progress>,
}

fn incident_id(text: &str) -> anyhow::Result<IncidentId> {
    Ok(IncidentId(text.parse()?))
}

/// Waits for so many more answers.
async fn more(progress: &Progress, count: u64) -> anyhow::Result<()> {
    progress.until_within(progress.answered() + count, STORM_LIMIT).await
}

/// Request id and content of a command.
fn asked(sent: &Sent) -> (&str, Vec<u8>) {
    match sent {
        Sent::Receive(is) => (&is.request_id, is.encode_to_vec()),
        Sent::Note(is) => (&is.request_id, is.encode_to_vec()),
    }
}

impl Desk {
    /// Asks until the answer is definite, of one replica and the other in turn.
    async fn ask(&self, sent: &Sent, first: usize) -> anyhow::Result<bool> {
        let ((request, content), incident) = (asked(sent), sent.incident());
        for attempt in 0.. {
            let op = self.recorder.invoke(&self.who, request.parse()?, &content);
            match sent.call(&self.replicas[(first + attempt) % 2]).await {
                Ok(reply) => {
                    let answer = api::MoveReply { replayed: false, ..reply.clone() };
                    self.recorder.ok(Acked {
                        op,
                        answer: Bytes(answer.encode_to_vec()),
                        position: reply.position,
                        incident: incident_id(incident)?,
                        version: reply.version,
                        hash: Digest::parse(&reply.event_hash),
                        replayed: reply.replayed,
                        at: 0,
                    });
                    self.progress.one_more();
                    return Ok(true);
                }
                Err(status) => {
                    let reason = handoff_client::reason(&status).unwrap_or_else(|| format!("{:?}", status.code()));
                    let asks_again = handoff_client::definite(&status) == handoff_client::Attempt::AskAgain;
                    if reason == "NOT_ACCEPTED" || reason == "QUEUE_FULL" {
                        self.recorder.no(op, &reason);
                        tokio::task::yield_now().await;
                    } else if asks_again {
                        self.recorder.unknown(op, &reason);
                        tokio::task::yield_now().await;
                    } else {
                        self.recorder.no(op, &reason);
                        anyhow::bail!("a command was refused: {}", handoff_client::explain(&status));
                    }
                }
            }
            ensure!(attempt < 200_000, "a command found no answer");
        }
        Ok(false)
    }

    /// Incidents with notes, until the storm is over; now and then one is read.
    async fn work(self, number: usize) -> anyhow::Result<()> {
        let mut round = number;
        while !self.progress.is_over() {
            let commands = Sent::incident_with_notes(6);
            for (number, sent) in commands.iter().enumerate() {
                self.ask(sent, round + number).await?;
            }
            self.read(commands[0].incident(), round).await?;
            round += 1;
        }
        self.recorder.writer_left(&self.who);
        Ok(())
    }

    async fn read(&self, incident: &str, at: usize) -> anyhow::Result<()> {
        let begun = self.recorder.now();
        let request = api::GetIncidentRequest { incident: incident.into() };
        if let Ok(reply) = self.replicas[at % 2].incidents().get_incident(request).await {
            let version = reply.into_inner().version;
            self.recorder.read(begun, incident_id(incident)?, version, None);
        }
        Ok(())
    }
}

/// Takes a feed in, over every break, until it has reached the goal. A slow one takes its next message only after the
/// writers have got on by a good deal.
async fn follow(
    (client, org, name): (Client, OrgId, String),
    slow: Option<Arc<Progress>>,
    recorder: Arc<Recorder>,
    mut goal: watch::Receiver<BTreeMap<OrgId, u64>>,
) -> anyhow::Result<()> {
    let mut stream = Watch::from_token(client, String::new());
    recorder.resumed(&name, &org, 0);
    let mut last = 0;
    loop {
        let end = goal.borrow_and_update().get(&org).copied();
        if end.is_some_and(|end| last >= end) {
            return Ok(());
        }
        if let (Some(progress), None) = (&slow, end) {
            tokio::select! {
                more = more(progress, 700) => more?,
                changed = goal.changed() => changed?,
            }
        }
        let batch = tokio::select! {
            batch = stream.next() => batch?,
            changed = goal.changed() => { changed?; continue }
        };
        for entry in batch.entries {
            last = entry.number;
            recorder.received(Received {
                subscriber: name.clone(),
                org: org.clone(),
                number: entry.number,
                position: entry.position,
                first: None,
                hash: Digest::parse(&entry.event_hash),
                incident: incident_id(&entry.incident)?,
                seq: entry.seq,
                at: 0,
            });
        }
    }
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
        let mut one = TestApp::prepare_over(pair.new_database()?)?;
        one.configure("[evidence]", "durability = \"replicated\"\nstandbys = 1\n\n[evidence]")?;
        let mut two = one.replica("second")?;
        two.configure("[evidence]", "durability = \"replicated\"\nstandbys = 1\n\n[evidence]")?;
        one.start()?;
        handoff_tests::play::furnish(&one).await?;
        two.start()?;
        Ok(Self { pair, replicas: [one, two], progress: Arc::default() })
    }

    fn desks(&self, recorder: &Arc<Recorder>) -> anyhow::Result<Vec<Desk>> {
        let desk = |number: usize| {
            let (name, org, client) =
                if number.is_multiple_of(2) { ("a-system", "A", "cad-a") } else { ("b-system", "B", "cad-b") };
            let who = Who { org: org_id(org)?, client: ClientId::new(client).context("a client id")? };
            let replicas = [self.replicas[0].client(name)?, self.replicas[1].client(name)?];
            Ok(Desk { replicas, who, recorder: recorder.clone(), progress: self.progress.clone() })
        };
        (0..WRITERS).map(desk).collect()
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

fn org_id(name: &str) -> anyhow::Result<OrgId> {
    OrgId::new(name).context("the name of an organisation")
}

/// Three subscribers of each organisation, one of them slow, spread over both replicas.
fn subscribe(
    world: &World,
    recorder: &Arc<Recorder>,
    goal: &watch::Receiver<BTreeMap<OrgId, u64>>,
) -> anyhow::Result<JoinSet<anyhow::Result<()>>> {
    let mut subscribers = JoinSet::new();
    for number in 0..6_usize {
        let (name, org) = if number.is_multiple_of(2) { ("a-dispatcher", "A") } else { ("b-dispatcher", "B") };
        let client = world.replicas[number / 3].client(name)?;
        let slow = (number >= 4).then(|| world.progress.clone());
        let who = (client, org_id(org)?, format!("{org}-{number}"));
        subscribers.spawn(follow(who, slow, recorder.clone(), goal.clone()));
    }
    Ok(subscribers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_doubled_or_missed_while_everything_breaks() -> anyhow::Result<()> {
    let mut world = World::build().await?;
    let recorder = Arc::new(Recorder::new());
    let (tell, goal) = watch::channel(BTreeMap::new());
    let mut subscribers = subscribe(&world, &recorder, &goal)?;
    let mut writers = JoinSet::new();
    for (number, desk) in world.desks(&recorder)?.into_iter().enumerate() {
        writers.spawn(desk.work(number));
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
    for (name, org) in [("a-dispatcher", "A"), ("b-dispatcher", "B")] {
        let end = position(&world.replicas[0], name).await?.head_number;
        recorder.feed_end(&org_id(org)?, end);
        ends.insert(org_id(org)?, end);
    }
    tell.send(ends)?;
    let all = async {
        while let Some(subscriber) = subscribers.join_next().await {
            subscriber??;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(HEALED_WITHIN, all).await.context("a subscriber did not reach the end of its feed")??;
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
    let answered = world.progress.answered();
    assert!(answered >= COMMANDS_MIN, "{answered} commands");
    let fences = history.log.events.iter().filter(|event| event.type_name == "log_fenced").count();
    assert_eq!(fences, 1, "the promotion is written into the log, once for both replicas");
    world.replicas[0].check()?;
    Ok(())
}
