//! The loop: dials out, takes the stream in, signs, gives the signatures in, and begins again after every loss.

use crate::code::{Code, Refusal};
use crate::line::{Heard, Line, Stream, is_lasting};
use crate::silence::{Silence, Turn};
use crate::witness::{Clock, Counts, Step, StepError, Witness};
use handoff_client::Status;
use handoff_domain::time::{Millis, SECOND};
use rand::RngExt;
use std::future::Future;
use std::sync::Arc;

/// How fast the loop goes, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// First pause before dialling again.
    pub retry_first_ms: i64,
    /// Longest one.
    pub retry_max_ms: i64,
    /// How often the service is asked for its newest checkpoint while nothing comes.
    pub ask_every_ms: i64,
    /// After so long without a word the log is silent.
    pub silent_ms: i64,
    /// How long a replica may be behind another before an older checkpoint is a rollback.
    pub lag_ms: i64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            retry_first_ms: SECOND / 2,
            retry_max_ms: 30 * SECOND,
            ask_every_ms: 10 * SECOND,
            silent_ms: 60 * SECOND,
            lag_ms: 3 * SECOND,
        }
    }
}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the line broke")]
    Line(#[from] Status),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error("nothing is heard on this connection")]
    Silent,
}

/// Everything a session works with.
struct Session<'w, L> {
    witness: &'w mut Witness,
    line: &'w mut L,
    clock: Arc<dyn Clock>,
    silence: &'w mut Silence,
    pace: Pace,
    /// The note given in last on this connection.
    given: Option<String>,
    signed: bool,
}

/// Witnesses until `stop` is over.
pub async fn run<L: Line>(
    witness: &mut Witness,
    line: &mut L,
    clock: Arc<dyn Clock>,
    pace: Pace,
    stop: impl Future<Output = ()>,
) {
    let mut silence = Silence::new(clock.now(), pace.silent_ms);
    let mut stop = std::pin::pin!(stop);
    let mut pause = pace.retry_first_ms;
    loop {
        Counts::add(&witness.counts().sessions, 1);
        let mut session = Session {
            witness: &mut *witness,
            line: &mut *line,
            clock: clock.clone(),
            silence: &mut silence,
            pace,
            given: None,
            signed: false,
        };
        let ended = tokio::select! {
            biased;
            () = &mut stop => return,
            ended = session.run() => ended,
        };
        pause = if session.signed { pace.retry_first_ms } else { pause };
        match ended {
            Ok(()) => tracing::debug!("the service ended the stream"),
            Err(ended) => session.over(&ended).await,
        }
        passes(&mut silence, witness, clock.now()).await;
        // Half to whole: a service that comes back is not dialled by everybody in one moment.
        let jittered = rand::rng().random_range(pause / 2..=pause.max(1));
        tokio::select! {
            biased;
            () = &mut stop => return,
            () = clock.sleep_until(clock.now().plus(jittered)) => {}
        }
        pause = (pause * 2).min(pace.retry_max_ms);
    }
}

/// Time passes; the fall into silence is told once.
async fn passes(silence: &mut Silence, witness: &mut Witness, now: Millis) -> bool {
    let falls = silence.passes(now) == Some(Turn::Silent);
    if falls {
        tracing::error!(code = Code::Silent.as_str(), "nothing is heard of the log");
        if let Err(error) = witness.silent().await {
            tracing::error!(%error, "the alarm cannot be kept");
        }
    }
    falls
}

