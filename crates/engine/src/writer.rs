//! The one way in: a task that owns the only writing connection, takes whatever waits as one batch, and answers after
//! it is durable (reliability, 3). Its connection is in no pool, and a write that has begun is never given up.
//!
//! While a batch is written, what comes meanwhile is decided on top of it (`round`): deciding and the disk take about
//! the same time, and a command waits for one of them less.
//!
//! Where several replicas write one log, memory follows what the others wrote (`follow`), and a lost database is waited
//! for instead of ending the process (`recover`).

mod chores;
#[cfg(test)]
mod faulty;
pub(crate) mod follow;
mod queues;
mod recover;
mod round;

pub(crate) use chores::unrecorded;
pub use queues::{QUEUE_CHORES_MAX, QUEUE_DECISIONS_MAX, QUEUE_FACTS_MAX, Queues};
pub use recover::Availability;

use crate::answer::Answer;
use crate::batch::Given;
use crate::clock::Clock;
use crate::feed::Published;
use crate::job::{Chore, Job, NoAnswer, Reply};
use crate::memory::{LoadError, Memory, Stored};
use chores::give_up;
use handoff_domain::directory::Directory;
use handoff_domain::refusal::Reason;
use handoff_domain::time::{Millis, SECOND};
use handoff_evidence::event::decode;
use handoff_store::rows::AnswerId;
use handoff_store::{AppendError, Reader, StoreError, Writer as StoreWriter};
use round::{Miss, Undone};
use std::collections::VecDeque;
use std::sync::Arc;

/// Commands in one batch.
pub const BATCH_COMMANDS_MAX: usize = 256;
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

/// The writer's task.
pub struct Writer {
    store: Box<dyn StoreWriter>,
    reader: Arc<dyn Reader>,
    memory: Memory,
    clock: Arc<dyn Clock>,
    published: Arc<Published>,
    /// The directory as of the published head, for reads outside the writer.
    directory: tokio::sync::watch::Sender<Arc<Directory>>,
    given: Arc<Given>,
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
    /// When the database came back last.
    returned: Millis,
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
    pub given: Arc<Given>,
}

