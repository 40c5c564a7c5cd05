//! A lost database is waited for where the store is shared: what was being written is answered as unknown, everything
//! that comes meanwhile as not accepted, and memory is read again once the database is back (reliability, 5 and 7).
//! Denials of that time are kept, up to a limit, and get their rows then.

use super::chores::{give_up, keep};
use super::follow::{CLOCK_BACK_MAX_MS, check_clock, fenced_memory};
use super::{Fatal, PATIENCE_MS, Queues, Writer, answer, answer_all};
use crate::causes::chain;
use crate::clock::Clock;
use crate::job::{Chore, Job, NoAnswer};
use crate::memory::LoadError;
use handoff_domain::refusal::Reason;
use handoff_domain::time::SECOND;
use handoff_store::{AppendError, Appended, Pending, StoreError};
use std::collections::VecDeque;
use tokio::sync::watch;

/// Pause between two tries to open the database again.
pub(super) const RETRY_EVERY_MS: i64 = 200;
/// A return that lasted less than this was none.
const RETURN_HOLDS_MS: i64 = SECOND;

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
            Self::Append(_) | Self::Elsewhere | Self::Clock(_) => true,
            Self::Tidy(error) => !matches!(error, StoreError::OtherDatabase { .. }),
            Self::Load(error) => matches!(**error, LoadError::Read(..)),
            Self::Refused | Self::Lost(_) => false,
        }
    }

    /// Whether rows of the batch that met it may have been written.
    fn may_have_written(&self) -> bool {
        matches!(self, Self::Append(error) if !matches!(**error, AppendError::Io { .. }))
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
            // Looked at before anything of the batch was sent.
            Self::Clock(_) => NoAnswer::NotAccepted(Reason::NotAccepted),
            Self::Tidy(_) | Self::Load(_) | Self::Refused | Self::Lost(_) | Self::Elsewhere => NoAnswer::Unknown,
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
        let lately = self.clock.now().since(self.returned) < RETURN_HOLDS_MS;
        if fatal.may_have_written() || lately {
            // Written again, an attempt would count twice; or it may be the very thing that cannot be written.
            give_up(chores);
        } else {
            std::mem::take(chores).into_iter().for_each(|chore| keep(chores, chore));
        }
        if !self.shared || !fatal.passes() {
            return Err(fatal);
        }
        let mut why = chain(&fatal);
        tracing::error!(error = %why, "the database is away");
        metrics::counter!("handoff_store_away_total").increment(1);
        self.availability.send_replace(Availability::Away);
        // A server that lets itself be read and not be written is not asked without a pause.
        let mut pause = self.clock.sleep_until(self.clock.now().plus(if lately { RETRY_EVERY_MS } else { 0 }));
        loop {
            tokio::select! {
                biased;
                () = turn_away(queues, chores) => {
                    give_up(chores);
                    return Ok(());
                }
                () = pause => {}
            }
            let back = tokio::select! {
                biased;
                back = self.come_back() => back,
                // The stop does not wait for the database; the store is closed as it is.
                () = turn_away(queues, chores) => {
                    give_up(chores);
                    return Ok(());
                }
            };
            let Err(fatal) = back else { break };
            if !fatal.passes() {
                return Err(fatal);
            }
            // Five times a second the same is no news.
            let now = chain(&fatal);
            if now != why {
                tracing::warn!(error = %now, "the database is still away");
                why = now;
            }
            pause = self.clock.sleep_until(self.clock.now().plus(RETRY_EVERY_MS));
        }
        self.returned = self.clock.now();
        self.availability.send_replace(Availability::Here);
        tracing::info!(position = self.memory.position, "the database is back");
        Ok(())
    }

    async fn come_back(&mut self) -> Result<(), Fatal> {
        self.store.reopen().await.map_err(Fatal::Tidy)?;
        check_clock(self.store.as_mut(), self.clock.as_ref(), CLOCK_BACK_MAX_MS).await?;
        // What was published last must still be there, under its hash, before anything is read anew.
        let (position, hash) = (self.published.head(), self.memory.last_hash);
        if let Some(last) = position.checked_sub(1) {
            let row = self.reader.event_at(last).await.map_err(Fatal::Tidy)?;
            if row.is_none_or(|row| hash.is_some_and(|hash| row.hash != hash)) {
                return Err(Fatal::Lost(position));
            }
        }
        let now = self.clock.now();
        let memory =
            fenced_memory(self.store.as_mut(), self.reader.as_ref(), self.shared, &self.given.recorders, now).await?;
        self.remember(memory);
        Ok(())
    }
}

/// Answers everything that comes as not accepted, and keeps denials; ends when every queue is closed and empty.
async fn turn_away(queues: &mut Queues, kept: &mut Vec<Chore>) {
    loop {
        tokio::select! {
            biased;
            Some(job) = queues.facts.recv() => answer(job, Err(NoAnswer::NotAccepted(Reason::NotAccepted))),
            Some(job) = queues.decisions.recv() => answer(job, Err(NoAnswer::NotAccepted(Reason::NotAccepted))),
            Some(chore) = queues.chores.recv() => keep(kept, chore),
            else => return,
        }
    }
}

/// Awaits an append. One that takes long, because the database waits for a lost standby, is never given up, since it may
/// be in the log already; but the service says that it is not ready meanwhile.
pub(super) async fn watched(
    mut append: Pending<'_, Result<Appended, AppendError>>,
    clock: &dyn Clock,
    availability: &watch::Sender<Availability>,
) -> Result<Appended, AppendError> {
    let patience = clock.sleep_until(clock.now().plus(PATIENCE_MS));
    tokio::select! {
        biased;
        done = &mut append => return done,
        () = patience => {}
    }
    tracing::error!("a commit has been waiting for {PATIENCE_MS} ms; is a standby lost?");
    availability.send_replace(Availability::Away);
    let done = append.await;
    if !matches!(done, Err(AppendError::Io { .. } | AppendError::Unknown { .. })) {
        availability.send_replace(Availability::Here);
    }
    done
}

#[cfg(test)]
mod tests;
