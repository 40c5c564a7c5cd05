//! Memory follows the log: what other replicas wrote is read, applied and published in its order, as this replica's own
//! batches are. The head is the truth and is asked for; nothing is told.

use super::{Fatal, Writer, recall_memory};
use crate::clock::Clock;
use crate::feed::FeedEntry;
use crate::leaves::{NewLeaf, is_urgent};
use crate::memory::{Entry, LoadError, Memory, Upto, load};
use crate::recorders::Recorders;
use crate::rows;
use handoff_domain::apply;
use handoff_domain::directory::Directory;
use handoff_domain::event::Event;
use handoff_domain::event::directory::LogFenced;
use handoff_domain::ids::{Digest, IncidentId, LOG_STREAM, OrgId};
use handoff_domain::time::{Millis, SECOND};
use handoff_evidence::event::{FIRST_PREV, decode};
use handoff_store::rows::{EventRow, Head, StreamKind};
use handoff_store::{AppendError, Reader, StoreError, Writer as StoreWriter};
use std::collections::HashMap;
use std::sync::Arc;

/// Events followed one by one. Behind by more, a replica drops its memory and reads what it needs when it needs it.
const FOLLOWED_EVENTS_MAX: u64 = 10_000;
/// How often the database's clock is looked at, and how far it may be apart.
const CLOCK_LOOK_EVERY_MS: i64 = SECOND;
const CLOCK_APART_WARN_MS: i64 = 250;
pub(crate) const CLOCK_APART_MAX_MS: i64 = 2 * SECOND;
/// How far it may be apart for a replica to come back: less, so that it does not come and go.
pub(super) const CLOCK_BACK_MAX_MS: i64 = SECOND;
/// Events or entries read at once.
const PAGE_ROWS: u32 = 1_000;

/// What others wrote, as it enters memory.
#[derive(Default)]
struct Followed {
    cases: HashMap<IncidentId, Arc<Entry>>,
    /// Each event of an incident with its hash, and the case after its command.
    events: HashMap<u64, (Arc<Event>, Digest, u64, Arc<Entry>)>,
    directory: Option<Arc<Directory>>,
    streams: HashMap<IncidentId, Digest>,
    leaves: Vec<NewLeaf>,
}

impl Writer {
    /// Takes in what others wrote, if anything.
    pub(super) async fn follow(&mut self) -> Result<(), Fatal> {
        self.hold_the_clock_against().await?;
        let head = self.store.head().await.map_err(Fatal::Tidy)?;
        if head.position == self.memory.position {
            return Ok(());
        }
        let head = self.store.settle().await.map_err(Fatal::Tidy)?;
        self.catch_up(head).await
    }

    /// A replica whose clock is wrong would date the log for all of them and raise what is not due (reliability, 8).
    pub(super) async fn hold_the_clock_against(&mut self) -> Result<(), Fatal> {
        let now = self.clock.now();
        // A clock that was set back is looked at again at once.
        let looked_lately = (0..CLOCK_LOOK_EVERY_MS).contains(&now.since(self.clock_looked));
        if !self.shared || !self.clock.is_of_day() || looked_lately {
            return Ok(());
        }
        self.clock_looked = now;
        check_clock(self.store.as_mut(), self.clock.as_ref(), CLOCK_APART_MAX_MS).await
    }

    /// Another replica was first: takes in what it wrote before the next attempt.
    pub(super) async fn moved(&mut self) -> Result<(), Fatal> {
        metrics::counter!("handoff_commit_moved_total").increment(1);
        if !self.shared {
            return self.reload().await;
        }
        let head = self.store.settle().await.map_err(Fatal::Tidy)?;
        self.catch_up(head).await
    }

    /// Locks the head for the next append, and takes in what is below it; whether that was anything.
    pub(super) async fn hold(&mut self) -> Result<bool, Fatal> {
        let head = self.store.hold().await.map_err(Fatal::Tidy)?;
        let moved = head.position != self.memory.position;
        if moved {
            let head = self.store.settle().await.map_err(Fatal::Tidy)?;
            self.catch_up(head).await?;
        }
        Ok(moved)
    }

    /// Memory and the published head go up to `head`.
    async fn catch_up(&mut self, head: Head) -> Result<(), Fatal> {
        let from = self.memory.position;
        if head.position < from {
            return Err(Fatal::Lost(self.published.head()));
        }
        if head.position - from > FOLLOWED_EVENTS_MAX {
            return self.reload().await;
        }
        let rows = self.rows_between(from, head.position).await?;
        // Head and events come by two connections: after a failover they may lead to two servers.
        if rows.last().map(|row| row.hash) != head.last_hash {
            return Err(Fatal::Elsewhere);
        }
        let mut followed = Followed::default();
        for command in rows.chunk_by(|one, next| one.first == next.first) {
            self.take_command(command, &mut followed).await.map_err(load_failed)?;
        }
        let entries = self.entries_until(head.position, &followed).await.map_err(load_failed)?;
        self.enter(head, followed, entries);
        Ok(())
    }

