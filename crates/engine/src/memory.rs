//! What the writer keeps in memory: the head, the directory, recent cases and answers. Only a cache: the database's
//! constraints decide, and after any surprise all of it is dropped and read again.

use crate::answer::Answer;
use handoff_domain::caller::Actor;
use handoff_domain::case::handoff::Handoff;
use handoff_domain::directory::Directory;
use handoff_domain::form::Form;
use handoff_domain::ids::{Digest, IncidentId, OrgId};
use handoff_domain::time::Millis;
use handoff_domain::{Case, Digests, Violation, apply};
use handoff_evidence::event::{ChainError, DecodeError};
use handoff_evidence::statement;
use handoff_store::rows::AnswerId;
use handoff_store::{Reader, StoreError};
use lru::LruCache;
use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Most cases kept in memory; the least recently used is dropped and read again from the log when needed.
pub const CASES_CACHED_MAX: usize = 8_192;
/// Most answers kept in memory. A repeat of an older request finds its answer in the store.
pub const ANSWERS_CACHED_MAX: usize = 32_768;
/// Events read at once when a case is loaded.
pub const LOAD_PAGE_EVENTS: u32 = 500;

/// An answer under its request id.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Random key of the MAC; gone after erasure.
    pub key: Option<[u8; 16]>,
    /// MAC of the request.
    pub mac: [u8; 32],
    /// The answer.
    pub answer: Answer,
}

/// A case with the hashes a next event or a statement needs.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The case.
    pub case: Case,
    /// Hash of its last event.
    pub last: Digest,
    /// Number and hash of the event that fixed the form agreed last.
    pub agreed: Option<(u64, Digest)>,
}

impl Entry {
    /// The entry after one more event with this hash.
    #[must_use]
    pub fn after(before: Option<&Self>, case: Case, seq: u64, hash: Digest) -> Self {
        let fixes = case.handoffs.iter().any(|handoff| handoff.agreed().is_some_and(|form| form.seq == seq));
        let agreed = if fixes { Some((seq, hash)) } else { before.and_then(|entry| entry.agreed) };
        Self { case, last: hash, agreed }
    }
}

