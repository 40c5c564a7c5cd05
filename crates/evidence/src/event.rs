//! Event bytes and the chain of one incident (evidence, 3).
//!
//! The service builds the bytes of an event once; those bytes are the event, stored, mirrored and exported as they
//! are. Nobody writes an event anew in order to verify it.

use crate::json::{self, ReadError, WriteError};
use handoff_domain::caller::Actor;
use handoff_domain::event::{Body, Event, SCHEMA};
use handoff_domain::ids::{Digest, IncidentId};
use handoff_domain::node::{Fields, Malformed, Node, ToNode};
use handoff_domain::time::Millis;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// `prev` of the first event of every incident: 64 zeros.
pub const FIRST_PREV: Digest = Digest([0; 32]);

/// Why an event cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// A value is outside the profile; the path begins at the envelope (`body.number`).
    #[error(transparent)]
    Profile(#[from] WriteError),
    /// The bytes would not read back: a rule of the envelope, or a field holds what its type may not.
    #[error("the event would not read back")]
    Unreadable(#[source] DecodeError),
    /// The bytes would read back as another event: an instant before 1970 or after 9999, or timers without a change.
    #[error("the event would read back as another one")]
    Changed,
}

/// Why bytes are no event of this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not canonical JSON of the profile.
    #[error("not canonical")]
    Profile(#[from] ReadError),
    /// Another schema version: a newer service wrote it. Refused, never guessed.
    #[error("unknown schema version {0:?}")]
    UnknownVersion(String),
    /// A type this version does not have.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// The envelope misses a key, has one too many, or a value of another shape; the path begins at the envelope.
    #[error("malformed envelope")]
    Envelope(#[source] Malformed),
    /// The body does; the path begins at the body.
    #[error("malformed body")]
    Body(#[source] Malformed),
    /// `seq` 0, or a `prev` of zeros anywhere but at `seq` 1, or another one there.
    #[error("number {seq} does not go with this previous hash")]
    First {
        /// The number read.
        seq: u64,
    },
}

/// An event as it goes into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The event's bytes.
    pub bytes: Vec<u8>,
    /// SHA-256 of them; `prev` of the next event of the incident.
    pub hash: Digest,
}

/// SHA-256 of event bytes, statements and forms.
#[must_use]
pub fn hash(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

/// The bytes of an event that follows `prev`: `decode(&encode(event, prev)?)` is `(event, prev)`.
///
/// What was written is read back and compared: an event nobody can read could never be taken out of the log again.
///
/// # Errors
/// [`EncodeError`] when the event cannot be written, or not so that it reads back the same.
pub fn encode(event: &Event, prev: &Digest) -> Result<Vec<u8>, EncodeError> {
    finish(&tree(event, prev), event, prev)
}

/// [`encode`] for an event that is new, with its hash: also refuses text not in normal form C
/// ([`json::check_text`]).
///
/// # Errors
/// As [`encode`]; [`EncodeError::Profile`] with `NotNfc` for such a text.
pub fn record(event: &Event, prev: &Digest) -> Result<Recorded, EncodeError> {
    let tree = tree(event, prev);
    json::check_intake(&tree)?;
    let bytes = finish(&tree, event, prev)?;
    let hash = hash(&bytes);
    Ok(Recorded { bytes, hash })
}

fn tree(event: &Event, prev: &Digest) -> Node {
    let mut fields = Vec::with_capacity(9);
    let mut put = |key: &'static str, node: Option<Node>| {
        fields.extend(node.map(|node| (Cow::Borrowed(key), node)));
    };
    put("actor", event.actor.to_node());
    put("at", event.at.to_node());
    put("body", Some(event.body.to_node()));
    put("claimed_at", event.claimed_at.to_node());
    put("incident", event.incident.to_node());
    put("prev", prev.to_node());
    put("seq", event.seq.to_node());
    put("type", Some(Node::Text(event.body.type_name().to_owned())));
    put("v", Some(Node::Text(SCHEMA.to_owned())));
    Node::Map(fields)
}

fn finish(tree: &Node, event: &Event, prev: &Digest) -> Result<Vec<u8>, EncodeError> {
    let bytes = json::write(tree)?;
    let (same, same_prev) = decode(&bytes).map_err(EncodeError::Unreadable)?;
    if same == *event && same_prev == *prev { Ok(bytes) } else { Err(EncodeError::Changed) }
}

/// The event in `bytes` and the hash of the one before: `encode(&event, &prev)` gives the same bytes again.
///
/// # Errors
/// [`DecodeError`]; an unknown version is told apart before anything else of the envelope is looked at.
pub fn decode(bytes: &[u8]) -> Result<(Event, Digest), DecodeError> {
    let envelope = DecodeError::Envelope;
    let mut fields = Fields::open(json::read(bytes)?, "").map_err(envelope)?;
    let version: String = fields.take("v").map_err(envelope)?;
    if version != SCHEMA {
        return Err(DecodeError::UnknownVersion(version));
    }
    let type_name: String = fields.take("type").map_err(envelope)?;
    if !Body::TYPES.contains(&type_name.as_str()) {
        return Err(DecodeError::UnknownType(type_name));
    }
    let incident: IncidentId = fields.take("incident").map_err(envelope)?;
    let seq: u64 = fields.take("seq").map_err(envelope)?;
    let prev: Digest = fields.take("prev").map_err(envelope)?;
    if seq == 0 || (seq == 1) != (prev == FIRST_PREV) {
        return Err(DecodeError::First { seq });
    }
    let at: Millis = fields.take("at").map_err(envelope)?;
    let claimed_at: Option<Millis> = fields.take("claimed_at").map_err(envelope)?;
    let actor: Actor = fields.take("actor").map_err(envelope)?;
    let BodyTree(body) = fields.take("body").map_err(envelope)?;
    fields.close().map_err(envelope)?;
    let body = Body::from_node(&type_name, body).map_err(DecodeError::Body)?;
    Ok((Event { incident, seq, at, claimed_at, actor, body }, prev))
}

/// The body before its type is looked at.
struct BodyTree(Node);

impl handoff_domain::node::FromNode for BodyTree {
    fn from_node(node: Node, _path: &str) -> Result<Self, Malformed> {
        Ok(Self(node))
    }
}

/// Where a chain breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The next event cannot be read.
    #[error("event {seq} cannot be read")]
    Decode {
        /// The number it should have.
        seq: u64,
        /// Why.
        source: DecodeError,
    },
    /// The next event cannot be written.
    #[error("event {seq} cannot be written")]
    Encode {
        /// Its number.
        seq: u64,
        /// Why.
        source: EncodeError,
    },
    /// An event of another incident.
    #[error("event {seq} belongs to incident {found}")]
    OtherIncident {
        /// The number it should have.
        seq: u64,
        /// Whose it is.
        found: IncidentId,
    },
    /// A gap or a repeat.
    #[error("expected event {expected}, found {found}")]
    Number {
        /// The number it should have.
        expected: u64,
        /// The number it has.
        found: u64,
    },
    /// It follows another event than the one before: a fork, or an event changed later.
    #[error("event {seq} does not follow the one before it")]
    Prev {
        /// Its number.
        seq: u64,
    },
}

/// The events of one incident so far: order and completeness, by number and by the hash of the event before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    incident: IncidentId,
    seq: u64,
    head: Digest,
}

