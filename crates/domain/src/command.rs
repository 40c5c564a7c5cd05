//! What a caller can ask for. A command that only records a fact is the fact itself; one that decides carries what
//! the officer saw.

use crate::event::directory::{
    AgreementProposed, AgreementRatified, CatalogueSet, MapPublished, MapRatified, OfficerSet, PostSet,
    RegistryUpdated, StationSet, UnitSet,
};
use crate::event::handoff::{
    ClaimDropped, ClaimRefused, Contested, Countered, Declined, Delivered, DisputeWithdrawn, Disputed, FeedbackGiven,
    Kept, OfferBasis, PositionStated, RecallReceived, Recalled, ReportTakenBack, Ruling, Seen, Settlement,
    SettlementProposed, SignatureRefused, StoodBy, SubstituteNamed, Withdrawn,
};
use crate::event::incident::{
    AlertAnswered, CallAdded, CallerOpened, DetailsChanged, ErasedField, Handled, JointAcknowledged, JointEndAnswered,
    JointEndProposed, LabelAdded, LeadAnswered, LeadAsked, LinkKind, Noted, Objected, ReopenTo, Struck,
    SupportAnswered, SupportEnded, SupportRecalled, ToldByPhone, UnitStatus,
};
use crate::form::{Form, Signer};
use crate::ids::{
    DeploymentId, Digest, DrillId, HandoffId, IncidentId, JointId, OfficerId, Scope, StationId, StationRef, SupportId,
    UnitId,
};
use crate::time::Millis;
use crate::timers::Duty;
use crate::values::{CallerData, Category, Code, KeySignature, Label, Level, Place, Sealed, Severity};

/// What the officer saw when deciding (invariant 7). A stale one is answered with the current state and the legal
/// next moves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// State of the handoff, or of the incident where the move is about no handoff.
    pub state: Option<String>,
    /// Version of the form.
    pub form_version: Option<u64>,
    /// Tenure of the custody.
    pub tenure: Option<u64>,
}

/// One request about one incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The incident.
    pub incident: IncidentId,
    /// What the officer saw; required for moves that decide.
    pub expected: Expected,
    /// The caller's own time of it.
    pub claimed_at: Option<Millis>,
    /// A supervisor names the station of the own organisation it acts for; others may leave it out.
    pub acting_for: Option<StationId>,
    /// What.
    pub act: Act,
}

/// A new incident as the first receiver's system reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receive {
    /// How it came.
    pub channel: Option<Label>,
    /// The station that sent the caller on; it is alerted.
    pub sent_on_by: Option<StationId>,
    /// Kind of incident.
    pub kind: Option<Label>,
    /// How urgent.
    pub severity: Option<Severity>,
    /// Own category.
    pub category: Option<Category>,
    /// Own local number.
    pub number: Option<Label>,
    /// Where; its territory is filled in by the engine.
    pub place: Option<Place>,
    /// Who called.
    pub caller: Option<CallerData>,
    /// What was said.
    pub narrative: Option<Sealed>,
    /// The exercise it belongs to.
    pub drill: Option<DrillId>,
    /// What the edge could not understand.
    pub flags: Vec<Code>,
}

/// The receiver's own part of the form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgreeParts {
    /// The receiver's local number.
    pub number: Option<Label>,
    /// The receiver's mapped category.
    pub category: Option<Category>,
    /// The receiver's signer.
    pub signer: Option<Signer>,
    /// Digest of the paper this enters.
    pub paper: Option<Digest>,
}

/// How a signature is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignParts {
    /// Level.
    pub level: Level,
    /// Digest of the statement the officer saw.
    pub statement: Digest,
    /// The key's signature under it, at the levels device and passkey.
    pub signature: Option<KeySignature>,
    /// Language it was shown in.
    pub lang: Option<Label>,
    /// Template it was shown with.
    pub template: Option<Label>,
    /// Digest of the paper this enters.
    pub paper: Option<Digest>,
}

/// How a result, its confirmation or a ruling is signed off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sign {
    /// Level.
    pub level: Level,
    /// Digest of the statement the officer saw; needed where a key signed it.
    pub statement: Option<Digest>,
    /// The key's signature under it, at the levels device and passkey.
    pub signature: Option<KeySignature>,
}

impl Sign {
    /// The authenticated click alone.
    pub const ATTESTED: Self = Self { level: Level::Attested, statement: None, signature: None };
}

