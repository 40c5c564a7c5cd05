//! The use cases: what gRPC, console and command line call. One way in, through the writer; one way out, the log.

use crate::batch::Given;
use crate::clock::Clock;
use crate::feed::{FeedEntry, Published, page};
use crate::ground::{Maps, QueryPoint, territory};
use crate::ids;
use crate::job::{Chore, Job, NoAnswer, Reply, Task};
use crate::memory::{Entry, LoadError, Upto, load};
use crate::recorders::Recorders;
use crate::registry::Registries;
use crate::tree::Tree;
use crate::vault::{Kept, Vault};
use crate::writer::follow::{CLOCK_APART_MAX_MS, check_clock, fenced_memory};
use crate::writer::{
    Availability, Fatal, Parts, QUEUE_CHORES_MAX, QUEUE_DECISIONS_MAX, QUEUE_FACTS_MAX, Queues, Writer, unrecorded,
};
use handoff_domain::access;
use handoff_domain::caller::{Caller, OrgKind};
use handoff_domain::directory::Directory;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{ClientId, Digest, IncidentId, LOG_STREAM, OrgId, StationId, StationRef};
use handoff_domain::refusal::Reason;
use handoff_domain::time::{Millis, SECOND};
use handoff_domain::values::{KeySignature, Territory};
use handoff_evidence::disclosure::Disclosure;
use handoff_evidence::event::FIRST_PREV;
use handoff_store::rows::{AnswerId, CosignatureRow, PersonalRow, TileRow, TreeHeadRow};
use handoff_store::{Reader, Store, StoreError};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use uuid::Uuid;

/// How long a caller of a single command waits at most before the answer is "unknown".
pub const COMMAND_WAIT_MS: i64 = 5 * SECOND;

/// An organisation of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organisation {
    /// Its code name.
    pub id: OrgId,
    /// What it is.
    pub kind: OrgKind,
}

/// Why the engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store does not answer.
    #[error("the store cannot be read")]
    Store(#[source] StoreError),
    /// The first entry could not be written.
    #[error("the log cannot be opened")]
    Open(#[source] Box<handoff_store::AppendError>),
    /// The log cannot be read, written or trusted now; the cause says which.
    #[error("the log cannot be used now")]
    Log(#[source] Fatal),
    /// The log belongs to another key.
    #[error("the log was opened by another key; give the log key file this database was made with")]
    OtherKey,
}

struct Inner {
    facts: mpsc::Sender<Job>,
    decisions: mpsc::Sender<Job>,
    chores: mpsc::Sender<Chore>,
    reader: Arc<dyn Reader>,
    clock: Arc<dyn Clock>,
    published: Arc<Published>,
    directory: watch::Receiver<Arc<Directory>>,
    available: watch::Receiver<Availability>,
    maps: Maps,
    vault: Arc<Vault>,
    organisations: Vec<Organisation>,
    /// Other replicas write the same log.
    shared: bool,
    /// Tells the writer to look at the head now.
    look: Arc<Notify>,
    tree: Arc<Tree>,
    registries: Registries,
}

/// A handle on the running engine; cheap to clone. The writer ends when the last handle is gone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("head", &self.0.published.head()).finish_non_exhaustive()
    }
}

/// The writer's future: to be spawned by whoever owns the tasks.
pub type WriterRun = std::pin::Pin<Box<dyn Future<Output = Result<(), Fatal>> + Send>>;

/// Writes position 0 if the log is empty: `log_opened`, with the origin that follows from the log's key.
///
/// # Errors
/// [`StartError`] when the store cannot be written, or the log was opened by another key.
pub async fn open_log(store: &mut Store, recorders: &Recorders, now: Millis) -> Result<(), StartError> {
    let key = recorders.log();
    let head = store.reader.head().await.map_err(StartError::Store)?;
    if head.position > 0 {
        let first = store.reader.event_at(0).await.map_err(StartError::Store)?;
        let opened = first.and_then(|row| handoff_evidence::event::decode(&row.bytes).ok());
        return match opened {
            Some((Event { body: Body::LogOpened(opened), .. }, _)) if opened.origin == key.origin() => Ok(()),
            _ => Err(StartError::OtherKey),
        };
    }
    let mut batch = crate::rows::empty(0);
    batch.events.push(crate::rows::of_log(recorders, key.opened(ids::salt()), 1, &FIRST_PREV, now, 0));
    match store.writer.append(&batch).await {
        Ok(_) => Ok(()),
        // Another replica was first; whether under the same key is seen at once.
        Err(handoff_store::AppendError::Moved { .. }) => Box::pin(open_log(store, recorders, now)).await,
        Err(error) => Err(StartError::Open(Box::new(error))),
    }
}

