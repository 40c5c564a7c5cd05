//! Two replicas of the service on one database, and a keeper that starts one again when it ends by itself, as the
//! service's unit has it: a writer that cannot go on ends its process, and whoever runs it starts another.

use crate::app::TestApp;
use anyhow::Context;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a keeper looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// From the end of a process to the next start: `RestartSec` of `deploy/handoff.service`.
const RESTART_AFTER: Duration = Duration::from_secs(2);

/// Makes everything over an empty database, starts two replicas on it and furnishes the directory. `replicated`: one
/// synchronous standby has to hold what is acknowledged.
///
/// # Errors
/// They do not start, or refuse something.
pub async fn two_replicas(database: String, replicated: bool) -> anyhow::Result<[TestApp; 2]> {
    let mut one = TestApp::prepare_over(database)?;
    let mut two = one.replica("second")?;
    if replicated {
        for replica in [&one, &two] {
            replica.configure("[evidence]", "durability = \"replicated\"\nstandbys = 1\n\n[evidence]")?;
        }
    }
    one.start()?;
    crate::play::furnish(&one).await?;
    two.start()?;
    Ok([one, two])
}

/// Keeps one replica running. It ends with this value.
pub struct Keeper {
    name: &'static str,
    ends: Arc<AtomicU64>,
    over: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Keeps a replica that runs. `tell` gets the replica's name, how its process ended, and what it had said; all that
    /// it says goes into the file `log` as well, once it has ended.
    #[must_use]
    pub fn of(name: &'static str, app: TestApp, log: Option<PathBuf>, tell: fn(&str, &str, &str)) -> Self {
        let (over, told) = sync_channel(0);
        let ends = Arc::new(AtomicU64::new(0));
        let kept = Kept { name, app, log, tell, ends: ends.clone() };
        let thread = std::thread::spawn(move || kept.keep(&told));
        Self { name, ends, over: Some(over), thread: Some(thread) }
    }

    /// How often the process ended by itself.
    #[must_use]
    pub fn ends(&self) -> u64 {
        self.ends.load(Ordering::SeqCst)
    }

    /// Ends the keeper and, at once, the replica.
    ///
    /// # Errors
    /// The keeper had failed.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.leave().with_context(|| format!("the keeper of {} failed", self.name))
    }

    fn leave(&mut self) -> Option<()> {
        drop(self.over.take());
        self.thread.take()?.join().ok()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.leave();
    }
}

struct Kept {
    name: &'static str,
    app: TestApp,
    log: Option<PathBuf>,
    tell: fn(&str, &str, &str),
    ends: Arc<AtomicU64>,
}

impl Kept {
    /// Looks until the keeper is over; the replica ends with this value.
    fn keep(mut self, told: &Receiver<()>) {
        let mut down_since = None;
        while told.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
            down_since = match down_since {
                None => match self.app.ended_meanwhile() {
                    Ok(None) => None,
                    Ok(Some((status, said))) => self.ended(&status.to_string(), &said),
                    Err(error) => self.ended(&format!("{error:#}"), ""),
                },
                Some(since) if since.elapsed() < RESTART_AFTER => Some(since),
                Some(_) => match self.app.start() {
                    Ok(()) => None,
                    Err(error) => {
                        // It may hang, or have ended; either way it goes, and is started once more.
                        let _ = self.app.kill();
                        self.ended("it did not start", &format!("{error:#}"))
                    }
                },
            };
        }
        self.write_down(&self.app.said());
    }

    /// Since when it is down.
    fn ended(&self, how: &str, said: &str) -> Option<Instant> {
        self.ends.fetch_add(1, Ordering::SeqCst);
        self.write_down(said);
        (self.tell)(self.name, how, said);
        Some(Instant::now())
    }

    fn write_down(&self, said: &str) {
        let Some(log) = &self.log else { return };
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log);
        if let Err(error) = file.and_then(|mut file| writeln!(file, "{said}")) {
            (self.tell)(self.name, "its log cannot be written", &error.to_string());
        }
    }
}
