//! A handoff's state. Each state carries its own facts, so that nonsense cannot be built.

use super::Hand;
use crate::event::handoff::{OfferBasis, Ruled, Ruling, RulingProposed, Settlement};
use crate::form::{Form, Signer};
use crate::ids::{Digest, HandoffId, IncidentId, MapRef, OfficerId, OrgId, StationRef, SupportId};
use crate::time::Millis;
use crate::values::{Category, Code, Label, Level, Salt, Terms};
use std::collections::BTreeSet;

/// What one side has put under the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// The side's signer signed.
    Officer {
        /// Pseudonym.
        officer: OfficerId,
        /// When.
        at: Millis,
        /// Level.
        level: Level,
        /// Why a substitute.
        substitute: Option<Code>,
        /// The key's id, at the levels device and passkey.
        key: Option<Label>,
    },
    /// A ruling stands in for it, and is shown as such.
    ByRuling {
        /// When.
        at: Millis,
    },
}

impl Signature {
    /// The key it was made with, where it was one.
    #[must_use]
    pub fn key(&self) -> Option<&Label> {
        match self {
            Self::Officer { key, .. } => key.as_ref(),
            Self::ByRuling { .. } => None,
        }
    }
}

/// The agreed version: what both sides sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgreedForm {
    /// Number of the `agreed` event within the incident: the statement binds its hash.
    pub seq: u64,
    /// Since when.
    pub at: Millis,
    /// Until when.
    pub exp: Millis,
    /// Nonce of the statement.
    pub nonce: Salt,
    /// Digest of the form.
    pub form_digest: Digest,
    /// The weakest signature taken.
    pub level: Level,
    /// Hash of the agreement's event.
    pub agreement: Option<Digest>,
    /// A ruling stands in for the receiver's agreement: it cannot be withdrawn or recalled.
    pub by_ruling: bool,
    /// The receiver's local number.
    pub number: Option<Label>,
    /// The receiver's mapped category.
    pub category: Option<Category>,
    /// The offerer's signature.
    pub from_signed: Option<Signature>,
    /// The receiver's signature.
    pub to_signed: Option<Signature>,
}

impl AgreedForm {
    /// The signature of one side: the offerer's or the receiver's.
    #[must_use]
    pub fn signed(&self, by_offerer: bool) -> Option<&Signature> {
        if by_offerer { self.from_signed.as_ref() } else { self.to_signed.as_ref() }
    }

    /// When the second side signed.
    #[must_use]
    pub fn both_signed_at(&self) -> Option<Millis> {
        let at = |signature: &Signature| match signature {
            Signature::Officer { at, .. } | Signature::ByRuling { at } => *at,
        };
        Some(at(self.from_signed.as_ref()?).max(at(self.to_signed.as_ref()?)))
    }
}

/// Where a dispute stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// Since when.
    pub at: Millis,
    /// Why.
    pub code: Code,
    /// Who disputed; absent where a second decline did.
    pub by: Option<StationRef>,
    /// Sides that have stated their position.
    pub stated: BTreeSet<StationRef>,
    /// A proposal to settle: who, what.
    pub proposal: Option<(StationRef, Settlement)>,
    /// The way on is decided: an `agreed` event of the same command follows.
    pub way_on: Option<WayOn>,
}

/// Who cleared the way from a dispute to AGREED.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayOn {
    /// The two sides.
    Settled,
    /// The common superior, or both supervisors together: it cannot be withdrawn or recalled.
    Ruled,
}

/// Feedback after a takeover, or of joint handling: owed, reported, confirmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultLoop {
    /// The custodian owes the result.
    Owed {
        /// Since when.
        since: Millis,
        /// Interim feedback given, last time.
        first_word: Option<Millis>,
        /// Contests so far.
        contests: u64,
    },
    /// The result is with the confirmer.
    Reported {
        /// When.
        at: Millis,
        /// Who signed it off.
        by: Option<OfficerId>,
        /// Contests so far.
        contests: u64,
        /// Contested a second time: the superior rules.
        at_superior: Option<Millis>,
    },
    /// Confirmed.
    Confirmed {
        /// When.
        at: Millis,
        /// Who confirmed, or ruled.
        by: Hand,
        /// A ruling stood in.
        by_ruling: bool,
        /// Contests so far.
        contests: u64,
    },
}

impl ResultLoop {
    /// A result owed from `since`.
    #[must_use]
    pub fn owed(since: Millis) -> Self {
        Self::Owed { since, first_word: None, contests: 0 }
    }
}

