//! What one transaction writes, and the part of the contract that needs no database to be checked.

use crate::error::AppendError;
use crate::rows::*;
use handoff_domain::ids::{Digest, OrgId};
use handoff_domain::time::Millis;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

/// Most rows of one batch, all tables together. A larger one is rejected.
pub const BATCH_ROWS_MAX: usize = 65_536;
/// Most events of one command. A command with more is rejected.
pub const COMMAND_EVENTS_MAX: u64 = 256;
/// Largest event, in bytes. A larger one is rejected.
pub const EVENT_BYTES_MAX: usize = 16_384;
/// Largest answer, in bytes. A larger one is rejected.
pub const ANSWER_BYTES_MAX: usize = 4_096;
/// Largest disclosure of one personal value, in bytes. A larger one is rejected.
pub const DISCLOSURE_BYTES_MAX: usize = 32_768;
/// Largest boundary map, in bytes. A larger one is rejected.
pub const MAP_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Largest entry of a key registry, in bytes. A larger one is rejected.
pub const REGISTRY_ENTRY_BYTES_MAX: usize = 16_384;
/// A complete tile, in bytes: 256 hashes of 32.
pub const TILE_BYTES: usize = 8_192;
/// Largest position, seq or feed number: what fits the integers of the event bytes.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

/// One transaction. Tables without rows cost nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Position the log must end at; the first event gets it.
    pub expected: u64,
    /// Raise the epoch by one in this transaction: the log may have lost its end.
    pub raise_epoch: bool,
    /// The server's history to note beside the head, where it has changed.
    pub timeline: Option<u64>,
    /// Events, in order.
    pub events: Vec<EventRow>,
    /// Feed entries; those of one organisation in order.
    pub feed: Vec<FeedRow>,
    /// Final row of each incident touched.
    pub cases: Vec<CaseRow>,
    /// Parties that came or changed. The case of each must be stored or in this batch.
    pub parties: Vec<PartyRow>,
    /// Final row of each obligation that came or changed.
    pub obligations: Vec<ObligationRow>,
    /// Final row of each handoff touched.
    pub handoffs: Vec<HandoffRow>,
    /// Answers to every request of the batch, refusals included.
    pub answers: Vec<AnswerRow>,
    /// Personal values of this batch's events.
    pub personal: Vec<PersonalRow>,
    /// Personal values to erase.
    pub erase: Vec<PersonalId>,
    /// Answers whose key is erased.
    pub forget_keys: Vec<AnswerId>,
    /// Subscribers' positions; a lower number than the stored one changes nothing.
    pub cursors: Vec<CursorRow>,
    /// Denied attempts.
    pub audit: Vec<AuditRow>,
    /// Uploaded maps.
    pub maps: Vec<MapRow>,
    /// Complete tiles. One that is there already stays as it is.
    pub tiles: Vec<TileRow>,
    /// Tree heads that may be signed once the batch is durable. A size that is there already stays as it is, root and
    /// all: whoever signs reads first what stands there.
    pub tree_heads: Vec<TreeHeadRow>,
    /// Witnesses' signatures of stored tree heads. A witness's first one for a size stays.
    pub cosignatures: Vec<CosignatureRow>,
    /// Entries of key registries that an update added or changed, written with the event `registry_updated` of that
    /// version. One that is there already rejects the batch: a version is decided under the head, and once.
    pub registry: Vec<RegistryRow>,
}

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where the log ends now.
    pub head: Head,
}

/// How one feed moves in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedMove {
    /// The organisation.
    pub org: OrgId,
    /// Number it must stand at.
    pub was: u64,
    /// Number it stands at afterwards.
    pub number: u64,
}

/// What [`Batch::verify`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Position after the batch.
    pub position: u64,
    /// Time and hash of the last event, if there is one.
    pub last: Option<(Millis, Digest)>,
    /// Every feed that moves.
    pub feeds: Vec<FeedMove>,
}

impl Batch {
    /// Checks what a batch can be checked for without a database: dense positions, streams and feeds within the batch,
    /// no row twice, every size within its limit. Every backend calls it before it writes.
    ///
    /// # Errors
    /// [`AppendError::Rejected`] with table and column.
    pub fn verify(&self) -> Result<Verified, AppendError> {
        if self.rows() > BATCH_ROWS_MAX {
            return Err(AppendError::rejected("head", format!("more than {BATCH_ROWS_MAX} rows in one batch")));
        }
        let position = self.verify_events()?;
        let feeds = self.verify_feed(position)?;
        self.verify_rows_are_single()?;
        self.verify_sizes()?;
        self.verify_evidence(position)?;
        self.verify_registry()?;
        Ok(Verified { position, last: self.events.last().map(|event| (event.at, event.hash)), feeds })
    }

