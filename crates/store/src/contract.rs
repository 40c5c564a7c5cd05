//! What a backend promises. The suite in `conformance` tests each sentence.
//!
//! **Order.** There is one log. Each event has a position, 0, 1, 2 … without gap, in the order of commit; within its
//! stream a seq, 1, 2, 3 … without gap; in the feed of each organisation that is told of it a number, 1, 2, 3 …
//! without gap. A reader that sees a position sees every lower one.
//!
//! **One batch, one transaction.** [`Writer::append`] writes all rows of a [`Batch`] or none. Its first step moves the
//! head, and only from the position the batch expects, so of two writers at most one goes on.
//!
//! **Durable.** When `append` has returned `Ok` the batch is on stable storage: it survives the end of the process, of
//! the system and of power. Not before; so nothing is answered, published or signed before.
//!
//! **Again.** A request id has one answer for ever. A batch that carries a known one is not written at all and the
//! error names it; the caller gives the stored answer. After an unknown outcome the request id tells: it has an answer
//! if, and only if, the batch was committed.
//!
//! **Errors.** After [`AppendError::Moved`], [`AppendError::AnswersKnown`] and [`AppendError::Rejected`] nothing was
//! written and the writer works on. After [`AppendError::Io`] and [`AppendError::Unknown`] the writer refuses
//! everything; the process ends and recovers by starting, or by [`Writer::reopen`] where the store is shared.
//!
//! **Several processes.** Where [`Store::shared`] says so, other processes write the same log. Then a batch may be
//! [`Moved`](AppendError::Moved) at any time, and a writer that failed is made whole by [`Writer::reopen`] instead of a
//! new process: everything in memory is dropped and read again, and request ids tell what became of the last batch.
//!
//! **Replicated.** With [`Durability::Replicated`], durable means that enough standbys hold the batch too: `append` and
//! [`Writer::settle`] return only then. An append that was committed but is not known to be replicated in time is
//! [`Unknown`](AppendError::Unknown).
//!
//! **Not cancelled.** `append` runs to its end in one task that nobody aborts. If its future is dropped all the same
//! the outcome is unknown and the writer refuses everything from then on.
//!
//! **Reading.** Readers never wait for the writer and see committed batches only, each whole. Each call is one
//! snapshot; two calls may see two. A reader may be ahead of what the service has published: pages take the published
//! head as an argument.
//!
//! **Erasing.** Rows named in [`Batch::erase`] and keys named in [`Batch::forget_keys`] are gone from the tables when
//! the batch is durable, and from every file of the database after the next [`Writer::idle`] that empties the
//! write-ahead log. Naming a row that is gone is no error: after a restore every erasure is applied again.

use crate::batch::{Appended, Batch};
use crate::error::{AppendError, StoreError};
use crate::failpoint::Failpoint;
use crate::query::{CaseCursor, CaseFilter, CasePage, Counts, ObligationCursor, Size};
use crate::rows::*;
use handoff_domain::ids::{ClientId, Digest, HandoffId, IncidentId, MapRef, OrgId, StationId};
use handoff_domain::time::Millis;
use std::pin::Pin;
use std::sync::Arc;

/// A future of this crate's traits, which are used as objects.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a read gives.
pub type Read<'a, T> = Pending<'a, Result<T, StoreError>>;

/// What must hold a batch before it counts as durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The database's own stable storage.
    #[default]
    Local,
    /// That, and the stable storage of so many synchronous standbys.
    Replicated {
        /// How many; at least 1.
        standbys: u32,
    },
}

/// The histories of the server: the one the log was last written in, and the one it is in now. Another one means that
/// a standby was promoted or a backup restored, so the log may have lost its end (reliability, 8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// Noted beside the head.
    pub noted: Option<u64>,
    /// Of the server as it is; none where a database has no histories.
    pub now: Option<u64>,
}

impl Lineage {
    /// The history to note, where it is another one than the noted.
    #[must_use]
    pub fn changed(&self) -> Option<u64> {
        self.now.filter(|now| self.noted != Some(*now))
    }
}

/// How to open a store.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What durable means.
    pub durability: Durability,
    /// A test's hook into the write path.
    pub failpoint: Failpoint,
}

/// An open store.
pub struct Store {
    /// The one way in. Owned by one task, never pooled.
    pub writer: Box<dyn Writer>,
    /// The way out, shared by all.
    pub reader: Arc<dyn Reader>,
    /// The process before did not close the database: run [`crate::integrity`] beside serving.
    pub unclean: bool,
    /// Other processes may write the same log, and a lost connection may be opened anew.
    pub shared: bool,
}

