//! Facts of an incident outside its handoffs.

use crate::ids::{
    DeploymentId, DrillId, HandoffId, IncidentId, JointId, OfficerId, OrgId, Scope, StationRef, SupportId, UnitId,
};
use crate::time::Millis;
use crate::timers::{Duty, Rung};
use crate::values::{CallerData, Category, Code, Label, Place, Salt, Sealed, Severity, Terms};

crate::words! {
    /// How far a unit is (product, *Deployment*). The order is the way forward; a status may skip.
    pub enum UnitStatus {
        /// Told to go.
        Assigned = "ASSIGNED",
        /// On its way.
        EnRoute = "EN_ROUTE",
        /// There.
        OnScene = "ON_SCENE",
        /// Done and free again.
        Released = "RELEASED",
        /// Called back before it was done.
        Cancelled = "CANCELLED",
    }

    /// Where a reopened incident stands.
    pub enum ReopenTo {
        /// A unit is needed.
        Received = "RECEIVED",
        /// Only the result is open.
        Handled = "HANDLED",
    }

    /// What the asked station answers to a request for support.
    pub enum SupportAnswer {
        /// Everything asked for.
        Committed = "COMMITTED",
        /// Some of it.
        Partly = "PARTLY",
        /// Nothing.
        Not = "NOT",
    }

    /// How two incidents belong together.
    pub enum LinkKind {
        /// This one is a part of the other.
        PartOf = "PART_OF",
        /// They have to do with each other.
        Related = "RELATED",
        /// This one is the other's parent.
        Parent = "PARENT",
    }
}

impl UnitStatus {
    /// Whether the unit is still bound to the incident.
    #[must_use]
    pub fn is_active(self) -> bool {
        match self {
            Self::Assigned | Self::EnRoute | Self::OnScene => true,
            Self::Released | Self::Cancelled => false,
        }
    }
}

