//! Many incidents from a few: the batches an engine wrote for one incident, written again for any number of others,
//! interleaved as they would be on a busy day.
//!
//! Events stay events: ids, instants, the hash of the event before and the digests of signed statements have fixed
//! lengths and are replaced inside the bytes; the hash is made anew, and so is the answer. What comes out is meant to
//! replay by the rules and to pass `handoff db check`, which `growth` runs on small logs. Salts, sealed values, units and
//! the MACs of requests stay those of the first incident.

use crate::story::STEPS;
use anyhow::Context;
use handoff_domain::event::handoff::Agreed;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, HandoffId, IncidentId, OrgId, Scope};
use handoff_domain::time::Millis;
use handoff_engine::{Answer, Done};
use handoff_evidence::event::{FIRST_PREV, decode, hash};
use handoff_evidence::statement::{self, By};
use handoff_store::Batch;
use handoff_store::rows::*;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use uuid::Uuid;

/// Where the bytes of an event hold what differs from incident to incident.
#[derive(Clone, Copy)]
enum Slot {
    Incident,
    Handoff,
    Time(Millis),
    Prev,
    /// Digest of the statement that a takeover is signed with.
    Transfer,
    /// Digest of the statement that this very event is signed off with.
    SignOff,
}

/// One command, as an engine wrote it.
struct Piece {
    batch: Batch,
    /// Of each event: where, and what.
    slots: Vec<Vec<(usize, Slot)>>,
    at: Millis,
}

/// The commands of one incident, in order.
pub(crate) struct Pattern {
    pieces: Vec<Piece>,
    handoff: Option<HandoffId>,
}

impl Pattern {
    /// From the batches of one incident, one for each command.
    pub(crate) fn of(batches: Vec<Batch>) -> anyhow::Result<Self> {
        let handoff = batches.iter().find_map(|batch| batch.handoffs.first()).map(|row| row.handoff);
        let (mut pieces, mut transfer) = (Vec::with_capacity(batches.len()), None);
        for batch in batches {
            let whole = batch.answers.len() == 1 && batch.cases.len() == 1 && batch.audit.is_empty();
            anyhow::ensure!(whole, "a batch of the recorded story is not one command of one incident");
            let at = batch.events.last().context("a command without an event")?.at;
            let of_event = |event| slots(event, handoff, &mut transfer);
            let slots = batch.events.iter().map(of_event).collect::<anyhow::Result<_>>()?;
            pieces.push(Piece { batch, slots, at });
        }
        anyhow::ensure!(!pieces.is_empty(), "nothing was recorded");
        Ok(Self { pieces, handoff })
    }

    /// Commands.
    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Events.
    pub(crate) fn events(&self) -> usize {
        self.pieces.iter().map(|piece| piece.batch.events.len()).sum()
    }

    /// The batches as they were recorded.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &Batch> {
        self.pieces.iter().map(|piece| &piece.batch)
    }
}

/// `transfer`: the digest a takeover is signed with, once the form is agreed.
fn slots(
    row: &EventRow,
    handoff: Option<HandoffId>,
    transfer: &mut Option<Digest>,
) -> anyhow::Result<Vec<(usize, Slot)>> {
    let text = std::str::from_utf8(&row.bytes)?;
    let (event, _) = decode(&row.bytes)?;
    let mut slots = Vec::new();
    let mut put = |what: String, slot: Slot| slots.extend(text.match_indices(&what).map(|(at, _)| (at, slot)));
    put(row.incident.to_string(), Slot::Incident);
    if let Some(handoff) = handoff {
        put(handoff.to_string(), Slot::Handoff);
    }
    if let Some(transfer) = transfer {
        put(transfer.to_string(), Slot::Transfer);
    }
    match &event.body {
        Body::Agreed(body) => *transfer = Some(agreed(&event, row.hash, body)?),
        Body::Reported(body) => put(body.sign_off.statement.to_string(), Slot::SignOff),
        Body::Confirmed(body) => put(body.sign_off.statement.to_string(), Slot::SignOff),
        _ => {}
    }
    let times = (0..text.len()).filter_map(|at| Some((at, Millis::from_text(text.get(at..at + TIME_BYTES)?)?)));
    slots.extend(times.map(|(at, time)| (at, Slot::Time(time))));
    // The keys of the envelope are sorted: this one stands behind the body.
    let key = "\"prev\":\"";
    let prev = text.rfind(key).context("an event without the hash before")?;
    slots.push((prev + key.len(), Slot::Prev));
    Ok(slots)
}

/// Bytes of an instant in an event.
const TIME_BYTES: usize = 24;

fn agreed(event: &Event, hash: Digest, body: &Agreed) -> anyhow::Result<Digest> {
    Ok(statement::Transfer::agreed(event.incident, hash, body).statement()?.digest())
}