/// Declares the moves: name on the wire (also in *legal moves*) and what each carries.
macro_rules! acts {
    ($( $(#[$meta:meta])* $variant:ident = $text:literal $( ( $($ty:ty),* ) )? $( { $( $field:ident : $fty:ty ),* $(,)? } )? ;)*) => {
        /// What can be asked for.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(missing_docs, reason = "a field is the event's field of the same name, documented there")]
        pub enum Act { $( $(#[$meta])* $variant $( ( $($ty),* ) )? $( { $( $field : $fty ),* } )? ),* }

        impl Act {
            /// Every move's name.
            pub const NAMES: &'static [&'static str] = &[ $( $text ),* ];

            /// The move's name.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self { $( acts!(@pattern $variant $( ( $($ty),* ) )? $( { $( $field ),* } )?) => $text ),* }
            }
        }
    };
    (@pattern $variant:ident) => { Self::$variant };
    (@pattern $variant:ident ( $($ty:ty),* )) => { Self::$variant(..) };
    (@pattern $variant:ident { $( $field:ident ),* }) => { Self::$variant { .. } };
}

acts! {
    /// Intake. Never refused for what it does not know.
    Receive = "receive" (Receive);
    /// A repeat call.
    AddCall = "add_call" (CallAdded);
    /// A note.
    Note = "note" (Noted);
    /// The other side was phoned.
    TellByPhone = "tell_by_phone" (ToldByPhone);
    /// A further place.
    AddPlace = "add_place" { place: Place, flags: Vec<Code> };
    /// Kind, severity or category.
    ChangeDetails = "change_details" (DetailsChanged);
    /// The own local number.
    AddLabel = "add_label" (LabelAdded);
    /// Make it known to another station.
    Alert = "alert" { to: StationId };
    /// The alerted station's system has it.
    DeliverAlert = "deliver_alert" { to: StationRef };
    /// A person there has seen it.
    SeeAlert = "see_alert";
    /// What the alerted station says.
    AnswerAlert = "answer_alert" (AlertAnswered);
    /// A unit's status.
    ReportUnit = "report_unit" {
        deployment: DeploymentId, unit: UnitId, of: Option<StationId>, status: UnitStatus, crew: Vec<OfficerId>,
        support: Option<SupportId>
    };
    /// Declare it handled.
    DeclareHandled = "declare_handled" (Handled);
    /// Strike an own entry made by mistake.
    Strike = "strike" (Struck);
    /// Close.
    Close = "close" { code: Code, case_number: Option<Label> };
    /// Object to a closing without handoff.
    Object = "object" (Objected);
    /// Reopen.
    Reopen = "reopen" { code: Code, to: ReopenTo, note: Option<Sealed> };
    /// The service: an obligation is overdue.
    Escalate = "escalate" { duty: Duty, by: Option<StationRef>, scope: Option<Scope>, due: Millis };
    /// Take notice of what one owes or hears of.
    Acknowledge = "acknowledge" { duty: Duty, by: Option<StationRef>, scope: Option<Scope> };
    /// Open caller data; recorded.
    OpenCaller = "open_caller" (CallerOpened);
    /// Erase sealed fields.
    Erase = "erase" { fields: Vec<ErasedField>, basis: Code };
    /// Ask another station for units.
    RequestSupport = "request_support" {
        support: SupportId, to: StationId, skills: Vec<Code>, count: u64, note: Option<Sealed>
    };
    /// Answer such a request.
    AnswerSupport = "answer_support" (SupportAnswered);
    /// Call lent units back.
    RecallSupport = "recall_support" (SupportRecalled);
    /// End a request.
    EndSupport = "end_support" (SupportEnded);
    /// Declare joint handling.
    DeclareJoint = "declare_joint" { joint: JointId, with: StationId, lead: StationId, code: Code };
    /// Take notice of joint handling.
    AcknowledgeJoint = "acknowledge_joint" (JointAcknowledged);
    /// Propose who is to lead.
    AskLead = "ask_lead" (LeadAsked);
    /// Answer it.
    AnswerLead = "answer_lead" (LeadAnswered);
    /// Propose to end joint handling.
    ProposeJointEnd = "propose_joint_end" (JointEndProposed);
    /// Answer it.
    AnswerJointEnd = "answer_joint_end" (JointEndAnswered);
    /// Propose that two incidents are one; done at once where both have one custodian.
    ProposeMerge = "propose_merge" { other: IncidentId, survivor: IncidentId };
    /// Answer it, a yes naming the survivor too; whoever proposed takes it back with a no.
    AnswerMerge = "answer_merge" { other: IncidentId, yes: bool, survivor: Option<IncidentId>, code: Option<Code> };
    /// Give an alias back.
    Unmerge = "unmerge" { other: IncidentId, code: Code };
    /// Make a part an incident of its own.
    Split = "split" { part: IncidentId, received: Receive, code: Code };
    /// Link two incidents.
    Link = "link" { other: IncidentId, link: LinkKind };

    /// The case is ours.
    Claim = "claim" { handoff: HandoffId, code: Code, note: Option<Sealed> };
    /// It is not.
    RefuseClaim = "refuse_claim" (ClaimRefused);
    /// Let a claim rest.
    DropClaim = "drop_claim" (ClaimDropped);
    /// Offer a transfer, or answer a claim with one.
    Offer = "offer" {
        handoff: HandoffId, to: StationId, basis: OfferBasis, form: Form, signer: Option<Signer>,
        parent: Option<HandoffId>, paper: Option<Digest>
    };
    /// Edit the form: agreement and signatures are void.
    Revise = "revise" { handoff: HandoffId, form: Form, signer: Option<Signer> };
    /// The receiving system has it.
    Deliver = "deliver" (Delivered);
    /// The receiving duty officer has seen it.
    See = "see" (Seen);
    /// Ask for time.
    StandBy = "stand_by" (StoodBy);
    /// Ask for something first.
    Counter = "counter" (Countered);
    /// Say no.
    Decline = "decline" (Declined);
    /// Agree to one version.
    Agree = "agree" { handoff: HandoffId, version: u64, parts: AgreeParts };
    /// Sign for one side.
    Sign = "sign" { handoff: HandoffId, version: u64, parts: SignParts };
    /// Will not or cannot sign.
    RefuseSignature = "refuse_signature" (SignatureRefused);
    /// Name who signs instead.
    NameSubstitute = "name_substitute" (SubstituteNamed);
    /// Take an agreement back.
    Withdraw = "withdraw" (Withdrawn);
    /// Take an offer back.
    Recall = "recall" (Recalled);
    /// The receiver knows of the recall.
    ReceiveRecall = "receive_recall" (RecallReceived);
    /// Keep the case.
    Keep = "keep" (Kept);
    /// Dispute.
    Dispute = "dispute" (Disputed);
    /// State the own position.
    StatePosition = "state_position" (PositionStated);
    /// Propose how to end the dispute.
    ProposeSettlement = "propose_settlement" (SettlementProposed);
    /// Agree to that.
    AgreeSettlement = "agree_settlement" { handoff: HandoffId, outcome: Settlement, parts: AgreeParts };
    /// Withdraw from the dispute and keep the case.
    WithdrawDispute = "withdraw_dispute" (DisputeWithdrawn);
    /// Rule.
    Rule = "rule" {
        handoff: Option<HandoffId>, ruling: Ruling, joint: bool, side: Option<StationRef>,
        support: Option<SupportId>, reasons: Option<Sealed>, sign: Sign
    };
    /// Take over: custody moves.
    TakeOver = "take_over" { handoff: HandoffId, version: u64, paper: Option<Digest> };
    /// A word before the result.
    GiveFeedback = "give_feedback" (FeedbackGiven);
    /// The final result.
    Report = "report" {
        code: Code, case_number: Option<Label>, result: Option<Sealed>, sign: Sign
    };
    /// Take the result back.
    TakeBackReport = "take_back_report" (ReportTakenBack);
    /// Do not confirm.
    Contest = "contest" (Contested);
    /// Confirm.
    Confirm = "confirm" { report: u64, sign: Sign };
}

impl Act {
    /// Whether the move decides: it then names what the officer saw, and a stale one is refused. Facts never are.
    #[must_use]
    pub fn decides(&self) -> bool {
        match self {
            Self::Receive(_)
            | Self::AddCall(_)
            | Self::Note(_)
            | Self::TellByPhone(_)
            | Self::AddPlace { .. }
            | Self::ChangeDetails(_)
            | Self::AddLabel(_)
            | Self::Alert { .. }
            | Self::DeliverAlert { .. }
            | Self::SeeAlert
            | Self::AnswerAlert(_)
            | Self::ReportUnit { .. }
            | Self::Strike(_)
            | Self::Escalate { .. }
            | Self::Acknowledge { .. }
            | Self::OpenCaller(_)
            | Self::Erase { .. }
            | Self::RequestSupport { .. }
            | Self::AnswerSupport(_)
            | Self::RecallSupport(_)
            | Self::EndSupport(_)
            | Self::AcknowledgeJoint(_)
            | Self::Link { .. }
            | Self::Deliver(_)
            | Self::See(_)
            | Self::ReceiveRecall(_)
            | Self::StatePosition(_)
            | Self::GiveFeedback(_)
            | Self::RefuseSignature(_)
            | Self::Object(_) => false,
            Self::DeclareHandled(_)
            | Self::Close { .. }
            | Self::Reopen { .. }
            | Self::DeclareJoint { .. }
            | Self::AskLead(_)
            | Self::AnswerLead(_)
            | Self::ProposeJointEnd(_)
            | Self::AnswerJointEnd(_)
            | Self::ProposeMerge { .. }
            | Self::AnswerMerge { .. }
            | Self::Unmerge { .. }
            | Self::Split { .. }
            | Self::Claim { .. }
            | Self::RefuseClaim(_)
            | Self::DropClaim(_)
            | Self::Offer { .. }
            | Self::Revise { .. }
            | Self::StandBy(_)
            | Self::Counter(_)
            | Self::Decline(_)
            | Self::Agree { .. }
            | Self::Sign { .. }
            | Self::NameSubstitute(_)
            | Self::Withdraw(_)
            | Self::Recall(_)
            | Self::Keep(_)
            | Self::Dispute(_)
            | Self::ProposeSettlement(_)
            | Self::AgreeSettlement { .. }
            | Self::WithdrawDispute(_)
            | Self::Rule { .. }
            | Self::TakeOver { .. }
            | Self::Report { .. }
            | Self::TakeBackReport(_)
            | Self::Contest(_)
            | Self::Confirm { .. } => true,
        }
    }

    /// The key's signature the move carries, and the statement it is said to be under.
    #[must_use]
    pub fn signature(&self) -> Option<(Option<Digest>, &KeySignature)> {
        if let Self::Sign { parts, .. } = self {
            return parts.signature.as_ref().map(|signature| (Some(parts.statement), signature));
        }
        let (Self::Rule { sign, .. } | Self::Report { sign, .. } | Self::Confirm { sign, .. }) = self else {
            return None;
        };
        sign.signature.as_ref().map(|signature| (sign.statement, signature))
    }

    /// The handoff the move names, if it names one.
    #[must_use]
    pub fn handoff(&self) -> Option<HandoffId> {
        match self {
            Self::RefuseClaim(b) => Some(b.handoff),
            Self::DropClaim(b) => Some(b.handoff),
            Self::Deliver(b) => Some(b.handoff),
            Self::See(b) => Some(b.handoff),
            Self::StandBy(b) => Some(b.handoff),
            Self::Counter(b) => Some(b.handoff),
            Self::Decline(b) => Some(b.handoff),
            Self::RefuseSignature(b) => Some(b.handoff),
            Self::NameSubstitute(b) => Some(b.handoff),
            Self::Withdraw(b) => Some(b.handoff),
            Self::Recall(b) => Some(b.handoff),
            Self::ReceiveRecall(b) => Some(b.handoff),
            Self::Keep(b) => Some(b.handoff),
            Self::Dispute(b) => Some(b.handoff),
            Self::StatePosition(b) => Some(b.handoff),
            Self::ProposeSettlement(b) => Some(b.handoff),
            Self::WithdrawDispute(b) => Some(b.handoff),
            Self::Note(b) => b.handoff,
            Self::Rule { handoff, .. } => *handoff,
            Self::Revise { handoff, .. }
            | Self::Agree { handoff, .. }
            | Self::Sign { handoff, .. }
            | Self::AgreeSettlement { handoff, .. }
            | Self::TakeOver { handoff, .. } => Some(*handoff),
            Self::Receive(_)
            | Self::AddCall(_)
            | Self::TellByPhone(_)
            | Self::AddPlace { .. }
            | Self::ChangeDetails(_)
            | Self::AddLabel(_)
            | Self::Alert { .. }
            | Self::DeliverAlert { .. }
            | Self::SeeAlert
            | Self::AnswerAlert(_)
            | Self::ReportUnit { .. }
            | Self::DeclareHandled(_)
            | Self::Strike(_)
            | Self::Close { .. }
            | Self::Object(_)
            | Self::Reopen { .. }
            | Self::Escalate { .. }
            | Self::Acknowledge { .. }
            | Self::OpenCaller(_)
            | Self::Erase { .. }
            | Self::RequestSupport { .. }
            | Self::AnswerSupport(_)
            | Self::RecallSupport(_)
            | Self::EndSupport(_)
            | Self::DeclareJoint { .. }
            | Self::AcknowledgeJoint(_)
            | Self::AskLead(_)
            | Self::AnswerLead(_)
            | Self::ProposeJointEnd(_)
            | Self::AnswerJointEnd(_)
            | Self::ProposeMerge { .. }
            | Self::AnswerMerge { .. }
            | Self::Unmerge { .. }
            | Self::Split { .. }
            | Self::Link { .. }
            | Self::Claim { .. }
            | Self::Offer { .. }
            | Self::GiveFeedback(_)
            | Self::Report { .. }
            | Self::TakeBackReport(_)
            | Self::Contest(_)
            | Self::Confirm { .. } => None,
        }
    }

    /// The support request the move answers, recalls or ends.
    #[must_use]
    pub fn support(&self) -> Option<SupportId> {
        if let Self::AnswerSupport(b) = self {
            return Some(b.support);
        }
        if let Self::RecallSupport(b) = self {
            return Some(b.support);
        }
        if let Self::EndSupport(b) = self { Some(b.support) } else { None }
    }

    /// The joint period the move is about, unless it begins one.
    #[must_use]
    pub fn joint(&self) -> Option<JointId> {
        if let Self::AcknowledgeJoint(b) = self {
            return Some(b.joint);
        }
        if let Self::AskLead(b) = self {
            return Some(b.joint);
        }
        if let Self::AnswerLead(b) = self {
            return Some(b.joint);
        }
        if let Self::ProposeJointEnd(b) = self {
            return Some(b.joint);
        }
        if let Self::AnswerJointEnd(b) = self { Some(b.joint) } else { None }
    }

    /// The second incident the move touches, if it touches two.
    #[must_use]
    pub fn other_incident(&self) -> Option<IncidentId> {
        // A decline as duplicate is itself the proposal to merge.
        if let Self::Decline(b) = self {
            return b.duplicate_of;
        }
        if let Self::ProposeMerge { other, .. }
        | Self::AnswerMerge { other, .. }
        | Self::Unmerge { other, .. }
        | Self::Link { other, .. } = self
        {
            return Some(*other);
        }
        if let Self::Split { part, .. } = self { Some(*part) } else { None }
    }
}

/// The registry an update was looked at against: it is the next state of that one and of no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookedAt {
    /// It was not: another version follows, so that it is a repeat or stale.
    Nothing,
    /// Nothing was enrolled.
    Empty,
    /// The registry of the event with this hash.
    On(Digest),
}

/// A change of the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A station of the own organisation.
    Station(StationSet),
    /// A post.
    Post(PostSet),
    /// A unit.
    Unit(UnitSet),
    /// An officer's pseudonym.
    Officer(OfficerSet),
    /// Terms proposed by one side.
    ProposeAgreement(AgreementProposed),
    /// Terms ratified by the other.
    RatifyAgreement(AgreementRatified),
    /// A code table.
    Catalogue(CatalogueSet),
    /// A boundary map.
    PublishMap(MapPublished),
    /// A boundary map ratified by one side.
    RatifyMap(MapRatified),
    /// The next state of the own organisation's key registry, whose registrars' signatures and root were looked at.
    UpdateRegistry {
        /// The stream that the policy names for it.
        stream: IncidentId,
        /// What it becomes.
        update: RegistryUpdated,
        /// What its entries and signatures were looked at against.
        looked_at: LookedAt,
    },
    /// The incoming duty officer takes a station's shift.
    TakeShift(StationId),
    /// An exercise opened beforehand.
    OpenDrill {
        /// The exercise.
        drill: DrillId,
        /// Its number.
        number: Label,
        /// The other station.
        with: StationId,
        /// From when.
        from: Millis,
        /// Until when.
        until: Millis,
    },
    /// The other station joins.
    JoinDrill(DrillId),
    /// Over.
    EndDrill(DrillId),
}
