//! An issuer's keys while the service runs: read from a file or fetched from its address, renewed, and dropped when
//! they are too old.
//!
//! Whatever a token says, nothing is fetched but the address the configuration names for its issuer, and for a key id
//! nobody knows that happens at most every [`ASK_PAUSE_MS`], by time alone. One task an issuer does every fetch, so
//! there is never more than one under way, and a call that gives up cuts none off. Issuers know nothing of each other
//! but whose key is whose.

#[cfg(test)]
mod tests;

use super::Denied;
use super::jwks::{self, JWKS_BYTES_MAX, JwksError, KeySet};
use crate::config::{Alg, files};
use crate::metrics;
use crate::outbound::{OutboundError, Target};
use handoff_domain::ids::OrgId;
use handoff_domain::time::{MINUTE, Millis, SECOND};
use handoff_engine::causes::chain;
use handoff_engine::clock::Clock;
use jsonwebtoken::DecodingKey;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// How long fetched keys are taken before they are fetched again, in milliseconds (security, 2).
pub const FRESH_MS: i64 = 10 * MINUTE;
/// How long after the last good fetch keys are still taken, in milliseconds; then the issuer's tokens are refused.
pub const STALE_MS: i64 = 60 * MINUTE;
/// Shortest time between two fetches because of a key id nobody knows, in milliseconds; and the pause after a fetch
/// that failed.
pub const ASK_PAUSE_MS: i64 = 30 * SECOND;
/// How often a file is looked at, in milliseconds.
pub const FILE_LOOK_MS: i64 = 5 * SECOND;
/// Calls of one issuer that may wait for a fetch; further ones are refused at once, so that a flood of tokens with
/// unknown key ids holds no places that other organisations' calls need.
pub const WAITING_CALLS_MAX: usize = 64;

/// Media types a JWK set comes as.
const JWKS_TYPES: &str = "application/jwk-set+json, application/json";

/// Why an issuer's keys are not renewed. The old ones stay.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The address gave nothing.
    #[error("the issuer's address gave no keys")]
    Fetch(#[source] OutboundError),
    /// The set is refused.
    #[error("the JWK set is refused")]
    Jwks(#[source] JwksError),
    /// A key is another organisation's too.
    #[error("key `{kid}` is a key of organisation {owner} too")]
    Shared {
        /// The key's id in the refused set.
        kid: String,
        /// Whose it is.
        owner: OrgId,
    },
    /// A key of `dev-ca` outside development.
    #[error("holds a key of `handoff dev-ca`")]
    Development,
}

/// The bytes of a JWK set, from wherever they come.
pub(super) type Fetched<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, LoadError>> + Send + 'a>>;

/// Where a JWK set comes from.
pub(super) trait Source: std::fmt::Debug + Send + Sync {
    /// Gets it once, within a time of its own.
    fn fetch(&self) -> Fetched<'_>;
}

/// A file.
#[derive(Debug)]
pub(super) struct FileSource(pub(super) PathBuf);

impl Source for FileSource {
    fn fetch(&self) -> Fetched<'_> {
        let file = self.0.clone();
        Box::pin(async move {
            let unreadable = |source| LoadError::Jwks(JwksError::Unreadable { file: self.0.clone(), source });
            let read = tokio::task::spawn_blocking(move || files::read_text(&file, JWKS_BYTES_MAX)).await;
            read.map_err(std::io::Error::other).flatten().map(String::into_bytes).map_err(unreadable)
        })
    }
}

impl Source for Target {
    fn fetch(&self) -> Fetched<'_> {
        Box::pin(async { self.get(JWKS_TYPES).await.map_err(LoadError::Fetch) })
    }
}

/// When keys are renewed, and until when they are taken. In milliseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// From a good load to the next.
    every: i64,
    /// From a failed load to the next.
    retry: i64,
    /// How long after the last good load keys are taken; for ever where there is none.
    stale: Option<i64>,
    /// Shortest time between two loads because of an unknown key id; none where that starts no load.
    ask_pause: Option<i64>,
}

impl Times {
    /// A file's: it is here or not, and looked at often enough to wait for nobody's question.
    pub(super) const FILE: Self = Self { every: FILE_LOOK_MS, retry: FILE_LOOK_MS, stale: None, ask_pause: None };
    /// An address's.
    pub(super) const URL: Self =
        Self { every: FRESH_MS, retry: ASK_PAUSE_MS, stale: Some(STALE_MS), ask_pause: Some(ASK_PAUSE_MS) };
}

/// Whose key is whose, by thumbprint: whoever had it first.
#[derive(Debug, Default)]
pub(super) struct Owners(Mutex<HashMap<[u8; 32], OrgId>>);