/// The key's signature a task carries, and the statement it is said to be under.
fn signature_of(task: &Task) -> Option<(Option<Digest>, &KeySignature)> {
    match task {
        Task::Incident(command) => command.act.signature(),
        Task::Directory { .. } => None,
    }
}

impl Engine {
    /// An engine over an open store, and its writer to be spawned.
    ///
    /// # Errors
    /// [`StartError`] when the log cannot be read.
    pub async fn start(
        store: Store,
        organisations: Vec<Organisation>,
        vault: Arc<Vault>,
        tree: Arc<Tree>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, WriterRun), StartError> {
        let Store { mut writer, reader, shared, .. } = store;
        check_clock(writer.as_mut(), clock.as_ref(), CLOCK_APART_MAX_MS).await.map_err(StartError::Log)?;
        let memory = fenced_memory(writer.as_mut(), reader.as_ref(), shared, tree.recorders(), clock.now()).await;
        let memory = memory.map_err(StartError::Log)?;
        let published = Arc::new(Published::at(memory.position));
        let (directory, directory_now) = watch::channel(memory.directory.clone());
        let (facts, facts_in) = mpsc::channel(QUEUE_FACTS_MAX);
        let (decisions, decisions_in) = mpsc::channel(QUEUE_DECISIONS_MAX);
        let (chores, chores_in) = mpsc::channel(QUEUE_CHORES_MAX);
        let audits = organisations.iter().filter(|org| org.kind == OrgKind::Audit);
        let auditors = audits.map(|org| org.id.clone()).collect();
        let given = Given { auditors, vault: vault.clone(), recorders: tree.recorders().clone() };
        let queues = Queues { facts: facts_in, decisions: decisions_in, chores: chores_in };
        let (availability, available) = watch::channel(Availability::Here);
        let look = Arc::new(Notify::new());
        let task = Writer::new(Parts {
            store: writer,
            reader: reader.clone(),
            shared,
            memory,
            clock: clock.clone(),
            published: published.clone(),
            directory,
            availability,
            look: look.clone(),
            given: Arc::new(given),
        });
        let inner = Inner {
            facts,
            decisions,
            chores,
            reader,
            clock,
            published,
            directory: directory_now,
            available,
            maps: Maps::default(),
            vault,
            organisations,
            shared,
            look,
            tree,
            registries: Registries::default(),
        };
        Ok((Self(Arc::new(inner)), Box::pin(task.run(queues))))
    }

    /// The clock everything is timed by.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }

    /// Reads of the store.
    #[must_use]
    pub fn reader(&self) -> &dyn Reader {
        self.0.reader.as_ref()
    }

    /// Stations, agreements, maps and drills as of the published head.
    #[must_use]
    pub fn directory(&self) -> Arc<Directory> {
        self.0.directory.borrow().clone()
    }

    /// Whether the database can be written, and each change of it.
    #[must_use]
    pub fn availability(&self) -> watch::Receiver<Availability> {
        self.0.available.clone()
    }

    /// Whether the database is away now: nothing is accepted, and what is read may not be current.
    #[must_use]
    pub fn is_away(&self) -> bool {
        *self.0.available.borrow() == Availability::Away
    }

    /// Organisations of the configuration.
    #[must_use]
    pub fn organisations(&self) -> &[Organisation] {
        &self.0.organisations
    }

    /// Commands that wait for the writer now: facts, decisions.
    #[must_use]
    pub fn waiting(&self) -> (usize, usize) {
        let waits = |queue: &mpsc::Sender<Job>| queue.max_capacity() - queue.capacity();
        (waits(&self.0.facts), waits(&self.0.decisions))
    }