impl Chain {
    /// An incident without events.
    #[must_use]
    pub fn new(incident: IncidentId) -> Self {
        Self { incident, seq: 0, head: FIRST_PREV }
    }

    /// An incident whose newest event is number `seq` with hash `head`.
    #[must_use]
    pub fn resume(incident: IncidentId, seq: u64, head: Digest) -> Self {
        Self { incident, seq, head }
    }

    /// Number of the newest event; 0 before the first.
    #[must_use]
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Hash of the newest event; [`FIRST_PREV`] before the first.
    #[must_use]
    pub fn head(&self) -> Digest {
        self.head
    }

    /// Writes the next event of this incident ([`record`]).
    ///
    /// # Errors
    /// [`ChainError`]; the chain stays as it was.
    pub fn record(&mut self, event: &Event) -> Result<Recorded, ChainError> {
        self.check(event)?;
        let recorded = record(event, &self.head).map_err(|source| ChainError::Encode { seq: event.seq, source })?;
        (self.seq, self.head) = (event.seq, recorded.hash);
        Ok(recorded)
    }

    /// Takes the bytes of the next event, if they are it.
    ///
    /// # Errors
    /// [`ChainError`]; the chain stays as it was.
    pub fn accept(&mut self, bytes: &[u8]) -> Result<Event, ChainError> {
        let (event, prev) =
            decode(bytes).map_err(|source| ChainError::Decode { seq: self.seq.saturating_add(1), source })?;
        self.check(&event)?;
        if prev != self.head {
            return Err(ChainError::Prev { seq: event.seq });
        }
        (self.seq, self.head) = (event.seq, hash(bytes));
        Ok(event)
    }

    fn check(&self, event: &Event) -> Result<(), ChainError> {
        let expected = self.seq.saturating_add(1);
        if event.incident != self.incident {
            return Err(ChainError::OtherIncident { seq: expected, found: event.incident });
        }
        if event.seq != expected {
            return Err(ChainError::Number { expected, found: event.seq });
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