impl Owners {
    /// Makes the keys of the set, and no others, the organisation's; the first that is another organisation's too stays
    /// that one's and is told.
    fn claim(&self, org: &OrgId, set: &KeySet) -> Option<LoadError> {
        let mut owners = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owners.retain(|_, owner| owner != org);
        let mut shared = None;
        for (kid, thumbprint) in set.thumbprints() {
            let owner = owners.entry(thumbprint).or_insert_with(|| org.clone());
            if owner != org {
                shared.get_or_insert_with(|| LoadError::Shared { kid: kid.to_owned(), owner: owner.clone() });
            }
        }
        shared
    }
}

/// The keys in force, and how many sets were in force before.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    set: Option<KeySet>,
    generation: u64,
}

impl Loaded {
    /// The key of that id, and its thumbprint.
    pub(super) fn key(&self, kid: &str) -> Option<(&DecodingKey, [u8; 32])> {
        self.set.as_ref()?.get(kid)
    }

    /// Counts the sets.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }
}

/// Who asked for a fetch, and when.
#[derive(Debug)]
struct Asked {
    /// The last time an unknown key id started a fetch.
    at: Option<Millis>,
    /// Number of the last fetch somebody waits for.
    ticket: u64,
}

/// What a load did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Changed,
    Same,
}

/// The keys of one issuer.
#[derive(Debug)]
pub(super) struct Keys {
    org: OrgId,
    alg: Alg,
    /// Whether keys of `dev-ca` are taken.
    development: bool,
    source: Box<dyn Source>,
    times: Times,
    owners: Arc<Owners>,
    loaded: RwLock<Arc<Loaded>>,
    /// That of `loaded`, for a look without a lock.
    generation: AtomicU64,
    /// The last millisecond in which the keys are taken.
    usable_until: AtomicI64,
    asked: Mutex<Asked>,
    /// Number of the last fetch that ended.
    finished: watch::Sender<u64>,
    wake: Notify,
    waiting: Semaphore,
}

impl Keys {
    /// Nothing loaded yet.
    pub(super) fn new(
        (org, alg): (OrgId, Alg),
        development: bool,
        source: Box<dyn Source>,
        times: Times,
        owners: Arc<Owners>,
    ) -> Self {
        Self {
            org,
            alg,
            development,
            source,
            times,
            owners,
            loaded: RwLock::default(),
            generation: AtomicU64::new(0),
            usable_until: AtomicI64::new(i64::MIN),
            // The first fetch begins with the task; whoever calls before it ended waits for it.
            asked: Mutex::new(Asked { at: None, ticket: 1 }),
            finished: watch::Sender::new(0),
            wake: Notify::new(),
            waiting: Semaphore::new(WAITING_CALLS_MAX),
        }
    }

    /// Reads a file here and now, so that a start serves nobody later than it has to.
    ///
    /// # Errors
    /// The set is refused.
    pub(super) fn read_now(&self, file: &Path) -> Result<(), LoadError> {
        self.take(jwks::read(file, self.alg).map_err(LoadError::Jwks)?, Millis(0)).map(drop)
    }

    /// Whether keys of that generation are still the ones in force, and taken at that time. Looks at two numbers.
    pub(super) fn hold(&self, generation: u64, now: Millis) -> bool {
        self.generation.load(Ordering::Acquire) == generation && self.usable(now)
    }

    /// Whether a key is still among those in force.
    ///
    /// # Errors
    /// It is not, or none may be taken any more.
    pub(super) fn still_has(&self, thumbprint: &[u8; 32], now: Millis) -> Result<(), Denied> {
        if !self.usable(now) {
            return Err(Denied::KeysAway);
        }
        let loaded = self.loaded.read().unwrap_or_else(PoisonError::into_inner);
        let mut known = loaded.set.iter().flat_map(KeySet::thumbprints);
        if known.any(|(_, known)| known == *thumbprint) { Ok(()) } else { Err(Denied::KeyUnknown) }
    }

    /// The keys in force, which have that key id; for an id nobody knows after one more fetch, where one is due.
    ///
    /// # Errors
    /// No such key, or none that may still be taken.
    pub(super) async fn find(&self, kid: &str, now: Millis) -> Result<Arc<Loaded>, Denied> {
        if let Ok(found) = self.look(kid, now) {
            return Ok(found);
        }
        self.ask(now).await;
        self.look(kid, now)
    }

    /// Renews the keys until told to stop.
    pub(super) async fn follow(self: Arc<Self>, clock: Arc<dyn Clock>, stop: CancellationToken) {
        let mut said = Said::default();
        said.usable(&self.org, self.usable(clock.now()));
        loop {
            let began = clock.now();
            let ticket = self.asked().ticket;
            let outcome = tokio::select! {
                outcome = self.load(began) => outcome,
                () = stop.cancelled() => break,
            };
            let pause = if outcome.is_ok() { self.times.every } else { self.times.retry };
            said.outcome(&self.org, outcome);
            said.usable(&self.org, self.usable(clock.now()));
            self.finished.send_replace(ticket);
            let mut next = clock.sleep_until(began.plus(pause));
            let stopped = loop {
                tokio::select! {
                    () = stop.cancelled() => break true,
                    () = &mut next => break false,
                    // Woken for a fetch that has been done by now, it goes on waiting.
                    () = self.wake.notified() => if self.asked().ticket > ticket { break false },
                }
            };
            if stopped {
                break;
            }
        }
        // Nobody waits for a fetch that never comes.
        self.finished.send_replace(u64::MAX);
    }

