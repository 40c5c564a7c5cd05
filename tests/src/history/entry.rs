//! What is recorded while a history runs, one type for each kind of line.
//!
//! Times are nanoseconds of one monotonic clock since the recording began. A question's time is taken before it is
//! sent and an answer's after it is there, so that "answered before asked" is so in the world too.

use handoff_domain::ids::{ClientId, Digest, IncidentId, OrgId};
use serde::{Deserialize, Serialize};
use std::fmt::{Display, Formatter};
use uuid::Uuid;

/// One line of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum Entry {
    /// A command was sent.
    Invoke(Invoked),
    /// It was answered as recorded.
    Ok(Acked),
    /// It was refused for certain.
    No(Refused),
    /// Its outcome is not known.
    Unknown(Unanswered),
    /// A subscriber began or went on.
    Resumed(Resumed),
    /// A subscriber received an entry.
    Received(Received),
    /// Somebody read an incident.
    Read(ReadSeen),
    /// Every fault is over.
    Healed(Healed),
    /// Where a feed ended, asked after healing.
    FeedEnd(FeedEnd),
    /// A client stopped writing of its own accord.
    WriterLeft(WriterLeft),
    /// A subscriber stopped of its own accord.
    SubscriberLeft(SubscriberLeft),
}

/// Who asks: the scope of request ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Who {
    /// The organisation.
    #[serde(with = "text")]
    pub org: OrgId,
    /// Its client program.
    #[serde(with = "text")]
    pub client: ClientId,
}

impl Display for Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.org, self.client)
    }
}

/// A request id within its scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Asked {
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// The id it gave the request.
    #[serde(with = "text")]
    pub request: Uuid,
}

impl Display for Asked {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.who, self.request)
    }
}

/// A command on its way. One that has no answer in the history counts as unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoked {
    /// Number of this attempt; a repeat of the request is another one.
    pub op: u64,
    /// Scope and id of the request.
    #[serde(flatten)]
    pub asked: Asked,
    /// SHA-256 of the bytes by which equality of requests is judged.
    #[serde(with = "text")]
    pub content: Digest,
    /// When it was sent.
    pub at: u64,
}

/// An answer that says that the command is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acked {
    /// The attempt.
    pub op: u64,
    /// The answer as received, without the mark that it is a repeat and whatever else is no part of it.
    pub answer: Bytes,
    /// Position of the command's last event.
    pub position: u64,
    /// The incident, or the stream of a directory object.
    #[serde(with = "text")]
    pub incident: IncidentId,
    /// Its version after the command.
    pub version: u64,
    /// Hash of the event with that number.
    #[serde(with = "text_or_none", default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Digest>,
    /// Marked as the stored answer to an earlier request.
    pub replayed: bool,
    /// When it was there.
    pub at: u64,
}

/// A definite no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The attempt.
    pub op: u64,
    /// The published reason, or the name of the code where there is none.
    pub reason: String,
    /// When it was there.
    pub at: u64,
}

/// No answer, or one that says that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// The attempt.
    pub op: u64,
    /// The published reason, or what happened to the connection.
    pub why: String,
    /// When the client gave up.
    pub at: u64,
}

/// A subscriber begins after a number of its feed: 0 for the whole feed, else that of the token it shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// Its name in this history.
    pub subscriber: String,
    /// Whose feed.
    #[serde(with = "text")]
    pub org: OrgId,
    /// The number it goes on after.
    pub after: u64,
    /// When.
    pub at: u64,
}

/// One entry of a feed as a subscriber received it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// Its name in this history.
    pub subscriber: String,
    /// Whose feed.
    #[serde(with = "text")]
    pub org: OrgId,
    /// Number in the feed.
    pub number: u64,
    /// Position in the log.
    pub position: u64,
    /// Position of the first event of its command, where the level shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Hash of the event, where the level shows it.
    #[serde(with = "text_or_none", default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Digest>,
    /// The incident.
    #[serde(with = "text")]
    pub incident: IncidentId,
    /// Number within the incident.
    pub seq: u64,
    /// When.
    pub at: u64,
}

/// An incident as read by somebody with a part in it. Whoever has no part any more keeps an older one and is not
/// recorded here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadSeen {
    /// The incident.
    #[serde(with = "text")]
    pub incident: IncidentId,
    /// Its version; 0 when it was not found.
    pub version: u64,
    /// Hash of the event with that number, where the level shows it.
    #[serde(with = "text_or_none", default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<Digest>,
    /// When the read was sent.
    pub begun: u64,
    /// When its result was there.
    pub at: u64,
}

/// Every fault is over; nothing is broken again before the time is up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healed {
    /// When.
    pub at: u64,
    /// Within how many nanoseconds everybody has to be served again.
    pub within: u64,
}

/// The last number of a feed, as the service named it after healing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedEnd {
    /// Whose feed.
    #[serde(with = "text")]
    pub org: OrgId,
    /// Its last number.
    pub number: u64,
    /// When.
    pub at: u64,
}

/// A client writes no more: nothing is expected of it from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriterLeft {
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// When.
    pub at: u64,
}

/// A subscriber takes nothing in any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubscriberLeft {
    /// Its name in this history.
    pub subscriber: String,
    /// When.
    pub at: u64,
}

/// Bytes; in the file as text where they are text, so that a person can read them, else as numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Shown", into = "Shown")]
pub struct Bytes(pub Vec<u8>);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Shown {
    Text(String),
    Raw(Vec<u8>),
}

impl From<Bytes> for Shown {
    fn from(Bytes(bytes): Bytes) -> Self {
        String::from_utf8(bytes).map_or_else(|error| Self::Raw(error.into_bytes()), Self::Text)
    }
}

impl From<Shown> for Bytes {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Text(text) => Self(text.into_bytes()),
            Shown::Raw(bytes) => Self(bytes),
        }
    }
}

/// What reads back from the text it is shown as.
pub(super) trait Named: Sized {
    fn named(text: &str) -> Option<Self>;
}

impl Named for OrgId {
    fn named(text: &str) -> Option<Self> {
        Self::new(text)
    }
}

impl Named for ClientId {
    fn named(text: &str) -> Option<Self> {
        Self::new(text)
    }
}

impl Named for Uuid {
    fn named(text: &str) -> Option<Self> {
        Self::try_parse(text).ok()
    }
}

impl Named for IncidentId {
    fn named(text: &str) -> Option<Self> {
        Uuid::named(text).map(Self)
    }
}

impl Named for Digest {
    fn named(text: &str) -> Option<Self> {
        Self::parse(text)
    }
}

/// A value of the domain as its text: the domain knows nothing of serde.
pub(super) mod text {
    use super::Named;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use std::fmt::Display;

    pub(in super::super) fn serialize<T: Display, S: Serializer>(value: &T, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(value)
    }

    pub(in super::super) fn deserialize<'de, T: Named, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        let text = String::deserialize(from)?;
        T::named(&text).ok_or_else(|| D::Error::custom("the text is no such name, id or hash"))
    }
}

/// The same for what may be absent.
pub(super) mod text_or_none {
    use super::Named;
    use serde::{Deserializer, Serializer};
    use std::fmt::Display;

    pub(in super::super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        into: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => into.collect_str(value),
            None => into.serialize_none(),
        }
    }

    pub(in super::super) fn deserialize<'de, T: Named, D: Deserializer<'de>>(from: D) -> Result<Option<T>, D::Error> {
        super::text::deserialize(from).map(Some)
    }
}