/// The digest an event is signed off with, from its bytes, in which another one may stand.
fn signed_off(bytes: &[u8]) -> anyhow::Result<Digest> {
    let (event, prev) = decode(bytes)?;
    let by = By::from(&event.actor);
    let made = match &event.body {
        Body::Reported(body) => statement::report(event.incident, prev, &by, body),
        Body::Confirmed(body) => statement::confirm(event.incident, prev, &by, body.report),
        _ => anyhow::bail!("an event that is not signed off"),
    };
    Ok(made?.digest())
}

/// What an incident becomes.
#[derive(Clone, Copy)]
pub(crate) struct Course {
    /// Which pattern.
    pub(crate) pattern: usize,
    /// Left open after so many commands.
    pub(crate) until: Option<usize>,
}

/// An incident under way.
struct Live {
    pattern: usize,
    next: usize,
    until: usize,
    incident: IncidentId,
    handoff: HandoffId,
    last: Digest,
    /// What the takeover is signed with, once the form is agreed.
    transfer: Digest,
    /// When each command so far was written.
    at: Vec<Millis>,
}

/// Writes batches.
pub(crate) struct Mill {
    patterns: Rc<[Pattern]>,
    course: fn(u64, &[Pattern]) -> Course,
    lives: VecDeque<Live>,
    /// Incidents under way at once.
    pool: usize,
    begun: u64,
    incidents: u64,
    position: u64,
    now: Millis,
    feeds: HashMap<OrgId, u64>,
    /// An incident now and then, for reading.
    pub(crate) sampled: Vec<IncidentId>,
    sample_each: u64,
}

/// Incidents kept for reading, at most.
const SAMPLED_MAX: u64 = 1_000;

impl Mill {
    /// Goes on where a log ends.
    pub(crate) fn new(
        patterns: Rc<[Pattern]>,
        course: fn(u64, &[Pattern]) -> Course,
        (head, feeds): (Head, Vec<FeedHead>),
        pool: usize,
        incidents: u64,
    ) -> Self {
        Self {
            patterns,
            course,
            lives: VecDeque::with_capacity(pool),
            pool,
            begun: 0,
            incidents,
            position: head.position,
            now: head.last_at,
            feeds: feeds.into_iter().map(|feed| (feed.org, feed.number)).collect(),
            sampled: Vec::new(),
            sample_each: (incidents / SAMPLED_MAX).max(1),
        }
    }

    /// Events of the log so far.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Incidents begun so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    fn begin(&mut self) -> Option<Live> {
        if self.begun == self.incidents {
            return None;
        }
        let Course { pattern, until } = (self.course)(self.begun, &self.patterns);
        let incident = IncidentId(Uuid::now_v7());
        if self.begun.is_multiple_of(self.sample_each) {
            self.sampled.push(incident);
        }
        self.begun += 1;
        let until = until.unwrap_or(usize::MAX).clamp(1, self.patterns[pattern].len());
        let handoff = HandoffId(Uuid::now_v7());
        let at = Vec::with_capacity(until);
        Some(Live { pattern, next: 0, until, incident, handoff, last: FIRST_PREV, transfer: FIRST_PREV, at })
    }

    /// The next batch: at most so many commands, each of another incident. Empty once every incident has ended.
    pub(crate) fn batch(&mut self, commands: usize) -> anyhow::Result<Batch> {
        self.now = self.now.plus(1);
        // A few at a time, so that they are spread over their stories.
        for _ in 0..self.pool.div_ceil(STEPS).min(self.pool - self.lives.len()) {
            let begun = self.begin();
            self.lives.extend(begun);
        }
        let mut batch = Batch { expected: self.position, ..Batch::default() };
        for _ in 0..commands.min(self.lives.len()) {
            let Some(mut live) = self.lives.pop_front() else { break };
            self.write(&mut live, &mut batch)?;
            let next = if live.next < live.until { Some(live) } else { self.begin() };
            self.lives.extend(next);
        }
        Ok(batch)
    }

    fn write(&mut self, live: &mut Live, batch: &mut Batch) -> anyhow::Result<()> {
        let patterns = self.patterns.clone();
        let pattern = &patterns[live.pattern];
        let piece = &pattern.pieces[live.next];
        live.next += 1;
        live.at.push(self.now);
        let first = self.position;
        for (row, slots) in piece.batch.events.iter().zip(&piece.slots) {
            let bytes = Moved { live, pattern, piece }.bytes(row, slots)?;
            live.last = hash(&bytes);
            if row.type_name == "agreed" {
                let (event, _) = decode(&bytes)?;
                let Body::Agreed(body) = &event.body else { anyhow::bail!("an event of another type than it says") };
                live.transfer = agreed(&event, live.last, body)?;
            }
            let (position, incident, at, hash) = (self.position, live.incident, self.now, live.last);
            // The pattern's signature is of another leaf, and no tree is made of these.
            let (bytes, leaf) = (bytes.into(), [0; 64]);
            batch.events.push(EventRow { position, first, incident, at, hash, bytes, leaf, ..row.clone() });
            self.position += 1;
        }
        for row in &piece.batch.feed {
            let number = self.feeds.entry(row.org.clone()).or_default();
            *number += 1;
            let position = first + (row.position - piece.batch.expected);
            batch.feed.push(FeedRow { number: *number, position, ..row.clone() });
        }
        let done = (self.position - 1, first);
        Moved { live, pattern, piece }.rows(batch, done);
        Ok(())
    }
}