/// States of a handoff (product, *Handoff*).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandoffState {
    /// The receiver-to-be says the case is its own.
    Claimed {
        /// Since when.
        at: Millis,
        /// The custodian refused, since when.
        refused: Option<Millis>,
    },
    /// With the receiver.
    Offered,
    /// The receiver asked for something first.
    Countered {
        /// Since when.
        at: Millis,
        /// What.
        code: Code,
    },
    /// The receiver said no.
    Declined {
        /// Since when.
        at: Millis,
        /// Why.
        code: Code,
        /// The declining station's incident.
        duplicate_of: Option<IncidentId>,
    },
    /// Both sign.
    Agreed(AgreedForm),
    /// The sides disagree.
    Disputed(Dispute),
    /// The offerer keeps it. Rests.
    Kept,
    /// The offer was taken back. Rests.
    Recalled {
        /// Since when.
        at: Millis,
        /// The receiver knows.
        received: bool,
    },
    /// Custody moved; with its result loop TAKEN_OVER, REPORTED or CONFIRMED.
    TakenOver {
        /// When.
        at: Millis,
        /// By order of a ruling.
        by_order: bool,
        /// What both sides signed, or what there was of it when the takeover was ordered.
        agreed: Option<AgreedForm>,
        /// Feedback.
        result: ResultLoop,
    },
    /// A later handoff moved custody on. Rests.
    PassedOn,
}

crate::words! {
    /// A handoff state's published name.
    pub enum HandoffName {
        /// See [`HandoffState::Claimed`].
        Claimed = "CLAIMED",
        /// See [`HandoffState::Offered`].
        Offered = "OFFERED",
        /// See [`HandoffState::Countered`].
        Countered = "COUNTERED",
        /// See [`HandoffState::Declined`].
        Declined = "DECLINED",
        /// See [`HandoffState::Agreed`].
        Agreed = "AGREED",
        /// See [`HandoffState::Disputed`].
        Disputed = "DISPUTED",
        /// See [`HandoffState::TakenOver`].
        TakenOver = "TAKEN_OVER",
        /// The result is with the confirmer.
        Reported = "REPORTED",
        /// The result is confirmed.
        Confirmed = "CONFIRMED",
        /// See [`HandoffState::Kept`].
        Kept = "KEPT",
        /// See [`HandoffState::Recalled`].
        Recalled = "RECALLED",
        /// See [`HandoffState::PassedOn`].
        PassedOn = "PASSED_ON",
    }
}

impl HandoffState {
    /// The published name.
    #[must_use]
    pub fn name(&self) -> HandoffName {
        match self {
            Self::Claimed { .. } => HandoffName::Claimed,
            Self::Offered => HandoffName::Offered,
            Self::Countered { .. } => HandoffName::Countered,
            Self::Declined { .. } => HandoffName::Declined,
            Self::Agreed(_) => HandoffName::Agreed,
            Self::Disputed(_) => HandoffName::Disputed,
            Self::Kept => HandoffName::Kept,
            Self::Recalled { .. } => HandoffName::Recalled,
            Self::TakenOver { result: ResultLoop::Owed { .. }, .. } => HandoffName::TakenOver,
            Self::TakenOver { result: ResultLoop::Reported { .. }, .. } => HandoffName::Reported,
            Self::TakenOver { result: ResultLoop::Confirmed { .. }, .. } => HandoffName::Confirmed,
            Self::PassedOn => HandoffName::PassedOn,
        }
    }

    /// Open: no other handoff of the incident may be opened beside it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        match self {
            Self::Claimed { .. }
            | Self::Offered
            | Self::Countered { .. }
            | Self::Declined { .. }
            | Self::Agreed(_)
            | Self::Disputed(_) => true,
            Self::Kept | Self::Recalled { .. } | Self::TakenOver { .. } | Self::PassedOn => false,
        }
    }

    /// The result loop of a handoff taken over.
    #[must_use]
    pub fn result(&self) -> Option<&ResultLoop> {
        match self {
            Self::TakenOver { result, .. } => Some(result),
            Self::Claimed { .. }
            | Self::Offered
            | Self::Countered { .. }
            | Self::Declined { .. }
            | Self::Agreed(_)
            | Self::Disputed(_)
            | Self::Kept
            | Self::Recalled { .. }
            | Self::PassedOn => None,
        }
    }
}

/// What the receiver's side is known to have done with the version on the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lamps {
    /// Their system has it.
    pub delivered: Option<Millis>,
    /// Their duty officer has seen it.
    pub seen: Option<Millis>,
}

/// What is to be ruled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// About which handoff.
    pub handoff: Option<HandoffId>,
    /// What.
    pub ruling: Ruling,
    /// Joint handling goes with it.
    pub joint: bool,
    /// About which side.
    pub side: Option<StationRef>,
    /// About which request for support.
    pub support: Option<SupportId>,
    /// With an order without a handoff: the superior named between the custodian and that side.
    pub superior: Option<OrgId>,
}

