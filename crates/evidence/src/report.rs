//! What a verification found, for people in English and Chinese and for programs in JSON (evidence, 12).
//!
//! Facts stand in [`Report`]; the three forms show the same ones. Every word of a form comes from one table in both
//! languages, so that a fact cannot be said in one of them alone.

mod event_names;
mod json;
mod problems;
mod text;
mod words;

pub use problems::Problem;
pub use words::Lang;

use crate::bundle::Action;
use handoff_domain::caller::{Actor, Role};
use handoff_domain::event::handoff::Ruling;
use handoff_domain::ids::{Digest, IncidentId, OfficerId, OrgId, StationId, StationRef};
use handoff_domain::time::Millis;
use handoff_domain::values::{Code, Level};

/// Findings of one check that are shown; more are only counted.
pub const FINDINGS_SHOWN_MAX: usize = 100;

handoff_domain::words! {
    /// The checks by name (evidence, 12).
    pub enum CheckId {
        /// Archive, policy, chain of policies, everything derived.
        C1 = "C1",
        /// The checkpoint: the log's signature and the witnesses'.
        C2 = "C2",
        /// Both proofs of every event.
        C3 = "C3",
        /// Every event's form, and who recorded it.
        C4 = "C4",
        /// Order and completeness of the case.
        C5 = "C5",
        /// The rules: the case replayed, to its closing.
        C6 = "C6",
        /// What was signed, and by whom.
        C7 = "C7",
        /// The registry of the officers' keys.
        C8 = "C8",
        /// Sealed fields that are shown.
        C9 = "C9",
        /// The times between which it happened.
        C10 = "C10",
    }

    /// How a check ended.
    pub enum Outcome {
        /// Everything it looked at is as it must be.
        Held = "held",
        /// Something is not.
        Failed = "failed",
        /// There is nothing to look at.
        NotApplicable = "not_applicable",
        /// Something is newer than this verifier, and nothing else is wrong.
        Newer = "newer",
    }

    /// The verdict over all checks.
    pub enum Verdict {
        /// All hold.
        Proven = "proven",
        /// One failed.
        NotProven = "not_proven",
        /// Bundle or policy cannot be read at all.
        Unreadable = "unreadable",
        /// Newer than this verifier.
        Newer = "newer",
    }

    /// What more a finding says.
    pub enum Detail {
        /// A line of a text, from 1.
        Line = "line",
        /// A byte, from 0.
        Byte = "byte",
        /// A field of an event.
        Field = "field",
        /// What a rule says to it: a published reason.
        Reason = "reason",
        /// A witness.
        Witness = "witness",
        /// An organisation.
        Organisation = "organisation",
        /// An index of the log.
        Index = "index",
        /// A digest.
        Digest = "digest",
        /// A version.
        Version = "version",
        /// An incident.
        Incident = "incident",
        /// An instant.
        Time = "time",
        /// A key.
        Key = "key",
    }

    /// By whose word an event stands.
    pub enum Voice {
        /// An officer's key.
        Officer = "signed_by_officer",
        /// An officer's authenticated click: the service's word.
        Attested = "attested_only",
        /// The service recorded it.
        Service = "recorded_by_service",
    }
}

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The bundle as a whole.
    Bundle,
    /// The policy that was given.
    Policy,
    /// A file of the bundle.
    File(String),
    /// An event, by its number.
    Event(u64),
}

/// One thing that is not as it must be, or that should be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub problem: Problem,
    /// Where.
    pub place: Place,
    /// What more there is to say; the same in every language.
    pub details: Vec<(Detail, String)>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Which.
    pub id: CheckId,
    /// How it ended.
    pub outcome: Outcome,
    /// How many things it looked at.
    pub looked_at: u64,
    /// What is wrong; at most [`FINDINGS_SHOWN_MAX`].
    pub findings: Vec<Finding>,
    /// Findings beyond those shown.
    pub further: u64,
    /// What should be known and makes nothing fail; at most [`FINDINGS_SHOWN_MAX`].
    pub warnings: Vec<Finding>,
}