/// State of the write-ahead log after housekeeping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalState {
    /// Bytes in the write-ahead log. An alarm above 256 MiB: some reader does not let go.
    pub bytes: u64,
    /// Bytes of it that are not yet in the database.
    pub pending_bytes: u64,
}

/// Something wrong in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check, e.g. `positions`.
    pub check: &'static str,
    /// What it found; positions and numbers, no content.
    pub detail: String,
}

/// The way in. The contract is at the top of this module.
pub trait Writer: Send {
    /// Writes one batch. Durable when it returns `Ok`.
    fn append<'a>(&'a mut self, batch: &'a Batch) -> Pending<'a, Result<Appended, AppendError>>;

    /// The head as the writer's own connection sees it.
    fn head(&mut self) -> Read<'_, Head>;

    /// The head, once everything below it is durable: what may be published. Fails when that is not known in time.
    fn settle(&mut self) -> Read<'_, Head> {
        self.head()
    }

    /// Takes the head's lock: nobody else writes until the next append, or [`release`](Self::release). For a writer
    /// whose batches were moved away twice. A store of one process has nobody to lock out.
    fn hold(&mut self) -> Read<'_, Head> {
        self.head()
    }

    /// Gives the head's lock back with nothing written.
    fn release(&mut self) -> Read<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// The histories of the server.
    fn lineage(&mut self) -> Read<'_, Lineage> {
        Box::pin(async { Ok(Lineage::default()) })
    }

    /// The server's own clock, where it has one.
    fn time(&mut self) -> Read<'_, Option<Millis>> {
        Box::pin(async { Ok(None) })
    }

    /// Opens the connection anew after a failure, with every assertion of the first time. A store of one process is
    /// never reopened: its process ends.
    fn reopen(&mut self) -> Read<'_, ()> {
        Box::pin(async { Err(StoreError::OneProcess) })
    }

    /// Housekeeping after a batch has been answered; cheap when there is nothing to do. An error is fatal.
    fn tidy(&mut self) -> Read<'_, WalState>;

    /// Housekeeping when nothing waits: empties the write-ahead log unless a reader holds it. An error is fatal.
    fn idle(&mut self) -> Read<'_, WalState>;

    /// Closes cleanly. Readers still open go on reading; the write-ahead log is gone once they end too.
    fn close(self: Box<Self>) -> Read<'static, ()>;
}

/// The way out. Every list has a limit, cut to [`PAGE_ROWS_MAX`](crate::query::PAGE_ROWS_MAX).
///
/// What belongs to one organisation takes the organisation as an argument. The reads that do not are for the service
/// itself, for auditors and for witnesses; whom their result may reach is decided above this crate.
pub trait Reader: Send + Sync {
    /// Where the log ends.
    fn head(&self) -> Read<'_, Head>;

    /// The whole log from a position on.
    fn events_from(&self, position: u64, limit: u32) -> Read<'_, Vec<EventRow>>;

    /// One event.
    fn event_at(&self, position: u64) -> Read<'_, Option<EventRow>>;

    /// One stream from a seq on.
    fn events_of(&self, incident: IncidentId, from_seq: u64, limit: u32) -> Read<'_, Vec<EventRow>>;

    /// Every event that is of no incident, from a position on: the log's own, the directory, exercises.
    fn directory_events(&self, position: u64, limit: u32) -> Read<'_, Vec<EventRow>>;

    /// Where every organisation's feed ends; organisations without an entry are absent.
    fn feed_heads(&self) -> Read<'_, Vec<FeedHead>>;

