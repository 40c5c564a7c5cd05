//! The one way in: a task that owns the only writing connection, takes whatever waits as one batch, and answers after
//! it is durable (reliability, 3). It is never inside `select!` while it writes, never aborted, never in a pool.

use crate::answer::Answer;
use crate::batch::{Auditors, Outcome, Overlay};
use crate::clock::Clock;
use crate::feed::Published;
use crate::job::{Chore, Job, NoAnswer, Reply};
use crate::memory::{Entry, LoadError, Memory, Stored, load};
use handoff_domain::directory::Directory;
use handoff_domain::ids::IncidentId;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::time::{Millis, SECOND};
use handoff_evidence::event::decode;
use handoff_store::rows::{AnswerId, AuditRow, CursorRow};
use handoff_store::{AppendError, Reader, Writer as StoreWriter};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Commands in one batch.
pub const BATCH_COMMANDS_MAX: usize = 256;
/// Facts that may wait; one more is refused with a hint when to ask again.
pub const QUEUE_FACTS_MAX: usize = 256;
/// Decisions that may wait.
pub const QUEUE_DECISIONS_MAX: usize = 256;
/// Cursors and denials that may wait; more denials are dropped and counted.
pub const QUEUE_CHORES_MAX: usize = 256;
/// Times a batch is decided again before the process gives up.
pub const RETRIES_MAX: u32 = 8;
/// Full rows a second for denied attempts; beyond that they are counted in one row.
pub const DENIAL_ROWS_PER_BATCH_MAX: usize = 10;
/// Pause without work after which the store tidies up.
pub const IDLE_MS: i64 = 5 * SECOND;

