//! One batch: commands decided on an overlay over memory, and the rows they lead to. Nothing here waits for anything
//! but loading a case.

use crate::answer::{Answer, Done};
use crate::feed::FeedEntry;
use crate::ids;
use crate::job::{Beside, Job, Task};
use crate::leaves::{NewLeaf, is_urgent};
use crate::memory::{Change, Entry, Hashes, Memory, Stored};
use crate::recorders::Recorders;
use crate::rows;
use crate::vault::Vault;
use handoff_domain::directory::{Directory, is_directory};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, IncidentId, OrgId};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::time::Millis;
use handoff_domain::{Case, Cases, Context, Decided, audience, decide, decide_order};
use handoff_evidence::event::{FIRST_PREV, Recorded, record};
use handoff_store::Batch;
use handoff_store::rows::AnswerId;
use hmac::{Hmac, KeyInit, Mac};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What the installation gives every batch.
#[derive(Debug)]
pub struct Given {
    /// Organisations that receive every incident's events: auditors.
    pub auditors: Vec<OrgId>,
    /// Seals personal values.
    pub vault: Arc<Vault>,
    /// Signs leaves.
    pub recorders: Arc<Recorders>,
}

/// MAC of a request under the random key of its row (reliability, 7).
#[must_use]
pub fn request_mac(key: &[u8; 16], content: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(content);
    mac.finalize().into_bytes().into()
}

/// Commands decided so far, not yet written.
pub struct Overlay<'m> {
    memory: &'m Memory,
    given: Arc<Given>,
    now: Millis,
    /// Cases touched, as they are now in this batch.
    cases: HashMap<IncidentId, Arc<Entry>>,
    /// Cases as they were before it; `None` for those that begin in it.
    before: HashMap<IncidentId, Option<Arc<Entry>>>,
    /// Incidents looked up and found absent.
    absent: HashSet<IncidentId>,
    directory: Option<Arc<Directory>>,
    streams: HashMap<IncidentId, Digest>,
    feeds: HashMap<OrgId, u64>,
    answers: HashMap<AnswerId, Arc<Stored>>,
    position: u64,
    last_at: Millis,
    rows: Batch,
    published: Vec<(OrgId, FeedEntry)>,
    leaves: Vec<NewLeaf>,
}

/// What one job came to.
#[derive(Debug)]
pub enum Outcome {
    /// An answer to give once the batch is durable.
    Answer(Answer, bool),
    /// The id was used for another request.
    Reused,
    /// What is asked is so already, and nothing would be stored. Unless the id has been answered before memory began:
    /// an insert would meet that answer, here it has to be looked for.
    Nothing,
}

/// A batch that is decided.
#[derive(Debug)]
pub struct Finished {
    /// What has to be written.
    pub rows: Batch,
    /// What it makes of memory.
    pub change: Change,
    /// What is to be published once it is durable.
    pub published: Vec<(OrgId, FeedEntry)>,
    /// The leaves of its events.
    pub leaves: Vec<NewLeaf>,
}

/// Number and hash of a case's last event in a command, and of the event that fixed its agreed form.
type Last = (u64, Digest, Option<(u64, Digest)>);

impl<'m> Overlay<'m> {
    /// Forgets the keys of these requests with the batch.
    pub(crate) fn forget(&mut self, keyed: Vec<AnswerId>) {
        self.rows.forget_keys.extend(keyed);
    }

    /// An empty batch over memory at `now`.
    #[must_use]
    pub fn new(memory: &'m Memory, given: Arc<Given>, now: Millis) -> Self {
        Self {
            memory,
            given,
            // Times never run back, whatever the machine's clock does.
            now: now.max(memory.last_at),
            cases: HashMap::new(),
            before: HashMap::new(),
            absent: HashSet::new(),
            directory: None,
            streams: HashMap::new(),
            feeds: HashMap::new(),
            answers: HashMap::new(),
            position: memory.position,
            last_at: memory.last_at,
            rows: rows::empty(memory.position),
            published: Vec::new(),
            leaves: Vec::new(),
        }
    }

