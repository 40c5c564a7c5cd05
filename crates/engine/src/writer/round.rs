//! One batch on its way: decided on memory, written, published, answered. While it is written, the next one is decided
//! on top of what it makes of memory; if it is not written after all, memory takes it back and both are decided again.

use super::chores::add_chores;
use super::recover::watched;
use super::{Availability, BATCH_COMMANDS_MAX, Fatal, Queues, Writer, answer, expire, stored};
use crate::answer::Answer;
use crate::batch::{Finished, Given, Outcome, Overlay};
use crate::feed::{FeedEntry, Published};
use crate::job::{Chore, Job, NoAnswer, Reply, Task};
use crate::leaves::NewLeaf;
use crate::memory::{Change, Entry, LoadError, Memory, Upto, load};
use handoff_domain::command::{Act, Command};
use handoff_domain::directory::Directory;
use handoff_domain::ids::{IncidentId, OrgId};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::time::Millis;
use handoff_store::rows::AnswerId;
use handoff_store::{AppendError, Batch, Reader, StoreError};
use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::sync::watch;

/// A decided batch.
pub(super) struct Round {
    jobs: VecDeque<Job>,
    chores: Vec<Chore>,
    outcomes: Vec<Outcome>,
    rows: Batch,
    change: Change,
    news: News,
    /// An answer was looked for in the store.
    looked_up: bool,
}

/// What readers and subscribers learn of a batch once it is durable.
struct News {
    cases: Vec<(IncidentId, Arc<Entry>)>,
    directory: Option<Arc<Directory>>,
    entries: Vec<(OrgId, FeedEntry)>,
    leaves: Vec<NewLeaf>,
    /// Of each job: the signature of its last event's leaf, where it recorded one.
    receipts: Vec<Option<[u8; 64]>>,
    position: u64,
}

impl Round {
    /// What it held waits again.
    pub(super) fn give_back(self, jobs: &mut VecDeque<Job>, chores: &mut Vec<Chore>) {
        jobs.extend(self.jobs);
        chores.extend(self.chores);
    }
}

/// A round that was not written, with everything it held.
pub(super) struct Undone {
    pub(super) miss: Miss,
    /// Its commands.
    pub(super) tried: VecDeque<Job>,
    /// Commands decided on top of it, of which nothing was sent.
    pub(super) waiting: VecDeque<Job>,
    pub(super) chores: Vec<Chore>,
}

/// Why an attempt wrote nothing, or may have.
pub(super) enum Miss {
    Known(Vec<AnswerId>),
    Moved,
    Rejected(String),
    Fatal(Fatal),
}

impl Miss {
    fn store(error: StoreError) -> Self {
        Self::Fatal(Fatal::Tidy(error))
    }

    pub(super) fn into_fatal(self) -> Fatal {
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

/// Keys of requests forgotten with one erasure: more than the requests of nearly every case.
const FORGOTTEN_AT_ONCE_MAX: u32 = 1_000;

/// A batch that still takes commands in.
struct Open<'m> {
    overlay: Overlay<'m>,
    reader: &'m dyn Reader,
    /// Cases that memory lacks are read below this position: it is known to be the log's.
    durable: u64,
    jobs: VecDeque<Job>,
    outcomes: Vec<Outcome>,
    looked_up: bool,
}

impl<'m> Open<'m> {
    fn new(memory: &'m Memory, reader: &'m dyn Reader, durable: u64, given: Arc<Given>, now: Millis) -> Self {
        let overlay = Overlay::new(memory, given, now);
        Self { overlay, reader, durable, jobs: VecDeque::new(), outcomes: Vec::new(), looked_up: false }
    }

    /// Decides commands in their order. On an error those left stay where they are.
    async fn decide(&mut self, jobs: &mut VecDeque<Job>, now: Millis) -> Result<(), Fatal> {
        self.overlay.at(now);
        while let Some(job) = jobs.pop_front() {
            match self.outcome(&job).await {
                Ok(outcome) => self.outcomes.push(outcome),
                Err(fatal) => {
                    jobs.push_front(job);
                    return Err(fatal);
                }
            }
            self.jobs.push_back(job);
        }
        Ok(())
    }

    /// Takes what waits, as far as there is room, and decides it.
    async fn take(
        &mut self,
        queues: &mut Queues,
        jobs: &mut VecDeque<Job>,
        chores: &mut Vec<Chore>,
        now: Millis,
    ) -> Result<(), Fatal> {
        queues.drain(jobs, chores, BATCH_COMMANDS_MAX.saturating_sub(self.jobs.len()));
        expire(jobs, now);
        self.decide(jobs, now).await
    }

    async fn outcome(&mut self, job: &Job) -> Result<Outcome, Fatal> {
        let read = |error: LoadError| Fatal::Load(Box::new(error));
        while let Some(id) = self.overlay.missing(job).first().copied() {
            let loaded = load(self.reader, id, Upto::Position(self.durable)).await.map_err(read)?;
            self.overlay.loaded(id, loaded.map(Arc::new));
        }
        match self.overlay.decide(job) {
            Outcome::Nothing => {
                self.looked_up = true;
                answered_before(self.reader, job).await
            }
            outcome @ Outcome::Answer(Answer::Done(_), false) => {
                self.forget(job).await?;
                Ok(outcome)
            }
            outcome @ (Outcome::Answer(..) | Outcome::Reused) => Ok(outcome),
        }
    }

