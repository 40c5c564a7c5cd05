//! The workload of the failover laboratory: two replicas of the service, dispatch systems that write by gRPC,
//! subscribers, and at each check the recorded history held against the log.
//!
//! `failover [--rate N] [--keep FOLDER]` speaks the workload protocol of `deploy/failover-lab/README.md`. It empties the
//! database in `HANDOFF_LAB_URL`. `N` is the number of attempts in a second, of all writers together. `FOLDER` gets the
//! history at every check, and all that a replica has said once it has ended.

use anyhow::{Context, bail};
use handoff_client::{Client, api};
use handoff_domain::ids::OrgId;
use handoff_tests::desk::{Desk, Pace, org_id};
use handoff_tests::history::{Entry, History, LogDump, Recorder, Violation, check_all};
use handoff_tests::load::Progress;
use handoff_tests::replicas::{Keeper, two_replicas};
use handoff_tests::subscribers::{READERS, Subscribers};
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Dispatch systems that write, half of them for each organisation.
const WRITERS: usize = 8;
/// Attempts in a second where nothing else is said.
const RATE: f64 = 40.0;
/// How long a dispatch system waits for an answer before it asks the other replica.
const PATIENCE: Duration = Duration::from_secs(5);
/// Within this time everybody is served again once every fault is over (reliability, C10).
const HEALED_WITHIN: Duration = Duration::from_secs(10);
/// Answers that are waited for after healing: several for each writer.
const ANSWERS_AFTER_HEALING: u64 = 4 * WRITERS as u64;
/// How long it may take until no command is under way.
const REST_LIMIT: Duration = Duration::from_secs(30);
/// Times the ends of the feeds are asked for, half a second apart.
const POSITION_ATTEMPTS_MAX: usize = 30;
const POSITION_PAUSE: Duration = Duration::from_millis(500);
/// Longest time one of these answers is waited for.
const POSITION_LIMIT: Duration = Duration::from_secs(2);
/// Violations of each check that are printed; all of them are counted.
const SHOWN_MAX: usize = 5;
/// Lines of a replica's last words that are printed.
const LAST_WORDS: usize = 3;
/// Commands of the laboratory that may wait to be read.
const COMMANDS_WAITING_MAX: usize = 16;
/// What empties the database: everything of the service is in this schema.
const EMPTY: &str = "DROP SCHEMA public CASCADE; CREATE SCHEMA public";

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let options = Options::read(std::env::args().skip(1))?;
    let mut commands = commands();
    let mut run = Run::start(options).await?;
    while let Some(command) = commands.recv().await {
        match command.split_whitespace().next() {
            Some("check") => run.check().await?,
            // Which round it is stands in the laboratory's own history.
            Some("round") => {}
            _ => bail!("the laboratory asks for something unknown: {command}"),
        }
    }
    run.finish()
}

struct Options {
    rate: f64,
    keep: Option<PathBuf>,
}

impl Options {
    fn read(mut args: impl Iterator<Item = String>) -> anyhow::Result<Self> {
        let mut options = Self { rate: RATE, keep: None };
        while let Some(name) = args.next() {
            let value = args.next().with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rate" => options.rate = value.parse().context("--rate is a number")?,
                "--keep" => options.keep = Some(value.into()),
                _ => bail!("there is no {name}; there are --rate N and --keep FOLDER"),
            }
        }
        if let Some(folder) = &options.keep {
            std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        }
        Ok(options)
    }
}

/// The lines of standard input, until it ends.
fn commands() -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel(COMMANDS_WAITING_MAX);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tell.blocking_send(line).is_err() {
                return;
            }
        }
    });
    told
}

/// One line to the laboratory. One that does not listen any more closes our input as well, which ends everything.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn acknowledge(request: &str) {
    say(&format!("ack {request}"));
}

/// A replica ended by itself.
fn ended(name: &str, how: &str, said: &str) {
    say(&format!("ended {}", json!({ "replica": name, "how": how })));
    let lines: Vec<&str> = said.lines().collect();
    for line in &lines[lines.len().saturating_sub(LAST_WORDS)..] {
        say(&format!("said {}", json!({ "replica": name, "line": line })));
    }
}