/// Something after which only a restart helps: crash-only (reliability, 2).
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The store cannot be written.
    #[error("the store cannot be written")]
    Append(#[source] Box<AppendError>),
    /// The store cannot be looked after.
    #[error("the store cannot be looked after")]
    Tidy(#[source] handoff_store::StoreError),
    /// The log holds what cannot be read.
    #[error("the log cannot be read")]
    Load(#[source] Box<LoadError>),
    /// Batch after batch was refused.
    #[error("a batch was refused {RETRIES_MAX} times")]
    Refused,
}

/// Queues into the writer.
#[derive(Debug)]
pub struct Queues {
    /// Facts: intake, units, notes. Shed last.
    pub facts: mpsc::Receiver<Job>,
    /// Decisions; at most half of a batch while facts wait.
    pub decisions: mpsc::Receiver<Job>,
    /// Cursors and denials.
    pub chores: mpsc::Receiver<Chore>,
}

/// The writer's task.
pub struct Writer {
    store: Box<dyn StoreWriter>,
    reader: Arc<dyn Reader>,
    memory: Memory,
    clock: Arc<dyn Clock>,
    published: Arc<Published>,
    /// The directory as of the published head, for reads outside the writer.
    directory: tokio::sync::watch::Sender<Arc<Directory>>,
    auditors: Auditors,
}

impl Writer {
    /// A writer over an open store, with memory read from the log.
    #[must_use]
    pub fn new(
        store: Box<dyn StoreWriter>,
        reader: Arc<dyn Reader>,
        memory: Memory,
        clock: Arc<dyn Clock>,
        published: Arc<Published>,
        directory: tokio::sync::watch::Sender<Arc<Directory>>,
        auditors: Auditors,
    ) -> Self {
        Self { store, reader, memory, clock, published, directory, auditors }
    }

    /// Works until every queue is closed and empty, then closes the store.
    ///
    /// # Errors
    /// [`Fatal`]: the caller exits the process.
    pub async fn run(mut self, mut queues: Queues) -> Result<(), Fatal> {
        let (mut jobs, mut chores) = (VecDeque::new(), Vec::new());
        loop {
            if !self.wait(&mut queues, &mut jobs, &mut chores).await? {
                break;
            }
            drain(&mut queues, &mut jobs, &mut chores);
            let started = self.clock.now();
            metrics::histogram!("handoff_commit_batch_commands").record(count(jobs.len()));
            self.batch(&mut jobs, &mut chores).await?;
            metrics::histogram!("handoff_commit_seconds").record(seconds(self.clock.now().since(started)));
            self.store.tidy().await.map_err(Fatal::Tidy)?;
        }
        self.store.close().await.map_err(Fatal::Tidy)
    }

    /// Waits for the first piece of work; `false` when nothing will come any more.
    async fn wait(
        &mut self,
        queues: &mut Queues,
        jobs: &mut VecDeque<Job>,
        chores: &mut Vec<Chore>,
    ) -> Result<bool, Fatal> {
        loop {
            let idle = self.clock.sleep_until(self.clock.now().plus(IDLE_MS));
            // Ends with work, or at once when every queue is closed and empty: the stop never waits for the pause.
            let work = async {
                tokio::select! {
                    biased;
                    Some(job) = queues.facts.recv() => { jobs.push_back(job); true }
                    Some(job) = queues.decisions.recv() => { jobs.push_back(job); true }
                    Some(chore) = queues.chores.recv() => { chores.push(chore); true }
                    else => false,
                }
            };
            tokio::select! {
                biased;
                found = work => return Ok(found),
                () = idle => { self.store.idle().await.map_err(Fatal::Tidy)?; }
            }
        }
    }

    /// One batch, decided again as often as the store says that somebody else was first.
    async fn batch(&mut self, jobs: &mut VecDeque<Job>, chores: &mut Vec<Chore>) -> Result<(), Fatal> {
        let now = self.clock.now();
        self.expire(jobs, now);
        for _ in 0..RETRIES_MAX {
            match self.attempt(jobs, chores, now).await {
                Ok(()) => return Ok(()),
                Err(Miss::Known(ids)) => self.recall(ids).await?,
                Err(Miss::Moved) => self.reload().await?,
                Err(Miss::Rejected(detail)) => {
                    tracing::error!(detail, "a batch was rejected; its commands are tried one by one");
                    return self.one_by_one(jobs, chores, now).await;
                }
                Err(Miss::Fatal(fatal)) => {
                    jobs.drain(..).for_each(|job| answer(job, Err(NoAnswer::Unknown)));
                    return Err(fatal);
                }
            }
        }
        jobs.drain(..).for_each(|job| answer(job, Err(NoAnswer::Unknown)));
        Err(Fatal::Refused)
    }

    /// Commands whose callers have stopped waiting are not begun.
    fn expire(&self, jobs: &mut VecDeque<Job>, now: Millis) {
        let late = |job: &Job| job.deadline.is_some_and(|deadline| deadline < now);
        let mut kept = VecDeque::with_capacity(jobs.len());
        for job in jobs.drain(..) {
            if late(&job) {
                answer(job, Err(NoAnswer::NotAccepted(Reason::NotAccepted)));
            } else {
                kept.push_back(job);
            }
        }
        *jobs = kept;
    }

    async fn one_by_one(
        &mut self,
        jobs: &mut VecDeque<Job>,
        chores: &mut Vec<Chore>,
        now: Millis,
    ) -> Result<(), Fatal> {
        let mut alone = VecDeque::with_capacity(1);
        while let Some(job) = jobs.pop_front() {
            alone.push_back(job);
            match self.attempt(&mut alone, &mut Vec::new(), now).await {
                Ok(()) => {}
                Err(Miss::Known(ids)) => {
                    self.recall(ids).await?;
                    let again = self.attempt(&mut alone, &mut Vec::new(), now).await;
                    if let Err(miss) = again {
                        return Err(miss.into_fatal());
                    }
                }
                Err(miss) => {
                    alone.drain(..).for_each(|job| answer(job, Err(NoAnswer::Unknown)));
                    jobs.drain(..).for_each(|job| answer(job, Err(NoAnswer::Unknown)));
                    return Err(miss.into_fatal());
                }
            }
        }
        chores.clear();
        Ok(())
    }

    /// Loads what the batch names, decides, writes, answers, publishes.
    async fn attempt(&mut self, jobs: &mut VecDeque<Job>, chores: &mut Vec<Chore>, now: Millis) -> Result<(), Miss> {
        let mut overlay = Overlay::new(&self.memory, self.auditors.clone(), now);
        let mut outcomes = Vec::with_capacity(jobs.len());
        for job in jobs.iter() {
            while let Some(id) = overlay.missing(job).first().copied() {
                let loaded = load(self.reader.as_ref(), id, None).await.map_err(Miss::load)?;
                overlay.loaded(id, loaded.map(Arc::new));
            }
            outcomes.push(match overlay.decide(job) {
                Outcome::Nothing => answered_before(self.reader.as_ref(), job).await.map_err(Miss::Fatal)?,
                outcome => outcome,
            });
        }
        overlay.finish();
        add_chores(&mut overlay.rows, chores, now);
        if overlay.rows.rows() > 0 {
            self.store.append(&overlay.rows).await.map_err(Miss::from)?;
        }
        let written = Written::of(overlay);
        self.commit(written);
        for (job, outcome) in jobs.drain(..).zip(outcomes) {
            answer(
                job,
                match outcome {
                    Outcome::Answer(answer, replayed) => Ok(Reply { answer, replayed }),
                    Outcome::Reused => Err(NoAnswer::Reused),
                    Outcome::Nothing => Err(NoAnswer::Unknown),
                },
            );
        }
        for chore in chores.drain(..) {
            if let Chore::Cursor { done, .. } = chore {
                // A subscriber that has gone needs no word.
                let _ = done.send(Ok(()));
            }
        }
        Ok(())
    }

    /// What is durable enters memory and is published.
    fn commit(&mut self, written: Written) {
        let Written { cases, answers, feeds, directory, streams, position, last_at, published } = written;
        (self.memory.position, self.memory.last_at) = (position, last_at);
        for (id, entry) in &cases {
            self.memory.cases.put(*id, entry.clone());
        }
        for (key, stored) in answers {
            self.memory.answers.put(key, stored);
        }
        self.memory.feeds.extend(feeds);
        self.memory.streams.extend(streams);
        if let Some(directory) = directory {
            self.memory.directory = directory.clone();
            self.directory.send_replace(directory);
        }
        self.published.publish(published, cases.into_iter(), position);
    }

    /// Stored answers to ids the batch brought again.
    async fn recall(&mut self, ids: Vec<AnswerId>) -> Result<(), Fatal> {
        for id in ids {
            if let Some(stored) = stored(self.reader.as_ref(), &id).await? {
                self.memory.answers.put(id, Arc::new(stored));
            }
        }
        Ok(())
    }

    /// Drops all memory and reads the head again.
    async fn reload(&mut self) -> Result<(), Fatal> {
        self.memory = recall_memory(self.reader.as_ref()).await.map_err(|error| Fatal::Load(Box::new(error)))?;
        self.directory.send_replace(self.memory.directory.clone());
        self.published.forget_cases();
        Ok(())
    }
}

/// What an append left to be done outside the overlay's borrow of memory.
struct Written {
    cases: HashMap<IncidentId, Arc<Entry>>,
    answers: HashMap<AnswerId, Arc<Stored>>,
    feeds: HashMap<handoff_domain::ids::OrgId, u64>,
    directory: Option<Arc<Directory>>,
    streams: HashMap<IncidentId, handoff_domain::ids::Digest>,
    position: u64,
    last_at: Millis,
    published: Vec<(handoff_domain::ids::OrgId, crate::feed::FeedEntry)>,
}

impl Written {
    fn of(overlay: Overlay<'_>) -> Self {
        let (position, last_at) = (overlay.position(), overlay.last_at());
        Self {
            cases: overlay.cases,
            answers: overlay.answers,
            feeds: overlay.feeds,
            directory: overlay.directory,
            streams: overlay.streams,
            position,
            last_at,
            published: overlay.published,
        }
    }
}

/// Why an attempt wrote nothing, or may have.
enum Miss {
    Known(Vec<AnswerId>),
    Moved,
    Rejected(String),
    Fatal(Fatal),
}

impl Miss {
    fn load(error: LoadError) -> Self {
        Self::Fatal(Fatal::Load(Box::new(error)))
    }

    fn into_fatal(self) -> Fatal {
        match self {
            Self::Fatal(fatal) => fatal,
            Self::Known(_) | Self::Moved | Self::Rejected(_) => Fatal::Refused,
        }
    }
}

impl From<AppendError> for Miss {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::AnswersKnown(ids) => Self::Known(ids),
            AppendError::Moved { .. } => Self::Moved,
            AppendError::Rejected { .. } => Self::Rejected(error.to_string()),
            AppendError::Io { .. } | AppendError::Unknown { .. } => Self::Fatal(Fatal::Append(Box::new(error))),
        }
    }
}