    /// What follows is decided as of `now`. Times never run back, whatever the machine's clock does.
    pub fn at(&mut self, now: Millis) {
        self.now = self.now.max(now);
    }

    /// Incidents a job needs that are neither here nor in memory: to be loaded before [`Self::decide`]. Which second one
    /// it needs may show only once the first is there: ask again until nothing is missing.
    #[must_use]
    pub fn missing(&self, job: &Job) -> Vec<IncidentId> {
        let Task::Incident(command) = &job.task else { return Vec::new() };
        let mut named = vec![command.incident];
        let main = self.entry(command.incident).map(|entry| &entry.case);
        named.extend(Cases::second(main, &command.act));
        named.retain(|id| {
            !self.cases.contains_key(id) && self.memory.cases.peek(id).is_none() && !self.absent.contains(id)
        });
        named
    }

    /// Takes a loaded case in, or that there is none.
    pub fn loaded(&mut self, id: IncidentId, entry: Option<Arc<Entry>>) {
        match entry {
            Some(entry) => {
                self.before.insert(id, Some(entry.clone()));
                self.cases.insert(id, entry);
            }
            None => {
                self.absent.insert(id);
            }
        }
    }

    /// An answer known in this batch or in memory.
    #[must_use]
    pub fn known(&self, key: &AnswerId) -> Option<&Arc<Stored>> {
        self.answers.get(key).or_else(|| self.memory.answers.peek(key))
    }

    /// Gives the stored answer if the request is the same one.
    #[must_use]
    pub fn repeat(stored: &Stored, content: &[u8]) -> Outcome {
        // After erasure the key is gone and with it the comparison: the stored answer stands.
        let same = stored.key.is_none_or(|key| request_mac(&key, content) == stored.mac);
        if same { Outcome::Answer(stored.answer.clone(), true) } else { Outcome::Reused }
    }

    fn entry(&self, id: IncidentId) -> Option<&Arc<Entry>> {
        self.cases.get(&id).or_else(|| self.memory.cases.peek(&id))
    }

    fn directory(&self) -> &Directory {
        self.directory.as_deref().unwrap_or(&self.memory.directory)
    }

    /// Decides one job and adds its rows. A refusal adds only its answer.
    pub fn decide(&mut self, job: &Job) -> Outcome {
        if let Some(stored) = self.known(&job.request) {
            return Self::repeat(stored, &job.content);
        }
        let decided = match &job.task {
            Task::Incident(command) => self.incident(job, command),
            Task::Directory { order, claimed_at, beside } => self.order(job, order, *claimed_at, beside.as_ref()),
        };
        let (answer, position, incident) = match decided {
            Ok(Some(done)) => {
                let (position, incident) = (Some(done.position), done.incident);
                (Answer::Done(done), position, Some(incident))
            }
            Ok(None) => return Outcome::Nothing,
            Err(refusal) => {
                let incident = if let Task::Incident(command) = &job.task { Some(command.incident) } else { None };
                (Answer::Refused(refusal), None, incident)
            }
        };
        self.store_answer(job, &answer, position, incident);
        Outcome::Answer(answer, false)
    }

    fn store_answer(&mut self, job: &Job, answer: &Answer, position: Option<u64>, incident: Option<IncidentId>) {
        let key = ids::random();
        let mac = request_mac(&key, &job.content);
        let Ok(bytes) = answer.to_bytes() else { return };
        let refused_about = if position.is_none() { incident } else { None };
        self.rows.answers.push(rows::answer(&job.request, key, mac, bytes, position, refused_about, self.now));
        let stored = Stored { key: Some(key), mac, answer: answer.clone() };
        self.answers.insert(job.request.clone(), Arc::new(stored));
    }

    fn incident(&mut self, job: &Job, command: &handoff_domain::command::Command) -> Result<Option<Done>, Refusal> {
        let main = self.entry(command.incident).cloned();
        let second = Cases::second(main.as_ref().map(|entry| &entry.case), &command.act);
        let other = second.and_then(|id| self.entry(id).cloned());
        let hashes = Hashes { entry: main.as_deref() };
        let context = Context { directory: self.directory(), digests: &hashes };
        let cases = Cases { main: main.as_ref().map(|e| &e.case), other: other.as_ref().map(|e| &e.case) };
        let now = self.now;
        let decided = decide(cases, &context, &job.caller, command, &job.fresh, now)?;
        if decided.events.is_empty() {
            return Ok(None);
        }
        let recorded = self.record_all(&decided)?;
        self.take(job, decided, recorded, command).map(Some)
    }