struct Run {
    database: String,
    recorder: Arc<Recorder>,
    progress: Arc<Progress>,
    writers: JoinSet<anyhow::Result<()>>,
    subscribers: Subscribers,
    keepers: [Keeper; 2],
    /// Of each organisation, at each replica, somebody who may ask where the feed ends.
    readers: Vec<(OrgId, [Client; 2])>,
    /// What ended that should not have: a writer without an answer, a subscriber that was sent away.
    troubles: Vec<Violation>,
    keep: Option<PathBuf>,
}

impl Run {
    async fn start(options: Options) -> anyhow::Result<Self> {
        let database = std::env::var("HANDOFF_LAB_URL").context("HANDOFF_LAB_URL names the database")?;
        let gate = std::env::var("HANDOFF_LAB_GATE").unwrap_or_default();
        empty(&database)?;
        let replicas = two_replicas(database.clone(), gate != "off").await?;
        let (recorder, progress) = (Arc::new(Recorder::new()), Arc::new(Progress::default()));
        let subscribers = Subscribers::start(&replicas, &recorder, &progress)?;
        let mut writers = JoinSet::new();
        let every = Duration::from_secs_f64(WRITERS as f64 / options.rate);
        for number in 0..WRITERS {
            let pace = Some(Pace::new(every, PATIENCE, acknowledge));
            writers.spawn(Desk::new(number, &replicas, &recorder, &progress, pace)?.work(number));
        }
        let reader = |(org, name)| {
            let clients = [replicas[0].client(name)?, replicas[1].client(name)?];
            anyhow::Ok((org_id(org)?, clients))
        };
        let readers = READERS.into_iter().map(reader).collect::<Result<_, _>>()?;
        let [one, two] = replicas;
        let log = |name: &str| options.keep.as_ref().map(|folder| folder.join(name));
        let keepers =
            [Keeper::of("first", one, log("first.log"), ended), Keeper::of("second", two, log("second.log"), ended)];
        let (troubles, keep) = (Vec::new(), options.keep);
        Ok(Self { database, recorder, progress, writers, subscribers, keepers, readers, troubles, keep })
    }

    /// Everything is healed, the laboratory says. The load rests until the log is read, and goes on while it is judged.
    async fn check(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        self.recorder.healed(HEALED_WITHIN);
        // Whether everybody was served in time is C10's to say.
        let enough = self.progress.answered() + ANSWERS_AFTER_HEALING;
        let _ = self.progress.until_within(enough, HEALED_WITHIN).await;
        self.rest().await?;
        let copied = self.copy().await;
        let (acked, unknown) = (self.progress.answered(), self.progress.unknown());
        self.subscribers.go_on();
        self.progress.go_on();
        let (copy, entries) = copied?;
        let rested = begun.elapsed();
        let history = copy.history(entries).await?;
        let file = self.keep.as_ref().map(|folder| folder.join("history.jsonl"));
        let judged = tokio::task::spawn_blocking(move || judge(&history, file.as_deref()));
        let mut violations = judged.await??;
        violations.extend(self.troubles.iter().cloned());
        let refusals = self.progress.refusals().into_iter();
        violations.extend(refusals.map(|detail| Violation { check: "writer", detail }));
        show(&violations);
        let times = json!({ "rested_by_s": rested.as_secs_f64(), "judged_by_s": begun.elapsed().as_secs_f64() });
        say(&format!("checked {times}"));
        let of = |checks: &[&str]| violations.iter().filter(|is| checks.contains(&is.check)).count();
        let ends: u64 = self.keepers.iter().map(Keeper::ends).sum();
        let result = json!({ "acked": acked, "unknown": unknown, "lost": of(&["C1"]), "doubled": of(&["C2", "C3"]),
            "violations": violations.len(), "restarts": ends });
        say(&format!("result {result}"));
        Ok(())
    }

    /// Waits until no command is under way. A writer that has ended has none, and is a trouble.
    async fn rest(&mut self) -> anyhow::Result<()> {
        loop {
            let working = self.writers.len();
            let ended = tokio::select! {
                biased;
                Some(ended) = self.writers.join_next() => ended,
                held = self.progress.hold(working, REST_LIMIT) => return held,
            };
            let why = ended.map_err(anyhow::Error::from).and_then(|ended| ended).err();
            let detail = why.map_or_else(|| "a writer ended".to_owned(), |why| format!("a writer ended: {why:#}"));
            self.troubles.push(Violation { check: "writer", detail });
        }
    }