fn answer(job: Job, reply: Result<Reply, NoAnswer>) {
    // A caller that has gone finds its answer under its request id.
    let _ = job.reply.send(reply);
}

/// Takes what else waits: facts first, decisions at most half of the batch while facts wait.
fn drain(queues: &mut Queues, jobs: &mut VecDeque<Job>, chores: &mut Vec<Chore>) {
    while jobs.len() < BATCH_COMMANDS_MAX / 2 {
        let Ok(job) = queues.decisions.try_recv() else { break };
        jobs.push_back(job);
    }
    while jobs.len() < BATCH_COMMANDS_MAX {
        let Ok(job) = queues.facts.try_recv() else { break };
        jobs.push_back(job);
    }
    while jobs.len() < BATCH_COMMANDS_MAX {
        let Ok(job) = queues.decisions.try_recv() else { break };
        jobs.push_back(job);
    }
    while chores.len() < QUEUE_CHORES_MAX {
        let Ok(chore) = queues.chores.try_recv() else { break };
        chores.push(chore);
    }
}

/// Cursors and denials ride in the batch's transaction.
fn add_chores(rows: &mut handoff_store::Batch, chores: &[Chore], now: Millis) {
    let mut cursors: HashMap<(String, String), CursorRow> = HashMap::new();
    for chore in chores {
        match chore {
            Chore::Cursor { org, client, number, .. } => {
                let key = (org.to_string(), client.to_string());
                let row = CursorRow { org: org.clone(), client: client.clone(), number: *number };
                let kept = cursors.entry(key).or_insert_with(|| row.clone());
                kept.number = kept.number.max(*number);
            }
            Chore::Denial { org, client, method, reason } => {
                let row = AuditRow {
                    at: now,
                    org: org.clone(),
                    client: client.clone(),
                    officer: None,
                    method: (*method).into(),
                    reason: reason.as_str().into(),
                    count: 1,
                };
                let crowded = rows.audit.len() >= DENIAL_ROWS_PER_BATCH_MAX;
                let alike = |other: &&mut AuditRow| (&other.org, &other.method) == (&row.org, &row.method);
                match rows.audit.iter_mut().find(alike).filter(|_| crowded) {
                    Some(counted) => counted.count += 1,
                    None => rows.audit.push(row),
                }
            }
        }
    }
    rows.cursors.extend(cursors.into_values());
}

