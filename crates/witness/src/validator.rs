//! Judges entries and checkpoints (evidence, 6). Pure: no I/O, no clock; what it needs of the past is handed in.
//!
//! The rules are those of the service, by the same functions: `handoff_domain::apply` for cases,
//! `handoff_domain::decide_order` for the directory. They need nothing that is not in the log.

mod case;
mod checkpoint;
mod directory;

pub use case::{Past, PastError};
pub(crate) use checkpoint::{contradicts, same_log};

use crate::code::{Code, Refusal};
use crate::mirror::Fault;
use handoff_domain::directory::{Directory, is_directory};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, IncidentId, LOG_STREAM, OrgId};
use handoff_domain::time::Millis;
use handoff_evidence::event::{Chain, DecodeError, decode, hash};
use handoff_evidence::leaf::{LEAF_BYTES, Leaf, LeafError};
use handoff_evidence::merkle::{Edge, Hash, Tile};
use handoff_evidence::note::Head;
use handoff_evidence::policy::Policy;
use handoff_evidence::registry::Book;
use lru::LruCache;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Most cases kept in memory; the least recently used is dropped and read again from the mirror when needed.
const CASES_CACHED_MAX: usize = 8_192;

/// An entry as it was sent.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Its index in the log.
    pub index: u64,
    /// Its leaf.
    pub leaf: &'a [u8],
    /// The event's bytes.
    pub event: &'a [u8],
    /// With an update of a registry: the entries it changed.
    pub registry: &'a [Vec<u8>],
}

/// What becomes of an entry that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The stream and number it has in it; none for an accepted fault.
    pub place: Option<(IncidentId, u64)>,
    /// It is of the directory or of the log itself.
    pub directory: bool,
    /// It was refused, and is an accepted fault.
    pub fault: Option<Fault>,
    /// Tiles that are complete with it.
    pub tiles: Vec<Tile>,
}

/// An event that was judged.
struct Judged {
    event: Event,
    hash: Digest,
    prev: Digest,
    registry: Vec<Vec<u8>>,
}

/// Everything known of the log up to an index. After a refusal it is not to be used any more: make a new one from what is
/// stored.
#[derive(Clone, Debug)]
pub struct Validator {
    policy: Arc<Policy>,
    origin: String,
    accepted: BTreeMap<u64, Hash>,
    edge: Edge,
    last_at: Millis,
    directory: Directory,
    /// Chains of the log's own and the directory's streams.
    chains: HashMap<IncidentId, Chain>,
    cases: LruCache<IncidentId, Past>,
    /// Registries of officers' keys.
    books: BTreeMap<OrgId, Book>,
    /// Streams with an accepted fault: never valid again, and not judged by the rules any more.
    faulty: HashSet<IncidentId>,
}

impl Validator {
    /// Nothing taken yet. `accepted`: faults by index, each with the hash of its leaf.
    #[must_use]
    pub fn new(policy: Arc<Policy>, origin: String, accepted: BTreeMap<u64, Hash>) -> Self {
        Self {
            policy,
            origin,
            accepted,
            edge: Edge::new(),
            last_at: Millis(0),
            directory: Directory::default(),
            chains: HashMap::new(),
            cases: LruCache::new(NonZeroUsize::new(CASES_CACHED_MAX).unwrap_or(NonZeroUsize::MIN)),
            books: BTreeMap::new(),
            faulty: HashSet::new(),
        }
    }

    /// Goes on where a stored mirror ends: its edge, the time of its newest entry, the streams with faults. The
    /// directory's events follow by [`know`](Self::know).
    #[must_use]
    pub fn resume(mut self, edge: Edge, last_at: Millis, faulty: impl IntoIterator<Item = IncidentId>) -> Self {
        (self.edge, self.last_at) = (edge, last_at);
        self.faulty.extend(faulty);
        self
    }

    /// Takes in a stored event of the directory, in the order of the log. It was judged when it was stored.
    ///
    /// # Errors
    /// The refusal such an event would meet: the mirror was changed.
    pub fn know(&mut self, index: u64, bytes: &[u8], registry: &[Vec<u8>]) -> Result<(), Refusal> {
        let (event, prev) = decode(bytes).map_err(|error| unreadable(index, &error))?;
        if self.faulty.contains(&event.incident) {
            return Ok(());
        }
        let judged = Judged { hash: hash(bytes), event, prev, registry: registry.to_vec() };
        self.of_directory(index, &judged, |_| None)
    }

    /// Entries taken: the index of the next one.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Size and root of what was taken.
    #[must_use]
    pub fn head(&self) -> Head {
        Head { size: self.edge.size(), root: self.edge.root() }
    }

    /// The unfinished tiles.
    pub(crate) fn edge(&self) -> &Edge {
        &self.edge
    }

    /// The stream whose past as a case must be handed to [`take`](Self::take) with this event; none where it is known.
    #[must_use]
    pub fn wants(&self, bytes: &[u8]) -> Option<IncidentId> {
        let (event, _) = decode(bytes).ok()?;
        let id = event.incident;
        let known = self.chains.contains_key(&id) || self.faulty.contains(&id) || self.cases.contains(&id);
        (!known).then_some(id)
    }

