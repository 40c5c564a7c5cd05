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
    token: String,
    from_now: bool,
    last: Option<u64>,
    stream: Option<Streaming<WatchResponse>>,
}

impl Watch {
    /// A watch from a token, or from the first entry when it is empty.
    #[must_use]
    pub fn from_token(client: Client, token: String) -> Self {
        Self { client, token, from_now: false, last: None, stream: None }
    }

    /// A watch of what comes after now.
    #[must_use]
    pub fn from_now(client: Client) -> Self {
        Self { client, token: String::new(), from_now: true, last: None, stream: None }
    }

    /// Token of the last message returned.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The entries of the next command. Waits as long as it takes, over every break of the connection.
    ///
    /// # Errors
    /// [`WatchError`].
    pub async fn next(&mut self) -> Result<FeedBatch, WatchError> {
        let mut pause = RETRY_FIRST;
        loop {
            match self.step().await {
                Ok(Some(batch)) => {
                    self.check(&batch)?;
                    self.token.clone_from(&batch.resume_token);
                    self.from_now = false;
                    return Ok(batch);
                }
                Ok(None) => pause = RETRY_FIRST,
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

    fn check(&mut self, batch: &FeedBatch) -> Result<(), WatchError> {
        for entry in &batch.entries {
            if let Some(last) = self.last.filter(|last| entry.number != last + 1) {
                return Err(WatchError::Gap { expected: last + 1, found: entry.number });
            }
            self.last = Some(entry.number);
        }
        Ok(())
    }

    async fn step(&mut self) -> Result<Option<FeedBatch>, Status> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let request = WatchRequest { resume_token: self.token.clone(), from_now: self.from_now };
                let stream = self.client.feed().watch(request).await?.into_inner();
                self.stream.insert(stream)
            }
        };
        let message = tokio::time::timeout(SILENCE_MAX, stream.message()).await;
        let message = message.map_err(|_| Status::new(Code::Unavailable, "no heartbeat"))??;
        match message.and_then(|response| response.message) {
            Some(Message::Batch(batch)) => Ok(Some(batch)),
            Some(Message::Heartbeat(heartbeat)) => {
                if self.from_now && !heartbeat.resume_token.is_empty() {
                    // From now on there is a place to resume from, so that nothing after it can be missed.
                    (self.token, self.from_now) = (heartbeat.resume_token, false);
                }
                Ok(None)
            }
            Some(Message::End(end)) => {
                self.token = if end.resume_token.is_empty() { self.token.clone() } else { end.resume_token };
                self.stream = None;
                Ok(None)
            }
            None => Err(Status::new(Code::Unavailable, "the stream ended")),
        }
    }

    /// Says that everything up to the last message returned has been taken in.
    ///
    /// # Errors
    /// The service's answer.
    pub async fn commit(&self) -> Result<(), Status> {
        if self.token.is_empty() {
            return Ok(());
        }
        let request = CommitRequest { resume_token: self.token.clone() };
        self.client.feed().commit(request).await.map(|_| ())
    }
}