    /// A copy of the database, made while no command is under way, and what was recorded up to then. Timers write and
    /// replicas publish at all times, so everybody has to receive what is in the copy, and may have received more.
    async fn copy(&mut self) -> anyhow::Result<(Copy, Vec<Entry>)> {
        let ends = self.ends().await?;
        for (org, number) in &ends {
            self.recorder.feed_end(org, *number);
        }
        self.reach(&ends).await;
        let copy = Copy::make(&self.database, self.recorder.now()).await?;
        self.reach(&copy.ends().await?).await;
        Ok((copy, self.recorder.entries()))
    }

    /// Waits for the subscribers. Who is late is C10's to name; who was sent away is not in the history.
    async fn reach(&mut self, ends: &BTreeMap<OrgId, u64>) {
        if let Err(late) = self.subscribers.reach(ends, HEALED_WITHIN).await {
            self.troubles.push(Violation { check: "subscriber", detail: format!("{late:#}") });
        }
    }

    /// Where the feeds end, as either replica says.
    async fn ends(&self) -> anyhow::Result<BTreeMap<OrgId, u64>> {
        let mut ends = BTreeMap::new();
        for (org, clients) in &self.readers {
            let mut turns = tokio::time::interval(POSITION_PAUSE);
            for attempt in 0..POSITION_ATTEMPTS_MAX {
                turns.tick().await;
                let mut feed = clients[attempt % clients.len()].feed();
                let answer = feed.get_position(api::GetPositionRequest {});
                if let Ok(Ok(position)) = tokio::time::timeout(POSITION_LIMIT, answer).await {
                    ends.insert(org.clone(), position.into_inner().head_number);
                    break;
                }
            }
            if !ends.contains_key(org) {
                bail!("no replica says where the feed of {org} ends");
            }
        }
        Ok(ends)
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.writers.abort_all();
        for keeper in self.keepers {
            keeper.finish()?;
        }
        Ok(())
    }
}

/// The database at one moment.
struct Copy {
    /// Where its file is, as long as this value is.
    _folder: TempDir,
    url: String,
    /// When it was begun, in the recorder's time.
    begun: u64,
}

impl Copy {
    async fn make(database: &str, begun: u64) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("copy.db");
        handoff_store::backup(database, &file).await.context("copy the database")?;
        let url = format!("sqlite:{}", file.display());
        // A copy leaves the journal mode behind that every reader insists on.
        handoff_store::migrate(&url).await?;
        Ok(Self { _folder: folder, url, begun })
    }

    /// Where the feeds end in it.
    async fn ends(&self) -> anyhow::Result<BTreeMap<OrgId, u64>> {
        let reader = handoff_store::open_reader(&self.url).await?;
        let heads = reader.feed_heads().await;
        reader.close().await;
        Ok(heads?.into_iter().map(|head| (head.org, head.number)).collect())
    }

    /// The history up to it. What was received after it was begun and lies beyond its end is for the next check; what
    /// was received before has to be in it.
    async fn history(&self, mut entries: Vec<Entry>) -> anyhow::Result<History> {
        let reader = handoff_store::open_reader(&self.url).await?;
        let log = LogDump::read(reader.as_ref(), &entries).await;
        reader.close().await;
        let log = log?;
        let end = log.events.last().map_or(0, |event| event.position + 1);
        entries.retain(|entry| !matches!(entry, Entry::Received(is) if is.at > self.begun && is.position >= end));
        Ok(History { entries, log })
    }
}

/// Earlier rounds may have left something: a log of other keys, or rows of the laboratory's own writer.
fn empty(database: &str) -> anyhow::Result<()> {
    let done = Command::new("psql").args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", EMPTY]).output()?;
    let said = String::from_utf8_lossy(&done.stderr);
    anyhow::ensure!(done.status.success(), "the database could not be emptied: {said}");
    Ok(())
}

/// Writes the history where it is kept, and checks it.
fn judge(history: &History, file: Option<&Path>) -> anyhow::Result<Vec<Violation>> {
    if let Some(file) = file {
        let into = File::create(file).with_context(|| format!("write {}", file.display()))?;
        history.write(BufWriter::new(into))?;
    }
    Ok(check_all(history))
}

/// To the laboratory's history, and to whoever watches.
fn show(violations: &[Violation]) {
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    for violation in violations {
        let count = shown.entry(violation.check).or_default();
        *count += 1;
        if *count <= SHOWN_MAX {
            say(&format!("violation {}", json!(violation.to_string())));
            let _ = writeln!(std::io::stderr(), "violation {violation}");
        }
    }
}