    /// Personal values kept of an incident's entries up to `until`, in their order, opened. One that does not open takes no
    /// other with it.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn personal(&self, incident: IncidentId, until: u64) -> Result<Vec<Kept>, LoadError> {
        let rows = self.reader().personal(incident, 1, until).await;
        let rows = rows.map_err(|error| LoadError::Read(incident, error))?;
        let open = |row: PersonalRow| Kept { seq: row.id.seq, text: self.0.vault.open(&row), path: row.id.path };
        Ok(rows.into_iter().map(open).collect())
    }

    /// The tree over the log.
    #[must_use]
    pub fn tree(&self) -> &Arc<Tree> {
        &self.0.tree
    }

    pub(crate) fn registries(&self) -> &Registries {
        &self.0.registries
    }

    pub(crate) fn published(&self) -> &Published {
        &self.0.published
    }

    /// Has the writer keep what was made of the tree, or signed of it; durable when it returns.
    ///
    /// # Errors
    /// [`NoAnswer`]: it may be kept or not; asking again is safe.
    pub async fn note_tree(
        &self,
        tiles: Vec<TileRow>,
        head: Option<TreeHeadRow>,
        cosignatures: Vec<CosignatureRow>,
    ) -> Result<(), NoAnswer> {
        let (done, noted) = oneshot::channel();
        let chore = Chore::Tree { tiles, head, cosignatures, done };
        self.0.chores.send(chore).await.map_err(|_| NoAnswer::NotAccepted(Reason::NotAccepted))?;
        noted.await.unwrap_or(Err(NoAnswer::Unknown))
    }

    /// Prepared maps.
    #[must_use]
    pub fn maps(&self) -> &Maps {
        &self.0.maps
    }

    /// Submits a command and waits for its durable answer. A caller that stops waiting changes nothing: the answer
    /// lies under the request id.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn submit(
        &self,
        caller: Caller,
        request: Uuid,
        content: Vec<u8>,
        task: Task,
        disclosures: Vec<Disclosure>,
        point: Option<QueryPoint>,
    ) -> Result<Reply, NoAnswer> {
        let now = self.0.clock.now();
        let mut fresh = ids::fresh();
        if let (Some(point), Some(station)) = (&point, self.station_of(&caller, &task)) {
            fresh.territory = self.territory(&station, point).await;
        }
        if let Some((statement, signature)) = signature_of(&task) {
            let found = self.signed_by(&caller, statement, signature).await;
            fresh.signed_by = Some(found.map_err(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "a registry of keys cannot be read");
                // It may be a repeat of what was accepted long ago: asking again is safe, and nothing else is known.
                NoAnswer::Unknown
            })?);
        }
        let decides = match &task {
            Task::Incident(command) => command.act.decides(),
            Task::Directory { .. } => true,
        };
        let id = AnswerId { org: caller.org.clone(), client: caller.client.clone(), request };
        let (reply, answered) = oneshot::channel();
        let deadline = Some(now.plus(COMMAND_WAIT_MS));
        let job = Job { caller, request: id, content, task, disclosures, fresh, deadline, reply };
        let queue = if decides { &self.0.decisions } else { &self.0.facts };
        match queue.try_send(job) {
            Ok(()) => answered.await.unwrap_or(Err(NoAnswer::Unknown)),
            Err(mpsc::error::TrySendError::Full(_)) => Err(NoAnswer::NotAccepted(Reason::QueueFull)),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(NoAnswer::NotAccepted(Reason::NotAccepted)),
        }
    }

    /// A command of the service itself.
    ///
    /// # Errors
    /// [`NoAnswer`].
    pub async fn submit_service(&self, request: Uuid, task: Task) -> Result<Reply, NoAnswer> {
        let content = format!("{task:?}").into_bytes();
        self.submit(crate::deadlines::service(), request, content, task, Vec::new(), None).await
    }

    fn station_of(&self, caller: &Caller, task: &Task) -> Option<StationRef> {
        let named = match task {
            Task::Incident(command) => command.acting_for.as_ref(),
            Task::Directory { .. } => None,
        };
        let station: &StationId = named.or(caller.station.as_ref())?;
        self.directory().seat(station).filter(|seat| seat.org == caller.org)
    }

    /// What the maps in force for a station say of a place; `None` where it has none.
    pub async fn territory(&self, station: &StationRef, point: &QueryPoint) -> Option<Territory> {
        let directory = self.directory();
        let maps = self.0.maps.of(self.reader(), &directory, station).await;
        territory(&maps, &directory, point)
    }

    /// Waits until everything is published here that is in the log now: whoever was answered by another replica must
    /// find what it was answered (reliability, C9). One process has nobody to wait for.
    ///
    /// While the database is away nothing is followed, and the one that still answers reads may have been deposed: then
    /// nothing is shown as current.
    ///
    /// # Errors
    /// [`LoadError::Read`] when the store does not answer, [`LoadError::Behind`] when it is not published in time, or
    /// the database is away.
    pub async fn see_all(&self) -> Result<(), LoadError> {
        if !self.0.shared {
            return Ok(());
        }
        if self.is_away() {
            return Err(LoadError::Behind);
        }
        let head = self.reader().head().await.map_err(|error| LoadError::Read(LOG_STREAM, error))?.position;
        let mut published = self.0.published.watch();
        if *published.borrow_and_update() >= head {
            return Ok(());
        }
        self.0.look.notify_one();
        let limit = self.0.clock.sleep_until(self.0.clock.now().plus(COMMAND_WAIT_MS));
        tokio::select! {
            biased;
            reached = published.wait_for(|position| *position >= head) => reached.map(drop).map_err(|_| LoadError::Behind),
            () = limit => Err(LoadError::Behind),
        }
    }

    /// A case as of the published head, whoever asks: from memory if it changed lately, else from its events.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn entry(&self, incident: IncidentId) -> Result<Option<Entry>, LoadError> {
        match self.0.published.case(&incident) {
            Some(entry) => Ok(Some(Entry::clone(&entry))),
            None => load(self.reader(), incident, Upto::Position(self.0.published.head())).await,
        }
    }

    /// A case the caller may see, as far as it may see it: one whose part has ended sees the case as it was then. One it
    /// may not see does not exist for it. Whoever may see the survivor of an alias may see the alias: old ids resolve for
    /// ever.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn case(&self, caller: &Caller, incident: IncidentId) -> Result<Option<Entry>, LoadError> {
        self.see_all().await?;
        let Some(entry) = self.entry(incident).await? else { return Ok(None) };
        let survivor = self.survivor(&entry).await?;
        if let Some(survivor) = survivor.filter(|survivor| access::may_see_alias(&survivor.case, incident, caller)) {
            // Whoever has a part in the survivor sees all of the alias.
            if access::sees_until(&survivor.case, caller).is_none() || !access::may_see(&entry.case, caller) {
                return Ok(Some(entry));
            }
        }
        if !access::may_see(&entry.case, caller) {
            return Ok(None);
        }
        match access::sees_until(&entry.case, caller) {
            Some(until) => load(self.reader(), incident, Upto::Seq(until)).await,
            None => Ok(Some(entry)),
        }
    }

    /// The survivor of a case that is an alias: it answers for both.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn survivor(&self, of: &Entry) -> Result<Option<Entry>, LoadError> {
        match of.case.alias_of {
            Some(survivor) => self.entry(survivor).await,
            None => Ok(None),
        }
    }

    /// The next entries of an organisation's feed.
    ///
    /// # Errors
    /// [`LoadError`].
    pub async fn feed(&self, org: &OrgId, number: u64) -> Result<Vec<Arc<FeedEntry>>, LoadError> {
        page(&self.0.published, self.reader(), org, number).await
    }

    /// Wakes at each move of the published head.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<u64> {
        self.0.published.watch()
    }

    /// Records how far a client has taken its feed in, after the facts "delivered" that follow from it.
    ///
    /// # Errors
    /// [`NoAnswer`], or [`NoAnswer::Unknown`] when the feed could not be read.
    pub async fn commit(&self, caller: &Caller, number: u64) -> Result<(), NoAnswer> {
        // Another replica may have sent what is committed here.
        self.see_all().await.map_err(|_| NoAnswer::Unknown)?;
        self.deliver_up_to(caller, number).await?;
        let (done, told) = oneshot::channel();
        let chore = Chore::Cursor { org: caller.org.clone(), client: caller.client.clone(), number, done };
        match self.0.chores.send(chore).await {
            Ok(()) => told.await.unwrap_or(Err(NoAnswer::Unknown)),
            Err(_) => Err(NoAnswer::NotAccepted(Reason::NotAccepted)),
        }
    }

    /// The commit of the client registered as a station's dispatch system means that the station's system has every
    /// alert, offer and recall up to there (product, *Obligations and timers*). No other subscriber's commit does.
    async fn deliver_up_to(&self, caller: &Caller, number: u64) -> Result<(), NoAnswer> {
        let directory = self.directory();
        let mine: Vec<StationId> = directory
            .stations
            .values()
            .filter(|owned| owned.org == caller.org && owned.is.dispatch_client.as_ref() == Some(&caller.client))
            .map(|owned| owned.is.station.clone())
            .collect();
        if mine.is_empty() {
            return Ok(());
        }
        let org = caller.org.clone();
        let from = self.reader().cursor(org, caller.client.clone()).await.map_err(|_| NoAnswer::Unknown)?;
        let mut at = from.unwrap_or(0);
        while at < number {
            let page = self.feed(&caller.org, at).await.map_err(|_| NoAnswer::Unknown)?;
            // What was sent is there; what is not there was never taken in.
            let Some(last) = page.last() else { return Err(NoAnswer::Unknown) };
            at = last.number;
            for entry in page.iter().filter(|entry| entry.number <= number) {
                self.deliver(caller, &mine, entry).await?;
            }
        }
        Ok(())
    }

    async fn deliver(&self, caller: &Caller, mine: &[StationId], entry: &FeedEntry) -> Result<(), NoAnswer> {
        use handoff_domain::command::{Act, Command, Expected};
        use handoff_domain::event::handoff::{Delivered, RecallReceived};
        let at_mine = |seat: &StationRef| seat.org == caller.org && mine.contains(&seat.station);
        let of = |id| entry.after.case.handoff(id).filter(|handoff| at_mine(&handoff.to));
        let delivered = |handoff, version| Act::Deliver(Delivered { handoff, version });
        let (at, act) = match &entry.event.body {
            Body::Alerted(body) if at_mine(&body.to) => (body.to.clone(), Act::DeliverAlert { to: body.to.clone() }),
            Body::Offered(body) if at_mine(&body.to) => (body.to.clone(), delivered(body.handoff, body.version)),
            Body::Revised(body) => match of(body.handoff) {
                Some(handoff) => (handoff.to.clone(), delivered(body.handoff, body.version)),
                None => return Ok(()),
            },
            Body::Recalled(body) => match of(body.handoff) {
                Some(handoff) => (handoff.to.clone(), Act::ReceiveRecall(RecallReceived { handoff: body.handoff })),
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        // One system may be registered for several stations: it takes in for the one it is meant for.
        let caller = &Caller { station: Some(at.station), ..caller.clone() };
        let incident = entry.event.incident;
        let request = ids::derived(&["deliver", &incident.to_string(), &entry.event.seq.to_string()]);
        let content = request.as_bytes().to_vec();
        let command = Command { incident, expected: Expected::default(), claimed_at: None, acting_for: None, act };
        // Refused means that somebody was faster: a person has seen it, or it is no longer on the table.
        self.submit(caller.clone(), request, content, Task::Incident(command), Vec::new(), None).await.map(|_| ())
    }

    /// Notes a denied attempt; only counted when the queue is full, since denials never hold commands up.
    pub fn denied(&self, org: Option<OrgId>, client: Option<ClientId>, method: &'static str, reason: Reason) {
        metrics::counter!("handoff_denied_total", "reason" => reason.as_str()).increment(1);
        let at = self.0.clock.now();
        if self.0.chores.try_send(Chore::Denial { at, org, client, method, reason }).is_err() {
            unrecorded(1);
        }
    }
}
