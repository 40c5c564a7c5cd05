//! Load: dispatch systems that take calls and write notes, and how far they are.

use crate::app::LIMIT;
use crate::play::{id, note};
use anyhow::Context;
use handoff_client::{Client, Response, Status, api};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// A command of the load.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a few hundred of them in a test")]
pub enum Sent {
    /// An intake.
    Receive(api::ReceiveRequest),
    /// A note.
    Note(api::NoteRequest),
}

/// An incident without a place, so that its intake is one event.
#[must_use]
pub fn begin() -> api::ReceiveRequest {
    let intake = Some(api::Intake { kind: "emergency".into(), ..Default::default() });
    api::ReceiveRequest { request_id: id(), incident: id(), intake, ..Default::default() }
}

impl Sent {
    /// What begins an incident, and notes on it.
    #[must_use]
    pub fn incident_with_notes(notes: usize) -> Vec<Self> {
        let received = begin();
        let incident = received.incident.clone();
        let notes = (0..notes).map(|number| Self::Note(note(&incident, &format!("note {number}"))));
        std::iter::once(Self::Receive(received)).chain(notes).collect()
    }

    /// Its incident.
    #[must_use]
    pub fn incident(&self) -> &str {
        match self {
            Self::Receive(request) => &request.incident,
            Self::Note(request) => &request.incident,
        }
    }

    /// Sends it.
    ///
    /// # Errors
    /// What the service answers.
    pub async fn call(&self, client: &Client) -> Result<api::MoveReply, Status> {
        match self.clone() {
            Self::Receive(request) => client.incidents().receive(request).await,
            Self::Note(request) => client.incidents().note(request).await,
        }
        .map(Response::into_inner)
    }
}

/// What the load has been told so far, and what it is told to do.
#[derive(Default)]
pub struct Progress {
    answered: AtomicU64,
    unknown: AtomicU64,
    refusals: Mutex<Vec<String>>,
    over: AtomicBool,
    held: watch::Sender<bool>,
    resting: AtomicUsize,
    moved: Notify,
}

impl Progress {
    /// Commands answered.
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::SeqCst)
    }

    /// One more is.
    pub fn one_more(&self) {
        self.answered.fetch_add(1, Ordering::SeqCst);
        self.moved.notify_waiters();
    }

    /// Attempts whose outcome the client does not know.
    pub fn unknown(&self) -> u64 {
        self.unknown.load(Ordering::SeqCst)
    }

    /// One more is.
    pub fn one_more_unknown(&self) {
        self.unknown.fetch_add(1, Ordering::SeqCst);
    }

    /// What the service refused. It has no reason to, unless it has lost what a command builds on.
    pub fn refusals(&self) -> Vec<String> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It refused this.
    pub fn refused(&self, what: String) {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// Tells the load to end.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Whether it was told to.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Tells the load to rest between two commands, and waits until so many writers do: then nothing is under way.
    ///
    /// # Errors
    /// They do not in time. They stay told to.
    pub async fn hold(&self, writers: usize, limit: Duration) -> anyhow::Result<()> {
        self.held.send_replace(true);
        let rest = self.wait(limit, || self.resting.load(Ordering::SeqCst) >= writers);
        rest.await.with_context(|| format!("{} of {writers} writers rest", self.resting.load(Ordering::SeqCst)))
    }

    /// Tells the load to go on.
    pub fn go_on(&self) {
        self.held.send_replace(false);
    }

    /// A writer between two commands: rests while it is told to.
    pub async fn breathe(&self) {
        let mut held = self.held.subscribe();
        if !*held.borrow() {
            return;
        }
        self.resting.fetch_add(1, Ordering::SeqCst);
        self.moved.notify_waiters();
        // It cannot fail: the other end is in this value.
        let _ = held.wait_for(|held| !*held).await;
        self.resting.fetch_sub(1, Ordering::SeqCst);
    }

    /// Waits until so many are answered.
    ///
    /// # Errors
    /// They are not in time.
    pub async fn until(&self, count: u64) -> anyhow::Result<()> {
        self.until_within(count, LIMIT).await
    }

    /// As [`Progress::until`], with a limit of its own.
    ///
    /// # Errors
    /// They are not in time.
    pub async fn until_within(&self, count: u64, limit: Duration) -> anyhow::Result<()> {
        let reached = self.wait(limit, || self.answered() >= count).await;
        reached.with_context(|| format!("{count} answers did not come, {} did", self.answered()))
    }

    async fn wait(&self, limit: Duration, is_so: impl Fn() -> bool) -> anyhow::Result<()> {
        let wait = async {
            loop {
                let moved = self.moved.notified();
                if is_so() {
                    return;
                }
                moved.await;
            }
        };
        Ok(tokio::time::timeout(limit, wait).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::Progress;
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::task::JoinSet;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn a_held_load_rests_and_goes_on() -> anyhow::Result<()> {
        let progress = Arc::new(Progress::default());
        let mut writers = JoinSet::new();
        for _ in 0..2 {
            let progress = progress.clone();
            writers.spawn(async move {
                while !progress.is_over() {
                    progress.breathe().await;
                    progress.one_more();
                    tokio::task::yield_now().await;
                }
            });
        }
        for _ in 0..3 {
            progress.until_within(progress.answered() + 10, LIMIT).await?;
            progress.hold(2, LIMIT).await?;
            let rested_at = progress.answered();
            tokio::task::yield_now().await;
            assert_eq!(progress.answered(), rested_at, "nobody works while the load is held");
            progress.go_on();
        }
        assert!(progress.hold(3, Duration::ZERO).await.is_err(), "two writers are not three");
        progress.end();
        progress.go_on();
        writers.join_all().await;
        Ok(())
    }
}