impl<L: Line> Session<'_, L> {
    async fn run(&mut self) -> Result<(), Ended> {
        self.line.dial().await?;
        self.greet().await?;
        if let Some(note) = self.witness.signed().map(str::to_owned) {
            self.give_again(note).await?;
        }
        let mut entries = self.line.entries(self.witness.position()).await?;
        tracing::info!(from = self.witness.position(), "the log is read");
        loop {
            let ask_at = self.clock.now().plus(self.pace.ask_every_ms);
            tokio::select! {
                biased;
                message = entries.next() => match message? {
                    Some(message) => self.take(&message).await?,
                    None => return Ok(()),
                },
                () = self.clock.sleep_until(ask_at) => self.ask().await?,
            }
        }
    }

    /// The newest checkpoint there is, and the newest of this witness.
    async fn greet(&mut self) -> Result<(), Ended> {
        let Some(told) = self.line.checkpoint(0, false).await? else { return Ok(()) };
        let told = match self.witness.compare(&told.note).await {
            // Another replica may know less for a moment.
            Err(StepError::Refused(Refusal { code: Code::Rollback, .. })) => {
                self.clock.sleep_until(self.clock.now().plus(self.pace.lag_ms)).await;
                let Some(again) = self.line.checkpoint(0, false).await? else { return Ok(()) };
                self.witness.compare(&again.note).await?;
                again
            }
            Err(error) => return Err(error.into()),
            Ok(_) => told,
        };
        let of_this = told.witnesses.iter().find(|witness| witness.name == self.witness.name());
        let signed = of_this.map_or(0, |witness| witness.signed_size);
        if signed > 0
            && let Some(own) = self.line.checkpoint(signed, false).await?
        {
            self.witness.remind(&own.note).await?;
        }
        self.heard_of(&told).await
    }

    /// Asked while nothing comes: a log without news is not silent.
    async fn ask(&mut self) -> Result<(), Ended> {
        if passes(self.silence, self.witness, self.clock.now()).await {
            return Err(Ended::Silent);
        }
        if let Some(told) = self.line.checkpoint(0, false).await? {
            self.witness.compare(&told.note).await?;
            self.heard_of(&told).await?;
        }
        Ok(())
    }

    async fn heard_of(&mut self, told: &Heard) -> Result<(), Ended> {
        if told.size <= self.witness.position() {
            self.heard();
        }
        self.proven().await
    }

    /// The newest checkpoint with a quorum, for bundles.
    async fn proven(&mut self) -> Result<(), Ended> {
        if let Some(proven) = self.line.checkpoint(0, true).await? {
            self.witness.keep_proven(&proven.note).await?;
        }
        Ok(())
    }

    fn heard(&mut self) {
        if self.silence.heard(self.clock.now()) == Some(Turn::Over) {
            tracing::info!(code = Code::Silent.as_str(), "the log is heard again");
        }
    }

    async fn take(&mut self, message: &handoff_client::api::StreamEntriesResponse) -> Result<(), Ended> {
        match self.witness.step(message).await? {
            // A long way to catch up is no silence either.
            Step::Taken => self.heard(),
            Step::Behind { signed } => {
                self.heard();
                tracing::info!(signed, at = self.witness.position(), "still behind what was signed before");
            }
            Step::Cosigned { note, .. } => {
                self.heard();
                self.give(note).await?;
                self.proven().await?;
            }
        }
        Ok(())
    }

    /// What was signed last, for a service that may not have it yet. One that refuses it has another log: reading on is what
    /// shows that, with both checkpoints for proof.
    async fn give_again(&mut self, note: String) -> Result<(), Ended> {
        match self.give(note).await {
            Err(Ended::Line(status)) if status.code() == handoff_client::Code::InvalidArgument => {
                tracing::error!(status = %handoff_client::explain(&status),
                    "the service does not take what this witness signed last; its log is read on");
                Ok(())
            }
            given => given,
        }
    }

    async fn give(&mut self, note: String) -> Result<(), Ended> {
        if self.given.as_ref() != Some(&note) {
            self.line.cosign(&note).await?;
            (self.given, self.signed) = (Some(note), true);
        }
        Ok(())
    }

    /// Tells the operator and the service why nothing is signed.
    async fn over(&mut self, ended: &Ended) {
        match ended {
            Ended::Line(status) if is_lasting(status) => {
                tracing::error!(status = %handoff_client::explain(status), "the service does not take this witness");
            }
            Ended::Line(status) => tracing::warn!(%status, "the line broke"),
            Ended::Silent => tracing::warn!("a new connection is tried"),
            Ended::Step(StepError::Refused(Refusal { code, index, .. })) => {
                let name = self.witness.name().to_owned();
                if let Err(status) = self.line.refuse(&name, *index, code.as_str()).await {
                    tracing::warn!(%status, "the refusal could not be told to the service");
                }
            }
            Ended::Step(error) => tracing::error!(error = %chain(error), "the witness could not go on"),
        }
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