    fn usable(&self, now: Millis) -> bool {
        now.0 <= self.usable_until.load(Ordering::Acquire)
    }

    fn look(&self, kid: &str, now: Millis) -> Result<Arc<Loaded>, Denied> {
        if !self.usable(now) {
            return Err(Denied::KeysAway);
        }
        let loaded = Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner));
        if loaded.key(kid).is_some() { Ok(loaded) } else { Err(Denied::KeyUnknown) }
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the fetch under way, or for a new one if there was none for long enough.
    async fn ask(&self, now: Millis) {
        let Some(pause) = self.times.ask_pause else { return };
        let Ok(_place) = self.waiting.try_acquire() else { return };
        let mut finished = self.finished.subscribe();
        let ticket = {
            let mut asked = self.asked();
            let last = *finished.borrow();
            if asked.ticket <= last {
                // Held against both directions: a clock that was set back must not stop renewal for hours.
                let cooled = asked.at.is_none_or(|at| now.since(at).unsigned_abs() >= pause.unsigned_abs());
                if !cooled || last == u64::MAX {
                    return;
                }
                *asked = Asked { at: Some(now), ticket: last + 1 };
                self.wake.notify_one();
            }
            asked.ticket
        };
        // Its sender lives as long as these keys; an error would mean that nobody will ever fetch again.
        let _ = finished.wait_for(|last| *last >= ticket).await;
    }

    async fn load(&self, began: Millis) -> Result<Outcome, LoadError> {
        let bytes = self.source.fetch().await?;
        let text = String::from_utf8(bytes)
            .map_err(|_| LoadError::Jwks(JwksError::Malformed("it is not UTF-8 text".to_owned())))?;
        self.take(jwks::parse(&text, self.alg).map_err(LoadError::Jwks)?, began)
    }

    /// Puts a set in force that was good at that time.
    fn take(&self, set: KeySet, at: Millis) -> Result<Outcome, LoadError> {
        if !self.development && set.has_development_key() {
            return Err(LoadError::Development);
        }
        let before = Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner));
        let same = before.set.as_ref().is_some_and(|before| before.thumbprints().eq(set.thumbprints()));
        if !same {
            // Public keys are public: whoever lists another's must not take them away from it. It harms itself alone:
            // the owner of the key could sign in its name, though only over its own machines.
            if let Some(shared) = self.owners.claim(&self.org, &set) {
                tracing::error!(org = %self.org, error = %shared, "an issuer lists another organisation's key");
            }
            let generation = before.generation + 1;
            let loaded = Arc::new(Loaded { set: Some(set), generation });
            *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = loaded;
            self.generation.store(generation, Ordering::Release);
        }
        let until = self.times.stale.map_or(i64::MAX, |stale| at.plus(stale).0);
        self.usable_until.store(until, Ordering::Release);
        Ok(if same { Outcome::Same } else { Outcome::Changed })
    }
}

/// What was said of an issuer's keys, so that a state is logged when it begins and not every few seconds.
#[derive(Debug, Default)]
struct Said {
    failure: Option<String>,
    closed: bool,
}

impl Said {
    fn outcome(&mut self, org: &OrgId, outcome: Result<Outcome, LoadError>) {
        match outcome {
            Ok(outcome) => {
                metrics::keys_loaded(if outcome == Outcome::Changed { "changed" } else { "same" });
                if outcome == Outcome::Changed {
                    tracing::info!(org.id = %org, "the keys of an issuer changed");
                }
                if self.failure.take().is_some() {
                    tracing::info!(org.id = %org, "the keys of an issuer can be read again");
                }
            }
            Err(error) => {
                metrics::keys_loaded("failed");
                let failure = Some(chain(&error));
                if self.failure != failure {
                    let error = failure.as_deref().unwrap_or_default();
                    tracing::warn!(org.id = %org, error, "the keys of an issuer were not renewed; the old ones stay");
                    self.failure = failure;
                }
            }
        }
    }

    fn usable(&mut self, org: &OrgId, usable: bool) {
        if self.closed == usable {
            self.closed = !usable;
            metrics::issuer_closed(self.closed);
            if self.closed {
                tracing::error!(org.id = %org, "an issuer has no keys that may be used: its tokens are refused");
            } else {
                tracing::info!(org.id = %org, "an issuer has keys again: its tokens are taken");
            }
        }
    }
}
