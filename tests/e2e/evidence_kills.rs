//! The service is killed over and over under load: what was signed once is signed the same ever after, no size of the log
//! has two roots, and what was acknowledged is at its place.

use super::evidence::mirrored;
use anyhow::{Context, ensure};
use handoff_client::{Attempt, Client, api, definite};
use handoff_evidence::event::hash;
use handoff_evidence::leaf::{Leaf, checksum};
use handoff_evidence::log::LogKey;
use handoff_evidence::merkle::{Edge, Hash};
use handoff_evidence::note::Checkpoint;
use handoff_tests::app::TestApp;
use handoff_tests::load::{Progress, Sent};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// How often the service is killed: on SQLite, and on PostgreSQL, where a start takes longer.
const KILLS: (u32, u32) = (200, 60);
/// Replies and checkpoints that are new, of which one more after a start is the moment of the next kill.
const MOMENT: std::ops::RangeInclusive<u64> = 1..=40;
/// Dispatch systems at work.
const SYSTEMS: usize = 3;
/// How long somebody whose service is gone waits for the next one before asking again.
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// Between two looks at the newest checkpoint.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Everything the service has ever shown or acknowledged, kept outside of it.
#[derive(Default)]
struct Shown {
    /// Checkpoints by their text.
    notes: BTreeSet<String>,
    /// Entries as they were streamed, from index 0.
    entries: Vec<api::LogEntry>,
    replies: Vec<api::MoveReply>,
}

#[derive(Default)]
struct Desk {
    shown: Mutex<Shown>,
    /// Counts replies and new checkpoints.
    progress: Progress,
    lives: watch::Sender<u32>,
}

impl Desk {
    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: String) {
        if self.shown().notes.insert(note) {
            self.progress.one_more();
        }
    }

    fn acknowledged(&self, reply: api::MoveReply) {
        self.shown().replies.push(reply);
        self.progress.one_more();
    }

    /// The next life of the service, or a moment later: a connection may break late.
    async fn reborn(lives: &mut watch::Receiver<u32>) {
        let _ = tokio::time::timeout(ASK_AGAIN, lives.changed()).await;
    }
}