/// A case that could not be read back from its events.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store did not answer.
    #[error("reading events of {0}")]
    Read(IncidentId, #[source] StoreError),
    /// Stored bytes are not an event, or do not follow on the one before.
    #[error("events of {0} do not form a chain")]
    Chain(IncidentId, #[source] Box<ChainError>),
    /// Stored bytes are not an event.
    #[error("event at position {0} cannot be read")]
    Decode(u64, #[source] Box<DecodeError>),
    /// An event does not follow by the rules.
    #[error("events of a case break a rule")]
    Rule(#[source] Box<Violation>),
    /// What the log holds is not published here in time: the database is away, or a standby is.
    #[error("this replica is behind the log")]
    Behind,
    /// A number or id of the store is outside its range.
    #[error("a stored {0} is malformed")]
    Malformed(&'static str),
}

/// How far a case is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upto {
    /// Up to and with this number of its own.
    Seq(u64),
    /// Below this position of the log: what lies above may not be published yet, or is not known to last.
    Position(u64),
}

impl Upto {
    fn holds(self, seq: u64, position: u64) -> bool {
        match self {
            Self::Seq(until) => seq <= until,
            Self::Position(below) => position < below,
        }
    }
}

/// Reads a case from its events, as far as asked. `None`: no such incident.
///
/// # Errors
/// [`LoadError`]; stored events that do not follow by the rules are an error, never guessed around.
pub async fn load(reader: &dyn Reader, incident: IncidentId, upto: Upto) -> Result<Option<Entry>, LoadError> {
    let mut chain = handoff_evidence::event::Chain::new(incident);
    let mut entry: Option<Entry> = None;
    loop {
        let from = chain.seq() + 1;
        let rows = reader.events_of(incident, from, LOAD_PAGE_EVENTS).await;
        let rows = rows.map_err(|error| LoadError::Read(incident, error))?;
        let page = rows.len();
        for row in rows {
            if !upto.holds(row.seq, row.position) {
                return Ok(entry);
            }
            let event = chain.accept(&row.bytes).map_err(|error| LoadError::Chain(incident, Box::new(error)))?;
            let before = entry.take();
            let (case, rest) = match before {
                Some(Entry { case, last, agreed }) => (Some(case), Some((last, agreed))),
                None => (None, None),
            };
            let case = apply(case, &event).map_err(|violation| LoadError::Rule(Box::new(violation)))?;
            let kept = rest.and_then(|(_, agreed)| agreed);
            let mut next = Entry::after(None, case, event.seq, chain.head());
            next.agreed = next.agreed.or(kept);
            entry = Some(next);
        }
        if page < LOAD_PAGE_EVENTS as usize {
            return Ok(entry);
        }
    }
}

/// The writer's cache.
#[derive(Debug)]
pub struct Memory {
    /// Position of the next event.
    pub position: u64,
    /// Time of the last event.
    pub last_at: Millis,
    /// Hash of the last event.
    pub last_hash: Option<Digest>,
    /// Last feed number of each organisation.
    pub feeds: HashMap<OrgId, u64>,
    /// Recent cases.
    pub cases: LruCache<IncidentId, Arc<Entry>>,
    /// Recent answers.
    pub answers: LruCache<AnswerId, Arc<Stored>>,
    /// Stations, agreements, maps, drills at the head.
    pub directory: Arc<Directory>,
    /// Hash of the last event of each directory stream.
    pub streams: HashMap<IncidentId, Digest>,
}

/// What a batch makes of memory; `None` where there is nothing.
#[derive(Debug, Default)]
pub struct Change {
    /// Position of the next event.
    pub position: u64,
    /// Time of the last event.
    pub last_at: Millis,
    /// Hash of the last event.
    pub last_hash: Option<Digest>,
    /// Last feed numbers.
    pub feeds: Vec<(OrgId, Option<u64>)>,
    /// Cases.
    pub cases: Vec<(IncidentId, Option<Arc<Entry>>)>,
    /// Answers.
    pub answers: Vec<(AnswerId, Option<Arc<Stored>>)>,
    /// The directory, where it changes.
    pub directory: Option<Arc<Directory>>,
    /// Hashes of directory streams.
    pub streams: Vec<(IncidentId, Option<Digest>)>,
}

impl Memory {
    /// Takes a change and gives the one that undoes it, as long as no other was taken since.
    #[must_use]
    pub fn swap(&mut self, change: Change) -> Change {
        let Change { position, last_at, last_hash, feeds, cases, answers, directory, streams } = change;
        Change {
            position: std::mem::replace(&mut self.position, position),
            last_at: std::mem::replace(&mut self.last_at, last_at),
            last_hash: std::mem::replace(&mut self.last_hash, last_hash),
            feeds: feeds.into_iter().map(|(org, number)| swapped(&mut self.feeds, org, number)).collect(),
            cases: cases.into_iter().map(|(id, entry)| cached(&mut self.cases, id, entry)).collect(),
            answers: answers.into_iter().map(|(id, answer)| cached(&mut self.answers, id, answer)).collect(),
            directory: directory.map(|directory| std::mem::replace(&mut self.directory, directory)),
            streams: streams.into_iter().map(|(id, hash)| swapped(&mut self.streams, id, hash)).collect(),
        }
    }

    /// Nothing known.
    #[must_use]
    pub fn empty() -> Self {
        let cases = NonZeroUsize::new(CASES_CACHED_MAX).unwrap_or(NonZeroUsize::MIN);
        let answers = NonZeroUsize::new(ANSWERS_CACHED_MAX).unwrap_or(NonZeroUsize::MIN);
        Self {
            position: 0,
            last_at: Millis(0),
            last_hash: None,
            feeds: HashMap::new(),
            cases: LruCache::new(cases),
            answers: LruCache::new(answers),
            directory: Arc::new(Directory::default()),
            streams: HashMap::new(),
        }
    }
}

fn swapped<K: Clone + Eq + Hash, V>(map: &mut HashMap<K, V>, key: K, value: Option<V>) -> (K, Option<V>) {
    let before = match value {
        Some(value) => map.insert(key.clone(), value),
        None => map.remove(&key),
    };
    (key, before)
}

fn cached<K: Clone + Eq + Hash, V>(cache: &mut LruCache<K, V>, key: K, value: Option<V>) -> (K, Option<V>) {
    let before = match value {
        Some(value) => cache.put(key.clone(), value),
        None => cache.pop(&key),
    };
    (key, before)
}

/// Makes the digests the rules compare, from what evidence says a form and a statement are.
#[derive(Clone, Copy, Debug)]
pub struct Hashes<'a> {
    /// The case as it is, with its hashes; none for an incident that begins.
    pub entry: Option<&'a Entry>,
}

impl Hashes<'_> {
    /// The statement's text for a case and signer.
    #[must_use]
    pub fn text(
        &self,
        case: &Case,
        signer: &Actor,
        what: handoff_domain::decide::Statement<'_>,
    ) -> Option<statement::Statement> {
        use handoff_domain::decide::Statement;
        let entry = self.entry?;
        let by = statement::By::from(signer);
        let made = match what {
            Statement::Transfer(handoff) => transfer(entry, case, handoff)?.statement(),
            Statement::Report(reported) => statement::report(case.id, entry.last, &by, reported),
            Statement::Confirm { report } => statement::confirm(case.id, entry.last, &by, report),
            Statement::Rule(ruled) => statement::rule(case.id, entry.last, &by, ruled),
        };
        made.ok()
    }
}

fn transfer<'a>(entry: &Entry, case: &Case, handoff: &'a Handoff) -> Option<statement::Transfer<'a>> {
    let agreed = handoff.agreed()?;
    let (seq, head) = entry.agreed?;
    (seq == agreed.seq).then_some(statement::Transfer {
        incident: case.id,
        head,
        form: agreed.form_digest,
        from: &handoff.from,
        to: &handoff.to,
        exp: agreed.exp,
        nonce: agreed.nonce,
    })
}

/// A digest nothing can equal by chance: shown where a statement cannot be made, so that no signature matches it.
const NO_STATEMENT: Digest = Digest([0; 32]);

impl Digests for Hashes<'_> {
    fn form(&self, form: &Form) -> Digest {
        statement::form_digest(form).unwrap_or(NO_STATEMENT)
    }

    fn statement(&self, case: &Case, signer: &Actor, what: handoff_domain::decide::Statement<'_>) -> Digest {
        self.text(case, signer, what).map_or(NO_STATEMENT, |statement| statement.digest())
    }
}
