//! Takes entries in from any task: one lock, one list.

use super::dump::LogDump;
use super::entry::{
    Acked, Asked, Bytes, Entry, FeedEnd, Healed, Invoked, ReadSeen, Received, Refused, Resumed, SubscriberLeft,
    Unanswered, Who, WriterLeft,
};
use super::{History, requests};
use handoff_domain::ids::{Digest, IncidentId, OrgId};
use handoff_domain::refusal::Reason;
use handoff_engine::feed::FeedEntry;
use handoff_engine::memory::LoadError;
use handoff_engine::{Answer, NoAnswer, Reply};
use handoff_evidence::event::hash;
use handoff_store::Reader;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Records a history while it runs. Shared by reference or `Arc`; an entry costs a lock and a push.
#[derive(Debug)]
pub struct Recorder {
    begun: Instant,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: Vec<Entry>,
    ops: u64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Recorder {
    /// An empty history that begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { begun: Instant::now(), kept: Mutex::default() }
    }

    /// Nanoseconds since the beginning: for the beginning of a read.
    #[must_use]
    pub fn now(&self) -> u64 {
        nanoseconds(self.begun.elapsed())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time is taken under the lock, so that the list is in the order of its times.
    fn push(&self, entry: impl FnOnce(u64) -> Entry) {
        let mut kept = self.kept();
        let at = self.now();
        kept.entries.push(entry(at));
    }

    /// A command is about to be sent; the number its answer is recorded under.
    pub fn invoke(&self, who: &Who, request: Uuid, content: &[u8]) -> u64 {
        let asked = Asked { who: who.clone(), request };
        let content = hash(content);
        let mut kept = self.kept();
        kept.ops += 1;
        let (op, at) = (kept.ops, self.now());
        kept.entries.push(Entry::Invoke(Invoked { op, asked, content, at }));
        op
    }

    /// It is recorded; the time is set here.
    pub fn ok(&self, acked: Acked) {
        self.push(|at| Entry::Ok(Acked { at, ..acked }));
    }

    /// It is refused for certain.
    pub fn no(&self, op: u64, reason: &str) {
        self.push(|at| Entry::No(Refused { op, reason: reason.to_owned(), at }));
    }

    /// What became of it is not known.
    pub fn unknown(&self, op: u64, why: &str) {
        self.push(|at| Entry::Unknown(Unanswered { op, why: why.to_owned(), at }));
    }

    /// What the engine gave, in its class.
    pub fn replied(&self, op: u64, reply: &Result<Reply, NoAnswer>) {
        match reply {
            Ok(Reply { answer: answer @ Answer::Done(done), replayed, .. }) => {
                self.ok(Acked {
                    op,
                    answer: Bytes(answer.to_bytes().unwrap_or_default()),
                    position: done.position,
                    incident: done.incident,
                    version: done.version,
                    hash: Some(done.hash),
                    replayed: *replayed,
                    at: 0,
                });
            }
            Ok(Reply { answer: Answer::Refused(refusal), .. }) => self.no(op, refusal.reason.as_str()),
            Err(NoAnswer::NotAccepted(reason)) => self.no(op, reason.as_str()),
            Err(NoAnswer::Reused) => self.no(op, Reason::RequestIdReused.as_str()),
            Err(NoAnswer::Unknown) => self.unknown(op, requests::UNKNOWN),
        }
    }

    /// A subscriber begins, or goes on, after this number of its feed.
    pub fn resumed(&self, subscriber: &str, org: &OrgId, after: u64) {
        let (subscriber, org) = (subscriber.to_owned(), org.clone());
        self.push(|at| Entry::Resumed(Resumed { subscriber, org, after, at }));
    }

    /// A subscriber received an entry; its time is set here.
    pub fn received(&self, entry: Received) {
        self.push(|at| Entry::Received(Received { at, ..entry }));
    }

    /// A subscriber received an entry of the engine's feed.
    pub fn fed(&self, subscriber: &str, org: &OrgId, entry: &FeedEntry) {
        self.received(Received {
            subscriber: subscriber.to_owned(),
            org: org.clone(),
            number: entry.number,
            position: entry.position,
            first: Some(entry.first),
            hash: Some(entry.hash),
            incident: entry.event.incident,
            seq: entry.event.seq,
            at: 0,
        });
    }

    /// Somebody with a part in it read an incident; `begun` is [`Self::now`] from before the read was sent.
    pub fn read(&self, begun: u64, incident: IncidentId, version: u64, hash: Option<Digest>) {
        self.push(|at| Entry::Read(ReadSeen { incident, version, hash, begun, at }));
    }

    /// Every fault is over; within this time everybody has to be served again.
    pub fn healed(&self, within: Duration) {
        self.push(|at| Entry::Healed(Healed { at, within: nanoseconds(within) }));
    }

    /// Where a feed ended, as the service says after healing.
    pub fn feed_end(&self, org: &OrgId, number: u64) {
        let org = org.clone();
        self.push(|at| Entry::FeedEnd(FeedEnd { org, number, at }));
    }

    /// A client stops writing of its own accord.
    pub fn writer_left(&self, who: &Who) {
        let who = who.clone();
        self.push(|at| Entry::WriterLeft(WriterLeft { who, at }));
    }

    /// A subscriber stops of its own accord.
    pub fn subscriber_left(&self, subscriber: &str) {
        let subscriber = subscriber.to_owned();
        self.push(|at| Entry::SubscriberLeft(SubscriberLeft { subscriber, at }));
    }

    /// What was recorded so far, without a log.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.kept().entries.clone()
    }

    /// The history with the log of the store, which is at rest.
    ///
    /// # Errors
    /// [`LoadError`] when the store does not answer.
    pub async fn finish(&self, reader: &dyn Reader) -> Result<History, LoadError> {
        let entries = self.entries();
        let log = LogDump::read(reader, &entries).await?;
        Ok(History { entries, log })
    }
}