/// A dispatch system. What broke off is left: only what was acknowledged counts here.
async fn work(client: Client, desk: Arc<Desk>) -> anyhow::Result<()> {
    let mut lives = desk.lives.subscribe();
    while !desk.progress.is_over() {
        for sent in Sent::incident_with_notes(5) {
            lives.borrow_and_update();
            match sent.call(&client).await {
                Ok(reply) => desk.acknowledged(reply),
                Err(status) => {
                    let lost = "what it builds on was acknowledged, and is refused";
                    ensure!(definite(&status) == Attempt::AskAgain, "{lost}: {status}");
                    Desk::reborn(&mut lives).await;
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Asks for the newest checkpoint all the time.
async fn look(client: Client, desk: Arc<Desk>) -> anyhow::Result<()> {
    let mut lives = desk.lives.subscribe();
    let mut ticks = tokio::time::interval(LOOK_AGAIN);
    loop {
        ticks.tick().await;
        lives.borrow_and_update();
        match client.evidence().get_checkpoint(api::GetCheckpointRequest::default()).await {
            Ok(told) => {
                let told = told.into_inner();
                ensure!(told.halted.is_empty(), "the service signs no more: {}", told.halted);
                desk.note(told.note);
            }
            Err(_) => Desk::reborn(&mut lives).await,
        }
    }
}

/// Mirrors the log as a witness would, over every break, from where it is.
async fn mirror(client: Client, desk: Arc<Desk>) -> anyhow::Result<()> {
    let mut lives = desk.lives.subscribe();
    loop {
        lives.borrow_and_update();
        let from_index = desk.shown().entries.len() as u64;
        let request = api::StreamEntriesRequest { from_index };
        if let Ok(stream) = client.evidence().stream_entries(request).await {
            let mut stream = stream.into_inner();
            while let Ok(Some(message)) = stream.message().await {
                for entry in message.entries {
                    let mut shown = desk.shown();
                    let next = shown.entries.len() as u64;
                    ensure!(entry.index == next, "entry {} was sent where {next} follows", entry.index);
                    shown.entries.push(entry);
                }
                if !message.checkpoint.is_empty() {
                    desk.note(message.checkpoint);
                }
            }
        }
        Desk::reborn(&mut lives).await;
    }
}

/// Whoever looks on has no end of its own, and must not have come to one.
async fn ended(lookers: Vec<JoinHandle<anyhow::Result<()>>>) -> anyhow::Result<()> {
    for looker in lookers {
        looker.abort();
        match looker.await {
            Ok(ended) => ended?,
            Err(error) if error.is_cancelled() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The root of each size of the log of now, by the leaves themselves.
fn roots(entries: &[api::LogEntry]) -> anyhow::Result<Vec<Hash>> {
    let (mut edge, mut roots) = (Edge::new(), Vec::with_capacity(entries.len()));
    for (index, entry) in entries.iter().enumerate() {
        let leaf = Leaf::from_bytes(&entry.leaf.as_slice().try_into().context("a leaf of 128 bytes")?);
        ensure!(leaf.checksum() == checksum(hash(&entry.event)), "leaf {index} is that of another event");
        edge.push(leaf.hash());
        roots.push(edge.root());
    }
    Ok(roots)
}

/// Every checkpoint ever shown is one of the log of now, and of each size there is one.
fn assert_no_fork(notes: &BTreeSet<String>, roots: &[Hash], key: &LogKey) -> anyhow::Result<()> {
    let mut by_size: BTreeMap<u64, &str> = BTreeMap::new();
    for note in notes {
        let shown = Checkpoint::read(note.as_bytes())?;
        shown.verify_log(&key.public()).context("shown, and not signed by the log")?;
        let size = shown.head.size;
        let other = by_size.insert(size, note);
        ensure!(other.is_none(), "two checkpoints of size {size} were shown:\n{note}\n{}", other.unwrap_or_default());
        let at = usize::try_from(size)?.checked_sub(1).context("a checkpoint of nothing")?;
        let now =
            roots.get(at).with_context(|| format!("size {size} was shown, the log has {} entries", roots.len()))?;
        ensure!(shown.head.root == *now, "the root shown for size {size} is none of the log of now");
    }
    Ok(())
}

/// Every entry streamed and every event acknowledged is where it was said to be.
fn assert_nothing_lost(shown: &Shown, entries: &[api::LogEntry]) -> anyhow::Result<()> {
    ensure!(
        shown.entries.len() <= entries.len(),
        "{} entries were streamed, {} are there",
        shown.entries.len(),
        entries.len()
    );
    for (streamed, now) in shown.entries.iter().zip(entries) {
        ensure!(streamed == now, "entry {} was streamed as another one", streamed.index);
    }
    for reply in &shown.replies {
        let entry = entries.get(usize::try_from(reply.position)?);
        let entry = entry.with_context(|| format!("the event acknowledged at {} is lost", reply.position))?;
        let recorded = hash(&entry.event).to_string();
        ensure!(recorded == reply.event_hash, "at {} stands another event than was acknowledged", reply.position);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_random_moments_the_log_never_forks_and_loses_no_leaf() -> anyhow::Result<()> {
    let seed = match std::env::var("HANDOFF_TEST_SEED") {
        Ok(given) => given.parse().context("HANDOFF_TEST_SEED is a number")?,
        Err(_) => rand::rng().random::<u64>(),
    };
    println!("HANDOFF_TEST_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let mut app = TestApp::furnished(false).await?;
    let kills = if app.database().starts_with("postgres") { KILLS.1 } else { KILLS.0 };
    let desk = Arc::new(Desk::default());
    let mut systems = JoinSet::new();
    for _ in 0..SYSTEMS {
        systems.spawn(work(app.client("a-system")?, desk.clone()));
    }
    let lookers = vec![
        tokio::spawn(look(app.client("a-witness")?, desk.clone())),
        tokio::spawn(mirror(app.client("b-witness")?, desk.clone())),
    ];
    for kill in 1..=kills {
        let moment = desk.progress.answered() + rng.random_range(MOMENT);
        desk.progress.until(moment).await.with_context(|| format!("before kill {kill}"))?;
        app.kill()?;
        app.start().with_context(|| format!("after kill {kill}"))?;
        desk.lives.send_modify(|life| *life += 1);
    }
    desk.progress.end();
    while let Some(system) = systems.join_next().await {
        system??;
    }
    ended(lookers).await?;

    let (entries, newest) = mirrored(&app, "auditor", app.events().await?).await?;
    let roots = roots(&entries)?;
    ensure!(roots.last() == Some(&newest.head.root), "the newest checkpoint is not that of the entries");
    let seed: [u8; 32] = std::fs::read(app.path("log.key"))?.try_into().ok().context("a log key has 32 bytes")?;
    {
        let shown = desk.shown();
        let (notes, replies) = (shown.notes.len(), shown.replies.len());
        println!("{kills} kills, {replies} replies, {notes} checkpoints, {} entries", entries.len());
        assert!(notes as u64 > u64::from(kills) / 4 && replies as u64 > u64::from(kills), "there was load");
        assert_no_fork(&shown.notes, &roots, &LogKey::from_seed(&seed))?;
        assert_nothing_lost(&shown, &entries)?;
    }
    app.stop().await?;
    app.check()?;
    Ok(())
}
