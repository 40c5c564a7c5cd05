//! Facts of a handoff. Each names its handoff; what a version of the form decides names that version.

use crate::form::{Form, Signer};
use crate::ids::{Digest, HandoffId, IncidentId, MapRef, OfficerId, OrgId, StationRef, SupportId};
use crate::time::Millis;
use crate::values::{Category, Code, Label, Level, Salt, Sealed, SignOff, Terms};

crate::words! {
    /// Why a transfer can be offered (invariant 2).
    pub enum OfferBasis {
        /// A unit of either side is assigned.
        UnitAssigned = "UNIT_ASSIGNED",
        /// A duty officer decided that none is needed.
        NoResponseNeeded = "NO_RESPONSE_NEEDED",
        /// None is free, and a support request is out.
        NoUnitFree = "NO_UNIT_FREE",
    }

    /// What ends a dispute between the sides.
    pub enum Settlement {
        /// The transfer goes on: AGREED.
        Agreed = "AGREED",
        /// The custodian keeps it.
        Kept = "KEPT",
    }

    /// What a ruling of the common superior stands in for.
    pub enum Ruling {
        /// The receiver's agreement: the form is AGREED.
        Agreed = "AGREED",
        /// The custodian keeps the case.
        Kept = "KEPT",
        /// One side's missing signature.
        Signature = "SIGNATURE",
        /// The takeover itself.
        Takeover = "TAKEOVER",
        /// The receipt: of a recall, or, without a handoff, of the alert to one side.
        Receipt = "RECEIPT",
        /// The consent to a change of lead.
        Lead = "LEAD",
        /// The refusal of it: the lead stays where it is.
        LeadStays = "LEAD_STAYS",
        /// The consent to end joint handling.
        JointEnd = "JOINT_END",
        /// The refusal of it: joint handling goes on.
        JointStays = "JOINT_STAYS",
        /// The answer to a request for support: committed.
        Support = "SUPPORT",
        /// The answer to it: not.
        SupportNot = "SUPPORT_NOT",
        /// The confirmation of the result.
        Confirmed = "CONFIRMED",
        /// The result has to be reported anew.
        ReportAgain = "REPORT_AGAIN",
        /// The answer to an objection against the closing, which stands.
        Objection = "OBJECTION",
    }
}

