//! The rows of the store, one type per table. All fields are public: every combination of values is a legal row, what
//! makes it true is the caller's to know.

use handoff_domain::caller::Role;
use handoff_domain::ids::{
    ClientId, Digest, DrillId, HandoffId, IncidentId, MapRef, OfficerId, OrgId, Scope, StationId, StationRef,
};
use handoff_domain::time::Millis;
use handoff_domain::timers::{Duty, Rung};
use std::borrow::Cow;
use std::sync::Arc;
use uuid::Uuid;

/// A word of the caller's: a state, a code, the name of a type. Static where the caller wrote it.
pub type Text = Cow<'static, str>;

/// What an event's stream is. Everything that is no incident is read whole when the service starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// The log's own stream.
    Log = 0,
    /// A station, unit, officer, agreement, catalogue or map.
    Directory = 1,
    /// An incident.
    Incident = 2,
    /// An exercise.
    Drill = 3,
}

impl StreamKind {
    /// The number the kind has in the database.
    #[must_use]
    pub const fn code(self) -> i64 {
        match self {
            Self::Log => 0,
            Self::Directory => 1,
            Self::Incident => 2,
            Self::Drill => 3,
        }
    }

    /// The kind a number means.
    #[must_use]
    pub const fn of(code: i64) -> Option<Self> {
        match code {
            0 => Some(Self::Log),
            1 => Some(Self::Directory),
            2 => Some(Self::Incident),
            3 => Some(Self::Drill),
            _ => None,
        }
    }
}

/// Where the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Next position to give, which is the number of events.
    pub position: u64,
    /// Raised when the log may have lost its end.
    pub epoch: u64,
    /// Time of the last event; 0 while the log is empty.
    pub last_at: Millis,
    /// Hash of the last event; none while the log is empty.
    pub last_hash: Option<Digest>,
}

/// One event as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Its number in the log, from 0, without gap.
    pub position: u64,
    /// Position of the first event of the same command.
    pub first: u64,
    /// What its stream is.
    pub kind: StreamKind,
    /// Its stream.
    pub incident: IncidentId,
    /// Its number within the stream, from 1, without gap.
    pub seq: u64,
    /// Name of its type.
    pub type_name: Text,
    /// Recorded time.
    pub at: Millis,
    /// Hash of the bytes.
    pub hash: Digest,
    /// The event.
    pub bytes: Arc<[u8]>,
    /// The recorder key's signature of the event's leaf; opaque here.
    pub leaf: [u8; 64],
}

/// That an organisation is told of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRow {
    /// The organisation.
    pub org: OrgId,
    /// The number in its feed, from 1, without gap.
    pub number: u64,
    /// The event.
    pub position: u64,
    /// The organisation enters the case with this entry.
    pub enters: bool,
}

/// One entry of a feed with its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedEntry {
    /// The number in the feed.
    pub number: u64,
    /// The organisation enters the case with this entry.
    pub enters: bool,
    /// The event.
    pub event: EventRow,
}

/// Where one organisation's feed ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedHead {
    /// The organisation.
    pub org: OrgId,
    /// Number of its last entry.
    pub number: u64,
}

/// What is searched about one incident: its final row after a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseRow {
    /// The incident.
    pub incident: IncidentId,
    /// The stored row's version that this row replaces, 0 for a new incident: the compare of the compare-and-set.
    /// On a row that was read: the version before its last change.
    pub was: u64,
    /// Seq of the incident's last event.
    pub version: u64,
    /// Its state.
    pub state: Text,
    /// Who answers for it.
    pub custodian: StationRef,
    /// Counts custodies and reopenings.
    pub tenure: u64,
    /// Who took the call.
    pub first_receiver: StationRef,
    /// Published code, once known.
    pub kind: Option<Text>,
    /// Published code, once known.
    pub severity: Option<Text>,
    /// The exercise it belongs to.
    pub drill: Option<DrillId>,
    /// The incident it was merged into.
    pub alias_of: Option<IncidentId>,
    /// Since when it is there.
    pub opened_at: Millis,
    /// Since when it is closed.
    pub closed_at: Option<Millis>,
    /// Time of its last event.
    pub updated_at: Millis,
}

/// That a station sees an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartyRow {
    /// The incident.
    pub incident: IncidentId,
    /// The organisation.
    pub org: OrgId,
    /// Its station; an organisation without stations has none.
    pub station: Option<StationId>,
    /// Whether it is still told of new events.
    pub active: bool,
}