    /// With the values of a case go the keys under which the contents of its requests are remembered, or whoever guesses a
    /// value could still tell that it was the one.
    async fn forget(&mut self, job: &Job) -> Result<(), Fatal> {
        let Task::Incident(Command { incident, act: Act::Erase { .. }, .. }) = &job.task else { return Ok(()) };
        let keyed = self.reader.keyed_answers_of(*incident, FORGOTTEN_AT_ONCE_MAX).await;
        self.overlay.forget(keyed.map_err(|error| Fatal::Load(Box::new(LoadError::Read(*incident, error))))?);
        Ok(())
    }

    /// Answers commands that are not taken in. Of a repeat it is not known whether the first went through.
    fn turn_away(&self, jobs: &mut VecDeque<Job>) {
        for job in jobs.drain(..) {
            let known = self.overlay.known(&job.request).is_some();
            let reply = if known { NoAnswer::Unknown } else { NoAnswer::NotAccepted(Reason::NotAccepted) };
            answer(job, Err(reply));
        }
    }

    fn close(self, chores: Vec<Chore>) -> Round {
        let Self { overlay, jobs, outcomes, looked_up, .. } = self;
        let Finished { mut rows, change, published, leaves } = overlay.finish();
        add_chores(&mut rows, &chores);
        let cases = change.cases.iter().filter_map(|(id, entry)| Some((*id, entry.clone()?))).collect();
        let (directory, position) = (change.directory.clone(), change.position);
        let receipts = outcomes.iter().map(|outcome| receipt(outcome, &rows)).collect();
        let news = News { cases, directory, entries: published, leaves, receipts, position };
        Round { jobs, chores, outcomes, rows, change, news, looked_up }
    }
}

/// Does some work to its end, and what goes on beside it as far as it gets.
async fn beside<W: Future, B: Future>(
    mut work: Pin<&mut W>,
    mut beside: Pin<&mut B>,
) -> (W::Output, Option<B::Output>) {
    tokio::select! {
        biased;
        done = &mut beside => (work.await, Some(done)),
        worked = &mut work => (worked, None),
    }
}

/// Where readers and subscribers look.
struct Board<'w> {
    published: &'w Published,
    directory: &'w watch::Sender<Arc<Directory>>,
}

impl Board<'_> {
    /// Publishes what is durable, then answers those who wait for it.
    fn tell(&self, news: News, jobs: VecDeque<Job>, outcomes: Vec<Outcome>, chores: Vec<Chore>) {
        let News { cases, directory, entries, leaves, receipts, position } = news;
        if let Some(directory) = directory {
            self.directory.send_replace(directory);
        }
        self.published.publish(entries, cases.into_iter(), leaves, position);
        for ((job, outcome), leaf) in jobs.into_iter().zip(outcomes).zip(receipts) {
            answer(
                job,
                match outcome {
                    Outcome::Answer(answer, replayed) => Ok(Reply { answer, replayed, leaf }),
                    Outcome::Reused => Err(NoAnswer::Reused),
                    Outcome::Nothing => Err(NoAnswer::Unknown),
                },
            );
        }
        for chore in chores {
            match chore {
                // Whoever has gone needs no word.
                Chore::Cursor { done, .. } | Chore::Tree { done, .. } => drop(done.send(Ok(()))),
                Chore::Denial { .. } => {}
            }
        }
    }
}

/// The signature of the leaf of the last event a command recorded.
fn receipt(outcome: &Outcome, rows: &Batch) -> Option<[u8; 64]> {
    let Outcome::Answer(Answer::Done(done), false) = outcome else { return None };
    let at = usize::try_from(done.position.checked_sub(rows.expected)?).ok()?;
    rows.events.get(at).map(|row| row.leaf)
}

/// A command with nothing left to do: its first answer, if it is a repeat, else a refusal nobody stores.
async fn answered_before(reader: &dyn Reader, job: &Job) -> Result<Outcome, Fatal> {
    let stored = stored(reader, &job.request).await?;
    let nothing = || Outcome::Answer(Answer::Refused(Refusal::new(Reason::MoveNotLegal)), false);
    Ok(stored.map_or_else(nothing, |stored| Overlay::repeat(&stored, &job.content)))
}

impl Writer {
    /// Decides what waits.
    pub(super) async fn decided(&mut self, jobs: &mut VecDeque<Job>, chores: &mut Vec<Chore>) -> Result<Round, Fatal> {
        let (durable, now) = (self.memory.position, self.clock.now());
        let mut open = Open::new(&self.memory, self.reader.as_ref(), durable, self.given.clone(), now);
        if let Err(fatal) = open.decide(jobs, now).await {
            open.jobs.append(jobs);
            *jobs = open.jobs;
            return Err(fatal);
        }
        Ok(open.close(std::mem::take(chores)))
    }

