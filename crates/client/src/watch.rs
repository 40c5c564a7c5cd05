//! A watch that resumes: after any break it goes on from the last message taken in, and checks that no number is
//! missing.

use crate::Client;
use crate::api::watch_response::Message;
use crate::api::{CommitRequest, FeedBatch, WatchRequest, WatchResponse};
use crate::retry::{Attempt, RETRY_FIRST, RETRY_PAUSE_MAX, definite};
use std::time::Duration;
use tonic::{Code, Status, Streaming};

/// Silence after which a stream counts as dead.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Why a watch ended for good.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The service refuses to go on from the token; a human has to look.
    #[error("the watch was refused")]
    Refused(#[source] Box<Status>),
    /// A number is missing: a defect of the service, never to be skipped.
    #[error("feed entry {expected} is missing, {found} came instead")]
    Gap {
        /// The number that should have come.
        expected: u64,
        /// The number that came.
        found: u64,
    },
}

/// Follows the own organisation's feed for ever.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    place: Place,
    stream: Option<Streaming<WatchResponse>>,
}

/// Where a watch stands in the feed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    /// From which the next stream goes on; empty for the first entry.
    pub(crate) token: String,
    /// Nothing before now is wanted, and no place after it is known yet.
    pub(crate) from_now: bool,
    /// Number of the last entry returned.
    pub(crate) last: Option<u64>,
}

/// What a message of the stream brought.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// Entries, all of them in order.
    Batch(FeedBatch),
    /// A sign of life.
    Heartbeat,
    /// The stream is over; the next one goes on from the place.
    End,
}

impl Place {
    /// Takes a message in. A batch with a gap changes nothing.
    pub(crate) fn take(&mut self, message: Message) -> Result<Arrived, WatchError> {
        match message {
            Message::Batch(batch) => {
                self.check(&batch)?;
                self.token.clone_from(&batch.resume_token);
                self.from_now = false;
                Ok(Arrived::Batch(batch))
            }
            Message::Heartbeat(heartbeat) => {
                if self.from_now && !heartbeat.resume_token.is_empty() {
                    // From now on there is a place to resume from, so that nothing after it can be missed.
                    (self.token, self.from_now) = (heartbeat.resume_token, false);
                }
                Ok(Arrived::Heartbeat)
            }
            Message::End(end) => {
                if !end.resume_token.is_empty() {
                    // A place and "from now" together are refused for good, so a stream that ended before it brought
                    // anything is gone on with like any other.
                    (self.token, self.from_now) = (end.resume_token, false);
                }
                Ok(Arrived::End)
            }
        }
    }

    fn check(&mut self, batch: &FeedBatch) -> Result<(), WatchError> {
        let mut before = self.last;
        for entry in &batch.entries {
            // After the largest number there is none, so whatever comes then is a gap too.
            if let Some(last) = before.filter(|last| last.checked_add(1) != Some(entry.number)) {
                return Err(WatchError::Gap { expected: last.saturating_add(1), found: entry.number });
            }
            before = Some(entry.number);
        }
        self.last = before;
        Ok(())
    }
}

impl Watch {
    /// A watch from a token, or from the first entry when it is empty.
    #[must_use]
    pub fn from_token(client: Client, token: String) -> Self {
        Self { client, place: Place { token, from_now: false, last: None }, stream: None }
    }

    /// A watch of what comes after now.
    #[must_use]
    pub fn from_now(client: Client) -> Self {
        Self { client, place: Place { token: String::new(), from_now: true, last: None }, stream: None }
    }

    /// Token of the last message returned.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.place.token
    }

    /// The entries of the next command. Waits as long as it takes, over every break of the connection.
    ///
    /// # Errors
    /// [`WatchError`].
    pub async fn next(&mut self) -> Result<FeedBatch, WatchError> {
        let mut pause = RETRY_FIRST;
        loop {
            match self.step().await {
                Ok(message) => match self.place.take(message)? {
                    Arrived::Batch(batch) => return Ok(batch),
                    Arrived::Heartbeat => pause = RETRY_FIRST,
                    Arrived::End => (self.stream, pause) = (None, RETRY_FIRST),
                },
                Err(status) if definite(&status) == Attempt::Definite => {
                    return Err(WatchError::Refused(Box::new(status)));
                }
                Err(status) => {
                    tracing::debug!(code = ?status.code(), "the watch is resumed");
                    self.stream = None;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_PAUSE_MAX);
                }
            }
        }
    }

    async fn step(&mut self) -> Result<Message, Status> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let Place { token, from_now, .. } = self.place.clone();
                let stream =
                    self.client.feed().watch(WatchRequest { resume_token: token, from_now }).await?.into_inner();
                self.stream.insert(stream)
            }
        };
        let message = tokio::time::timeout(SILENCE_MAX, stream.message()).await;
        let message = message.map_err(|_| Status::new(Code::Unavailable, "no heartbeat"))??;
        message.and_then(|response| response.message).ok_or_else(|| Status::new(Code::Unavailable, "the stream ended"))
    }

    /// Says that everything up to the last message returned has been taken in.
    ///
    /// # Errors
    /// The service's answer.
    pub async fn commit(&self) -> Result<(), Status> {
        if self.place.token.is_empty() {
            return Ok(());
        }
        let request = CommitRequest { resume_token: self.place.token.clone() };
        self.client.feed().commit(request).await.map(|_| ())
    }
}
