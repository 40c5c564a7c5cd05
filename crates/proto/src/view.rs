//! What a reader is shown: cases, handoffs, obligations, entries of the log, objects of the directory.
//!
//! Each view is built field by field for one [`Recipient`]; a field nobody listed is not shown (security, 7). Personal
//! values come in through [`Disclosed`], which opens what this reader may see and nothing else; caller data is never
//! opened here.

mod changes;
mod directory;
mod entry;
mod handoff;
mod incident;
mod values;

pub use changes::{agreement_of, changes, rule_of, settled_by};
pub use directory::{agreement, boundary_map, catalogue, drill, officer, post, station, unit};
pub use entry::{Located, entry};
pub use handoff::handoff_view;
pub use incident::{incident_view, obligation_view};
pub use values::{actor, opened_field, sealed_point, sealed_text, station_ref, terms, timestamp};

use crate::v1;
use handoff_domain::ids::{Digest, IncidentId, OrgId};
use handoff_domain::values::Sealed;

/// What kind of reader something is shown to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientKind {
    /// An organisation with stations.
    Party,
    /// A common superior.
    Superior,
    /// An auditor.
    Auditor,
}

/// To whom something is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The reader's organisation.
    pub org: OrgId,
    /// What kind of reader it is.
    pub kind: RecipientKind,
}

impl Recipient {
    /// Whether this reader is shown what belongs to `org` alone: that organisation, and auditors.
    #[must_use]
    pub fn is_own(&self, org: &OrgId) -> bool {
        self.kind == RecipientKind::Auditor || self.org == *org
    }
}

/// A sealed value as one reader sees it. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub enum Opening {
    /// A text.
    Text(String),
    /// A point: 1e-7 degrees from the south pole and from the antimeridian.
    Point {
        /// Latitude.
        lat7: u64,
        /// Longitude.
        lon7: u64,
    },
    /// This reader may not see it.
    Withheld,
    /// It is gone.
    Erased,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Text(_) => "Text(..)",
            Self::Point { .. } => "Point(..)",
            Self::Withheld => "Withheld",
            Self::Erased => "Erased",
        })
    }
}

/// Opens sealed values for one reader. A digest is salted, so it names one value of one event and no other.
pub trait Disclosed {
    /// The value behind a digest.
    fn open(&self, sealed: &Sealed) -> Opening;
}

/// Opens nothing.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl Disclosed for Nothing {
    fn open(&self, _sealed: &Sealed) -> Opening {
        Opening::Withheld
    }
}

/// The answer to a command.
#[must_use]
pub fn move_reply(position: u64, incident: IncidentId, version: u64, hash: Digest, replayed: bool) -> v1::MoveReply {
    let (incident, event_hash) = (incident.to_string(), hash.to_string());
    v1::MoveReply { position, incident, version, event_hash, replayed, ..v1::MoveReply::default() }
}
