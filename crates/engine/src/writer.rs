//! The one way in: a task that owns the only writing connection, takes whatever waits as one batch, and answers after
//! it is durable (reliability, 3). It is never inside `select!` while it writes, never aborted, never in a pool.
//!
//! Where several replicas write one log, memory follows what the others wrote (`follow`), and a lost database is waited
//! for instead of ending the process (`recover`).

mod chores;
pub(crate) mod follow;
mod recover;

pub use recover::Availability;

use crate::answer::Answer;
use crate::batch::{Auditors, Outcome, Overlay};
use crate::clock::Clock;
use crate::feed::Published;
use crate::job::{Chore, Job, NoAnswer, Reply};
use crate::memory::{Entry, LoadError, Memory, Stored, Upto, load};
use chores::add_chores;
use handoff_domain::directory::Directory;
use handoff_domain::ids::{Digest, IncidentId};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::time::{Millis, SECOND};
use handoff_evidence::event::decode;
use handoff_store::rows::AnswerId;
use handoff_store::{AppendError, Reader, StoreError, Writer as StoreWriter};
use recover::watched;
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
/// Times somebody else may have written first before the head is locked for the next attempt.
pub const MISSES_MAX: u32 = 2;
/// How long a commit may take before the service says that it is not ready.
pub const PATIENCE_MS: i64 = 5 * SECOND;
/// How often the head is looked at for what other replicas wrote, while this one has nothing to write.
pub const FOLLOW_EVERY_MS: i64 = 20;
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
    Tidy(#[source] StoreError),
    /// The log holds what cannot be read.
    #[error("the log cannot be read")]
    Load(#[source] Box<LoadError>),
    /// Batch after batch was refused.
    #[error("a batch was refused {RETRIES_MAX} times")]
    Refused,
    /// The log no longer holds what was published: a standby without it was promoted, or a backup restored under a
    /// running service. The next start fences it, and subscribers are told `DATA_LOSS`.
    #[error("the log ends before, or differs from, what was published up to position {0}")]
    Lost(u64),
    /// Head and events do not belong together: the connections lead to two servers. They are opened anew.
    #[error("the head and the events come from two servers")]
    Elsewhere,
    /// This machine's clock and the database's are so many milliseconds apart.
    #[error("this machine's clock and the database's are {0} ms apart; set the clocks")]
    Clock(i64),
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
    /// Other replicas write the same log, and a lost database is waited for.
    shared: bool,
    availability: tokio::sync::watch::Sender<Availability>,
    /// Somebody waits for what other replicas wrote.
    look: Arc<tokio::sync::Notify>,
    /// When the database's clock was looked at last.
    clock_looked: Millis,
    /// Answers were read from the store since the last batch was written.
    recalled: bool,
    /// The last batch met another replica: the next one takes the head's lock first.
    contended: bool,
}

/// What a writer works with.
pub struct Parts {
    /// The writing connection.
    pub store: Box<dyn StoreWriter>,
    /// The reading connections.
    pub reader: Arc<dyn Reader>,
    /// Whether other replicas write the same log.
    pub shared: bool,
    /// What is known of the log.
    pub memory: Memory,
    /// Where `now` comes from.
    pub clock: Arc<dyn Clock>,
    /// Where subscribers read.
    pub published: Arc<Published>,
    /// The directory as of the published head.
    pub directory: tokio::sync::watch::Sender<Arc<Directory>>,
    /// Whether the database can be written.
    pub availability: tokio::sync::watch::Sender<Availability>,
    /// Told when somebody waits for what other replicas wrote.
    pub look: Arc<tokio::sync::Notify>,
    /// Organisations that receive every incident's events.
    pub auditors: Auditors,
}

impl Writer {
    /// A writer over an open store, with memory read from the log.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, reader, shared, memory, clock, published, directory, availability, look, auditors } = parts;
        let (recalled, contended, clock_looked) = (false, false, Millis(0));
        Self {
            store,
            reader,
            memory,
            clock,
            published,
            directory,
            auditors,
            shared,
            availability,
            look,
            clock_looked,
            recalled,
            contended,
        }
    }

    /// Works until every queue is closed and empty, then closes the store.
    ///
    /// # Errors
    /// [`Fatal`]: the caller exits the process.
    pub async fn run(mut self, mut queues: Queues) -> Result<(), Fatal> {
        let (mut jobs, mut chores) = (VecDeque::new(), Vec::new());
        loop {
            match self.turn(&mut queues, &mut jobs, &mut chores).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(fatal) => {
                    self.recover(fatal, &mut queues, &mut jobs, &mut chores).await?;
                }
            }
        }
        self.store.close().await.map_err(Fatal::Tidy)
    }

    /// Waits for work and does it; `false` when nothing will come any more.
    async fn turn(
        &mut self,
        queues: &mut Queues,
        jobs: &mut VecDeque<Job>,
        chores: &mut Vec<Chore>,
    ) -> Result<bool, Fatal> {
        if !self.wait(queues, jobs, chores).await? {
            return Ok(false);
        }
        drain(queues, jobs, chores);
        self.hold_the_clock_against().await?;
        let started = self.clock.now();
        metrics::histogram!("handoff_commit_batch_commands").record(count(jobs.len()));
        self.batch(jobs, chores).await?;
        metrics::histogram!("handoff_commit_seconds").record(seconds(self.clock.now().since(started)));
        self.store.tidy().await.map_err(Fatal::Tidy)?;
        Ok(true)
    }

    /// Waits for the first piece of work; `false` when nothing will come any more.
    async fn wait(
        &mut self,
        queues: &mut Queues,
        jobs: &mut VecDeque<Job>,
        chores: &mut Vec<Chore>,
    ) -> Result<bool, Fatal> {
        let pause = if self.shared { FOLLOW_EVERY_MS } else { IDLE_MS };
        loop {
            let idle = self.clock.sleep_until(self.clock.now().plus(pause));
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
                () = self.look.notified() => {}
                () = idle => {}
            }
            if self.shared {
                self.follow().await?;
            } else {
                self.store.idle().await.map_err(Fatal::Tidy)?;
            }
        }
    }

    /// One batch, decided again as often as the store says that somebody else was first.
    async fn batch(&mut self, jobs: &mut VecDeque<Job>, chores: &mut Vec<Chore>) -> Result<(), Fatal> {
        let now = self.clock.now();
        self.expire(jobs, now);
        let mut misses = if self.contended { MISSES_MAX } else { 0 };
        let mut met = false;
        for _ in 0..RETRIES_MAX {
            if misses >= MISSES_MAX {
                met |= self.hold().await?;
            }
            let tried = self.attempt(jobs, chores, now).await;
            match tried {
                Ok(()) => {
                    self.contended = met;
                    return Ok(());
                }
                Err(Miss::Known(ids)) => self.recall(ids).await?,
                Err(Miss::Moved) => {
                    (misses, met) = (misses + 1, true);
                    self.moved().await?;
                }
                Err(Miss::Rejected(detail)) => {
                    tracing::error!(detail, "a batch was rejected; its commands are tried one by one");
                    return self.one_by_one(jobs, chores, now).await;
                }
                Err(Miss::Fatal(fatal)) => {
                    answer_all(jobs, &fatal.no_answer());
                    return Err(fatal);
                }
            }
        }
        answer_all(jobs, &NoAnswer::Unknown);
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
        let mut tries = RETRIES_MAX as usize * (jobs.len() + 1);
        while let Some(job) = jobs.pop_front() {
            alone.push_back(job);
            tries = tries.saturating_sub(1);
            if tries == 0 {
                answer_all(&mut alone, &NoAnswer::Unknown);
                answer_all(jobs, &NoAnswer::Unknown);
                return Err(Fatal::Refused);
            }
            match self.attempt(&mut alone, &mut Vec::new(), now).await {
                Ok(()) => {}
                Err(Miss::Known(ids)) => {
                    self.recall(ids).await?;
                    jobs.extend(alone.drain(..));
                }
                Err(Miss::Moved) => {
                    self.moved().await?;
                    jobs.extend(alone.drain(..));
                }
                Err(miss) => {
                    answer_all(&mut alone, &NoAnswer::Unknown);
                    answer_all(jobs, &NoAnswer::Unknown);
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
        let mut looked_up = false;
        for job in jobs.iter() {
            while let Some(id) = overlay.missing(job).first().copied() {
                let upto = Upto::Position(self.memory.position);
                let loaded = load(self.reader.as_ref(), id, upto).await.map_err(Miss::load)?;
                overlay.loaded(id, loaded.map(Arc::new));
            }
            outcomes.push(match overlay.decide(job) {
                Outcome::Nothing => {
                    let before = answered_before(self.reader.as_ref(), job).await.map_err(Miss::Fatal)?;
                    looked_up = true;
                    before
                }
                outcome => outcome,
            });
        }
        overlay.finish();
        add_chores(&mut overlay.rows, chores, now);
        if overlay.rows.rows() > 0 {
            let append = self.store.append(&overlay.rows);
            watched(append, self.clock.as_ref(), &self.availability).await.map_err(Miss::from)?;
        } else {
            if looked_up || self.recalled || self.shared {
                // An answer that was read, and not written just now, is given once it is as durable as any; and what was
                // decided without writing was decided on the log as it is, or is decided again.
                let head = self.store.settle().await.map_err(Miss::store)?;
                if self.shared && head.position != self.memory.position {
                    self.store.release().await.map_err(Miss::store)?;
                    return Err(Miss::Moved);
                }
            }
            self.store.release().await.map_err(Miss::store)?;
        }
        self.recalled = false;
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
        let Written { cases, answers, feeds, directory, streams, position, last_at, last_hash, published } = written;
        (self.memory.position, self.memory.last_at) = (position, last_at);
        self.memory.last_hash = last_hash.or(self.memory.last_hash);
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
        self.recalled = true;
        Ok(())
    }
}

/// What an append left to be done outside the overlay's borrow of memory.
struct Written {
    cases: HashMap<IncidentId, Arc<Entry>>,
    answers: HashMap<AnswerId, Arc<Stored>>,
    feeds: HashMap<handoff_domain::ids::OrgId, u64>,
    directory: Option<Arc<Directory>>,
    streams: HashMap<IncidentId, Digest>,
    position: u64,
    last_at: Millis,
    last_hash: Option<Digest>,
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
            last_hash: overlay.rows.events.last().map(|event| event.hash),
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

    fn store(error: StoreError) -> Self {
        Self::Fatal(Fatal::Tidy(error))
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

fn answer_all(jobs: &mut VecDeque<Job>, reply: &NoAnswer) {
    jobs.drain(..).for_each(|job| answer(job, Err(reply.clone())));
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
    let (head, feeds) = reader.ends().await.map_err(store)?;
    (memory.position, memory.last_at, memory.last_hash) = (head.position, head.last_at, head.last_hash);
    memory.feeds = feeds.into_iter().map(|feed| (feed.org, feed.number)).collect();
    let mut directory = Directory::default();
    let mut position = 0;
    loop {
        let rows = reader.directory_events(position, crate::memory::LOAD_PAGE_EVENTS).await.map_err(store)?;
        let Some(last) = rows.last() else { break };
        position = last.position + 1;
        // Another replica may have written since the head was read.
        for row in rows.into_iter().filter(|row| row.position < memory.position) {
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
