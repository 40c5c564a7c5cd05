//! Asking again, with the same request id, until the answer is definite.

use rand::RngExt;
use std::future::Future;
use std::time::Duration;
use tonic::{Code, Status};

/// First pause between two attempts.
pub(crate) const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Longest pause.
pub(crate) const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// After this long a human has to look; the last status is returned.
pub const RETRY_FOR_MAX: Duration = Duration::from_secs(120);

/// Reason of a message over the limit: the same again gets the same answer.
const MESSAGE_TOO_LARGE: &str = "MESSAGE_TOO_LARGE";

/// Reason of a command that was turned away.
const NOT_ACCEPTED: &str = "NOT_ACCEPTED";

/// What an answer means for the question whether to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// A definite no: zero times recorded. A changed command takes a new request id.
    Definite,
    /// Not recorded, or not known: ask again with the same request id.
    AskAgain,
}

/// Whether a status is a definite no (reliability, 7).
#[must_use]
pub fn definite(status: &Status) -> Attempt {
    match status.code() {
        // The one of its kind that time does not change.
        Code::ResourceExhausted if crate::reason(status).as_deref() == Some(MESSAGE_TOO_LARGE) => Attempt::Definite,
        Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Cancelled
        | Code::Internal
        | Code::Unknown
        | Code::ResourceExhausted => Attempt::AskAgain,
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => Attempt::Definite,
    }
}

/// Whether an attempt is known to have recorded nothing.
fn was_not_accepted(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted || crate::reason(status).as_deref() == Some(NOT_ACCEPTED)
}

/// Calls until the answer is definite, pausing 100 ms to 5 s with jitter, for at most [`RETRY_FOR_MAX`].
/// The closure must send the same request, request id included, each time.
///
/// # Errors
/// The definite refusal, or the last status once the time is up: of several the last one that leaves the outcome open,
/// since an attempt that was not accepted says nothing of one before it.
pub async fn retry<T, F, Fut>(mut call: F) -> Result<T, Status>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Status>>,
{
    let (mut pause, mut waited) = (RETRY_FIRST, Duration::ZERO);
    let mut open = None;
    loop {
        match call().await {
            Ok(answer) => return Ok(answer),
            Err(status) if definite(&status) == Attempt::Definite => return Err(status),
            Err(status) => {
                if !was_not_accepted(&status) {
                    open = Some(status.clone());
                }
                if waited >= RETRY_FOR_MAX {
                    return Err(open.unwrap_or(status));
                }
                tracing::debug!(code = ?status.code(), "asking again with the same request id");
                let jittered = pause.mul_f64(rand::rng().random_range(0.5..1.0));
                tokio::time::sleep(jittered).await;
                waited += jittered;
                pause = (pause * 2).min(RETRY_PAUSE_MAX);
            }
        }
    }
}
