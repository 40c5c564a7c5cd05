//! A shared database that goes, fails, loses a race, or has another time, for the writer's tests: a file, with a writer
//! in front of it that can do so.

use super::Availability;
use super::recover::RETRY_EVERY_MS;
use crate::clock::{Clock, ManualClock, Sleep};
use crate::engine::{Engine, StartError, WriterRun, open_log};
use crate::recorders::Recorders;
use crate::rows;
use crate::tree::Tree;
use crate::vault::Vault;
use handoff_domain::event::directory::LogFenced;
use handoff_domain::time::Millis;
use handoff_evidence::log::LogKey;
use handoff_store::rows::Head;
use handoff_store::{
    AppendError, Appended, Batch, Options, Pending, Store, StoreError, WalState, Writer as StoreWriter,
};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Notify;

type Read<'a, T> = Pending<'a, Result<T, StoreError>>;

/// How long anything may take that a test waits for.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// How the next append fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fails {
    /// Nothing is written.
    Before,
    /// Everything is written, and nobody hears of it.
    After,
    /// Another replica was first.
    Moved,
}

/// What is done to the database.
pub(super) struct World {
    pub(super) clock: ManualClock,
    pub(super) away: AtomicBool,
    /// By how much the database's clock is ahead of the replica's.
    pub(super) ahead_ms: AtomicI64,
    next: Mutex<Option<Fails>>,
    /// Appends wait for permits while this is set.
    held: AtomicBool,
    /// Told when an append begins to wait.
    pub(super) waits: Notify,
    permit: Notify,
    /// Commands of each append that was tried.
    pub(super) appends: Mutex<Vec<usize>>,
    folder: TempDir,
}

/// The replica's clock: moved by hand, and held against the database's.
struct OfDay(Arc<World>);

impl Clock for OfDay {
    fn now(&self) -> Millis {
        self.0.clock.now()
    }

    fn sleep_until(&self, until: Millis) -> Sleep {
        self.0.clock.sleep_until(until)
    }

    fn is_of_day(&self) -> bool {
        true
    }
}

struct Faulty {
    inner: Box<dyn StoreWriter>,
    world: Arc<World>,
}

impl World {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            clock: ManualClock::new(Millis(1_700_000_000_000)),
            away: AtomicBool::new(false),
            ahead_ms: AtomicI64::new(0),
            next: Mutex::new(None),
            held: AtomicBool::new(false),
            waits: Notify::new(),
            permit: Notify::new(),
            appends: Mutex::default(),
            folder: tempfile::tempdir().unwrap(),
        })
    }

    fn here(&self) -> Result<(), StoreError> {
        if self.away.load(Ordering::SeqCst) { Err(StoreError::NoReply) } else { Ok(()) }
    }

    pub(super) fn fail_next(&self, how: Fails) {
        *self.next.lock().unwrap() = Some(how);
    }

    /// The next append waits for [`Self::let_go`].
    pub(super) fn hold_next(&self) {
        self.held.store(true, Ordering::SeqCst);
    }

    pub(super) fn let_go(&self) {
        self.held.store(false, Ordering::SeqCst);
        self.permit.notify_one();
    }

    pub(super) async fn start(self: &Arc<Self>) -> Result<(Engine, WriterRun), StartError> {
        let url = format!("sqlite:{}", self.folder.path().join("handoff.db").display());
        handoff_store::migrate(&url).await.unwrap();
        let mut store = handoff_store::open(&url, Options::default()).await.unwrap();
        let tree = Arc::new(Tree::new(Arc::new(Recorders::new(LogKey::from_seed(&[7; 32]))), None, None));
        open_log(&mut store, tree.recorders(), self.clock.now()).await?;
        let Store { writer, reader, unclean, .. } = store;
        let writer = Box::new(Faulty { inner: writer, world: self.clone() });
        let store = Store { writer, reader, unclean, shared: true };
        let vault = Arc::new(Vault::new(&[7; 32], &[]));
        Engine::start(store, Vec::new(), vault, tree, Arc::new(OfDay(self.clone()))).await
    }

    /// Lets time pass until the database counts as here or away.
    pub(super) async fn until(&self, engine: &Engine, wanted: Availability) {
        let available = engine.availability();
        let pass = async {
            while *available.borrow() != wanted {
                self.pass().await;
            }
        };
        tokio::time::timeout(LIMIT, pass).await.expect("it comes about");
    }

    pub(super) async fn pass(&self) {
        self.clock.advance_to(self.clock.now().plus(RETRY_EVERY_MS));
        tokio::task::yield_now().await;
    }
}

impl StoreWriter for Faulty {
    fn append<'a>(&'a mut self, batch: &'a Batch) -> Pending<'a, Result<Appended, AppendError>> {
        Box::pin(async move {
            let failure = || "the test wants it so".into();
            let before = || AppendError::Io { step: "append.begin", source: failure() };
            self.world.here().map_err(|_| before())?;
            self.world.appends.lock().unwrap().push(batch.answers.len());
            if self.world.held.load(Ordering::SeqCst) {
                self.world.waits.notify_one();
                self.world.permit.notified().await;
            }
            let how = self.world.next.lock().unwrap().take();
            match how {
                Some(Fails::Before) => Err(before()),
                Some(Fails::After) => {
                    self.inner.append(batch).await?;
                    Err(AppendError::Unknown { step: "append.committed", source: failure() })
                }
                Some(Fails::Moved) => {
                    let expected = batch.expected;
                    let head = self.inner.head().await.unwrap();
                    self.inner.append(&by_another(head)).await?;
                    Err(AppendError::Moved { expected })
                }
                None => self.inner.append(batch).await,
            }
        })
    }

    fn head(&mut self) -> Read<'_, Head> {
        Box::pin(async move {
            self.world.here()?;
            self.inner.head().await
        })
    }

    fn time(&mut self) -> Read<'_, Option<Millis>> {
        Box::pin(async move {
            self.world.here()?;
            Ok(Some(self.world.clock.now().plus(self.world.ahead_ms.load(Ordering::SeqCst))))
        })
    }

    fn reopen(&mut self) -> Read<'_, ()> {
        Box::pin(async move { self.world.here() })
    }

    fn tidy(&mut self) -> Read<'_, WalState> {
        self.inner.tidy()
    }

    fn idle(&mut self) -> Read<'_, WalState> {
        self.inner.idle()
    }

    fn close(self: Box<Self>) -> Read<'static, ()> {
        self.inner.close()
    }
}

/// What another replica wrote: an event of the log's own stream, which has one by now.
fn by_another(head: Head) -> Batch {
    let mut batch = rows::empty(head.position);
    let prev = head.last_hash.unwrap();
    let (recorders, fenced) = (Recorders::new(LogKey::from_seed(&[7; 32])), LogFenced { epoch: 1, timeline: 1 });
    batch.events.push(rows::of_log(&recorders, fenced, 2, &prev, head.last_at, head.position));
    batch
}

/// Does something beside the writer, which must not end meanwhile.
pub(super) async fn beside<T>(run: WriterRun, work: impl Future<Output = T>) -> T {
    tokio::select! {
        ended = run => panic!("the writer ended: {ended:?}"),
        done = work => done,
    }
}
