//! The witness: one message at a time, in the one order that is safe.
//!
//! Entries, tiles and the log-signed checkpoint over them are committed in one transaction; then the mark is written on
//! its second volume; only then the head is signed, and what was signed is kept and given out. So whatever dies between
//! two steps, nothing is ever signed that is not stored, and never two roots of one size.

mod greet;
mod load;

use crate::code::{Code, Refusal};
use crate::mark::{Mark, MarkError, MarkFile};
use crate::mirror::{Alarm, Mirror, MirrorError, State};
use crate::settings::{AcceptFault, Settings, SettingsError};
use crate::validator::{Entry, Past, Validator};
use handoff_client::api::{LogEntry, StreamEntriesResponse};
use handoff_domain::ids::IncidentId;
use handoff_domain::time::Millis;
use handoff_evidence::note::{Checkpoint, CosignerKey, Head};
use handoff_evidence::policy::Policy;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Entries judged between two looks into the mirror for the past of their cases.
const CHUNK_ENTRIES: usize = 256;

/// Where time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The instant, in whole milliseconds.
    fn now(&self) -> Millis;
    /// Ends once `now` is at least `until`.
    fn sleep_until(&self, until: Millis) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Steps between which a process may die; for tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Entries are written and not committed.
    Written,
    /// The checkpoint is, too.
    StoodBy,
    /// Everything is committed.
    Committed,
    /// The mark is written.
    Marked,
    /// The head is signed; the note with the witness's line exists from here on.
    Signed,
    /// What was signed is kept.
    Kept,
}

/// Looks at each point and at the note that was signed; `true` kills the step.
type Probe = Box<dyn FnMut(Point, Option<&str>) -> bool + Send>;

/// What a witness has done since it was opened.
#[derive(Debug, Default)]
pub struct Counts {
    /// Entries taken and committed.
    pub entries: AtomicU64,
    /// Heads signed.
    pub cosigned: AtomicU64,
    /// Refusals.
    pub refused: AtomicU64,
    /// Times the log fell silent.
    pub silences: AtomicU64,
    /// Connections.
    pub sessions: AtomicU64,
}

impl Counts {
    pub(crate) fn add(count: &AtomicU64, more: u64) {
        count.fetch_add(more, Ordering::Relaxed);
    }
}

/// Why a witness cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A name no witness may have.
    #[error("{0:?} is no name of a witness: visible ASCII characters without a plus")]
    Name(String),
    /// The policy.
    #[error("the policy cannot be used")]
    Policy(#[source] handoff_evidence::policy::PolicyError),
    /// The policy does not name this witness with this key.
    #[error("the policy names no witness with this name and key; its line would be: witness NAME {0}")]
    Stranger(String),
    /// No log, or several and none chosen.
    #[error("the policy does not list the log {0}: give `origin`")]
    Log(String),
    /// The mirror.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The mark.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// Mirror or mark are of another log.
    #[error("{what} is of the log {found}")]
    OtherLog {
        /// Which of them.
        what: &'static str,
        /// Whose it is.
        found: String,
    },
    /// The mark says another root than the mirror: one of them is not this witness's.
    #[error("mark and mirror have different roots for size {0}; nothing can be signed with either")]
    MarkDiffers(u64),
}

/// Why a step failed. The witness goes on from what is committed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Nothing is signed; the alarm is kept.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The mirror.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// The mark.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// A test killed it.
    #[error("killed at {0:?}")]
    Killed(Point),
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Entries were taken; their checkpoint follows.
    Taken,
    /// The head is signed: the note to be given in.
    Cosigned {
        /// Its size.
        size: u64,
        /// The checkpoint with the witness's line.
        note: String,
    },
    /// Stored and not signed: this witness has signed a larger size before, and first reads up to there.
    Behind {
        /// The size it signed.
        signed: u64,
    },
}

/// What the witness has signed before, and its mirror does not know.
#[derive(Clone, Debug)]
struct Must {
    head: Head,
    /// The checkpoint, where the service had it.
    note: Option<String>,
}