    /// Rows of all tables.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.events.len()
            + self.feed.len()
            + self.cases.len()
            + self.parties.len()
            + self.obligations.len()
            + self.handoffs.len()
            + self.answers.len()
            + self.personal.len()
            + self.erase.len()
            + self.forget_keys.len()
            + self.cursors.len()
            + self.audit.len()
            + self.maps.len()
            + self.tiles.len()
            + self.tree_heads.len()
            + self.cosignatures.len()
            + self.registry.len()
    }

    fn verify_events(&self) -> Result<u64, AppendError> {
        let wrong = |column: &str| AppendError::rejected("events", format!("column {column} is not dense"));
        let mut position = self.expected;
        let mut first = position;
        let mut streams = HashMap::new();
        for event in &self.events {
            let starts = event.first == position;
            let follows = position > self.expected && event.first == first && position - first < COMMAND_EVENTS_MAX;
            if event.position != position {
                return Err(wrong("position"));
            }
            if !starts && !follows {
                return Err(wrong("first"));
            }
            match streams.insert(event.incident, event.seq) {
                Some(before) if event.seq != before + 1 => return Err(wrong("seq")),
                None if event.seq == 0 || event.seq > NUMBER_MAX => return Err(wrong("seq")),
                Some(_) | None => {}
            }
            first = event.first;
            position += 1;
        }
        if position > NUMBER_MAX { Err(wrong("position")) } else { Ok(position) }
    }

    fn verify_feed(&self, end: u64) -> Result<Vec<FeedMove>, AppendError> {
        let wrong = |column: &str| AppendError::rejected("feed", format!("column {column} is not dense"));
        let mut moves: Vec<FeedMove> = Vec::new();
        let mut at: HashMap<&OrgId, (usize, u64)> = HashMap::new();
        for row in &self.feed {
            if !(self.expected..end).contains(&row.position) {
                return Err(AppendError::rejected("feed", "column position names no event of the batch"));
            }
            if let Some((index, position)) = at.get_mut(&row.org) {
                let moved = &mut moves[*index];
                if row.number != moved.number + 1 {
                    return Err(wrong("number"));
                }
                if row.position <= *position {
                    return Err(AppendError::rejected("feed", "column position does not rise with the number"));
                }
                moved.number = row.number;
                *position = row.position;
            } else {
                if row.number == 0 || row.number > NUMBER_MAX {
                    return Err(wrong("number"));
                }
                at.insert(&row.org, (moves.len(), row.position));
                moves.push(FeedMove { org: row.org.clone(), was: row.number - 1, number: row.number });
            }
        }
        Ok(moves)
    }

    fn verify_rows_are_single(&self) -> Result<(), AppendError> {
        single("cases", self.cases.iter().map(|row| row.incident))?;
        single("parties", self.parties.iter().map(|row| (row.incident, &row.org, &row.station)))?;
        single(
            "obligations",
            self.obligations.iter().map(|row| (row.incident, row.scope, row.duty, &row.org, &row.station)),
        )?;
        single("handoffs", self.handoffs.iter().map(|row| row.handoff))?;
        single("answers", self.answers.iter().map(|row| &row.id))?;
        single("personal", self.personal.iter().map(|row| &row.id))?;
        single("tiles", self.tiles.iter().map(|row| (row.level, row.number)))?;
        single("tree_heads", self.tree_heads.iter().map(|row| row.size))?;
        single("cosignatures", self.cosignatures.iter().map(|row| (row.size, row.key)))?;
        single("registry_entries", self.registry.iter().map(|row| (&row.org, row.version, &row.kid)))?;
        single("cursors", self.cursors.iter().map(|row| (&row.org, &row.client)))
    }

    fn verify_sizes(&self) -> Result<(), AppendError> {
        let too_large = |table, column| Err(AppendError::rejected(table, format!("column {column} is too large")));
        if self.events.iter().any(|row| row.bytes.len() > EVENT_BYTES_MAX) {
            return too_large("events", "bytes");
        }
        if self.answers.iter().any(|row| row.answer.len() > ANSWER_BYTES_MAX) {
            return too_large("answers", "answer");
        }
        if self.personal.iter().any(|row| row.disclosure.len() > DISCLOSURE_BYTES_MAX) {
            return too_large("personal", "disclosure");
        }
        if self.maps.iter().any(|row| row.bytes.len() > MAP_BYTES_MAX) {
            return too_large("maps", "bytes");
        }
        Ok(())
    }

    /// These rows are never changed or deleted, so that a wrong one would stay; and times come from outside.
    fn verify_evidence(&self, position: u64) -> Result<(), AppendError> {
        if self.tiles.iter().any(|row| row.hashes.len() != TILE_BYTES) {
            return Err(AppendError::rejected("tiles", "column hashes is not 256 hashes"));
        }
        if self.tiles.iter().any(|row| row.number > NUMBER_MAX) {
            return Err(AppendError::rejected("tiles", "column number is too large"));
        }
        if self.tree_heads.iter().any(|row| row.size == 0 || row.size > position) {
            return Err(AppendError::rejected("tree_heads", "column size is that of no log up to the batch's end"));
        }
        if self.cosignatures.iter().any(|row| row.size > NUMBER_MAX || row.at > NUMBER_MAX) {
            return Err(AppendError::rejected("cosignatures", "column size or at is too large"));
        }
        Ok(())
    }

    /// These rows stay too, and the bytes in them are what registrars have signed a root over.
    fn verify_registry(&self) -> Result<(), AppendError> {
        let wrong = |detail: &str| Err(AppendError::rejected("registry_entries", detail));
        if self.registry.iter().any(|row| row.version == 0 || row.version > NUMBER_MAX) {
            return wrong("column version is 0 or too large");
        }
        if self.registry.iter().any(|row| !is_kid(&row.kid)) {
            return wrong("column kid is not 64 lower-case hexadecimal digits");
        }
        if self.registry.iter().any(|row| row.entry.is_empty() || row.entry.len() > REGISTRY_ENTRY_BYTES_MAX) {
            return wrong("column entry is empty or too large");
        }
        Ok(())
    }
}

/// Whether a text can be a key's id: one key has one, so that it is written in one way alone.
pub(crate) fn is_kid(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// One statement may not touch a row twice, on any backend.
fn single<K: Eq + Hash>(table: &'static str, keys: impl ExactSizeIterator<Item = K>) -> Result<(), AppendError> {
    let mut seen = HashSet::with_capacity(keys.len());
    for key in keys {
        if !seen.insert(key) {
            return Err(AppendError::rejected(table, "one row stands twice in the batch"));
        }
    }
    Ok(())
}