    async fn rows_between(&mut self, from: u64, until: u64) -> Result<Vec<EventRow>, Fatal> {
        let mut rows: Vec<EventRow> = Vec::new();
        let mut next = from;
        while next < until {
            let page = self.reader.events_from(next, PAGE_ROWS).await.map_err(Fatal::Tidy)?;
            let Some(last) = page.last() else { return Err(Fatal::Elsewhere) };
            next = last.position + 1;
            rows.extend(page.into_iter().filter(|row| row.position < until));
        }
        Ok(rows)
    }

    /// One command of another replica: its events are applied to what memory holds, or the case is read whole.
    async fn take_command(&mut self, rows: &[EventRow], followed: &mut Followed) -> Result<(), LoadError> {
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            let (event, prev) = decode(&row.bytes).map_err(|error| LoadError::Decode(row.position, Box::new(error)))?;
            let leaf = self.given.recorders.stored(&event.actor.org, row.hash, row.leaf);
            followed.leaves.push(NewLeaf { hash: leaf.hash(), urgent: is_urgent(&event.body) });
            if row.kind == StreamKind::Incident {
                self.take_event(row, &event, prev, followed).await?;
            } else {
                let directory = followed.directory.get_or_insert_with(|| self.memory.directory.clone());
                let applied = Arc::make_mut(directory).apply(&event, Some(row.hash));
                applied.map_err(|_| LoadError::Malformed("directory event"))?;
                followed.streams.insert(event.incident, row.hash);
            }
            events.push((row, Arc::new(event)));
        }
        for (row, event) in events.into_iter().filter(|(row, _)| row.kind == StreamKind::Incident) {
            if let Some(after) = followed.cases.get(&event.incident) {
                followed.events.insert(row.position, (event, row.hash, row.first, after.clone()));
            }
        }
        Ok(())
    }

    async fn take_event(
        &mut self,
        row: &EventRow,
        event: &Event,
        prev: Digest,
        followed: &mut Followed,
    ) -> Result<(), LoadError> {
        let id = event.incident;
        let known = followed.cases.get(&id).or_else(|| self.memory.cases.peek(&id)).cloned();
        let after = match known {
            // The case was read whole further up, with this event in it.
            Some(known) if known.case.version >= event.seq => known,
            Some(known) if known.case.version + 1 == event.seq && known.last == prev => {
                let case = apply(Some(known.case.clone()), event);
                let case = case.map_err(|violation| LoadError::Rule(Box::new(violation)))?;
                Arc::new(Entry::after(Some(&known), case, event.seq, row.hash))
            }
            _ => {
                let loaded = load(self.reader.as_ref(), id, Upto::Seq(event.seq)).await?;
                Arc::new(loaded.ok_or(LoadError::Malformed("case"))?)
            }
        };
        followed.cases.insert(id, after);
        Ok(())
    }

    /// The feeds' entries of what was followed, with the numbers their writers gave them.
    async fn entries_until(&mut self, until: u64, followed: &Followed) -> Result<Vec<(OrgId, FeedEntry)>, LoadError> {
        let mut entries = Vec::new();
        for head in self.reader.feed_heads().await.map_err(log_unread)? {
            let mut number = self.memory.feeds.get(&head.org).copied().unwrap_or(0);
            while number < head.number {
                let page = self.reader.feed_page(head.org.clone(), number, until, PAGE_ROWS).await;
                let page = page.map_err(log_unread)?;
                let Some(last) = page.last() else { break };
                number = last.number;
                for row in page {
                    let found = followed.events.get(&row.event.position);
                    let (event, hash, first, after) = found.ok_or(LoadError::Malformed("feed entry"))?.clone();
                    let (position, enters) = (row.event.position, row.enters);
                    let entry = FeedEntry { number: row.number, position, first, event, hash, enters, after };
                    entries.push((head.org.clone(), entry));
                }
            }
        }
        entries.sort_by_key(|(_, entry)| entry.position);
        Ok(entries)
    }

    fn enter(&mut self, head: Head, followed: Followed, entries: Vec<(OrgId, FeedEntry)>) {
        let Followed { cases, directory, streams, leaves, .. } = followed;
        (self.memory.position, self.memory.last_at, self.memory.last_hash) =
            (head.position, head.last_at, head.last_hash);
        for (org, entry) in &entries {
            self.memory.feeds.insert(org.clone(), entry.number);
        }
        for (id, entry) in &cases {
            self.memory.cases.put(*id, entry.clone());
        }
        self.memory.streams.extend(streams);
        if let Some(directory) = directory {
            self.memory.directory = directory.clone();
            self.directory.send_replace(directory);
        }
        self.published.publish(entries, cases.into_iter(), leaves, head.position);
    }

    /// Drops all memory and reads the log again.
    pub(super) async fn reload(&mut self) -> Result<(), Fatal> {
        let memory = settled_memory(self.store.as_mut(), self.reader.as_ref(), self.shared).await?;
        self.remember(memory);
        Ok(())
    }

    /// Goes on from what was read, in one leap.
    pub(super) fn remember(&mut self, memory: Memory) {
        self.memory = memory;
        self.directory.send_replace(self.memory.directory.clone());
        self.published.jump(self.memory.position);
    }
}