    /// Decides what waits and writes it, and nothing beside. After a miss the commands wait again.
    pub(super) async fn attempt(&mut self, jobs: &mut VecDeque<Job>, chores: &mut Vec<Chore>) -> Result<(), Miss> {
        let round = self.decided(jobs, chores).await.map_err(Miss::Fatal)?;
        self.alone(round).await.map_err(|undone| {
            (*jobs, *chores) = (undone.tried, undone.chores);
            undone.miss
        })
    }

    /// Writes a round, where there is anything to write, before anything else is decided.
    async fn alone(&mut self, round: Round) -> Result<(), Undone> {
        let Round { jobs: tried, chores, outcomes, rows, change, news, looked_up } = round;
        let started = self.clock.now();
        let written = if rows.rows() == 0 {
            self.assure(looked_up).await
        } else {
            let append = watched(self.store.append(&rows), self.clock.as_ref(), &self.availability);
            append.await.map(drop).map_err(Miss::from)
        };
        if let Err(miss) = written {
            return Err(Undone { miss, tried, waiting: VecDeque::new(), chores });
        }
        self.recalled = false;
        measure(tried.len(), self.clock.now().since(started));
        let _undo = self.memory.swap(change);
        Board { published: &self.published, directory: &self.directory }.tell(news, tried, outcomes, chores);
        Ok(())
    }

    /// Where nothing is to be written: an answer that was read, and not written just now, is given once it is as durable
    /// as any; and what was decided without writing was decided on the log as it is, or is decided again.
    async fn assure(&mut self, looked_up: bool) -> Result<(), Miss> {
        if looked_up || self.recalled || self.shared {
            let head = self.store.settle().await.map_err(Miss::store)?;
            if self.shared && head.position != self.memory.position {
                self.store.release().await.map_err(Miss::store)?;
                return Err(Miss::Moved);
            }
        }
        self.store.release().await.map_err(Miss::store)
    }

    /// Writes a round, and decides what comes meanwhile on top of it: the next round, if anything came.
    pub(super) async fn round(&mut self, round: Round, queues: &mut Queues) -> Result<Option<Round>, Undone> {
        if round.rows.rows() == 0 {
            return self.alone(round).await.map(|()| None);
        }
        let Round { jobs: tried, chores, outcomes, rows, change, news, .. } = round;
        let durable = self.memory.position;
        let undo = self.memory.swap(change);
        let Self { store, reader, memory, clock, availability, published, directory, given, recalled, .. } = self;
        let started = clock.now();
        let mut open = Open::new(memory, reader.as_ref(), durable, given.clone(), started);
        let mut append = pin!(watched(store.append(&rows), clock.as_ref(), availability));
        let (mut jobs, mut rides, mut failed) = (VecDeque::new(), Vec::new(), None);
        let written = loop {
            let may = failed.is_none() && open.jobs.len() < BATCH_COMMANDS_MAX;
            tokio::select! {
                biased;
                done = &mut append => break done,
                true = queues.first(&mut jobs, &mut rides), if may => {}
            }
            if *availability.borrow() == Availability::Away {
                // The commit waits for a lost standby: nobody else is made to wait for it.
                open.turn_away(&mut jobs);
                continue;
            }
            let taking = pin!(open.take(queues, &mut jobs, &mut rides, clock.now()));
            // The commit goes on while cases are read: its own waits must not run out unseen.
            let (taken, done) = beside(taking, append.as_mut()).await;
            failed = taken.err();
            if let Some(done) = done {
                break done;
            }
        };
        if let Err(error) = written {
            let mut waiting = std::mem::take(&mut open.jobs);
            waiting.append(&mut jobs);
            let _discarded = memory.swap(undo);
            let chores = chores.into_iter().chain(rides).collect();
            return Err(Undone { miss: Miss::from(error), tried, waiting, chores });
        }
        *recalled = false;
        measure(tried.len(), clock.now().since(started));
        Board { published, directory }.tell(news, tried, outcomes, chores);
        // What came in the very last moment rides along.
        if failed.is_none() {
            failed = open.take(queues, &mut jobs, &mut rides, clock.now()).await.err();
        }
        if let Some(fatal) = failed {
            let mut waiting = open.jobs;
            waiting.append(&mut jobs);
            return Err(Undone { miss: Miss::Fatal(fatal), tried: VecDeque::new(), waiting, chores: rides });
        }
        let came = !open.jobs.is_empty() || !rides.is_empty();
        Ok(came.then(|| open.close(rides)))
    }
}

/// Every batch that was written, whichever way.
#[expect(clippy::cast_precision_loss, reason = "metrics")]
fn measure(commands: usize, took_ms: i64) {
    metrics::histogram!("handoff_commit_batch_commands").record(commands as f64);
    metrics::histogram!("handoff_commit_seconds").record(took_ms as f64 / 1_000.0);
}

#[cfg(test)]
mod tests;
