//! A lost database is waited for where the store is shared: what was being written is answered as unknown, everything
//! that comes meanwhile as not accepted, and memory is read again once the database is back (reliability, 5 and 7).

use super::follow::check_clock;
use super::{Fatal, Queues, Writer, answer, answer_all};
use crate::engine::{StartError, fence};
use crate::job::{Chore, Job, NoAnswer};
use crate::memory::LoadError;
use handoff_domain::refusal::Reason;
use handoff_store::{AppendError, StoreError};
use std::collections::VecDeque;

/// Pause between two tries to open the database again.
const RETRY_EVERY_MS: i64 = 200;

/// Whether the database can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It can.
    Here,
    /// It cannot: commands are not accepted, and the service is not ready.
    Away,
}

impl Fatal {
    /// Whether a shared database may come back from it.
    fn passes(&self) -> bool {
        match self {
            Self::Append(_) | Self::Tidy(_) | Self::Elsewhere | Self::Clock(_) => true,
            Self::Load(error) => matches!(**error, LoadError::Read(..)),
            Self::Refused | Self::Lost(_) => false,
        }
    }

    /// What the callers of a batch are told that met it.
    pub(super) fn no_answer(&self) -> NoAnswer {
        match self {
            Self::Append(error) => match **error {
                AppendError::Io { .. } => NoAnswer::NotAccepted(Reason::NotAccepted),
                AppendError::Unknown { .. }
                | AppendError::Moved { .. }
                | AppendError::AnswersKnown(_)
                | AppendError::Rejected { .. } => NoAnswer::Unknown,
            },
            Self::Tidy(_) | Self::Load(_) | Self::Refused | Self::Lost(_) | Self::Elsewhere | Self::Clock(_) => {
                NoAnswer::Unknown
            }
        }
    }
}

impl Writer {
    /// Waits for the database and reads memory again; whatever else it was ends the process.
    pub(super) async fn recover(
        &mut self,
        fatal: Fatal,
        queues: &mut Queues,
        jobs: &mut VecDeque<Job>,
        chores: &mut Vec<Chore>,
    ) -> Result<(), Fatal> {
        answer_all(jobs, &fatal.no_answer());
        // Whoever waits for a cursor is told that it is not known.
        chores.clear();
        if !self.shared || !fatal.passes() {
            return Err(fatal);
        }
        tracing::error!(error = %chain(&fatal), "the database is away");
        metrics::counter!("handoff_store_away_total").increment(1);
        self.availability.send_replace(Availability::Away);
        while let Err(error) = self.come_back().await {
            let Comeback::Not(error) = error else { return Err(error.into_fatal()) };
            tracing::warn!(error = %chain(error.as_ref()), "the database is still away");
            if !self.turn_away(queues).await {
                return Ok(());
            }
        }
        self.availability.send_replace(Availability::Here);
        tracing::info!(position = self.memory.position, "the database is back");
        Ok(())
    }

    async fn come_back(&mut self) -> Result<(), Comeback> {
        self.store.reopen().await.map_err(Comeback::store)?;
        if self.clock.is_of_day() {
            check_clock(self.store.as_mut(), self.clock.as_ref()).await.map_err(Comeback::of)?;
        }
        // What was published last must still be there, under its hash, before anything is read anew.
        let (position, hash) = (self.published.head(), self.memory.last_hash);
        if let Some(last) = position.checked_sub(1) {
            let row = self.reader.event_at(last).await.map_err(Comeback::store)?;
            if row.is_none_or(|row| hash.is_some_and(|hash| row.hash != hash)) {
                return Err(Comeback::Never(Fatal::Lost(position)));
            }
        }
        self.reload().await.map_err(Comeback::of)?;
        let now = self.clock.now();
        if fence(self.store.as_mut(), &self.memory, now).await.map_err(Comeback::start)? {
            self.reload().await.map_err(Comeback::of)?;
        }
        Ok(())
    }

    /// Answers everything that comes as not accepted, for one pause; `false` when nothing will come any more.
    async fn turn_away(&mut self, queues: &mut Queues) -> bool {
        let pause = self.clock.sleep_until(self.clock.now().plus(RETRY_EVERY_MS));
        // Ends at once when every queue is closed and empty: the stop does not wait for the database.
        let turned = async {
            loop {
                tokio::select! {
                    biased;
                    Some(job) = queues.facts.recv() => answer(job, Err(NoAnswer::NotAccepted(Reason::NotAccepted))),
                    Some(job) = queues.decisions.recv() => answer(job, Err(NoAnswer::NotAccepted(Reason::NotAccepted))),
                    Some(chore) = queues.chores.recv() => drop(chore),
                    else => return,
                }
            }
        };
        tokio::select! {
            biased;
            () = turned => false,
            () = pause => true,
        }
    }
}

/// Why the database is not back.
enum Comeback {
    /// Not yet.
    Not(Box<dyn std::error::Error + Send + Sync>),
    /// It will not be what it was.
    Never(Fatal),
}

impl Comeback {
    fn store(error: StoreError) -> Self {
        match error {
            StoreError::OtherDatabase { .. } => Self::Never(Fatal::Tidy(error)),
            other => Self::Not(Box::new(other)),
        }
    }

    fn start(error: StartError) -> Self {
        Self::Not(Box::new(error))
    }

    fn of(fatal: Fatal) -> Self {
        if fatal.passes() { Self::Not(Box::new(fatal)) } else { Self::Never(fatal) }
    }

    fn into_fatal(self) -> Fatal {
        match self {
            Self::Never(fatal) => fatal,
            Self::Not(_) => Fatal::Refused,
        }
    }
}

/// An error with all its causes, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