async fn stored(reader: &dyn Reader, id: &AnswerId) -> Result<Option<Stored>, Fatal> {
    let Some(row) = reader.answer(id.clone()).await.map_err(Fatal::Tidy)? else { return Ok(None) };
    let answer = Answer::from_bytes(&row.answer).map_err(|_| Fatal::Load(Box::new(LoadError::Malformed("answer"))))?;
    Ok(Some(Stored { key: row.key, mac: row.mac, answer }))
}

/// A command with nothing left to do: its first answer, if it is a repeat, else a refusal nobody stores.
async fn answered_before(reader: &dyn Reader, job: &Job) -> Result<Outcome, Fatal> {
    let stored = stored(reader, &job.request).await?;
    let nothing = || Outcome::Answer(Answer::Refused(Refusal::new(Reason::MoveNotLegal)), false);
    Ok(stored.map_or_else(nothing, |stored| Overlay::repeat(&stored, &job.content)))
}

/// Memory as the log tells it: the head, the feeds, the directory. Cases and answers are read when asked for.
///
/// # Errors
/// [`LoadError`] when the store does not answer or the log cannot be read.
pub async fn recall_memory(reader: &dyn Reader) -> Result<Memory, LoadError> {
    let store = |error| LoadError::Read(handoff_domain::ids::LOG_STREAM, error);
    let mut memory = Memory::empty();
    let head = reader.head().await.map_err(store)?;
    (memory.position, memory.last_at) = (head.position, head.last_at);
    let feeds = reader.feed_heads().await.map_err(store)?;
    memory.feeds = feeds.into_iter().map(|feed| (feed.org, feed.number)).collect();
    let mut directory = Directory::default();
    let mut position = 0;
    loop {
        let rows = reader.directory_events(position, crate::memory::LOAD_PAGE_EVENTS).await.map_err(store)?;
        let Some(last) = rows.last() else { break };
        position = last.position + 1;
        for row in rows {
            let (event, _) = decode(&row.bytes).map_err(|error| LoadError::Decode(row.position, Box::new(error)))?;
            let applied = directory.apply(&event, Some(row.hash));
            applied.map_err(|_| LoadError::Malformed("directory event"))?;
            memory.streams.insert(event.incident, row.hash);
        }
    }
    memory.directory = Arc::new(directory);
    Ok(memory)
}

#[expect(clippy::cast_precision_loss, reason = "a metric")]
fn count(number: usize) -> f64 {
    number as f64
}

#[expect(clippy::cast_precision_loss, reason = "a metric")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use handoff_evidence::log::LogKey;

    #[tokio::test]
    async fn an_idle_writer_ends_when_nobody_is_left_though_its_clock_stands_still() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("handoff.db").display());
        let clock = Arc::new(ManualClock::new(Millis(1_700_000_000_000)));
        let key = LogKey::from_seed(&[7; 32]);
        let (engine, run) = crate::embedded(&url, &key, Vec::new(), clock.clone()).await.unwrap();
        let mut run = std::pin::pin!(run);
        // It works off what there is and then waits, for a pause that never ends.
        for _ in 0..100 {
            assert!(futures_util::poll!(run.as_mut()).is_pending());
            tokio::task::yield_now().await;
        }
        drop(engine);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(30), run).await;
        assert!(matches!(ended, Ok(Ok(()))), "{ended:?}");
        assert_eq!(clock.now(), Millis(1_700_000_000_000));
    }
}