/// Who owes what: final row after a batch. Incident, scope, duty, organisation and station are the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObligationRow {
    /// The incident.
    pub incident: IncidentId,
    /// Under which handoff, support request, joint period or merge.
    pub scope: Option<Scope>,
    /// What.
    pub duty: Duty,
    /// The organisation that owes it; none for what the common superior owes.
    pub org: Option<OrgId>,
    /// Its station; an organisation without stations has none.
    pub station: Option<StationId>,
    /// The role that owes it.
    pub role: Role,
    /// Since when.
    pub since: Millis,
    /// Until when, as shown to people.
    pub due: Millis,
    /// When the timer has to look at it next. None on the last rung: what cannot rise stands in no timer's way.
    pub raise_at: Option<Millis>,
    /// How far up it has gone.
    pub rung: Rung,
    /// The notified rung has taken notice.
    pub acknowledged: bool,
    /// No longer owed.
    pub done: bool,
}

/// Where a handoff belongs and how it stands: final row after a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandoffRow {
    /// The handoff.
    pub handoff: HandoffId,
    /// Its incident.
    pub incident: IncidentId,
    /// Who hands over.
    pub from: StationRef,
    /// Who receives.
    pub to: StationRef,
    /// Its state.
    pub state: Text,
    /// Since when it is offered; none while only claimed.
    pub offered_at: Option<Millis>,
    /// Time of its last event.
    pub updated_at: Millis,
}

/// A request id within its scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AnswerId {
    /// The organisation.
    pub org: OrgId,
    /// Its client program.
    pub client: ClientId,
    /// The id it gave the request.
    pub request: Uuid,
}

/// What was answered to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRow {
    /// The request.
    pub id: AnswerId,
    /// Random key of the MAC; erased with the request's personal values.
    pub key: Option<[u8; 16]>,
    /// MAC over method and content.
    pub mac: [u8; 32],
    /// The answer, byte for byte.
    pub answer: Arc<[u8]>,
    /// First event of the command; none for a refusal.
    pub position: Option<u64>,
    /// For a refusal: the incident it was about, so that erasure finds it. Not needed beside a position.
    pub incident: Option<IncidentId>,
    /// When it was answered.
    pub at: Millis,
}

/// One personal field of one event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PersonalId {
    /// The incident.
    pub incident: IncidentId,
    /// The event that carries the digest.
    pub seq: u64,
    /// Which field.
    pub path: String,
}

/// A personal value, kept beside the log and erasable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalRow {
    /// Whose digest stands where.
    pub id: PersonalId,
    /// Salt, path and value as the digest was made; opaque here.
    pub disclosure: Vec<u8>,
}

/// How far a subscriber has taken its feed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorRow {
    /// The organisation.
    pub org: OrgId,
    /// Its client program.
    pub client: ClientId,
    /// Number of the last entry taken in.
    pub number: u64,
}

/// A denied attempt, or a number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    /// When.
    pub at: Millis,
    /// The caller's organisation, as far as it was known.
    pub org: Option<OrgId>,
    /// Its client program.
    pub client: Option<ClientId>,
    /// The officer's pseudonym.
    pub officer: Option<OfficerId>,
    /// What was asked.
    pub method: Text,
    /// Published reason of the denial.
    pub reason: Text,
    /// How many attempts this stands for.
    pub count: u64,
}

/// An uploaded boundary map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapRow {
    /// The map and its version.
    pub map: MapRef,
    /// SHA-256 of the bytes.
    pub digest: Digest,
    /// The map as uploaded.
    pub bytes: Arc<[u8]>,
}

/// 256 hashes of one level of the tree over the log, never changed once they are complete (evidence, 4). An index into
/// the leaves: it can be made again from them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileRow {
    /// 0 for the leaves' hashes, then those of the tiles below.
    pub level: u8,
    /// Its number within the level, from 0.
    pub number: u64,
    /// The hashes, 32 bytes each, one after the other.
    pub hashes: Arc<[u8]>,
}

/// A tree head that may be signed: there is one root for each size, for ever (evidence, 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TreeHeadRow {
    /// Leaves; at least 1.
    pub size: u64,
    /// The root over them.
    pub root: [u8; 32],
    /// When it was noted, ms since 1970.
    pub at: Millis,
}

/// A witness's signature of a tree head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CosignatureRow {
    /// The tree head.
    pub size: u64,
    /// The witness's public key.
    pub key: [u8; 32],
    /// The witness's name.
    pub name: String,
    /// Seconds since 1970, as signed.
    pub at: u64,
    /// The signature.
    pub signature: [u8; 64],
}

/// An entry of an organisation's registry of officers' keys, as the update of one version added or changed it
/// (evidence, 7). The registry of a version has of each key the newest entry up to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRow {
    /// The organisation.
    pub org: OrgId,
    /// The update; at least 1.
    pub version: u64,
    /// The key's id: 64 lower-case hexadecimal digits.
    pub kid: String,
    /// The entry, byte for byte as the root over the registry was made of it; opaque here.
    pub entry: Vec<u8>,
}