/// A refusal on its way, with what proves it.
struct Refused {
    refusal: Refusal,
    entry: Option<(Vec<u8>, Vec<u8>)>,
    other: Option<String>,
}

enum Failure {
    Refused(Box<Refused>),
    Other(StepError),
}

impl<E: Into<StepError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

fn refused(refusal: Refusal, other: Option<&str>) -> Failure {
    Failure::Refused(Box::new(Refused { refusal, entry: None, other: other.map(str::to_owned) }))
}

/// A witness over its mirror.
pub struct Witness {
    key: CosignerKey,
    policy: Arc<Policy>,
    origin: String,
    accepted: BTreeMap<u64, AcceptFault>,
    mirror: Mirror,
    mark: Option<MarkFile>,
    clock: Arc<dyn Clock>,
    /// None after a failure: read again from the mirror.
    validator: Option<Validator>,
    state: Option<State>,
    musts: Vec<Must>,
    counts: Arc<Counts>,
    probe: Option<Probe>,
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("key", &self.key).field("state", &self.state).finish_non_exhaustive()
    }
}

impl Witness {
    /// Opens a witness by its settings: key, policy, mirror and mark.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn open(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let seed = crate::settings::key_of_file(&settings.key_file)?;
        let key = CosignerKey::from_seed(&settings.name, &seed);
        let key = key.ok_or_else(|| OpenError::Name(settings.name.clone()))?;
        let file = |source| SettingsError::File { path: settings.policy.clone(), source };
        let text = std::fs::read_to_string(&settings.policy).map_err(file)?;
        let policy = Policy::read(&text).map_err(OpenError::Policy)?;
        let mark = settings.mark.clone().map(MarkFile::new);
        let mirror = Mirror::open(&settings.mirror).await?;
        Self::over(key, policy, settings.origin.as_deref(), settings.faults()?, mirror, mark, clock).await
    }

    /// A witness of these parts.
    ///
    /// # Errors
    /// [`OpenError`].
    pub async fn over(
        key: CosignerKey,
        policy: Policy,
        origin: Option<&str>,
        faults: Vec<AcceptFault>,
        mut mirror: Mirror,
        mark: Option<MarkFile>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let cosigner = key.cosigner();
        if !policy.cosigners().contains(&cosigner) {
            return Err(OpenError::Stranger(cosigner.vkey()));
        }
        let origin = load::origin(&policy, origin)?;
        let state = mirror.state().await?;
        if let Some(state) = state.as_ref().filter(|state| state.origin != origin) {
            return Err(OpenError::OtherLog { what: "the mirror", found: state.origin.clone() });
        }
        let accepted = faults.into_iter().map(|fault| (fault.index, fault)).collect();
        let mut witness = Self {
            key,
            policy: Arc::new(policy),
            origin,
            accepted,
            mirror,
            mark,
            clock,
            validator: None,
            state,
            musts: Vec::new(),
            counts: Arc::default(),
            probe: None,
        };
        witness.compare_mark().await?;
        Ok(witness)
    }

    /// Looks at every point from now on, with the note once one is signed; `true` kills the step. For tests.
    pub fn probe(&mut self, probe: impl FnMut(Point, Option<&str>) -> bool + Send + 'static) {
        self.probe = Some(Box::new(probe));
    }

    /// The index to stream from: everything before it is committed.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.state.as_ref().map_or(0, |state| state.head.size)
    }

    /// What it stands by.
    #[must_use]
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.key.name()
    }

    /// What it has done.
    #[must_use]
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// Its mirror.
    pub fn mirror(&mut self) -> &mut Mirror {
        &mut self.mirror
    }

    /// Closes it; nothing uncommitted stays.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub async fn close(mut self) -> Result<(), MirrorError> {
        self.mirror.roll_back().await?;
        self.mirror.close().await
    }

    fn point(&mut self, point: Point, note: Option<&str>) -> Result<(), StepError> {
        let dies = self.probe.as_mut().is_some_and(|probe| probe(point, note));
        if dies { Err(StepError::Killed(point)) } else { Ok(()) }
    }

    /// Takes one message of the stream.
    ///
    /// # Errors
    /// [`StepError`]; what was not committed is taken back, and the stream has to begin again at
    /// [`position`](Self::position). A refusal is kept as an alarm with its evidence.
    pub async fn step(&mut self, message: &StreamEntriesResponse) -> Result<Step, StepError> {
        match self.taken(message).await {
            Ok(step) => Ok(step),
            Err(failure) => Err(self.failed(failure).await),
        }
    }

    /// Takes back what is not committed, and keeps the alarm.
    async fn failed(&mut self, failure: Failure) -> StepError {
        self.validator = None;
        if let Err(error) = self.mirror.roll_back().await {
            return error.into();
        }
        let Refused { refusal, entry, other } = match failure {
            Failure::Other(error) => return error,
            Failure::Refused(refused) => *refused,
        };
        Counts::add(&self.counts.refused, 1);
        tracing::error!(code = refusal.code.as_str(), index = refusal.index, detail = %refusal.detail,
            "the witness refuses to sign");
        let own = self.state.as_ref().map(|state| state.note.clone());
        let (code, index, detail) = (refusal.code, refusal.index, refusal.detail.clone());
        let alarm = Alarm { at: self.clock.now(), code, index, detail, entry, own, other };
        match self.mirror.keep_alarm(&alarm).await {
            Ok(()) => StepError::Refused(refusal),
            Err(error) => error.into(),
        }
    }

    async fn taken(&mut self, message: &StreamEntriesResponse) -> Result<Step, Failure> {
        if self.validator.is_none() {
            self.validator = Some(self.load().await?);
        }
        for chunk in message.entries.chunks(CHUNK_ENTRIES) {
            self.entries(chunk).await?;
            self.point(Point::Written, None)?;
        }
        if message.checkpoint.is_empty() { Ok(Step::Taken) } else { self.checkpoint(&message.checkpoint).await }
    }

    async fn entries(&mut self, entries: &[LogEntry]) -> Result<(), Failure> {
        let Some(mut validator) = self.validator.take() else { return Ok(()) };
        let mut pasts = self.pasts(&validator, entries).await?;
        self.mirror.begin().await?;
        let now = self.clock.now();
        for sent in entries {
            let registry = sent.registry_entries.as_slice();
            let entry = Entry { index: sent.index, leaf: &sent.leaf, event: &sent.event, registry };
            let mut taken = validator.take(entry, |id| pasts.remove(&id)).map_err(|refusal| {
                let entry = Some((sent.leaf.clone(), sent.event.clone()));
                Failure::Refused(Box::new(Refused { refusal, entry, other: None }))
            })?;
            if let Some(fault) = &mut taken.fault {
                let reason = self.accepted.get(&fault.index).map(|accepted| accepted.reason.clone());
                tracing::warn!(index = fault.index, code = fault.code.as_str(), why = %fault.detail,
                    "an accepted fault is taken; its case is never valid again");
                fault.detail = reason.unwrap_or_default();
            }
            self.mirror.put(entry, &taken, now).await?;
        }
        self.validator = Some(validator);
        Ok(())
    }

    /// What is stored of the cases these entries go on with.
    async fn pasts(
        &mut self,
        validator: &Validator,
        entries: &[LogEntry],
    ) -> Result<HashMap<IncidentId, Past>, Failure> {
        let mut pasts = HashMap::new();
        let wanted: std::collections::BTreeSet<_> =
            entries.iter().filter_map(|sent| validator.wants(&sent.event)).collect();
        for id in wanted {
            let rows = self.mirror.case(id, validator.size()).await?;
            let past = Past::of(id, rows.iter().map(|row| row.event.as_slice()));
            pasts.extend(past.map_err(|error| MirrorError::Changed(error.to_string()))?.map(|past| (id, past)));
        }
        Ok(pasts)
    }

    async fn checkpoint(&mut self, note: &str) -> Result<Step, Failure> {
        let Some(validator) = self.validator.take() else { return Ok(Step::Taken) };
        let own = self.state.as_ref().map(|state| state.head);
        let size = Checkpoint::read(note.as_bytes()).map_or(u64::MAX, |read| read.head.size);
        let older = own.is_some_and(|own| size < own.size);
        let root = if older { self.mirror.root_at(validator.edge(), size).await? } else { None };
        let read = validator.checkpoint(note, own, |_| root);
        let mut checkpoint = read.map_err(|refusal| refused(refusal, Some(note)))?;
        for must in self.musts.iter().filter(|must| must.head.size <= size) {
            let root = self.mirror.root_at(validator.edge(), must.head.size).await?;
            if root != Some(must.head.root) {
                let detail = format!("what this witness signed for size {} is not in this log", must.head.size);
                let index = own.map_or(0, |own| own.size);
                return Err(refused(Refusal::new(Code::Fork, index, detail), must.note.as_deref().or(Some(note))));
            }
        }
        self.validator = Some(validator);
        // Whose lines stand there besides is not for this witness to say.
        checkpoint.cosignatures.clear();
        if own != Some(checkpoint.head) {
            self.commit(&checkpoint).await?;
        }
        self.musts.retain(|must| must.head.size > size);
        Ok(self.cosign().await?)
    }

    /// Stands by a checkpoint from now on.
    async fn commit(&mut self, checkpoint: &Checkpoint) -> Result<(), StepError> {
        let (head, note) = (checkpoint.head, checkpoint.write());
        self.mirror.begin().await?;
        self.mirror.stand_by(&self.origin, head, &note).await?;
        self.point(Point::StoodBy, None)?;
        self.mirror.commit().await?;
        Counts::add(&self.counts.entries, head.size.saturating_sub(self.position()));
        self.state = Some(State { origin: self.origin.clone(), head, note, cosigned: None });
        self.point(Point::Committed, None)
    }

    /// Signs what it stands by, unless it has: the mark first, then the signature, which is kept and given out.
    async fn cosign(&mut self) -> Result<Step, StepError> {
        let Some(state) = self.state.clone() else { return Ok(Step::Taken) };
        let head = state.head;
        if let Some(must) = self.musts.iter().max_by_key(|must| must.head.size) {
            return Ok(Step::Behind { signed: must.head.size });
        }
        if let Some(note) = state.cosigned {
            return Ok(Step::Cosigned { size: head.size, note });
        }
        if let Some(file) = &self.mark {
            file.write(&Mark { origin: self.origin.clone(), head })?;
        }
        self.point(Point::Marked, None)?;
        let unread = |_| MirrorError::Changed("the stored checkpoint is none".to_owned());
        let mut checkpoint = Checkpoint::read(state.note.as_bytes()).map_err(unread)?;
        let seconds = u64::try_from(self.clock.now().0 / 1_000).unwrap_or(0);
        checkpoint.cosignatures.push(self.key.cosign(&self.origin, &head, seconds));
        let note = checkpoint.write();
        Counts::add(&self.counts.cosigned, 1);
        self.point(Point::Signed, Some(&note))?;
        self.mirror.keep_cosigned(head.size, &note).await?;
        if let Some(state) = &mut self.state {
            state.cosigned = Some(note.clone());
        }
        self.point(Point::Kept, Some(&note))?;
        Ok(Step::Cosigned { size: head.size, note })
    }

    /// Keeps an alarm that the log is not heard.
    ///
    /// # Errors
    /// [`MirrorError`].
    pub(crate) async fn silent(&mut self) -> Result<(), MirrorError> {
        Counts::add(&self.counts.silences, 1);
        let (at, index) = (self.clock.now(), self.position());
        let own = self.state.as_ref().map(|state| state.note.clone());
        let detail = format!("nothing has been heard of the log since before {at}");
        // An open transaction would take the alarm back with it.
        self.mirror.roll_back().await?;
        self.validator = None;
        self.mirror.keep_alarm(&Alarm { at, code: Code::Silent, index, detail, entry: None, own, other: None }).await
    }
}