/// What a recorded command is in another incident and at another time.
struct Moved<'a> {
    live: &'a Live,
    pattern: &'a Pattern,
    piece: &'a Piece,
}

impl Moved<'_> {
    /// The same moment in the other incident: that of the same command, else as long after the last one.
    fn at(&self, was: Millis) -> Millis {
        let same = self.pattern.pieces.iter().zip(&self.live.at).find(|(piece, _)| piece.at == was);
        match (same, self.live.at.last()) {
            (Some((_, at)), _) => *at,
            (None, Some(last)) => last.plus(was.since(self.piece.at)),
            (None, None) => was,
        }
    }

    fn bytes(&self, row: &EventRow, slots: &[(usize, Slot)]) -> anyhow::Result<Vec<u8>> {
        let mut bytes = row.bytes.to_vec();
        let mut signed = None;
        for (at, slot) in slots {
            let text = match slot {
                Slot::Incident => self.live.incident.to_string(),
                Slot::Handoff => self.live.handoff.to_string(),
                Slot::Time(time) => self.at(*time).to_string(),
                Slot::Prev => self.live.last.to_string(),
                Slot::Transfer => self.live.transfer.to_string(),
                Slot::SignOff => {
                    signed = Some(*at);
                    continue;
                }
            };
            fill(&mut bytes, *at, &text);
        }
        if let Some(at) = signed {
            let digest = signed_off(&bytes)?;
            fill(&mut bytes, at, &digest.to_string());
        }
        Ok(bytes)
    }

    fn handoff(&self, was: HandoffId) -> HandoffId {
        if self.pattern.handoff == Some(was) { self.live.handoff } else { was }
    }

    fn rows(&self, batch: &mut Batch, (last, first): (u64, u64)) {
        let incident = self.live.incident;
        let piece = &self.piece.batch;
        for row in &piece.cases {
            let closed_at = row.closed_at.map(|at| self.at(at));
            let (opened_at, updated_at) = (self.at(row.opened_at), self.at(row.updated_at));
            batch.cases.push(CaseRow { incident, opened_at, closed_at, updated_at, ..row.clone() });
            let done = Done { position: last, incident, version: row.version, hash: self.live.last };
            batch.answers.extend(piece.answers.iter().map(|row| self.answer(row, first, done.clone())));
        }
        batch.parties.extend(piece.parties.iter().map(|row| PartyRow { incident, ..row.clone() }));
        batch.obligations.extend(piece.obligations.iter().map(|row| self.obligation(row)));
        for row in &piece.handoffs {
            let handoff = self.handoff(row.handoff);
            let (offered_at, updated_at) = (row.offered_at.map(|at| self.at(at)), self.at(row.updated_at));
            batch.handoffs.push(HandoffRow { handoff, incident, offered_at, updated_at, ..row.clone() });
        }
        for row in &piece.personal {
            let id = PersonalId { incident, ..row.id.clone() };
            batch.personal.push(PersonalRow { id, disclosure: row.disclosure.clone() });
        }
    }

    fn answer(&self, row: &AnswerRow, first: u64, done: Done) -> AnswerRow {
        let id = AnswerId { request: Uuid::now_v7(), ..row.id.clone() };
        // What cannot be written here could not be written there: the recorded bytes then.
        let answer = Answer::Done(done).to_bytes().map_or_else(|_| row.answer.clone(), Into::into);
        AnswerRow { id, position: Some(first), answer, at: self.at(row.at), ..row.clone() }
    }

    fn obligation(&self, row: &ObligationRow) -> ObligationRow {
        let scope = row.scope.map(|scope| Scope::from(self.handoff(HandoffId(scope.0))));
        let since = self.at(row.since);
        let moved = |at: Millis| since.plus(at.since(row.since));
        let (due, raise_at) = (moved(row.due), row.raise_at.map(moved));
        ObligationRow { incident: self.live.incident, scope, since, due, raise_at, ..row.clone() }
    }
}

/// Puts a text in the place of one of the same length.
fn fill(bytes: &mut [u8], at: usize, text: &str) {
    bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
}
