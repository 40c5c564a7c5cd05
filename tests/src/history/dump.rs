//! The log of a store, as it is in the end: events, feeds, answers.

use super::entry::{Asked, Bytes, Entry, Who, text};
use handoff_domain::ids::{Digest, IncidentId, LOG_STREAM, OrgId};
use handoff_engine::check::check_log;
use handoff_engine::memory::LoadError;
use handoff_store::query::PAGE_ROWS_MAX;
use handoff_store::rows::{AnswerId, AnswerRow, EventRow};
use handoff_store::{Reader, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// One event as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLine {
    /// Its number in the log.
    pub position: u64,
    /// Position of the first event of its command.
    pub first: u64,
    /// Number of the kind of its stream.
    pub kind: i64,
    /// Its stream.
    #[serde(with = "text")]
    pub incident: IncidentId,
    /// Its number within the stream.
    pub seq: u64,
    /// Name of its type.
    pub type_name: String,
    /// Recorded time, in milliseconds.
    pub at: i64,
    /// The stored hash.
    #[serde(with = "text")]
    pub hash: Digest,
    /// The event.
    pub bytes: Bytes,
}

/// One entry of one feed as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedLine {
    /// Whose feed.
    #[serde(with = "text")]
    pub org: OrgId,
    /// The number in it.
    pub number: u64,
    /// The event.
    pub position: u64,
    /// The organisation enters the case with it.
    pub enters: bool,
}

/// One answer as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerLine {
    /// Scope and id of the request.
    #[serde(flatten)]
    pub asked: Asked,
    /// The answer, byte for byte.
    pub answer: Bytes,
    /// An event of its command; none for a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Repeats are still compared with the first request; after erasure they are not.
    pub keyed: bool,
}

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogDump {
    /// The log, in the order of positions.
    pub events: Vec<EventLine>,
    /// Every feed, in the order of organisations and numbers.
    pub feeds: Vec<FeedLine>,
    /// Answers: of every request of the history, and of every other one that can be listed.
    pub answers: Vec<AnswerLine>,
    /// What the log checker says of the rows beside the log: they are compared where they are.
    pub findings: Vec<String>,
}

fn unread(error: StoreError) -> LoadError {
    LoadError::Read(LOG_STREAM, error)
}

impl LogDump {
    /// Reads a store at rest, with the answers to what `entries` asked. Other answers are found by their streams, of
    /// each stream at most [`PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// [`LoadError`] when the store does not answer.
    pub async fn read(reader: &dyn Reader, entries: &[Entry]) -> Result<Self, LoadError> {
        let mut dump = Self::default();
        loop {
            let from = dump.events.last().map_or(0, |event| event.position + 1);
            let page = reader.events_from(from, PAGE_ROWS_MAX).await.map_err(unread)?;
            if page.is_empty() {
                break;
            }
            dump.events.extend(page.into_iter().map(EventLine::from));
        }
        let until = dump.events.last().map_or(0, |event| event.position + 1);
        for head in reader.feed_heads().await.map_err(unread)? {
            dump.feeds.extend(feed(reader, &head.org, until).await?);
        }
        dump.answers = answers(reader, &dump.events, entries).await?;
        let report = check_log(reader).await?;
        let violations = report.invariants.iter().flat_map(|invariant| &invariant.violations);
        dump.findings = violations.map(ToString::to_string).collect();
        Ok(dump)
    }
}

async fn feed(reader: &dyn Reader, org: &OrgId, until: u64) -> Result<Vec<FeedLine>, LoadError> {
    let mut lines: Vec<FeedLine> = Vec::new();
    loop {
        let after = lines.last().map_or(0, |line| line.number);
        let page = reader.feed_page(org.clone(), after, until, PAGE_ROWS_MAX).await.map_err(unread)?;
        // A page that does not go on would be read for ever.
        if page.last().is_none_or(|entry| entry.number <= after) {
            return Ok(lines);
        }
        let line = |number, position, enters| FeedLine { org: org.clone(), number, position, enters };
        lines.extend(page.into_iter().map(|entry| line(entry.number, entry.event.position, entry.enters)));
    }
}

async fn answers(reader: &dyn Reader, events: &[EventLine], entries: &[Entry]) -> Result<Vec<AnswerLine>, LoadError> {
    let mut ids: BTreeSet<Asked> = BTreeSet::new();
    ids.extend(
        entries.iter().filter_map(|entry| if let Entry::Invoke(is) = entry { Some(is.asked.clone()) } else { None }),
    );
    let streams: BTreeSet<IncidentId> = events.iter().map(|event| event.incident).collect();
    for stream in streams {
        let listed = reader.keyed_answers_of(stream, PAGE_ROWS_MAX).await.map_err(unread)?;
        ids.extend(listed.into_iter().map(Asked::from));
    }
    let recent = reader.recent_answers(PAGE_ROWS_MAX).await.map_err(unread)?.into_iter().map(AnswerLine::from);
    let mut lines: BTreeMap<Asked, AnswerLine> = recent.map(|line| (line.asked.clone(), line)).collect();
    for asked in ids {
        if lines.contains_key(&asked) {
            continue;
        }
        if let Some(row) = reader.answer(AnswerId::from(asked.clone())).await.map_err(unread)? {
            lines.insert(asked, AnswerLine::from(row));
        }
    }
    Ok(lines.into_values().collect())
}

impl From<EventRow> for EventLine {
    fn from(row: EventRow) -> Self {
        Self {
            position: row.position,
            first: row.first,
            kind: row.kind.code(),
            incident: row.incident,
            seq: row.seq,
            type_name: row.type_name.into_owned(),
            at: row.at.0,
            hash: row.hash,
            bytes: Bytes(row.bytes.to_vec()),
        }
    }
}

impl From<AnswerRow> for AnswerLine {
    fn from(row: AnswerRow) -> Self {
        let (answer, keyed) = (Bytes(row.answer.to_vec()), row.key.is_some());
        Self { asked: Asked::from(row.id), answer, position: row.position, keyed }
    }
}

impl From<AnswerId> for Asked {
    fn from(id: AnswerId) -> Self {
        Self { who: Who { org: id.org, client: id.client }, request: id.request }
    }
}

impl From<Asked> for AnswerId {
    fn from(asked: Asked) -> Self {
        Self { org: asked.who.org, client: asked.who.client, request: asked.request }
    }
}