crate::record! {
    /// The incident exists: the station that took the call is its first receiver and custodian from this instant.
    pub struct Received {
        /// Keeps every later digest of this incident from being guessed (evidence, 3).
        pub salt: Salt,
        /// How it came: `PHONE`, `RADIO`, `SENT_ON` …
        pub channel: Option<Label>,
        /// The station that sent the caller on, with channel `SENT_ON`.
        pub sent_on_by: Option<StationRef>,
        /// Kind of incident; absent when not known yet.
        pub kind: Option<Label>,
        /// How urgent; absent counts as unknown, which counts as urgent.
        pub severity: Option<Severity>,
        /// Own category.
        pub category: Option<Category>,
        /// Own local number.
        pub number: Option<Label>,
        /// Where.
        pub place: Option<Place>,
        /// Who called, sealed.
        pub caller: Option<CallerData>,
        /// What was said, sealed.
        pub narrative: Option<Sealed>,
        /// The exercise it belongs to, from creation and for ever.
        pub drill: Option<DrillId>,
        /// The incident this one was split from.
        pub split_from: Option<IncidentId>,
        /// `UNTRUSTED`, `UNMAPPED` …: what could not be understood, and was stored all the same.
        pub flags: Vec<Code>,
        /// Timers and common superior in force for this incident outside a handoff.
        pub terms: Option<Terms>,
    }

    /// A repeat call about the same incident.
    pub struct CallAdded {
        /// How it came.
        pub channel: Option<Label>,
        /// The number of the station that took it.
        pub number: Option<Label>,
        /// Who called, sealed.
        pub caller: Option<CallerData>,
        /// What was said, sealed.
        pub narrative: Option<Sealed>,
    }

    /// A note of either side.
    pub struct Noted {
        /// What, sealed.
        pub text: Option<Sealed>,
        /// `CALLER_CANCELLED`, `WORD` (still working on it), `OBJECTION_ANSWERED` …
        pub code: Option<Code>,
        /// The handoff it is about.
        pub handoff: Option<HandoffId>,
        /// A repeat of a fact whose request id had expired is kept and flagged.
        pub flags: Vec<Code>,
    }

    /// Somebody of the own side phoned the other: a fact of the own side, never "seen".
    pub struct ToldByPhone {
        /// The station phoned.
        pub to: StationRef,
        /// Whom, sealed.
        pub whom: Option<Sealed>,
        /// What was said, sealed.
        pub text: Option<Sealed>,
    }

    /// A further place; the earlier ones stay.
    pub struct PlaceAdded {
        /// Where.
        pub place: Place,
        /// What could not be understood.
        pub flags: Vec<Code>,
    }

    /// Kind, severity or category as known now.
    pub struct DetailsChanged {
        /// New kind.
        pub kind: Option<Label>,
        /// New severity.
        pub severity: Option<Severity>,
        /// New category.
        pub category: Option<Category>,
        /// What could not be understood.
        pub flags: Vec<Code>,
    }

    /// A station's own number for the incident: a label, corrected by a new entry, never a key.
    pub struct LabelAdded {
        /// The number.
        pub number: Label,
    }

    /// The incident is made known to another station, before and without any handoff.
    pub struct Alerted {
        /// To whom.
        pub to: StationRef,
        /// `TERRITORY`, `SHARED_GROUND`, `ASKED`, `SENT_ON`, `MOVED`, `CLOSED_ON_YOUR_GROUND`; `MERGED` for one that came
        /// with an alias.
        pub cause: Code,
        /// The terms in force.
        pub terms: Option<Terms>,
    }

    /// The alerted station's system has it.
    pub struct AlertDelivered {
        /// That station.
        pub to: StationRef,
    }

    /// A person at the alerted station has seen it.
    pub struct AlertSeen {
        /// That station.
        pub to: StationRef,
    }

    /// What the alerted station says to it.
    pub struct AlertAnswered {
        /// `KNOWN`, `UNIT_SENT`, `SAME_AS_OURS`.
        pub answer: Code,
        /// With `SAME_AS_OURS`: their incident.
        pub ours: Option<IncidentId>,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// A unit's status; the claimed time of the envelope is the unit's own.
    pub struct UnitReported {
        /// This sending.
        pub deployment: DeploymentId,
        /// The unit.
        pub unit: UnitId,
        /// Whose unit.
        pub of: StationRef,
        /// How far it is.
        pub status: UnitStatus,
        /// Pseudonyms of the officers on it, where the station says so: who may sign.
        pub crew: Vec<OfficerId>,
        /// The request it is lent under.
        pub support: Option<SupportId>,
        /// `INVERTED_TIME`, `LATE_ENTRY`.
        pub flags: Vec<Code>,
    }

    /// The custodian declares it handled.
    pub struct Handled {
        /// Without a unit on scene: why none was needed.
        pub code: Option<Code>,
        /// With `REFERRED_OUTSIDE`: who took it, sealed.
        pub referred_to: Option<Sealed>,
        /// What came of it, sealed.
        pub result: Option<Sealed>,
    }

    /// An entry made by mistake: both stay, the state is that without it.
    pub struct Struck {
        /// Number of the entry within the incident.
        pub entry: u64,
        /// Why.
        pub code: Code,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// The custodian's duty officer closes; nothing is owed any more.
    pub struct Closed {
        /// `DONE`, `OPENED_AS_CASE` …
        pub code: Code,
        /// Number of the case it went on as.
        pub case_number: Option<Label>,
        /// The side whose ground it is, told because nothing was handed over; it may object.
        pub told: Option<StationRef>,
        /// Until when it may.
        pub object_until: Option<Millis>,
    }

    /// The side whose ground it is objects to a closing without handoff.
    pub struct Objected {
        /// Why.
        pub code: Code,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// Open again: the closure before it is superseded.
    pub struct Reopened {
        /// Why.
        pub code: Code,
        /// Where it stands now.
        pub to: ReopenTo,
        /// Custody does not move, tenure counts.
        pub tenure: u64,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// An overdue obligation went up one rung. Moves nothing else.
    pub struct Escalated {
        /// What is owed.
        pub duty: Duty,
        /// By which station.
        pub by: Option<StationRef>,
        /// Under which handoff, support or joint handling.
        pub scope: Option<Scope>,
        /// When it was due on the rung it leaves.
        pub due: Millis,
        /// Where it is now.
        pub rung: Rung,
        /// When the next rung hears of it.
        pub next_due: Option<Millis>,
    }

    /// The rung that was notified has taken notice; at the duty role it counts until the station's next shift begins.
    pub struct Acknowledged {
        /// What is owed.
        pub duty: Duty,
        /// By which station.
        pub by: Option<StationRef>,
        /// Under which handoff, support or joint handling.
        pub scope: Option<Scope>,
        /// On which rung.
        pub rung: Rung,
    }

    /// Caller data was opened; each opening is recorded. That of an alias is recorded in its survivor, which knows who
    /// may.
    pub struct CallerOpened {
        /// Why.
        pub code: Code,
        /// The alias whose caller it is; absent for the incident's own.
        pub of: Option<IncidentId>,
    }

    /// One erased field.
    pub struct ErasedField {
        /// The event it belongs to.
        pub seq: u64,
        /// Its path in that event's body.
        pub path: String,
    }

    /// Sealed values are gone; every digest and proof stays.
    pub struct Erased {
        /// Which.
        pub fields: Vec<ErasedField>,
        /// Legal ground.
        pub basis: Code,
    }

    /// Units or skills asked of another station. Custody stays.
    pub struct SupportRequested {
        /// This request.
        pub support: SupportId,
        /// Of whom.
        pub to: StationRef,
        /// What: `PATROL`, `AMBULANCE`, `DOG` …
        pub skills: Vec<Code>,
        /// How many units.
        pub count: u64,
        /// Sealed.
        pub note: Option<Sealed>,
        /// The terms in force.
        pub terms: Option<Terms>,
    }

    /// The asked station's answer.
    pub struct SupportAnswered {
        /// The request.
        pub support: SupportId,
        /// Yes, some, no.
        pub answer: SupportAnswer,
        /// Why not all.
        pub code: Option<Code>,
        /// When the units will be there.
        pub eta: Option<Millis>,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// The lender calls units back, with notice.
    pub struct SupportRecalled {
        /// The request.
        pub support: SupportId,
        /// Which unit; all when absent.
        pub unit: Option<UnitId>,
        /// When it leaves.
        pub leaves_at: Millis,
        /// Why.
        pub code: Code,
    }

    /// The request is over.
    pub struct SupportEnded {
        /// The request.
        pub support: SupportId,
        /// Why.
        pub code: Code,
    }

    /// Both sides handle it together: one leads, one supports. The lead is not custody.
    pub struct JointDeclared {
        /// This period.
        pub joint: JointId,
        /// The other side.
        pub with: StationRef,
        /// Who leads.
        pub lead: StationRef,
        /// Why.
        pub code: Code,
        /// The terms in force.
        pub terms: Option<Terms>,
    }

    /// The other side knows that it is joint.
    pub struct JointAcknowledged {
        /// The period.
        pub joint: JointId,
    }

    /// One side says "take the lead", or asks for it.
    pub struct LeadAsked {
        /// The period.
        pub joint: JointId,
        /// Who is to lead.
        pub lead: StationRef,
    }

    /// The other side's answer; a yes moves the lead at once.
    pub struct LeadAnswered {
        /// The period.
        pub joint: JointId,
        /// Yes; absent means no.
        pub yes: bool,
    }

    /// One side proposes to end joint handling.
    pub struct JointEndProposed {
        /// The period.
        pub joint: JointId,
        /// Why.
        pub code: Code,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// The other side's answer; a no goes up as an obligation.
    pub struct JointEndAnswered {
        /// The period.
        pub joint: JointId,
        /// Yes; absent means no.
        pub yes: bool,
        /// Why not.
        pub code: Option<Code>,
        /// Sealed.
        pub note: Option<Sealed>,
    }

    /// A duty officer proposes that two incidents are one. Stands in both.
    pub struct MergeProposed {
        /// The other incident.
        pub other: IncidentId,
        /// Which of the two answers from then on.
        pub survivor: IncidentId,
        /// Who proposes.
        pub by: StationRef,
        /// Who has to agree.
        pub to: StationRef,
    }

    /// The other custodian says no.
    pub struct MergeRefused {
        /// The other incident.
        pub other: IncidentId,
        /// Why.
        pub code: Code,
    }

    /// A unit bound to the alias: from the merge on one of the survivor's.
    pub struct MovedUnit {
        /// This sending.
        pub deployment: DeploymentId,
        /// The unit.
        pub unit: UnitId,
        /// Whose unit.
        pub of: StationRef,
        /// Pseudonyms of the officers on it.
        pub crew: Vec<OfficerId>,
        /// The request it is lent under.
        pub support: Option<SupportId>,
        /// How far it is.
        pub status: UnitStatus,
    }

    /// A station alerted to the alias: from the merge on to the survivor.
    pub struct MovedAlert {
        /// That station.
        pub to: StationRef,
        /// Since when.
        pub at: Millis,
        /// A person there has seen it.
        pub seen: Option<Millis>,
        /// A ruling stands in for the receipt.
        pub receipt_by_ruling: Option<Millis>,
        /// The terms in force.
        pub terms: Option<Terms>,
    }

    /// A request for support of the alias that is out: from the merge on the survivor's.
    pub struct MovedSupport {
        /// The request.
        pub support: SupportId,
        /// Who asks.
        pub from: StationRef,
        /// Who is asked.
        pub to: StationRef,
        /// Since when.
        pub at: Millis,
        /// The answer, if there is one.
        pub answer: Option<SupportAnswer>,
        /// When it was given.
        pub answered_at: Option<Millis>,
        /// The terms in force between the two.
        pub terms: Option<Terms>,
    }

    /// Everything open in an alias: what its survivor takes on. Each incident is told it, since each is judged alone.
    pub struct Moved {
        /// It is not handled yet: neither is the survivor from now on.
        pub needs_unit: bool,
        /// Units bound to it.
        pub units: Vec<MovedUnit>,
        /// Stations alerted to it.
        pub alerts: Vec<MovedAlert>,
        /// Requests for support that are out.
        pub supports: Vec<MovedSupport>,
        /// Who is owed its result, from now on by the survivor's custodian.
        pub confirmer: Option<StationRef>,
        /// The superior of that result.
        pub superior: Option<OrgId>,
        /// Whose ground it is, where nothing was handed over: to be told at the survivor's closing.
        pub ground: Vec<StationRef>,
    }

    /// Two incidents are one; stands in both. The alias shows its survivor's custodian.
    pub struct Merged {
        /// The one that is an alias from now on.
        pub alias: IncidentId,
        /// The one that answers.
        pub survivor: IncidentId,
        /// First receivers of both, custodians now and before, sides of a joint result: they stay readers of both.
        pub readers: Vec<StationRef>,
        /// What the survivor takes on.
        pub moved: Moved,
    }

    /// How far a unit is that goes back with its alias.
    pub struct UnitBack {
        /// This sending.
        pub deployment: DeploymentId,
        /// How far it is now.
        pub status: UnitStatus,
    }

    /// The alias is itself again; stands in both.
    pub struct Unmerged {
        /// The one that was an alias.
        pub alias: IncidentId,
        /// The one that answered.
        pub survivor: IncidentId,
        /// Why.
        pub code: Code,
        /// The units that came from it.
        pub units: Vec<UnitBack>,
    }

    /// A part became an incident of its own; both stay with the custodian.
    pub struct SplitOff {
        /// The part.
        pub part: IncidentId,
        /// Why.
        pub code: Code,
    }

    /// Two incidents belong together.
    pub struct Linked {
        /// The other one.
        pub other: IncidentId,
        /// How.
        pub link: LinkKind,
    }
}
