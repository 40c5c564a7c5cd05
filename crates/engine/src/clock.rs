//! The one place where time is read. Everything else receives an instant or a [`Clock`].

use handoff_domain::time::Millis;
use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use tokio::sync::watch;

/// A wait that ends by itself.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where `now` comes from.
pub trait Clock: Send + Sync + 'static {
    /// The instant, in whole milliseconds.
    fn now(&self) -> Millis;
    /// Ends once `now` is at least `until`.
    fn sleep_until(&self, until: Millis) -> Sleep;
    /// Whether it shows the time of day, so that it can be held against another machine's.
    fn is_of_day(&self) -> bool {
        false
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn is_of_day(&self) -> bool {
        true
    }

    #[expect(clippy::disallowed_methods, reason = "the one place where the service reads the clock")]
    fn now(&self) -> Millis {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Millis(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
    }

    fn sleep_until(&self, until: Millis) -> Sleep {
        let wait = until.since(self.now()).max(0);
        Box::pin(tokio::time::sleep(std::time::Duration::from_millis(wait.unsigned_abs())))
    }
}

/// A clock that moves only when told: tests and `replay --simulate` follow recorded times with it.
#[derive(Debug)]
pub struct ManualClock {
    now: watch::Sender<i64>,
    /// Serialises moves, so that the clock never runs back.
    moving: Mutex<()>,
}

impl ManualClock {
    /// A clock that stands at `start`.
    #[must_use]
    pub fn new(start: Millis) -> Self {
        Self { now: watch::Sender::new(start.0), moving: Mutex::new(()) }
    }

    /// Moves to `to`; a time before now is ignored.
    pub fn advance_to(&self, to: Millis) {
        let _guard = self.moving.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        self.now.send_if_modified(|now| {
            let later = to.0 > *now;
            *now = to.0.max(*now);
            later
        });
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Millis {
        Millis(*self.now.borrow())
    }

    fn sleep_until(&self, until: Millis) -> Sleep {
        let mut moves = self.now.subscribe();
        Box::pin(async move {
            // The sender gone means that nobody will ever move it again: the wait is over either way.
            let _ = moves.wait_for(|now| *now >= until.0).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_moves_only_forward_and_wakes_sleepers() {
        let clock = ManualClock::new(Millis(10));
        let waiting = clock.sleep_until(Millis(20));
        clock.advance_to(Millis(5));
        assert_eq!(clock.now(), Millis(10));
        clock.advance_to(Millis(20));
        waiting.await;
        assert_eq!(clock.now(), Millis(20));
    }
}