impl From<&RulingProposed> for Asked {
    fn from(body: &RulingProposed) -> Self {
        let RulingProposed { handoff, ruling, joint, side, support, reasons: _ } = body;
        // Proposed is only what no superior rules on.
        let (side, superior) = (side.clone(), None);
        Self { handoff: *handoff, ruling: *ruling, joint: *joint, side, support: *support, superior }
    }
}

impl From<&Ruled> for Asked {
    fn from(body: &Ruled) -> Self {
        let Ruled { handoff, ruling, joint, side, support, superior, .. } = body;
        let (side, superior) = (side.clone(), superior.clone());
        Self { handoff: *handoff, ruling: *ruling, joint: *joint, side, support: *support, superior }
    }
}

/// A ruling one supervisor proposed where no common superior is named. It binds only over what was there to be seen:
/// the form's version and the report it was given over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedRuling {
    /// Whose supervisor.
    pub by: OrgId,
    /// What.
    pub asked: Asked,
    /// Version of the form, 0 without one.
    pub version: u64,
    /// Number of the last report.
    pub report: u64,
}

/// One handoff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handoff {
    /// Its id.
    pub id: HandoffId,
    /// Number of the form within the incident.
    pub number: u64,
    /// The custodian when it began.
    pub from: StationRef,
    /// The receiver.
    pub to: StationRef,
    /// The handoff it gives back or passes on.
    pub parent: Option<HandoffId>,
    /// Version of the form, 0 while only claimed.
    pub version: u64,
    /// The form on the table.
    pub form: Option<Form>,
    /// Why it may be offered.
    pub basis: Option<OfferBasis>,
    /// When the first version was offered: the receiver's clock runs from here.
    pub first_offer: Option<Millis>,
    /// What the receiver's side has done with this version.
    pub lamps: Lamps,
    /// The version the receiver said no to last.
    pub declined: Option<u64>,
    /// The receiver stood by: since when, until when.
    pub stand_by: Option<(Millis, Millis)>,
    /// The offerer's signer.
    pub from_signer: Option<Signer>,
    /// The receiver's signer.
    pub to_signer: Option<Signer>,
    /// Signers who refused: side and why; they stay on the form.
    pub refusals: Vec<(StationRef, Code)>,
    /// Officers who decided on this form: none of them signs it.
    pub deciders: BTreeSet<OfficerId>,
    /// Officers who signed it, in any version: none of them decides on it.
    pub signers: BTreeSet<OfficerId>,
    /// The boundary map in force at the offer.
    pub map: Option<MapRef>,
    /// The terms in force at the offer.
    pub terms: Option<Terms>,
    /// Where it stands.
    pub state: HandoffState,
}

impl Handoff {
    /// The other side, seen from one.
    #[must_use]
    pub fn other(&self, seat: &StationRef) -> &StationRef {
        if *seat == self.from { &self.to } else { &self.from }
    }

    /// Only claimed, disputed or not: there is no form yet, and the custodian may still offer one.
    #[must_use]
    pub fn is_claim(&self) -> bool {
        self.version == 0 && self.state.is_open()
    }

    /// Whether the receiver has said no to the version on the table.
    #[must_use]
    pub fn is_declined(&self) -> bool {
        self.declined == Some(self.version)
    }

    /// The signer named for one side.
    #[must_use]
    pub fn signer(&self, side: &StationRef) -> Option<&Signer> {
        if *side == self.from { self.from_signer.as_ref() } else { self.to_signer.as_ref() }
    }

    /// Whether a station is one of the two sides.
    #[must_use]
    pub fn has_side(&self, seat: &StationRef) -> bool {
        *seat == self.from || *seat == self.to
    }

    /// The dispute, while DISPUTED.
    #[must_use]
    pub fn dispute(&self) -> Option<&Dispute> {
        match &self.state {
            HandoffState::Disputed(dispute) => Some(dispute),
            HandoffState::Claimed { .. }
            | HandoffState::Offered
            | HandoffState::Countered { .. }
            | HandoffState::Declined { .. }
            | HandoffState::Agreed(_)
            | HandoffState::Kept
            | HandoffState::Recalled { .. }
            | HandoffState::TakenOver { .. }
            | HandoffState::PassedOn => None,
        }
    }

    /// The agreed form, while AGREED.
    #[must_use]
    pub fn agreed(&self) -> Option<&AgreedForm> {
        match &self.state {
            HandoffState::Agreed(agreed) => Some(agreed),
            HandoffState::Claimed { .. }
            | HandoffState::Offered
            | HandoffState::Countered { .. }
            | HandoffState::Declined { .. }
            | HandoffState::Disputed(_)
            | HandoffState::Kept
            | HandoffState::Recalled { .. }
            | HandoffState::TakenOver { .. }
            | HandoffState::PassedOn => None,
        }
    }
}
