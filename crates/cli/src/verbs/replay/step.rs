//! What one party does at one moment, in plain words: an implementation of [`Drive`](super::drive::Drive) seals the
//! texts or puts them on the wire.

use super::call::Spot;
use handoff_domain::caller::{Caller, OrgKind, Role};
use handoff_domain::case::handoff::HandoffName;
use handoff_domain::case::phase::Phase;
use handoff_domain::event::incident::{SupportAnswer, UnitStatus};
use handoff_domain::ids::{
    ClientId, DeploymentId, HandoffId, IncidentId, JointId, OfficerId, OrgId, StationId, StationRef, SupportId, UnitId,
};
use handoff_domain::time::Millis;
use handoff_domain::values::{Category, Code, Label, Severity};
use handoff_engine::ids::derived;
use uuid::Uuid;

/// Number of the report a confirmation is about: a replay reports each result once.
pub const REPORT: u64 = 1;

/// Makes every id of a run: the same run, row and step give the same id, so that a run started again asks the same
/// things under the same ids and finds what was acknowledged done.
#[derive(Clone, Debug)]
pub struct Ids {
    run: String,
    data: String,
}

impl Ids {
    /// Ids of one run over one table.
    #[must_use]
    pub fn new(run: &str, data: &str) -> Self {
        Self { run: run.to_owned(), data: data.to_owned() }
    }

    /// The id of the incident of one row.
    #[must_use]
    pub fn incident(&self, row: &str) -> IncidentId {
        IncidentId(minted(self.of(row, "incident")))
    }

    /// The id of one step of one row.
    #[must_use]
    pub fn of(&self, row: &str, step: &str) -> Uuid {
        derived(&["replay", &self.run, &self.data, row, step])
    }
}

/// An id a caller may begin a stream of the log with, made of one that follows from names: the service keeps version 5
/// for its own and takes version 4.
#[must_use]
pub fn minted(derived: Uuid) -> Uuid {
    uuid::Builder::from_random_bytes(derived.into_bytes()).into_uuid()
}

/// Who sits at which desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Desk {
    /// The station's dispatch system: facts, no officer.
    System,
    /// The duty officer, who decides and never signs.
    DutyOfficer,
    /// The officer on the unit, who signs and never decides.
    Responder,
    /// The organisation's admin: the directory alone.
    Admin,
}

/// One party of the run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Party {
    /// The organisation.
    pub org: OrgId,
    /// Its station; an admin has none.
    pub station: Option<StationId>,
    /// At which desk.
    pub desk: Desk,
}

impl Party {
    /// A desk of a station.
    #[must_use]
    pub fn at(seat: &StationRef, desk: Desk) -> Self {
        Self { org: seat.org.clone(), station: Some(seat.station.clone()), desk }
    }

    /// An organisation's admin.
    #[must_use]
    pub fn admin(org: &OrgId) -> Self {
        Self { org: org.clone(), station: None, desk: Desk::Admin }
    }

    /// The roles its token grants.
    #[must_use]
    pub fn roles(&self) -> Vec<Role> {
        match self.desk {
            Desk::System => vec![Role::Adapter],
            Desk::DutyOfficer => vec![Role::DutyOfficer],
            Desk::Responder => vec![Role::Responder],
            Desk::Admin => vec![Role::Admin],
        }
    }

    /// The officer's pseudonym; a dispatch system has none.
    #[must_use]
    pub fn officer(&self) -> Option<OfficerId> {
        let station = self.station.as_ref().map_or_else(|| self.org.to_string(), ToString::to_string);
        let suffix = match self.desk {
            Desk::System => return None,
            Desk::DutyOfficer => "D1",
            Desk::Responder => "R1",
            Desk::Admin => "X1",
        };
        OfficerId::new(&format!("{station}-{suffix}"))
    }

    /// The client program its token names.
    ///
    /// # Panics
    /// Never: a code name and a prefix stay within the length of a code name, which setup has checked.
    #[must_use]
    #[expect(clippy::expect_used, reason = "setup refuses station names that would be too long")]
    pub fn client(&self) -> ClientId {
        let name = match (&self.station, self.desk) {
            (Some(station), Desk::System) => format!("cad-{station}"),
            (_, _) => format!("console-{}", self.org),
        };
        ClientId::new(&name).expect("station names are short enough")
    }

    /// The caller a verified token of this party makes.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller {
            org: self.org.clone(),
            kind: OrgKind::Party,
            client: self.client(),
            station: self.station.clone(),
            officer: self.officer(),
            roles: self.roles(),
        }
    }
}

/// What the officer's screen shows when deciding; the plan knows it, since nobody else works on these incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saw {
    /// State of the handoff, of the result, or of the incident.
    pub state: &'static str,
    /// Version of the form, for moves about a handoff.
    pub form_version: Option<u64>,
    /// Tenure.
    pub tenure: u64,
}

impl Saw {
    /// The incident in a phase.
    #[must_use]
    pub fn phase(phase: Phase, tenure: u64) -> Self {
        Self { state: phase.as_str(), form_version: None, tenure }
    }

