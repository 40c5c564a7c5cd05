//! The transfer form: a snapshot as of its version (product, *The transfer form*).

use crate::ids::{Digest, OfficerId, StationRef, UnitId};
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use crate::values::{Category, Code, Label, Place, Sealed, Severity};

/// Most items, documents and pieces of evidence on one form. With [`FORM_UNITS_MAX`] and [`FORM_PEOPLE_MAX`] the
/// largest legal form fits the 16,384 bytes of one event; a test of `evidence` builds it.
pub const FORM_ITEMS_MAX: usize = 16;
/// Most lines of people counts.
pub const FORM_PEOPLE_MAX: usize = 10;
/// Most units.
pub const FORM_UNITS_MAX: usize = 16;

crate::record! {
    /// Times as the offerer's system claims them; each may say "not known yet" by being absent.
    pub struct FormTimes {
        /// When it happened.
        pub occurred: Option<Millis>,
        /// When it was reported.
        pub reported: Option<Millis>,
        /// When the first unit was sent.
        pub dispatched: Option<Millis>,
        /// When the first unit arrived.
        pub arrived: Option<Millis>,
        /// When it was handled.
        pub handled: Option<Millis>,
        /// How far the clock that claims them may be off, in milliseconds.
        pub uncertainty_ms: Option<u64>,
    }

    /// An item, document or piece of evidence handed over.
    pub struct FormItem {
        /// What it is.
        pub kind: Code,
        /// How many.
        pub count: Option<u64>,
        /// Digest of the document, where there is one.
        pub digest: Option<Digest>,
        /// Description, sealed.
        pub note: Option<Sealed>,
    }

    /// People handed over: a count and a legal status, never a name.
    pub struct FormPeople {
        /// Legal status.
        pub status: Code,
        /// How many.
        pub count: u64,
    }

    /// A unit on the incident and whether it stays.
    pub struct FormUnit {
        /// The unit.
        pub unit: UnitId,
        /// Whose it is.
        pub of: StationRef,
        /// It stays after the takeover.
        pub stays: bool,
    }

    /// Who signs for one side (product, *Handoff*, *Signers*).
    pub struct Signer {
        /// The officer's pseudonym.
        pub officer: OfficerId,
        /// Why not an officer on a unit of this incident; absent for one who is.
        pub substitute: Option<Code>,
    }

    /// The offerer's part of the form. What is absent reads "not known yet" and follows as an addendum.
    pub struct Form {
        /// Kind of incident.
        pub kind: Option<Label>,
        /// How urgent.
        pub severity: Severity,
        /// Own category.
        pub category: Option<Category>,
        /// The offerer's local number.
        pub number: Option<Label>,
        /// Claimed times.
        pub times: Option<FormTimes>,
        /// Where.
        pub place: Option<Place>,
        /// The place is not known; says so instead of saying nothing.
        pub place_unknown: bool,
        /// Legal ground of the transfer, sealed.
        pub legal_ground: Option<Sealed>,
        /// What was done, sealed.
        pub measures: Option<Sealed>,
        /// Open risks, sealed; "none known" is a risk statement too.
        pub risks: Option<Sealed>,
        /// Items, documents and evidence handed over.
        pub items: Vec<FormItem>,
        /// People handed over, as counts.
        pub people: Vec<FormPeople>,
        /// Digest of the paper annex with names, where there is one.
        pub annex: Option<Digest>,
        /// Units on it.
        pub units: Vec<FormUnit>,
        /// Call-back number, sealed.
        pub callback: Option<Sealed>,
    }
}

impl Form {
    /// What an offer still misses: complete = place or "unknown", kind, what was done, open risks (severity is
    /// always there, units are filled in from the record).
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let needs = [
            ("form.place", self.place.is_some() || self.place_unknown),
            ("form.kind", self.kind.is_some()),
            ("form.measures", self.measures.is_some()),
            ("form.risks", self.risks.is_some()),
        ];
        needs.into_iter().filter(|(_, there)| !there).map(|(field, _)| field).collect()
    }

    /// Complete and within its limits.
    ///
    /// # Errors
    /// `FORM_INCOMPLETE` naming every missing field, `LIMIT_EXCEEDED` naming the list that is too long.
    pub fn check(&self) -> Result<(), Refusal> {
        let missing = self.missing();
        if !missing.is_empty() {
            return Err(missing.into_iter().fold(Refusal::new(Reason::FormIncomplete), Refusal::field));
        }
        let lists = [
            ("form.items", self.items.len(), FORM_ITEMS_MAX),
            ("form.people", self.people.len(), FORM_PEOPLE_MAX),
            ("form.units", self.units.len(), FORM_UNITS_MAX),
        ];
        match lists.into_iter().find(|(_, length, max)| length > max) {
            Some((field, _, max)) => Err(Refusal::new(Reason::LimitExceeded).field(field).with("max", max)),
            None => Ok(()),
        }
    }
}