/// Memory as the log tells it, once all of it is known to be as durable as promised.
async fn settled_memory(store: &mut dyn StoreWriter, reader: &dyn Reader, shared: bool) -> Result<Memory, Fatal> {
    let memory = recall_memory(reader).await.map_err(load_failed)?;
    let head = store.settle().await.map_err(Fatal::Tidy)?;
    if let Some(last) = head.position.checked_sub(1).filter(|_| shared) {
        let row = reader.event_at(last).await.map_err(Fatal::Tidy)?;
        if head.position < memory.position || row.map(|row| row.hash) != head.last_hash {
            return Err(Fatal::Elsewhere);
        }
    }
    Ok(memory)
}

/// Memory after the server's history is noted: what a start and a return begin with.
pub(crate) async fn fenced_memory(
    store: &mut dyn StoreWriter,
    reader: &dyn Reader,
    shared: bool,
    recorders: &Recorders,
    now: Millis,
) -> Result<Memory, Fatal> {
    let memory = settled_memory(store, reader, shared).await?;
    if fence(store, &memory, recorders, now).await? { settled_memory(store, reader, shared).await } else { Ok(memory) }
}

/// Notes the server's history beside the head where it is another one than the noted. With it the epoch rises, unless
/// the log is noted for the first time, and an event says so (reliability, 8). Whether anything was written, here or
/// by another replica.
async fn fence(
    store: &mut dyn StoreWriter,
    memory: &Memory,
    recorders: &Recorders,
    now: Millis,
) -> Result<bool, Fatal> {
    let lineage = store.lineage().await.map_err(Fatal::Tidy)?;
    let Some(timeline) = lineage.changed() else { return Ok(false) };
    let head = store.head().await.map_err(Fatal::Tidy)?;
    let mut batch = rows::empty(memory.position);
    batch.timeline = Some(timeline);
    if lineage.noted.is_some() {
        let epoch = head.epoch + 1;
        let seq = memory.directory.versions.get(&LOG_STREAM).copied().unwrap_or(0) + 1;
        let prev = memory.streams.get(&LOG_STREAM).copied().unwrap_or(FIRST_PREV);
        batch.raise_epoch = true;
        batch.events.push(rows::of_log(
            recorders,
            LogFenced { epoch, timeline },
            seq,
            &prev,
            now.max(memory.last_at),
            memory.position,
        ));
        tracing::warn!(epoch, timeline, "the database has another history than the log was last written in");
    }
    match store.append(&batch).await {
        // Moved: another replica has written, the fence perhaps. What is in memory is read again either way.
        Ok(_) | Err(AppendError::Moved { .. }) => Ok(true),
        Err(error) => Err(Fatal::Append(Box::new(error))),
    }
}

/// Refuses to work while this machine's clock and the database's are further apart than that.
pub(crate) async fn check_clock(store: &mut dyn StoreWriter, clock: &dyn Clock, apart_max: i64) -> Result<(), Fatal> {
    if !clock.is_of_day() {
        return Ok(());
    }
    let before = clock.now();
    let Some(theirs) = store.time().await.map_err(Fatal::Tidy)? else { return Ok(()) };
    // Of the time the question took, either side may have had any part.
    let (early, late) = (before.since(theirs), theirs.since(clock.now()));
    let apart = early.max(late).max(0);
    if apart > CLOCK_APART_WARN_MS {
        tracing::warn!(apart_ms = apart, "this machine's clock and the database's are apart");
    }
    if apart > apart_max { Err(Fatal::Clock(apart)) } else { Ok(()) }
}

fn load_failed(error: LoadError) -> Fatal {
    Fatal::Load(Box::new(error))
}

fn log_unread(error: StoreError) -> LoadError {
    LoadError::Read(LOG_STREAM, error)
}