/// The witnessed tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The log.
    pub log: String,
    /// Size of the tree.
    pub size: u64,
    /// Its root.
    pub root: Digest,
    /// Witnesses whose cosignature verified, by their names in the policy.
    pub witnesses: Vec<String>,
    /// The earliest and the latest of their times.
    pub witnessed: Option<(Millis, Millis)>,
    /// The closing is not in a tree that was witnessed at this time; absent without such a tree in the bundle.
    pub not_before: Option<Millis>,
}

/// One sign-off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignOffLine {
    /// Number of the event.
    pub seq: u64,
    /// What was signed.
    pub action: Action,
    /// The ruling, where it is one.
    pub ruling: Option<Ruling>,
    /// The side a ruling stands in for.
    pub in_place_of: Option<StationRef>,
    /// Organisation of whoever signed.
    pub org: OrgId,
    /// Station.
    pub station: Option<StationId>,
    /// Pseudonym.
    pub officer: Option<OfficerId>,
    /// How.
    pub level: Level,
    /// Why a substitute signed.
    pub substitute: Option<Code>,
    /// When, by the service's clock.
    pub at: Millis,
    /// Id of the key.
    pub key: Option<String>,
    /// From when on signatures of that key are doubted.
    pub compromised_since: Option<Millis>,
    /// Whether it holds: the statement is the one everybody derives, and the key's signature verifies.
    pub holds: bool,
}

/// How many sealed fields there are of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Shown, and what was recorded.
    pub disclosed: u64,
    /// Not shown.
    pub withheld: u64,
    /// Erased.
    pub erased: u64,
    /// Shown, and not what was recorded.
    pub bad: u64,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventLine {
    /// Its number.
    pub seq: u64,
    /// Its index in the log, where it is known.
    pub index: Option<u64>,
    /// Recorded time.
    pub at: Millis,
    /// Its type.
    pub type_name: &'static str,
    /// Organisation.
    pub org: OrgId,
    /// Station.
    pub station: Option<StationId>,
    /// Pseudonym.
    pub officer: Option<OfficerId>,
    /// Role.
    pub role: Role,
    /// By whose word it stands.
    pub voice: Voice,
}

impl EventLine {
    /// What an actor did.
    pub(crate) fn new(seq: u64, at: Millis, type_name: &'static str, actor: &Actor, voice: Voice) -> Self {
        let Actor { org, station, officer, role, reg: _ } = actor.clone();
        Self { seq, index: None, at, type_name, org, station, officer, role, voice }
    }
}

/// Everything a verification found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Over all.
    pub verdict: Verdict,
    /// The ten checks, in their order.
    pub checks: Vec<Check>,
    /// SHA-256 of the policy that was given: compare it with the paper.
    pub policy: Digest,
    /// SHA-256 of the bundle.
    pub bundle: Digest,
    /// The incident.
    pub incident: Option<IncidentId>,
    /// When it was closed, by the service's clock; absent where the rules do not lead there.
    pub closed_at: Option<Millis>,
    /// The closing was by ruling.
    pub by_ruling: bool,
    /// The witnessed tree; absent where there is none.
    pub proven: Option<Proven>,
    /// Every sign-off.
    pub sign_offs: Vec<SignOffLine>,
    /// Sealed fields.
    pub fields: Fields,
    /// Every event that can be read.
    pub events: Vec<EventLine>,
}

impl Report {
    /// One check.
    #[must_use]
    pub fn check(&self, id: CheckId) -> Option<&Check> {
        self.checks.iter().find(|check| check.id == id)
    }

    /// What the program answers: 0 all hold, 1 a check failed, 2 unreadable input, 3 newer than this verifier.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.verdict {
            Verdict::Proven => 0,
            Verdict::NotProven => 1,
            Verdict::Unreadable => 2,
            Verdict::Newer => 3,
        }
    }

    /// The report for people.
    #[must_use]
    pub fn text(&self, lang: Lang) -> String {
        text::write(self, lang)
    }

    /// The report for programs: one JSON object and a line end.
    #[must_use]
    pub fn json(&self) -> String {
        json::write(self)
    }
}

#[cfg(test)]
mod tests;
