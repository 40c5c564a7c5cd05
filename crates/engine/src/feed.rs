//! The feed of each organisation: ordered, unique, reliable, atomic, resumable, bookmarkable (reliability, 6).
//!
//! One source: a subscriber reads from its cursor up to the published head, from the ring of recent entries or from
//! the log, and waits for the head otherwise. There is no switch from history to live.

use crate::leaves::{Leaves, NewLeaf};
use crate::memory::{Entry, LoadError, Upto, load};
use handoff_domain::event::Event;
use handoff_domain::ids::{Digest, IncidentId, OrgId};
use handoff_evidence::event::decode;
use handoff_store::Reader;
use lru::LruCache;
use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::watch;

/// Entries kept in memory for each organisation; an older one is read from the log.
pub const RING_ENTRIES_MAX: usize = 4_096;
/// Cases kept for readers; an older one is read from its events. The writer's cache holds the same ones, so they take
/// their place once.
pub const CASES_PUBLISHED_MAX: NonZeroUsize = NonZeroUsize::new(8_192).expect("it is not zero");
/// Entries read from the log at once.
pub const PAGE_ENTRIES_MAX: u32 = 500;

/// One event as an organisation is told it.
#[derive(Clone, Debug)]
pub struct FeedEntry {
    /// Number within the organisation's feed, from 1 without gap.
    pub number: u64,
    /// Position in the log.
    pub position: u64,
    /// Position of the first event of the same command.
    pub first: u64,
    /// The event.
    pub event: Arc<Event>,
    /// Hash of its bytes.
    pub hash: Digest,
    /// The organisation enters the case with it.
    pub enters: bool,
    /// The case after the command.
    pub after: Arc<Entry>,
}

/// Recent entries by organisation, and how far everything is published.
#[derive(Debug)]
pub struct Published {
    rings: RwLock<HashMap<OrgId, VecDeque<Arc<FeedEntry>>>>,
    /// Cases as of the published head, the last changed ones.
    cases: RwLock<LruCache<IncidentId, Arc<Entry>>>,
    /// The newest leaves of the tree over the log.
    leaves: Mutex<Leaves>,
    /// Position of the next event: everything below is durable and may be shown.
    head: watch::Sender<u64>,
}

impl Published {
    /// A head at `position`, with empty rings.
    #[must_use]
    pub fn at(position: u64) -> Self {
        let cases = RwLock::new(LruCache::new(CASES_PUBLISHED_MAX));
        let leaves = Mutex::new(Leaves::at(position));
        Self { rings: RwLock::default(), cases, leaves, head: watch::Sender::new(position) }
    }

    /// Puts entries into the rings, takes cases and leaves, and moves the head; called once for each batch, after it is durable.
    pub fn publish(
        &self,
        entries: Vec<(OrgId, FeedEntry)>,
        cases: impl Iterator<Item = (IncidentId, Arc<Entry>)>,
        leaves: Vec<NewLeaf>,
        head: u64,
    ) {
        {
            let mut known = self.cases.write().unwrap_or_else(PoisonError::into_inner);
            for (id, entry) in cases {
                known.put(id, entry);
            }
        }
        {
            let mut rings = self.rings.write().unwrap_or_else(PoisonError::into_inner);
            for (org, entry) in entries {
                let ring = rings.entry(org).or_default();
                if ring.len() == RING_ENTRIES_MAX {
                    ring.pop_front();
                }
                ring.push_back(Arc::new(entry));
            }
        }
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner).extend(leaves, head);
        self.head.send_replace(head);
    }

    /// Leaves from an index of the log on, below the published head; `None` where they are no longer in memory.
    #[must_use]
    pub fn leaves_from(&self, index: u64) -> Option<Vec<NewLeaf>> {
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner).from(index)
    }

    /// A case as of the published head, if it is one of those changed last.
    #[must_use]
    pub fn case(&self, id: &IncidentId) -> Option<Arc<Entry>> {
        let known = self.cases.read().unwrap_or_else(PoisonError::into_inner);
        known.peek(id).cloned()
    }

    /// Forgets every case and entry, and goes on at `head`: what lies between was not followed one by one. Readers find
    /// it in the log.
    pub fn jump(&self, head: u64) {
        self.cases.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.rings.write().unwrap_or_else(PoisonError::into_inner).clear();
        *self.leaves.lock().unwrap_or_else(PoisonError::into_inner) = Leaves::at(head);
        self.head.send_replace(head);
    }

    /// Wakes at each move of the head.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    /// The published head.
    #[must_use]
    pub fn head(&self) -> u64 {
        *self.head.borrow()
    }

    /// Entries after `number` from the ring: `None` when the ring no longer holds the next one.
    fn recent(&self, org: &OrgId, number: u64) -> Option<Vec<Arc<FeedEntry>>> {
        let rings = self.rings.read().unwrap_or_else(PoisonError::into_inner);
        let ring = rings.get(org)?;
        let first = ring.front()?.number;
        let skip = usize::try_from((number + 1).checked_sub(first)?).ok()?;
        let mut rest = ring.iter().skip(skip);
        let mut page: Vec<_> = rest.by_ref().take(PAGE_ENTRIES_MAX as usize).cloned().collect();
        // A page never ends inside a command: what belongs in one message is never split by a token.
        let last = page.last().map(|entry| entry.first);
        page.extend(rest.take_while(|entry| Some(entry.first) == last).cloned());
        Some(page)
    }
}

/// The next entries of an organisation after `number`, at most a page; empty when there are none yet.
///
/// # Errors
/// [`LoadError`] when the store does not answer or holds what cannot be read.
pub async fn page(
    published: &Published,
    reader: &dyn Reader,
    org: &OrgId,
    number: u64,
) -> Result<Vec<Arc<FeedEntry>>, LoadError> {
    if let Some(recent) = published.recent(org, number) {
        return Ok(recent);
    }
    from_log(published.head(), reader, org, number).await
}

async fn from_log(head: u64, reader: &dyn Reader, org: &OrgId, number: u64) -> Result<Vec<Arc<FeedEntry>>, LoadError> {
    let rows = reader.feed_page(org.clone(), number, head, PAGE_ENTRIES_MAX).await;
    let rows = rows.map_err(|error| LoadError::Read(handoff_domain::ids::LOG_STREAM, error))?;
    let mut entries = Vec::with_capacity(rows.len());
    let mut after: HashMap<(IncidentId, u64), Arc<Entry>> = HashMap::new();
    for (at, row) in rows.iter().enumerate() {
        let (event, _) =
            decode(&row.event.bytes).map_err(|error| LoadError::Decode(row.event.position, Box::new(error)))?;
        // The view is that after the whole command: the last event of this incident with the same `first`.
        let same = |other: &&handoff_store::rows::FeedEntry| {
            other.event.first == row.event.first && other.event.incident == row.event.incident
        };
        let last = rows[at..].iter().take_while(|other| other.event.first == row.event.first).filter(same);
        let until = last.map(|other| other.event.seq).max().unwrap_or(row.event.seq);
        let key = (event.incident, until);
        let view = match after.get(&key) {
            Some(view) => view.clone(),
            None => {
                let loaded = load(reader, event.incident, Upto::Seq(until)).await?;
                let view = Arc::new(loaded.ok_or(LoadError::Malformed("feed entry"))?);
                after.insert(key, view.clone());
                view
            }
        };
        entries.push(Arc::new(FeedEntry {
            number: row.number,
            position: row.event.position,
            first: row.event.first,
            hash: row.event.hash,
            enters: row.enters,
            event: Arc::new(event),
            after: view,
        }));
    }
    Ok(entries)
}