    /// A handoff with its first version on the table.
    #[must_use]
    pub fn handoff(state: HandoffName, tenure: u64) -> Self {
        Self { state: state.as_str(), form_version: Some(1), tenure }
    }

    /// A result.
    #[must_use]
    pub fn result(state: HandoffName, tenure: u64) -> Self {
        Self { state: state.as_str(), form_version: None, tenure }
    }
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Move {
    /// Intake.
    Receive {
        kind: Option<Label>,
        severity: Option<Severity>,
        category: Option<Category>,
        number: Option<Label>,
        spot: Spot,
        flags: Vec<Code>,
    },
    /// Make it known to another station.
    Alert { to: StationId },
    /// The alerted station's system has it.
    DeliverAlert { to: StationRef },
    /// Its duty officer has seen it.
    SeeAlert,
    /// It says that it sent a unit.
    AnswerAlert { answer: Code },
    /// A unit's status.
    Unit {
        deployment: DeploymentId,
        unit: UnitId,
        status: UnitStatus,
        crew: Vec<OfficerId>,
        support: Option<SupportId>,
    },
    /// A note with a code.
    Note { code: Code, flags: Vec<Code> },
    /// Offer a transfer.
    Offer { handoff: HandoffId, to: StationId, form: OfferForm },
    /// The receiving system has it.
    Deliver { handoff: HandoffId },
    /// The receiving duty officer has seen it.
    See { handoff: HandoffId },
    /// Agree to the first version.
    Agree { handoff: HandoffId, number: Option<Label> },
    /// Sign for one side; the implementation asks for the statement that is signed.
    Sign { handoff: HandoffId },
    /// Take over.
    TakeOver { handoff: HandoffId },
    /// A word before the result.
    Word { code: Code },
    /// Ask for units.
    RequestSupport { support: SupportId, to: StationId, skills: Vec<Code>, count: u64 },
    /// Answer it.
    AnswerSupport { support: SupportId, answer: SupportAnswer },
    /// End it.
    EndSupport { support: SupportId, code: Code },
    /// Declare joint handling.
    DeclareJoint { joint: JointId, with: StationId, lead: StationId, code: Code },
    /// Take notice of it.
    AcknowledgeJoint { joint: JointId },
    /// Propose to end it.
    ProposeJointEnd { joint: JointId, code: Code },
    /// Agree to end it.
    AgreeJointEnd { joint: JointId },
    /// Declare handled; with a code where no unit arrived.
    DeclareHandled { code: Option<Code> },
    /// The final result.
    Report { code: Code, result: String },
    /// Confirm it.
    Confirm,
    /// Close.
    Close { code: Code },
}

/// The offerer's part of the form in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferForm {
    /// Kind.
    pub kind: Label,
    /// Severity.
    pub severity: Severity,
    /// Own category.
    pub category: Option<Category>,
    /// Own number.
    pub number: Option<Label>,
    /// Where.
    pub spot: Spot,
    /// When it was reported, when a unit was sent, when it arrived.
    pub reported: Option<Millis>,
    /// When the first unit was sent.
    pub dispatched: Option<Millis>,
    /// When it arrived.
    pub arrived: Option<Millis>,
    /// What was done.
    pub measures: String,
    /// Open risks.
    pub risks: String,
}

/// One command of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Number of the incident in the plan.
    pub case: usize,
    /// Line of the table it follows from.
    pub line: u64,
    /// When it happens.
    pub at: Millis,
    /// The caller's own time of it, where the table has one.
    pub claimed_at: Option<Millis>,
    /// Who.
    pub party: Party,
    /// Its request id.
    pub request: Uuid,
    /// The incident.
    pub incident: IncidentId,
    /// What the officer saw, for moves that decide.
    pub saw: Option<Saw>,
    /// What.
    pub what: Move,
}

impl Move {
    /// A short name for messages and ids.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Receive { .. } => "receive",
            Self::Alert { .. } => "alert",
            Self::DeliverAlert { .. } => "deliver_alert",
            Self::SeeAlert => "see_alert",
            Self::AnswerAlert { .. } => "answer_alert",
            Self::Unit { .. } => "report_unit",
            Self::Note { .. } => "note",
            Self::Offer { .. } => "offer",
            Self::Deliver { .. } => "deliver",
            Self::See { .. } => "see",
            Self::Agree { .. } => "agree",
            Self::Sign { .. } => "sign",
            Self::TakeOver { .. } => "take_over",
            Self::Word { .. } => "give_feedback",
            Self::RequestSupport { .. } => "request_support",
            Self::AnswerSupport { .. } => "answer_support",
            Self::EndSupport { .. } => "end_support",
            Self::DeclareJoint { .. } => "declare_joint",
            Self::AcknowledgeJoint { .. } => "acknowledge_joint",
            Self::ProposeJointEnd { .. } => "propose_joint_end",
            Self::AgreeJointEnd { .. } => "answer_joint_end",
            Self::DeclareHandled { .. } => "declare_handled",
            Self::Report { .. } => "report",
            Self::Confirm => "confirm",
            Self::Close { .. } => "close",
        }
    }
}