    /// The head and the feeds' ends as of one and the same moment.
    fn ends(&self) -> Read<'_, (Head, Vec<FeedHead>)> {
        // Enough where nobody else writes meanwhile; a store that is shared does better.
        Box::pin(async { Ok((self.head().await?, self.feed_heads().await?)) })
    }

    /// Number of the last entry of a feed, 0 without one.
    fn feed_head(&self, org: OrgId) -> Read<'_, u64>;

    /// Entries after number `after` whose position lies below `until`, the published head. A page never ends inside
    /// the entries of one command; for that it may be longer than the limit by less than
    /// [`COMMAND_EVENTS_MAX`](crate::batch::COMMAND_EVENTS_MAX).
    fn feed_page(&self, org: OrgId, after: u64, until: u64, limit: u32) -> Read<'_, Vec<FeedEntry>>;

    /// Hash of the event at a number of a feed, for resume tokens.
    fn feed_hash_at(&self, org: OrgId, number: u64) -> Read<'_, Option<Digest>>;

    /// How far a subscriber has taken its feed in.
    fn cursor(&self, org: OrgId, client: ClientId) -> Read<'_, Option<u64>>;

    /// The stored answer to a request.
    fn answer(&self, id: AnswerId) -> Read<'_, Option<AnswerRow>>;

    /// The newest answers, newest first.
    fn recent_answers(&self, limit: u32) -> Read<'_, Vec<AnswerRow>>;

    /// Request ids that still have a key and belong to an incident, by their events or as refusals: what erasure
    /// forgets. At most the limit; call again until none is left.
    fn keyed_answers_of(&self, incident: IncidentId, limit: u32) -> Read<'_, Vec<AnswerId>>;

    /// One case.
    fn case(&self, incident: IncidentId) -> Read<'_, Option<CaseRow>>;

    /// Cases in pages, opened last first.
    fn cases(&self, filter: CaseFilter, after: Option<CaseCursor>, limit: u32) -> Read<'_, CasePage>;

    /// Who sees a case.
    fn parties_of(&self, incident: IncidentId) -> Read<'_, Vec<PartyRow>>;

    /// Where a handoff belongs.
    fn handoff(&self, handoff: HandoffId) -> Read<'_, Option<HandoffRow>>;

    /// What the timer has to look at by `now`, the oldest first.
    fn due_obligations(&self, now: Millis, limit: u32) -> Read<'_, Vec<ObligationRow>>;

    /// What an organisation owes, or one of its stations, the most pressing first. Without an organisation: what the
    /// common superiors owe, whichever they are.
    fn obligations_of(
        &self,
        org: Option<OrgId>,
        station: Option<StationId>,
        after: Option<ObligationCursor>,
        limit: u32,
    ) -> Read<'_, Vec<ObligationRow>>;

    /// What is owed in one incident.
    fn obligations_in(&self, incident: IncidentId) -> Read<'_, Vec<ObligationRow>>;

    /// Personal values of events `from_seq` to `to_seq`, both included.
    fn personal(&self, incident: IncidentId, from_seq: u64, to_seq: u64) -> Read<'_, Vec<PersonalRow>>;

    /// Incidents that still hold personal values and are closed by `closed_by`, or aliases, after the given one, in the
    /// order of their ids: what retention looks at.
    fn holding_personal(&self, after: Option<IncidentId>, closed_by: Millis, limit: u32) -> Read<'_, Vec<IncidentId>>;

    /// Denied attempts after the given row, with the number to go on from.
    fn audit(&self, after: u64, limit: u32) -> Read<'_, Vec<(u64, AuditRow)>>;

    /// One version of a map.
    fn map(&self, map: MapRef) -> Read<'_, Option<MapRow>>;

    /// One complete tile.
    fn tile(&self, level: u8, number: u64) -> Read<'_, Option<TileRow>>;

    /// Complete tiles of one level from a number on, in order.
    fn tiles(&self, level: u8, from: u64, limit: u32) -> Read<'_, Vec<TileRow>>;

    /// The newest tree head of at most so many leaves.
    fn tree_head(&self, up_to: u64) -> Read<'_, Option<TreeHeadRow>>;

    /// The first tree head of at least so many leaves.
    fn tree_head_from(&self, size: u64) -> Read<'_, Option<TreeHeadRow>>;

    /// Witnesses' signatures of one tree head, in the order of their keys.
    fn cosignatures(&self, size: u64) -> Read<'_, Vec<CosignatureRow>>;

    /// The first tree head of at least so many leaves that this witness has signed.
    fn cosigned_from(&self, key: [u8; 32], size: u64) -> Read<'_, Option<CosignatureRow>>;

    /// The newest tree head of at most so many leaves that this witness has signed.
    fn cosigned_up_to(&self, key: [u8; 32], size: u64) -> Read<'_, Option<CosignatureRow>>;

    /// Every entry of one organisation's key registry, in the order of version and key id. Not in pages: who asks needs
    /// all of them for the root, and they are as many as the organisation's officers had keys and changes of them.
    fn registry(&self, org: OrgId) -> Read<'_, Vec<RegistryRow>>;

    /// Figures for metrics, as of `now`.
    fn counts(&self, now: Millis) -> Read<'_, Counts>;

    /// What the database takes.
    fn size(&self) -> Read<'_, Size>;

    /// Ends every reading connection. Reads after this fail.
    fn close(&self) -> Pending<'_, ()>;
}