    /// Bytes and hashes of every event of a command, before anything of it is taken in.
    fn record_all(&self, decided: &Decided) -> Result<Vec<Recorded>, Refusal> {
        let mut heads: BTreeMap<IncidentId, Digest> = BTreeMap::new();
        let mut all = Vec::with_capacity(decided.events.len());
        for event in &decided.events {
            let prev = heads.get(&event.incident).copied();
            let prev = prev.or_else(|| self.entry(event.incident).map(|entry| entry.last)).unwrap_or(FIRST_PREV);
            // The one way a legal command fails here is that it does not fit into an event.
            let recorded = record(event, &prev)
                .map_err(|_| Refusal::new(Reason::LimitExceeded).with("max", handoff_evidence::json::BYTES_MAX))?;
            heads.insert(event.incident, recorded.hash);
            all.push(recorded);
        }
        Ok(all)
    }

    fn take(
        &mut self,
        job: &Job,
        decided: Decided,
        recorded: Vec<Recorded>,
        command: &handoff_domain::command::Command,
    ) -> Result<Done, Refusal> {
        let first = self.position;
        let cases: HashMap<IncidentId, Case> = decided.cases.into_iter().map(|case| (case.id, case)).collect();
        let mut last: HashMap<IncidentId, Last> = HashMap::new();
        let mut told = Vec::new();
        for (event, recorded) in decided.events.into_iter().zip(recorded) {
            let Some(case) = cases.get(&event.incident) else { continue };
            let position = self.append(&event, &recorded, first);
            self.keep_disclosures(job, &event);
            if let Body::Erased(erased) = &event.body {
                self.rows.erase.extend(erased.fields.iter().map(|f| rows::erase(event.incident, f.seq, &f.path)));
            }
            let fixes = case.handoffs.iter().any(|h| h.agreed().is_some_and(|form| form.seq == event.seq));
            let slot = last.entry(event.incident).or_insert((0, FIRST_PREV, None));
            (slot.0, slot.1) = (event.seq, recorded.hash);
            if fixes {
                slot.2 = Some((event.seq, recorded.hash));
            }
            let receivers = self.receivers(case, &event);
            let event = Arc::new(event);
            for (org, enters) in receivers {
                told.push((org, enters, position, event.clone(), recorded.hash));
            }
        }
        for (id, case) in cases {
            if let Some((_, hash, agreed)) = last.get(&id) {
                self.replace(id, case, *hash, *agreed);
            }
        }
        for (org, enters, position, event, hash) in told {
            self.tell(org, enters, position, first, event, hash);
        }
        let id = if last.contains_key(&command.incident) {
            command.incident
        } else {
            last.keys().next().copied().unwrap_or(command.incident)
        };
        let (version, hash) = last.get(&id).map_or((0, FIRST_PREV), |(seq, hash, _)| (*seq, *hash));
        Ok(Done { position: self.position - 1, incident: id, version, hash })
    }

    fn receivers(&self, case: &Case, event: &Event) -> BTreeMap<OrgId, bool> {
        let mut orgs = audience(case, event);
        for org in &self.given.auditors {
            orgs.insert(org.clone(), event.seq == 1);
        }
        orgs
    }

    fn append(&mut self, event: &Event, recorded: &Recorded, first: u64) -> u64 {
        let position = self.position;
        let leaf = self.given.recorders.sign(&event.actor.org, recorded.hash);
        self.leaves.push(NewLeaf { hash: leaf.hash(), urgent: is_urgent(&event.body) });
        self.rows.events.push(rows::event(event, recorded, &leaf, position, first));
        self.position += 1;
        self.last_at = self.last_at.max(event.at);
        position
    }

