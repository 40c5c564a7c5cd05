//! Waiting is asking again until it is so, with a limit.

use crate::{Error, Result};
use std::thread;
use std::time::{Duration, Instant};

/// Between two questions. Short against everything that is waited for.
pub(crate) const POLL_PAUSE: Duration = Duration::from_millis(5);

/// Asks `probe` until it says yes.
///
/// # Errors
/// [`Error::Waited`], naming `what`, when it does not within `limit`; an error of `probe` at once.
pub fn wait_until(what: &str, limit: Duration, mut probe: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    loop {
        if probe()? {
            return Ok(());
        }
        if start.elapsed() >= limit {
            return Err(Error::Waited { what: what.to_owned(), seconds: limit.as_secs() });
        }
        thread::sleep(POLL_PAUSE);
    }
}
