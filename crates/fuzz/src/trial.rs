//! One input tried, with everything that may go wrong looked at.

use crate::corpus::Corpus;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

/// Longest time one input may take. Readers take far less than a millisecond; a busy machine takes the rest.
const TIME_MAX: Duration = Duration::from_secs(5);
/// After this long an input is not waited for any more: the process ends.
const HANG_MAX: Duration = Duration::from_secs(30);
/// How much the process may grow over one target, in KiB. Tests beside it grow it too.
const GROWTH_KIB_MAX: u64 = 768 * 1024;
/// How often growth is looked at, in inputs.
const LOOK_EVERY: u64 = 256;

/// Why an input fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The target panicked.
    Panic {
        /// With these words, which may repeat numbers of the input.
        words: String,
        /// Here.
        place: String,
    },
    /// It took longer than `TIME_MAX`.
    Slow,
    /// This or one of the inputs just before made the process grow.
    Growth,
}

impl Failure {
    /// Whether another input fails at the same place.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Panic { place: one, .. }, Self::Panic { place: other, .. }) if one == other)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panic { words, place } => write!(f, "{words} ({place})"),
            Self::Slow => write!(f, "it takes longer than {TIME_MAX:?}"),
            Self::Growth => write!(
                f,
                "with it, or one of the {LOOK_EVERY} inputs before it, the process grew by more than {GROWTH_KIB_MAX} KiB"
            ),
        }
    }
}

thread_local! {
    /// Whether this thread's panics are caught and told by us, so that nothing prints them.
    static CAUGHT: Cell<bool> = const { Cell::new(false) };
    /// Where the last caught panic came from.
    static LAST_PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Tries inputs on one target.
pub(crate) struct Trial<T> {
    target: T,
    last: LastInput,
    watch: Watch,
    tried: u64,
    peak_kib: Option<u64>,
}

impl<T: FnMut(&[u8]) -> String> Trial<T> {
    pub(crate) fn new(target: T, corpus: &Corpus) -> Self {
        silence_caught_panics();
        let last = LastInput::new(corpus.name());
        let watch = Watch::start(corpus.name(), last.file.clone());
        Self { target, last, watch, tried: 0, peak_kib: peak_kib() }
    }

    /// The target's answer to one input.
    pub(crate) fn attempt(&mut self, bytes: &[u8]) -> Result<String, Failure> {
        self.last.write(bytes);
        self.watch.begun.fetch_add(1, Ordering::Relaxed);
        self.tried += 1;
        let begun = Instant::now();
        CAUGHT.set(true);
        let answer = catch_unwind(AssertUnwindSafe(|| (self.target)(bytes)));
        CAUGHT.set(false);
        let took = begun.elapsed();
        let answer =
            answer.map_err(|panic| Failure::Panic { words: words(panic.as_ref()), place: LAST_PLACE.take() })?;
        if took > TIME_MAX {
            return Err(Failure::Slow);
        }
        if self.tried.is_multiple_of(LOOK_EVERY) && self.has_grown() {
            return Err(Failure::Growth);
        }
        Ok(answer)
    }

    fn has_grown(&self) -> bool {
        self.peak_kib.zip(peak_kib()).is_some_and(|(before, now)| now.saturating_sub(before) > GROWTH_KIB_MAX)
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without words".to_owned())
}

/// Hundreds of expected panics while an input is cut down would bury the one message that matters.
fn silence_caught_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if CAUGHT.get() {
                LAST_PLACE.set(info.location().map(ToString::to_string).unwrap_or_default());
            } else {
                before(info);
            }
        }));
    });
}

/// The most memory this process ever held, where the system tells it.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The input being tried, in a file, for the case that nothing is left to tell it.
struct LastInput {
    file: PathBuf,
    open: Option<File>,
}

impl LastInput {
    fn new(name: &str) -> Self {
        let file = std::env::temp_dir().join(format!("handoff-fuzz-{name}-{}", std::process::id()));
        let open = File::create(&file).ok();
        Self { file, open }
    }

    fn write(&self, bytes: &[u8]) {
        if let Some(open) = &self.open {
            let written = open.write_all_at(bytes, 0).and_then(|()| open.set_len(bytes.len() as u64));
            written.unwrap_or_else(|error| panic!("{}: {error}", self.file.display()));
        }
    }
}

impl Drop for LastInput {
    fn drop(&mut self) {
        // A file left behind in the temporary folder harms nobody.
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Ends the process where one input takes for ever: a thread cannot be ended alone.
struct Watch {
    begun: Arc<AtomicU64>,
    /// Dropped with the trial, which ends the watcher.
    _alive: SyncSender<()>,
}

impl Watch {
    fn start(name: &str, file: PathBuf) -> Self {
        let begun = Arc::new(AtomicU64::new(0));
        let (alive, ended) = sync_channel(0);
        let (seen, name) = (Arc::clone(&begun), name.to_owned());
        std::thread::spawn(move || {
            let mut before = u64::MAX;
            while ended.recv_timeout(HANG_MAX) == Err(RecvTimeoutError::Timeout) {
                let now = seen.load(Ordering::Relaxed);
                if now == before {
                    eprintln!("{name}: the input in {} takes longer than {HANG_MAX:?}", file.display());
                    std::process::abort();
                }
                before = now;
            }
        });
        Self { begun, _alive: alive }
    }
}