    /// The values of an event's sealed fields, found by their digests.
    fn keep_disclosures(&mut self, job: &Job, event: &Event) {
        if job.disclosures.is_empty() {
            return;
        }
        for (path, sealed) in handoff_evidence::disclosure::sealed_paths(&event.body) {
            if let Some(disclosure) = job.disclosures.iter().find(|disclosure| disclosure.digest == sealed) {
                let row = rows::personal(event.incident, event.seq, &path, &disclosure.text);
                self.rows.personal.push(self.given.vault.seal(row));
            }
        }
    }

    fn replace(&mut self, id: IncidentId, case: Case, hash: Digest, agreed: Option<(u64, Digest)>) {
        let before = self.entry(id).cloned();
        self.before.entry(id).or_insert_with(|| before.clone());
        let agreed = agreed.or_else(|| before.as_ref().and_then(|entry| entry.agreed));
        self.cases.insert(id, Arc::new(Entry { case, last: hash, agreed }));
    }

    fn tell(&mut self, org: OrgId, enters: bool, position: u64, first: u64, event: Arc<Event>, hash: Digest) {
        let known = self.feeds.get(&org).or_else(|| self.memory.feeds.get(&org)).copied().unwrap_or(0);
        let number = known + 1;
        self.feeds.insert(org.clone(), number);
        self.rows.feed.push(rows::feed(&org, number, position, enters));
        let Some(after) = self.cases.get(&event.incident).cloned() else { return };
        self.published.push((org, FeedEntry { number, position, first, event, hash, enters, after }));
    }

    fn order(
        &mut self,
        job: &Job,
        order: &handoff_domain::command::Order,
        claimed_at: Option<Millis>,
        beside: Option<&Beside>,
    ) -> Result<Option<Done>, Refusal> {
        let events = decide_order(self.directory(), &job.caller, order, claimed_at, self.now)?;
        let first = self.position;
        let mut done = None;
        for event in events {
            let known = self.streams.get(&event.incident).or_else(|| self.memory.streams.get(&event.incident));
            let prev = known.copied().unwrap_or(FIRST_PREV);
            let recorded = record(&event, &prev)
                .map_err(|_| Refusal::new(Reason::LimitExceeded).with("max", handoff_evidence::json::BYTES_MAX))?;
            debug_assert!(is_directory(&event.body), "an order makes directory events only");
            let mut directory = self.directory().clone();
            directory.apply(&event, Some(recorded.hash))?;
            self.directory = Some(Arc::new(directory));
            self.streams.insert(event.incident, recorded.hash);
            let position = self.append(&event, &recorded, first);
            match (beside, &event.body) {
                (Some(Beside::Map(map, digest, bytes)), _) => self.rows.maps.push(rows::map(map, *digest, bytes)),
                (Some(Beside::Registry(entries)), Body::RegistryUpdated(update)) => {
                    self.rows.registry.extend(rows::registry(update, entries));
                }
                (Some(Beside::Registry(_)), _) | (None, _) => {}
            }
            done = Some(Done { position, incident: event.incident, version: event.seq, hash: recorded.hash });
        }
        Ok(done)
    }

    /// The batch: one final row per case, party, obligation and handoff touched; what it makes of memory; what is to be
    /// published once it is durable.
    #[must_use]
    pub fn finish(mut self) -> Finished {
        for (id, entry) in &self.cases {
            let before = self.before.get(id).and_then(Option::as_ref);
            if before.is_some_and(|before| before.case.version == entry.case.version) {
                continue;
            }
            rows::of_case(&mut self.rows, before.map(|before| &before.case), &entry.case);
        }
        let change = Change {
            position: self.position,
            last_at: self.last_at,
            last_hash: self.rows.events.last().map(|event| event.hash).or(self.memory.last_hash),
            feeds: self.feeds.into_iter().map(|(org, number)| (org, Some(number))).collect(),
            cases: self.cases.into_iter().map(|(id, entry)| (id, Some(entry))).collect(),
            answers: self.answers.into_iter().map(|(id, answer)| (id, Some(answer))).collect(),
            directory: self.directory,
            streams: self.streams.into_iter().map(|(id, hash)| (id, Some(hash))).collect(),
        };
        Finished { rows: self.rows, change, published: self.published, leaves: self.leaves }
    }
}