crate::record! {
    /// The other station says the case is its own.
    pub struct Claimed {
        /// The handoff this opens.
        pub handoff: HandoffId,
        /// Number of the form within the incident, from 1.
        pub number: u64,
        /// The custodian, who would hand over.
        pub from: StationRef,
        /// The claimant, who would receive.
        pub to: StationRef,
        /// Why.
        pub code: Code,
        /// Sealed.
        pub note: Option<Sealed>,
        /// The terms in force.
        pub terms: Option<Terms>,
    }

    /// The custodian does not hand it over; a fact, the claim stands until dropped or disputed.
    pub struct ClaimRefused {
        /// The handoff.
        pub handoff: HandoffId,
        /// Why.
        pub code: Code,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// The claimant lets it rest.
    pub struct ClaimDropped {
        /// The handoff.
        pub handoff: HandoffId,
        /// Why.
        pub code: Option<Code>,
    }

    /// The custodian offers the case with a complete form.
    pub struct Offered {
        /// The handoff this opens, or the claimed one it answers.
        pub handoff: HandoffId,
        /// Number of the form within the incident, from 1.
        pub number: u64,
        /// The custodian.
        pub from: StationRef,
        /// The receiver.
        pub to: StationRef,
        /// Version of the form, from 1.
        pub version: u64,
        /// Why it may be offered.
        pub basis: OfferBasis,
        /// The form.
        pub form: Form,
        /// The offerer's signer.
        pub signer: Option<Signer>,
        /// The handoff this one gives back or passes on.
        pub parent: Option<HandoffId>,
        /// The boundary map of the two stations in force.
        pub map: Option<MapRef>,
        /// The terms in force: they hold for this handoff.
        pub terms: Option<Terms>,
        /// Digest of the paper this enters.
        pub paper: Option<Digest>,
    }

    /// The offerer edits the form: agreement and signatures are void.
    pub struct Revised {
        /// The handoff.
        pub handoff: HandoffId,
        /// The new version.
        pub version: u64,
        /// The new form.
        pub form: Form,
        /// The offerer's signer.
        pub signer: Option<Signer>,
        /// After a ruling: the new validity.
        pub exp: Option<Millis>,
        /// After a ruling: the new nonce.
        pub nonce: Option<Salt>,
        /// After a ruling: digest of the new form.
        pub form_digest: Option<Digest>,
    }

    /// The receiving station's dispatch system has this version.
    pub struct Delivered {
        /// The handoff.
        pub handoff: HandoffId,
        /// Version of the form.
        pub version: u64,
    }

    /// The receiving duty officer has seen this version.
    pub struct Seen {
        /// The handoff.
        pub handoff: HandoffId,
        /// Version of the form.
        pub version: u64,
    }

    /// The receiver asks for time, once.
    pub struct StoodBy {
        /// The handoff.
        pub handoff: HandoffId,
        /// Version of the form.
        pub version: u64,
        /// Until when.
        pub until: Millis,
    }

    /// The receiver asks for something first.
    pub struct Countered {
        /// The handoff.
        pub handoff: HandoffId,
        /// Version of the form.
        pub version: u64,
        /// What.
        pub code: Code,
        /// With `INSUFFICIENT_DATA`: which fields.
        pub fields: Vec<Label>,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// The receiver says no.
    pub struct Declined {
        /// The handoff.
        pub handoff: HandoffId,
        /// Version of the form.
        pub version: u64,
        /// Why.
        pub code: Code,
        /// With `NOT_OUR_TERRITORY`: whose it is.
        pub owner: Option<StationRef>,
        /// With `NOT_OUR_TERRITORY`: by which map.
        pub map: Option<MapRef>,
        /// With `DUPLICATE_OF`: the declining station's incident.
        pub duplicate_of: Option<IncidentId>,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// The receiver agrees to one version: from here both sign one digest (evidence, 8).
    pub struct Agreed {
        /// The handoff.
        pub handoff: HandoffId,
        /// Version of the form.
        pub version: u64,
        /// Digest of the form's canonical bytes.
        pub form_digest: Digest,
        /// Who hands over.
        pub from: StationRef,
        /// Who receives.
        pub to: StationRef,
        /// Hash of the event that set the terms in force now: the level is theirs.
        pub agreement: Option<Digest>,
        /// Until when the agreement to the form holds.
        pub exp: Millis,
        /// Makes the statement unique.
        pub nonce: Salt,
        /// The weakest signature taken.
        pub level: Level,
        /// The receiver's local number.
        pub number: Option<Label>,
        /// The receiver's mapped category.
        pub category: Option<Category>,
        /// The receiver's signer.
        pub signer: Option<Signer>,
        /// Digest of the paper this enters.
        pub paper: Option<Digest>,
    }

    /// One side's signer signed the statement.
    pub struct Signed {
        /// The handoff.
        pub handoff: HandoffId,
        /// Version of the form.
        pub form_version: u64,
        /// The side signed for.
        pub side: StationRef,
        /// Level.
        pub level: Level,
        /// Digest of the statement.
        pub statement: Digest,
        /// Algorithm, for a key.
        pub alg: Option<Label>,
        /// The key's id, for a key.
        pub key: Option<Label>,
        /// The signature, for a key.
        pub sig: Option<String>,
        /// Authenticator data, for a passkey.
        pub auth_data: Option<String>,
        /// Client data, for a passkey.
        pub client_data: Option<String>,
        /// Language the statement was shown in.
        pub lang: Option<Label>,
        /// Version of the template it was shown with.
        pub template: Option<Label>,
        /// Why a substitute signed.
        pub substitute: Option<Code>,
        /// Digest of the paper this enters.
        pub paper: Option<Digest>,
    }

    /// A signer will not or cannot sign.
    pub struct SignatureRefused {
        /// The handoff.
        pub handoff: HandoffId,
        /// Version of the form.
        pub form_version: u64,
        /// The side.
        pub side: StationRef,
        /// Why.
        pub code: Code,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// A side's duty officer names who signs instead.
    pub struct SubstituteNamed {
        /// The handoff.
        pub handoff: HandoffId,
        /// The side.
        pub side: StationRef,
        /// Who.
        pub officer: OfficerId,
        /// Why.
        pub code: Code,
    }

    /// The receiver takes its agreement back; counts as a decline.
    pub struct Withdrawn {
        /// The handoff.
        pub handoff: HandoffId,
        /// Why.
        pub code: Code,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// The offerer takes the offer back.
    pub struct Recalled {
        /// The handoff.
        pub handoff: HandoffId,
        /// Why.
        pub code: Code,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// The receiver knows of the recall.
    pub struct RecallReceived {
        /// The handoff.
        pub handoff: HandoffId,
    }

    /// The offerer keeps the case.
    pub struct Kept {
        /// The handoff.
        pub handoff: HandoffId,
        /// Why.
        pub code: Code,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// The sides disagree; the custodian keeps working.
    pub struct Disputed {
        /// The handoff.
        pub handoff: HandoffId,
        /// `OVERDUE`, `REFUSED`, `DECLINED`, `COUNTERED` …
        pub code: Code,
        /// The disputing side's position, sealed.
        pub position: Option<Sealed>,
    }

    /// A side's position.
    pub struct PositionStated {
        /// The handoff.
        pub handoff: HandoffId,
        /// The position, sealed.
        pub position: Sealed,
    }

    /// One side proposes how to end the dispute.
    pub struct SettlementProposed {
        /// The handoff.
        pub handoff: HandoffId,
        /// How.
        pub outcome: Settlement,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// The other side agrees to it. With AGREED an `agreed` event of the same command follows.
    pub struct Settled {
        /// The handoff.
        pub handoff: HandoffId,
        /// How.
        pub outcome: Settlement,
    }

    /// The offerer withdraws from the dispute and keeps the case.
    pub struct DisputeWithdrawn {
        /// The handoff.
        pub handoff: HandoffId,
        /// Why.
        pub code: Code,
    }

    /// Where no common superior is named: one supervisor's ruling, waiting for the other's.
    pub struct RulingProposed {
        /// The handoff; absent for an order without one.
        pub handoff: Option<HandoffId>,
        /// What.
        pub ruling: Ruling,
        /// Joint handling goes with it.
        pub joint: bool,
        /// The side it is about: with a signature, an order, the receipt of an alert.
        pub side: Option<StationRef>,
        /// The request for support it is about.
        pub support: Option<SupportId>,
        /// The reasons, sealed.
        pub reasons: Option<Sealed>,
    }

    /// The common superior, or both supervisors, ruled: binding, served on both.
    pub struct Ruled {
        /// The handoff; absent for an order without one.
        pub handoff: Option<HandoffId>,
        /// What.
        pub ruling: Ruling,
        /// Joint handling goes with it.
        pub joint: bool,
        /// The side it stands in for.
        pub side: Option<StationRef>,
        /// The request for support it is about.
        pub support: Option<SupportId>,
        /// With an order without a handoff: the superior named by the agreement between the custodian and that side.
        pub superior: Option<OrgId>,
        /// Both supervisors together.
        pub together: bool,
        /// The reasons, sealed.
        pub reasons: Option<Sealed>,
        /// The ruling's own signature.
        pub sign_off: SignOff,
    }

    /// Custody moves, at this moment and no other.
    pub struct TakenOver {
        /// The handoff; absent when ordered without one.
        pub handoff: Option<HandoffId>,
        /// Who had it.
        pub from: StationRef,
        /// Who has it.
        pub to: StationRef,
        /// Number of the custody.
        pub tenure: u64,
        /// By order of a ruling.
        pub by_order: bool,
        /// Digest of the paper this enters.
        pub paper: Option<Digest>,
    }

    /// A word of the custodian to the confirmer before the result.
    pub struct FeedbackGiven {
        /// What, as a code.
        pub code: Code,
        /// Sealed.
        pub text: Option<Sealed>,
    }

    /// The custodian's final result.
    pub struct Reported {
        /// Number of the report within the incident, from 1.
        pub report: u64,
        /// Result as a code.
        pub code: Code,
        /// Number of the case it went on as.
        pub case_number: Option<Label>,
        /// The result, sealed.
        pub result: Option<Sealed>,
        /// The custodian's duty officer.
        pub sign_off: SignOff,
    }

    /// The custodian takes the result back.
    pub struct ReportTakenBack {
        /// Why.
        pub code: Code,
    }

    /// The confirmer does not confirm.
    pub struct Contested {
        /// Number of the report it is about.
        pub report: u64,
        /// Why.
        pub code: Code,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// The confirmer confirms the result.
    pub struct Confirmed {
        /// Number of the report it is about.
        pub report: u64,
        /// The confirmer's duty officer.
        pub sign_off: SignOff,
    }
}