    /// Takes the next entry. `past` gives what is stored of a case, all of it.
    ///
    /// # Errors
    /// [`Refusal`], unless the entry is an accepted fault.
    pub fn take(&mut self, entry: Entry<'_>, past: impl FnOnce(IncidentId) -> Option<Past>) -> Result<Taken, Refusal> {
        let index = self.size();
        if entry.index != index {
            return Err(Refusal::new(Code::Index, index, format!("entry {} was sent", entry.index)));
        }
        let leaf = <&[u8; LEAF_BYTES]>::try_from(entry.leaf).map(Leaf::from_bytes);
        let leaf = leaf.map_err(|_| Refusal::new(Code::LeafForm, index, "the leaf is not 128 bytes"))?;
        let judged = self.judge(index, &leaf, entry, past);
        let taken = match judged {
            Ok(event) => Taken {
                place: Some((event.incident, event.seq)),
                directory: is_directory(&event.body),
                fault: None,
                tiles: Vec::new(),
            },
            Err(refusal) => self.forgive(refusal, &leaf, entry.event)?,
        };
        Ok(Taken { tiles: self.edge.push(leaf.hash()), ..taken })
    }

    /// An entry that is wrong and was accepted by name: its stream is never valid again.
    fn forgive(&mut self, refusal: Refusal, leaf: &Leaf, bytes: &[u8]) -> Result<Taken, Refusal> {
        if self.accepted.get(&refusal.index) != Some(&leaf.hash()) {
            return Err(refusal);
        }
        let stream = decode(bytes).ok().map(|(event, _)| event.incident);
        if let Some(stream) = stream {
            self.cases.pop(&stream);
            self.faulty.insert(stream);
        }
        let Refusal { code, index, detail } = refusal;
        let fault = Fault { index, leaf_hash: leaf.hash(), code, detail, stream };
        Ok(Taken { place: None, directory: false, fault: Some(fault), tiles: Vec::new() })
    }

    fn judge(
        &mut self,
        index: u64,
        leaf: &Leaf,
        entry: Entry<'_>,
        past: impl FnOnce(IncidentId) -> Option<Past>,
    ) -> Result<Event, Refusal> {
        let (event, prev) = decode(entry.event).map_err(|error| unreadable(index, &error))?;
        let judged = Judged { hash: hash(entry.event), event, prev, registry: entry.registry.to_vec() };
        self.submitter(index, leaf, &judged)?;
        self.opens(index, &judged.event)?;
        let at = judged.event.at;
        if at < self.last_at {
            return Err(Refusal::new(Code::TimeRunsBack, index, format!("{at} after {}", self.last_at)));
        }
        self.newest_registry(index, &judged.event)?;
        if !judged.registry.is_empty() && !matches!(judged.event.body, Body::RegistryUpdated(_)) {
            return Err(Refusal::new(Code::Registry, index, "entries of a registry beside another event"));
        }
        if !self.faulty.contains(&judged.event.incident) {
            if is_directory(&judged.event.body) {
                self.of_directory(index, &judged, past)?;
            } else {
                self.of_case(index, &judged, past)?;
            }
        }
        self.last_at = at;
        Ok(judged.event)
    }

    /// Whoever was checked against a registry was checked against its organisation's newest one.
    fn newest_registry(&self, index: u64, event: &Event) -> Result<(), Refusal> {
        let org = &event.actor.org;
        let newest = self.directory.registries.get(org).and_then(|registry| registry.event);
        match event.actor.reg {
            Some(reg) if Some(reg) != newest => {
                let detail = format!("checked against {reg}, which is not the newest registry of {org}");
                Err(Refusal::new(Code::StaleReg, index, detail))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The leaf is the event's, signed by the key of the organisation it is recorded for.
    fn submitter(&self, index: u64, leaf: &Leaf, judged: &Judged) -> Result<(), Refusal> {
        let org = &judged.event.actor.org;
        let Some(key) = self.policy.recorder(org, index) else {
            return Err(Refusal::new(Code::WrongSubmitter, index, format!("the policy has no recorder key of {org}")));
        };
        leaf.verify(judged.hash, &key).map_err(|error| {
            let code = match error {
                LeafError::OtherKey => Code::WrongSubmitter,
                LeafError::OtherEvent | LeafError::Signature => Code::LeafSignature,
            };
            Refusal::new(code, index, format!("{error} (recorded for {org})"))
        })
    }

    /// Entry 0 opens this log, and no other does.
    fn opens(&self, index: u64, event: &Event) -> Result<(), Refusal> {
        let opened = match &event.body {
            Body::LogOpened(opened) => Some(opened),
            _ => None,
        };
        let right = match (index, opened) {
            (0, Some(opened)) => event.incident == LOG_STREAM && opened.origin == self.origin,
            (0, None) | (_, Some(_)) => false,
            (_, None) => true,
        };
        let detail = "entry 0, and no other, opens the log the policy names";
        if right { Ok(()) } else { Err(Refusal::new(Code::NotTheLog, index, detail)) }
    }
}

/// The number and the hash of the event before.
fn follows(chain: &Chain, index: u64, judged: &Judged) -> Result<(), Refusal> {
    let Judged { event, prev, .. } = judged;
    if event.seq != chain.seq() + 1 {
        let detail = format!("event {} of {} where {} follows", event.seq, event.incident, chain.seq() + 1);
        return Err(Refusal::new(Code::Chain, index, detail));
    }
    if *prev != chain.head() {
        let detail = format!("event {} of {} names another event before it", event.seq, event.incident);
        return Err(Refusal::new(Code::Chain, index, detail));
    }
    Ok(())
}

fn unreadable(index: u64, error: &DecodeError) -> Refusal {
    let code = match error {
        DecodeError::Profile(_) => Code::Profile,
        DecodeError::UnknownVersion(_) => Code::UnknownVersion,
        DecodeError::UnknownType(_) => Code::UnknownType,
        DecodeError::Envelope(_) | DecodeError::Body(_) => Code::Schema,
        DecodeError::First { .. } => Code::Chain,
    };
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    Refusal::new(code, index, format!("{error}{cause}"))
}