impl Writer {
    /// A writer over an open store, with memory read from the log.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, reader, shared, memory, clock, published, directory, availability, look, given } = parts;
        let (recalled, contended, clock_looked, returned) = (false, false, Millis(0), Millis(0));
        Self {
            store,
            reader,
            memory,
            clock,
            published,
            directory,
            given,
            shared,
            availability,
            look,
            clock_looked,
            recalled,
            contended,
            returned,
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

    /// Waits for work and does it, as long as more comes while a batch is written; `false` when nothing will come any
    /// more.
    async fn turn(
        &mut self,
        queues: &mut Queues,
        jobs: &mut VecDeque<Job>,
        chores: &mut Vec<Chore>,
    ) -> Result<bool, Fatal> {
        // What a lost race or a lost database left waiting goes first.
        if jobs.is_empty() && chores.is_empty() && !self.wait(queues, jobs, chores).await? {
            return Ok(false);
        }
        queues.drain(jobs, chores, BATCH_COMMANDS_MAX);
        expire(jobs, self.clock.now());
        self.hold_the_clock_against().await?;
        if self.contended {
            self.batch(jobs, chores, 0).await?;
            self.store.tidy().await.map_err(Fatal::Tidy)?;
            return Ok(true);
        }
        let mut next = Some(self.decided(jobs, chores).await?);
        while let Some(round) = next.take() {
            let started = self.clock.now();
            next = match self.round(round, queues).await {
                Ok(next) => next,
                Err(undone) => {
                    self.again(undone, jobs, chores).await?;
                    None
                }
            };
            if let Err(fatal) = self.between_rounds().await {
                if let Some(round) = next {
                    round.give_back(jobs, chores);
                }
                return Err(fatal);
            }
            // Decided while the commit before it was stalled, it would be written with the time of then, for callers
            // who have gone: those expire, and the rest is decided as of now.
            if self.clock.now().since(started) > PATIENCE_MS
                && let Some(round) = next.take()
            {
                round.give_back(jobs, chores);
            }
        }
        Ok(true)
    }

    async fn between_rounds(&mut self) -> Result<(), Fatal> {
        self.store.tidy().await.map_err(Fatal::Tidy)?;
        self.hold_the_clock_against().await
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
            tokio::select! {
                biased;
                // Ends at once when every queue is closed and empty: the stop never waits for the pause.
                found = queues.first(jobs, chores) => return Ok(found),
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

    /// Puts right what a round met, and does its commands again, one batch at a time.
    async fn again(&mut self, undone: Undone, jobs: &mut VecDeque<Job>, chores: &mut Vec<Chore>) -> Result<(), Fatal> {
        let Undone { miss, mut tried, waiting, chores: rides } = undone;
        chores.extend(rides);
        if let Miss::Fatal(fatal) = miss {
            // Of what waited nothing was sent, but a repeat asks for what may have been.
            for job in waiting {
                let repeats = tried.iter().any(|tried| tried.request == job.request);
                let reply = if repeats { fatal.no_answer() } else { NoAnswer::NotAccepted(Reason::NotAccepted) };
                answer(job, Err(reply));
            }
            answer_all(&mut tried, &fatal.no_answer());
            return Err(fatal);
        }
        let moved = matches!(miss, Miss::Moved);
        let done = match self.put_right(miss, &mut tried, chores).await {
            Ok(false) => self.batch(&mut tried, chores, u32::from(moved)).await,
            Ok(true) => Ok(()),
            Err(fatal) => Err(fatal),
        };
        if let Err(fatal) = &done {
            answer_all(&mut tried, &fatal.no_answer());
        }
        jobs.extend(waiting);
        done
    }

    /// One batch, decided again as often as the store says that somebody else was first: `misses` times by now.
    async fn batch(&mut self, jobs: &mut VecDeque<Job>, chores: &mut Vec<Chore>, mut misses: u32) -> Result<(), Fatal> {
        let mut met = misses > 0;
        if self.contended {
            misses = MISSES_MAX;
        }
        for _ in 0..RETRIES_MAX {
            if misses >= MISSES_MAX {
                met |= self.hold().await?;
            }
            let Err(miss) = self.attempt(jobs, chores).await else {
                self.contended = met;
                return Ok(());
            };
            if matches!(miss, Miss::Moved) {
                (misses, met) = (misses + 1, true);
            }
            if self.put_right(miss, jobs, chores).await? {
                return Ok(());
            }
        }
        answer_all(jobs, &NoAnswer::Unknown);
        Err(Fatal::Refused)
    }

    /// Makes memory fit for another attempt; whether the commands are done by then.
    async fn put_right(
        &mut self,
        miss: Miss,
        jobs: &mut VecDeque<Job>,
        chores: &mut Vec<Chore>,
    ) -> Result<bool, Fatal> {
        match miss {
            Miss::Known(ids) => self.recall(ids).await.map(|()| false),
            Miss::Moved => self.moved().await.map(|()| false),
            Miss::Rejected(detail) => {
                tracing::error!(detail, "a batch was rejected; its commands are tried one by one");
                self.one_by_one(jobs, chores).await.map(|()| true)
            }
            Miss::Fatal(fatal) => {
                answer_all(jobs, &fatal.no_answer());
                Err(fatal)
            }
        }
    }

    async fn one_by_one(&mut self, jobs: &mut VecDeque<Job>, chores: &mut Vec<Chore>) -> Result<(), Fatal> {
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
            match self.attempt(&mut alone, &mut Vec::new()).await {
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
        give_up(chores);
        Ok(())
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

fn answer(job: Job, reply: Result<Reply, NoAnswer>) {
    // A caller that has gone finds its answer under its request id.
    let _ = job.reply.send(reply);
}

fn answer_all(jobs: &mut VecDeque<Job>, reply: &NoAnswer) {
    jobs.drain(..).for_each(|job| answer(job, Err(reply.clone())));
}

/// Commands whose callers have stopped waiting are not begun.
fn expire(jobs: &mut VecDeque<Job>, now: Millis) {
    let late = |job: &Job| job.deadline.is_some_and(|deadline| deadline < now);
    if !jobs.iter().any(late) {
        return;
    }
    for job in std::mem::take(jobs) {
        if late(&job) {
            answer(job, Err(NoAnswer::NotAccepted(Reason::NotAccepted)));
        } else {
            jobs.push_back(job);
        }
    }
}

async fn stored(reader: &dyn Reader, id: &AnswerId) -> Result<Option<Stored>, Fatal> {
    let Some(row) = reader.answer(id.clone()).await.map_err(Fatal::Tidy)? else { return Ok(None) };
    let answer = Answer::from_bytes(&row.answer).map_err(|_| Fatal::Load(Box::new(LoadError::Malformed("answer"))))?;
    Ok(Some(Stored { key: row.key, mac: row.mac, answer }))
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
